//! millstream: a declarative pipeline orchestrator. See ARCHITECTURE.md for the map.

pub mod channel;
pub mod check;
pub mod cli;
pub mod diagnostic;
pub mod engine;
pub mod expr;
pub mod net;
pub mod notice;
pub mod pipeline;
pub mod plan;
pub mod pool;
pub mod report;
pub mod rules;
pub mod schema;
pub mod spec;
pub mod steps;
pub mod sync;
pub mod value;
pub mod wait;
pub mod worker;

pub use pipeline::{Error, Pipeline, Report, StageReport};
