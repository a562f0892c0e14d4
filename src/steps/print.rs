//! `print`: a line of text for each item on standard output.

use std::sync::Arc;

use super::template_text::TemplateText;
use super::words::{Args, no_item};
use super::write::stdout;
use super::{BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Opt, Reader, Step, StepDef};
use crate::expr::{Env, TemplateCode, Uses};
use crate::spec::Node;
use crate::value::{Batch, BlockPool, Type};

pub(super) static PRINT: StepDef = StepDef {
    name: "print",
    group: Group::Sink,
    summary: "Writes a line to standard output for each item, and lets it pass on.",
    main: Some("text"),
    options: &[Opt {
        name: "text",
        form: "template",
        help: "The line: `{expression}` is replaced by its value, `{}` by the whole item.",
        required: true,
    }],
    names: false,
    example: "- range: 3\n- print: 'number {item}'\n",
    read,
};

#[derive(Debug)]
struct Print {
    text: TemplateText,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &PRINT, reader);
    let text = TemplateText::read(args.need("text", reader)?, "`print`", reader)?;
    Some(Box::new(Print { text }))
}

impl Step for Print {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(input) = input else {
            cx.diagnostics.push(no_item("print", cx.at));
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
        let buffers = BlockPool::new(BUFFERS);
        let back = buffers.clone();
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: super::rehearsal::sink(
                move || Render {
                    code: code.clone(),
                    buffers: buffers.clone(),
                },
                move || Say {
                    buffers: back.clone(),
                },
                cx,
            ),
        }
    }

    fn is_sink(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("print {:?}", self.text.text())
    }
}

/// Idle buffers that go from one half to the other and back.
const BUFFERS: usize = 8;

struct Render {
    code: TemplateCode,
    buffers: Arc<BlockPool>,
}

impl BatchStep for Render {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = self.buffers.get(0);
        out.clear();
        batch.retain_rows(|origin, row| {
            let from = out.len();
            match self.code.render(row, cx.scope, &mut out) {
                Ok(()) => {
                    out.push(b'\n');
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

struct Say {
    buffers: Arc<BlockPool>,
}

impl BatchStep for Say {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let bytes = batch.rendered.take().unwrap_or_default();
        let said = if bytes.is_empty() {
            Ok(())
        } else {
            stdout(&bytes, cx)
        };
        self.buffers.put(bytes);
        match said {
            Ok(()) => Flow::Next(batch),
            Err(error) => Flow::Stop(error),
        }
    }
}
