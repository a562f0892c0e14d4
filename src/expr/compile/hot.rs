//! Operations whose kind is known: no value is built where a bool, a number or a text is all there is.

use super::super::functions::{Function, chars};
use super::super::run::{Cx, R, Text, Val, double_arith, fault, int_arith, test};
use super::super::tree::Cmp;
use super::op::Op;
use crate::value::Cell;
use memchr::memmem::Finder;

#[cold]
fn wanted<T>(what: &str, found: &Val<'_>) -> R<T> {
    Err(fault(format!("{what} is needed, this is {}", found.kind())))
}

impl Op {
    pub fn bool<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<bool> {
        match self {
            Op::IntSlotK { slot, cmp, k } => match &cx.row.cells[slot.at] {
                Cell::Int(i) => Ok(test(*cmp, Some(i.cmp(k)))),
                Cell::Null if matches!(cmp, Cmp::Eq | Cmp::Ne) => Ok(*cmp == Cmp::Ne),
                _ => self.against(cx),
            },
            Op::DoubleSlotK { slot, cmp, k } => match &cx.row.cells[slot.at] {
                Cell::Double(d) => Ok(test(*cmp, d.partial_cmp(k))),
                Cell::Null if matches!(cmp, Cmp::Eq | Cmp::Ne) => Ok(*cmp == Cmp::Ne),
                _ => self.against(cx),
            },
            Op::StrSlotK { slot, equal, k } => match &cx.row.cells[slot.at] {
                Cell::Text(span) => {
                    Ok((span.len() == k.len() && cx.row.blocks.str(*span) == &**k) == *equal)
                }
                Cell::Null => Ok(!equal),
                _ => self.against(cx),
            },
            Op::StrK { of, equal, k } => match of.eval(cx)? {
                Val::Str(s) => Ok((s.as_str() == &**k) == *equal),
                _ => Ok(!equal),
            },
            Op::And(all) => and(all, cx),
            Op::Or(all) => or(all, cx),
            Op::Not(of) => of.bool(cx).map(|b| !b),
            Op::Slot(slot) => slot.bool(cx),
            Op::StartsWith(of, k) => Ok(of.str(cx)?.as_str().as_bytes().starts_with(k.as_bytes())),
            Op::EndsWith(of, k) => Ok(of.str(cx)?.as_str().as_bytes().ends_with(k.as_bytes())),
            Op::Contains(of, k) => Ok(k.find(of.str(cx)?.as_str().as_bytes()).is_some()),
            Op::Matches(of, regex) => Ok(regex.is_match(of.str(cx)?.as_str())),
            Op::Ints(cmp, two) => Ok(test(*cmp, Some(two[0].int(cx)?.cmp(&two[1].int(cx)?)))),
            Op::Doubles(cmp, two) => Ok(test(
                *cmp,
                two[0].double(cx)?.partial_cmp(&two[1].double(cx)?),
            )),
            Op::Strs(cmp, two) => {
                let (a, b) = (two[0].str(cx)?, two[1].str(cx)?);
                Ok(test(*cmp, Some(a.as_str().cmp(b.as_str()))))
            }
            Op::InInts(of, all) => of.int(cx).map(|i| all.contains(&i)),
            Op::InStrs(of, all) => match of.eval(cx)? {
                Val::Str(s) => Ok(all.contains(s.as_str())),
                _ => Ok(false),
            },
            Op::Filled(slot) => {
                Ok(!cx.row.cells[*slot].is_null()
                    && !matches!(self.raw_null(*slot, cx), Some(true)))
            }
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .bool(cx),
            other => match other.eval(cx)? {
                Val::Bool(b) => Ok(b),
                found => wanted("a bool", &found),
            },
        }
    }

    /// Unread JSON may be null too.
    fn raw_null(&self, slot: usize, cx: &Cx<'_, '_>) -> Option<bool> {
        match &cx.row.cells[slot] {
            Cell::Raw(span) => Some(cx.row.blocks.str(*span).trim() == "null"),
            _ => None,
        }
    }

    /// A slot against a constant where the cell is not what it mostly is: unread JSON, a text on the heap, an
    /// int among doubles, null.
    #[cold]
    fn against<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<bool> {
        let (slot, cmp) = match self {
            Op::IntSlotK { slot, cmp, .. } | Op::DoubleSlotK { slot, cmp, .. } => (slot, *cmp),
            Op::StrSlotK { slot, equal, .. } => (slot, if *equal { Cmp::Eq } else { Cmp::Ne }),
            _ => return Ok(false),
        };
        if matches!(cmp, Cmp::Eq | Cmp::Ne) && matches!(slot.val(cx)?, Val::Null) {
            return Ok(cmp == Cmp::Ne);
        }
        let order = match self {
            Op::IntSlotK { k, .. } => Some(slot.int(cx)?.cmp(k)),
            Op::DoubleSlotK { k, .. } => slot.double(cx)?.partial_cmp(k),
            Op::StrSlotK { k, .. } => Some(slot.str(cx)?.as_str().cmp(k)),
            _ => None,
        };
        Ok(test(cmp, order))
    }

