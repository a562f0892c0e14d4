//! What YAML made of an expression or a template that wanted quotes, and the line with the quotes that mend it.
//!
//! Three moments: YAML could not read the file at all ([`syntax`]); it read a tag or a mapping as a key, which
//! this language never has ([`tag`], [`key`]); or it read something else without a complaint ([`suspect`]):
//! that becomes an error only where somebody cannot use what was read.

use saphyr_parser::Parser;

use super::node::{Node, Scalar, Value};
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};

const READ_AS: &str = "E0108";

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
        Value::Map(map) if flow && !map.is_empty() && map.iter().all(|(_, v)| is_absent(v)) => {
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
                    if is_absent(v) {
                        (k.text.as_str(), k.at, true)
                    } else {
                        (plain(v).unwrap_or(""), v.at, false)
                    }
                })
                .collect(),
            Value::Scalar(_) => return,
        };
        for at in cut_at_commas(&parts) {
            diagnostics.suspect(at, quotes(text, at, "YAML cuts this at the comma"));
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

fn open_parentheses(text: &str) -> i32 {
    text.chars()
        .map(|c| i32::from(c == '(') - i32::from(c == ')'))
        .sum()
}

fn is_absent(node: &Node) -> bool {
    node.is_null() && node.at.start == node.at.end
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

/// Why the parser gave up at a byte; `opened`: where the innermost `[` or `{` stands that was open then.
pub(super) fn syntax(text: &str, info: &str, at: usize, opened: Option<usize>) -> Diagnostic {
    let (message, help) = explain(info, text, at);
    if info.contains("unknown anchor")
        && let Some(d) = unknown_alias(text, at)
    {
        return d;
    }
    // Where a quote, a bracket or a list is what went wrong, quotes around it would hide that.
    let hidden = [
        "invalid indentation in quoted",
        "end of stream",
        "block sequence",
        "misplaced bracket",
    ];
    if !hidden.iter().any(|part| info.contains(part))
        && let Some((place, line)) = mend(text, at, info.contains("unknown escape"))
    {
        return Diagnostic::new(READ_AS, place, "YAML cannot read this value without quotes")
            .label(message)
            .help(format!("write `{line}`"));
    }
    let end = text[at..]
        .chars()
        .next()
        .filter(|c| *c != '\n')
        .map_or(at, |c| at + c.len_utf8());
    let mut d = Diagnostic::new(
        if info.contains("recursion limit") {
            "E0107"
        } else {
            "E0101"
        },
        At::new(at, end),
        message,
    );
    if let Some(opened) = opened
        && info.contains("flow")
    {
        d = d.also(At::new(opened, opened + 1), "opened here");
    }
    if info.contains("mapping values")
        && let Some(before) = line_before(text, at)
        && !before.contains([':', '#', '|', '>'])
    {
        return d.help(format!(
            "does `{before}` in the line before want a `:` behind it?"
        ));
    }
    if help.is_empty() { d } else { d.help(help) }
}

/// The text of the line before, without its dash.
fn line_before(text: &str, at: usize) -> Option<&str> {
    let begin = text[..at].rfind('\n')?;
    let before = text[..begin].lines().next_back()?.trim();
    Some(before.strip_prefix("- ").unwrap_or(before)).filter(|b| !b.is_empty())
}

/// A value that is only `*name`: not an expression, but a name that is wrong.
fn unknown_alias(text: &str, at: usize) -> Option<Diagnostic> {
    let end = value_end(text, at);
    let name = text[at..end].strip_prefix('*')?;
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(word) {
        return None;
    }
    let d = Diagnostic::new(
        "E0101",
        At::new(at, end),
        format!("there is no anchor `&{name}` before this alias"),
    );
    let anchors = text[..at]
        .split('&')
        .skip(1)
        .map(|rest| rest.split(|c| !word(c)).next().unwrap_or(""));
    Some(match nearest(name, anchors.filter(|a| !a.is_empty())) {
        Some(near) => d.help(format!("did you mean `*{near}`?")),
        None => d.help("write the anchor before the value that it names: `key: &name value`"),
    })
}

/// The parser's words in ours: what is wrong, and how to mend it.
fn explain(info: &str, text: &str, at: usize) -> (String, &'static str) {
    let table: &[(&str, &str, &str)] = &[
        (
            "scanning a tag",
            "YAML reads a word that begins with `!` as a tag",
            "put the value into quotes",
        ),
        (
            "mapping values are not allowed",
            "a `key: value` cannot stand here",
            "check the indentation of this line and of the one before it; a text that contains `: ` wants quotes",
        ),
        (
            "tabs disallowed",
            "a tab in the indentation",
            "YAML indents with blanks only",
        ),
        (
            "tab",
            "a tab where YAML wants blanks",
            "replace it by blanks",
        ),
        (
            "unknown anchor",
            "an alias for an anchor that is not in this file",
            "a value `*name` needs a `&name` before it; an expression that begins with `*` wants quotes",
        ),
        (
            "recursion limit",
            "the file is nested too deeply",
            "64 levels are allowed",
        ),
        (
            "flow mapping",
            "this mapping in `{}` is not closed, or a comma is missing",
            "a value that contains any of `,[]{}` wants quotes",
        ),
        (
            "flow sequence",
            "this list in `[]` is not closed, or a comma is missing",
            "a value that contains any of `,[]{}` wants quotes",
        ),
        (
            "illegal placement of ':'",
            "a `:` where none can stand",
            "is a bracket before it not closed?",
        ),
        (
            "invalid indentation in quoted",
            "this quote is not closed",
            "a text with a quote in it wants quotes of the other kind around it",
        ),
        (
            "unexpected end of stream",
            "the file ends within a quoted text",
            "",
        ),
        (
            "invalid trailing content",
            "something follows the closing quote",
            "put the whole value into quotes of the other kind",
        ),
        (
            "unknown escape",
            "an escape that YAML does not know",
            "between single quotes a backslash is only a backslash",
        ),
        (
            "did not find expected <document start>",
            "this line does not belong to what stands before it",
            "check its indentation",
        ),
        (
            "block mapping, did not find expected key",
            "a `key: value` was expected here",
            "check the indentation of this line and of the one before it",
        ),
        (
            "did not find expected '-'",
            "an item of the list (`- ...`) was expected here",
            "check the indentation of this line and of the one before it",
        ),
        (
            "block sequence entries are not allowed",
            "a list cannot begin here",
            "begin it on a line of its own",
        ),
        (
            "misplaced bracket",
            "a closing bracket without an opening one",
            "",
        ),
        (
            "block scalar",
            "this `|` or `>` begins a text of several lines, which begins on the next line",
            "put the value into quotes if it is an expression",
        ),
    ];
    if info.contains("unexpected character") {
        let c = text[at..].chars().next().unwrap_or(' ');
        return (
            format!("a value cannot begin with `{c}`"),
            "put it into quotes",
        );
    }
    match table.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, message, help)) => ((*message).into(), help),
        None => (format!("YAML: {info}"), ""),
    }
}

