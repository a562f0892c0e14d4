//! Tree to operations: slots resolved for one row type, constants computed, the frequent cases made special.

mod eval;
mod hot;
mod loops;
mod op;
mod slot;

pub(super) use op::Op;
use op::{Loop, Member, Slot, Src, Strings};

use std::sync::Arc;

use memchr::memmem::Finder;

use super::Scope;
use super::functions::{self, Function};
use super::run::{Cx, Dict, List, Text, Val};
use super::tree::{Arith, Cmp, Kind, Lit, Node};
use super::ty::Ty;
use crate::value::{Blocks, Cell, Name, Row, Shape, Type};

/// `item`: the type of the rows, narrowed to the fields that the expression uses.
pub(super) fn compile(node: &Node, text: &str, item: Option<&Type>) -> Op {
    Compiler {
        text,
        item,
        depth: 0,
    }
    .op(node)
}

struct Compiler<'t> {
    text: &'t str,
    item: Option<&'t Type>,
    /// Variables of macros in scope.
    depth: usize,
}

impl Compiler<'_> {
    fn op(&mut self, node: &Node) -> Op {
        let op = self.plain(node);
        if !matches!(op, Op::Const(_)) && node.is_constant(self.depth) {
            folded(op)
        } else {
            op
        }
    }

    fn boxed(&mut self, node: &Node) -> Box<Op> {
        Box::new(self.op(node))
    }

    fn all(&mut self, nodes: &[Node]) -> Box<[Op]> {
        nodes.iter().map(|n| self.op(n)).collect()
    }

    fn two(&mut self, [a, b]: &[Node; 2]) -> Box<[Op; 2]> {
        Box::new([self.op(a), self.op(b)])
    }

    fn src(&self, node: &Node) -> Src {
        self.text[node.span.clone()].into()
    }

    /// With `n` more variables in scope.
    fn inside(&mut self, n: usize, node: &Node) -> Op {
        self.depth += n;
        let op = self.op(node);
        self.depth -= n;
        op
    }

    fn plain(&mut self, node: &Node) -> Op {
        match &node.kind {
            Kind::Lit(lit) => Op::Const(literal(lit)),
            Kind::TypeName(name) => Op::Const(Val::Type(name)),
            Kind::Item => match self.item {
                Some(Type::Record(_)) => Op::Row,
                Some(ty) => Op::Slot(Slot {
                    at: 0,
                    ty: Arc::new(ty.clone()),
                    name: "item".into(),
                }),
                None => panic!("BUG: an expression about an item, compiled for none"),
            },
            Kind::Field(name) => self.field(name),
            Kind::Param(i) => Op::Param(*i),
            Kind::Value(i) => Op::Value(*i),
            Kind::Array(i) => Op::Array(*i),
            Kind::QueueSize(i) => Op::QueueSize(*i),
            Kind::Worker => Op::Worker,
            Kind::RunStart => Op::RunStart,
            Kind::RunFailed => Op::RunFailed,
            Kind::Local(number) => Op::Local(self.depth - 1 - number),
            Kind::Member { of, name, optional } => Op::Member(Box::new(Member {
                or_null: matches!(of.ty.required(), Ty::Record(r) if matches!(r.declared(name), Some(Ty::Nullable(_) | Ty::Null))),
                of: self.op(of),
                name: name.clone(),
                optional: *optional,
                src: self.src(node),
            })),
            Kind::Has { of, name, filled } => self.has(of, name, *filled),
            Kind::Index { of, at, optional } => match of.kind {
                Kind::Array(i) if !optional => Op::Element(i, self.boxed(at)),
                _ => {
                    let (of, at) = (self.op(of), self.op(at));
                    self.index(of, at, *optional, node)
                }
            },
            Kind::Not(of) => Op::Not(self.boxed(of)),
            Kind::Neg(of) => Op::Neg(self.boxed(of), self.src(node)),
            Kind::And(all) => Op::And(self.all(all)),
            Kind::Or(all) => Op::Or(self.all(all)),
            Kind::If(three) => {
                let [cond, then, other] = &**three;
                Op::If(Box::new([self.op(cond), self.op(then), self.op(other)]))
            }
            Kind::Compare(cmp, two) => self.compare(*cmp, two, node),
            Kind::In(two) => self.within(two, node),
            Kind::Arith(op, two) => self.arith(*op, two, node),
            Kind::Call(function, args) => self.call(function, args, node),
            Kind::List(all) => Op::List(
                all.iter()
                    .map(|(n, optional)| (self.op(n), *optional))
                    .collect(),
            ),
            Kind::Map(all) => self.map(all),
            Kind::Loop(l) => {
                let vars = if l.two { 2 } else { 1 };
                Op::Loop(Box::new(Loop {
                    what: l.what,
                    over: self.op(&l.over),
                    two: l.two,
                    only: l.only.as_ref().map(|n| self.inside(vars, n)),
                    body: self.inside(vars, &l.body),
                    src: self.src(node),
                }))
            }
            Kind::Bind(two) => Op::Bind(Box::new([self.op(&two[0]), self.inside(1, &two[1])])),
            Kind::OptMap { of, body, flat } => Op::OptMap {
                of: self.boxed(of),
                body: Box::new(self.inside(1, body)),
                flat: *flat,
            },
            Kind::Bad => panic!("BUG: an expression with mistakes was compiled"),
        }
    }

    fn field(&self, name: &Name) -> Op {
        let record = self
            .item
            .and_then(Type::as_record)
            .expect("BUG: a field of an item that is no record");
        if let Some(at) = record.slot(name) {
            return Op::Slot(Slot {
                at,
                ty: Arc::new(record.fields[at].ty.clone()),
                name: name.clone(),
            });
        }
        assert!(
            record.rest.is_some(),
            "BUG: the field {name} was narrowed away"
        );
        Op::Rest {
            slot: record.fields.len(),
            name: name.clone(),
        }
    }

    fn has(&mut self, of: &Node, name: &Name, filled: bool) -> Op {
        if matches!(of.kind, Kind::Item)
            && let Some(Type::Record(record)) = self.item
        {
            return match record.slot(name) {
                Some(at) if filled => Op::Filled(at),
                Some(_) => Op::Const(Val::Bool(true)),
                None => Op::Has {
                    of: Box::new(Op::Row),
                    name: name.clone(),
                    filled: false,
                },
            };
        }
        Op::Has {
            of: self.boxed(of),
            name: name.clone(),
            filled,
        }
    }

    fn compare(&mut self, cmp: Cmp, [a, b]: &[Node; 2], node: &Node) -> Op {
        let equality = matches!(cmp, Cmp::Eq | Cmp::Ne);
        let (ops, cmp) = match [self.op(a), self.op(b)] {
            [k @ Op::Const(_), x] if !matches!(x, Op::Const(_)) => ([x, k], cmp.mirrored()),
            ops => (ops, cmp),
        };
        match ops {
            [x, Op::Const(Val::Null)] if equality => Op::IsNull(Box::new(x), cmp == Cmp::Eq),
            [Op::Slot(slot), Op::Const(Val::Int(k))] if *slot.ty.required() == Type::Int => {
                Op::IntSlotK { slot, cmp, k }
            }
            [Op::Slot(slot), Op::Const(Val::Double(k))] if *slot.ty.required() == Type::Double => {
                Op::DoubleSlotK { slot, cmp, k }
            }
            // A small int is a double too.
            [Op::Slot(slot), Op::Const(Val::Int(k))]
                if *slot.ty.required() == Type::Double && k.unsigned_abs() < 1 << 52 =>
            {
                Op::DoubleSlotK {
                    slot,
                    cmp,
                    k: k as f64,
                }
            }
            [Op::Slot(slot), Op::Const(Val::Str(k))]
                if equality && *slot.ty.required() == Type::String =>
            {
                Op::StrSlotK {
                    slot,
                    equal: cmp == Cmp::Eq,
                    k: k.as_str().into(),
                }
            }
            [x, Op::Const(Val::Str(k))] if equality => Op::StrK {
                of: Box::new(x),
                equal: cmp == Cmp::Eq,
                k: k.as_str().into(),
            },
            ops => {
                let ops = Box::new(ops);
                match (&a.ty, &b.ty) {
                    (Ty::Int, Ty::Int) => Op::Ints(cmp, ops),
                    (Ty::Double, Ty::Double) => Op::Doubles(cmp, ops),
                    (Ty::String, Ty::String) => Op::Strs(cmp, ops),
                    _ if equality => Op::Equal(cmp == Cmp::Eq, ops),
                    _ => Op::Ordered(cmp, ops, self.src(node)),
                }
            }
        }
    }

    fn within(&mut self, two: &[Node; 2], node: &Node) -> Op {
        let [x, list] = *self.two(two);
        if let Op::Const(Val::List(l)) = &list {
            let ints: Option<Box<[i64]>> = l
                .iter()
                .map(|v| if let Val::Int(i) = v { Some(i) } else { None })
                .collect();
            if let (Some(ints), Ty::Int) = (ints, &two[0].ty) {
                return Op::InInts(Box::new(x), ints);
            }
            let texts = l.iter().map(|v| {
                if let Val::Str(s) = v {
                    Some(s.as_str().into())
                } else {
                    None
                }
            });
            if let (Some(texts), Ty::String) = (
                texts.collect::<Option<Vec<Box<str>>>>(),
                two[0].ty.required(),
            ) {
                return Op::InStrs(Box::new(x), Strings::new(texts));
            }
        }
        Op::In(Box::new([x, list]), self.src(node))
    }

    fn arith(&mut self, op: Arith, two: &[Node; 2], node: &Node) -> Op {
        let ops = self.two(two);
        match (&node.ty, two[0].ty.required(), two[1].ty.required()) {
            (Ty::String, Ty::String, Ty::String) => {
                let mut parts = Vec::new();
                for op in *ops {
                    match op {
                        Op::Concat(more) => parts.extend(more),
                        one => parts.push(one),
                    }
                }
                Op::Concat(parts.into())
            }
            (Ty::Int, Ty::Int, Ty::Int) => Op::IntArith(op, ops, self.src(node)),
            (Ty::Double, Ty::Double, Ty::Double) => Op::DoubleArith(op, ops),
            _ => Op::Arith(op, ops, self.src(node)),
        }
    }

    fn map(&mut self, all: &[(Node, Node, bool)]) -> Op {
        let constant = |(key, _, optional): &(Node, Node, bool)| match &key.kind {
            Kind::Lit(Lit::Str(name)) if !optional => Some(Cell::str(name)),
            _ => None,
        };
        if let Some(keys) = all.iter().map(constant).collect::<Option<Vec<Cell>>>() {
            let fields = keys.into_iter().zip(all);
            return Op::Record(fields.map(|(k, (_, v, _))| (k, self.op(v))).collect());
        }
        Op::Map(
            all.iter()
                .map(|(k, v, optional)| (self.op(k), self.op(v), *optional))
                .collect(),
        )
    }

    fn index(&self, of: Op, at: Op, optional: bool, node: &Node) -> Op {
        let src = self.src(node);
        match (of, at) {
            (Op::Call(function, args, _), Op::Const(Val::Int(place)))
                if !optional && place >= 0 && splits(function, &args) =>
            {
                let mut args = args.into_iter();
                let (Some(of), Some(Op::Const(Val::Str(k)))) = (args.next(), args.next()) else {
                    panic!("BUG: a call lost its arguments");
                };
                Op::SplitAt {
                    of: Box::new(of),
                    separator: Box::new(Finder::new(k.as_str().as_bytes()).into_owned()),
                    at: usize::try_from(place).unwrap_or(usize::MAX),
                    src,
                }
            }
            (of, at) => Op::Index {
                of: Box::new(of),
                at: Box::new(at),
                optional,
                src,
            },
        }
    }

    fn call(&mut self, function: &'static Function, args: &[Node], node: &Node) -> Op {
        let mut ops = self.all(args);
        if let ("floor", [_, Op::Const(Val::Str(step))]) = (function.name, &ops[..])
            && let Ok(step) = functions::length(step.as_str())
        {
            ops[1] = Op::Const(step);
        }
        let text = args.first().is_some_and(|a| *a.ty.required() == Ty::String);
        let special = match (function.name, &ops[..]) {
            ("size", [_]) if text => Special::Chars,
            (name, [_, Op::Const(Val::Str(k))]) if text => {
                let k = k.as_str();
                match name {
                    "startsWith" => Special::StartsWith(k.into()),
                    "endsWith" => Special::EndsWith(k.into()),
                    "contains" => {
                        Special::Contains(Box::new(Finder::new(k.as_bytes()).into_owned()))
                    }
                    "matches" => match functions::regex(k) {
                        Ok(regex) => Special::Matches(Box::new(regex)),
                        Err(_) => return Op::Call(function, ops, self.src(node)),
                    },
                    _ => return Op::Call(function, ops, self.src(node)),
                }
            }
            _ => return Op::Call(function, ops, self.src(node)),
        };
        let of = Box::new(
            ops.into_iter()
                .next()
                .expect("BUG: a call without its receiver"),
        );
        match special {
            Special::Chars => Op::Chars(of),
            Special::StartsWith(k) => Op::StartsWith(of, k),
            Special::EndsWith(k) => Op::EndsWith(of, k),
            Special::Contains(finder) => Op::Contains(of, finder),
            Special::Matches(regex) => Op::Matches(of, regex),
        }
    }
}

