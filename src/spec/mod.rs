//! WRITTEN: the file as it was written, with the place of every key and value.
//!
//! Knows what the words are called, not what they mean together: that is `check`.

mod node;

pub use node::{Key, Node, Scalar, Value};
