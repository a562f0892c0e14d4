//! TOOLBOX: programs at the other end of a pipe: the messages they speak, the guard process that starts and ends
//! them, the thread that hears them, and the proxy of a long-lived one.
//!
//! Knows nothing of stages or of types: items are JSON texts here.
//!
//! Pitfalls: a program may say anything at any time, and may be gone at any time; whoever holds an item here holds
//! it until it is answered.

pub mod broker;
pub mod guard;
mod kind;
mod programs;
pub mod protocol;
mod proxy;
pub mod python;
mod raw;
mod wire;

pub use kind::{Calls, Command, Kind, Lines, Reply, SOCKET};
pub use programs::{Exit, Guarding, Input, Listener, Process, Programs, signal_name};
pub use proxy::{DEATHS, Proxy, Reply as Answer, Settings, Ticket};
