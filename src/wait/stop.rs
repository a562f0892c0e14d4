//! How a run is told to stop: first to drain, then to stop now.

use std::sync::Arc;

use super::Registry;
use super::primitive::{AtomicU32, Mutex, Ordering};

/// A handle to stop one run; clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    level: AtomicU32,
    why: Mutex<Option<Why>>,
    registry: Mutex<Option<Arc<Registry>>>,
}

/// Why a run stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Interrupted,
    Terminated,
    Deadline,
    /// An error that `on_error: fail` does not survive, or reading or writing failed.
    Failed,
}

impl Stop {
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Sources and timers stop; what has begun and what waits in connections is finished. The first reason stays.
    pub fn drain(&self, why: Why) {
        self.raise(1, why);
    }

    /// Everything stops now; what is in flight is unfinished.
    pub fn now(&self, why: Why) {
        self.raise(2, why);
    }

    fn raise(&self, level: u32, why: Why) {
        self.0.why.lock().get_or_insert(why);
        if self.0.level.load(Ordering::Acquire) < level {
            self.0.level.store(level, Ordering::Release);
        }
        let registry = self.0.registry.lock().clone();
        if let Some(registry) = registry {
            registry.wake_all();
        }
    }

    pub fn is_draining(&self) -> bool {
        self.0.level.load(Ordering::Acquire) >= 1
    }

    pub fn is_now(&self) -> bool {
        self.0.level.load(Ordering::Acquire) >= 2
    }

    pub fn why(&self) -> Option<Why> {
        *self.0.why.lock()
    }

    /// The agents that are to be woken when the run is told to stop.
    pub fn watch(&self, registry: &Arc<Registry>) {
        *self.0.registry.lock() = Some(registry.clone());
    }
}
