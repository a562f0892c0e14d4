//! schema.json: what editors need to complete and to check a pipeline file, and what `validate` holds every file
//! against beside the rules. JSON Schema, draft 2020-12.
//!
//! Generated from the tables that the readers use ([`crate::spec::keys`], [`crate::steps::STEPS`]), so it knows
//! what is built and nothing else. It says less than the rules do: forms, no names, types or wiring.
//!
//! Pitfall: a form that the schema refuses is an error, so it must never be stricter than the reader;
//! `tests/schema.rs` holds the two against each other, key by key.

mod check;
mod write;

pub use check::check;
pub use write::{schema, text};
