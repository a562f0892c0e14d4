//! `lookup`: the row of a table that belongs to an item.
//!
//! The table is read once, by whichever worker comes to it first, with the options and the readers of `read`.

mod table;

use std::sync::{Arc, OnceLock};

use self::table::{Plan, Table};
use super::build::spread;
use super::keyer::By;
use super::read::READ;
use super::words::{Args, a, field_names, no_item, unknown_field};
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, ItemError, ItemErrorKind, Op, Opt,
    Outcome,
};
use super::{Reader, RunError, Step, StepDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Env, Use, Uses};
use crate::spec::{Key, Node, Scalar, Value};
use crate::value::{Batch, Cell, Shape, Type};

pub(super) static LOOKUP: StepDef = StepDef {
    name: "lookup",
    group: Group::Shape,
    summary: "Finds the row of a table that belongs to the item; usually with `into`, else it takes the item's place.",
    main: Some("path"),
    options: &[
        Opt {
            name: "path",
            form: "list of template",
            help: "The table's file, or several.",
            required: true,
        },
        Opt {
            name: "key",
            form: "list of string",
            help: "The field of a row that names it.",
            required: true,
        },
        Opt {
            name: "by",
            form: "list of expression",
            help: "What of the item must equal the key.",
            required: true,
        },
        Opt {
            name: "format",
            form: "lines|json|csv|tsv|text|bytes",
            help: "As with `read`; without it the file's name says it (.csv, .tsv, .json, .jsonl).",
            required: false,
        },
        Opt {
            name: "missing",
            form: "null|drop|error",
            help: "Where no row has the key: null (if it is not given), the item ends as filtered, or is an error.",
            required: false,
        },
        Opt {
            name: "duplicates",
            form: "error|first|list",
            help: "Where several rows have one key: an error that ends the run (if it is not given), the first of them \
                   counts, or all of them in a list.",
            required: false,
        },
        Opt {
            name: "encoding",
            form: "utf-8|latin-1|lossy",
            help: "As with `read`.",
            required: false,
        },
        Opt {
            name: "max_line",
            form: "size",
            help: "As with `read`.",
            required: false,
        },
        Opt {
            name: "header",
            form: "bool",
            help: "As with `read`.",
            required: false,
        },
        Opt {
            name: "columns",
            form: "list of string",
            help: "As with `read`.",
            required: false,
        },
        Opt {
            name: "delimiter",
            form: "string",
            help: "As with `read`.",
            required: false,
        },
    ],
    names: false,
    example: "- items: [{user_id: 7}]\n- lookup: {path: users.csv, key: id, by: string(user_id)}\n  into: user\n",
    read,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Null,
    Drop,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duplicates {
    Error,
    First,
    List,
}

#[derive(Debug)]
struct Lookup {
    /// What reads the table.
    read: Box<dyn Step>,
    /// The table's name, for people.
    name: Arc<str>,
    key: Vec<Key>,
    by: By,
    missing: Missing,
    duplicates: Duplicates,
}

/// The format that a file's name says.
fn format_of(path: &str) -> Option<&'static str> {
    let name = path.trim_end_matches(".gz").trim_end_matches(".zst");
    match name.rsplit_once('.')?.1 {
        "csv" => Some("csv"),
        "tsv" => Some("tsv"),
        "json" | "jsonl" | "ndjson" => Some("json"),
        _ => None,
    }
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &LOOKUP, reader);
    let (path, key, by) = (
        args.need("path", reader),
        args.need("key", reader),
        args.need("by", reader),
    );
    let path = path?;
    let name = path
        .one_or_more()
        .first()
        .and_then(Node::as_str)
        .unwrap_or("the table")
        .to_owned();
    let key = key.and_then(|k| field_names(k, "`key`", reader));
    let by = by.and_then(|b| By::read(b, "`by`", reader));
    let missing = match args.get("missing") {
        None => Some(Missing::Null),
        // `missing: null` is YAML's null.
        Some(node) if node.is_null() => Some(Missing::Null),
        Some(node) => reader
            .choice(node, "`missing`", &["null", "drop", "error"])
            .map(|word| match word {
                "drop" => Missing::Drop,
                "error" => Missing::Error,
                _ => Missing::Null,
            }),
    };
    let duplicates = match args.get("duplicates") {
        None => Some(Duplicates::Error),
        Some(node) => reader
            .choice(node, "`duplicates`", &["error", "first", "list"])
            .map(|word| match word {
                "first" => Duplicates::First,
                "list" => Duplicates::List,
                _ => Duplicates::Error,
            }),
    };
    // What is left is for `read`.
    let mut options: Vec<(Key, Node)> = Vec::new();
    for option in [
        "path",
        "format",
        "encoding",
        "max_line",
        "header",
        "columns",
        "delimiter",
    ] {
        if let Some(value) = args.get(option) {
            options.push((
                Key {
                    text: option.into(),
                    at: value.at,
                },
                value.clone(),
            ));
        }
    }
    if args.get("format").is_none() {
        let Some(format) = format_of(&name) else {
            let d = Diagnostic::new(
                "E0106",
                path.at,
                format!("the name of `{name}` does not say what is in it"),
            );
            reader
                .diagnostics
                .push(d.help("add `format: csv`, or `json`, `tsv`"));
            return None;
        };
        let value = Value::Scalar(Scalar::String {
            text: format.into(),
            plain: true,
        });
        options.push((
            Key {
                text: "format".into(),
                at: path.at,
            },
            Node::new(value, path.at),
        ));
    }
    let read = (READ.read)(&Node::new(Value::Map(options), node.at), reader);
    let (key, by) = (key?, by?);
    if key.len() != by.len() {
        let message = format!(
            "`key` names {} of a row, but `by` gives {} to compare",
            fields(key.len()),
            values(by.len())
        );
        reader.error("E0105", node.at, message);
        return None;
    }
    Some(Box::new(Lookup {
        read: read?,
        name: name.into(),
        key,
        by,
        missing: missing?,
        duplicates: duplicates?,
    }))
}

