//! Reads each step of each stage with what stands beside it, and says which may stand where. The one loop
//! over steps and their modifiers.

use super::Room;
use super::settings::{Settings, policy};
use super::wiring::Wiring;
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::plan::{Executor, Policy};
use crate::spec::{self, StepNode, keys};
use crate::steps::modifiers::{Cast, Pack, Part, With};
use crate::steps::timer::Ticks;
use crate::steps::{self, ExprText, Group, Put, Reader, STEPS, Step, read_type};

/// Every stage's steps, in the order of the file.
#[derive(Debug)]
pub(super) struct Stages<'f> {
    pub list: Vec<Stage<'f>>,
}

#[derive(Debug)]
pub(super) struct Stage<'f> {
    /// Blocks without `if`, `in` and `into` are taken apart; a step with `as` may be two.
    pub steps: Vec<ReadStep<'f>>,
}

/// A step as it was read.
#[derive(Debug)]
pub(super) struct ReadStep<'f> {
    pub node: &'f StepNode,
    pub policy: Policy,
    /// `None`: it has a mistake, which was said.
    pub known: Option<Known>,
    /// The steps within it, in order.
    pub inner: Vec<Inner<'f>>,
}

/// A step within a step: the step itself is the other's.
#[derive(Debug)]
pub(super) struct Inner<'f> {
    pub node: &'f StepNode,
    pub policy: Policy,
    pub inner: Vec<Inner<'f>>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub group: Group,
    pub step: Box<dyn Step>,
}

impl Stage<'_> {
    /// Everything that its steps put into queues.
    pub fn puts(&self) -> impl Iterator<Item = Put<'_>> {
        self.steps
            .iter()
            .filter_map(|s| s.known.as_ref())
            .flat_map(|k| k.step.puts())
    }

    /// May what leaves it be left unread? (Also true where that cannot be known.)
    pub fn ends_in_sink(&self) -> bool {
        self.steps.last().is_some_and(|s| {
            s.known
                .as_ref()
                .is_none_or(|k| k.step.is_sink() || k.group == Group::Coordinate)
        })
    }
}

impl<'f> ReadStep<'f> {
    /// The first step of which this holds: it, or one in it.
    pub fn find(&self, is: &dyn Fn(&StepNode) -> bool) -> Option<&'f StepNode> {
        find(self.node, &self.inner, is)
    }
}

fn find<'f>(
    node: &'f StepNode,
    inner: &[Inner<'f>],
    is: &dyn Fn(&StepNode) -> bool,
) -> Option<&'f StepNode> {
    if inner.is_empty() {
        return Some(node).filter(|n| is(n));
    }
    inner.iter().find_map(|i| find(i.node, &i.inner, is))
}

impl<'f> Inner<'f> {
    /// The first of these steps in it.
    fn find(&self, names: &[&str]) -> Option<&'f StepNode> {
        find(self.node, &self.inner, &|n| names.contains(&&*n.key.text))
    }
}

/// Steps with a memory of items: first those that make one result of many items ...
const MEMORIES: &[&str] = &[
    "group", "sort", "top", "batch", "unique", "take", "skip", "sample",
];
/// ... which are so many.
const GATHER: usize = 4;

/// What a step is called in messages.
pub(super) fn label(node: &StepNode) -> &str {
    let name = node.modifiers.name.as_ref();
    name.map_or(&node.key.text, |n| &n.text)
}

pub(super) fn read<'f>(
    room: &Room<'f>,
    wiring: &Wiring<'f>,
    settings: &Settings,
    out: &mut Diagnostics,
) -> Stages<'f> {
    let mut list = Vec::new();
    for (number, stage) in room.file.stages.iter().enumerate() {
        let mut reading = Reading {
            room,
            wiring,
            stage: number,
            steps: Vec::new(),
            out,
        };
        let policy = settings.stages[number].policy;
        if let (Some(node), Executor::Timer(timer)) =
            (&stage.ticks, &settings.stages[number].executor)
        {
            reading.steps.push(ReadStep {
                node,
                policy,
                known: Some(Known {
                    group: Group::Source,
                    step: Box::new(Ticks::of(timer.clone())),
                }),
                inner: Vec::new(),
            });
        }
        reading.list(&stage.steps, policy);
        let read = Stage {
            steps: reading.steps,
        };
        source(stage, &read, out);
        list.push(read);
    }
    let stages = Stages { list };
    same_files(room, &stages, out);
    stages
}

