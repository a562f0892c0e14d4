//! Barriers: workers go on together, once enough of them have come.

use std::sync::Arc;

use crate::wait::primitive::Mutex;
use crate::wait::{Agent, AgentId, Wait, What};

#[derive(Debug)]
pub struct Barrier {
    id: u32,
    parties: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    here: Vec<Arc<Agent>>,
    /// Let go, and not noticed yet.
    through: Vec<(AgentId, Passed)>,
    broken: bool,
}

/// How an agent gets past a barrier: with the number in which it came (from 0), or because it is broken.
pub type Passed = Result<u32, Broken>;

/// Somebody who was waited for will not come: who waits at the barrier, or comes to it, is told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Barrier {
    pub fn new(id: u32, parties: u32) -> Barrier {
        Barrier {
            id,
            parties,
            state: Mutex::default(),
        }
    }

    /// The agent has come; it passes when as many as it takes are here, or at once where the barrier is broken.
    ///
    /// # Errors
    /// The wait, where some are still missing.
    pub fn wait(&self, agent: &Arc<Agent>) -> Result<Passed, Wait> {
        let mut state = self.state.lock();
        if let Some(at) = state.through.iter().position(|(a, _)| *a == agent.id) {
            return Ok(state.through.swap_remove(at).1);
        }
        if state.broken {
            return Ok(Err(Broken));
        }
        if !state.here.iter().any(|a| a.id == agent.id) {
            if state.here.len() + 1 >= self.parties as usize {
                for (other, number) in std::mem::take(&mut state.here).into_iter().zip(0..) {
                    state.through.push((other.id, Ok(number)));
                    other.wake();
                }
                return Ok(Ok(self.parties.saturating_sub(1)));
            }
            state.here.push(agent.clone());
        }
        Err(Wait::for_(What::Barrier(self.id)))
    }

    /// Those who wait are told that it is broken. `stays`: so is whoever comes, until the next time this is
    /// called with `false`.
    pub fn break_up(&self, stays: bool) {
        let mut state = self.state.lock();
        state.broken = stays;
        for other in std::mem::take(&mut state.here) {
            state.through.push((other.id, Err(Broken)));
            other.wake();
        }
    }

    pub fn is_broken(&self) -> bool {
        self.state.lock().broken
    }

    /// The agent waits no more; the others wait for one more.
    pub fn forget(&self, agent: AgentId) {
        let mut state = self.state.lock();
        state.here.retain(|a| a.id != agent);
        state.through.retain(|(a, _)| *a != agent);
    }

    pub fn parties(&self) -> u32 {
        self.parties
    }

    /// Who is here and waits.
    pub fn here(&self) -> Vec<AgentId> {
        self.state.lock().here.iter().map(|a| a.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Registry;

    #[test]
    fn a_barrier_lets_through_when_enough_have_come_again_and_again() {
        let registry = Registry::default();
        let [a, b, c] = [registry.enter(), registry.enter(), registry.enter()];
        let barrier = Barrier::new(0, 2);
        assert!(barrier.wait(&a).is_err() && barrier.wait(&a).is_err());
        assert_eq!(barrier.wait(&b), Ok(Ok(1)));
        assert!(a.is_woken());
        assert!(barrier.wait(&c).is_err(), "the next round");
        assert_eq!(barrier.wait(&a), Ok(Ok(0)), "of the first");
        assert!(barrier.wait(&b).is_ok() && barrier.wait(&c).is_ok());
    }

    #[test]
    fn who_gives_up_is_not_counted() {
        let registry = Registry::default();
        let [a, b, c] = [registry.enter(), registry.enter(), registry.enter()];
        let barrier = Barrier::new(0, 2);
        assert!(barrier.wait(&a).is_err());
        barrier.forget(a.id);
        assert!(barrier.wait(&b).is_err() && barrier.wait(&c).is_ok());
    }

    #[test]
    fn a_broken_barrier_lets_nobody_meet_until_it_is_mended() {
        let registry = Registry::default();
        let [a, b] = [registry.enter(), registry.enter()];
        let barrier = Barrier::new(0, 2);
        assert!(barrier.wait(&a).is_err());
        barrier.break_up(true);
        assert!(a.is_woken() && barrier.is_broken());
        assert_eq!(barrier.wait(&a), Ok(Err(Broken)));
        assert_eq!(barrier.wait(&b), Ok(Err(Broken)));
        barrier.break_up(false);
        assert!(barrier.wait(&a).is_err());
        assert_eq!(barrier.wait(&b), Ok(Ok(1)));
    }
}
