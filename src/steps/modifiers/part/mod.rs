//! `if`, `in` and `into`: steps that work on some of the items, on a part of each, or into a part of each.
//!
//! This file is what the checker sees; `run` is what runs. What the modifiers mean together: where `if` is
//! false, the item passes untouched; otherwise the steps work on the value of `in`, and what they make goes
//! `into` a field of the item, or takes its place. Steps that only let pass (`filter`, `write`) give the item
//! itself on, not what they looked at.

mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::{
    Block, CompileCx, Compiled, Convert, Enter, ExprText, Infer, Op, Put, Step, Touches,
};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::{Env, Uses};
use crate::spec::Key;
use crate::value::{Field, Name, RecordType, Shape, Type};
use run::{Recipe, Run};

/// Steps around which one of `if`, `in` and `into` stands; with `if` also a whole block.
#[derive(Debug)]
pub struct Part {
    /// `if`: other items pass untouched.
    pub condition: Option<ExprText>,
    /// `in`: what the steps work on instead of the item.
    pub input: Option<ExprText>,
    /// `into`: the field that takes what they make.
    pub into: Option<Key>,
    /// In order, each with its place.
    pub steps: Vec<(At, Box<dyn Step>)>,
    /// The types that were found, for what comes after.
    found: Mutex<Option<Found>>,
}

/// The types within, before anything is narrowed.
#[derive(Clone, Debug)]
struct Found {
    /// What goes into each step, and what leaves the last.
    before: Vec<Type>,
    /// What leaves the whole.
    out: Type,
}

/// What becomes of what the steps make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Replaces,
    GoesInto,
    /// They only let pass: the item itself goes on.
    LetsPass,
}

impl Part {
    pub fn new(
        condition: Option<ExprText>,
        input: Option<ExprText>,
        into: Option<Key>,
        steps: Vec<(At, Box<dyn Step>)>,
    ) -> Part {
        Part {
            condition,
            input,
            into,
            steps,
            found: Mutex::new(None),
        }
    }

    fn fate(&self) -> Fate {
        if self.into.is_some() {
            Fate::GoesInto
        } else if self.input.is_some() && self.steps.iter().all(|(_, s)| s.lets_pass()) {
            Fate::LetsPass
        } else {
            Fate::Replaces
        }
    }

    fn found(&self) -> Found {
        self.found
            .lock()
            .clone()
            .expect("BUG: a step is used before its types were found")
    }

    /// What is used of what leaves the last step, given what is used of the whole.
    fn used_within(&self, after: &Uses) -> Uses {
        match (self.fate(), &self.into) {
            (Fate::GoesInto, Some(into)) => {
                after.of(&into.text).map_or_else(Uses::nothing, Uses::all)
            }
            (Fate::Replaces, _) => after.clone(),
            _ => Uses::nothing(),
        }
    }

    /// For each step what is used of its input; one more for what leaves the last.
    fn chain(&self, found: &Found, after: &Uses, env: &Env) -> Vec<Uses> {
        let mut uses = vec![self.used_within(after)];
        for ((_, step), input) in self.steps.iter().zip(&found.before).rev() {
            let env = Env {
                item: Some(input.clone()),
                ..env.clone()
            };
            let used = step.uses(input, &uses[uses.len() - 1], &env);
            uses.push(used);
        }
        uses.reverse();
        uses
    }

    /// The item with what the steps made in its field.
    fn infer_into(&self, into: &Key, item: &Type, made: Type, cx: &mut Infer<'_>) -> Type {
        match item {
            Type::Any => Type::Any,
            Type::Record(record) => {
                // Where `if` is false, the field keeps what it had, or has nothing.
                let made = match (&self.condition, record.field(&into.text)) {
                    (Some(_), Some(old)) => made.join(old),
                    (Some(_), None) => made.optional(),
                    (None, _) => made,
                };
                Type::Record(with_field(record, &into.text, made).into())
            }
            other => {
                cx.diagnostics.push(
                    Diagnostic::new("E0304", into.at, format!("`into` needs a record, but the item is {other}"))
                        .help(format!("make one of it first: `map: {{value: item}}`, then `in: value`, `into: {}`", into.text)),
                );
                Type::Any
            }
        }
    }
}

fn with_field(record: &RecordType, name: &str, ty: Type) -> RecordType {
    let mut record = record.clone();
    match record.slot(name) {
        Some(slot) => record.fields[slot].ty = ty,
        None => record.fields.push(Field {
            name: name.into(),
            ty,
        }),
    }
    record
}

