//! Blocks: the buffers that text cells are spans of, and the pool that reads into them again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::cell::{Cell, Span};
use super::raw;

/// An immutable buffer of bytes; goes back to its pool when the last batch that names it is gone.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    pool: Weak<BlockPool>,
    from: Option<ReadFrom>,
    /// A place, and the lines' ends before it, in one word: where [`Block::line_at`] counts on.
    counted: AtomicU64,
}

/// Where the bytes of a block come from: for messages, and for what a file says once about all its rows.
#[derive(Clone, Debug)]
pub struct ReadFrom {
    /// The file, as the user names it.
    pub name: Arc<str>,
    /// The number of the line at the block's first byte, from 1.
    pub line: u64,
    /// The names in the file's header, where it has one.
    pub columns: Option<Arc<[String]>>,
}

impl Block {
    /// A block that belongs to no pool.
    pub fn new(bytes: Vec<u8>) -> Block {
        Block {
            bytes,
            pool: Weak::new(),
            from: None,
            counted: AtomicU64::new(0),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn from(&self) -> Option<&ReadFrom> {
        self.from.as_ref()
    }

    /// `access.log:17`: the file, and the line that a place is in; where the block was read from a file.
    ///
    /// Asked for place after place, as errors come, it counts on from the last one, whoever asked: a file full
    /// of errors is counted once.
    pub fn line_at(&self, at: usize) -> Option<String> {
        let from = self.from.as_ref()?;
        let counted = self.counted.load(Ordering::Relaxed);
        let (mut start, mut lines) = ((counted >> 32) as usize, counted & u64::from(u32::MAX));
        if start > at {
            (start, lines) = (0, 0);
        }
        lines += memchr::memchr_iter(b'\n', &self.bytes[start..at]).count() as u64;
        self.counted
            .store((at as u64) << 32 | lines, Ordering::Relaxed);
        Some(format!("{}:{}", from.name, from.line + lines))
    }

    /// The header has been read: before the block is shared.
    pub fn set_columns(&mut self, columns: Arc<[String]>) {
        if let Some(from) = &mut self.from {
            from.columns = Some(columns);
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.put(std::mem::take(&mut self.bytes));
        }
    }
}

/// A bounded store of buffers to read into again; recycling them was measured as worth a fifth of the
/// whole time of the access-log job (a fresh 256 KiB costs 64 page faults).
#[derive(Debug)]
pub struct BlockPool {
    free: Mutex<Vec<Vec<u8>>>,
    keep: usize,
}

impl BlockPool {
    /// A pool that keeps at most `keep` idle buffers.
    pub fn new(keep: usize) -> Arc<BlockPool> {
        Arc::new(BlockPool {
            free: Mutex::new(Vec::new()),
            keep,
        })
    }

    /// A buffer of at least `len` bytes. What stands in it is of no meaning: an earlier one comes back with its
    /// contents, since clearing it again would cost as much as reading into it.
    pub fn get(&self, len: usize) -> Vec<u8> {
        let mut bytes = self.free.lock().pop().unwrap_or_default();
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        bytes
    }

    /// Takes a buffer back.
    pub fn put(&self, bytes: Vec<u8>) {
        let mut free = self.free.lock();
        if free.len() < self.keep && bytes.capacity() <= 4 << 20 {
            free.push(bytes);
        }
    }

    /// A block that will come back here.
    pub fn block(self: &Arc<Self>, bytes: Vec<u8>, from: Option<ReadFrom>) -> Block {
        Block {
            bytes,
            pool: Arc::downgrade(self),
            from,
            counted: AtomicU64::new(0),
        }
    }
}

/// The blocks that the cells of one batch point into; at most 256. The last may be an arena that grows
/// while this batch is its only owner.
#[derive(Debug, Default, Clone)]
pub struct Blocks {
    list: Vec<Arc<Block>>,
    arena: Vec<u8>,
}

/// An arena is sealed into a block when it reaches this size (spans have 32 bits).
const ARENA_MAX: usize = 1 << 30;

impl Blocks {
    pub fn new() -> Blocks {
        Blocks::default()
    }

    pub fn one(block: Arc<Block>) -> Blocks {
        Blocks {
            list: vec![block],
            arena: Vec::new(),
        }
    }

    /// Adds a block; its number, or `None` where 255 are there already (then detach or start a new batch).
    pub fn add(&mut self, block: Arc<Block>) -> Option<u8> {
        if let Some(at) = self.list.iter().position(|b| Arc::ptr_eq(b, &block)) {
            return u8::try_from(at).ok();
        }
        // An arena has the number after the last block, so it must be closed before another comes.
        if !self.arena.is_empty() {
            self.seal();
        }
        if self.list.len() >= 255 {
            return None;
        }
        self.list.push(block);
        u8::try_from(self.list.len() - 1).ok()
    }

    /// Do cells of `other` mean the same here? (They do after `Batch::derive`, whatever was added since.)
    pub fn extends(&self, other: &Blocks) -> bool {
        other.arena.is_empty()
            && other.list.len() <= self.list.len()
            && other
                .list
                .iter()
                .zip(&self.list)
                .all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Closes the arena: from now on it is a block like the others (cheap to clone).
    pub fn seal(&mut self) {
        if !self.arena.is_empty() {
            let bytes = std::mem::take(&mut self.arena);
            self.list.push(Arc::new(Block::new(bytes)));
        }
    }

    /// Forgets everything; the arena keeps its room for what comes next.
    pub fn clear(&mut self) {
        self.list.clear();
        self.arena.clear();
    }

    fn bytes_of(&self, number: u8) -> &[u8] {
        match self.list.get(usize::from(number)) {
            Some(block) => block.bytes(),
            None => &self.arena,
        }
    }

    /// The bytes of a span of this batch.
    pub fn bytes(&self, span: Span) -> &[u8] {
        let at = span.at as usize;
        &self.bytes_of(span.block)[at..at + span.len as usize]
    }

    /// The text of a span that was made by [`Blocks::text`] or [`Blocks::text_in`] of this batch.
    pub fn str(&self, span: Span) -> &str {
        raw::text(self.bytes(span))
    }

    /// The block that a span is a part of; `None` where it stands in what this batch has made itself.
    pub fn block_of(&self, span: Span) -> Option<&Arc<Block>> {
        self.list.get(usize::from(span.block))
    }

    fn append(&mut self, bytes: &[u8]) -> Option<Span> {
        if self.list.len() >= 255 || bytes.len() >= ARENA_MAX {
            return None;
        }
        if self.arena.len() + bytes.len() > ARENA_MAX {
            self.seal();
            if self.list.len() >= 255 {
                return None;
            }
        }
        let at = u32::try_from(self.arena.len()).ok()?;
        self.arena.extend_from_slice(bytes);
        Some(Span {
            block: u8::try_from(self.list.len()).ok()?,
            at,
            len: u32::try_from(bytes.len()).ok()?,
        })
    }

    /// Copies a text into this batch: no allocation an item.
    pub fn text(&mut self, text: &str) -> Cell {
        match self.append(text.as_bytes()) {
            Some(span) => Cell::Text(span),
            None => Cell::str(text),
        }
    }

    /// A cell of this batch for a text that may lie in one of its blocks already, as the part of a row's text
    /// does after [`super::Batch::derive`]: then it is not copied.
    pub fn place(&mut self, text: &str) -> Cell {
        // More blocks are seldom, and a short copy costs less than a long search.
        for (number, block) in self.list.iter().take(4).enumerate() {
            let at = text
                .as_ptr()
                .addr()
                .wrapping_sub(block.bytes().as_ptr().addr());
            if at < block.bytes().len() && text.len() <= block.bytes().len() - at {
                return Cell::Text(Span {
                    block: number as u8,
                    at: at as u32,
                    len: text.len() as u32,
                });
            }
        }
        self.text(text)
    }

    /// A text made of pieces, put down where it stays.
    ///
    /// # Errors
    /// As `write`; then nothing is left of the pieces.
    pub fn build<E>(
        &mut self,
        write: impl FnOnce(&mut dyn FnMut(&str)) -> Result<(), E>,
    ) -> Result<Cell, E> {
        let at = self.arena.len();
        let arena = &mut self.arena;
        if let Err(e) = write(&mut |piece| arena.extend_from_slice(piece.as_bytes())) {
            self.arena.truncate(at);
            return Err(e);
        }
        let span = Span {
            block: self.list.len().min(255) as u8,
            at: at as u32,
            len: (self.arena.len() - at) as u32,
        };
        if self.list.len() < 255 && self.arena.len() <= ARENA_MAX {
            return Ok(Cell::Text(span));
        }
        let text = self.arena.split_off(at);
        Ok(self.text(raw::text(&text)))
    }

    /// Copies bytes into this batch.
    pub fn bin(&mut self, bytes: &[u8]) -> Cell {
        match self.append(bytes) {
            Some(span) => Cell::Bin(span),
            None => Cell::bytes(bytes),
        }
    }

    /// Copies a JSON text (valid by construction) into this batch, to be read when somebody looks at it.
    pub fn raw_json(&mut self, json: &str) -> Cell {
        match self.append(json.as_bytes()) {
            Some(span) => Cell::Raw(span),
            None => Cell::from_json(json).unwrap_or(Cell::Null),
        }
    }

    /// A cell for the text at `at..at + len` of block `number`, without a copy.
    ///
    /// # Panics
    /// In debug builds, where these bytes are not UTF-8: the reader of the block must have checked that.
    pub fn text_in(&self, number: u8, at: usize, len: usize) -> Cell {
        let span = Span {
            block: number,
            at: at as u32,
            len: len as u32,
        };
        debug_assert!(
            std::str::from_utf8(self.bytes(span)).is_ok(),
            "BUG: a text span that is not UTF-8"
        );
        Cell::Text(span)
    }

    /// A cell for the bytes at `at..at + len` of block `number`, without a copy.
    pub fn bin_in(&self, number: u8, at: usize, len: usize) -> Cell {
        Cell::Bin(Span {
            block: number,
            at: at as u32,
            len: len as u32,
        })
    }

    /// A part of a text cell, without a copy. `from` and `to` must lie on character boundaries.
    pub fn sub(&self, whole: Span, from: usize, to: usize) -> Cell {
        debug_assert!(
            self.str(whole).is_char_boundary(from) && self.str(whole).is_char_boundary(to)
        );
        Cell::Text(whole.sub(from, to))
    }

    /// Does a span of `of` mean the same here?
    pub(super) fn shares(&self, span: Span, of: &Blocks) -> bool {
        match (
            self.list.get(usize::from(span.block)),
            of.list.get(usize::from(span.block)),
        ) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Bytes that these blocks hold, as an estimate of what a batch pins.
    pub fn held(&self) -> usize {
        self.list.iter().map(|b| b.bytes.capacity()).sum::<usize>() + self.arena.capacity()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.arena.is_empty()
    }
}
