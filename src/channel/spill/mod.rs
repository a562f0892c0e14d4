//! Orders that keep in memory what fits and everything else in a temporary file, so that a connection with
//! `full: spill` never makes its writers wait.
//!
//! Each keeps its order exactly, also among what is on disk:
//! - first in, first out: a head in memory, segments on disk, and a tail that becomes the next segment;
//! - last in, first out: the newest in memory, the others as a stack of segments;
//! - lowest first: a heap in memory; when it is too large its last half becomes a sorted run on disk, and runs
//!   are merged as they grow in number (a log-structured merge tree; "Sequence heaps" by Sanders is the same idea).
//!
//! Pitfalls: the disk is read and written with the connection's lock held. Mostly that is a copy into or out of
//! the page cache, a quarter of a megabyte at a time; when sorted runs are merged it is longer.

mod fifo;
mod lifo;
mod priority;
mod store;

pub use fifo::SpillFifo;
pub use lifo::SpillLifo;
pub use priority::SpillPriority;
#[cfg(test)]
pub(super) use store::Store;

use std::sync::Arc;

/// What a spilling order needs to know besides its rows.
#[derive(Clone, Debug)]
pub struct Spill {
    /// Items that stay in memory.
    pub max: usize,
    /// Bytes that they may hold together there, as an estimate.
    pub max_bytes: usize,
    /// Whose the temporary file is, for messages.
    pub what: Arc<str>,
    /// How large a segment on disk is, about.
    pub segment: usize,
}

/// Larger ones cost memory, smaller ones system calls.
const SEGMENT: usize = 256 << 10;

impl Spill {
    pub fn new(max: usize, max_bytes: usize, what: Arc<str>) -> Spill {
        Spill {
            max,
            max_bytes,
            what,
            segment: SEGMENT,
        }
    }

    /// Is this too much for the memory? A little is kept there whatever `max` says, or a queue of three items
    /// would write three items at a time.
    fn is_over(&self, rows: usize, bytes: usize, segments: usize) -> bool {
        bytes > self.segment * segments && (rows > self.max || bytes > self.max_bytes)
    }
}
