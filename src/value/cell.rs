//! One value in 16 bytes. Text, bytes and unread JSON are spans of the batch's blocks; what must outlive
//! its batch, or has a structure of its own, stands on the heap.

use std::sync::Arc;

use super::{Blocks, Name};

/// A stretch of one of a batch's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(super) block: u8,
    pub(super) at: u32,
    pub(super) len: u32,
}

impl Span {
    pub fn len(self) -> usize {
        self.len as usize
    }

    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The number of the block and the place in it.
    pub fn place(self) -> (u8, usize) {
        (self.block, self.at as usize)
    }

    pub(super) fn sub(self, from: usize, to: usize) -> Span {
        debug_assert!(from <= to && to <= self.len as usize);
        Span {
            block: self.block,
            at: self.at + from as u32,
            len: (to - from) as u32,
        }
    }
}

/// One value.
#[derive(Clone, Debug, Default)]
pub enum Cell {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// A point in time: seconds since 1970-01-01T00:00:00Z (floor) and nanoseconds after that.
    Time {
        nanos: u32,
        secs: i64,
    },
    /// A length of time; both parts have the same sign.
    Duration {
        nanos: i32,
        secs: i64,
    },
    /// Text in the batch's blocks.
    Text(Span),
    /// Bytes in the batch's blocks.
    Bin(Span),
    /// A JSON text in the batch's blocks, valid, not read yet.
    Raw(Span),
    /// A value that needs no batch.
    Heap(Arc<Heap>),
}

/// What stands on the heap; the cells in it are detached (never spans).
#[derive(Debug, PartialEq)]
pub enum Heap {
    Str(Box<str>),
    Bytes(Box<[u8]>),
    List(Box<[Cell]>),
    Map(Map),
}

/// A record or map whose fields no type names, in the order in which they came. Keys are unique: strings,
/// and in CEL maps also ints and bools.
#[derive(Debug, Default, PartialEq)]
pub struct Map {
    entries: Box<[(Cell, Cell)]>,
}

impl Map {
    /// Later entries replace earlier ones of the same key.
    pub fn new(entries: Vec<(Cell, Cell)>) -> Map {
        if entries.len() > 16 {
            return Map::new_large(entries);
        }
        let mut kept: Vec<(Cell, Cell)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match kept.iter_mut().find(|(k, _)| *k == key) {
                Some(old) => old.1 = value,
                None => kept.push((key, value)),
            }
        }
        Map {
            entries: kept.into_boxed_slice(),
        }
    }

    fn new_large(entries: Vec<(Cell, Cell)>) -> Map {
        let mut at: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        let mut kept: Vec<(Cell, Cell)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            // The kind is part of the key: 1 and "1" differ.
            match at.entry(format!("{key:?}")) {
                std::collections::hash_map::Entry::Occupied(e) => kept[*e.get()].1 = value,
                std::collections::hash_map::Entry::Vacant(e) => {
                    e.insert(kept.len());
                    kept.push((key, value));
                }
            }
        }
        Map {
            entries: kept.into_boxed_slice(),
        }
    }

    pub fn entries(&self) -> &[(Cell, Cell)] {
        &self.entries
    }

    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.entries
            .iter()
            .find(|(k, _)| k.as_heap_str() == Some(name))
            .map(|(_, v)| v)
    }
}

impl Cell {
    pub fn str(text: &str) -> Cell {
        Cell::Heap(Arc::new(Heap::Str(text.into())))
    }

    pub fn bytes(bytes: &[u8]) -> Cell {
        Cell::Heap(Arc::new(Heap::Bytes(bytes.into())))
    }

    pub fn list(cells: Vec<Cell>) -> Cell {
        Cell::Heap(Arc::new(Heap::List(cells.into_boxed_slice())))
    }

    pub fn map(entries: Vec<(Cell, Cell)>) -> Cell {
        Cell::Heap(Arc::new(Heap::Map(Map::new(entries))))
    }

