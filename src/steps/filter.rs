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

pub static FILTER: StepDef = StepDef {
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
