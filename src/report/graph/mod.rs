//! The plan as a drawing: `graph --format text|dot`.
//!
//! [`words`] says what a stage and a connection are called in all of them; each format is a file.

mod dot;
mod lanes;
mod text;
mod words;

use crate::plan::Plan;
use crate::report::paint::Paint;

/// For the terminal, at most so many columns wide.
pub fn text(plan: &Plan, columns: usize, paint: Paint) -> String {
    text::draw(plan, columns, paint)
}

/// For Graphviz.
pub fn dot(plan: &Plan) -> String {
    dot::draw(plan)
}

/// `3 stages, 2 connections`.
pub fn size(plan: &Plan) -> String {
    words::size(plan)
}
