//! What expressions mean, what is said about wrong ones, and what they hand out; here is what the tests share.

mod doors;
mod said;
mod types;
mod values;

use std::sync::Arc;

use super::*;
use crate::value::{Batch, Blocks, Cell, Name, RecordType, Row, Shape, Type};

fn names(pairs: &[(&str, Type)]) -> Vec<(Name, Type)> {
    pairs
        .iter()
        .map(|(n, t)| (Name::from(*n), t.clone()))
        .collect()
}

/// A log line with a little of everything.
fn hit() -> Type {
    Type::record(names(&[
        ("path", Type::String),
        ("status", Type::Int),
        ("bytes", Type::Int),
        ("ms", Type::Double),
        ("agent", Type::String.optional()),
        ("code", Type::Int.optional()),
        ("ok", Type::Bool),
        ("time", Type::Timestamp),
        ("tags", Type::list(Type::String)),
        (
            "user",
            Type::record(names(&[
                ("name", Type::String),
                ("age", Type::Int.optional()),
            ]))
            .optional(),
        ),
        ("more", Type::Any),
    ]))
}

fn hit_cells() -> Vec<Cell> {
    vec![
        Cell::str("/api/x"),
        Cell::Int(503),
        Cell::Int(1200),
        Cell::Double(1.5),
        Cell::Null,
        Cell::Int(7),
        Cell::Bool(true),
        Cell::Time {
            secs: 951_782_400,
            nanos: 0,
        },
        Cell::list(vec![Cell::str("a"), Cell::str("b")]),
        Cell::record([
            ("name".into(), Cell::str("Ann")),
            ("age".into(), Cell::Null),
        ]),
        Cell::record([("deep".into(), Cell::record([("n".into(), Cell::Int(1))]))]),
    ]
}

fn env(item: &Type) -> Env {
    Env {
        item: Some(item.clone()),
        params: names(&[("min", Type::Int), ("name", Type::String)]),
        values: names(&[("total", Type::Int)]),
        arrays: names(&[("histogram", Type::Int)]),
        queues: vec!["urls".into()],
        in_template: false,
    }
}

#[derive(Debug)]
struct Fixed;

impl Shared for Fixed {
    fn value(&self, value: usize) -> Cell {
        Cell::Int(100 + value as i64)
    }
    fn element(&self, _: usize, i: usize) -> Option<Cell> {
        (i < 3).then(|| Cell::Int(i as i64 * 10))
    }
    fn length(&self, _: usize) -> usize {
        3
    }
    fn queue_size(&self, _: usize) -> usize {
        5
    }
}

impl Now for Fixed {
    fn now(&self) -> (i64, u32) {
        (1_700_000_000, 0)
    }
}

fn scope() -> Scope {
    Scope {
        secrets: Vec::new(),
        params: vec![Cell::Int(10), Cell::str("n")],
        worker: 3,
        start: (60, 0),
        failed: false,
        clock: Some(Arc::new(Fixed)),
        shared: Some(Arc::new(Fixed)),
    }
}

fn run_on(text: &str, item: &Type, cells: &[Cell]) -> Result<Cell, String> {
    let expr = check(text, &env(item)).map_err(|p| format!("{p:?}"))?;
    let (blocks, shape) = (Blocks::new(), Shape::of(item));
    let row = Row {
        cells,
        blocks: &blocks,
        shape: &shape,
    };
    let mut out = Blocks::new();
    let cell = expr.compile(Some(item)).cell(row, &scope(), &mut out);
    cell.map(|c| c.detach(&out)).map_err(|e| e.message)
}

fn run(text: &str) -> Result<Cell, String> {
    run_on(text, &hit(), &hit_cells())
}

fn problems(text: &str) -> Vec<Problem> {
    check(text, &env(&hit())).expect_err(text)
}
