//! The two halves of `write`: rows to bytes by each worker, bytes to their place in turn.

use std::path::PathBuf;
use std::sync::Arc;

use super::file::OutFile;
use super::format::{Columns, Format, Plain, Separated, columns_of, columns_of_row, stranger};
use super::table::Table;
use crate::steps::{BatchStep, Cx, Flow, ItemError, ItemErrorKind, RunError};
use crate::value::{Batch, BlockPool, Row, Shape};

/// Where the bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Stdout,
    Stderr,
    /// As the user wrote it, and where that is.
    File(String, PathBuf),
}

/// What both halves know.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub place: Result<Place, String>,
    pub format: Format,
    pub append: bool,
    pub header: bool,
    /// The columns that the user asked for.
    pub columns: Option<Vec<String>>,
    pub shape: Arc<Shape>,
    /// Buffers that go from the first half to the second and back.
    pub buffers: Arc<BlockPool>,
}

impl Plan {
    fn separated(&self) -> Separated {
        Separated {
            delimiter: if self.format == Format::Tsv {
                b'\t'
            } else {
                b','
            },
        }
    }

    fn table(&self, names: Vec<String>) -> (Columns, Table) {
        (
            Columns::new(self.separated(), names.clone(), &self.shape),
            Table::new(names),
        )
    }

    /// The columns, where they are known before the first item.
    fn known_columns(&self) -> Option<Vec<String>> {
        self.columns.clone().or_else(|| columns_of(self.shape.ty()))
    }
}

/// The first half.
pub(super) struct Render {
    plan: Plan,
    how: How,
}

enum How {
    Plain(Plain),
    Columns(Columns),
    /// The second half does it: it must see all rows, or the first one.
    Later,
}

impl Render {
    pub(super) fn new(plan: &Plan) -> Render {
        let how = match plan.format {
            Format::Csv | Format::Tsv => match plan.known_columns() {
                Some(names) => How::Columns(Columns::new(plan.separated(), names, &plan.shape)),
                None => How::Later,
            },
            Format::Table => How::Later,
            format => How::Plain(Plain::new(format, &plan.shape)),
        };
        Render {
            plan: plan.clone(),
            how,
        }
    }
}

impl BatchStep for Render {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = self.plan.buffers.get(0);
        out.clear();
        match &mut self.how {
            How::Plain(plain) => {
                batch.retain_rows(|origin, row| {
                    let from = out.len();
                    match plain.write(row, &mut out) {
                        Ok(()) => true,
                        Err(error) => {
                            out.truncate(from);
                            cx.fail(origin, row, error);
                            false
                        }
                    }
                });
            }
            How::Columns(columns) => {
                for row in batch.rows() {
                    columns.write(row, &mut out);
                }
            }
            How::Later => {}
        }
        batch.rendered = Some(out);
        Flow::Next(batch)
    }
}

/// The second half.
pub(super) struct Write {
    plan: Plan,
    to: To,
    rows: Rows,
    begun: bool,
}

enum To {
    Closed,
    Stdout,
    Stderr,
    File(String, OutFile),
}

/// What the first half has left to do.
enum Rows {
    Rendered,
    /// The first item says which columns there are.
    Unknown,
    Columns(Columns),
    Table(Option<(Columns, Table)>),
}

impl Write {
    pub(super) fn new(plan: &Plan) -> Write {
        let rows = match plan.format {
            Format::Table => Rows::Table(plan.known_columns().map(|names| plan.table(names))),
            Format::Csv | Format::Tsv if plan.known_columns().is_none() => Rows::Unknown,
            _ => Rows::Rendered,
        };
        Write {
            plan: plan.clone(),
            to: To::Closed,
            rows,
            begun: false,
        }
    }

    /// Opens the place, and writes the header where the columns are known.
    fn begin(&mut self, cx: &Cx<'_>) -> Result<(), RunError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let mut fresh = true;
        self.to = match &self.plan.place {
            Err(message) => {
                return Err(RunError::Failed {
                    message: message.clone(),
                });
            }
            Ok(Place::Stdout) => To::Stdout,
            Ok(Place::Stderr) => To::Stderr,
            Ok(Place::File(name, path)) => {
                // Rows that are added to a file stand under the header that it has.
                fresh = !self.plan.append || path.metadata().map_or(true, |m| m.len() == 0);
                let file = OutFile::create(path, self.plan.append);
                To::File(name.clone(), file.map_err(|e| cannot_write(name, &e))?)
            }
        };
        self.plan.header &= fresh;
        let known = if matches!(self.rows, Rows::Rendered) {
            self.plan.known_columns()
        } else {
            None
        };
        match known {
            Some(names) => self.header(&names, cx),
            None => Ok(()),
        }
    }

