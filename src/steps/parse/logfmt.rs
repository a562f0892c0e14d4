//! `parse: logfmt`: `key=value key="a \"quoted\" value" flag`.
//!
//! A key alone is `true` (an empty text, where the type is string). A key that stands twice counts as the last.

use std::borrow::Cow;
use std::sync::Arc;

use super::rows::{Parser, Slots, Wrong, op};
use super::{Format, Op};
use crate::expr::Uses;
use crate::value::convert::{Misfit, from_text};
use crate::value::{Cell, Name, RecordType, Type};

#[derive(Debug)]
pub(super) struct Logfmt;

impl Format for Logfmt {
    fn makes(&self, target: Option<&Type>) -> Type {
        let open = || {
            Type::Record(Arc::new(RecordType {
                fields: Vec::new(),
                rest: Some(Type::String),
            }))
        };
        target.cloned().unwrap_or_else(open)
    }

    fn converts(&self) -> bool {
        true
    }

    fn check(&self, full: &Type) -> Result<(), String> {
        match full {
            Type::Record(_) => Ok(()),
            other => Err(format!(
                "pairs of keys and values are a record, they cannot become {other}"
            )),
        }
    }

    fn op(&self, full: &Type, out: &Type, after: &Uses, strict: bool) -> Op {
        let (Type::Record(full), Type::Record(kept)) = (full, out) else {
            unreachable!("BUG: pairs of something that is no record");
        };
        let parser = LogfmtParser {
            full: full.clone(),
            kept: kept.clone(),
            only: (!strict && after.rest.is_none()).then(|| after.fields.keys().cloned().collect()),
            strict,
            seen: vec![false; full.fields.len()],
        };
        op(parser, out)
    }
}

#[derive(Clone)]
struct LogfmtParser {
    full: Arc<RecordType>,
    kept: Arc<RecordType>,
    /// Of the keys that no type names, only these are wanted.
    only: Option<Vec<Name>>,
    strict: bool,
    seen: Vec<bool>,
}

impl Parser for LogfmtParser {
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), Wrong> {
        let base = out.cells.len();
        let width = self.kept.fields.len() + usize::from(self.kept.rest.is_some());
        out.cells.resize(base + width, Cell::Null);
        self.seen.fill(false);
        let mut others: Vec<(Cell, Cell)> = Vec::new();
        let mut pairs = Pairs { text, at: 0 };
        while let Some((key, value)) = pairs.next().map_err(Wrong::Text)? {
            let declared = self.full.slot(key);
            let ty = match (declared, &self.full.rest) {
                (Some(slot), _) => &self.full.fields[slot].ty,
                (None, Some(rest)) => rest,
                (None, None) => return Err(Wrong::Text(Misfit::unknown(key).to_string())),
            };
            if let Some(slot) = declared {
                self.seen[slot] = true;
            }
            let slot = self.kept.slot(key);
            let wanted = match (declared, slot) {
                (Some(_), slot) => slot.is_some() || self.strict,
                (None, _) => self
                    .only
                    .as_ref()
                    .is_none_or(|only| only.iter().any(|n| **n == *key)),
            };
            if !wanted {
                continue;
            }
            let cell = value
                .cell(ty, text, out)
                .map_err(|m| m.within(key).to_string())?;
            match (declared, slot) {
                (_, Some(slot)) => out.cells[base + slot] = cell,
                (Some(_), None) => {}
                (None, None) => others.push((Cell::str(key), cell.detach(out.blocks))),
            }
        }
        for (field, seen) in self.full.fields.iter().zip(&self.seen) {
            if !seen && !field.ty.nullable() {
                return Err(Wrong::Text(Misfit::missing(&field.name).to_string()));
            }
        }
        if !others.is_empty() && self.kept.rest.is_some() {
            out.cells[base + self.kept.fields.len()] = Cell::map(others);
        }
        Ok(())
    }
}

/// What stands behind a key.
enum Value<'a> {
    /// Nothing, not even `=`.
    Flag,
    Part(usize, usize),
    /// With escapes taken out.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    fn cell(&self, ty: &Type, row: &str, out: &mut Slots<'_>) -> Result<Cell, Misfit> {
        let text = match self {
            Value::Flag if *ty.required() == Type::Bool => "true",
            Value::Flag => "",
            Value::Part(from, to) => {
                if matches!(ty.required(), Type::String | Type::Any) && from < to {
                    return Ok(out.part(row, *from, *to));
                }
                &row[*from..*to]
            }
            Value::Text(text) => text,
        };
        from_text(text, ty, out.blocks)
    }
}