fn fields(n: usize) -> String {
    if n == 1 {
        "one field".into()
    } else {
        format!("{n} fields")
    }
}

fn values(n: usize) -> String {
    if n == 1 {
        "one value".into()
    } else {
        format!("{n} values")
    }
}

impl Lookup {
    /// The type of what is found: a row, or a list of them; null where nothing is and that is no error.
    fn result(&self, row: Type) -> Type {
        let found = if self.duplicates == Duplicates::List {
            Type::list(row)
        } else {
            row
        };
        if self.missing == Missing::Null {
            found.optional()
        } else {
            found
        }
    }
}

impl Step for Lookup {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("lookup", cx.at));
            return Type::Any;
        }
        // The table's path sees no item: it is one table for all.
        let env = Env {
            item: None,
            ..cx.env.clone()
        };
        let row = self.read.infer(
            None,
            &mut Infer {
                env: &env,
                diagnostics: &mut *cx.diagnostics,
                ..*cx
            },
        );
        let bys = self.by.check(input, "lookup", cx);
        for (key, (by, by_type)) in self.key.iter().zip(bys.into_iter().flatten()) {
            let field = match &row {
                Type::Record(record) => match record.field(&key.text) {
                    Some(ty) => ty.clone(),
                    None => {
                        let mut d = unknown_field(&key.text, key.at, record);
                        d.message = format!("the table has no field `{}`", key.text);
                        cx.diagnostics.push(d);
                        continue;
                    }
                },
                Type::Any => Type::Any,
                other => {
                    let message = format!(
                        "a row of the table must be a record to have a key, but it is {}",
                        a(other)
                    );
                    cx.diagnostics
                        .push(Diagnostic::new("E0304", key.at, message));
                    return Type::Any;
                }
            };
            if !can_be_equal(&field, &by_type) {
                let message = format!(
                    "`{}` is {}, but the key `{}` of the table is {}: they are never equal",
                    by.text(),
                    a(by_type.required()),
                    key.text,
                    a(field.required())
                );
                let mut d = Diagnostic::new("E0303", by.at(), message);
                if *field.required() == Type::String {
                    d = d.help(format!(
                        "write `string({})`, or say the table's types with `as`",
                        by.text()
                    ));
                }
                cx.diagnostics.push(d);
            }
        }
        self.result(row)
    }

    fn uses(&self, input: &Type, _: &Uses, env: &Env) -> Uses {
        self.by.uses(input, env)
    }

    fn target(&mut self, ty: &Type) -> bool {
        let found = ty.required();
        let row = match found {
            Type::List(row) if self.duplicates == Duplicates::List => row,
            _ if self.duplicates == Duplicates::List => return false,
            row => row,
        };
        let row = Type::clone(row);
        self.read.target(&row)
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let env = Env {
            item: None,
            ..cx.env.clone()
        };
        let mut said = crate::diagnostic::Diagnostics::default();
        let mut infer = Infer {
            env: &env,
            types: cx.types,
            diagnostics: &mut said,
            at: crate::diagnostic::At::default(),
            folder: cx.folder,
        };
        let row = self.read.infer(None, &mut infer);
        let all = Uses::all(Use::Look);
        let first = self
            .read
            .compile(None, &all, &CompileCx { env: &env, ..*cx });
        let Op::Source(source) = first.op else {
            unreachable!("BUG: what reads a table is no source")
        };
        let plan = Plan {
            source,
            second: self.read.second(&all).map(|c| c.op),
            key: self.key.iter().map(|k| k.text.as_str().into()).collect(),
            name: self.name.clone(),
            duplicates: self.duplicates,
        };
        let out = after.narrow(&self.result(row));
        let table: Arc<OnceLock<Result<Table, RunError>>> = Arc::default();
        let (keyer, shape, missing) = (
            self.by.compile_values(input, cx),
            Shape::of(&out),
            self.missing,
        );
        let name = self.name.clone();
        let plan = Arc::new(plan);
        let make = move || Run {
            plan: plan.clone(),
            table: table.clone(),
            keyer: keyer.clone(),
            shape: shape.clone(),
            missing,
            name: name.clone(),
            key: Vec::new(),
            cells: Vec::new(),
        };
        Compiled {
            out,
            op: Op::Each(Arc::new(move || Box::new(make()))),
        }
    }

    fn describe(&self) -> String {
        format!("lookup {} in {}", self.by.describe(), self.name)
    }
}

