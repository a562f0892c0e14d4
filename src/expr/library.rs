//! The bridge to cel-core: our types and values as its own, and back.

use std::sync::{Arc, LazyLock};

use cel_core::{CelType, Value};

use super::EvalError;
use crate::value::{Blocks, Cell, Type};

/// The standard library with all extensions.
pub(super) fn base() -> &'static cel_core::Env {
    static BASE: LazyLock<cel_core::Env> =
        LazyLock::new(|| cel_core::Env::with_standard_library().with_all_extensions());
    &BASE
}

pub(super) fn cel_type(ty: &Type) -> CelType {
    match ty {
        Type::Null => CelType::Null,
        Type::String => CelType::String,
        Type::Int => CelType::Int,
        Type::Double => CelType::Double,
        Type::Bool => CelType::Bool,
        Type::Bytes => CelType::Bytes,
        Type::Timestamp => CelType::Timestamp,
        Type::Duration => CelType::Duration,
        Type::Any => CelType::Dyn,
        Type::Optional(t) => match cel_type(t) {
            scalar @ (CelType::String
            | CelType::Int
            | CelType::Double
            | CelType::Bool
            | CelType::Bytes) => CelType::Wrapper(Arc::new(scalar)),
            _ => CelType::Dyn,
        },
        Type::List(t) => CelType::list(cel_type(t)),
        Type::Record(_) => CelType::map(CelType::String, CelType::Dyn),
    }
}

pub(super) fn our_type(ty: &CelType) -> Type {
    match ty {
        CelType::Bool => Type::Bool,
        CelType::Int | CelType::UInt => Type::Int,
        CelType::Double => Type::Double,
        CelType::String | CelType::Type(_) => Type::String,
        CelType::Bytes => Type::Bytes,
        CelType::Timestamp => Type::Timestamp,
        CelType::Duration => Type::Duration,
        CelType::Null => Type::Null,
        CelType::List(t) => Type::list(our_type(t)),
        CelType::Wrapper(t) | CelType::Optional(t) => our_type(t).optional(),
        _ => Type::Any,
    }
}

pub(super) fn value(cell: &Cell, blocks: &Blocks) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(b) => Value::Bool(*b),
        Cell::Int(i) => Value::Int(*i),
        Cell::Double(d) => Value::Double(*d),
        Cell::Time { nanos, secs } => {
            Value::Timestamp(cel_core::Timestamp::new(*secs, *nanos as i32))
        }
        Cell::Duration { nanos, secs } => Value::Duration(cel_core::Duration::new(*secs, *nanos)),
        Cell::Text(_) | Cell::Bin(_) | Cell::Raw(_) => value(&cell.detach(blocks), blocks),
        Cell::Heap(_) => {
            if let Some(s) = cell.as_heap_str() {
                Value::String(s.into())
            } else if let Some(list) = cell.as_list() {
                Value::List(list.iter().map(|c| value(c, blocks)).collect())
            } else if let Some(map) = cell.as_map() {
                let mut out = cel_core::ValueMap::new();
                for (k, v) in map.entries() {
                    if let Some(key) = cel_core::MapKey::from_value(&value(k, blocks)) {
                        out.insert(key, value(v, blocks));
                    }
                }
                Value::Map(Arc::new(out))
            } else {
                Value::Bytes(cell.as_bytes(blocks).unwrap_or_default().into())
            }
        }
    }
}

/// A detached cell.
pub(super) fn cell(value: &Value) -> Result<Cell, EvalError> {
    Ok(match value {
        Value::Null => Cell::Null,
        Value::Bool(b) => Cell::Bool(*b),
        Value::Int(i) => Cell::Int(*i),
        Value::UInt(u) => match i64::try_from(*u) {
            Ok(i) => Cell::Int(i),
            Err(_) => return Err(EvalError::new(format!("{u} does not fit an int"))),
        },
        Value::Double(d) => Cell::Double(*d),
        Value::String(s) => Cell::str(s),
        Value::Bytes(b) => Cell::bytes(b),
        Value::List(l) => Cell::list(l.iter().map(cell).collect::<Result<_, _>>()?),
        Value::Map(m) => {
            let entries: Result<Vec<_>, EvalError> = m
                .iter()
                .map(|(k, v)| Ok((cell(&k.to_value())?, cell(v)?)))
                .collect();
            Cell::map(entries?)
        }
        Value::Timestamp(t) => Cell::Time {
            nanos: t.nanos as u32,
            secs: t.seconds,
        },
        Value::Duration(d) => Cell::Duration {
            nanos: d.nanos,
            secs: d.seconds,
        },
        Value::Type(t) => Cell::str(&t.name),
        Value::Optional(o) => match o.as_value() {
            Some(v) => cell(v)?,
            None => Cell::Null,
        },
        Value::Error(e) => return Err(EvalError::new(e.message.clone())),
        Value::Message(_) | Value::Enum(_) => {
            return Err(EvalError::new("a protocol buffer is no value here"));
        }
    })
}
