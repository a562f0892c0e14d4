//! From one kind of value to another.

use super::super::run::{R, Val, fault, length, moment};
use super::Function;
use super::args::wanted;
use super::time;

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "int",
        signatures: &[
            "int(int) -> int",
            "int(uint) -> int",
            "int(double) -> int",
            "int(string) -> int",
            "int(timestamp) -> int",
        ],
        about: "a whole number: of a double without what is behind the point, of a text of digits, of a timestamp its seconds since 1970",
        examples: &[
            ("int('42')", "42"),
            ("int(-1.9)", "-1"),
            ("int(timestamp('1970-01-01T00:01:00Z'))", "60"),
        ],
        pure: true,
        run: |a, _| to_int(&a[0]).map(Val::Int),
    },
    Function {
        name: "uint",
        signatures: &[
            "uint(uint) -> uint",
            "uint(int) -> uint",
            "uint(double) -> uint",
            "uint(string) -> uint",
        ],
        about: "an unsigned number; it leaves the expression as an int",
        examples: &[("uint(3) + 2u", "5u")],
        pure: true,
        run: uint,
    },
    Function {
        name: "double",
        signatures: &[
            "double(double) -> double",
            "double(int) -> double",
            "double(uint) -> double",
            "double(string) -> double",
        ],
        about: "a number with a point",
        examples: &[("double(3) * 1.5", "4.5"), ("double('1e3')", "1000.0")],
        pure: true,
        run: |a, _| to_double(&a[0]).map(Val::Double),
    },
    Function {
        name: "string",
        signatures: &[
            "string(string) -> string",
            "string(int) -> string",
            "string(uint) -> string",
            "string(double) -> string",
            "string(bool) -> string",
            "string(bytes) -> string",
            "string(timestamp) -> string",
            "string(duration) -> string",
        ],
        about: "as text: bytes are read as UTF-8, timestamps written in RFC 3339, durations in seconds (see `json` for lists and records)",
        examples: &[
            ("string(42) + '!'", "'42!'"),
            ("string(duration('90m'))", "'5400s'"),
        ],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Str(s) => Ok(Val::Str(s.clone())),
            other => to_string(other).map(Val::text),
        },
    },
    Function {
        name: "bool",
        signatures: &["bool(bool) -> bool", "bool(string) -> bool"],
        about: "`true` for 'true', 'True', 'TRUE', 't' and '1', `false` for 'false', 'False', 'FALSE', 'f' and '0'",
        examples: &[("bool('true')", "true")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Bool(b) => Ok(Val::Bool(*b)),
            Val::Str(s) => match s.as_str() {
                "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
                "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
                other => Err(fault(format!("{other:?} is neither true nor false"))),
            },
            other => wanted("a bool or a string", other),
        },
    },
    Function {
        name: "bytes",
        signatures: &["bytes(bytes) -> bytes", "bytes(string) -> bytes"],
        about: "the bytes of a text in UTF-8",
        examples: &[("size(bytes('ä'))", "2")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Bytes(b) => Ok(Val::Bytes(b.clone())),
            Val::Str(s) => Ok(Val::Bytes(super::super::run::Bin::Own(
                s.as_str().as_bytes().to_vec(),
            ))),
            other => wanted("a string", other),
        },
    },
    Function {
        name: "timestamp",
        signatures: &[
            "timestamp(timestamp) -> timestamp",
            "timestamp(string) -> timestamp",
            "timestamp(int) -> timestamp",
        ],
        about: "a point in time: of a text in RFC 3339 (for others see `strptime`), of seconds since 1970",
        examples: &[(
            "timestamp('2000-01-01T00:00:00+01:00')",
            "timestamp(946681200)",
        )],
        pure: true,
        run: |a, _| match &a[0] {
            time @ Val::Time { .. } => Ok(time.clone()),
            Val::Int(secs) => moment(i128::from(*secs) * 1_000_000_000),
            Val::Str(s) => time::timestamp(s.as_str()),
            other => wanted("a string or an int", other),
        },
    },
    Function {
        name: "duration",
        signatures: &[
            "duration(duration) -> duration",
            "duration(string) -> duration",
        ],
        about: "a length of time: '1h30m', '250ms', '-1.5s'; units d, h, m, s, ms, us, ns",
        examples: &[("duration('1h30m')", "duration('5400s')")],
        pure: true,
        run: |a, _| match &a[0] {
            length @ Val::Duration { .. } => Ok(length.clone()),
            Val::Str(s) => time::duration(s.as_str()).and_then(length),
            other => wanted("a string", other),
        },
    },
    Function {
        name: "dyn",
        signatures: &["dyn(T) -> any"],
        about: "the same value, of type `any`: what is done with it is checked when it runs",
        examples: &[("dyn(1) == 1.0", "true")],
        pure: true,
        run: |a, _| Ok(a[0].clone()),
    },
    Function {
        name: "type",
        signatures: &["type(T) -> type"],
        about: "the type of a value, to be compared with `int`, `uint`, `double`, `string`, `bool`, `bytes`, `list`, `map`, `timestamp`, `duration`, `null_type`",
        examples: &[
            ("type(item) == map", "true"),
            ("type('') == string", "true"),
        ],
        pure: true,
        run: |a, _| Ok(Val::Type(a[0].type_name())),
    },
];

