//! How stages run and how much connections hold: the numbers, with their defaults.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::Room;
use super::external;
use super::wiring::Wiring;
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::plan::{Executor, Full, MaxErrors, OnError, Ordered, Policy, Retry};
use crate::spec::{self, ExecutorKind, Key, Modifiers, Placed, Workers};
use crate::steps::Limit;
use crate::steps::Processes;
use crate::steps::timer::Beat;

/// How many items a connection holds where nothing is written.
const MAX: usize = 1024;
/// How many bytes.
const MAX_BYTES: usize = 64 << 20;
/// How many results of an ordered stage wait for their turn where nothing is written.
const WINDOW: usize = 1024;
/// How many items of a stage wait aside where nothing is written.
const MAX_WAITING: usize = 10_000;
/// The longest wait between two attempts where nothing is written.
const MAX_WAIT: Duration = Duration::from_hours(1);
/// More threads in one stage than this are a slip of the keyboard.
const MOST_THREADS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Settings {
    pub stages: Vec<StageSettings>,
    pub conns: Vec<Bounds>,
}

#[derive(Clone, Debug)]
pub(super) struct StageSettings {
    pub executor: Executor,
    /// For its external steps, where it has some.
    pub processes: Option<Arc<Processes>>,
    pub ordered: Ordered,
    pub max_errors: Option<MaxErrors>,
    pub max_waiting: usize,
    /// For its steps that say nothing themselves.
    pub policy: Policy,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub max: NonZeroUsize,
    pub max_bytes: NonZeroUsize,
    pub full: Full,
}

pub(super) fn read(room: &Room<'_>, wiring: &Wiring<'_>, out: &mut Diagnostics) -> Settings {
    let stages = room
        .file
        .stages
        .iter()
        .enumerate()
        .map(|(i, s)| stage(room, wiring, i, s, out))
        .collect();
    let conns = wiring
        .conns
        .iter()
        .map(|c| Bounds {
            max: bound(c.declared.and_then(|d| d.max), MAX, "max", out),
            max_bytes: bound(
                c.declared.and_then(|d| d.max_bytes),
                MAX_BYTES,
                "max_bytes",
                out,
            ),
            full: full(c),
        })
        .collect();
    Settings { stages, conns }
}

fn bound(
    written: Option<Placed<u64>>,
    default: usize,
    word: &str,
    out: &mut Diagnostics,
) -> NonZeroUsize {
    let Some(Placed { value, at }) = written else {
        return NonZeroUsize::new(default).unwrap_or(NonZeroUsize::MIN);
    };
    positive(value, at, word, out)
}

fn positive(value: u64, at: At, word: &str, out: &mut Diagnostics) -> NonZeroUsize {
    NonZeroUsize::new(usize::try_from(value).unwrap_or(usize::MAX)).unwrap_or_else(|| {
        out.push(Diagnostic::new(
            "E0105",
            at,
            format!("`{word}` must be 1 or more"),
        ));
        NonZeroUsize::MIN
    })
}

fn stage(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    number: usize,
    stage: &spec::Stage,
    out: &mut Diagnostics,
) -> StageSettings {
    let executor = executor(room, stage, out);
    let limits = limits(room, stage);
    let keyed = limits.iter().find(|(_, limit)| !limit.keys.is_empty());
    let ordered = match stage.ordered.map(|o| (o.value, o.at)) {
        Some((spec::Ordered::No, _)) => Ordered::No,
        Some((spec::Ordered::Yes(window), at)) => {
            let window = window.map_or(WINDOW, |w| positive(w, at, "window", out).get());
            with_window(window, &executor)
        }
        None if ordered_by_default(wiring, number)
            && !matches!(executor, Executor::Tasks(_))
            && keyed.is_none() =>
        {
            with_window(WINDOW, &executor)
        }
        None => Ordered::No,
    };
    if let Some(written) = stage.ordered.filter(|o| o.value != spec::Ordered::No)
        && let Some(retry) = retries(stage)
    {
        out.push(
            Diagnostic::new(
                "W0404",
                retry,
                "while an item waits for its next attempt, those behind it wait too",
            )
            .also(written.at, "order is kept here")
            .help("where the order does not matter, write `ordered: false`"),
        );
    }
    if let Some(written) = stage.ordered.filter(|o| o.value != spec::Ordered::No)
        && let Some((key, _)) = keyed
    {
        let message = format!(
            "while an item waits for its key of `{}`, those behind it wait too",
            key.text
        );
        out.push(
            Diagnostic::new("W0404", key.at, message)
                .also(written.at, "order is kept here")
                .help("where the order does not matter, write `ordered: false`"),
        );
    }
    let retry = stage.retry.map(|r| r.value);
    let waiting = limits.iter().filter_map(|(_, limit)| limit.max_waiting);
    let waiting = waiting.chain(retry.and_then(|r| r.max_waiting.map(whole)));
    let max_waiting = match &executor {
        // One item at a time, one that waits for its next attempt included.
        Executor::Timer(timer) if !matches!(timer.beat, Beat::Each) => 1,
        _ => waiting.min().unwrap_or(MAX_WAITING),
    };
    StageSettings {
        processes: external::processes(room, stage, &executor),
        executor,
        ordered,
        max_errors: stage.max_errors.map(|m| match m.value {
            spec::MaxErrors::Count(n) => MaxErrors::Count(n),
            spec::MaxErrors::Percent(p) => MaxErrors::Percent(p),
        }),
        max_waiting,
        policy: Policy {
            retry: retry.map(attempts),
            timeout: stage.timeout.map(|t| t.value),
            on_error: stage
                .on_error
                .as_ref()
                .map_or(OnError::Fail, |e| consequence(wiring, number, &e.value)),
        },
    }
}

