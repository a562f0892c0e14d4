//! What a drawing says of a stage, of a connection, and of the ways from the one to the other, in words.

use std::time::Duration;

use crate::plan::{
    Conn, ConnKind, Executor, Full, MaxErrors, OnError, Order, Ordered, Plan, Stage,
};
use crate::report::cells::{cut, width};
use crate::report::numbers::{bytes, exact, plural};

/// `1 thread`, `4 threads, as completed`, `100 tasks, as completed`, `every 5s`.
pub(super) fn executor(stage: &Stage) -> String {
    let (n, mut text) = match &stage.executor {
        Executor::Threads(n) => (n, plural(n.get() as u64, "thread")),
        Executor::Tasks(n) => (n, plural(n.get() as u64, "task")),
        Executor::Processes { count, .. } => (count, processes(count.get())),
        Executor::Timer(timer) => return timer.text.clone(),
    };
    if n.get() > 1 && stage.ordered == Ordered::No {
        text += ", as completed";
    }
    text
}

fn processes(n: usize) -> String {
    match n {
        1 => "1 process".into(),
        n => format!("{} processes", exact(n as u64)),
    }
}

/// The steps that somebody wrote, each in a line.
pub(super) fn steps(stage: &Stage) -> Vec<String> {
    let texts = stage.program.steps.iter().map(|s| s.text.clone());
    texts.filter(|t| !t.is_empty()).collect()
}

/// What else holds for the stage: `after load`, `retry 3`, `drops errors`.
pub(super) fn manner(plan: &Plan, stage: &Stage) -> Vec<String> {
    let mut words = Vec::new();
    if !stage.after.is_empty() {
        let names: Vec<&str> = stage
            .after
            .iter()
            .map(|s| &*plan.stages[s.index()].name)
            .collect();
        let how = if stage.always {
            ", however they end"
        } else {
            ""
        };
        words.push(format!("after {}{how}", names.join(", ")));
    }
    let policies = || stage.program.steps.iter().map(|s| s.policy);
    if let Some(times) = policies().filter_map(|p| p.retry).map(|r| r.times).max() {
        words.push(format!("retry {times}"));
    }
    if let Some(timeout) = policies().filter_map(|p| p.timeout).max() {
        words.push(format!("timeout {}", short_time(timeout)));
    }
    match stage.on_error {
        OnError::Fail | OnError::To(_) => {}
        OnError::Drop => words.push("drops errors".into()),
        OnError::KeepGoing => words.push("keeps going after errors".into()),
    }
    match stage.max_errors {
        Some(MaxErrors::Count(n)) => words.push(format!("at most {} errors", exact(n))),
        Some(MaxErrors::Percent(p)) => words.push(format!("at most {p} % errors")),
        None => {}
    }
    words
}

/// `90s`, `1.5s`: as one writes it in a file.
fn short_time(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}s", time.as_secs_f64())
    }
}

/// `queue urls: string, at most 1,024, lifo`; an unnamed pipe has no name.
pub(super) fn conn(conn: &Conn) -> String {
    format!("{}, {}", of(conn), bounds(conn))
}

/// The same on a picture's arrow: a line each, the type no longer than a box is wide.
pub(super) fn label(conn: &Conn) -> [String; 2] {
    [cut(&of(conn), 44), bounds(conn)]
}

fn of(conn: &Conn) -> String {
    match conn.kind {
        ConnKind::Unnamed => conn.of.to_string(),
        ConnKind::Pipe => format!("pipe {}: {}", conn.name, conn.of),
        ConnKind::Queue => format!("queue {}: {}", conn.name, conn.of),
    }
}

fn bounds(conn: &Conn) -> String {
    let mut words = vec![format!("at most {}", exact(conn.max.get() as u64))];
    if conn.max_bytes.get() != MAX_BYTES {
        words.push(bytes(conn.max_bytes.get() as u64));
    }
    match &conn.order {
        Order::Fifo => {}
        Order::Lifo => words.push("lifo".into()),
        Order::Priority { text, .. } => words.push(format!("lowest {text} first")),
    }
    match conn.full {
        Full::Block => {}
        // What a loop's queue does unless it says otherwise.
        Full::Spill if conn.feedback => {}
        Full::DropNewest => words.push("full: drops the newest".into()),
        Full::DropOldest => words.push("full: drops the oldest".into()),
        Full::Spill => words.push("spills to disk".into()),
    }
    if conn.feedback {
        words.push("feedback".into());
    }
    words.join(", ")
}

