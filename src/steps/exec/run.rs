//! A program for each row, one at a time in each worker.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::{BatchStep, Cx, Flow, ItemError, ItemErrorKind, Outcome, RunError};
use super::recipe::{Recipe, Takes};
use crate::value::{Batch, Blocks};
use crate::wait::{Agent, Wait, What};
use crate::worker::{Exit, Input, Listener, Process};

/// Bytes of the standard output that are kept, at most.
const MOST: usize = 256 << 20;
/// Bytes of the standard error that are kept: the last.
const TAIL: usize = 64 << 10;

/// What a program has written, and how it ended.
pub(super) struct Collected {
    agent: Arc<Agent>,
    /// More than this is not wanted before somebody has taken it.
    most: usize,
    got: Mutex<Got>,
}

#[derive(Default)]
pub(super) struct Got {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub full: bool,
    pub ended: Option<Result<Exit, io::Error>>,
}

impl Collected {
    pub fn new(agent: &Arc<Agent>, most: usize) -> Arc<Collected> {
        Arc::new(Collected {
            agent: agent.clone(),
            most,
            got: Mutex::default(),
        })
    }

    pub fn got(&self) -> parking_lot::MutexGuard<'_, Got> {
        self.got.lock()
    }
}

impl Listener for Collected {
    fn out(&self, bytes: &[u8]) -> bool {
        let mut got = self.got.lock();
        got.out.extend_from_slice(bytes);
        got.full = got.out.len() > self.most;
        let go_on = !got.full;
        // Whole outputs are wanted at the end; a stream at once.
        if self.most != MOST || got.full {
            self.agent.wake();
        }
        go_on
    }

    fn err(&self, bytes: &[u8]) {
        let mut got = self.got.lock();
        got.err.extend_from_slice(bytes);
        let over = got.err.len().saturating_sub(TAIL);
        got.err.drain(..over);
    }

    fn ended(&self, how: Result<Exit, io::Error>) {
        self.got.lock().ended = Some(how);
        self.agent.wake();
    }
}

/// The last lines of what a program wrote to its standard error.
pub(crate) fn tail(bytes: &[u8]) -> String {
    const LINES: usize = 20;
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// A program that runs.
pub(super) struct Running {
    pub process: Arc<Process>,
    pub collected: Arc<Collected>,
    pub program: String,
}

/// Starts the program for a row.
pub(super) fn start(
    recipe: &Recipe,
    batch: &Batch,
    most: Option<usize>,
    cx: &Cx<'_>,
) -> Result<Running, ItemError> {
    let row = batch.row(0);
    let (command, stdin) = recipe.command(row, cx)?;
    let shown = if recipe.script.is_some() { "shell" } else { "" };
    let program = match shown {
        "" => String::from_utf8_lossy(&command.argv[0]).into_owned(),
        shell => shell.to_owned(),
    };
    let cwd = command.cwd.clone();
    if let Some(cwd) = cwd.filter(|cwd| !cwd.is_dir()) {
        let message = format!(
            "`{program}` cannot be started: there is no folder {}",
            cwd.display()
        );
        return Err(ItemError::new(ItemErrorKind::Io, message));
    }
    let collected = Collected::new(cx.agent, most.unwrap_or(MOST));
    let input = stdin.map_or(Input::Nothing, Input::Text);
    let memory = recipe.processes.memory;
    let process = cx
        .programs
        .start(command, input, memory, collected.clone())
        .map_err(|e| {
            let message = format!("`{program}` cannot be started: {e}");
            ItemError::new(ItemErrorKind::Io, message)
        })?;
    Ok(Running {
        process,
        collected,
        program,
    })
}

/// What a program that succeeded wrote to its standard error, line by line.
pub(super) fn log(recipe: &Recipe, err: &[u8], cx: &Cx<'_>) {
    for line in String::from_utf8_lossy(err).lines() {
        let stage = &recipe.processes.stage;
        let line = cx.commons.values.hide(line);
        cx.output
            .log(&format!("{stage}[{}]: {line}", cx.scope.worker));
    }
}

pub(super) struct Run {
    recipe: Arc<Recipe>,
    running: Option<Running>,
}

impl Run {
    pub fn of(recipe: Arc<Recipe>) -> Run {
        Run {
            recipe,
            running: None,
        }
    }

    fn done(&self, mut batch: Batch, got: Got, program: &str, cx: &mut Cx<'_>) -> Flow {
        let how = got.ended.unwrap_or(Ok(Exit::Code(0)));
        let tail = tail(&got.err);
        let mut out = Batch::new(self.recipe.shape.clone(), Blocks::new());
        (out.ord, out.span) = (batch.ord, batch.span);
        let origin = batch.origin(0);
        let made = self
            .recipe
            .judge(program, &how, &tail)
            .and_then(|()| self.recipe.rows(got.out, &mut out));
        match made {
            Err(error) => {
                cx.fail(origin, batch.row(0), error);
                batch.clear();
                Flow::Next(batch)
            }
            Ok(_) if self.recipe.result == Takes::Ignore => {
                log(&self.recipe, &got.err, cx);
                Flow::Next(batch)
            }
            Ok(n) => {
                log(&self.recipe, &got.err, cx);
                match n {
                    0 => cx.settle(Outcome::Filtered, 1),
                    n => cx.made(n - 1),
                }
                batch.clear();
                out.map_origins(|_| origin);
                Flow::Next(out)
            }
        }
    }
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        if batch.is_empty() {
            return Flow::Next(batch);
        }
        if batch.len() > 1 {
            return Flow::Stop(RunError::Bug {
                message: "a program gets several items at once".into(),
            });
        }
        let running = match self.running.take() {
            Some(running) => running,
            None => match start(&self.recipe, &batch, None, cx) {
                Ok(running) => running,
                Err(error) => {
                    cx.fail(batch.origin(0), batch.row(0), error);
                    batch.clear();
                    return Flow::Next(batch);
                }
            },
        };
        let mut got = running.collected.got();
        if got.full && got.ended.is_none() {
            running.process.kill();
            drop(got);
            let message = format!(
                "`{}` wrote more than {} MiB: let it write to a file, or take it line by line as a source",
                running.program,
                MOST >> 20
            );
            cx.fail(
                batch.origin(0),
                batch.row(0),
                ItemError::new(ItemErrorKind::Io, message),
            );
            batch.clear();
            return Flow::Next(batch);
        }
        if got.ended.is_none() {
            drop(got);
            self.running = Some(running);
            return Flow::Wait(batch, Wait::for_(What::Program));
        }
        let all = std::mem::take(&mut *got);
        drop(got);
        self.done(batch, all, &running.program, cx)
    }

    fn cancel(&mut self, _: &mut Cx<'_>) {
        if let Some(running) = self.running.take() {
            running.process.end();
        }
    }

    fn abandon(&mut self) {
        if let Some(running) = self.running.take() {
            running.process.kill();
        }
    }
}
