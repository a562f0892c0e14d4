//! Permits: what a lock, an rlock, an rwlock and a semaphore have in common.
//!
//! A lock has one permit. A semaphore has those that it was declared with. An rwlock has very many: a reader
//! takes one, a writer all of them, so that from "first come, first served" it follows that a waiting writer
//! goes before readers that come later. An rlock is a lock that its holder may take again.
//!
//! Who gives back hands over to whoever waits in front, so that nobody is overtaken. Strict hand-over alone
//! was measured at several hundred times the cost of a lock that is held for a few nanoseconds (each one costs
//! a change of threads), so a taker tries a few times, yielding, before it queues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Machine;
use crate::wait::primitive::{Mutex, yield_now};
use crate::wait::{Agent, AgentId, Clock, Wait, What};

/// All permits of an rwlock: what its writer takes.
pub const ALL: u32 = u32::MAX;

/// How often a taker tries before it queues.
const TRIES: u32 = 20;

/// A bounded number of permits, given out in the order in which they were asked for.
#[derive(Debug)]
pub struct Permits {
    id: u32,
    total: u32,
    reentrant: bool,
    /// Other runs share it.
    machine: Option<Machine>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: u32,
    holders: Vec<Held>,
    queue: VecDeque<Waiter>,
    counts: Counts,
}

/// Who holds permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub agent: AgentId,
    pub n: u32,
    /// Since the run's start.
    pub since: Duration,
    /// The step of the holder's stage that took them.
    pub step: u32,
    /// An rlock, taken again so often.
    again: u32,
    /// Handed over to somebody who has not noticed yet.
    fresh: bool,
}

#[derive(Debug)]
struct Waiter {
    agent: Arc<Agent>,
    n: u32,
    step: u32,
}

/// What a taker got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    New,
    /// An rlock that it holds already.
    Again,
}

/// How a guard was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub taken: u64,
    /// How often somebody had to queue for it.
    pub waits: u64,
}

impl Permits {
    fn new(id: u32, total: u32, reentrant: bool) -> Permits {
        Permits {
            id,
            total,
            reentrant,
            machine: None,
            state: Mutex::new(State::default()),
        }
    }

    /// Shared by all runs of the user on this machine.
    #[must_use]
    pub fn on(self, machine: Machine) -> Permits {
        Permits {
            machine: Some(machine),
            ..self
        }
    }

    pub fn lock(id: u32) -> Permits {
        Permits::new(id, 1, false)
    }

    pub fn rlock(id: u32) -> Permits {
        Permits::new(id, 1, true)
    }

    pub fn rwlock(id: u32) -> Permits {
        Permits::new(id, ALL, false)
    }

    pub fn semaphore(id: u32, permits: u32) -> Permits {
        Permits::new(id, permits, false)
    }

    pub fn total(&self) -> u32 {
        self.total
    }

    /// Takes `n` permits, or queues for them and hands out the wait: call again when woken.
    ///
    /// # Errors
    /// The wait, where they are not to be had now.
    pub fn take(
        &self,
        agent: &Arc<Agent>,
        n: u32,
        step: u32,
        clock: &dyn Clock,
    ) -> Result<(), Wait> {
        let Some(machine) = &self.machine else {
            return self.take_here(agent, n, step, clock).map(drop);
        };
        if !machine.awaits(agent.id) && self.take_here(agent, n, step, clock)? == Taken::Again {
            return Ok(());
        }
        machine.enter(agent.id, n).map_err(|pause| {
            Wait::for_(What::Machine(self.id)).until(clock.now().saturating_add(pause))
        })
    }

    /// Takes them among the agents of this run.
    fn take_here(
        &self,
        agent: &Arc<Agent>,
        n: u32,
        step: u32,
        clock: &dyn Clock,
    ) -> Result<Taken, Wait> {
        for _ in 0..TRIES {
            let mut state = self.state.lock();
            if state.claim(agent.id, n) {
                return Ok(Taken::New);
            }
            if self.reentrant && state.again(agent.id) {
                return Ok(Taken::Again);
            }
            if state.free(self.total, agent.id, n, step, clock) {
                return Ok(Taken::New);
            }
            if state.queue.iter().any(|w| w.agent.id == agent.id) {
                return Err(self.wait(n));
            }
            drop(state);
            yield_now();
        }
        let mut state = self.state.lock();
        if state.free(self.total, agent.id, n, step, clock) {
            return Ok(Taken::New);
        }
        state.counts.waits += 1;
        state.queue.push_back(Waiter {
            agent: agent.clone(),
            n,
            step,
        });
        Err(self.wait(n))
    }

    fn wait(&self, n: u32) -> Wait {
        Wait::for_(What::Permits { guard: self.id, n })
    }

