//! The books of a run: what every stage took and what became of it. They must add up.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::channel::{Conn, Counts};
use crate::notice::{Final, Meters};
use crate::plan::{self, Plan};
use crate::steps::Outcome;
use crate::sync::Commons;
use crate::value::{Blocks, Cell};

/// What one stage did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub taken: u64,
    /// Made beyond what was taken: by `each`, by the results of `group`.
    pub made: u64,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub ended: [u64; 7],
    pub busy: Duration,
    /// Waited, by [`Kind`](crate::wait::Kind); all workers together.
    pub waited: [Duration; 6],
    /// The most bytes that its steps with a memory held.
    pub held: u64,
}

impl Account {
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize]
    }

    /// `taken + made` is the sum of the outcomes.
    pub fn adds_up(&self) -> bool {
        self.taken + self.made == self.ended.iter().sum::<u64>()
    }
}

/// What a run did, in the order of the plan.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub stages: Vec<Account>,
    pub conns: Vec<Counts>,
    /// Shared values, then arrays, in the order of the file.
    pub values: Vec<Final>,
    names: Vec<String>,
}

impl Books {
    pub(super) fn of(
        plan: &Plan,
        meters: &Meters,
        conns: &[Arc<Conn>],
        commons: &Commons,
    ) -> Books {
        let stages = meters
            .stages
            .iter()
            .map(|m| Account {
                taken: m.taken.load(Relaxed),
                made: m.made.load(Relaxed),
                ended: std::array::from_fn(|i| m.ended[i].load(Relaxed)),
                busy: Duration::from_nanos(m.busy_nanos.load(Relaxed)),
                waited: std::array::from_fn(|i| {
                    Duration::from_nanos(m.waited_nanos[i].load(Relaxed))
                }),
                held: m.held.load(Relaxed),
            })
            .collect();
        Books {
            stages,
            conns: conns.iter().map(|c| c.counts()).collect(),
            values: finals(plan, commons),
            names: plan.stages.iter().map(|s| s.name.to_string()).collect(),
        }
    }

    /// The first sum that is wrong, in words: a bug of ours.
    pub fn mistake(&self) -> Option<String> {
        let (name, account) = self
            .names
            .iter()
            .zip(&self.stages)
            .find(|(_, a)| !a.adds_up())?;
        Some(format!(
            "millstream itself is wrong, please report it: stage `{name}` took {} and made {} items, but {:?} of them ended \
             (passed, filtered, absorbed, dropped, dead, cut, unfinished)",
            account.taken, account.made, account.ended
        ))
    }
}

/// What the shared values and arrays are now.
fn finals(plan: &Plan, commons: &Commons) -> Vec<Final> {
    let values = plan.values.iter().zip(0..).map(|(value, id)| {
        let now = json(&commons.values.get(id));
        (value, now)
    });
    let arrays = plan.arrays.iter().zip(0..).map(|(array, id)| {
        let length = commons.values.length(id);
        let each = (0..length).filter_map(|i| commons.values.element(id, i));
        (array, each.map(|cell| json(&cell)).collect())
    });
    let shown = |(value, now): (&plan::Value, serde_json::Value)| Final {
        name: value.name.to_string(),
        value: if value.secret { "***".into() } else { now },
    };
    values.chain(arrays).map(shown).collect()
}

fn json(cell: &Cell) -> serde_json::Value {
    let mut text = Vec::new();
    // What is shared outlives every batch, so nothing of it is a span of one.
    cell.write_json(&Blocks::new(), &mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}
