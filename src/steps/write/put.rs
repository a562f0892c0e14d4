//! The second half of `write`: bytes to their place, in turn.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::compress::{Compression, Compressor};
use super::file::OutFile;
use super::format::{Columns, Format, columns_of_row, stranger};
use super::frames;
use super::sink::{Place, Plan};
use super::table::Table;
use crate::steps::{BatchStep, Cx, Flow, ItemError, ItemErrorKind, RunError};
use crate::value::{Batch, Row};

/// At most so many files are open; the one that was not written for longest is closed and opened again later.
const MOST_OPEN: usize = 256;

/// The second half.
pub(super) struct Write {
    plan: Plan,
    /// The one place, where there is one.
    only: Option<Target>,
    each: HashMap<Box<[u8]>, Target>,
    /// The files that are open, by when they were written last.
    recent: BTreeMap<u64, Box<[u8]>>,
    clock: u64,
}

/// One place, and what its format remembers.
struct Target {
    to: To,
    rows: Rows,
    header: bool,
    used: u64,
}

enum To {
    Stdout(Compressor),
    Stderr(Compressor),
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

/// A write that failed: the run's end, or only these rows'.
enum Failed {
    Run(RunError),
    Rows(ItemError),
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Failed {
        Failed::Run(error)
    }
}

impl Target {
    /// # Errors
    /// As opening the file; a name that no file can have is the item's own error.
    fn open(place: &Place, plan: &Plan, cx: &Cx<'_>) -> Result<Target, Failed> {
        let compressor = || {
            let how = plan.compression.unwrap_or(Compression::None);
            Compressor::new(how).map_err(|e| cannot_write("standard output", &e))
        };
        let to = match place {
            Place::Stdout => To::Stdout(compressor()?),
            Place::Stderr => To::Stderr(compressor()?),
            Place::Each(..) => unreachable!("BUG: a file without its item"),
            Place::File(name, path) => {
                use std::io::ErrorKind::{
                    InvalidFilename, InvalidInput, IsADirectory, NotADirectory,
                };
                let file = OutFile::create(path, plan.append, plan.compression(name));
                let file = file.map_err(|e| match e.kind() {
                    InvalidFilename | InvalidInput | IsADirectory | NotADirectory
                        if plan.is_framed() =>
                    {
                        Failed::Rows(ItemError::new(
                            ItemErrorKind::Io,
                            format!("cannot write {name}: {e}"),
                        ))
                    }
                    _ => Failed::Run(cannot_write(name, &e)),
                })?;
                To::File(name.clone(), file)
            }
        };
        let rows = match plan.format {
            Format::Table => Rows::Table(plan.known_columns().map(|names| plan.table(names))),
            Format::Csv | Format::Tsv if plan.known_columns().is_none() => Rows::Unknown,
            _ => Rows::Rendered,
        };
        let separated = matches!(plan.format, Format::Csv | Format::Tsv);
        // Rows that are added to a file stand under the header that it has.
        let fresh = !matches!(&to, To::File(_, file) if !file.fresh);
        let mut target = Target {
            to,
            rows,
            header: plan.header && separated && fresh,
            used: 0,
        };
        if let (Rows::Rendered, Some(names)) = (&target.rows, plan.known_columns()) {
            target.head(&names, plan, cx)?;
        }
        Ok(target)
    }

    fn head(&mut self, names: &[String], plan: &Plan, cx: &Cx<'_>) -> Result<(), RunError> {
        if !self.header {
            return Ok(());
        }
        let mut line = Vec::new();
        plan.separated()
            .header(names.iter().map(String::as_str), &mut line);
        self.put(&line, cx)
    }

    fn put(&mut self, bytes: &[u8], cx: &Cx<'_>) -> Result<(), RunError> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.to {
            To::Stdout(coder) => coder
                .write(bytes, |b| cx.output.stdout(b))
                .map_err(|e| standard_output(&e)),
            To::Stderr(coder) => coder
                .write(bytes, |b| cx.output.stderr(b))
                .map_err(|e| cannot_write("standard error", &e)),
            To::File(name, file) => file.write(bytes).map_err(|e| cannot_write(name, &e)),
        }
    }

