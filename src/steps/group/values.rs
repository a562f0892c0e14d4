//! What groups keep of values of any type: `first`, `last`, `list`, `distinct`, and `min` and `max` of what is
//! no number.

use std::any::Any;

use super::super::key;
use super::super::keyer::{Get, null};
use super::column::{Column, Rows};
use super::keys::ByteKeys;
use crate::expr::{EvalError, Scope};
use crate::value::{Batch, Blocks, Cell, Type};

/// Values of a batch's rows, as cells.
struct Read {
    from: Get,
    values: Vec<Cell>,
    scratch: Blocks,
}

impl Read {
    fn new(from: Get) -> Read {
        Read {
            from,
            values: Vec::new(),
            scratch: Blocks::new(),
        }
    }

    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError)) {
        self.values.clear();
        if !self.scratch.is_empty() {
            self.scratch = Blocks::new();
        }
        for (i, row) in batch.rows().enumerate() {
            let value = match &self.from {
                Get::Slot(slot) => Ok(row.cells[*slot].clone()),
                Get::Code(code) => code.cell(row, scope, &mut self.scratch),
            };
            self.values.push(value.unwrap_or_else(|error| {
                failed(i, error);
                Cell::Null
            }));
        }
    }

    /// The blocks that the values stand in.
    fn blocks<'b>(&'b self, batch: &'b Batch) -> &'b Blocks {
        match self.from {
            Get::Slot(_) => batch.blocks(),
            Get::Code(_) => &self.scratch,
        }
    }
}

/// A value, and its place in the input.
type Placed = ((u64, u64), Cell);

/// `first` and `last`.
pub(super) struct End {
    read: Read,
    last: bool,
    ends: Vec<Option<Placed>>,
}

impl End {
    pub(super) fn boxed(from: Get, last: bool) -> Box<dyn Column> {
        Box::new(End {
            read: Read::new(from),
            last,
            ends: Vec::new(),
        })
    }
}

fn place(rows: Rows<'_>, row: u32) -> (u64, u64) {
    (rows.place.0, rows.place.1 + u64::from(row))
}

