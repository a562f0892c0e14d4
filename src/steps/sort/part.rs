//! One worker's part of a `sort`, which at the end holds the runs of all.

use std::any::Any;
use std::cmp::Ordering;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Memo};

use super::super::keyer::{Keeps, Keyer, place};
use super::super::{Cx, Memory, Outcome, RunError};
use super::run::{Head, Run};
use super::spill::{Reader, Spill, Stored};
use crate::value::{Batch, Blocks, Shape};

/// How much the parts of one step may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    pub limit: usize,
    pub all: Arc<AtomicUsize>,
    pub mine: usize,
}

impl Budget {
    fn take(&mut self, bytes: usize) {
        self.mine += bytes;
        self.all.fetch_add(bytes, Memo::Relaxed);
    }

    fn give(&mut self) {
        self.all
            .fetch_sub(std::mem::take(&mut self.mine), Memo::Relaxed);
    }

    /// Must this part write its runs to disk? Only one that holds some of it: many small runs are slow to merge.
    fn is_over(&self) -> bool {
        self.all.load(Memo::Relaxed) > self.limit && self.mine > self.limit / 16
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.give();
    }
}

pub(super) struct Part {
    keyer: Keyer,
    desc: bool,
    keeps: Keeps,
    shape: Arc<Shape>,
    budget: Budget,
    /// Runs that were written, then those in memory: within a part in the order of the input.
    stored: Vec<Stored>,
    runs: Vec<Run>,
    open: Run,
    spill: Option<Spill>,
    /// The most that was held.
    most: usize,
    key: Vec<u8>,
    merge: Option<Merge>,
}

impl Part {
    pub(super) fn new(
        keyer: Keyer,
        desc: bool,
        keeps: Keeps,
        shape: Arc<Shape>,
        budget: Budget,
    ) -> Part {
        Part {
            keyer,
            desc,
            keeps,
            open: Run::new(shape.clone()),
            shape,
            budget,
            stored: Vec::new(),
            runs: Vec::new(),
            spill: None,
            most: 0,
            key: Vec::new(),
            merge: None,
        }
    }

    fn close_run(&mut self) {
        if !self.open.is_empty() {
            let mut run = std::mem::replace(&mut self.open, Run::new(self.shape.clone()));
            run.sort(self.desc);
            self.runs.push(run);
        }
    }

    /// Writes what is in memory to disk, as one run.
    fn spill(&mut self) -> io::Result<()> {
        self.close_run();
        let runs = std::mem::take(&mut self.runs)
            .into_iter()
            .map(Source::Memory)
            .collect();
        let mut merge = Merge::new(runs, self.desc);
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::create()?),
        };
        let stored = spill.write(|write| {
            let Some(first) = merge.first() else {
                return Ok(false);
            };
            first.with_row(write);
            merge.advance()?;
            Ok(true)
        })?;
        self.stored.push(stored);
        self.budget.give();
        Ok(())
    }
}

fn failed(error: &io::Error) -> RunError {
    RunError::io("the temporary file of `sort`", error)
}

