//! The files that a `read` goes through, one after the other, as plain UTF-8 bytes: found, opened, decompressed,
//! decoded, counted.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flate2::read::MultiGzDecoder;

use super::super::wildcards::Wildcards;
use super::decode::{Decoder, Encoding};
use super::pump::{Pump, Pumped};
use crate::steps::{Cx, RunError};
use crate::wait::{Wait, What};

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Stdin,
    /// As the user wrote it, and where that is; perhaps with wildcards.
    File(String, PathBuf),
}

impl Place {
    /// `-` and `stdin` are standard input; anything else is a path, relative to the folder.
    pub(super) fn of(text: &str, folder: &Path) -> Place {
        match text {
            "-" | "stdin" => Place::Stdin,
            path => Place::File(path.to_owned(), folder.join(path)),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Place::Stdin => "standard input",
            Place::File(name, _) => name,
        }
    }

    /// The files that a path with wildcards stands for, sorted.
    fn matches(&self) -> Result<Option<Vec<Place>>, String> {
        let Place::File(name, path) = self else {
            return Ok(None);
        };
        let Some(paths) = Wildcards::of(name, path)? else {
            return Ok(None);
        };
        let files = paths.map(|found| found.map(|(name, path)| Place::File(name, path)));
        files.collect::<Result<_, _>>().map(Some)
    }
}

/// One after the other.
#[derive(Debug)]
pub(super) struct Inputs {
    places: Result<Vec<Place>, String>,
    /// The number of the place that comes next.
    next: usize,
    open: Option<Open>,
    name: Arc<str>,
    started: bool,
    encoding: Encoding,
    decoder: Decoder,
    scratch: Vec<u8>,
    out: Vec<u8>,
    /// After the last file, wait for more.
    follow: bool,
    /// Bytes of the files as they lie on the disk.
    done: Arc<AtomicU64>,
    total: Option<u64>,
}

enum Open {
    File(Box<dyn Read + Send>),
    /// A file that is followed, and how far it was read.
    Followed(File, u64),
    Pump(Pump),
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Open::File(_) => "File",
            Open::Followed(..) => "Followed",
            Open::Pump(_) => "Pump",
        })
    }
}

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    Bytes(usize),
    Wait(Wait),
    /// The input that is open has ended.
    End,
}

/// Counts the bytes that come from the disk.
struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(into)?;
        self.1.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// How often a followed file is looked at.
const LOOK: Duration = Duration::from_millis(200);

impl Inputs {
    /// `places` may be an error of the expressions in their names, which is said when the reading begins.
    pub(super) fn new(
        places: Result<Vec<Place>, String>,
        encoding: Encoding,
        follow: bool,
    ) -> Inputs {
        Inputs {
            places,
            next: 0,
            open: None,
            name: "".into(),
            started: false,
            encoding,
            decoder: Decoder::new(encoding),
            scratch: Vec::new(),
            out: Vec::new(),
            follow,
            done: Arc::default(),
            total: None,
        }
    }

    /// Finds every file, and looks at each, before the first is read, so that one that is missing is not found
    /// after an hour.
    fn start(&mut self, cx: &Cx<'_>) -> Result<(), RunError> {
        let failed = |message: String| RunError::Failed { message };
        let mut places = Vec::new();
        for place in self.places.clone().map_err(failed)? {
            match place.matches().map_err(failed)? {
                Some(found) if found.is_empty() => {
                    cx.output
                        .log(&format!("warning: no file matches {}", place.name()));
                }
                Some(found) => places.extend(found),
                None => places.push(place),
            }
        }
        let mut total = (!self.follow).then_some(0);
        for place in &places {
            let size = match place {
                Place::Stdin => None,
                Place::File(name, path) => {
                    let meta = path
                        .metadata()
                        .map_err(|e| RunError::io(format!("cannot read {name}"), &e))?;
                    meta.is_file().then_some(meta.len())
                }
            };
            total = total.zip(size).map(|(a, b)| a + b);
        }
        (self.places, self.total) = (Ok(places), total);
        Ok(())
    }

    /// Opens the next input; `false` where there is none.
    pub(super) fn advance(&mut self, cx: &Cx<'_>) -> Result<bool, RunError> {
        if !std::mem::replace(&mut self.started, true) {
            self.start(cx)?;
        }
        let places = self.places.as_deref().unwrap_or_default();
        let Some(place) = places.get(self.next) else {
            self.open = None;
            return Ok(false);
        };
        self.next += 1;
        self.name = place.name().into();
        self.decoder = Decoder::new(self.encoding);
        let opened = match place {
            Place::Stdin => Pump::start("stdin", std::io::stdin()).map(Open::Pump),
            Place::File(_, path) if self.follow => File::open(path).map(|f| Open::Followed(f, 0)),
            Place::File(_, path) => open(path, &self.done),
        };
        self.open = Some(opened.map_err(|e| self.cannot_read(e))?);
        Ok(true)
    }

