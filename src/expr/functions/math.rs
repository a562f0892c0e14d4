//! Functions of numbers: CEL's math extension.

use std::cmp::Ordering;

use super::super::run::{R, Val, fault, order};
use super::Function;
use super::args::{int, list, wanted};

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "math.greatest",
        signatures: &["math.greatest([T]) -> T", "math.greatest(T...) -> T"],
        about: "the greatest of several numbers, or of a list of them",
        examples: &[
            ("math.greatest(1, 3, 2)", "3"),
            ("math.greatest([1.5, 0.5])", "1.5"),
        ],
        pure: true,
        run: |a, _| extreme(a, Ordering::Greater),
    },
    Function {
        name: "math.least",
        signatures: &["math.least([T]) -> T", "math.least(T...) -> T"],
        about: "the least of several numbers, or of a list of them",
        examples: &[("math.least(1, 3, 2)", "1")],
        pure: true,
        run: |a, _| extreme(a, Ordering::Less),
    },
    Function {
        name: "math.abs",
        signatures: &[
            "math.abs(int) -> int",
            "math.abs(uint) -> uint",
            "math.abs(double) -> double",
        ],
        about: "without its sign",
        examples: &[("math.abs(-3)", "3"), ("math.abs(-1.5)", "1.5")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Int(i) => i
                .checked_abs()
                .map(Val::Int)
                .ok_or_else(|| fault("the sign of the least int has no other")),
            Val::Uint(u) => Ok(Val::Uint(*u)),
            Val::Double(d) => Ok(Val::Double(d.abs())),
            other => wanted("a number", other),
        },
    },
    Function {
        name: "math.sign",
        signatures: &[
            "math.sign(int) -> int",
            "math.sign(uint) -> uint",
            "math.sign(double) -> double",
        ],
        about: "-1, 0 or 1",
        examples: &[("math.sign(-3)", "-1"), ("math.sign(0.0)", "0.0")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Int(i) => Ok(Val::Int(i.signum())),
            Val::Uint(u) => Ok(Val::Uint(u64::from(*u > 0))),
            // Zero has the sign 0 here, and NaN stays what it is.
            Val::Double(d) => Ok(Val::Double(if *d == 0.0 { 0.0 } else { d.signum() })),
            other => wanted("a number", other),
        },
    },
    Function {
        name: "math.ceil",
        signatures: &["math.ceil(double) -> double"],
        about: "the next whole number above",
        examples: &[("math.ceil(1.2)", "2.0")],
        pure: true,
        run: |a, _| rounded(a, f64::ceil),
    },
    Function {
        name: "math.floor",
        signatures: &["math.floor(double) -> double"],
        about: "the next whole number below",
        examples: &[("math.floor(1.8)", "1.0")],
        pure: true,
        run: |a, _| rounded(a, f64::floor),
    },
    Function {
        name: "math.round",
        signatures: &["math.round(double) -> double"],
        about: "the nearest whole number, halves away from zero",
        examples: &[("math.round(1.5)", "2.0"), ("math.round(-1.5)", "-2.0")],
        pure: true,
        run: |a, _| rounded(a, f64::round),
    },
    Function {
        name: "math.trunc",
        signatures: &["math.trunc(double) -> double"],
        about: "without the part after the point",
        examples: &[("math.trunc(-1.8)", "-1.0")],
        pure: true,
        run: |a, _| rounded(a, f64::trunc),
    },
    Function {
        name: "math.sqrt",
        signatures: &[
            "math.sqrt(double) -> double",
            "math.sqrt(int) -> double",
            "math.sqrt(uint) -> double",
        ],
        about: "the square root; NaN of what is below zero",
        examples: &[("math.sqrt(9.0)", "3.0"), ("math.sqrt(16)", "4.0")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Int(i) => Ok(Val::Double((*i as f64).sqrt())),
            Val::Uint(u) => Ok(Val::Double((*u as f64).sqrt())),
            _ => rounded(a, f64::sqrt),
        },
    },
    Function {
        name: "math.isNaN",
        signatures: &["math.isNaN(double) -> bool"],
        about: "is it no number (0.0 / 0.0)?",
        examples: &[("math.isNaN(0.0 / 0.0)", "true")],
        pure: true,
        run: |a, _| asked(a, f64::is_nan),
    },
    Function {
        name: "math.isInf",
        signatures: &["math.isInf(double) -> bool"],
        about: "is it infinite?",
        examples: &[("math.isInf(1.0 / 0.0)", "true")],
        pure: true,
        run: |a, _| asked(a, f64::is_infinite),
    },
    Function {
        name: "math.isFinite",
        signatures: &["math.isFinite(double) -> bool"],
        about: "is it neither infinite nor NaN?",
        examples: &[("math.isFinite(1.5)", "true")],
        pure: true,
        run: |a, _| asked(a, f64::is_finite),
    },
    Function {
        name: "math.bitAnd",
        signatures: &[
            "math.bitAnd(int, int) -> int",
            "math.bitAnd(uint, uint) -> uint",
        ],
        about: "the bits that both have",
        examples: &[("math.bitAnd(6, 3)", "2")],
        pure: true,
        run: |a, _| bits(a, |a, b| a & b),
    },
    Function {
        name: "math.bitOr",
        signatures: &[
            "math.bitOr(int, int) -> int",
            "math.bitOr(uint, uint) -> uint",
        ],
        about: "the bits that one of them has",
        examples: &[("math.bitOr(4, 1)", "5")],
        pure: true,
        run: |a, _| bits(a, |a, b| a | b),
    },
    Function {
        name: "math.bitXor",
        signatures: &[
            "math.bitXor(int, int) -> int",
            "math.bitXor(uint, uint) -> uint",
        ],
        about: "the bits that just one of them has",
        examples: &[("math.bitXor(6, 3)", "5")],
        pure: true,
        run: |a, _| bits(a, |a, b| a ^ b),
    },
    Function {
        name: "math.bitNot",
        signatures: &["math.bitNot(int) -> int", "math.bitNot(uint) -> uint"],
        about: "the bits that it has not",
        examples: &[("math.bitNot(0)", "-1")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Int(i) => Ok(Val::Int(!i)),
            Val::Uint(u) => Ok(Val::Uint(!u)),
            other => wanted("an int", other),
        },
    },
    Function {
        name: "math.bitShiftLeft",
        signatures: &[
            "math.bitShiftLeft(int, int) -> int",
            "math.bitShiftLeft(uint, int) -> uint",
        ],
        about: "the bits moved up by so many places",
        examples: &[("math.bitShiftLeft(1, 4)", "16")],
        pure: true,
        run: |a, _| shifted(a, u64::checked_shl),
    },
    Function {
        name: "math.bitShiftRight",
        signatures: &[
            "math.bitShiftRight(int, int) -> int",
            "math.bitShiftRight(uint, int) -> uint",
        ],
        about: "the bits moved down by so many places, zeros above",
        examples: &[("math.bitShiftRight(16, 4)", "1")],
        pure: true,
        run: |a, _| shifted(a, u64::checked_shr),
    },
];

