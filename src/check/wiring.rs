//! Who writes what and who reads it: the two ends of every connection, and the order of the stages.

use std::collections::HashSet;

use super::Room;
use super::loops;
use super::names::Named;
use super::stages::Stages;
use super::user;
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::plan::ConnKind;
use crate::spec::{self, Full, Key, OnError, Order, StepNode, Text, To};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub stage: usize,
    /// Where the stage names it.
    pub at: At,
    pub what: What,
}

/// What goes through an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Items,
    /// Dead letters.
    Dead,
    /// What a step puts: its number among those of the stage ([`super::stages::Stage::puts`]).
    Put(usize),
    /// What user code puts (`puts`).
    User,
}

/// A connection, declared or between two stages.
#[derive(Debug)]
pub(super) struct Conn<'f> {
    pub name: &'f str,
    pub kind: ConnKind,
    pub declared: Option<&'f spec::Conn>,
    pub writers: Vec<End>,
    pub readers: Vec<End>,
}

/// The connections of one stage.
#[derive(Debug, Default)]
pub(super) struct Ends<'f> {
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    /// `to` as a mapping; `else` is the last.
    pub routes: Vec<Route<'f>>,
    /// Where dead letters go: the stage's own first.
    pub dead: Vec<usize>,
    pub after: Vec<usize>,
    /// What its steps put into, and its user code ...
    pub puts: Vec<usize>,
    /// ... and what of these that is.
    pub user_puts: Vec<usize>,
}

/// One branch of a routing `to`.
#[derive(Debug)]
pub(super) struct Route<'f> {
    /// The number of the connection among the outputs.
    pub outlet: usize,
    /// `None`: `else`.
    pub condition: Option<&'f Text>,
}

#[derive(Debug)]
pub(super) struct Wiring<'f> {
    /// Declared ones first, in the order of the file.
    pub conns: Vec<Conn<'f>>,
    pub stages: Vec<Ends<'f>>,
    /// The stages, writers before readers (but for what comes back through a feedback queue).
    pub order: Vec<usize>,
}

impl Conn<'_> {
    pub fn is_feedback(&self) -> bool {
        self.declared
            .is_some_and(|d| d.feedback.is_some_and(|f| f.value))
    }

    pub fn is_put_into(&self) -> bool {
        self.writers
            .iter()
            .any(|w| matches!(w.what, What::Put(_) | What::User))
    }

    pub fn is_fifo(&self) -> bool {
        self.declared
            .is_none_or(|d| d.order.is_none_or(|o| o.value == Order::Fifo))
    }

    /// `the queue "urls"`, for messages.
    pub fn describe(&self) -> String {
        match self.kind {
            ConnKind::Unnamed => format!("the pipe from stage `{}`", self.name),
            ConnKind::Pipe => format!("the pipe `{}`", self.name),
            ConnKind::Queue => format!("the queue `{}`", self.name),
        }
    }
}

impl Ends<'_> {
    /// Every way out: for items, for what is put, for dead letters.
    pub fn ways_out(&self) -> impl Iterator<Item = usize> {
        self.outputs
            .iter()
            .chain(&self.puts)
            .chain(&self.dead)
            .copied()
    }
}