/// What a connection holds where the file says nothing of it.
const MAX_BYTES: usize = 64 << 20;

/// How items come from a stage into a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How<'p> {
    /// Every item that leaves the stage.
    Every,
    /// Those for which this holds, and nothing before it.
    When(&'p str),
    /// The rest.
    Else,
    /// What could not be done.
    Dead,
    /// What the step `put` or user code puts.
    Put,
}

impl How<'_> {
    /// Before the names of the readers.
    pub(super) fn sign(self) -> &'static str {
        match self {
            How::Dead => "✗",
            How::Put => "↳",
            How::Every | How::When(_) | How::Else => "→",
        }
    }

    /// After them.
    pub(super) fn condition(self) -> Option<String> {
        match self {
            How::Every => None,
            How::When(text) => Some(format!("if {text}")),
            How::Else => Some("else".into()),
            How::Dead => Some("errors".into()),
            How::Put => Some("put".into()),
        }
    }
}

/// The ways out of a stage, in the order of the file.
pub(super) fn ways<'p>(plan: &'p Plan, stage: &'p Stage) -> Vec<(&'p Conn, How<'p>)> {
    let conn = |id: crate::plan::ConnId| &plan.conns[id.index()];
    let mut ways: Vec<(&Conn, How<'_>)> = match &stage.branches {
        None => stage
            .outputs
            .iter()
            .map(|o| (conn(o.conn), How::Every))
            .collect(),
        Some(branches) => branches
            .iter()
            .map(|b| {
                let how = if b.when.is_some() {
                    How::When(&b.text)
                } else {
                    How::Else
                };
                (conn(stage.outputs[b.outlet].conn), how)
            })
            .collect(),
    };
    ways.extend(stage.dead.iter().map(|o| (conn(o.conn), How::Dead)));
    ways.extend(stage.puts.iter().map(|id| (conn(*id), How::Put)));
    ways
}

/// `→ count, report · string, at most 1,024`: a line for each way out, unnamed pipes of one kind together.
///
/// Where a line has no room in so many columns, the type gives way: the bound and the order are what one looks for.
pub(super) fn outputs(plan: &Plan, stage: &Stage, columns: usize) -> Vec<String> {
    const LEAST: usize = 12;
    let mut lines: Vec<([String; 2], How<'_>, Vec<&str>)> = Vec::new();
    for (conn, how) in ways(plan, stage) {
        let words = [of(conn), bounds(conn)];
        let readers = conn.readers.iter().map(|r| &*plan.stages[r.index()].name);
        let alike = |(w, h, _): &&mut ([String; 2], How<'_>, Vec<&str>)| *w == words && *h == how;
        match lines
            .iter_mut()
            .find(alike)
            .filter(|_| conn.kind == ConnKind::Unnamed)
        {
            Some((.., names)) => names.extend(readers),
            None => lines.push((words, how, readers.collect())),
        }
    }
    lines
        .into_iter()
        .map(|([of, bounds], how, readers)| {
            let readers = if readers.is_empty() {
                "nobody".into()
            } else {
                readers.join(", ")
            };
            let condition = how.condition().map(|c| format!(" {c}")).unwrap_or_default();
            let head = format!("{} {readers}{condition}", how.sign());
            let room = columns.saturating_sub(width(&head) + width(&bounds) + 5);
            format!("{head} · {}, {bounds}", cut(&of, room.max(LEAST)))
        })
        .collect()
}

/// `3 stages, 2 connections`.
pub(super) fn size(plan: &Plan) -> String {
    format!(
        "{}, {}",
        plural(plan.stages.len() as u64, "stage"),
        plural(plan.conns.len() as u64, "connection")
    )
}