impl Step for Part {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(item) = input else {
            let at = self
                .condition
                .as_ref()
                .or(self.input.as_ref())
                .map_or(cx.at, ExprText::at);
            cx.diagnostics.push(
                Diagnostic::new("E0407", at, "a source has no item that this could look at")
                    .help("put it beside one of the steps behind the source"),
            );
            return Type::Any;
        };
        if let Some(condition) = &self.condition {
            condition.check_condition(Some(item), "`if`", cx);
        }
        let first = match &self.input {
            Some(expr) => match expr.check(Some(item), cx).map(|e| e.ty().clone()) {
                // A field that may be missing is taken apart where it is there; null is an item error.
                Some(Type::Optional(of)) if of.as_record().is_some() => of.as_ref().clone(),
                Some(ty) => ty,
                None => Type::Any,
            },
            None => item.clone(),
        };
        let mut before = vec![first];
        for (at, step) in &self.steps {
            let input = before[before.len() - 1].clone();
            let env = Env {
                item: Some(input.clone()),
                ..cx.env.clone()
            };
            let mut cx = Infer {
                env: &env,
                types: cx.types,
                diagnostics: cx.diagnostics,
                at: *at,
                folder: cx.folder,
            };
            before.push(step.infer(Some(&input), &mut cx));
        }
        let made = before[before.len() - 1].clone();
        let out = match (self.fate(), &self.into) {
            (Fate::GoesInto, Some(into)) => self.infer_into(into, item, made, cx),
            (Fate::LetsPass, _) => item.clone(),
            _ if self.condition.is_some() => made.join(item),
            _ => made,
        };
        *self.found.lock() = Some(Found {
            before,
            out: out.clone(),
        });
        out
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        if let Some(condition) = &self.condition {
            uses.merge(&condition.uses(input, env));
        }
        match &self.input {
            Some(expr) => uses.merge(&expr.uses(input, env)),
            None => uses.merge(&self.chain(&self.found(), after, env)[0]),
        }
        match (self.fate(), &self.into) {
            (Fate::GoesInto, Some(into)) => {
                let mut rest = after.clone();
                let how = rest.fields.remove(into.text.as_str());
                // An item that `if` lets pass keeps the field that it had.
                if let (Some(_), Some(how)) = (&self.condition, how) {
                    rest.field(&Name::from(into.text.as_str()), how);
                }
                uses.merge(&rest);
            }
            (Fate::Replaces, _) if self.condition.is_none() => {}
            _ => uses.merge(after),
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let item = input.expect("BUG: a source with a part");
        let found = self.found();
        let needs = self.chain(&found, after, cx.env);
        let work = match &self.input {
            Some(_) => needs[0].narrow(&found.before[0]),
            None => item.clone(),
        };
        let mut steps = Vec::with_capacity(self.steps.len());
        let mut ty = work.clone();
        for ((_, step), uses) in self.steps.iter().zip(&needs[1..]) {
            let env = Env {
                item: Some(ty.clone()),
                ..cx.env.clone()
            };
            let cx = CompileCx { env: &env, ..*cx };
            let compiled = step.compile(Some(&ty), uses, &cx);
            ty = compiled.out.clone();
            steps.push(compiled);
        }
        let out = match (self.fate(), &found.out) {
            (Fate::GoesInto, Type::Record(full)) => {
                let mut kept = full.as_ref().clone();
                if after.rest.is_none() && kept.rest.is_none() {
                    kept.fields.retain(|f| after.of(&f.name).is_some());
                }
                Type::Record(kept.into())
            }
            (Fate::LetsPass, _) => item.clone(),
            (Fate::Replaces, _) if self.condition.is_none() => ty.clone(),
            (_, full) => after.narrow(full),
        };
        let recipe = Arc::new(Recipe {
            condition: self.condition.as_ref().map(|c| c.compile(input, cx)),
            input: self.input.as_ref().map(|e| e.compile(input, cx)),
            work: Shape::of(&work),
            into: self.into.as_ref().map(|k| Name::from(k.text.as_str())),
            fate: self.fate(),
            out: Shape::of(&out),
            fit: Convert::to(&out),
        });
        let enter = Enter {
            make: Arc::new(move || Box::new(Run::new(recipe.clone()))),
            guards: Vec::new(),
            limits: Vec::new(),
            until: false,
            timed: false,
        };
        Compiled {
            out,
            op: Op::Block(Block { enter, steps }),
        }
    }

    fn touches(&self, cx: &CompileCx<'_>) -> Touches {
        let mut all = Touches::default();
        for (_, step) in &self.steps {
            all.merge(step.touches(cx));
        }
        all
    }

    fn steps(&self) -> Vec<&dyn Step> {
        self.steps.iter().map(|(_, s)| &**s).collect()
    }

    fn is_sink(&self) -> bool {
        self.steps.last().is_some_and(|(_, s)| s.is_sink())
    }

    fn is_source(&self) -> bool {
        // It cannot be one, but that is for `infer` to say.
        self.steps.first().is_some_and(|(_, s)| s.is_source())
    }

    fn lets_pass(&self) -> bool {
        self.into.is_none() && self.steps.iter().all(|(_, s)| s.lets_pass())
    }

    fn puts(&self) -> Vec<Put<'_>> {
        self.steps.iter().flat_map(|(_, s)| s.puts()).collect()
    }

    fn writes(&self) -> Option<String> {
        self.steps.iter().find_map(|(_, s)| s.writes())
    }

    fn describe(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        if let Some(c) = &self.condition {
            let _ = write!(text, "if {}: ", c.text());
        }
        if let Some(e) = &self.input {
            let _ = write!(text, "in {}: ", e.text());
        }
        let steps: Vec<String> = self.steps.iter().map(|(_, s)| s.describe()).collect();
        text.push_str(&steps.join(", "));
        if let Some(k) = &self.into {
            let _ = write!(text, " into {}", k.text);
        }
        text
    }
}
