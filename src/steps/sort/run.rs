//! A run: some thousands of rows in memory, sorted when it is full.

use std::cmp::Ordering;

use super::super::keyer::{Keeps, prefix};
use crate::value::{Batch, Blocks, Row, Shape};

/// A run is full with so many rows, or so many bytes.
const ROWS: usize = 1 << 16;
const BYTES: usize = 16 << 20;

/// A row's key and place.
#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: u64,
    place: u64,
    /// The key among the run's keys; empty where the prefix is all of it.
    at: u32,
    len: u32,
    row: u32,
}

/// What is compared of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub prefix: u64,
    pub key: &'a [u8],
    pub place: u64,
}

impl Head<'_> {
    /// By key, then by place in the input.
    pub(super) fn order(&self, other: &Head<'_>, desc: bool) -> Ordering {
        let keys = self
            .prefix
            .cmp(&other.prefix)
            .then_with(|| self.key.cmp(other.key));
        let keys = if desc { keys.reverse() } else { keys };
        keys.then(self.place.cmp(&other.place))
    }
}

pub(super) struct Run {
    rows: Batch,
    keys: Vec<u8>,
    entries: Vec<Entry>,
    /// The next row to be given out.
    next: usize,
}

impl Run {
    pub(super) fn new(shape: std::sync::Arc<Shape>) -> Run {
        Run {
            rows: Batch::new(shape, Blocks::new()),
            keys: Vec::new(),
            entries: Vec::new(),
            next: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= ROWS || self.rows.blocks().held() + self.keys.len() >= BYTES
    }

    /// Adds a row; returns the bytes that it takes. `fixed`: all keys are as long as a prefix.
    pub(super) fn push(
        &mut self,
        row: Row<'_>,
        keeps: &Keeps,
        key: &[u8],
        fixed: bool,
        place: u64,
    ) -> usize {
        let at = self.keys.len();
        if !fixed {
            self.keys.extend_from_slice(key);
        }
        self.entries.push(Entry {
            prefix: prefix(key),
            place,
            at: at as u32,
            len: (self.keys.len() - at) as u32,
            row: self.entries.len() as u32,
        });
        let mut bytes = size_of::<Entry>() + key.len();
        let (cells, blocks) = self.rows.parts_mut();
        for cell in keeps.cells(row.cells) {
            bytes += size_of_val(cell) + cell.weight();
            cells.push(blocks.adopt(cell, row.blocks));
        }
        self.rows.grew(1);
        bytes
    }

    pub(super) fn sort(&mut self, desc: bool) {
        let keys = &self.keys;
        let head = |e: &Entry| Head {
            prefix: e.prefix,
            key: &keys[e.at as usize..(e.at + e.len) as usize],
            place: e.place,
        };
        // Rows were added in the order of the input, so their numbers decide where places are equal.
        self.entries
            .sort_unstable_by(|a, b| head(a).order(&head(b), desc).then(a.row.cmp(&b.row)));
    }

    pub(super) fn head(&self) -> Option<Head<'_>> {
        let e = self.entries.get(self.next)?;
        Some(Head {
            prefix: e.prefix,
            key: &self.keys[e.at as usize..(e.at + e.len) as usize],
            place: e.place,
        })
    }

    pub(super) fn row(&self) -> Row<'_> {
        self.rows.row(self.entries[self.next].row as usize)
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// All its rows have been given out.
    pub(super) fn free(&mut self) {
        *self = Run::new(self.rows.shape().clone());
    }
}
