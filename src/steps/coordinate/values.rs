//! `add` and `store`: shared values and elements of arrays are changed.

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::words::{Named, a, no_item};
use super::super::{
    BatchStep, CompileCx, Compiled, Cx, ExprText, Flow, Group, Infer, ItemError, ItemErrorKind, Op,
    Reader, Step, StepDef, Touches,
};
use crate::diagnostic::{At, Diagnostic, nearest};
use crate::expr::{Code, Env, Scope, Uses};
use crate::spec::{Key, Node, Text};
use crate::sync::{Commons, Target};
use crate::value::{Batch, Blocks, Cell, Row, Type};

pub(in super::super) static ADD: StepDef = StepDef {
    name: "add",
    group: Group::Coordinate,
    summary: "Adds to shared values and elements of arrays, each at once, whoever else adds.",
    main: None,
    options: &[],
    names: true,
    example: "- range: 3\n- add: {total: item, 'histogram[item % 10]': 1}\n",
    read: |node, reader| read(Does::Add, node, reader),
};

pub(in super::super) static STORE: StepDef = StepDef {
    name: "store",
    group: Group::Coordinate,
    summary: "Puts other values in the place of shared values and elements of arrays.",
    main: None,
    options: &[],
    names: true,
    example: "- range: 3\n- store: {total: item}\n",
    read: |node, reader| read(Does::Store, node, reader),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Add,
    Store,
}

impl Does {
    fn name(self) -> &'static str {
        match self {
            Does::Add => "add",
            Does::Store => "store",
        }
    }
}

#[derive(Debug)]
struct Change {
    does: Does,
    parts: Vec<Part>,
    /// Where each part goes, once names are known: a value's number, or an array's (`true`).
    places: Mutex<Vec<(bool, u32)>>,
}

/// `total: bytes`, or `"histogram[status / 100]": 1`.
#[derive(Debug)]
struct Part {
    name: Key,
    index: Option<ExprText>,
    by: ExprText,
}

fn read(does: Does, node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let named = Named::read(node, &format!("`{}`", does.name()), reader)?;
    let parts: Option<Vec<Part>> = named.into_iter().map(|n| part(n, reader)).collect();
    Some(Box::new(Change {
        does,
        parts: parts?,
        places: Mutex::default(),
    }))
}

fn part(named: Named, reader: &mut Reader<'_>) -> Option<Part> {
    let Named { name, expr: by } = named;
    let Some(open) = name.text.find('[') else {
        let index = None;
        return Some(Part { name, index, by });
    };
    if !name.text.ends_with(']') {
        let message = format!("`{}` has a `[` without its `]` at the end", name.text);
        reader.error("E0105", name.at, message);
        return None;
    }
    let text = name.text[open + 1..name.text.len() - 1].to_owned();
    // Within quotes, everything stands one byte further.
    let quotes = usize::from(name.at.end - name.at.start > name.text.len() as u32);
    let from = name.at.start as usize + quotes + open + 1;
    let at = At::new(from, from + text.len());
    let index = ExprText::of(&Text::verbatim(text, at));
    let name = Key {
        text: name.text[..open].trim_end().to_owned(),
        at: name.at,
    };
    Some(Part {
        name,
        index: Some(index),
        by,
    })
}

