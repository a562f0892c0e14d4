//! JSON texts to rows. `serde_json` is the parser; the seeds here put what it finds straight into cells.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as _, Deserializer};
use serde_json::value::RawValue;

use super::super::cell::Span;
use super::super::convert::{self, Misfit, describe_cell};
use super::super::{Blocks, Cell, Name, Type};

/// What is wanted of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing: it is skipped.
    Skip,
    /// It is only handed on: it stays JSON.
    Pass,
    Look,
}

/// What is wanted of an item.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub fields: Vec<(Name, Want)>,
    /// Of all other fields, and of an item that is no record.
    pub rest: Want,
}

impl Wanted {
    pub fn all(how: Want) -> Wanted {
        Wanted {
            fields: Vec::new(),
            rest: how,
        }
    }

    pub fn of(&self, name: &str) -> Want {
        self.fields
            .iter()
            .find(|(n, _)| &**n == name)
            .map_or(self.rest, |(_, how)| *how)
    }
}

/// Reads JSON texts into rows of one type.
#[derive(Debug, Clone)]
pub struct JsonReader {
    declared: Type,
    wanted: Wanted,
    fields: Fields,
    width: usize,
}

/// The declared fields of the record that is read.
#[derive(Debug, Clone, Default)]
struct Fields {
    list: Vec<Known>,
    /// One bit a field: it must be there.
    required: Vec<u64>,
    seen: Vec<u64>,
    /// The type of further fields, and the slot of the map that takes them.
    rest: Option<(Type, usize)>,
}

#[derive(Debug, Clone)]
struct Known {
    name: Name,
    ty: Type,
    slot: Option<usize>,
    how: Want,
}

impl JsonReader {
    /// A reader of items of type `declared` that gives rows of type `out`, which has those of its fields that are
    /// wanted.
    pub fn new(declared: &Type, out: &Type, wanted: Wanted) -> JsonReader {
        let mut fields = Fields::default();
        let mut width = 1;
        if let (Type::Record(all), Type::Record(kept)) = (declared, out) {
            width = kept.fields.len() + usize::from(kept.rest.is_some());
            fields.list = all
                .fields
                .iter()
                .map(|f| {
                    let slot = kept.slot(&f.name);
                    // A field that is looked at but has no slot is only checked.
                    let how = wanted.of(&f.name);
                    Known {
                        name: f.name.clone(),
                        ty: f.ty.clone(),
                        slot,
                        how,
                    }
                })
                .collect();
            fields.required = vec![0; all.fields.len().div_ceil(64)];
            fields.seen = fields.required.clone();
            for (i, f) in all.fields.iter().enumerate() {
                fields.required[i / 64] |= u64::from(!f.ty.nullable()) << (i % 64);
            }
            fields.rest = all.rest.clone().map(|ty| (ty, width - 1));
        }
        JsonReader {
            declared: declared.clone(),
            wanted,
            fields,
            width,
        }
    }

