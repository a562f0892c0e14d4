//! JSON that says more than JSON: for programs at the other end that have bytes, timestamps and durations of their
//! own (`python`).
//!
//! What JSON has no word for is an object with one key that begins with `$`: `{"$bytes": base64}`,
//! `{"$timestamp": RFC 3339}`, `{"$duration": seconds}`, `{"$double": "nan" | "inf" | "-inf"}`. An object of the
//! user's that has one key, which begins with `$`, is `{"$object": ...}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::{Blocks, Cell, Heap, time};
use super::write::{write_bytes, write_key};

impl Cell {
    /// Appends the value, on one line.
    pub fn write_tagged(&self, blocks: &Blocks, out: &mut Vec<u8>) {
        match self {
            Cell::Double(d) if !d.is_finite() => {
                let name: &[u8] = match (d.is_nan(), *d > 0.0) {
                    (true, _) => b"nan",
                    (_, true) => b"inf",
                    _ => b"-inf",
                };
                tag("double", out, |out| {
                    out.push(b'"');
                    out.extend_from_slice(name);
                    out.push(b'"');
                });
            }
            Cell::Time { .. } => tag("timestamp", out, |out| self.write_json(blocks, out)),
            Cell::Duration { .. } => tag("duration", out, |out| self.write_json(blocks, out)),
            Cell::Bin(span) => tag("bytes", out, |out| write_bytes(blocks.bytes(*span), out)),
            Cell::Raw(span) => {
                let text = blocks.str(*span);
                match text
                    .contains("\"$")
                    .then(|| Cell::from_json(text))
                    .flatten()
                {
                    Some(value) => value.write_tagged(blocks, out),
                    None => out.extend_from_slice(text.as_bytes()),
                }
            }
            Cell::Heap(heap) => match &**heap {
                Heap::Bytes(bytes) => tag("bytes", out, |out| write_bytes(bytes, out)),
                Heap::List(list) => {
                    out.push(b'[');
                    for (i, cell) in list.iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        cell.write_tagged(blocks, out);
                    }
                    out.push(b']');
                }
                Heap::Map(map) => {
                    let like_a_tag = match map.entries() {
                        [(key, _)] => key.as_heap_str().is_some_and(|k| k.starts_with('$')),
                        _ => false,
                    };
                    let write = |out: &mut Vec<u8>| {
                        out.push(b'{');
                        for (i, (key, value)) in map.entries().iter().enumerate() {
                            if i > 0 {
                                out.push(b',');
                            }
                            write_key(key, blocks, out);
                            value.write_tagged(blocks, out);
                        }
                        out.push(b'}');
                    };
                    if like_a_tag {
                        tag("object", out, write);
                    } else {
                        write(out);
                    }
                }
                Heap::Str(_) => self.write_json(blocks, out),
            },
            _ => self.write_json(blocks, out),
        }
    }

    /// Reads a text of this kind (written without blanks) into a detached value.
    ///
    /// # Errors
    /// In words: it is no such text, or has an integer beyond 64 bits.
    pub fn from_tagged(text: &str) -> Result<Cell, String> {
        if has_long_number(text) {
            check_integers(text)?;
        }
        if text.contains("{\"$") {
            let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
            return untag(&value);
        }
        Cell::from_json(text).ok_or_else(|| "this is no JSON".to_owned())
    }
}

fn tag(name: &str, out: &mut Vec<u8>, inner: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"$");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    inner(out);
    out.push(b'}');
}

fn untag(value: &Value) -> Result<Cell, String> {
    let object = match value {
        Value::Array(list) => {
            let list: Result<Vec<Cell>, String> = list.iter().map(untag).collect();
            return Ok(Cell::list(list?));
        }
        Value::Object(object) => object,
        other => return Ok(Cell::from_json_value(other)),
    };
    if object.len() == 1
        && let Some((name, inner)) = object.iter().next()
        && let Some(cell) = special(name, inner)?
    {
        return Ok(cell);
    }
    entries(object)
}

fn entries(object: &serde_json::Map<String, Value>) -> Result<Cell, String> {
    let mut cells = Vec::with_capacity(object.len());
    for (key, value) in object {
        cells.push((Cell::str(key), untag(value)?));
    }
    Ok(Cell::map(cells))
}