/// E0108 with the line in which what stands at `at` has got quotes.
fn quotes(text: &str, at: At, what: &str) -> Diagnostic {
    let line = requoted(text, &[at]);
    Diagnostic::new(READ_AS, at, what).help(format!(
        "if it is an expression or a template, write `{line}`"
    ))
}

/// The line of the first place, with quotes around all of them.
fn requoted(text: &str, places: &[At]) -> String {
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

fn quoted(value: &str) -> String {
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

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |i| {
        from + i - usize::from(text[from..from + i].ends_with('\r'))
    })
}

/// Where a value that begins at `start` would end if it were one text: before a comment, and within brackets
/// before the `,` or bracket that ends it.
fn value_end(text: &str, start: usize) -> usize {
    let line = &text[start..line_end(text, start)];
    let begin = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let in_flow = depth(&text[begin..start]) > 0;
    let mut level = 0_i32;
    let mut quote = None;
    let mut before = ' ';
    for (i, c) in line.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
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
fn depth(text: &str) -> i32 {
    text.chars()
        .map(|c| i32::from(matches!(c, '[' | '{')) - i32::from(matches!(c, ']' | '}')))
        .sum()
}

/// The end of what the bracket at `start` opens, on the same line.
fn closing(text: &str, start: usize) -> Option<usize> {
    let mut level = 0;
    for (i, c) in text[start..line_end(text, start)].char_indices() {
        level += i32::from(matches!(c, '[' | '{' | '(')) - i32::from(matches!(c, ']' | '}' | ')'));
        if level == 0 {
            return Some(start + i + c.len_utf8());
        }
    }
    None
}

/// The values in the line of a mistake that want quotes (`escape`: quotes of the other kind), tried out: with
/// them the parser comes beyond this line.
fn mend(text: &str, at: usize, escape: bool) -> Option<(At, String)> {
    let begin = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let end = line_end(text, at.max(begin));
    let line = &text[begin..end];
    let mut start = begin + line.len() - line.trim_start().len();
    while text[start..end].starts_with("- ") {
        start += 2;
        start += text[start..end].len() - text[start..end].trim_start().len();
    }
    // A key of its own, before the first `: ` that is not within quotes or brackets.
    let value = match split_key(&text[start..end]) {
        Some(behind) => start + behind,
        None => start,
    };
    if value >= end || depth(&text[value..end]) > 0 || line.trim_end().ends_with(':') {
        return None;
    }
    let mut tries: Vec<Vec<At>> = Vec::new();
    let whole = At::new(value, value_end(text, value).max(value));
    let mut leaves = Vec::new();
    gather(
        text,
        whole.start as usize,
        whole.end as usize,
        escape,
        &mut leaves,
    );
    if !leaves.is_empty() && leaves != [whole] {
        tries.push(leaves);
    }
    tries.push(vec![whole]);
    let line_of = |text: &str, at: usize| text[..at].bytes().filter(|b| *b == b'\n').count();
    let here = line_of(text, at);
    tries.into_iter().find_map(|places| {
        let mut mended = String::with_capacity(text.len() + 8);
        let mut done = 0;
        for at in &places {
            mended.push_str(&text[done..at.start as usize]);
            mended.push_str(&quoted(&text[at.start as usize..at.end as usize]));
            done = at.end as usize;
        }
        mended.push_str(&text[done..]);
        let better = first_error(&mended).is_none_or(|line| line > here);
        better.then(|| (places[0], requoted(text, &places)))
    })
}

/// The line (from 0) at which the parser gives up.
fn first_error(text: &str) -> Option<usize> {
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        if let Err(e) = event {
            return Some(e.marker().line().saturating_sub(1));
        }
    }
    None
}

