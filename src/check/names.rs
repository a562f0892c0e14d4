//! Who is called what: stages, pipes and queues share one namespace.

use std::collections::HashMap;

use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::spec::{File, Key};

/// What a name stands for: its number in the order of the file (queues after pipes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Stage(usize),
    Conn(usize),
}

#[derive(Debug)]
pub(super) struct Names<'f> {
    known: HashMap<&'f str, (Named, At)>,
}

impl<'f> Names<'f> {
    pub fn gather(file: &'f File, out: &mut Diagnostics) -> Names<'f> {
        let mut names = Names {
            known: HashMap::new(),
        };
        let conns = file.pipes.iter().chain(&file.queues).enumerate();
        let stages = file.stages.iter().enumerate();
        let all = conns
            .map(|(i, c)| {
                (
                    &c.name,
                    Named::Conn(i),
                    if i < file.pipes.len() {
                        "pipe"
                    } else {
                        "queue"
                    },
                )
            })
            .chain(stages.map(|(i, s)| (&s.name, Named::Stage(i), "stage")));
        let mut kinds: HashMap<&str, &str> = HashMap::new();
        for (key, named, kind) in all {
            if let Some((_, first)) = names.known.get(key.text.as_str()) {
                let taken = kinds.get(key.text.as_str()).copied().unwrap_or(kind);
                out.push(
                    Diagnostic::new(
                        "E0202",
                        key.at,
                        format!("the name `{}` is taken by a {taken}", key.text),
                    )
                    .also(*first, "the first one")
                    .help(
                        "stages, pipes and queues share one namespace; give this one another name",
                    ),
                );
                continue;
            }
            names.known.insert(&key.text, (named, key.at));
            kinds.insert(&key.text, kind);
        }
        distinct(
            file.guards.iter().map(|g| &g.name),
            "guard",
            "all guards share one namespace",
            out,
        );
        let shared = file.values.iter().chain(&file.arrays).map(|(k, _)| k);
        distinct(
            shared,
            "value or array",
            "values and arrays share one namespace",
            out,
        );
        names
    }

    pub fn get(&self, name: &str) -> Option<Named> {
        self.known.get(name).map(|(named, _)| *named)
    }

    /// A stage, pipe or queue to take items from.
    pub fn source(&self, key: &Key, out: &mut Diagnostics) -> Option<Named> {
        self.get(&key.text).or_else(|| {
            self.unknown(key, "stage, pipe or queue", |_| true, out);
            None
        })
    }

    /// A pipe or queue to put items into.
    pub fn target(&self, key: &Key, from: &str, out: &mut Diagnostics) -> Option<usize> {
        match self.get(&key.text) {
            Some(Named::Conn(i)) => Some(i),
            Some(Named::Stage(_)) => {
                let message = format!(
                    "`{}` is a stage, and a pipe or queue is expected here",
                    key.text
                );
                out.push(Diagnostic::new("E0201", key.at, message).help(format!(
                    "write `from: {from}` in stage `{}` instead",
                    key.text
                )));
                None
            }
            None if key.text == "else" => {
                out.push(
                    Diagnostic::new("E0201", key.at, "there is no pipe or queue `else`")
                        .help("the connection comes first and then its condition: `to: {errors: status >= 500, rest: else}`"),
                );
                None
            }
            None => {
                self.unknown(key, "pipe or queue", |n| matches!(n, Named::Conn(_)), out);
                None
            }
        }
    }

    /// A stage that another waits for.
    pub fn stage(&self, key: &Key, out: &mut Diagnostics) -> Option<usize> {
        match self.get(&key.text) {
            Some(Named::Stage(i)) => Some(i),
            Some(Named::Conn(_)) => {
                out.push(Diagnostic::new(
                    "E0201",
                    key.at,
                    format!(
                        "`{}` is a connection, and a stage is expected here",
                        key.text
                    ),
                ));
                None
            }
            None => {
                self.unknown(key, "stage", |n| matches!(n, Named::Stage(_)), out);
                None
            }
        }
    }

    fn unknown(&self, key: &Key, what: &str, fits: impl Fn(Named) -> bool, out: &mut Diagnostics) {
        let d = Diagnostic::new(
            "E0201",
            key.at,
            format!("there is no {what} `{}`", key.text),
        );
        let mut known: Vec<&str> = self
            .known
            .iter()
            .filter(|(_, (n, _))| fits(*n))
            .map(|(k, _)| *k)
            .collect();
        known.sort_unstable();
        // `work.get()`, `needs.build.outputs`: a name is only a name here.
        let mut parts = key
            .text
            .split(['.', '('])
            .skip_while(|_| !key.text.contains('.'));
        let part = parts.find_map(|part| known.iter().copied().find(|k| *k == part));
        out.push(
            match part.or_else(|| nearest(&key.text, known.iter().copied())) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None if what == "pipe or queue" => {
                    d.help(format!("declare it: `queues: [{}]`", key.text))
                }
                None if known.is_empty() => d,
                None => {
                    let dots = if known.len() > 12 { ", ..." } else { "" };
                    known.truncate(12);
                    d.help(format!("there are {}{dots}", known.join(", ")))
                }
            },
        );
    }
}

fn distinct<'f>(
    keys: impl Iterator<Item = &'f Key>,
    what: &str,
    help: &str,
    out: &mut Diagnostics,
) {
    let mut seen: HashMap<&str, At> = HashMap::new();
    for key in keys {
        if let Some(first) = seen.insert(&key.text, key.at) {
            out.push(
                Diagnostic::new(
                    "E0202",
                    key.at,
                    format!("the name `{}` is taken by a {what}", key.text),
                )
                .also(first, "the first one")
                .help(help),
            );
        }
    }
}
