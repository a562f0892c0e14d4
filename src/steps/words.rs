//! The words of a step: expressions as they were written, with their places kept, so that a mistake in the
//! middle of an expression is shown in the middle of it.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{CompileCx, Infer, Reader, StepDef};
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::expr::{self, Code, Env, Expr, Problem, Use, Uses};
use crate::spec::{Key, Node, Text, forms};
use crate::value::{Name, RecordType, Type};

/// For which item, and what came of it.
type Checked = Option<(Option<Type>, Expr)>;

/// An expression as it was written; it remembers how it was last checked.
#[derive(Clone, Debug)]
pub struct ExprText {
    text: Text,
    checked: Arc<Mutex<Checked>>,
}

impl ExprText {
    /// Reads an expression; a YAML number, bool or null is one too.
    pub fn read(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<ExprText> {
        reader.expression(node, what).map(ExprText::new)
    }

    /// An expression that is no option of a step (`if`, a route's condition).
    pub fn of(text: &Text) -> ExprText {
        ExprText::new(text.clone())
    }

    fn new(text: Text) -> ExprText {
        ExprText {
            text,
            checked: Arc::default(),
        }
    }

    pub fn text(&self) -> &str {
        &self.text.text
    }

    /// The whole scalar, its quotes included.
    pub fn at(&self) -> At {
        self.text.at
    }

    /// The place in the file of these bytes of the text.
    pub fn place(&self, range: Range<usize>) -> At {
        self.text.place(range)
    }

    /// A part of it as an expression of its own (the argument of an aggregate).
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> ExprText {
        ExprText::new(self.text.part(range))
    }

    /// The checked expression for items of this type.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn expr(&self, item: Option<&Type>, env: &Env) -> Result<Expr, Vec<Problem>> {
        if let Some((ty, expr)) = &*self.checked.lock()
            && ty.as_ref() == item
        {
            return Ok(expr.clone());
        }
        let expr = if env.item.as_ref() == item {
            expr::check(self.text(), env)?
        } else {
            expr::check(
                self.text(),
                &Env {
                    item: item.cloned(),
                    ..env.clone()
                },
            )?
        };
        *self.checked.lock() = Some((item.cloned(), expr.clone()));
        Ok(expr)
    }

    /// Checks it and says every mistake and every doubt; `None` where there was a mistake.
    pub fn check(&self, item: Option<&Type>, cx: &mut Infer<'_>) -> Option<Expr> {
        match self.expr(item, cx.env) {
            Ok(expr) => {
                self.say(expr.warnings(), cx.diagnostics);
                Some(expr)
            }
            Err(problems) => {
                self.say(&problems, cx.diagnostics);
                None
            }
        }
    }

    /// As [`ExprText::check`], for a condition: it must be a bool.
    pub fn check_condition(
        &self,
        item: Option<&Type>,
        what: &str,
        cx: &mut Infer<'_>,
    ) -> Option<Expr> {
        let expr = self.check(item, cx)?;
        if matches!(expr.ty(), Type::Optional(t) if **t == Type::Bool) {
            let message = format!("`{}` may be null, and {what} needs a bool", self.text());
            let d = Diagnostic::new("W0301", self.at(), message);
            cx.diagnostics
                .push(d.help(format!("write `{} == true`", self.text())));
        }
        match expr.ty().required() {
            Type::Bool | Type::Any => Some(expr),
            other => {
                let message = format!("{what} needs a bool, but `{}` is {}", self.text(), a(other));
                let mut d = Diagnostic::new("E0303", self.at(), message);
                d = match other {
                    Type::String => d.help(format!(
                        "write `{} != \"\"` for \"is not empty\"",
                        self.text()
                    )),
                    Type::Int => d.help(format!("write `{} != 0`", self.text())),
                    Type::Double => d.help(format!("write `{} != 0.0`", self.text())),
                    _ => d.help("compare it with something: `==`, `!=`, `<` ..."),
                };
                cx.diagnostics.push(d);
                None
            }
        }
    }

    /// What it uses of an item of this type; everything where it was not right.
    pub fn uses(&self, item: &Type, env: &Env) -> Uses {
        self.expr(Some(item), env)
            .map_or_else(|_| Uses::all(Use::Look), |e| e.uses().clone())
    }

