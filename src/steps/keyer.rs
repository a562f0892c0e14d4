//! The key of a row: one expression or several, as bytes in the order of their values (see `key`).

use super::key;
use super::words::no_item;
use super::{CompileCx, ExprText, Infer, Reader};
use crate::expr::{Code, Env, EvalError, Expr, Scope, Uses};
use crate::spec::Node;
use crate::value::{Blocks, Cell, Row, Type};

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

    /// Checks it; every type has an order.
    pub(super) fn check(&self, input: Option<&Type>, step: &str, cx: &mut Infer<'_>) {
        if input.is_none() {
            cx.diagnostics.push(no_item(step, cx.at));
            return;
        }
        for expr in &self.0 {
            expr.check(input, cx);
        }
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
            [one] => match one.ty() {
                Type::Int => Kind::Int,
                Type::Double => Kind::Double,
                Type::String => Kind::String,
                _ => Kind::Any,
            },
            _ => Kind::Any,
        };
        Keyer {
            parts: exprs.iter().map(|e| Get::of(e, input)).collect(),
            kind,
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

/// Makes the keys of rows.
#[derive(Clone, Debug)]
pub(super) struct Keyer {
    parts: Vec<Get>,
    kind: Kind,
    /// For texts that are computed.
    scratch: Blocks,
}

impl Keyer {
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
