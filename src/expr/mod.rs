//! TOOLBOX: the Common Expression Language, checked against a type before anything runs, then compiled to
//! closures over a row's slots. Templates (text with `{expression}` in it) too.
//!
//! Knows nothing of stages, steps or files: who asks says in an [`Env`] which names there are.

mod check;
mod code;
mod compile;
mod env;
mod expression;
mod functions;
mod hints;
#[cfg(test)]
mod library;
#[cfg(test)]
mod oracle;
mod parse;
mod run;
mod scan;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod ty;

pub use code::Code;
pub use env::{Env, EvalError, Now, Problem, Scope, Shared, Use, Uses};
pub use expression::{Expr, check};
pub use functions::{CHAPTERS, Chapter, Function};
pub use template::{CodePart, Part, Template, TemplateCode, check_template, render};