    /// The expression as it was checked, for compiling.
    ///
    /// # Panics
    /// Where it was never right: only files without errors are compiled.
    pub fn checked(&self, item: Option<&Type>, cx: &CompileCx<'_>) -> Expr {
        let known = self.checked.lock().as_ref().map(|(_, expr)| expr.clone());
        known.unwrap_or_else(|| {
            self.expr(item, cx.env)
                .unwrap_or_else(|p| panic!("BUG: compiled unchecked: {} {p:?}", self.text()))
        })
    }

    /// The code for rows of this (narrowed) type.
    pub fn compile(&self, item: Option<&Type>, cx: &CompileCx<'_>) -> Code {
        self.checked(item, cx).compile(item)
    }

    /// What is wrong with it, said at its place.
    pub fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let at = self.place(problem.range.clone());
        let d = Diagnostic::new(problem.code, at, problem.message.clone());
        match &problem.help {
            Some(help) => d.help(help.clone()),
            None => d,
        }
    }

    /// Says everything that is wrong with it.
    pub fn say(&self, problems: &[Problem], diagnostics: &mut Diagnostics) {
        for problem in problems {
            diagnostics.push(self.diagnostic(problem));
        }
    }
}

/// A step's options, in short form or long.
#[derive(Debug)]
pub(super) struct Args<'n> {
    step: &'static str,
    at: At,
    /// The short form: the option that it gives, and what it gives.
    short: Option<(&'static str, &'n Node)>,
    /// `None`: neither form was written, which has been said.
    long: Option<&'n [(Key, Node)]>,
}

impl<'n> Args<'n> {
    /// Sorts out which form was written; unknown options are said.
    pub(super) fn of(node: &'n Node, def: &StepDef, reader: &mut Reader<'_>) -> Args<'n> {
        let mut args = Args {
            step: def.name,
            at: reader.at,
            short: None,
            long: None,
        };
        match def.main {
            Some(main) if node.as_map().is_none() => args.short = Some((main, node)),
            _ if node.as_map().is_some() => {
                let known: Vec<&str> = def.options.iter().map(|o| o.name).collect();
                args.long = Some(reader.options(node, &known));
            }
            _ => {
                let names: Vec<&str> = def.options.iter().map(|o| o.name).collect();
                let message = format!(
                    "`{}` needs a mapping of {}, not {}",
                    def.name,
                    names.join(", "),
                    node.describe()
                );
                reader.error("E0105", node.at, message);
            }
        }
        args
    }

    pub(super) fn get(&self, option: &str) -> Option<&'n Node> {
        match self.short {
            Some((main, node)) if main == option => Some(node),
            _ => self
                .long?
                .iter()
                .find(|(key, _)| key.text == option)
                .map(|(_, node)| node),
        }
    }

    /// An option that must be there.
    pub(super) fn need(&self, option: &str, reader: &mut Reader<'_>) -> Option<&'n Node> {
        let found = self.get(option);
        // Under another tool's name it is there, which was said.
        let meant = self.long.is_some_and(|long| {
            let elsewhere = |key: &Key| forms::elsewhere(&key.text, &[option]).is_some();
            long.iter().any(|(key, _)| elsewhere(key))
        });
        if found.is_none() && !meant && (self.short.is_some() || self.long.is_some()) {
            reader.error(
                "E0106",
                self.at,
                format!("`{}` needs `{option}`", self.step),
            );
        }
        found
    }
}

/// A name of the user's, and the expression for it.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: Key,
    pub expr: ExprText,
}

