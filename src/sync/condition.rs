//! Conditions: a lock, and those who have given it back until something holds.
//!
//! Who waits enlists *before* it looks whether what it waits for holds, and is taken out when it does: so no
//! notification that comes in between is lost.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Permits;
use crate::wait::primitive::Mutex;
use crate::wait::{Agent, AgentId};

#[derive(Debug)]
pub struct Condition {
    pub lock: Permits,
    waiting: Mutex<VecDeque<Arc<Agent>>>,
}

impl Condition {
    pub fn new(id: u32) -> Condition {
        Condition {
            lock: Permits::lock(id),
            waiting: Mutex::default(),
        }
    }

    /// The agent is to be told when it is to look again.
    pub fn enlist(&self, agent: &Arc<Agent>) {
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|a| a.id == agent.id) {
            waiting.push_back(agent.clone());
        }
    }

    /// Has the agent not been notified yet?
    pub fn is_enlisted(&self, agent: AgentId) -> bool {
        self.waiting.lock().iter().any(|a| a.id == agent)
    }

    /// What the agent waited for holds, or it has given up. A notification that it has had meanwhile and does
    /// not use goes to the next.
    pub fn take_out(&self, agent: AgentId) {
        let mut waiting = self.waiting.lock();
        match waiting.iter().position(|a| a.id == agent) {
            Some(at) => {
                waiting.remove(at);
            }
            None => wake(waiting.pop_front()),
        }
    }

    /// Lets the one that has waited longest look again.
    pub fn notify(&self) {
        wake(self.waiting.lock().pop_front());
    }

    pub fn notify_all(&self) {
        for agent in self.waiting.lock().drain(..) {
            agent.wake();
        }
    }

    /// The agent is no more.
    pub fn orphan(&self, agent: AgentId) {
        self.waiting.lock().retain(|a| a.id != agent);
    }

    pub fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }
}

fn wake(agent: Option<Arc<Agent>>) {
    if let Some(agent) = agent {
        agent.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Registry;

    #[test]
    fn a_notification_wakes_who_has_waited_longest_and_is_passed_on_by_who_does_not_need_it() {
        let registry = Registry::default();
        let [a, b] = [registry.enter(), registry.enter()];
        let condition = Condition::new(0);
        condition.enlist(&a);
        condition.enlist(&b);
        condition.notify();
        assert!(a.is_woken() && !b.is_woken());
        condition.take_out(a.id);
        assert!(b.is_woken());
        condition.notify();
        assert_eq!(condition.waiting(), 0);
    }

    #[test]
    fn notify_all_wakes_everybody() {
        let registry = Registry::default();
        let all: Vec<_> = (0..3).map(|_| registry.enter()).collect();
        let condition = Condition::new(0);
        all.iter().for_each(|a| condition.enlist(a));
        condition.notify_all();
        assert!(all.iter().all(|a| a.is_woken()));
    }
}
