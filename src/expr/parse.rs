//! From text to syntax: cel-core's parser, with what it does not do: a bound on depth (it recurses), and
//! messages for people.

use std::ops::Range;

use cel_core::parser::{ParseOptions, parse_with_options};
use cel_core::{BinaryOp, Expr, SpannedExpr};

use super::Problem;
use super::hints;
use super::scan::{self, scan};

/// How deep brackets, conditions and operators may be nested. `&&` and `||` in a row count once.
const DEPTH: usize = 120;
/// Words and signs in one expression.
const TOKENS: usize = 20_000;

/// The syntax tree of an expression. Macros are left as calls: the checker knows them.
pub(super) fn parse(text: &str) -> Result<SpannedExpr, Vec<Problem>> {
    let tokens = scan(text);
    let code: Vec<&scan::Token> = tokens
        .iter()
        .filter(|t| t.kind != scan::Kind::Comment)
        .collect();
    if code.is_empty() {
        let mut p = Problem::new(
            "E0301",
            0..text.len(),
            "an expression is needed here, and there is none",
        );
        if !tokens.is_empty() {
            p.help = Some("what follows // is a comment".into());
        }
        return Err(vec![p]);
    }
    if let Some(problem) = bounds(text, &code) {
        return Err(vec![problem]);
    }
    let parsed = parse_with_options(text, ParseOptions::without_macros());
    if let Some(e) = parsed.errors.first() {
        let mut p = Problem::new(
            "E0301",
            place(text, &e.span),
            reword(text, &e.message, &e.span),
        );
        hints::syntax(text, &tokens, &mut p);
        return Err(vec![p]);
    }
    match parsed.ast {
        Some(ast) => match too_deep(&ast) {
            Some(span) => Err(vec![deep(span)]),
            None => Ok(ast),
        },
        None => Err(vec![Problem::new(
            "E0301",
            0..text.len(),
            "this is no expression",
        )]),
    }
}

/// `a // 2` is `a` and a comment here; who comes from Python means a division. Said of what is no sentence.
pub(super) fn divisions(text: &str) -> Option<Problem> {
    let tokens = scan(text);
    let at = tokens.iter().position(|t| t.kind == scan::Kind::Comment)?;
    let comment = &tokens[at];
    let before = at.checked_sub(1).map(|i| &tokens[i])?;
    let same_line = !text[before.range.end..comment.range.start].contains('\n');
    let operand = comment.of(text).trim_start_matches('/').trim();
    let lone = !operand.is_empty() && !operand.contains(char::is_whitespace);
    (same_line && lone).then(|| {
        Problem::new("W0302", comment.range.clone(), "what follows // is a comment")
            .help(format!("to divide whole numbers write / {operand}; a comment of one word is safe on a line of its own"))
    })
}

fn deep(span: Range<usize>) -> Problem {
    Problem::new("E0301", span, format!("nested deeper than {DEPTH} levels"))
        .help("compute a part of it with `assign` in a step before")
}

/// The parser recurses for brackets, prefixes and conditions: nothing that is too deep may reach it.
fn bounds(text: &str, code: &[&scan::Token]) -> Option<Problem> {
    if code.len() > TOKENS {
        let message = format!("longer than {TOKENS} words and signs");
        return Some(
            Problem::new("E0301", 0..text.len(), message)
                .help("look values up in a table instead (step `lookup`)"),
        );
    }
    let (mut open, mut prefixes, mut conditions) = (0usize, 0usize, 0usize);
    for token in code {
        match token.of(text) {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            "?" => conditions += 1,
            _ => {}
        }
        prefixes = if matches!(token.of(text), "!" | "-") {
            prefixes + 1
        } else {
            0
        };
        if open + prefixes > DEPTH || conditions > DEPTH {
            return Some(deep(token.range.clone()));
        }
    }
    None
}

/// The first place that is too deep. Without recursion: a long row of operators is deep to the left.
fn too_deep(ast: &SpannedExpr) -> Option<Range<usize>> {
    let mut open = vec![(ast, 0usize)];
    while let Some((e, depth)) = open.pop() {
        if depth > DEPTH {
            return Some(e.span.clone());
        }
        let logic = |e: &SpannedExpr| match &e.node {
            Expr::Binary {
                op: op @ (BinaryOp::And | BinaryOp::Or),
                ..
            } => Some(*op),
            _ => None,
        };
        let mut push = |child| {
            let same = logic(e).is_some() && logic(e) == logic(child);
            open.push((child, if same { depth } else { depth + 1 }));
        };
        match &e.node {
            Expr::List(list) => list.iter().for_each(|x| push(&x.expr)),
            Expr::Map(map) => map.iter().for_each(|x| {
                push(&x.key);
                push(&x.value);
            }),
            Expr::Unary { expr, .. }
            | Expr::Member { expr, .. }
            | Expr::MemberTestOnly { expr, .. } => push(expr),
            Expr::Binary { left, right, .. } => {
                push(left);
                push(right);
            }
            Expr::Ternary {
                cond,
                then_expr,
                else_expr,
            } => {
                push(cond);
                push(then_expr);
                push(else_expr);
            }
            Expr::Index { expr, index, .. } => {
                push(expr);
                push(index);
            }
            Expr::Call { expr, args } => {
                push(expr);
                args.iter().for_each(&mut push);
            }
            Expr::Struct { type_name, fields } => {
                push(type_name);
                fields.iter().for_each(|f| push(&f.value));
            }
            // Only macros make comprehensions and bindings, and they are left alone.
            _ => {}
        }
    }
    None
}

/// Within the text, and at least one character where there is one.
fn place(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    if start == end && end < text.len() {
        start..text.ceil_char_boundary(end + 1)
    } else {
        start..end
    }
}

/// The parser's message without its token names.
fn reword(text: &str, message: &str, span: &Range<usize>) -> String {
    let found = match text[place(text, span)].trim() {
        "" => "the expression ends".to_string(),
        found => format!("there is `{}`", found.chars().take(20).collect::<String>()),
    };
    match message.split_once(", found") {
        Some((expected, _)) => format!("{} here, and {found}", expected.trim()),
        None if message.starts_with("unexpected") => format!("not understood: {found}"),
        None => message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded_before_anything_recurses() {
        for text in [
            "(".repeat(50_000),
            "!".repeat(9_000) + "x",
            "x ? 1 : ".repeat(5_000) + "2",
            "1+".repeat(9_000) + "1",
        ] {
            let problems = parse(&text).unwrap_err();
            assert!(
                problems[0].message.contains("deeper") || problems[0].message.contains("longer"),
                "{problems:?}"
            );
        }
        assert!(parse(&("x || ".repeat(2_000) + "x")).is_ok());
        assert!(parse(&("(".repeat(100) + "1" + &")".repeat(100))).is_ok());
    }
}
