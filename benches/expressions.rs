//! What an expression costs for each item, in nanoseconds: `cargo bench --bench expressions`.
//!
//! Each is compiled once and run over 4,096 rows again and again; the best of 15 rounds is shown, as the
//! machine is shared. Beside it the same in plain Rust over the same cells, where that is short.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::hint::black_box;
use std::time::Instant;

use millstream::expr::{Code, Env, Scope, check};
use millstream::value::{Batch, Blocks, Cell, Row, Shape, Type};

const ROWS: usize = 4096;

fn item() -> Type {
    Type::record([
        ("ip".into(), Type::String),
        ("method".into(), Type::String),
        ("path".into(), Type::String),
        ("status".into(), Type::Int),
        ("bytes".into(), Type::Int),
        ("ms".into(), Type::Double),
        ("agent".into(), Type::String.optional()),
        ("time".into(), Type::Timestamp),
    ])
}

fn batch() -> Batch {
    let mut blocks = Blocks::new();
    let mut rows = Vec::new();
    for i in 0..ROWS {
        let path = if i % 3 == 0 {
            format!("/api/v1/items/{i}")
        } else {
            format!("/static/img/{i}.png")
        };
        rows.push([
            blocks.text(&format!("10.0.{}.{}", i % 7, i % 251)),
            blocks.text(if i % 5 == 0 { "POST" } else { "GET" }),
            blocks.text(&path),
            Cell::Int([200, 200, 304, 404, 500, 503][i % 6]),
            Cell::Int(i as i64 * 37 % 5000),
            Cell::Double(i as f64 / 7.0),
            if i % 4 == 0 {
                Cell::Null
            } else {
                blocks.text("Mozilla/5.0 (X11; Linux x86_64)")
            },
            Cell::Time {
                secs: 1_700_000_000 + i as i64,
                nanos: 0,
            },
        ]);
    }
    let mut batch = Batch::new(Shape::of(&item()), blocks);
    for row in rows {
        batch.push(row);
    }
    batch
}

/// Nanoseconds a row: the best of 15 rounds.
fn time(batch: &Batch, mut f: impl FnMut(Row<'_>, &mut Blocks)) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let start = Instant::now();
        for _ in 0..20 {
            // As a step's output batch: the same blocks, and an arena of its own.
            let mut out = batch.blocks().clone();
            for row in batch.rows() {
                f(row, &mut out);
            }
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (20 * ROWS) as f64);
    }
    best
}

fn main() {
    let env = Env {
        item: Some(item()),
        ..Env::default()
    };
    let mut batch = batch();
    batch.blocks_mut().seal();
    let scope = Scope::default();
    let code = |text: &str| -> Code {
        check(text, &env)
            .expect("a right expression")
            .compile(Some(&item()))
    };
    for text in [
        "status >= 500",
        "method == \"GET\"",
        "status >= 500 && path.startsWith(\"/api\")",
        "status in [500, 502, 503]",
        "path.contains(\"items\") || ms > 100.0",
        "path.matches(r'^/api/v\\d+/')",
        "agent != null && agent.contains(\"Linux\")",
        "size(path) > 20 ? bytes > 100 : bytes < 10",
    ] {
        let code = code(text);
        println!(
            "{:7.1} ns  bool    {text}",
            time(&batch, |row, _| {
                let _ = black_box(code.bool(row, &scope));
            })
        );
    }
    for text in ["bytes * 8 + 1", "status / 100"] {
        let code = code(text);
        println!(
            "{:7.1} ns  int     {text}",
            time(&batch, |row, _| {
                let _ = black_box(code.int(row, &scope));
            })
        );
    }
    for text in [
        "path",
        "path.split(\"/\")[1]",
        "path.substring(1, 4)",
        "method + \" \" + path",
        "time.floor(\"1m\")",
        "status >= 500 ? \"bad\" : \"good\"",
        "{\"path\": path, \"mb\": bytes / 1000000}",
        "path.split(\"/\").filter(p, p != \"\").size()",
    ] {
        let code = code(text);
        println!(
            "{:7.1} ns  cell    {text}",
            time(&batch, |row, out| {
                let _ = black_box(code.cell(row, &scope, out));
            })
        );
    }
    let slot = 3;
    let plain = time(&batch, |row, _| {
        black_box(matches!(&row.cells[slot], Cell::Int(i) if *i >= 500));
    });
    println!("{plain:7.1} ns  Rust    status >= 500");
    let plain = time(&batch, |row, _| {
        let found = matches!(&row.cells[slot], Cell::Int(i) if *i >= 500)
            && row.str(2).is_some_and(|p| p.starts_with("/api"));
        black_box(found);
    });
    println!("{plain:7.1} ns  Rust    status >= 500 && path.startsWith(\"/api\")");
}
