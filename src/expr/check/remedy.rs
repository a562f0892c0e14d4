//! What to write where an operator does not take these two kinds of values.

use super::super::functions;
use super::super::tree::{Kind, Lit, Node};
use super::super::ty::Ty;

/// How one side becomes what the other is. Each side is its node and its text.
pub(super) fn converted(left: (&Node, &str), right: (&Node, &str), sign: &str) -> Option<String> {
    let ((left, a), (right, b)) = (left, right);
    let int = |node: &Node| match &node.kind {
        Kind::Lit(Lit::Int(i)) => Some(*i),
        _ => None,
    };
    let scalar =
        |ty: &Ty| ty.is_number() || matches!(ty, Ty::Bool | Ty::Time | Ty::Duration | Ty::Bytes);
    Some(match (left.ty.required(), right.ty.required()) {
        (Ty::Double, Ty::Double) if sign == "%" => format!("write int({a}) % int({b})"),
        (Ty::Double, Ty::Int) if sign == "%" => format!("write int({a}) % {b}"),
        (Ty::Int | Ty::Uint, Ty::Double) => match int(left) {
            Some(i) => format!("write {i}.0 {sign} {b}"),
            None => format!("write double({a}) {sign} {b}"),
        },
        (Ty::Double, Ty::Int | Ty::Uint) => match int(right) {
            Some(i) => format!("write {a} {sign} {i}.0"),
            None => format!("write {a} {sign} double({b})"),
        },
        (Ty::Int, Ty::Uint) => match int(left) {
            Some(i) if i >= 0 => format!("write {i}u {sign} {b}"),
            _ => format!("write {a} {sign} int({b})"),
        },
        (Ty::Uint, Ty::Int) => match int(right) {
            Some(i) if i >= 0 => format!("write {a} {sign} {i}u"),
            _ => format!("write int({a}) {sign} {b}"),
        },
        (Ty::Time, Ty::String) if matches!(sign, "+" | "-") && is_length(right) => {
            format!("write {a} {sign} duration({b})")
        }
        (Ty::String, y) if sign == "+" && scalar(y) => format!("write {a} + string({b})"),
        (x, Ty::String) if sign == "+" && scalar(x) => format!("write string({a}) + {b}"),
        (Ty::String, Ty::List(_) | Ty::Record(_) | Ty::Map(..)) if sign == "+" => {
            format!("write {a} + json({b})")
        }
        (Ty::String, Ty::Int) if sign == "*" => "a text cannot be repeated".into(),
        (Ty::String, Ty::Int) => format!("write int({a}) {sign} {b}"),
        (Ty::Int, Ty::String) => format!("write {a} {sign} int({b})"),
        (Ty::String, Ty::Double) => format!("write double({a}) {sign} {b}"),
        (Ty::Double, Ty::String) => format!("write {a} {sign} double({b})"),
        (Ty::Time, Ty::String) => format!("write {a} {sign} timestamp({b})"),
        (Ty::String, Ty::Time) => format!("write timestamp({a}) {sign} {b}"),
        (Ty::Duration, Ty::String) => format!("write {a} {sign} duration({b})"),
        (Ty::String, Ty::Duration) => format!("write duration({a}) {sign} {b}"),
        (Ty::Time, Ty::Int | Ty::Double) if matches!(sign, "+" | "-") => {
            format!("write {a} {sign} duration(\"..\")")
        }
        (Ty::Time, Ty::Int) => format!("write int({a}) {sign} {b} (seconds since 1970)"),
        (Ty::Duration, Ty::Int | Ty::Double) | (Ty::Int | Ty::Double, Ty::Duration) => {
            "write d.getSeconds() for the seconds of a duration, duration(\"..\") for a duration"
                .into()
        }
        (Ty::Bool, Ty::Int) if matches!(sign, "==" | "!=") && int(right).is_some() => {
            let negated = (int(right) == Some(0)) == (sign == "==");
            format!("write {}{a}", if negated { "!" } else { "" })
        }
        (Ty::Bool, Ty::String) if matches!(b, "'true'" | "\"true\"" | "'false'" | "\"false\"") => {
            format!("write {} without quotes", b.trim_matches(['"', '\'']))
        }
        (Ty::Bool, _) | (_, Ty::Bool) if !matches!(sign, "==" | "!=") => {
            "write condition ? 1 : 0 for a number".into()
        }
        (Ty::Record(_) | Ty::Map(..), Ty::Record(_) | Ty::Map(..)) if sign == "+" => {
            "the step `assign` adds fields to a record".into()
        }
        (Ty::List(_), _) if sign == "+" => format!("write {a} + [{b}]"),
        (Ty::Type, Ty::String) => format!("write the type without quotes: {a} {sign} string"),
        (Ty::Null, _) | (_, Ty::Null) => "ask first: x != null && ..".into(),
        _ => return None,
    })
}

fn is_length(node: &Node) -> bool {
    matches!(&node.kind, Kind::Lit(Lit::Str(s)) if functions::length(s).is_ok())
}
