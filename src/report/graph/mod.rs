//! The plan as a drawing: `graph --format text|dot|mermaid|svg`.
//!
//! [`words`] says what a stage and a connection are called in all of them; each format is a file.

mod dot;
mod guards;
mod lanes;
mod mermaid;
mod svg;
mod text;
mod words;

use crate::plan::{Conn, Plan, Stage};
use crate::report::paint::Paint;

/// For the terminal, at most so many columns wide.
pub fn text(plan: &Plan, columns: usize, paint: Paint) -> String {
    text::draw(plan, columns, paint)
}

/// For Graphviz.
pub fn dot(plan: &Plan) -> String {
    dot::draw(plan)
}

/// For pages that draw Mermaid.
pub fn mermaid(plan: &Plan) -> String {
    mermaid::draw(plan)
}

/// A picture that stands alone.
pub fn svg(plan: &Plan) -> String {
    svg::draw(plan)
}

/// A stage in a line: how it runs, what holds for it, its steps.
pub fn stage(plan: &Plan, stage: &Stage) -> String {
    let mut words = vec![words::executor(stage)];
    words.extend(words::manner(plan, stage));
    format!("{}: {}", words.join(", "), words::steps(stage).join(" › "))
}

/// A connection in a line: its type and bounds.
pub fn conn(conn: &Conn) -> String {
    words::conn(conn)
}

/// What is proven of a plan in which nobody can wait for ever.
pub fn safety(plan: &Plan) -> Option<&'static str> {
    plan.safe.then_some(
        "free of deadlocks by construction: as long as its handlers return, it cannot deadlock",
    )
}

/// `3 stages, 2 connections`.
pub fn size(plan: &Plan) -> String {
    words::size(plan)
}
