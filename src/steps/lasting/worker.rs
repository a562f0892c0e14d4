//! `worker`: a program of the user's that reads items and writes results.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::exec::argv;
use super::super::template_text::TemplateText;
use super::super::words::{Args, no_item};
use super::super::{CompileCx, Compiled, Group, Infer, Opt, Processes, Reader, Step, StepDef};
use super::run::Lasting;
use crate::expr::{Env, Scope, TemplateCode, Use, Uses};
use crate::spec::Node;
use crate::value::{Blocks, Row, Shape, Type};
use crate::worker::{Command, Kind, Lines};

pub(in super::super) static WORKER: StepDef = StepDef {
    name: "worker",
    group: Group::Act,
    summary: "Sends each item to a program that keeps running, in any language, and takes its results.",
    main: Some("argv"),
    options: &[
        Opt {
            name: "argv",
            form: "list of template",
            help: "The program and its arguments: a list, or one line that is split as a shell would.",
            required: true,
        },
        Opt {
            name: "protocol",
            form: "json|lines",
            help: "What is written on its standard streams: a JSON message a line (the default), or one line in and one line out.",
            required: false,
        },
    ],
    names: false,
    example: "- items: [abc, xyz]\n- worker: {argv: [sed, -u, 's/b/B/'], protocol: lines}\n",
    read,
};

#[derive(Debug)]
struct Worker {
    argv: Vec<TemplateText>,
    lines: Lines,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &WORKER, reader);
    let main = args.need("argv", reader);
    let lines = match args.get("protocol") {
        None => Some(Lines::Json),
        Some(node) => reader
            .choice(node, "`protocol`", &["json", "lines"])
            .map(|word| {
                if word == "lines" {
                    Lines::Text
                } else {
                    Lines::Json
                }
            }),
    };
    let argv = argv::read(main?, "`worker`", reader)?;
    Some(Box::new(Worker {
        argv,
        lines: lines?,
    }))
}

impl Step for Worker {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("worker", cx.at));
        }
        // One program is there for all items, so no item says how it is started.
        for template in &self.argv {
            template.check(None, cx);
        }
        match self.lines {
            Lines::Text => Type::String,
            Lines::Json => Type::Any,
        }
    }

    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::all(Use::Pass)
    }

    fn compile(&self, _: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let out = match self.lines {
            Lines::Text => Type::String,
            Lines::Json => Type::Any,
        };
        let processes = cx.processes.cloned().unwrap_or_default();
        let codes: Vec<TemplateCode> = self.argv.iter().map(|t| t.compile(None, cx)).collect();
        let (scope, lines, of) = (cx.scope.clone(), self.lines, processes.clone());
        let name = self.argv.first().map_or("worker", |t| t.text()).to_owned();
        let lasting = Lasting::new(
            name,
            Box::new(move |_| {
                Arc::new(Program {
                    argv: codes.clone(),
                    scope: scope.clone(),
                    lines,
                    processes: of.clone(),
                })
            }),
            lines,
            out.clone(),
            processes,
        );
        Compiled {
            out,
            op: Arc::new(lasting).op(),
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let argv: Vec<&str> = self.argv.iter().map(TemplateText::text).collect();
        format!("worker {}", argv.join(" "))
    }
}

#[derive(Debug)]
struct Program {
    argv: Vec<TemplateCode>,
    scope: Scope,
    lines: Lines,
    processes: Arc<Processes>,
}

impl Kind for Program {
    fn lines(&self) -> Lines {
        self.lines
    }

    fn command(&self, slot: usize) -> Result<(Command, Option<OwnedFd>), String> {
        let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
        let row = Row {
            cells: &[],
            blocks: &blocks,
            shape: &shape,
        };
        let scope = Scope {
            worker: slot,
            ..self.scope.clone()
        };
        let mut argv = Vec::new();
        for code in &self.argv {
            let mut text = Vec::new();
            code.render(row, &scope, &mut text).map_err(|e| e.message)?;
            argv.push(text);
        }
        let env = self.processes.env.iter();
        let command = Command {
            argv,
            cwd: Some(PathBuf::from(&self.processes.cwd)),
            env: env
                .map(|(k, v)| (k.clone().into_bytes(), v.clone().into_bytes()))
                .collect(),
            extra: Vec::new(),
        };
        Ok((command, None))
    }
}
