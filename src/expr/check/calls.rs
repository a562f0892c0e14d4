//! Calls of functions: which is meant, whether its arguments fit, and whether constant ones make sense.

use std::ops::Range;

use cel_core::{Expr as Ast, SpannedExpr};

use super::super::functions::{self, Known, NOT_BUILT};
use super::super::tree::{Kind, Lit, Node};
use super::super::ty::Ty;
use super::super::{Problem, hints};
use super::names::dotted;
use super::{Checker, article, listed};
use crate::diagnostic::nearest;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        callee: &SpannedExpr,
        args: &[SpannedExpr],
        span: Range<usize>,
    ) -> Node {
        match &callee.node {
            Ast::Ident(name) | Ast::RootIdent(name) => {
                if let Some(node) = self.global_macro(name, args, &span) {
                    return node;
                }
                self.function(name, callee.span.clone(), None, args, span)
            }
            Ast::Member {
                expr,
                field,
                optional: false,
            } => {
                let at = callee.span.end - field.len().min(callee.span.len())..callee.span.end;
                if let Some(space) = self.namespace(expr) {
                    let whole = format!("{space}.{field}");
                    if let Some(node) = self.global_macro(&whole, args, &span) {
                        return node;
                    }
                    if functions::find(&whole).is_some()
                        || functions::names().any(|n| n.starts_with(&format!("{space}.")))
                    {
                        return self.function(&whole, callee.span.clone(), None, args, span);
                    }
                }
                if let Some(node) = self.receiver_macro(expr, field, args, &span) {
                    return node;
                }
                self.function(field, at, Some(expr), args, span)
            }
            _ => {
                let p = Problem::new("E0305", callee.span.clone(), "this is no function");
                self.wrong(p, span)
            }
        }
    }

    /// What may be a namespace: names and dots, of which the first is no variable of a macro.
    fn namespace(&self, ast: &SpannedExpr) -> Option<String> {
        let whole = dotted(ast)?;
        let first = whole.split('.').next()?;
        self.locals.iter().all(|(n, _)| n != first).then_some(whole)
    }

    fn function(
        &mut self,
        name: &str,
        at: Range<usize>,
        receiver: Option<&SpannedExpr>,
        args: &[SpannedExpr],
        span: Range<usize>,
    ) -> Node {
        let Some(known) = functions::find(name) else {
            return self.no_function(name, at, receiver, args, span);
        };
        let nodes: Vec<Node> = receiver
            .into_iter()
            .chain(args)
            .map(|a| self.node(a))
            .collect();
        if nodes.iter().any(|n| matches!(n.kind, Kind::Bad)) {
            return super::bad(span);
        }
        let types: Vec<&Ty> = nodes.iter().map(|n| &n.ty).collect();
        let of_style = known
            .signatures
            .iter()
            .filter(|s| s.receiver == receiver.is_some());
        let fits: Vec<_> = of_style.filter_map(|s| s.fit(&types)).collect();
        let Some(first) = fits.first() else {
            let p = self.unfit_call(known, receiver.is_some(), &nodes, &span);
            return self.wrong(p, span);
        };
        for i in &first.nullable {
            self.may_be_null(&nodes[*i]);
        }
        let ty = fits.iter().fold(Ty::Never, |all, f| all.join(&f.result));
        // A call whose signature gives back what went in of `[]` knows no more than that.
        let ty = if matches!(ty, Ty::Never) && !nodes.is_empty() {
            Ty::Any
        } else {
            ty
        };
        self.constants(name, &nodes);
        Node {
            kind: Kind::Call(known.function, nodes),
            ty,
            span,
        }
    }

    fn unfit_call(
        &self,
        known: &Known,
        receiver: bool,
        nodes: &[Node],
        span: &Range<usize>,
    ) -> Problem {
        let name = known.function.name;
        let there_is = || {
            known
                .signatures
                .iter()
                .map(|s| s.text)
                .collect::<Vec<_>>()
                .join("; ")
        };
        let mut p = Problem::new("E0303", span.clone(), String::new());
        if known.signatures.iter().all(|s| s.receiver != receiver) {
            let (first, rest) =
                nodes
                    .split_first()
                    .map_or((String::new(), Vec::new()), |(first, rest)| {
                        (
                            self.shown(first),
                            rest.iter().map(|n| self.shown(n)).collect(),
                        )
                    });
            let rest: Vec<String> = rest;
            (p.message, p.help) = if receiver {
                let all = [vec![first], rest].concat().join(", ");
                (
                    format!("`{name}` is called with its value in brackets"),
                    Some(format!("write {name}({all})")),
                )
            } else if first.is_empty() {
                (
                    format!("`{name}` is called behind its value"),
                    Some(format!("write x.{name}()")),
                )
            } else {
                let help = format!("write {first}.{name}({})", rest.join(", "));
                (format!("`{name}` is called behind its value"), Some(help))
            };
            return p;
        }
        let fixed = usize::from(receiver);
        if known
            .signatures
            .iter()
            .filter(|s| s.receiver == receiver)
            .all(|s| !s.takes(nodes.len()))
        {
            let n = nodes.len() - fixed.min(nodes.len());
            p.message = format!(
                "`{name}` does not take {n} argument{}",
                if n == 1 { "" } else { "s" }
            );
            p.help = Some(format!("there is: {}", there_is()));
            return p;
        }
        let (of, given) = nodes.split_at(fixed.min(nodes.len()));
        let given: Vec<String> = given.iter().map(|n| n.ty.to_string()).collect();
        p.message = match of {
            [of] => format!(
                "`{}` is {}: there is no {name}({}) for it",
                self.shown(of),
                article(&of.ty),
                given.join(", ")
            ),
            _ => format!("there is no {name}({})", given.join(", ")),
        };
        p.help = Some(format!("there is: {}", there_is()));
        p
    }

    fn no_function(
        &mut self,
        name: &str,
        at: Range<usize>,
        receiver: Option<&SpannedExpr>,
        args: &[SpannedExpr],
        span: Range<usize>,
    ) -> Node {
        if let Some((_, what)) = NOT_BUILT.iter().find(|(n, _)| *n == name) {
            let p = Problem::new(
                "E0104",
                at,
                format!("the function `{name}` ({what}) is not built yet"),
            );
            return self.wrong(p, span);
        }
        // Mistakes in the arguments are said too.
        for part in receiver.into_iter().chain(args) {
            self.node(part);
        }
        let mut p = Problem::new("E0305", at, format!("there is no function `{name}`"));
        let alike =
            || functions::names().filter(|n| n.split_once('.').map(|(_, n)| n) == Some(name));
        p.help = Some(if let Some(help) = hints::function(name) {
            help.replace("NAME", name)
        } else if let Some((space, local)) = name.split_once('.') {
            let all =
                || functions::names().filter_map(|n| n.strip_prefix(space)?.strip_prefix('.'));
            match nearest(local, all()) {
                Some(near) => format!("did you mean `{space}.{near}`?"),
                None => format!("in `{space}` there is: {}", listed(all())),
            }
        } else if let Some(near) = nearest(name, functions::names()) {
            format!("did you mean `{near}`?")
        } else if let Some(with_space) = alike().next() {
            format!("did you mean `{with_space}`?")
        } else if self.item_record().is_some_and(|r| r.slot(name).is_some()) {
            format!("`{name}` is a field: write it without brackets")
        } else {
            "docs/expressions.md lists all functions; code of your own goes into the steps `python`, `worker`, `call`".into()
        });
        self.wrong(p, span)
    }

    /// Constant texts that some functions read in a form of their own are read now.
    fn constants(&mut self, name: &str, nodes: &[Node]) {
        let text = |i: usize| match nodes.get(i).map(|n| &n.kind) {
            Some(Kind::Lit(Lit::Str(s))) => Some(&**s),
            _ => None,
        };
        let checked = match name {
            "matches" => text(1).map(|t| (1, functions::regex(t).map(drop))),
            "timestamp" | "duration" | "int" | "uint" | "double" | "bool" => {
                text(0).map(|t| (0, functions::reads(name, t)))
            }
            "floor" | "strftime" => text(1).map(|t| (1, functions::reads(name, t))),
            _ => None,
        };
        if let Some((i, Err(fault))) = checked {
            self.problems.push(Problem::new(
                "E0303",
                nodes[i].span.clone(),
                fault.message.clone(),
            ));
        }
    }
}
