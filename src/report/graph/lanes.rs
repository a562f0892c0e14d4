//! Where the lines of a drawing in text go: a row for each stage, a column for each connection that passes it.
//!
//! Rows are in topological order (back edges of loops aside), each stage as near to its writers as can be.
//! A lane is a connection, or several that have the same stages on one side where drawing each would only make
//! a thicket; it runs from its first row to its last, and its column is free again afterwards.

use std::collections::BTreeSet;

use crate::plan::{ConnId, Plan, StageId};

/// From this many connections on that begin (or end) together, one line stands for all.
const THICKET: usize = 5;

/// A line of the drawing.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) conns: Vec<ConnId>,
    /// Rows of the stages that write it, and that read it.
    pub(super) writers: BTreeSet<usize>,
    pub(super) readers: BTreeSet<usize>,
    pub(super) column: usize,
}

impl Lane {
    pub(super) fn first(&self) -> usize {
        self.writers
            .iter()
            .chain(&self.readers)
            .copied()
            .min()
            .unwrap_or(0)
    }

    pub(super) fn last(&self) -> usize {
        self.writers
            .iter()
            .chain(&self.readers)
            .copied()
            .max()
            .unwrap_or(0)
    }
}

/// The rows and columns of a plan's drawing.
#[derive(Debug)]
pub(super) struct Layout {
    /// The stage of each row, and its column.
    pub(super) rows: Vec<(StageId, usize)>,
    pub(super) lanes: Vec<Lane>,
    pub(super) columns: usize,
}

impl Layout {
    pub(super) fn of(plan: &Plan) -> Layout {
        let order = order(plan);
        let mut row_of = vec![0; plan.stages.len()];
        for (row, stage) in order.iter().enumerate() {
            row_of[stage.index()] = row;
        }
        let mut layout = Layout {
            rows: Vec::new(),
            lanes: lanes(plan, &row_of),
            columns: 0,
        };
        layout.place(&order);
        layout
    }

    /// Gives each lane and each stage a column.
    fn place(&mut self, order: &[StageId]) {
        // Which lane holds a column now.
        let mut held: Vec<Option<usize>> = Vec::new();
        for (row, stage) in order.iter().enumerate() {
            // The stage stands at the foot of the leftmost lane that ends with it.
            let ends = |lane: &Lane| {
                lane.last() == row && lane.first() < row && lane.readers.contains(&row)
            };
            let own = held
                .iter()
                .position(|h| h.is_some_and(|l| ends(&self.lanes[l])));
            let own = own.unwrap_or_else(|| free(&held, 0));
            if own == held.len() {
                held.push(None);
            }
            self.rows.push((*stage, own));
            // What the stage reads last is joined in its own line, so its column is free below; what it writes last is
            // joined in the line below, and keeps its column until the next row.
            let lanes = &self.lanes;
            let over = |h: Option<usize>, read: bool| {
                h.is_some_and(|l| lanes[l].last() == row && lanes[l].readers.contains(&row) == read)
            };
            held.iter_mut()
                .filter(|h| over(**h, true))
                .for_each(|h| *h = None);
            let closing: Vec<usize> = (0..held.len()).filter(|c| over(held[*c], false)).collect();
            // The first of the lanes that begin here goes on below the stage.
            let mut below = true;
            for l in 0..self.lanes.len() {
                if self.lanes[l].first() != row {
                    continue;
                }
                let column = if below && self.lanes[l].writers.contains(&row) && held[own].is_none()
                {
                    below = false;
                    own
                } else {
                    free(&held, own + 1)
                };
                if column == held.len() {
                    held.push(None);
                }
                self.lanes[l].column = column;
                // A stage that reads what it writes needs no column beyond its row.
                if self.lanes[l].last() > row {
                    held[column] = Some(l);
                }
            }
            for column in closing {
                held[column] = None;
            }
            self.columns = self.columns.max(held.len());
        }
    }
}

/// The first free column at or after `from`, where there is one; a new one else.
fn free(held: &[Option<usize>], from: usize) -> usize {
    (from..held.len())
        .find(|c| held[*c].is_none())
        .unwrap_or(held.len().max(from))
}

/// The stages in the order in which they are drawn: after what they read from, and right below it where that can be.
fn order(plan: &Plan) -> Vec<StageId> {
    let count = plan.stages.len();
    let mut writers: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
    for conn in &plan.conns {
        for r in &conn.readers {
            writers[r.index()].extend(
                conn.writers
                    .iter()
                    .map(|w| w.index())
                    .filter(|w| *w != r.index()),
            );
        }
    }
    // Not connected, but one after the other.
    for stage in &plan.stages {
        writers[stage.id.index()].extend(stage.after.iter().map(|a| a.index()));
    }
    let mut placed: Vec<Option<usize>> = vec![None; count];
    let mut order = Vec::new();
    while order.len() < count {
        let left = || (0..count).filter(|s| placed[*s].is_none());
        let open = |s: &usize| writers[*s].iter().filter(|w| placed[**w].is_none()).count();
        // The one whose latest writer was placed last comes next, so that lines stay short.
        let nearest = |s: &usize| {
            writers[*s]
                .iter()
                .filter_map(|w| placed[*w])
                .max()
                .map_or(-1, |r| r as i64)
        };
        let ready = left()
            .filter(|s| open(s) == 0)
            .max_by_key(|s| (nearest(s), std::cmp::Reverse(*s)));
        // In a loop nothing is ready: the one that waits for least, of those that something leads to, opens it.
        let next = ready
            .or_else(|| left().max_by_key(|s| (nearest(s) >= 0, std::cmp::Reverse((open(s), *s)))))
            .unwrap_or_default();
        placed[next] = Some(order.len());
        order.push(plan.stages[next].id);
    }
    order
}