impl Change {
    fn place(&self, part: &Part, cx: &mut Infer<'_>) -> Option<(bool, u32, Type)> {
        let find = |list: &[(crate::value::Name, Type)]| {
            list.iter()
                .zip(0..)
                .find(|((n, _), _)| **n == *part.name.text)
                .map(|((_, ty), i)| (i, ty.clone()))
        };
        let name = &part.name.text;
        let array = part.index.is_some();
        match (find(&cx.env.values), find(&cx.env.arrays)) {
            (Some((i, ty)), _) if !array => return Some((false, i, ty)),
            (_, Some((i, ty))) if array => return Some((true, i, ty)),
            (Some(_), _) => cx.diagnostics.push(
                Diagnostic::new(
                    "E0502",
                    part.name.at,
                    format!("`{name}` is a value, it has no elements"),
                )
                .help(format!("write `{name}:`, or declare it under `arrays:`")),
            ),
            (_, Some(_)) => cx.diagnostics.push(
                Diagnostic::new(
                    "E0502",
                    part.name.at,
                    format!("`{name}` is an array, and one of its elements is changed"),
                )
                .help(format!(
                    "write `\"{name}[0]\":` with the index that you mean"
                )),
            ),
            (None, None) => {
                let what = if array { "array" } else { "value" };
                let d = Diagnostic::new(
                    "E0201",
                    part.name.at,
                    format!("there is no {what} `{name}`"),
                );
                let env = cx.env;
                let known = env.values.iter().chain(&env.arrays).map(|(n, _)| &**n);
                cx.diagnostics.push(match nearest(name, known) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None if array => d.help(format!(
                        "declare it: `arrays: {{{name}: {{of: int, length: 10}}}}`"
                    )),
                    None => d.help(format!("declare it: `values: {{{name}: int}}`")),
                });
            }
        }
        None
    }

    /// Is this what can be put there?
    fn check(&self, part: &Part, into: &Type, input: Option<&Type>, cx: &mut Infer<'_>) {
        let Some(expr) = part.by.check(input, cx) else {
            return;
        };
        let got = expr.ty().required();
        let fits = match (self.does, into) {
            _ if *got == Type::Any => true,
            (_, Type::Double) => matches!(got, Type::Int | Type::Double),
            (Does::Store, into) | (Does::Add, into @ Type::Int) => got == into,
            (Does::Add, _) => {
                let message = format!(
                    "`{}` is {}, to which nothing can be added",
                    part.name.text,
                    a(into)
                );
                cx.diagnostics.push(
                    Diagnostic::new("E0303", part.name.at, message)
                        .help("write `store` to replace it"),
                );
                return;
            }
        };
        if !fits {
            let message = format!(
                "`{}` is {}, but `{}` is {}",
                part.name.text,
                a(into),
                part.by.text(),
                a(got)
            );
            let mut d = Diagnostic::new("E0303", part.by.at(), message);
            if *into == Type::Int && *got == Type::Double {
                d = d.help(format!(
                    "write `int({})`, or declare it as a double",
                    part.by.text()
                ));
            }
            cx.diagnostics.push(d);
        }
    }
}

impl Step for Change {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(item) = input else {
            cx.diagnostics.push(no_item(self.does.name(), cx.at));
            return Type::Any;
        };
        let mut places = Vec::new();
        for part in &self.parts {
            if let Some(index) = &part.index
                && let Some(expr) = index.check(input, cx)
                && !matches!(expr.ty().required(), Type::Int | Type::Any)
            {
                let message = format!(
                    "an index is an int, but `{}` is {}",
                    index.text(),
                    a(expr.ty())
                );
                cx.diagnostics
                    .push(Diagnostic::new("E0303", index.at(), message));
            }
            let Some((array, number, of)) = self.place(part, cx) else {
                part.by.check(input, cx);
                continue;
            };
            self.check(part, &of, input, cx);
            places.push((array, number));
        }
        *self.places.lock() = places;
        item.clone()
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        for part in &self.parts {
            uses.merge(&part.by.uses(input, env));
            if let Some(index) = &part.index {
                uses.merge(&index.uses(input, env));
            }
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let places = self.places.lock();
        let of = |(array, number): (bool, u32)| {
            let list = if array {
                &cx.env.arrays
            } else {
                &cx.env.values
            };
            list[number as usize].1.clone()
        };
        let parts: Arc<[Ready]> = self
            .parts
            .iter()
            .zip(&*places)
            .map(|(part, place)| Ready {
                number: place.1,
                index: part.index.as_ref().map(|i| i.compile(input, cx)),
                by: part.by.compile(input, cx),
                of: of(*place),
                constant: part.by.checked(input, cx).constant(),
                name: part.name.text.clone(),
            })
            .collect();
        let does = self.does;
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Each(Arc::new(move || {
                Box::new(Run {
                    does,
                    parts: parts.clone(),
                })
            })),
        }
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn touches(&self, _: &CompileCx<'_>) -> Touches {
        let mut touches = Touches::default();
        for (array, number) in &*self.places.lock() {
            if *array {
                touches.arrays.push(*number);
            } else {
                touches.values.push(*number);
            }
        }
        touches
    }

