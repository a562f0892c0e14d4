//! What to say where the YAML parser gave up: its words in ours, at the place, and where quotes would mend the
//! line, the line with these quotes.
//!
//! A mend is never guessed: it is tried out, and offered only if with it the parser comes beyond the line.

use saphyr_parser::Parser;

use super::swallowed::{
    READ_AS, closing, depth, line_end, open_parentheses, quoted, requoted, value_end,
};
use crate::diagnostic::{At, Diagnostic, nearest};

/// Why the parser gave up at a byte; `opened`: where the innermost `[` or `{` stands that was open then.
pub(super) fn syntax(text: &str, info: &str, at: usize, opened: Option<usize>) -> Diagnostic {
    let (message, help) = explain(info, text, at);
    if info.contains("did not find expected key")
        && !info.contains("flow")
        && let Some(d) = dedented(text, at)
    {
        return d;
    }
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

/// A line that stands between the columns of those before it.
fn dedented(text: &str, at: usize) -> Option<Diagnostic> {
    let begin = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let blanks = &text[begin..at];
    let deeper = |line: &str| line.len() - line.trim_start().len() > blanks.len();
    let before = text[..begin].lines().next_back().filter(|l| deeper(l))?;
    blanks.chars().all(|c| c == ' ').then(|| {
        let end = line_end(text, at);
        Diagnostic::new(
            "E0101",
            At::new(at, end),
            "this line lines up with none before it",
        )
        .help(format!(
            "what belongs together begins in the same column; `{}` begins in column {}, this in {}",
            before.trim(),
            before.len() - before.trim_start().len() + 1,
            blanks.len() + 1
        ))
    })
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

/// Part of the parser's words · what is wrong · how to mend it; the first that fits.
#[rustfmt::skip]
const WORDS: &[(&str, &str, &str)] = &[
    ("scanning a tag", "YAML reads a word that begins with `!` as a tag", "put the value into quotes"),
    ("mapping values are not allowed", "a `key: value` cannot stand here", "check the indentation of this line and of the one before it; a text that contains `: ` wants quotes"),
    ("tabs disallowed", "a tab in the indentation", "YAML indents with blanks only"),
    ("tab", "a tab where YAML wants blanks", "replace it by blanks"),
    ("unknown anchor", "an alias for an anchor that is not in this file", "a value `*name` needs a `&name` before it; an expression that begins with `*` wants quotes"),
    ("recursion limit", "the file is nested too deeply", "64 levels are allowed"),
    ("flow mapping", "this mapping in `{}` is not closed, or a comma is missing", "a value that contains any of `,[]{}` wants quotes"),
    ("flow sequence", "this list in `[]` is not closed, or a comma is missing", "a value that contains any of `,[]{}` wants quotes"),
    ("illegal placement of ':'", "a `:` where none can stand", "is a bracket before it not closed?"),
    ("invalid indentation in quoted", "this quote is not closed", "a text with a quote in it wants quotes of the other kind around it"),
    ("unexpected end of stream", "the file ends within a quoted text", ""),
    ("invalid trailing content", "something follows the closing quote", "put the whole value into quotes of the other kind"),
    ("unknown escape", "an escape that YAML does not know", "between single quotes a backslash is only a backslash"),
    ("did not find expected <document start>", "this line does not belong to what stands before it", "check its indentation"),
    ("block mapping, did not find expected key", "a `key: value` was expected here", "check the indentation of this line and of the one before it"),
    ("did not find expected '-'", "an item of the list (`- ...`) was expected here", "check the indentation of this line and of the one before it"),
    ("block sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    ("misplaced bracket", "a closing bracket without an opening one", ""),
    ("block scalar", "this `|` or `>` begins a text of several lines, which begins on the next line", "put the value into quotes if it is an expression"),
];

/// The parser's words in ours: what is wrong, and how to mend it.
fn explain(info: &str, text: &str, at: usize) -> (String, &'static str) {
    if info.contains("unexpected character") {
        let c = text[at..].chars().next().unwrap_or(' ');
        return (
            format!("a value cannot begin with `{c}`"),
            "put it into quotes",
        );
    }
    match WORDS.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, message, help)) => ((*message).into(), help),
        None => (format!("YAML: {info}"), ""),
    }
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
            (Some(q), c) => quote = (q != c).then_some(q),
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
