//! `group`: what items have in common, and what they add up to.
//!
//! Each worker fills a part of its own: a table of keys that gives each group a number, and one column for each
//! aggregate, indexed by that number. Parts are merged at the end. Nothing in a result depends on the number of
//! workers: sums are exact, `first`, `last` and `list` know places in the input.

mod aggregate;
mod column;
mod exact;
mod keys;
mod long;
mod part;
mod spread;
#[cfg(test)]
mod tests;
mod totals;
mod values;
mod window;

use std::sync::Arc;
use std::time::Duration;

use self::aggregate::Aggregate;
pub(super) use self::keys::ByteKeys;
use self::keys::{IntKeys, Keys};
use self::part::{By, Part, Result};
use self::window::Window;
use super::build::is_safe;
use super::keyer::Get;
use super::words::{Named, no_item};
use super::{CompileCx, Compiled, ExprText, Group, Infer, Op, Opt, Reader, Step, StepDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Env, Expr, Use, Uses};
use crate::spec::{Key, Node};
use crate::value::{Shape, Type};

pub(super) static GROUP: StepDef = StepDef {
    name: "group",
    group: Group::Shape,
    summary: "Gathers items that have something in common, and gives for each group what its items add up to.",
    main: None,
    options: &[
        Opt {
            name: "by",
            form: "any",
            help: "A field, a list of fields, or {name: expression}; without it all items are one group. \
                   The results are sorted by it.",
            required: false,
        },
        Opt {
            name: "every",
            form: "duration",
            help: "Give out and begin anew every so long, not only at the end.",
            required: false,
        },
    ],
    names: true,
    example: "- range: 10\n- group: {by: {odd: item % 2 == 1}, n: count(), sum: sum(item)}\n",
    read,
};

#[derive(Debug)]
struct Grouping {
    every: Option<Duration>,
    by: Vec<Named>,
    aggregates: Vec<Aggregate>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let Some(map) = node.as_map() else {
        let message = format!("`group` must be a mapping, not {}", node.describe());
        let d = Diagnostic::new("E0105", node.at, message);
        reader
            .diagnostics
            .push(d.help("write `group: {by: path, hits: count()}`"));
        return None;
    };
    let mut by = Some(Vec::new());
    let mut every = None;
    let mut aggregates: Vec<Option<Aggregate>> = Vec::new();
    for (key, value) in map {
        match key.text.as_str() {
            "by" => by = read_by(value, reader),
            "every" => match reader.duration(value, "`every`") {
                Some(Duration::ZERO) => {
                    reader.error("E0105", value.at, "`every` must be longer than nothing");
                    by = None;
                }
                Some(time) => every = Some(time),
                None => by = None,
            },
            _ => aggregates.push(Aggregate::read(key, value, reader)),
        }
    }
    let aggregates: Vec<Aggregate> = aggregates.into_iter().collect::<Option<_>>()?;
    let by = by?;
    if by.is_empty() && aggregates.is_empty() {
        let d = Diagnostic::new("E0106", node.at, "`group` has nothing to do");
        reader
            .diagnostics
            .push(d.help("write `group: {by: path, hits: count()}`"));
        return None;
    }
    for aggregate in &aggregates {
        if let Some(first) = by.iter().find(|b| b.name.text == aggregate.name.text) {
            let message = format!("`{}` is a field of `by` already", aggregate.name.text);
            let d = Diagnostic::new("E0202", aggregate.name.at, message);
            reader.diagnostics.push(d.also(first.name.at, "first here"));
            return None;
        }
    }
    Some(Box::new(Grouping {
        every,
        by,
        aggregates,
    }))
}

