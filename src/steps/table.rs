//! The table of steps, and how a step's options are read.

use super::Step;
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::spec::{Key, Node, Text, forms};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Source,
    Shape,
    Act,
    Coordinate,
    Sink,
}

/// One option of a step's long form.
#[derive(Debug)]
pub struct Opt {
    pub name: &'static str,
    /// Its form, for the schema: `expression`, `template`, `string`, `int`, `number`, `bool`, `duration`, `size`, `list of
    /// string`, `mapping of expression`, `any`, or literal choices `a|b|c`.
    pub form: &'static str,
    pub help: &'static str,
    pub required: bool,
}

/// One step of the language.
pub struct StepDef {
    pub name: &'static str,
    pub group: Group,
    /// One sentence.
    pub summary: &'static str,
    /// The option that the short form gives.
    pub main: Option<&'static str>,
    pub options: &'static [Opt],
    /// The step takes a mapping of the user's names (`map`, `assign`, `rename`), not of options: to expressions,
    /// or to what an option called `NAME` says.
    pub names: bool,
    /// A step list that runs in the documentation's tests.
    pub example: &'static str,
    /// Reads what was written; says what is wrong with it. `None` only after an error was said.
    pub read: fn(&Node, &mut Reader<'_>) -> Option<Box<dyn Step>>,
}

impl std::fmt::Debug for StepDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StepDef({})", self.name)
    }
}

/// Every step, in the order in which people read about them.
pub static STEPS: &[&StepDef] = &[
    &super::read::READ,
    &super::files::FILES,
    &super::made::RANGE,
    &super::made::ITEMS,
    &super::parse::PARSE,
    &super::filter::FILTER,
    &super::map::MAP,
    &super::assign::ASSIGN,
    &super::fields::KEEP,
    &super::fields::REMOVE,
    &super::fields::RENAME,
    &super::lookup::LOOKUP,
    &super::css::CSS,
    &super::each::EACH,
    &super::unique::UNIQUE,
    &super::take::TAKE,
    &super::take::SKIP,
    &super::sample::SAMPLE,
    &super::batch::BATCH,
    &super::group::GROUP,
    &super::sort::SORT,
    &super::top::TOP,
    &super::fetch::FETCH,
    &super::exec::EXEC,
    &super::exec::SHELL,
    &super::lasting::WORKER,
    &super::python::PYTHON,
    &super::sleep::SLEEP,
    &super::call::CALL,
    &super::put::PUT,
    &super::coordinate::WAIT_EVENT,
    &super::coordinate::SET_EVENT,
    &super::coordinate::CLEAR_EVENT,
    &super::coordinate::NOTIFY,
    &super::coordinate::NOTIFY_ALL,
    &super::coordinate::WAIT_BARRIER,
    &super::coordinate::ADD,
    &super::coordinate::STORE,
    &super::write::WRITE,
    &super::print::PRINT,
    &super::log::LOG,
];

pub fn find(name: &str) -> Option<&'static StepDef> {
    STEPS.iter().copied().find(|s| s.name == name)
}

/// Where a step's reading says what is wrong, with helpers for the common forms.
#[derive(Debug)]
pub struct Reader<'a> {
    pub diagnostics: &'a mut Diagnostics,
    /// The step's name and the place of its key.
    pub step: &'static str,
    pub at: At,
}

impl Reader<'_> {
    pub fn error(&mut self, code: &'static str, at: At, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, at, message));
    }

    /// The entries of a long form, every key checked against `known`.
    pub fn options<'n>(&mut self, node: &'n Node, known: &[&str]) -> &'n [(Key, Node)] {
        let Some(map) = node.as_map() else { return &[] };
        for (key, _) in map {
            if !known.contains(&key.text.as_str()) {
                let mut d = Diagnostic::new(
                    "E0103",
                    key.at,
                    format!("`{}` has no option `{}`", self.step, key.text),
                );
                d = match forms::meant(&key.text, known) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help(format!("its options are {}", known.join(", "))),
                };
                self.diagnostics.push(d);
            }
        }
        map
    }

    /// A text, or an error that says what stands there instead. (Not for a template: [`Reader::template`].)
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        forms::text(node, what, self.diagnostics)
    }

    /// A whole number of at least `min`.
    pub fn count(&mut self, node: &Node, what: &str, min: u64) -> Option<u64> {
        forms::count(node, what, min, self.diagnostics)
    }

    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        forms::flag(node, what, self.diagnostics)
    }

    pub fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        forms::number(node, what, self.diagnostics)
    }

    /// `250ms`, `1h30m`; never negative.
    pub fn duration(&mut self, node: &Node, what: &str) -> Option<std::time::Duration> {
        forms::duration(node, what, self.diagnostics)
    }

    /// Bytes: `64MiB`.
    pub fn size(&mut self, node: &Node, what: &str) -> Option<u64> {
        forms::size(node, what, self.diagnostics)
    }

    /// One of these words.
    pub fn choice<'w>(&mut self, node: &Node, what: &str, words: &[&'w str]) -> Option<&'w str> {
        forms::choice(node, what, words, self.diagnostics)
    }

    /// An expression as it is written: a text, or a YAML number, bool or null (which is one too). For a
    /// problem at bytes of it ask [`Text::place`].
    pub fn expression(&mut self, node: &Node, what: &str) -> Option<Text> {
        forms::expression(node, what, self.diagnostics)
    }

    /// A template: a text with `{expression}` in it, or a YAML number or bool. What `${}` put in is literal.
    pub fn template(&mut self, node: &Node, what: &str) -> Option<Text> {
        forms::template(node, what, self.diagnostics)
    }
}
