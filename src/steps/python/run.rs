//! Rows out, results in.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::super::exec::{over_memory, tail};
use super::super::{BatchStep, Cx, Flow, ItemError, ItemErrorKind, Outcome, Processes, RunError};
use crate::expr::Code;
use crate::value::{Batch, Cell, JsonRows, Row, Shape};
use crate::wait::{Wait, What};
use crate::worker::python::{Python, Settings};
use crate::worker::{Answer, DEATHS, Proxy, Ticket, protocol};

/// What all workers of a stage go by.
pub(super) struct Recipe {
    pub settings: Settings,
    pub processes: Arc<Processes>,
    /// Keyword arguments.
    pub args: Vec<(String, Code)>,
    pub rows: JsonRows,
    pub gives: Arc<Shape>,
    /// The processes that there are, by their numbers.
    pub users: Mutex<HashMap<usize, Weak<User>>>,
}

/// Who uses a process: as many workers as it does items at once. When the last has gone, it is told to finish.
pub(super) struct User(pub Arc<Proxy>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Recipe {
    /// The process of the worker that asks.
    ///
    /// # Errors
    /// There is nobody who could answer its code (in tests of single steps).
    pub fn user(&self, cx: &Cx<'_>) -> Result<Arc<User>, RunError> {
        let slot = cx.scope.worker / self.processes.tasks;
        let mut users = self.users.lock();
        if let Some(user) = users.get(&slot).and_then(Weak::upgrade) {
            return Ok(user);
        }
        let (Some(broker), Some(who)) = (cx.broker, cx.agent.who) else {
            return Err(RunError::Bug {
                message: "a worker that is none starts Python".into(),
            });
        };
        let kind = Python {
            settings: self.settings.clone(),
            processes: crate::worker::python::Surroundings {
                cwd: self.processes.cwd.clone(),
                env: self.processes.env.clone(),
            },
            broker: broker.clone(),
            stage: who.stage,
            step: cx.step,
        };
        let settings = crate::worker::Settings {
            slot,
            run: self.processes.run.to_string(),
            stage: self.processes.stage.to_string(),
            tasks: self.processes.tasks.get(),
            max_items: self.processes.max_items,
            memory: self.processes.memory,
            greets: Arc::default(),
        };
        let user = Arc::new(User(Proxy::new(
            Arc::new(kind),
            cx.programs.clone(),
            settings,
        )));
        users.insert(slot, Arc::downgrade(&user));
        Ok(user)
    }

    /// A row as a line: the item, or `[item, {name: value}]`.
    fn line(&self, row: Row<'_>, cx: &Cx<'_>) -> Result<Vec<u8>, ItemError> {
        let mut line = Vec::new();
        if self.args.is_empty() {
            self.rows.write(row, &mut line);
            return Ok(line);
        }
        line.push(b'[');
        self.rows.write(row, &mut line);
        line.extend_from_slice(b",{");
        for (i, (name, code)) in self.args.iter().enumerate() {
            if i > 0 {
                line.push(b',');
            }
            Cell::str(name).write_json(row.blocks, &mut line);
            line.push(b':');
            let mut blocks = row.blocks.clone();
            code.cell(row, cx.scope, &mut blocks)?
                .write_tagged(&blocks, &mut line);
        }
        line.extend_from_slice(b"}]");
        Ok(line)
    }
}

/// What went wrong with an item, as the protocol has it.
pub(super) fn error(recipe: &Recipe, answer: Answer) -> Result<ItemError, RunError> {
    let name = &recipe.settings.call;
    let output = |bytes: Vec<u8>| Some(tail(&bytes)).filter(|t| !t.is_empty());
    Ok(match answer {
        Answer::Error(said) => {
            let kind = said.kind.unwrap_or_default();
            let message = match said.message.as_str() {
                "" => kind.clone(),
                message => format!("{kind}: {message}"),
            };
            ItemError {
                code: Cell::str(&kind),
                output: said.output,
                ..ItemError::new(ItemErrorKind::Exception, message)
            }
        }
        Answer::Died(why, err) => ItemError {
            output: output(err),
            // It was tried again already.
            for_good: true,
            ..ItemError::new(
                ItemErrorKind::Died,
                format!("{DEATHS} processes have died of this item; the last: {why}"),
            )
        },
        Answer::Memory(bytes, err) => ItemError {
            output: output(err),
            ..ItemError::new(
                ItemErrorKind::Memory,
                over_memory(name, bytes, recipe.processes.memory),
            )
        },
        Answer::Broken(why) => {
            let message = format!("`{name}`: {why}");
            return Err(RunError::Failed { message });
        }
        Answer::Line(_) | Answer::One(_) | Answer::Many(_) => {
            ItemError::new(ItemErrorKind::Type, "it is no result")
        }
    })
}

pub(super) struct Run {
    recipe: Arc<Recipe>,
    user: Option<Arc<User>>,
    /// For each row that is in hand.
    open: Vec<Open>,
}

/// What is known of a row.
enum Open {
    /// It was not even sent.
    Failed(ItemError),
    Waits(Arc<Ticket>),
    Answered(Answer),
}

impl Run {
    pub fn of(recipe: Arc<Recipe>) -> Run {
        Run {
            recipe,
            user: None,
            open: Vec::new(),
        }
    }

    fn send(&mut self, batch: &Batch, cx: &Cx<'_>) -> Result<(), RunError> {
        let user = match &self.user {
            Some(user) => user.clone(),
            None => self.user.insert(self.recipe.user(cx)?).clone(),
        };
        for i in 0..batch.len() {
            self.open.push(match self.recipe.line(batch.row(i), cx) {
                Ok(line) => Open::Waits(user.0.submit(line, cx.agent)),
                Err(error) => Open::Failed(error),
            });
        }
        Ok(())
    }

    /// Has every row its answer?
    fn is_done(&mut self) -> bool {
        let mut done = true;
        for open in &mut self.open {
            if let Open::Waits(ticket) = open {
                match ticket.take() {
                    Some(answer) => *open = Open::Answered(answer),
                    None => done = false,
                }
            }
        }
        done
    }

    /// What a row has become.
    fn made(&self, answer: Answer) -> Result<Result<Vec<Cell>, ItemError>, RunError> {
        let odd = |why: String| {
            ItemError::new(
                ItemErrorKind::Type,
                format!("the result cannot be used: {why}"),
            )
        };
        Ok(match answer {
            Answer::One(text) => Cell::from_tagged(&text).map(|cell| vec![cell]).map_err(odd),
            Answer::Many(text) => protocol::elements(&text)
                .and_then(|list| list.into_iter().map(Cell::from_tagged).collect())
                .map_err(odd),
            other => Err(error(&self.recipe, other)?),
        })
    }
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        if batch.is_empty() {
            return Flow::Next(batch.derive(self.recipe.gives.clone()));
        }
        if self.open.is_empty()
            && let Err(error) = self.send(&batch, cx)
        {
            return Flow::Stop(error);
        }
        if !self.is_done() {
            return Flow::Wait(batch, Wait::for_(What::Program));
        }
        let mut out = batch.derive(self.recipe.gives.clone());
        for (i, open) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let made = match open {
                Open::Answered(answer) => match self.made(answer) {
                    Ok(made) => made,
                    Err(error) => return Flow::Stop(error),
                },
                Open::Failed(error) => Err(error),
                Open::Waits(_) => continue,
            };
            match made {
                Ok(cells) => {
                    match cells.len() {
                        0 => cx.settle(Outcome::Filtered, 1),
                        n => cx.made(n - 1),
                    }
                    for cell in cells {
                        out.push_from(&batch, i, [cell]);
                    }
                }
                Err(error) => cx.fail(batch.origin(i), batch.row(i), error),
            }
        }
        batch.clear();
        Flow::Next(out)
    }

    fn cancel(&mut self, _: &mut Cx<'_>) {
        for open in self.open.drain(..) {
            if let (Open::Waits(ticket), Some(user)) = (open, &self.user) {
                user.0.cancel(&ticket);
            }
        }
    }
}
