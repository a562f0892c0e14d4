//! Termination of a loop of stages: one count of unfinished items for each strongly connected component of
//! the graph. It ends when the writers outside of it have ended and nothing is unfinished; then its
//! connections close together. A connection outside of any loop closes when its writers have ended, which is the
//! same rule for a component of one stage.
//!
//! Pitfall: what an item became must be counted before the item itself is released, or the count is 0 for
//! a moment; a worker puts its results first and settles its rows after that.

use std::sync::{Arc, OnceLock, Weak};

use super::Conn;
use crate::wait::Agent;
use crate::wait::primitive::Mutex;

/// The count of one loop.
#[derive(Debug, Default)]
pub struct Cycle {
    /// One lock, so that all is seen at once.
    state: Mutex<State>,
    conns: OnceLock<Vec<Weak<Conn>>>,
}

#[derive(Debug, Default)]
struct State {
    /// Unfinished items.
    items: u64,
    /// Items that a step keeps until its input ends (`batch`): they are finished as far as their stage goes, but
    /// the loop does not end while there are some. Below zero for a moment, when who gave some out reports that
    /// before who put them there.
    resting: i64,
    /// Writers outside that have not ended.
    writers: usize,
    /// Who can let go what rests.
    keepers: Vec<Arc<Agent>>,
}

/// What a state calls for.
enum Next {
    Nothing,
    /// Nothing is unfinished: the connections close.
    Close,
    /// Nothing is unfinished but what rests: it is given out.
    LetGo(Vec<Arc<Agent>>),
}

impl State {
    fn is_idle(&self) -> bool {
        self.items == 0 && self.writers == 0 && self.resting > 0
    }

    fn next(&self) -> Next {
        match self {
            State {
                items: 0,
                resting: 0,
                writers: 0,
                ..
            } => Next::Close,
            state if state.is_idle() => Next::LetGo(state.keepers.clone()),
            _ => Next::Nothing,
        }
    }
}

impl Cycle {
    /// A loop into which this many stages outside of it write (once for each connection).
    pub fn new(outside: usize) -> Arc<Cycle> {
        let state = State {
            writers: outside,
            ..State::default()
        };
        Arc::new(Cycle {
            state: Mutex::new(state),
            conns: OnceLock::new(),
        })
    }

    /// The connections that close when the loop ends.
    pub fn bind(&self, conns: &[Arc<Conn>]) {
        let _ = self.conns.set(conns.iter().map(Arc::downgrade).collect());
        self.change(|_| true);
    }

    /// Items have come in.
    pub fn begin(&self, items: u64) {
        self.state.lock().items += items;
    }

    /// Items are finished.
    pub fn finish(&self, items: u64) {
        self.settle(0, 0, items);
    }

    /// What a worker has done: items that were made, items that rest in a step now (or, below zero, no more),
    /// and items that are finished. At once, or the count would be 0 in between.
    pub fn settle(&self, made: u64, rests: i64, finished: u64) {
        if (made, rests, finished) == (0, 0, 0) {
            return;
        }
        self.change(|state| {
            state.items = state.items + made - finished;
            state.resting += rests;
            finished > 0 || rests != 0
        });
    }

    /// A writer outside has ended.
    pub(super) fn writer_ended(&self) {
        self.change(|state| {
            state.writers -= 1;
            true
        });
    }

    /// This worker is woken when only what rests in steps is unfinished.
    pub fn watch(&self, keeper: &Arc<Agent>) {
        self.state.lock().keepers.push(keeper.clone());
    }

    /// Is nothing unfinished but what rests in steps, and will nothing come from outside?
    pub fn is_idle(&self) -> bool {
        self.state.lock().is_idle()
    }

    /// Unfinished items.
    pub fn unfinished(&self) -> u64 {
        self.state.lock().items
    }

    /// Changes the state, and does what it calls for if the change says so.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state.lock();
        let next = if change(&mut state) {
            state.next()
        } else {
            Next::Nothing
        };
        drop(state);
        match next {
            Next::Nothing => {}
            Next::Close => {
                for conn in self.conns.get().into_iter().flatten() {
                    if let Some(conn) = conn.upgrade() {
                        conn.close();
                    }
                }
            }
            Next::LetGo(keepers) => keepers.iter().for_each(|agent| agent.wake()),
        }
    }
}