/// # Errors
/// Where it does not fit, or is nothing that makes a number.
pub(in crate::expr) fn to_int(val: &Val<'_>) -> R<i64> {
    match val {
        Val::Int(i) => Ok(*i),
        Val::Uint(u) => i64::try_from(*u).map_err(|_| fault(format!("{u} does not fit an int"))),
        // The bounds of an int are no doubles; CEL leaves both out.
        Val::Double(d) if *d > -9_223_372_036_854_775_808.0 && *d < 9_223_372_036_854_775_808.0 => {
            Ok(*d as i64)
        }
        Val::Double(d) => Err(fault(format!("{d:?} does not fit an int"))),
        Val::Str(s) => s
            .as_str()
            .parse()
            .map_err(|_| fault(format!("{:?} is no int", s.as_str()))),
        Val::Time { secs, .. } => Ok(*secs),
        other => wanted("a number, a string or a timestamp", other),
    }
}
pub(in crate::expr) fn to_double(val: &Val<'_>) -> R<f64> {
    match val {
        Val::Double(d) => Ok(*d),
        Val::Int(i) => Ok(*i as f64),
        Val::Uint(u) => Ok(*u as f64),
        Val::Str(s) => s
            .as_str()
            .parse()
            .map_err(|_| fault(format!("{:?} is no double", s.as_str()))),
        other => wanted("a number or a string", other),
    }
}

pub(in crate::expr) fn to_string(val: &Val<'_>) -> R<String> {
    Ok(match val {
        Val::Str(s) => s.as_str().to_string(),
        Val::Int(i) => i.to_string(),
        Val::Uint(u) => u.to_string(),
        Val::Double(d) => format_double(*d),
        Val::Bool(b) => b.to_string(),
        Val::Bytes(b) => match std::str::from_utf8(b.as_slice()) {
            Ok(text) => text.to_string(),
            Err(_) => return Err(fault("these bytes are not UTF-8")),
        },
        Val::Time { .. } => time::write_timestamp(val),
        Val::Duration { .. } => time::write_duration(val),
        other => return wanted("a string, a number, a bool, bytes or a time", other),
    })
}

/// As JSON writes it, so that a number looks the same everywhere.
fn format_double(d: f64) -> String {
    match d {
        d if d.is_nan() => "NaN".into(),
        d if d.is_infinite() => if d > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        d => serde_json::Number::from_f64(d).map_or_else(String::new, |n| n.to_string()),
    }
}
fn uint<'a>(a: &[Val<'a>], _: &super::Scope) -> R<Val<'a>> {
    let made = match &a[0] {
        Val::Uint(u) => Some(*u),
        Val::Int(i) => u64::try_from(*i).ok(),
        Val::Double(d) if *d >= 0.0 && *d < 18_446_744_073_709_551_616.0 => Some(*d as u64),
        Val::Double(_) => None,
        Val::Str(s) => s.as_str().parse().ok(),
        other => return wanted("a number or a string", other),
    };
    made.map(Val::Uint)
        .ok_or_else(|| fault("this does not fit an unsigned int"))
}
