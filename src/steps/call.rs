//! `call`: a Rust function that the embedding program has registered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::words::Args;
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, ItemError, ItemErrorKind, Op, Opt,
    Reader, Step, StepDef,
};
use crate::diagnostic::{At, Diagnostic, nearest};
use crate::expr::Uses;
use crate::spec::Node;
use crate::value::{Batch, Blocks, Cell, Shape, Type};

/// What a registered function is: it gets the item as JSON and gives the new one, or says why it cannot.
pub type Function =
    Arc<dyn Fn(serde_json::Value) -> Result<serde_json::Value, String> + Send + Sync>;

/// The functions that an embedding program has registered.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<String, Function>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Functions {
    /// A later function of the same name replaces an earlier one.
    pub fn register(&mut self, name: &str, function: Function) {
        self.0.insert(name.to_owned(), function);
    }

    pub fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

pub(super) static CALL: StepDef = StepDef {
    name: "call",
    group: Group::Act,
    summary: "Gives the item to a Rust function that the program which embeds millstream has registered.",
    main: Some("call"),
    options: &[Opt {
        name: "call",
        form: "string",
        help: "The name under which the function was registered.",
        required: true,
    }],
    names: false,
    example: "- range: 3\n- call: square\n  as: int\n",
    read,
};

#[derive(Debug)]
struct Call {
    name: String,
    at: At,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &CALL, reader);
    let name = args.need("call", reader)?;
    let at = name.at;
    let name = reader.text(name, "the name of a function")?.to_owned();
    Some(Box::new(Call { name, at }))
}

impl Step for Call {
    fn infer(&self, _: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let functions = cx.types.functions();
        if functions.get(&self.name).is_none() {
            let message = format!("no function `{}` is registered", self.name);
            let d = Diagnostic::new("E0201", self.at, message);
            cx.diagnostics.push(match nearest(&self.name, functions.names()) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help(
                    "`call` runs functions of a Rust program that embeds millstream: register it with \
                     `Pipeline::function`; from the command line use `python`, `worker` or `exec`",
                ),
            });
        }
        Type::Any
    }

    fn compile(&self, _: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let function = cx.types.functions().get(&self.name).cloned();
        let op = Op::Each(Arc::new(move || {
            let function = function
                .clone()
                .expect("BUG: a function that the checker did not find");
            Box::new(Caller {
                function,
                shape: Shape::of(&Type::Any),
            })
        }));
        Compiled { out: Type::Any, op }
    }

    /// It may: what it does is its own. So items are begun one by one, and shared among the workers.
    fn waits(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("call {}", self.name)
    }
}

struct Caller {
    function: Function,
    shape: Arc<Shape>,
}

impl BatchStep for Caller {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            match (self.function)(row.detach().to_json_value()) {
                Ok(value) => out.push_from(&batch, i, [Cell::from_json_value(&value)]),
                Err(message) => cx.fail(
                    batch.origin(i),
                    row,
                    ItemError::new(ItemErrorKind::Expression, message),
                ),
            }
        }
        batch.clear();
        Flow::Next(out)
    }
}

impl Cell {
    /// The value as JSON: timestamps RFC 3339, durations seconds, bytes base64.
    pub fn to_json_value(&self) -> serde_json::Value {
        let mut text = Vec::new();
        self.write_json(&Blocks::new(), &mut text);
        serde_json::from_slice(&text).unwrap_or_default()
    }
}