/// Steps that go into another.
struct Inside<'f> {
    /// Of the last.
    group: Option<Group>,
    steps: Vec<(At, Box<dyn Step>)>,
    inner: Vec<Inner<'f>>,
    /// None of them has a mistake.
    whole: bool,
}

/// The steps of one list, as they are read.
struct Reading<'a, 'f> {
    room: &'a Room<'f>,
    wiring: &'a Wiring<'f>,
    stage: usize,
    steps: Vec<ReadStep<'f>>,
    out: &'a mut Diagnostics,
}

impl<'f> Reading<'_, 'f> {
    fn list(&mut self, nodes: &'f [StepNode], around: Policy) {
        for node in nodes {
            self.node(node, around);
        }
    }

    fn node(&mut self, node: &'f StepNode, around: Policy) {
        let m = &node.modifiers;
        let policy = policy(self.wiring, self.stage, around, m);
        let before = self.steps.len();
        if node.key.text == "do" {
            self.list(&node.steps, policy);
        } else {
            let known = self.step(node);
            self.steps.push(ReadStep {
                node,
                policy,
                known,
                inner: Vec::new(),
            });
        }
        if let Some(ty) = &m.result {
            let at = ty.at;
            let ty = read_type(ty, &self.room.types, self.out);
            let last = self.steps.last_mut().and_then(|s| s.known.as_mut());
            let cast = last.and_then(|k| (!k.step.target(&ty)).then_some(k.group));
            if let Some(group) = cast {
                let step: Box<dyn Step> = Box::new(Cast::to(ty, at));
                self.steps.push(ReadStep {
                    node,
                    policy,
                    known: Some(Known { group, step }),
                    inner: Vec::new(),
                });
            }
        }
        // Where `if` is false, no guard is taken; `until` sees the item itself, not what `in` makes of it.
        let outside = m.until.is_some() && m.input.is_some();
        if !outside {
            self.with(node, before, policy);
        }
        if m.condition.is_some() || m.input.is_some() || m.into.is_some() {
            let inner = self.steps.split_off(before);
            self.part(node, inner, policy);
        }
        if outside {
            self.with(node, before, policy);
        }
    }

    /// Puts `with` and `until` around the steps from `before` on.
    fn with(&mut self, node: &'f StepNode, before: usize, policy: Policy) {
        let m = &node.modifiers;
        if m.with.is_empty() {
            if let Some(until) = &m.until {
                self.out.push(
                    Diagnostic::new("E0502", until.at, "`until` needs a condition to wait under")
                        .help("declare one, `conditions: [changed]`, and write `with: changed` beside the `until`"),
                );
            }
            return;
        }
        let around = self.steps.split_off(before);
        let inside = self.inside(
            around,
            MEMORIES,
            "beside or under `with`, which holds guards for one item",
        );
        let with = With::new(
            m.with.clone(),
            m.until.as_ref().map(ExprText::of),
            m.timeout.map(|t| t.value),
            inside.steps,
        );
        let known = inside.whole.then(|| Known {
            group: inside.group.unwrap_or(Group::Shape),
            step: Box::new(with),
        });
        self.steps.push(ReadStep {
            node,
            policy,
            known,
            inner: inside.inner,
        });
    }

    /// Steps that go into another; these may not, which is `where_` in words.
    fn inside(&mut self, steps: Vec<ReadStep<'f>>, refused: &[&str], where_: &str) -> Inside<'f> {
        let mut inside = Inside {
            group: None,
            steps: Vec::new(),
            inner: Vec::new(),
            whole: true,
        };
        for step in steps {
            let Some(known) = step.known else {
                inside.whole = false;
                continue;
            };
            let all = Inner {
                node: step.node,
                policy: step.policy,
                inner: step.inner,
            };
            if let Some(node) = all.find(refused) {
                let name = &node.key.text;
                self.out.push(
                    Diagnostic::new(
                        "E0407",
                        node.key.at,
                        format!("`{name}` looks at many items, and cannot stand {where_}"),
                    )
                    .help("let it stand in a step of its own, before or behind, or send what it is about to a stage of its own with `to: {that: condition}`"),
                );
                inside.whole = false;
            }
            inside.group = Some(known.group);
            inside.steps.push((step.node.at, known.step));
            inside.inner.push(all);
        }
        inside
    }

    /// Puts `if`, `in` and `into` around steps.
    fn part(&mut self, node: &'f StepNode, inner: Vec<ReadStep<'f>>, policy: Policy) {
        let m = &node.modifiers;
        let first = self.steps.is_empty() && self.room.file.stages[self.stage].from.is_empty();
        let starts = first
            && inner
                .first()
                .and_then(|s| s.known.as_ref())
                .is_some_and(|k| k.step.is_source());
        if starts && m.condition.is_none() && m.input.is_none() {
            // A source with `into` starts a record.
            let group = inner.last().and_then(|s| s.known.as_ref()).map(|k| k.group);
            self.steps.extend(inner);
            if let (Some(group), Some(into)) = (group, &m.into) {
                let step: Box<dyn Step> = Box::new(Pack::into(&into.text));
                self.steps.push(ReadStep {
                    node,
                    policy,
                    known: Some(Known { group, step }),
                    inner: Vec::new(),
                });
            }
            return;
        }
        let mut inner = inner;
        let mut input = m.input.as_ref().map(ExprText::of);
        if let ([only], Some(text)) = (&mut inner[..], &input)
            && let Some(known) = &mut only.known
            && known.step.works_on(text)
        {
            input = None;
            if m.condition.is_none() && m.into.is_none() {
                self.steps.extend(inner);
                return;
            }
        }
        let inside = self.inside(
            inner,
            &MEMORIES[..GATHER],
            "beside or under `if`, `in` or `into`",
        );
        let text = ExprText::of;
        let part = Part::new(
            m.condition.as_ref().map(text),
            input,
            m.into.clone(),
            inside.steps,
        );
        let known = inside.whole.then(|| Known {
            group: inside.group.unwrap_or(Group::Shape),
            step: Box::new(part),
        });
        self.steps.push(ReadStep {
            node,
            policy,
            known,
            inner: inside.inner,
        });
    }

    fn step(&mut self, node: &StepNode) -> Option<Known> {
        let Some(def) = steps::find(&node.key.text) else {
            unknown(node, self.out);
            return None;
        };
        let mut reader = Reader {
            diagnostics: self.out,
            step: def.name,
            at: node.key.at,
        };
        let step = (def.read)(&node.node, &mut reader)?;
        Some(Known {
            group: def.group,
            step,
        })
    }
}