/// Calls about a text that have an operation of their own.
enum Special {
    Chars,
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<Finder<'static>>),
    Matches(Box<regex::Regex>),
}

/// Is it `text.split("k")` with a constant that is not empty?
fn splits(function: &Function, args: &[Op]) -> bool {
    function.name == "split"
        && matches!(args, [_, Op::Const(Val::Str(k))] if !k.as_str().is_empty())
}

fn literal(lit: &Lit) -> Val<'static> {
    match lit {
        Lit::Null => Val::Null,
        Lit::Bool(b) => Val::Bool(*b),
        Lit::Int(i) => Val::Int(*i),
        Lit::Uint(u) => Val::Uint(*u),
        Lit::Double(d) => Val::Double(*d),
        Lit::Str(s) => Val::text(&**s),
        Lit::Bytes(b) => Val::Bytes(super::run::Bin::Own(b.to_vec())),
    }
}

/// The value of what is constant; what fails is left to fail when it runs (`false && 1 / 0 > 0` is false).
fn folded(op: Op) -> Op {
    let shape = Shape::of(&Type::record([]));
    let (blocks, scope) = (Blocks::new(), Scope::default());
    let row = Row {
        cells: &[],
        blocks: &blocks,
        shape: &shape,
    };
    let value = op
        .eval(&Cx {
            row,
            scope: &scope,
            frame: None,
        })
        .map(|val| keep(val.into_static()));
    match value {
        Ok(val) => Op::Const(val),
        Err(_) => op,
    }
}

/// Lists and maps as cells: they are handed on without a copy.
fn keep(val: Val<'static>) -> Val<'static> {
    match val {
        Val::List(List::Vals(_)) | Val::Map(Dict::Vals(_)) if val.is_plain() => {
            match val.clone().detach() {
                Ok(cell) => Val::owned(cell),
                Err(_) => val,
            }
        }
        Val::Str(Text::Heap(_)) => match &val {
            Val::Str(s) => Val::text(s.as_str()),
            _ => val,
        },
        val => val,
    }
}
