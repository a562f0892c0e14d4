//! The program that the step `python` gives to the interpreter: a small package `millstream`, which is also what
//! the user's functions import. It is text within us; nothing is written to disk, nothing is installed.

mod kind;
#[cfg(test)]
mod tests;

pub use kind::{Python, Settings, Surroundings};

use std::fmt::Write as _;

use serde_json::Value;

/// The modules of the package, by their names.
const MODULES: &[(&str, &str)] = &[
    ("millstream", include_str!("api.py")),
    ("millstream._channel", include_str!("channel.py")),
    ("millstream._codec", include_str!("codec.py")),
    ("millstream._guards", include_str!("guards.py")),
    ("millstream._load", include_str!("load.py")),
    ("millstream._main", include_str!("main.py")),
    ("millstream._queues", include_str!("queues.py")),
    ("millstream._serve", include_str!("serve.py")),
    ("millstream._shared", include_str!("shared.py")),
];

/// What stands behind `python3 -c`: the program, and its settings.
pub fn program(settings: &Value) -> String {
    let mut text = include_str!("boot.py").to_owned();
    text.push_str("\n_begin({");
    for (name, source) in MODULES {
        let _ = writeln!(text, "{}: {},", literal(name), literal(source));
    }
    let _ = writeln!(text, "}}, {})", literal(&settings.to_string()));
    text
}

/// A text as Python writes it: JSON's escapes are Python's too.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}
