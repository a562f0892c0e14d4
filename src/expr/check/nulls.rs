//! What may be null: a warning where a value is needed, unless a test before has excluded it.

use super::super::Problem;
use super::super::tree::{Cmp, Kind, Lit, Node};
use super::super::ty::Ty;
use super::Checker;

impl Checker<'_> {
    /// A node with the `?` of its type taken away where it is known not to be null here.
    pub(super) fn known(&self, node: Node) -> Node {
        match (&node.ty, path(&node)) {
            (Ty::Nullable(inner), Some(p)) if self.filled.contains(&p) => Node {
                ty: Ty::clone(inner),
                ..node
            },
            _ => node,
        }
    }

    /// What `f` checks is only reached when `condition` has this outcome.
    pub(super) fn under<T>(
        &mut self,
        condition: &Node,
        outcome: bool,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.filled.len();
        excluded(condition, outcome, &mut self.filled);
        let result = f(self);
        self.filled.truncate(before);
        result
    }

    /// From here on `condition` has this outcome; whoever calls takes that back.
    pub(super) fn assume(&mut self, condition: &Node, outcome: bool) {
        excluded(condition, outcome, &mut self.filled);
    }

    /// How many places are known not to be null, for [`Checker::forget`].
    pub(super) fn assumed(&self) -> usize {
        self.filled.len()
    }

    pub(super) fn forget(&mut self, assumed: usize) {
        self.filled.truncate(assumed);
    }

    /// A value is needed here, and this may be null.
    pub(super) fn may_be_null(&mut self, node: &Node) {
        let text = self.shown(node);
        let message = format!(
            "`{text}` may be null, and a value is needed here: a null will be an item error"
        );
        let help = format!("guard it: {text} != null && .., or {text} != null ? .. : ..");
        let p = Problem::new("W0301", node.span.clone(), message).help(help);
        if !self.warnings.iter().any(|w| w.range == p.range) {
            self.warnings.push(p);
        }
    }
}

/// A place that gives the same value whenever it is looked at for one item.
fn path(node: &Node) -> Option<String> {
    Some(match &node.kind {
        Kind::Item => "item".into(),
        Kind::Field(name) => format!("item.{name}"),
        Kind::Local(i) => format!("local {i}"),
        Kind::Param(i) => format!("param {i}"),
        Kind::Member {
            of,
            name,
            optional: false,
        } => format!("{}.{name}", path(of)?),
        Kind::Index {
            of,
            at,
            optional: false,
        } => match &at.kind {
            Kind::Lit(Lit::Str(name)) => format!("{}.{name}", path(of)?),
            Kind::Lit(Lit::Int(i)) => format!("{}[{i}]", path(of)?),
            _ => return None,
        },
        _ => return None,
    })
}

/// Notes the places that are not null when `condition` has this outcome.
fn excluded(condition: &Node, outcome: bool, filled: &mut Vec<String>) {
    match (&condition.kind, outcome) {
        (Kind::Not(inner), _) => excluded(inner, !outcome, filled),
        (Kind::And(all), true) | (Kind::Or(all), false) => {
            all.iter().for_each(|c| excluded(c, outcome, filled))
        }
        (Kind::Compare(cmp @ (Cmp::Eq | Cmp::Ne), two), _) => {
            let [a, b] = &**two;
            let equal = (*cmp == Cmp::Eq) == outcome;
            for (x, other) in [(a, b), (b, a)] {
                // x != null, or x == 5
                if if equal {
                    !nullable(&other.ty)
                } else {
                    other.ty == Ty::Null
                } {
                    filled.extend(path(x));
                }
            }
        }
        (Kind::Has { of, name, .. }, true) => {
            filled.extend(path(of).map(|p| format!("{p}.{name}")))
        }
        _ => {}
    }
}

fn nullable(ty: &Ty) -> bool {
    matches!(ty, Ty::Nullable(_) | Ty::Null | Ty::Any)
}