impl<'f> Wiring<'f> {
    pub fn of(room: &Room<'f>, out: &mut Diagnostics) -> Wiring<'f> {
        let file = room.file;
        let declared = file
            .pipes
            .iter()
            .map(|c| (c, ConnKind::Pipe))
            .chain(file.queues.iter().map(|c| (c, ConnKind::Queue)));
        let mut wiring = Wiring {
            conns: declared
                .map(|(c, kind)| Conn {
                    name: &c.name.text,
                    kind,
                    declared: Some(c),
                    writers: vec![],
                    readers: vec![],
                })
                .collect(),
            stages: file.stages.iter().map(|_| Ends::default()).collect(),
            order: vec![],
        };
        for (number, stage) in file.stages.iter().enumerate() {
            wiring.write(room, number, stage, out);
        }
        // Unnamed pipes after that, so that a stage's outputs are in the order of the file.
        for (number, stage) in file.stages.iter().enumerate() {
            wiring.read(room, number, stage, out);
        }
        wiring
    }

    /// With the ends that steps have, and everything that can be said only then.
    pub fn finish(&mut self, room: &Room<'f>, stages: &Stages<'f>, out: &mut Diagnostics) {
        for (number, stage) in stages.list.iter().enumerate() {
            for (i, put) in stage.puts().enumerate() {
                let name = &room.file.stages[number].name.text;
                let Some(conn) = room.names.target(put.to, name, out) else {
                    continue;
                };
                if !self.stages[number].puts.contains(&conn) {
                    self.stages[number].puts.push(conn);
                }
                let what = What::Put(i);
                self.conns[conn].writers.push(End {
                    stage: number,
                    at: put.to.at,
                    what,
                });
            }
        }
        self.two_ends(room, out);
        self.orders(out);
        loops::order(self, room, out);
        loops::memories(self, room, stages, out);
        loops::endless(self, room, stages, out);
    }

    fn write(
        &mut self,
        room: &Room<'f>,
        number: usize,
        stage: &'f spec::Stage,
        out: &mut Diagnostics,
    ) {
        user::check(room, stage, out);
        let name = &stage.name.text;
        match &stage.to {
            To::All(keys) => {
                for key in once(keys, "to", out) {
                    if let Some(conn) = room.names.target(key, name, out) {
                        self.outlet(number, conn, key);
                    }
                }
            }
            To::Route(routes) => {
                if !routes
                    .iter()
                    .any(|r| r.condition.is_none() || r.to.text == "else")
                    && let Some(first) = routes.first()
                {
                    out.push(
                        Diagnostic::new(
                            "W0403",
                            first.to.at,
                            format!("stage `{name}` drops what none of its conditions takes"),
                        )
                        .help("add a connection for the rest: `to: {..., rest: else}`"),
                    );
                }
                // The mapping's keys are different; the rest goes last, wherever it was written.
                for last in [false, true] {
                    for route in routes.iter().filter(|r| r.condition.is_none() == last) {
                        if let Some(conn) = room.names.target(&route.to, name, out) {
                            let outlet = self.outlet(number, conn, &route.to);
                            self.stages[number].routes.push(Route {
                                outlet,
                                condition: route.condition.as_ref(),
                            });
                        }
                    }
                }
            }
        }
        for key in once(&stage.puts, "puts", out) {
            let Some(conn) = room.names.target(key, name, out) else {
                continue;
            };
            if self.conns[conn].kind != ConnKind::Queue {
                let message = format!("`puts` names queues, and `{}` is a pipe", key.text);
                out.push(
                    Diagnostic::new("E0402", key.at, message)
                        .help("declare it under `queues:`: a pipe has one writing stage, which writes by `to`"),
                );
                continue;
            }
            self.stages[number].puts.push(conn);
            self.stages[number].user_puts.push(conn);
            let what = What::User;
            self.conns[conn].writers.push(End {
                stage: number,
                at: key.at,
                what,
            });
        }
        let own = stage.on_error.as_ref().map(|o| &o.value);
        let mut letters: Vec<&Key> = own.and_then(dead_key).into_iter().collect();
        dead_keys(&stage.steps, &mut letters);
        for key in letters {
            let Some(conn) = room.names.target(key, name, out) else {
                continue;
            };
            if !self.stages[number].dead.contains(&conn) {
                self.stages[number].dead.push(conn);
                self.conns[conn].writers.push(End {
                    stage: number,
                    at: key.at,
                    what: What::Dead,
                });
            }
        }
    }

    /// The number of a new way out among the stage's outputs.
    fn outlet(&mut self, stage: usize, conn: usize, key: &Key) -> usize {
        // Two branches may lead to one connection.
        if let Some(known) = self.stages[stage].outputs.iter().position(|c| *c == conn) {
            return known;
        }
        self.stages[stage].outputs.push(conn);
        self.conns[conn].writers.push(End {
            stage,
            at: key.at,
            what: What::Items,
        });
        self.stages[stage].outputs.len() - 1
    }

    fn read(
        &mut self,
        room: &Room<'f>,
        number: usize,
        stage: &'f spec::Stage,
        out: &mut Diagnostics,
    ) {
        for key in once(&stage.from, "from", out) {
            let end = End {
                stage: number,
                at: key.at,
                what: What::Items,
            };
            match room.names.source(key, out) {
                Some(Named::Conn(conn)) => {
                    self.stages[number].inputs.push(conn);
                    self.conns[conn].readers.push(end);
                }
                Some(Named::Stage(writer)) => {
                    let conn = self.conns.len();
                    self.conns.push(Conn {
                        name: &room.file.stages[writer].name.text,
                        kind: ConnKind::Unnamed,
                        declared: None,
                        writers: vec![End {
                            stage: writer,
                            at: key.at,
                            what: What::Items,
                        }],
                        readers: vec![end],
                    });
                    self.stages[writer].outputs.push(conn);
                    self.stages[number].inputs.push(conn);
                }
                None => {}
            }
        }
        for key in once(&stage.after, "after", out) {
            if let Some(other) = room.names.stage(key, out) {
                self.stages[number].after.push(other);
            }
        }
    }

    /// A pipe has one writing and one reading stage.
    fn two_ends(&self, room: &Room<'f>, out: &mut Diagnostics) {
        for conn in self.conns.iter().filter(|c| c.kind == ConnKind::Pipe) {
            let stage = |end: &End| &room.file.stages[end.stage].name.text;
            let name = conn.name;
            let mut writers = conn.writers.iter();
            let first = writers.next();
            // A stage may write its items and its dead letters to the same pipe.
            let second = writers.find(|w| first.is_some_and(|f| f.stage != w.stage));
            if let (Some(first), Some(second)) = (first, second) {
                let message = format!(
                    "two stages write the pipe `{name}`: `{}` and `{}`",
                    stage(first),
                    stage(second)
                );
                out.push(
                    Diagnostic::new("E0401", second.at, message)
                        .also(first.at, "the first writer")
                        .help(format!("a pipe has one writer and one reader; make it a queue: move `{name}` from `pipes:` to `queues:`")),
                );
            }
            if let [first, second, ..] = conn.readers.as_slice() {
                let message = format!(
                    "two stages read the pipe `{name}`: `{}` and `{}`",
                    stage(first),
                    stage(second)
                );
                let each = match conn.writers.first() {
                    Some(writer) => format!(
                        "if each is to see all of them, write `from: {}` in both",
                        stage(writer)
                    ),
                    None => {
                        "if each is to see all of them, name the writing stage in `from`".to_owned()
                    }
                };
                out.push(
                    Diagnostic::new("E0401", second.at, message)
                        .also(first.at, "the first reader")
                        .help(format!("if they are to share the items, make it a queue: move `{name}` from `pipes:` to `queues:`"))
                        .help(each),
                );
            }
        }
    }

    /// What an order needs, and what a loop must not do.
    fn orders(&self, out: &mut Diagnostics) {
        for conn in &self.conns {
            let Some(declared) = conn.declared else {
                continue;
            };
            let name = conn.name;
            let priority = declared.order.filter(|o| o.value == Order::Priority);
            match (priority, &declared.by) {
                (Some(order), None) => out.push(
                    Diagnostic::new("E0409", order.at, format!("the queue `{name}` has `order: priority`, but no `by`"))
                        .help("add `by`, an expression that gives a number: the item with the lowest goes first"),
                ),
                (None, Some(by)) => out.push(
                    Diagnostic::new("E0409", by.at, format!("the queue `{name}` has `by`, but not `order: priority`"))
                        .help("write `order: priority` beside it, or take it out"),
                ),
                _ => {}
            }
            if conn.is_feedback()
                && let Some(full) = declared.full.filter(|f| f.value == Full::Block)
            {
                out.push(
                    Diagnostic::new(
                        "E0409",
                        full.at,
                        format!("the feedback queue `{name}` would stop its loop when it is full"),
                    )
                    .help("leave `full` out: a feedback queue spills to disk"),
                );
            }
        }
    }
}

fn dead_key(on_error: &OnError) -> Option<&Key> {
    match on_error {
        OnError::To(key) => Some(key),
        _ => None,
    }
}

/// Where steps send their dead letters.
fn dead_keys<'f>(steps: &'f [StepNode], into: &mut Vec<&'f Key>) {
    for step in steps {
        let own = step.modifiers.on_error.as_ref().map(|o| &o.value);
        into.extend(own.and_then(dead_key));
        dead_keys(&step.steps, into);
    }
}