    /// Makes bytes of one row, where the first half has left that; `false`: it is in error.
    fn row(
        &mut self,
        origin: u32,
        row: Row<'_>,
        plan: &Plan,
        out: &mut Vec<u8>,
        cx: &mut Cx<'_>,
    ) -> Result<bool, RunError> {
        if let Rows::Unknown = self.rows {
            let names = columns_of_row(row);
            self.head(&names, plan, cx)?;
            self.rows = Rows::Columns(Columns::new(plan.separated(), names, &plan.shape));
        }
        match &mut self.rows {
            Rows::Rendered | Rows::Unknown => {}
            Rows::Columns(columns) => {
                if !known(&columns.names, origin, row, cx) {
                    return Ok(false);
                }
                columns.write(row, out);
            }
            Rows::Table(table) => {
                let (columns, table) = table.get_or_insert_with(|| plan.table(columns_of_row(row)));
                if plan.columns.is_none() && !known(&columns.names, origin, row, cx) {
                    return Ok(false);
                }
                table.push(row, columns.cells(row));
            }
        }
        Ok(true)
    }

    /// The same for some rows of a batch; `None`: the first half has done it.
    fn rows(
        &mut self,
        batch: &Batch,
        rows: Range<usize>,
        bad: &mut [bool],
        plan: &Plan,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Vec<u8>>, RunError> {
        if matches!(self.rows, Rows::Rendered) {
            return Ok(None);
        }
        let mut made = Vec::new();
        for i in rows {
            bad[i] = !self.row(batch.origin(i), batch.row(i), plan, &mut made, cx)?;
        }
        Ok(Some(made))
    }

    /// Nothing more comes.
    fn complete(mut self, cx: &Cx<'_>) -> Result<(), RunError> {
        if let Rows::Table(Some((_, table))) = &self.rows {
            let mut bytes = Vec::new();
            table.render(&mut bytes);
            self.put(&bytes, cx)?;
        }
        match self.to {
            To::Stdout(coder) => coder
                .finish(|b| cx.output.stdout(b))
                .map_err(|e| standard_output(&e)),
            To::Stderr(coder) => coder
                .finish(|b| cx.output.stderr(b))
                .map_err(|e| cannot_write("standard error", &e)),
            To::File(name, file) => file.complete().map_err(|e| cannot_write(&name, &e)),
        }
    }

    fn is_open_file(&self) -> bool {
        matches!(&self.to, To::File(_, file) if file.is_open())
    }
}

impl Write {
    pub(super) fn new(plan: &Plan) -> Write {
        Write {
            plan: plan.clone(),
            only: None,
            each: HashMap::new(),
            recent: BTreeMap::new(),
            clock: 0,
        }
    }

    fn place(&self) -> Result<&Place, RunError> {
        self.plan
            .place
            .as_ref()
            .map_err(|message| RunError::Failed {
                message: message.clone(),
            })
    }

    /// All rows go to one place.
    fn together(
        &mut self,
        batch: &mut Batch,
        bytes: &mut Vec<u8>,
        cx: &mut Cx<'_>,
    ) -> Result<(), RunError> {
        if self.plan.replace && batch.is_empty() {
            return Ok(());
        }
        let mut target = match self.only.take() {
            Some(target) => target,
            None => match Target::open(self.place()?, &self.plan, cx) {
                Ok(target) => target,
                Err(Failed::Run(error)) => return Err(error),
                Err(Failed::Rows(error)) => unreachable!("BUG: {error:?}"),
            },
        };
        if self.plan.replace && !matches!(target.rows, Rows::Rendered) {
            // Only the last one will be seen.
            bytes.clear();
            let last = batch.len() - 1;
            let done = target.row(batch.origin(last), batch.row(last), &self.plan, bytes, cx);
            done?;
        } else if !matches!(target.rows, Rows::Rendered) {
            retain(batch, |origin, row| {
                target.row(origin, row, &self.plan, bytes, cx)
            })?;
        }
        target.put(bytes, cx)?;
        if self.plan.replace {
            return target.complete(cx);
        }
        self.only = Some(target);
        Ok(())
    }

    /// Each row has said where it goes.
    fn apart(&mut self, batch: &mut Batch, made: &[u8], cx: &mut Cx<'_>) -> Result<(), RunError> {
        let mut lost: Vec<(Range<usize>, ItemError)> = Vec::new();
        let mut at = 0;
        let mut bad = vec![false; batch.len()];
        for (path, rows, bytes) in frames::each(made) {
            let range = at..at + rows;
            at += rows;
            match self.frame(path, batch, range.clone(), bytes, &mut bad, cx) {
                Ok(()) => {}
                Err(Failed::Run(error)) => return Err(error),
                Err(Failed::Rows(error)) => lost.push((range, error)),
            }
        }
        for (range, error) in lost {
            for i in range {
                cx.fail(batch.origin(i), batch.row(i), error.clone());
                bad[i] = true;
            }
        }
        if bad.contains(&true) {
            batch.retain(|i, _| !bad[i]);
        }
        Ok(())
    }

