//! Cells to JSON, and to the plain text of `lines`, CSV and templates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::{Blocks, Cell, Heap, Row, Shape, time};

/// Writes rows of one shape: the names are escaped once, not once an item.
#[derive(Debug, Clone)]
pub struct JsonRows {
    /// For each field `{"name":` or `,"name":`; none where the item is not a record.
    prefixes: Option<Vec<Box<[u8]>>>,
    rest: Option<usize>,
    cell: fn(&Cell, &Blocks, &mut Vec<u8>),
}

impl JsonRows {
    pub fn new(shape: &Shape) -> JsonRows {
        JsonRows::with(shape, Cell::write_json)
    }

    /// Rows as [`Cell::write_tagged`] writes values.
    pub fn tagged(shape: &Shape) -> JsonRows {
        JsonRows::with(shape, Cell::write_tagged)
    }

    fn with(shape: &Shape, cell: fn(&Cell, &Blocks, &mut Vec<u8>)) -> JsonRows {
        let prefixes = shape.record().map(|r| {
            let name = |(i, f): (usize, &super::super::Field)| {
                let mut text = vec![if i == 0 { b'{' } else { b',' }];
                write_string(&f.name, &mut text);
                text.push(b':');
                text.into_boxed_slice()
            };
            r.fields.iter().enumerate().map(name).collect()
        });
        JsonRows {
            prefixes,
            rest: shape.rest_slot(),
            cell,
        }
    }

    /// Appends one row as one JSON value, without an end of line.
    pub fn write(&self, row: Row<'_>, out: &mut Vec<u8>) {
        let Some(prefixes) = &self.prefixes else {
            return (self.cell)(&row.cells[0], row.blocks, out);
        };
        for (prefix, cell) in prefixes.iter().zip(row.cells) {
            out.extend_from_slice(prefix);
            (self.cell)(cell, row.blocks, out);
        }
        let mut empty = prefixes.is_empty();
        if let Some(map) = self.rest.and_then(|slot| row.cells[slot].as_map()) {
            for (key, value) in map.entries() {
                out.push(if std::mem::take(&mut empty) {
                    b'{'
                } else {
                    b','
                });
                write_key(key, row.blocks, out);
                (self.cell)(value, row.blocks, out);
            }
        }
        if empty {
            out.push(b'{');
        }
        out.push(b'}');
    }
}

impl Cell {
    /// Appends the value as JSON, on one line. A double that JSON has no number for (NaN, infinity) is null.
    pub fn write_json(&self, blocks: &Blocks, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Cell::Int(i) => out.extend_from_slice(itoa::Buffer::new().format(*i).as_bytes()),
            Cell::Double(d) => write_double(*d, out),
            Cell::Time { nanos, secs } => {
                out.push(b'"');
                time::write_timestamp(*secs, *nanos, out);
                out.push(b'"');
            }
            Cell::Duration { nanos, secs } => time::write_duration(*secs, *nanos, out),
            Cell::Text(span) => write_string(blocks.str(*span), out),
            Cell::Bin(span) => write_bytes(blocks.bytes(*span), out),
            Cell::Raw(span) => out.extend_from_slice(blocks.bytes(*span)),
            Cell::Heap(heap) => match &**heap {
                Heap::Str(s) => write_string(s, out),
                Heap::Bytes(b) => write_bytes(b, out),
                Heap::List(list) => {
                    out.push(b'[');
                    for (i, cell) in list.iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        cell.write_json(blocks, out);
                    }
                    out.push(b']');
                }
                Heap::Map(map) => {
                    out.push(b'{');
                    for (i, (key, value)) in map.entries().iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        write_key(key, blocks, out);
                        value.write_json(blocks, out);
                    }
                    out.push(b'}');
                }
            },
        }
    }

    /// Appends the value as plain text: a string as it is, other scalars as in JSON but without quotes, lists
    /// and records as JSON, null as `null`.
    pub fn write_text(&self, blocks: &Blocks, out: &mut Vec<u8>) {
        match self {
            Cell::Text(span) => out.extend_from_slice(blocks.bytes(*span)),
            Cell::Bin(span) => write_base64(blocks.bytes(*span), out),
            Cell::Time { nanos, secs } => time::write_timestamp(*secs, *nanos, out),
            Cell::Double(d) if !d.is_finite() => {
                let name: &[u8] = if d.is_nan() {
                    b"NaN"
                } else if *d > 0.0 {
                    b"Infinity"
                } else {
                    b"-Infinity"
                };
                out.extend_from_slice(name);
            }
            Cell::Raw(span) => match Cell::from_json(blocks.str(*span)) {
                Some(value) => value.write_text(blocks, out),
                None => out.extend_from_slice(blocks.bytes(*span)),
            },
            Cell::Heap(heap) => match &**heap {
                Heap::Str(s) => out.extend_from_slice(s.as_bytes()),
                Heap::Bytes(b) => write_base64(b, out),
                Heap::List(_) | Heap::Map(_) => self.write_json(blocks, out),
            },
            _ => self.write_json(blocks, out),
        }
    }
}

