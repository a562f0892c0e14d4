//! FACE: everything people look at: progress, summaries, diagnostics, drawings of the graph.
//!
//! Knows plans, meters and notices; not channels, workers or steps. Only this room writes to the terminal:
//! [`output::Screen`] is the one mouth, so that a log line never tears a progress bar.
//!
//! Pitfalls: whatever comes from an item or a file goes through [`cells::tame`] before it is shown; a face can
//! neither fail a run nor slow an item: it looks at counters at its own pace.

pub mod advice;
pub mod bars;
pub mod cells;
pub mod details;
pub mod diagnostics;
#[cfg(test)]
pub(crate) mod fake;
pub mod graph;
pub mod json;
pub mod look;
pub mod numbers;
pub mod output;
pub mod page;
pub mod paint;
pub mod plain;
pub mod progress;
pub mod prose;
pub mod streams;
pub mod summary;
pub mod terminal;
pub mod usage;
