//! JSON in and out of cells.
//!
//! In JSON, timestamps are RFC 3339 in UTC, durations seconds, bytes base64.

use super::{Blocks, Cell};

impl Cell {
    /// Reads one JSON text into a detached value. `None` where it is not valid JSON.
    pub fn from_json(text: &str) -> Option<Cell> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(Cell::from_json_value(&value))
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

    /// Writes the value as JSON.
    pub fn write_json(&self, blocks: &Blocks, out: &mut Vec<u8>) {
        let _ = (blocks, out);
        panic!("BUG: the formats helper fills this in")
    }
}
