//! An item at a time in each worker, sent to the program of the worker's number.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::super::exec::{over_memory, tail};
use super::super::{
    BatchStep, Cx, Flow, ItemError, ItemErrorKind, Op, Outcome, Processes, RunError,
};
use crate::value::{Batch, Blocks, Cell, JsonReader, JsonRows, Row, Shape, Type, Want, Wanted};
use crate::wait::{Wait, What};
use crate::worker::{Answer, Kind, Lines, Proxy, Settings, Ticket, protocol};

/// What kind of program it is; asked once for each worker.
pub(in super::super) type MakeKind = Box<dyn Fn(&Cx<'_>) -> Arc<dyn Kind> + Send + Sync>;

/// What the programs of one step have in common.
pub(in super::super) struct Lasting {
    /// How it is called in messages.
    pub name: String,
    pub kind: MakeKind,
    pub lines: Lines,
    /// The type of the results.
    pub out: Type,
    pub processes: Arc<Processes>,
    /// The programs that there are, by their numbers.
    users: Mutex<HashMap<usize, Weak<User>>>,
    /// They begin with a hello.
    greets: Arc<AtomicBool>,
}

impl Lasting {
    pub fn new(
        name: String,
        kind: MakeKind,
        lines: Lines,
        out: Type,
        processes: Arc<Processes>,
    ) -> Lasting {
        Lasting {
            name,
            kind,
            lines,
            out,
            processes,
            users: Mutex::default(),
            greets: Arc::default(),
        }
    }

    pub fn op(self: Arc<Self>) -> Op {
        let shape = Shape::of(&self.out);
        Op::Each(Arc::new(move || {
            Box::new(Run {
                recipe: self.clone(),
                shape: shape.clone(),
                user: None,
                ticket: None,
                writer: None,
                reader: JsonReader::new(&Type::Any, &Type::Any, Wanted::all(Want::Look)),
            })
        }))
    }

    /// Whoever uses the program of this worker's number, the first of them among them.
    fn user(&self, cx: &Cx<'_>) -> Arc<User> {
        let slot = cx.scope.worker / self.processes.tasks;
        let mut users = self.users.lock();
        if let Some(user) = users.get(&slot).and_then(Weak::upgrade) {
            return user;
        }
        let settings = Settings {
            slot,
            run: self.processes.run.to_string(),
            stage: self.processes.stage.to_string(),
            tasks: self.processes.tasks.get(),
            max_items: self.processes.max_items,
            memory: self.processes.memory,
            greets: self.greets.clone(),
        };
        let user = Arc::new(User(Proxy::new(
            (self.kind)(cx),
            cx.programs.clone(),
            settings,
        )));
        users.insert(slot, Arc::downgrade(&user));
        user
    }

    /// An item as the program reads it.
    fn line(&self, row: Row<'_>, writer: &JsonRows) -> Result<Vec<u8>, ItemError> {
        let mut line = Vec::new();
        if self.lines == Lines::Text
            && row.shape.record().is_none()
            && let Some(text) = row.cells[0].as_str(row.blocks)
        {
            if text.contains(['\n', '\r']) {
                let message = "a text with a line break in it cannot be one line for a program (`protocol: lines`)";
                return Err(ItemError::new(ItemErrorKind::Type, message));
            }
            line.extend_from_slice(text.as_bytes());
        } else {
            writer.write(row, &mut line);
        }
        Ok(line)
    }

    /// What a program has said of an item, as rows.
    fn rows(&self, answer: Answer, reader: &mut JsonReader, out: &mut Batch) -> Result<(), Told> {
        let mut json = |text: &str, out: &mut Batch| {
            let (cells, blocks) = out.parts_mut();
            let read = reader.read(text, None, cells, blocks);
            read.map(|()| out.grew(1)).map_err(|why| {
                Told::Item(ItemError::parse(format!(
                    "the program's answer is no JSON that we can take: {why}"
                )))
            })
        };
        match answer {
            Answer::Line(line) => match String::from_utf8(line) {
                Ok(text) => out.push([Cell::str(&text)]),
                Err(_) => {
                    return Err(Told::Item(ItemError::parse(
                        "the program's line is not UTF-8",
                    )));
                }
            },
            Answer::One(text) => json(&text, out)?,
            Answer::Many(list) => {
                let elements =
                    protocol::elements(&list).map_err(|why| Told::Item(ItemError::parse(why)))?;
                for element in elements {
                    json(element, out)?;
                }
            }
            Answer::Error(said) => {
                let message = match &said.kind {
                    Some(kind) => format!("{kind}: {}", said.message),
                    None => said.message,
                };
                return Err(Told::Item(ItemError {
                    code: said.kind.map_or(Cell::Null, |k| Cell::str(&k)),
                    output: said.output,
                    ..ItemError::new(ItemErrorKind::Exit, message)
                }));
            }
            Answer::Died(why, err) => {
                let message = format!(
                    "{} programs have died of this item; the last: {why}",
                    crate::worker::DEATHS
                );
                return Err(Told::Item(ItemError {
                    output: Some(tail(&err)).filter(|t| !t.is_empty()),
                    // It was tried again already.
                    for_good: true,
                    ..ItemError::new(ItemErrorKind::Died, message)
                }));
            }
            Answer::Memory(held, err) => {
                let message = over_memory(&self.name, held, self.processes.memory);
                return Err(Told::Item(ItemError {
                    output: Some(tail(&err)).filter(|t| !t.is_empty()),
                    ..ItemError::new(ItemErrorKind::Memory, message)
                }));
            }
            Answer::Broken(why) => {
                let message = format!("`{}`: {why}", self.name);
                return Err(Told::Run(RunError::Failed { message }));
            }
        }
        Ok(())
    }
}

/// What an answer is where it is no result.
enum Told {
    Item(ItemError),
    Run(RunError),
}

/// Who uses a program. When the last one has gone, the program is told to finish.
struct User(Arc<Proxy>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.finish();
    }
}

