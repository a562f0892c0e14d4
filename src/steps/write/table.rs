//! The format `table`: aligned columns for people. All rows are kept until the end, since the last one may be
//! the widest.

use unicode_width::UnicodeWidthStr as _;

use super::format::column_text;
use crate::value::{Cell, Row};

/// Rows of texts, and which of them are numbers.
#[derive(Debug, Default)]
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<(String, bool)>>,
}

impl Table {
    pub(super) fn new(header: Vec<String>) -> Table {
        Table {
            header,
            rows: Vec::new(),
        }
    }

    /// Adds a row of the columns' cells.
    pub(super) fn push<'a>(&mut self, row: Row<'_>, cells: impl Iterator<Item = Option<&'a Cell>>) {
        let shown = cells.map(|cell| {
            let Some(cell) = cell else {
                return (String::new(), false);
            };
            let mut text = Vec::new();
            column_text(cell, row, &mut text);
            let number = matches!(cell, Cell::Int(_) | Cell::Double(_) | Cell::Duration { .. });
            (tame(&String::from_utf8_lossy(&text)), number)
        });
        self.rows.push(shown.collect());
    }

    /// The whole table: numbers to the right, everything else to the left; a column's name stands as its cells do.
    pub(super) fn render(&self, out: &mut Vec<u8>) {
        if self.header.is_empty() {
            return;
        }
        let header: Vec<String> = self.header.iter().map(|name| tame(name)).collect();
        let mut widths: Vec<usize> = header.iter().map(|name| name.width()).collect();
        let mut numbers = vec![!self.rows.is_empty(); header.len()];
        for row in &self.rows {
            for (i, (text, number)) in row.iter().enumerate() {
                widths[i] = widths[i].max(text.width());
                numbers[i] &= *number || text.is_empty();
            }
        }
        line(
            header
                .iter()
                .map(|name| &**name)
                .zip(numbers.iter().copied()),
            &widths,
            out,
        );
        for row in &self.rows {
            line(
                row.iter().map(|(text, number)| (&**text, *number)),
                &widths,
                out,
            );
        }
    }
}

fn line<'a>(cells: impl Iterator<Item = (&'a str, bool)>, widths: &[usize], out: &mut Vec<u8>) {
    let from = out.len();
    for (i, ((text, right), width)) in cells.zip(widths).enumerate() {
        if i > 0 {
            out.extend_from_slice(b"  ");
        }
        let blanks = width - text.width();
        if right {
            out.resize(out.len() + blanks, b' ');
        }
        out.extend_from_slice(text.as_bytes());
        if !right {
            out.resize(out.len() + blanks, b' ');
        }
    }
    while out.len() > from && out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

/// A text that cannot break its line or steer a terminal: control characters are escaped.
fn tame(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut tame, c| {
        if c.is_control() {
            tame.extend(c.escape_default())
        } else {
            tame.push(c)
        }
        tame
    })
}
