//! Rows of separated values to records: for `parse: {csv: ...}` and for `read` in the formats csv and tsv.
//!
//! A field that begins with a quote goes on to the quote that closes it, doubled quotes in it stand for one;
//! quotes elsewhere are part of the text. So the csv crate reads it, and Python's csv module. Fields are spans of
//! the row; only one with doubled quotes is copied.

use std::sync::Arc;

use super::Format;
use super::rows::{Parser, Slots, Wrong, op};
use crate::expr::{Use, Uses};
use crate::steps::Op;
use crate::value::convert::{Misfit, from_text};
use crate::value::scan::Hits;
use crate::value::{Cell, Name, RecordType, Type};

/// `parse: {csv: {columns: [...]}}`: texts that are rows, without a header.
#[derive(Debug)]
pub(super) struct Csv {
    pub delimiter: u8,
    pub columns: Vec<String>,
}

impl Format for Csv {
    fn makes(&self, target: Option<&Type>) -> Type {
        makes(Some(&self.columns), target)
    }

    fn converts(&self) -> bool {
        true
    }

    fn check(&self, full: &Type) -> Result<(), String> {
        check(Some(&self.columns), full)
    }

    fn op(&self, full: &Type, out: &Type, after: &Uses, strict: bool) -> Op {
        rows_op(
            self.delimiter,
            self.columns.clone(),
            full,
            out,
            after,
            strict,
        )
    }
}

/// The type of the rows: what `as` says, else texts in the columns, else texts under whatever names there are.
pub(in crate::steps) fn makes(columns: Option<&[String]>, target: Option<&Type>) -> Type {
    match (target, columns) {
        (Some(ty), _) => ty.clone(),
        (None, Some(names)) => {
            Type::record(names.iter().map(|n| (n.as_str().into(), Type::String)))
        }
        (None, None) => Type::Record(Arc::new(RecordType {
            fields: Vec::new(),
            rest: Some(Type::String),
        })),
    }
}

/// Can rows be read as that type? `columns` are the names of their fields, where they are known.
///
/// # Errors
/// Why not, in a sentence.
pub(in crate::steps) fn check(columns: Option<&[String]>, full: &Type) -> Result<(), String> {
    let Type::Record(record) = full else {
        return Err(format!(
            "a row of separated values is a record, it cannot become {full}"
        ));
    };
    let scalar = |ty: &Type| !matches!(ty.required(), Type::List(_) | Type::Record(_));
    if let Some(field) = record.fields.iter().find(|f| !scalar(&f.ty)) {
        return Err(format!(
            "a field of a row is one text, so `{}` cannot be {} (read it as a string, then `parse` it)",
            field.name, field.ty
        ));
    }
    let Some(names) = columns else { return Ok(()) };
    let whole = RowPlan::of(full, full, &Uses::all(Use::Look), true, false);
    match whole.columns(names, "the row") {
        Err(Wrong::File(message) | Wrong::Text(message)) => Err(message),
        Ok(_) => Ok(()),
    }
}

/// The op that reads rows whose fields have these names.
pub(in crate::steps) fn rows_op(
    delimiter: u8,
    columns: Vec<String>,
    full: &Type,
    out: &Type,
    after: &Uses,
    strict: bool,
) -> Op {
    let plan = RowPlan::of(full, out, after, strict, false);
    op(CsvParser::new(delimiter, plan, Some(columns.into())), out)
}

/// The op that reads rows of files that have a header. `chosen`: of the columns some were chosen, the others are passed
/// over.
pub(in crate::steps) fn file_op(
    delimiter: u8,
    full: &Type,
    out: &Type,
    after: &Uses,
    chosen: bool,
) -> Op {
    op(
        CsvParser::new(
            delimiter,
            RowPlan::of(full, out, after, false, chosen),
            None,
        ),
        out,
    )
}

/// What is made of a row.
#[derive(Clone, Debug)]
struct RowPlan {
    /// The declared type, and the part of it that is used.
    full: Arc<RecordType>,
    kept: Arc<RecordType>,
    /// Of the fields that no type names, only these are wanted; `None`: all.
    rest: Option<Vec<Name>>,
    /// Convert also what nobody uses.
    strict: bool,
    /// Columns that the type does not have are passed over.
    chosen: bool,
}

