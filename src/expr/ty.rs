//! The checker's types: those of items, and the few more that live only within an expression.

use std::fmt;
use std::sync::Arc;

use crate::value::{Name, RecordType, Type};

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Ty {
    /// Of no value at all: the elements of `[]`. Fits wherever anything is wanted.
    Never,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Time,
    Duration,
    /// A type as a value: `int`, `type(x)`.
    Type,
    /// Looked at when it runs.
    Any,
    /// `T?`; never nested, never around `Any`, `Null` or `Never`.
    Nullable(Arc<Ty>),
    List(Arc<Ty>),
    Map(Arc<Ty>, Arc<Ty>),
    Record(Arc<Record>),
    /// CEL's optional value (`optional.of(x)`, `x.?y`), which is not a `T?`.
    Optional(Arc<Ty>),
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Record {
    pub fields: Vec<(Name, Ty)>,
    pub rest: Option<Ty>,
    /// Made by a map literal: asking it for a key that it has not (`has`, `.?`) is no mistake.
    pub literal: bool,
}

impl Record {
    pub fn field(&self, name: &str) -> Option<&Ty> {
        self.declared(name).or(self.rest.as_ref())
    }

    pub fn declared(&self, name: &str) -> Option<&Ty> {
        self.fields
            .iter()
            .find(|(n, _)| **n == *name)
            .map(|(_, t)| t)
    }

    /// The type that takes the value of every field.
    pub fn values(&self) -> Ty {
        self.fields
            .iter()
            .map(|(_, t)| t)
            .chain(&self.rest)
            .fold(Ty::Never, |a, b| a.join(b))
    }
}

impl From<&Type> for Ty {
    fn from(ty: &Type) -> Ty {
        match ty {
            Type::Null => Ty::Null,
            Type::String => Ty::String,
            Type::Int => Ty::Int,
            Type::Double => Ty::Double,
            Type::Bool => Ty::Bool,
            Type::Bytes => Ty::Bytes,
            Type::Timestamp => Ty::Time,
            Type::Duration => Ty::Duration,
            Type::Any => Ty::Any,
            Type::Optional(t) => Ty::from(&**t).nullable(),
            Type::List(t) => Ty::list(Ty::from(&**t)),
            Type::Record(r) => Ty::Record(Arc::new(Record {
                fields: r
                    .fields
                    .iter()
                    .map(|f| (f.name.clone(), Ty::from(&f.ty)))
                    .collect(),
                rest: r.rest.as_ref().map(Ty::from),
                literal: false,
            })),
        }
    }
}

impl Ty {
    pub fn list(of: Ty) -> Ty {
        Ty::List(Arc::new(of))
    }

    pub fn map(key: Ty, value: Ty) -> Ty {
        Ty::Map(Arc::new(key), Arc::new(value))
    }

    pub fn optional(of: Ty) -> Ty {
        Ty::Optional(Arc::new(of))
    }

    pub fn nullable(self) -> Ty {
        match self {
            Ty::Nullable(_) | Ty::Any | Ty::Null => self,
            Ty::Never => Ty::Null,
            other => Ty::Nullable(Arc::new(other)),
        }
    }

    /// Without its `?`.
    pub fn required(&self) -> &Ty {
        match self {
            Ty::Nullable(inner) => inner,
            other => other,
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Ty::Int | Ty::Uint | Ty::Double)
    }

    /// What a value of this type is when it leaves the expression: unsigned ints are ints, types their
    /// names, an optional value a `T?`.
    pub fn leaves(&self) -> Type {
        match self {
            Ty::Null => Type::Null,
            Ty::Bool => Type::Bool,
            Ty::Int | Ty::Uint => Type::Int,
            Ty::Double => Type::Double,
            Ty::String | Ty::Type => Type::String,
            Ty::Bytes => Type::Bytes,
            Ty::Time => Type::Timestamp,
            Ty::Duration => Type::Duration,
            Ty::Any | Ty::Never => Type::Any,
            Ty::Nullable(t) | Ty::Optional(t) => t.leaves().optional(),
            Ty::List(t) => Type::list(t.leaves()),
            // {}
            Ty::Map(k, _) if **k == Ty::Never => Type::record([]),
            Ty::Map(k, v) if **k == Ty::String => Type::Record(Arc::new(RecordType {
                fields: Vec::new(),
                rest: Some(v.leaves()),
            })),
            Ty::Map(..) => Type::Any,
            Ty::Record(r) => Type::Record(Arc::new(RecordType {
                rest: r.rest.as_ref().map(Ty::leaves),
                ..RecordType::closed(r.fields.iter().map(|(n, t)| (n.clone(), t.leaves())))
            })),
        }
    }

    /// The narrowest type that takes both.
    pub fn join(&self, other: &Ty) -> Ty {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Ty::Never, t) | (t, Ty::Never) => t.clone(),
            (Ty::Null, t) | (t, Ty::Null) => t.clone().nullable(),
            (Ty::Nullable(a), b) | (b, Ty::Nullable(a)) => a.join(b.required()).nullable(),
            (Ty::List(a), Ty::List(b)) => Ty::list(a.join(b)),
            (Ty::Optional(a), Ty::Optional(b)) => Ty::optional(a.join(b)),
            (Ty::Map(k, v), Ty::Map(l, w)) => Ty::map(k.join(l), v.join(w)),
            (Ty::Map(k, _), Ty::Record(r)) | (Ty::Record(r), Ty::Map(k, _)) if **k == Ty::Never => {
                join_records(
                    r,
                    &Record {
                        literal: true,
                        ..Record::default()
                    },
                )
            }
            (Ty::Map(k, v), Ty::Record(r)) | (Ty::Record(r), Ty::Map(k, v)) => {
                Ty::map(k.join(&Ty::String), v.join(&r.values()))
            }
            (Ty::Record(a), Ty::Record(b)) => join_records(a, b),
            _ => Ty::Any,
        }
    }

    /// Can a value of one ever equal one of the other?
    pub fn comparable(&self, other: &Ty) -> bool {
        match (self.required(), other.required()) {
            (Ty::Any | Ty::Never | Ty::Null, _) | (_, Ty::Any | Ty::Never | Ty::Null) => true,
            (a, b) if a.is_number() && b.is_number() => true,
            (Ty::List(a), Ty::List(b)) | (Ty::Optional(a), Ty::Optional(b)) => a.comparable(b),
            (Ty::Map(k, v), Ty::Map(l, w)) => k.comparable(l) && v.comparable(w),
            (Ty::Map(k, v), Ty::Record(r)) | (Ty::Record(r), Ty::Map(k, v)) => {
                k.comparable(&Ty::String) && v.comparable(&r.values())
            }
            // Maps of values of several kinds are compared value by value.
            (Ty::Record(_), Ty::Record(_)) => true,
            (a, b) => a == b,
        }
    }
}