    /// A record that stands alone.
    pub fn record(fields: impl IntoIterator<Item = (Name, Cell)>) -> Cell {
        Cell::map(
            fields
                .into_iter()
                .map(|(n, c)| (Cell::str(&n), c))
                .collect(),
        )
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// Does this value stand without its batch?
    pub fn is_detached(&self) -> bool {
        !matches!(self, Cell::Text(_) | Cell::Bin(_) | Cell::Raw(_))
    }

    /// The text of a detached string.
    pub fn as_heap_str(&self) -> Option<&str> {
        match self {
            Cell::Heap(h) => match &**h {
                Heap::Str(s) => Some(s),
                _ => None,
            },
            _ => None,
        }
    }

    /// The text, where this is one.
    #[inline]
    pub fn as_str<'a>(&'a self, blocks: &'a Blocks) -> Option<&'a str> {
        match self {
            Cell::Text(span) => Some(blocks.str(*span)),
            other => other.as_heap_str(),
        }
    }

    /// The bytes, where this is a value of type bytes.
    pub fn as_bytes<'a>(&'a self, blocks: &'a Blocks) -> Option<&'a [u8]> {
        match self {
            Cell::Bin(span) => Some(blocks.bytes(*span)),
            Cell::Heap(h) => match &**h {
                Heap::Bytes(b) => Some(b),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Cell]> {
        match self {
            Cell::Heap(h) => match &**h {
                Heap::List(l) => Some(l),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Cell::Heap(h) => match &**h {
                Heap::Map(m) => Some(m),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same value, standing alone. Unread JSON is read.
    #[must_use]
    pub fn detach(&self, blocks: &Blocks) -> Cell {
        match self {
            Cell::Text(span) => Cell::str(blocks.str(*span)),
            Cell::Bin(span) => Cell::bytes(blocks.bytes(*span)),
            Cell::Raw(span) => Cell::from_json(blocks.str(*span)).unwrap_or(Cell::Null),
            other => other.clone(),
        }
    }

    /// An estimate of the bytes that this value holds beyond its cell.
    #[inline]
    pub fn weight(&self) -> usize {
        match self {
            Cell::Text(s) | Cell::Bin(s) | Cell::Raw(s) => s.len(),
            Cell::Heap(heap) => heap.weight(),
            _ => 0,
        }
    }
}

impl Heap {
    fn weight(&self) -> usize {
        32 + match self {
            Heap::Str(s) => s.len(),
            Heap::Bytes(b) => b.len(),
            Heap::List(l) => l.iter().map(|c| 16 + c.weight()).sum(),
            Heap::Map(m) => m
                .entries()
                .iter()
                .map(|(k, v)| 32 + k.weight() + v.weight())
                .sum(),
        }
    }
}

impl From<i64> for Cell {
    fn from(v: i64) -> Cell {
        Cell::Int(v)
    }
}

impl From<bool> for Cell {
    fn from(v: bool) -> Cell {
        Cell::Bool(v)
    }
}

impl From<f64> for Cell {
    fn from(v: f64) -> Cell {
        Cell::Double(v)
    }
}

impl From<&str> for Cell {
    fn from(v: &str) -> Cell {
        Cell::str(v)
    }
}

/// Structural equality of detached cells (spans are equal only to the same span): for maps, tests and
/// literals. What CEL calls equal (1 == 1.0) is in `expr`.
impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Bool(a), Cell::Bool(b)) => a == b,
            (Cell::Int(a), Cell::Int(b)) => a == b,
            (Cell::Double(a), Cell::Double(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Cell::Time { nanos: a, secs: b }, Cell::Time { nanos: c, secs: d }) => {
                a == c && b == d
            }
            (Cell::Duration { nanos: a, secs: b }, Cell::Duration { nanos: c, secs: d }) => {
                a == c && b == d
            }
            (Cell::Text(a), Cell::Text(b))
            | (Cell::Bin(a), Cell::Bin(b))
            | (Cell::Raw(a), Cell::Raw(b)) => a == b,
            (Cell::Heap(a), Cell::Heap(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

const _: () = assert!(size_of::<Cell>() == 16);
