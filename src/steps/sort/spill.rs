//! Runs on disk: one temporary file a part, which has no name, so that nothing is left of it however the program
//! ends.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Error, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::run::Head;
use crate::value::{Blocks, Cell, Row, Span};

/// A temporary file to which runs are appended.
#[derive(Debug)]
pub(super) struct Spill {
    file: Arc<File>,
    end: u64,
}

impl Spill {
    /// A new file in the system's folder for them (`$TMPDIR`).
    pub(super) fn create() -> io::Result<Spill> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir()
                .join(format!("millstream-sort-{}-{number}", std::process::id()));
            match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
            {
                Ok(file) => {
                    std::fs::remove_file(&path)?;
                    return Ok(Spill {
                        file: Arc::new(file),
                        end: 0,
                    });
                }
                // Left by a program of our number that died between the two.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Writes a run: what `next` gives until there is no more.
    pub(super) fn write(
        &mut self,
        mut next: impl FnMut(&mut dyn FnMut(Head<'_>, Row<'_>) -> io::Result<()>) -> io::Result<bool>,
    ) -> io::Result<Stored> {
        let from = self.end;
        let mut out = BufWriter::with_capacity(
            1 << 18,
            At {
                file: self.file.clone(),
                at: from,
                end: u64::MAX,
            },
        );
        while next(&mut |head, row| write_row(&mut out, head, row))? {}
        out.flush()?;
        self.end = out.get_ref().at;
        Ok(Stored {
            file: self.file.clone(),
            from,
            to: self.end,
        })
    }
}

/// A run that was written.
#[derive(Debug)]
pub(super) struct Stored {
    file: Arc<File>,
    from: u64,
    to: u64,
}

/// A stretch of a file, read or written from its beginning on.
#[derive(Debug)]
struct At {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for At {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(to.len());
        let n = self.file.read_at(&mut to[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Write for At {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let n = self.file.write_at(from, self.at)?;
        self.at += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stored {
    /// Reads it, from its first row on; each has so many cells.
    pub(super) fn open(self, width: usize) -> io::Result<Reader> {
        let at = At {
            file: self.file,
            at: self.from,
            end: self.to,
        };
        let mut reader = Reader {
            left: self.to - self.from,
            from: BufReader::with_capacity(1 << 16, at),
            width,
            prefix: 0,
            place: 0,
            key: Vec::new(),
            cells: Vec::new(),
            blocks: Blocks::new(),
            ended: false,
        };
        reader.advance()?;
        Ok(reader)
    }
}

/// Reads a run row by row.
#[derive(Debug)]
pub(super) struct Reader {
    from: BufReader<At>,
    /// Bytes not read yet.
    left: u64,
    width: usize,
    prefix: u64,
    place: u64,
    key: Vec<u8>,
    cells: Vec<Cell>,
    /// In which the cells of this row stand.
    blocks: Blocks,
    ended: bool,
}

impl Reader {
    pub(super) fn head(&self) -> Option<Head<'_>> {
        (!self.ended).then_some(Head {
            prefix: self.prefix,
            key: &self.key,
            place: self.place,
        })
    }

    pub(super) fn cells(&self) -> (&[Cell], &Blocks) {
        (&self.cells, &self.blocks)
    }

    pub(super) fn advance(&mut self) -> io::Result<()> {
        if self.left == 0 {
            self.ended = true;
            return Ok(());
        }
        let mut from = Counted {
            from: &mut self.from,
            read: 0,
        };
        self.prefix = u64::from_le_bytes(bytes(&mut from)?);
        self.place = u64::from_le_bytes(bytes(&mut from)?);
        long(&mut from, &mut self.key)?;
        self.cells.clear();
        self.blocks.clear();
        for _ in 0..self.width {
            self.cells
                .push(read_cell(&mut from, Some(&mut self.blocks))?);
        }
        let read = from.read;
        self.left = self.left.checked_sub(read).ok_or_else(damaged)?;
        Ok(())
    }
}

/// Counts what is read.
struct Counted<'r> {
    from: &'r mut BufReader<At>,
    read: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(to)?;
        self.read += n as u64;
        Ok(n)
    }
}

fn damaged() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "the temporary file is not what was written",
    )
}

const NULL: u8 = 0;
const BOOL: u8 = 1;
const INT: u8 = 2;
const DOUBLE: u8 = 3;
const TIME: u8 = 4;
const DURATION: u8 = 5;
const TEXT: u8 = 6;
const BYTES: u8 = 7;
const RAW: u8 = 8;
const LIST: u8 = 9;
const MAP: u8 = 10;

fn write_row(out: &mut impl Write, head: Head<'_>, row: Row<'_>) -> io::Result<()> {
    out.write_all(&head.prefix.to_le_bytes())?;
    out.write_all(&head.place.to_le_bytes())?;
    write_long(out, head.key)?;
    row.cells
        .iter()
        .try_for_each(|cell| write_cell(out, cell, row.blocks))
}

fn write_long(out: &mut impl Write, long: &[u8]) -> io::Result<()> {
    out.write_all(&(long.len() as u64).to_le_bytes())?;
    out.write_all(long)
}

fn write_cell(out: &mut impl Write, cell: &Cell, blocks: &Blocks) -> io::Result<()> {
    match cell {
        Cell::Null => out.write_all(&[NULL]),
        Cell::Bool(b) => out.write_all(&[BOOL, u8::from(*b)]),
        Cell::Int(i) => {
            out.write_all(&[INT])?;
            out.write_all(&i.to_le_bytes())
        }
        Cell::Double(d) => {
            out.write_all(&[DOUBLE])?;
            out.write_all(&d.to_le_bytes())
        }
        Cell::Time { secs, nanos } => {
            out.write_all(&[TIME])?;
            out.write_all(&secs.to_le_bytes())?;
            out.write_all(&nanos.to_le_bytes())
        }
        Cell::Duration { secs, nanos } => {
            out.write_all(&[DURATION])?;
            out.write_all(&secs.to_le_bytes())?;
            out.write_all(&nanos.to_le_bytes())
        }
        Cell::Raw(span) => write_span(out, RAW, *span, blocks),
        Cell::Text(span) => write_span(out, TEXT, *span, blocks),
        Cell::Bin(span) => write_span(out, BYTES, *span, blocks),
        Cell::Heap(_) => write_heap(out, cell, blocks),
    }
}

fn write_span(out: &mut impl Write, tag: u8, span: Span, blocks: &Blocks) -> io::Result<()> {
    out.write_all(&[tag])?;
    write_long(out, blocks.bytes(span))
}

fn write_heap(out: &mut impl Write, cell: &Cell, blocks: &Blocks) -> io::Result<()> {
    if let Some(text) = cell.as_heap_str() {
        out.write_all(&[TEXT])?;
        write_long(out, text.as_bytes())
    } else if let Some(bytes) = cell.as_bytes(blocks) {
        out.write_all(&[BYTES])?;
        write_long(out, bytes)
    } else if let Some(list) = cell.as_list() {
        out.write_all(&[LIST])?;
        out.write_all(&(list.len() as u64).to_le_bytes())?;
        list.iter()
            .try_for_each(|cell| write_cell(out, cell, blocks))
    } else {
        let entries = cell.as_map().map_or(&[][..], |map| map.entries());
        out.write_all(&[MAP])?;
        out.write_all(&(entries.len() as u64).to_le_bytes())?;
        entries.iter().try_for_each(|(key, value)| {
            write_cell(out, key, blocks)?;
            write_cell(out, value, blocks)
        })
    }
}

fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn length(from: &mut impl Read) -> io::Result<usize> {
    usize::try_from(u64::from_le_bytes(bytes(from)?)).map_err(|_| damaged())
}

fn long(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<()> {
    let length = length(from)?;
    to.clear();
    // Not by the length alone: a damaged one must not take all memory.
    let read = from.take(length as u64).read_to_end(to)?;
    if read == length {
        Ok(())
    } else {
        Err(damaged())
    }
}

/// A cell of `blocks`, or a detached one.
fn read_cell(from: &mut dyn Read, blocks: Option<&mut Blocks>) -> io::Result<Cell> {
    let mut from = from;
    Ok(match bytes::<1>(&mut from)?[0] {
        NULL => Cell::Null,
        BOOL => Cell::Bool(bytes::<1>(&mut from)?[0] == 1),
        INT => Cell::Int(i64::from_le_bytes(bytes(&mut from)?)),
        DOUBLE => Cell::Double(f64::from_le_bytes(bytes(&mut from)?)),
        TIME => {
            let secs = i64::from_le_bytes(bytes(&mut from)?);
            Cell::Time {
                secs,
                nanos: u32::from_le_bytes(bytes(&mut from)?),
            }
        }
        DURATION => {
            let secs = i64::from_le_bytes(bytes(&mut from)?);
            Cell::Duration {
                secs,
                nanos: i32::from_le_bytes(bytes(&mut from)?),
            }
        }
        tag @ (TEXT | BYTES | RAW) => {
            let mut all = Vec::new();
            long(&mut from, &mut all)?;
            if tag == BYTES {
                return Ok(blocks.map_or_else(|| Cell::bytes(&all), |b| b.bin(&all)));
            }
            let text = std::str::from_utf8(&all).map_err(|_| damaged())?;
            match blocks {
                Some(blocks) if tag == RAW => blocks.raw_json(text),
                Some(blocks) => blocks.text(text),
                None => Cell::str(text),
            }
        }
        LIST => {
            let n = length(&mut from)?;
            Cell::list(
                (0..n)
                    .map(|_| read_cell(from, None))
                    .collect::<io::Result<_>>()?,
            )
        }
        MAP => {
            let n = length(&mut from)?;
            let entries = (0..n).map(|_| Ok((read_cell(from, None)?, read_cell(from, None)?)));
            Cell::map(entries.collect::<io::Result<_>>()?)
        }
        _ => return Err(damaged()),
    })
}
