//! What the language has and this program does not yet: refused, never ignored.

use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::spec::{Conn, ExecutorKind, File, Full, Modifiers, OnError, Order, Stage, To};

/// Steps of the language. A name that is here and not in the table of steps is not built yet.
const STEPS: &[&str] = &[
    "read",
    "files",
    "range",
    "items",
    "exec",
    "shell",
    "python",
    "parse",
    "filter",
    "map",
    "assign",
    "keep",
    "remove",
    "rename",
    "each",
    "unique",
    "take",
    "skip",
    "sample",
    "batch",
    "group",
    "sort",
    "top",
    "lookup",
    "css",
    "worker",
    "fetch",
    "sleep",
    "call",
    "wait_event",
    "set_event",
    "clear_event",
    "notify",
    "notify_all",
    "wait_barrier",
    "add",
    "store",
    "put",
    "ask",
    "write",
    "print",
    "log",
];

pub(super) fn is_step(name: &str) -> bool {
    STEPS.contains(&name)
}

pub(super) fn not_yet(at: At, what: &str) -> Diagnostic {
    Diagnostic::new(
        "E0104",
        at,
        format!("{what} is part of the language, but not built yet"),
    )
}

/// Says everything in the file (but steps) that is not built yet.
pub(super) fn refuse(file: &File, out: &mut Diagnostics) {
    for guard in &file.guards {
        out.push(not_yet(
            guard.name.at,
            &format!("the guard `{}`", guard.name.text),
        ));
    }
    for (key, _) in &file.values {
        out.push(not_yet(key.at, &format!("the value `{}`", key.text)));
    }
    for (key, _) in &file.arrays {
        out.push(not_yet(key.at, &format!("the array `{}`", key.text)));
    }
    for test in &file.tests {
        out.push(not_yet(test.at, "a test in the file"));
    }
    if let Some(deadline) = file.deadline {
        out.push(not_yet(deadline.at, "`deadline`"));
    }
    if let Some(drain) = file.drain {
        out.push(not_yet(drain.at, "`stop.drain`"));
    }
    for conn in file.pipes.iter().chain(&file.queues) {
        refuse_conn(conn, out);
    }
    for stage in &file.stages {
        refuse_stage(stage, out);
    }
}

fn refuse_conn(conn: &Conn, out: &mut Diagnostics) {
    let mut refuse = |at: At, what: &str| out.push(not_yet(at, what));
    if let Some(order) = conn.order.filter(|o| o.value != Order::Fifo) {
        refuse(order.at, "an `order` other than `fifo`");
    }
    if let Some(by) = &conn.by {
        refuse(by.at, "`by`");
    }
    if let Some(full) = conn.full.filter(|f| f.value != Full::Block) {
        refuse(full.at, "a `full` other than `block`");
    }
    if let Some(feedback) = conn.feedback.filter(|f| f.value) {
        refuse(feedback.at, "`feedback`");
    }
    if let Some(reply) = &conn.reply {
        refuse(reply.at, "`reply`");
    }
}

fn refuse_stage(stage: &Stage, out: &mut Diagnostics) {
    let mut refuse = |at: At, what: &str| out.push(not_yet(at, what));
    if let To::Route(routes) = &stage.to
        && let Some(first) = routes.first()
    {
        refuse(first.to.at, "a `to` with conditions");
    }
    if let Some(executor) = &stage.executor {
        match executor.kind {
            ExecutorKind::Threads => {}
            ExecutorKind::Processes => refuse(executor.at, "`processes`"),
            ExecutorKind::Tasks => refuse(executor.at, "`tasks`"),
            ExecutorKind::Timer => refuse(executor.at, "`timer`"),
        }
    }
    if let Some(first) = stage.after.first() {
        refuse(first.at, "`after`");
    }
    if let Some(always) = stage.always.filter(|a| a.value) {
        refuse(always.at, "`always`");
    }
    if let Some(timeout) = stage.timeout {
        refuse(timeout.at, "`timeout`");
    }
    if let Some(retry) = &stage.retry {
        refuse(retry.at, "`retry`");
    }
    match &stage.on_error {
        Some(e) if matches!(e.value, OnError::KeepGoing) => refuse(e.at, "`on_error: keep_going`"),
        Some(e) if matches!(e.value, OnError::To(_)) => {
            refuse(e.at, "`on_error` with a connection")
        }
        _ => {}
    }
    if let Some(max) = &stage.max_errors {
        refuse(max.at, "`max_errors`");
    }
    if let Some(first) = stage.sets.first() {
        refuse(first.at, "`sets`");
    }
    if let Some(first) = stage.puts.first() {
        refuse(first.at, "`puts`");
    }
}

pub(super) fn refuse_modifiers(m: &Modifiers, out: &mut Diagnostics) {
    let mut refuse = |at: At, what: &str| out.push(not_yet(at, what));
    if let Some(text) = &m.condition {
        refuse(text.at, "`if`");
    }
    if let Some((key, _)) = m.with.first() {
        refuse(key.at, "`with`");
    }
    if let Some(text) = &m.until {
        refuse(text.at, "`until`");
    }
    if let Some(text) = &m.input {
        refuse(text.at, "`in`");
    }
    if let Some(key) = &m.into {
        refuse(key.at, "`into`");
    }
    if let Some(node) = &m.result {
        refuse(node.at, "`as`");
    }
    if let Some(timeout) = &m.timeout {
        refuse(timeout.at, "`timeout`");
    }
    if let Some(retry) = &m.retry {
        refuse(retry.at, "`retry`");
    }
    if let Some(on_error) = &m.on_error {
        refuse(on_error.at, "`on_error`");
    }
}
