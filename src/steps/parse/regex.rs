//! `parse: {regex: '(?P<name>...)'}`: named groups become fields.

use regex::{CaptureLocations, Regex};
use regex_syntax::hir::{Hir, HirKind};

use super::rows::{Parser, Slots, Wrong, op};
use super::{Format, Op};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::Uses;
use crate::spec::Node;
use crate::steps::Reader;
use crate::value::{Cell, Name, Type};

#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Name, number, and whether it may be left out in a match.
    groups: Vec<(Name, usize, bool)>,
}

impl Pattern {
    pub(super) fn read(at: At, node: Option<&Node>, reader: &mut Reader<'_>) -> Option<Pattern> {
        let Some(node) = node else {
            let d = Diagnostic::new("E0106", at, "`regex` needs a regular expression");
            reader
                .diagnostics
                .push(d.help("write it as `parse: {regex: '(?P<code>[0-9]+)'}`"));
            return None;
        };
        let text = reader.text(node, "`regex`")?;
        match Pattern::new(text) {
            Ok(pattern) if pattern.groups.is_empty() => {
                let d = Diagnostic::new(
                    "E0105",
                    node.at,
                    "the regular expression has no named groups",
                );
                reader
                    .diagnostics
                    .push(d.help("each `(?P<name>...)` becomes a field"));
                None
            }
            Ok(pattern) => Some(pattern),
            Err(message) => {
                reader.error(
                    "E0105",
                    node.at,
                    format!("not a regular expression: {message}"),
                );
                None
            }
        }
    }

    fn new(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(text).map_err(|e| last_line(&e.to_string()))?;
        let hir = regex_syntax::parse(text).map_err(|e| last_line(&e.to_string()))?;
        let mut always = vec![false; regex.captures_len()];
        mark_always(&hir, &mut always);
        let groups = regex
            .capture_names()
            .enumerate()
            .filter_map(|(i, name)| Some((Name::from(name?), i, !always[i])))
            .collect();
        Ok(Pattern { regex, groups })
    }
}

/// The library draws the pattern and its mistake over several lines; the last one says what it is.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Marks the groups that take part in every match.
fn mark_always(hir: &Hir, always: &mut [bool]) {
    match hir.kind() {
        HirKind::Capture(group) => {
            always[group.index as usize] = true;
            mark_always(&group.sub, always);
        }
        HirKind::Concat(parts) => parts.iter().for_each(|p| mark_always(p, always)),
        HirKind::Repetition(r) if r.min > 0 => mark_always(&r.sub, always),
        HirKind::Repetition(_)
        | HirKind::Alternation(_)
        | HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_) => {}
    }
}

impl Format for Pattern {
    fn makes(&self, _: Option<&Type>) -> Type {
        let ty = |optional: bool| {
            if optional {
                Type::String.optional()
            } else {
                Type::String
            }
        };
        Type::record(
            self.groups
                .iter()
                .map(|(name, _, optional)| (name.clone(), ty(*optional))),
        )
    }

    fn op(&self, _: &Type, out: &Type, _: &Uses, _: bool) -> Op {
        let used = |name: &Name| out.as_record().is_some_and(|r| r.slot(name).is_some());
        let parser = RegexParser {
            found: self.regex.capture_locations(),
            groups: self
                .groups
                .iter()
                .filter(|(name, ..)| used(name))
                .map(|(_, i, _)| *i)
                .collect(),
            regex: self.regex.clone(),
        };
        op(parser, out)
    }
}

#[derive(Clone)]
struct RegexParser {
    regex: Regex,
    found: CaptureLocations,
    groups: Vec<usize>,
}

impl Parser for RegexParser {
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), Wrong> {
        let matches = if self.groups.is_empty() {
            self.regex.is_match(text)
        } else {
            self.regex.captures_read(&mut self.found, text).is_some()
        };
        if !matches {
            let message = "the text does not match the regular expression";
            return Err(Wrong::Text(message.into()));
        }
        for group in &self.groups {
            match self.found.get(*group) {
                Some((from, to)) => out.text(text, from, to),
                None => out.push(Cell::Null),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse_as;
    use super::*;
    use crate::expr::Use;

    fn parse(pattern: &str, text: &str) -> Result<String, String> {
        parse_as(&Pattern::new(pattern).unwrap(), &Uses::all(Use::Look), text)
    }

    #[test]
    fn named_groups_become_fields() {
        let read = parse(r"^(?P<host>\w+)(:(?<port>\d+))? (\w+)", "h:80 x").unwrap();
        assert_eq!(read, r#"{"host":"h","port":"80"}"#);
        assert_eq!(
            parse(r"(?P<host>\w+)(:(?<port>\d+))? x", "h x").unwrap(),
            r#"{"host":"h","port":null}"#
        );
        assert_eq!(
            parse("(?P<a>x)", "y").unwrap_err(),
            "the text does not match the regular expression"
        );
    }

    #[test]
    fn a_group_that_may_be_left_out_is_optional() {
        let types = |pattern: &str| Pattern::new(pattern).unwrap().makes(None).to_string();
        assert_eq!(
            types("(?P<a>x)(?P<b>y)?(?P<c>z)+"),
            "{a: string, b: string?, c: string}"
        );
        assert_eq!(types("(?P<a>x)|(?P<b>y)"), "{a: string?, b: string?}");
        assert_eq!(types("((?P<a>x)(?P<b>y)){0,2}"), "{a: string?, b: string?}");
        assert_eq!(types("(?P<a>(?P<b>y)*)"), "{a: string, b: string?}");
    }

    #[test]
    fn a_wrong_pattern_says_why() {
        assert_eq!(Pattern::new("(?P<a>x").unwrap_err(), "unclosed group");
    }
}
