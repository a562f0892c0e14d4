//! TOOLBOX: what flows. An item is a row of [`Cell`]s in a [`Batch`]; its type is a [`Type`].
//!
//! Knows nothing of stages, steps, the user's files or threads.
//!
//! Pitfalls: a cell of kind text, raw or bin is a span of one of its batch's [`Blocks`] and means
//! nothing beside another batch; [`Cell::detach`] makes one that stands alone.

mod batch;
mod block;
mod cell;
pub mod convert;
mod json;
pub mod pack;
mod raw;
pub mod scan;
mod scratch;
mod secrets;
pub mod time;
mod types;
pub mod wreck;

pub use batch::{Batch, Row};
pub use block::{Block, BlockPool, Blocks, ReadFrom};
pub use cell::{Cell, Heap, Map, Span};
pub use json::{JsonReader, JsonRows, Want, Wanted};
pub use scratch::Scratch;
pub use secrets::Secrets;
pub use types::{Field, Name, RecordType, Shape, Type};
