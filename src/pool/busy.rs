//! What every driver adds to its stage's meter: how many workers are at work, and how long they waited.

use std::sync::atomic::Ordering;

use super::Shared;
use crate::wait::{Agent, Kind};

/// The stage whose busy workers are counted.
pub(super) struct Busy(pub usize);

impl Busy {
    pub(super) fn enter(&self, shared: &Shared) {
        shared.meters.stages[self.0]
            .busy_workers
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, shared: &Shared) {
        shared.meters.stages[self.0]
            .busy_workers
            .fetch_sub(1, Ordering::Relaxed);
    }

    /// A worker begins to wait.
    pub(super) fn pauses(&self, shared: &Shared, kind: Kind) {
        self.leave(shared);
        shared.meters.stages[self.0].waiting_workers[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// It has waited.
    pub(super) fn goes_on(&self, shared: &Shared, kind: Kind) {
        shared.meters.stages[self.0].waiting_workers[kind as usize].fetch_sub(1, Ordering::Relaxed);
        self.enter(shared);
    }

    /// A worker has left: how long it waited.
    pub(super) fn waited(&self, agent: &Agent, shared: &Shared) {
        let meter = &shared.meters.stages[self.0];
        for (to, waited) in meter.waited_nanos.iter().zip(agent.waited()) {
            to.fetch_add(
                u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX),
                Ordering::Relaxed,
            );
        }
    }
}
