//! Who waits for whom to end: `after`, and readers of what others write.

use std::collections::HashSet;

use super::Room;
use super::wiring::Wiring;
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::plan::components;
use crate::spec::Key;

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
    let d = Diagnostic::new("E0501", place(room, stage, other), message);
    // Where the other waits for this one in turn: its own `after`, or what it reads.
    let back = &room.file.stages[other];
    let d = match back.after.first().or(back.from.first()) {
        Some(key) if stage != other => d.also(
            key.at,
            format!("`{}` waits for this, directly or around", name(other)),
        ),
        _ => d.also(room.file.stages[stage].name.at, "this very stage"),
    };
    out.push(d.help(if stage == other {
        "it would never start; take it out"
    } else {
        "neither would ever start; take one of the two out"
    }));
}
