//! `filter`: only items for which a condition holds go on.

use std::sync::Arc;

use super::words::{Args, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, ExprText, Flow, Group, Infer, Op, Opt, Outcome, Reader,
    Step, StepDef,
};
use crate::expr::{Code, Env, Uses};
use crate::spec::Node;
use crate::value::{Batch, Type};

pub(super) static FILTER: StepDef = StepDef {
    name: "filter",
    group: Group::Shape,
    summary: "Lets only the items go on for which a condition holds.",
    main: Some("condition"),
    options: &[Opt {
        name: "condition",
        form: "expression",
        help: "A bool: true lets the item go on, false ends it as filtered.",
        required: true,
    }],
    names: false,
    example: "- range: 10\n- filter: item % 2 == 0\n",
    read,
};

#[derive(Debug)]
struct Filter {
    condition: ExprText,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &FILTER, reader);
    let condition = ExprText::read(args.need("condition", reader)?, "`filter`", reader)?;
    Some(Box::new(Filter { condition }))
}

impl Step for Filter {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(input) = input else {
            cx.diagnostics.push(no_item("filter", cx.at));
            return Type::Any;
        };
        self.condition.check_condition(Some(input), "`filter`", cx);
        input.clone()
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        uses.merge(&self.condition.uses(input, env));
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let code = self.condition.compile(input, cx);
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Each(Arc::new(move || Box::new(Run { code: code.clone() }))),
        }
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("filter {}", self.condition.text())
    }
}

struct Run {
    code: Code,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut failed = 0;
        let gone = batch.retain_rows(|origin, row| match self.code.bool(row, cx.scope) {
            Ok(keep) => keep,
            Err(error) => {
                cx.fail(origin, row, error);
                failed += 1;
                false
            }
        });
        cx.settle(Outcome::Filtered, gone - failed);
        Flow::Next(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;
    use serde_json::json;

    fn hit() -> Type {
        record(&[("path", Type::String), ("status", Type::Int)])
    }

    #[test]
    fn only_items_for_which_the_condition_holds_go_on() {
        let items: Vec<_> = (0..10)
            .map(|i| json!({"path": format!("/{i}"), "status": 495 + i}))
            .collect();
        let how = How {
            sizes: vec![3, 1],
            ..How::default()
        };
        let ran = run("filter: status >= 503", &hit(), &items, &how);
        assert_eq!(
            ran.json(),
            r#"[{"path":"/8","status":503},{"path":"/9","status":504}]"#
        );
        assert_eq!(ran.tally.ended[Outcome::Filtered as usize], 8);
    }

    #[test]
    fn a_condition_that_fails_is_an_error_of_its_item_alone() {
        let items = [json!(1), json!(0), json!(4)];
        let ran = run("filter: 4 / item == 1", &Type::Int, &items, &How::default());
        assert_eq!((ran.out, ran.errors.len()), (vec![json!(4)], 1));
    }

    #[test]
    fn a_condition_must_be_a_bool() {
        let said = mistakes("filter: path", &hit());
        assert_eq!(
            said,
            [
                "E0303 `filter` needs a bool, but `path` is a string; write `path != \"\"` for \"is not empty\""
            ]
        );
    }

    #[test]
    fn fields_that_only_the_condition_uses_are_read_too() {
        let how = How {
            after: only(&["path"]),
            ..How::default()
        };
        let items = [
            json!({"path": "/a", "status": 1}),
            json!({"path": "/b", "status": 2}),
        ];
        let ran = run("filter: status > 1", &hit(), &items, &how);
        assert_eq!(ran.json(), r#"[{"path":"/b"}]"#);
    }
}
