//! Operators: which kinds of values they take.

use std::ops::Range;

use cel_core::{BinaryOp, Expr as Ast, SpannedExpr};

use super::super::Problem;
use super::super::tree::{Arith, Cmp, Kind, Lit, Node};
use super::super::ty::Ty;
use super::remedy::converted;
use super::{Checker, article, bad};

impl Checker<'_> {
    /// `a && b && c` as one node: long rows are common where files are generated, and must not be deep.
    pub(super) fn logic(&mut self, ast: &SpannedExpr) -> Node {
        let Ast::Binary { op, .. } = &ast.node else {
            return bad(ast.span.clone());
        };
        let and = *op == BinaryOp::And;
        let mut parts = Vec::new();
        let mut left = ast;
        while let Ast::Binary {
            op: same,
            left: next,
            right,
        } = &left.node
            && same == op
        {
            parts.push(&**right);
            left = next;
        }
        parts.push(left);
        let why = if and {
            "both sides of && are bools"
        } else {
            "both sides of || are bools"
        };
        let before = self.assumed();
        let mut nodes: Vec<Node> = Vec::with_capacity(parts.len());
        for part in parts.into_iter().rev() {
            let node = self.node(part);
            self.need(&node, &Ty::Bool, why);
            self.assume(&node, and);
            nodes.push(node);
        }
        self.forget(before);
        Node {
            kind: if and {
                Kind::And(nodes)
            } else {
                Kind::Or(nodes)
            },
            ty: Ty::Bool,
            span: self.brackets.whole(&ast.span),
        }
    }

    pub(super) fn condition(
        &mut self,
        cond: &SpannedExpr,
        then: &SpannedExpr,
        other: &SpannedExpr,
        span: Range<usize>,
    ) -> Node {
        let cond = self.node(cond);
        self.need(&cond, &Ty::Bool, "it stands before the ?");
        let then = self.under(&cond, true, |c| c.node(then));
        let other = self.under(&cond, false, |c| c.node(other));
        let ty = then.ty.join(&other.ty);
        Node {
            kind: Kind::If(Box::new([cond, then, other])),
            ty,
            span,
        }
    }

    pub(super) fn negation(&mut self, of: &SpannedExpr, span: Range<usize>) -> Node {
        let of = self.node(of);
        self.filled_side(&of);
        let ty = match of.ty.required() {
            number @ (Ty::Int | Ty::Double | Ty::Any | Ty::Never) => number.clone(),
            other => {
                let message = format!("there is no - for {}", article(other));
                return self.wrong(Problem::new("E0303", span.clone(), message), span);
            }
        };
        match of.kind {
            Kind::Lit(Lit::Double(d)) => Node {
                kind: Kind::Lit(Lit::Double(-d)),
                ty,
                span,
            },
            Kind::Lit(Lit::Int(i)) if i != i64::MIN => Node {
                kind: Kind::Lit(Lit::Int(-i)),
                ty,
                span,
            },
            _ => Node {
                kind: Kind::Neg(Box::new(of)),
                ty,
                span,
            },
        }
    }

    pub(super) fn within(
        &mut self,
        left: &SpannedExpr,
        right: &SpannedExpr,
        span: Range<usize>,
    ) -> Node {
        let (left, right) = (self.node(left), self.node(right));
        self.filled_side(&right);
        let (what, of) = match right.ty.required() {
            Ty::Any | Ty::Never => ("a list", Ty::Any),
            Ty::List(t) => ("a list", Ty::clone(t)),
            Ty::Map(k, _) => ("a map with keys", Ty::clone(k)),
            Ty::Record(_) => ("a record with fields", Ty::String),
            other => {
                let shown = self.shown(&right);
                let message = format!(
                    "`in` looks into a list or a map, and `{shown}` is {}",
                    article(other)
                );
                let mut p = Problem::new("E0303", right.span.clone(), message);
                if *other == Ty::String {
                    p.help = Some(format!("write {shown}.contains({})", self.shown(&left)));
                }
                return self.wrong(p, span);
            }
        };
        if !of.comparable(&left.ty) {
            let (a, b) = (self.shown(&left), self.shown(&right));
            let message = format!(
                "`{a}` is {}, and `{b}` is {what} of type {of}: it is never in it",
                article(&left.ty)
            );
            return self.wrong(Problem::new("E0303", span.clone(), message), span);
        }
        Node {
            kind: Kind::In(Box::new([left, right])),
            ty: Ty::Bool,
            span,
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        left: &SpannedExpr,
        right: &SpannedExpr,
        span: Range<usize>,
    ) -> Node {
        let (left, right) = (self.node(left), self.node(right));
        match op {
            BinaryOp::Add => self.arith(Arith::Add, left, right, span),
            BinaryOp::Sub => self.arith(Arith::Sub, left, right, span),
            BinaryOp::Mul => self.arith(Arith::Mul, left, right, span),
            BinaryOp::Div => self.arith(Arith::Div, left, right, span),
            BinaryOp::Mod => self.arith(Arith::Mod, left, right, span),
            BinaryOp::Eq => self.equality(Cmp::Eq, left, right, span),
            BinaryOp::Ne => self.equality(Cmp::Ne, left, right, span),
            BinaryOp::Lt => self.order(Cmp::Lt, left, right, span),
            BinaryOp::Le => self.order(Cmp::Le, left, right, span),
            BinaryOp::Gt => self.order(Cmp::Gt, left, right, span),
            BinaryOp::Ge => self.order(Cmp::Ge, left, right, span),
            // `node` takes these elsewhere.
            BinaryOp::In | BinaryOp::And | BinaryOp::Or => bad(span),
        }
    }

    fn equality(&mut self, cmp: Cmp, left: Node, right: Node, span: Range<usize>) -> Node {
        if !left.ty.comparable(&right.ty) {
            let (a, b) = (self.shown(&left), self.shown(&right));
            let (x, y) = (article(&left.ty), article(&right.ty));
            return self.unfit(
                format!("`{a}` is {x} and `{b}` is {y}: they are never equal"),
                cmp.sign(),
                &left,
                &right,
                span,
            );
        }
        Node {
            kind: Kind::Compare(cmp, Box::new([left, right])),
            ty: Ty::Bool,
            span,
        }
    }

    fn order(&mut self, cmp: Cmp, left: Node, right: Node, span: Range<usize>) -> Node {
        self.filled_side(&left);
        self.filled_side(&right);
        let (a, b) = (left.ty.required(), right.ty.required());
        let open = |ty: &Ty| matches!(ty, Ty::Any | Ty::Never);
        let ordered = |ty: &Ty| {
            open(ty)
                || ty.is_number()
                || matches!(
                    ty,
                    Ty::String | Ty::Bytes | Ty::Bool | Ty::Time | Ty::Duration
                )
        };
        let same = a == b || a.is_number() && b.is_number() || open(a) || open(b);
        if !(same && ordered(a) && ordered(b)) {
            let message = format!(
                "there is no `{}` between {} and {}",
                cmp.sign(),
                article(a),
                article(b)
            );
            return self.unfit(message, cmp.sign(), &left, &right, span);
        }
        Node {
            kind: Kind::Compare(cmp, Box::new([left, right])),
            ty: Ty::Bool,
            span,
        }
    }

    fn arith(&mut self, op: Arith, left: Node, right: Node, span: Range<usize>) -> Node {
        self.filled_side(&left);
        self.filled_side(&right);
        let (a, b) = (left.ty.required(), right.ty.required());
        match result(op, a, b) {
            Some(ty) => Node {
                kind: Kind::Arith(op, Box::new([left, right])),
                ty,
                span,
            },
            None => {
                let message = format!(
                    "there is no `{}` between {} and {}",
                    op.sign(),
                    article(a),
                    article(b)
                );
                self.unfit(message, op.sign(), &left, &right, span)
            }
        }
    }

    fn filled_side(&mut self, node: &Node) {
        if matches!(node.ty, Ty::Nullable(_)) {
            self.may_be_null(node);
        }
    }

    fn unfit(
        &mut self,
        message: String,
        sign: &str,
        left: &Node,
        right: &Node,
        span: Range<usize>,
    ) -> Node {
        let mut p = Problem::new("E0303", span.clone(), message);
        p.help = converted((left, &self.shown(left)), (right, &self.shown(right)), sign);
        self.wrong(p, span)
    }
}

