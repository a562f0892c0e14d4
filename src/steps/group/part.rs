//! One worker's part of a `group`, which at the end holds the parts of all.

use std::any::Any;
use std::sync::Arc;

use super::super::key;
use super::super::keyer::{Get, null, place};
use super::super::{Cx, Memory, Outcome, RunError};
use super::column::{Column, Rows};
use super::keys::Keys;
use crate::expr::{EvalError, Scope};
use crate::value::{Batch, Blocks, Cell, Row, Shape, Type};

/// One expression of `by`.
#[derive(Clone, Debug)]
pub(super) struct By {
    pub from: Get,
    pub ty: Type,
    /// Does anybody use it of the results?
    pub used: bool,
}

/// Where a result comes from.
#[derive(Clone, Debug)]
pub(super) struct Result {
    pub column: usize,
    pub percent: u8,
    pub used: bool,
    /// As it was written, for errors.
    pub text: Arc<str>,
}

pub(super) struct Part {
    by: Arc<[By]>,
    keys: Keys,
    columns: Vec<Box<dyn Column>>,
    results: Arc<[Result]>,
    shape: Arc<Shape>,
    /// Without `by`, and every aggregate has a value for no items.
    has_zero: bool,
    /// Rows seen.
    seen: u64,
    /// The groups that are still to be given out, in order, and how far.
    order: Option<(Vec<u32>, usize)>,
    /// Rows of the batch that failed, and the group of each row that did not.
    failed: Vec<bool>,
    groups: Vec<(u32, u32)>,
    key: Vec<u8>,
    scratch: Blocks,
}

impl Part {
    pub(super) fn new(
        by: Arc<[By]>,
        keys: Keys,
        columns: Vec<Box<dyn Column>>,
        results: Arc<[Result]>,
        shape: Arc<Shape>,
        has_zero: bool,
    ) -> Part {
        Part {
            by,
            keys,
            columns,
            results,
            shape,
            has_zero,
            seen: 0,
            order: None,
            failed: Vec::new(),
            groups: Vec::new(),
            key: Vec::new(),
            scratch: Blocks::new(),
        }
    }

