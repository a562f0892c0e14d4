//! The key of a row: one expression or several, as bytes in the order of their values (see `key`).

use std::sync::Arc;

use super::key;
use super::words::no_item;
use super::{CompileCx, ExprText, Infer, Reader};
use crate::expr::{Code, Env, EvalError, Expr, Scope, Uses};
use crate::spec::Node;
use crate::value::{Batch, Blocks, Cell, Row, Type};

/// What to order by, as it was written: an expression, or a list of them, the first of which counts most.
#[derive(Clone, Debug)]
pub(super) struct By(Vec<ExprText>);

impl By {
    pub(super) fn read(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<By> {
        let each: Vec<Option<ExprText>> = node
            .one_or_more()
            .iter()
            .map(|n| ExprText::read(n, what, reader))
            .collect();
        if each.is_empty() {
            reader.error(
                "E0105",
                node.at,
                format!("{what} must be an expression, not an empty list"),
            );
            return None;
        }
        each.into_iter().collect::<Option<_>>().map(By)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Checks it (every type has an order), and answers the type of each expression.
    pub(super) fn check(
        &self,
        input: Option<&Type>,
        step: &str,
        cx: &mut Infer<'_>,
    ) -> Vec<Option<(&ExprText, Type)>> {
        if input.is_none() {
            cx.diagnostics.push(no_item(step, cx.at));
            return Vec::new();
        }
        let each = self.0.iter();
        each.map(|e| Some((e, e.check(input, cx)?.ty().clone())))
            .collect()
    }

    pub(super) fn uses(&self, input: &Type, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        for expr in &self.0 {
            uses.merge(&expr.uses(input, env));
        }
        uses
    }

    pub(super) fn compile(&self, input: Option<&Type>, cx: &CompileCx<'_>) -> Keyer {
        let exprs: Vec<Expr> = self.0.iter().map(|e| e.checked(input, cx)).collect();
        let kind = match exprs.as_slice() {
            [one] => Kind::of(one.ty()),
            _ => Kind::Any,
        };
        Keyer {
            parts: exprs.iter().map(|e| Get::of(e, input)).collect(),
            kind,
            scratch: Blocks::new(),
        }
    }

    /// A keyer of general form: its keys are those of `key::encode`, one behind the other, whatever the types.
    pub(super) fn compile_values(&self, input: Option<&Type>, cx: &CompileCx<'_>) -> Keyer {
        Keyer {
            kind: Kind::Any,
            ..self.compile(input, cx)
        }
    }

    /// The keyer of an expression, for tests.
    #[cfg(test)]
    pub(super) fn test(text: &str, ty: &Type) -> Keyer {
        let expr = crate::expr::check(
            text,
            &Env {
                item: Some(ty.clone()),
                ..Env::default()
            },
        )
        .unwrap();
        Keyer {
            parts: vec![Get::of(&expr, Some(ty))],
            kind: Kind::of(expr.ty()),
            scratch: Blocks::new(),
        }
    }

    pub(super) fn describe(&self) -> String {
        let each: Vec<&str> = self.0.iter().map(ExprText::text).collect();
        each.join(", ")
    }
}

/// Where a value comes from: a slot of the row, or a computation.
#[derive(Clone, Debug)]
pub(super) enum Get {
    Slot(usize),
    Code(Code),
}

impl Get {
    pub(super) fn of(expr: &Expr, input: Option<&Type>) -> Get {
        let slot = expr
            .as_field()
            .and_then(|name| input?.as_record()?.slot(name));
        slot.map_or_else(|| Get::Code(expr.compile(input)), Get::Slot)
    }

    pub(super) fn bool(&self, row: Row<'_>, scope: &Scope) -> Result<bool, EvalError> {
        match self {
            Get::Slot(slot) => match row.cells[*slot] {
                Cell::Bool(b) => Ok(b),
                _ => Err(null("a bool")),
            },
            Get::Code(code) => code.bool(row, scope),
        }
    }

    pub(super) fn int(&self, row: Row<'_>, scope: &Scope) -> Result<i64, EvalError> {
        match self {
            Get::Slot(slot) => match row.cells[*slot] {
                Cell::Int(i) => Ok(i),
                _ => Err(null("an int")),
            },
            Get::Code(code) => code.int(row, scope),
        }
    }

    pub(super) fn double(&self, row: Row<'_>, scope: &Scope) -> Result<f64, EvalError> {
        match self {
            Get::Slot(slot) => match row.cells[*slot] {
                Cell::Double(d) => Ok(d),
                Cell::Int(i) => Ok(i as f64),
                _ => Err(null("a double")),
            },
            Get::Code(code) => code.double(row, scope),
        }
    }

    /// The value, and the blocks that it stands in: the row's, or those that were given.
    pub(super) fn cell<'b>(
        &self,
        row: Row<'b>,
        scope: &Scope,
        scratch: &'b mut Blocks,
    ) -> Result<(Cell, &'b Blocks), EvalError> {
        match self {
            Get::Slot(slot) => Ok((row.cells[*slot].clone(), row.blocks)),
            Get::Code(code) => {
                let cell = code.cell(row, scope, scratch)?;
                Ok((cell, scratch))
            }
        }
    }
}

/// A value is null (or of another type, in an item of type `any`) where one is needed.
pub(super) fn null(wanted: &str) -> EvalError {
    EvalError::new(format!("null where {wanted} is needed"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Double,
    String,
    Any,
}

impl Kind {
    fn of(ty: &Type) -> Kind {
        match ty {
            Type::Int => Kind::Int,
            Type::Double => Kind::Double,
            Type::String => Kind::String,
            _ => Kind::Any,
        }
    }
}

/// Makes the keys of rows.
#[derive(Clone, Debug)]
pub(super) struct Keyer {
    parts: Vec<Get>,
    kind: Kind,
    /// For texts that are computed.
    scratch: Blocks,
}

impl Keyer {
    /// Are all keys eight bytes long?
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Int | Kind::Double)
    }

    /// Appends the row's key.
    ///
    /// # Errors
    /// What the expression says; then what was appended is to be thrown away.
    pub(super) fn key(
        &mut self,
        row: Row<'_>,
        scope: &Scope,
        out: &mut Vec<u8>,
    ) -> Result<(), EvalError> {
        match (self.kind, self.parts.as_slice()) {
            (Kind::Int, [part]) => out.extend(key::ordered(part.int(row, scope)?).to_be_bytes()),
            (Kind::Double, [part]) => {
                out.extend(key::double_bits(part.double(row, scope)?).to_be_bytes())
            }
            (Kind::String, [Get::Slot(slot)]) => {
                out.extend_from_slice(row.str(*slot).ok_or_else(|| null("a string"))?.as_bytes());
            }
            (Kind::String, [Get::Code(code)]) => {
                out.extend_from_slice(code.str(row, scope)?.as_bytes())
            }
            (_, parts) => {
                for part in parts {
                    let (cell, blocks) = part.cell(row, scope, &mut self.scratch)?;
                    key::encode(&cell, blocks, out);
                }
                if !self.scratch.is_empty() {
                    self.scratch = Blocks::new();
                }
            }
        }
        Ok(())
    }
}

/// The first eight bytes of a key as a number in the same order: most comparisons need no more.
pub(super) fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let n = key.len().min(8);
    first[..n].copy_from_slice(&key[..n]);
    u64::from_be_bytes(first)
}

/// Which cells of a row are kept.
#[derive(Clone, Debug)]
pub(super) enum Keeps {
    All,
    Slots(Arc<[usize]>),
}

impl Keeps {
    pub(super) fn of(input: &Type, out: &Type) -> Keeps {
        match (input.as_record(), out.as_record()) {
            (Some(a), Some(b)) if a != b => {
                Keeps::Slots(b.fields.iter().filter_map(|f| a.slot(&f.name)).collect())
            }
            _ => Keeps::All,
        }
    }

    pub(super) fn cells<'c>(&self, cells: &'c [Cell]) -> impl Iterator<Item = &'c Cell> {
        let slots = match self {
            Keeps::All => None,
            Keeps::Slots(slots) => Some(slots.clone()),
        };
        let n = slots.as_ref().map_or(cells.len(), |s| s.len());
        (0..n).map(move |i| &cells[slots.as_ref().map_or(i, |s| s[i])])
    }
}

/// Where a batch stands in the stage's input, so that parts of several workers can be put in order: batches
/// of the same ordinal are all seen by one worker, those that cover none come before the next that does.
pub(super) fn place(batch: &Batch) -> u64 {
    batch.ord * 2 + u64::from(batch.span > 0)
}
