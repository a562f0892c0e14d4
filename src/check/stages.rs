//! Reads each step of each stage, and says which may stand where. The one loop over steps and their modifiers.

use super::Room;
use super::later;
use super::wiring::Wiring;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::spec::{self, StepNode};
use crate::steps::{self, Group, Reader, STEPS, Step, StepDef};

/// Every stage's steps, in the order of the file.
#[derive(Debug)]
pub(super) struct Stages<'f> {
    pub list: Vec<Stage<'f>>,
}

#[derive(Debug)]
pub(super) struct Stage<'f> {
    pub steps: Vec<ReadStep<'f>>,
}

/// A step as it was read.
#[derive(Debug)]
pub(super) struct ReadStep<'f> {
    pub node: &'f StepNode,
    /// `None`: it has a mistake, which was said.
    pub known: Option<(&'static StepDef, Box<dyn Step>)>,
}

impl Stage<'_> {
    /// May what leaves it be left unread? (Also true where that cannot be known.)
    pub fn ends_in_sink(&self) -> bool {
        self.steps.last().is_some_and(|s| match &s.known {
            Some((def, step)) => step.is_sink() || def.group == Group::Coordinate,
            None => true,
        })
    }
}

impl ReadStep<'_> {
    pub fn label(&self) -> &str {
        self.node
            .modifiers
            .name
            .as_ref()
            .map_or(&self.node.key.text, |n| &n.text)
    }
}

pub(super) fn read<'f>(room: &Room<'f>, wiring: &Wiring<'f>, out: &mut Diagnostics) -> Stages<'f> {
    let list = room
        .file
        .stages
        .iter()
        .map(|stage| {
            let mut steps = Vec::new();
            read_list(&stage.steps, &mut steps, out);
            let stage_read = Stage { steps };
            source(stage, &stage_read, out);
            stage_read
        })
        .collect();
    let stages = Stages { list };
    same_files(room, wiring, &stages, out);
    stages
}

fn read_list<'f>(nodes: &'f [StepNode], into: &mut Vec<ReadStep<'f>>, out: &mut Diagnostics) {
    for node in nodes {
        later::refuse_modifiers(&node.modifiers, out);
        if node.key.text == "do" {
            read_list(&node.steps, into, out);
            continue;
        }
        let known = match steps::find(&node.key.text) {
            Some(def) => {
                let mut reader = Reader {
                    diagnostics: out,
                    step: def.name,
                    at: node.key.at,
                };
                (def.read)(&node.node, &mut reader).map(|step| (def, step))
            }
            None => {
                unknown(node, out);
                None
            }
        };
        into.push(ReadStep { node, known });
    }
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
    if later::is_step(name) {
        out.push(later::not_yet(node.key.at, &format!("the step `{name}`")));
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
    if stage.from.is_empty()
        && !stage.incomplete
        && let Some((def, step)) = &first.known
        && !step.is_source()
    {
        out.push(
            Diagnostic::new(
                "E0404",
                first.node.key.at,
                format!("stage `{name}` has no `from`, and its first step `{}` needs an item", def.name),
            )
            .help("name what it reads in `from:`, or begin with a source (`read`, `files`, `range`, `items`)"),
        );
    }
    let inside = usize::from(stage.from.is_empty());
    for step in read.steps.iter().skip(inside) {
        if let Some((def, _)) = &step.known
            && def.group == Group::Source
        {
            let what = format!("`{}` with an input (once for each item)", def.name);
            out.push(later::not_yet(step.node.key.at, &what));
        }
    }
}

/// Two steps that write the same file would tear it.
fn same_files(room: &Room<'_>, _: &Wiring<'_>, stages: &Stages<'_>, out: &mut Diagnostics) {
    let mut seen = std::collections::HashMap::new();
    for (number, stage) in stages.list.iter().enumerate() {
        for step in &stage.steps {
            let Some(path) = step.known.as_ref().and_then(|(_, s)| s.writes()) else {
                continue;
            };
            let whole: std::path::PathBuf = room.file.folder.join(&path).components().collect();
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
