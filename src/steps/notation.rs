//! How types are written: `string`, `T?`, a list of one type, a mapping of field names to types.

use super::Types;
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::spec::{Node, Scalar, Value};
use crate::value::{Field, Name, RecordType, Type};

/// The types that have names of their own.
pub const BUILT_IN: &[(&str, Type)] = &[
    ("string", Type::String),
    ("int", Type::Int),
    ("double", Type::Double),
    ("bool", Type::Bool),
    ("bytes", Type::Bytes),
    ("timestamp", Type::Timestamp),
    ("duration", Type::Duration),
    ("any", Type::Any),
];

/// What people from other languages call our types.
const FOREIGN: &[(&str, &str)] = &[
    ("str", "string"),
    ("text", "string"),
    ("varchar", "string"),
    ("integer", "int"),
    ("int64", "int"),
    ("i64", "int"),
    ("long", "int"),
    ("uint", "int"),
    ("float", "double"),
    ("float64", "double"),
    ("f64", "double"),
    ("number", "double"),
    ("boolean", "bool"),
    ("binary", "bytes"),
    ("datetime", "timestamp"),
    ("date", "timestamp"),
    ("time", "timestamp"),
    ("timedelta", "duration"),
    ("object", "any"),
    ("dict", "any"),
    ("json", "any"),
    ("list", "[any]"),
    ("array", "[any]"),
];

/// The type that is written here. What is wrong with it is said, and answered with `Type::Any`.
pub fn read_type(node: &Node, types: &dyn Types, diagnostics: &mut Diagnostics) -> Type {
    match &node.value {
        Value::Scalar(Scalar::String { text, .. }) => read_text(text, node.at, types, diagnostics),
        Value::List(of) => {
            match of.as_slice() {
                [one] => Type::list(read_type(one, types, diagnostics)),
                _ => {
                    diagnostics.push(
                    Diagnostic::new("E0105", node.at, format!("a list type names one type, not {}", of.len()))
                        .help("write `[string]` for a list of strings, `[any]` for a list of anything"),
                );
                    Type::list(Type::Any)
                }
            }
        }
        Value::Map(fields) => {
            let mut record = RecordType::default();
            for (key, node) in fields {
                let ty = read_type(node, types, diagnostics);
                if key.text == "*" {
                    record.rest = Some(ty);
                } else {
                    record.fields.push(Field {
                        name: Name::from(key.text.as_str()),
                        ty,
                    });
                }
            }
            Type::Record(record.into())
        }
        Value::Scalar(_) => {
            diagnostics.push(
                Diagnostic::new("E0105", node.at, format!("a type is expected here, not {}", node.describe()))
                    .help(format!("the types are {}, `T?`, `[T]`, a mapping of fields to types, and the names under `types:`", built_in_names())),
            );
            Type::Any
        }
    }
}

/// The names of other types that a type is written with, and where.
pub fn names_in(node: &Node) -> Vec<(&str, At)> {
    let mut names = Vec::new();
    let mut todo = vec![node];
    while let Some(node) = todo.pop() {
        match &node.value {
            Value::Scalar(Scalar::String { text, .. }) => {
                let name =
                    text.trim_matches(|c: char| matches!(c, '[' | ']' | '?') || c.is_whitespace());
                if built_in(name).is_none() {
                    names.push((name, node.at));
                }
            }
            Value::Scalar(_) => {}
            Value::List(of) => todo.extend(of),
            Value::Map(fields) => todo.extend(fields.iter().map(|(_, n)| n)),
        }
    }
    names
}

pub fn built_in(name: &str) -> Option<&'static Type> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, t)| t)
}

