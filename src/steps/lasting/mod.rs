//! Steps with long-lived programs: an item goes there, and comes back as its result.
//!
//! `run` is what they have in common, whatever the program is; `worker` is the step for a program of the user's.

mod run;
mod worker;

pub(super) use worker::WORKER;
