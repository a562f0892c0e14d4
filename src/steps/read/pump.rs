//! A thread that reads what may keep us waiting (standard input, named pipes) and wakes whoever waits for it.
//!
//! The worker loop never blocks, so that a stop always gets through; `read(2)` on a pipe does. The thread holds at
//! most two chunks that nobody has taken (the channel has one place), and ends with its input or when the
//! reading side is gone. A thread in `read(2)` cannot be ended from outside: one that waits for standard
//! input lives on until there is some, or until the program exits.

use std::io::Read;
use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use parking_lot::Mutex;

use crate::wait::Agent;

const CHUNK: usize = 256 << 10;

type Waiting = Arc<Mutex<Option<Arc<Agent>>>>;

/// The reading side.
#[derive(Debug)]
pub(super) struct Pump {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    waiting: Waiting,
    /// The chunk that is being given out, and how far.
    chunk: Vec<u8>,
    at: usize,
}

/// What a pump has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    Bytes(usize),
    /// Nothing now; the agent is woken when there is something.
    Nothing,
    End,
}

impl Pump {
    pub(super) fn start(name: &str, input: impl Read + Send + 'static) -> std::io::Result<Pump> {
        let (send, chunks) = bounded(1);
        let waiting = Waiting::default();
        let told = waiting.clone();
        let thread = std::thread::Builder::new().name(format!("read {name}"));
        thread.spawn(move || {
            let mut input = input;
            loop {
                let chunk = next(&mut input);
                let last = chunk.as_ref().map_or(true, Vec::is_empty);
                let gone = send.send(chunk).is_err();
                if let Some(agent) = told.lock().take() {
                    agent.wake();
                }
                if last || gone {
                    return;
                }
            }
        })?;
        Ok(Pump {
            chunks,
            waiting,
            chunk: Vec::new(),
            at: 0,
        })
    }

    /// Copies what there is into `into`.
    pub(super) fn take(&mut self, into: &mut [u8], agent: &Arc<Agent>) -> std::io::Result<Pumped> {
        if self.at == self.chunk.len() {
            let got = match self.chunks.try_recv() {
                Err(TryRecvError::Empty) => {
                    // Before looking a last time, so that what comes in between wakes us.
                    *self.waiting.lock() = Some(agent.clone());
                    self.chunks.try_recv()
                }
                got => got,
            };
            match got {
                Ok(chunk) => self.chunk = chunk?,
                Err(TryRecvError::Empty) => return Ok(Pumped::Nothing),
                Err(TryRecvError::Disconnected) => return Ok(Pumped::End),
            }
            self.at = 0;
        }
        let n = into.len().min(self.chunk.len() - self.at);
        into[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(if n == 0 {
            Pumped::End
        } else {
            Pumped::Bytes(n)
        })
    }
}

/// What one read gives; an empty chunk is the end.
fn next(input: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk) {
            Ok(n) => {
                chunk.truncate(n);
                return Ok(chunk);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