/// The pairs of a line, one after the other.
struct Pairs<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Pairs<'a> {
    fn next(&mut self) -> Result<Option<(&'a str, Value<'a>)>, String> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let from = self.at;
        if from == bytes.len() {
            return Ok(None);
        }
        let end = bytes[from..]
            .iter()
            .position(|b| *b == b'=' || b.is_ascii_whitespace() || *b == b'"');
        let end = end.map_or(bytes.len(), |i| from + i);
        self.at = end;
        let key = &self.text[from..end];
        if key.is_empty() || bytes.get(end) == Some(&b'"') {
            let shown: String = self.text[from..].chars().take(30).collect();
            return Err(format!("not logfmt: a key should begin at `{shown}`"));
        }
        if bytes.get(end) != Some(&b'=') {
            return Ok(Some((key, Value::Flag)));
        }
        let from = end + 1;
        if bytes.get(from) == Some(&b'"') {
            return self.quoted(key, from + 1).map(Some);
        }
        let end = bytes[from..].iter().position(u8::is_ascii_whitespace);
        self.at = end.map_or(bytes.len(), |i| from + i);
        Ok(Some((key, Value::Part(from, self.at))))
    }

    fn quoted(&mut self, key: &'a str, from: usize) -> Result<(&'a str, Value<'a>), String> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        let mut escapes = false;
        loop {
            match bytes.get(at) {
                None => return Err(format!("not logfmt: the quote of `{key}` is not closed")),
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = true;
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        if bytes.get(self.at).is_some_and(|b| !b.is_ascii_whitespace()) {
            return Err(format!(
                "not logfmt: a blank should follow the value of `{key}`"
            ));
        }
        if !escapes {
            return Ok((key, Value::Part(from, at)));
        }
        // The escapes are those of JSON.
        let text = serde_json::from_str::<String>(&self.text[from - 1..=at]);
        let text = text
            .map_err(|_| format!("not logfmt: the value of `{key}` has an escape that is none"))?;
        Ok((key, Value::Text(text.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parse_as, parse_to};
    use super::*;
    use crate::expr::Use;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, String> {
        parse_as(&Logfmt, &Uses::all(Use::Look), text)
    }

    #[test]
    fn pairs_become_fields() {
        let read = parse(r#"level=info  msg="hello \"you\"\n" n=1 empty= quoted="" flag"#).unwrap();
        assert_eq!(
            read,
            r#"{"level":"info","msg":"hello \"you\"\n","n":"1","empty":"","quoted":"","flag":""}"#
        );
        assert_eq!(parse("  ").unwrap(), "{}");
        assert_eq!(parse("a=1 a=2").unwrap(), r#"{"a":"2"}"#);
    }

    #[test]
    fn declared_fields_are_converted() {
        let ty = Type::record([
            ("n".into(), Type::Int),
            ("flag".into(), Type::Bool.optional()),
        ]);
        assert_eq!(
            parse_to(&Logfmt, &ty, "flag n=7").unwrap(),
            r#"{"n":7,"flag":true}"#
        );
        assert_eq!(
            parse_to(&Logfmt, &ty, "n=7").unwrap(),
            r#"{"n":7,"flag":null}"#
        );
        assert_eq!(
            parse_to(&Logfmt, &ty, "flag").unwrap_err(),
            "the field `n` is missing"
        );
        assert!(
            parse_to(&Logfmt, &ty, "n=x")
                .unwrap_err()
                .contains("must be an int")
        );
        assert!(
            parse_to(&Logfmt, &ty, "n=1 other=2")
                .unwrap_err()
                .contains("a field `other`")
        );
    }

    #[test]
    fn what_is_no_pair_is_an_error() {
        assert!(
            parse("=x")
                .unwrap_err()
                .contains("a key should begin at `=x`")
        );
        assert!(parse("a=\"x").unwrap_err().contains("not closed"));
        assert!(parse("a=\"x\\").unwrap_err().contains("not closed"));
        assert!(
            parse("a=\"x\"y")
                .unwrap_err()
                .contains("a blank should follow")
        );
        assert!(
            parse("a=\"\\x\"")
                .unwrap_err()
                .contains("an escape that is none")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*|[a=\"\\\\ ]*") {
            let _ = parse(&text);
        }

        #[test]
        fn pairs_come_back_as_they_were_written(pairs in proptest::collection::btree_map("[a-z]{1,5}", ".{0,8}", 0..5)) {
            let line: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={}", serde_json::to_string(v).unwrap())).collect();
            let read: std::collections::BTreeMap<String, String> = serde_json::from_str(&parse(&line.join(" ")).unwrap()).unwrap();
            prop_assert_eq!(read, pairs);
        }
    }
}
