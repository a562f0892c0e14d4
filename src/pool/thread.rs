//! The driver for threads: a wait parks the thread.

use super::busy::Busy;
use super::worker::{Turn, Worker};

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
                busy.pauses(&shared, kind);
                // Spurious wake-ups and time-outs are told apart by asking again.
                let _ = agent.park(wait, &*shared.clock);
                busy.goes_on(&shared, kind);
            }
            Turn::Done => break,
        }
    }
    busy.leave(&shared);
    busy.waited(&agent, &shared);
}
