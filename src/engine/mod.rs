//! HAPPENING: one run of a plan: its workers, its end, and how it is stopped.
//!
//! The thread that calls [`run`] owns the run's state; workers tell it when they end. Knows nothing of YAML or
//! terminals.
//!
//! Pitfalls: a stage closes its connections itself (its last worker does); the engine only starts, stops, and
//! adds up at the end.

mod accounts;
mod commons;
mod course;
pub mod deadlock;

pub use accounts::{Account, Books};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::channel::{
    Bounds, Conn, Cycle, Fifo, Full, Lifo, Order, Priority, PriorityKey, Spill, SpillFifo,
    SpillLifo, SpillPriority,
};
use crate::expr::{Now, Scope};
use crate::net::Net;
use crate::notice::{Ended, Exit, Level, Meters, Notice, StageState};
use crate::plan::{self, Executor, Graph, Loop, Plan};
use crate::pool::{Failure, Shared, Stage, Worker, drive, drive_all, threads};
use crate::steps::timer::Beat;
use crate::steps::{Output, RunError};
use crate::wait::{Agent, Clock, RealClock, Registry, Stop, Why};
use crate::worker::{Guarding, Programs};
use course::Course;

/// What a run is given besides its plan.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub output: Arc<dyn Output>,
    /// Where notices go; the faces read the other end.
    pub notices: Sender<Notice>,
    pub meters: Arc<Meters>,
    pub registry: Arc<Registry>,
    pub stop: Stop,
    /// How the programs of the run are guarded.
    pub guarding: Guarding,
}

impl Options {
    /// Real time and a fresh registry.
    pub fn new(plan: &Plan, output: Arc<dyn Output>, notices: Sender<Notice>) -> Options {
        Options {
            clock: Arc::new(RealClock::default()),
            output,
            notices,
            meters: Meters::new(plan.stages.len(), plan.conns.len()),
            registry: Arc::default(),
            stop: Stop::new(),
            guarding: Guarding::default(),
        }
    }
}

/// A plan's stages, connections and guards, made; nobody is at work yet.
pub struct Works {
    pub shared: Shared,
    pub stages: Vec<Arc<Stage>>,
    /// What expressions see.
    pub scope: Scope,
    /// Which stages have closed, as they close.
    pub told: Receiver<u32>,
    /// Why the run cannot begin, where that is so.
    pub trouble: Option<String>,
}

impl Works {
    pub fn build(plan: &Plan, options: Options) -> Works {
        let Options {
            clock,
            output,
            notices,
            meters,
            registry,
            stop,
            guarding,
        } = options;
        stop.watch(&registry);
        let cycles = cycles(plan);
        // A rehearsal excludes nobody.
        let (commons, trouble) = commons::of(plan, clock.is_real());
        let commons = Arc::new(commons);
        let conns: Arc<[Arc<Conn>]> = plan
            .conns
            .iter()
            .map(|c| {
                let conn = connect(c, &plan.scope);
                Arc::new(match cycle_of(&cycles, |of| of.conns.contains(&c.id)) {
                    Some(cycle) => conn.in_cycle(&cycle),
                    None => conn,
                })
            })
            .collect();
        for stage in &plan.stages {
            if let Executor::Timer(timer) = &stage.executor
                && matches!(timer.beat, Beat::Each)
            {
                for conn in &stage.inputs {
                    conns[conn.index()].keep_stamps(&clock);
                }
            }
        }
        for (cycle, of) in &cycles {
            let own: Vec<_> = of.conns.iter().map(|c| conns[c.index()].clone()).collect();
            cycle.bind(&own);
        }
        let stages: Vec<Arc<Stage>> = plan
            .stages
            .iter()
            .map(|s| {
                Arc::new(Stage::new(
                    s,
                    &conns,
                    cycle_of(&cycles, |c| c.stages.contains(&s.id)),
                ))
            })
            .collect();
        for stage in &stages {
            stage.open(&commons.limits);
        }
        let (closed, told) = unbounded();
        let verdict = Arc::default();
        let scope = Scope {
            shared: Some(commons::live(plan, &commons, &conns)),
            clock: (!clock.is_real()).then(|| Arc::new(Wall(clock.clone())) as Arc<dyn Now>),
            ..plan.scope.clone()
        };
        let broker = commons::broker(plan, &commons, &conns, &clock, &registry, &notices);
        let log = output.clone();
        let programs = Programs::new(guarding, move |line| log.log(line));
        let shared = Shared {
            clock,
            output,
            notices,
            meters,
            registry,
            stop,
            commons,
            net: Arc::new(Net::new(|work| threads::start("network", work).map(drop))),
            broker,
            programs: Arc::new(programs),
            conns,
            closed,
            verdict,
        };
        Works {
            shared,
            stages,
            scope,
            told,
            trouble,
        }
    }
}

