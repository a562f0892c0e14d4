//! The temporary file of a queue: segments of packed rows.

use std::io;
use std::sync::Arc;

use super::super::Broken;
use crate::value::pack::{pack, unpack};
use crate::value::{Batch, Blocks, Scratch, Shape};

/// Segments begin and end with a page, so that the room of each can be given back.
const PAGE: u64 = 4096;
/// Rows of a batch that is made of what is read.
const ROWS: usize = 256;

/// The temporary file of a queue; made when it is first needed.
pub(in super::super) struct Store {
    /// Whose it is.
    of: Arc<str>,
    file: Option<Scratch>,
    end: u64,
    segments: usize,
    /// Rows that were written.
    pub spilled: u64,
}

/// A stretch of the file.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Segment {
    at: u64,
    len: usize,
}

impl Segment {
    fn room(&self) -> u64 {
        (self.len as u64).next_multiple_of(PAGE)
    }
}

impl Store {
    pub fn new(of: Arc<str>) -> Store {
        Store {
            of,
            file: None,
            end: 0,
            segments: 0,
            spilled: 0,
        }
    }

    #[cfg(test)]
    pub fn of(of: Arc<str>, file: Scratch) -> Store {
        Store {
            file: Some(file),
            ..Store::new(of)
        }
    }

    fn broken(&self, message: &str) -> Broken {
        Broken {
            what: format!("the temporary file of {}", self.of),
            message: format!(
                "{message} (its folder is {}; $TMPDIR names another)",
                std::env::temp_dir().display()
            ),
        }
    }

    fn failed(&self, error: &io::Error) -> Broken {
        self.broken(&error.to_string())
    }

    /// Writes a segment of so many rows.
    pub fn put(&mut self, bytes: &[u8], rows: usize) -> Result<Segment, Broken> {
        if self.file.is_none() {
            self.file = Some(Scratch::create().map_err(|e| self.failed(&e))?);
        }
        if let Some(file) = &self.file {
            file.write(bytes, self.end).map_err(|e| self.failed(&e))?;
        }
        let segment = Segment {
            at: self.end,
            len: bytes.len(),
        };
        self.end += segment.room();
        self.segments += 1;
        self.spilled += rows as u64;
        Ok(segment)
    }

    /// Reads a segment into `to`, and gives its room back.
    pub fn take(&mut self, segment: Segment, to: &mut Vec<u8>) -> Result<(), Broken> {
        to.clear();
        to.resize(segment.len, 0);
        if let Some(file) = &self.file {
            file.read(to, segment.at).map_err(|e| self.failed(&e))?;
            self.segments -= 1;
            if self.segments == 0 {
                file.clear();
                self.end = 0;
            } else {
                file.free(segment.at, segment.room());
            }
        }
        Ok(())
    }

    /// Forgets all segments.
    pub fn clear(&mut self) {
        self.file = None;
        (self.end, self.segments) = (0, 0);
    }

    pub fn damaged(&self) -> Broken {
        self.broken("it is not what was written")
    }

    /// Batches of packed rows, in their order.
    pub fn unpack(&self, bytes: &[u8], shape: &Arc<Shape>) -> Result<Vec<Batch>, Broken> {
        let (mut from, mut batches) = (bytes, Vec::new());
        while !from.is_empty() {
            let mut batch = Batch::with_capacity(shape.clone(), Blocks::new(), ROWS);
            while batch.len() < ROWS && !from.is_empty() {
                let (cells, blocks) = batch.parts_mut();
                unpack(&mut from, shape.width(), cells, blocks).ok_or_else(|| self.damaged())?;
                batch.grew(1);
            }
            batch.span = batch.len() as u64;
            batch.weigh();
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// Packs all rows of a batch, which is empty then.
pub(super) fn pack_all(batch: &mut Batch, to: &mut Vec<u8>) -> usize {
    batch.rows().for_each(|row| pack(to, row));
    batch.clear()
}
