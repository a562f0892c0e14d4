//! What YAML made of an expression or a template that wanted quotes, and the line with the quotes that mend it.
//!
//! It read a tag, or a mapping as a key, which this language never has ([`tag`], [`key`]); or it read something
//! else without a complaint ([`suspect`]): that becomes an error only where somebody cannot use what was read.
//! Where it could not read the file at all, `syntax` speaks.

use super::node::{Node, Scalar, Value};
use crate::diagnostic::{At, Diagnostic, Diagnostics};

pub(super) const READ_AS: &str = "E0108";

/// Notes what may have been an expression or a template: `{path}` (a mapping without values), `{a: join(x, y)}`
/// (cut at the comma), `a ? b : c` (a mapping with the key `a ? b`), `[a: b]`. `key`: the place of the node's key.
pub(super) fn suspect(
    text: &str,
    node: &Node,
    flow: bool,
    key: Option<At>,
    diagnostics: &mut Diagnostics,
) {
    let within = At {
        start: key.map_or(node.at.start, |k| k.start),
        end: node.at.end,
    };
    match &node.value {
        Value::Map(map) if flow && !map.is_empty() && map.iter().all(|(_, v)| v.is_absent()) => {
            let what = if map.len() == 1 {
                "a mapping with a key and no value"
            } else {
                "a mapping of keys without values"
            };
            diagnostics.suspect(
                within,
                quotes(text, node.at, &format!("YAML reads this as {what}")),
            );
        }
        Value::Map(map) if map.len() == 1 => {
            let pair = !text[node.at.start as usize..].starts_with('{');
            let in_list = pair && flow_before(text, node.at.start as usize);
            if map[0].0.text.contains(" ? ") || in_list {
                let what = format!(
                    "YAML reads this as a mapping with the key `{}`",
                    map[0].0.text
                );
                diagnostics.suspect(within, quotes(text, node.at, &what));
            }
        }
        _ => {}
    }
    if flow {
        let parts: Vec<(&str, At, bool)> = match &node.value {
            Value::List(list) => list
                .iter()
                .filter_map(|n| Some((plain(n)?, n.at, true)))
                .collect(),
            Value::Map(map) => map
                .iter()
                .map(|(k, v)| {
                    if v.is_absent() {
                        (k.text.as_str(), k.at, true)
                    } else {
                        (plain(v).unwrap_or(""), v.at, false)
                    }
                })
                .collect(),
            Value::Scalar(_) => return,
        };
        for at in cut_at_commas(&parts) {
            diagnostics.suspect_cut(at, quotes(text, at, "YAML cuts this at the comma"));
        }
    }
}

/// Neighbours that together balance the parentheses that the first of them leaves open. A part joins those
/// before it only if it has no key of its own (`true`).
fn cut_at_commas(parts: &[(&str, At, bool)]) -> Vec<At> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < parts.len() {
        let mut depth = open_parentheses(parts[i].0);
        let mut end = i;
        while depth > 0 && parts.get(end + 1).is_some_and(|p| p.2) {
            end += 1;
            depth += open_parentheses(parts[end].0);
        }
        if end > i && depth == 0 {
            found.push(At {
                start: parts[i].1.start,
                end: parts[end].1.end,
            });
        }
        i = end + 1;
    }
    found
}

pub(super) fn open_parentheses(text: &str) -> i32 {
    text.chars()
        .map(|c| i32::from(c == '(') - i32::from(c == ')'))
        .sum()
}

fn plain(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(Scalar::String { text, plain: true }) => Some(text),
        _ => None,
    }
}

/// Does a value in `[...]` begin here?
fn flow_before(text: &str, start: usize) -> bool {
    text[..start].trim_end().ends_with(['[', ','])
}

/// A mapping or list where a key should be: `{{x}}`.
pub(super) fn key(text: &str, node: &Node, flow: bool) -> Option<Diagnostic> {
    let start = text[..node.at.start as usize]
        .trim_end()
        .strip_suffix('{')?
        .len();
    if !flow {
        return None;
    }
    let end = value_end(text, start);
    Some(quotes(
        text,
        At::new(start, end),
        "YAML reads these braces as mappings",
    ))
}

/// A tag that is none of YAML's own.
pub(super) fn tag(text: &str, tag: &str, at: At) -> Diagnostic {
    let start = at.start as usize;
    let end = value_end(text, start);
    quotes(
        text,
        At::new(start, end),
        &format!("YAML reads `{tag}` as a tag"),
    )
}

/// E0108 with the line in which what stands at `at` has got quotes.
fn quotes(text: &str, at: At, what: &str) -> Diagnostic {
    let line = requoted(text, &[at]);
    Diagnostic::new(READ_AS, at, what).help(format!(
        "if it is an expression or a template, write `{line}`"
    ))
}

/// The line of the first place, with quotes around all of them.
pub(super) fn requoted(text: &str, places: &[At]) -> String {
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return String::new();
    };
    let (start, end) = (first.start as usize, last.end as usize);
    let begin = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let mut line = String::new();
    let mut done = begin;
    for at in places {
        line.push_str(&text[done..at.start as usize]);
        line.push_str(&quoted(&text[at.start as usize..at.end as usize]));
        done = at.end as usize;
    }
    line.push_str(&text[done..line_end(text, end)]);
    // A value that was written over several lines is shown in one.
    line.lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_string()
}

pub(super) fn quoted(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'))
        && !inner.contains('"')
    {
        // Double quotes did not do (an escape that YAML does not know).
        return format!("'{}'", inner.replace('\'', "''"));
    }
    if value.contains(['"', '\\']) {
        format!("'{}'", value.replace('\'', "''"))
    } else {
        format!("\"{value}\"")
    }
}

pub(super) fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |i| {
        from + i - usize::from(text[from..from + i].ends_with('\r'))
    })
}

/// Where a value that begins at `start` would end if it were one text: before a comment, and within brackets
/// before the `,` or bracket that ends it.
pub(super) fn value_end(text: &str, start: usize) -> usize {
    let line = &text[start..line_end(text, start)];
    let begin = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let in_flow = depth(&text[begin..start]) > 0;
    let mut level = 0_i32;
    let mut quote = None;
    let mut before = ' ';
    for (i, c) in line.char_indices() {
        match (quote, c) {
            (Some(q), c) => quote = (q != c).then_some(q),
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before == ' ' => return start + line[..i].trim_end().len(),
            (None, '(' | '[' | '{') => level += 1,
            (None, ')' | ']' | '}') if level > 0 => level -= 1,
            (None, ',' | ']' | '}') if in_flow && level == 0 => {
                return start + line[..i].trim_end().len();
            }
            _ => {}
        }
        before = c;
    }
    start + line.trim_end().len()
}

/// How many brackets are open behind this text.
pub(super) fn depth(text: &str) -> i32 {
    text.chars()
        .map(|c| i32::from(matches!(c, '[' | '{')) - i32::from(matches!(c, ']' | '}')))
        .sum()
}

/// The end of what the bracket at `start` opens, on the same line.
pub(super) fn closing(text: &str, start: usize) -> Option<usize> {
    let mut level = 0;
    for (i, c) in text[start..line_end(text, start)].char_indices() {
        level += i32::from(matches!(c, '[' | '{' | '(')) - i32::from(matches!(c, ']' | '}' | ')'));
        if level == 0 {
            return Some(start + i + c.len_utf8());
        }
    }
    None
}
