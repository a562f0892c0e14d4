//! Runs on disk: one temporary file a part.

use std::io::{self, Error, ErrorKind};
use std::sync::Arc;

use super::run::Head;
use crate::value::pack::{pack, pack_number, unpack, unpack_number};
use crate::value::{Blocks, Cell, Row, Scratch};

/// So much is written at once.
const WRITE: usize = 1 << 18;
/// So much is read at once, of each run; a longer row takes what it needs.
const READ: usize = 1 << 16;

/// A temporary file to which runs are appended.
#[derive(Debug)]
pub(super) struct Spill {
    file: Arc<Scratch>,
    end: u64,
}

impl Spill {
    pub(super) fn create() -> io::Result<Spill> {
        Ok(Spill {
            file: Arc::new(Scratch::create()?),
            end: 0,
        })
    }

    /// Writes a run: what `next` gives until there is no more.
    pub(super) fn write(
        &mut self,
        mut next: impl FnMut(&mut dyn FnMut(Head<'_>, Row<'_>)) -> io::Result<bool>,
    ) -> io::Result<Stored> {
        let from = self.end;
        let (mut out, mut row_bytes) = (Vec::with_capacity(WRITE), Vec::new());
        loop {
            let more = next(&mut |head, row| {
                row_bytes.clear();
                row_bytes.extend_from_slice(&head.prefix.to_le_bytes());
                row_bytes.extend_from_slice(&head.place.to_le_bytes());
                pack_number(&mut row_bytes, head.key.len() as u64);
                row_bytes.extend_from_slice(head.key);
                pack(&mut row_bytes, row);
                out.extend_from_slice(&(row_bytes.len() as u64).to_le_bytes());
                out.extend_from_slice(&row_bytes);
            })?;
            if !more || out.len() >= WRITE {
                self.file.write(&out, self.end)?;
                self.end += out.len() as u64;
                out.clear();
            }
            if !more {
                return Ok(Stored {
                    file: self.file.clone(),
                    from,
                    to: self.end,
                });
            }
        }
    }
}

/// A run that was written.
#[derive(Debug)]
pub(super) struct Stored {
    file: Arc<Scratch>,
    from: u64,
    to: u64,
}

impl Stored {
    /// Reads it, from its first row on; each has so many cells.
    pub(super) fn open(self, width: usize) -> io::Result<Reader> {
        let mut reader = Reader {
            file: self.file,
            at: self.from,
            end: self.to,
            read: Vec::new(),
            next: 0,
            width,
            prefix: 0,
            place: 0,
            key: Vec::new(),
            cells: Vec::new(),
            blocks: Blocks::new(),
            ended: false,
        };
        reader.advance()?;
        Ok(reader)
    }
}

/// Reads a run row by row.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<Scratch>,
    /// What is not read yet.
    at: u64,
    end: u64,
    /// What is read and, from `next` on, not looked at yet.
    read: Vec<u8>,
    next: usize,
    width: usize,
    prefix: u64,
    place: u64,
    key: Vec<u8>,
    cells: Vec<Cell>,
    /// In which the cells of this row stand.
    blocks: Blocks,
    ended: bool,
}

impl Reader {
    pub(super) fn head(&self) -> Option<Head<'_>> {
        (!self.ended).then_some(Head {
            prefix: self.prefix,
            key: &self.key,
            place: self.place,
        })
    }

    pub(super) fn cells(&self) -> (&[Cell], &Blocks) {
        (&self.cells, &self.blocks)
    }

    pub(super) fn advance(&mut self) -> io::Result<()> {
        if self.next == self.read.len() && self.at == self.end {
            self.ended = true;
            return Ok(());
        }
        self.need(8)?;
        let length = self.read[self.next..].first_chunk().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
        self.next += 8;
        self.need(length)?;
        let row = &self.read[self.next..self.next + length];
        self.next += length;
        self.cells.clear();
        self.blocks.clear();
        let mut row = row;
        (|| {
            let (prefix, rest) = row.split_first_chunk()?;
            let (place, rest) = rest.split_first_chunk()?;
            (self.prefix, self.place) = (u64::from_le_bytes(*prefix), u64::from_le_bytes(*place));
            row = rest;
            let key = usize::try_from(unpack_number(&mut row)?).ok()?;
            let (key, rest) = row.split_at_checked(key)?;
            self.key.clear();
            self.key.extend_from_slice(key);
            row = rest;
            unpack(&mut row, self.width, &mut self.cells, &mut self.blocks)
        })()
        .ok_or_else(damaged)
    }

    /// Sees to it that so many bytes are read and not looked at yet.
    fn need(&mut self, bytes: usize) -> io::Result<()> {
        let have = self.read.len() - self.next;
        if have >= bytes {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.at).map_err(|_| damaged())?;
        if have + left < bytes {
            return Err(damaged());
        }
        self.read.drain(..self.next);
        self.next = 0;
        let more = left.min(READ.max(bytes - have));
        self.read.resize(have + more, 0);
        self.file.read(&mut self.read[have..], self.at)?;
        self.at += more as u64;
        Ok(())
    }
}

fn damaged() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "the temporary file is not what was written",
    )
}
