//! `range` and `items`: what stands in the file itself. As a stage's first step they give it once; behind
//! others, once for each item.

use std::sync::Arc;

use super::words::Args;
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Outcome, Pull, Reader, Source,
    Step, StepDef,
};
use crate::expr::{Env, Uses};
use crate::spec::{Node, Scalar, Value};
use crate::value::{Batch, Blocks, Cell, Field, Name, RecordType, Shape, Type};

pub(super) static RANGE: StepDef = StepDef {
    name: "range",
    group: Group::Source,
    summary: "Gives whole numbers: from 0 to a number, which is not included.",
    main: Some("to"),
    options: &[
        Opt {
            name: "to",
            form: "int",
            help: "Where it ends; not included.",
            required: true,
        },
        Opt {
            name: "from",
            form: "int",
            help: "Where it begins; 0 where it is not given.",
            required: false,
        },
        Opt {
            name: "step",
            form: "int",
            help: "From one to the next; 1 where it is not given, less than 0 to count down.",
            required: false,
        },
    ],
    names: false,
    example: "- range: {from: 10, to: 0, step: -2}\n- filter: item % 4 == 0\n",
    read: read_range,
};

pub(super) static ITEMS: StepDef = StepDef {
    name: "items",
    group: Group::Source,
    summary: "Gives the items that are written here.",
    main: Some("items"),
    options: &[Opt {
        name: "items",
        form: "any",
        help: "The items: a list, or one value.",
        required: true,
    }],
    names: false,
    example: "- items: [{city: Bern, people: 134000}, {city: Chur, people: 38000}]\n- filter: people > 100000\n",
    read: read_items,
};

/// What there is to give.
trait Supply: Send + Sync + std::fmt::Debug {
    fn len(&self) -> u64;
    /// Appends the cells of row number `at`.
    fn row(&self, at: u64, cells: &mut Vec<Cell>);
}

#[derive(Debug)]
struct Made {
    name: &'static str,
    ty: Type,
    supply: Arc<dyn Supply>,
    text: String,
}

impl Step for Made {
    fn infer(&self, _: Option<&Type>, _: &mut Infer<'_>) -> Type {
        self.ty.clone()
    }

    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::nothing()
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let (supply, shape) = (self.supply.clone(), Shape::of(&self.ty));
        let op = if input.is_some() {
            Op::Each(Arc::new(move || {
                Box::new(Repeat {
                    supply: supply.clone(),
                    shape: shape.clone(),
                })
            }))
        } else {
            Op::Source(Arc::new(move || {
                Box::new(Once {
                    supply: supply.clone(),
                    shape: shape.clone(),
                    at: 0,
                })
            }))
        };
        Compiled {
            out: self.ty.clone(),
            op,
        }
    }

    fn is_source(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("{} {}", self.name, self.text)
    }
}

struct Once {
    supply: Arc<dyn Supply>,
    shape: Arc<Shape>,
    at: u64,
}

impl Source for Once {
    fn pull(&mut self, want: usize, _: &mut Cx<'_>) -> Pull {
        let to = self.supply.len().min(self.at.saturating_add(want as u64));
        if self.at >= to {
            return Pull::End;
        }
        let mut batch = Batch::with_capacity(self.shape.clone(), Blocks::new(), want);
        let (cells, _) = batch.parts_mut();
        (self.at..to).for_each(|at| self.supply.row(at, cells));
        batch.grew((to - self.at) as usize);
        self.at = to;
        Pull::Rows(batch)
    }

    fn progress(&self) -> Option<(u64, u64)> {
        Some((self.at, self.supply.len()))
    }
}

/// All of it for each row.
struct Repeat {
    supply: Arc<dyn Supply>,
    shape: Arc<Shape>,
}

impl BatchStep for Repeat {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        let each = self.supply.len();
        for i in 0..batch.len() {
            for at in 0..each {
                self.supply.row(at, out.parts_mut().0);
                out.grew_from(&batch, i);
            }
        }
        let rows = batch.clear();
        if each == 0 {
            cx.settle(Outcome::Filtered, rows);
        } else {
            cx.made(out.len() - rows);
        }
        Flow::Next(out)
    }
}

#[derive(Debug)]
struct Numbers {
    from: i64,
    step: i64,
    len: u64,
}

impl Supply for Numbers {
    fn len(&self) -> u64 {
        self.len
    }

    fn row(&self, at: u64, cells: &mut Vec<Cell>) {
        // The sum is within 64 bits, because `to` is; on the way there it may wrap.
        let value = self.step.wrapping_mul(at as i64).wrapping_add(self.from);
        cells.push(Cell::Int(value));
    }
}

