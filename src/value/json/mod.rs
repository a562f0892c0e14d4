//! JSON in and out of cells.
//!
//! In JSON, timestamps are RFC 3339 in UTC, durations seconds, bytes base64. Reading makes no tree of values:
//! a text goes straight into the cells of a row, strings without escapes as spans of the text.

mod read;
mod tagged;
mod write;

pub use read::{JsonReader, Want, Wanted};
pub use write::JsonRows;

use super::Cell;

impl Cell {
    /// Reads one JSON text into a detached value. `None` where it is not valid JSON.
    pub fn from_json(text: &str) -> Option<Cell> {
        read::detached(text).ok()
    }

    /// The detached value of a parsed JSON value. Numbers without a fraction that fit 64 bits are ints.
    pub fn from_json_value(value: &serde_json::Value) -> Cell {
        match value {
            serde_json::Value::Null => Cell::Null,
            serde_json::Value::Bool(b) => Cell::Bool(*b),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(i) => Cell::Int(i),
                None => Cell::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(s) => Cell::str(s),
            serde_json::Value::Array(a) => {
                Cell::list(a.iter().map(Cell::from_json_value).collect())
            }
            serde_json::Value::Object(o) => Cell::map(
                o.iter()
                    .map(|(k, v)| (Cell::str(k), Cell::from_json_value(v)))
                    .collect(),
            ),
        }
    }
}
