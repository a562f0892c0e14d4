//! From one type to another at run time: what `as` does with text, and what it finds wrong.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Blocks, Cell, Field, Row, Type, time};

/// A value that is not of the type that was asked for, and where in the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The fields that lead to the value, outermost first; empty: the item itself.
    path: Vec<String>,
    what: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Not { wanted: Type, found: String },
    Missing,
    Unknown,
}

impl Misfit {
    /// `found` as it should be shown: `the text "x"`, `null`, `12`.
    pub fn new(wanted: &Type, found: impl Into<String>) -> Misfit {
        Misfit {
            path: Vec::new(),
            what: Wrong::Not {
                wanted: wanted.clone(),
                found: found.into(),
            },
        }
    }

    /// A text that does not stand for such a value.
    pub fn text(wanted: &Type, text: &str) -> Misfit {
        Misfit::new(wanted, format!("the text {}", shown(text)))
    }

    /// A required field that is not there.
    pub fn missing(name: &str) -> Misfit {
        Misfit {
            path: vec![name.into()],
            what: Wrong::Missing,
        }
    }

    /// A field that a closed record does not have.
    pub fn unknown(name: &str) -> Misfit {
        Misfit {
            path: vec![name.into()],
            what: Wrong::Unknown,
        }
    }

    /// The same in field `name` of what it was found in.
    #[must_use]
    pub fn within(mut self, name: &str) -> Misfit {
        self.path.insert(0, name.into());
        self
    }
}

/// At most this many characters of a wrong text are shown.
const SHOWN: usize = 60;

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.join(".");
        match &self.what {
            Wrong::Not { wanted, found } if path.is_empty() => {
                write!(f, "the item must be {}, not {found}", describe(wanted))
            }
            Wrong::Not { wanted, found } => write!(
                f,
                "the field `{path}` must be {}, not {found}",
                describe(wanted)
            ),
            Wrong::Missing => write!(f, "the field `{path}` is missing"),
            Wrong::Unknown => {
                write!(
                    f,
                    "there is a field `{path}` that the type does not have (`\"*\": any` in the type lets others in)"
                )
            }
        }
    }
}

impl std::error::Error for Misfit {}

/// A type with its article.
fn describe(ty: &Type) -> String {
    match ty {
        Type::Null | Type::Bytes => format!("{ty}"),
        Type::Int => "an int".into(),
        Type::Timestamp => "a timestamp".into(),
        Type::Any => "any value".into(),
        Type::Optional(inner) => format!("{} or null", describe(inner)),
        Type::List(inner) => format!("a list of {inner}"),
        Type::Record(_) => "a record".into(),
        Type::String | Type::Double | Type::Bool | Type::Duration => format!("a {ty}"),
    }
}

/// The scalar of type `ty` that a text stands for: `42`, `-1.5`, `true`, RFC 3339, `1h30m`, base64. A text for
/// a string or `any` is copied into `blocks`; for a `T?` an empty text is null.
///
/// # Errors
/// Where the text stands for no such value; lists and records are never read from text (see `parse`).
pub fn from_text(text: &str, ty: &Type, blocks: &mut Blocks) -> Result<Cell, Misfit> {
    match ty {
        Type::String | Type::Any => return Ok(blocks.text(text)),
        Type::Optional(_) | Type::Null if text.is_empty() => return Ok(Cell::Null),
        _ => {}
    }
    let value = match ty.required() {
        Type::String => Some(blocks.text(text)),
        Type::Int => int(text).map(Cell::Int),
        Type::Double => double(text).map(Cell::Double),
        Type::Bool => match text {
            "true" | "True" | "TRUE" => Some(Cell::Bool(true)),
            "false" | "False" | "FALSE" => Some(Cell::Bool(false)),
            _ => None,
        },
        Type::Bytes => STANDARD.decode(text).ok().map(|b| blocks.bin(&b)),
        Type::Timestamp => time::timestamp(text),
        Type::Duration => time::duration(text),
        Type::Null | Type::Any | Type::Optional(_) | Type::List(_) | Type::Record(_) => None,
    };
    value.ok_or_else(|| Misfit::text(ty, text))
}