fn whole(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The limits that steps of a stage take, and where they name them.
fn limits<'r>(room: &'r Room<'_>, stage: &'r spec::Stage) -> Vec<(&'r Key, &'r Limit)> {
    let mut todo: Vec<&spec::StepNode> = stage.steps.iter().collect();
    let mut found = Vec::new();
    while let Some(step) = todo.pop() {
        for (key, _) in &step.modifiers.with {
            let guard = room.guards.find(&key.text).map(|(guard, _)| guard);
            found.extend(guard.and_then(|g| Some((key, room.guards.limit(g)?))));
        }
        todo.extend(&step.steps);
    }
    found
}

/// Where a stage or one of its steps is tried again.
fn retries(stage: &spec::Stage) -> Option<At> {
    let mut todo: Vec<&spec::StepNode> = stage.steps.iter().collect();
    let mut found = stage.retry.map(|r| r.at);
    while let (None, Some(step)) = (found, todo.pop()) {
        found = step.modifiers.retry.map(|r| r.at);
        todo.extend(&step.steps);
    }
    found
}

/// What holds for a step of a stage: what it says itself, and for the rest what holds around it.
pub(super) fn policy(wiring: &Wiring<'_>, stage: usize, around: Policy, own: &Modifiers) -> Policy {
    let on_error = own.on_error.as_ref();
    Policy {
        retry: own.retry.map(|r| attempts(r.value)).or(around.retry),
        timeout: own.timeout.map(|t| t.value).or(around.timeout),
        on_error: on_error.map_or(around.on_error, |e| consequence(wiring, stage, &e.value)),
    }
}

fn attempts(written: spec::Retry) -> Retry {
    Retry {
        times: written.times,
        wait: written.wait,
        factor: written.factor,
        max_wait: written.max_wait.unwrap_or(MAX_WAIT),
        jitter: written.jitter,
    }
}

fn consequence(wiring: &Wiring<'_>, stage: usize, written: &spec::OnError) -> OnError {
    match written {
        spec::OnError::Fail => OnError::Fail,
        spec::OnError::Drop => OnError::Drop,
        spec::OnError::KeepGoing => OnError::KeepGoing,
        spec::OnError::To(key) => {
            let dead = &wiring.stages[stage].dead;
            // A name that does not exist was said.
            OnError::To(
                dead.iter()
                    .position(|c| wiring.conns[*c].name == key.text)
                    .unwrap_or_default(),
            )
        }
    }
}

/// A full feedback queue that blocked would stop the loop that is to empty it.
fn full(conn: &super::wiring::Conn<'_>) -> Full {
    match conn.declared.and_then(|d| d.full).map(|f| f.value) {
        Some(spec::Full::Block) => Full::Block,
        Some(spec::Full::DropNewest) => Full::DropNewest,
        Some(spec::Full::DropOldest) => Full::DropOldest,
        Some(spec::Full::Spill) => Full::Spill,
        None if conn.is_feedback() => Full::Spill,
        None => Full::Block,
    }
}

/// A window smaller than the number of workers would keep some of them idle for ever.
fn with_window(window: usize, executor: &Executor) -> Ordered {
    Ordered::Window(NonZeroUsize::new(window.max(executor.workers())).unwrap_or(NonZeroUsize::MIN))
}

/// Behind connections that give no meaning to "the order in which the input arrived", order is not kept
/// unless it is asked for.
fn ordered_by_default(wiring: &Wiring<'_>, number: usize) -> bool {
    let inputs = &wiring.stages[number].inputs;
    inputs.len() <= 1
        && inputs
            .iter()
            .all(|c| wiring.conns[*c].is_fifo() && !wiring.conns[*c].is_feedback())
}

fn executor(room: &Room<'_>, stage: &spec::Stage, out: &mut Diagnostics) -> Executor {
    let external = external::check(stage, out);
    let Some(written) = &stage.executor else {
        return if external {
            Executor::Processes {
                count: room.cx.cpus,
                tasks: NonZeroUsize::MIN,
            }
        } else {
            Executor::Threads(NonZeroUsize::MIN)
        };
    };
    let (word, most) = match written.kind {
        ExecutorKind::Processes => {
            let count = match written.workers.map(|w| w.value) {
                Some(Workers::Count(n)) => {
                    NonZeroUsize::new(n as usize).unwrap_or(NonZeroUsize::MIN)
                }
                Some(Workers::Auto) | None => room.cx.cpus,
            };
            let tasks = external::tasks(stage);
            return Executor::Processes { count, tasks };
        }
        ExecutorKind::Threads => ("threads", MOST_THREADS),
        ExecutorKind::Tasks => ("tasks", usize::MAX),
        ExecutorKind::Timer => {
            return Executor::Timer(super::timer::read(room, stage, &written.node, out));
        }
    };
    let n = match written.workers.map(|w| (w.value, w.at)) {
        Some((Workers::Auto, _)) => room.cx.cpus,
        Some((Workers::Count(n), at)) => {
            let n = positive(u64::from(n), at, word, out);
            if n.get() > most {
                out.push(
                    Diagnostic::new(
                        "E0105",
                        at,
                        format!("`{word}` must be {most} or less, not {n}"),
                    )
                    .help(format!(
                        "`{word}: auto` takes as many as there are CPUs; for items that wait, write `tasks: {n}`"
                    )),
                );
            }
            n
        }
        None => NonZeroUsize::MIN,
    };
    match written.kind {
        ExecutorKind::Tasks => Executor::Tasks(n),
        _ => Executor::Threads(n),
    }
}
