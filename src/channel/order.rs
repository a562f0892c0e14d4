//! The orders of a connection: pure, no locks.

use std::collections::VecDeque;

use super::Broken;
use crate::value::Batch;

/// Which of the waiting rows goes next.
pub trait Order: Send {
    /// # Errors
    /// The disk, where this order keeps rows there; the rows are in all the same.
    fn push(&mut self, batch: Batch) -> Result<(), Broken>;
    /// What was taken and not begun, to be the next again.
    fn push_front(&mut self, batch: Batch);
    /// The next rows, at least one and at most `want`, all of one batch.
    ///
    /// # Errors
    /// The disk, where this order keeps rows there.
    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken>;
    /// Takes `n` rows out at the far end: those that have waited longest, in priority order the last in
    /// line. Answers how many, and their weight in bytes. An order that spills is never full: it keeps all.
    fn evict(&mut self, n: usize) -> (usize, usize) {
        let _ = n;
        (0, 0)
    }
    /// Rows that wait.
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Takes everything out; how many rows that was.
    fn clear(&mut self) -> usize;
    /// Rows that went to disk so far.
    fn spilled(&self) -> u64 {
        0
    }
}

/// First in, first out.
#[derive(Debug, Default)]
pub struct Fifo {
    batches: VecDeque<Batch>,
    rows: usize,
}

impl Fifo {
    pub(super) fn take(&mut self, want: usize) -> Option<Batch> {
        let front = self.batches.front_mut()?;
        let batch = if front.len() <= want {
            self.batches.pop_front()?
        } else {
            front.split_front(want)
        };
        self.rows -= batch.len();
        Some(batch)
    }

    pub(super) fn put(&mut self, batch: Batch) {
        self.rows += batch.len();
        self.batches.push_back(batch);
    }
}

impl Order for Fifo {
    fn push(&mut self, batch: Batch) -> Result<(), Broken> {
        self.put(batch);
        Ok(())
    }

    fn push_front(&mut self, batch: Batch) {
        self.rows += batch.len();
        self.batches.push_front(batch);
    }

    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken> {
        Ok(self.take(want))
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        let (mut gone, mut bytes) = (0, 0);
        while gone < n {
            let Some(mut batch) = self.take(n - gone) else {
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

/// Last in, first out: the newest row first.
#[derive(Debug, Default)]
pub struct Lifo {
    /// Each in the order in which its rows came; the newest is the last row of the last batch.
    batches: VecDeque<Batch>,
    rows: usize,
}

impl Lifo {
    pub(super) fn take(&mut self, want: usize) -> Option<Batch> {
        let last = self.batches.back_mut()?;
        let taken = last.split_back(want);
        if last.is_empty() {
            self.batches.pop_back();
        } else {
            // What is left of it must not pin what was taken.
            last.compact();
        }
        self.rows -= taken.len();
        Some(taken)
    }

    pub(super) fn put(&mut self, batch: Batch) {
        self.rows += batch.len();
        self.batches.push_back(batch);
    }

    /// The oldest rows, in the order in which they came.
    pub(super) fn take_oldest(&mut self, want: usize) -> Option<Batch> {
        let first = self.batches.front_mut()?;
        let taken = if first.len() <= want {
            self.batches.pop_front()?
        } else {
            first.split_front(want)
        };
        self.rows -= taken.len();
        Some(taken)
    }
}

impl Order for Lifo {
    fn push(&mut self, batch: Batch) -> Result<(), Broken> {
        self.put(batch);
        Ok(())
    }

    fn push_front(&mut self, mut batch: Batch) {
        // The first of what comes back is the next again: on top.
        self.put(batch.split_back(usize::MAX));
    }

    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken> {
        Ok(self.take(want))
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        let (mut gone, mut bytes) = (0, 0);
        while gone < n {
            let Some(mut batch) = self.take_oldest(n - gone) else {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Priority;
    use super::*;
    use crate::value::{Blocks, Cell, Shape, Type};

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
        while let Some(b) = order.pop(want).unwrap() {
            assert!(b.len() <= want);
            out.extend(values(&b));
        }
        out
    }

    #[test]
    fn a_fifo_gives_what_came_first() {
        let mut o = Fifo::default();
        o.push(ints([1, 2, 3])).unwrap();
        o.push(ints([4])).unwrap();
        o.push_front(ints([0]));
        assert_eq!(all(&mut o, 2), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lifo_gives_what_came_last() {
        let mut o = Lifo::default();
        o.push(ints([1, 2])).unwrap();
        o.push(ints([3])).unwrap();
        assert_eq!(all(&mut o, 2), [3, 2, 1]);
    }

    #[test]
    fn a_priority_queue_gives_the_lowest_and_among_equals_the_first() {
        let mut o = Priority::new(Arc::new(|r| match r.cells[0] {
            Cell::Int(i) => (i / 10) as f64,
            _ => 0.0,
        }));
        o.push(ints([31, 12, 11, 32])).unwrap();
        o.push(ints([10, 5])).unwrap();
        assert_eq!(all(&mut o, 4), [5, 12, 11, 10, 31, 32]);
    }

    #[test]
    fn what_comes_back_is_the_next_again() {
        for mut o in [
            Box::new(Lifo::default()) as Box<dyn Order>,
            Box::new(Fifo::default()),
        ] {
            o.push(ints([1, 2, 3])).unwrap();
            let b = o.pop(2).unwrap().unwrap();
            let expected = values(&b);
            o.push_front(b);
            assert_eq!(all(o.as_mut(), 1)[..2], expected[..]);
        }
    }

    #[test]
    fn what_is_evicted_waited_longest_or_is_last_in_line() {
        let mut f = Fifo::default();
        f.push(ints([1, 2, 3])).unwrap();
        assert_eq!(f.evict(2).0, 2);
        assert_eq!(all(&mut f, 9), [3]);
        let mut p = Priority::new(Arc::new(|r| {
            if let Cell::Int(i) = r.cells[0] {
                i as f64
            } else {
                0.0
            }
        }));
        p.push(ints([3, 1, 2])).unwrap();
        assert_eq!(p.evict(1).0, 1);
        assert_eq!(all(&mut p, 9), [1, 2]);
    }
}
