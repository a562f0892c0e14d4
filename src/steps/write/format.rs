//! How items look in each format, row by row.

use crate::steps::{ItemError, ItemErrorKind};
use crate::value::scan::near;
use crate::value::{Cell, JsonRows, Row, Shape, Type};

/// The formats of `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Each item on a line: a text as it is, everything else as JSON.
    Lines,
    /// Each item as JSON on a line.
    Json,
    Csv,
    Tsv,
    /// Aligned columns, for people.
    Table,
    /// Strings and bytes as they are, nothing between them.
    Bytes,
}

pub(super) const FORMATS: &[(&str, Format)] = &[
    ("lines", Format::Lines),
    ("json", Format::Json),
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("table", Format::Table),
    ("bytes", Format::Bytes),
];

impl Format {
    /// The format that a file's name stands for; the ending of a compression does not count.
    pub(super) fn of_name(name: &str) -> Format {
        let stem = [".gz", ".zst"]
            .iter()
            .find_map(|c| name.strip_suffix(c))
            .unwrap_or(name);
        match stem.rsplit_once('.').map_or("", |(_, ext)| ext) {
            "json" | "jsonl" => Format::Json,
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            _ => Format::Lines,
        }
    }

    pub(super) fn name(self) -> &'static str {
        FORMATS
            .iter()
            .find(|(_, f)| *f == self)
            .map_or("", |(name, _)| name)
    }

    /// Does it show items as rows of columns?
    pub(super) fn has_columns(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::Table)
    }
}

/// What stands between the cells of a row, and which bytes make a field need quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Separated {
    pub delimiter: u8,
}

impl Separated {
    /// Appends a field; where something came before it in the row, a delimiter first.
    pub(super) fn field(self, text: &[u8], first: bool, out: &mut Vec<u8>) {
        if !first {
            out.push(self.delimiter);
        }
        if near([self.delimiter, b'"', b'\n', b'\r'], text).is_none() {
            return out.extend_from_slice(text);
        }
        out.push(b'"');
        for part in text.split_inclusive(|b| *b == b'"') {
            out.extend_from_slice(part);
            if part.ends_with(b"\"") {
                out.push(b'"');
            }
        }
        out.push(b'"');
    }

    /// Ends a row that began at `from`. A row of one empty field is quoted: an empty line would be no row.
    pub(super) fn end(self, from: usize, out: &mut Vec<u8>) {
        if out.len() == from {
            out.extend_from_slice(b"\"\"");
        }
        out.push(b'\n');
    }

    /// The header line.
    pub(super) fn header<'a>(self, names: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
        let from = out.len();
        for (i, name) in names.enumerate() {
            self.field(name.as_bytes(), i == 0, out);
        }
        self.end(from, out);
    }
}

/// A cell as text in a column: null is empty.
pub(super) fn column_text(cell: &Cell, row: Row<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Raw(_) => column_text(&cell.detach(row.blocks), row, out),
        cell => cell.write_text(row.blocks, out),
    }
}

/// Writes rows of one shape as lines, JSON or bytes.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    format: Format,
    json: JsonRows,
    record: bool,
}

impl Plain {
    pub(super) fn new(format: Format, shape: &Shape) -> Plain {
        Plain {
            format,
            json: JsonRows::new(shape),
            record: shape.record().is_some(),
        }
    }

