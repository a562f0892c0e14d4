//! The orders of a connection: pure, no locks.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::value::{Batch, Blocks, Cell, Row, Shape};

/// Which of the waiting rows goes next.
pub trait Order: Send {
    fn push(&mut self, batch: Batch);
    /// What was taken and not begun, to be the next again.
    fn push_front(&mut self, batch: Batch);
    /// The next rows, at least one and at most `want`, all of one batch.
    fn pop(&mut self, want: usize) -> Option<Batch>;
    /// Takes `n` rows out at the far end: those that have waited longest, in priority order the last in
    /// line. Answers how many, and their weight in bytes.
    fn evict(&mut self, n: usize) -> (usize, usize);
    /// Rows that wait.
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Takes everything out; how many rows that was.
    fn clear(&mut self) -> usize;
}

/// First in, first out.
#[derive(Debug, Default)]
pub struct Fifo {
    batches: VecDeque<Batch>,
    rows: usize,
}

impl Order for Fifo {
    fn push(&mut self, batch: Batch) {
        self.rows += batch.len();
        self.batches.push_back(batch);
    }

    fn push_front(&mut self, batch: Batch) {
        self.rows += batch.len();
        self.batches.push_front(batch);
    }

    fn pop(&mut self, want: usize) -> Option<Batch> {
        let front = self.batches.front_mut()?;
        let batch = if front.len() <= want {
            self.batches.pop_front()?
        } else {
            front.split_front(want)
        };
        self.rows -= batch.len();
        Some(batch)
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        let (mut gone, mut bytes) = (0, 0);
        while gone < n {
            let Some(mut batch) = self.pop(n - gone) else {
                break;
            };
            bytes += batch.weighed();
            gone += batch.clear();
        }
        (gone, bytes)
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) -> usize {
        self.batches.clear();
        std::mem::take(&mut self.rows)
    }
}

/// Takes batches apart into rows that stand alone, and makes batches of such rows.
#[derive(Debug, Default)]
struct Loose {
    shape: Option<Arc<Shape>>,
}

impl Loose {
    fn take(&mut self, batch: &mut Batch, mut each: impl FnMut(Row<'_>, Box<[Cell]>)) {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        for row in batch.rows() {
            let cells = row.cells.iter().map(|c| c.detach(row.blocks)).collect();
            each(row, cells);
        }
        batch.clear();
    }

    fn batch(&self, rows: impl IntoIterator<Item = Box<[Cell]>>) -> Option<Batch> {
        let mut batch = Batch::new(self.shape.clone()?, Blocks::new());
        for cells in rows {
            batch.push(cells);
        }
        batch.span = batch.len() as u64;
        batch.weigh();
        (!batch.is_empty()).then_some(batch)
    }
}

fn weight(cells: &[Cell]) -> usize {
    cells.iter().map(|c| 16 + c.weight()).sum()
}

/// Last in, first out: the newest row first.
#[derive(Debug, Default)]
pub struct Lifo {
    rows: VecDeque<Box<[Cell]>>,
    loose: Loose,
}

impl Order for Lifo {
    fn push(&mut self, mut batch: Batch) {
        let rows = &mut self.rows;
        self.loose
            .take(&mut batch, |_, cells| rows.push_back(cells));
    }

    fn push_front(&mut self, mut batch: Batch) {
        // The first of what comes back is the next again: on top.
        let mut back: Vec<Box<[Cell]>> = Vec::with_capacity(batch.len());
        self.loose.take(&mut batch, |_, cells| back.push(cells));
        self.rows.extend(back.into_iter().rev());
    }

