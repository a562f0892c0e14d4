//! The common forms of a value, each with the sentence that says what was wanted instead of what stands there.

use std::time::Duration;

use super::keys::{self, KeyDef};
pub use super::keys::{elsewhere, meant};
use super::node::{Key, Node, Scalar, Value};
use super::text::Text;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::value::{Cell, time};

/// The entries of a mapping whose keys are in the table. Says which are not, and which are not built yet.
pub fn keys<'n>(
    node: &'n Node,
    what: &str,
    table: &[KeyDef],
    diagnostics: &mut Diagnostics,
) -> Vec<(&'n Key, &'n Node)> {
    let Some(map) = node.as_map() else {
        say(wrong(node, what, "a mapping"), node, diagnostics);
        return Vec::new();
    };
    map.iter()
        .filter(|(key, _)| is_key(key, what, table, diagnostics))
        .map(|(k, v)| (k, v))
        .collect()
}

/// Is it one of the keys of the table, and built? Says so if not.
pub fn is_key(key: &Key, what: &str, table: &[KeyDef], diagnostics: &mut Diagnostics) -> bool {
    let name = key.text.as_str();
    match table.iter().find(|k| k.name == name) {
        Some(def) if def.built => return true,
        Some(_) => diagnostics.push(not_built(key.at, name)),
        None => {
            let built: Vec<&str> = table.iter().filter(|k| k.built).map(|k| k.name).collect();
            let all: Vec<&str> = table.iter().map(|k| k.name).collect();
            let d = Diagnostic::new("E0103", key.at, format!("{what} has no key `{name}`"));
            diagnostics.push(match (meant(name, &all), keys::owner(name)) {
                _ if all.contains(&"do") && keys::STEPS.contains(&name) => d.help(format!(
                    "`{name}` is a step; it stands in a list under `do:`"
                )),
                (_, Some(owner)) => d.help(format!("`{name}` is a key of {owner}")),
                (Some(near), None) => d.help(format!("did you mean `{near}`?")),
                (None, None) => d.help(format!("its keys are {}", built.join(", "))),
            });
        }
    }
    false
}

/// E0104 for a word of the language that waits to be built.
pub fn not_built(at: crate::diagnostic::At, name: &str) -> Diagnostic {
    Diagnostic::new(
        "E0104",
        at,
        format!("`{name}` is part of the language, but not built yet"),
    )
}

/// The entries of a mapping of the author's names; names without options may be a list, or one name.
pub fn named<'n>(
    node: &'n Node,
    what: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<(Key, Option<&'n Node>)> {
    let entries: Vec<(Key, Option<&Node>)> = match &node.value {
        Value::Map(map) => map.iter().map(|(k, v)| (k.clone(), Some(v))).collect(),
        _ if node.is_null() => Vec::new(),
        _ => names(node, &format!("a name in `{what}`"), diagnostics)
            .into_iter()
            .map(|k| (k, None))
            .collect(),
    };
    let mut seen: std::collections::HashMap<&str, &Key> = std::collections::HashMap::new();
    for (key, _) in &entries {
        if let Some(first) = seen.insert(&key.text, key) {
            let message = format!("the name `{}` stands twice in `{what}`", key.text);
            diagnostics
                .push(Diagnostic::new("E0202", key.at, message).also(first.at, "first here"));
        }
        if key.text.trim() != key.text
            || key.text.is_empty()
            || key.text.chars().any(char::is_control)
        {
            let message = format!("{:?} cannot be a name", key.text);
            let help = "a name is one line, not empty, without blanks around it";
            diagnostics.push(Diagnostic::new("E0105", key.at, message).help(help));
        }
    }
    entries
}

/// A name, or several: "wherever a list is expected one value will do".
pub fn names(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Vec<Key> {
    node.one_or_more()
        .iter()
        .filter_map(|n| name(n, what, diagnostics))
        .collect()
}

/// A name; a number is one too (`1`).
pub fn name(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Key> {
    let text = node.plain().filter(|_| !node.is_null());
    if text.is_none() {
        say(wrong(node, what, "a name"), node, diagnostics);
    }
    Some(Key {
        text: text?.text,
        at: node.at,
    })
}

/// Says it, unless a `${}` in the node was wrong already.
fn say(d: Diagnostic, node: &Node, diagnostics: &mut Diagnostics) {
    if !node.is_broken() {
        diagnostics.push(d);
    }
}

/// "`what` must be `wanted`, not ..." at the node.
pub fn wrong(node: &Node, what: &str, wanted: &str) -> Diagnostic {
    Diagnostic::new(
        "E0105",
        node.at,
        format!("{what} must be {wanted}, not {}", node.describe()),
    )
}

/// A text.
pub fn text<'n>(node: &'n Node, what: &str, diagnostics: &mut Diagnostics) -> Option<&'n str> {
    if node.as_str().is_none() {
        say(wrong(node, what, "a text"), node, diagnostics);
    }
    node.as_str()
}

/// A whole number of at least `min`.
pub fn count(node: &Node, what: &str, min: u64, diagnostics: &mut Diagnostics) -> Option<u64> {
    if node.is_stand_in() && matches!(node.value, Value::Scalar(Scalar::Int(_))) {
        return Some(min.max(1));
    }
    if let Value::Scalar(Scalar::Int(n)) = node.value
        && let Ok(n) = u64::try_from(n)
        && n >= min
    {
        return Some(n);
    }
    say(
        wrong(node, what, &format!("a whole number of {min} or more")),
        node,
        diagnostics,
    );
    None
}

