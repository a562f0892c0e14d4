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
    /// Waited when it was set, and have not noticed yet: they pass also where it has been cleared meanwhile.
    through: Vec<AgentId>,
}

impl Event {
    pub fn new(id: u32, set: bool) -> Event {
        let (waiting, through) = (Vec::new(), Vec::new());
        Event {
            id,
            state: Mutex::new(State {
                set,
                waiting,
                through,
            }),
        }
    }

    /// Passes while it is set.
    ///
    /// # Errors
    /// The wait, while it is not.
    pub fn wait(&self, agent: &Arc<Agent>) -> Result<(), Wait> {
        let mut state = self.state.lock();
        let let_through = state.through.iter().position(|a| *a == agent.id);
        if let Some(at) = let_through {
            state.through.swap_remove(at);
        }
        if state.set || let_through.is_some() {
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
        for agent in std::mem::take(&mut state.waiting) {
            state.through.push(agent.id);
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
        let mut state = self.state.lock();
        state.waiting.retain(|a| a.id != agent);
        state.through.retain(|a| *a != agent);
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

    #[test]
    fn who_waited_when_it_was_set_passes_though_it_was_cleared_at_once() {
        let agent = Registry::default().enter();
        let event = Event::new(0, false);
        assert!(event.wait(&agent).is_err());
        event.set();
        event.clear();
        assert!(event.wait(&agent).is_ok() && event.wait(&agent).is_err());
    }
}
