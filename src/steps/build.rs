//! Builds the cells of a new record out of those of the old one: what `map`, `assign`, `keep`, `remove` and
//! `rename` run.
//!
//! Rows move over in one pass: what is only handed on is one 16-byte cell, text stays in the blocks where it
//! is, and nothing is allocated an item.

use std::sync::Arc;

use super::{BatchStep, Cx, Flow, ItemError, ItemErrorKind, Op};
use crate::expr::{Code, EvalError, Expr, Scope, Use, Uses};
use crate::value::{Batch, Blocks, Cell, Map, Name, Row, Shape, Type};

/// Where one cell of the new row comes from.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Slot(usize),
    Const(Cell),
    Code(Code),
    /// A field among the others of an open record; null where it is not there.
    Other(Name),
    /// The others of an open record without these.
    Others {
        without: Arc<[Name]>,
    },
}

impl Part {
    /// The part that an expression is.
    pub(super) fn of(expr: &Expr, input: Option<&Type>) -> Part {
        if let Some(constant) = expr.constant() {
            return Part::Const(constant);
        }
        let slot = expr
            .as_field()
            .and_then(|name| input?.as_record()?.slot(name));
        slot.map_or_else(|| Part::Code(expr.compile(input)), Part::Slot)
    }
}

/// Can this expression fail for no item at all? Then it need not be looked at where nobody uses it.
pub(super) fn is_safe(expr: &Expr) -> bool {
    expr.as_field().is_some() || expr.constant().is_some()
}

/// What an expression uses whose value is used so: a field that is only handed on is only passed.
pub(super) fn passed_on(expr: &Expr, how: Option<Use>, uses: &mut Uses) {
    match (expr.as_field(), how) {
        (Some(field), Some(how)) => uses.field(field, how),
        (_, None) if is_safe(expr) => {}
        _ => uses.merge(expr.uses()),
    }
}

/// Where an input type has the fields that it does not name: the slot of the rest of an open record, or the item
/// of type `any` itself.
fn others_slot(input: &Type) -> Option<usize> {
    match input {
        Type::Any => Some(0),
        Type::Record(r) if r.rest.is_some() => Some(r.fields.len()),
        _ => None,
    }
}

/// How a record is built.
#[derive(Debug)]
pub(super) struct Build {
    /// The step's name, for messages.
    pub step: &'static str,
    pub out: Type,
    /// One for each cell of `out`.
    pub parts: Vec<Part>,
    /// Evaluated for their errors only: nobody uses what they give.
    pub checks: Vec<Code>,
}

impl Build {
    /// What runs, for rows of type `input`.
    pub(super) fn op(self, input: &Type) -> Op {
        let shape = Shape::of(&self.out);
        let same = self
            .parts
            .iter()
            .enumerate()
            .all(|(i, p)| matches!(p, Part::Slot(s) if *s == i));
        let wants_others = self
            .parts
            .iter()
            .any(|p| matches!(p, Part::Other(_) | Part::Others { .. }));
        let run = Run {
            step: self.step,
            unchanged: same && self.checks.is_empty() && Shape::of(input).width() == shape.width(),
            others: others_slot(input).filter(|_| wants_others || *input == Type::Any),
            any: *input == Type::Any,
            parts: self.parts.into(),
            checks: self.checks.into(),
            shape,
        };
        Op::Each(Arc::new(move || Box::new(run.clone())))
    }
}

#[derive(Clone, Debug)]
struct Run {
    step: &'static str,
    shape: Arc<Shape>,
    parts: Arc<[Part]>,
    checks: Arc<[Code]>,
    /// Only the shape changes.
    unchanged: bool,
    others: Option<usize>,
    /// The item is of type `any`: whether it is a record is seen now.
    any: bool,
}

