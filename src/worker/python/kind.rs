//! How Python's workers are started, and what they are told.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::program;
use crate::wait::Who;
use crate::worker::broker::{Broker, Desk};
use crate::worker::{Calls, Command, Kind, Lines, Reply, SOCKET};

/// The variable of the environment that names the descriptor of the shared values.
const MEMORY: &str = "MILLSTREAM_MEMORY";

/// What a pool of Python's workers runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `file.py:function` or `package.module:function`.
    pub call: String,
    pub init: Option<String>,
    /// The interpreter as the file says it; `None`: that of `$VIRTUAL_ENV`, else `python3`.
    pub interpreter: Option<String>,
    /// Relative names of files are relative to this, and modules are looked for here first.
    pub folder: PathBuf,
    /// Items come with keyword arguments: `[item, {name: value}]`.
    pub args: bool,
    /// The function makes items; what comes is how many are wanted.
    pub source: bool,
}

impl Settings {
    fn interpreter(&self) -> Vec<u8> {
        if let Some(given) = &self.interpreter {
            // A path in the file is relative to the file; a bare name is looked for as a shell does.
            return if given.contains('/') {
                self.folder.join(given).as_os_str().as_bytes().to_vec()
            } else {
                given.clone().into_bytes()
            };
        }
        match std::env::var_os("VIRTUAL_ENV") {
            Some(environment) if !environment.is_empty() => {
                let python = PathBuf::from(environment).join("bin/python");
                python.as_os_str().as_bytes().to_vec()
            }
            _ => b"python3".to_vec(),
        }
    }

    fn program(&self) -> String {
        program(&json!({
            "call": self.call,
            "init": self.init,
            "folder": self.folder.to_string_lossy(),
            "args": self.args,
            "source": self.source,
        }))
    }
}

/// Where the processes run.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub cwd: PathBuf,
    pub env: Vec<(String, String)>,
}

/// Python's workers of one stage of one run.
#[derive(Debug)]
pub struct Python {
    pub settings: Settings,
    pub processes: Surroundings,
    pub broker: Arc<Broker>,
    /// The stage, and the step in it.
    pub stage: u32,
    pub step: u32,
}

impl Kind for Python {
    fn lines(&self) -> Lines {
        Lines::Json
    }

    fn greets(&self) -> bool {
        true
    }

    fn command(&self, _: usize) -> Result<(Command, Option<OwnedFd>), String> {
        let (ours, theirs) = UnixStream::pair().map_err(|e| e.to_string())?;
        let mut extra = vec![(SOCKET.to_owned(), OwnedFd::from(theirs))];
        if let Some(memory) = self.broker.memory() {
            extra.push((MEMORY.to_owned(), memory));
        }
        let program = self.settings.program().into_bytes();
        let command = Command {
            argv: vec![self.settings.interpreter(), b"-c".to_vec(), program],
            cwd: Some(self.processes.cwd.clone()),
            env: self
                .processes
                .env
                .iter()
                .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()))
                .collect(),
            extra,
        };
        Ok((command, Some(ours.into())))
    }

    fn hello(&self) -> Map<String, Value> {
        self.broker.hello()
    }

    fn calls(&self, slot: usize, reply: Reply) -> Option<Box<dyn Calls>> {
        let who = Who {
            stage: self.stage,
            worker: u32::try_from(slot).unwrap_or(u32::MAX),
        };
        Some(Box::new(Desk::new(
            self.broker.clone(),
            who,
            self.step,
            reply,
        )))
    }
}