    pub fn int<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<i64> {
        match self {
            Op::Slot(slot) => slot.int(cx),
            Op::Const(Val::Int(i)) => Ok(*i),
            Op::IntArith(op, two, src) => {
                int_arith(*op, two[0].int(cx)?, two[1].int(cx)?).map_err(|f| f.within(src))
            }
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .int(cx),
            Op::Chars(of) => Ok(chars(of.str(cx)?.as_str()) as i64),
            other => match other.eval(cx)? {
                Val::Int(i) => Ok(i),
                Val::Uint(u) => {
                    i64::try_from(u).map_err(|_| fault(format!("{u} does not fit an int")))
                }
                found => wanted("an int", &found),
            },
        }
    }
    pub fn double<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<f64> {
        match self {
            Op::Slot(slot) => slot.double(cx),
            Op::Const(Val::Double(d)) => Ok(*d),
            Op::DoubleArith(op, two) => {
                Ok(double_arith(*op, two[0].double(cx)?, two[1].double(cx)?))
            }
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .double(cx),
            other => match other.eval(cx)? {
                Val::Double(d) => Ok(d),
                Val::Int(i) => Ok(i as f64),
                Val::Uint(u) => Ok(u as f64),
                found => wanted("a double", &found),
            },
        }
    }

    pub fn str<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<Text<'a>> {
        match self {
            Op::Slot(slot) => slot.str(cx),
            Op::Const(Val::Str(s)) => Ok(Text::Ref(s.as_str())),
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .str(cx),
            Op::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(part.str(cx)?.as_str());
                }
                Ok(Text::Own(text))
            }
            Op::SplitAt {
                of,
                separator,
                at,
                src,
            } => {
                let text = of.str(cx)?;
                match part(text.as_str().as_bytes(), separator, *at) {
                    Ok((from, to)) => Ok(text.part(from, to)),
                    Err(n) => {
                        let message = format!("there is no element {at} in a list of {n}");
                        Err(fault(message).within(src))
                    }
                }
            }
            other => match other.eval(cx)? {
                Val::Str(s) => Ok(s),
                Val::Type(name) => Ok(Text::Ref(name)),
                found => wanted("a string", &found),
            },
        }
    }
}

/// False as soon as one is false, whatever the others fail with.
fn and<'a>(all: &'a [Op], cx: &Cx<'_, 'a>) -> R<bool> {
    let mut failed = None;
    for op in all {
        match op.bool(cx) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(f) => failed = failed.or(Some(f)),
        }
    }
    failed.map_or(Ok(true), Err)
}

/// True as soon as one is true.
fn or<'a>(all: &'a [Op], cx: &Cx<'_, 'a>) -> R<bool> {
    let mut failed = None;
    for op in all {
        match op.bool(cx) {
            Ok(false) => {}
            Ok(true) => return Ok(true),
            Err(f) => failed = failed.or(Some(f)),
        }
    }
    failed.map_or(Ok(false), Err)
}

/// Where part number `at` between separators begins and ends, or how many parts there are.
fn part(text: &[u8], separator: &Finder<'_>, at: usize) -> Result<(usize, usize), usize> {
    let mut from = 0;
    for n in 0..=at {
        let found = separator.find(&text[from..]);
        match found {
            _ if n == at => return Ok((from, found.map_or(text.len(), |i| from + i))),
            Some(i) => from += i + separator.needle().len(),
            None => return Err(n + 1),
        }
    }
    Err(0)
}

/// A function with its arguments computed: few arguments need no allocation.
pub(super) fn call<'a>(function: &'static Function, args: &'a [Op], cx: &Cx<'_, 'a>) -> R<Val<'a>> {
    match args {
        [] => (function.run)(&[], cx.scope),
        [a] => (function.run)(&[a.eval(cx)?], cx.scope),
        [a, b] => (function.run)(&[a.eval(cx)?, b.eval(cx)?], cx.scope),
        [a, b, c] => (function.run)(&[a.eval(cx)?, b.eval(cx)?, c.eval(cx)?], cx.scope),
        more => {
            let vals: R<Vec<Val<'a>>> = more.iter().map(|a| a.eval(cx)).collect();
            (function.run)(&vals?, cx.scope)
        }
    }
}