    /// The name of the input that is open.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn cannot_read(&self, e: std::io::Error) -> RunError {
        RunError::io(format!("cannot read {}", self.name), &cut_off(e))
    }

    /// Fills `into` from the input that is open: a file's text as far as it goes, of a pipe's what is there.
    pub(super) fn fill(&mut self, into: &mut [u8], cx: &Cx<'_>) -> Result<Filled, RunError> {
        if self.decoder.is_plain() {
            return self.raw(into, cx);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(self.decoder.fits(into.len()).max(1), 0);
        let filled = self.raw(&mut scratch, cx);
        self.out.clear();
        let filled = match filled? {
            Filled::Bytes(n) => {
                self.decoder.decode(&scratch[..n], false, &mut self.out);
                Filled::Bytes(self.out.len())
            }
            Filled::End => {
                self.decoder.decode(b"", true, &mut self.out);
                if self.out.is_empty() {
                    Filled::End
                } else {
                    Filled::Bytes(self.out.len())
                }
            }
            wait @ Filled::Wait(_) => wait,
        };
        into[..self.out.len()].copy_from_slice(&self.out);
        self.scratch = scratch;
        Ok(filled)
    }

    fn raw(&mut self, into: &mut [u8], cx: &Cx<'_>) -> Result<Filled, RunError> {
        let result = match &mut self.open {
            None => Ok(Filled::End),
            Some(Open::File(file)) => fill(file, into),
            Some(Open::Followed(file, at)) => {
                let Ok([Place::File(_, path), ..]) = self.places.as_deref() else {
                    unreachable!("BUG: more than one file is followed")
                };
                follow(file, at, path, into).map(|n| match n {
                    0 => Filled::Wait(
                        Wait::for_(What::Outside("more in a file")).until(cx.clock.now() + LOOK),
                    ),
                    n => Filled::Bytes(n),
                })
            }
            Some(Open::Pump(pump)) => pump.take(into, cx.agent).map(|got| match got {
                Pumped::Bytes(n) => Filled::Bytes(n),
                Pumped::Nothing => Filled::Wait(Wait::for_(What::Outside("standard input"))),
                Pumped::End => Filled::End,
            }),
        };
        result.map_err(|e| self.cannot_read(e))
    }

    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        self.total
            .map(|total| (self.done.load(Ordering::Relaxed).min(total), total))
    }
}

fn open(path: &Path, done: &Arc<AtomicU64>) -> std::io::Result<Open> {
    let file = File::open(path)?;
    let regular = file.metadata()?.is_file();
    let file = Counted(file, done.clone());
    let plain: Box<dyn Read + Send> = match ending(path) {
        // Several members one after the other are one text, as gzip has it.
        Ending::Gzip => Box::new(MultiGzDecoder::new(file)),
        Ending::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?),
        Ending::Plain => Box::new(file),
    };
    if regular {
        Ok(Open::File(plain))
    } else {
        Pump::start(&path.display().to_string(), plain).map(Open::Pump)
    }
}

/// What a file's name says about its compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Plain,
    Gzip,
    Zstd,
}

pub(super) fn ending(path: &Path) -> Ending {
    match path
        .extension()
        .and_then(|e| e.to_str())
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("gz") => Ending::Gzip,
        Some("zst") => Ending::Zstd,
        _ => Ending::Plain,
    }
}

fn fill(file: &mut dyn Read, into: &mut [u8]) -> std::io::Result<Filled> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(if filled == 0 {
        Filled::End
    } else {
        Filled::Bytes(filled)
    })
}

/// Reads on in a file that may grow. Where another file has its name, or it has become shorter, that is read from
/// its beginning.
fn follow(file: &mut File, at: &mut u64, path: &Path, into: &mut [u8]) -> std::io::Result<usize> {
    use std::os::unix::fs::MetadataExt as _;
    loop {
        match file.read(into) {
            Ok(0) => {}
            Ok(n) => {
                *at += n as u64;
                return Ok(n);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        let mine = file.metadata()?;
        let other = match path.metadata() {
            Ok(now) => (now.dev(), now.ino()) != (mine.dev(), mine.ino()),
            // Between two files of one name there may be none.
            Err(_) => false,
        };
        if !other && mine.len() >= *at {
            return Ok(0);
        }
        *file = File::open(path)?;
        *at = 0;
    }
}

/// What the decompressor calls an unexpected end, in words that say what to look at.
fn cut_off(e: std::io::Error) -> std::io::Error {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => std::io::Error::new(
            e.kind(),
            "the compressed data ends too early (a file that was cut off)",
        ),
        _ => e,
    }
}
