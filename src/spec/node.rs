//! The untyped tree of a YAML file: aliases and `<<` resolved, every key and value with its place.

use std::sync::Arc;

use super::text::{Origin, Text};
use crate::diagnostic::At;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// With `${}` put in; whoever reads an expression, a template or a text for a shell asks
    /// [`Node::expression`], [`Node::template`] or [`Node::raw`] instead.
    pub value: Value,
    pub at: At,
    /// How it was written, where that is not simply the file's bytes at `at`.
    pub(super) origin: Option<Arc<Origin>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

impl Default for Node {
    /// Nothing, at the beginning of the file.
    fn default() -> Node {
        Node::new(Value::Scalar(Scalar::Null), At::default())
    }
}

/// A scalar by YAML 1.2's core schema: `yes` and `10:30` are strings.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// `plain`: written without quotes.
    String {
        text: String,
        plain: bool,
    },
}

/// A key, or another name, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub text: String,
    pub at: At,
}

impl Node {
    /// A value written plainly at this place.
    pub fn new(value: Value, at: At) -> Node {
        Node {
            value,
            at,
            origin: None,
        }
    }

    /// The text of a scalar that is a string, `${}` put in.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(Scalar::String { text, .. }) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.value {
            Value::Map(m) => Some(m),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(l) => Some(l),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Scalar(Scalar::Null))
    }

    /// Was nothing written here at all? (`null` and `~` are something.)
    pub fn is_absent(&self) -> bool {
        self.is_null() && self.at.start == self.at.end
    }

    /// "Wherever a list is expected one value will do."
    pub fn one_or_more(&self) -> &[Node] {
        match &self.value {
            Value::List(l) => l,
            _ => std::slice::from_ref(self),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, v)| v)
    }

    /// What kind of thing this is, for messages: "a list", "the number 3".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Scalar(Scalar::Null) => "nothing".into(),
            Value::Scalar(Scalar::Bool(b)) => format!("{b}"),
            Value::Scalar(Scalar::Int(i)) => format!("the number {i}"),
            Value::Scalar(Scalar::Double(d)) => format!("the number {d}"),
            Value::Scalar(Scalar::String { text, .. }) => format!("the text {text:?}"),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
        }
    }

    /// A scalar as an expression: a text, or a YAML number, bool or null (which is one too). `None` for a
    /// list or a mapping. Was `${}` put into it ([`Text::put_in`]), that is the author's mistake.
    pub fn expression(&self) -> Option<Text> {
        self.written(|_| None)
    }

    /// A scalar as a template: what `${}` put in is literal, its braces doubled. `None` for a list, a
    /// mapping or null.
    pub fn template(&self) -> Option<Text> {
        if self.is_null() {
            None
        } else {
            self.written(|put| Some(put.replace('{', "{{").replace('}', "}}")))
        }
    }

    /// A scalar's text with every `${}` as it was written (the shell's own).
    pub fn raw(&self) -> Option<Text> {
        self.expression()
    }

    /// A scalar's text with `${}` put in as it is, to be neither evaluated nor split.
    pub fn plain(&self) -> Option<Text> {
        self.written(|put| Some(put.to_string()))
    }

    fn written(&self, put_in: impl Fn(&str) -> Option<String>) -> Option<Text> {
        let Value::Scalar(scalar) = &self.value else {
            return None;
        };
        Some(match &self.origin {
            Some(origin) => origin.text(self.at, put_in),
            None => Text::verbatim(scalar.to_string(), self.at),
        })
    }

    /// Is a `${}` in it wrong? That was said; nothing more need be.
    pub fn is_broken(&self) -> bool {
        self.origin.as_ref().is_some_and(|o| o.broken)
    }

    /// Does it stand for a parameter that has no value yet (`validate`, `graph`)? Then `value` is one of
    /// the parameter's type, no particular one.
    pub fn is_stand_in(&self) -> bool {
        self.origin.as_ref().is_some_and(|o| o.stand_in)
    }
}

impl std::fmt::Display for Scalar {
    /// As an expression writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Double(d) => write!(f, "{d:?}"),
            Scalar::String { text, .. } => f.write_str(text),
        }
    }
}