    fn header(&mut self, names: &[String], cx: &Cx<'_>) -> Result<(), RunError> {
        if !self.plan.header || !matches!(self.plan.format, Format::Csv | Format::Tsv) {
            return Ok(());
        }
        let mut line = Vec::new();
        self.plan
            .separated()
            .header(names.iter().map(String::as_str), &mut line);
        self.put(&line, cx)
    }

    fn put(&mut self, bytes: &[u8], cx: &Cx<'_>) -> Result<(), RunError> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.to {
            To::Closed => unreachable!("BUG: written before it was opened"),
            To::Stdout => stdout(bytes, cx),
            To::Stderr => cx
                .output
                .stderr(bytes)
                .map_err(|e| cannot_write("standard error", &e)),
            To::File(name, file) => file.write(bytes).map_err(|e| cannot_write(name, &e)),
        }
    }

    fn take(&mut self, batch: &mut Batch, cx: &mut Cx<'_>) -> Result<(), RunError> {
        let Some(mut bytes) = batch.rendered.take() else {
            unreachable!("BUG: a batch that was not rendered")
        };
        self.begin(cx)?;
        if matches!(self.rows, Rows::Unknown) && !batch.is_empty() {
            let names = columns_of_row(batch.row(0));
            self.header(&names, cx)?;
            self.rows = Rows::Columns(Columns::new(self.plan.separated(), names, &self.plan.shape));
        }
        let chosen = self.plan.columns.is_some();
        match &mut self.rows {
            Rows::Rendered | Rows::Unknown => {}
            Rows::Columns(columns) => {
                batch.retain_rows(|origin, row| {
                    let right = known(&columns.names, origin, row, cx);
                    if right {
                        columns.write(row, &mut bytes);
                    }
                    right
                });
            }
            Rows::Table(table) => {
                batch.retain_rows(|origin, row| {
                    let (columns, table) =
                        table.get_or_insert_with(|| self.plan.table(columns_of_row(row)));
                    let right = chosen || known(&columns.names, origin, row, cx);
                    if right {
                        table.push(row, columns.cells(row));
                    }
                    right
                });
            }
        }
        let put = self.put(&bytes, cx);
        self.plan.buffers.put(bytes);
        put
    }
}

/// Are all fields of the item among the columns? Otherwise it fails: nothing is left out silently.
fn known(names: &[String], origin: u32, row: Row<'_>, cx: &mut Cx<'_>) -> bool {
    let Some(name) = stranger(row, names) else {
        return true;
    };
    let message = format!(
        "the item has a field `{name}`, but the columns, which the first item gave, are {} (`columns` chooses them)",
        names.join(", ")
    );
    cx.fail(origin, row, ItemError::new(ItemErrorKind::Type, message));
    false
}

/// Writes to standard output.
pub(in crate::steps) fn stdout(bytes: &[u8], cx: &Cx<'_>) -> Result<(), RunError> {
    cx.output.stdout(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::BrokenPipe => RunError::BrokenPipe,
        _ => cannot_write("standard output", &e),
    })
}

fn cannot_write(name: &str, error: &std::io::Error) -> RunError {
    RunError::io(format!("cannot write {name}"), error)
}

impl BatchStep for Write {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        match self.take(&mut batch, cx) {
            Ok(()) => Flow::Next(batch),
            Err(error) => Flow::Stop(error),
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        // A file is made also where nothing came.
        self.begin(cx)?;
        if let Rows::Table(Some((_, table))) = std::mem::replace(&mut self.rows, Rows::Rendered) {
            let mut bytes = Vec::new();
            table.render(&mut bytes);
            self.put(&bytes, cx)?;
        }
        if let To::File(name, file) = std::mem::replace(&mut self.to, To::Closed) {
            file.complete().map_err(|e| cannot_write(&name, &e))?;
        }
        Ok(None)
    }

    fn abandon(&mut self) {
        // What is written stays under its partial name.
        self.to = To::Closed;
    }
}
