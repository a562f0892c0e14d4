//! Every order, in memory and spilling, beside a plain list.

use std::fs::OpenOptions;

use proptest::prelude::*;

use super::spill::Store;
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

fn key() -> PriorityKey {
    Arc::new(|r| (value(&r.cells[0], r.blocks) / 10) as f64)
}

#[derive(Clone, Debug)]
enum Act {
    Push(Vec<i64>),
    Pop(usize),
    /// What was popped, and how much of it comes back.
    Back(usize, usize),
    /// Those at the far end go.
    Evict(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => (1usize..20).prop_map(Act::Evict),
        5 => proptest::collection::vec(0i64..1000, 1..30).prop_map(Act::Push),
        3 => (1usize..40).prop_map(Act::Pop),
        1 => (1usize..9, 1usize..9).prop_map(|(n, back)| Act::Back(n, back)),
    ];
    proptest::collection::vec(act, 1..80)
}

/// A place in a plain list, whose rows are `(value, arrival)`.
type Place = fn(&[(i64, i64)]) -> usize;

/// The rules of an order.
#[derive(Clone, Copy)]
struct Rules {
    next: Place,
    /// What goes first when there is too much.
    far: Place,
    /// What comes back is the newest, and does not come before everything else.
    on_top: bool,
}

const FIFO: Rules = Rules {
    next: |_| 0,
    far: |_| 0,
    on_top: false,
};
const LIFO: Rules = Rules {
    next: |rows| rows.len() - 1,
    far: |_| 0,
    on_top: true,
};
const PRIORITY: Rules = Rules {
    next: |rows| (0..rows.len()).min_by_key(|i| in_line(rows[*i])).unwrap(),
    far: |rows| (0..rows.len()).max_by_key(|i| in_line(rows[*i])).unwrap(),
    on_top: false,
};

fn in_line((value, arrival): (i64, i64)) -> (i64, i64) {
    (value / 10, arrival)
}

fn obeys(
    order: &mut dyn Order,
    acts: &[Act],
    rules: Rules,
    spills: bool,
) -> Result<(), TestCaseError> {
    let Rules { next, far, on_top } = rules;
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
                    prop_assert!(!got.is_empty() && got.len() <= *want && got.len() <= model.len());
                    prop_assert_eq!(values(&got), take(&mut model, got.len()));
                }
                None => prop_assert!(model.is_empty()),
            },
            Act::Evict(n) => {
                let (gone, bytes) = order.evict(*n);
                prop_assert_eq!(gone, if spills { 0 } else { model.len().min(*n) });
                prop_assert_eq!(bytes > 0, gone > 0);
                for _ in 0..gone {
                    let at = far(&model);
                    model.remove(at);
                }
            }
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
    fn every_order_is_that_of_a_plain_list(
        acts in acts(), max in 1usize..60, segment in prop_oneof![Just(40usize), Just(300), Just(2000)],
    ) {
        let spill = spill(max, segment);
        obeys(&mut Fifo::default(), &acts, FIFO, false)?;
        obeys(&mut Lifo::default(), &acts, LIFO, false)?;
        obeys(&mut Priority::new(key()), &acts, PRIORITY, false)?;
        obeys(&mut SpillFifo::new(spill.clone()), &acts, FIFO, true)?;
        obeys(&mut SpillLifo::new(spill.clone()), &acts, LIFO, true)?;
        obeys(&mut SpillPriority::new(spill, key()), &acts, PRIORITY, true)?;
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