    fn frame(
        &mut self,
        path: &[u8],
        batch: &Batch,
        rows: Range<usize>,
        bytes: &[u8],
        bad: &mut [bool],
        cx: &mut Cx<'_>,
    ) -> Result<(), Failed> {
        self.clock += 1;
        if self.plan.replace {
            let mut target = self.open(path, cx)?;
            let own = target.rows(batch, rows, bad, &self.plan, cx)?;
            target.put(own.as_deref().unwrap_or(bytes), cx)?;
            return Ok(target.complete(cx)?);
        }
        if !self.each.get(path).is_some_and(Target::is_open_file) {
            self.make_room()?;
        }
        if !self.each.contains_key(path) {
            let target = self.open(path, cx)?;
            self.each.insert(path.into(), target);
        }
        let Some(target) = self.each.get_mut(path) else {
            unreachable!("BUG: opened above")
        };
        let own = target.rows(batch, rows, bad, &self.plan, cx)?;
        target.put(own.as_deref().unwrap_or(bytes), cx)?;
        let before = std::mem::replace(&mut target.used, self.clock);
        let name = self.recent.remove(&before).unwrap_or_else(|| path.into());
        if target.is_open_file() {
            self.recent.insert(self.clock, name);
        }
        Ok(())
    }

    fn open(&self, path: &[u8], cx: &Cx<'_>) -> Result<Target, Failed> {
        let Place::Each(_, folder) = self.place()? else {
            unreachable!("BUG: frames for one place")
        };
        let name = String::from_utf8_lossy(path).into_owned();
        let place = Place::File(name.clone(), folder.join(name));
        Target::open(&place, &self.plan, cx)
    }

    /// Closes the file that was not written for longest, where too many are open.
    fn make_room(&mut self) -> Result<(), RunError> {
        if self.recent.len() < MOST_OPEN {
            return Ok(());
        }
        let oldest = self
            .recent
            .pop_first()
            .and_then(|(_, path)| self.each.get_mut(&path));
        match oldest {
            Some(Target {
                to: To::File(name, file),
                ..
            }) => file.close().map_err(|e| cannot_write(name, &e)),
            _ => Ok(()),
        }
    }
}

/// Keeps the rows for which `keep` answers true; the first error ends it.
fn retain(
    batch: &mut Batch,
    mut keep: impl FnMut(u32, Row<'_>) -> Result<bool, RunError>,
) -> Result<(), RunError> {
    let mut failed = Ok(());
    batch.retain_rows(|origin, row| {
        failed.is_err()
            || keep(origin, row).unwrap_or_else(|error| {
                failed = Err(error);
                true
            })
    });
    failed
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
    cx.output.stdout(bytes).map_err(|e| standard_output(&e))
}

fn standard_output(error: &std::io::Error) -> RunError {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => RunError::BrokenPipe,
        _ => cannot_write("standard output", error),
    }
}

fn cannot_write(name: &str, error: &std::io::Error) -> RunError {
    RunError::io(format!("cannot write {name}"), error)
}

impl BatchStep for Write {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let Some(mut bytes) = batch.rendered.take() else {
            unreachable!("BUG: a batch that was not rendered")
        };
        let done = if self.plan.is_framed() {
            self.apart(&mut batch, &bytes, cx)
        } else {
            self.together(&mut batch, &mut bytes, cx)
        };
        self.plan.buffers.put(bytes);
        match done {
            Ok(()) => Flow::Next(batch),
            Err(error) => Flow::Stop(error),
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        for (_, target) in self.each.drain() {
            target.complete(cx)?;
        }
        if self.plan.is_framed() || self.plan.replace {
            return Ok(None);
        }
        // A file is made also where nothing came.
        self.together(
            &mut Batch::new(self.plan.shape.clone(), crate::value::Blocks::new()),
            &mut Vec::new(),
            cx,
        )?;
        if let Some(target) = self.only.take() {
            target.complete(cx)?;
        }
        Ok(None)
    }

    fn abandon(&mut self) {
        // What is written stays under its partial name.
        self.only = None;
        self.each.clear();
    }
}
