//! Names: the item and its fields, parameters, values, queues, the run, types.

use std::ops::Range;

use cel_core::{Expr as Ast, SpannedExpr};

use super::super::hints;
use super::super::tree::{Kind, Node};
use super::super::ty::Ty;
use super::super::{Problem, functions};
use super::{Checker, article, listed, short};
use crate::diagnostic::nearest;
use crate::value::{Name, RecordType, Type};

/// The names that hide fields of the same name.
const FIXED: [&str; 7] = [
    "item", "params", "values", "arrays", "queues", "worker", "run",
];

/// Types as values, under the names that CEL and we have for them, and what `type()` calls them.
const TYPES: [(&str, &str); 15] = [
    ("int", "int"),
    ("uint", "uint"),
    ("double", "double"),
    ("bool", "bool"),
    ("string", "string"),
    ("bytes", "bytes"),
    ("list", "list"),
    ("map", "map"),
    ("null_type", "null_type"),
    ("type", "type"),
    ("timestamp", "google.protobuf.Timestamp"),
    ("duration", "google.protobuf.Duration"),
    ("optional_type", "optional_type"),
    ("google.protobuf.Timestamp", "google.protobuf.Timestamp"),
    ("google.protobuf.Duration", "google.protobuf.Duration"),
];

impl Checker<'_> {
    pub(super) fn ident(&mut self, name: &str, span: Range<usize>) -> Node {
        if let Some(i) = self.locals.iter().rposition(|(n, _)| n == name) {
            let ty = self.locals[i].1.clone();
            return self.known(Node {
                kind: Kind::Local(i),
                ty,
                span,
            });
        }
        self.root_ident(name, span)
    }

    /// A name that no macro has bound.
    pub(super) fn root_ident(&mut self, name: &str, span: Range<usize>) -> Node {
        match name {
            "item" => {
                let Some(item) = &self.env.item else {
                    return self.no_item(span);
                };
                let ty = Ty::from(item);
                return self.known(Node {
                    kind: Kind::Item,
                    ty,
                    span,
                });
            }
            "worker" => {
                return Node {
                    kind: Kind::Worker,
                    ty: Ty::Int,
                    span,
                };
            }
            "params" | "values" | "arrays" | "queues" | "run" => {
                let help = match name {
                    "run" => "write run.start or run.failed".to_string(),
                    "queues" => "write queues.NAME.size".to_string(),
                    _ => format!("write {name}.NAME"),
                };
                let p = Problem::new("E0303", span.clone(), format!("`{name}` alone is no value"));
                return self.wrong(p.help(help), span);
            }
            _ => {}
        }
        if let Some((declared, ty)) = self.declared_field(name) {
            return self.known(Node {
                kind: Kind::Field(declared),
                ty,
                span,
            });
        }
        if let Some((_, cel)) = TYPES.iter().find(|(n, _)| *n == name) {
            return Node {
                kind: Kind::TypeName(cel),
                ty: Ty::Type,
                span,
            };
        }
        if let Some(rest) = self.item_record().and_then(|r| r.rest.as_ref()) {
            let ty = Ty::from(rest);
            return self.known(Node {
                kind: Kind::Field(name.into()),
                ty,
                span,
            });
        }
        self.no_name(name, span)
    }

    pub(super) fn item_record(&self) -> Option<&RecordType> {
        self.env
            .item
            .as_ref()
            .and_then(Type::as_record)
            .map(|r| &**r)
    }

    fn declared_field(&self, name: &str) -> Option<(Name, Ty)> {
        let field = self
            .item_record()?
            .fields
            .iter()
            .find(|f| *f.name == *name)?;
        Some((field.name.clone(), Ty::from(&field.ty)))
    }

    fn no_item(&mut self, span: Range<usize>) -> Node {
        let p = Problem::new("E0201", span.clone(), "there is no item here");
        self.wrong(
            p.help("params.NAME, run.start and env(\"NAME\") are there"),
            span,
        )
    }

    fn no_name(&mut self, name: &str, span: Range<usize>) -> Node {
        let message = match &self.env.item {
            Some(Type::Record(_)) => format!("the item has no field `{name}`"),
            Some(Type::Any) => format!(
                "there is no name `{name}`, and which fields the item has is not known here"
            ),
            Some(item) => format!(
                "there is no name `{name}`; the item is {}, without fields",
                article(&Ty::from(item))
            ),
            None => format!("there is no name `{name}`, and no item here"),
        };
        let code = if self.env.item.is_some() {
            "E0302"
        } else {
            "E0201"
        };
        let help = self.instead_of(name);
        self.wrong(Problem::new(code, span.clone(), message).help(help), span)
    }

    fn instead_of(&self, name: &str) -> String {
        let fields: Vec<&str> = self
            .item_record()
            .map(|r| r.fields.iter().map(|f| &*f.name).collect())
            .unwrap_or_default();
        let all = listed(fields.iter().copied());
        let known = fields
            .iter()
            .copied()
            .chain(FIXED)
            .chain(self.locals.iter().map(|(n, _)| n.as_str()));
        let one_of = |names: &[(Name, Type)]| names.iter().any(|(n, _)| **n == *name);
        if let Some(help) = hints::name(name) {
            help.into()
        } else if let Some(near) = nearest(name, known) {
            let rest = if fields.is_empty() {
                String::new()
            } else {
                format!(" The fields are: {all}")
            };
            format!("did you mean `{near}`?{rest}")
        } else if one_of(&self.env.params) {
            format!("write params.{name}")
        } else if one_of(&self.env.values) {
            format!("write values.{name}")
        } else if one_of(&self.env.arrays) {
            format!("write arrays.{name}[0]")
        } else if functions::find(name).is_some() {
            format!("`{name}` is a function: write {name}(..)")
        } else if matches!(self.env.item, Some(Type::Any)) {
            format!(
                "write item.{name}, or give the item a type with `as:`; a text stands in quotes: \"{name}\""
            )
        } else if fields.is_empty() {
            format!("a text stands in quotes: \"{name}\"")
        } else {
            format!("the fields are: {all}; a text stands in quotes: \"{name}\"")
        }
    }

    pub(super) fn member(
        &mut self,
        of: &SpannedExpr,
        name: &str,
        optional: bool,
        span: Range<usize>,
    ) -> Node {
        if let Some(base) = self.free_ident(of)
            && let Some(node) = self.namespaced(base, name, of, span.clone())
        {
            return node;
        }
        if let Ast::Member { expr, field, .. } = &of.node
            && self.free_ident(expr) == Some("queues")
        {
            return self.queue(field, name, of, span);
        }
        if let Some(whole) = dotted(of).map(|base| format!("{base}.{name}"))
            && let Some((_, cel)) = TYPES.iter().find(|(n, _)| *n == whole)
        {
            return Node {
                kind: Kind::TypeName(cel),
                ty: Ty::Type,
                span,
            };
        }
        let of = self.node(of);
        self.part_of(of, name, optional, span)
    }

    /// The name of an identifier that no macro has bound.
    pub(super) fn free_ident<'a>(&self, ast: &'a SpannedExpr) -> Option<&'a str> {
        match &ast.node {
            Ast::Ident(name) if self.locals.iter().all(|(n, _)| n != name) => Some(name),
            Ast::RootIdent(name) => Some(name),
            _ => None,
        }
    }

    fn namespaced(
        &mut self,
        base: &str,
        name: &str,
        of: &SpannedExpr,
        span: Range<usize>,
    ) -> Option<Node> {
        let env = self.env;
        let (what, names) = match base {
            "params" => ("parameter", &env.params),
            "values" => ("value", &env.values),
            "arrays" => ("array", &env.arrays),
            "queues" => {
                let p = Problem::new(
                    "E0303",
                    span.clone(),
                    format!("`{}.{name}` alone is no value", of_text(self.text, of)),
                );
                return Some(self.wrong(p.help(format!("write queues.{name}.size")), span));
            }
            "run" => {
                let (kind, ty) = match name {
                    "start" => (Kind::RunStart, Ty::Time),
                    "failed" => (Kind::RunFailed, Ty::Bool),
                    _ => {
                        return Some(self.unknown(
                            "name",
                            "run.",
                            name,
                            &["start", "failed"],
                            span,
                        ));
                    }
                };
                return Some(Node { kind, ty, span });
            }
            _ => return None,
        };
        let Some(i) = names.iter().position(|(n, _)| **n == *name) else {
            let known: Vec<&str> = names.iter().map(|(n, _)| &**n).collect();
            return Some(self.unknown(what, "", name, &known, span));
        };
        let ty = Ty::from(&names[i].1);
        let (kind, ty) = match base {
            "params" => (Kind::Param(i), ty),
            "values" => (Kind::Value(i), ty),
            _ => (Kind::Array(i), Ty::list(ty)),
        };
        Some(self.known(Node { kind, ty, span }))
    }

    fn queue(&mut self, queue: &str, name: &str, of: &SpannedExpr, span: Range<usize>) -> Node {
        let known: Vec<&str> = self.env.queues.iter().map(|q| &**q).collect();
        match known.iter().position(|q| *q == queue) {
            None => self.unknown("queue", "", queue, &known, of.span.clone()),
            Some(_) if name != "size" => {
                self.unknown("name", &format!("queues.{queue}."), name, &["size"], span)
            }
            Some(i) => Node {
                kind: Kind::QueueSize(i),
                ty: Ty::Int,
                span,
            },
        }
    }

    fn unknown(
        &mut self,
        what: &str,
        of: &str,
        name: &str,
        known: &[&str],
        span: Range<usize>,
    ) -> Node {
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "none is declared".into(),
            None => format!("there is: {}", listed(known.iter().copied())),
        };
        self.wrong(
            Problem::new(
                "E0201",
                span.clone(),
                format!("there is no {what} `{of}{name}`"),
            )
            .help(help),
            span,
        )
    }
}

fn of_text(text: &str, ast: &SpannedExpr) -> String {
    short(&text[ast.span.clone()])
}

/// `a.b.c` as text.
pub(super) fn dotted(ast: &SpannedExpr) -> Option<String> {
    match &ast.node {
        Ast::Ident(name) | Ast::RootIdent(name) => Some(name.clone()),
        Ast::Member {
            expr,
            field,
            optional: false,
        } => Some(format!("{}.{field}", dotted(expr)?)),
        _ => None,
    }
}