/// Records of the same fields are joined field by field; a field that one of them has not may be null.
fn join_records(a: &Record, b: &Record) -> Ty {
    let mut fields: Vec<(Name, Ty)> = Vec::new();
    for (name, t) in &a.fields {
        let joined = match b.field(name) {
            Some(u) if b.declared(name).is_some() => t.join(u),
            Some(u) => t.join(u).nullable(),
            None => t.clone().nullable(),
        };
        fields.push((name.clone(), joined));
    }
    for (name, t) in &b.fields {
        if a.declared(name).is_none() {
            let joined = a.rest.as_ref().map_or(t.clone(), |u| t.join(u));
            fields.push((name.clone(), joined.nullable()));
        }
    }
    let rest = match (&a.rest, &b.rest) {
        (Some(x), Some(y)) => Some(x.join(y)),
        (x, y) => x.clone().or_else(|| y.clone()),
    };
    Ty::Record(Arc::new(Record {
        fields,
        rest,
        literal: a.literal && b.literal,
    }))
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ty::Never => f.write_str("nothing"),
            Ty::Null => f.write_str("null"),
            Ty::Bool => f.write_str("bool"),
            Ty::Int => f.write_str("int"),
            Ty::Uint => f.write_str("uint"),
            Ty::Double => f.write_str("double"),
            Ty::String => f.write_str("string"),
            Ty::Bytes => f.write_str("bytes"),
            Ty::Time => f.write_str("timestamp"),
            Ty::Duration => f.write_str("duration"),
            Ty::Type => f.write_str("type"),
            Ty::Any => f.write_str("any"),
            Ty::Nullable(t) => write!(f, "{t}?"),
            Ty::List(t) if **t == Ty::Never => f.write_str("[]"),
            Ty::Map(k, _) if **k == Ty::Never => f.write_str("{}"),
            Ty::List(t) => write!(f, "[{t}]"),
            Ty::Map(k, v) => write!(f, "map({k}, {v})"),
            Ty::Optional(t) => write!(f, "optional({t})"),
            Ty::Record(r) => {
                let shown = r.fields.iter().map(|(n, t)| format!("{n}: {t}"));
                let rest = r.rest.iter().map(|t| format!("*: {t}"));
                write!(
                    f,
                    "{{{}}}",
                    shown.chain(rest).collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[(&str, Ty)]) -> Ty {
        let fields = fields
            .iter()
            .map(|(n, t)| (Name::from(*n), t.clone()))
            .collect();
        Ty::Record(Arc::new(Record {
            fields,
            rest: None,
            literal: true,
        }))
    }

    #[test]
    fn records_are_joined_field_by_field() {
        let a = record(&[("x", Ty::Int), ("y", Ty::String)]);
        let b = record(&[("x", Ty::Null), ("z", Ty::Bool)]);
        assert_eq!(a.join(&b).to_string(), "{x: int?, y: string?, z: bool?}");
    }

    #[test]
    fn an_empty_list_takes_the_type_of_its_company() {
        assert_eq!(
            Ty::list(Ty::Never).join(&Ty::list(Ty::Int)),
            Ty::list(Ty::Int)
        );
        assert_eq!(Ty::list(Ty::Never).leaves(), Type::list(Type::Any));
    }

    #[test]
    fn numbers_of_two_kinds_have_no_common_type_but_compare() {
        assert_eq!(Ty::Int.join(&Ty::Double), Ty::Any);
        assert!(Ty::Int.comparable(&Ty::Double));
        assert!(!Ty::Int.comparable(&Ty::String.nullable()));
    }
}
