//! WRITTEN: the file as it was written, with the place of every key and value.
//!
//! Knows what the words are called, not what they mean together: that is `check`.

mod budget;
mod bytes;
mod file;
mod form;
pub mod forms;
pub mod keys;
mod load;
mod node;
mod params;
mod processes;
mod put;
mod scalar;
mod swallowed;
mod syntax;
mod text;

pub use file::{
    Conn, Executor, ExecutorKind, File, Full, Guard, GuardKind, MaxErrors, Modifiers, OnError,
    Order, Ordered, Placed, Processes, Retry, Route, Stage, StepNode, Test, To, Workers,
};
pub use form::load;
pub use load::read;
pub use node::{Key, Node, Scalar, Value};
pub use params::{Given, Param, ParamType, Params};
pub use text::Text;