/// E0104 for what the tables of keys cannot know.
fn later(at: At, what: &str) -> Diagnostic {
    Diagnostic::new(
        "E0104",
        at,
        format!("{what} is part of the language, but not built yet"),
    )
}

/// What people call steps elsewhere.
const FOREIGN: &[(&str, &str)] = &[
    ("where", "filter"),
    ("grep", "filter"),
    ("select", "keep"),
    ("drop", "remove"),
    ("set", "assign"),
    ("transform", "map"),
    ("remap", "map"),
    ("jq", "map"),
    ("flatten", "each"),
    ("flat_map", "each"),
    ("explode", "each"),
    ("split", "each"),
    ("distinct", "unique"),
    ("dedupe", "unique"),
    ("uniq", "unique"),
    ("head", "take"),
    ("limit", "take"),
    ("tail", "skip"),
    ("count", "group"),
    ("reduce", "group"),
    ("aggregate", "group"),
    ("order", "sort"),
    ("order_by", "sort"),
    ("join", "lookup"),
    ("run", "shell"),
    ("bash", "shell"),
    ("sh", "shell"),
    ("command", "exec"),
    ("cmd", "exec"),
    ("http", "fetch"),
    ("get", "fetch"),
    ("request", "fetch"),
    ("delay", "sleep"),
    ("wait", "sleep"),
    ("echo", "print"),
    ("save", "write"),
    ("output", "write"),
    ("sink", "write"),
    ("load", "read"),
    ("open", "read"),
    ("input", "read"),
    ("source", "read"),
    ("glob", "files"),
    ("uses", "call"),
];

