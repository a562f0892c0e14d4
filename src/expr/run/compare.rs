//! Equality and order of values.

use std::cmp::Ordering;

use super::super::tree::Cmp;
use super::{R, Val, fault};

/// CEL's equality: numbers by value whatever their kinds, everything else only within its kind.
pub(in crate::expr) fn equal(a: &Val<'_>, b: &Val<'_>) -> bool {
    match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Str(a), Val::Str(b)) => a.as_str() == b.as_str(),
        (Val::Bytes(a), Val::Bytes(b)) => a.as_slice() == b.as_slice(),
        (Val::Time { secs: a, nanos: b }, Val::Time { secs: c, nanos: d }) => a == c && b == d,
        (Val::Duration { secs: a, nanos: b }, Val::Duration { secs: c, nanos: d }) => {
            a == c && b == d
        }
        (Val::Type(a), Val::Type(b)) => a == b,
        (Val::List(a), Val::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(x, y)| equal(&x, &y))
        }
        (Val::Map(a), Val::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(k, x)| get(b, &k).is_some_and(|y| equal(&x, &y)))
        }
        (Val::Optional(a), Val::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b),
            (a, b) => a.is_none() && b.is_none(),
        },
        (a, b) => number_order(a, b) == Some(Some(Ordering::Equal)),
    }
}

/// The value of a key of any kind; numbers by value.
pub(in crate::expr) fn get<'a>(map: &super::Dict<'a>, key: &Val<'_>) -> Option<Val<'a>> {
    match key {
        Val::Str(name) => map.field(name.as_str()),
        key => map.iter().find(|(k, _)| equal(k, key)).map(|(_, v)| v),
    }
}

/// The order of two numbers of any kinds: outer `None` where one is no number, inner where one is NaN.
fn number_order(a: &Val<'_>, b: &Val<'_>) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::Uint(a), Val::Uint(b)) => Some(a.cmp(b)),
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
        (Val::Int(a), Val::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::Uint(a), Val::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        // CEL's cases have it so: an integer is rounded to the nearest double.
        (Val::Int(a), Val::Double(b)) => (*a as f64).partial_cmp(b),
        (Val::Uint(a), Val::Double(b)) => (*a as f64).partial_cmp(b),
        (Val::Double(a), Val::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Val::Double(a), Val::Uint(b)) => a.partial_cmp(&(*b as f64)),
        _ => return None,
    })
}

/// The order of two values of one kind, or of two numbers. `None`: a NaN is in no order.
pub(in crate::expr) fn order(a: &Val<'_>, b: &Val<'_>) -> R<Option<Ordering>> {
    if let Some(order) = number_order(a, b) {
        return Ok(order);
    }
    Ok(Some(match (a, b) {
        (Val::Str(a), Val::Str(b)) => a.as_str().cmp(b.as_str()),
        (Val::Bytes(a), Val::Bytes(b)) => a.as_slice().cmp(b.as_slice()),
        (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
        (Val::Time { secs: a, nanos: b }, Val::Time { secs: c, nanos: d }) => (a, b).cmp(&(c, d)),
        (Val::Duration { secs: a, nanos: b }, Val::Duration { secs: c, nanos: d }) => {
            (a, b).cmp(&(c, d))
        }
        (a, b) => {
            return Err(fault(format!(
                "{} and {} have no order",
                a.kind(),
                b.kind()
            )));
        }
    }))
}

/// Does an order satisfy a comparison?
#[inline]
pub(in crate::expr) fn test(cmp: Cmp, order: Option<Ordering>) -> bool {
    match order {
        None => cmp == Cmp::Ne,
        Some(order) => match cmp {
            Cmp::Eq => order.is_eq(),
            Cmp::Ne => order.is_ne(),
            Cmp::Lt => order.is_lt(),
            Cmp::Le => order.is_le(),
            Cmp::Gt => order.is_gt(),
            Cmp::Ge => order.is_ge(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_kinds_are_compared_by_value() {
        assert!(equal(&Val::Int(1), &Val::Double(1.0)) && equal(&Val::Uint(1), &Val::Int(1)));
        assert_eq!(
            order(&Val::Int(-3), &Val::Double(-3.5)),
            Ok(Some(Ordering::Greater))
        );
        assert_eq!(
            order(&Val::Int(-1), &Val::Uint(u64::MAX)),
            Ok(Some(Ordering::Less))
        );
        assert_eq!(
            order(&Val::Uint(u64::MAX), &Val::Double(f64::NAN)),
            Ok(None)
        );
        assert!(order(&Val::Int(1), &Val::Null).is_err());
    }
}
