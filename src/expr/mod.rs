//! TOOLBOX: the Common Expression Language, checked against a type before anything runs, then compiled to
//! closures over a row's slots. Templates (text with `{expression}` in it) too.
//!
//! Knows nothing of stages, steps or files: who asks says in an [`Env`] which names there are.

mod env;

pub use env::{Env, EvalError, Problem, Scope, Use, Uses};