    /// Appends the row that `text` stands for. `span` says where the text stands in `blocks`, if it does:
    /// then its strings are not copied.
    ///
    /// # Errors
    /// What is wrong with the text, in a sentence; then nothing is appended.
    pub fn read(
        &mut self,
        text: &str,
        span: Option<Span>,
        cells: &mut Vec<Cell>,
        blocks: &mut Blocks,
    ) -> Result<(), String> {
        let base = cells.len();
        // What is handed on as it was read must stay on one line.
        let raw = memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none();
        let mut cx = Cx {
            start: text.as_ptr().addr(),
            span,
            raw,
            blocks,
            problem: None,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let result = if matches!(self.declared, Type::Record(_)) {
            cells.resize(base + self.width, Cell::Null);
            let row = RowVisitor {
                cx: &mut cx,
                fields: &mut self.fields,
                wanted: &self.wanted,
                cells: &mut cells[base..],
            };
            json.deserialize_map(row)
        } else {
            whole(&mut json, &self.declared, &self.wanted, text, &mut cx)
                .map(|cell| cells.push(cell))
        };
        result.and_then(|()| json.end()).map_err(|e| {
            cells.truncate(base);
            cx.problem
                .take()
                .map_or_else(|| explain(&e), |p| p.to_string())
        })
    }
}

/// One JSON text as a value that stands alone.
pub(super) fn detached(text: &str) -> Result<Cell, String> {
    let mut blocks = Blocks::new();
    let mut cx = Cx {
        start: 0,
        span: None,
        raw: false,
        blocks: &mut blocks,
        problem: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let value = CellSeed {
        cx: &mut cx,
        ty: &Type::Any,
        nested: true,
        only: None,
    }
    .deserialize(&mut json);
    value
        .and_then(|cell| json.end().map(|()| cell))
        .map_err(|e| explain(&e))
}

/// An item that is not a record.
fn whole(
    json: &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>,
    ty: &Type,
    wanted: &Wanted,
    text: &str,
    cx: &mut Cx<'_>,
) -> serde_json::Result<Cell> {
    if wanted.fields.is_empty() && wanted.rest != Want::Look && cx.raw && *ty == Type::Any {
        IgnoredAny::deserialize(json)?;
        return Ok(cx.raw_cell(text.trim_matches([' ', '\t'])));
    }
    let only = (wanted.rest == Want::Skip && !wanted.fields.is_empty()).then_some(wanted);
    CellSeed {
        cx,
        ty,
        nested: false,
        only,
    }
    .deserialize(json)
}

/// The parser's message; most texts have one line, so the line is only named where there are more.
fn explain(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    let place = if e.line() > 1 {
        place
    } else {
        format!(" at column {}", e.column())
    };
    if e.is_data() {
        what.into()
    } else {
        format!("not valid JSON: {what}{place}")
    }
}

/// Where cells are made.
struct Cx<'a> {
    /// The address of the text's first byte: a part's place is its distance from there.
    start: usize,
    span: Option<Span>,
    raw: bool,
    blocks: &'a mut Blocks,
    problem: Option<Misfit>,
}

impl Cx<'_> {
    /// A part of the text as a span of it.
    fn part(&self, text: &str) -> Option<Span> {
        let span = self.span?;
        let from = text.as_ptr().addr().checked_sub(self.start)?;
        (from + text.len() <= span.len()).then(|| span.sub(from, from + text.len()))
    }

    fn text_cell(&mut self, text: &str) -> Cell {
        match self.part(text) {
            Some(span) => Cell::Text(span),
            None => self.blocks.text(text),
        }
    }

    fn raw_cell(&mut self, json: &str) -> Cell {
        match self.part(json) {
            Some(span) => Cell::Raw(span),
            None => self.blocks.raw_json(json),
        }
    }

    /// The value is not of its type: the misfit is kept here, since the parser's error has only a text.
    fn wrong<E: serde::de::Error>(&mut self, misfit: Misfit) -> E {
        self.problem = Some(misfit);
        E::custom("")
    }

    /// Adds the field's name to the misfit, if that is what the error is.
    fn within(&mut self, name: &str) {
        self.problem = self.problem.take().map(|p| p.within(name));
    }
}

/// Reads one value of a type.
struct CellSeed<'c, 'a> {
    cx: &'c mut Cx<'a>,
    ty: &'c Type,
    /// Within a list or a record: the cell must stand alone.
    nested: bool,
    /// Of an object of type `any`, only the fields that are wanted.
    only: Option<&'c Wanted>,
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_, '_> {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cell, D::Error> {
        json.deserialize_any(self)
    }
}

impl CellSeed<'_, '_> {
    fn misfit<E: serde::de::Error>(self, cell: &Cell) -> E {
        let misfit = Misfit::new(self.ty, describe_cell(cell, self.cx.blocks));
        self.cx.wrong(misfit)
    }

    /// A number, a bool or null.
    fn scalar<E: serde::de::Error>(self, cell: Cell) -> Result<Cell, E> {
        match (self.ty, &cell) {
            (Type::Any, _)
            | (Type::Int, Cell::Int(_))
            | (Type::Double, Cell::Double(_))
            | (Type::Bool, Cell::Bool(_))
            | (Type::Optional(_) | Type::Null, Cell::Null) => Ok(cell),
            (ty, cell) => match convert::fit(cell, &Blocks::new(), ty, self.cx.blocks) {
                Ok(cell) => Ok(cell),
                Err(misfit) => Err(self.cx.wrong(misfit)),
            },
        }
    }

    /// A text for something that is not a string.
    fn converted<E: serde::de::Error>(self, text: &str) -> Result<Cell, E> {
        match convert::from_text(text, self.ty, self.cx.blocks) {
            Ok(cell) if self.nested => Ok(cell.detach(self.cx.blocks)),
            Ok(cell) => Ok(cell),
            Err(misfit) => Err(self.cx.wrong(misfit)),
        }
    }

