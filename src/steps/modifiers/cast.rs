//! `as`: what a step made is checked against a type, and scalars are made of texts.

use std::sync::Arc;

use super::super::{
    BatchStep, CompileCx, Compiled, Convert, Cx, Flow, Infer, ItemError, ItemErrorKind, Op, Step,
};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::{Env, Use, Uses};
use crate::value::convert::{fit, fit_row};
use crate::value::{Batch, Blocks, Cell, Shape, Type};

/// The step behind a step that has `as`, where that step does not make the type by itself.
#[derive(Debug)]
pub struct Cast {
    to: Type,
    /// Where it is written.
    at: At,
}

impl Cast {
    pub fn to(ty: Type, at: At) -> Cast {
        Cast { to: ty, at }
    }
}

impl Step for Cast {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if let Some(input) = input
            && let Some(why) = never(input, &self.to)
        {
            let message = format!("{input} cannot become {}", self.to);
            cx.diagnostics.push(
                Diagnostic::new("E0304", self.at, message)
                    .label(why)
                    .help("`as` checks what it is given and reads scalars from text; for anything else write a `map`"),
            );
        }
        self.to.clone()
    }

    /// Everything: also a field that nobody uses is checked.
    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::all(Use::Look)
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let out = self.to.clone();
        let input = input.unwrap_or(&Type::Any);
        let op = if out.accepts(input) && !holds_unread(input) {
            Convert::to(&out).op()
        } else {
            let how = how(input, &out);
            let shape = Shape::of(&out);
            Op::Each(Arc::new(move || {
                Box::new(Run {
                    shape: shape.clone(),
                    how: how.clone(),
                })
            }))
        };
        Compiled { out, op }
    }

    fn describe(&self) -> String {
        format!("as {}", self.to)
    }
}

/// May a value of this type be JSON that was not read yet, whose inside nobody has checked?
fn holds_unread(ty: &Type) -> bool {
    match ty {
        Type::Record(r) => r.rest.is_some() || r.fields.iter().any(|f| !is_scalar(&f.ty)),
        other => !is_scalar(other),
    }
}

fn is_scalar(ty: &Type) -> bool {
    !matches!(ty.required(), Type::Any | Type::List(_) | Type::Record(_))
}

/// Why no value of type `from` can become one of type `to`; `None` where some can.
fn never(from: &Type, to: &Type) -> Option<String> {
    if to.accepts(from) {
        return None;
    }
    match (from.required(), to.required()) {
        (Type::Any, _) | (_, Type::Any) => None,
        // A `T?` may be a T, and null is what a T may not be.
        (Type::Null, _) => (!to.nullable()).then(|| format!("null is no {to}")),
        (Type::String, scalar) if is_scalar(scalar) => None,
        (Type::Int, Type::Double | Type::Duration) | (Type::Double, Type::Duration) => None,
        (Type::List(a), Type::List(b)) => never(a, b).map(|why| format!("in its elements: {why}")),
        (Type::Record(a), Type::Record(b)) => {
            for field in &b.fields {
                match a.field(&field.name) {
                    Some(ty) => {
                        if let Some(why) = never(ty, &field.ty) {
                            return Some(format!("in `{}`: {why}", field.name));
                        }
                    }
                    None if !field.ty.nullable() => {
                        return Some(format!("there is no field `{}`", field.name));
                    }
                    None => {}
                }
            }
            let extra = a.fields.iter().find(|f| b.field(&f.name).is_none());
            extra.map(|f| format!("the field `{}` is not part of it", f.name))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{a} is no {b}")),
    }
}

/// How rows become rows of the new type.
#[derive(Clone, Debug)]
enum How {
    /// Field by field: both types are closed records.
    Fields(Vec<Source>),
    /// By name, looked up in each row.
    ByName,
}

#[derive(Clone, Debug)]
enum Source {
    /// As it is.
    Same(usize),
    /// Made to fit the type; the name is for the message.
    Fit(usize, Type, Arc<str>),
    Null,
}

fn how(from: &Type, to: &Type) -> How {
    let (Type::Record(from), Type::Record(to)) = (from, to) else {
        return How::ByName;
    };
    if from.rest.is_some() || to.rest.is_some() {
        return How::ByName;
    }
    let fields = to.fields.iter().map(|f| match from.slot(&f.name) {
        Some(slot) if f.ty.accepts(&from.fields[slot].ty) && is_scalar(&f.ty) => Source::Same(slot),
        Some(slot) => Source::Fit(slot, f.ty.clone(), f.name.clone()),
        None => Source::Null,
    });
    How::Fields(fields.collect())
}

struct Run {
    shape: Arc<Shape>,
    how: How,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let (cells, blocks) = out.parts_mut();
            let before = cells.len();
            let done = match &self.how {
                How::Fields(fields) => fields.iter().try_for_each(|f| {
                    field(f, row.cells, row.blocks, blocks).map(|c| cells.push(c))
                }),
                How::ByName => {
                    fit_row(row, self.shape.ty(), cells, blocks).map_err(|m| m.to_string())
                }
            };
            match done {
                Ok(()) => out.grew_from(&batch, i),
                Err(message) => {
                    cells.truncate(before);
                    cx.fail(
                        batch.origin(i),
                        row,
                        ItemError::new(ItemErrorKind::Type, message),
                    );
                }
            }
        }
        batch.clear();
        Flow::Next(out)
    }
}

