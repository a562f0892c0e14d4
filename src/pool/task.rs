//! The driver for tasks: an event loop on one thread; a wait lets the next worker go on.
//!
//! Of the workers that have nothing in their hands only one, the *scout*, looks for work; the others rest, and
//! are in no list of who is to be woken. When the scout has found something, the next that rests takes its
//! place, or another is made where there may be more. So 5,000 tasks cost what is really at work at once, and
//! what wakes the idle wakes one.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::busy::Busy;
use super::worker::{Turn, Worker};
use super::{Shared, Stage};
use crate::expr::Scope;
use crate::wait::{Agent, Wait};

/// How long a worker goes on before the others have their turn.
const SLICE: Duration = Duration::from_micros(200);

/// Who is told when a worker has left, and whether its own loop panicked.
pub type Left<'a> = dyn Fn(&Arc<Agent>, bool) + 'a;

/// Runs all workers of a stage to their end on this thread.
///
/// # Errors
/// The system gives no event loop.
pub fn drive_all(
    stage: &Arc<Stage>,
    shared: &Arc<Shared>,
    scope: &Scope,
    left: &Left<'_>,
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let crew = Rc::new(Crew {
        stage: stage.clone(),
        shared: shared.clone(),
        scope: scope.clone(),
        busy: Busy(stage.id as usize),
        started: Cell::new(0),
        working: Cell::new(0),
        scout: RefCell::new(None),
        resting: RefCell::new(Vec::new()),
        gone: RefCell::new(Vec::new()),
        news: Notify::new(),
    });
    LocalSet::new().block_on(&runtime, async {
        crew.start();
        while crew.working.get() > 0 {
            crew.news.notified().await;
            for (agent, panicked) in crew.gone.take() {
                left(&agent, panicked);
            }
        }
    });
    Ok(())
}

/// The workers of one stage.
struct Crew {
    stage: Arc<Stage>,
    shared: Arc<Shared>,
    scope: Scope,
    busy: Busy,
    started: Cell<usize>,
    working: Cell<usize>,
    /// Who looks for work.
    scout: RefCell<Option<Arc<Agent>>>,
    resting: RefCell<Vec<(Arc<Agent>, Rc<Notify>)>>,
    /// Who has left, and whether in a panic.
    gone: RefCell<Vec<(Arc<Agent>, bool)>>,
    news: Notify,
}

impl Crew {
    /// One worker more, as the scout.
    fn start(self: &Rc<Self>) {
        let index = self.started.get();
        self.started.set(index + 1);
        self.stage.unstarted(self.stage.workers() - index - 1);
        self.working.set(self.working.get() + 1);
        let (stage, shared) = (self.stage.clone(), self.shared.clone());
        let worker = Box::new(Worker::of_crew(stage, shared, &self.scope, index));
        *self.scout.borrow_mut() = Some(worker.agent().clone());
        let crew = self.clone();
        spawn_local(async move {
            let agent = worker.agent().clone();
            let panicked = crew.work(worker, &agent).await;
            crew.busy.waited(&agent, &crew.shared);
            crew.gone.borrow_mut().push((agent, panicked));
            crew.working.set(crew.working.get() - 1);
            crew.news.notify_one();
        });
    }

    /// The scout has found something, or has left.
    fn resign(self: &Rc<Self>, left: bool) {
        *self.scout.borrow_mut() = None;
        if let Some((agent, bell)) = self.resting.borrow_mut().pop() {
            self.stage.rests(-1);
            self.shared.registry.show(&agent);
            *self.scout.borrow_mut() = Some(agent);
            bell.notify_one();
        } else if left {
            self.stage.unstarted(0);
        } else if self.started.get() < self.stage.workers() {
            self.start();
        }
    }

    /// There is a scout, and nothing in this worker's hands.
    async fn rest(&self, worker: &mut Worker, agent: &Arc<Agent>) {
        if !worker.rest() {
            return;
        }
        // What this one was told is for the scout now.
        if agent.is_woken()
            && let Some(scout) = &*self.scout.borrow()
        {
            scout.wake();
        }
        let bell = Rc::new(Notify::new());
        self.stage.rests(1);
        self.shared.registry.hide(agent);
        self.resting
            .borrow_mut()
            .push((agent.clone(), bell.clone()));
        self.busy.leave(&self.shared);
        bell.notified().await;
        worker.come_back();
        self.busy.enter(&self.shared);
    }

    fn is_scout(&self, agent: &Arc<Agent>) -> bool {
        let scout = self.scout.borrow();
        scout.as_ref().is_some_and(|a| Arc::ptr_eq(a, agent))
    }

    /// Until the worker leaves. Did its own loop panic?
    async fn work(self: &Rc<Self>, mut worker: Box<Worker>, agent: &Arc<Agent>) -> bool {
        self.busy.enter(&self.shared);
        let mut since = Instant::now();
        let panicked = loop {
            if worker.is_free() && !self.is_scout(agent) {
                if self.scout.borrow().is_some() {
                    self.rest(&mut worker, agent).await;
                    since = Instant::now();
                } else {
                    *self.scout.borrow_mut() = Some(agent.clone());
                }
            }
            let Ok(turn) = catch_unwind(AssertUnwindSafe(|| worker.turn())) else {
                break true;
            };
            if !worker.is_free() && self.is_scout(agent) {
                self.resign(false);
            }
            match turn {
                Turn::More if since.elapsed() < SLICE => {}
                Turn::More => {
                    yield_now().await;
                    since = Instant::now();
                }
                Turn::Wait(wait) => {
                    let kind = wait.what.kind();
                    self.busy.pauses(&self.shared, kind);
                    self.pause(agent, wait).await;
                    self.busy.goes_on(&self.shared, kind);
                    since = Instant::now();
                }
                Turn::Done => break false,
            }
        };
        self.busy.leave(&self.shared);
        if self.is_scout(agent) {
            self.resign(true);
        }
        panicked
    }

    /// Until the agent is woken or the wait's time has come; spurious ends are told apart by asking again.
    async fn pause(&self, agent: &Arc<Agent>, wait: Wait) {
        let clock = &*self.shared.clock;
        let pause = agent.begin(wait, clock);
        let woken = poll_fn(|cx| {
            if agent.poll(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        match pause.until {
            Some(until) if clock.is_real() => {
                let rest = until.saturating_sub(clock.now());
                let timed_out = tokio::time::timeout(rest, pin!(woken)).await;
                drop(timed_out);
            }
            // A virtual clock wakes everybody when it moves.
            _ => woken.await,
        }
        agent.end(&pause, clock);
    }
}