/// What becomes of a column.
#[derive(Clone, Debug)]
enum Column {
    Skip,
    /// A string that may be empty, into this slot.
    Text(usize),
    /// The slot, the type, and the name for messages.
    Slot(usize, Type, Name),
    /// Into the map of an open record.
    Rest(Cell, Type, Name),
    /// Only checked.
    Check(Type, Name),
}

impl Column {
    fn name(&self) -> &str {
        match self {
            Column::Skip | Column::Text(_) => "",
            Column::Slot(_, _, name) | Column::Rest(_, _, name) | Column::Check(_, name) => name,
        }
    }
}

impl RowPlan {
    fn of(full: &Type, out: &Type, after: &Uses, strict: bool, chosen: bool) -> RowPlan {
        let (Type::Record(full), Type::Record(kept)) = (full, out) else {
            unreachable!("BUG: rows of something that is no record");
        };
        RowPlan {
            full: full.clone(),
            kept: kept.clone(),
            rest: (!strict && after.rest.is_none()).then(|| after.fields.keys().cloned().collect()),
            strict,
            chosen,
        }
    }

    fn width(&self) -> usize {
        self.kept.fields.len() + usize::from(self.kept.rest.is_some())
    }

    fn in_order(&self, columns: &[Column]) -> bool {
        let slots = columns.iter().filter_map(|column| match column {
            Column::Text(slot) | Column::Slot(slot, ..) => Some(*slot),
            Column::Skip | Column::Rest(..) | Column::Check(..) => None,
        });
        self.kept.rest.is_none() && slots.eq(0..self.kept.fields.len())
    }

    /// What becomes of each column of a file.
    fn columns(&self, names: &[String], file: &str) -> Result<Vec<Column>, Wrong> {
        if let Some((i, name)) = names
            .iter()
            .enumerate()
            .find(|(i, name)| names[..*i].contains(name))
        {
            let message = format!(
                "{file} has two columns named `{name}`, the second is number {}",
                i + 1
            );
            return Err(Wrong::File(message));
        }
        for field in &self.full.fields {
            if !field.ty.nullable() && !names.iter().any(|n| **n == *field.name) {
                let message = format!(
                    "{file} has no column `{}`; its columns are {}",
                    field.name,
                    names.join(", ")
                );
                return Err(Wrong::File(message));
            }
        }
        names.iter().map(|name| self.column(name, file)).collect()
    }

    fn column(&self, name: &str, file: &str) -> Result<Column, Wrong> {
        let field = Name::from(name);
        if let Some(slot) = self.full.slot(name) {
            let ty = self.full.fields[slot].ty.clone();
            return Ok(match self.kept.slot(name) {
                Some(slot) if ty == Type::String => Column::Text(slot),
                Some(slot) => Column::Slot(slot, ty, field),
                None if self.strict => Column::Check(ty, field),
                None => Column::Skip,
            });
        }
        match &self.full.rest {
            Some(_)
                if self
                    .rest
                    .as_ref()
                    .is_some_and(|only| !only.contains(&field)) =>
            {
                Ok(Column::Skip)
            }
            Some(ty) => Ok(Column::Rest(Cell::str(name), ty.clone(), field)),
            None if self.chosen => Ok(Column::Skip),
            None => Err(Wrong::File(format!(
                "{file} has a column `{name}` that the type does not have (`\"*\": string` in the type lets others in, \
                 `columns` chooses)"
            ))),
        }
    }
}

#[derive(Clone)]
struct CsvParser {
    delimiter: u8,
    plan: RowPlan,
    /// The names of the columns, and what becomes of each.
    names: Option<Arc<[String]>>,
    columns: Vec<Column>,
    /// The columns fill the slots one after the other.
    in_order: bool,
    /// They are of the file that is being read, and may be others in the next.
    by_file: bool,
    scratch: String,
}

