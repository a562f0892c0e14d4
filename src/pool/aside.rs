//! Items on their way that occupy nobody: they wait for their next attempt, or for a limit.
//!
//! Who is idle says so here before it looks a last time, so that a limit that opens finds somebody to ring for.
//! A ring is a hint to one: whoever then finds other work passes it on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::faults::Attempt;
use super::line::Load;
use crate::steps::Ask;
use crate::sync::{Bell, Limits, Ticket};
use crate::value::Batch;
use crate::wait::Agent;

/// One item on its way, laid down.
pub(super) struct Job {
    pub segment: usize,
    pub ord: u64,
    pub span: u64,
    pub load: Load,
    pub attempt: Attempt,
    pub input: Option<Batch>,
}

/// What waits aside in one stage.
pub(super) struct Aside {
    desk: u32,
    max: usize,
    state: Mutex<State>,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct State {
    due: BTreeMap<(Duration, u64), Job>,
    next: u64,
    limited: HashMap<Ticket, Limited>,
    deadlines: BTreeSet<(Duration, Ticket)>,
}

/// An item that waits for limits.
struct Limited {
    job: Job,
    since: Duration,
    until: Option<Duration>,
}

/// Workers that have found nothing to do.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Arc<Agent>>>);

impl Bell for Idle {
    fn ring(&self) {
        if let Some(agent) = self.0.lock().pop() {
            agent.wake();
        }
    }
}

impl Aside {
    pub(super) fn new(desk: u32, max: usize) -> Aside {
        Aside {
            desk,
            max,
            state: Mutex::default(),
            idle: Arc::default(),
        }
    }

    /// Limits ring here from now on.
    pub(super) fn open(&self, limits: &Limits) {
        limits.open(self.desk, self.idle.clone());
    }

    /// An item waits until a time. Is it the first of all?
    pub(super) fn until(&self, due: Duration, job: Job) -> bool {
        let mut state = self.state.lock();
        state.next += 1;
        let key = (due, state.next);
        let first = state
            .due
            .first_key_value()
            .is_none_or(|(first, _)| key < *first);
        state.due.insert(key, job);
        first
    }

    /// An item waits for limits.
    pub(super) fn limited(&self, ask: &Ask, job: Job, limits: &Limits, now: Duration) {
        let mut state = self.state.lock();
        let ticket = limits.queue(self.desk, &ask.needs, now);
        if let Some(until) = ask.until {
            state.deadlines.insert((until, ticket));
        }
        let limited = Limited {
            job,
            since: now,
            until: ask.until,
        };
        state.limited.insert(ticket, limited);
        drop(state);
        // Its time may come before all others.
        self.idle.ring();
    }

    /// An item that can go on in this agent's hands, or when one can.
    pub(super) fn take_up(
        &self,
        agent: &Arc<Agent>,
        limits: &Limits,
        now: Duration,
    ) -> Result<Job, Option<Duration>> {
        let mut state = self.state.lock();
        if let Some(first) = state.due.first_entry()
            && first.key().0 <= now
        {
            let mut job = first.remove();
            job.attempt.began = now;
            return Ok(job);
        }
        let mut ticket = None;
        if let Some((until, late)) = state.deadlines.first().copied()
            && until <= now
        {
            limits.expire(late, agent.id, now);
            ticket = Some(late);
        } else if !state.limited.is_empty() {
            ticket = limits.pick(self.desk, agent, now);
        }
        if let Some(ticket) = ticket {
            let limited = state
                .limited
                .remove(&ticket)
                .expect("BUG: a ticket without an item");
            if let Some(until) = limited.until {
                state.deadlines.remove(&(until, ticket));
            }
            let mut job = limited.job;
            // Waiting for limits is no part of an attempt's time.
            job.attempt.began += now.saturating_sub(limited.since);
            return Ok(job);
        }
        let due = state.due.first_key_value().map(|((at, _), _)| *at);
        let deadline = state.deadlines.first().map(|(at, _)| *at);
        let opens = limits.next().filter(|_| !state.limited.is_empty());
        Err(due.into_iter().chain(deadline).chain(opens).min())
    }

    /// When an item that comes before this one may go on, as early as possible; where limits decide that, it is
    /// rung for.
    pub(super) fn due_before(
        &self,
        segment: usize,
        ord: u64,
        agent: &Arc<Agent>,
        limits: &Limits,
        now: Duration,
    ) -> Option<Duration> {
        let state = self.state.lock();
        let earlier = |job: &Job| job.segment == segment && job.ord < ord;
        let due = state.due.iter().find(|(_, job)| earlier(job));
        let due = due.map(|((due, _), _)| *due);
        let mut opens = None;
        if state.limited.values().any(|limited| earlier(&limited.job)) {
            drop(state);
            self.idle(agent);
            opens = limits.opens(self.desk, now);
        }
        due.into_iter().chain(opens).min()
    }

    /// Does an item wait for limits?
    pub(super) fn is_limited(&self) -> bool {
        !self.state.lock().limited.is_empty()
    }

    /// May no more be set aside?
    pub(super) fn is_full(&self) -> bool {
        let state = self.state.lock();
        state.due.len() + state.limited.len() >= self.max
    }

    /// The agent has found nothing; it looks once more after this.
    pub(super) fn idle(&self, agent: &Arc<Agent>) {
        let mut idle = self.idle.0.lock();
        if !idle.iter().any(|a| Arc::ptr_eq(a, agent)) {
            idle.push(agent.clone());
        }
    }

    /// The agent looks for work, or for none at all.
    pub(super) fn busy(&self, agent: &Arc<Agent>) {
        self.idle.0.lock().retain(|a| !Arc::ptr_eq(a, agent));
    }

    /// Whoever was rung for has found something else: another looks.
    pub(super) fn pass_on(&self) {
        if self.is_limited() {
            self.idle.ring();
        }
    }

    /// The run stops: how many rows wait here, which nobody will take up.
    pub(super) fn abandon(&self, limits: &Limits, now: Duration) -> usize {
        let mut state = self.state.lock();
        state.deadlines.clear();
        let due = std::mem::take(&mut state.due).into_values();
        let limited = std::mem::take(&mut state.limited);
        drop(state);
        let limited = limited.into_iter().map(|(ticket, limited)| {
            limits.forget(ticket, now);
            limited.job
        });
        due.chain(limited).map(|job| job.load.rows()).sum()
    }
}
