//! What a face sees of a run at one moment: [`Watch`] reads the meters and remembers the last seconds,
//! a [`Look`] is plain numbers, from which every face draws.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::notice::{Meters, StageState};
use crate::plan::{ConnKind, Full, Plan};
use crate::steps::Outcome;
use crate::value::Name;

/// Rates are over this long.
const WINDOW: Duration = Duration::from_secs(3);
/// Samples are at least this far apart, so that their number is bounded however often somebody looks.
const APART: Duration = Duration::from_millis(100);

// The kinds of waits, as [`crate::notice::StageMeter`] numbers them.
pub const INPUT: usize = 0;
pub const OUTPUT: usize = 1;
pub const TURN: usize = 2;
pub const GUARD: usize = 3;
pub const TIME: usize = 4;
pub const OUTSIDE: usize = 5;

/// Looks at a run again and again.
#[derive(Debug)]
pub struct Watch {
    pub name: Name,
    roles: Vec<Role>,
    conns: Vec<ConnLook>,
    meters: Arc<Meters>,
    samples: VecDeque<Sample>,
}

/// What the plan says of a stage.
#[derive(Debug)]
struct Role {
    name: Name,
    workers: usize,
    /// Each connection and its bound.
    inputs: Vec<(usize, u64)>,
}

#[derive(Debug)]
struct Sample {
    at: Duration,
    items: Vec<u64>,
    done: Vec<u64>,
}

/// A run at one moment.
#[derive(Clone, Debug)]
pub struct Look {
    /// Since the start.
    pub at: Duration,
    /// In the order of the file.
    pub stages: Vec<StageLook>,
    pub conns: Vec<ConnLook>,
}

#[derive(Clone, Debug)]
pub struct ConnLook {
    pub name: Name,
    pub kind: ConnKind,
    pub full: Full,
    /// Nobody reads it in this run.
    pub unread: bool,
    pub put: u64,
    pub waiting: u64,
    /// The most that ever waited.
    pub peak: u64,
    pub max: u64,
    /// Because it was full.
    pub dropped: u64,
    /// Because nobody reads it, or does any more.
    pub cut: u64,
    /// Left in it, as it closes a loop, when the run was stopped.
    pub unfinished: u64,
}

#[derive(Clone, Debug)]
pub struct StageLook {
    pub name: Name,
    pub doing: Doing,
    /// It has no input: it makes its items.
    pub source: bool,
    /// What it has taken from its input or, a source, from outside.
    pub taken: u64,
    /// What its steps made beyond that.
    pub made: u64,
    /// In the order of [`Outcome::ALL`].
    pub ended: [u64; 7],
    /// Items a second, over the last seconds.
    pub rate: f64,
    pub busy: u64,
    pub workers: usize,
    /// How many items wait in its inputs, and how many may.
    pub waiting: Option<(u64, u64)>,
    /// How much of its source it has read, and the whole; bytes or items.
    pub part: Option<(u64, u64)>,
    /// How long the rest of the source will take, if it goes on like this.
    pub left: Option<Duration>,
    pub busy_time: Duration,
    /// How long its workers waited, together, by the kinds of [`crate::notice::StageMeter::waited_nanos`].
    pub waited: [Duration; 6],
    pub held: u64,
}

/// What a stage is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It has not started: it waits for other stages to end.
    Pending,
    Working,
    NeedsInput,
    NeedsRoom,
    /// Its results are ready, and wait for slower ones before them.
    NeedsTurn,
    NeedsGuard,
    /// For what is outside of this program: a child, the network.
    NeedsWorld,
    /// For a time that has been set: `sleep`, the next attempt.
    NeedsTime,
    Finishing,
    Done,
    Failed,
    Stopped,
    /// A source that was stopped before its end.
    Drained,
}

impl Doing {
    pub fn text(self) -> &'static str {
        match self {
            Doing::Pending => "not started",
            Doing::Working => "running",
            Doing::NeedsInput => "needs input",
            Doing::NeedsRoom => "needs room",
            Doing::NeedsTurn => "needs turn",
            Doing::NeedsGuard => "needs guard",
            Doing::NeedsTime => "sleeping",
            Doing::NeedsWorld => "outside",
            Doing::Finishing => "finishing",
            Doing::Done => "done",
            Doing::Failed => "failed",
            Doing::Stopped => "stopped",
            Doing::Drained => "drained",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(
            self,
            Doing::Done | Doing::Failed | Doing::Stopped | Doing::Drained
        )
    }
}