/// The keys without those that come twice, which is said.
fn once<'f>(keys: &'f [Key], word: &str, out: &mut Diagnostics) -> Vec<&'f Key> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut kept = Vec::new();
    for key in keys {
        if seen.insert(&key.text) {
            kept.push(key);
        } else {
            out.push(
                Diagnostic::new(
                    "E0408",
                    key.at,
                    format!("`{word}` names `{}` twice", key.text),
                )
                .help("take one of them out: a stage holds each end of a connection once"),
            );
        }
    }
    kept
}

/// What is written and never read, read and never written, or neither.
pub(super) fn unread(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    stages: &Stages<'_>,
    out: &mut Diagnostics,
) {
    for conn in &wiring.conns {
        let Some(declared) = conn.declared else {
            continue;
        };
        let (what, name) = (conn.describe(), conn.name);
        let drops = matches!(
            declared.full.map(|f| f.value),
            Some(Full::DropNewest | Full::DropOldest)
        );
        match (conn.writers.first(), conn.readers.first()) {
            (None, None) => out.push(
                Diagnostic::new("W0402", declared.name.at, format!("nothing uses {what}"))
                    .help("name it in a `to` and a `from`, or take it out"),
            ),
            (Some(writer), None) if !drops => out.push(
                Diagnostic::new(
                    "E0402",
                    writer.at,
                    format!("{what} is written and never read"),
                )
                .also(declared.name.at, "declared here")
                .help(format!(
                    "it would fill up and stop its writers; let a stage read it with `from: {name}`"
                )),
            ),
            (None, Some(reader)) => out.push(
                Diagnostic::new(
                    "E0403",
                    reader.at,
                    format!("{what} is read and never written"),
                )
                .also(declared.name.at, "declared here")
                .help(format!("let a stage write it with `to: {name}`")),
            ),
            _ => {}
        }
    }
    for (number, stage) in room.file.stages.iter().enumerate() {
        let named = match &stage.to {
            To::All(keys) => !keys.is_empty(),
            To::Route(_) => true,
        };
        if named
            || stage.incomplete
            || !wiring.stages[number].outputs.is_empty()
            || stages.list[number].ends_in_sink()
        {
            continue;
        }
        out.push(
            Diagnostic::new("W0401", stage.name.at, format!("nobody reads what leaves stage `{}`", stage.name.text))
                .help(format!(
                    "let a stage read it with `from: {}`, end the stage with a `write` or `print`, or take it out",
                    stage.name.text
                )),
        );
    }
}
