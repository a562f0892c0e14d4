//! Macros: what looks like a call but binds a variable, or asks whether something is there.

use std::ops::Range;

use cel_core::{Expr as Ast, SpannedExpr};

use super::super::Problem;
use super::super::tree::{Kind, Loop, LoopKind, Node};
use super::super::ty::Ty;
use super::{Checker, article, bad};

/// All of them, for "did you mean".
pub(in crate::expr) const MACROS: [&str; 13] = [
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "optMap",
    "optFlatMap",
    "cel.bind",
];

impl Checker<'_> {
    pub(super) fn global_macro(
        &mut self,
        name: &str,
        args: &[SpannedExpr],
        span: &Range<usize>,
    ) -> Option<Node> {
        match (name, args) {
            ("has", [arg]) => Some(self.has(arg, span.clone())),
            ("has", _) => Some(self.form("has(item.field)", span)),
            ("cel.bind", [var, init, body]) => {
                let Some(var) = variable(var) else {
                    return Some(self.form("cel.bind(x, value, expression)", span));
                };
                let init = self.node(init);
                let body = self.with(vec![(var, init.ty.clone())], |c| c.node(body));
                let ty = body.ty.clone();
                Some(Node {
                    kind: Kind::Bind(Box::new([init, body])),
                    ty,
                    span: span.clone(),
                })
            }
            ("cel.bind", _) => Some(self.form("cel.bind(x, value, expression)", span)),
            _ => None,
        }
    }

    pub(super) fn receiver_macro(
        &mut self,
        of: &SpannedExpr,
        name: &str,
        args: &[SpannedExpr],
        span: &Range<usize>,
    ) -> Option<Node> {
        let (what, form) = match name {
            "all" => (LoopKind::All, "list.all(x, condition)"),
            "exists" => (LoopKind::Exists, "list.exists(x, condition)"),
            "exists_one" | "existsOne" => (LoopKind::ExistsOne, "list.exists_one(x, condition)"),
            "filter" => (LoopKind::Filter, "list.filter(x, condition)"),
            "map" => (
                LoopKind::List,
                "list.map(x, value) or list.map(x, condition, value)",
            ),
            "transformList" => (LoopKind::List, "list.transformList(i, x, value)"),
            "transformMap" => (LoopKind::Map, "map.transformMap(key, x, value)"),
            "transformMapEntry" => (
                LoopKind::Entries,
                "map.transformMapEntry(key, x, {key: value})",
            ),
            "optMap" | "optFlatMap" => {
                return Some(self.opt_map(of, args, name == "optFlatMap", span));
            }
            _ => return None,
        };
        // One variable or two, then perhaps which elements, then what to do with them.
        let names: Vec<Option<String>> = args.iter().map(variable).collect();
        let transforms = name.starts_with("transform");
        let (vars, only) = match (name, args.len()) {
            ("filter" | "map" | "all" | "exists" | "exists_one" | "existsOne", 2) => (1, false),
            ("map", 3) => (1, true),
            ("all" | "exists" | "exists_one" | "existsOne", 3) => (2, false),
            (_, 3) if transforms => (2, false),
            (_, 4) if transforms => (2, true),
            _ => return Some(self.form(form, span)),
        };
        let bound: Option<Vec<String>> = names[..vars].iter().cloned().collect();
        let Some(bound) = bound.filter(|b| vars == 1 || b[0] != b[1]) else {
            return Some(self.form(form, span));
        };
        let over = self.node(of);
        let Some((key, value)) = self.elements(&over) else {
            return Some(bad(span.clone()));
        };
        // A map with one variable goes through its keys.
        let list = matches!(over.ty.required(), Ty::List(_) | Ty::Any | Ty::Never);
        let one = if list { value.clone() } else { key.clone() };
        let types = if vars == 2 {
            vec![key.clone(), value]
        } else {
            vec![one.clone()]
        };
        let locals = bound.into_iter().zip(types).collect();
        let condition = !matches!(what, LoopKind::List | LoopKind::Map | LoopKind::Entries);
        let (only, body) = self.with(locals, |c| {
            let only = only.then(|| {
                let only = c.node(&args[vars]);
                c.need(&only, &Ty::Bool, "it says which elements are taken");
                only
            });
            let before = c.assumed();
            if let Some(only) = &only {
                c.assume(only, true);
            }
            let body = c.node(&args[args.len() - 1]);
            c.forget(before);
            if condition {
                c.need(&body, &Ty::Bool, "it is the condition");
            }
            (only, body)
        });
        let ty = match what {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Ty::Bool,
            LoopKind::Filter => Ty::list(one),
            LoopKind::List => Ty::list(body.ty.clone()),
            LoopKind::Map => Ty::map(key, body.ty.clone()),
            LoopKind::Entries => match &body.ty {
                Ty::Map(k, v) => Ty::Map(k.clone(), v.clone()),
                Ty::Record(r) => Ty::map(Ty::String, r.values()),
                Ty::Any | Ty::Never => Ty::map(Ty::Any, Ty::Any),
                other => {
                    let message = format!(
                        "the last part is a map of what to add, and this is {}",
                        article(other)
                    );
                    return Some(self.wrong(
                        Problem::new("E0303", body.span.clone(), message),
                        span.clone(),
                    ));
                }
            },
        };
        let kind = Kind::Loop(Box::new(Loop {
            what,
            over,
            two: vars == 2,
            only,
            body,
        }));
        Some(Node {
            kind,
            ty,
            span: span.clone(),
        })
    }

    /// Keys (or indexes) and values of what a macro goes through.
    fn elements(&mut self, over: &Node) -> Option<(Ty, Ty)> {
        if matches!(over.ty, Ty::Nullable(_)) {
            self.may_be_null(over);
        }
        Some(match over.ty.required() {
            Ty::List(t) => (Ty::Int, Ty::clone(t)),
            Ty::Map(k, v) => (Ty::clone(k), Ty::clone(v)),
            Ty::Record(r) => (Ty::String, r.values()),
            Ty::Any => (Ty::Any, Ty::Any),
            Ty::Never => (Ty::Never, Ty::Never),
            other => {
                let message = format!(
                    "`{}` is {}; this goes through a list or a map",
                    self.shown(over),
                    article(other)
                );
                let mut p = Problem::new("E0303", over.span.clone(), message);
                if *other == Ty::String {
                    p.help = Some(format!(
                        "write {}.split(\"\") for its characters",
                        self.shown(over)
                    ));
                }
                self.problems.push(p);
                return None;
            }
        })
    }

    fn opt_map(
        &mut self,
        of: &SpannedExpr,
        args: &[SpannedExpr],
        flat: bool,
        span: &Range<usize>,
    ) -> Node {
        let name = if flat { "optFlatMap" } else { "optMap" };
        let [var, body] = args else {
            return self.form(&format!("optional.{name}(x, value)"), span);
        };
        let Some(var) = variable(var) else {
            return self.form(&format!("optional.{name}(x, value)"), span);
        };
        let of = self.node(of);
        let inner = match &of.ty {
            Ty::Optional(inner) => Ty::clone(inner),
            Ty::Any | Ty::Never => Ty::Any,
            other => {
                let message = format!(
                    "`{}` is {}; {name} is for optional values",
                    self.shown(&of),
                    article(other)
                );
                return self.wrong(
                    Problem::new("E0303", of.span.clone(), message),
                    span.clone(),
                );
            }
        };
        let body = self.with(vec![(var, inner)], |c| c.node(body));
        let ty = match (&body.ty, flat) {
            (ty, false) => Ty::optional(ty.clone()),
            (ty @ (Ty::Optional(_) | Ty::Any | Ty::Never), true) => ty.clone(),
            (other, true) => {
                let message = format!(
                    "optFlatMap gives an optional value, and this is {}",
                    article(other)
                );
                let p = Problem::new("E0303", body.span.clone(), message).help("write optMap");
                return self.wrong(p, span.clone());
            }
        };
        let kind = Kind::OptMap {
            of: Box::new(of),
            body: Box::new(body),
            flat,
        };
        Node {
            kind,
            ty,
            span: span.clone(),
        }
    }

    /// `has(of.name)`: is the key there? For a field of type `T?`: is it not null?
    fn has(&mut self, arg: &SpannedExpr, span: Range<usize>) -> Node {
        let (of, name) = match &arg.node {
            Ast::Member { expr, field, .. } if self.free_ident(expr) != Some("queues") => {
                (self.node(expr), field)
            }
            // A field under its own name.
            Ast::Ident(name) if self.env.item.is_some() && self.free_ident(arg).is_some() => {
                let ty = self.env.item.as_ref().map_or(Ty::Any, Ty::from);
                (
                    Node {
                        kind: Kind::Item,
                        ty,
                        span: arg.span.clone(),
                    },
                    name,
                )
            }
            _ => return self.form("has(item.field)", &span),
        };
        if let Ty::Record(record) = &of.ty
            && record.literal
            && record.field(name).is_none()
        {
            let kind = Kind::Has {
                of: Box::new(of),
                name: name.as_str().into(),
                filled: false,
            };
            return Node {
                kind,
                ty: Ty::Bool,
                span,
            };
        }
        let warnings = self.warnings.len();
        let Some(ty) = self.part(&of, name, false, &arg.span) else {
            return bad(span);
        };
        // To ask is no use of what may be null.
        self.warnings.truncate(warnings);
        let filled = matches!(ty, Ty::Nullable(_)) && matches!(of.ty.required(), Ty::Record(_));
        Node {
            kind: Kind::Has {
                of: Box::new(of),
                name: name.as_str().into(),
                filled,
            },
            ty: Ty::Bool,
            span,
        }
    }

    fn with<T>(&mut self, locals: Vec<(String, Ty)>, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.locals.len();
        self.locals.extend(locals);
        let result = f(self);
        self.locals.truncate(before);
        result
    }

    fn form(&mut self, form: &str, span: &Range<usize>) -> Node {
        let p = Problem::new("E0301", span.clone(), "this is not how it is called")
            .help(format!("write {form}"));
        self.wrong(p, span.clone())
    }
}

fn variable(ast: &SpannedExpr) -> Option<String> {
    match &ast.node {
        Ast::Ident(name) => Some(name.clone()),
        _ => None,
    }
}
