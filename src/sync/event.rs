//! Events: a light that is red until somebody sets it, and lets all through while it is green.

use std::sync::Arc;

use crate::wait::primitive::Mutex;
use crate::wait::{Agent, AgentId, Wait, What};

#[derive(Debug)]
pub struct Event {
    id: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    set: bool,
    waiting: Vec<Arc<Agent>>,
}

impl Event {
    pub fn new(id: u32, set: bool) -> Event {
        let waiting = Vec::new();
        Event {
            id,
            state: Mutex::new(State { set, waiting }),
        }
    }

    /// Passes while it is set.
    ///
    /// # Errors
    /// The wait, while it is not.
    pub fn wait(&self, agent: &Arc<Agent>) -> Result<(), Wait> {
        let mut state = self.state.lock();
        if state.set {
            state.waiting.retain(|a| a.id != agent.id);
            return Ok(());
        }
        if !state.waiting.iter().any(|a| a.id == agent.id) {
            state.waiting.push(agent.clone());
        }
        Err(Wait::for_(What::Event(self.id)))
    }

    pub fn set(&self) {
        let mut state = self.state.lock();
        state.set = true;
        for agent in state.waiting.drain(..) {
            agent.wake();
        }
    }

    pub fn clear(&self) {
        self.state.lock().set = false;
    }

    pub fn is_set(&self) -> bool {
        self.state.lock().set
    }

    /// The agent waits no more.
    pub fn forget(&self, agent: AgentId) {
        self.state.lock().waiting.retain(|a| a.id != agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Registry;

    #[test]
    fn an_event_lets_through_while_it_is_set() {
        let agent = Registry::default().enter();
        let event = Event::new(0, false);
        assert!(event.wait(&agent).is_err() && !agent.is_woken());
        event.set();
        assert!(agent.is_woken() && event.wait(&agent).is_ok() && event.wait(&agent).is_ok());
        event.clear();
        assert!(event.wait(&agent).is_err());
    }
}