/// Runs a plan to its end.
pub fn run(plan: &Plan, options: Options) -> (Ended, Books) {
    let began = options.clock.now();
    let Works {
        shared,
        stages,
        scope,
        told,
        trouble,
    } = Works::build(plan, options);
    if trouble.is_some() {
        let ended = Ended {
            exit: Exit::Io,
            took: Duration::ZERO,
            why: trouble,
        };
        return (
            ended,
            Books::of(plan, &shared.meters, &shared.conns, &shared.commons),
        );
    }
    // Only where there is somebody who could ask.
    let external =
        |s: &plan::Stage| matches!(s.executor, Executor::Processes { .. } | Executor::Timer(_));
    let serving = plan.stages.iter().any(external).then(|| {
        let broker = shared.broker.clone();
        threads::start("broker", move || broker.serve())
    });
    let count = plan.stages.iter().map(|s| s.executor.threads()).sum();
    let why = match threads::workers(count) {
        Ok(pool) => {
            pool.in_place_scope(|threads| {
                Course::new(plan, &shared, &stages, |stage, shared| {
                    start(plan, &scope, threads, stage, shared)
                })
                .run(&told);
            });
            None
        }
        Err(error) => Some(format!("the system gives no more threads: {error}")),
    };
    if let Some(Ok(serving)) = serving {
        shared.broker.end();
        // A panic there is said on standard error, and there is nobody to be answered any more.
        let _panicked = serving.join();
    }
    // Nothing that was started outlives the run.
    shared.programs.close(!shared.stop.is_now());
    course::glance(&shared);
    let took = shared.clock.now().saturating_sub(began);
    let books = Books::of(plan, &shared.meters, &shared.conns, &shared.commons);
    (ended(plan, &shared, &books, why, took), books)
}

/// A virtual clock, for `now()` in expressions.
struct Wall(Arc<dyn Clock>);

impl std::fmt::Debug for Wall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wall")
    }
}

impl Now for Wall {
    fn now(&self) -> (i64, u32) {
        let since = self
            .0
            .wall()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        (
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            since.subsec_nanos(),
        )
    }
}

/// Starts the workers of a stage, each on a thread of the pool, or all on one that is an event loop.
fn start<'s>(
    plan: &'s Plan,
    values: &'s Scope,
    threads: &rayon::Scope<'s>,
    stage: &Arc<Stage>,
    shared: &Shared,
) {
    shared.meters.stages[stage.id as usize].set_state(StageState::Running);
    let shared = Arc::new(shared.clone());
    if let Executor::Tasks(_) = plan.stages[stage.id as usize].executor {
        let stage = stage.clone();
        threads.spawn(move |_| {
            let left = |agent: &Arc<Agent>, panicked| left(plan, &stage, &shared, agent, panicked);
            if let Err(error) = drive_all(&stage, &shared, values, &left) {
                let message = format!("the system gives no event loop: {error}");
                fail(&stage, &shared, RunError::Failed { message });
            }
        });
        return;
    }
    for index in 0..stage.workers() {
        let (stage, shared) = (stage.clone(), shared.clone());
        threads.spawn(move |_| {
            let worker = Worker::new(stage.clone(), shared.clone(), values, index);
            let agent = worker.agent().clone();
            let panicked = catch_unwind(AssertUnwindSafe(|| drive(worker))).is_err();
            left(plan, &stage, &shared, &agent, panicked);
        });
    }
}