fn double(a: &[Val<'_>]) -> R<f64> {
    match &a[0] {
        Val::Double(d) => Ok(*d),
        other => wanted("a double", other),
    }
}

fn rounded<'a>(a: &[Val<'a>], how: fn(f64) -> f64) -> R<Val<'a>> {
    double(a).map(|d| Val::Double(how(d)))
}

fn asked<'a>(a: &[Val<'a>], what: fn(f64) -> bool) -> R<Val<'a>> {
    double(a).map(|d| Val::Bool(what(d)))
}

fn bits<'a>(a: &[Val<'a>], how: fn(u64, u64) -> u64) -> R<Val<'a>> {
    match (&a[0], &a[1]) {
        (Val::Int(x), Val::Int(y)) => Ok(Val::Int(
            how(x.cast_unsigned(), y.cast_unsigned()).cast_signed(),
        )),
        (Val::Uint(x), Val::Uint(y)) => Ok(Val::Uint(how(*x, *y))),
        (Val::Int(_) | Val::Uint(_), other) | (other, _) => wanted("an int", other),
    }
}

/// All 64 bits are moved, that of the sign too; what is moved out is gone.
fn shifted<'a>(a: &[Val<'a>], how: fn(u64, u32) -> Option<u64>) -> R<Val<'a>> {
    let by = int(a, 1)?;
    let by = u64::try_from(by).map_err(|_| fault(format!("bits are not moved by {by} places")))?;
    let moved = |bits| {
        u32::try_from(by)
            .ok()
            .and_then(|by| how(bits, by))
            .unwrap_or(0)
    };
    match &a[0] {
        Val::Int(i) => Ok(Val::Int(moved(i.cast_unsigned()).cast_signed())),
        Val::Uint(u) => Ok(Val::Uint(moved(*u))),
        other => wanted("an int", other),
    }
}

/// The first of those that no other exceeds in the wanted direction.
fn extreme<'a>(a: &[Val<'a>], wanted_order: Ordering) -> R<Val<'a>> {
    let elements: Vec<Val<'a>>;
    let all = match a {
        [Val::List(_)] => {
            elements = list(a, 0)?.iter().collect();
            &elements[..]
        }
        all => all,
    };
    let mut best: Option<&Val<'a>> = None;
    for next in all {
        if !matches!(next, Val::Int(_) | Val::Uint(_) | Val::Double(_)) {
            return wanted("a number", next);
        }
        match best {
            Some(b) if order(next, b)? != Some(wanted_order) => {}
            _ => best = Some(next),
        }
    }
    best.cloned()
        .ok_or_else(|| fault("there is no number in an empty list"))
}
