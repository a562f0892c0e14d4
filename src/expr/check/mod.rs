//! Syntax to tree: names, operators and functions resolved, types found, mistakes said.
//!
//! Types come from below: a node's type follows from its parts, so no inference beyond that is needed (the
//! element of `[]` has the type [`Ty::Never`], which fits everywhere). Where something is wrong the node is
//! [`Kind::Bad`] of type `any`, so that one mistake is said once and the rest is checked all the same.

mod calls;
mod macros;
mod names;
mod nulls;
mod operators;
mod parts;
mod remedy;

use std::ops::Range;

use cel_core::{BinaryOp, Expr as Ast, SpannedExpr, UnaryOp};

pub(super) use macros::MACROS;

use super::scan::Brackets;
use super::tree::{Kind, Lit, Node};
use super::ty::{Record, Ty};
use super::{Env, Problem};
use crate::value::Name;

pub(super) struct Checker<'e> {
    env: &'e Env,
    text: &'e str,
    brackets: Brackets,
    /// The variables of macros, outermost first.
    locals: Vec<(String, Ty)>,
    /// Places known not to be null here.
    filled: Vec<String>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl<'e> Checker<'e> {
    pub fn new(env: &'e Env, text: &'e str) -> Checker<'e> {
        Checker {
            env,
            text,
            brackets: Brackets::of(text),
            locals: Vec::new(),
            filled: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub fn node(&mut self, ast: &SpannedExpr) -> Node {
        let span = self.brackets.whole(&ast.span);
        let lit = |lit, ty| Node {
            kind: Kind::Lit(lit),
            ty,
            span: span.clone(),
        };
        match &ast.node {
            Ast::Null => lit(Lit::Null, Ty::Null),
            Ast::Bool(b) => lit(Lit::Bool(*b), Ty::Bool),
            Ast::Int(i) => lit(Lit::Int(*i), Ty::Int),
            Ast::UInt(u) => lit(Lit::Uint(*u), Ty::Uint),
            Ast::Float(d) => lit(Lit::Double(*d), Ty::Double),
            Ast::String(s) => lit(Lit::Str(s.as_str().into()), Ty::String),
            Ast::Bytes(b) => lit(Lit::Bytes(b.as_slice().into()), Ty::Bytes),
            Ast::Ident(name) => self.ident(name, span),
            Ast::RootIdent(name) => self.root_ident(name, span),
            Ast::Member {
                expr,
                field,
                optional,
            } => self.member(expr, field, *optional, span),
            Ast::Index {
                expr,
                index,
                optional,
            } => self.index(expr, index, *optional, span),
            Ast::Unary {
                op: UnaryOp::Not,
                expr,
            } => {
                let of = self.node(expr);
                self.need(&of, &Ty::Bool, "! turns a bool round");
                Node {
                    kind: Kind::Not(Box::new(of)),
                    ty: Ty::Bool,
                    span,
                }
            }
            Ast::Unary {
                op: UnaryOp::Neg,
                expr,
            } => self.negation(expr, span),
            Ast::Binary {
                op: BinaryOp::And | BinaryOp::Or,
                ..
            } => self.logic(ast),
            Ast::Binary {
                op: BinaryOp::In,
                left,
                right,
            } => self.within(left, right, span),
            Ast::Binary { op, left, right } => self.binary(*op, left, right, span),
            Ast::Ternary {
                cond,
                then_expr,
                else_expr,
            } => self.condition(cond, then_expr, else_expr, span),
            Ast::Call { expr, args } => self.call(expr, args, span),
            Ast::List(list) => self.list(list, span),
            Ast::Map(map) => self.map(map, span),
            Ast::Struct { type_name, .. } => {
                let name = &self.text[type_name.span.clone()];
                let p = Problem::new(
                    "E0303",
                    span.clone(),
                    format!("there is no message type `{name}`"),
                );
                self.wrong(
                    p.help("write a map, {\"key\": value}, or timestamp(\"..\"), duration(\"..\")"),
                    span,
                )
            }
            // Only the parser's own macros make these, and it expands none.
            Ast::Comprehension(_) | Ast::MemberTestOnly { .. } | Ast::Bind { .. } | Ast::Error => {
                self.wrong(
                    Problem::new("E0301", span.clone(), "this is not understood"),
                    span,
                )
            }
        }
    }

    /// Says what is wrong; the node stands for anything.
    fn wrong(&mut self, problem: Problem, span: Range<usize>) -> Node {
        self.problems.push(problem);
        bad(span)
    }

    /// A value of this type is needed. Says so where it is another; what may be null only gets a warning.
    fn need(&mut self, node: &Node, wanted: &Ty, why: &str) {
        match &node.ty {
            Ty::Any | Ty::Never => {}
            ty if ty == wanted => {}
            ty if ty.required() == wanted => self.may_be_null(node),
            ty => {
                let message = format!(
                    "`{}` is {}, and a {wanted} is needed: {why}",
                    self.shown(node),
                    article(ty)
                );
                let mut p = Problem::new("E0303", node.span.clone(), message);
                p.help = self.as_bool(node, wanted);
                self.problems.push(p);
            }
        }
    }

    /// How a value of another type is asked about.
    fn as_bool(&self, node: &Node, wanted: &Ty) -> Option<String> {
        let text = self.shown(node);
        if *wanted != Ty::Bool {
            return None;
        }
        Some(match node.ty.required() {
            Ty::Int => format!("write {text} != 0"),
            Ty::Double => format!("write {text} != 0.0"),
            Ty::String => format!("write {text} != \"\""),
            Ty::List(_) | Ty::Map(..) | Ty::Record(_) | Ty::Bytes => {
                format!("write size({text}) > 0")
            }
            _ if matches!(node.ty, Ty::Nullable(_)) => format!("write {text} != null"),
            _ => return None,
        })
    }

    fn shown(&self, node: &Node) -> String {
        short(&self.text[node.span.clone()])
    }

    fn list(&mut self, list: &[cel_core::ListElement], span: Range<usize>) -> Node {
        let mut of = Ty::Never;
        let mut nodes = Vec::with_capacity(list.len());
        for element in list {
            let node = self.node(&element.expr);
            of = of.join(&self.present(&node, element.optional));
            nodes.push((node, element.optional));
        }
        Node {
            kind: Kind::List(nodes),
            ty: Ty::list(of),
            span,
        }
    }

    /// The type of an element; with `?` it is left out where it is an optional value that is not there.
    fn present(&mut self, node: &Node, optional: bool) -> Ty {
        match &node.ty {
            Ty::Optional(inner) if optional => Ty::clone(inner),
            Ty::Any => Ty::Any,
            other if optional => {
                let message = format!("`?` is for optional values, and this is {}", article(other));
                self.problems.push(
                    Problem::new("E0303", node.span.clone(), message).help("leave the ? out"),
                );
                Ty::Any
            }
            other => other.clone(),
        }
    }

    /// A map literal whose keys are constant strings is a record.
    fn map(&mut self, map: &[cel_core::MapEntry], span: Range<usize>) -> Node {
        let mut fields: Vec<(Name, Ty)> = Vec::new();
        let (mut keys, mut values) = (Ty::Never, Ty::Never);
        let mut nodes: Vec<(Node, Node, bool)> = Vec::with_capacity(map.len());
        let mut record = true;
        for entry in map {
            let (key, value) = (self.node(&entry.key), self.node(&entry.value));
            let present = self.present(&value, entry.optional);
            match &key.kind {
                Kind::Lit(Lit::Str(name)) => {
                    let ty = if entry.optional {
                        present.clone().nullable()
                    } else {
                        present.clone()
                    };
                    fields.push(((**name).into(), ty));
                }
                _ => record = false,
            }
            self.key(&key, &nodes);
            keys = keys.join(&key.ty);
            values = values.join(&present);
            nodes.push((key, value, entry.optional));
        }
        // `{}` may become a map of anything.
        let ty = if record && !fields.is_empty() {
            Ty::Record(
                Record {
                    fields,
                    rest: None,
                    literal: true,
                }
                .into(),
            )
        } else {
            Ty::map(keys, values)
        };
        Node {
            kind: Kind::Map(nodes),
            ty,
            span,
        }
    }

    fn key(&mut self, key: &Node, before: &[(Node, Node, bool)]) {
        if !matches!(
            key.ty,
            Ty::String | Ty::Int | Ty::Uint | Ty::Bool | Ty::Any | Ty::Never
        ) {
            let found = article(&key.ty);
            let message = format!(
                "a key is a string, an int or a bool, and `{}` is {found}",
                self.shown(key)
            );
            self.problems
                .push(Problem::new("E0303", key.span.clone(), message));
        }
        if let Kind::Lit(lit) = &key.kind
            && before
                .iter()
                .any(|(k, _, _)| matches!(&k.kind, Kind::Lit(l) if l == lit))
        {
            let message = format!("the key {} stands twice in this map", self.shown(key));
            self.problems
                .push(Problem::new("E0303", key.span.clone(), message));
        }
    }
}

fn bad(span: Range<usize>) -> Node {
    Node {
        kind: Kind::Bad,
        ty: Ty::Any,
        span,
    }
}

/// A type in a sentence.
fn article(ty: &Ty) -> String {
    match ty {
        Ty::Null => "null".into(),
        Ty::Bytes => "bytes".into(),
        Ty::Int => "an int".into(),
        Ty::Uint => "an unsigned int".into(),
        Ty::List(_) => format!("a list {ty}"),
        Ty::Record(_) => format!("a record {ty}"),
        Ty::Optional(of) => {
            format!("an optional value (of {of}; .orValue(x) or .value() takes it out)")
        }
        Ty::Never => "nothing".into(),
        Ty::Any => "of any type".into(),
        Ty::Nullable(of) => format!("{} or null", article(of)),
        Ty::Map(..) | Ty::Bool | Ty::Double | Ty::String | Ty::Time | Ty::Duration | Ty::Type => {
            format!("a {ty}")
        }
    }
}

/// A part of an expression as it is quoted in a message.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(16).copied().collect::<Vec<_>>().join(", ");
    if all.len() > 16 {
        format!("{shown}, ... ({} in all)", all.len())
    } else {
        shown
    }
}