impl StageLook {
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize]
    }

    /// Items that could not be done.
    pub fn errors(&self) -> u64 {
        self.outcome(Outcome::Dropped) + self.outcome(Outcome::Dead)
    }

    /// Of the time that its workers had, the part in which they worked.
    pub fn busy_share(&self, of: Duration) -> f64 {
        let had = of.as_secs_f64() * self.workers as f64;
        if had > 0.0 {
            (self.busy_time.as_secs_f64() / had).min(1.0)
        } else {
            0.0
        }
    }

    /// What was taken and made, less what has ended: nothing, once the run has ended.
    pub fn open(&self) -> i128 {
        i128::from(self.taken) + i128::from(self.made)
            - self.ended.iter().map(|n| i128::from(*n)).sum::<i128>()
    }
}

/// A connection to which nothing has happened yet.
fn conn(plan: &crate::plan::Conn) -> ConnLook {
    ConnLook {
        name: plan.name.clone(),
        kind: plan.kind,
        full: plan.full,
        unread: plan.readers.is_empty(),
        put: 0,
        waiting: 0,
        peak: 0,
        max: plan.max.get() as u64,
        dropped: 0,
        cut: 0,
        unfinished: 0,
    }
}

impl Watch {
    pub fn new(plan: &Plan, meters: Arc<Meters>) -> Watch {
        let bounds = |conns: &[crate::plan::ConnId]| {
            conns
                .iter()
                .map(|c| (c.index(), plan.conns[c.index()].max.get() as u64))
                .collect()
        };
        let roles = plan
            .stages
            .iter()
            .map(|stage| Role {
                name: stage.name.clone(),
                workers: stage.executor.workers(),
                inputs: bounds(&stage.inputs),
            })
            .collect();
        Watch {
            name: plan.name.clone(),
            roles,
            conns: plan.conns.iter().map(conn).collect(),
            meters,
            samples: VecDeque::new(),
        }
    }

    pub fn look(&mut self, at: Duration) -> Look {
        let meters = self.meters.clone();
        let items: Vec<u64> = meters
            .stages
            .iter()
            .map(|m| m.taken.load(Relaxed))
            .collect();
        let done: Vec<u64> = meters.stages.iter().map(|m| m.done.load(Relaxed)).collect();
        // The oldest sample of the window, and all that is newer.
        while self
            .samples
            .get(1)
            .is_some_and(|second| at.saturating_sub(second.at) >= WINDOW)
        {
            self.samples.pop_front();
        }
        let stages = (0..self.roles.len())
            .map(|i| self.stage(i, at, items[i], done[i]))
            .collect();
        if self
            .samples
            .back()
            .is_none_or(|last| at.saturating_sub(last.at) >= APART)
        {
            self.samples.push_back(Sample { at, items, done });
        }
        let conns = self
            .conns
            .iter()
            .zip(&meters.conns)
            .map(|(conn, meter)| ConnLook {
                put: meter.put.load(Relaxed),
                waiting: meter.waiting.load(Relaxed),
                peak: meter.peak.load(Relaxed),
                dropped: meter.dropped.load(Relaxed),
                cut: meter.cut.load(Relaxed),
                unfinished: meter.unfinished.load(Relaxed),
                ..conn.clone()
            })
            .collect();
        Look { at, stages, conns }
    }

    fn stage(&self, i: usize, at: Duration, taken: u64, done: u64) -> StageLook {
        let (role, meter) = (&self.roles[i], &self.meters.stages[i]);
        let per_second = |then: Option<(u64, Duration)>, now: u64| {
            let (then, since) = then.unwrap_or((0, Duration::ZERO));
            let seconds = at.saturating_sub(since).as_secs_f64();
            if seconds > 0.0 {
                now.saturating_sub(then) as f64 / seconds
            } else {
                0.0
            }
        };
        let first = self.samples.front();
        let rate = per_second(first.map(|s| (s.items[i], s.at)), taken);
        let total = meter.total.load(Relaxed);
        let speed = per_second(first.map(|s| (s.done[i], s.at)), done);
        let doing = self.doing(i);
        let left = (total > 0 && speed > 0.0 && !doing.is_over())
            .then(|| Duration::try_from_secs_f64(total.saturating_sub(done) as f64 / speed).ok())
            .flatten();
        StageLook {
            name: role.name.clone(),
            doing,
            source: role.inputs.is_empty(),
            taken,
            made: meter.made.load(Relaxed),
            ended: std::array::from_fn(|o| meter.ended[o].load(Relaxed)),
            rate,
            busy: meter.busy_workers.load(Relaxed),
            workers: role.workers,
            waiting: (!role.inputs.is_empty()).then(|| {
                let waiting = role
                    .inputs
                    .iter()
                    .map(|(c, _)| self.meters.conns[*c].waiting.load(Relaxed))
                    .sum();
                (waiting, role.inputs.iter().map(|(_, max)| max).sum())
            }),
            part: (total > 0).then_some((done.min(total), total)),
            left,
            busy_time: Duration::from_nanos(meter.busy_nanos.load(Relaxed)),
            waited: std::array::from_fn(|w| {
                Duration::from_nanos(meter.waited_nanos[w].load(Relaxed))
            }),
            held: meter.held.load(Relaxed),
        }
    }

