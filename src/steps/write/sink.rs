//! The first half of `write`: each worker makes bytes of its rows.

use std::path::PathBuf;
use std::sync::Arc;

use super::compress::Compression;
use super::format::{Columns, Format, Plain, Separated, columns_of};
use super::frames::Frames;
use super::path::PathCode;
use super::table::Table;
use crate::steps::{BatchStep, Cx, Flow, ItemError};
use crate::value::{Batch, BlockPool, Row, Shape};

/// Where the bytes go.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Stdout,
    Stderr,
    /// As the user wrote it, and where that is.
    File(String, PathBuf),
    /// Each item says which file; relative to the folder.
    Each(PathCode, PathBuf),
}

/// What both halves know.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub place: Result<Place, String>,
    pub format: Format,
    pub append: bool,
    /// Each item takes the place of the file.
    pub replace: bool,
    pub compression: Option<Compression>,
    pub header: bool,
    pub delimiter: u8,
    /// The columns that the user asked for.
    pub columns: Option<Vec<String>>,
    pub shape: Arc<Shape>,
    /// Buffers that go from the first half to the second and back.
    pub buffers: Arc<BlockPool>,
}

impl Plan {
    pub(super) fn separated(&self) -> Separated {
        Separated {
            delimiter: self.delimiter,
        }
    }

    /// The columns, where they are known before the first item.
    pub(super) fn known_columns(&self) -> Option<Vec<String>> {
        self.columns.clone().or_else(|| columns_of(self.shape.ty()))
    }

    pub(super) fn table(&self, names: Vec<String>) -> (Columns, Table) {
        (
            Columns::new(self.separated(), names.clone(), &self.shape),
            Table::new(names),
        )
    }

    /// Are there frames in what the first half makes?
    pub(super) fn is_framed(&self) -> bool {
        matches!(self.place, Ok(Place::Each(..)))
    }

    pub(super) fn compression(&self, name: &str) -> Compression {
        self.compression
            .unwrap_or_else(|| Compression::of_name(name))
    }
}

/// The first half.
pub(super) struct Render {
    plan: Plan,
    how: How,
    path: Vec<u8>,
    scratch: Vec<u8>,
}

enum How {
    Plain(Plain),
    Columns(Columns),
    /// The second half does it: it must see all rows of a file, or the first one.
    Later,
}

impl How {
    fn write(&mut self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), ItemError> {
        match self {
            How::Plain(plain) => plain.write(row, out),
            How::Columns(columns) => {
                columns.write(row, out);
                Ok(())
            }
            How::Later => Ok(()),
        }
    }
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
            path: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// All rows go to one place.
    fn together(&mut self, batch: &mut Batch, out: &mut Vec<u8>, cx: &mut Cx<'_>) {
        if let (How::Columns(columns), false) = (&mut self.how, self.plan.replace) {
            return batch.rows().for_each(|row| columns.write(row, out));
        }
        batch.retain_rows(|origin, row| {
            // Where each item takes the place of the file, only the last of these will be seen.
            let from = if self.plan.replace { 0 } else { out.len() };
            self.scratch.clear();
            let to = if self.plan.replace {
                &mut self.scratch
            } else {
                &mut *out
            };
            match self.how.write(row, to) {
                Ok(()) => {
                    if self.plan.replace {
                        std::mem::swap(out, &mut self.scratch);
                    }
                    true
                }
                Err(error) => {
                    if !self.plan.replace {
                        out.truncate(from);
                    }
                    cx.fail(origin, row, error);
                    false
                }
            }
        });
    }

    /// Each row says where it goes.
    fn apart(&mut self, batch: &mut Batch, out: &mut Vec<u8>, cx: &mut Cx<'_>) {
        let Ok(Place::Each(code, _)) = &self.plan.place else {
            return;
        };
        let mut frames = Frames::new(out, self.plan.replace);
        batch.retain_rows(|origin, row| {
            self.path.clear();
            self.scratch.clear();
            let done = code
                .render(row, cx.scope, &mut self.path)
                .and_then(|()| self.how.write(row, &mut self.scratch));
            match done {
                Ok(()) => {
                    frames.begin(&self.path).extend_from_slice(&self.scratch);
                    frames.end();
                    true
                }
                Err(error) => {
                    cx.fail(origin, row, error);
                    false
                }
            }
        });
    }
}

impl BatchStep for Render {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = self.plan.buffers.get(0);
        out.clear();
        if self.plan.is_framed() {
            self.apart(&mut batch, &mut out, cx);
        } else {
            self.together(&mut batch, &mut out, cx);
        }
        batch.rendered = Some(out);
        Flow::Next(batch)
    }
}
