//! `python`: a function of the user's, in processes that stay.
//!
//! A row goes out as one line of JSON (tagged, so that bytes, timestamps and durations are Python's own), and what
//! comes back is a value of any type: `as` beside the step checks it. The processes themselves, their deaths and
//! what their code asks for are `worker`'s.

mod run;
mod source;

use std::sync::Arc;

use parking_lot::Mutex;

use super::words::{Args, Named};
use super::{CompileCx, Compiled, Group, Infer, Op, Opt, Reader, Step, StepDef};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::{Env, Use, Uses};
use crate::spec::Node;
use crate::value::{JsonRows, Shape, Type};
use crate::worker::python::Settings;
use run::{Recipe, Run};
use source::Source;

pub(super) static PYTHON: StepDef = StepDef {
    name: "python",
    group: Group::Act,
    summary: "Gives each item to a Python function, in processes that stay; as a source, takes what a function yields.",
    main: Some("call"),
    options: &[
        Opt {
            name: "call",
            form: "string",
            help: "The function: `file.py:function`, beside the pipeline file, or `package.module:function`.",
            required: true,
        },
        Opt {
            name: "args",
            form: "mapping of expression",
            help: "Keyword arguments beside the item.",
            required: false,
        },
        Opt {
            name: "init",
            form: "string",
            help: "A function that runs once in each process, before its first item.",
            required: false,
        },
        Opt {
            name: "interpreter",
            form: "string",
            help: "The Python that runs it, 3.8 or newer; by default that of $VIRTUAL_ENV, else `python3`.",
            required: false,
        },
    ],
    names: false,
    example: "- range: 3\n- python: operator:neg\n  as: int\n",
    read,
};

#[derive(Debug)]
struct Python {
    call: String,
    /// Where each function is named.
    named: Vec<(String, At)>,
    init: Option<String>,
    interpreter: Option<String>,
    args: Vec<Named>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let options = Args::of(node, &PYTHON, reader);
    let mut named = Vec::new();
    let mut function = |option: &str, reader: &mut Reader<'_>| {
        let node = options.get(option)?;
        let text = reader.text(node, &format!("`{option}`"))?.trim().to_owned();
        if let Err(why) = well_formed(&text) {
            let d = Diagnostic::new(
                "E0703",
                node.at,
                format!("`{text}` names no function: {why}"),
            );
            reader.diagnostics.push(d.help(
                "write `file.py:function` for a file beside the pipeline file, or `package.module:function`",
            ));
            return None;
        }
        named.push((text.clone(), node.at));
        Some(text)
    };
    // Where it is missing that is said, and the rest is read all the same, for its own mistakes.
    let call = options
        .need("call", reader)
        .and_then(|_| function("call", reader));
    let init = options.get("init").map(|_| function("init", reader));
    let interpreter = options
        .get("interpreter")
        .map(|n| reader.text(n, "`interpreter`").map(str::to_owned));
    let args = options
        .get("args")
        .map(|n| Named::read(n, "`args`", reader));
    Some(Box::new(Python {
        call: call?,
        named,
        init: init.map_or(Some(None), |i| i.map(Some))?,
        interpreter: interpreter.map_or(Some(None), |i| i.map(Some))?,
        args: args.unwrap_or_else(|| Some(Vec::new()))?,
    }))
}

/// Is it `file.py:function` or `package.module:function`?
fn well_formed(text: &str) -> Result<(), &'static str> {
    let Some((place, name)) = text.rsplit_once(':') else {
        return Err("there is no `:` between the module and the function");
    };
    let is_name = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_')
            && letters.all(|c| c.is_alphanumeric() || c == '_')
    };
    if !name.split('.').all(is_name) {
        return Err("what stands behind the `:` is no name of a function");
    }
    if place.strip_suffix(".py").is_none() && !place.split('.').all(is_name) {
        return Err("what stands before the `:` is neither a file (`.py`) nor a module");
    }
    Ok(())
}

impl Step for Python {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        for (function, at) in &self.named {
            let Some((file, _)) = function
                .rsplit_once(':')
                .filter(|(f, _)| f.strip_suffix(".py").is_some())
            else {
                continue;
            };
            if !cx.folder.join(file).is_file() {
                let message = format!("there is no file {file}");
                cx.diagnostics.push(
                    Diagnostic::new("E0703", *at, message).help(
                        "it is looked for beside the pipeline file (or in the folder of `-C`)",
                    ),
                );
            }
        }
        for arg in &self.args {
            arg.expr.check(input, cx);
        }
        Type::Any
    }

    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::all(Use::Look)
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let takes = Shape::of(input.unwrap_or(&Type::Null));
        let args = self.args.iter().map(|arg| {
            let code = arg.expr.compile(input, cx);
            (arg.name.text.clone(), code)
        });
        let recipe = Arc::new(Recipe {
            settings: Settings {
                call: self.call.clone(),
                init: self.init.clone(),
                interpreter: self.interpreter.clone(),
                folder: cx.folder.to_owned(),
                args: !self.args.is_empty() && input.is_some(),
                source: input.is_none(),
            },
            processes: cx.processes.cloned().unwrap_or_default(),
            args: args.collect(),
            rows: JsonRows::tagged(&takes),
            gives: Shape::of(&Type::Any),
            users: Mutex::default(),
        });
        let op = if input.is_some() {
            Op::Each(Arc::new(move || Box::new(Run::of(recipe.clone()))))
        } else {
            Op::Source(Arc::new(move || Box::new(Source::of(recipe.clone()))))
        };
        Compiled { out: Type::Any, op }
    }

    fn waits(&self) -> bool {
        true
    }

    fn is_source(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("python {}", self.call)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::mistakes;
    use super::*;

    #[test]
    fn a_function_is_named_with_its_file_or_its_module() {
        for right in [
            "tasks.py:parse",
            "a/b.py:f",
            "pkg.mod:f",
            "operator:neg",
            "m:Class.method",
        ] {
            assert_eq!(well_formed(right), Ok(()), "{right}");
        }
        for (wrong, why) in [
            ("tasks.py", "no `:`"),
            ("tasks.py:parse()", "no name"),
            ("tasks.py:", "no name"),
            ("a-b:f", "neither a file"),
            (":f", "neither a file"),
        ] {
            assert!(well_formed(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_said_before_anything_runs() {
        let said = mistakes("python: nowhere.py:f", &Type::Int);
        assert!(said[0].contains("there is no file nowhere.py"), "{said:?}");
        let said = mistakes(
            "python: {call: 'operator:neg', args: {x: nope}}",
            &Type::Int,
        );
        assert!(said[0].contains("nope"), "{said:?}");
    }
}