    /// Gives back what a [`Permits::take`] of `n` took; whoever waits in front gets it.
    ///
    /// # Panics
    /// Where the agent holds no such permits: a bug.
    pub fn give(&self, agent: AgentId, n: u32, clock: &dyn Clock) {
        assert!(
            self.give_back(agent, n, clock),
            "BUG: {agent:?} gives back what it does not hold"
        );
    }

    /// The same, where others may have given it back already ([`Permits::give_for_another`]). `false`: they have.
    pub fn give_back(&self, agent: AgentId, n: u32, clock: &dyn Clock) -> bool {
        let mut state = self.state.lock();
        // The last one taken: blocks nest.
        let Some(at) = state
            .holders
            .iter()
            .rposition(|h| h.agent == agent && h.n == n)
        else {
            return false;
        };
        if state.holders[at].again > 0 {
            state.holders[at].again -= 1;
            return true;
        }
        state.holders.swap_remove(at);
        state.taken -= n;
        self.leave(agent);
        state.hand_over(self.total, clock);
        true
    }

    /// Another run may have what the agent had, before somebody of this one gets it.
    fn leave(&self, agent: AgentId) {
        if let Some(machine) = &self.machine {
            machine.leave(agent);
        }
    }

    /// Gives back `n` permits that somebody holds, whoever that is: the one that has held them longest. `false`:
    /// nobody does.
    pub fn give_for_another(&self, n: u32, clock: &dyn Clock) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.holders.iter().position(|h| h.n == n && !h.fresh) else {
            return false;
        };
        let held = state.holders.remove(at);
        state.taken -= n;
        self.leave(held.agent);
        state.hand_over(self.total, clock);
        true
    }

    /// The agent waits no more, and takes nothing that was handed over to it meanwhile.
    pub fn forget(&self, agent: AgentId, clock: &dyn Clock) {
        let mut state = self.state.lock();
        state.queue.retain(|w| w.agent.id != agent);
        while let Some(at) = state
            .holders
            .iter()
            .position(|h| h.agent == agent && h.fresh)
        {
            let held = state.holders.swap_remove(at);
            state.taken -= held.n;
        }
        if let Some(machine) = &self.machine
            && machine.awaits(agent)
        {
            machine.leave(agent);
            if let Some(at) = state.holders.iter().rposition(|h| h.agent == agent) {
                let held = state.holders.remove(at);
                state.taken -= held.n;
            }
        }
        state.hand_over(self.total, clock);
    }

    /// The agent is no more: what it held goes back. How many permits that was.
    pub fn orphan(&self, agent: AgentId, clock: &dyn Clock) -> u32 {
        let mut state = self.state.lock();
        state.queue.retain(|w| w.agent.id != agent);
        let mut gone = 0;
        while let Some(at) = state.holders.iter().position(|h| h.agent == agent) {
            let held = state.holders.swap_remove(at);
            state.taken -= held.n;
            gone += held.n;
            self.leave(agent);
        }
        state.hand_over(self.total, clock);
        gone
    }

    pub fn held(&self) -> Vec<Held> {
        self.state.lock().holders.clone()
    }

    /// Who waits, and for how many, the next first.
    pub fn queue(&self) -> Vec<(AgentId, u32)> {
        let state = self.state.lock();
        state.queue.iter().map(|w| (w.agent.id, w.n)).collect()
    }

    /// Does anybody wait?
    pub fn is_wanted(&self) -> bool {
        !self.state.lock().queue.is_empty()
    }

    /// Permits that nobody holds.
    pub fn free(&self) -> u32 {
        self.total - self.state.lock().taken
    }

    pub fn counts(&self) -> Counts {
        self.state.lock().counts
    }
}

impl State {
    /// Takes what was handed over to the agent.
    fn claim(&mut self, agent: AgentId, n: u32) -> bool {
        let mine = |h: &&mut Held| h.agent == agent && h.fresh && h.n == n;
        match self.holders.iter_mut().find(mine) {
            Some(held) => {
                held.fresh = false;
                true
            }
            None => false,
        }
    }

    /// An rlock's holder takes it once more.
    fn again(&mut self, agent: AgentId) -> bool {
        match self.holders.iter_mut().find(|h| h.agent == agent) {
            Some(held) => {
                held.again += 1;
                self.counts.taken += 1;
                true
            }
            None => false,
        }
    }

    /// Takes what is free, where nobody waits for it.
    fn free(&mut self, total: u32, agent: AgentId, n: u32, step: u32, clock: &dyn Clock) -> bool {
        let free = self.queue.is_empty() && n <= total - self.taken;
        if free {
            self.give_out(agent, n, step, clock.now(), false);
        }
        free
    }

    fn give_out(&mut self, agent: AgentId, n: u32, step: u32, since: Duration, fresh: bool) {
        self.taken += n;
        self.counts.taken += 1;
        self.holders.push(Held {
            agent,
            n,
            since,
            step,
            again: 0,
            fresh,
        });
    }

