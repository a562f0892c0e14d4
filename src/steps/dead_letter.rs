//! A dead letter: what `on_error: {to: ...}` sends about an item that could not be done.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Convert, ItemError};
use crate::value::{Batch, Blocks, Cell, Name, Shape, Type};

/// One item that could not be done.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The stage's way out that it takes.
    pub outlet: usize,
    /// The item as the stage took it, detached.
    pub input: Cell,
    pub stage: String,
    pub step: String,
    pub attempts: u32,
    pub at: SystemTime,
    pub error: ItemError,
}

/// `{input, stage, step, attempts, at, error: {kind, code, message, output}}`.
pub fn dead_letter_type(input: &Type) -> Type {
    let name = |n: &str| Name::from(n);
    let error = Type::record([
        (name("kind"), Type::String),
        (name("code"), Type::Any),
        (name("message"), Type::String),
        (name("output"), Type::String.optional()),
    ]);
    Type::record([
        (name("input"), input.clone()),
        (name("stage"), Type::String),
        (name("step"), Type::String),
        (name("attempts"), Type::Int),
        (name("at"), Type::Timestamp),
        (name("error"), error),
    ])
}

impl DeadLetter {
    /// The letter as an item of [`dead_letter_type`], brought into a connection's shape.
    pub fn batch(self, input: &Type, convert: Option<&Convert>) -> Batch {
        let text = |t: &str| Cell::str(t);
        let error = Cell::record([
            ("kind".into(), text(self.error.kind.name())),
            ("code".into(), self.error.code),
            ("message".into(), text(&self.error.message)),
            (
                "output".into(),
                self.error.output.as_deref().map_or(Cell::Null, text),
            ),
        ]);
        let since = self
            .at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let at = Cell::Time {
            secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        };
        let shape: Arc<Shape> = Shape::of(&dead_letter_type(input));
        let mut batch = Batch::new(shape, Blocks::new());
        batch.push([
            self.input,
            text(&self.stage),
            text(&self.step),
            Cell::Int(i64::from(self.attempts)),
            at,
            error,
        ]);
        batch.span = 1;
        match convert {
            Some(convert) => convert.apply(batch),
            None => batch,
        }
    }
}