    /// A part of the same step that has seen nothing. It shares the seeds of the tables, so that keys have the
    /// same hashes everywhere.
    pub(super) fn fresh(&self) -> Part {
        Part::new(
            self.by.clone(),
            self.keys.fresh(),
            self.columns.iter().map(|c| c.fresh()).collect(),
            self.results.clone(),
            self.shape.clone(),
            self.has_zero,
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.len() == 0
    }

    /// The number of the row's group.
    #[inline]
    fn group(&mut self, row: Row<'_>, scope: &Scope) -> std::result::Result<u32, EvalError> {
        match (&mut self.keys, &*self.by) {
            (Keys::One { seen }, _) => {
                *seen = true;
                Ok(0)
            }
            (Keys::Int(keys), [by]) => Ok(keys.number(by.from.int(row, scope)?)),
            (
                Keys::Bytes(keys),
                [
                    By {
                        from,
                        ty: Type::String,
                        ..
                    },
                ],
            ) => match from {
                Get::Slot(slot) => {
                    Ok(keys.number(row.str(*slot).ok_or_else(|| null("a string"))?.as_bytes()))
                }
                Get::Code(code) => Ok(keys.number(code.str(row, scope)?.as_bytes())),
            },
            (Keys::Bytes(keys), by) => {
                self.key.clear();
                for by in by {
                    let (cell, blocks) = by.from.cell(row, scope, &mut self.scratch)?;
                    key::encode(&cell, blocks, &mut self.key);
                }
                Ok(keys.number(&self.key))
            }
            (Keys::Int(_), _) => unreachable!("BUG: an int table for several keys"),
        }
    }

    /// The cells of a group's key that are used.
    fn key_cells(&self, group: u32, blocks: &mut Blocks, cells: &mut Vec<Cell>) {
        match (&self.keys, &*self.by) {
            (Keys::One { .. }, _) => {}
            (Keys::Int(keys), by) => {
                if by[0].used {
                    cells.push(Cell::Int(keys.get(group)));
                }
            }
            (
                Keys::Bytes(keys),
                [
                    By {
                        ty: Type::String,
                        used,
                        ..
                    },
                ],
            ) => {
                if *used {
                    let text = std::str::from_utf8(keys.get(group))
                        .expect("BUG: a string's key is not UTF-8");
                    cells.push(blocks.text(text));
                }
            }
            (Keys::Bytes(keys), by) => {
                let mut key = keys.get(group);
                for by in by {
                    let cell = key::decode(&mut key, &by.ty, blocks);
                    if by.used {
                        cells.push(cell);
                    }
                }
            }
        }
    }
}

impl Memory for Part {
    fn absorb(&mut self, batch: Batch, cx: &mut Cx<'_>) -> std::result::Result<(), RunError> {
        self.failed.clear();
        self.failed.resize(batch.len(), false);
        // Everything is evaluated before anything is added: an item is in all aggregates or in none.
        let failed = &mut self.failed;
        for column in &mut self.columns {
            column.read(&batch, cx.scope, &mut |row, error| {
                if !std::mem::replace(&mut failed[row], true) {
                    cx.faults
                        .fail(batch.origin(row), batch.row(row), error.into());
                }
            });
        }
        self.groups.clear();
        for i in 0..batch.len() {
            if self.failed[i] {
                continue;
            }
            match self.group(batch.row(i), cx.scope) {
                Ok(group) => self.groups.push((i as u32, group)),
                Err(error) => cx.fail(batch.origin(i), batch.row(i), error),
            }
        }
        let rows = Rows {
            batch: &batch,
            groups: &self.groups,
            place: (place(&batch), self.seen),
        };
        let groups = self.keys.len();
        for column in &mut self.columns {
            column.add(rows, groups);
        }
        if !self.scratch.is_empty() {
            self.scratch = Blocks::new();
        }
        self.seen += batch.len() as u64;
        cx.settle(Outcome::Absorbed, self.groups.len());
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Memory>) {
        let mut other = other
            .into_any()
            .downcast::<Part>()
            .expect("BUG: parts of two steps");
        if self.keys.len() == 0 {
            std::mem::swap(&mut self.keys, &mut other.keys);
            std::mem::swap(&mut self.columns, &mut other.columns);
            return;
        }
        let numbers = self.keys.merge(&other.keys);
        let groups = self.keys.len();
        for (column, new) in self.columns.iter_mut().zip(other.columns) {
            column.merge(new, &numbers, groups);
        }
    }

    fn drain(&mut self, cx: &mut Cx<'_>) -> std::result::Result<Option<Batch>, RunError> {
        if self.order.is_none() {
            if self.has_zero
                && let Keys::One { seen } = &mut self.keys
            {
                *seen = true;
            }
            self.columns.iter_mut().for_each(|c| c.settle());
            self.order = Some((self.keys.sorted(), 0));
        }
        let (order, done) = self.order.take().expect("BUG: it has just been made");
        let next = &order[done..(done + 256).min(order.len())];
        let mut blocks = Blocks::new();
        let mut cells = Vec::with_capacity(next.len() * self.shape.width());
        for group in next {
            self.key_cells(*group, &mut blocks, &mut cells);
            for result in self.results.iter().filter(|r| r.used) {
                let value =
                    self.columns[result.column].value(*group as usize, result.percent, &mut blocks);
                cells.push(value.map_err(|message| {
                    let mut key = Vec::new();
                    self.key_cells(*group, &mut blocks, &mut key);
                    let of = of_group(&key, &blocks);
                    RunError::Failed {
                        message: format!("`{}`{of}: {message}", result.text),
                    }
                })?);
            }
        }
        let rows = next.len();
        if rows == 0 {
            self.order = Some((order, done));
            return Ok(None);
        }
        self.order = Some((order, done + rows));
        let mut batch = Batch::new(self.shape.clone(), blocks);
        *batch.parts_mut().0 = cells;
        batch.grew(rows);
        cx.made(rows);
        Ok(Some(batch))
    }

    fn held(&self) -> usize {
        self.keys.held() + self.columns.iter().map(|c| c.held()).sum::<usize>()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Which group an error is about.
fn of_group(key: &[Cell], blocks: &Blocks) -> String {
    if key.is_empty() {
        return String::new();
    }
    let mut text = Vec::new();
    for (i, cell) in key.iter().enumerate() {
        if i > 0 {
            text.extend_from_slice(b", ");
        }
        cell.write_json(blocks, &mut text);
    }
    format!(" of the group {}", String::from_utf8_lossy(&text))
}