/// Where the value of `key: value` begins, if this is one.
fn split_key(text: &str) -> Option<usize> {
    let colon = text.find(": ")?;
    let key = &text[..colon];
    let is_key = !key.is_empty() && !key.contains(['"', '\'', '[', '{', '(', '#']);
    is_key.then(|| colon + 2 + (text[colon + 2..].len() - text[colon + 2..].trim_start().len()))
}

/// The values within brackets that YAML may have taken for something else.
fn gather(text: &str, start: usize, end: usize, escape: bool, out: &mut Vec<At>) {
    let value = &text[start..end];
    let brackets =
        value.starts_with(['[', '{']) && closing(text, start) == Some(end) && end - start > 1;
    let template = value.starts_with('{') && !value.contains(": ");
    if !brackets || template {
        let quoted =
            value.len() > 1 && value.starts_with(['"', '\'']) && value.ends_with(['"', '\'']);
        if quoted {
            if escape && value.starts_with('"') && value.contains('\\') {
                out.push(At::new(start, end));
            }
        } else {
            let special = value.contains(['[', ']', '{', '}', '?', '!', '*', '&', '"', '\'', '#'])
                || value.contains(": ");
            if special || open_parentheses(value) != 0 || value.contains(", ") {
                out.push(At::new(start, end));
            }
        }
        return;
    }
    let mut from = start + 1;
    let inner_end = end - 1;
    let (mut level, mut quote) = (0_i32, None);
    let mut cuts = Vec::new();
    for (i, c) in text[from..inner_end].char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => level += 1,
            (None, ')' | ']' | '}') => level -= 1,
            (None, ',') if level == 0 => cuts.push(from + i),
            _ => {}
        }
    }
    cuts.push(inner_end);
    for cut in cuts {
        let part = &text[from..cut];
        let mut a = from + part.len() - part.trim_start().len();
        let b = from + part.trim_end().len();
        if a < b {
            if value.starts_with('{')
                && let Some(behind) = split_key(&text[a..b])
            {
                a += behind;
            }
            gather(text, a, b.max(a), escape, out);
        }
        from = cut + 1;
    }
}
