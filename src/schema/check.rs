//! A file held against the schema: what it finds where no rule has spoken.
//!
//! The rules know more and say it better, so they go first, and a finding at a place where one of them has spoken
//! is not told. What is left is said in the rules' words: an unknown key, a wrong form, a missing key.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Map, Value as Json, json};

use crate::diagnostic::{At, Diagnostic, Diagnostics, Severity};
use crate::spec::{Key, Node, Scalar, Value};

/// What every file is held against, made once.
static SCHEMA: LazyLock<(Json, Validator)> = LazyLock::new(|| {
    let schema = super::schema();
    match jsonschema::draft202012::new(&schema) {
        Ok(validator) => (schema, validator),
        Err(wrong) => panic!("BUG: schema.json is no schema: {wrong}"),
    }
});

/// Holds the file's tree (every `${}` put in) against the schema, and says what no rule has said.
pub fn check(root: &Node, found: &mut Diagnostics) {
    let (_, validator) = &*SCHEMA;
    let file = json(root);
    if validator.is_valid(&file) {
        return;
    }
    let said: Vec<At> = found
        .iter()
        .filter(|d| d.severity() == Severity::Error)
        .map(|d| d.at)
        .collect();
    let mut more = Vec::new();
    for error in validator.iter_errors(&file) {
        findings(&error, root, &mut more);
    }
    for (place, diagnostic) in more {
        // An empty place (a value that is not there) is at least the point where it would be.
        let spoken = |s: &At| s.start <= place.end && place.start <= s.end;
        if !said.iter().any(spoken) {
            found.push(diagnostic);
        }
    }
}

/// The tree as JSON. A parameter without a value, of which only the type is known, is written as it stands in
/// the file: `${name}`, which the schema takes wherever a parameter may stand.
fn json(node: &Node) -> Json {
    if node.is_stand_in() || node.is_broken() {
        return json!("${}");
    }
    match &node.value {
        Value::Scalar(scalar) => match scalar {
            Scalar::Null => Json::Null,
            Scalar::Bool(b) => json!(b),
            Scalar::Int(i) => json!(i),
            Scalar::Double(d) if d.is_finite() => json!(d),
            // What JSON has no number for is a text in an expression too.
            Scalar::Double(_) => json!(scalar.to_string()),
            Scalar::String { text, .. } => json!(text),
        },
        Value::List(list) => list.iter().map(json).collect(),
        Value::Map(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| (key.text.clone(), json(value)));
            Json::Object(entries.collect::<Map<String, Json>>())
        }
    }
}

/// Where something stands in the tree.
struct Spot<'n> {
    /// The key that leads there; `None` for the file itself and in a list.
    key: Option<&'n Key>,
    node: &'n Node,
}

impl<'n> Spot<'n> {
    fn of(root: &'n Node, error: &ValidationError<'_>) -> Spot<'n> {
        let mut spot = Spot {
            key: None,
            node: root,
        };
        for segment in error.instance_path().segments() {
            let next = match (&segment, &spot.node.value) {
                (LocationSegment::Property(name), Value::Map(map)) => {
                    let entry = map.iter().find(|(key, _)| key.text == **name);
                    entry.map(|(key, node)| Spot {
                        key: Some(key),
                        node,
                    })
                }
                (LocationSegment::Index(at), Value::List(list)) => {
                    list.get(*at).map(|node| Spot { key: None, node })
                }
                _ => None,
            };
            match next {
                Some(next) => spot = next,
                None => break,
            }
        }
        spot
    }

    fn name(&self) -> String {
        self.key
            .map_or_else(|| "this".into(), |key| format!("`{}`", key.text))
    }

    /// The key and what stands behind it.
    fn whole(&self) -> At {
        let end = self.node.at.end;
        let start = self.key.map_or(self.node.at.start, |key| key.at.start);
        At {
            start,
            end: end.max(start),
        }
    }
}

/// What one error of the schema means for the author, at the innermost places: all that it is about, and what
/// to say.
fn findings(error: &ValidationError<'_>, root: &Node, out: &mut Vec<(At, Diagnostic)>) {
    let spot = Spot::of(root, error);
    let diagnostic = match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            if let Some(branch) = meant(context, error) {
                for error in branch {
                    findings(error, root, out);
                }
                return;
            }
            form(error, &spot, None)
        }
        Kind::AdditionalProperties { unexpected } => {
            let keys = spot.node.as_map().unwrap_or_default().iter();
            for (key, _) in keys.filter(|(key, _)| unexpected.contains(&key.text)) {
                let message = match spot.key {
                    Some(owner) => format!("`{}` has no key `{}`", owner.text, key.text),
                    None => format!("the key `{}` is not known here", key.text),
                };
                let diagnostic = Diagnostic::new("E0103", key.at, message);
                out.push((key.at, described(diagnostic, error)));
            }
            return;
        }
        Kind::Required { property } => {
            let wanted = property.as_str().unwrap_or_default();
            let message = format!("{} has no `{wanted}`", spot.name());
            described(Diagnostic::new("E0106", spot.whole(), message), error)
        }
        Kind::MinProperties { .. } | Kind::MinItems { .. } => {
            let message = format!("{} is empty", spot.name());
            described(Diagnostic::new("E0106", spot.whole(), message), error)
        }
        Kind::Type { kind } => form(error, &spot, Some(types(kind))),
        Kind::Enum { options } => {
            let words = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let words: Vec<String> = words
                .iter()
                .map(|w| w.as_str().map_or_else(|| w.to_string(), str::to_owned))
                .collect();
            form(error, &spot, Some(format!("one of {}", words.join(", "))))
        }
        Kind::Minimum { limit } => form(error, &spot, Some(format!("{limit} or more"))),
        _ => form(error, &spot, None),
    };
    out.push((spot.whole(), diagnostic));
}

