//! First in, first out, with most of it on disk.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::{Broken, Fifo, Order};
use super::Spill;
use super::store::{Segment, Store, pack_all};
use crate::value::{Batch, Shape};

/// In the order in which they leave: rows in memory, segments on disk, and packed rows that become the next one.
pub struct SpillFifo {
    spill: Spill,
    head: Fifo,
    head_bytes: usize,
    disk: VecDeque<Segment>,
    tail: Vec<u8>,
    tail_rows: usize,
    rows: usize,
    pub(in super::super) store: Store,
    shape: Option<Arc<Shape>>,
    /// For reading.
    bytes: Vec<u8>,
}

impl SpillFifo {
    pub fn new(spill: Spill) -> SpillFifo {
        SpillFifo {
            store: Store::new(spill.what.clone()),
            spill,
            head: Fifo::default(),
            head_bytes: 0,
            disk: VecDeque::new(),
            tail: Vec::new(),
            tail_rows: 0,
            rows: 0,
            shape: None,
            bytes: Vec::new(),
        }
    }

    fn put_head(&mut self, batch: Batch) {
        self.head_bytes += batch.weighed();
        self.head.put(batch);
    }

    /// What comes next comes into memory.
    fn load(&mut self) -> Result<(), Broken> {
        let Some(shape) = self.shape.clone() else {
            return Ok(());
        };
        let batches = match self.disk.pop_front() {
            Some(segment) => {
                self.store.take(segment, &mut self.bytes)?;
                self.store.unpack(&self.bytes, &shape)?
            }
            None => {
                self.tail_rows = 0;
                let batches = self.store.unpack(&self.tail, &shape)?;
                self.tail.clear();
                batches
            }
        };
        batches.into_iter().for_each(|b| self.put_head(b));
        Ok(())
    }
}

impl Order for SpillFifo {
    fn push(&mut self, mut batch: Batch) -> Result<(), Broken> {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        if self.disk.is_empty() && self.tail_rows == 0 {
            let rows = self.head.len() + batch.len();
            let bytes = self.head_bytes + batch.weighed();
            if !self.spill.is_over(rows, bytes, 1) {
                self.put_head(batch);
                return Ok(());
            }
        }
        self.tail_rows += pack_all(&mut batch, &mut self.tail);
        if self.tail.len() >= self.spill.segment {
            let segment = self.store.put(&self.tail, self.tail_rows)?;
            self.disk.push_back(segment);
            self.tail.clear();
            self.tail_rows = 0;
        }
        Ok(())
    }

    fn push_front(&mut self, batch: Batch) {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        self.head_bytes += batch.weighed();
        self.head.push_front(batch);
    }

    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken> {
        if self.head.is_empty() {
            self.load()?;
        }
        let batch = self.head.take(want);
        if let Some(batch) = &batch {
            self.rows -= batch.len();
            self.head_bytes = self.head_bytes.saturating_sub(batch.weighed());
        }
        Ok(batch)
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) -> usize {
        self.head.clear();
        self.disk.clear();
        self.tail = Vec::new();
        self.store.clear();
        (self.head_bytes, self.tail_rows) = (0, 0);
        std::mem::take(&mut self.rows)
    }

    fn spilled(&self) -> u64 {
        self.store.spilled
    }
}
