//! HAPPENING: one run of a plan: its workers, its end, and how it is stopped.
//!
//! The thread that calls [`run`] owns the run's state; workers tell it when they end. Knows nothing of YAML or
//! terminals.
//!
//! Pitfalls: a stage closes its connections itself (its last worker does); the engine only starts, stops, and
//! adds up at the end.

mod accounts;

pub use accounts::{Account, Books};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::channel::{Bounds, Conn, Fifo, Full};
use crate::notice::{Ended, Exit, Meters, Notice, StageState};
use crate::plan::{self, Plan};
use crate::pool::{Failure, Shared, Stage, Worker, drive, threads};
use crate::steps::{Output, RunError};
use crate::wait::{Clock, RealClock, Registry, Stop, Why};

/// What a run is given besides its plan.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub output: Arc<dyn Output>,
    /// Where notices go; the faces read the other end.
    pub notices: Sender<Notice>,
    pub meters: Arc<Meters>,
    pub registry: Arc<Registry>,
    pub stop: Stop,
    /// How long a first signal lets what has begun go on.
    pub drain: Duration,
}

impl Options {
    /// Real time, a fresh registry, and a drain of 20 s.
    pub fn new(plan: &Plan, output: Arc<dyn Output>, notices: Sender<Notice>) -> Options {
        Options {
            clock: Arc::new(RealClock::default()),
            output,
            notices,
            meters: Meters::new(plan.stages.len(), plan.conns.len()),
            registry: Arc::default(),
            stop: Stop::new(),
            drain: Duration::from_secs(20),
        }
    }
}

/// How often the counters of connections are looked at for the faces.
const GLANCE: Duration = Duration::from_millis(50);

/// Runs a plan to its end.
pub fn run(plan: &Plan, options: Options) -> (Ended, Books) {
    let Options {
        clock,
        output,
        notices,
        meters,
        registry,
        stop,
        drain,
    } = options;
    let began = clock.now();
    stop.watch(&registry);
    let shared = Arc::new(Shared::new(clock, output, notices, meters, registry, stop));
    let conns: Vec<Arc<Conn>> = plan.conns.iter().map(|c| Arc::new(connect(c))).collect();
    let stages: Vec<Arc<Stage>> = plan
        .stages
        .iter()
        .map(|s| Arc::new(Stage::new(s, &conns)))
        .collect();
    let workers: usize = stages.iter().map(|s| s.workers()).sum();
    let why = match threads::workers(workers) {
        Ok(pool) => {
            pool.in_place_scope(|scope| {
                let (ended, end) = bounded(workers);
                for stage in &stages {
                    shared.meters.stages[stage.id as usize].set_state(StageState::Running);
                    for index in 0..stage.workers() {
                        let (stage, shared, ended) = (stage.clone(), shared.clone(), ended.clone());
                        let values = &plan.scope;
                        scope.spawn(move |_| {
                            let id = stage.id;
                            let worker = Worker::new(stage, shared.clone(), values, index);
                            if catch_unwind(AssertUnwindSafe(|| drive(worker))).is_err() {
                                let error = RunError::Bug {
                                    message: "a worker's own loop panicked".into(),
                                };
                                shared.fail(Failure::Run {
                                    stage: id,
                                    step: 0,
                                    error,
                                });
                            }
                            let _ = ended.send(());
                        });
                    }
                }
                drop(ended);
                watch(&shared, &conns, &end, drain);
            });
            None
        }
        Err(error) => Some(format!("the system gives no more threads: {error}")),
    };
    glance(&shared, &conns);
    let took = shared.clock.now().saturating_sub(began);
    let books = Books::of(plan, &shared.meters, &conns);
    (ended(plan, &shared, &books, why, took), books)
}

fn connect(conn: &plan::Conn) -> Conn {
    let bounds = Bounds {
        max: conn.max,
        max_bytes: conn.max_bytes,
        full: Full::Block,
    };
    Conn::new(
        conn.id.0,
        bounds,
        Box::<Fifo>::default(),
        conn.writers.len(),
        conn.readers.len(),
    )
}

/// Waits for the workers, looks at the counters now and then, and makes a drain that takes too long an end.
fn watch(
    shared: &Shared,
    conns: &[Arc<Conn>],
    end: &crossbeam_channel::Receiver<()>,
    drain: Duration,
) {
    let mut draining_since = None;
    loop {
        match end.recv_timeout(GLANCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => glance(shared, conns),
        }
        if shared.stop.is_draining() && !shared.stop.is_now() {
            let since = *draining_since.get_or_insert_with(|| shared.clock.now());
            if shared.clock.now().saturating_sub(since) >= drain {
                shared
                    .stop
                    .now(shared.stop.why().unwrap_or(Why::Interrupted));
            }
        }
    }
}

fn glance(shared: &Shared, conns: &[Arc<Conn>]) {
    use std::sync::atomic::Ordering::Relaxed;
    for (meter, conn) in shared.meters.conns.iter().zip(conns) {
        let counts = conn.counts();
        meter.put.store(counts.put, Relaxed);
        meter.got.store(counts.got, Relaxed);
        meter.waiting.store(counts.waiting, Relaxed);
        meter.bytes.store(counts.bytes, Relaxed);
    }
}

fn ended(
    plan: &Plan,
    shared: &Shared,
    books: &Books,
    why: Option<String>,
    took: Duration,
) -> Ended {
    if let Some(why) = why {
        return Ended {
            exit: Exit::Failed,
            took,
            why: Some(why),
        };
    }
    let (exit, why) = match shared.failure() {
        Some(failure) => told(plan, &failure),
        None => match shared.stop.why() {
            Some(Why::Interrupted) => (Exit::Interrupted, Some("interrupted".into())),
            Some(Why::Terminated) => (Exit::Terminated, Some("terminated".into())),
            Some(Why::Deadline) => (Exit::Deadline, Some("the run's deadline has passed".into())),
            Some(Why::Failed) | None => (Exit::Done, None),
        },
    };
    match books.mistake() {
        // Items that are nowhere are our bug; debug builds and tests stop here.
        Some(mistake) if exit == Exit::Done => {
            debug_assert!(false, "{mistake}");
            Ended {
                exit: Exit::Failed,
                took,
                why: Some(mistake),
            }
        }
        _ => Ended { exit, took, why },
    }
}

/// The exit code and the sentence of a failure.
fn told(plan: &Plan, failure: &Failure) -> (Exit, Option<String>) {
    let place = |stage: u32, step: usize| {
        let stage = &plan.stages[stage as usize];
        match stage.program.steps.get(step) {
            Some(s) => format!(
                "stage `{}`, step `{}` (line {})",
                stage.name, s.label, s.place.line
            ),
            None => format!("stage `{}` (line {})", stage.name, stage.place.line),
        }
    };
    match failure {
        Failure::Item {
            stage,
            step,
            item,
            error,
        } => (
            Exit::Failed,
            Some(format!(
                "{}: {}\n  item: {item}",
                place(*stage, *step),
                error.message
            )),
        ),
        Failure::Run { stage, step, error } => match error {
            RunError::Io { what, message } => (
                Exit::Io,
                Some(format!("{}: {what}: {message}", place(*stage, *step))),
            ),
            RunError::BrokenPipe => (Exit::BrokenPipe, None),
            RunError::Failed { message } => (
                Exit::Failed,
                Some(format!("{}: {message}", place(*stage, *step))),
            ),
            RunError::Bug { message } => (
                Exit::Failed,
                Some(format!(
                    "{}: millstream itself is wrong here, please report it: {message}",
                    place(*stage, *step)
                )),
            ),
        },
    }
}