    fn is_text(&self) -> bool {
        matches!(self.ty.required(), Type::String | Type::Any)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_, '_> {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ty)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Cell, E> {
        self.scalar(Cell::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Cell, E> {
        self.scalar(Cell::Bool(v))
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Cell, E> {
        self.scalar(Cell::Int(v))
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Cell, E> {
        match i64::try_from(v) {
            Ok(v) => self.scalar(Cell::Int(v)),
            // beyond 64 bits with a sign: the nearest double, as serde_json
            Err(_) => self.scalar(Cell::Double(v as f64)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Cell, E> {
        self.scalar(Cell::Double(v))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, v: &'de str) -> Result<Cell, E> {
        match (self.is_text(), self.nested) {
            (true, false) => Ok(self.cx.text_cell(v)),
            (true, true) => Ok(Cell::str(v)),
            (false, _) => self.converted(v),
        }
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Cell, E> {
        match (self.is_text(), self.nested) {
            (true, false) => Ok(self.cx.blocks.text(v)),
            (true, true) => Ok(Cell::str(v)),
            (false, _) => self.converted(v),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell, A::Error> {
        let inner = match self.ty.required() {
            Type::Any => &Type::Any,
            Type::List(inner) => &**inner,
            _ => return Err(self.misfit(&Cell::list(Vec::new()))),
        };
        let mut list = Vec::new();
        loop {
            match seq.next_element_seed(CellSeed {
                cx: self.cx,
                ty: inner,
                nested: true,
                only: None,
            }) {
                Ok(Some(cell)) => list.push(cell),
                Ok(None) => return Ok(Cell::list(list)),
                Err(e) => {
                    self.cx.within(&list.len().to_string());
                    return Err(e);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        let record = match self.ty.required() {
            Type::Any => None,
            Type::Record(record) => Some(record),
            _ => return Err(self.misfit(&Cell::map(Vec::new()))),
        };
        // Declared fields first, in their order, then the others as they came.
        let declared = record.map_or(0, |r| r.fields.len());
        let mut slots = vec![None; declared];
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let slot = record.and_then(|r| r.slot(&key));
            let ty = match (record, slot) {
                (Some(r), Some(slot)) => &r.fields[slot].ty,
                (Some(r), None) => match &r.rest {
                    Some(rest) => rest,
                    None => return Err(self.cx.wrong(Misfit::unknown(&key))),
                },
                (None, _) => &Type::Any,
            };
            if self
                .only
                .is_some_and(|wanted| wanted.of(&key) == Want::Skip)
            {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value_seed(CellSeed {
                cx: self.cx,
                ty,
                nested: true,
                only: None,
            });
            let value = value.inspect_err(|_| self.cx.within(&key))?;
            match slot {
                Some(slot) => slots[slot] = Some(value),
                None => entries.push((Cell::str(&key), value)),
            }
        }
        let Some(record) = record else {
            return Ok(Cell::map(entries));
        };
        let mut all = Vec::with_capacity(declared + entries.len());
        for (field, value) in record.fields.iter().zip(slots) {
            match value {
                Some(value) => all.push((Cell::str(&field.name), value)),
                None if field.ty.nullable() => all.push((Cell::str(&field.name), Cell::Null)),
                None => return Err(self.cx.wrong(Misfit::missing(&field.name))),
            }
        }
        all.append(&mut entries);
        Ok(Cell::map(all))
    }
}

/// A key, without a copy where it has no escapes.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = std::borrow::Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(v.to_owned().into())
    }
}

/// A key of the item: the number of a declared field, or the text.
struct KeySeed<'c> {
    fields: &'c [Known],
    /// The field after the last one: objects of one file nearly always have their fields in one order.
    next: usize,
}

enum Key<'de> {
    Known(usize),
    Other(std::borrow::Cow<'de, str>),
}

impl KeySeed<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        match self.fields.get(self.next) {
            Some(f) if &*f.name == name => Some(self.next),
            _ => self.fields.iter().position(|f| &*f.name == name),
        }
    }
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Key<'de>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Key<'de>, E> {
        Ok(self
            .find(v)
            .map_or_else(|| Key::Other(v.into()), Key::Known))
    }

    fn visit_str<E>(self, v: &str) -> Result<Key<'de>, E> {
        Ok(self
            .find(v)
            .map_or_else(|| Key::Other(v.to_owned().into()), Key::Known))
    }
}

/// Reads an object into the slots of a row.
struct RowVisitor<'c, 'a> {
    cx: &'c mut Cx<'a>,
    fields: &'c mut Fields,
    wanted: &'c Wanted,
    cells: &'c mut [Cell],
}

impl<'de> Visitor<'de> for RowVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let RowVisitor {
            cx,
            fields,
            wanted,
            cells,
        } = self;
        fields.seen.fill(0);
        let mut others = Vec::new();
        let mut next = 0;
        while let Some(key) = map.next_key_seed(KeySeed {
            fields: &fields.list,
            next,
        })? {
            match key {
                Key::Known(i) => {
                    let field = &fields.list[i];
                    next = i + 1;
                    fields.seen[i / 64] |= 1 << (i % 64);
                    let cell = match (field.slot, field.how) {
                        (_, Want::Skip) | (None, Want::Pass) => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                        (_, Want::Pass) if cx.raw => {
                            cx.raw_cell(map.next_value::<&RawValue>()?.get())
                        }
                        _ => {
                            let seed = CellSeed {
                                cx,
                                ty: &field.ty,
                                nested: false,
                                only: None,
                            };
                            let value = map.next_value_seed(seed);
                            value.inspect_err(|_| cx.within(&field.name))?
                        }
                    };
                    if let Some(slot) = field.slot {
                        cells[slot] = cell;
                    }
                }
                Key::Other(name) => {
                    let Some((ty, _)) = &fields.rest else {
                        return Err(cx.wrong(Misfit::unknown(&name)));
                    };
                    if wanted.of(&name) == Want::Skip {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let value = map.next_value_seed(CellSeed {
                        cx,
                        ty,
                        nested: true,
                        only: None,
                    });
                    others.push((Cell::str(&name), value.inspect_err(|_| cx.within(&name))?));
                }
            }
        }
        for (word, (seen, required)) in fields.seen.iter().zip(&fields.required).enumerate() {
            let missing = required & !seen;
            if missing != 0 {
                let name = &fields.list[word * 64 + missing.trailing_zeros() as usize].name;
                return Err(A::Error::custom(
                    cx.wrong::<A::Error>(Misfit::missing(name)),
                ));
            }
        }
        if let (Some((_, slot)), false) = (&fields.rest, others.is_empty()) {
            cells[*slot] = Cell::map(others);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Batch, JsonRows, Shape};
    use super::*;
    use proptest::prelude::*;

    fn record(fields: &[(&str, Type)]) -> Type {
        Type::record(fields.iter().map(|(n, t)| ((*n).into(), t.clone())))
    }

    /// What one text becomes, written as JSON again.
    fn read_as(text: &str, declared: &Type, out: &Type, wanted: Wanted) -> Result<String, String> {
        let mut blocks = Blocks::new();
        let Cell::Text(span) = blocks.text(text) else {
            unreachable!()
        };
        blocks.seal();
        let mut reader = JsonReader::new(declared, out, wanted);
        let shape = Shape::of(out);
        let mut batch = Batch::new(shape.clone(), blocks);
        let (cells, blocks) = batch.parts_mut();
        reader.read(text, Some(span), cells, blocks)?;
        batch.grew(1);
        let mut json = Vec::new();
        JsonRows::new(&shape).write(batch.row(0), &mut json);
        Ok(String::from_utf8(json).unwrap())
    }

    fn read(text: &str, ty: &Type) -> Result<String, String> {
        read_as(text, ty, ty, Wanted::all(Want::Look))
    }

    #[test]
    fn fields_are_found_by_name_in_any_order() {
        let ty = record(&[("a", Type::Int), ("b", Type::String), ("c", Type::Double)]);
        assert_eq!(
            read(r#"{"c": 1, "b": "x\n\u00e9", "a": 7}"#, &ty).unwrap(),
            r#"{"a":7,"b":"x\né","c":1.0}"#
        );
    }

    #[test]
    fn text_is_converted_to_the_declared_scalar() {
        let ty = record(&[
            ("a", Type::Int),
            ("t", Type::Timestamp),
            ("d", Type::Duration),
            ("s", Type::Bytes),
        ]);
        let text = r#"{"a": "7", "t": "2000-01-01T01:00:00+01:00", "d": 1.5, "s": "aGk="}"#;
        assert_eq!(
            read(text, &ty).unwrap(),
            r#"{"a":7,"t":"2000-01-01T00:00:00Z","d":1.5,"s":"aGk="}"#
        );
    }

    #[test]
    fn a_missing_optional_field_is_null_and_a_missing_required_one_an_error() {
        let ty = record(&[("a", Type::Int.optional()), ("b", Type::Int)]);
        assert_eq!(read(r#"{"b": 1}"#, &ty).unwrap(), r#"{"a":null,"b":1}"#);
        assert_eq!(
            read(r#"{"a": 1}"#, &ty).unwrap_err(),
            "the field `b` is missing"
        );
        assert_eq!(
            read(r#"{"b": null}"#, &ty).unwrap_err(),
            "the field `b` must be an int, not null"
        );
    }

    #[test]
    fn an_unknown_field_is_an_error_unless_the_record_is_open() {
        let closed = record(&[("a", Type::Int)]);
        assert!(
            read(r#"{"a": 1, "b": 2}"#, &closed)
                .unwrap_err()
                .contains("a field `b`")
        );
        let Type::Record(r) = closed else {
            unreachable!()
        };
        let mut open = (*r).clone();
        open.rest = Some(Type::Int);
        let open = Type::Record(open.into());
        assert_eq!(
            read(r#"{"b": 2, "a": 1}"#, &open).unwrap(),
            r#"{"a":1,"b":2}"#
        );
        let wrong = read(r#"{"b": [], "a": 1}"#, &open).unwrap_err();
        assert_eq!(wrong, "the field `b` must be an int, not a list");
    }

    #[test]
    fn a_field_that_is_only_handed_on_is_written_as_it_was_read() {
        let declared = record(&[("a", Type::Double), ("b", Type::String), ("c", Type::Int)]);
        let out = record(&[("a", Type::Double), ("b", Type::String)]);
        let wanted = Wanted {
            fields: vec![("a".into(), Want::Pass), ("b".into(), Want::Pass)],
            rest: Want::Skip,
        };
        let text = r#"{"a": 1.50e3, "b": "\u0041", "c": "not a number"}"#;
        assert_eq!(
            read_as(text, &declared, &out, wanted.clone()).unwrap(),
            r#"{"a":1.50e3,"b":"\u0041"}"#
        );
        let broken = text.replace(',', ",\n");
        let looked = read_as(&broken, &declared, &out, wanted).unwrap();
        assert_eq!(
            looked, r#"{"a":1500.0,"b":"A"}"#,
            "what is handed on stays on one line"
        );
    }

    #[test]
    fn a_field_without_a_slot_is_checked_where_it_is_to_be_looked_at() {
        let declared = record(&[("a", Type::Int), ("b", Type::Int)]);
        let out = record(&[("a", Type::Int)]);
        let text = r#"{"a": 1, "b": "x"}"#;
        let read = |how| {
            let fields = vec![("a".into(), Want::Look), ("b".into(), how)];
            let wanted = Wanted {
                fields,
                rest: Want::Skip,
            };
            read_as(text, &declared, &out, wanted)
        };
        assert_eq!(read(Want::Skip).unwrap(), r#"{"a":1}"#);
        assert!(read(Want::Look).unwrap_err().contains("`b` must be an int"));
    }

    #[test]
    fn errors_name_the_place() {
        let any = &Type::Any;
        assert_eq!(
            read(r#"{"a": }"#, any).unwrap_err(),
            "not valid JSON: expected value at column 7"
        );
        assert!(
            read("", any)
                .unwrap_err()
                .starts_with("not valid JSON: EOF while parsing a value")
        );
        assert!(
            read("1 2", any)
                .unwrap_err()
                .contains("trailing characters at column 3")
        );
        let ty = record(&[("m", record(&[("x", Type::list(Type::Int))]))]);
        let wrong = read(r#"{"m": {"x": [1, "b"]}}"#, &ty).unwrap_err();
        assert_eq!(
            wrong,
            "the field `m.x.1` must be an int, not the text \"b\""
        );
        assert_eq!(
            read("[1]", &ty).unwrap_err(),
            "invalid type: sequence, expected a record"
        );
    }

    #[test]
    fn of_any_object_only_the_fields_that_are_used_are_kept() {
        let wanted = Wanted {
            fields: vec![("b".into(), Want::Look)],
            rest: Want::Skip,
        };
        let any = &Type::Any;
        assert_eq!(
            read_as(r#"{"a": 1, "b": {"a": 2}}"#, any, any, wanted.clone()).unwrap(),
            r#"{"b":{"a":2}}"#
        );
        assert_eq!(read_as("[1]", any, any, wanted).unwrap(), "[1]");
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map(".{0,3}", inner, 0..5)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_reads_and_writes_as_serde_json_does(value in json(), pretty: bool, pass: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let how = Wanted::all(if pass { Want::Pass } else { Want::Look });
            let again = read_as(&text.unwrap(), &Type::Any, &Type::Any, how).unwrap();
            prop_assert_eq!(again, serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*|[\\[\\]{}\":,0-9eE.+-]*") {
            let ty = record(&[("a", Type::Int), ("", Type::Any)]);
            let _ = read(&text, &ty);
            prop_assert_eq!(read(&text, &Type::Any).is_ok(), serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
