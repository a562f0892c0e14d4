//! A pipeline inside a Rust program: a function of the program's own as a step, a parameter, and what the run
//! says of itself.
//!
//! ```sh
//! cargo run --example embed
//! ```

#![allow(clippy::print_stderr, reason = "it tells what it did")]

use millstream::{Error, Pipeline};
use serde_json::json;

const PIPELINE: &str = "
params:
  limit: {type: int, default: 3}

stages:
  numbers:
    do:
      - range: 10
  squares:
    from: numbers
    threads: 2
    do:
      - call: square
        as: {n: int, square: int}
      - filter: square % 2 == 0
      - take: ${limit}
      - print: '{n} times {n} is {square}'
";

fn main() -> Result<(), Error> {
    let report = Pipeline::from_text(PIPELINE)
        .set("limit", 4)
        .function("square", |item| match item.as_i64() {
            Some(n) => Ok(json!({"n": n, "square": n * n})),
            None => Err(format!("{item} is not a whole number")),
        })
        .run()?;
    for stage in &report.stages {
        eprintln!("{}: took {} items", stage.name, stage.account.taken);
    }
    Ok(())
}
