//! `parse: json`.

use super::rows::{Parser, Slots, Wrong, op};
use super::{Format, Op};
use crate::expr::{Use, Uses};
use crate::value::{JsonReader, Type, Want, Wanted};

#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    fn makes(&self, target: Option<&Type>) -> Type {
        target.cloned().unwrap_or(Type::Any)
    }

    fn converts(&self) -> bool {
        true
    }

    fn op(&self, full: &Type, out: &Type, after: &Uses, strict: bool) -> Op {
        let wanted = if strict {
            Wanted::all(Want::Look)
        } else {
            wanted(after)
        };
        op(JsonParser(JsonReader::new(full, out, wanted)), out)
    }
}

fn want(how: Option<Use>) -> Want {
    match how {
        None => Want::Skip,
        Some(Use::Pass) => Want::Pass,
        Some(Use::Look) => Want::Look,
    }
}

/// What the reader is to make of each field.
pub(in crate::steps) fn wanted(uses: &Uses) -> Wanted {
    Wanted {
        fields: uses
            .fields
            .keys()
            .map(|name| (name.clone(), want(uses.of(name))))
            .collect(),
        rest: want(uses.rest),
    }
}

#[derive(Clone)]
pub(in crate::steps) struct JsonParser(pub JsonReader);

impl Parser for JsonParser {
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), Wrong> {
        Ok(self.0.read(text, out.span, out.cells, out.blocks)?)
    }
}
