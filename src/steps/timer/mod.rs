//! Timers: when ticks come, how many, and what becomes of one that comes at a bad moment.
//!
//! [`Timer`] is what was meant, [`Rhythm`] a timer at work (it answers "now", "then" or "never again"), and
//! [`Ticks`] the source of a timer stage without `from`. Knows nothing of stages or threads.
//!
//! Pitfalls: intervals are counted on the monotonic clock; only `cron` looks at the wall clock, which may jump,
//! so a wait for it is never long.

mod cron;
mod rhythm;
mod ticks;

pub use cron::Cron;
pub use rhythm::{Look, Rhythm, Tick};
pub use ticks::{Ticks, tick_type};

use std::time::Duration;

use crate::expr::Code;

/// What a stage's `timer` says.
#[derive(Debug)]
pub struct Timer {
    pub beat: Beat,
    /// Before the first tick; for [`Beat::Each`], before each item.
    pub delay: Duration,
    pub times: Option<u64>,
    pub until: Option<Until>,
    pub missed: Missed,
    /// As people read it: `every 5s`.
    pub text: String,
}

/// What makes it tick.
#[derive(Debug)]
pub enum Beat {
    /// So long after one another.
    Every(Duration),
    /// At these times of the calendar.
    Cron(Box<Cron>),
    /// Once.
    Once,
    /// Not at all: each item runs so long after it arrived.
    Each,
}

/// When there are no more ticks.
#[derive(Debug)]
pub enum Until {
    /// So long after the stage has started.
    After(Duration),
    /// At this time (seconds and nanoseconds since 1970).
    At(i64, u32),
    /// As soon as this holds when a tick comes.
    When(Code),
}

/// What becomes of a tick that comes while the last one is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It is left out, and not numbered.
    Skip,
    /// It comes late.
    Burst,
}

impl Timer {
    /// Does it go on for ever, as far as it itself is concerned? Such a timer does not keep a run alive.
    pub fn is_endless(&self) -> bool {
        self.times.is_none()
            && self.until.is_none()
            && matches!(self.beat, Beat::Every(_) | Beat::Cron(_))
    }
}
