//! An expression compiled for the rows of one type.

use std::borrow::Cow;
use std::sync::Arc;

use cel_core::{MapActivation, Program, Value};

use super::expression::{Inner, variables};
use super::{EvalError, Scope, library};
use crate::value::{Blocks, Cell, Row, Type};

/// An expression, ready to run over rows of the type that it was compiled for (of width 0 where there is no item).
#[derive(Clone)]
pub struct Code(Arc<Program>, Arc<Names>);

struct Names {
    params: Vec<String>,
    fields: Vec<(String, usize)>,
    item: bool,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

impl Code {
    pub(super) fn new(inner: &Inner, item: Option<&Type>) -> Code {
        let mut cel = library::base().clone();
        for (name, ty) in variables(&inner.env) {
            cel.add_variable(&*name, library::cel_type(&ty));
        }
        let ast = cel_core::Ast::new_unchecked(inner.ast.clone(), inner.text.as_str());
        let program = cel
            .program(&ast)
            .expect("BUG: a checked expression makes a program");
        let fields = item
            .and_then(Type::as_record)
            .map(|r| {
                r.fields
                    .iter()
                    .enumerate()
                    .map(|(i, f)| (f.name.to_string(), i))
                    .collect()
            })
            .unwrap_or_default();
        let params = inner
            .env
            .params
            .iter()
            .map(|(n, _)| n.to_string())
            .collect();
        Code(
            Arc::new(program),
            Arc::new(Names {
                params,
                fields,
                item: item.is_some(),
            }),
        )
    }

    fn eval(&self, row: Row<'_>, scope: &Scope) -> Result<Value, EvalError> {
        let mut all = MapActivation::new();
        for (name, slot) in &self.1.fields {
            all.insert(name.clone(), library::value(&row.cells[*slot], row.blocks));
        }
        if self.1.item {
            all.insert("item", library::value(&row.detach(), row.blocks));
        }
        let params = self.1.params.iter().zip(&scope.params);
        all.insert(
            "params",
            Value::map(params.map(|(n, c)| (n.clone(), library::value(c, row.blocks)))),
        );
        all.insert("worker", scope.worker as i64);
        let start = Value::Timestamp(cel_core::Timestamp::new(
            scope.start.0,
            scope.start.1 as i32,
        ));
        all.insert(
            "run",
            Value::map([("start", start), ("failed", Value::Bool(scope.failed))]),
        );
        match self.0.eval(&all) {
            Value::Error(e) => Err(EvalError::new(e.message.clone())),
            value => Ok(value),
        }
    }

    /// # Errors
    /// What failed for this row; null and other kinds of value too.
    pub fn bool(&self, row: Row<'_>, scope: &Scope) -> Result<bool, EvalError> {
        match self.eval(row, scope)? {
            Value::Bool(b) => Ok(b),
            other => Err(wrong("bool", &other)),
        }
    }

    /// # Errors
    /// As [`Code::bool`].
    pub fn int(&self, row: Row<'_>, scope: &Scope) -> Result<i64, EvalError> {
        match self.eval(row, scope)? {
            Value::Int(i) => Ok(i),
            other => Err(wrong("int", &other)),
        }
    }

    /// An int is a double too.
    ///
    /// # Errors
    /// As [`Code::bool`].
    pub fn double(&self, row: Row<'_>, scope: &Scope) -> Result<f64, EvalError> {
        match self.eval(row, scope)? {
            Value::Double(d) => Ok(d),
            Value::Int(i) => Ok(i as f64),
            other => Err(wrong("double", &other)),
        }
    }

    /// The value as a cell of `out` or a detached one: texts that lie in blocks which `out` shares (as after
    /// `Batch::derive`) are not copied, others go to the end of `out`.
    ///
    /// # Errors
    /// What failed for this row.
    pub fn cell(&self, row: Row<'_>, scope: &Scope, out: &mut Blocks) -> Result<Cell, EvalError> {
        let cell = library::cell(&self.eval(row, scope)?)?;
        Ok(match cell.as_heap_str() {
            Some(text) => out.text(text),
            None => cell,
        })
    }

    /// # Errors
    /// As [`Code::bool`].
    pub fn str<'a>(&self, row: Row<'a>, scope: &'a Scope) -> Result<Cow<'a, str>, EvalError> {
        match self.eval(row, scope)? {
            Value::String(s) => Ok(Cow::Owned(s.to_string())),
            other => Err(wrong("string", &other)),
        }
    }
}

fn wrong(wanted: &str, value: &Value) -> EvalError {
    EvalError::new(format!(
        "a {wanted} is needed, this is {}",
        value.cel_type().display_name()
    ))
}
