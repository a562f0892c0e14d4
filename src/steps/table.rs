//! The table of steps, and how a step's options are read.

use super::Step;
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::spec::{Key, Node, Scalar, Text, Value};

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
    /// The step takes a mapping of the user's names (`map`, `assign`, `rename`), not of options.
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
    &super::parse::PARSE,
    &super::filter::FILTER,
    &super::map::MAP,
    &super::assign::ASSIGN,
    &super::fields::KEEP,
    &super::fields::REMOVE,
    &super::fields::RENAME,
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
                d = match nearest(&key.text, known.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help(format!("its options are {}", known.join(", "))),
                };
                self.diagnostics.push(d);
            }
        }
        map
    }

    /// A text, or an error that says what stands there instead.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if node.as_str().is_none() {
            self.error(
                "E0105",
                node.at,
                format!("{what} must be a text, not {}", node.describe()),
            );
        }
        node.as_str()
    }

    /// A whole number of at least `min`.
    pub fn count(&mut self, node: &Node, what: &str, min: i64) -> Option<u64> {
        match &node.value {
            Value::Scalar(Scalar::Int(n)) if *n >= min => u64::try_from(*n).ok(),
            _ => {
                let message = format!(
                    "{what} must be a whole number of {min} or more, not {}",
                    node.describe()
                );
                self.error("E0105", node.at, message);
                None
            }
        }
    }

    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            Value::Scalar(Scalar::Bool(b)) => Some(*b),
            _ => {
                self.error(
                    "E0105",
                    node.at,
                    format!("{what} must be true or false, not {}", node.describe()),
                );
                None
            }
        }
    }

    /// An expression as it is written: a text, or a YAML number, bool or null (which is one too). For a
    /// problem at bytes of it ask [`Text::place`].
    pub fn expression(&mut self, node: &Node, what: &str) -> Option<Text> {
        let Some(text) = node.expression() else {
            self.error(
                "E0105",
                node.at,
                format!("{what} must be an expression, not {}", node.describe()),
            );
            return None;
        };
        if let Some((name, at)) = text.put_in.first() {
            let remedy = match name.strip_prefix("env.") {
                Some(variable) => format!("env({variable:?})"),
                None => format!("params.{name}"),
            };
            let message = format!("`${{{name}}}` cannot stand in an expression");
            self.diagnostics
                .push(Diagnostic::new("E0301", *at, message).help(format!("write `{remedy}`")));
            return None;
        }
        Some(text)
    }

    /// A template: a text with `{expression}` in it, or a YAML number or bool. What `${}` put in is literal.
    pub fn template(&mut self, node: &Node, what: &str) -> Option<Text> {
        let text = node.template();
        if text.is_none() {
            self.error(
                "E0105",
                node.at,
                format!("{what} must be a text, not {}", node.describe()),
            );
        }
        text
    }
}
