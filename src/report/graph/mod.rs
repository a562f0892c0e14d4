//! The plan as a drawing: `graph --format text|dot`.
//!
//! [`words`] says what a stage and a connection are called in all of them; each format is a file.

mod dot;
mod lanes;
mod text;
mod words;

pub use dot::draw as dot;
pub use text::draw as text;
