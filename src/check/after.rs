//! Who waits for whom to end: `after`, and readers of what others write.

use std::collections::HashSet;

use super::Room;
use super::wiring::Wiring;
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::plan::components;
use crate::spec::{Full, Key};

/// A stage that waits for its own end never starts; and a writer that waits until its reader starts, which
/// waits until the writer has ended, stops at a full connection.
pub(super) fn check(room: &Room<'_>, wiring: &Wiring<'_>, out: &mut Diagnostics) {
    let count = wiring.stages.len();
    let waits = |number: usize| {
        wiring.stages[number]
            .after
            .iter()
            .map(move |other| (*other, number))
    };
    let after = (0..count).flat_map(waits);
    let items = wiring.conns.iter().enumerate().flat_map(|(i, c)| {
        let written = c.writers.iter().map(move |w| (w.stage, count + i));
        written.chain(c.readers.iter().map(move |r| (count + i, r.stage)))
    });
    for component in components(count + wiring.conns.len(), after.chain(items)) {
        let mut stages: Vec<usize> = component.into_iter().filter(|n| *n < count).collect();
        stages.sort_unstable();
        let members: HashSet<usize> = stages.iter().copied().collect();
        // An `after` within a component closes a circle; one is enough to say.
        let closing = stages.into_iter().find_map(|n| {
            let other = wiring.stages[n]
                .after
                .iter()
                .find(|o| members.contains(o))?;
            Some((n, *other))
        });
        if let Some((stage, other)) = closing {
            refuse(room, wiring, stage, other, out);
        }
    }
    for number in 0..count {
        small(room, wiring, number, out);
    }
    for stage in &room.file.stages {
        if let Some(always) = stage.always.filter(|a| a.value && stage.after.is_empty()) {
            out.push(
                Diagnostic::new("E0106", always.at, "`always` needs `after`").help(
                    "name the stages that must have ended, in whatever way, before this one starts",
                ),
            );
        }
    }
}

fn place(room: &Room<'_>, stage: usize, other: usize) -> At {
    let name = &room.file.stages[other].name.text;
    let key: Option<&Key> = room.file.stages[stage]
        .after
        .iter()
        .find(|k| k.text == *name);
    key.map_or(room.file.stages[stage].name.at, |k| k.at)
}

fn refuse(room: &Room<'_>, wiring: &Wiring<'_>, stage: usize, other: usize, out: &mut Diagnostics) {
    let name = |n: usize| &room.file.stages[n].name.text;
    let reads = |reader: usize, writer: usize| {
        wiring.stages[reader]
            .inputs
            .iter()
            .any(|c| wiring.conns[*c].writers.iter().any(|w| w.stage == writer))
    };
    let message = if stage == other {
        format!("stage `{}` waits for its own end", name(stage))
    } else if reads(other, stage) {
        format!(
            "stage `{}` starts after `{}`, which reads what it writes and so ends after it",
            name(stage),
            name(other)
        )
    } else {
        format!(
            "stage `{}` starts after `{}`, which itself ends only after it",
            name(stage),
            name(other)
        )
    };
    out.push(
        Diagnostic::new("E0501", place(room, stage, other), message).help(if stage == other {
            "it would never start; take it out"
        } else {
            "neither would ever start; take one of the two out"
        }),
    );
}

/// Warns where a stage reads, only after its writer has ended, from what may be full by then.
fn small(room: &Room<'_>, wiring: &Wiring<'_>, number: usize, out: &mut Diagnostics) {
    let after: HashSet<usize> = wiring.stages[number].after.iter().copied().collect();
    if after.is_empty() {
        return;
    }
    for &input in &wiring.stages[number].inputs {
        let conn = &wiring.conns[input];
        let full = conn.declared.and_then(|d| d.full).map(|f| f.value);
        if matches!(
            full,
            Some(Full::DropNewest | Full::DropOldest | Full::Spill)
        ) {
            continue;
        }
        let Some(writer) = conn.writers.iter().find(|w| after.contains(&w.stage)) else {
            continue;
        };
        let (reader, writer) = (
            &room.file.stages[number].name.text,
            &room.file.stages[writer.stage].name.text,
        );
        let message = format!(
            "`{reader}` starts reading {} when `{writer}` has ended; if it is full before, neither goes on",
            conn.describe()
        );
        let at = conn
            .readers
            .iter()
            .find(|r| r.stage == number)
            .map_or(room.file.stages[number].name.at, |r| r.at);
        out.push(
            Diagnostic::new("W0501", at, message)
                .help(if conn.declared.is_some() {
                    "without `after`, a reader takes what there is; with it, give the connection a `max` that takes everything"
                } else {
                    "without `after`, a reader takes what there is; with it, put a queue between them whose `max` takes everything"
                }),
        );
    }
}
