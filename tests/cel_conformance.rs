//! The Common Expression Language's own conformance tests, through expressions as a pipeline uses them: checked
//! against an item whose fields are the case's variables, compiled, and run on a row.
//!
//! The cases (google/cel-spec, those that need no protocol buffers) lie beside the repository, in
//! `shared/data/cel-conformance` of a folder above it. Without libtest's harness, so that where they are
//! missing this says so instead of passing. docs/expressions.md says why some cases don't pass.

#![allow(clippy::print_stdout, reason = "this is the harness")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millstream::expr::{Env, Scope, check};
use millstream::value::{Blocks, Cell, Name, Row, Shape, Type};
use serde_json::Value;

/// How many cases pass: fewer is a step back, more is to be written here and in docs/expressions.md.
const PASS: usize = 1556;

fn folder() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .skip(1)
        .map(|f| f.join("shared/data/cel-conformance"))
        .find(|f| f.is_dir())
}

fn main() -> ExitCode {
    let Some(folder) = folder() else {
        println!(
            "NOT TESTED: the conformance cases of CEL are missing (shared/data/cel-conformance in a folder above this one)"
        );
        return ExitCode::SUCCESS;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|f| f.expect("an entry").path())
        .filter(|f| f.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let (mut passed, mut all) = (0, 0);
    let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in &files {
        let name = file.file_stem().expect("a name").to_string_lossy();
        for line in std::fs::read_to_string(file)
            .expect("a readable file")
            .lines()
        {
            let case: Value = serde_json::from_str(line).expect("JSON");
            all += 1;
            match run(&case) {
                Ok(()) => passed += 1,
                Err(why) => {
                    let unchecked = if case["disable_check"] == true {
                        " (meant for expressions that nobody has checked)"
                    } else {
                        ""
                    };
                    let line = format!("{}{unchecked}\n        {why}", case["expr"]);
                    failed.entry(name.to_string()).or_default().push(line);
                }
            }
        }
    }
    for (file, cases) in &failed {
        println!("{file}:");
        for case in cases {
            println!("    {case}");
        }
    }
    println!("CEL conformance: {passed} of {all} cases pass");
    if passed == PASS {
        return ExitCode::SUCCESS;
    }
    println!("it were {PASS} before");
    ExitCode::FAILURE
}

fn run(case: &Value) -> Result<(), String> {
    let wanted_error = case["error"] == true;
    let mut fields: Vec<(Name, Type)> = Vec::new();
    let mut cells = Vec::new();
    for (name, value) in case["bindings"].as_object().into_iter().flatten() {
        fields.push((name.as_str().into(), type_of(value)));
        cells.push(cell_of(value));
    }
    let item = Type::record(fields);
    let env = Env {
        item: Some(item.clone()),
        ..Env::default()
    };
    let expr = match check(case["expr"].as_str().unwrap(), &env) {
        Ok(expr) => expr,
        Err(_) if wanted_error => return Ok(()),
        Err(problems) => {
            let all: Vec<String> = problems
                .iter()
                .map(|p| format!("{} {}", p.code, p.message))
                .collect();
            return Err(format!("refused: {}", all.join("; ")));
        }
    };
    let (blocks, shape) = (Blocks::new(), Shape::of(&item));
    let row = Row {
        cells: &cells,
        blocks: &blocks,
        shape: &shape,
    };
    let code = expr.compile(Some(&item));
    let mut out = Blocks::new();
    let scope = Scope::default();
    match code.cell(row, &scope, &mut out) {
        Ok(cell) if wanted_error => Err(format!("gave {cell:?}, an error is wanted")),
        Ok(cell) => same(&cell.detach(&out), &case["value"])
            .map_err(|wanted| format!("gave {cell:?}, not {wanted}")),
        Err(_) if wanted_error => Ok(()),
        Err(e) => Err(format!("failed: {e}")),
    }
}

/// The one key of a typed value, and what it holds.
fn typed(value: &Value) -> (&str, &Value) {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    (kind, value)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn type_of(value: &Value) -> Type {
    match typed(value) {
        ("null", _) => Type::Null,
        ("bool", _) => Type::Bool,
        ("int" | "uint", _) => Type::Int,
        ("double", _) => Type::Double,
        ("string", _) => Type::String,
        ("bytes_base64", _) => Type::Bytes,
        ("timestamp", _) => Type::Timestamp,
        ("duration", _) => Type::Duration,
        ("list", l) => {
            let types = l.as_array().unwrap().iter().map(type_of);
            types
                .reduce(|a, b| a.join(&b))
                .map_or(Type::list(Type::Any), Type::list)
        }
        _ => Type::Any,
    }
}

fn cell_of(value: &Value) -> Cell {
    let number = |v: &Value, name: &str| v[name].as_str().map_or(0, |s| s.parse::<i64>().unwrap());
    match typed(value) {
        ("bool", v) => Cell::Bool(v.as_bool().unwrap()),
        ("int" | "uint", v) => Cell::Int(text(v).parse().unwrap()),
        ("double", v) => Cell::Double(text(v).parse().unwrap()),
        ("string", v) => Cell::str(text(v)),
        ("bytes_base64", v) => Cell::bytes(&STANDARD.decode(text(v)).unwrap()),
        ("timestamp", v) => Cell::Time {
            secs: number(v, "seconds"),
            nanos: number(v, "nanos") as u32,
        },
        ("duration", v) => Cell::Duration {
            secs: number(v, "seconds"),
            nanos: number(v, "nanos") as i32,
        },
        ("list", v) => Cell::list(v.as_array().unwrap().iter().map(cell_of).collect()),
        ("map", v) => {
            let entries = v
                .as_array()
                .unwrap()
                .iter()
                .map(|e| (cell_of(&e[0]), cell_of(&e[1])));
            Cell::map(entries.collect())
        }
        _ => Cell::Null,
    }
}

/// Is it the value? An unsigned int leaves an expression as an int, a type as its name.
fn same(cell: &Cell, wanted: &Value) -> Result<(), String> {
    let good = match typed(wanted) {
        ("uint", v) => text(v).parse::<i64>().is_ok_and(|i| *cell == Cell::Int(i)),
        ("type", v) => cell.as_heap_str() == Some(text(v)),
        ("double", v) => match (cell, text(v).parse::<f64>()) {
            (Cell::Double(a), Ok(b)) => {
                a.to_bits() == b.to_bits() || *a == b || a.is_nan() && b.is_nan()
            }
            _ => false,
        },
        ("list", v) => {
            let all = v.as_array().unwrap();
            cell.as_list().is_some_and(|l| {
                l.len() == all.len() && l.iter().zip(all).all(|(c, w)| same(c, w).is_ok())
            })
        }
        ("map", v) => {
            let all = v.as_array().unwrap();
            let has = |m: &millstream::value::Map, e: &Value| {
                m.entries()
                    .iter()
                    .any(|(k, x)| same(k, &e[0]).is_ok() && same(x, &e[1]).is_ok())
            };
            cell.as_map()
                .is_some_and(|m| m.entries().len() == all.len() && all.iter().all(|e| has(m, e)))
        }
        _ => *cell == cell_of(wanted),
    };
    if good {
        Ok(())
    } else {
        Err(wanted.to_string())
    }
}