/// `true` or `false`.
pub fn flag(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<bool> {
    if let Value::Scalar(Scalar::Bool(b)) = node.value {
        return Some(b);
    }
    let mut d = wrong(node, what, "true or false");
    match node.as_str().map(str::to_lowercase).as_deref() {
        Some("yes" | "on" | "y") => d = d.help("write `true`: in YAML 1.2 this is a text"),
        Some("no" | "off" | "n") => d = d.help("write `false`: in YAML 1.2 this is a text"),
        _ => {}
    }
    say(d, node, diagnostics);
    None
}

/// A number, whole or not.
pub fn number(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
    match node.value {
        Value::Scalar(Scalar::Int(n)) => Some(n as f64),
        Value::Scalar(Scalar::Double(d)) if d.is_finite() => Some(d),
        _ => {
            say(wrong(node, what, "a number"), node, diagnostics);
            None
        }
    }
}

/// A length of time: `250ms`, `1.5s`, `1h30m`, `2d`, not negative; a number without a unit only where it is 0.
pub fn duration(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let mut d = wrong(node, what, "a duration");
    match &node.value {
        Value::Scalar(Scalar::Int(0)) => return Some(Duration::ZERO),
        Value::Scalar(n @ (Scalar::Int(_) | Scalar::Double(_))) => {
            d = d.help(format!("with its unit: `{n}s`, `{n}ms`, `{n}m`"));
        }
        Value::Scalar(Scalar::String { text, .. }) => {
            let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
            match time::duration(text.trim()).filter(|_| has_unit) {
                Some(Cell::Duration { secs, nanos }) if secs >= 0 && nanos >= 0 => {
                    return Some(Duration::new(secs.unsigned_abs(), nanos.unsigned_abs()));
                }
                Some(_) => d = d.help("it cannot be negative"),
                None => d = d.help("such as `250ms`, `1.5s`, `10m`, `1h30m`, `2d`"),
            }
        }
        _ => d = d.help("such as `250ms`, `1.5s`, `10m`, `1h30m`, `2d`"),
    }
    say(d, node, diagnostics);
    None
}

/// A number of bytes: `64MiB`, `10kB`, `1.5GiB`, or a number.
pub fn size(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<u64> {
    let found = match &node.value {
        Value::Scalar(Scalar::Int(n)) => u64::try_from(*n).ok(),
        Value::Scalar(Scalar::String { text, .. }) => bytes(text),
        _ => None,
    };
    if found.is_none() {
        say(
            wrong(node, what, "a size").help("such as `500kB`, `64MiB`, `2GiB`"),
            node,
            diagnostics,
        );
    }
    found
}

fn bytes(text: &str) -> Option<u64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 {
        return None;
    }
    let digits = |t: &str| {
        if t.is_empty() {
            Some(0)
        } else {
            t.parse::<u64>().ok()
        }
    };
    if whole.is_empty() {
        return None;
    }
    let part = digits(fraction)?.checked_mul(scale)? / 10_u64.pow(fraction.len() as u32);
    digits(whole)?.checked_mul(scale)?.checked_add(part)
}

/// One of these words. Where a parameter without a value stands, the first.
pub fn choice<'w>(
    node: &Node,
    what: &str,
    words: &[&'w str],
    diagnostics: &mut Diagnostics,
) -> Option<&'w str> {
    if node.is_stand_in() {
        return words.first().copied();
    }
    let found = node
        .as_str()
        .and_then(|t| words.iter().copied().find(|w| *w == t));
    if found.is_none() {
        let wanted = match words {
            [one] => format!("`{one}`"),
            _ => format!("one of {}", words.join(", ")),
        };
        let mut d = wrong(node, what, &wanted);
        if let Some(near) = node
            .as_str()
            .and_then(|t| nearest(t, words.iter().copied()))
        {
            d = d.help(format!("did you mean `{near}`?"));
        }
        say(d, node, diagnostics);
    }
    found
}

/// An expression as it is written: a text, or a YAML number, bool or null (which is one too). `${}` in it is a
/// mistake.
pub fn expression(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Text> {
    if node.is_broken() {
        return None;
    }
    let Some(text) = node.expression().filter(|_| !node.is_absent()) else {
        say(wrong(node, what, "an expression"), node, diagnostics);
        return None;
    };
    let Some((name, at)) = text.put_in.first() else {
        return Some(text);
    };
    let remedy = match name.strip_prefix("env.") {
        Some(variable) => format!("env({variable:?})"),
        None => format!("params.{name}"),
    };
    let message = format!("`${{{name}}}` cannot stand in an expression");
    diagnostics.push(Diagnostic::new("E0301", *at, message).help(format!("write `{remedy}`")));
    None
}

/// A template: a text with `{expression}` in it, or a YAML number or bool. What `${}` put in is literal.
pub fn template(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Text> {
    let text = node.template().filter(|_| !node.is_broken());
    if text.is_none() {
        say(wrong(node, what, "a text"), node, diagnostics);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_exact_and_has_a_known_unit() {
        for (text, size) in [
            ("64MiB", Some(64 << 20)),
            ("10kB", Some(10_000)),
            ("1.5GiB", Some(3 << 29)),
            ("7", Some(7)),
            ("7 B", Some(7)),
            ("MiB", None),
            ("1MIB", None),
            ("99999999999TiB", None),
            ("1.MiB", Some(1 << 20)),
            ("-1B", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
