//! The ways of items as far as the proofs need them: who writes for whom, what may be full, who starts after whom.

use super::super::Room;
use super::super::settings::Settings;
use super::super::wiring::Wiring;
use super::World;
use super::counts::Count;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{Full, components};
use crate::spec::StepNode;

#[derive(Debug)]
pub(super) struct Ways {
    /// For each stage, the number of the loop that it is in (of its own, where it is in none).
    pub circle: Vec<usize>,
    /// Some step may have enough before its input has ended.
    pub may_end_early: bool,
    /// For each connection: its writers may have to wait for room.
    blocks: Vec<bool>,
    /// For each stage, those that write what it reads ...
    before: Vec<Vec<usize>>,
    /// ... those of them that may have to wait for room ...
    pushing: Vec<Vec<usize>>,
    /// ... and those that read what it writes.
    behind: Vec<Vec<usize>>,
}

impl Ways {
    pub fn of(room: &Room<'_>, wiring: &Wiring<'_>, settings: &Settings, counts: &[Count]) -> Ways {
        let stages = wiring.stages.len();
        let mut ways = Ways {
            circle: vec![0; stages],
            may_end_early: room.file.stages.iter().any(|s| takes(&s.steps)),
            blocks: Vec::new(),
            before: vec![Vec::new(); stages],
            pushing: vec![Vec::new(); stages],
            behind: vec![Vec::new(); stages],
        };
        let mut edges = Vec::new();
        for (number, conn) in wiring.conns.iter().enumerate() {
            let bounds = settings.conns[number];
            // All that is ever written may find room.
            let all = conn.writers.iter().try_fold(0u64, |sum, w| {
                Some(sum.saturating_add(counts[w.stage].most?))
            });
            let fits = all.is_some_and(|n| n <= bounds.max.get() as u64);
            let blocks = bounds.full == Full::Block && !conn.is_feedback() && !fits;
            ways.blocks.push(blocks);
            for reader in &conn.readers {
                for writer in &conn.writers {
                    ways.before[reader.stage].push(writer.stage);
                    ways.behind[writer.stage].push(reader.stage);
                    if blocks {
                        ways.pushing[reader.stage].push(writer.stage);
                    }
                    edges.push((writer.stage, reader.stage));
                }
            }
        }
        for (number, circle) in components(stages, edges).into_iter().enumerate() {
            for stage in circle {
                ways.circle[stage] = number;
            }
        }
        ways
    }

    /// May who writes into this connection have to wait for room?
    pub fn blocks(&self, conn: usize) -> bool {
        self.blocks[conn]
    }

    /// Marks the stages that may have to wait for room when this one takes nothing more.
    pub fn upstream(&self, stage: usize, marks: &mut [bool]) {
        spread(&self.pushing, stage, marks);
    }

    /// The stages to which something of what this one writes may come.
    pub fn downstream(&self, stage: usize) -> Vec<bool> {
        let mut marks = vec![false; self.behind.len()];
        spread(&self.behind, stage, &mut marks);
        marks
    }

    /// The stages that must have ended before this one starts.
    pub fn ended_before(&self, stage: usize, wiring: &Wiring<'_>) -> Vec<bool> {
        let mut marks = vec![false; self.before.len()];
        let mut next = wiring.stages[stage].after.clone();
        while let Some(other) = next.pop() {
            if !std::mem::replace(&mut marks[other], true) {
                next.extend(&wiring.stages[other].after);
                next.extend(&self.before[other]);
            }
        }
        marks
    }
}

/// Marks what can be come to; not where it begins, unless there is a way back.
fn spread(edges: &[Vec<usize>], from: usize, marks: &mut [bool]) {
    let mut next = edges[from].clone();
    while let Some(stage) = next.pop() {
        if !std::mem::replace(&mut marks[stage], true) {
            next.extend(&edges[stage]);
        }
    }
}

fn takes(steps: &[StepNode]) -> bool {
    steps
        .iter()
        .any(|s| s.key.text == "take" || takes(&s.steps))
}

/// Warns where a stage starts reading only when somebody has ended who may have to wait for it to read.
pub(super) fn late_readers(world: &World<'_, '_>, out: &mut Diagnostics) {
    let wiring = world.wiring;
    for (number, ends) in wiring.stages.iter().enumerate() {
        if ends.after.is_empty() {
            continue;
        }
        let awaited = world.ways.ended_before(number, wiring);
        for &input in &ends.inputs {
            let conn = &wiring.conns[input];
            if !world.ways.blocks(input) {
                continue;
            }
            // Its writers, and those who wait for room when they do.
            let mut held_up = vec![false; wiring.stages.len()];
            for writer in &conn.writers {
                held_up[writer.stage] = true;
                world.ways.upstream(writer.stage, &mut held_up);
            }
            let Some(other) = (0..held_up.len()).find(|s| held_up[*s] && awaited[*s]) else {
                continue;
            };
            let max = world.settings.conns[input].max;
            let (reader, writer) = (world.stage(number), world.stage(other));
            let message = format!(
                "`{reader}` starts reading {} when `{writer}` has ended; if more than {max} items come into it before, neither goes on",
                conn.describe()
            );
            let of = |end: &&super::super::wiring::End| end.stage == number;
            let stage = &world.room.file.stages[number];
            let at = conn.readers.iter().find(of).map_or(stage.name.at, |r| r.at);
            let d = Diagnostic::new("W0501", at, message);
            let d = match stage.after.first() {
                Some(after) => d.also(after.at, "it starts only then"),
                None => d,
            };
            out.push(d.help(if conn.declared.is_some() {
                "without `after`, a reader takes what there is; with it, give the connection a `max` that takes everything"
            } else {
                "without `after`, a reader takes what there is; with it, put a queue between them whose `max` takes everything"
            }));
        }
    }
}
