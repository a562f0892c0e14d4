//! Dead letters: what is known of an item that failed for good.

use crate::value::Type;

/// The type of the dead letters of a stage that takes items of this type, in the order of its fields:
/// `input` (the item as the stage took it), `stage`, `step`, `attempts` (from 1), `at`, and `error` with
/// `kind`, `code` (an exit code, an HTTP status, a signal's name, or null), `message` and `output` (the last
/// lines of a program's output).
pub fn letter(takes: &Type) -> Type {
    let error = Type::record([
        ("kind".into(), Type::String),
        ("code".into(), Type::Any),
        ("message".into(), Type::String),
        ("output".into(), Type::String.optional()),
    ]);
    Type::record([
        ("input".into(), takes.clone()),
        ("stage".into(), Type::String),
        ("step".into(), Type::String),
        ("attempts".into(), Type::Int),
        ("at".into(), Type::Timestamp),
        ("error".into(), error),
    ])
}