impl CsvParser {
    fn new(delimiter: u8, plan: RowPlan, names: Option<Arc<[String]>>) -> CsvParser {
        // Columns that the user has named himself were held against the type when the file was checked.
        let columns = names
            .as_ref()
            .and_then(|n| plan.columns(n, "the row").ok())
            .unwrap_or_default();
        CsvParser {
            delimiter,
            in_order: plan.in_order(&columns),
            plan,
            by_file: names.is_none(),
            names,
            columns,
            scratch: String::new(),
        }
    }

    /// The columns of the file that the row was read from.
    fn columns_of(&mut self, out: &Slots<'_>) -> Result<(), Wrong> {
        let block = out.span.and_then(|s| out.blocks.block_of(s));
        let from = block.and_then(|b| b.from());
        let Some((from, names)) = from.and_then(|f| Some((f, f.columns.as_ref()?))) else {
            unreachable!("BUG: a row without its file's header");
        };
        if self.names.as_ref().is_some_and(|n| Arc::ptr_eq(n, names)) {
            return Ok(());
        }
        self.columns = self.plan.columns(names, &from.name)?;
        self.in_order = self.plan.in_order(&self.columns);
        self.names = Some(names.clone());
        Ok(())
    }
}

impl Parser for CsvParser {
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), Wrong> {
        if self.by_file {
            self.columns_of(out)?;
        }
        let base = out.cells.len();
        if !self.in_order {
            out.cells.resize(base + self.plan.width(), Cell::Null);
        }
        let mut others = Vec::new();
        let mut fields = Fields::new(text, self.delimiter);
        let mut number = 0;
        loop {
            match fields.next(&mut self.scratch) {
                Next::End => break,
                Next::Wrong => return Err(Wrong::Text(fields.wrong.into())),
                Next::Part => {
                    if let Some(Column::Text(slot)) = self.columns.get(number) {
                        let (from, to) = (fields.from, fields.to);
                        match out.span {
                            Some(span) if self.in_order => {
                                out.cells.push(out.blocks.sub(span, from, to))
                            }
                            Some(span) => out.cells[base + slot] = out.blocks.sub(span, from, to),
                            None if self.in_order => {
                                out.cells.push(out.blocks.text(&text[from..to]))
                            }
                            None => out.cells[base + slot] = out.blocks.text(&text[from..to]),
                        }
                        number += 1;
                        continue;
                    }
                }
                Next::Copied => {}
            }
            if let Some(column) = self.columns.get(number) {
                self.other(column, &fields, base, &mut others, out)?;
            }
            number += 1;
        }
        if number != self.columns.len() {
            return Err(Wrong::Text(wrong_number(number, self.columns.len())));
        }
        if !others.is_empty() && self.plan.kept.rest.is_some() {
            out.cells[base + self.plan.kept.fields.len()] = Cell::map(others);
        }
        Ok(())
    }
}

impl CsvParser {
    /// A field that is more than a part of the row for a slot.
    fn other(
        &self,
        column: &Column,
        fields: &Fields<'_>,
        base: usize,
        others: &mut Vec<(Cell, Cell)>,
        out: &mut Slots<'_>,
    ) -> Result<(), String> {
        let cell = |ty: &Type, out: &mut Slots<'_>| {
            let text = fields.text(&self.scratch);
            match ty.required() {
                Type::String | Type::Any if !fields.copied && !text.is_empty() => {
                    Ok(out.part(fields.row, fields.from, fields.to))
                }
                _ => from_text(text, ty, out.blocks),
            }
        };
        let (slot, ty) = match column {
            Column::Skip => return Ok(()),
            Column::Text(slot) => (Some(*slot), &Type::String),
            Column::Slot(slot, ty, _) => (Some(*slot), ty),
            Column::Rest(_, ty, _) | Column::Check(ty, _) => (None, ty),
        };
        let made: Result<Cell, Misfit> = cell(ty, out);
        let made = made.map_err(|misfit| misfit.within(column.name()).to_string())?;
        match (slot, column) {
            (Some(_), _) if self.in_order => out.cells.push(made),
            (Some(slot), _) => out.cells[base + slot] = made,
            (None, Column::Rest(key, ..)) => others.push((key.clone(), made.detach(out.blocks))),
            (None, _) => {}
        }
        Ok(())
    }
}

