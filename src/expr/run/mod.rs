//! What an expression works with while it runs: values, their order, their arithmetic.
//!
//! An error is a value here as in CEL: `false && error` is false, so nothing is thrown away before the
//! operator has looked.

mod arith;
mod compare;
mod val;

pub(super) use arith::{arith, double_arith, int_arith, length, moment, nanos, negate};
pub(super) use compare::{equal, get, order, test};
pub(super) use val::{Bin, Dict, List, Text, Val};

use super::{EvalError, Scope};
use crate::value::Row;

/// Boxed: results stay in registers, and an error is the seldom case.
pub(super) type Fault = Box<Failed>;
pub(super) type R<T> = Result<T, Fault>;

/// What failed, and whether the message says where in the expression.
#[derive(Debug, PartialEq)]
pub(super) struct Failed {
    pub message: String,
    placed: bool,
}

impl Failed {
    /// Says where it failed, unless a part within this part did.
    #[cold]
    pub fn within(mut self: Box<Self>, part: &str) -> Fault {
        if !self.placed {
            self.message = format!("{} in `{part}`", self.message);
            self.placed = true;
        }
        self
    }
}

impl From<Fault> for EvalError {
    fn from(f: Fault) -> EvalError {
        EvalError::new(f.message)
    }
}

#[cold]
pub(super) fn fault(message: impl Into<String>) -> Fault {
    Box::new(Failed {
        message: message.into(),
        placed: false,
    })
}

/// A message that names its place itself.
#[cold]
pub(super) fn placed(message: impl Into<String>) -> Fault {
    Box::new(Failed {
        message: message.into(),
        placed: true,
    })
}

/// What an expression sees while it runs. `'a`: the row, the scope and the compiled expression; `'f`: the
/// variables of macros, which values never borrow from.
#[derive(Clone, Copy)]
pub(super) struct Cx<'f, 'a> {
    pub row: Row<'a>,
    pub scope: &'a Scope,
    pub frame: Option<&'f Frame<'f, 'a>>,
}

/// A macro's variable and those around it.
pub(super) struct Frame<'f, 'a> {
    pub val: Val<'a>,
    pub up: Option<&'f Frame<'f, 'a>>,
}

impl<'a> Cx<'_, 'a> {
    /// The variable that was bound `up` bindings ago.
    #[inline]
    pub fn local(&self, up: usize) -> Val<'a> {
        let mut frame = self.frame;
        for _ in 0..up {
            frame = frame.and_then(|f| f.up);
        }
        frame
            .expect("BUG: a variable outside of its macro")
            .val
            .clone()
    }
}
