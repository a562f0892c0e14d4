//! The files that a `read` goes through, one after the other, as plain bytes: opened, decompressed, counted.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::pump::{Pump, Pumped};
use crate::steps::RunError;
use crate::wait::{Agent, Wait, What};

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Stdin,
    /// As the user wrote it, and where that is.
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
}

/// One after the other.
#[derive(Debug)]
pub(super) struct Inputs {
    places: Vec<Place>,
    /// Why the places are not known.
    broken: Option<String>,
    /// The number of the place that comes next.
    next: usize,
    open: Option<Open>,
    started: bool,
    /// Bytes of the files as they lie on the disk.
    done: Arc<AtomicU64>,
    total: Option<u64>,
}

enum Open {
    File(Box<dyn Read + Send>),
    Pump(Pump),
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Open::File(_) => "File",
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

impl Inputs {
    /// `places` may be an error of the expressions in their names, which is said when the reading begins.
    pub(super) fn new(places: Result<Vec<Place>, String>) -> Inputs {
        let (places, broken) = match places {
            Ok(places) => (places, None),
            Err(message) => (Vec::new(), Some(message)),
        };
        Inputs {
            places,
            broken,
            next: 0,
            open: None,
            started: false,
            done: Arc::default(),
            total: None,
        }
    }

    /// Looks at every file before the first is read, so that one that is missing is not found after an hour.
    fn start(&mut self) -> Result<(), RunError> {
        if let Some(message) = &self.broken {
            return Err(RunError::Failed {
                message: message.clone(),
            });
        }
        let mut total = Some(0);
        for place in &self.places {
            let size = match place {
                Place::Stdin => None,
                Place::File(name, path) => {
                    let meta = path
                        .metadata()
                        .map_err(|e| RunError::io(format!("cannot read {name}"), &e))?;
                    meta.is_file().then(|| meta.len())
                }
            };
            total = total.zip(size).map(|(a, b)| a + b);
        }
        self.total = total;
        Ok(())
    }

    /// Opens the next input; `false` where there is none.
    pub(super) fn advance(&mut self) -> Result<bool, RunError> {
        if !std::mem::replace(&mut self.started, true) {
            self.start()?;
        }
        let Some(place) = self.places.get(self.next) else {
            self.open = None;
            return Ok(false);
        };
        self.next += 1;
        let wrong = |e: &std::io::Error| RunError::io(format!("cannot read {}", place.name()), e);
        self.open = Some(match place {
            Place::Stdin => {
                Open::Pump(Pump::start("stdin", std::io::stdin()).map_err(|e| wrong(&e))?)
            }
            Place::File(_, path) => open(path, &self.done).map_err(|e| wrong(&e))?,
        });
        Ok(true)
    }

    /// The name of the input that is open.
    pub(super) fn name(&self) -> &str {
        self.places
            .get(self.next.wrapping_sub(1))
            .map_or("", Place::name)
    }

    /// Fills `into` from the input that is open: a file's bytes as far as they go, of a pipe's what is there.
    pub(super) fn fill(&mut self, into: &mut [u8], agent: &Arc<Agent>) -> Result<Filled, RunError> {
        let result = match &mut self.open {
            None => Ok(Filled::End),
            Some(Open::File(file)) => fill(file, into),
            Some(Open::Pump(pump)) => pump.take(into, agent).map(|got| match got {
                Pumped::Bytes(n) => Filled::Bytes(n),
                Pumped::Nothing => Filled::Wait(Wait::for_(What::Outside("standard input"))),
                Pumped::End => Filled::End,
            }),
        };
        result.map_err(|e| RunError::io(format!("cannot read {}", self.name()), &cut_off(e)))
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
    let compressed = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    Ok(match (regular, compressed) {
        (true, false) => Open::File(Box::new(file)),
        // Several members one after the other are one text, as gzip has it.
        (true, true) => Open::File(Box::new(MultiGzDecoder::new(file))),
        (false, false) => Open::Pump(Pump::start(&path.display().to_string(), file)?),
        (false, true) => Open::Pump(Pump::start(
            &path.display().to_string(),
            MultiGzDecoder::new(file),
        )?),
    })
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