/// Can values of these types be equal?
fn can_be_equal(a: &Type, b: &Type) -> bool {
    match (a.required(), b.required()) {
        (Type::Any, _) | (_, Type::Any) | (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
            true
        }
        (a, b) => a == b,
    }
}

struct Run {
    plan: Arc<Plan>,
    table: Arc<OnceLock<Result<Table, RunError>>>,
    keyer: super::keyer::Keyer,
    shape: Arc<Shape>,
    missing: Missing,
    name: Arc<str>,
    key: Vec<u8>,
    cells: Vec<Cell>,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        // Who comes while another worker reads the table waits for work, not for an item: it always goes on.
        let table = match self.table.get_or_init(|| self.plan.load(cx)) {
            Ok(table) => table,
            Err(error) => return Flow::Stop(error.clone()),
        };
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            self.key.clear();
            if let Err(error) = self.keyer.key(row, cx.scope, &mut self.key) {
                cx.fail(batch.origin(i), row, error);
                continue;
            }
            let found = match (table.get(&self.key), self.missing) {
                (Some(found), _) => found,
                (None, Missing::Null) => &Cell::Null,
                (None, Missing::Drop) => {
                    cx.settle(Outcome::Filtered, 1);
                    continue;
                }
                (None, Missing::Error) => {
                    let message = format!(
                        "no row of {} has the key {}",
                        self.name,
                        table::shown(&self.key)
                    );
                    cx.fail(
                        batch.origin(i),
                        row,
                        ItemError::new(ItemErrorKind::Expression, message),
                    );
                    continue;
                }
            };
            self.cells.clear();
            match spread(found, &self.shape, &mut self.cells) {
                Ok(()) => out.push_from(&batch, i, self.cells.drain(..)),
                Err(error) => cx.fail(batch.origin(i), row, error),
            }
        }
        batch.clear();
        Flow::Next(out)
    }
}

#[cfg(test)]
mod tests;