fn wrong_number(has: usize, wants: usize) -> String {
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let are = if wants == 1 { "is" } else { "are" };
    format!(
        "the row has {has} field{}, but there {are} {wants} column{}",
        s(has),
        s(wants)
    )
}

/// The fields of a row, one after the other. What is known of a field stands here and is not handed out: a value of
/// several words would be copied on its way, and wait each time for what was just written.
struct Fields<'a> {
    row: &'a str,
    delimiter: u8,
    /// Delimiters, quotes and carriage returns.
    hits: Hits<'a, 3>,
    /// Where the next field begins; beyond the row behind the last.
    at: usize,
    /// Where this one stands, unless it was copied.
    from: usize,
    to: usize,
    copied: bool,
    wrong: &'static str,
}

/// What [`Fields::next`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A part of the row.
    Part,
    /// A text that was put together in the scratch.
    Copied,
    End,
    Wrong,
}

impl<'a> Fields<'a> {
    #[inline]
    fn new(row: &'a str, delimiter: u8) -> Fields<'a> {
        Fields {
            row,
            delimiter,
            hits: Hits::new([delimiter, b'"', b'\r'], row.as_bytes()),
            at: 0,
            from: 0,
            to: 0,
            copied: false,
            wrong: "",
        }
    }

    fn text<'s>(&self, scratch: &'s str) -> &'s str
    where
        'a: 's,
    {
        if self.copied {
            scratch
        } else {
            &self.row[self.from..self.to]
        }
    }

    #[inline]
    fn next(&mut self, scratch: &mut String) -> Next {
        let bytes = self.row.as_bytes();
        if self.at > bytes.len() {
            return Next::End;
        }
        (self.from, self.copied) = (self.at, false);
        loop {
            let hit = self.hits.next().unwrap_or(bytes.len());
            match bytes.get(hit) {
                Some(b'"') if hit == self.from => return self.quoted(scratch),
                // Elsewhere a quote is a part of the text.
                Some(b'"') => {}
                Some(b'\r') => {
                    return self.fail(
                        "a carriage return stands in the midst of the row, outside of quotes",
                    );
                }
                _ => {
                    (self.to, self.at) = (hit, hit + 1);
                    return Next::Part;
                }
            }
        }
    }

    fn fail(&mut self, wrong: &'static str) -> Next {
        self.wrong = wrong;
        Next::Wrong
    }

    /// The place of the next quote.
    #[inline]
    fn quote(&mut self) -> Option<usize> {
        let bytes = self.row.as_bytes();
        self.hits.find(|hit| bytes[*hit] == b'"')
    }

    /// A field that begins with a quote.
    #[inline]
    fn quoted(&mut self, scratch: &mut String) -> Next {
        self.from += 1;
        let Some(end) = self.quote() else {
            return self.fail(OPEN);
        };
        self.to = end;
        match self.row.as_bytes().get(end + 1) {
            None => self.at = end + 2,
            Some(after) if *after == self.delimiter => {
                self.hits.next();
                self.at = end + 2;
            }
            Some(_) => return self.put_together(scratch),
        }
        Next::Part
    }

    /// The same with doubled quotes, or with text behind the closing one, which belongs to the field.
    fn put_together(&mut self, scratch: &mut String) -> Next {
        let bytes = self.row.as_bytes();
        scratch.clear();
        self.copied = true;
        let (mut start, mut end) = (self.from, self.to);
        loop {
            scratch.push_str(&self.row[start..end]);
            if bytes.get(end + 1) != Some(&b'"') {
                break;
            }
            scratch.push('"');
            self.hits.next();
            start = end + 2;
            end = match self.quote() {
                Some(end) => end,
                None => return self.fail(OPEN),
            };
        }
        let delimiter = self.delimiter;
        let next = self
            .hits
            .find(|hit| bytes[*hit] == delimiter)
            .unwrap_or(bytes.len());
        scratch.push_str(&self.row[end + 1..next]);
        self.at = next + 1;
        Next::Copied
    }
}

const OPEN: &str = "a quote is not closed";

