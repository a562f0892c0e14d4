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
mod tree;
mod ty;

pub use code::Code;
pub use env::{Env, EvalError, Now, Problem, Scope, Shared, Use, Uses};
pub use expression::{Expr, check};
pub use functions::{CHAPTERS, Chapter, Function};
pub use template::{CodePart, Part, Template, TemplateCode, check_template, render};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Blocks, Cell, Row, Shape, Type};

    #[test]
    fn a_filter_over_a_record_is_checked_and_runs() {
        let ty = Type::record([("status".into(), Type::Int), ("path".into(), Type::String)]);
        let env = Env {
            item: Some(ty.clone()),
            ..Env::default()
        };
        let expr = check("status >= 500 && path.startsWith('/api')", &env).unwrap();
        assert_eq!(expr.ty(), &Type::Bool);
        let code = expr.compile(Some(&ty));
        let mut blocks = Blocks::new();
        let cells = [Cell::Int(503), blocks.text("/api/x")];
        let shape = Shape::of(&ty);
        let row = Row {
            cells: &cells,
            blocks: &blocks,
            shape: &shape,
        };
        assert_eq!(code.bool(row, &Scope::default()), Ok(true));
    }

    #[test]
    fn a_template_puts_values_into_text() {
        let ty = Type::record([("host".into(), Type::String)]);
        let env = Env {
            item: Some(ty.clone()),
            ..Env::default()
        };
        let code = check_template("out/{host + '}'}.{{csv}}", &env)
            .unwrap()
            .compile(Some(&ty));
        let (cells, blocks, shape) = ([Cell::str("a")], Blocks::new(), Shape::of(&ty));
        let mut out = Vec::new();
        code.render(
            Row {
                cells: &cells,
                blocks: &blocks,
                shape: &shape,
            },
            &Scope::default(),
            &mut out,
        )
        .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "out/a}.{csv}");
    }
}
