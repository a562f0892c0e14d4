//! Termination of a loop of stages: one count of unfinished items for each strongly connected component of
//! the graph. It ends when the writers outside of it have ended and nothing is unfinished; then its
//! connections close together. A connection outside of any loop closes when its writers have ended, which is the
//! same rule for a component of one stage.
//!
//! Pitfall: what an item became must be counted before the item itself is released, or the count is 0 for
//! a moment; a worker puts its results first and settles its rows after that.

use std::sync::{Arc, OnceLock, Weak};

use super::Conn;
use crate::wait::primitive::{AtomicU64, Ordering};

/// The count of one loop.
#[derive(Debug, Default)]
pub struct Cycle {
    /// Unfinished items, and, in the upper half, writers outside that have not ended. One word, so that both are
    /// seen at once.
    state: AtomicU64,
    conns: OnceLock<Vec<Weak<Conn>>>,
}

const WRITER: u64 = 1 << 48;
const ITEMS: u64 = WRITER - 1;

impl Cycle {
    /// A loop into which this many stages outside of it write (once for each connection).
    pub fn new(outside: usize) -> Arc<Cycle> {
        let cycle = Cycle::default();
        cycle.state.store(outside as u64 * WRITER, Ordering::SeqCst);
        Arc::new(cycle)
    }

    /// The connections that close when the loop ends.
    pub fn bind(&self, conns: &[Arc<Conn>]) {
        let _ = self.conns.set(conns.iter().map(Arc::downgrade).collect());
        if self.state.load(Ordering::SeqCst) == 0 {
            self.close();
        }
    }

    /// Items have come in, or were made.
    pub fn begin(&self, items: u64) {
        self.state.fetch_add(items, Ordering::SeqCst);
    }

    /// Items are finished.
    pub fn finish(&self, items: u64) {
        if items > 0 && self.state.fetch_sub(items, Ordering::SeqCst) == items {
            self.close();
        }
    }

    /// A writer outside has ended.
    pub(super) fn writer_ended(&self) {
        if self.state.fetch_sub(WRITER, Ordering::SeqCst) == WRITER {
            self.close();
        }
    }

    /// Unfinished items.
    pub fn unfinished(&self) -> u64 {
        self.state.load(Ordering::SeqCst) & ITEMS
    }

    fn close(&self) {
        for conn in self
            .conns
            .get()
            .into_iter()
            .flatten()
            .filter_map(Weak::upgrade)
        {
            conn.close();
        }
    }
}