fn write_double(d: f64, out: &mut Vec<u8>) {
    if d.is_finite() {
        // Writing a finite number into a vector cannot fail.
        let _ = serde_json::to_writer(out, &d);
    } else {
        out.extend_from_slice(b"null");
    }
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[at..]).unwrap_or(0);
    out.truncate(at + written);
}

pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    write_base64(bytes, out);
    out.push(b'"');
}

/// A key of a map and its colon; in JSON every key is a string.
pub(super) fn write_key(key: &Cell, blocks: &Blocks, out: &mut Vec<u8>) {
    match key.as_str(blocks) {
        Some(text) => write_string(text, out),
        None => {
            out.push(b'"');
            key.write_text(blocks, out);
            out.push(b'"');
        }
    }
    out.push(b':');
}

/// 0: goes as it is; `u`: as `\u00XX`; anything else: after a backslash.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 32 {
        table[i] = b'u';
        i += 1;
    }
    table[8] = b'b';
    table[9] = b't';
    table[10] = b'n';
    table[12] = b'f';
    table[13] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends a text as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut done = 0;
    while let Some(next) = first_escape(&bytes[done..]) {
        out.extend_from_slice(&bytes[done..done + next]);
        let byte = bytes[done + next];
        match ESCAPES[usize::from(byte)] {
            b'u' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        done += next + 1;
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// The first byte that JSON wants escaped. Looks at eight bytes at once: nearly every string has none.
fn first_escape(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let has_zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
    let (words, tail) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let x = u64::from_le_bytes(*word);
        // Bytes below 0x20, and the two that are escaped above it; a false alarm is only looked at again.
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGHS;
        if control
            | has_zero(x ^ (ONES * u64::from(b'"')))
            | has_zero(x ^ (ONES * u64::from(b'\\')))
            != 0
            && let Some(at) = word.iter().position(|b| ESCAPES[usize::from(*b)] != 0)
        {
            return Some(i * 8 + at);
        }
    }
    tail.iter()
        .position(|b| ESCAPES[usize::from(*b)] != 0)
        .map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Batch, Type};
    use super::*;
    use proptest::prelude::*;

    fn json(cell: &Cell) -> String {
        let mut out = Vec::new();
        cell.write_json(&Blocks::new(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars_are_written_as_json_has_them() {
        assert_eq!(json(&Cell::Double(1.0)), "1.0");
        assert_eq!(json(&Cell::Double(f64::NAN)), "null");
        assert_eq!(json(&Cell::bytes(b"\x00\xff~")), "\"AP9+\"");
        assert_eq!(
            json(&Cell::Time { secs: 0, nanos: 0 }),
            "\"1970-01-01T00:00:00Z\""
        );
        assert_eq!(
            json(&Cell::map(vec![(Cell::Int(1), Cell::Null)])),
            "{\"1\":null}"
        );
    }

    #[test]
    fn a_record_without_fields_is_an_empty_object() {
        let shape = Shape::of(&Type::record([]));
        let mut batch = Batch::new(shape.clone(), Blocks::new());
        batch.grew(1);
        let mut out = Vec::new();
        JsonRows::new(&shape).write(batch.row(0), &mut out);
        assert_eq!(out, b"{}");
    }

    proptest! {
        #[test]
        fn strings_are_escaped_as_serde_json_does(text in ".*", tail in "[\\x00-\\x7f]*") {
            let text = text + &tail;
            prop_assert_eq!(json(&Cell::str(&text)), serde_json::to_string(&text).unwrap());
        }
    }
}
