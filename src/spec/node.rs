//! The untyped tree of a YAML file: aliases and `<<` resolved, every key and value with its place.

use crate::diagnostic::At;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub at: At,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A scalar by YAML 1.2's core schema: `yes` and `10:30` are strings.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// `plain`: written without quotes, so that its text begins at the node's place.
    String { text: String, plain: bool },
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub text: String,
    pub at: At,
}

impl Node {
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

    /// "Wherever a list is expected one value will do."
    pub fn one_or_more(&self) -> &[Node] {
        match &self.value {
            Value::List(l) => l,
            _ => std::slice::from_ref(self),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
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
}
