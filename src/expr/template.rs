//! Text with `{expression}` in it.

use std::sync::Arc;

use super::{Code, Env, EvalError, Expr, Problem, Scope, Uses, check};
use crate::value::{Blocks, Cell, Row, Type};

/// A checked template: `{expression}` is replaced by its value, `{}` by the whole item, `{{` and `}}` are
/// literal braces.
#[derive(Clone, Debug)]
pub struct Template(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    parts: Vec<Part>,
    uses: Uses,
    warnings: Vec<Problem>,
}

/// One stretch of a template.
#[derive(Clone, Debug)]
pub enum Part {
    Text(String),
    Expr(Expr),
}

/// Checks a template against an environment.
///
/// # Errors
/// Every mistake in it; ranges are of the template's text.
pub fn check_template(text: &str, env: &Env) -> Result<Template, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut uses = Uses::nothing();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']).map(|i| at + i) {
        literal.push_str(&text[at..found]);
        let brace = &text[found..=found];
        if text[found + 1..].starts_with(brace) {
            literal.push_str(brace);
            at = found + 2;
        } else if brace == "}" {
            problems.push(stray(
                found,
                "a } without a {",
                "write }} for a literal brace",
            ));
            at = found + 1;
        } else if let Some(end) = end_of(text, found + 1) {
            let inside = &text[found + 1..end];
            match check(
                if inside.trim().is_empty() {
                    "item"
                } else {
                    inside
                },
                env,
            ) {
                Ok(expr) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    uses.merge(expr.uses());
                    warnings.extend(expr.warnings().iter().cloned().map(|p| moved(p, found + 1)));
                    parts.push(Part::Expr(expr));
                }
                Err(all) => problems.extend(all.into_iter().map(|p| moved(p, found + 1))),
            }
            at = end + 1;
        } else {
            problems.push(stray(
                found,
                "a { without a }",
                "write {{ for a literal brace",
            ));
            at = found + 1;
        }
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    if problems.is_empty() {
        Ok(Template(Arc::new(Inner {
            text: text.into(),
            parts,
            uses,
            warnings,
        })))
    } else {
        Err(problems)
    }
}

/// The same, of an expression that begins there.
fn moved(mut p: Problem, by: usize) -> Problem {
    p.range = p.range.start + by..p.range.end + by;
    p
}

fn stray(at: usize, message: &str, help: &str) -> Problem {
    Problem {
        code: "E0301",
        range: at..at + 1,
        message: message.into(),
        help: Some(help.into()),
    }
}

/// The place of the brace that closes an expression which begins at `from`: braces of map literals nest,
/// those in strings do not count.
fn end_of(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut bytes = text.bytes().enumerate().skip(from);
    while let Some((i, b)) = bytes.next() {
        match (quote, b) {
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(q), b) if q == b => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(b),
            (None, b'{') => depth += 1,
            (None, b'}') if depth == 0 => return Some(i),
            (None, b'}') => depth -= 1,
            _ => {}
        }
    }
    None
}

impl Template {
    /// The text, where there is no expression in it.
    pub fn constant(&self) -> Option<&str> {
        match &self.0.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub fn text(&self) -> &str {
        &self.0.text
    }

    pub fn uses(&self) -> &Uses {
        &self.0.uses
    }

    pub fn parts(&self) -> &[Part] {
        &self.0.parts
    }

    /// What is right but may fail when it runs (W0301); ranges are of the template's text.
    pub fn warnings(&self) -> &[Problem] {
        &self.0.warnings
    }

    pub fn compile(&self, item: Option<&Type>) -> TemplateCode {
        let parts = self.0.parts.iter().map(|p| match p {
            Part::Text(t) => CodePart::Text(t.clone()),
            Part::Expr(e) => CodePart::Expr(e.compile(item)),
        });
        TemplateCode(parts.collect())
    }
}

/// A template, ready to run.
#[derive(Clone, Debug)]
pub struct TemplateCode(Arc<[CodePart]>);

/// One stretch of a compiled template.
#[derive(Clone, Debug)]
pub enum CodePart {
    Text(String),
    Expr(Code),
}

impl TemplateCode {
    pub fn parts(&self) -> &[CodePart] {
        &self.0
    }

    /// Appends the text for this row, each expression as [`Code::render`] writes it.
    ///
    /// # Errors
    /// What failed in one of its expressions.
    pub fn render(&self, row: Row<'_>, scope: &Scope, out: &mut Vec<u8>) -> Result<(), EvalError> {
        for part in self.0.iter() {
            match part {
                CodePart::Text(t) => out.extend_from_slice(t.as_bytes()),
                CodePart::Expr(code) => code.render(row, scope, out)?,
            }
        }
        Ok(())
    }
}

/// Appends a value as a template shows it: strings and bytes as they are, times and numbers without quotes,
/// lists and records as JSON, null as `null`.
pub fn render(cell: &Cell, blocks: &Blocks, out: &mut Vec<u8>) {
    match cell.as_bytes(blocks) {
        Some(bytes) => out.extend_from_slice(bytes),
        None => cell.write_text(blocks, out),
    }
}
