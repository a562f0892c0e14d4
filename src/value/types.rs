//! The types of LANGUAGE: what an item looks like, and the shape (names and slots) of a record.

use std::fmt;
use std::sync::Arc;

/// The name of a field, a stage, a connection: shared, compared by text.
pub type Name = Arc<str>;

/// What an item or a field looks like.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// Only null (the type of the literal `null`).
    Null,
    /// UTF-8 text.
    String,
    /// A signed integer of 64 bits.
    Int,
    /// An IEEE 754 double.
    Double,
    /// `true` or `false`.
    Bool,
    /// A sequence of bytes (base64 in JSON).
    Bytes,
    /// A point in time (RFC 3339 in UTC in JSON).
    Timestamp,
    /// A length of time (seconds in JSON).
    Duration,
    /// Anything; looked at when it runs.
    Any,
    /// `T?`: a `T` or null. Never nested, never around `Any` or `Null`.
    Optional(Arc<Type>),
    /// `[T]`.
    List(Arc<Type>),
    /// A record, closed unless it has a rest (`"*": T`).
    Record(Arc<RecordType>),
}

/// The fields of a record, in the order in which they are written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RecordType {
    pub fields: Vec<Field>,
    /// The type of further fields (`"*": T`); `None`: the record is closed.
    pub rest: Option<Type>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Field {
    pub name: Name,
    pub ty: Type,
}

impl RecordType {
    /// A closed record of these fields.
    pub fn closed(fields: impl IntoIterator<Item = (Name, Type)>) -> RecordType {
        RecordType {
            fields: fields
                .into_iter()
                .map(|(name, ty)| Field { name, ty })
                .collect(),
            rest: None,
        }
    }

    /// The slot of a declared field.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| &*f.name == name)
    }

    /// The fields that both have; the others become the rest of an open record.
    fn join(&self, other: &RecordType) -> RecordType {
        let mut joined = RecordType::default();
        let mut rest = self
            .rest
            .iter()
            .chain(&other.rest)
            .cloned()
            .reduce(|a, b| a.join(&b));
        let mut others = |ty: &Type| rest = Some(rest.take().map_or(ty.clone(), |r| r.join(ty)));
        for field in &self.fields {
            match other.slot(&field.name) {
                Some(slot) => joined.fields.push(Field {
                    name: field.name.clone(),
                    ty: field.ty.join(&other.fields[slot].ty),
                }),
                None => others(&field.ty),
            }
        }
        for field in other.fields.iter().filter(|f| self.slot(&f.name).is_none()) {
            others(&field.ty);
        }
        joined.rest = rest;
        joined
    }

    /// The type of a field: the declared one, or the rest's.
    pub fn field(&self, name: &str) -> Option<&Type> {
        self.slot(name)
            .map(|i| &self.fields[i].ty)
            .or(self.rest.as_ref())
    }
}

impl Type {
    /// `T?` of this type (`Any` and null stay what they are).
    #[must_use]
    pub fn optional(self) -> Type {
        match self {
            Type::Optional(_) | Type::Any | Type::Null => self,
            other => Type::Optional(Arc::new(other)),
        }
    }

    /// The type without its `?`.
    pub fn required(&self) -> &Type {
        match self {
            Type::Optional(inner) => inner,
            other => other,
        }
    }

    /// May a value of this type be null?
    pub fn nullable(&self) -> bool {
        matches!(self, Type::Optional(_) | Type::Any | Type::Null)
    }

    pub fn list(of: Type) -> Type {
        Type::List(Arc::new(of))
    }

    pub fn record(fields: impl IntoIterator<Item = (Name, Type)>) -> Type {
        Type::Record(Arc::new(RecordType::closed(fields)))
    }

    pub fn as_record(&self) -> Option<&Arc<RecordType>> {
        match self {
            Type::Record(r) => Some(r),
            _ => None,
        }
    }

    /// May every value of type `from` stand where `self` is wanted, without a change of representation
    /// beyond packing (a record into `any`)? `T` fits `T?`, everything fits `any`, `T?` does not fit `T`.
    pub fn accepts(&self, from: &Type) -> bool {
        match (self, from) {
            (Type::Any, _) => true,
            (a, b) if a == b => true,
            (Type::Optional(_), Type::Null) => true,
            (Type::Optional(a), Type::Optional(b)) | (Type::List(a), Type::List(b)) => a.accepts(b),
            (Type::Optional(a), b) => a.accepts(b),
            (Type::Record(a), Type::Record(b)) => {
                a.fields.iter().all(|f| match b.field(&f.name) {
                    Some(t) => f.ty.accepts(t) && (b.slot(&f.name).is_some() || f.ty.nullable()),
                    None => f.ty.nullable(),
                }) && b
                    .fields
                    .iter()
                    .all(|f| a.field(&f.name).is_some_and(|t| t.accepts(&f.ty)))
                    && match (&a.rest, &b.rest) {
                        (_, None) => true,
                        (Some(x), Some(y)) => x.accepts(y),
                        (None, Some(_)) => false,
                    }
            }
            _ => false,
        }
    }

