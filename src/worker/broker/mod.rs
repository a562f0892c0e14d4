//! The broker: what user code asks of guards, values and queues becomes waits in the engine's own.
//!
//! Each thread and each task of a process that takes or waits for something is an agent as a worker is, so one
//! table knows who holds and who waits, and the search for deadlocks sees them. What can be answered at once is
//! answered by whoever hears the call; what has to wait is asked again by the one thread that [`Broker::serve`]
//! runs on, when the agent is woken or its time is over.
//!
//! Pitfalls: an agent is woken by who gives something back, while that one still has the guard's inner lock: the
//! bell only rings here, and is answered elsewhere. An agent is in the registry only while it waits: whoever works
//! in user code may do anything, and counts as moving.

mod desk;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use parking_lot::Mutex;
use serde_json::{Map, Value};

pub use desk::{Desk, May};

use crate::channel::Conn;
use crate::sync::Commons;
use crate::value::Type;
use crate::wait::{Clock, Registry};

/// What user code may name, by name: the numbers are those of the plan.
#[derive(Debug, Default)]
pub struct Names {
    /// With what each is: `lock`, `rlock` ...
    pub guards: HashMap<String, (u32, &'static str)>,
    pub values: HashMap<String, u32>,
    pub arrays: HashMap<String, u32>,
    /// Connections that are queues.
    pub queues: HashMap<String, u32>,
}

/// What the broker works with.
pub struct Ports {
    pub commons: Arc<Commons>,
    pub conns: Arc<[Arc<Conn>]>,
    pub clock: Arc<dyn Clock>,
    pub registry: Arc<Registry>,
    pub names: Names,
    /// Says a warning.
    pub warn: Arc<dyn Fn(String) + Send + Sync>,
    /// What each connection carries.
    pub types: Box<[Type]>,
    /// For each stage its name, and what its user code may do.
    pub stages: Box<[(String, May)]>,
}

/// Who answers user code, for one run.
pub struct Broker {
    pub(super) ports: Ports,
    bells: Sender<Bell>,
    ringing: Receiver<Bell>,
}

/// Something for the broker's own thread. There is at most one of the first kind for each caller that waits (it is
/// rung once a wait), so there are never more than there are threads and tasks in all processes.
enum Bell {
    /// Somebody who waits was woken.
    Woken(Caller),
    /// Somebody waits for at most so long.
    Due(Duration, Caller),
    Over,
}

/// A thread or a task of a process.
#[derive(Clone)]
struct Caller {
    desk: Weak<Mutex<desk::State>>,
    by: i64,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

impl Broker {
    pub fn new(ports: Ports) -> Arc<Broker> {
        let (bells, ringing) = unbounded();
        Arc::new(Broker {
            ports,
            bells,
            ringing,
        })
    }

    /// Answers those who wait, until [`Broker::end`].
    pub fn serve(&self) {
        let clock = &*self.ports.clock;
        let mut due: BTreeMap<(Duration, u64), Caller> = BTreeMap::new();
        let mut count = 0;
        loop {
            let bell = match due.first_key_value() {
                // A virtual clock moves when everybody waits, and wakes everybody then.
                Some(((at, _), _)) if clock.is_real() => {
                    let left = at.saturating_sub(clock.now());
                    self.ringing.recv_timeout(left)
                }
                _ => self
                    .ringing
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match bell {
                Ok(Bell::Woken(caller)) => self.look(&caller),
                Ok(Bell::Due(at, caller)) => {
                    count += 1;
                    due.insert((at, count), caller);
                }
                Ok(Bell::Over) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Some(first) = due.first_entry() {
                if first.key().0 > clock.now() {
                    break;
                }
                self.look(&first.remove());
            }
        }
    }

    fn look(&self, caller: &Caller) {
        if let Some(desk) = caller.desk.upgrade() {
            desk::again(self, &desk, caller.by);
        }
    }

    /// What a process is told of the file before it works: `guards`, `values`, `arrays`, `queues`.
    pub fn hello(&self) -> Map<String, Value> {
        let Ports { names, commons, .. } = &self.ports;
        let memory = commons.values.memory().is_some();
        let place = |array: bool, number: u32| {
            let layout = commons.values.layout(array, number);
            let mut said = Map::new();
            let of = if layout.double { "double" } else { "int" };
            if let Some(at) = layout.at {
                said.insert("of".into(), of.into());
                if memory {
                    said.insert("at".into(), at.into());
                    said.insert("watch".into(), layout.watch.into());
                }
            } else {
                said.insert("of".into(), "other".into());
            }
            if array {
                said.insert("length".into(), layout.length.into());
            }
            Value::Object(said)
        };
        let places = |array: bool, names: &HashMap<String, u32>| {
            let all = names.iter();
            all.map(|(name, number)| (name.clone(), place(array, *number)))
                .collect()
        };
        let guards = names.guards.iter();
        let mut hello = Map::new();
        hello.insert(
            "guards".into(),
            Value::Object(
                guards
                    .map(|(name, (_, kind))| (name.clone(), (*kind).into()))
                    .collect(),
            ),
        );
        hello.insert("values".into(), Value::Object(places(false, &names.values)));
        hello.insert("arrays".into(), Value::Object(places(true, &names.arrays)));
        let mut queues: Vec<&str> = names.queues.keys().map(String::as_str).collect();
        queues.sort_unstable();
        hello.insert("queues".into(), queues.into());
        hello
    }

    /// The memory that values and arrays are in, for a process that maps it.
    pub fn memory(&self) -> Option<OwnedFd> {
        let memory = self.ports.commons.values.memory()?;
        memory.try_clone_to_owned().ok()
    }

    /// Nobody asks any more.
    pub fn end(&self) {
        // Whoever served is gone already, or will be.
        let _gone = self.bells.send(Bell::Over);
    }
}