impl Memory for Part {
    fn absorb(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Result<(), RunError> {
        let place = place(&batch);
        let fixed = self.keyer.is_fixed();
        let (mut absorbed, mut bytes) = (0, 0);
        for i in 0..batch.len() {
            let row = batch.row(i);
            self.key.clear();
            if let Err(error) = self.keyer.key(row, cx.scope, &mut self.key) {
                cx.fail(batch.origin(i), row, error);
                continue;
            }
            bytes += self.open.push(row, &self.keeps, &self.key, fixed, place);
            absorbed += 1;
        }
        cx.settle(Outcome::Absorbed, absorbed);
        self.budget.take(bytes);
        self.most = self.most.max(self.budget.mine);
        if self.budget.is_over() {
            self.spill().map_err(|e| failed(&e))?;
        } else if self.open.is_full() {
            self.close_run();
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Memory>) {
        let mut other = other
            .into_any()
            .downcast::<Part>()
            .expect("BUG: parts of two steps");
        self.close_run();
        other.close_run();
        self.stored.append(&mut other.stored);
        self.runs.append(&mut other.runs);
        self.most += other.most;
        let bytes = other.budget.mine;
        other.budget.give();
        self.budget.take(bytes);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        let merge = match &mut self.merge {
            Some(merge) => merge,
            None => {
                self.close_run();
                let width = self.shape.width();
                let stored = std::mem::take(&mut self.stored).into_iter();
                let mut sources: Vec<Source> = stored
                    .map(|s| s.open(width).map(Source::Disk))
                    .collect::<io::Result<_>>()
                    .map_err(|e| failed(&e))?;
                sources.extend(
                    std::mem::take(&mut self.runs)
                        .into_iter()
                        .map(Source::Memory),
                );
                self.merge.insert(Merge::new(sources, self.desc))
            }
        };
        let mut batch = Batch::new(self.shape.clone(), Blocks::new());
        while batch.len() < 256
            && let Some(first) = merge.first()
        {
            first.push_into(&mut batch);
            merge.advance().map_err(|e| failed(&e))?;
        }
        if batch.is_empty() {
            self.merge = None;
            self.budget.give();
            return Ok(None);
        }
        cx.made(batch.len());
        Ok(Some(batch))
    }

    fn held(&self) -> usize {
        self.most
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A sorted run that is being read.
enum Source {
    Memory(Run),
    Disk(Reader),
}

impl Source {
    fn head(&self) -> Option<Head<'_>> {
        match self {
            Source::Memory(run) => run.head(),
            Source::Disk(reader) => reader.head(),
        }
    }

    fn advance(&mut self) -> io::Result<()> {
        match self {
            Source::Memory(run) => {
                run.advance();
                Ok(())
            }
            Source::Disk(reader) => reader.advance(),
        }
    }

    fn with_row(&self, act: &mut dyn FnMut(Head<'_>, crate::value::Row<'_>)) {
        match self {
            Source::Memory(run) => act(
                run.head().expect("BUG: a run without a first row"),
                run.row(),
            ),
            Source::Disk(_) => unreachable!("BUG: a run on disk is not written again"),
        }
    }

    fn push_into(&self, batch: &mut Batch) {
        let row;
        let (from, blocks) = match self {
            Source::Memory(run) => {
                row = run.row();
                (row.cells, row.blocks)
            }
            Source::Disk(reader) => reader.cells(),
        };
        let (cells, out) = batch.parts_mut();
        for cell in from {
            cells.push(out.adopt(cell, blocks));
        }
        batch.grew(1);
    }
}

/// Merges sorted runs: a heap of those that have rows left, the one with the least row on top.
struct Merge {
    sources: Vec<Source>,
    heap: Vec<usize>,
    desc: bool,
}

impl Merge {
    fn new(sources: Vec<Source>, desc: bool) -> Merge {
        let heap = (0..sources.len())
            .filter(|i| sources[*i].head().is_some())
            .collect();
        let mut merge = Merge {
            sources,
            heap,
            desc,
        };
        for i in (0..merge.heap.len()).rev() {
            merge.sink(i);
        }
        merge
    }

    fn first(&self) -> Option<&Source> {
        self.heap.first().map(|i| &self.sources[*i])
    }

    /// Goes on behind the first row.
    fn advance(&mut self) -> io::Result<()> {
        let first = self.heap[0];
        self.sources[first].advance()?;
        if self.sources[first].head().is_none() {
            self.heap.swap_remove(0);
            // Its memory is not needed any more.
            if let Source::Memory(run) = &mut self.sources[first] {
                run.free();
            }
        }
        self.sink(0);
        Ok(())
    }

    /// Runs of one part are in the order of the input, so their numbers decide where places are equal.
    fn order(&self, a: usize, b: usize) -> Ordering {
        match (self.sources[a].head(), self.sources[b].head()) {
            (Some(x), Some(y)) => x.order(&y, self.desc).then(a.cmp(&b)),
            _ => unreachable!("BUG: a run without rows in the heap"),
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.order(self.heap[child], self.heap[least]).is_lt()
                {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::harness::record;
    use super::super::super::keyer::By;
    use super::super::super::testing::Bench;
    use super::*;
    use crate::value::{Cell, Type};
    use proptest::prelude::*;

    fn value(n: i64) -> Cell {
        match n % 7 {
            0 => Cell::Null,
            1 => Cell::Double(n as f64 / 3.0),
            2 => Cell::list(vec![Cell::Int(n), Cell::str("é")]),
            3 => Cell::map(vec![
                (Cell::str("k"), Cell::Bool(n % 2 == 0)),
                (Cell::str("l"), Cell::Null),
            ]),
            4 => Cell::bytes(&[0, 255, n as u8]),
            5 => Cell::Time { secs: -n, nanos: 5 },
            _ => Cell::Duration {
                secs: -n,
                nanos: -5,
            },
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_was_written_to_disk_comes_back_as_it_was(
            keys in proptest::collection::vec((-50i64..50, "[a-z]{0,12}"), 1..300),
            limit in 0usize..20_000,
            parts in proptest::collection::vec(0usize..3, 1..6),
            size in 1usize..20,
        ) {
            let ty = record(&[("text", Type::String), ("n", Type::Int), ("x", Type::Any)]);
            let all = Arc::new(AtomicUsize::new(0));
            let make = || {
                let budget = Budget { limit, all: all.clone(), mine: 0 };
                Part::new(By::test("text", &ty), false, Keeps::of(&ty, &ty), Shape::of(&ty), budget)
            };
            let mut bench = Bench::default();
            let mut workers: Vec<Part> = (0..3).map(|_| make()).collect();
            for (i, rows) in keys.chunks(size).enumerate() {
                let mut batch = Batch::new(Shape::of(&ty), Blocks::new());
                for (n, text) in rows {
                    let text = batch.blocks_mut().text(text);
                    batch.push([text, Cell::Int(*n), value(*n)]);
                }
                batch.ord = (i * size) as u64;
                batch.span = rows.len() as u64;
                let worker = parts[i % parts.len()];
                bench.with(|cx| workers[worker].absorb(batch, cx)).unwrap();
            }
            let mut whole = make();
            workers.into_iter().for_each(|w| whole.merge(Box::new(w)));
            let mut found = Vec::new();
            while let Some(batch) = bench.with(|cx| whole.drain(cx)).unwrap() {
                found.extend(batch.rows().map(|r| r.detach()));
            }
            let mut expected = keys.clone();
            expected.sort_by(|a, b| a.1.cmp(&b.1));
            let expected: Vec<Cell> = expected
                .into_iter()
                .map(|(n, text)| Cell::record([("text".into(), Cell::str(&text)), ("n".into(), Cell::Int(n)), ("x".into(), value(n))]))
                .collect();
            prop_assert_eq!(found, expected);
            drop(whole);
            prop_assert_eq!(all.load(Memo::Relaxed), 0, "what was held is given back");
        }
    }
}
