//! The order in which the lowest number goes first.

use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{Broken, Order};
use crate::value::{Batch, Blocks, Cell, Row, Shape};

/// Reads the priority of a row. Rows for which it cannot be computed never come here.
pub type PriorityKey = Arc<dyn Fn(Row<'_>) -> f64 + Send + Sync>;

/// A row's place in line: its number, made into an integer of the same order, then its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(pub u64, pub u64);

impl Rank {
    fn new(key: f64, arrival: u64) -> Rank {
        // -0.0 and 0.0 are equal to the user.
        let bits = (key + 0.0).to_bits();
        let negative = bits >> 63 == 1;
        // As `f64::total_cmp`: negative numbers the other way round, and below all others.
        Rank(bits ^ if negative { u64::MAX } else { 1 << 63 }, arrival)
    }
}

/// The lowest number first; equal ones first in, first out.
pub struct Priority {
    heap: BinaryHeap<Ranked>,
    key: PriorityKey,
    shape: Option<Arc<Shape>>,
    /// Arrival numbers grow from the middle up, and from the middle down for what comes back to the front.
    next: u64,
    front: u64,
    bytes: usize,
}

struct Ranked {
    rank: Rank,
    cells: Box<[Cell]>,
}

/// Reversed: the heap's greatest is the lowest number.
impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> std::cmp::Ordering {
        other.rank.cmp(&self.rank)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

fn weight(cells: &[Cell]) -> usize {
    cells.iter().map(|c| 16 + c.weight()).sum()
}

impl Priority {
    pub fn new(key: PriorityKey) -> Priority {
        Priority {
            heap: BinaryHeap::new(),
            key,
            shape: None,
            next: 1 << 63,
            front: 1 << 63,
            bytes: 0,
        }
    }

    fn enter(&mut self, mut batch: Batch, mut arrival: u64) {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        for row in batch.rows() {
            let cells: Box<[Cell]> = row.cells.iter().map(|c| c.detach(row.blocks)).collect();
            self.bytes += weight(&cells);
            let rank = Rank::new((self.key)(row), arrival);
            self.heap.push(Ranked { rank, cells });
            arrival += 1;
        }
        batch.clear();
    }

    pub(super) fn put(&mut self, batch: Batch) {
        let arrival = self.next;
        self.next += batch.len() as u64;
        self.enter(batch, arrival);
    }

    pub(super) fn first(&self) -> Option<Rank> {
        self.heap.peek().map(|r| r.rank)
    }

    /// Bytes that the rows hold, as an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Moves the first row into the batch.
    pub(super) fn take_into(&mut self, batch: &mut Batch) {
        if let Some(ranked) = self.heap.pop() {
            self.bytes -= weight(&ranked.cells);
            batch.push(ranked.cells);
        }
    }

    /// Takes out the rows that are last in line, half of them all, and shows them in their order.
    pub(super) fn take_last_half(&mut self, mut each: impl FnMut(Rank, Row<'_>)) {
        let Some(shape) = &self.shape else { return };
        let half = self.heap.len().div_ceil(2);
        for ranked in worst(&mut self.heap, half) {
            self.bytes -= weight(&ranked.cells);
            let (cells, blocks) = (&ranked.cells, &Blocks::new());
            let row = Row {
                cells,
                blocks,
                shape,
            };
            each(ranked.rank, row);
        }
    }
}

/// The `n` rows that are last in line, in order.
fn worst(heap: &mut BinaryHeap<Ranked>, n: usize) -> Vec<Ranked> {
    let mut all = std::mem::take(heap).into_vec();
    let kept = all.len().saturating_sub(n);
    if kept > 0 && kept < all.len() {
        all.select_nth_unstable_by_key(kept, |r| r.rank);
    }
    let mut gone = all.split_off(kept);
    gone.sort_unstable_by_key(|r| r.rank);
    *heap = all.into();
    gone
}

impl Order for Priority {
    fn push(&mut self, batch: Batch) -> Result<(), Broken> {
        self.put(batch);
        Ok(())
    }

    fn push_front(&mut self, batch: Batch) {
        self.front -= batch.len() as u64;
        self.enter(batch, self.front);
    }

    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken> {
        let n = want.min(self.heap.len());
        let Some(shape) = self.shape.as_ref().filter(|_| n > 0) else {
            return Ok(None);
        };
        let mut batch = Batch::with_capacity(shape.clone(), Blocks::new(), n);
        for _ in 0..n {
            self.take_into(&mut batch);
        }
        batch.span = batch.len() as u64;
        batch.weigh();
        Ok(Some(batch))
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        // Rare (a full `drop_oldest` queue): a pass over the heap, not a second index kept for it.
        let gone = worst(&mut self.heap, n);
        let bytes = gone.iter().map(|r| weight(&r.cells)).sum();
        self.bytes -= bytes;
        (gone.len(), bytes)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }

    fn clear(&mut self) -> usize {
        let n = self.heap.len();
        self.heap.clear();
        self.bytes = 0;
        n
    }
}