/// Of several forms, the one that the author meant: what is wrong with it lies deeper than the choice itself,
/// or it is of the right type at least.
fn meant<'e>(
    forms: &'e [Vec<ValidationError<'static>>],
    choice: &ValidationError<'_>,
) -> Option<&'e [ValidationError<'static>]> {
    let depth = choice.instance_path().segments().count();
    let deeper = |e: &ValidationError<'_>| {
        matches!(e.kind(), Kind::AdditionalProperties { .. })
            || e.instance_path().segments().count() > depth
    };
    let here = |e: &ValidationError<'_>| {
        // `${}` may stand nearly everywhere; that no text of it is there says nothing.
        let put = e.schema_path().as_str().starts_with("/$defs/put");
        !put && !matches!(e.kind(), Kind::Type { .. })
    };
    let find = |right: &dyn Fn(&ValidationError<'_>) -> bool| {
        let mut fitting = forms
            .iter()
            .filter(|form| !form.is_empty() && form.iter().all(right));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    find(&deeper).or_else(|| find(&here)).map(Vec::as_slice)
}

fn form(error: &ValidationError<'_>, spot: &Spot<'_>, wanted: Option<String>) -> Diagnostic {
    let what = spot.node.describe();
    let message = match wanted {
        Some(wanted) => format!("{} must be {wanted}, not {what}", spot.name()),
        None => format!("{} cannot be {what}", spot.name()),
    };
    // A whole mapping would hide the place.
    let at = match spot.key {
        Some(key) if spot.node.as_map().is_some() || spot.node.is_absent() => key.at,
        _ => spot.node.at,
    };
    described(Diagnostic::new("E0105", at, message), error)
}

fn types(kind: &TypeKind) -> String {
    let name = |t: JsonType| match t {
        JsonType::String => "a text",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::Boolean => "true or false",
        JsonType::Null => "nothing",
        JsonType::Array => "a list",
        JsonType::Object => "a mapping",
    };
    match kind {
        TypeKind::Single(one) => name(*one).into(),
        TypeKind::Multiple(set) => {
            let names: Vec<&str> = set.iter().map(name).collect();
            names.join(" or ")
        }
    }
}

/// With what the schema says of the place.
fn described(diagnostic: Diagnostic, error: &ValidationError<'_>) -> Diagnostic {
    let (schema, _) = &*SCHEMA;
    let mut path = error.schema_path().as_str();
    while let Some((above, _)) = path.rsplit_once('/') {
        path = above;
        let part = schema.pointer(path);
        let words = part
            .and_then(|p| p.get("description"))
            .and_then(Json::as_str);
        if let Some(line) = words.and_then(|w| w.lines().next()) {
            return diagnostic.help(line);
        }
    }
    diagnostic.help("`millstream schema` prints what may stand where")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::spec;

    /// What the schema alone says of a file: code, the text at its place, message.
    fn said(text: &str) -> Vec<String> {
        let source = Source {
            name: String::new(),
            text: text.into(),
        };
        let mut read = Diagnostics::default();
        let file = spec::load(&source, &spec::Given::default(), &mut read).expect("a mapping");
        let mut found = Diagnostics::default();
        check(&file.root, &mut found);
        let place = |at: At| &text[at.start as usize..at.end as usize];
        let say = |d: &Diagnostic| format!("{} {:?} {}", d.code, place(d.at), d.message);
        found.sorted().iter().map(say).collect()
    }

    #[test]
    fn it_says_the_innermost_place_and_what_may_stand_there() {
        for (text, wanted) in [
            ("stages: {a: {do: [range: 1]}}", vec![]),
            (
                "stages: {a: {do: [range: 1], tohs: b}}",
                vec![r#"E0103 "tohs" `a` has no key `tohs`"#],
            ),
            (
                "stages: {a: {do: [range: 1], threads: 0}}",
                vec![r#"E0105 "0" `threads` cannot be the number 0"#],
            ),
            (
                "stages: {a: {do: [range: {to: x}]}}",
                vec![r#"E0105 "x" `to` cannot be the text "x""#],
            ),
            (
                "stages: {a: {do: [range: 1], on_error: {too: x}}}",
                vec![r#"E0103 "too" `on_error` has no key `too`"#],
            ),
            (
                "stages: {a: {do: [top: {n: 1}]}}",
                vec![r#"E0106 "top: {n: 1}" `top` has no `by`"#],
            ),
            (
                "stages: {a: {do: 1}}",
                vec![r#"E0105 "1" `do` cannot be the number 1"#],
            ),
            ("name: x", vec![r#"E0106 "name: x" this has no `stages`"#]),
            (
                "deadline: 5\nstages: {a: {do: [range: 1], always: 1}}",
                vec![
                    r#"E0105 "5" `deadline` cannot be the number 5"#,
                    r#"E0105 "1" `always` cannot be the number 1"#,
                ],
            ),
        ] {
            assert_eq!(said(text), wanted, "{text}");
        }
    }

    #[test]
    fn it_is_silent_where_a_rule_has_spoken_and_only_there() {
        let text = "stages: {a: {do: [range: 1], always: 1, threads: 0}}";
        let source = Source {
            name: String::new(),
            text: text.into(),
        };
        let mut read = Diagnostics::default();
        let file = spec::load(&source, &spec::Given::default(), &mut read).expect("a mapping");
        let at = |what: &str| {
            let start = text.find(what).expect("it stands there");
            At::new(start, start + what.len())
        };
        let mut found = Diagnostics::default();
        found.push(Diagnostic::new("E0105", at("always"), "said"));
        check(&file.root, &mut found);
        let codes: Vec<At> = found.iter().map(|d| d.at).collect();
        assert_eq!(codes, [at("always"), at("0")]);
    }
}
