//! Arguments as Rust's types, and what to say where they are of another kind.

use super::super::run::{Dict, List, R, Text, Val, fault};

#[cold]
pub(super) fn wanted<T>(what: &str, found: &Val<'_>) -> R<T> {
    Err(fault(format!("{what} is needed, this is {}", found.kind())))
}

pub(super) fn string<'v, 'a>(args: &'v [Val<'a>], i: usize) -> R<&'v Text<'a>> {
    match &args[i] {
        Val::Str(s) => Ok(s),
        other => wanted("a string", other),
    }
}

pub(super) fn str<'v>(args: &'v [Val<'_>], i: usize) -> R<&'v str> {
    string(args, i).map(Text::as_str)
}

pub(super) fn int(args: &[Val<'_>], i: usize) -> R<i64> {
    match &args[i] {
        Val::Int(n) => Ok(*n),
        other => wanted("an int", other),
    }
}

pub(super) fn list<'v, 'a>(args: &'v [Val<'a>], i: usize) -> R<&'v List<'a>> {
    match &args[i] {
        Val::List(l) => Ok(l),
        other => wanted("a list", other),
    }
}

pub(super) fn dict<'v, 'a>(args: &'v [Val<'a>], i: usize) -> R<&'v Dict<'a>> {
    match &args[i] {
        Val::Map(m) => Ok(m),
        other => wanted("a record", other),
    }
}
