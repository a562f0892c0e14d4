//! TOOLBOX: how workers agree: locks of every kind, conditions, events, barriers, and shared values.
//!
//! Nothing here blocks: what cannot be had now is a wait, and the asking agent stands in the list of who is to
//! be woken before it gets that answer. Knows nothing of stages, items or expressions.
//!
//! Pitfalls: an agent waits for one thing at a time and is asked again when woken; who gives up must say so
//! (`forget`), or what is handed over to it is lost.

mod barrier;
mod condition;
mod event;
mod limits;
mod machine;
mod permits;
mod raw;
mod values;

pub use barrier::{Barrier, Broken, Passed};
pub use condition::Condition;
pub use event::Event;
pub use limits::{Adaptive, Bell, Claimed, LimitCounts, Limits, Need, Pace, Rate, Ticket};
pub use machine::{Machine, folder};
pub use permits::{ALL, Counts, Held, Permits};
pub use values::{Declared, Layout, Target, Values};

use crate::wait::{AgentId, Clock};

/// One guard of a run.
#[derive(Debug)]
pub enum Guard {
    /// A lock, an rlock, an rwlock or a semaphore.
    Permits(Permits),
    Condition(Condition),
    Event(Event),
    Barrier(Barrier),
    /// Counted in [`Commons::limits`].
    Limit,
}

impl Guard {
    /// What is held of it: of a condition its lock.
    pub fn permits(&self) -> Option<&Permits> {
        match self {
            Guard::Permits(permits) => Some(permits),
            Guard::Condition(condition) => Some(&condition.lock),
            Guard::Event(_) | Guard::Barrier(_) | Guard::Limit => None,
        }
    }
}

/// The guards and values of one run, by their numbers in the plan.
#[derive(Debug)]
pub struct Commons {
    pub guards: Box<[Guard]>,
    pub values: Values,
    pub limits: Limits,
}

impl Default for Commons {
    fn default() -> Commons {
        Commons {
            guards: Box::new([]),
            values: Values::new(&[], &[]),
            limits: Limits::new(std::collections::HashMap::new()),
        }
    }
}

impl Commons {
    /// What can be held.
    ///
    /// # Panics
    /// For an event or a barrier: the plan never asks.
    pub fn permits(&self, guard: u32) -> &Permits {
        self.guards[guard as usize]
            .permits()
            .expect("BUG: an event or a barrier is held")
    }

    /// # Panics
    /// For anything but an event.
    pub fn event(&self, guard: u32) -> &Event {
        match &self.guards[guard as usize] {
            Guard::Event(event) => event,
            other => panic!("BUG: {other:?} is no event"),
        }
    }

    /// # Panics
    /// For anything but a barrier.
    pub fn barrier(&self, guard: u32) -> &Barrier {
        match &self.guards[guard as usize] {
            Guard::Barrier(barrier) => barrier,
            other => panic!("BUG: {other:?} is no barrier"),
        }
    }

    /// # Panics
    /// For anything but a condition.
    pub fn condition(&self, guard: u32) -> &Condition {
        match &self.guards[guard as usize] {
            Guard::Condition(condition) => condition,
            other => panic!("BUG: {other:?} is no condition"),
        }
    }

    /// The agent is no more: what it held is given back. The guards that it held, each with how many permits.
    pub fn orphan(&self, agent: AgentId, clock: &dyn Clock) -> Vec<(u32, u32)> {
        self.values.orphan(agent);
        self.limits.give(agent, false, clock.now());
        let mut held = Vec::new();
        for (guard, number) in self.guards.iter().zip(0..) {
            match guard {
                Guard::Event(event) => event.forget(agent),
                Guard::Barrier(barrier) => barrier.forget(agent),
                Guard::Permits(_) | Guard::Condition(_) | Guard::Limit => {}
            }
            if let Guard::Condition(condition) = guard {
                condition.orphan(agent);
            }
            if let Some(n) = guard.permits().map(|p| p.orphan(agent, clock))
                && n > 0
            {
                held.push((number, n));
            }
        }
        held
    }
}
