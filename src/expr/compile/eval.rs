//! Operations to values of any kind, and to cells.

use super::super::functions::{to_double, to_int};
use super::super::run::{
    Cx, Dict, Frame, List, R, Text, Val, arith, double_arith, equal, fault, get, int_arith, negate,
    order, placed, test,
};
use super::super::tree::Cmp;
use super::hot::call;
use super::loops;
use super::op::{Member, Op};
use crate::value::{Blocks, Cell};

impl Op {
    pub fn eval<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<Val<'a>> {
        match self {
            Op::Const(val) => Ok(val.by_ref()),
            Op::Slot(slot) => slot.val(cx),
            Op::Rest { slot, name } => match Val::of(&cx.row.cells[*slot], cx.row.blocks) {
                Val::Map(map) => map.field(name).ok_or_else(|| missing(name)),
                _ => Err(missing(name)),
            },
            Op::Row => Ok(Val::Map(Dict::Row(cx.row))),
            Op::Param(i) => Ok(Val::of(&cx.scope.params[*i], cx.row.blocks)),
            Op::Local(up) => Ok(cx.local(*up)),
            Op::Worker => Ok(Val::Int(cx.scope.worker as i64)),
            Op::RunStart => Ok(Val::Time {
                secs: cx.scope.start.0,
                nanos: cx.scope.start.1,
            }),
            Op::Value(_) | Op::Array(_) | Op::Element(..) | Op::QueueSize(_) => self.shared(cx),
            Op::Member(m) => member(m, cx).map_err(|f| f.within(&m.src)),
            Op::Index {
                of,
                at,
                optional,
                src,
            } => {
                let (of, at) = (of.eval(cx)?, at.eval(cx)?);
                index(of, &at, *optional).map_err(|f| f.within(src))
            }
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .eval(cx),
            Op::IntArith(op, two, src) => int_arith(*op, two[0].int(cx)?, two[1].int(cx)?)
                .map(Val::Int)
                .map_err(|f| f.within(src)),
            Op::DoubleArith(op, two) => Ok(Val::Double(double_arith(
                *op,
                two[0].double(cx)?,
                two[1].double(cx)?,
            ))),
            Op::Arith(op, two, src) => {
                let (a, b) = (two[0].eval(cx)?, two[1].eval(cx)?);
                arith(*op, a, b).map_err(|f| f.within(src))
            }
            Op::Neg(of, src) => negate(&of.eval(cx)?).map_err(|f| f.within(src)),
            Op::Chars(_) => self.int(cx).map(Val::Int),
            Op::Call(function, args, src) => call(function, args, cx).map_err(|f| f.within(src)),
            Op::List(all) => list(all, cx),
            Op::Map(all) => map(all, cx),
            Op::Record(all) => {
                let entry = |(k, v): &'a (Cell, Op)| Ok((Val::alone(k), v.eval(cx)?));
                Ok(Val::Map(Dict::Vals(
                    all.iter().map(entry).collect::<R<_>>()?,
                )))
            }
            Op::Concat(_) | Op::SplitAt { .. } => self.str(cx).map(Val::Str),
            Op::Loop(l) => loops::run(l, cx).map_err(|f| f.within(&l.src)),
            Op::Bind(two) => {
                let frame = Frame {
                    val: two[0].eval(cx)?,
                    up: cx.frame,
                };
                two[1].eval(&Cx {
                    frame: Some(&frame),
                    ..*cx
                })
            }
            Op::OptMap { of, body, flat } => match of.eval(cx)? {
                Val::Optional(None) => Ok(Val::Optional(None)),
                Val::Optional(Some(val)) => {
                    let frame = Frame {
                        val: Val::clone(&val),
                        up: cx.frame,
                    };
                    let made = body.eval(&Cx {
                        frame: Some(&frame),
                        ..*cx
                    })?;
                    Ok(if *flat { made } else { Val::some(made) })
                }
                other => Err(fault(format!(
                    "an optional value is needed, this is {}",
                    other.kind()
                ))),
            },
            Op::IsNull(..)
            | Op::Has { .. }
            | Op::Equal(..)
            | Op::Ordered(..)
            | Op::In(..)
            | Op::RunFailed => self.asked(cx).map(Val::Bool),
            Op::Filled(_)
            | Op::Not(_)
            | Op::And(_)
            | Op::Or(_)
            | Op::IntSlotK { .. }
            | Op::DoubleSlotK { .. }
            | Op::StrSlotK { .. }
            | Op::StrK { .. }
            | Op::Ints(..)
            | Op::Doubles(..)
            | Op::Strs(..)
            | Op::InInts(..)
            | Op::InStrs(..)
            | Op::StartsWith(..)
            | Op::EndsWith(..)
            | Op::Contains(..)
            | Op::Matches(..) => self.bool(cx).map(Val::Bool),
        }
    }

    /// Questions about values of any kind.
    fn asked<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<bool> {
        match self {
            Op::RunFailed => Ok(cx.scope.failed),
            Op::IsNull(of, wanted) => Ok(matches!(of.eval(cx)?, Val::Null) == *wanted),
            Op::Has { of, name, filled } => has(&of.eval(cx)?, name, *filled),
            Op::Equal(wanted, two) => Ok(equal(&two[0].eval(cx)?, &two[1].eval(cx)?) == *wanted),
            Op::Ordered(cmp, two, src) => {
                let (a, b) = (two[0].eval(cx)?, two[1].eval(cx)?);
                order(&a, &b)
                    .map(|o| test(*cmp, o) && (o.is_some() || *cmp == Cmp::Ne))
                    .map_err(|f| f.within(src))
            }
            Op::In(two, src) => {
                let (x, all) = (two[0].eval(cx)?, two[1].eval(cx)?);
                match all {
                    Val::List(l) => Ok(l.iter().any(|y| equal(&x, &y))),
                    Val::Map(m) => Ok(get(&m, &x).is_some()),
                    other => Err(fault(format!(
                        "`in` looks into a list or a map, this is {}",
                        other.kind()
                    ))
                    .within(src)),
                }
            }
            other => other.bool(cx),
        }
    }

    fn shared<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<Val<'a>> {
        let shared = cx.scope.shared.as_deref();
        Ok(match self {
            Op::Value(i) => shared.map_or(Val::Null, |s| Val::owned(s.value(*i))),
            Op::Array(i) => {
                let len = shared.map_or(0, |s| s.length(*i));
                let elements =
                    (0..len).map(|e| shared.and_then(|s| s.element(*i, e)).unwrap_or_default());
                Val::owned(Cell::list(elements.collect()))
            }
            Op::Element(i, at) => {
                let at = at.int(cx)?;
                let found = usize::try_from(at)
                    .ok()
                    .and_then(|at| shared.and_then(|s| s.element(*i, at)));
                match found {
                    Some(cell) => Val::owned(cell),
                    None => {
                        let len = shared.map_or(0, |s| s.length(*i));
                        return Err(fault(format!(
                            "there is no element {at} in an array of {len}"
                        )));
                    }
                }
            }
            Op::QueueSize(i) => Val::Int(shared.map_or(0, |s| s.queue_size(*i)) as i64),
            _ => Val::Null,
        })
    }

    /// The value as a cell of `out`, or detached. See `Code::cell`.
    pub fn cell<'a>(&'a self, cx: &Cx<'_, 'a>, out: &mut Blocks) -> R<Cell> {
        match self {
            Op::Slot(slot) => Ok(out.adopt(&cx.row.cells[slot.at], cx.row.blocks)),
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .cell(cx, out),
            Op::IntSlotK { .. } | Op::And(_) | Op::Or(_) => self.bool(cx).map(Cell::Bool),
            Op::IntArith(..) => self.int(cx).map(Cell::Int),
            Op::DoubleArith(..) => self.double(cx).map(Cell::Double),
            Op::List(_) | Op::Record(_) | Op::Const(Val::List(_) | Val::Map(_)) => {
                self.detached(cx)
            }
            Op::Concat(parts) => out.build(|put| {
                for part in parts {
                    put(part.str(cx)?.as_str());
                }
                Ok(())
            }),
            other => other.eval(cx)?.cell(out),
        }
    }

    /// Appends the value as [`Op::cell`] makes it. A number goes straight to where it stays: a cell that is handed
    /// from result to result was measured at half the time of a `map`.
    pub fn push<'a>(&'a self, cx: &Cx<'_, 'a>, cells: &mut Vec<Cell>, out: &mut Blocks) -> R<()> {
        match self {
            Op::Slot(slot) => cells.push(out.adopt(&cx.row.cells[slot.at], cx.row.blocks)),
            Op::IntArith(..) => cells.push(Cell::Int(self.int(cx)?)),
            Op::DoubleArith(..) => cells.push(Cell::Double(self.double(cx)?)),
            other => {
                let cell = other.cell(cx, out)?;
                cells.push(cell);
            }
        }
        Ok(())
    }

    /// The value as a cell that stands alone; lists and records that go in whole are shared, not copied.
    pub fn detached<'a>(&'a self, cx: &Cx<'_, 'a>) -> R<Cell> {
        match self {
            Op::Slot(slot) => match &cx.row.cells[slot.at] {
                Cell::Raw(_) => slot.val(cx)?.detach(),
                cell => Ok(cell.detach(cx.row.blocks)),
            },
            Op::Const(val @ (Val::List(List::Heap(_)) | Val::Map(Dict::Heap(_)))) => {
                val.clone().detach()
            }
            Op::If(three) => if three[0].bool(cx)? {
                &three[1]
            } else {
                &three[2]
            }
            .detached(cx),
            Op::List(all) if all.iter().all(|(_, optional)| !optional) => all
                .iter()
                .map(|(op, _)| op.detached(cx))
                .collect::<R<_>>()
                .map(Cell::list),
            Op::Record(all) => {
                let entry = |(k, v): &'a (Cell, Op)| Ok((k.clone(), v.detached(cx)?));
                all.iter().map(entry).collect::<R<_>>().map(Cell::map)
            }
            other => other.eval(cx)?.detach(),
        }
    }
}

