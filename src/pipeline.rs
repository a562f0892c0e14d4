//! FACE: what a Rust program that embeds millstream sees.
//!
//! ```
//! use millstream::Pipeline;
//!
//! let report = Pipeline::from_text(
//!     "
//!     stages:
//!       shout:
//!         do:
//!           - items: [stream, mill]
//!           - call: upper
//!     ",
//! )
//! .function("upper", |item| match item.as_str() {
//!     Some(text) => Ok(text.to_uppercase().into()),
//!     None => Err("not a text".into()),
//! })
//! .run()?;
//! assert_eq!(report.stages[0].account.taken, 2);
//! # Ok::<(), millstream::Error>(())
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::check;
use crate::diagnostic::{Diagnostic, Source};
use crate::engine::{self, Account, Options};
use crate::notice::{Ended, Exit};
use crate::plan::Plan;
use crate::report::diagnostics::Report as Text;
use crate::report::streams::Streams;
use crate::spec::Given;
use crate::steps::{Functions, Output};
use crate::wait::Stop;

/// A pipeline that is about to run.
pub struct Pipeline {
    source: Result<Source, Error>,
    path: PathBuf,
    set: Vec<(String, String)>,
    functions: Functions,
    output: Arc<dyn Output>,
    stop: Stop,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Report {
    pub ended: Ended,
    /// In the order of the file.
    pub stages: Vec<StageReport>,
}

/// What one stage did.
#[derive(Debug, Clone)]
pub struct StageReport {
    pub name: String,
    pub account: Account,
}

/// Why a pipeline did not run to its end.
#[derive(Debug, Clone)]
pub enum Error {
    /// The file cannot be read.
    Unreadable { path: PathBuf, message: String },
    /// It has mistakes; `text` shows them with the lines of the file.
    Invalid {
        diagnostics: Vec<Diagnostic>,
        text: String,
    },
    /// The run failed, or was stopped.
    Ended(Box<Report>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreadable { path, message } => write!(f, "{}: {message}", path.display()),
            Error::Invalid { text, .. } => f.write_str(text.trim_end()),
            Error::Ended(report) => {
                let why = report
                    .ended
                    .why
                    .as_deref()
                    .unwrap_or("the run did not end well");
                write!(f, "{why} (exit code {})", report.ended.exit.code())
            }
        }
    }
}

impl std::error::Error for Error {}

impl Pipeline {
    /// A pipeline file. That it cannot be read is said by [`Pipeline::run`] or [`Pipeline::plan`].
    pub fn from_file(path: impl AsRef<Path>) -> Pipeline {
        let path = path.as_ref().to_path_buf();
        let source = std::fs::read_to_string(&path);
        let source = match source {
            Ok(text) => Ok(Source {
                name: path.display().to_string(),
                text,
            }),
            Err(error) => Err(Error::Unreadable {
                path: path.clone(),
                message: error.to_string(),
            }),
        };
        Pipeline::new(source, path)
    }

    /// A pipeline's text; relative paths in it are relative to the current folder.
    pub fn from_text(text: impl Into<String>) -> Pipeline {
        let source = Source {
            name: "<text>".into(),
            text: text.into(),
        };
        Pipeline::new(Ok(source), PathBuf::from("-"))
    }

    fn new(source: Result<Source, Error>, path: PathBuf) -> Pipeline {
        Pipeline {
            source,
            path,
            set: Vec::new(),
            functions: Functions::default(),
            output: Arc::new(Streams),
            stop: Stop::new(),
        }
    }

    /// Sets a parameter, as `--set` does.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Pipeline {
        self.set.push((name.to_owned(), value.to_string()));
        self
    }

    /// Registers a function for the step `call`: it gets the item as JSON and gives the new one, or says why
    /// it cannot (an item error). It may be called by several workers at once.
    #[must_use]
    pub fn function<F>(mut self, name: &str, function: F) -> Pipeline
    where
        F: Fn(serde_json::Value) -> Result<serde_json::Value, String> + Send + Sync + 'static,
    {
        self.functions.register(name, Arc::new(function));
        self
    }

    /// Where `write: stdout`, `print` and `log` go instead of the process's own streams.
    #[must_use]
    pub fn output(mut self, output: Arc<dyn Output>) -> Pipeline {
        self.output = output;
        self
    }

    /// A handle that stops the run from another thread.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Checks the pipeline: the plan, and the warnings there are about it.
    ///
    /// # Errors
    /// The file cannot be read, or has mistakes.
    pub fn plan(&self) -> Result<(Plan, Vec<Diagnostic>), Error> {
        let source = self.source.as_ref().map_err(Clone::clone)?;
        let unreadable = |e: io::Error| Error::Unreadable {
            path: self.path.clone(),
            message: e.to_string(),
        };
        let mut given = Given::here(&self.path, true).map_err(unreadable)?;
        given.set.clone_from(&self.set);
        let cx = check::Cx {
            functions: self.functions.clone(),
            ..check::Cx::default()
        };
        let check::Whole { file, plan, found } = check::whole(source, &given, &cx);
        let secrets = file.map_or_else(Vec::new, |f| f.params.secrets());
        let list: Vec<Diagnostic> = found.iter().cloned().collect();
        match plan {
            Some(plan) => Ok((plan, list)),
            _ => {
                let text = Text::new(source, found, false)
                    .hiding(secrets)
                    .text(false, 100);
                Err(Error::Invalid {
                    diagnostics: list,
                    text,
                })
            }
        }
    }

    /// Runs the pipeline to its end, on threads of its own.
    ///
    /// # Errors
    /// The file cannot be read, has mistakes, or the run did not end with exit code 0.
    pub fn run(self) -> Result<Report, Error> {
        let (plan, _) = self.plan()?;
        // Nobody listens: what the run has to say stands in its end and its accounts.
        let (notices, _) = crossbeam_channel::unbounded();
        let mut options = Options::new(&plan, self.output, notices);
        options.stop = self.stop;
        let (ended, books) = engine::run(&plan, options);
        let stages = plan.stages.iter().zip(books.stages);
        let stages = stages
            .map(|(s, account)| StageReport {
                name: s.name.to_string(),
                account,
            })
            .collect();
        let report = Report { ended, stages };
        match report.ended.exit {
            Exit::Done => Ok(report),
            _ => Err(Error::Ended(Box::new(report))),
        }
    }
}
