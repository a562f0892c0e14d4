//! A running stage: its segments, its ways out, and what waits aside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::aside::{Aside, Job};
use super::cut::segments;
use super::faults::StageFaults;
use super::segment::Segment;
use super::shared::Shared;
use crate::channel::{Conn, Cycle};
use crate::notice::StageMeter;
use crate::plan;
use crate::plan::Branch;
use crate::steps::{Ask, Convert, Op};
use crate::sync::Limits;
use crate::value::{Batch, Type};
use crate::wait::Agent;

/// A stage that runs.
pub struct Stage {
    pub id: u32,
    pub(super) workers: usize,
    pub(super) segments: Vec<Segment>,
    /// Has it steps that may have something to give out though nothing comes?
    pub(super) keeps_time: bool,
    pub(super) outputs: Vec<Way>,
    pub(super) branches: Option<Vec<Branch>>,
    pub(super) dead: Vec<Way>,
    puts: Vec<Arc<Conn>>,
    pub(super) takes: Type,
    pub(super) on_error: plan::OnError,
    /// What holds for the first step: the source, where there is one.
    pub(super) first: Option<plan::Policy>,
    pub(super) faults: Arc<StageFaults>,
    pub(super) aside: Aside,
    /// The limits that its blocks take.
    pub(super) limits: Arc<[u32]>,
    /// Workers that have started (or will for sure) and have not left ...
    pub(super) live: AtomicUsize,
    /// ... and those of them that rest while another looks for work.
    resting: AtomicUsize,
    /// Tasks that have not started yet, and may.
    unstarted: AtomicUsize,
    closed: AtomicBool,
    /// The loop that this stage is in.
    pub(super) cycle: Option<Arc<Cycle>>,
}

/// A way out: a connection, and how items get its shape.
pub(super) struct Way {
    pub conn: Arc<Conn>,
    convert: Option<Convert>,
}

impl Way {
    /// A batch in the connection's shape.
    pub(super) fn fit(&self, batch: Batch) -> Batch {
        match &self.convert {
            Some(convert) => convert.apply(batch),
            None => batch,
        }
    }

    pub(super) fn convert(&self) -> Option<&Convert> {
        self.convert.as_ref()
    }
}

impl Stage {
    /// Builds what the workers of this stage share.
    pub fn new(stage: &plan::Stage, conns: &[Arc<Conn>], cycle: Option<Arc<Cycle>>) -> Stage {
        let way = |o: &plan::Outlet| Way {
            conn: conns[o.conn.index()].clone(),
            convert: o.convert.clone(),
        };
        let outputs: Vec<Way> = stage.outputs.iter().map(way).collect();
        let workers = stage.executor.workers();
        let segments = segments(stage, conns, &outputs, cycle.as_ref());
        let keeps_time = |s: &Segment| {
            s.turn
                .as_ref()
                .and_then(|t| t.with_baton(|line| line.keeps_time()))
        };
        Stage {
            id: stage.id.0,
            workers,
            keeps_time: segments.iter().filter_map(keeps_time).any(|keeps| keeps),
            segments,
            outputs,
            branches: stage.branches.clone(),
            dead: stage.dead.iter().map(way).collect(),
            puts: stage
                .puts
                .iter()
                .map(|c| conns[c.index()].clone())
                .collect(),
            takes: stage.takes.clone(),
            on_error: stage.on_error,
            first: stage.program.steps.first().map(|step| step.policy),
            faults: Arc::new(StageFaults::new(stage)),
            aside: Aside::new(stage.id.0, stage.max_waiting),
            limits: limits(stage).into(),
            live: AtomicUsize::new(stage.executor.threads()),
            resting: AtomicUsize::new(0),
            unstarted: AtomicUsize::new(workers - stage.executor.threads()),
            closed: AtomicBool::new(false),
            cycle,
        }
    }

    pub fn workers(&self) -> usize {
        self.workers
    }

    /// May a step have to be asked for what it has though nothing comes?
    pub(super) fn rings(&self) -> bool {
        self.keeps_time || self.cycle.is_some()
    }

    /// Workers that have not left, those that have not come yet among them.
    pub fn staying(&self) -> usize {
        let live = self.live.load(Ordering::Acquire);
        live.saturating_sub(self.resting.load(Ordering::Acquire))
    }

    /// Tasks that will come as soon as those that are here have found something to do.
    pub fn spare(&self) -> usize {
        self.unstarted.load(Ordering::Acquire) + self.resting.load(Ordering::Acquire)
    }

    /// So many tasks have started; no more will where there are to be none.
    pub(super) fn unstarted(&self, left: usize) {
        self.unstarted.store(left, Ordering::Release);
    }

    /// So many more rest.
    pub(super) fn rests(&self, more: isize) {
        if more > 0 {
            self.resting
                .fetch_add(more.unsigned_abs(), Ordering::AcqRel);
        } else {
            self.resting
                .fetch_sub(more.unsigned_abs(), Ordering::AcqRel);
        }
    }

    /// Did an item fail under `keep_going`?
    pub fn kept_going(&self) -> bool {
        self.faults.kept_going.load(Ordering::Acquire)
    }

    pub(super) fn meter<'a>(&self, shared: &'a Shared) -> &'a StageMeter {
        &shared.meters.stages[self.id as usize]
    }

    /// Limits ring here when an item that waits may begin.
    pub fn open(&self, limits: &Limits) {
        if !self.limits.is_empty() {
            self.aside.open(limits);
        }
    }

    /// Sets an item aside until a time.
    pub(super) fn set_aside(&self, due: Duration, job: Job) {
        self.segments[job.segment].aside(true);
        if self.aside.until(due, job) {
            // Who waits without knowing of this time looks again.
            self.segments[0].wake_workers();
        }
    }

    /// Sets an item aside until limits let it begin.
    pub(super) fn set_aside_for(&self, ask: &Ask, job: Job, shared: &Shared) {
        self.segments[job.segment].aside(true);
        let now = shared.clock.now();
        self.aside.limited(ask, job, &shared.commons.limits, now);
    }

    /// A timer that has no end of its own ends with the rest of the run.
    pub fn end_source(&self) {
        self.segments[0].end_source();
    }

    /// An item that waits aside and can go on, or when one can.
    pub(super) fn take_up(
        &self,
        agent: &Arc<Agent>,
        shared: &Shared,
    ) -> Result<Job, Option<Duration>> {
        let limits = &shared.commons.limits;
        let job = self.aside.take_up(agent, limits, shared.clock.now())?;
        self.segments[job.segment].aside(false);
        Ok(job)
    }

    /// The run stops: rows that wait aside.
    pub(super) fn abandon_aside(&self, shared: &Shared) -> usize {
        self.aside
            .abandon(&shared.commons.limits, shared.clock.now())
    }

    /// The stage ends, or will never start: its ends of the connections close.
    pub fn close(&self, shared: &Shared) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        for segment in &self.segments {
            segment.close();
        }
        for way in self.outputs.iter().chain(&self.dead) {
            way.conn.close_writer(self.cycle.as_ref());
        }
        for conn in &self.puts {
            conn.close_writer(self.cycle.as_ref());
        }
        let _ = shared.closed.send(self.id);
    }
}

/// The limits that the blocks of a stage take, each once.
fn limits(stage: &plan::Stage) -> Vec<u32> {
    let blocks = stage.program.steps.iter().filter_map(|s| match &s.op {
        Op::Enter(enter) => Some(&enter.limits),
        _ => None,
    });
    let mut all: Vec<u32> = blocks.flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}
