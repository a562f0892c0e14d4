//! `each`: one item for each element of a list.

use std::sync::Arc;

use super::build::{not_a, spread};
use super::words::{Args, a, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, ExprText, Flow, Group, Infer, Op, Opt, Outcome, Step,
    StepDef,
};
use crate::diagnostic::Diagnostic;
use crate::expr::{Code, Env, Uses};
use crate::value::{Batch, Cell, Shape, Type};

pub(super) static EACH: StepDef = StepDef {
    name: "each",
    group: Group::Shape,
    summary: "Puts the elements of a list, one by one, in the place of the item; with `into`, in a field of it.",
    main: Some("list"),
    options: &[Opt {
        name: "list",
        form: "expression",
        help: "The list.",
        required: true,
    }],
    names: false,
    example: "- items: [{n: 1, tags: [a, b]}, {n: 2, tags: []}]\n- each: tags\n",
    read: |node, reader| {
        let args = Args::of(node, &EACH, reader);
        let list = ExprText::read(args.need("list", reader)?, "`each`", reader)?;
        Some(Box::new(Each { list }))
    },
};

/// Batches that come out have at most so many rows, for one item may become a million.
const ROWS: usize = 256;

#[derive(Debug)]
struct Each {
    list: ExprText,
}

/// The type of the elements of a list of this type.
fn element(list: &Type) -> Option<Type> {
    match list.required() {
        Type::List(of) => Some(Type::clone(of)),
        Type::Any => Some(Type::Any),
        _ => None,
    }
}

impl Step for Each {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("each", cx.at));
            return Type::Any;
        }
        let Some(expr) = self.list.check(input, cx) else {
            return Type::Any;
        };
        element(expr.ty()).unwrap_or_else(|| {
            let message = format!(
                "`each` needs a list, but `{}` is {}",
                self.list.text(),
                a(expr.ty())
            );
            let d = Diagnostic::new("E0303", self.list.at(), message);
            cx.diagnostics.push(match expr.ty().required() {
                Type::String => d.help(format!(
                    "split it: `each: {}.split(\",\")`",
                    self.list.text()
                )),
                _ => d,
            });
            Type::Any
        })
    }

    fn uses(&self, input: &Type, _: &Uses, env: &Env) -> Uses {
        self.list.uses(input, env)
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let expr = self.list.checked(input, cx);
        let of = element(expr.ty()).expect("BUG: a checked list has elements");
        let out = after.narrow(&of);
        let run = Run {
            code: expr.compile(input),
            shape: Shape::of(&out),
            cells: Vec::new(),
        };
        Compiled {
            out,
            op: Op::Each(Arc::new(move || Box::new(run.clone()))),
        }
    }

    fn describe(&self) -> String {
        format!("each {}", self.list.text())
    }
}

#[derive(Clone)]
struct Run {
    code: Code,
    shape: Arc<Shape>,
    cells: Vec<Cell>,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut done: Vec<Batch> = Vec::new();
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let list = match self.code.cell(row, cx.scope, out.blocks_mut()) {
                Ok(list) => list.detach(out.blocks()),
                Err(error) => {
                    cx.fail(batch.origin(i), row, error);
                    continue;
                }
            };
            let Some(elements) = list.as_list() else {
                cx.fail(batch.origin(i), row, not_a("each", "a list", &list));
                continue;
            };
            // Either all elements of an item come out, or none.
            self.cells.clear();
            let spread = elements
                .iter()
                .try_for_each(|e| spread(e, &self.shape, &mut self.cells));
            if let Err(error) = spread {
                cx.fail(batch.origin(i), row, error);
                continue;
            }
            match elements.len() {
                0 => cx.settle(Outcome::Filtered, 1),
                n => cx.made(n - 1),
            }
            let mut cells = self.cells.drain(..);
            for _ in elements {
                if out.len() == ROWS {
                    let next = batch.derive(self.shape.clone());
                    done.push(std::mem::replace(&mut out, next));
                }
                out.push_from(&batch, i, cells.by_ref().take(self.shape.width()));
            }
        }
        batch.clear();
        if done.is_empty() {
            return Flow::Next(out);
        }
        done.push(out);
        Flow::Many(done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, infer, mistakes, only, record, run};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn tagged() -> Type {
        record(&[("n", Type::Int), ("tags", Type::list(Type::String))])
    }

    proptest! {
        #[test]
        fn every_element_becomes_an_item_in_order(
            lists in proptest::collection::vec(proptest::collection::vec(any::<i8>(), 0..5), 0..12),
            sizes in proptest::collection::vec(1usize..5, 1..3),
        ) {
            let ty = record(&[("l", Type::list(Type::Int))]);
            let items: Vec<Json> = lists.iter().map(|l| json!({"l": l})).collect();
            let ran = run("each: l", &ty, &items, &How { sizes, ..How::default() });
            let expected: Vec<Json> = lists.iter().flatten().map(|n| json!(n)).collect();
            prop_assert_eq!(ran.out, expected);
            let empty = lists.iter().filter(|l| l.is_empty()).count() as u64;
            prop_assert_eq!(ran.tally.ended[Outcome::Filtered as usize], empty);
        }
    }

    #[test]
    fn one_item_may_become_very_many() {
        let ran = run(
            "each: l",
            &record(&[("l", Type::list(Type::Int))]),
            &[json!({"l": vec![7; 5000]})],
            &How::default(),
        );
        assert_eq!((ran.out.len(), ran.tally.made), (5000, 4999));
    }

    #[test]
    fn elements_that_are_records_are_taken_apart() {
        let ty = Type::list(record(&[("a", Type::Int), ("b", Type::String)]));
        let items = [json!([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])];
        let how = How {
            after: only(&["b"]),
            ..How::default()
        };
        assert_eq!(
            run("each: item", &ty, &items, &how).json(),
            r#"[{"b":"x"},{"b":"y"}]"#
        );
    }

    #[test]
    fn what_is_no_list_is_said_when_it_is_known() {
        assert_eq!(
            mistakes("each: n", &tagged()),
            ["E0303 `each` needs a list, but `n` is an int; "]
        );
        assert_eq!(infer("each: tags", &tagged()).unwrap().1, Type::String);
        let ran = run(
            "each: item",
            &Type::Any,
            &[json!([1, "a"]), json!({"x": 1}), json!(null)],
            &How::default(),
        );
        assert_eq!(ran.out, [json!(1), json!("a")]);
        assert_eq!(
            ran.errors,
            [
                "`each` needs a list, but the item is a record",
                "`each` needs a list, but the item is null"
            ]
        );
    }
}
