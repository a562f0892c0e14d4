//! The search for deadlocks in a running pipeline, also among a few workers while the rest goes on.
//!
//! When somebody has waited for a while, the waits are collected, and whoever can never move again is found
//! ([`World::stuck`]). There are no false alarms: what a worker waits for is over-estimated (whoever might help
//! counts), and those found are believed only if none of them has moved between two looks, so that they all
//! stood still at one moment. Nobody outside of such a set can be needed by it, so it stays.
//!
//! Nothing is stopped for it, and nothing is noted while workers work.

mod graph;
mod report;
mod world;

pub use graph::{Graph, Rule};
pub use world::{Agent, Conn, Guard, Stage, State, World};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::notice::Deadlock;
use crate::plan::Plan;
use crate::pool;
use crate::pool::Shared;
use crate::sync;
use crate::wait::{AgentId, Seen};

/// Who has waited so long may be stuck.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What the search looks at.
pub struct Search<'a> {
    pub plan: &'a Plan,
    pub shared: &'a Shared,
    pub stages: &'a [Arc<pool::Stage>],
}

impl Search<'_> {
    /// Workers that can never move again. `state` says of each stage how far it is.
    pub fn find(&self, state: impl Fn(usize) -> State) -> Option<Deadlock> {
        let seen = self.shared.registry.seen();
        let world = self.world(&seen, state);
        let (agents, stages) = world.stuck();
        if agents.is_empty() {
            return None;
        }
        // What was read in between may be of different moments; it is true of those who did not move meanwhile.
        let later: HashMap<AgentId, Seen> = self
            .shared
            .registry
            .seen()
            .into_iter()
            .map(|seen| (seen.id, seen))
            .collect();
        let still = |i: &usize| {
            later
                .get(&seen[*i].id)
                .is_some_and(|now| now.epoch == seen[*i].epoch && !now.is_free())
        };
        if !agents.iter().all(still) {
            return None;
        }
        Some(report::deadlock(self, &world, &seen, &agents, &stages))
    }

    fn world(&self, seen: &[Seen], state: impl Fn(usize) -> State) -> World {
        let mut here = vec![0; self.stages.len()];
        let agents = seen.iter().map(|seen| {
            let stage = seen.who.map(|who| who.stage as usize);
            if let (Some(stage), false) = (stage, seen.outside) {
                here[stage] += 1;
            }
            Agent {
                id: seen.id,
                stage,
                waits: (!seen.is_free())
                    .then(|| seen.wait.as_ref().map(|(wait, _)| wait.what.clone()))
                    .flatten(),
            }
        });
        let agents = agents.collect();
        let stages = self.plan.stages.iter().zip(self.stages).enumerate();
        let stages = stages.map(|(i, (plan, stage))| {
            let state = state(i);
            let (coming, spare) = match state {
                State::Runs => (stage.staying().saturating_sub(here[i]), stage.spare()),
                State::Waits(_) | State::Over => (0, 0),
            };
            Stage {
                state,
                workers: stage.workers(),
                coming,
                spare,
                touches: plan.touches.clone(),
            }
        });
        let numbers = |ids: &[crate::plan::StageId]| ids.iter().map(|s| s.index()).collect();
        let conns = self.plan.conns.iter().zip(self.shared.conns.iter());
        let conns = conns.map(|(plan, conn)| Conn {
            items: conn.waiting(),
            max: plan.max.get(),
            writers: numbers(&plan.writers),
            readers: numbers(&plan.readers),
        });
        let commons = &self.shared.commons;
        let guards = commons.guards.iter().zip(0..).map(|(g, number)| {
            let mut seen = guard(g);
            if let sync::Guard::Limit = g {
                seen.holders = commons.limits.holders(number);
            }
            seen
        });
        World {
            agents,
            stages: stages.collect(),
            conns: conns.collect(),
            guards: guards.collect(),
        }
    }
}

fn guard(guard: &sync::Guard) -> Guard {
    let mut seen = Guard::default();
    if let Some(permits) = guard.permits() {
        // The holders first: who is handed a permit in between has been woken.
        seen.holders = permits.held().iter().map(|h| (h.agent, h.n)).collect();
        seen.queue = permits.queue();
        seen.free = permits.free();
    }
    match guard {
        sync::Guard::Event(event) => seen.set = event.is_set(),
        sync::Guard::Barrier(barrier) => {
            seen.parties = barrier.parties() as usize;
            seen.here = barrier.here();
        }
        sync::Guard::Permits(_) | sync::Guard::Condition(_) | sync::Guard::Limit => {}
    }
    seen
}