fn field(
    source: &Source,
    cells: &[Cell],
    of: &Blocks,
    blocks: &mut Blocks,
) -> Result<Cell, String> {
    match source {
        // The new batch has the old one's blocks, so a text stays where it is.
        Source::Same(slot) => Ok(cells[*slot].clone()),
        Source::Fit(slot, ty, name) => {
            fit(&cells[*slot], of, ty, blocks).map_err(|m| m.within(name).to_string())
        }
        Source::Null => Ok(Cell::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::run_each;

    fn record(fields: &[(&str, Type)]) -> Type {
        Type::record(fields.iter().map(|(n, t)| ((*n).into(), t.clone())))
    }

    fn cast(from: &Type, to: &Type, rows: &[&[Cell]]) -> Vec<String> {
        let how = how(from, to);
        let shape = Shape::of(to);
        let op = Op::Each(Arc::new(move || {
            Box::new(Run {
                shape: shape.clone(),
                how: how.clone(),
            })
        }));
        let mut batch = Batch::new(Shape::of(from), Blocks::new());
        for row in rows {
            batch.push(row.iter().cloned());
        }
        let (out, errors) = run_each(&op, batch);
        let rows = out.rows().map(|r| {
            let mut json = Vec::new();
            r.detach().write_json(&Blocks::new(), &mut json);
            String::from_utf8(json).unwrap()
        });
        rows.chain(errors.into_iter().map(|e| e.message)).collect()
    }

    #[test]
    fn texts_become_the_scalars_that_they_stand_for_and_what_does_not_fit_is_an_item_error() {
        let from = record(&[("a", Type::String), ("b", Type::String)]);
        let to = record(&[("b", Type::String), ("a", Type::Int)]);
        let rows: &[&[Cell]] = &[
            &[Cell::str("7"), Cell::str("x")],
            &[Cell::str("?"), Cell::str("y")],
        ];
        let out = cast(&from, &to, rows);
        assert_eq!(out[0], r#"{"b":"x","a":7}"#);
        assert!(out[1].contains("`a`") && out[1].contains('?'), "{}", out[1]);
    }

    #[test]
    fn anything_is_looked_at_when_it_comes() {
        let to = record(&[("a", Type::Int), ("b", Type::Double.optional())]);
        let good = Cell::record([("a".into(), Cell::Int(1))]);
        let extra = Cell::record([("a".into(), Cell::Int(1)), ("c".into(), Cell::Int(1))]);
        let out = cast(&Type::Any, &to, &[&[good], &[extra], &[Cell::Int(3)]]);
        assert_eq!(out[0], r#"{"a":1,"b":null}"#);
        assert!(out[1].contains("`c`"), "{}", out[1]);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn what_can_never_fit_is_known_before_anything_runs() {
        let hit = record(&[("a", Type::Int)]);
        for (from, to, why) in [
            (Type::Bool, Type::Int, Some("bool is no int")),
            (Type::String, Type::Int, None),
            (Type::Int, Type::Double, None),
            (Type::String, hit.clone(), Some("string is no {a: int}")),
            (Type::Any, hit.clone(), None),
            (
                record(&[("b", Type::Int)]),
                hit.clone(),
                Some("there is no field `a`"),
            ),
            (
                record(&[("a", Type::Int), ("b", Type::Int)]),
                hit.clone(),
                Some("the field `b` is not part of it"),
            ),
            (
                record(&[("a", Type::Bool)]),
                hit.clone(),
                Some("in `a`: bool is no int"),
            ),
            (
                Type::list(Type::Bool),
                Type::list(Type::Int),
                Some("in its elements: bool is no int"),
            ),
            (Type::Int.optional(), Type::Int, None),
        ] {
            assert_eq!(never(&from, &to).as_deref(), why, "{from} as {to}");
        }
    }
}
