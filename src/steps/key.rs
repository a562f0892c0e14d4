//! Keys as bytes: equal values have equal bytes, and the bytes are in the order of the values. So grouping,
//! sorting and looking for what was seen compare memory and need not know types.
//!
//! The order over all values: null, bools, numbers (an int and a double that are equal are one key; NaN, which is
//! no number, below them all), strings by code points, bytes, timestamps, durations, lists element by element, maps
//! by their sorted entries.

use crate::value::{Blocks, Cell, Type};

const NULL: u8 = 0x01;
const BOOL: u8 = 0x02;
const NUMBER: u8 = 0x03;
const STRING: u8 = 0x04;
const BYTES: u8 = 0x05;
const TIME: u8 = 0x06;
const DURATION: u8 = 0x07;
const LIST: u8 = 0x08;
const MAP: u8 = 0x09;
/// Ends strings, lists and maps; below everything that could follow.
const END: u8 = 0x00;
/// Behind a zero byte within a string.
const ESCAPED: u8 = 0xFF;

/// Appends the key of a value.
pub(super) fn encode(cell: &Cell, blocks: &Blocks, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.push(NULL),
        Cell::Bool(b) => out.extend([BOOL, u8::from(*b)]),
        Cell::Int(i) => {
            // The nearest double, then how far the int is from it (at most 512).
            let near = *i as f64;
            let rest = i128::from(*i) - near as i128;
            number(near, rest as i16, out);
        }
        Cell::Double(d) => number(*d, 0, out),
        Cell::Time { secs, nanos } => {
            out.push(TIME);
            out.extend(ordered(*secs).to_be_bytes());
            out.extend(nanos.to_be_bytes());
        }
        Cell::Duration { secs, nanos } => {
            out.push(DURATION);
            out.extend(ordered(*secs).to_be_bytes());
            out.extend(((*nanos as u32) ^ (1 << 31)).to_be_bytes());
        }
        Cell::Text(_) | Cell::Bin(_) | Cell::Raw(_) | Cell::Heap(_) => {
            encode_long(cell, blocks, out)
        }
    }
}

fn encode_long(cell: &Cell, blocks: &Blocks, out: &mut Vec<u8>) {
    if let Some(text) = cell.as_str(blocks) {
        out.push(STRING);
        escaped(text.as_bytes(), out);
    } else if let Some(bytes) = cell.as_bytes(blocks) {
        out.push(BYTES);
        escaped(bytes, out);
    } else if let Some(list) = cell.as_list() {
        out.push(LIST);
        for element in list {
            encode(element, blocks, out);
        }
        out.push(END);
    } else if let Some(map) = cell.as_map() {
        let mut entries: Vec<Vec<u8>> = map
            .entries()
            .iter()
            .map(|(key, value)| {
                let mut entry = Vec::new();
                encode(key, blocks, &mut entry);
                encode(value, blocks, &mut entry);
                entry
            })
            .collect();
        entries.sort();
        out.push(MAP);
        entries.iter().for_each(|e| out.extend_from_slice(e));
        out.push(END);
    } else {
        encode(&cell.detach(blocks), blocks, out);
    }
}

/// An int whose unsigned order is the signed one's.
pub(super) fn ordered(i: i64) -> u64 {
    (i as u64) ^ (1 << 63)
}

/// A double's bits in the order of its values; the two zeros are one, NaN is below everything.
pub(super) fn double_bits(d: f64) -> u64 {
    if d.is_nan() {
        return 0;
    }
    let bits = (d + 0.0).to_bits();
    if bits >> 63 == 0 {
        bits | (1 << 63)
    } else {
        !bits
    }
}

fn number(near: f64, rest: i16, out: &mut Vec<u8>) {
    out.push(NUMBER);
    out.extend(double_bits(near).to_be_bytes());
    out.extend(((rest as u16) ^ (1 << 15)).to_be_bytes());
}

fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(zero) = memchr::memchr(0, rest) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(ESCAPED);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend([0, END]);
}

