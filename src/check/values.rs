//! The shared values and arrays of a file.

use super::places::Places;
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::expr::Shared;
use crate::plan;
use crate::spec::{Key, Node, Scalar, Value, forms};
use crate::steps::built_in;
use crate::value::{Cell, Name, Type};

/// Elements of an array that is longer are a slip of the keyboard.
const LONGEST: u64 = 10_000_000;

/// The declared values, or arrays; a value's number is its place in the file.
#[derive(Debug)]
pub(super) struct ValueTable {
    list: Vec<Declared>,
}

#[derive(Debug)]
struct Declared {
    name: Name,
    of: Type,
    initial: Cell,
    length: Option<usize>,
    secret: bool,
    at: At,
}

impl ValueTable {
    pub fn values(declared: &[(Key, Node)], out: &mut Diagnostics) -> ValueTable {
        let list = declared.iter().map(|(key, node)| {
            let options = Options::of(key, node, &["of", "initial", "secret"], out);
            let (of, initial) = options.kind(&["int", "double", "string", "bool"], out);
            let secret = options.get("secret");
            Declared {
                name: Name::from(&*key.text),
                of,
                initial,
                length: None,
                secret: secret.is_some_and(|n| forms::flag(n, "`secret`", out) == Some(true)),
                at: key.at,
            }
        });
        ValueTable {
            list: list.collect(),
        }
    }

    pub fn arrays(declared: &[(Key, Node)], out: &mut Diagnostics) -> ValueTable {
        let list = declared.iter().map(|(key, node)| {
            let options = Options::of(key, node, &["of", "length", "initial"], out);
            let (of, initial) = options.kind(&["int", "double"], out);
            Declared {
                name: Name::from(&*key.text),
                of,
                initial,
                length: Some(options.length(out)),
                secret: false,
                at: key.at,
            }
        });
        ValueTable {
            list: list.collect(),
        }
    }

    pub fn types(&self) -> Vec<(Name, Type)> {
        let all = self.list.iter();
        all.map(|d| (d.name.clone(), d.of.clone())).collect()
    }

    /// For each, what it is when the run begins, and its length.
    pub fn initial(&self) -> Vec<(Cell, usize)> {
        let all = self.list.iter();
        all.map(|d| (d.initial.clone(), d.length.unwrap_or(1)))
            .collect()
    }

    pub fn plan(&self, places: &Places<'_>) -> Vec<plan::Value> {
        let all = self.list.iter();
        all.map(|d| plan::Value {
            name: d.name.clone(),
            of: d.of.clone(),
            initial: d.initial.clone(),
            length: d.length,
            secret: d.secret,
            place: places.place(d.at),
        })
        .collect()
    }
}

/// Values and arrays as they are before anything has happened, for expressions.
#[derive(Debug)]
pub(super) struct Initial {
    pub values: Vec<(Cell, usize)>,
    pub arrays: Vec<(Cell, usize)>,
}

impl Shared for Initial {
    fn value(&self, value: usize) -> Cell {
        self.values[value].0.clone()
    }

    fn element(&self, array: usize, i: usize) -> Option<Cell> {
        let (cell, length) = &self.arrays[array];
        (i < *length).then(|| cell.clone())
    }

    fn length(&self, array: usize) -> usize {
        self.arrays[array].1
    }

    fn queue_size(&self, _: usize) -> usize {
        0
    }
}

/// The options of one declaration, in short form (its type) or long.
struct Options<'f> {
    key: &'f Key,
    node: &'f Node,
}

impl<'f> Options<'f> {
    fn of(key: &'f Key, node: &'f Node, known: &[&str], out: &mut Diagnostics) -> Options<'f> {
        for (option, _) in node.as_map().unwrap_or_default() {
            if !known.contains(&&*option.text) {
                let message = format!("`{}` has no option `{}`", key.text, option.text);
                let d = Diagnostic::new("E0103", option.at, message);
                out.push(match nearest(&option.text, known.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help(format!("its options are {}", known.join(", "))),
                });
            }
        }
        Options { key, node }
    }

    fn get(&self, option: &str) -> Option<&'f Node> {
        match self.node.as_map() {
            Some(_) => self.node.get(option),
            None => Some(self.node).filter(|_| option == "of"),
        }
    }

    /// The type, and the value at first.
    fn kind(&self, types: &[&str], out: &mut Diagnostics) -> (Type, Cell) {
        let name = &self.key.text;
        let Some(node) = self.get("of").filter(|n| !n.is_null()) else {
            let d = Diagnostic::new("E0106", self.key.at, format!("`{name}` needs a type"));
            out.push(d.help(format!(
                "write `{name}: int`, or another of {}",
                types.join(", ")
            )));
            return (Type::Int, Cell::Int(0));
        };
        let word = forms::choice(node, &format!("the type of `{name}`"), types, out);
        let ty = word.and_then(built_in).cloned().unwrap_or(Type::Int);
        let written = self.get("initial").filter(|_| self.node.as_map().is_some());
        let initial = match (&ty, written) {
            (Type::Int, None) => Cell::Int(0),
            (Type::Double, None) => Cell::Double(0.0),
            (Type::Bool, None) => Cell::Bool(false),
            (_, None) => Cell::str(""),
            (ty, Some(node)) => literal(node, ty, out),
        };
        (ty, initial)
    }

    fn length(&self, out: &mut Diagnostics) -> usize {
        let name = &self.key.text;
        let length = self.get("length").filter(|_| self.node.as_map().is_some());
        let Some(node) = length else {
            let d = Diagnostic::new(
                "E0106",
                self.key.at,
                format!("the array `{name}` needs a `length`"),
            );
            out.push(d.help(format!("write `{name}: {{of: int, length: 10}}`")));
            return 1;
        };
        let n = forms::count(node, "`length`", 1, out).unwrap_or(1);
        if n > LONGEST {
            let message = format!("an array has at most {LONGEST} elements, not {n}");
            out.push(Diagnostic::new("E0105", node.at, message));
        }
        usize::try_from(n.min(LONGEST)).unwrap_or(1)
    }
}

/// A value as it is written.
fn literal(node: &Node, ty: &Type, out: &mut Diagnostics) -> Cell {
    let read = match ty {
        Type::Int => whole(node, out).map(Cell::Int),
        Type::Double => forms::number(node, "`initial`", out).map(Cell::Double),
        Type::Bool => forms::flag(node, "`initial`", out).map(Cell::Bool),
        _ => forms::text(node, "`initial`", out).map(Cell::str),
    };
    read.unwrap_or_default()
}

fn whole(node: &Node, out: &mut Diagnostics) -> Option<i64> {
    match &node.value {
        Value::Scalar(Scalar::Int(i)) => Some(*i),
        _ => {
            out.push(forms::wrong(node, "`initial`", "a whole number"));
            None
        }
    }
}