    /// # Errors
    /// An item that the format cannot write.
    pub(super) fn write(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), ItemError> {
        match self.format {
            Format::Bytes => {
                let cell = row.cells.first().filter(|_| !self.record);
                let text = cell.and_then(|c| {
                    c.as_str(row.blocks)
                        .map(str::as_bytes)
                        .or_else(|| c.as_bytes(row.blocks))
                });
                let Some(bytes) = text else {
                    let message =
                        "`format: bytes` writes strings and bytes, and this item is neither";
                    return Err(ItemError::new(ItemErrorKind::Type, message));
                };
                out.extend_from_slice(bytes);
                return Ok(());
            }
            Format::Lines if !self.record => row.cells[0].write_text(row.blocks, out),
            _ => self.json.write(row, out),
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Writes rows as fields of known columns.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub names: Vec<String>,
    separated: Separated,
    /// For each column, how its cell is found.
    cells: Vec<Find>,
    scratch: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Find {
    Slot(usize),
    /// In the map of an item of type `any`, or of an open record.
    Name(String),
}

impl Columns {
    pub(super) fn new(separated: Separated, names: Vec<String>, shape: &Shape) -> Columns {
        let find = |name: &String| match shape.record() {
            Some(record) => record
                .slot(name)
                .map_or_else(|| Find::Name(name.clone()), Find::Slot),
            None if *shape.ty() == Type::Any => Find::Name(name.clone()),
            None => Find::Slot(0),
        };
        Columns {
            cells: names.iter().map(find).collect(),
            names,
            separated,
            scratch: Vec::new(),
        }
    }

    /// The row's cell of each column, where it has one.
    pub(super) fn cells<'a>(&self, row: Row<'a>) -> impl Iterator<Item = Option<&'a Cell>> {
        self.cells.iter().map(move |find| find.cell(row))
    }

    pub(super) fn write(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        for (i, find) in self.cells.iter().enumerate() {
            let Some(cell) = find.cell(row) else {
                self.separated.field(b"", i == 0, out);
                continue;
            };
            if let Some(text) = cell.as_str(row.blocks) {
                self.separated.field(text.as_bytes(), i == 0, out);
            } else {
                self.scratch.clear();
                column_text(cell, row, &mut self.scratch);
                self.separated.field(&self.scratch, i == 0, out);
            }
        }
        self.separated.end(from, out);
    }
}

impl Find {
    fn cell<'a>(&self, row: Row<'a>) -> Option<&'a Cell> {
        match self {
            Find::Slot(slot) => row.cells.get(*slot),
            Find::Name(name) => {
                let slot = if row.shape.record().is_some() {
                    row.shape.rest_slot()?
                } else {
                    0
                };
                let cell = row.cells.get(slot)?;
                match cell.as_map() {
                    Some(map) => map.get(name),
                    None if row.shape.record().is_none() && name == VALUE => Some(cell),
                    None => None,
                }
            }
        }
    }
}

/// The name of the one column of items that are no records.
pub(super) const VALUE: &str = "value";

/// The columns of items of this type; `None`: seen when the first item comes.
pub(super) fn columns_of(ty: &Type) -> Option<Vec<String>> {
    match ty {
        Type::Record(record) if record.rest.is_none() => {
            Some(record.fields.iter().map(|f| f.name.to_string()).collect())
        }
        Type::Record(_) | Type::Any => None,
        Type::Optional(inner) if !matches!(**inner, Type::Record(_)) => Some(vec![VALUE.into()]),
        Type::Optional(_) => None,
        _ => Some(vec![VALUE.into()]),
    }
}

/// The columns of one item.
pub(super) fn columns_of_row(row: Row<'_>) -> Vec<String> {
    let mut names: Vec<String> = match row.shape.record() {
        Some(record) => record.fields.iter().map(|f| f.name.to_string()).collect(),
        None => Vec::new(),
    };
    let slot = if row.shape.record().is_some() {
        row.shape.rest_slot()
    } else {
        Some(0)
    };
    match slot.and_then(|s| row.cells[s].as_map()) {
        Some(map) => names.extend(map.entries().iter().map(|(k, _)| key_text(k))),
        None if row.shape.record().is_none() => names.push(VALUE.into()),
        None => {}
    }
    names
}

/// A field of the item that is none of the columns.
pub(super) fn stranger(row: Row<'_>, columns: &[String]) -> Option<String> {
    let slot = if row.shape.record().is_some() {
        row.shape.rest_slot()?
    } else {
        0
    };
    let map = row.cells[slot].as_map()?;
    map.entries()
        .iter()
        .map(|(k, _)| key_text(k))
        .find(|k| !columns.contains(k))
}

fn key_text(key: &Cell) -> String {
    let mut text = Vec::new();
    key.write_text(&crate::value::Blocks::new(), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
