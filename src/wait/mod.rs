//! TOOLBOX: the one door through which anything waits for another worker.
//!
//! A wait is a value: who cannot go on hands out a [`Wait`], and whoever drives the worker decides how to
//! wait. The [`Registry`] notes who waits for what, only around a wait. Knows nothing of channels or guards.
//!
//! Pitfalls: put your [`Agent`] into the list of who is to be woken *before* you look a last time, under the
//! same lock; wake-ups may be spurious, so whoever is woken asks again.

mod agent;
mod clock;
pub(crate) mod primitive;
mod stop;
mod trace;

pub use agent::{About, Agent, AgentId, Kind, Pause, Registry, Seen, Wait, What, Who, Woken};
pub use clock::{Clock, RealClock, VirtualClock};
pub use stop::{Stop, Why};
pub use trace::{Lane, Span, Trace};