struct Run {
    recipe: Arc<Lasting>,
    shape: Arc<Shape>,
    user: Option<Arc<User>>,
    /// The item that is with the program.
    ticket: Option<Arc<Ticket>>,
    /// How items are written, for the shape that they come in.
    writer: Option<(Arc<Shape>, JsonRows)>,
    reader: JsonReader,
}

impl Run {
    fn submit(&mut self, batch: &Batch, cx: &Cx<'_>) -> Result<(), ItemError> {
        if self
            .writer
            .as_ref()
            .is_none_or(|(shape, _)| !Arc::ptr_eq(shape, batch.shape()))
        {
            self.writer = Some((batch.shape().clone(), JsonRows::new(batch.shape())));
        }
        let Some((_, writer)) = &self.writer else {
            return Ok(());
        };
        let line = self.recipe.line(batch.row(0), writer)?;
        let user = self.user.get_or_insert_with(|| self.recipe.user(cx));
        self.ticket = Some(user.0.submit(line, cx.agent));
        Ok(())
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
        let origin = batch.origin(0);
        if self.ticket.is_none()
            && let Err(error) = self.submit(&batch, cx)
        {
            cx.fail(origin, batch.row(0), error);
            batch.clear();
            return Flow::Next(batch);
        }
        let Some(answer) = self.ticket.as_ref().and_then(|t| t.take()) else {
            return Flow::Wait(batch, Wait::for_(What::Program));
        };
        self.ticket = None;
        let mut out = Batch::new(self.shape.clone(), Blocks::new());
        (out.ord, out.span) = (batch.ord, batch.span);
        match self.recipe.rows(answer, &mut self.reader, &mut out) {
            Ok(()) => {
                match out.len() {
                    0 => cx.settle(Outcome::Filtered, 1),
                    n => cx.made(n - 1),
                }
                batch.clear();
                out.map_origins(|_| origin);
                Flow::Next(out)
            }
            Err(Told::Item(error)) => {
                cx.fail(origin, batch.row(0), error);
                batch.clear();
                Flow::Next(batch)
            }
            Err(Told::Run(error)) => Flow::Stop(error),
        }
    }

    fn cancel(&mut self, _: &mut Cx<'_>) {
        if let (Some(ticket), Some(user)) = (self.ticket.take(), &self.user) {
            user.0.cancel(&ticket);
        }
    }
}
