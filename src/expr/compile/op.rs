//! The operations that an expression is compiled to: a tree whose nodes know slots, constants and kinds.
//!
//! A tree of enum nodes, not of closures: what a node needs (a literal, a pattern) can be borrowed by the
//! values that it gives, so that nothing is copied or counted for each item; and a match costs no more than a
//! call through a pointer.

use std::sync::Arc;

use memchr::memmem::Finder;
use regex::Regex;

use super::super::functions::Function;
use super::super::run::Val;
use super::super::tree::{Arith, Cmp, LoopKind};
use crate::value::{Cell, Name, Type};

/// A part of the expression's text, for messages.
pub(in crate::expr) type Src = Box<str>;

#[derive(Debug)]
pub(in crate::expr) enum Op {
    Const(Val<'static>),
    /// A field of the item by its slot, or the item itself where it is no record (slot 0).
    Slot(Slot),
    /// One of the other fields of an open record, whose map is in the slot.
    Rest {
        slot: usize,
        name: Name,
    },
    /// The item, a record.
    Row,
    Param(usize),
    Value(usize),
    Array(usize),
    Element(usize, Box<Op>),
    QueueSize(usize),
    Worker,
    RunStart,
    RunFailed,
    /// The variable bound so many bindings ago.
    Local(usize),
    Member(Box<Member>),
    /// Is the field in this slot not null?
    Filled(usize),
    Has {
        of: Box<Op>,
        name: Name,
        filled: bool,
    },
    Index {
        of: Box<Op>,
        at: Box<Op>,
        optional: bool,
        src: Src,
    },
    Not(Box<Op>),
    And(Box<[Op]>),
    Or(Box<[Op]>),
    If(Box<[Op; 3]>),
    IsNull(Box<Op>, bool),
    /// A slot against a constant: the comparison that filters are made of.
    IntSlotK {
        slot: Slot,
        cmp: Cmp,
        k: i64,
    },
    DoubleSlotK {
        slot: Slot,
        cmp: Cmp,
        k: f64,
    },
    /// `true`: equal, `false`: not.
    StrSlotK {
        slot: Slot,
        equal: bool,
        k: Box<str>,
    },
    StrK {
        of: Box<Op>,
        equal: bool,
        k: Box<str>,
    },
    Ints(Cmp, Box<[Op; 2]>),
    Doubles(Cmp, Box<[Op; 2]>),
    Strs(Cmp, Box<[Op; 2]>),
    Equal(bool, Box<[Op; 2]>),
    Ordered(Cmp, Box<[Op; 2]>, Src),
    InInts(Box<Op>, Box<[i64]>),
    InStrs(Box<Op>, Strings),
    In(Box<[Op; 2]>, Src),
    IntArith(Arith, Box<[Op; 2]>, Src),
    DoubleArith(Arith, Box<[Op; 2]>),
    Arith(Arith, Box<[Op; 2]>, Src),
    Neg(Box<Op>, Src),
    /// Texts in a row.
    Concat(Box<[Op]>),
    /// `text.split("/")[1]`, without the list.
    SplitAt {
        of: Box<Op>,
        separator: Box<Finder<'static>>,
        at: usize,
        src: Src,
    },
    StartsWith(Box<Op>, Box<str>),
    EndsWith(Box<Op>, Box<str>),
    Contains(Box<Op>, Box<Finder<'static>>),
    Matches(Box<Op>, Box<Regex>),
    /// Of a string.
    Chars(Box<Op>),
    Call(&'static Function, Box<[Op]>, Src),
    /// `true`: left out where it is an optional value that is not there.
    List(Box<[(Op, bool)]>),
    Map(Box<[(Op, Op, bool)]>),
    /// A map literal whose keys are constant texts; these stand alone, and are shared by all that is made.
    Record(Box<[(Cell, Op)]>),
    Loop(Box<Loop>),
    Bind(Box<[Op; 2]>),
    OptMap {
        of: Box<Op>,
        body: Box<Op>,
        flat: bool,
    },
}

/// A cell of the row.
#[derive(Clone, Debug)]
pub(in crate::expr) struct Slot {
    pub at: usize,
    /// What unread JSON is read as.
    pub ty: Arc<Type>,
    pub name: Name,
}

#[derive(Debug)]
pub(in crate::expr) struct Member {
    pub of: Op,
    pub name: Name,
    pub optional: bool,
    /// The record's type has it as a `T?`: where it is missing, it is null.
    pub or_null: bool,
    pub src: Src,
}

#[derive(Debug)]
pub(in crate::expr) struct Loop {
    pub what: LoopKind,
    pub over: Op,
    pub two: bool,
    pub only: Option<Op>,
    pub body: Op,
    pub src: Src,
}

/// A constant set of texts.
#[derive(Debug)]
pub(in crate::expr) enum Strings {
    /// Few: looked through.
    Few(Box<[Box<str>]>),
    Many(std::collections::HashSet<Box<str>>),
}

impl Strings {
    pub fn new(all: Vec<Box<str>>) -> Strings {
        if all.len() <= 8 {
            Strings::Few(all.into())
        } else {
            Strings::Many(all.into_iter().collect())
        }
    }

    #[inline]
    pub fn contains(&self, text: &str) -> bool {
        match self {
            Strings::Few(all) => all.iter().any(|s| **s == *text),
            Strings::Many(set) => set.contains(text),
        }
    }
}
