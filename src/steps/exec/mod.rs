//! `exec` and `shell`: a program for each item; as a source, one program.
//!
//! `argv` and `shell` read what was written, `recipe` makes a command of it for a row, `run` runs it. As the first
//! step of a stage it is a source of one seed, for which the program then runs as for any item: so `retry`,
//! `timeout` and `on_error` mean the same there.

pub(crate) mod argv;
mod lines;
mod recipe;
mod run;
mod shell;

use std::sync::Arc;

use parking_lot::Mutex;

use super::template_text::TemplateText;
use super::words::Args;
use super::{CompileCx, Compiled, Group, Infer, Op, Opt, Pull, Reader, Source, Step, StepDef};
use crate::expr::{Env, Uses};
use crate::spec::{Key, Node};
use crate::value::{Batch, Blocks, Cell, Shape, Type};
pub(super) use recipe::over_memory;
pub(super) use run::tail;

use recipe::{Arg, Recipe, Takes};

const STDOUT: Opt = Opt {
    name: "stdout",
    form: "text|lines|json|bytes|ignore",
    help: "What becomes of what it writes: the new item as a text (the default; the last newline is removed), an item a line, a JSON value, bytes, or nothing: then the item passes on.",
    required: false,
};
const STDIN: Opt = Opt {
    name: "stdin",
    form: "template",
    help: "What it reads; by default nothing.",
    required: false,
};
const OK: Opt = Opt {
    name: "ok",
    form: "list of int",
    help: "The exit codes that are no error; by default 0.",
    required: false,
};
const CWD: Opt = Opt {
    name: "cwd",
    form: "template",
    help: "The folder in which it starts; by default that of the file.",
    required: false,
};
const ENV: Opt = Opt {
    name: "env",
    form: "mapping of template",
    help: "Added to its environment.",
    required: false,
};

pub(super) static EXEC: StepDef = StepDef {
    name: "exec",
    group: Group::Act,
    summary: "Runs a program for each item, without a shell: one template is one argument.",
    main: Some("argv"),
    options: &[
        Opt {
            name: "argv",
            form: "list of template",
            help: "The program and its arguments: a list, or one line that is split as a shell would before the templates are filled.",
            required: true,
        },
        STDOUT,
        STDIN,
        OK,
        CWD,
        ENV,
        Opt {
            name: "dash",
            form: "refuse|allow",
            help: "May a value that is a whole argument begin with `-`? By default that is an item error.",
            required: false,
        },
    ],
    names: false,
    example: "- range: 3\n- exec: [expr, '{item}', '*', '7']\n  as: int\n",
    read: |node, reader| read(node, &EXEC, reader),
};

pub(super) static SHELL: StepDef = StepDef {
    name: "shell",
    group: Group::Act,
    summary: "Runs a text with `sh` for each item; each template in it is one quoted word.",
    main: Some("run"),
    options: &[
        Opt {
            name: "run",
            form: "template",
            help: "The text. `{expression}` becomes a quoted positional parameter; `${NAME}`, text in single quotes, and `{` before a blank are the shell's own.",
            required: true,
        },
        STDOUT,
        STDIN,
        OK,
        CWD,
        ENV,
    ],
    names: false,
    example: "- items: [a b, c]\n- shell: echo {item} | tr a-z A-Z\n",
    read: |node, reader| read(node, &SHELL, reader),
};

#[derive(Debug)]
struct Exec {
    name: &'static str,
    /// As it was written, for a line about it.
    text: String,
    /// For `shell`: what `sh -c` gets before the arguments.
    script: Option<String>,
    args: Vec<TemplateText>,
    result: Takes,
    stdin: Option<TemplateText>,
    ok: Vec<i32>,
    cwd: Option<TemplateText>,
    env: Vec<(Key, TemplateText)>,
    dash: bool,
    /// As a source: what runs for its seed.
    second: Mutex<Option<Compiled>>,
}

fn read(node: &Node, def: &'static StepDef, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    // A mapping without the main option would be a list of options that lacks it.
    let args = Args::of(node, def, reader);
    let main = args.need(def.main.unwrap_or_default(), reader);
    let template = |option: &str, reader: &mut Reader<'_>| {
        args.get(option)
            .map(|n| TemplateText::read(n, &format!("`{option}`"), reader))
    };
    let stdin = template("stdin", reader);
    let cwd = template("cwd", reader);
    let result = match args.get("stdout") {
        None => Some(Takes::Text),
        Some(node) => reader
            .choice(
                node,
                "`stdout`",
                &["text", "lines", "json", "bytes", "ignore"],
            )
            .map(Takes::of),
    };
    let ok = match args.get("ok") {
        None => Some(vec![0]),
        Some(node) => node
            .one_or_more()
            .iter()
            .map(|n| {
                let code = reader.count(n, "an exit code in `ok`", 0)?;
                let code = u8::try_from(code).ok();
                if code.is_none() {
                    reader.error("E0105", n.at, "an exit code is 255 at most");
                }
                code.map(i32::from)
            })
            .collect(),
    };
    let env = args.get("env").map(|n| environment(n, reader));
    let dash = args
        .get("dash")
        .map(|n| reader.choice(n, "`dash`", &["refuse", "allow"]) == Some("allow"));
    let main = main?;
    let (script, list, text) = if def.name == "shell" {
        let (script, text) = shell::read(main, reader)?;
        (Some(script.text), script.args, text.text)
    } else {
        let list = argv::read(main, "`exec`", reader)?;
        let shown: Vec<&str> = list.iter().map(TemplateText::text).collect();
        let shown = shown.join(" ");
        (None, list, shown)
    };
    Some(Box::new(Exec {
        name: def.name,
        text,
        script,
        args: list,
        result: result?,
        stdin: stdin.map_or(Some(None), |t| t.map(Some))?,
        ok: ok?,
        cwd: cwd.map_or(Some(None), |t| t.map(Some))?,
        env: env.unwrap_or_else(|| Some(Vec::new()))?,
        dash: dash.unwrap_or(false),
        second: Mutex::new(None),
    }))
}

