//! The order in which the lowest number goes first.
//!
//! A batch stays as it came and is sorted by itself: a *run*. What comes next is the least of the runs' heads, so
//! that a row costs a step in a small heap of runs, and neither an allocation nor a way through a heap of all rows.
//! Rows that come one by one, and the last few of a run (they must not pin its batch), are *strays*, in a heap of
//! their own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{Broken, Order};
use crate::value::{Batch, Blocks, Cell, Row, Shape};

/// Reads the priority of a row. Rows for which it cannot be computed never come here.
pub type PriorityKey = Arc<dyn Fn(Row<'_>) -> f64 + Send + Sync>;

/// A row's place in line: its number, made into an integer of the same order, then its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(pub u64, pub u64);

/// A number as an integer of the same order.
fn ordered(key: f64) -> u64 {
    // -0.0 and 0.0 are equal to the user.
    let bits = (key + 0.0).to_bits();
    let negative = bits >> 63 == 1;
    // As `f64::total_cmp`: negative numbers the other way round, and below all others.
    bits ^ if negative { u64::MAX } else { 1 << 63 }
}

/// Fewer rows that come at once are strays.
const RUN: usize = 16;
/// A run of which less than one in so many rows is left is copied, so that it does not pin the others.
const LEFT: usize = 8;

/// The lowest number first; equal ones first in, first out.
pub struct Priority {
    key: PriorityKey,
    shape: Option<Arc<Shape>>,
    /// Arrival numbers grow from the middle up, and from the middle down for what comes back to the front.
    next: u64,
    front: u64,
    /// A place stays empty when its run is over.
    runs: Vec<Option<Run>>,
    free: Vec<usize>,
    /// The first row of each run.
    heads: BinaryHeap<Reverse<(Rank, usize)>>,
    strays: Strays,
    rows: usize,
    bytes: usize,
}

/// A batch, and its rows in order.
struct Run {
    batch: Batch,
    /// Each row's number and place in the batch, in one word, so that sorting compares words.
    order: Vec<u128>,
    arrivals: Arrivals,
    next: usize,
}

/// When the rows of a run came: one after the other as they stand in its batch, or each as it says.
enum Arrivals {
    From(u64),
    Of(Vec<u64>),
}

impl Run {
    /// The row's rank, and its place in the batch.
    fn entry(&self, word: u128) -> (Rank, usize) {
        let row = word as u32 as usize;
        let arrival = match &self.arrivals {
            Arrivals::From(first) => first + row as u64,
            Arrivals::Of(all) => all[row],
        };
        (Rank((word >> 64) as u64, arrival), row)
    }

    fn head(&self) -> Option<(Rank, usize)> {
        Some(self.entry(*self.order.get(self.next)?))
    }

    fn rest(&self) -> impl Iterator<Item = (Rank, usize)> {
        self.order[self.next..].iter().map(|word| self.entry(*word))
    }

    fn is_sparse(&self) -> bool {
        (self.order.len() - self.next) * LEFT < self.batch.len()
    }
}

fn word(key: u64, row: usize) -> u128 {
    u128::from(key) << 64 | row as u128
}

/// Rows that stand alone: their cells lie in a row of places that are used again.
#[derive(Default)]
struct Strays {
    heap: BinaryHeap<Reverse<(Rank, u32)>>,
    cells: Vec<Cell>,
    free: Vec<u32>,
}

impl Strays {
    fn add(&mut self, rank: Rank, row: Row<'_>) {
        let width = row.cells.len();
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = self.cells.len() / width.max(1);
                self.cells.resize(self.cells.len() + width, Cell::Null);
                place as u32
            }
        };
        let from = place as usize * width;
        for (to, cell) in self.cells[from..].iter_mut().zip(row.cells) {
            *to = cell.detach(row.blocks);
        }
        self.heap.push(Reverse((rank, place)));
    }

    fn cells(&self, place: u32, width: usize) -> &[Cell] {
        &self.cells[place as usize * width..][..width]
    }

    /// Forgets the rows from this rank on.
    fn cut(&mut self, from: Rank, width: usize) {
        let (cells, free) = (&mut self.cells, &mut self.free);
        self.heap.retain(|Reverse((rank, place))| {
            if *rank >= from {
                cells[*place as usize * width..][..width].fill(Cell::Null);
                free.push(*place);
            }
            *rank < from
        });
    }

    fn take_into(&mut self, batch: &mut Batch) {
        if let Some(Reverse((_, place))) = self.heap.pop() {
            let width = batch.shape().width();
            let from = place as usize * width;
            batch.push(
                self.cells[from..from + width]
                    .iter_mut()
                    .map(std::mem::take),
            );
            self.free.push(place);
        }
    }
}

