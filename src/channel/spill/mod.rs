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

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proptest::prelude::*;

    use super::super::Order;
    use super::store::Store;
    use super::*;
    use crate::value::{Batch, Blocks, Cell, Scratch, Shape, Type};

    fn spill(max: usize, segment: usize) -> Spill {
        Spill {
            segment,
            ..Spill::new(max, 1 << 20, "the queue `q`".into())
        }
    }

    fn batch(values: &[i64]) -> Batch {
        let mut batch = Batch::new(Shape::of(&Type::Any), Blocks::new());
        for v in values {
            let cell = match v % 3 {
                0 => Cell::Int(*v),
                1 => batch.blocks_mut().text(&v.to_string()),
                _ => Cell::list(vec![Cell::Int(*v)]),
            };
            batch.push([cell]);
        }
        batch.span = batch.len() as u64;
        batch.weigh();
        batch
    }

    fn value(cell: &Cell, blocks: &Blocks) -> i64 {
        match cell {
            Cell::Int(i) => *i,
            Cell::Heap(_) if cell.as_list().is_some() => value(&cell.as_list().unwrap()[0], blocks),
            text => text.as_str(blocks).unwrap().parse().unwrap(),
        }
    }

    fn values(batch: &Batch) -> Vec<i64> {
        let rows = batch.rows();
        rows.map(|r| value(&r.cells[0], r.blocks)).collect()
    }

    fn key() -> super::super::PriorityKey {
        Arc::new(|r| (value(&r.cells[0], r.blocks) / 10) as f64)
    }

    #[derive(Clone, Debug)]
    enum Act {
        Push(Vec<i64>),
        Pop(usize),
        /// What was popped, and how much of it comes back.
        Back(usize, usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            5 => proptest::collection::vec(0i64..1000, 1..30).prop_map(Act::Push),
            3 => (1usize..40).prop_map(Act::Pop),
            1 => (1usize..9, 1usize..9).prop_map(|(n, back)| Act::Back(n, back)),
        ];
        proptest::collection::vec(act, 1..80)
    }

    /// The next of a plain list, by the rules of the order.
    type Next = fn(&[(i64, i64)]) -> usize;

    /// Each row of the model is `(value, arrival)`; what comes back arrives before everything else.
    fn obeys(
        order: &mut dyn Order,
        acts: &[Act],
        next: Next,
        on_top: bool,
    ) -> Result<(), TestCaseError> {
        let (mut model, mut came, mut front): (Vec<(i64, i64)>, i64, i64) = (Vec::new(), 0, 0);
        let take = |model: &mut Vec<(i64, i64)>, n: usize| -> Vec<i64> {
            (0..n)
                .map(|_| {
                    let at = next(model);
                    model.remove(at).0
                })
                .collect()
        };
        for act in acts {
            match act {
                Act::Push(values) => {
                    order.push(batch(values)).unwrap();
                    for v in values {
                        came += 1;
                        model.push((*v, came));
                    }
                }
                Act::Pop(want) => match order.pop(*want).unwrap() {
                    Some(got) => {
                        prop_assert!(
                            !got.is_empty() && got.len() <= *want && got.len() <= model.len()
                        );
                        prop_assert_eq!(values(&got), take(&mut model, got.len()));
                    }
                    None => prop_assert!(model.is_empty()),
                },
                Act::Back(want, back) => {
                    let Some(mut got) = order.pop(*want).unwrap() else {
                        continue;
                    };
                    prop_assert_eq!(values(&got), take(&mut model, got.len()));
                    let kept = got.len().saturating_sub(*back);
                    let _ = got.split_front(kept);
                    let back = values(&got);
                    order.push_front(got);
                    if on_top {
                        for v in back.iter().rev() {
                            came += 1;
                            model.push((*v, came));
                        }
                    } else {
                        front -= back.len() as i64;
                        let ranks = (front..).zip(&back);
                        model.splice(0..0, ranks.map(|(rank, v)| (*v, rank)));
                    }
                }
            }
            prop_assert_eq!(order.len(), model.len());
        }
        let mut rest = Vec::new();
        while let Some(got) = order.pop(7).unwrap() {
            rest.extend(values(&got));
        }
        let n = model.len();
        prop_assert_eq!(rest, take(&mut model, n));
        prop_assert!(order.is_empty());
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn a_spilling_order_is_that_of_a_plain_list(
            acts in acts(), max in 1usize..60, segment in prop_oneof![Just(40usize), Just(300), Just(2000)],
        ) {
            let spill = spill(max, segment);
            obeys(&mut SpillFifo::new(spill.clone()), &acts, |_| 0, false)?;
            obeys(&mut SpillLifo::new(spill.clone()), &acts, |m| m.len() - 1, true)?;
            let first = |m: &[(i64, i64)]| (0..m.len()).min_by_key(|i| (m[*i].0 / 10, m[*i].1)).unwrap();
            obeys(&mut SpillPriority::new(spill, key()), &acts, first, false)?;
        }
    }

    #[test]
    fn most_of_many_rows_is_on_disk() {
        let all: Vec<i64> = (0..20_000).collect();
        let orders: [Box<dyn Order>; 3] = [
            Box::new(SpillFifo::new(spill(10, 1000))),
            Box::new(SpillLifo::new(spill(10, 1000))),
            Box::new(SpillPriority::new(spill(10, 1000), key())),
        ];
        for mut order in orders {
            all.chunks(100).for_each(|c| order.push(batch(c)).unwrap());
            assert_eq!(order.len(), 20_000);
            assert!(order.spilled() >= 19_000, "{}", order.spilled());
            assert_eq!(order.clear(), 20_000);
            assert!(order.pop(1).unwrap().is_none());
        }
    }

    #[test]
    fn a_full_disk_is_said_and_the_rows_are_still_there() {
        let full = || {
            let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
            Store::of("the queue `q`".into(), Scratch::of(file))
        };
        let (mut fifo, mut lifo) = (SpillFifo::new(spill(1, 10)), SpillLifo::new(spill(1, 10)));
        let mut priority = SpillPriority::new(spill(1, 10), key());
        (fifo.store, lifo.store, priority.store) = (full(), full(), full());
        let orders: [&mut dyn Order; 3] = [&mut fifo, &mut lifo, &mut priority];
        for order in orders {
            let broken = (0..9).find_map(|i| order.push(batch(&[3 * i; 20])).err());
            let broken = broken.expect("a full disk is seen");
            assert_eq!(broken.what, "the temporary file of the queue `q`");
            assert!(broken.message.contains("No space left"), "{broken:?}");
            assert!(order.len() >= 20);
        }
    }
}
