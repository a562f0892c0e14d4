//! How a stage keeps its programs: what the steps that start some are told.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::value::Name;

/// The executor `processes` of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes {
    /// The run and the stage, for programs that want to know.
    pub run: Name,
    pub stage: Name,
    pub count: NonZeroUsize,
    /// Python's workers are forked from one warm interpreter.
    pub fork: bool,
    /// A worker is replaced after so many items.
    pub max_items: Option<u64>,
    /// Bytes that a process may hold.
    pub memory: Option<u64>,
    pub env: Vec<(String, String)>,
    /// Where programs start.
    pub cwd: PathBuf,
    /// Items that each long-lived process may be at at once.
    pub tasks: NonZeroUsize,
}

impl Default for Processes {
    /// One at a time, in this folder.
    fn default() -> Processes {
        Processes {
            run: "run".into(),
            stage: "stage".into(),
            count: NonZeroUsize::MIN,
            fork: true,
            max_items: None,
            memory: None,
            env: Vec::new(),
            cwd: PathBuf::from("."),
            tasks: NonZeroUsize::MIN,
        }
    }
}