/// A field, a list of fields, or names with expressions.
fn read_by(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Named>> {
    if node.as_map().is_some() {
        return Named::read(node, "`by`", reader);
    }
    let mut by: Vec<Named> = Vec::new();
    let mut right = true;
    for one in node.one_or_more() {
        let Some(expr) = ExprText::read(one, "`by`", reader) else {
            right = false;
            continue;
        };
        let text = expr.text().trim();
        let field = text.strip_prefix("item.").unwrap_or(text);
        let is_field = field.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !field.starts_with(|c: char| c.is_ascii_digit());
        if !is_field || field.is_empty() || field == "item" {
            let last = text
                .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
                .find(|p| !p.is_empty());
            let name = last
                .filter(|l| l.starts_with(|c: char| c.is_alphabetic()) && *l != "item")
                .unwrap_or("name");
            let message = format!("`{text}` is not a field, so it needs a name");
            let d = Diagnostic::new("E0105", one.at, message);
            reader
                .diagnostics
                .push(d.help(format!("write `by: {{{name}: {text}}}`")));
            right = false;
            continue;
        }
        if let Some(first) = by.iter().find(|b| b.name.text == field) {
            let d = Diagnostic::new(
                "E0202",
                one.at,
                format!("the field `{field}` stands here twice"),
            );
            reader.diagnostics.push(d.also(first.name.at, "first here"));
            right = false;
            continue;
        }
        by.push(Named {
            name: Key {
                text: field.to_owned(),
                at: one.at,
            },
            expr,
        });
    }
    right.then_some(by)
}

impl Step for Grouping {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("group", cx.at));
            return Type::Any;
        }
        let mut fields = Vec::new();
        for by in &self.by {
            fields.push((
                by.name(),
                by.expr
                    .check(input, cx)
                    .map_or(Type::Any, |e| e.ty().clone()),
            ));
        }
        for aggregate in &self.aggregates {
            fields.push((aggregate.name(), aggregate.infer(input, cx)));
        }
        Type::record(fields)
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        for by in &self.by {
            uses.merge(&by.expr.uses(input, env));
        }
        for aggregate in &self.aggregates {
            let Some(argument) = &aggregate.argument else {
                continue;
            };
            match argument.expr(Some(input), env) {
                Ok(expr) if self.is_idle(aggregate, &expr, after) => {}
                Ok(expr) => uses.merge(expr.uses()),
                Err(_) => return Uses::all(Use::Look),
            }
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let mut fields = Vec::new();
        let mut by = Vec::new();
        for named in &self.by {
            let expr = named.expr.checked(input, cx);
            let used = after.of(&named.name.text).is_some();
            if used {
                fields.push((named.name(), expr.ty().clone()));
            }
            by.push(By {
                from: Get::of(&expr, input),
                ty: expr.ty().clone(),
                used,
            });
        }
        let mut results: Vec<Result> = Vec::new();
        let mut columns = Vec::new();
        let mut sharing: Vec<(&Aggregate, usize)> = Vec::new();
        for aggregate in &self.aggregates {
            let expr = aggregate.argument.as_ref().map(|a| a.checked(input, cx));
            if expr
                .as_ref()
                .is_some_and(|e| self.is_idle(aggregate, e, after))
                || (expr.is_none() && after.of(&aggregate.name.text).is_none())
            {
                continue;
            }
            let same = |a: &Aggregate| {
                a.function.shares(aggregate.function)
                    && a.argument.as_ref().map(ExprText::text)
                        == aggregate.argument.as_ref().map(ExprText::text)
            };
            let ty = expr.as_ref().map_or(Type::Null, |e| e.ty().clone());
            let column = match sharing.iter().find(|(a, _)| same(a)) {
                Some((_, column)) => *column,
                None => {
                    columns.push(aggregate.column(expr.as_ref().map(|e| Get::of(e, input)), &ty));
                    sharing.push((aggregate, columns.len() - 1));
                    columns.len() - 1
                }
            };
            let used = after.of(&aggregate.name.text).is_some();
            if used {
                let result = if expr.is_none() {
                    Type::Int
                } else {
                    aggregate.result(&ty)
                };
                fields.push((aggregate.name(), result));
            }
            results.push(Result {
                column,
                percent: aggregate.function.percent(),
                used,
                text: format!("{}: {}", aggregate.name.text, aggregate.text).into(),
            });
        }
        let keys = match by.as_slice() {
            [] => Keys::One { seen: false },
            [one] if one.ty == Type::Int => Keys::Int(IntKeys::default()),
            _ => Keys::Bytes(ByteKeys::default()),
        };
        let has_zero = self.by.is_empty() && self.aggregates.iter().all(|a| a.function.has_zero());
        let out = Type::record(fields);
        let part = Part::new(
            by.into(),
            keys,
            columns,
            results.into(),
            Shape::of(&out),
            has_zero,
        );
        let part = parking_lot::Mutex::new(part);
        let op = match self.every {
            None => Op::Memory(Arc::new(move || Box::new(part.lock().fresh()))),
            Some(every) => Op::Turn(Arc::new(move || {
                Box::new(Window::new(part.lock().fresh(), every))
            })),
        };
        Compiled { out, op }
    }

    fn describe(&self) -> String {
        let by: Vec<String> = self
            .by
            .iter()
            .map(|b| {
                let text = b.expr.text();
                if text == b.name.text {
                    text.to_owned()
                } else {
                    format!("{}: {text}", b.name.text)
                }
            })
            .collect();
        let each: Vec<String> = self
            .aggregates
            .iter()
            .map(|a| format!("{}: {}", a.name.text, a.text))
            .collect();
        let every = self
            .every
            .map(|e| format!(" every {e:?}"))
            .unwrap_or_default();
        match (by.is_empty(), each.is_empty()) {
            (true, _) => format!("group{every} {}", each.join(", ")),
            (false, true) => format!("group{every} by {}", by.join(", ")),
            (false, false) => format!("group{every} by {}; {}", by.join(", "), each.join(", ")),
        }
    }
}

impl Grouping {
    /// Is this an aggregate that nobody uses and that cannot fail either?
    #[allow(clippy::unused_self, reason = "a question about this step's plan")]
    fn is_idle(&self, aggregate: &Aggregate, argument: &Expr, after: &Uses) -> bool {
        let certain = is_safe(argument) && !argument.ty().nullable();
        certain && after.of(&aggregate.name.text).is_none()
    }
}
