//! `log`: a line in the log for each item.

use std::sync::Arc;

use super::template_text::TemplateText;
use super::words::{Args, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Reader, Step, StepDef,
};
use crate::expr::{Env, TemplateCode, Uses};
use crate::spec::Node;
use crate::value::{Batch, Type};

pub(super) static LOG: StepDef = StepDef {
    name: "log",
    group: Group::Sink,
    summary: "Writes a line into the log for each item, and lets it pass on.",
    main: Some("text"),
    options: &[Opt {
        name: "text",
        form: "template",
        help: "The line: `{expression}` is replaced by its value, `{}` by the whole item.",
        required: true,
    }],
    names: false,
    example: "- range: 3\n- log: 'number {item}'\n",
    read,
};

#[derive(Debug)]
struct Log {
    text: TemplateText,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &LOG, reader);
    let text = TemplateText::read(args.need("text", reader)?, "`log`", reader)?;
    Some(Box::new(Log { text }))
}

impl Step for Log {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(input) = input else {
            cx.diagnostics.push(no_item("log", cx.at));
            return Type::Any;
        };
        self.text.check(Some(input), cx);
        input.clone()
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        uses.merge(&self.text.uses(input, env));
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let code = self.text.compile(input, cx);
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Sink(
                Arc::new(move || Box::new(Render(code.clone())) as Box<dyn BatchStep>),
                Arc::new(|| Box::new(Say) as Box<dyn BatchStep>),
            ),
        }
    }

    fn is_sink(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("log {:?}", self.text.text())
    }
}

struct Render(TemplateCode);

/// Stands between the lines of a batch: it may stand in a text, but is of no use in a log.
const END: u8 = 0;

impl BatchStep for Render {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = Vec::new();
        batch.retain_rows(|origin, row| {
            let from = out.len();
            match self.0.render(row, cx.scope, &mut out) {
                Ok(()) => {
                    out[from..]
                        .iter_mut()
                        .filter(|b| **b == END)
                        .for_each(|b| *b = b' ');
                    out.push(END);
                    true
                }
                Err(error) => {
                    out.truncate(from);
                    cx.fail(origin, row, error);
                    false
                }
            }
        });
        batch.rendered = Some(out);
        Flow::Next(batch)
    }
}

struct Say;

impl BatchStep for Say {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let lines = batch.rendered.take().unwrap_or_default();
        for line in lines.split_inclusive(|b| *b == END) {
            let line = String::from_utf8_lossy(&line[..line.len() - 1]);
            cx.output.log(&cx.commons.values.hide(&line));
        }
        Flow::Next(batch)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::harness::{mistakes, run_sink};
    use super::*;

    #[test]
    fn each_item_is_a_line_of_the_log_and_goes_on() {
        let (ran, streams) = run_sink("log: 'n {item}'", &Type::Int, &[json!(1), json!(2)]);
        assert_eq!(ran.out, [json!(1), json!(2)]);
        assert_eq!(streams.err.into_inner(), b"n 1\nn 2\n");
        assert!(mistakes("log: '{nothing}'", &Type::Int)[0].contains("E0"));
    }
}