/// Reads the key of a value of this type back, as a cell of `blocks`, and moves on behind it.
pub(super) fn decode(key: &mut &[u8], ty: &Type, blocks: &mut Blocks) -> Cell {
    match key[0] {
        STRING => {
            let bytes = unescaped(key);
            let text = std::str::from_utf8(&bytes).expect("BUG: a string's key is not UTF-8");
            blocks.text(text)
        }
        BYTES => {
            let bytes = unescaped(key);
            blocks.bin(&bytes)
        }
        _ => decode_detached(key, ty),
    }
}

fn take<const N: usize>(key: &mut &[u8]) -> [u8; N] {
    let (head, rest) = key.split_first_chunk::<N>().expect("BUG: a key is cut off");
    *key = rest;
    *head
}

fn unescaped(key: &mut &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &key[1..];
    loop {
        let zero = memchr::memchr(0, rest).expect("BUG: a string's key has no end");
        out.extend_from_slice(&rest[..zero]);
        let after = rest[zero + 1];
        rest = &rest[zero + 2..];
        if after == END {
            *key = rest;
            return out;
        }
        out.push(0);
    }
}

fn decode_detached(key: &mut &[u8], ty: &Type) -> Cell {
    let of = match ty.required() {
        Type::List(of) => of,
        _ => &Type::Any,
    };
    match key[0] {
        STRING => {
            let bytes = unescaped(key);
            Cell::str(std::str::from_utf8(&bytes).expect("BUG: a string's key is not UTF-8"))
        }
        BYTES => Cell::bytes(&unescaped(key)),
        tag => {
            *key = &key[1..];
            match tag {
                NULL => Cell::Null,
                BOOL => Cell::Bool(take::<1>(key)[0] == 1),
                NUMBER => decode_number(key, ty),
                TIME => {
                    let secs = decode_int(key);
                    Cell::Time {
                        secs,
                        nanos: u32::from_be_bytes(take(key)),
                    }
                }
                DURATION => {
                    let secs = decode_int(key);
                    Cell::Duration {
                        secs,
                        nanos: (u32::from_be_bytes(take(key)) ^ (1 << 31)) as i32,
                    }
                }
                LIST => {
                    let mut list = Vec::new();
                    while key[0] != END {
                        list.push(decode_detached(key, of));
                    }
                    *key = &key[1..];
                    Cell::list(list)
                }
                MAP => {
                    let mut entries = Vec::new();
                    while key[0] != END {
                        let name = decode_detached(key, &Type::Any);
                        let field = name.as_heap_str().and_then(|n| ty.as_record()?.field(n));
                        entries.push((
                            name.clone(),
                            decode_detached(key, field.unwrap_or(&Type::Any)),
                        ));
                    }
                    *key = &key[1..];
                    Cell::map(entries)
                }
                other => unreachable!("BUG: a key with the tag {other}"),
            }
        }
    }
}

fn decode_int(key: &mut &[u8]) -> i64 {
    (u64::from_be_bytes(take(key)) ^ (1 << 63)) as i64
}

