//! The bridge to cel-core's interpreter, the oracle of our tests: our values as its own, and back.

use std::sync::{Arc, LazyLock};

use cel_core::{MapKey, OptionalValue, TypeValue, Value, ValueMap};

use super::run::{Dict, R, Val, fault};
use crate::value::Cell;

/// The standard library with all extensions.
pub(super) fn base() -> &'static cel_core::Env {
    static BASE: LazyLock<cel_core::Env> =
        LazyLock::new(|| cel_core::Env::with_standard_library().with_all_extensions());
    &BASE
}

pub(super) fn value(val: &Val<'_>) -> R<Value> {
    Ok(match val {
        Val::Null => Value::Null,
        Val::Bool(b) => Value::Bool(*b),
        Val::Int(i) => Value::Int(*i),
        Val::Uint(u) => Value::UInt(*u),
        Val::Double(d) => Value::Double(*d),
        Val::Time { secs, nanos } => Value::Timestamp(cel_core::Timestamp::new(
            *secs,
            i32::try_from(*nanos).unwrap_or(0),
        )),
        Val::Duration { secs, nanos } => Value::Duration(cel_core::Duration::new(*secs, *nanos)),
        Val::Str(s) => Value::String(s.as_str().into()),
        Val::Bytes(b) => Value::Bytes(b.as_slice().into()),
        Val::List(l) => Value::List(l.iter().map(|v| value(&v)).collect::<R<_>>()?),
        Val::Map(m) => {
            let mut map = ValueMap::new();
            for (k, v) in m.iter() {
                let key = MapKey::from_value(&value(&k)?);
                map.insert(
                    key.ok_or_else(|| fault("a key is a string, an int or a bool"))?,
                    value(&v)?,
                );
            }
            Value::Map(Arc::new(map))
        }
        Val::Type(name) => Value::Type(TypeValue::new(*name)),
        Val::Optional(None) => Value::Optional(OptionalValue::None),
        Val::Optional(Some(v)) => Value::Optional(OptionalValue::some(value(v)?)),
    })
}

pub(super) fn our<'a>(value: &Value) -> R<Val<'a>> {
    Ok(match value {
        Value::UInt(u) => Val::Uint(*u),
        Value::List(l) => Val::list(l.iter().map(our).collect::<R<_>>()?),
        Value::Map(m) => {
            let entries = m.iter().map(|(k, v)| Ok((our(&k.to_value())?, our(v)?)));
            Val::Map(Dict::Vals(entries.collect::<R<_>>()?))
        }
        Value::Null => Val::Null,
        Value::Bool(b) => Val::Bool(*b),
        Value::Int(i) => Val::Int(*i),
        Value::Double(d) => Val::Double(*d),
        Value::String(s) => Val::text(&**s),
        Value::Bytes(b) => Val::owned(Cell::bytes(b)),
        other => {
            return Err(fault(format!(
                "{} is no value here",
                other.cel_type().display_name()
            )));
        }
    })
}

/// A cell as a value of the library.
pub(super) fn of_cell(cell: &Cell) -> Value {
    value(&Val::of(cell, &crate::value::Blocks::new())).unwrap_or(Value::Null)
}