    /// Whoever waits in front gets what is free, as far as it goes.
    fn hand_over(&mut self, total: u32, clock: &dyn Clock) {
        while let Some(first) = self.queue.front()
            && first.n <= total - self.taken
        {
            let Some(next) = self.queue.pop_front() else {
                return;
            };
            self.give_out(next.agent.id, next.n, next.step, clock.now(), true);
            next.agent.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Registry, VirtualClock};

    static NOW: VirtualClock = VirtualClock::new();

    fn agents<const N: usize>() -> [Arc<Agent>; N] {
        let registry = Registry::default();
        std::array::from_fn(|_| registry.enter())
    }

    fn has(p: &Permits, a: &Arc<Agent>, n: u32) -> bool {
        p.take(a, n, 0, &NOW).is_ok()
    }

    #[test]
    fn a_lock_goes_to_those_who_wait_in_the_order_of_their_coming() {
        let [a, b, c] = agents();
        let lock = Permits::lock(0);
        assert!(has(&lock, &a, 1) && !has(&lock, &b, 1) && !has(&lock, &c, 1));
        lock.give(a.id, 1, &NOW);
        assert!(!has(&lock, &a, 1), "it was handed over to b");
        assert!(b.is_woken() && !c.is_woken() && has(&lock, &b, 1));
        lock.give(b.id, 1, &NOW);
        assert!(has(&lock, &c, 1));
        assert_eq!(lock.counts(), Counts { taken: 3, waits: 3 });
    }

    #[test]
    fn a_lock_is_not_taken_twice_and_an_rlock_is() {
        let [a, b] = agents();
        let (lock, rlock) = (Permits::lock(0), Permits::rlock(1));
        assert!(has(&lock, &a, 1) && !has(&lock, &a, 1));
        assert!(has(&rlock, &a, 1) && has(&rlock, &a, 1) && !has(&rlock, &b, 1));
        rlock.give(a.id, 1, &NOW);
        assert!(!has(&rlock, &b, 1));
        rlock.give(a.id, 1, &NOW);
        assert!(has(&rlock, &b, 1));
    }

    #[test]
    fn a_writer_that_waits_goes_before_readers_that_come_later() {
        let [first, second, writer, late] = agents();
        let lock = Permits::rwlock(0);
        assert!(has(&lock, &first, 1) && has(&lock, &second, 1));
        assert!(!has(&lock, &writer, ALL) && !has(&lock, &late, 1));
        lock.give(first.id, 1, &NOW);
        lock.give(second.id, 1, &NOW);
        assert!(has(&lock, &writer, ALL) && !has(&lock, &late, 1));
        lock.give(writer.id, ALL, &NOW);
        assert!(has(&lock, &late, 1) && has(&lock, &first, 1));
    }

    #[test]
    fn a_semaphore_gives_no_more_than_it_has_and_lets_nobody_overtake() {
        let [a, b, c] = agents();
        let s = Permits::semaphore(0, 3);
        assert!(has(&s, &a, 2) && !has(&s, &b, 2));
        assert!(!has(&s, &c, 1), "b came first");
        s.give(a.id, 2, &NOW);
        assert!(has(&s, &b, 2) && has(&s, &c, 1) && !has(&s, &a, 1));
    }

    #[test]
    fn who_gives_up_waiting_leaves_the_queue_and_what_it_was_handed() {
        let [a, b, c] = agents();
        let s = Permits::semaphore(0, 2);
        assert!(has(&s, &a, 1) && !has(&s, &b, 2) && !has(&s, &c, 1));
        s.forget(b.id, &NOW);
        assert!(has(&s, &c, 1), "nobody is in front of c any more");
        assert!(!has(&s, &b, 2));
        s.give(a.id, 1, &NOW);
        s.give(c.id, 1, &NOW);
        s.forget(b.id, &NOW);
        assert!(has(&s, &a, 2), "handed over to b, and given up by it");
    }

    #[test]
    fn who_gives_back_for_another_gives_back_what_was_held_longest() {
        let [a, b, c] = agents();
        let two = Permits::semaphore(0, 2);
        assert!(!two.give_for_another(1, &NOW), "nobody holds any");
        assert!(has(&two, &a, 1) && has(&two, &b, 1) && !has(&two, &c, 1));
        assert!(two.give_for_another(1, &NOW));
        assert!(c.is_woken() && has(&two, &c, 1));
        let holders: Vec<AgentId> = two.held().iter().map(|h| h.agent).collect();
        assert_eq!(holders, [b.id, c.id]);
    }

    #[test]
    fn what_the_dead_held_is_given_back() {
        let [a, b] = agents();
        let s = Permits::semaphore(0, 3);
        assert!(has(&s, &a, 1) && has(&s, &a, 2) && !has(&s, &b, 3));
        assert_eq!(s.orphan(a.id, &NOW), 3);
        assert!(has(&s, &b, 3));
        assert_eq!(s.held().len(), 1);
    }
}
