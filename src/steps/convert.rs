//! The step that nobody writes: brings batches into the shape of the connection that they go to.

use std::sync::Arc;

use super::{BatchStep, Cx, Flow, Op};
use crate::value::{Batch, Cell, Row, Shape, Type};

/// Brings batches of any type that `to` accepts into the shape of `to`: a record that goes where `any` is
/// wanted becomes one cell, fields are put in the order of the shape, those it does not have are left out.
///
/// It cannot fail: the checker lets nothing pass that `to` does not accept. Every row stays a row.
#[derive(Clone, Debug)]
pub struct Convert {
    to: Arc<Shape>,
}

/// How rows of one shape become rows of another.
#[derive(Debug, PartialEq)]
enum How {
    /// The cells are right as they are.
    Pass,
    /// The record becomes one cell.
    Pack,
    /// Each cell of the new row, and the slots that go into the rest of an open record.
    Fields {
        cells: Vec<Take>,
        rest: Option<Vec<(Cell, usize)>>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Take {
    Slot(usize),
    /// The field may be among the rest of an open record.
    Rest,
    Null,
}

fn how(from: &Shape, to: &Shape) -> How {
    let (a, b) = match (from.record(), to.record()) {
        (None, _) => return How::Pass,
        (Some(_), None) => return How::Pack,
        (Some(a), Some(b)) => (a, b),
    };
    let missing = if a.rest.is_some() {
        Take::Rest
    } else {
        Take::Null
    };
    let cells: Vec<Take> = b
        .fields
        .iter()
        .map(|f| a.slot(&f.name).map_or(missing, Take::Slot))
        .collect();
    let in_place =
        cells.iter().enumerate().all(|(i, t)| *t == Take::Slot(i)) && cells.len() == a.fields.len();
    if in_place && a.rest.is_some() == b.rest.is_some() {
        return How::Pass;
    }
    let rest = b.rest.is_some().then(|| {
        let others = a
            .fields
            .iter()
            .enumerate()
            .filter(|(_, f)| b.slot(&f.name).is_none());
        others.map(|(i, f)| (Cell::str(&f.name), i)).collect()
    });
    How::Fields { cells, rest }
}

impl Convert {
    pub fn to(ty: &Type) -> Convert {
        Convert { to: Shape::of(ty) }
    }

    /// As a step, for a stage whose inputs differ.
    pub fn op(self) -> Op {
        Op::Each(Arc::new(move || Box::new(self.clone())))
    }

    /// The same items in the shape that is wanted.
    #[must_use]
    pub fn apply(&self, mut batch: Batch) -> Batch {
        if Arc::ptr_eq(batch.shape(), &self.to) {
            return batch;
        }
        match how(batch.shape(), &self.to) {
            How::Pass => {
                batch.reshape(self.to.clone());
                batch
            }
            How::Pack => {
                let mut out = batch.derive(self.to.clone());
                for i in 0..batch.len() {
                    let item = batch.row(i).detach();
                    out.push_from(&batch, i, [item]);
                }
                batch.clear();
                out
            }
            How::Fields { cells, rest } => {
                let mut out = batch.derive(self.to.clone());
                for i in 0..batch.len() {
                    let new = fields(batch.row(i), &cells, rest.as_deref(), &self.to);
                    out.push_from(&batch, i, new);
                }
                batch.clear();
                out
            }
        }
    }
}

impl BatchStep for Convert {
    fn run(&mut self, batch: Batch, _: &mut Cx<'_>) -> Flow {
        Flow::Next(self.apply(batch))
    }
}

fn fields(row: Row<'_>, cells: &[Take], rest: Option<&[(Cell, usize)]>, to: &Shape) -> Vec<Cell> {
    // What an open record holds beside its fields is detached.
    let others = row
        .shape
        .rest_slot()
        .and_then(|slot| row.cells[slot].as_map());
    let mut new = Vec::with_capacity(to.width());
    for (i, take) in cells.iter().enumerate() {
        new.push(match take {
            Take::Slot(slot) => row.cells[*slot].clone(),
            Take::Rest => {
                let name = &to
                    .record()
                    .expect("BUG: fields of what is no record")
                    .fields[i]
                    .name;
                others
                    .and_then(|m| m.get(name))
                    .cloned()
                    .unwrap_or_default()
            }
            Take::Null => Cell::Null,
        });
    }
    if let Some(packed) = rest {
        let record = to.record().expect("BUG: the rest of what is no record");
        let mut entries: Vec<(Cell, Cell)> = packed
            .iter()
            .map(|(name, slot)| (name.clone(), row.cells[*slot].detach(row.blocks)))
            .collect();
        if let Some(map) = others {
            let kept = map
                .entries()
                .iter()
                .filter(|(k, _)| k.as_heap_str().is_none_or(|k| record.slot(k).is_none()));
            entries.extend(kept.cloned());
        }
        new.push(if entries.is_empty() {
            Cell::Null
        } else {
            Cell::map(entries)
        });
    }
    new
}

#[cfg(test)]
mod tests {
    use super::super::testing::run_each;
    use super::*;
    use crate::value::Blocks;

    fn record(fields: &[(&str, Type)], rest: Option<Type>) -> Type {
        let mut record =
            crate::value::RecordType::closed(fields.iter().map(|(n, t)| ((*n).into(), t.clone())));
        record.rest = rest;
        Type::Record(Arc::new(record))
    }

    fn batch(ty: &Type, rows: &[&[Cell]]) -> Batch {
        let mut batch = Batch::new(Shape::of(ty), Blocks::new());
        for row in rows {
            batch.push(row.iter().cloned());
        }
        batch
    }

    fn json(batch: &Batch) -> Vec<String> {
        batch
            .rows()
            .map(|r| {
                let mut out = Vec::new();
                r.detach().write_json(&Blocks::new(), &mut out);
                String::from_utf8(out).unwrap()
            })
            .collect()
    }

    fn converted(to: &Type, from: Batch) -> Batch {
        let (out, errors) = run_each(&Convert::to(to).op(), from);
        assert!(errors.is_empty());
        assert_eq!(out.ty(), to);
        out
    }

    #[test]
    fn a_scalar_goes_where_it_may_be_null_or_anything() {
        for to in [Type::Int.optional(), Type::Any] {
            let out = converted(&to, batch(&Type::Int, &[&[Cell::Int(1)], &[Cell::Int(2)]]));
            assert_eq!(json(&out), ["1", "2"]);
        }
    }

    #[test]
    fn a_record_becomes_one_value_where_anything_goes() {
        let from = record(&[("a", Type::Int), ("b", Type::String)], None);
        for to in [Type::Any, from.clone().optional()] {
            let out = converted(&to, batch(&from, &[&[Cell::Int(1), Cell::str("x")]]));
            assert_eq!(out.row(0).cells.len(), 1);
            assert_eq!(json(&out), [r#"{"a":1,"b":"x"}"#]);
        }
    }

    #[test]
    fn fields_are_put_in_order_left_out_and_filled_with_null() {
        let from = record(
            &[("a", Type::Int), ("b", Type::String), ("c", Type::Int)],
            None,
        );
        let to = record(
            &[
                ("c", Type::Int),
                ("d", Type::Int.optional()),
                ("a", Type::Int),
            ],
            None,
        );
        let out = converted(
            &to,
            batch(&from, &[&[Cell::Int(1), Cell::str("x"), Cell::Int(3)]]),
        );
        assert_eq!(json(&out), [r#"{"c":3,"d":null,"a":1}"#]);
    }

    #[test]
    fn what_an_open_record_holds_moves_between_its_fields_and_its_rest() {
        let from = record(&[("a", Type::Int), ("b", Type::Int)], Some(Type::Int));
        let to = record(
            &[("z", Type::Int.optional()), ("a", Type::Int)],
            Some(Type::Int),
        );
        let rest = Cell::record([("z".into(), Cell::Int(26)), ("y".into(), Cell::Int(25))]);
        let out = converted(
            &to,
            batch(
                &from,
                &[
                    &[Cell::Int(1), Cell::Int(2), rest],
                    &[Cell::Int(3), Cell::Int(4), Cell::Null],
                ],
            ),
        );
        assert_eq!(
            json(&out),
            [
                r#"{"z":26,"a":1,"b":2,"y":25}"#,
                r#"{"z":null,"a":3,"b":4}"#
            ]
        );
    }

    #[test]
    fn rows_keep_their_origins_and_their_text() {
        let from = record(&[("a", Type::Int), ("t", Type::String)], None);
        let to = record(&[("t", Type::String)], None);
        let mut blocks = Blocks::new();
        let (x, y) = (blocks.text("x"), blocks.text("y"));
        let mut rows = Batch::new(Shape::of(&from), blocks);
        rows.push([Cell::Int(1), x]);
        rows.push([Cell::Int(2), y]);
        rows.keep_origins();
        rows.retain(|i, _| i == 1);
        let out = Convert::to(&to).apply(rows);
        assert_eq!((out.row(0).str(0), out.origin(0)), (Some("y"), 1));
    }
}