    fn doing(&self, i: usize) -> Doing {
        let meter = &self.meters.stages[i];
        match meter.state() {
            StageState::Pending => Doing::Pending,
            StageState::Finishing => Doing::Finishing,
            StageState::Done => Doing::Done,
            StageState::Failed => Doing::Failed,
            StageState::Stopped => Doing::Stopped,
            StageState::Drained => Doing::Drained,
            StageState::Running if meter.busy_workers.load(Relaxed) > 0 => Doing::Working,
            StageState::Running => self.idle(i),
        }
    }

    /// What most workers of a stage wait for of which none works; of as many, what says more.
    fn idle(&self, i: usize) -> Doing {
        let waits = &self.meters.stages[i].waiting_workers;
        // A source has no other input than the world.
        let outside = if self.roles[i].inputs.is_empty() {
            Doing::NeedsInput
        } else {
            Doing::NeedsWorld
        };
        let kinds = [
            (INPUT, Doing::NeedsInput),
            (OUTSIDE, outside),
            (TIME, Doing::NeedsTime),
            (OUTPUT, Doing::NeedsRoom),
            (TURN, Doing::NeedsTurn),
            (GUARD, Doing::NeedsGuard),
        ];
        let counts = kinds.map(|(kind, doing)| (waits[kind].load(Relaxed), doing));
        let most = counts.into_iter().max_by_key(|(n, _)| *n);
        most.filter(|(n, _)| *n > 0)
            .map_or(Doing::Working, |(_, doing)| doing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fake::chain;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let plan = chain(&["read", "count"]);
        let meters = Meters::new(2, 1);
        let mut watch = Watch::new(&plan, meters.clone());
        let mut last = 0.0;
        for second in 0..20_u64 {
            // 1,000 items a second at first, 10 a second later.
            meters.stages[0]
                .taken
                .store((second * 1000).min(10_000) + second * 10, Relaxed);
            last = watch.look(Duration::from_secs(second)).stages[0].rate;
        }
        assert!((last - 10.0).abs() < 1e-9, "{last}");
    }

    #[test]
    fn what_is_left_of_a_source_follows_from_its_speed() {
        let plan = chain(&["read"]);
        let meters = Meters::new(1, 0);
        let mut watch = Watch::new(&plan, meters.clone());
        meters.stages[0].set_state(StageState::Running);
        meters.stages[0].total.store(1000, Relaxed);
        watch.look(Duration::ZERO);
        meters.stages[0].done.store(250, Relaxed);
        let look = watch.look(Duration::from_secs(2));
        assert_eq!(look.stages[0].part, Some((250, 1000)));
        assert_eq!(look.stages[0].left, Some(Duration::from_secs(6)));
    }

    #[test]
    fn an_idle_stage_says_what_it_lacks() {
        let plan = chain(&["read", "parse", "count"]);
        let meters = Meters::new(3, 2);
        let mut watch = Watch::new(&plan, meters.clone());
        for stage in &meters.stages {
            stage.set_state(StageState::Running);
        }
        meters.stages[0].waiting_workers[OUTPUT].store(1, Relaxed);
        meters.stages[1].busy_workers.store(1, Relaxed);
        meters.stages[1].waiting_workers[GUARD].store(1, Relaxed);
        meters.stages[2].waiting_workers[INPUT].store(1, Relaxed);
        meters.stages[2].waiting_workers[TURN].store(1, Relaxed);
        let doing: Vec<Doing> = watch
            .look(Duration::ZERO)
            .stages
            .iter()
            .map(|s| s.doing)
            .collect();
        assert_eq!(doing, [Doing::NeedsRoom, Doing::Working, Doing::NeedsTurn]);
    }

    #[test]
    fn looking_often_costs_no_memory() {
        let plan = chain(&["read"]);
        let mut watch = Watch::new(&plan, Meters::new(1, 0));
        for ms in 0..10_000 {
            watch.look(Duration::from_millis(ms));
        }
        assert!(watch.samples.len() <= 32, "{}", watch.samples.len());
    }
}