/// What a tag stands for; `None`: it is none of ours.
fn special(name: &str, inner: &Value) -> Result<Option<Cell>, String> {
    let text = inner.as_str();
    let cell = match name {
        "$bytes" => text
            .and_then(|t| STANDARD.decode(t).ok())
            .map(|b| Cell::bytes(&b)),
        "$timestamp" => text.and_then(time::timestamp),
        "$duration" => inner.as_f64().and_then(time::seconds),
        "$double" => match text {
            Some("nan") => Some(Cell::Double(f64::NAN)),
            Some("inf") => Some(Cell::Double(f64::INFINITY)),
            Some("-inf") => Some(Cell::Double(f64::NEG_INFINITY)),
            _ => None,
        },
        "$object" => inner.as_object().map(entries).transpose()?,
        _ => return Ok(None),
    };
    let why = || format!("{inner} is no {}", &name[1..]);
    cell.map(Some).ok_or_else(why)
}

/// Has it nineteen digits in a row, as only an integer near the end of 64 bits (or a text, or a long fraction) has?
fn has_long_number(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|b| {
        run = if b.is_ascii_digit() { run + 1 } else { 0 };
        run >= 19
    })
}

/// Every number without a fraction and an exponent fits 64 bits.
fn check_integers(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let from = at;
                let number = |b: &u8| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                at += bytes[at..].iter().take_while(|b| number(b)).count();
                let token = &text[from..at];
                if !token.contains(['.', 'e', 'E']) && token.parse::<i64>().is_err() {
                    return Err(format!("{token} is an integer beyond 64 bits"));
                }
            }
            _ => at += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cell: &Cell) -> String {
        let mut out = Vec::new();
        cell.write_tagged(&Blocks::new(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_json_has_no_word_for_comes_back_as_it_was() {
        for (cell, written) in [
            (Cell::bytes(b"ab"), r#"{"$bytes":"YWI="}"#),
            (
                Cell::Time { secs: 1, nanos: 0 },
                r#"{"$timestamp":"1970-01-01T00:00:01Z"}"#,
            ),
            (
                Cell::Duration {
                    secs: 1,
                    nanos: 500_000_000,
                },
                r#"{"$duration":1.5}"#,
            ),
            (Cell::Double(f64::INFINITY), r#"{"$double":"inf"}"#),
            (Cell::list(vec![Cell::Int(1), Cell::str("x")]), r#"[1,"x"]"#),
            (
                Cell::map(vec![(Cell::str("$bytes"), Cell::str("x"))]),
                r#"{"$object":{"$bytes":"x"}}"#,
            ),
            (
                Cell::map(vec![(Cell::str("$object"), Cell::bytes(b"x"))]),
                r#"{"$object":{"$object":{"$bytes":"eA=="}}}"#,
            ),
        ] {
            assert_eq!(text(&cell), written);
            assert_eq!(Cell::from_tagged(written), Ok(cell));
        }
        assert_eq!(text(&Cell::Double(f64::NAN)), r#"{"$double":"nan"}"#);
        assert!(
            matches!(Cell::from_tagged(r#"{"$double":"nan"}"#), Ok(Cell::Double(d)) if d.is_nan())
        );
    }

    #[test]
    fn a_json_text_that_looks_like_a_tag_is_told_apart() {
        let mut blocks = Blocks::new();
        let batch = {
            let Cell::Text(span) = blocks.text(r#"{"$bytes": "x"}"#) else {
                panic!("a text is a span")
            };
            Cell::Raw(span)
        };
        let mut out = Vec::new();
        batch.write_tagged(&blocks, &mut out);
        assert_eq!(out, br#"{"$object":{"$bytes":"x"}}"#);
    }

    #[test]
    fn integers_beyond_64_bits_are_refused_and_long_fractions_and_texts_are_not() {
        assert_eq!(
            Cell::from_tagged("[9223372036854775807]"),
            Ok(Cell::list(vec![Cell::Int(i64::MAX)]))
        );
        assert_eq!(
            Cell::from_tagged("[1,9223372036854775808]").unwrap_err(),
            "9223372036854775808 is an integer beyond 64 bits"
        );
        assert!(Cell::from_tagged("{\"a\":-99999999999999999999}").is_err());
        assert!(Cell::from_tagged("\"99999999999999999999\"").is_ok());
        assert!(Cell::from_tagged("0.99999999999999999999").is_ok());
        assert!(Cell::from_tagged("1e30").is_ok());
        assert!(Cell::from_tagged("{\"$bytes\":7}").is_err());
    }
}