/// `env: {NAME: template}`.
pub(crate) fn environment(
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<Vec<(Key, TemplateText)>> {
    let Some(map) = node.as_map() else {
        let message = format!("`env` must be a mapping, not {}", node.describe());
        reader.error("E0105", node.at, message);
        return None;
    };
    let each: Vec<Option<(Key, TemplateText)>> = map
        .iter()
        .map(|(name, value)| {
            if name.text.is_empty() || name.text.contains(['=', '\0']) {
                let message = format!("{:?} cannot be the name of a variable", name.text);
                reader.error("E0105", name.at, message);
                return None;
            }
            let what = format!("`{}` in `env`", name.text);
            Some((name.clone(), TemplateText::read(value, &what, reader)?))
        })
        .collect();
    each.into_iter().collect()
}

impl Exec {
    fn templates(&self) -> impl Iterator<Item = &TemplateText> {
        let beside = self.stdin.iter().chain(&self.cwd);
        let env = self.env.iter().map(|(_, t)| t);
        self.args.iter().chain(beside).chain(env)
    }

    fn recipe(&self, input: Option<&Type>, out: &Type, cx: &CompileCx<'_>) -> Recipe {
        let arg = |t: &TemplateText| Arg {
            alone: t.is_alone(input, cx),
            code: t.compile(input, cx),
        };
        Recipe {
            script: self.script.clone(),
            args: self.args.iter().map(arg).collect(),
            result: self.result,
            stdin: self.stdin.as_ref().map(|t| t.compile(input, cx)),
            ok: self.ok.clone(),
            cwd: self.cwd.as_ref().map(|t| t.compile(input, cx)),
            env: self
                .env
                .iter()
                .map(|(name, t)| (name.text.clone(), t.compile(input, cx)))
                .collect(),
            dash: self.dash,
            processes: cx.processes.cloned().unwrap_or_default(),
            folder: cx.folder.to_owned(),
            shape: Shape::of(out),
        }
    }
}

impl Step for Exec {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        for template in self.templates() {
            template.check(input, cx);
        }
        match self.result {
            Takes::Ignore => input.cloned().unwrap_or(Type::Null),
            other => other.ty(),
        }
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = match self.result {
            Takes::Ignore => after.clone(),
            _ => Uses::nothing(),
        };
        for template in self.templates() {
            uses.merge(&template.uses(input, env));
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let out = match (self.result, input) {
            (Takes::Ignore, Some(input)) => input.clone(),
            (Takes::Ignore, None) => Type::Null,
            (other, _) => other.ty(),
        };
        let recipe = Arc::new(self.recipe(input, &out, cx));
        if input.is_none() && self.result == Takes::Lines && !cx.types.rehearses() {
            let op = Op::Source(Arc::new(move || Box::new(lines::Lines::of(recipe.clone()))));
            return Compiled { out, op };
        }
        let op = Op::Each(Arc::new(move || Box::new(run::Run::of(recipe.clone()))));
        if input.is_some() {
            return Compiled { out, op };
        }
        if !cx.types.rehearses() {
            let out = out.clone();
            *self.second.lock() = Some(Compiled { out, op });
        }
        let seed = Seed {
            shape: Shape::of(&out),
            given: false,
        };
        Compiled {
            out,
            op: Op::Source(Arc::new(move || Box::new(seed.clone()))),
        }
    }

    fn second(&self, _: &Uses) -> Option<Compiled> {
        self.second.lock().take()
    }

    fn waits(&self) -> bool {
        true
    }

    /// What it does is done elsewhere: the item need go nowhere.
    fn is_sink(&self) -> bool {
        self.result == Takes::Ignore
    }

    fn is_source(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let text = self.text.trim();
        match text.split_once('\n') {
            Some((first, _)) => format!("{} {first} ...", self.name),
            None => format!("{} {text}", self.name),
        }
    }
}

/// One item, for which the program of a stage without input runs.
#[derive(Clone)]
struct Seed {
    shape: Arc<Shape>,
    given: bool,
}

impl Source for Seed {
    fn pull(&mut self, _: usize, _: &mut super::Cx<'_>) -> Pull {
        if std::mem::replace(&mut self.given, true) {
            return Pull::End;
        }
        let mut batch = Batch::new(self.shape.clone(), Blocks::new());
        batch.push([match self.shape.ty() {
            Type::String => Cell::str(""),
            Type::Bytes => Cell::bytes(b""),
            _ => Cell::Null,
        }]);
        Pull::Rows(batch)
    }
}