fn weight(cells: &[Cell]) -> usize {
    cells.iter().map(|c| 16 + c.weight()).sum()
}

impl Priority {
    pub fn new(key: PriorityKey) -> Priority {
        Priority {
            key,
            shape: None,
            next: 1 << 63,
            front: 1 << 63,
            runs: Vec::new(),
            free: Vec::new(),
            heads: BinaryHeap::new(),
            strays: Strays::default(),
            rows: 0,
            bytes: 0,
        }
    }

    fn enter(&mut self, mut batch: Batch, arrival: u64) {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        self.bytes += batch.weighed();
        if batch.len() < RUN {
            for (arrival, row) in (arrival..).zip(batch.rows()) {
                self.strays
                    .add(Rank(ordered((self.key)(row)), arrival), row);
            }
            batch.clear();
            return;
        }
        let numbered = batch.rows().enumerate();
        let mut order: Vec<u128> = numbered
            .map(|(i, row)| word(ordered((self.key)(row)), i))
            .collect();
        order.sort_unstable();
        self.begin(Run {
            batch,
            order,
            arrivals: Arrivals::From(arrival),
            next: 0,
        });
    }

    fn begin(&mut self, run: Run) {
        let Some((rank, _)) = run.head() else { return };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.runs.push(None);
                self.runs.len() - 1
            }
        };
        self.runs[place] = Some(run);
        self.heads.push(Reverse((rank, place)));
    }

    pub(super) fn put(&mut self, batch: Batch) {
        let arrival = self.next;
        self.next += batch.len() as u64;
        self.enter(batch, arrival);
    }

    /// Bytes that the rows hold, as an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Moves rows from the front of the line into the batch, at most `want` and only those before this rank.
    pub(super) fn take_into(&mut self, batch: &mut Batch, want: usize, before: Option<Rank>) {
        let (from, end) = (batch.len(), batch.len() + want);
        while batch.len() < end {
            let stray = self.strays.heap.peek().map(|Reverse((rank, _))| *rank);
            let limit = stray.into_iter().chain(before).min();
            match self.heads.peek() {
                Some(Reverse((rank, place))) if limit.is_none_or(|l| *rank < l) => {
                    let place = *place;
                    // The next heads are the two below the top.
                    let others = self.heads.as_slice().iter().skip(1).take(2);
                    let limit = others.map(|o| o.0.0).chain(limit).min();
                    self.take_run(place, batch, end, limit);
                }
                _ if stray.is_some_and(|s| before.is_none_or(|b| s < b)) => {
                    self.strays.take_into(batch);
                }
                _ => break,
            }
        }
        // On the average, and nothing in the end.
        let taken = batch.len() - from;
        self.bytes -= (self.bytes * taken).checked_div(self.rows).unwrap_or(0);
        self.rows -= taken;
    }

    /// Moves rows of the run whose head is the first into the batch, until it has `end` rows or the run comes to
    /// the limit.
    fn take_run(&mut self, place: usize, batch: &mut Batch, end: usize, limit: Option<Rank>) {
        let run = self.runs[place].as_mut();
        let run = run.expect("BUG: the head of a run that is over");
        let mut head = run.head();
        while let Some((rank, row)) = head
            && batch.len() < end
            && limit.is_none_or(|l| rank < l)
        {
            let row = run.batch.row(row);
            let (cells, blocks) = batch.parts_mut();
            cells.extend(row.cells.iter().map(|cell| blocks.adopt(cell, row.blocks)));
            batch.grew(1);
            run.next += 1;
            head = run.head();
        }
        match head {
            Some((rank, _)) if !run.is_sparse() => {
                if let Some(mut top) = self.heads.peek_mut() {
                    top.0.0 = rank;
                }
            }
            _ => {
                self.heads.pop();
                self.renew(place);
            }
        }
    }

    /// What is left of a run that has no head any more becomes a smaller one, or strays.
    fn renew(&mut self, place: usize) {
        let Some(old) = self.runs[place].take() else {
            return;
        };
        self.free.push(place);
        let left = old.order.len() - old.next;
        if left < RUN {
            for (rank, row) in old.rest() {
                self.strays.add(rank, old.batch.row(row));
            }
            return;
        }
        let mut batch = Batch::with_capacity(old.batch.shape().clone(), Blocks::new(), left);
        let (mut order, mut arrivals) = (Vec::with_capacity(left), Vec::with_capacity(left));
        for (i, (rank, row)) in old.rest().enumerate() {
            let row = old.batch.row(row);
            let (cells, blocks) = batch.parts_mut();
            cells.extend(row.cells.iter().map(|cell| blocks.adopt(cell, row.blocks)));
            batch.grew(1);
            order.push(word(rank.0, i));
            arrivals.push(rank.1);
        }
        self.begin(Run {
            batch,
            order,
            arrivals: Arrivals::Of(arrivals),
            next: 0,
        });
    }

    /// Takes out the `n` rows that are last in line and shows them, in order.
    fn take_last(&mut self, n: usize, mut each: impl FnMut(Rank, Row<'_>)) {
        let Some(shape) = self.shape.clone() else {
            return;
        };
        // All ranks, and where their rows are; strays are in no run.
        let runs = self.runs.iter().enumerate();
        let mut all: Vec<(Rank, Option<usize>, u32)> = runs
            .filter_map(|(place, run)| Some((place, run.as_ref()?)))
            .flat_map(|(place, run)| {
                run.rest()
                    .map(move |(rank, row)| (rank, Some(place), row as u32))
            })
            .collect();
        let strays = self.strays.heap.iter();
        all.extend(strays.map(|Reverse((rank, place))| (*rank, None, *place)));
        let kept = all.len().saturating_sub(n);
        if kept > 0 && kept < all.len() {
            all.select_nth_unstable(kept);
        }
        let mut gone = all.split_off(kept);
        gone.sort_unstable();
        let Some((least, ..)) = gone.first().copied() else {
            return;
        };
        let alone = Blocks::new();
        for (rank, run, at) in &gone {
            let row = match run.and_then(|place| self.runs[place].as_ref()) {
                Some(run) => run.batch.row(*at as usize),
                None => Row {
                    cells: self.strays.cells(*at, shape.width()),
                    blocks: &alone,
                    shape: &shape,
                },
            };
            self.bytes = self.bytes.saturating_sub(weight(row.cells));
            each(*rank, row);
        }
        self.rows -= gone.len();
        self.strays.cut(least, shape.width());
        self.heads.clear();
        for place in 0..self.runs.len() {
            let Some(run) = &mut self.runs[place] else {
                continue;
            };
            let kept = run.rest().take_while(|(rank, _)| *rank < least).count();
            run.order.truncate(run.next + kept);
            match run.head() {
                Some((rank, _)) if !run.is_sparse() => self.heads.push(Reverse((rank, place))),
                _ => self.renew(place),
            }
        }
    }

    /// Takes out the rows that are last in line, half of them all, and shows them in their order.
    pub(super) fn take_last_half(&mut self, each: impl FnMut(Rank, Row<'_>)) {
        self.take_last(self.rows.div_ceil(2), each);
    }
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
        let n = want.min(self.rows);
        let Some(shape) = self.shape.as_ref().filter(|_| n > 0) else {
            return Ok(None);
        };
        let mut batch = Batch::with_capacity(shape.clone(), Blocks::new(), n);
        self.take_into(&mut batch, n, None);
        batch.span = batch.len() as u64;
        batch.weigh();
        Ok(Some(batch))
    }

    fn evict(&mut self, n: usize) -> (usize, usize) {
        // Only of a full `drop_oldest` queue: a pass over all ranks, not a second order kept for it.
        let (mut gone, mut bytes) = (0, 0);
        self.take_last(n, |_, row| {
            gone += 1;
            bytes += weight(row.cells);
        });
        (gone, bytes)
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) -> usize {
        self.runs.clear();
        self.free.clear();
        self.heads.clear();
        self.strays = Strays::default();
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}
