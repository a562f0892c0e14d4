//! The driver for threads: a wait parks the thread.

use std::sync::atomic::Ordering;

use super::worker::{Turn, Worker};
use crate::wait::Kind;

/// Runs a worker to its end on this thread.
pub fn drive(mut worker: Worker) {
    let agent = worker.agent().clone();
    let shared = worker.shared().clone();
    let busy = Busy(worker.stage() as usize);
    busy.enter(&shared);
    loop {
        match worker.turn() {
            Turn::More => {}
            Turn::Wait(wait) => {
                let kind = wait.what.kind();
                busy.leave(&shared);
                busy.waits(&shared, kind, true);
                // Spurious wake-ups and time-outs are told apart by asking again.
                let _ = agent.park(wait, &*shared.clock);
                busy.waits(&shared, kind, false);
                busy.enter(&shared);
            }
            Turn::Done => break,
        }
    }
    busy.leave(&shared);
    for (to, waited) in shared.meters.stages[busy.0]
        .waited_nanos
        .iter()
        .zip(agent.waited())
    {
        to.fetch_add(
            u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}

/// The stage whose busy workers are counted.
struct Busy(usize);

impl Busy {
    fn enter(&self, shared: &super::Shared) {
        shared.meters.stages[self.0]
            .busy_workers
            .fetch_add(1, Ordering::Relaxed);
    }

    /// A worker begins to wait, or has waited.
    fn waits(&self, shared: &super::Shared, kind: Kind, begins: bool) {
        let now = &shared.meters.stages[self.0].waiting_workers[kind as usize];
        if begins {
            now.fetch_add(1, Ordering::Relaxed);
        } else {
            now.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn leave(&self, shared: &super::Shared) {
        shared.meters.stages[self.0]
            .busy_workers
            .fetch_sub(1, Ordering::Relaxed);
    }
}
