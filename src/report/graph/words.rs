//! What a drawing says of a stage or a connection, in words.

use crate::plan::{Conn, ConnKind, Executor, Ordered, Plan, Stage};
use crate::report::numbers::{exact, plural};

/// `1 thread`, `4 threads, as completed`.
pub(super) fn executor(stage: &Stage) -> String {
    let Executor::Threads(n) = stage.executor;
    let mut text = plural(n.get() as u64, "thread");
    if n.get() > 1 && stage.ordered == Ordered::No {
        text += ", as completed";
    }
    text
}

/// The steps, each in a line.
pub(super) fn steps(stage: &Stage) -> Vec<String> {
    stage.program.steps.iter().map(|s| s.text.clone()).collect()
}

/// `queue urls: string, at most 1,024`; an unnamed pipe has no name.
pub(super) fn conn(conn: &Conn) -> String {
    let of_and_max = format!("{}, at most {}", conn.of, exact(conn.max.get() as u64));
    match conn.kind {
        ConnKind::Unnamed => of_and_max,
        ConnKind::Pipe => format!("pipe {}: {of_and_max}", conn.name),
        ConnKind::Queue => format!("queue {}: {of_and_max}", conn.name),
    }
}

/// `3 stages, 2 connections`.
pub(super) fn size(plan: &Plan) -> String {
    format!(
        "{}, {}",
        plural(plan.stages.len() as u64, "stage"),
        plural(plan.conns.len() as u64, "connection")
    )
}