/// A worker has left its stage.
fn left(plan: &Plan, stage: &Stage, shared: &Shared, agent: &Arc<Agent>, panicked: bool) {
    if panicked {
        let message = "a worker's own loop panicked".into();
        fail(stage, shared, RunError::Bug { message });
    }
    // Only a worker that died holds anything now.
    for (guard, _) in shared.commons.orphan(agent.id, &*shared.clock) {
        let guard = &plan.guards[guard as usize];
        let text = format!(
            "a worker of stage `{}` died while it held the {} `{}`, which is given back",
            plan.stages[stage.id as usize].name,
            guard.kind.name(),
            guard.name
        );
        let _unheard = shared.notices.send(Notice::Log {
            level: Level::Warning,
            text,
        });
    }
    shared.registry.leave(agent);
}

/// A stage cannot go on, and neither can the run.
fn fail(stage: &Stage, shared: &Shared, error: RunError) {
    shared.fail(Failure::Run {
        stage: stage.id,
        step: 0,
        error,
    });
    stage.close(shared);
}

/// The loops of the plan, each with its count.
fn cycles(plan: &Plan) -> Vec<(Arc<Cycle>, Loop)> {
    let count = |of: &Loop| {
        let writers = of.conns.iter().flat_map(|c| &plan.conns[c.index()].writers);
        writers.filter(|w| !of.stages.contains(w)).count()
    };
    let loops = Graph::of(plan).loops(plan);
    loops
        .into_iter()
        .map(|of| (Cycle::new(count(&of)), of))
        .collect()
}

fn cycle_of(cycles: &[(Arc<Cycle>, Loop)], is: impl Fn(&Loop) -> bool) -> Option<Arc<Cycle>> {
    cycles
        .iter()
        .find(|(_, of)| is(of))
        .map(|(cycle, _)| cycle.clone())
}

fn connect(conn: &plan::Conn, scope: &Scope) -> Conn {
    let full = match conn.full {
        plan::Full::Block => Full::Block,
        plan::Full::Spill => Full::Spill,
        plan::Full::DropNewest => Full::DropNewest,
        plan::Full::DropOldest => Full::DropOldest,
    };
    let spill = (conn.full == plan::Full::Spill).then(|| {
        let what = conn.describe().into();
        Spill::new(conn.max.get(), conn.max_bytes.get(), what)
    });
    let order: Box<dyn Order> = match (&conn.order, spill) {
        (plan::Order::Fifo, None) => Box::<Fifo>::default(),
        (plan::Order::Lifo, None) => Box::<Lifo>::default(),
        (plan::Order::Fifo, Some(spill)) => Box::new(SpillFifo::new(spill)),
        (plan::Order::Lifo, Some(spill)) => Box::new(SpillLifo::new(spill)),
        (plan::Order::Priority { by, .. }, spill) => {
            let (by, scope) = (by.clone(), scope.clone());
            // A row without a priority goes last; the writer has said so as an item error where it could.
            let key: PriorityKey =
                Arc::new(move |row| by.double(row, &scope).unwrap_or(f64::INFINITY));
            match spill {
                None => Box::new(Priority::new(key)),
                Some(spill) => Box::new(SpillPriority::new(spill, key)),
            }
        }
    };
    let bounds = Bounds {
        max: conn.max,
        max_bytes: conn.max_bytes,
        full,
    };
    Conn::new(
        conn.id.0,
        bounds,
        order,
        conn.writers.len(),
        conn.readers.len(),
    )
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
            None if shared.kept_going() => (
                Exit::Failed,
                Some("items have failed (`on_error: keep_going`)".into()),
            ),
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
        Failure::TooMany {
            stage,
            errors,
            taken,
        } => {
            let name = &plan.stages[*stage as usize].name;
            let why = format!(
                "stage `{name}`: {errors} of {taken} items have failed, more than `max_errors` allows"
            );
            (Exit::Failed, Some(why))
        }
        Failure::Deadlock(deadlock) => (Exit::Deadlock, Some(deadlock.to_string())),
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