fn built_in_names() -> String {
    BUILT_IN
        .iter()
        .map(|(n, _)| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn read_text(text: &str, at: At, types: &dyn Types, diagnostics: &mut Diagnostics) -> Type {
    let text = text.trim();
    if let Some(inner) = text.strip_suffix('?') {
        return read_text(inner, at, types, diagnostics).optional();
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return Type::list(read_text(inner, at, types, diagnostics));
    }
    if let Some(ty) = built_in(text) {
        return ty.clone();
    }
    if let Some(ty) = types.named(text) {
        return ty;
    }
    let d = Diagnostic::new("E0201", at, format!("there is no type `{text}`"));
    let names = types.names();
    let foreign = FOREIGN.iter().find(|(n, _)| text.eq_ignore_ascii_case(n));
    diagnostics.push(
        match (
            nearest(
                text,
                names.into_iter().chain(BUILT_IN.iter().map(|(n, _)| *n)),
            ),
            foreign,
        ) {
            (_, Some((_, ours))) => d.help(format!("write `{ours}`")),
            (Some(near), None) => d.help(format!("did you mean `{near}`?")),
            (None, None) => d.help(format!(
                "the types are {}, and the names under `types:`",
                built_in_names()
            )),
        },
    );
    Type::Any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Key;

    #[derive(Debug)]
    struct One;

    impl Types for One {
        fn rehearses(&self) -> bool {
            false
        }

        fn named(&self, name: &str) -> Option<Type> {
            (name == "Hit").then(|| Type::record([("a".into(), Type::Int)]))
        }

        fn functions(&self) -> &crate::steps::Functions {
            static NONE: std::sync::LazyLock<crate::steps::Functions> =
                std::sync::LazyLock::new(Default::default);
            &NONE
        }

        fn names(&self) -> Vec<&str> {
            vec!["Hit"]
        }
    }

    fn text(t: &str) -> Node {
        Node::new(
            Value::Scalar(Scalar::String {
                text: t.into(),
                plain: true,
            }),
            At::default(),
        )
    }

    fn read(node: &Node) -> (String, Vec<String>) {
        let mut diagnostics = Diagnostics::default();
        let ty = read_type(node, &One, &mut diagnostics);
        (
            ty.to_string(),
            diagnostics
                .iter()
                .map(|d| format!("{} {}: {}", d.code, d.message, d.help.join("; ")))
                .collect(),
        )
    }

    #[test]
    fn types_are_read_from_text_lists_and_mappings() {
        for (written, meant) in [
            ("string", "string"),
            ("int?", "int?"),
            ("[double]", "[double]"),
            ("[double?]?", "[double?]?"),
            ("any?", "any"),
            ("Hit", "{a: int}"),
            ("[Hit]", "[{a: int}]"),
        ] {
            assert_eq!(
                read(&text(written)),
                (meant.to_owned(), vec![]),
                "{written}"
            );
        }
        let key = |k: &str| Key {
            text: k.into(),
            at: At::default(),
        };
        let list = Node::new(Value::List(vec![text("Hit?")]), At::default());
        let map = Node::new(
            Value::Map(vec![(key("x"), list), (key("*"), text("any"))]),
            At::default(),
        );
        assert_eq!(read(&map), ("{x: [{a: int}?], *: any}".to_owned(), vec![]));
    }

    #[test]
    fn a_type_that_does_not_exist_is_answered_with_the_one_that_was_meant() {
        assert_eq!(
            read(&text("sting")).1,
            ["E0201 there is no type `sting`: did you mean `string`?"]
        );
        assert_eq!(
            read(&text("hit")).1,
            ["E0201 there is no type `hit`: did you mean `Hit`?"]
        );
        assert_eq!(
            read(&text("float")).1,
            ["E0201 there is no type `float`: write `double`"]
        );
        assert!(read(&text("Frobnicator")).1[0].contains("the types are `string`"));
        let none = Node::new(Value::List(vec![]), At::default());
        assert!(read(&none).1[0].starts_with("E0105 a list type names one type, not 0"));
        let number = Node::new(Value::Scalar(Scalar::Int(3)), At::default());
        assert!(read(&number).1[0].starts_with("E0105 a type is expected here, not the number 3"));
    }
}
