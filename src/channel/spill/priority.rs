//! The lowest number first, with sorted runs on disk.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use super::super::priority::Rank;
use super::super::{Broken, Order, Priority, PriorityKey};
use super::Spill;
use super::store::{Segment, Store};
use crate::value::pack::{pack, unpack};
use crate::value::{Batch, Blocks, Row, Shape};

/// So many runs of one level become one of the next.
const FAN: usize = 16;
/// Segments' worth of bytes in memory before half of it becomes a run.
const NEAR: usize = 16;

/// Rows in memory, and sorted runs on disk, from whose heads and the memory's the lowest is taken.
pub struct SpillPriority {
    spill: Spill,
    near: Priority,
    /// A place stays empty when its run has ended.
    runs: Vec<Option<Run>>,
    heads: BinaryHeap<Reverse<(Rank, usize)>>,
    rows: usize,
    pub(in super::super) store: Store,
    shape: Option<Arc<Shape>>,
}

/// A sorted run on disk. Each row is its rank, the length of its packed cells, and these.
struct Run {
    level: usize,
    disk: VecDeque<Segment>,
    /// The segment that is read now, and how far.
    bytes: Vec<u8>,
    at: usize,
}

const HEAD: usize = 20;

impl Run {
    /// The next row's rank and packed cells.
    fn head(&self) -> Option<(Rank, &[u8])> {
        let head = self.bytes.get(self.at..)?.first_chunk::<HEAD>()?;
        let number = |at: usize| head[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let len = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as usize;
        let cells = self.bytes.get(self.at + HEAD..self.at + HEAD + len)?;
        Some((Rank(number(0)?, number(8)?), cells))
    }

    /// Goes on behind the next row; `false`: there is none.
    fn advance(&mut self, store: &mut Store) -> Result<bool, Broken> {
        let len = self.head().ok_or_else(|| store.damaged())?.1.len();
        self.at += HEAD + len;
        self.fill(store)
    }

    /// Reads the next segment, where this one is at its end; `false`: there is none.
    fn fill(&mut self, store: &mut Store) -> Result<bool, Broken> {
        if self.at < self.bytes.len() {
            return Ok(true);
        }
        let Some(segment) = self.disk.pop_front() else {
            return Ok(false);
        };
        self.at = 0;
        store.take(segment, &mut self.bytes)?;
        Ok(true)
    }
}

/// Writes a run.
#[derive(Default)]
struct Writer {
    disk: VecDeque<Segment>,
    bytes: Vec<u8>,
    rows: usize,
}

impl Writer {
    fn add(&mut self, rank: Rank, cells: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(&rank.0.to_le_bytes());
        self.bytes.extend_from_slice(&rank.1.to_le_bytes());
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        cells(&mut self.bytes);
        let len = (self.bytes.len() - at - 4) as u32;
        self.bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
        self.rows += 1;
    }

    fn write(&mut self, store: &mut Store) -> Result<(), Broken> {
        if self.rows > 0 {
            let segment = store.put(&self.bytes, std::mem::take(&mut self.rows))?;
            self.disk.push_back(segment);
            self.bytes.clear();
        }
        Ok(())
    }
}

impl SpillPriority {
    pub fn new(spill: Spill, key: PriorityKey) -> SpillPriority {
        SpillPriority {
            store: Store::new(spill.what.clone()),
            spill,
            near: Priority::new(key),
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            rows: 0,
            shape: None,
        }
    }

    /// Every run has a segment of its own in memory while it is read, so these are smaller.
    fn segment(&self) -> usize {
        self.spill.segment / 4
    }

    /// The last half of what is in memory becomes a run.
    fn spill(&mut self) -> Result<(), Broken> {
        let (segment, mut run) = (self.segment(), Writer::default());
        let mut failed = None;
        let store = &mut self.store;
        self.near.take_last_half(&mut |rank, row: Row<'_>| {
            run.add(rank, |to| pack(to, row));
            if run.bytes.len() >= segment && failed.is_none() {
                failed = run.write(store).err();
            }
        });
        match failed {
            Some(broken) => Err(broken),
            None => {
                run.write(&mut self.store)?;
                self.add(0, run)
            }
        }
    }