impl Run {
    /// Appends the cells of the row that is made of this one; after an error it may have appended some of them.
    fn build(
        &self,
        row: Row<'_>,
        scope: &Scope,
        cells: &mut Vec<Cell>,
        blocks: &mut Blocks,
    ) -> Result<(), ItemError> {
        for check in &*self.checks {
            check.cell(row, scope, blocks)?;
        }
        // The others are detached, but an item of type `any` may still be unread JSON.
        let read;
        let others: Option<&Map> = match self.others.map(|slot| &row.cells[slot]) {
            Some(cell @ Cell::Raw(_)) => {
                read = cell.detach(row.blocks);
                read.as_map()
            }
            Some(cell) => cell.as_map(),
            None => None,
        };
        if self.any && others.is_none() {
            return Err(not_a(
                self.step,
                "a record",
                &row.cells[0].detach(row.blocks),
            ));
        }
        for part in &*self.parts {
            match part {
                Part::Slot(slot) => cells.push(row.cells[*slot].clone()),
                Part::Const(cell) => cells.push(cell.clone()),
                Part::Code(code) => code.push(row, scope, cells, blocks)?,
                Part::Other(name) => {
                    let cell = others.and_then(|m| m.get(name)).cloned();
                    cells.push(cell.unwrap_or_default());
                }
                Part::Others { without } => cells.push(rest(others, without)),
            }
        }
        Ok(())
    }
}

/// That an item of type `any` is not what a step needs.
pub(super) fn not_a(step: &str, wanted: &str, item: &Cell) -> ItemError {
    let found = match item {
        Cell::Null => "null",
        Cell::Bool(_) => "a bool",
        Cell::Int(_) | Cell::Double(_) => "a number",
        Cell::Time { .. } => "a timestamp",
        Cell::Duration { .. } => "a duration",
        cell if cell.as_list().is_some() => "a list",
        cell if cell.as_map().is_some() => "a record",
        cell if cell.as_heap_str().is_some() => "a string",
        _ => "bytes",
    };
    ItemError::new(
        ItemErrorKind::Type,
        format!("`{step}` needs {wanted}, but the item is {found}"),
    )
}

/// The entries that are not among these, or null where there are none.
fn rest(others: Option<&Map>, without: &[Name]) -> Cell {
    let Some(others) = others else {
        return Cell::Null;
    };
    let is_without = |key: &Cell| {
        key.as_heap_str()
            .is_some_and(|k| without.iter().any(|n| **n == *k))
    };
    let kept: Vec<(Cell, Cell)> = others
        .entries()
        .iter()
        .filter(|(key, _)| !is_without(key))
        .cloned()
        .collect();
    if kept.is_empty() {
        Cell::Null
    } else {
        Cell::map(kept)
    }
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        if self.unchanged {
            batch.reshape(self.shape.clone());
            return Flow::Next(batch);
        }
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let (cells, blocks) = out.parts_mut();
            let made = cells.len();
            match self.build(row, cx.scope, cells, blocks) {
                Ok(()) => out.grew_from(&batch, i),
                Err(error) => {
                    cells.truncate(made);
                    cx.fail(batch.origin(i), row, error);
                }
            }
        }
        batch.clear();
        Flow::Next(out)
    }
}

/// Takes a record that is one value apart into the cells of `shape`: fields that are not there are null.
pub(super) fn spread(item: &Cell, shape: &Shape, cells: &mut Vec<Cell>) -> Result<(), EvalError> {
    let Some(record) = shape.record() else {
        cells.push(item.clone());
        return Ok(());
    };
    let Some(map) = item.as_map() else {
        return Err(EvalError::new("the value is null where a record is needed"));
    };
    cells.extend(
        record
            .fields
            .iter()
            .map(|f| map.get(&f.name).cloned().unwrap_or_default()),
    );
    if record.rest.is_some() {
        let names: Vec<Name> = record.fields.iter().map(|f| f.name.clone()).collect();
        cells.push(rest(Some(map), &names));
    }
    Ok(())
}
