//! How many items there are, where the file itself says it: a stage that gets too few can keep a barrier closed.

use super::super::Room;
use super::super::wiring::{What, Wiring};
use crate::diagnostic::At;
use crate::spec::{OnError, Scalar, StepNode, Value};

/// Of one stage; `None`: it cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// At most so many items come to any of its steps.
    pub most: Option<u64>,
    /// Just so many come to each step that is under no `if`.
    pub exact: Option<u64>,
}

/// Steps of which at most one item comes for each that goes in ...
const ONE_AT_MOST: &[&str] = &[
    "filter", "unique", "take", "skip", "sample", "top", "batch", "group", "lookup",
];
/// ... and just one.
const JUST_ONE: &[&str] = &[
    "map",
    "sort",
    "assign",
    "keep",
    "remove",
    "rename",
    "sleep",
    "wait_event",
    "set_event",
    "clear_event",
    "notify",
    "notify_all",
    "wait_barrier",
    "add",
    "store",
    "put",
    "write",
    "print",
    "log",
];

pub(super) fn of(room: &Room<'_>, wiring: &Wiring<'_>) -> Vec<Count> {
    let mut counts: Vec<Count> = vec![Count::default(); wiring.stages.len()];
    let mut leaving = counts.clone();
    for &number in &wiring.order {
        let stage = &room.file.stages[number];
        let (mut entering, steps) = match stage.steps.split_first() {
            _ if stage.incomplete => continue,
            Some((source, steps)) if wiring.stages[number].inputs.is_empty() => {
                (made(source), steps)
            }
            _ => (read(room, wiring, number, &leaving), &stage.steps[..]),
        };
        let fails = stage
            .on_error
            .as_ref()
            .is_none_or(|e| e.value == OnError::Fail);
        if !fails || steps.iter().any(is_excused) {
            entering.exact = None;
        }
        if !steps.iter().all(|s| is_all(s, &|n| JUST_ONE.contains(&n))) {
            entering.exact = None;
        }
        let at_most = |n: &str| JUST_ONE.contains(&n) || ONE_AT_MOST.contains(&n);
        if !steps.iter().all(|s| is_all(s, &at_most)) {
            entering.most = None;
        }
        counts[number] = entering;
        leaving[number] = Count {
            // Which way each takes, nobody knows.
            exact: entering
                .exact
                .filter(|_| wiring.stages[number].routes.is_empty()),
            ..entering
        };
    }
    counts
}

/// Is it, or is everything in it, one of these steps?
fn is_all(step: &StepNode, known: &dyn Fn(&str) -> bool) -> bool {
    if step.key.text == "do" {
        step.steps.iter().all(|s| is_all(s, known))
    } else {
        known(&step.key.text)
    }
}

/// Is this place within an `if`?
fn may_skip(step: &StepNode, place: At) -> bool {
    let within = step.at.start <= place.start && place.end <= step.at.end;
    within && (step.modifiers.condition.is_some() || step.steps.iter().any(|s| may_skip(s, place)))
}

/// May an item that fails there be lost without ending the run?
fn is_excused(step: &StepNode) -> bool {
    let own = step.modifiers.on_error.as_ref();
    own.is_some_and(|e| e.value != OnError::Fail) || step.steps.iter().any(is_excused)
}

/// What a source makes, as far as it is written there.
fn made(source: &StepNode) -> Count {
    let int = |node: Option<&crate::spec::Node>| match node.map(|n| &n.value) {
        Some(Value::Scalar(Scalar::Int(n))) => Some(*n),
        _ => None,
    };
    let n = match (&*source.key.text, &source.node) {
        ("range", node) if node.as_map().is_none() => int(Some(node)),
        ("range", node) if node.get("step").is_none() => {
            let from = node.get("from").map_or(Some(0), |n| int(Some(n)));
            int(node.get("to"))
                .zip(from)
                .and_then(|(to, from)| to.checked_sub(from))
        }
        ("items", node) => node
            .as_list()
            .or_else(|| node.get("items")?.as_list())
            .and_then(|list| i64::try_from(list.len()).ok()),
        _ => None,
    };
    let n = n.map(|n| u64::try_from(n).unwrap_or(0));
    Count { most: n, exact: n }
}

/// What comes through the inputs. (In a loop the writers are not known yet: they stay unknown.)
fn read(room: &Room<'_>, wiring: &Wiring<'_>, number: usize, leaving: &[Count]) -> Count {
    let mut sum = Count {
        most: Some(0),
        exact: Some(0),
    };
    for conn in wiring.stages[number]
        .inputs
        .iter()
        .map(|c| &wiring.conns[*c])
    {
        let drops = conn.declared.is_some_and(|d| d.full.is_some());
        if conn.readers.len() > 1 || drops {
            sum.exact = None;
        }
        for writer in &conn.writers {
            let count = leaving[writer.stage];
            let add = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
            if writer.what == What::User {
                // It may put as often as it likes.
                return Count {
                    most: None,
                    exact: None,
                };
            }
            sum.most = add(sum.most, count.most);
            sum.exact = match writer.what {
                What::Items => add(sum.exact, count.exact),
                What::Put(_) => {
                    let steps = &room.file.stages[writer.stage].steps;
                    let every = !steps.iter().any(|s| may_skip(s, writer.at));
                    add(sum.exact, count.exact.filter(|_| every))
                }
                What::Dead | What::User => None,
            };
        }
    }
    sum
}
