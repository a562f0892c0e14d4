//! An expression that has been checked.

use std::fmt;
use std::sync::Arc;

use super::check::Checker;
use super::compile::compile;
use super::parse::{divisions, parse};
use super::tree::{Kind, Lit, Node};
use super::ty::Ty;
use super::{Code, Env, Problem, Use, Uses};
use crate::value::{Cell, Name, Type};

/// A checked expression.
#[derive(Clone)]
pub struct Expr(Arc<Inner>);

struct Inner {
    /// Of the whole text that was checked; the node's span says which part this expression is.
    text: Arc<str>,
    node: Node,
    ty: Type,
    uses: Uses,
    item: Option<Type>,
    warnings: Vec<Problem>,
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({:?}: {})", self.text(), self.ty())
    }
}

/// Checks a CEL expression against an environment.
///
/// # Errors
/// Every mistake in it; ranges are bytes of `text`.
pub fn check(text: &str, env: &Env) -> Result<Expr, Vec<Problem>> {
    let ast = parse(text)?;
    let mut checker = Checker::new(env, text);
    let node = checker.node(&ast);
    if !checker.problems.is_empty() {
        let mut problems = checker.problems;
        problems.sort_by_key(|p| p.range.start);
        problems.dedup();
        return Err(problems);
    }
    let mut warnings = checker.warnings;
    warnings.extend(divisions(text));
    Ok(Expr::new(text.into(), node, env.item.clone(), warnings))
}

impl Expr {
    fn new(text: Arc<str>, node: Node, item: Option<Type>, warnings: Vec<Problem>) -> Expr {
        let mut uses = Uses::nothing();
        collect(&node, item.as_ref(), &mut uses);
        // The item itself has the type that it came with: a record's is not written anew.
        let ty = match (&node.kind, &item) {
            (Kind::Item, Some(item)) if !matches!(node.ty, Ty::Never) => item.clone(),
            _ => node.ty.leaves(),
        };
        Expr(Arc::new(Inner {
            text,
            node,
            ty,
            uses,
            item,
            warnings,
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
        &self.0.text[self.0.node.span.clone()]
    }

    /// What is right but may fail when it runs (W0301), or not mean what it seems to (W0302).
    pub fn warnings(&self) -> &[Problem] {
        &self.0.warnings
    }

    /// The field, where the expression is nothing but a field of the item.
    pub fn as_field(&self) -> Option<&Name> {
        match &self.0.node.kind {
            Kind::Field(name) => Some(name),
            _ => None,
        }
    }

    /// The value, where the expression is nothing but a scalar literal.
    pub fn constant(&self) -> Option<Cell> {
        match &self.0.node.kind {
            Kind::Lit(lit) => Some(match lit {
                Lit::Null => Cell::Null,
                Lit::Bool(b) => Cell::Bool(*b),
                Lit::Int(i) => Cell::Int(*i),
                Lit::Uint(u) => Cell::Int(i64::try_from(*u).ok()?),
                Lit::Double(d) => Cell::Double(*d),
                Lit::Str(s) => Cell::str(s),
                Lit::Bytes(b) => Cell::bytes(b),
            }),
            _ => None,
        }
    }

    /// A map literal with constant keys, taken apart. `None` too where one of its fields is optional (`?key`).
    pub fn record(&self) -> Option<Vec<(Name, Expr)>> {
        let Kind::Map(entries) = &self.0.node.kind else {
            return None;
        };
        entries
            .iter()
            .map(|(key, value, optional)| match &key.kind {
                Kind::Lit(Lit::Str(name)) if !optional => {
                    let expr = Expr::new(
                        self.0.text.clone(),
                        value.clone(),
                        self.0.item.clone(),
                        Vec::new(),
                    );
                    Some((Name::from(&**name), expr))
                }
                _ => None,
            })
            .collect()
    }

    /// Compiles for rows of this type, which is the item's, narrowed at most to the fields that [`Expr::uses`]
    /// names. Slots are resolved here.
    ///
    /// # Panics
    /// Where a field that is used is not there: a bug of whoever narrowed the type.
    pub fn compile(&self, item: Option<&Type>) -> Code {
        Code::new(compile(&self.0.node, &self.0.text, item))
    }
}

/// Which fields of the item a node uses.
fn collect(node: &Node, item: Option<&Type>, uses: &mut Uses) {
    match &node.kind {
        Kind::Field(name) => uses.field(name, Use::Look),
        // `has(item.x)` looks at the field alone.
        Kind::Has { of, name, .. }
            if matches!((&of.kind, item), (Kind::Item, Some(Type::Record(_)))) =>
        {
            uses.field(name, Use::Look);
        }
        Kind::Item => uses.merge(&Uses::all(Use::Look)),
        _ => node
            .children()
            .into_iter()
            .for_each(|child| collect(child, item, uses)),
    }
}