fn lanes(plan: &Plan, row_of: &[usize]) -> Vec<Lane> {
    let rows = |stages: &[StageId]| {
        stages
            .iter()
            .map(|s| row_of[s.index()])
            .collect::<BTreeSet<usize>>()
    };
    let mut all: Vec<Lane> = plan
        .conns
        .iter()
        .filter(|c| !c.writers.is_empty() && !c.readers.is_empty())
        .map(|c| Lane {
            conns: vec![c.id],
            writers: rows(&c.writers),
            readers: rows(&c.readers),
            column: 0,
        })
        .collect();
    gather(&mut all, |lane| &lane.writers, |lane| &mut lane.readers);
    gather(&mut all, |lane| &lane.readers, |lane| &mut lane.writers);
    // Those that end first stand nearest to their stage.
    all.sort_by_key(|lane| (lane.first(), lane.last(), lane.conns[0].0));
    all
}

/// Makes one lane of many that have the same stages on one side.
fn gather(
    all: &mut Vec<Lane>,
    same: impl Fn(&Lane) -> &BTreeSet<usize>,
    other: impl Fn(&mut Lane) -> &mut BTreeSet<usize>,
) {
    let mut i = 0;
    while i < all.len() {
        let alike: Vec<usize> = (i..all.len())
            .filter(|j| same(&all[*j]) == same(&all[i]))
            .collect();
        if alike.len() >= THICKET {
            for j in alike[1..].iter().rev() {
                let mut lane = all.remove(*j);
                let rows = std::mem::take(other(&mut lane));
                other(&mut all[i]).extend(rows);
                all[i].conns.extend(lane.conns);
            }
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fake::{Sketch, plan};

    fn layout(sketches: &[Sketch<'_>]) -> (Plan, Layout) {
        let plan = plan(sketches);
        let layout = Layout::of(&plan);
        (plan, layout)
    }

    #[test]
    fn a_chain_needs_one_column() {
        let (_, layout) = layout(&[
            ("a", &[], 1, &[]),
            ("b", &["a"], 1, &[]),
            ("c", &["b"], 1, &[]),
        ]);
        assert_eq!(layout.columns, 1);
        assert_eq!(
            layout.rows.iter().map(|r| r.0.0).collect::<Vec<_>>(),
            [0, 1, 2]
        );
    }

    #[test]
    fn no_two_lanes_share_a_place() {
        let names: Vec<String> = (0..40).map(|i| format!("s{i}")).collect();
        let mut seed = 7_u64;
        for _ in 0..200 {
            let mut from: Vec<Vec<&str>> = vec![Vec::new(); 40];
            for (i, from) in from.iter_mut().enumerate().skip(1) {
                for _ in 0..3 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let writer = (seed >> 33) as usize % i;
                    if !from.contains(&&*names[writer]) {
                        from.push(&names[writer]);
                    }
                }
            }
            let sketches: Vec<Sketch<'_>> = (0..40)
                .map(|i| (&*names[i], from[i].as_slice(), 1, &[][..]))
                .collect();
            let (_, layout) = layout(&sketches);
            for (i, a) in layout.lanes.iter().enumerate() {
                for b in &layout.lanes[i + 1..] {
                    let apart = a.last() <= b.first() || b.last() <= a.first();
                    assert!(a.column != b.column || apart, "{a:?} and {b:?}");
                }
                for (row, (_, column)) in layout.rows.iter().enumerate() {
                    let passes = a.first() < row && row < a.last();
                    assert!(
                        !passes || a.column != *column,
                        "{a:?} runs through the stage of row {row}"
                    );
                }
            }
        }
    }

    #[test]
    fn many_readers_of_one_stage_share_a_line() {
        let names: Vec<String> = (0..30).map(|i| format!("r{i}")).collect();
        let mut sketches: Vec<Sketch<'_>> = vec![("all", &[], 1, &[])];
        sketches.extend(names.iter().map(|n| (&**n, &["all"][..], 1, &[][..])));
        let (_, layout) = layout(&sketches);
        assert_eq!(layout.lanes.len(), 1);
        assert!(layout.columns <= 2, "{}", layout.columns);
    }
}