/// The type of a calculation, where there is one. What one side must be, the other shows.
fn result(op: Arith, a: &Ty, b: &Ty) -> Option<Ty> {
    use Arith::{Add, Div, Mod, Mul, Sub};
    Some(match (op, a, b) {
        (_, Ty::Never, other) | (_, other, Ty::Never) => other.clone(),
        (_, Ty::Int, Ty::Int | Ty::Any) | (_, Ty::Any, Ty::Int) => Ty::Int,
        (_, Ty::Uint, Ty::Uint | Ty::Any) | (_, Ty::Any, Ty::Uint) => Ty::Uint,
        (Add | Sub | Mul | Div, Ty::Double, Ty::Double | Ty::Any)
        | (Add | Sub | Mul | Div, Ty::Any, Ty::Double) => Ty::Double,
        (Add, Ty::String, Ty::String | Ty::Any) | (Add, Ty::Any, Ty::String) => Ty::String,
        (Add, Ty::Bytes, Ty::Bytes | Ty::Any) | (Add, Ty::Any, Ty::Bytes) => Ty::Bytes,
        (Add, Ty::List(x), Ty::List(y)) => Ty::list(x.join(y)),
        (Add, Ty::List(_), Ty::Any) | (Add, Ty::Any, Ty::List(_)) => Ty::list(Ty::Any),
        (Add, Ty::Time, Ty::Duration | Ty::Any) | (Add, Ty::Duration | Ty::Any, Ty::Time) => {
            Ty::Time
        }
        (Sub, Ty::Time, Ty::Duration) => Ty::Time,
        (Add | Sub, Ty::Duration, Ty::Duration)
        | (Sub, Ty::Time | Ty::Any, Ty::Time)
        | (Sub, Ty::Duration, Ty::Any) => Ty::Duration,
        (Add | Sub, Ty::Time | Ty::Any, Ty::Any | Ty::Duration) | (Add, Ty::Duration, Ty::Any) => {
            Ty::Any
        }
        (Mul | Div | Mod, Ty::Any, Ty::Any) => Ty::Any,
        _ => return None,
    })
}
