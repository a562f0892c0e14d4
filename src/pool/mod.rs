//! HAPPENING: the worker loop, turn-taking, items set aside, and the drivers that decide how a worker waits.
//!
//! A [`Worker`] is a machine that never blocks: [`Worker::turn`] does some work or answers with a wait, and a
//! driver (a thread that parks, an event loop) decides what to do with it. Knows nothing of the run as a whole.
//!
//! Two rules keep batches unobservable, and both live in `worker.rs`:
//! 1. A segment of steps that can wait takes its rows one by one and hands back what it has not begun before it waits.
//! 2. Every worker gives out what it has made before it waits for anything.
//!
//! Pitfalls: who holds the turn may wait for room in an output while others deposit; only the window bounds them.

mod aside;
mod busy;
mod cut;
mod faults;
mod instance;
mod line;
mod segment;
mod sequencer;
mod shared;
mod stage;
mod task;
mod thread;
pub mod threads;
mod worker;

pub use faults::Failure;
pub use sequencer::{Deposit, Range, Sequencer};
pub use shared::{Shared, Verdict};
pub use stage::Stage;
pub use task::drive_all;
pub use thread::drive;
pub use worker::{Turn, Worker};
