//! Last in, first out, with the older rows on disk.

use std::sync::Arc;

use super::super::{Broken, Lifo, Order};
use super::Spill;
use super::store::{Segment, Store, pack_all};
use crate::value::{Batch, Shape};

/// A stack: the newest rows in memory, below them segments on disk.
pub struct SpillLifo {
    spill: Spill,
    near: Lifo,
    near_bytes: usize,
    disk: Vec<Segment>,
    rows: usize,
    pub(in super::super) store: Store,
    shape: Option<Arc<Shape>>,
    /// For reading and writing.
    bytes: Vec<u8>,
}

impl SpillLifo {
    pub fn new(spill: Spill) -> SpillLifo {
        SpillLifo {
            store: Store::new(spill.what.clone()),
            spill,
            near: Lifo::default(),
            near_bytes: 0,
            disk: Vec::new(),
            rows: 0,
            shape: None,
            bytes: Vec::new(),
        }
    }

    /// The older half of what is in memory goes to disk.
    fn spill(&mut self) -> Result<(), Broken> {
        let enough = self.near_bytes / 2;
        self.bytes.clear();
        let mut rows = 0;
        while self.near_bytes > enough {
            let Some(mut batch) = self.near.take_oldest(usize::MAX) else {
                break;
            };
            self.near_bytes = self.near_bytes.saturating_sub(batch.weighed());
            rows += pack_all(&mut batch, &mut self.bytes);
            if self.bytes.len() >= self.spill.segment {
                self.disk.push(self.store.put(&self.bytes, rows)?);
                self.bytes.clear();
                rows = 0;
            }
        }
        if rows > 0 {
            self.disk.push(self.store.put(&self.bytes, rows)?);
        }
        Ok(())
    }

    /// The newest segment comes into memory.
    fn load(&mut self) -> Result<(), Broken> {
        if let (Some(segment), Some(shape)) = (self.disk.pop(), &self.shape) {
            self.store.take(segment, &mut self.bytes)?;
            for batch in self.store.unpack(&self.bytes, shape)? {
                self.near_bytes += batch.weighed();
                self.near.put(batch);
            }
        }
        Ok(())
    }
}

impl Order for SpillLifo {
    fn push(&mut self, batch: Batch) -> Result<(), Broken> {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        self.near_bytes += batch.weighed();
        self.near.put(batch);
        if self.spill.is_over(self.near.len(), self.near_bytes, 2) {
            self.spill()?;
        }
        Ok(())
    }

    fn push_front(&mut self, batch: Batch) {
        self.shape.get_or_insert_with(|| batch.shape().clone());
        self.rows += batch.len();
        self.near_bytes += batch.weighed();
        self.near.push_front(batch);
    }

    fn pop(&mut self, want: usize) -> Result<Option<Batch>, Broken> {
        if self.near.is_empty() {
            self.load()?;
        }
        let batch = self.near.take(want);
        if let Some(batch) = &batch {
            self.rows -= batch.len();
            self.near_bytes = self.near_bytes.saturating_sub(batch.weighed());
        }
        Ok(batch)
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) -> usize {
        self.near.clear();
        self.disk.clear();
        self.store.clear();
        self.near_bytes = 0;
        std::mem::take(&mut self.rows)
    }

    fn spilled(&self) -> u64 {
        self.store.spilled
    }
}
