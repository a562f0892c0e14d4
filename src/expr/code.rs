//! An expression compiled for the rows of one type.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::compile::Op;
use super::run::{Cx, Val};
use super::{EvalError, Scope};
use crate::value::{Blocks, Cell, Row};

/// An expression, ready to run over rows of the type that it was compiled for (rows of any type, also of
/// width 0, where it was compiled for none).
///
/// Ask for the kind that [`super::Expr::ty`] says: a bool, an int or a double costs nothing beyond itself.
/// For a `T?` and for `any` they are checked when it runs: null, or another kind, is an error.
#[derive(Clone)]
pub struct Code(Arc<Op>);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({:?})", self.0)
    }
}

impl Code {
    pub(super) fn new(op: Op) -> Code {
        Code(Arc::new(op))
    }

    /// # Errors
    /// What failed for this row.
    #[inline]
    pub fn bool(&self, row: Row<'_>, scope: &Scope) -> Result<bool, EvalError> {
        Ok(self.0.bool(&Cx {
            row,
            scope,
            frame: None,
        })?)
    }

    /// # Errors
    /// What failed for this row.
    #[inline]
    pub fn int(&self, row: Row<'_>, scope: &Scope) -> Result<i64, EvalError> {
        Ok(self.0.int(&Cx {
            row,
            scope,
            frame: None,
        })?)
    }

    /// An int is a double too.
    ///
    /// # Errors
    /// What failed for this row.
    #[inline]
    pub fn double(&self, row: Row<'_>, scope: &Scope) -> Result<f64, EvalError> {
        Ok(self.0.double(&Cx {
            row,
            scope,
            frame: None,
        })?)
    }

    /// # Errors
    /// What failed for this row.
    #[inline]
    pub fn str<'a>(&'a self, row: Row<'a>, scope: &'a Scope) -> Result<Cow<'a, str>, EvalError> {
        Ok(self
            .0
            .str(&Cx {
                row,
                scope,
                frame: None,
            })?
            .into_cow())
    }

    /// The value as a cell that means something beside `out`: a span of its blocks, or detached.
    ///
    /// `out` may be any blocks. Where it shares the row's (made by `Batch::derive`, which gives every block the
    /// same number), texts that are in the row, whole or in part, are handed out as spans of them without a
    /// copy, and unread JSON stays unread; all other texts are appended to `out`. Lists and records are
    /// detached, and shared where they go in whole.
    ///
    /// # Errors
    /// What failed for this row.
    #[inline]
    pub fn cell(&self, row: Row<'_>, scope: &Scope, out: &mut Blocks) -> Result<Cell, EvalError> {
        Ok(self.0.cell(
            &Cx {
                row,
                scope,
                frame: None,
            },
            out,
        )?)
    }

    /// Appends the value as [`Code::cell`] makes it.
    ///
    /// # Errors
    /// What failed for this row; then nothing is appended.
    #[inline]
    pub fn push(
        &self,
        row: Row<'_>,
        scope: &Scope,
        cells: &mut Vec<Cell>,
        out: &mut Blocks,
    ) -> Result<(), EvalError> {
        let cx = Cx {
            row,
            scope,
            frame: None,
        };
        Ok(self.0.push(&cx, cells, out)?)
    }

    /// Appends the value as text: strings and bytes as they are, times and numbers without quotes, lists and
    /// records as JSON, null as `null`.
    ///
    /// # Errors
    /// What failed for this row; then nothing is appended.
    pub fn render(&self, row: Row<'_>, scope: &Scope, out: &mut Vec<u8>) -> Result<(), EvalError> {
        match self.0.eval(&Cx {
            row,
            scope,
            frame: None,
        })? {
            Val::Str(s) => out.extend_from_slice(s.as_str().as_bytes()),
            Val::Bytes(b) => out.extend_from_slice(b.as_slice()),
            other => other.detach()?.write_text(row.blocks, out),
        }
        Ok(())
    }

    /// The value as a cell that stands alone.
    ///
    /// # Errors
    /// What failed for this row.
    pub fn detached(&self, row: Row<'_>, scope: &Scope) -> Result<Cell, EvalError> {
        Ok(self.0.detached(&Cx {
            row,
            scope,
            frame: None,
        })?)
    }
}