    fn pop(&mut self, want: usize) -> Option<Batch> {
        let n = want.min(self.rows.len());
        let taken: Vec<_> = (0..n).filter_map(|_| self.rows.pop_back()).collect();
        self.loose.batch(taken)
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        let gone: Vec<_> = (0..n).filter_map(|_| self.rows.pop_front()).collect();
        (gone.len(), gone.iter().map(|r| weight(r)).sum())
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn clear(&mut self) -> usize {
        let n = self.rows.len();
        self.rows.clear();
        n
    }
}

/// Reads the priority of a row. Rows for which it cannot be computed never come here.
pub type PriorityKey = Arc<dyn Fn(Row<'_>) -> f64 + Send + Sync>;

/// The lowest number first; equal ones first in, first out.
pub struct Priority {
    heap: BinaryHeap<Ranked>,
    key: PriorityKey,
    /// Arrival numbers grow from the middle up, and from the middle down for what comes back to the front.
    next: u64,
    front: u64,
    loose: Loose,
}

struct Ranked {
    key: f64,
    arrival: u64,
    cells: Box<[Cell]>,
}

impl Ranked {
    fn rank(&self, other: &Ranked) -> Ordering {
        self.key
            .total_cmp(&other.key)
            .then(self.arrival.cmp(&other.arrival))
    }
}

/// Reversed: the heap's greatest is the lowest number.
impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        other.rank(self)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl Priority {
    pub fn new(key: PriorityKey) -> Priority {
        Priority {
            heap: BinaryHeap::new(),
            key,
            next: 1 << 63,
            front: 1 << 63,
            loose: Loose::default(),
        }
    }
}

impl Order for Priority {
    fn push(&mut self, mut batch: Batch) {
        let (heap, next, key) = (&mut self.heap, &mut self.next, &self.key);
        self.loose.take(&mut batch, |row, cells| {
            // -0.0 and 0.0 are equal to the user.
            heap.push(Ranked {
                key: key(row) + 0.0,
                arrival: *next,
                cells,
            });
            *next += 1;
        });
    }

    fn push_front(&mut self, mut batch: Batch) {
        self.front -= batch.len() as u64;
        let mut arrival = self.front;
        let (heap, key) = (&mut self.heap, &self.key);
        self.loose.take(&mut batch, |row, cells| {
            heap.push(Ranked {
                key: key(row) + 0.0,
                arrival,
                cells,
            });
            arrival += 1;
        });
    }

    fn pop(&mut self, want: usize) -> Option<Batch> {
        let n = want.min(self.heap.len());
        let (heap, loose) = (&mut self.heap, &self.loose);
        loose.batch((0..n).filter_map(|_| heap.pop().map(|r| r.cells)))
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        // Rare (a full `drop_oldest` queue): a pass over the heap, not a second index kept for it.
        let mut all = std::mem::take(&mut self.heap).into_vec();
        all.sort_unstable_by(Ranked::rank);
        let gone = all.split_off(all.len().saturating_sub(n));
        self.heap = all.into();
        (gone.len(), gone.iter().map(|r| weight(&r.cells)).sum())
    }

    fn len(&self) -> usize {
        self.heap.len()
    }

    fn clear(&mut self) -> usize {
        let n = self.heap.len();
        self.heap.clear();
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;

    fn ints(values: impl IntoIterator<Item = i64>) -> Batch {
        let mut b = Batch::new(Shape::of(&Type::Int), Blocks::new());
        for v in values {
            b.push([Cell::Int(v)]);
        }
        b.span = b.len() as u64;
        b
    }

    fn values(b: &Batch) -> Vec<i64> {
        b.rows()
            .map(|r| {
                if let Cell::Int(i) = r.cells[0] {
                    i
                } else {
                    i64::MIN
                }
            })
            .collect()
    }

    fn all(order: &mut dyn Order, want: usize) -> Vec<i64> {
        let mut out = Vec::new();
        while let Some(b) = order.pop(want) {
            assert!(b.len() <= want);
            out.extend(values(&b));
        }
        out
    }

    #[test]
    fn a_fifo_gives_what_came_first() {
        let mut o = Fifo::default();
        o.push(ints([1, 2, 3]));
        o.push(ints([4]));
        o.push_front(ints([0]));
        assert_eq!(all(&mut o, 2), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lifo_gives_what_came_last() {
        let mut o = Lifo::default();
        o.push(ints([1, 2]));
        o.push(ints([3]));
        assert_eq!(all(&mut o, 2), [3, 2, 1]);
    }

    #[test]
    fn a_priority_queue_gives_the_lowest_and_among_equals_the_first() {
        let mut o = Priority::new(Arc::new(|r| match r.cells[0] {
            Cell::Int(i) => (i / 10) as f64,
            _ => 0.0,
        }));
        o.push(ints([31, 12, 11, 32]));
        o.push(ints([10, 5]));
        assert_eq!(all(&mut o, 4), [5, 12, 11, 10, 31, 32]);
    }

    #[test]
    fn what_comes_back_is_the_next_again() {
        for mut o in [
            Box::new(Lifo::default()) as Box<dyn Order>,
            Box::new(Fifo::default()),
        ] {
            o.push(ints([1, 2, 3]));
            let b = o.pop(2).unwrap();
            let expected = values(&b);
            o.push_front(b);
            assert_eq!(all(o.as_mut(), 1)[..2], expected[..]);
        }
    }

    #[test]
    fn what_is_evicted_waited_longest_or_is_last_in_line() {
        let mut f = Fifo::default();
        f.push(ints([1, 2, 3]));
        assert_eq!(f.evict(2).0, 2);
        assert_eq!(all(&mut f, 9), [3]);
        let mut p = Priority::new(Arc::new(|r| {
            if let Cell::Int(i) = r.cells[0] {
                i as f64
            } else {
                0.0
            }
        }));
        p.push(ints([3, 1, 2]));
        assert_eq!(p.evict(1).0, 1);
        assert_eq!(all(&mut p, 9), [1, 2]);
    }
}
