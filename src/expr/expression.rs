//! An expression that has been checked.

use std::ops::Range;
use std::sync::Arc;

use cel_core::{CheckResult, Expr as Ast, SpannedExpr};

use super::{Code, Env, Problem, Use, Uses, library};
use crate::diagnostic::nearest;
use crate::value::{Cell, Name, Type};

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Expr(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub text: String,
    pub ast: SpannedExpr,
    pub ty: Type,
    pub uses: Uses,
    pub env: Arc<Env>,
    checked: Arc<CheckResult>,
    warnings: Vec<Problem>,
}

/// Checks a CEL expression against an environment.
///
/// # Errors
/// Every mistake in it.
pub fn check(text: &str, env: &Env) -> Result<Expr, Vec<Problem>> {
    let parsed = cel_core::parse(text);
    let syntax: Vec<Problem> = parsed
        .errors
        .iter()
        .map(|e| syntax_problem(text, &e.message, e.span.clone()))
        .collect();
    let (Some(ast), true) = (parsed.ast, syntax.is_empty()) else {
        return Err(if syntax.is_empty() {
            vec![problem("E0301", 0..text.len(), "no expression")]
        } else {
            syntax
        });
    };
    let env = Arc::new(env.clone());
    let mut cel = library::base().clone();
    for (name, ty) in variables(&env) {
        cel.add_variable(&*name, library::cel_type(&ty));
    }
    let checked = cel.check(&ast);
    if !checked.errors.is_empty() {
        return Err(checked
            .errors
            .iter()
            .map(|e| check_problem(e, &env))
            .collect());
    }
    let checked = Arc::new(checked);
    Ok(Expr::new(text, ast, env, checked))
}

fn problem(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Problem {
    Problem {
        code,
        range,
        message: message.into(),
        help: None,
    }
}

fn syntax_problem(text: &str, message: &str, range: Range<usize>) -> Problem {
    let mut p = problem("E0301", range, message);
    if let Some(at) = text.find("${") {
        let name = text[at + 2..].split('}').next().unwrap_or_default();
        p.range = at..(at + 3 + name.len()).min(text.len());
        p.message = "${} does not work in an expression".into();
        p.help = Some(format!("write params.{name}"));
    }
    p
}

fn check_problem(e: &cel_core::CheckError, env: &Env) -> Problem {
    let mut p = problem("E0303", e.span.clone(), e.message());
    if let cel_core::CheckErrorKind::UndeclaredReference { name, .. } = &e.kind {
        let names: Vec<String> = variables(env)
            .into_iter()
            .map(|(n, _)| n.to_string())
            .collect();
        p.code = "E0302";
        p.message = format!("no field {name:?}");
        p.help = Some(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("known are {}", names.join(", ")),
        });
    }
    p
}

/// The variables: fields of the item by their own names, and the fixed ones.
pub(super) fn variables(env: &Env) -> Vec<(Name, Type)> {
    let mut all: Vec<(Name, Type)> = Vec::new();
    if let Some(item) = &env.item {
        if let Some(record) = item.as_record() {
            all.extend(record.fields.iter().map(|f| (f.name.clone(), f.ty.clone())));
        }
        all.push(("item".into(), item.clone()));
    }
    all.push(("params".into(), Type::record(env.params.clone())));
    all.push(("values".into(), Type::record(env.values.clone())));
    all.push(("worker".into(), Type::Int));
    all.push((
        "run".into(),
        Type::record([
            ("start".into(), Type::Timestamp),
            ("failed".into(), Type::Bool),
        ]),
    ));
    all
}

impl Expr {
    fn new(text: &str, ast: SpannedExpr, env: Arc<Env>, checked: Arc<CheckResult>) -> Expr {
        let mut uses = Uses::nothing();
        collect(&ast, &env, &mut uses);
        let ty = type_of(&ast, &env, &checked);
        Expr(Arc::new(Inner {
            text: text.into(),
            ast,
            ty,
            uses,
            env,
            checked,
            warnings: Vec::new(),
        }))
    }

    /// A map literal with constant keys is a record; a ternary and a list have the type that takes all parts.
    pub fn ty(&self) -> &Type {
        &self.0.ty
    }

    /// The fields of the item that it uses.
    pub fn uses(&self) -> &Uses {
        &self.0.uses
    }

    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What is right but may fail when it runs (W0301).
    pub fn warnings(&self) -> &[Problem] {
        &self.0.warnings
    }

    /// The field, where the expression is nothing but a field of the item.
    pub fn as_field(&self) -> Option<&Name> {
        let record = self.0.env.item.as_ref()?.as_record()?;
        let name = field(&self.0.ast, &self.0.env)?;
        record
            .fields
            .iter()
            .map(|f| &f.name)
            .find(|n| ***n == *name)
    }

    /// The value of a literal.
    pub fn constant(&self) -> Option<Cell> {
        Some(match &self.0.ast.node {
            Ast::Null => Cell::Null,
            Ast::Bool(b) => Cell::Bool(*b),
            Ast::Int(i) => Cell::Int(*i),
            Ast::Float(d) => Cell::Double(*d),
            Ast::String(s) => Cell::str(s),
            _ => return None,
        })
    }

