//! `text.format([..])`, as CEL's strings extension has it.

use super::super::run::{R, Val, fault};
use super::args::wanted;
use super::convert::to_string;

/// More places than a double has digits make no sense.
const PLACES: usize = 400;

/// Puts values into the clauses of a text.
///
/// # Errors
/// An unknown clause, one that does not take its value, too few values.
pub(super) fn format(form: &str, values: &mut dyn Iterator<Item = Val<'_>>) -> R<String> {
    let mut out = String::with_capacity(form.len() + 16);
    let mut rest = form;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let places =
            match rest.strip_prefix('.') {
                None => None,
                Some(after) => {
                    let end = after
                        .find(|c: char| !c.is_ascii_digit())
                        .unwrap_or(after.len());
                    rest = &after[end..];
                    let places = after[..end].parse().ok().filter(|p| *p <= PLACES);
                    Some(places.ok_or_else(|| {
                        fault(format!("%.{} is no number of places", &after[..end]))
                    })?)
                }
            };
        let Some(clause) = rest.chars().next() else {
            return Err(fault("the text ends with a %; write %% for a percent sign"));
        };
        rest = &rest[clause.len_utf8()..];
        if !"sdfeboxX".contains(clause) {
            return Err(fault(format!(
                "there is no %{clause}; write %s, %d, %f, %e, %b, %o, %x, or %% for a percent sign"
            )));
        }
        let value = values
            .next()
            .ok_or_else(|| fault(format!("there is no value for the %{clause}")))?;
        put(&value, clause, places, &mut out)?;
    }
    out.push_str(rest);
    Ok(out)
}

fn put(value: &Val<'_>, clause: char, places: Option<usize>, out: &mut String) -> R<()> {
    let whole = |out: &mut String, negative: bool, digits: String| {
        if negative {
            out.push('-');
        }
        out.push_str(&digits);
    };
    match (clause, value) {
        ('s', value) => any(value, out)?,
        ('d', Val::Int(i)) => out.push_str(&i.to_string()),
        ('d', Val::Uint(u)) => out.push_str(&u.to_string()),
        ('d' | 'f' | 'e', Val::Double(d)) if !d.is_finite() => any(value, out)?,
        ('f', Val::Double(_) | Val::Int(_) | Val::Uint(_)) => {
            let d = super::to_double(value)?;
            out.push_str(&format!("{d:.*}", places.unwrap_or(6)));
        }
        ('e', Val::Double(_) | Val::Int(_) | Val::Uint(_)) => {
            let d = super::to_double(value)?;
            let text = format!("{d:.*e}", places.unwrap_or(6));
            // Rust writes 1.5e3 and 1.5e-3, C and CEL 1.5e+03 and 1.5e-03.
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(e) => ('-', e),
                None => ('+', exponent),
            };
            out.push_str(&format!("{digits}e{sign}{exponent:0>2}"));
        }
        ('b', Val::Bool(b)) => out.push(if *b { '1' } else { '0' }),
        ('b', Val::Int(i)) => whole(out, *i < 0, format!("{:b}", i.unsigned_abs())),
        ('b', Val::Uint(u)) => out.push_str(&format!("{u:b}")),
        ('o', Val::Int(i)) => whole(out, *i < 0, format!("{:o}", i.unsigned_abs())),
        ('o', Val::Uint(u)) => out.push_str(&format!("{u:o}")),
        ('x', Val::Int(i)) => whole(out, *i < 0, format!("{:x}", i.unsigned_abs())),
        ('x', Val::Uint(u)) => out.push_str(&format!("{u:x}")),
        ('X', Val::Int(i)) => whole(out, *i < 0, format!("{:X}", i.unsigned_abs())),
        ('X', Val::Uint(u)) => out.push_str(&format!("{u:X}")),
        ('x' | 'X', Val::Str(s)) => hex(s.as_str().as_bytes(), clause, out),
        ('x' | 'X', Val::Bytes(b)) => hex(b.as_slice(), clause, out),
        ('f' | 'e', other) => return wanted(&format!("a number for %{clause}"), other),
        ('x' | 'X', other) => {
            return wanted(&format!("an int, a string or bytes for %{clause}"), other);
        }
        (_, other) => return wanted(&format!("an int for %{clause}"), other),
    }
    Ok(())
}

fn hex(bytes: &[u8], clause: char, out: &mut String) {
    for b in bytes {
        out.push_str(&if clause == 'x' {
            format!("{b:02x}")
        } else {
            format!("{b:02X}")
        });
    }
}

/// `%s`: any value, lists and maps too; the keys of a map are sorted, numbers before texts before bools.
fn any(value: &Val<'_>, out: &mut String) -> R<()> {
    match value {
        Val::Null => out.push_str("null"),
        Val::Double(d) if d.is_finite() => out.push_str(&d.to_string()),
        Val::Bytes(b) => out.push_str(&String::from_utf8_lossy(b.as_slice())),
        Val::Type(name) => out.push_str(name),
        Val::List(list) => {
            out.push('[');
            for (i, v) in list.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                any(&v, out)?;
            }
            out.push(']');
        }
        Val::Map(map) => {
            let mut entries: Vec<(u8, i128, String, Val<'_>)> = Vec::with_capacity(map.len());
            for (k, v) in map.iter() {
                let (kind, number) = match &k {
                    Val::Int(i) => (0, i128::from(*i)),
                    Val::Uint(u) => (0, i128::from(*u)),
                    Val::Str(_) => (1, 0),
                    _ => (2, 0),
                };
                entries.push((kind, number, to_string(&k)?, v));
            }
            entries.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
            out.push('{');
            for (i, (_, _, key, v)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(key);
                out.push_str(": ");
                any(v, out)?;
            }
            out.push('}');
        }
        Val::Optional(_) => return wanted("a value that can be written", value),
        other => out.push_str(&to_string(other)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(form: &str, value: Val<'_>) -> Result<String, String> {
        format(form, &mut [value].into_iter()).map_err(|f| f.message)
    }

    #[test]
    fn exponents_are_rounded_before_they_are_chosen() {
        assert_eq!(one("%.1e", Val::Double(9.99)), Ok("1.0e+01".into()));
        assert_eq!(one("%e", Val::Double(0.0)), Ok("0.000000e+00".into()));
        assert_eq!(one("%.0e", Val::Double(-1.6e-7)), Ok("-2e-07".into()));
    }

    #[test]
    fn wrong_clauses_are_said() {
        assert!(one("%", Val::Null).unwrap_err().contains("ends with"));
        assert!(
            one("%.99999999999999999999f", Val::Double(1.0))
                .unwrap_err()
                .contains("places")
        );
        assert!(one("%d%d", Val::Int(1)).unwrap_err().contains("no value"));
        assert!(one("%é", Val::Int(1)).unwrap_err().contains("no %é"));
        assert_eq!(
            one("%x", Val::Int(i64::MIN)),
            Ok("-8000000000000000".into())
        );
    }
}