/// The fields of a header.
///
/// # Errors
/// A row that is not right.
pub(in crate::steps) fn header(row: &str, delimiter: u8) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut scratch = String::new();
    let mut fields = Fields::new(row, delimiter);
    loop {
        match fields.next(&mut scratch) {
            Next::Part | Next::Copied => names.push(fields.text(&scratch).to_owned()),
            Next::End => return Ok(names),
            Next::Wrong => return Err(fields.wrong.into()),
        }
    }
}

/// Where the row that begins `text` ends (the place of the line's end that is not within quotes), and how many
/// other lines' ends are in it. `None` where that is not in `text`.
#[inline]
pub(in crate::steps) fn row_end(text: &[u8], delimiter: u8) -> Option<(usize, u64)> {
    let mut hits = Hits::new([b'"', b'\n'], text);
    let mut lines = 0;
    while let Some(hit) = hits.next() {
        if text[hit] == b'\n' {
            return Some((hit, lines));
        }
        // A quote opens a field only where one begins.
        if hit > 0 && text[hit - 1] != delimiter {
            continue;
        }
        loop {
            let hit = hits.next()?;
            if text[hit] == b'\n' {
                lines += 1;
            } else if text.get(hit + 1)? != &b'"' {
                break;
            } else {
                hits.next();
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse_as;
    use super::*;
    use proptest::prelude::*;

    fn columns(names: &[&str]) -> Csv {
        Csv {
            delimiter: b',',
            columns: names.iter().map(|n| (*n).to_owned()).collect(),
        }
    }

    fn parse(names: &[&str], text: &str) -> Result<String, String> {
        parse_as(&columns(names), &Uses::all(Use::Look), text)
    }

    #[test]
    fn fields_are_named_by_the_columns() {
        assert_eq!(
            parse(&["a", "b"], "1,\"x, \"\"y\"\"\"").unwrap(),
            r#"{"a":"1","b":"x, \"y\""}"#
        );
        assert_eq!(parse(&["a", "b"], ",").unwrap(), r#"{"a":"","b":""}"#);
        assert_eq!(parse(&["a"], "\"x\"y").unwrap(), r#"{"a":"xy"}"#);
        assert_eq!(parse(&["a"], "5\" pipe").unwrap(), r#"{"a":"5\" pipe"}"#);
    }

    #[test]
    fn a_wrong_row_says_what_is_wrong() {
        assert_eq!(
            parse(&["a", "b"], "1").unwrap_err(),
            "the row has 1 field, but there are 2 columns"
        );
        assert_eq!(
            parse(&["a"], "1,2").unwrap_err(),
            "the row has 2 fields, but there is 1 column"
        );
        assert_eq!(parse(&["a"], "\"1").unwrap_err(), "a quote is not closed");
        assert!(
            parse(&["a"], "1\r2")
                .unwrap_err()
                .contains("carriage return")
        );
    }

    /// The rows as our splitter and parser see them; `None` where one is in error.
    fn ours(text: &str) -> Option<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = row_end(rest.as_bytes(), b',');
            let row = &rest[..end.map_or(rest.len(), |(end, _)| end)];
            rest = end.map_or("", |(end, _)| &rest[end + 1..]);
            let row = row.strip_suffix('\r').unwrap_or(row);
            if !row.is_empty() {
                rows.push(header(row, b',').ok()?);
            }
        }
        Some(rows)
    }

    fn theirs(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        reader
            .records()
            .map(|r| r.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_csv_crate(text in "[a\"\",\\n é]{0,30}") {
            if let Some(rows) = ours(&text) {
                prop_assert_eq!(rows, theirs(&text));
            } else {
                // The one thing that we refuse and it does not: a quote that is never closed.
                let closed = format!("{text}\"");
                prop_assert!(ours(&closed).is_some() || closed.contains('"'));
            }
        }

        #[test]
        fn what_the_csv_crate_writes_is_read_back(rows in proptest::collection::vec(proptest::collection::vec("[ab\",\r\n]{0,4}", 1..4), 0..5)) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows { writer.write_record(row).unwrap(); }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(ours(&text), Some(rows));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = parse(&["a", "b"], &text);
        }
    }
}