/// A decimal integer of 64 bits, with a sign, without blanks.
pub fn int(text: &str) -> Option<i64> {
    // Most numbers in data are short; eighteen digits cannot overflow.
    let bytes = text.as_bytes();
    if (1..=18).contains(&bytes.len()) {
        let mut value = 0_i64;
        for b in bytes {
            let digit = b.wrapping_sub(b'0');
            if digit > 9 {
                return text.parse().ok();
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(value);
    }
    text.parse().ok()
}

/// A decimal number, perhaps with an exponent; also `NaN`, `inf`, `Infinity`.
pub fn double(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The value as type `ty`, made to stand in `blocks` (its own blocks are `of`). Text becomes the scalar it
/// stands for, an int becomes a double; everything else must be of that type already.
///
/// # Errors
/// Where it is something else.
pub fn fit(cell: &Cell, of: &Blocks, ty: &Type, blocks: &mut Blocks) -> Result<Cell, Misfit> {
    if let Cell::Raw(span) = cell {
        let read = Cell::from_json(of.str(*span)).unwrap_or(Cell::Null);
        return fit(&read, of, ty, blocks);
    }
    match (ty, cell) {
        (Type::Any, _) => return Ok(blocks.adopt(cell, of)),
        (Type::Optional(_) | Type::Null, Cell::Null) => return Ok(Cell::Null),
        _ => {}
    }
    match (ty.required(), cell) {
        (Type::String, Cell::Text(_))
        | (Type::Int, Cell::Int(_))
        | (Type::Double, Cell::Double(_))
        | (Type::Bool, Cell::Bool(_))
        | (Type::Bytes, Cell::Bin(_))
        | (Type::Timestamp, Cell::Time { .. })
        | (Type::Duration, Cell::Duration { .. }) => return Ok(blocks.adopt(cell, of)),
        // an int stands for the nearest double, as in CEL's double()
        (Type::Double, Cell::Int(i)) => return Ok(Cell::Double(*i as f64)),
        (Type::Duration, Cell::Int(i)) => {
            return time::seconds(*i as f64).ok_or_else(|| misfit(ty, cell, of));
        }
        (Type::Duration, Cell::Double(d)) => {
            return time::seconds(*d).ok_or_else(|| misfit(ty, cell, of));
        }
        _ => {}
    }
    if let Some(text) = cell.as_str(of) {
        return match (ty.required(), cell) {
            (Type::String, _) => Ok(cell.clone()),
            _ => from_text(text, ty, blocks),
        };
    }
    match ty.required() {
        Type::Bytes if cell.as_bytes(of).is_some() => Ok(cell.clone()),
        Type::List(inner) => {
            let list = cell.as_list().ok_or_else(|| misfit(ty, cell, of))?;
            let fitted = list.iter().enumerate().map(|(i, c)| {
                fit(c, of, inner, blocks)
                    .map(|c| c.detach(blocks))
                    .map_err(|m| m.within(&format!("{i}")))
            });
            Ok(Cell::list(fitted.collect::<Result<_, _>>()?))
        }
        Type::Record(record) => {
            let map = cell.as_map().ok_or_else(|| misfit(ty, cell, of))?;
            let mut entries = Vec::with_capacity(record.fields.len());
            for field in &record.fields {
                let value = fit_field(field, map.get(&field.name), of, blocks)?.detach(blocks);
                entries.push((Cell::str(&field.name), value));
            }
            others(
                record,
                map.entries().iter().map(|(k, v)| (k, v)),
                of,
                blocks,
                &mut entries,
            )?;
            Ok(Cell::map(entries))
        }
        _ => Err(misfit(ty, cell, of)),
    }
}

/// Appends the row as a row of type `ty`: its fields found by name, each made to fit.
///
/// # Errors
/// As [`fit`]; then nothing is appended.
pub fn fit_row(
    row: Row<'_>,
    ty: &Type,
    cells: &mut Vec<Cell>,
    blocks: &mut Blocks,
) -> Result<(), Misfit> {
    let Some(wanted) = ty.as_record() else {
        cells.push(match row.shape.record() {
            None => fit(&row.cells[0], row.blocks, ty, blocks)?,
            Some(_) => fit(&row.detach(), row.blocks, ty, blocks)?,
        });
        return Ok(());
    };
    let base = cells.len();
    let done = fit_fields(row, wanted, cells, blocks);
    if done.is_err() {
        cells.truncate(base);
    }
    done
}

fn fit_fields(
    row: Row<'_>,
    wanted: &super::RecordType,
    cells: &mut Vec<Cell>,
    blocks: &mut Blocks,
) -> Result<(), Misfit> {
    let has = row.shape.record();
    let map = match has {
        Some(_) => row
            .shape
            .rest_slot()
            .and_then(|slot| row.cells[slot].as_map()),
        None => Some(row.cells[0].as_map().ok_or_else(|| {
            misfit(
                &Type::Record(std::sync::Arc::new(wanted.clone())),
                &row.cells[0],
                row.blocks,
            )
        })?),
    };
    for field in &wanted.fields {
        let slot = has.and_then(|r| r.slot(&field.name));
        let value = slot
            .map(|s| &row.cells[s])
            .or_else(|| map.and_then(|m| m.get(&field.name)));
        cells.push(fit_field(field, value, row.blocks, blocks)?);
    }
    let mut entries = Vec::new();
    if let Some(has) = has {
        for (field, cell) in has.fields.iter().zip(row.cells) {
            if wanted.slot(&field.name).is_none() {
                let rest = wanted
                    .rest
                    .as_ref()
                    .ok_or_else(|| Misfit::unknown(&field.name))?;
                let value =
                    fit(cell, row.blocks, rest, blocks).map_err(|m| m.within(&field.name))?;
                entries.push((Cell::str(&field.name), value.detach(blocks)));
            }
        }
    }
    others(
        wanted,
        map.into_iter()
            .flat_map(super::Map::entries)
            .map(|(k, v)| (k, v)),
        row.blocks,
        blocks,
        &mut entries,
    )?;
    if wanted.rest.is_some() {
        cells.push(if entries.is_empty() {
            Cell::Null
        } else {
            Cell::map(entries)
        });
    }
    Ok(())
}

fn fit_field(
    field: &Field,
    value: Option<&Cell>,
    of: &Blocks,
    blocks: &mut Blocks,
) -> Result<Cell, Misfit> {
    match value {
        Some(cell) => fit(cell, of, &field.ty, blocks).map_err(|m| m.within(&field.name)),
        None if field.ty.nullable() => Ok(Cell::Null),
        None => Err(Misfit::missing(&field.name)),
    }
}

/// The entries that are no declared fields: into the rest, or an error.
fn others<'a>(
    record: &super::RecordType,
    entries: impl Iterator<Item = (&'a Cell, &'a Cell)>,
    of: &Blocks,
    blocks: &mut Blocks,
    out: &mut Vec<(Cell, Cell)>,
) -> Result<(), Misfit> {
    for (key, value) in entries {
        let name = key
            .as_str(of)
            .map_or_else(|| describe_cell(key, of), str::to_owned);
        if record.slot(&name).is_some() {
            continue;
        }
        let rest = record.rest.as_ref().ok_or_else(|| Misfit::unknown(&name))?;
        let value = fit(value, of, rest, blocks).map_err(|m| m.within(&name))?;
        out.push((key.clone(), value.detach(blocks)));
    }
    Ok(())
}

fn misfit(wanted: &Type, cell: &Cell, of: &Blocks) -> Misfit {
    Misfit::new(wanted, describe_cell(cell, of))
}

/// A value as an error shows it.
pub(super) fn describe_cell(cell: &Cell, of: &Blocks) -> String {
    if let Some(text) = cell.as_str(of) {
        return format!("the text {}", shown(text));
    }
    if cell.as_list().is_some() {
        return "a list".into();
    }
    if cell.as_map().is_some() {
        return "a record".into();
    }
    if cell.as_bytes(of).is_some() {
        return "bytes".into();
    }
    let mut out = Vec::new();
    cell.write_text(of, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Shape};
    use super::*;

    fn text(value: &str, ty: &Type) -> Result<Cell, String> {
        let mut blocks = Blocks::new();
        from_text(value, ty, &mut blocks)
            .map(|c| c.detach(&blocks))
            .map_err(|m| m.to_string())
    }

    #[test]
    fn text_becomes_the_scalar_it_stands_for() {
        assert_eq!(text("42", &Type::Int), Ok(Cell::Int(42)));
        assert_eq!(
            text("-9223372036854775808", &Type::Int),
            Ok(Cell::Int(i64::MIN))
        );
        assert_eq!(text("4e2", &Type::Double), Ok(Cell::Double(400.0)));
        assert_eq!(text("true", &Type::Bool), Ok(Cell::Bool(true)));
        assert_eq!(text("aGk=", &Type::Bytes), Ok(Cell::bytes(b"hi")));
        assert_eq!(
            text("1m", &Type::Duration),
            Ok(Cell::Duration { secs: 60, nanos: 0 })
        );
    }

    #[test]
    fn an_empty_text_is_null_only_where_null_may_stand() {
        assert_eq!(text("", &Type::Int.optional()), Ok(Cell::Null));
        assert_eq!(text("", &Type::String.optional()), Ok(Cell::Null));
        assert_eq!(text("", &Type::String), Ok(Cell::str("")));
        assert_eq!(
            text("", &Type::Int).unwrap_err(),
            "the item must be an int, not the text \"\""
        );
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for wrong in [
            "9223372036854775808",
            "1.0",
            " 1",
            "1_000",
            "0x10",
            "12345678901234567x",
        ] {
            assert!(text(wrong, &Type::Int).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_is_fitted_by_name_and_says_where_it_does_not_fit() {
        let wanted = Type::record([
            ("b".into(), Type::Int),
            ("a".into(), Type::String.optional()),
        ]);
        let fitted = |json: &str| {
            let mut batch = Batch::new(Shape::of(&Type::Any), Blocks::new());
            batch.push([Cell::from_json(json).unwrap()]);
            let mut cells = Vec::new();
            fit_row(batch.row(0), &wanted, &mut cells, &mut Blocks::new())
                .map_err(|m| m.to_string())?;
            Ok::<_, String>(cells)
        };
        assert_eq!(fitted(r#"{"b": "7"}"#), Ok(vec![Cell::Int(7), Cell::Null]));
        assert_eq!(
            fitted(r#"{"b": "x"}"#).unwrap_err(),
            "the field `b` must be an int, not the text \"x\""
        );
        assert_eq!(
            fitted(r#"{"a": "x"}"#).unwrap_err(),
            "the field `b` is missing"
        );
        assert_eq!(fitted("3").unwrap_err(), "the item must be a record, not 3");
        assert!(
            fitted(r#"{"b": 1, "c": 2}"#)
                .unwrap_err()
                .starts_with("there is a field `c`")
        );
    }

    #[test]
    fn what_is_nested_is_named_by_its_path() {
        let inner = Type::record([("x".into(), Type::list(Type::Int))]);
        let wanted = Type::record([("m".into(), inner)]);
        let of = Blocks::new();
        let cell = Cell::from_json(r#"{"m": {"x": [1, null]}}"#).unwrap();
        let wrong = fit(&cell, &of, &wanted, &mut Blocks::new()).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the field `m.x.1` must be an int, not null"
        );
    }
}