/// A whole number of type `any` is an int again: 1 and 1.0 are one key.
fn decode_number(key: &mut &[u8], ty: &Type) -> Cell {
    let bits = u64::from_be_bytes(take(key));
    let near = f64::from_bits(if bits >> 63 == 1 {
        bits & !(1 << 63)
    } else {
        !bits
    });
    let rest = (u16::from_be_bytes(take(key)) ^ (1 << 15)) as i16;
    if *ty.required() == Type::Double || near.fract() != 0.0 || !near.is_finite() {
        return Cell::Double(if near.is_nan() { f64::NAN } else { near });
    }
    match i64::try_from(near as i128 + i128::from(rest)) {
        Ok(int) => Cell::Int(int),
        Err(_) => Cell::Double(near),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(cell: &Cell) -> Vec<u8> {
        let mut out = Vec::new();
        encode(cell, &Blocks::new(), &mut out);
        out
    }

    fn any_cell() -> impl Strategy<Value = Cell> {
        let scalar = prop_oneof![
            Just(Cell::Null),
            any::<bool>().prop_map(Cell::Bool),
            any::<i64>().prop_map(Cell::Int),
            (-3i64..3).prop_map(Cell::Int),
            any::<f64>().prop_map(Cell::Double),
            "[a-c\\x00]{0,3}".prop_map(|s| Cell::str(&s)),
            proptest::collection::vec(0u8..3, 0..3).prop_map(|b| Cell::bytes(&b)),
            (any::<i64>(), 0u32..1_000_000_000)
                .prop_map(|(secs, nanos)| Cell::Time { secs, nanos }),
            (0i64..3, 0i32..1_000_000_000).prop_map(|(secs, nanos)| Cell::Duration { secs, nanos }),
        ];
        scalar.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Cell::list),
                proptest::collection::vec(("[ab]", inner), 0..3).prop_map(|e| Cell::map(
                    e.into_iter().map(|(k, v)| (Cell::str(&k), v)).collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_key_read_back_has_the_same_key(cell in any_cell()) {
            let bytes = key(&cell);
            let mut rest = &bytes[..];
            let mut blocks = Blocks::new();
            let back = decode(&mut rest, &Type::Any, &mut blocks);
            prop_assert!(rest.is_empty());
            let mut again = Vec::new();
            encode(&back, &blocks, &mut again);
            prop_assert_eq!(again, bytes);
        }

        #[test]
        fn ints_and_doubles_are_in_the_order_of_their_values(a in any::<i64>(), b in any::<i64>(), x in any::<f64>(), near in -3i64..3) {
            prop_assert_eq!(key(&Cell::Int(a)).cmp(&key(&Cell::Int(b))), a.cmp(&b));
            prop_assert_eq!(key(&Cell::Int(a)).cmp(&key(&Cell::Int(a.wrapping_add(near)))), a.cmp(&a.wrapping_add(near)));
            let y = a as f64;
            if !x.is_nan() {
                prop_assert_eq!(key(&Cell::Double(x)).cmp(&key(&Cell::Double(y))), x.partial_cmp(&y).unwrap());
            }
            // An int against a double, in exact arithmetic.
            if x.abs() < 1e18 {
                let whole = (x.floor() as i64, x.fract() != 0.0 && x.floor() < x);
                prop_assert_eq!(key(&Cell::Int(a)).cmp(&key(&Cell::Double(x))), (a, false).cmp(&whole));
            }
        }

        #[test]
        fn strings_are_in_the_order_of_their_code_points(a in "[a-c\\x00é]{0,4}", b in "[a-c\\x00é]{0,4}", tail in any_cell()) {
            let mut x = key(&Cell::str(&a));
            let y = key(&Cell::str(&b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            // What stands behind a string in a key of several does not reach into its order.
            x.extend(key(&tail));
            if a != b {
                prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            }
        }
    }

    #[test]
    fn equal_numbers_are_one_key_and_kinds_have_an_order() {
        assert_eq!(key(&Cell::Int(1)), key(&Cell::Double(1.0)));
        assert_eq!(key(&Cell::Double(0.0)), key(&Cell::Double(-0.0)));
        assert_eq!(key(&Cell::Double(f64::NAN)), key(&Cell::Double(-f64::NAN)));
        assert!(key(&Cell::Double(f64::NAN)) < key(&Cell::Double(f64::NEG_INFINITY)));
        assert!(key(&Cell::Int(i64::MAX)) > key(&Cell::Int(i64::MAX - 1)));
        assert!(key(&Cell::Null) < key(&Cell::Bool(false)));
        assert!(key(&Cell::Int(9)) < key(&Cell::str("")));
    }

    #[test]
    fn a_double_stays_a_double_where_the_type_says_so() {
        let bytes = key(&Cell::Double(2.0));
        let mut blocks = Blocks::new();
        assert_eq!(
            decode(&mut &bytes[..], &Type::Double, &mut blocks),
            Cell::Double(2.0)
        );
        assert_eq!(
            decode(&mut &bytes[..], &Type::Any, &mut blocks),
            Cell::Int(2)
        );
    }
}
