//! The words of a step: expressions as they were written, with their places kept, so that a mistake in the
//! middle of an expression is shown in the middle of it.

use std::ops::Range;

use super::Reader;
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::expr::Problem;
use crate::spec::{Node, Text};

/// An expression as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprText(Text);

impl ExprText {
    /// Reads an expression; a YAML number, bool or null is one too.
    pub fn read(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<ExprText> {
        reader.expression(node, what).map(ExprText)
    }

    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The whole scalar, its quotes included.
    pub fn at(&self) -> At {
        self.0.at
    }

    /// The place in the file of these bytes of the text.
    pub fn place(&self, range: Range<usize>) -> At {
        self.0.place(range)
    }

    /// A part of it as an expression of its own (the argument of an aggregate).
    pub fn part(&self, range: Range<usize>) -> ExprText {
        ExprText(self.0.part(range))
    }

    /// What is wrong with it, said at its place.
    pub fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let at = self.place(problem.range.clone());
        let d = Diagnostic::new(problem.code, at, problem.message.clone());
        match &problem.help {
            Some(help) => d.help(help.clone()),
            None => d,
        }
    }

    /// Says everything that is wrong with it.
    pub fn say(&self, problems: &[Problem], diagnostics: &mut Diagnostics) {
        for problem in problems {
            diagnostics.push(self.diagnostic(problem));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Scalar, Value};

    #[test]
    fn a_mistake_in_an_argument_is_shown_where_it_stands_in_the_file() {
        let file = "hits: count(status >= 500)";
        let text = &file[6..];
        let node = Node::new(
            Value::Scalar(Scalar::String {
                text: text.into(),
                plain: true,
            }),
            At::new(6, file.len()),
        );
        let mut diagnostics = Diagnostics::default();
        let mut reader = Reader {
            diagnostics: &mut diagnostics,
            step: "group",
            at: node.at,
        };
        let whole = ExprText::read(&node, "an aggregate", &mut reader).unwrap();
        let argument = whole.part(6..19);
        assert_eq!(argument.text(), "status >= 500");
        let problem = Problem {
            code: "E0303",
            range: 10..13,
            message: "wrong".into(),
            help: None,
        };
        let at = argument.diagnostic(&problem).at;
        assert_eq!(&file[at.start as usize..at.end as usize], "500");
    }
}
