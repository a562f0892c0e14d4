//! Parts of values: fields of records, elements of lists, values of maps.

use std::ops::Range;

use cel_core::SpannedExpr;

use super::super::tree::{Kind, Lit, Node};
use super::super::ty::{Record, Ty};
use super::super::{Problem, functions};
use super::{Checker, article, bad, listed};
use crate::diagnostic::nearest;
use crate::value::Name;

impl Checker<'_> {
    /// `of.name` or `of.?name`.
    pub(super) fn part_of(
        &mut self,
        of: Node,
        name: &str,
        optional: bool,
        span: Range<usize>,
    ) -> Node {
        let Some(ty) = self.part(&of, name, optional, &span) else {
            return bad(span);
        };
        let kind = match (&of.kind, &of.ty) {
            (Kind::Item, Ty::Record(_)) if !optional => Kind::Field(name.into()),
            _ => Kind::Member {
                of: Box::new(of),
                name: name.into(),
                optional,
            },
        };
        self.known(Node { kind, ty, span })
    }

    /// The type of a part of a record, a map, an optional value of these, or of anything; `None` where there
    /// is none, which has been said.
    pub(super) fn part(
        &mut self,
        of: &Node,
        name: &str,
        optional: bool,
        span: &Range<usize>,
    ) -> Option<Ty> {
        let (whole, wrapped) = self.opened(of, optional);
        let found = match whole.required() {
            Ty::Any => Ty::Any,
            Ty::Never => Ty::Never,
            Ty::Map(k, v) if matches!(**k, Ty::String | Ty::Any | Ty::Never) => Ty::clone(v),
            Ty::Record(record) => match record.field(name) {
                Some(ty) => ty.clone(),
                // Whoever asks in this way expects that it may not be there.
                None if record.literal && wrapped => Ty::Never,
                None => {
                    self.no_field(of, record, name, span);
                    return None;
                }
            },
            _ => {
                let message = format!(
                    "`{}` is {}, it has no field `{name}`",
                    self.shown(of),
                    article(&of.ty)
                );
                let mut p = Problem::new("E0302", span.clone(), message);
                if functions::find(name).is_some() {
                    p.help = Some(format!("write .{name}() to call the function"));
                }
                self.problems.push(p);
                return None;
            }
        };
        Some(if wrapped { Ty::optional(found) } else { found })
    }

    /// What a part is taken of, and whether the part is an optional value.
    fn opened(&mut self, of: &Node, optional: bool) -> (Ty, bool) {
        let (whole, wrapped) = match &of.ty {
            Ty::Optional(inner) => (Ty::clone(inner), true),
            other => (other.clone(), optional),
        };
        if matches!(whole, Ty::Nullable(_)) && !wrapped {
            self.may_be_null(of);
        }
        (whole, wrapped)
    }

    fn no_field(&mut self, of: &Node, record: &Record, name: &str, span: &Range<usize>) {
        let whole = if matches!(of.kind, Kind::Item) {
            "the item".into()
        } else {
            format!("`{}`", self.shown(of))
        };
        let at = span.end.saturating_sub(name.len()).max(span.start)..span.end;
        let mut p = Problem::new("E0302", at, format!("{whole} has no field `{name}`"));
        let fields = || record.fields.iter().map(|(n, _)| &**n);
        p.help = match nearest(name, fields()) {
            Some(near) => Some(format!(
                "did you mean `{near}`? The fields are: {}",
                listed(fields())
            )),
            None if record.fields.is_empty() => None,
            None => Some(format!("the fields are: {}", listed(fields()))),
        };
        self.problems.push(p);
    }

    pub(super) fn index(
        &mut self,
        of: &SpannedExpr,
        at: &SpannedExpr,
        optional: bool,
        span: Range<usize>,
    ) -> Node {
        let (of, at) = (self.node(of), self.node(at));
        let (whole, wrapped) = self.opened(&of, optional);
        if matches!(at.ty, Ty::Nullable(_)) {
            self.may_be_null(&at);
        }
        let Some(found) = self.element(&of, whole.required(), &at, wrapped, &span) else {
            return bad(span);
        };
        let ty = if wrapped { Ty::optional(found) } else { found };
        // item["name"] is the field.
        let kind = match (&of.kind, &of.ty, &at.kind) {
            (Kind::Item, Ty::Record(_), Kind::Lit(Lit::Str(name))) if !wrapped => {
                Kind::Field(Name::from(&**name))
            }
            _ => Kind::Index {
                of: Box::new(of),
                at: Box::new(at),
                optional,
            },
        };
        self.known(Node { kind, ty, span })
    }

    fn element(
        &mut self,
        of: &Node,
        whole: &Ty,
        at: &Node,
        wrapped: bool,
        span: &Range<usize>,
    ) -> Option<Ty> {
        let key = at.ty.required();
        let (given, given_ty) = (self.shown(at), article(&at.ty));
        let (message, help) = match whole {
            Ty::Any => return Some(Ty::Any),
            Ty::Never => return Some(Ty::Never),
            Ty::List(of) if matches!(key, Ty::Int | Ty::Uint | Ty::Any | Ty::Never) => {
                return Some(Ty::clone(of));
            }
            Ty::List(_) => (
                format!("a place in a list is an int, and `{given}` is {given_ty}"),
                None,
            ),
            Ty::Map(k, v) if k.comparable(key) => return Some(Ty::clone(v)),
            Ty::Map(k, _) => (
                format!(
                    "the keys of `{}` are {k}, and `{given}` is {given_ty}",
                    self.shown(of)
                ),
                None,
            ),
            Ty::Record(record) => match &at.kind {
                Kind::Lit(Lit::Str(name)) => match record.field(name) {
                    Some(ty) => return Some(ty.clone()),
                    None if record.literal && wrapped => return Some(Ty::Never),
                    None => {
                        self.no_field(of, record, name, &at.span);
                        return None;
                    }
                },
                _ if matches!(key, Ty::String | Ty::Any | Ty::Never) => {
                    return Some(record.values());
                }
                _ => (
                    format!("the fields of a record have names, and `{given}` is {given_ty}"),
                    None,
                ),
            },
            Ty::String => {
                let help = "write .charAt(i) or .substring(from, to)";
                (
                    format!("`{}` is a string, not a list", self.shown(of)),
                    Some(help),
                )
            }
            _ => (
                format!(
                    "`{}` is {}, it has no elements",
                    self.shown(of),
                    article(&of.ty)
                ),
                None,
            ),
        };
        let mut p = Problem::new("E0303", span.clone(), message);
        p.help = help.map(str::to_string);
        self.problems.push(p);
        None
    }
}