#[cold]
fn missing(name: &str) -> super::super::run::Fault {
    placed(format!("the item has no field `{name}`"))
}

fn member<'a>(m: &'a Member, cx: &Cx<'_, 'a>) -> R<Val<'a>> {
    let (whole, wrapped) = match m.of.eval(cx)? {
        Val::Optional(None) => return Ok(Val::Optional(None)),
        Val::Optional(Some(val)) => (Val::clone(&val), true),
        other => (other, m.optional),
    };
    let found = match &whole {
        Val::Map(map) => map.field(&m.name),
        other => return Err(fault(format!("{} has no field `{}`", other.kind(), m.name))),
    };
    match found {
        found if wrapped => Ok(found.map_or(Val::Optional(None), Val::some)),
        Some(val) => Ok(val),
        None if m.or_null => Ok(Val::Null),
        None => Err(fault(format!("there is no field `{}`", m.name))),
    }
}

fn has(of: &Val<'_>, name: &str, filled: bool) -> R<bool> {
    match of {
        Val::Map(map) => Ok(map
            .field(name)
            .is_some_and(|v| !filled || !matches!(v, Val::Null))),
        Val::Optional(None) => Ok(false),
        Val::Optional(Some(inner)) => has(inner, name, filled),
        other => Err(fault(format!("{} has no field `{name}`", other.kind()))),
    }
}

