//! What differs between long-lived workers: how they are started, what they are told, who answers their calls.

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

/// How items and results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// One line in, one line out.
    Text,
    /// The messages of [`super::protocol`].
    Json,
}

/// A program to be started.
#[derive(Debug, Default)]
pub struct Command {
    /// The program and its arguments. A program without `/` is looked for in `PATH`.
    pub argv: Vec<Vec<u8>>,
    pub cwd: Option<PathBuf>,
    /// Added to what the program has in its environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// A file descriptor that the program gets beside its standard streams; the variable of the environment that
    /// says its number.
    pub extra: Vec<(String, OwnedFd)>,
}

/// A kind of worker: `worker` with a program, `python`.
pub trait Kind: Debug + Send + Sync {
    fn lines(&self) -> Lines;

    /// The program for the worker with this number. Where it has a descriptor of the name [`SOCKET`], messages go
    /// over that (the other end is `Some`), and both its standard streams go into the log.
    ///
    /// # Errors
    /// Why it cannot be started.
    fn command(&self, slot: usize) -> Result<(Command, Option<OwnedFd>), String>;

    /// Does it always begin with a hello? Then nothing is sent to it before.
    fn greets(&self) -> bool {
        false
    }

    /// What the hello of the host says beside `version`, `run`, `stage`, `worker` and `tasks`.
    fn hello(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Who answers the calls of one process; `None`: calls are refused.
    fn calls(&self, slot: usize, reply: Reply) -> Option<Box<dyn Calls>> {
        let _ = (slot, reply);
        None
    }
}

/// The variable of the environment that names the descriptor for messages.
pub const SOCKET: &str = "MILLSTREAM_SOCKET";

/// Where the answers to calls of a process are written; from any thread, at any time, never blocking. What a process
/// that is gone was to get is dropped.
pub type Reply = Arc<dyn Fn(Vec<u8>) + Send + Sync>;

/// Answers the calls of one process. All of it runs on the thread that hears the processes: it must not block.
pub trait Calls: Send {
    /// A call: its number, and the whole message.
    fn call(&mut self, call: u64, message: &str);

    /// An item is done: what it still holds is given back.
    fn done(&mut self, id: u64);

    /// The process is gone: everything that it holds is given back.
    fn gone(&mut self);
}
