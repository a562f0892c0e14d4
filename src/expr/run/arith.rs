//! `+ - * / %`: what overflows, divides by zero or leaves the range of times is an error, never a wrong number.

use std::sync::Arc;

use super::super::tree::Arith;
use super::{Bin, List, R, Text, Val, fault};

/// Seconds of the years 1 and 9999, which timestamps stay within, and the longest duration between them.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;
const LONGEST: i64 = LAST - FIRST - 1;

#[inline]
pub(in crate::expr) fn int_arith(op: Arith, a: i64, b: i64) -> R<i64> {
    let result = match op {
        Arith::Add => a.checked_add(b),
        Arith::Sub => a.checked_sub(b),
        Arith::Mul => a.checked_mul(b),
        Arith::Div if b == 0 => return Err(fault("division by zero")),
        Arith::Mod if b == 0 => return Err(fault("remainder of a division by zero")),
        Arith::Div => a.checked_div(b),
        // i64::MIN % -1 is 0, but the division overflows, and CEL calls that an error.
        Arith::Mod => a.checked_rem(b),
    };
    result.ok_or_else(|| overflow(op, &a, &b))
}

#[cold]
fn overflow(op: Arith, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display) -> super::Fault {
    fault(format!("{a} {} {b} does not fit 64 bits", op.sign()))
}

fn uint_arith(op: Arith, a: u64, b: u64) -> R<u64> {
    let result = match op {
        Arith::Add => a.checked_add(b),
        Arith::Sub => a.checked_sub(b),
        Arith::Mul => a.checked_mul(b),
        Arith::Div if b == 0 => return Err(fault("division by zero")),
        Arith::Mod if b == 0 => return Err(fault("remainder of a division by zero")),
        Arith::Div => a.checked_div(b),
        Arith::Mod => a.checked_rem(b),
    };
    result.ok_or_else(|| overflow(op, &a, &b))
}

/// Doubles overflow to infinity and divide by zero as IEEE 754 says. There is no remainder.
#[inline]
pub(in crate::expr) fn double_arith(op: Arith, a: f64, b: f64) -> f64 {
    match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div => a / b,
        Arith::Mod => f64::NAN,
    }
}

pub(in crate::expr) fn arith<'a>(op: Arith, a: Val<'a>, b: Val<'a>) -> R<Val<'a>> {
    Ok(match (op, a, b) {
        (_, Val::Int(a), Val::Int(b)) => Val::Int(int_arith(op, a, b)?),
        (_, Val::Uint(a), Val::Uint(b)) => Val::Uint(uint_arith(op, a, b)?),
        (Arith::Add | Arith::Sub | Arith::Mul | Arith::Div, Val::Double(a), Val::Double(b)) => {
            Val::Double(double_arith(op, a, b))
        }
        (Arith::Add, Val::Str(a), Val::Str(b)) => Val::Str(concat(a, b.as_str())),
        (Arith::Add, Val::Bytes(a), Val::Bytes(b)) => {
            Val::Bytes(Bin::Own([a.as_slice(), b.as_slice()].concat()))
        }
        (Arith::Add, Val::List(a), Val::List(b)) => {
            let both: Arc<[Val<'a>]> = a.iter().chain(b.iter()).collect();
            Val::List(List::Vals(both))
        }
        (Arith::Add, time @ Val::Time { .. }, length @ Val::Duration { .. })
        | (Arith::Add, length @ Val::Duration { .. }, time @ Val::Time { .. }) => {
            moment(nanos(&time) + nanos(&length))?
        }
        (Arith::Sub, time @ Val::Time { .. }, length @ Val::Duration { .. }) => {
            moment(nanos(&time) - nanos(&length))?
        }
        (Arith::Sub, a @ Val::Time { .. }, b @ Val::Time { .. }) => length(nanos(&a) - nanos(&b))?,
        (Arith::Add, a @ Val::Duration { .. }, b @ Val::Duration { .. }) => {
            length(nanos(&a) + nanos(&b))?
        }
        (Arith::Sub, a @ Val::Duration { .. }, b @ Val::Duration { .. }) => {
            length(nanos(&a) - nanos(&b))?
        }
        (op, a, b) => {
            return Err(fault(format!(
                "there is no {} {} {}",
                a.kind(),
                op.sign(),
                b.kind()
            )));
        }
    })
}

/// Appends to a text that was just made, so that a chain of `+` is not quadratic.
fn concat<'a>(a: Text<'a>, b: &str) -> Text<'a> {
    let mut text = match a {
        Text::Own(text) => text,
        other => {
            let mut text = String::with_capacity(other.as_str().len() + b.len());
            text.push_str(other.as_str());
            text
        }
    };
    text.push_str(b);
    Text::Own(text)
}

pub(in crate::expr) fn negate<'a>(a: &Val<'a>) -> R<Val<'a>> {
    match a {
        Val::Int(i) => i
            .checked_neg()
            .map(Val::Int)
            .ok_or_else(|| fault(format!("-({i}) does not fit 64 bits"))),
        Val::Double(d) => Ok(Val::Double(-d)),
        other => Err(fault(format!("there is no - for {}", other.kind()))),
    }
}

/// Nanoseconds since 1970, or of a length.
pub(in crate::expr) fn nanos(val: &Val<'_>) -> i128 {
    match val {
        Val::Time { secs, nanos } => i128::from(*secs) * 1_000_000_000 + i128::from(*nanos),
        Val::Duration { secs, nanos } => i128::from(*secs) * 1_000_000_000 + i128::from(*nanos),
        _ => 0,
    }
}

/// A point in time, if it is within the years 1 to 9999.
pub(in crate::expr) fn moment<'a>(nanos: i128) -> R<Val<'a>> {
    match i64::try_from(nanos.div_euclid(1_000_000_000)) {
        Ok(secs) if (FIRST..=LAST).contains(&secs) => Ok(Val::Time {
            secs,
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }),
        _ => Err(fault("a timestamp lies between the years 1 and 9999")),
    }
}
pub(in crate::expr) fn length<'a>(nanos: i128) -> R<Val<'a>> {
    match i64::try_from(nanos / 1_000_000_000) {
        Ok(secs) if (-LONGEST..=LONGEST).contains(&secs) => Ok(Val::Duration {
            secs,
            nanos: (nanos % 1_000_000_000) as i32,
        }),
        _ => Err(fault("a duration is at most about 10,000 years")),
    }
}