impl Column for End {
    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError)) {
        self.read.read(batch, scope, failed);
    }

    fn add(&mut self, rows: Rows<'_>, groups: usize) {
        self.ends.resize(groups, None);
        // A worker sees its rows in order. Of a batch only the last row of a group need be kept.
        if self.last {
            for (row, group) in rows.groups.iter().rev() {
                let end = &mut self.ends[*group as usize];
                if end.as_ref().is_none_or(|(at, _)| *at < place(rows, *row)) {
                    let value =
                        self.read.values[*row as usize].detach(self.read.blocks(rows.batch));
                    *end = Some((place(rows, *row), value));
                }
            }
        } else {
            for (row, group) in rows.groups {
                let end = &mut self.ends[*group as usize];
                if end.is_none() {
                    let value =
                        self.read.values[*row as usize].detach(self.read.blocks(rows.batch));
                    *end = Some((place(rows, *row), value));
                }
            }
        }
    }

    fn merge(&mut self, other: Box<dyn Column>, numbers: &[u32], groups: usize) {
        let other = other
            .into_any()
            .downcast::<End>()
            .expect("BUG: columns of two kinds");
        self.ends.resize(groups, None);
        for (new, number) in other.ends.into_iter().zip(numbers) {
            let end = &mut self.ends[*number as usize];
            let better = match (&new, &*end) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some((a, _)), Some((b, _))) => (a > b) == self.last,
            };
            if better {
                *end = new;
            }
        }
    }

    fn value(&self, group: usize, _: u8, _: &mut Blocks) -> Result<Cell, String> {
        let end = self.ends.get(group).and_then(Option::as_ref);
        Ok(end.map_or(Cell::Null, |(_, cell)| cell.clone()))
    }

    fn held(&self) -> usize {
        self.ends
            .iter()
            .flatten()
            .map(|(_, c)| size_of::<Option<Placed>>() + c.weight())
            .sum()
    }

    fn fresh(&self) -> Box<dyn Column> {
        End::boxed(self.read.from.clone(), self.last)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// `list`, in the order of the input.
pub(super) struct List {
    read: Read,
    lists: Vec<Vec<Placed>>,
}

impl List {
    pub(super) fn boxed(from: Get) -> Box<dyn Column> {
        Box::new(List {
            read: Read::new(from),
            lists: Vec::new(),
        })
    }
}

impl Column for List {
    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError)) {
        self.read.read(batch, scope, failed);
    }

    fn add(&mut self, rows: Rows<'_>, groups: usize) {
        self.lists.resize(groups, Vec::new());
        for (row, group) in rows.groups {
            let value = self.read.values[*row as usize].detach(self.read.blocks(rows.batch));
            self.lists[*group as usize].push((place(rows, *row), value));
        }
    }

    fn merge(&mut self, other: Box<dyn Column>, numbers: &[u32], groups: usize) {
        let other = other
            .into_any()
            .downcast::<List>()
            .expect("BUG: columns of two kinds");
        self.lists.resize(groups, Vec::new());
        for (list, number) in other.lists.into_iter().zip(numbers) {
            self.lists[*number as usize].extend(list);
        }
    }

    fn settle(&mut self) {
        for list in &mut self.lists {
            list.sort_by_key(|(place, _)| *place);
        }
    }

    fn value(&self, group: usize, _: u8, _: &mut Blocks) -> Result<Cell, String> {
        let list = self.lists.get(group).map_or(&[][..], Vec::as_slice);
        Ok(Cell::list(
            list.iter().map(|(_, cell)| cell.clone()).collect(),
        ))
    }

    fn held(&self) -> usize {
        self.lists
            .iter()
            .flatten()
            .map(|(_, c)| size_of::<Placed>() + c.weight())
            .sum()
    }

    fn fresh(&self) -> Box<dyn Column> {
        List::boxed(self.read.from.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// `min` and `max` of values of any type that has an order, as keys.
pub(super) struct KeyExtreme {
    read: Read,
    ty: Type,
    max: bool,
    keys: Vec<Option<Box<[u8]>>>,
    key: Vec<u8>,
}

impl KeyExtreme {
    pub(super) fn boxed(from: Get, ty: &Type, max: bool) -> Box<dyn Column> {
        Box::new(KeyExtreme {
            read: Read::new(from),
            ty: ty.clone(),
            max,
            keys: Vec::new(),
            key: Vec::new(),
        })
    }

    fn is_better(&self, group: usize, key: &[u8]) -> bool {
        self.keys[group]
            .as_deref()
            .is_none_or(|old| if self.max { key > old } else { key < old })
    }
}

impl Column for KeyExtreme {
    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError)) {
        self.read.read(batch, scope, failed);
        for (i, value) in self.read.values.iter().enumerate() {
            if value.is_null() {
                failed(i, null("a value"));
            }
        }
    }

    fn add(&mut self, rows: Rows<'_>, groups: usize) {
        self.keys.resize(groups, None);
        for (row, group) in rows.groups {
            let mut key = std::mem::take(&mut self.key);
            key.clear();
            key::encode(
                &self.read.values[*row as usize],
                self.read.blocks(rows.batch),
                &mut key,
            );
            if self.is_better(*group as usize, &key) {
                self.keys[*group as usize] = Some(key.as_slice().into());
            }
            self.key = key;
        }
    }

    fn merge(&mut self, other: Box<dyn Column>, numbers: &[u32], groups: usize) {
        let other = other
            .into_any()
            .downcast::<KeyExtreme>()
            .expect("BUG: columns of two kinds");
        self.keys.resize(groups, None);
        for (key, number) in other.keys.into_iter().zip(numbers) {
            if key
                .as_ref()
                .is_some_and(|key| self.is_better(*number as usize, key))
            {
                self.keys[*number as usize] = key;
            }
        }
    }

    fn value(&self, group: usize, _: u8, blocks: &mut Blocks) -> Result<Cell, String> {
        let key = self.keys.get(group).and_then(Option::as_deref);
        Ok(key.map_or(Cell::Null, |mut key| {
            key::decode(&mut key, &self.ty, blocks)
        }))
    }

    fn held(&self) -> usize {
        self.keys.iter().flatten().map(|k| 16 + k.len()).sum()
    }

    fn fresh(&self) -> Box<dyn Column> {
        KeyExtreme::boxed(self.read.from.clone(), &self.ty, self.max)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// `distinct`: how many different values; null is one of them.
pub(super) struct Distinct {
    read: Read,
    /// Each group's number, and a value of it.
    seen: ByteKeys,
    counts: Vec<i64>,
    key: Vec<u8>,
}

impl Distinct {
    pub(super) fn boxed(from: Get) -> Box<dyn Column> {
        Box::new(Distinct {
            read: Read::new(from),
            seen: ByteKeys::default(),
            counts: Vec::new(),
            key: Vec::new(),
        })
    }

    fn see(&mut self, group: u32) {
        let known = self.seen.len();
        self.seen.number(&self.key);
        self.counts[group as usize] += i64::from(self.seen.len() > known);
    }
}

impl Column for Distinct {
    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError)) {
        self.read.read(batch, scope, failed);
    }

    fn add(&mut self, rows: Rows<'_>, groups: usize) {
        self.counts.resize(groups, 0);
        for (row, group) in rows.groups {
            self.key.clear();
            self.key.extend(group.to_be_bytes());
            key::encode(
                &self.read.values[*row as usize],
                self.read.blocks(rows.batch),
                &mut self.key,
            );
            self.see(*group);
        }
    }

    fn merge(&mut self, other: Box<dyn Column>, numbers: &[u32], groups: usize) {
        let other = other
            .into_any()
            .downcast::<Distinct>()
            .expect("BUG: columns of two kinds");
        self.counts.resize(groups, 0);
        for n in 0..other.seen.len() as u32 {
            let (group, value) = other
                .seen
                .get(n)
                .split_first_chunk::<4>()
                .expect("BUG: a value without its group");
            let group = numbers[u32::from_be_bytes(*group) as usize];
            self.key.clear();
            self.key.extend(group.to_be_bytes());
            self.key.extend_from_slice(value);
            self.see(group);
        }
    }

    fn value(&self, group: usize, _: u8, _: &mut Blocks) -> Result<Cell, String> {
        Ok(Cell::Int(self.counts.get(group).copied().unwrap_or(0)))
    }

    fn held(&self) -> usize {
        self.seen.held() + self.counts.capacity() * 8
    }

    fn fresh(&self) -> Box<dyn Column> {
        Distinct::boxed(self.read.from.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