fn read_range(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &RANGE, reader);
    let mut int = |option: &str, default: Option<i64>| match args.get(option) {
        None if default.is_none() => {
            args.need(option, reader);
            None
        }
        None => default,
        Some(node) => match &node.value {
            Value::Scalar(Scalar::Int(n)) => Some(*n),
            _ => {
                let message = format!("`{option}` must be a whole number, not {}", node.describe());
                reader.error("E0105", node.at, message);
                None
            }
        },
    };
    let (from, to, step) = (int("from", Some(0)), int("to", None), int("step", Some(1)));
    let (from, to, step) = (from?, to?, step?);
    if step == 0 {
        let at = args.get("step").map_or(node.at, |n| n.at);
        reader.error(
            "E0105",
            at,
            "`step` must not be 0: the range would never end",
        );
        return None;
    }
    let distance = if step > 0 {
        i128::from(to) - i128::from(from)
    } else {
        i128::from(from) - i128::from(to)
    };
    let step_size = i128::from(step).abs();
    let len = if distance <= 0 {
        0
    } else {
        (distance + step_size - 1) / step_size
    };
    let text = match (from, step) {
        (0, 1) => to.to_string(),
        (from, 1) => format!("{from} to {to}"),
        (from, step) => format!("{from} to {to} by {step}"),
    };
    let supply = Arc::new(Numbers {
        from,
        step,
        len: u64::try_from(len).unwrap_or(u64::MAX),
    });
    Some(Box::new(Made {
        name: "range",
        ty: Type::Int,
        supply,
        text,
    }))
}

#[derive(Debug)]
struct Literal(Vec<Vec<Cell>>);

impl Supply for Literal {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn row(&self, at: u64, cells: &mut Vec<Cell>) {
        cells.extend_from_slice(&self.0[usize::try_from(at).unwrap_or(usize::MAX)]);
    }
}

fn read_items(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    // A mapping is one item, unless it is the long form.
    let list = match node.as_map() {
        Some([(key, value)]) if key.text == "items" => value,
        _ => node,
    };
    let items = list.one_or_more();
    let _ = reader;
    let ty = items
        .iter()
        .map(type_of)
        .reduce(|a, b| together(&a, &b))
        .unwrap_or(Type::Any);
    let rows = items.iter().map(|item| row_of(item, &ty)).collect();
    let text = match items.len() {
        1 => "1 item".to_owned(),
        n => format!("{n} items"),
    };
    Some(Box::new(Made {
        name: "items",
        ty,
        supply: Arc::new(Literal(rows)),
        text,
    }))
}

/// The type of a literal.
fn type_of(node: &Node) -> Type {
    match &node.value {
        Value::Scalar(Scalar::Null) => Type::Null,
        Value::Scalar(Scalar::Bool(_)) => Type::Bool,
        Value::Scalar(Scalar::Int(_)) => Type::Int,
        Value::Scalar(Scalar::Double(_)) => Type::Double,
        Value::Scalar(Scalar::String { .. }) => Type::String,
        Value::List(list) => Type::list(
            list.iter()
                .map(type_of)
                .reduce(|a, b| together(&a, &b))
                .unwrap_or(Type::Any),
        ),
        Value::Map(map) => {
            Type::record(map.iter().map(|(k, v)| (Name::from(&*k.text), type_of(v))))
        }
    }
}

/// The type of both: a record has the fields of both, and those that one lacks may be null.
fn together(a: &Type, b: &Type) -> Type {
    let (Type::Record(x), Type::Record(y)) = (a, b) else {
        return a.join(b);
    };
    let missing = |ty: &Type| ty.clone().optional();
    let mut fields: Vec<Field> = x
        .fields
        .iter()
        .map(|f| {
            let ty = y
                .field(&f.name)
                .map_or_else(|| missing(&f.ty), |t| together(&f.ty, t));
            Field {
                name: f.name.clone(),
                ty,
            }
        })
        .collect();
    let more = y.fields.iter().filter(|f| x.slot(&f.name).is_none());
    fields.extend(more.map(|f| Field {
        name: f.name.clone(),
        ty: missing(&f.ty),
    }));
    Type::Record(Arc::new(RecordType { fields, rest: None }))
}

fn row_of(node: &Node, ty: &Type) -> Vec<Cell> {
    match ty {
        Type::Record(record) => record
            .fields
            .iter()
            .map(|f| node.get(&f.name).map_or(Cell::Null, |v| cell_of(v, &f.ty)))
            .collect(),
        ty => vec![cell_of(node, ty)],
    }
}

fn cell_of(node: &Node, ty: &Type) -> Cell {
    match (&node.value, ty.required()) {
        (Value::Scalar(Scalar::Null), _) => Cell::Null,
        (Value::Scalar(Scalar::Bool(b)), _) => Cell::Bool(*b),
        (Value::Scalar(Scalar::Int(i)), Type::Double) => Cell::Double(*i as f64),
        (Value::Scalar(Scalar::Int(i)), _) => Cell::Int(*i),
        (Value::Scalar(Scalar::Double(d)), _) => Cell::Double(*d),
        (Value::Scalar(Scalar::String { text, .. }), _) => Cell::str(text),
        (Value::List(list), ty) => {
            let of = if let Type::List(of) = ty {
                (**of).clone()
            } else {
                Type::Any
            };
            Cell::list(list.iter().map(|n| cell_of(n, &of)).collect())
        }
        (Value::Map(map), ty) => {
            let field = |name: &str| ty.as_record().and_then(|r| r.field(name)).cloned();
            let mut entries: Vec<(Cell, Cell)> = map
                .iter()
                .map(|(k, v)| {
                    (
                        Cell::str(&k.text),
                        cell_of(v, &field(&k.text).unwrap_or(Type::Any)),
                    )
                })
                .collect();
            // A record has all its fields.
            for f in ty.as_record().into_iter().flat_map(|r| &r.fields) {
                if node.get(&f.name).is_none() {
                    entries.push((Cell::str(&f.name), Cell::Null));
                }
            }
            Cell::map(entries)
        }
    }
}
