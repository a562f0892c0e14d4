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
    /// Let through, and not noticed yet.
    through: Vec<AgentId>,
}

impl Barrier {
    pub fn new(id: u32, parties: u32) -> Barrier {
        Barrier {
            id,
            parties,
            state: Mutex::default(),
        }
    }

    /// The agent has come; it passes when as many as it takes are here.
    ///
    /// # Errors
    /// The wait, where some are still missing.
    pub fn wait(&self, agent: &Arc<Agent>) -> Result<(), Wait> {
        let mut state = self.state.lock();
        if let Some(at) = state.through.iter().position(|a| *a == agent.id) {
            state.through.swap_remove(at);
            return Ok(());
        }
        if !state.here.iter().any(|a| a.id == agent.id) {
            if state.here.len() + 1 >= self.parties as usize {
                for other in std::mem::take(&mut state.here) {
                    state.through.push(other.id);
                    other.wake();
                }
                return Ok(());
            }
            state.here.push(agent.clone());
        }
        Err(Wait::for_(What::Barrier(self.id)))
    }

    /// The agent waits no more; the others wait for one more.
    pub fn forget(&self, agent: AgentId) {
        let mut state = self.state.lock();
        state.here.retain(|a| a.id != agent);
        state.through.retain(|a| *a != agent);
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
        assert!(barrier.wait(&b).is_ok() && a.is_woken());
        assert!(barrier.wait(&c).is_err(), "the next round");
        assert!(barrier.wait(&a).is_ok(), "of the first");
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
}