fn index<'a>(of: Val<'a>, at: &Val<'_>, optional: bool) -> R<Val<'a>> {
    let (whole, wrapped) = match of {
        Val::Optional(None) => return Ok(Val::Optional(None)),
        Val::Optional(Some(val)) => (Val::clone(&val), true),
        other => (other, optional),
    };
    let found = match &whole {
        Val::List(list) => {
            let place = match at {
                Val::Int(_) | Val::Uint(_) => to_int(at)?,
                // A double that is a whole number, of a value of type `any`.
                Val::Double(d) if d.fract() == 0.0 => to_int(at)?,
                other => {
                    return Err(fault(format!(
                        "a place in a list is an int, this is {}",
                        other.kind()
                    )));
                }
            };
            match usize::try_from(place) {
                Ok(i) if i < list.len() => Some(list.get(i)),
                _ if wrapped => None,
                _ => {
                    return Err(fault(format!(
                        "there is no element {place} in a list of {}",
                        list.len()
                    )));
                }
            }
        }
        Val::Map(map) => get(map, at),
        other => return Err(fault(format!("{} has no elements", other.kind()))),
    };
    match found {
        found if wrapped => Ok(found.map_or(Val::Optional(None), Val::some)),
        Some(val) => Ok(val),
        None => Err(fault(match at {
            Val::Str(s) => format!("there is no key {:?}", s.as_str()),
            Val::Bool(_) | Val::Int(_) | Val::Uint(_) | Val::Double(_) => {
                format!(
                    "there is no key {}",
                    to_double(at).map_or_else(|_| "true or false".into(), |d| d.to_string())
                )
            }
            other => format!("{} is no key", other.kind()),
        })),
    }
}

fn list<'a>(all: &'a [(Op, bool)], cx: &Cx<'_, 'a>) -> R<Val<'a>> {
    let mut vals = Vec::with_capacity(all.len());
    for (op, optional) in all {
        match op.eval(cx)? {
            Val::Optional(inner) if *optional => vals.extend(inner.map(|v| Val::clone(&v))),
            val => vals.push(val),
        }
    }
    Ok(Val::list(vals))
}

fn map<'a>(all: &'a [(Op, Op, bool)], cx: &Cx<'_, 'a>) -> R<Val<'a>> {
    let mut vals: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(all.len());
    for (key, value, optional) in all {
        let key = key.eval(cx)?;
        let value = match value.eval(cx)? {
            Val::Optional(None) if *optional => continue,
            Val::Optional(Some(inner)) if *optional => Val::clone(&inner),
            val => val,
        };
        add(&mut vals, key, value)?;
    }
    Ok(Val::Map(Dict::Vals(vals.into())))
}

/// A further entry of a map: keys are strings, ints or bools, and none stands twice.
pub(super) fn add<'a>(vals: &mut Vec<(Val<'a>, Val<'a>)>, key: Val<'a>, value: Val<'a>) -> R<()> {
    if !matches!(key, Val::Str(_) | Val::Int(_) | Val::Uint(_) | Val::Bool(_)) {
        return Err(fault(format!(
            "a key is a string, an int or a bool, this is {}",
            key.kind()
        )));
    }
    if vals.iter().any(|(k, _)| equal(k, &key)) {
        let shown = match &key {
            Val::Str(Text::Ref(s)) => (*s).to_string(),
            other => super::super::functions::to_string(other)?,
        };
        return Err(fault(format!("the key {shown} stands twice in a map")));
    }
    vals.push((key, value));
    Ok(())
}