    /// A map literal with constant keys, taken apart.
    pub fn record(&self) -> Option<Vec<(Name, Expr)>> {
        let Ast::Map(entries) = &self.0.ast.node else {
            return None;
        };
        entries
            .iter()
            .map(|e| match &e.key.node {
                Ast::String(key) if !e.optional => {
                    let text = &self.0.text[e.value.span.clone()];
                    Some((
                        Name::from(&**key),
                        Expr::new(
                            text,
                            e.value.clone(),
                            self.0.env.clone(),
                            self.0.checked.clone(),
                        ),
                    ))
                }
                _ => None,
            })
            .collect()
    }

    /// Compiles for rows of this (narrowed) type: slots are resolved here.
    pub fn compile(&self, item: Option<&Type>) -> Code {
        Code::new(&self.0, item)
    }
}

/// The name of a field of the item: `name` or `item.name`.
fn field<'a>(ast: &'a SpannedExpr, env: &Env) -> Option<&'a str> {
    match &ast.node {
        Ast::Ident(name) => Some(name),
        Ast::Member {
            expr,
            field,
            optional: false,
        } if env.item.is_some() => match &expr.node {
            Ast::Ident(item) if item == "item" => Some(field),
            _ => None,
        },
        _ => None,
    }
}

fn collect(ast: &SpannedExpr, env: &Env, uses: &mut Uses) {
    let record = env.item.as_ref().and_then(Type::as_record);
    if let Some(name) = field(ast, env)
        && let Some(f) = record.and_then(|r| r.fields.iter().find(|f| *f.name == *name))
    {
        uses.field(&f.name, Use::Look);
        return;
    }
    let mut go = |e: &SpannedExpr| collect(e, env, uses);
    match &ast.node {
        Ast::Ident(name) if name == "item" => uses.merge(&Uses::all(Use::Look)),
        Ast::List(list) => list.iter().for_each(|e| go(&e.expr)),
        Ast::Map(entries) => entries.iter().for_each(|e| {
            go(&e.key);
            go(&e.value);
        }),
        Ast::Unary { expr, .. } | Ast::Member { expr, .. } | Ast::MemberTestOnly { expr, .. } => {
            go(expr)
        }
        Ast::Binary { left, right, .. } => {
            go(left);
            go(right);
        }
        Ast::Ternary {
            cond,
            then_expr,
            else_expr,
        } => {
            go(cond);
            go(then_expr);
            go(else_expr);
        }
        Ast::Index { expr, index, .. } => {
            go(expr);
            go(index);
        }
        Ast::Call { expr, args } => {
            if let Ast::Member { expr, .. } = &expr.node {
                go(expr);
            }
            args.iter().for_each(go);
        }
        Ast::Comprehension(c) => {
            for e in [
                &c.iter_range,
                &c.accu_init,
                &c.loop_condition,
                &c.loop_step,
                &c.result,
            ] {
                go(e);
            }
        }
        Ast::Bind { init, body, .. } => {
            go(init);
            go(body);
        }
        _ => {}
    }
}

fn type_of(ast: &SpannedExpr, env: &Env, checked: &CheckResult) -> Type {
    let record = env.item.as_ref().and_then(Type::as_record);
    if let Some(name) = field(ast, env)
        && let Some(f) = record.and_then(|r| r.fields.iter().find(|f| *f.name == *name))
    {
        return f.ty.clone();
    }
    match &ast.node {
        Ast::Ident(name) if name == "item" => env.item.clone().unwrap_or(Type::Any),
        Ast::Map(entries) => {
            let fields: Option<Vec<(Name, Type)>> = entries
                .iter()
                .map(|e| match &e.key.node {
                    Ast::String(key) => Some((Name::from(&**key), type_of(&e.value, env, checked))),
                    _ => None,
                })
                .collect();
            fields.map_or(Type::Any, Type::record)
        }
        Ast::List(list) => {
            let parts: Vec<Type> = list
                .iter()
                .map(|e| type_of(&e.expr, env, checked))
                .collect();
            let Some((first, rest)) = parts.split_first() else {
                return Type::list(Type::Any);
            };
            Type::list(rest.iter().fold(first.clone(), |a, b| a.join(b)))
        }
        Ast::Ternary {
            then_expr,
            else_expr,
            ..
        } => type_of(then_expr, env, checked).join(&type_of(else_expr, env, checked)),
        Ast::Member { expr, field, .. } => match type_of(expr, env, checked).as_record() {
            Some(r) => r.field(field).cloned().unwrap_or(Type::Any),
            None if matches!(&expr.node, Ast::Ident(n) if n == "params") => env
                .params
                .iter()
                .find(|(n, _)| **n == **field)
                .map_or(Type::Any, |(_, t)| t.clone()),
            None => checked
                .get_type(ast.id)
                .map_or(Type::Any, library::our_type),
        },
        _ => checked
            .get_type(ast.id)
            .map_or(Type::Any, library::our_type),
    }
}