    /// The narrowest type that accepts both. Fields that only one of two records has become the rest of an open
    /// record, not optional fields, so that an item never grows a `null` that its writer did not give it.
    #[must_use]
    pub fn join(&self, other: &Type) -> Type {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Type::Null, t) | (t, Type::Null) => t.clone().optional(),
            (Type::Optional(a), b) | (b, Type::Optional(a)) => a.join(b.required()).optional(),
            (Type::List(a), Type::List(b)) => Type::list(a.join(b)),
            (Type::Record(a), Type::Record(b)) => Type::Record(Arc::new(a.join(b))),
            _ => Type::Any,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::String => f.write_str("string"),
            Type::Int => f.write_str("int"),
            Type::Double => f.write_str("double"),
            Type::Bool => f.write_str("bool"),
            Type::Bytes => f.write_str("bytes"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::Any => f.write_str("any"),
            Type::Optional(t) => write!(f, "{t}?"),
            Type::List(t) => write!(f, "[{t}]"),
            Type::Record(r) => {
                f.write_str("{")?;
                let mut first = true;
                for field in &r.fields {
                    if !std::mem::take(&mut first) {
                        f.write_str(", ")?;
                    }
                    write!(f, "{}: {}", field.name, field.ty)?;
                }
                if let Some(rest) = &r.rest {
                    if !first {
                        f.write_str(", ")?;
                    }
                    write!(f, "*: {rest}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// How the rows of a batch are laid out: one cell for a scalar, a list or `any`; one cell a field for a
/// record; where a record is open, one more cell at the end holds the other fields as a [`super::Map`]
/// (or null where there are none).
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    ty: Type,
    width: usize,
}

impl Shape {
    pub fn of(ty: &Type) -> Arc<Shape> {
        let width = match ty {
            Type::Record(r) => r.fields.len() + usize::from(r.rest.is_some()),
            _ => 1,
        };
        Arc::new(Shape {
            ty: ty.clone(),
            width,
        })
    }

    /// The type of one item.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// Cells a row; 0 for a record none of whose fields is needed.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn record(&self) -> Option<&RecordType> {
        self.ty.as_record().map(|r| &**r)
    }

    /// The slot of the cell with the other fields of an open record.
    pub fn rest_slot(&self) -> Option<usize> {
        self.record()
            .filter(|r| r.rest.is_some())
            .map(|r| r.fields.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn types() -> impl Strategy<Value = Type> {
        let scalar = prop::sample::select(vec![
            Type::Null,
            Type::String,
            Type::Int,
            Type::Bool,
            Type::Any,
        ]);
        scalar.prop_recursive(3, 12, 3, |inner| {
            let name = prop::sample::select(vec!["a", "b", "c"]);
            let fields = prop::collection::btree_map(name, inner.clone(), 0..3);
            prop_oneof![
                inner.clone().prop_map(Type::optional),
                inner.clone().prop_map(Type::list),
                (fields, prop::option::of(inner)).prop_map(|(fields, rest)| {
                    let mut record =
                        RecordType::closed(fields.into_iter().map(|(n, t)| (n.into(), t)));
                    record.rest = rest;
                    Type::Record(record.into())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_join_accepts_both_whichever_comes_first(a in types(), b in types()) {
            for join in [a.join(&b), b.join(&a)] {
                prop_assert!(join.accepts(&a), "{join} of {a} and {b}");
                prop_assert!(join.accepts(&b), "{join} of {a} and {b}");
            }
        }

        #[test]
        fn a_type_joins_with_itself_to_itself(a in types()) {
            prop_assert_eq!(a.join(&a), a);
        }
    }

    #[test]
    fn what_only_one_of_two_records_has_is_the_rest_of_an_open_one() {
        let record = |fields: &[(&str, Type)]| {
            Type::record(fields.iter().map(|(n, t)| ((*n).into(), t.clone())))
        };
        let a = record(&[("x", Type::Int), ("y", Type::String)]);
        let b = record(&[("z", Type::Bool), ("x", Type::Int.optional())]);
        assert_eq!(a.join(&b).to_string(), "{x: int?, *: any}");
        assert_eq!(a.join(&record(&[("y", Type::String), ("x", Type::Int)])), a);
    }
}