    fn describe(&self) -> String {
        let each = self.parts.iter().map(|p| {
            let index = p
                .index
                .as_ref()
                .map_or(String::new(), |i| format!("[{}]", i.text()));
            format!("{}{index}: {}", p.name.text, p.by.text())
        });
        format!(
            "{} {{{}}}",
            self.does.name(),
            each.collect::<Vec<_>>().join(", ")
        )
    }
}

/// A part, ready to run.
struct Ready {
    number: u32,
    index: Option<Code>,
    by: Code,
    of: Type,
    constant: Option<Cell>,
    name: String,
}

impl Ready {
    fn amount(&self, row: Row<'_>, scope: &Scope) -> Result<Cell, ItemError> {
        if let Some(constant) = &self.constant {
            return Ok(constant.clone());
        }
        Ok(match self.of {
            Type::Int => Cell::Int(self.by.int(row, scope)?),
            Type::Double => Cell::Double(self.by.double(row, scope)?),
            _ => {
                let mut blocks = Blocks::new();
                let cell = self.by.cell(row, scope, &mut blocks)?;
                if cell.is_null() {
                    let message = format!("null cannot be stored in `{}`", self.name);
                    return Err(ItemError::new(ItemErrorKind::Type, message));
                }
                cell.detach(&blocks)
            }
        })
    }

    fn run(
        &self,
        does: Does,
        row: Row<'_>,
        scope: &Scope,
        commons: &Commons,
    ) -> Result<(), ItemError> {
        let target = match &self.index {
            None => Target::Value(self.number),
            Some(index) => {
                let i = index.int(row, scope)?;
                let i = usize::try_from(i).map_err(|_| {
                    let message = format!("`{}` has no element {i}", self.name);
                    ItemError::new(ItemErrorKind::Expression, message)
                })?;
                Target::Element(self.number, i)
            }
        };
        let amount = self.amount(row, scope)?;
        let done = match does {
            Does::Add => commons.values.add(target, &amount),
            Does::Store => commons.values.store(target, &amount),
        };
        done.map_err(|message| {
            ItemError::new(
                ItemErrorKind::Expression,
                format!("`{}`: {message}", self.name),
            )
        })
    }
}

struct Run {
    does: Does,
    parts: Arc<[Ready]>,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let (does, parts) = (self.does, &self.parts);
        batch.retain_rows(|origin, row| {
            for part in &**parts {
                if let Err(error) = part.run(does, row, cx.scope, cx.commons) {
                    cx.fail(origin, row, error);
                    return false;
                }
            }
            true
        });
        Flow::Next(batch)
    }
}

/// The values and arrays (`true`) that an expression names, by their numbers. Found in its text, strings and
/// all: one too many does no harm, since whoever watches it only looks again.
pub(in super::super) fn named_in(text: &str, env: &Env) -> Vec<(bool, u32)> {
    let mut named = Vec::new();
    for (array, word, list) in [
        (false, "values", &env.values),
        (true, "arrays", &env.arrays),
    ] {
        for ((name, _), number) in list.iter().zip(0..) {
            if names(text, word, name) {
                named.push((array, number));
            }
        }
    }
    named
}

fn names(text: &str, word: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].trim_end();
        let dotted = before
            .strip_suffix('.')
            .is_some_and(|b| b.trim_end().ends_with(word));
        let indexed = before
            .trim_end_matches(['"', '\''])
            .trim_end()
            .ends_with('[');
        (dotted || indexed) && !text[at + name.len()..].starts_with(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_that_an_expression_names_are_found() {
        let env = Env {
            values: vec![
                ("stock".into(), Type::Int),
                ("stock_max".into(), Type::Int),
                ("open".into(), Type::Bool),
            ],
            arrays: vec![("stock".into(), Type::Int)],
            ..Env::default()
        };
        for (text, found) in [
            ("values.stock > 0", vec![(false, 0)]),
            (
                "values . stock_max > 0 || values.open",
                vec![(false, 1), (false, 2)],
            ),
            ("arrays.stock[0] > 0", vec![(true, 0)]),
            ("values['stock'] > 0", vec![(false, 0), (true, 0)]),
            ("stock > 0", vec![]),
        ] {
            assert_eq!(named_in(text, &env), found, "{text}");
        }
    }
}