fn unknown(node: &StepNode, out: &mut Diagnostics) {
    let name = node.key.text.as_str();
    if keys::STEPS.contains(&name) {
        out.push(later(node.key.at, &format!("the step `{name}`")));
        return;
    }
    let d = Diagnostic::new("E0203", node.key.at, format!("there is no step `{name}`"));
    let known = STEPS.iter().map(|s| s.name);
    let foreign = FOREIGN.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    out.push(match (nearest(name, known), foreign) {
        (_, Some((_, ours))) => d.help(format!(
            "the step `{ours}` may be what you mean; `millstream steps {ours}` shows it"
        )),
        (Some(near), None) => d.help(format!("did you mean `{near}`?")),
        (None, None) => d.help("`millstream steps` lists all steps"),
    });
}

/// A stage without `from` begins with a source, and only such a stage does.
fn source(stage: &spec::Stage, read: &Stage<'_>, out: &mut Diagnostics) {
    let name = &stage.name.text;
    let Some(first) = read.steps.first() else {
        if stage.from.is_empty() && !stage.incomplete {
            out.push(
                Diagnostic::new("E0404", stage.name.at, format!("stage `{name}` has nothing to work on"))
                    .help("name what it reads in `from:`, or give it a source as its first step (`read`, `files`, `range`, `items`)"),
            );
        }
        return;
    };
    let begins = stage.from.is_empty();
    if begins
        && !stage.incomplete
        && let Some(known) = &first.known
        && !known.step.is_source()
    {
        let step = &first.node.key.text;
        let message = if step == "do" {
            format!("stage `{name}` has no `from`, and its first step needs an item")
        } else {
            format!("stage `{name}` has no `from`, and its first step `{step}` needs an item")
        };
        out.push(
            Diagnostic::new("E0404", first.node.key.at, message)
            .help("name what it reads in `from:`, or begin with a source (`read`, `files`, `range`, `items`)"),
        );
    }
}

/// Two steps that write the same file would tear it.
fn same_files(room: &Room<'_>, stages: &Stages<'_>, out: &mut Diagnostics) {
    let mut seen = std::collections::HashMap::new();
    for (number, stage) in stages.list.iter().enumerate() {
        for step in &stage.steps {
            let Some(path) = step.known.as_ref().and_then(|k| k.step.writes()) else {
                continue;
            };
            let whole = room.file.folder.join(&path);
            let parts = whole
                .components()
                .filter(|c| *c != std::path::Component::CurDir);
            let whole: std::path::PathBuf = parts.collect();
            let Some((first, at)) = seen.insert(whole, (number, step.node.at)) else {
                continue;
            };
            let name = |n: usize| &room.file.stages[n].name.text;
            let who = if first == number {
                format!("stage `{}` writes the file {path} twice", name(number))
            } else {
                format!(
                    "the stages `{}` and `{}` write the same file, {path}",
                    name(first),
                    name(number)
                )
            };
            out.push(
                Diagnostic::new("E0406", step.node.at, who)
                    .also(at, "the first one")
                    .help("give each its own file, or let both write to a queue that one stage reads and writes to the file"),
            );
        }
    }
}