impl Named {
    /// A mapping of the user's names to expressions.
    pub fn read(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Vec<Named>> {
        let Some(map) = node.as_map() else {
            let message = format!(
                "{what} must be a mapping of names to expressions, not {}",
                node.describe()
            );
            reader.error("E0105", node.at, message);
            return None;
        };
        if map.is_empty() {
            reader.error("E0105", node.at, format!("{what} names no field"));
            return None;
        }
        let read: Vec<Option<Named>> = map
            .iter()
            .map(|(name, node)| {
                let what = format!("`{}`", name.text);
                Some(Named {
                    name: name.clone(),
                    expr: ExprText::read(node, &what, reader)?,
                })
            })
            .collect();
        read.into_iter().collect()
    }

    pub fn name(&self) -> Name {
        Name::from(self.name.text.as_str())
    }

    /// For a step's one line: `{a: x, b: y}`.
    pub fn list(all: &[Named]) -> String {
        let each: Vec<String> = all
            .iter()
            .map(|n| format!("{}: {}", n.name.text, n.expr.text()))
            .collect();
        format!("{{{}}}", each.join(", "))
    }
}

/// A list of the user's field names (or one).
pub(super) fn field_names(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Vec<Key>> {
    let mut names: Vec<Key> = Vec::new();
    let mut right = true;
    for one in node.one_or_more() {
        let Some(text) = one.as_str().filter(|t| !t.is_empty()) else {
            reader.error(
                "E0105",
                one.at,
                format!("{what} must be names of fields, not {}", one.describe()),
            );
            right = false;
            continue;
        };
        if let Some(first) = names.iter().find(|k| k.text == text) {
            let d = Diagnostic::new(
                "E0202",
                one.at,
                format!("the field `{text}` stands here twice"),
            );
            reader.diagnostics.push(d.also(first.at, "first here"));
            right = false;
            continue;
        }
        names.push(Key {
            text: text.to_owned(),
            at: one.at,
        });
    }
    if right && names.is_empty() {
        reader.error(
            "E0105",
            node.at,
            format!("{what} must be names of fields, not an empty list"),
        );
        right = false;
    }
    right.then_some(names)
}

/// That a record has no such field, and what it has.
pub(super) fn unknown_field(name: &str, at: At, record: &RecordType) -> Diagnostic {
    let d = Diagnostic::new("E0302", at, format!("the item has no field `{name}`"));
    let known: Vec<&str> = record.fields.iter().map(|f| &*f.name).collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => d.help("it has no fields at all"),
        None => d.help(format!("its fields are {}", known.join(", "))),
    }
}

/// The record that a step needs, or an error that says what the item is. An item of type `any` counts as a
/// record all of whose fields are open: whether it is one is seen when it runs.
pub(super) fn record_of(
    input: Option<&Type>,
    step: &str,
    cx: &mut Infer<'_>,
) -> Option<Arc<RecordType>> {
    match input {
        Some(Type::Record(record)) => Some(record.clone()),
        Some(Type::Any) => Some(Arc::new(RecordType {
            fields: Vec::new(),
            rest: Some(Type::Any),
        })),
        Some(Type::Optional(of)) if of.as_record().is_some() => {
            let d = Diagnostic::new(
                "E0304",
                cx.at,
                format!("`{step}` needs a record, but the item may be null"),
            );
            cx.diagnostics
                .push(d.help("put `filter: item != null` before it"));
            None
        }
        Some(other) => {
            let d = Diagnostic::new(
                "E0304",
                cx.at,
                format!("`{step}` needs a record, but the item is {}", a(other)),
            );
            cx.diagnostics
                .push(d.help("make a record of it first: `map: {text: item}`"));
            None
        }
        None => {
            cx.diagnostics.push(no_item(step, cx.at));
            None
        }
    }
}

/// That a step cannot be a source.
pub(super) fn no_item(step: &str, at: At) -> Diagnostic {
    Diagnostic::new(
        "E0404",
        at,
        format!("`{step}` needs items, but nothing comes before it"),
    )
    .help("say where they come from: `from: STAGE`, or begin with a source such as `read`")
}

/// A type with its article: "a string", "an int".
pub(super) fn a(ty: &Type) -> String {
    match ty {
        Type::Any => "of any type".into(),
        Type::Null => "null".into(),
        Type::Bytes => "bytes".into(),
        Type::Int => "an int".into(),
        Type::List(_) => format!("a list ({ty})"),
        Type::Record(_) => format!("a record ({ty})"),
        other => format!("a {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Scalar, Value};

    #[test]
    fn a_mistake_in_an_argument_is_shown_where_it_stands_in_the_file() {
        let file = "hits: count(status >= 500)";
        let text = &file[6..];
        let node = Node::new(
            Value::Scalar(Scalar::String {
                text: text.into(),
                plain: true,
            }),
            At::new(6, file.len()),
        );
        let mut diagnostics = Diagnostics::default();
        let mut reader = Reader {
            diagnostics: &mut diagnostics,
            step: "group",
            at: node.at,
        };
        let whole = ExprText::read(&node, "an aggregate", &mut reader).unwrap();
        let argument = whole.part(6..19);
        assert_eq!(argument.text(), "status >= 500");
        let problem = Problem {
            code: "E0303",
            range: 10..13,
            message: "wrong".into(),
            help: None,
        };
        let at = argument.diagnostic(&problem).at;
        assert_eq!(&file[at.start as usize..at.end as usize], "500");
    }
}