    /// A run more; where there are many of its level, they become one.
    fn add(&mut self, level: usize, run: Writer) -> Result<(), Broken> {
        self.begin(Run {
            level,
            disk: run.disk,
            bytes: Vec::new(),
            at: 0,
        })?;
        let of_level = |r: &&Option<Run>| r.as_ref().is_some_and(|r| r.level == level);
        if self.runs.iter().filter(of_level).count() < FAN {
            return Ok(());
        }
        let merged = self.merge(level)?;
        self.add(level + 1, merged)
    }

    fn begin(&mut self, mut run: Run) -> Result<(), Broken> {
        if !run.fill(&mut self.store)? {
            return Ok(());
        }
        let rank = run.head().ok_or_else(|| self.store.damaged())?.0;
        let place = match self.runs.iter().position(Option::is_none) {
            Some(place) => place,
            None => {
                self.runs.push(None);
                self.runs.len() - 1
            }
        };
        self.runs[place] = Some(run);
        self.heads.push(Reverse((rank, place)));
        Ok(())
    }

    /// One run of all of a level.
    fn merge(&mut self, level: usize) -> Result<Writer, Broken> {
        let (segment, mut merged) = (self.segment(), Writer::default());
        let of_level = |run: &Option<Run>| run.as_ref().is_some_and(|r| r.level == level);
        let all = std::mem::take(&mut self.heads).into_vec();
        let (own, rest): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|Reverse((_, place))| of_level(&self.runs[*place]));
        self.heads = rest.into();
        let mut heads = BinaryHeap::from(own);
        while let Some(Reverse((rank, place))) = heads.pop() {
            let Some(run) = &mut self.runs[place] else {
                continue;
            };
            let (_, cells) = run.head().ok_or_else(|| self.store.damaged())?;
            merged.add(rank, |to| to.extend_from_slice(cells));
            if merged.bytes.len() >= segment {
                merged.write(&mut self.store)?;
            }
            if run.advance(&mut self.store)? {
                let rank = run.head().ok_or_else(|| self.store.damaged())?.0;
                heads.push(Reverse((rank, place)));
            } else {
                self.runs[place] = None;
            }
        }
        merged.write(&mut self.store)?;
        Ok(merged)
    }

    /// Moves the first row on disk, which is in this run, into the batch.
    fn take_stored(&mut self, place: usize, batch: &mut Batch) -> Result<(), Broken> {
        self.heads.pop();
        let Some(run) = &mut self.runs[place] else {
            return Err(self.store.damaged());
        };
        let width = batch.shape().width();
        let (cells, blocks) = batch.parts_mut();
        let head = run.head();
        let unpacked = head.and_then(|(_, mut from)| unpack(&mut from, width, cells, blocks));
        unpacked.ok_or_else(|| self.store.damaged())?;
        batch.grew(1);
        if run.advance(&mut self.store)? {
            let rank = run.head().ok_or_else(|| self.store.damaged())?.0;
            self.heads.push(Reverse((rank, place)));
        } else {
            self.runs[place] = None;
        }
        Ok(())
    }
}

impl Order for SpillPriority {
    fn push(&mut self, batch: Batch) -> Result<(), Broken> {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        self.near.put(batch);
        if self.spill.is_over(self.near.len(), self.near.bytes(), NEAR) {
            self.spill()?;
        }
        Ok(())
    }

    fn push_front(&mut self, batch: Batch) {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        self.near.push_front(batch);
    }

    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken> {
        let n = want.min(self.rows);
        let Some(shape) = self.shape.clone().filter(|_| n > 0) else {
            return Ok(None);
        };
        let mut batch = Batch::with_capacity(shape, Blocks::new(), n);
        while batch.len() < n {
            let stored = self.heads.peek().map(|Reverse(head)| *head);
            let before = stored.map(|(rank, _)| rank);
            let want = n - batch.len();
            self.near.take_into(&mut batch, want, before);
            if batch.len() < n
                && let Some((_, place)) = stored
            {
                self.take_stored(place, &mut batch)?;
            }
        }
        self.rows -= batch.len();
        batch.span = batch.len() as u64;
        batch.weigh();
        Ok(Some(batch))
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) -> usize {
        self.near.clear();
        self.runs.clear();
        self.heads.clear();
        self.store.clear();
        std::mem::take(&mut self.rows)
    }

    fn spilled(&self) -> u64 {
        self.store.spilled
    }
}
