//! A checked expression as a tree: names resolved, operators and functions chosen, types known.

use std::ops::Range;

use super::functions::Function;
use super::ty::Ty;
use crate::value::Name;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub ty: Ty,
    pub span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Lit(Lit),
    /// The whole item.
    Item,
    /// A field of the item: declared, or one of the others of an open record.
    Field(Name),
    /// By place in `Env`.
    Param(usize),
    Value(usize),
    Array(usize),
    QueueSize(usize),
    Worker,
    RunStart,
    RunFailed,
    /// A variable of a macro, counted from the outermost.
    Local(usize),
    /// A type by its CEL name.
    TypeName(&'static str),
    Member {
        of: Box<Node>,
        name: Name,
        optional: bool,
    },
    /// `has(of.name)`; `filled`: for a field of type `T?`, that it is not null.
    Has {
        of: Box<Node>,
        name: Name,
        filled: bool,
    },
    Index {
        of: Box<Node>,
        at: Box<Node>,
        optional: bool,
    },
    Not(Box<Node>),
    Neg(Box<Node>),
    /// At least two.
    And(Vec<Node>),
    Or(Vec<Node>),
    If(Box<[Node; 3]>),
    Compare(Cmp, Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    Arith(Arith, Box<[Node; 2]>),
    /// A receiver is the first argument.
    Call(&'static Function, Vec<Node>),
    /// `true`: the element is an optional value that may be missing.
    List(Vec<(Node, bool)>),
    Map(Vec<(Node, Node, bool)>),
    Loop(Box<Loop>),
    /// `cel.bind`: the value, then the body, which sees it as a local.
    Bind(Box<[Node; 2]>),
    /// `optMap` (`flat: false`) and `optFlatMap`: the body sees the value as a local.
    OptMap {
        of: Box<Node>,
        body: Box<Node>,
        flat: bool,
    },
    /// Something was wrong here, and has been said.
    Bad,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lit {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Cmp {
    pub fn sign(self) -> &'static str {
        ["==", "!=", "<", "<=", ">", ">="][self as usize]
    }

    /// With the operands exchanged.
    pub fn mirrored(self) -> Cmp {
        match self {
            Cmp::Lt => Cmp::Gt,
            Cmp::Le => Cmp::Ge,
            Cmp::Gt => Cmp::Lt,
            Cmp::Ge => Cmp::Le,
            same => same,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl Arith {
    pub fn sign(self) -> &'static str {
        ["+", "-", "*", "/", "%"][self as usize]
    }
}

/// A macro that goes through a list or the keys of a map. The body sees one or two locals.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub what: LoopKind,
    pub over: Node,
    /// Index and element, or key and value, instead of element or key alone.
    pub two: bool,
    /// Only for the kinds that build something: which elements are taken.
    pub only: Option<Node>,
    pub body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// `map` and `transformList`.
    List,
    /// `transformMap`: the same keys, other values.
    Map,
    /// `transformMapEntry`: the body is a map of what to add.
    Entries,
}

impl Node {
    /// The parts of this node.
    pub fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Member { of, .. } | Kind::Has { of, .. } | Kind::Not(of) | Kind::Neg(of) => {
                vec![of]
            }
            Kind::Index { of, at, .. } => vec![of, at],
            Kind::And(all) | Kind::Or(all) | Kind::Call(_, all) => all.iter().collect(),
            Kind::If(three) => three.iter().collect(),
            Kind::Compare(_, two) | Kind::In(two) | Kind::Arith(_, two) | Kind::Bind(two) => {
                two.iter().collect()
            }
            Kind::List(all) => all.iter().map(|(n, _)| n).collect(),
            Kind::Map(all) => all.iter().flat_map(|(k, v, _)| [k, v]).collect(),
            Kind::Loop(l) => [&l.over]
                .into_iter()
                .chain(&l.only)
                .chain([&l.body])
                .collect(),
            Kind::OptMap { of, body, .. } => vec![of, body],
            Kind::Lit(_)
            | Kind::Item
            | Kind::Field(_)
            | Kind::Param(_)
            | Kind::Value(_)
            | Kind::Array(_)
            | Kind::QueueSize(_)
            | Kind::Worker
            | Kind::RunStart
            | Kind::RunFailed
            | Kind::Local(_)
            | Kind::TypeName(_)
            | Kind::Bad => Vec::new(),
        }
    }

    /// Is its value the same for every item, worker and moment? `depth`: how many locals are in scope here.
    pub fn is_constant(&self, depth: usize) -> bool {
        let here = match &self.kind {
            Kind::Item
            | Kind::Field(_)
            | Kind::Param(_)
            | Kind::Value(_)
            | Kind::Array(_)
            | Kind::QueueSize(_)
            | Kind::Worker
            | Kind::RunStart
            | Kind::RunFailed
            | Kind::Bad => false,
            Kind::Local(number) => *number >= depth,
            Kind::Call(f, _) => f.pure,
            _ => true,
        };
        here && self
            .children()
            .into_iter()
            .all(|child| child.is_constant(depth))
    }
}
