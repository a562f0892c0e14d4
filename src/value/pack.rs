//! Cells as bytes, and back: what rows are while they lie in a temporary file. Only this program reads them, in
//! the run that wrote them, so the form may change with any version.

use super::{Blocks, Cell, Row};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;
const TIME: u8 = 5;
const DURATION: u8 = 6;
const TEXT: u8 = 7;
const BYTES: u8 = 8;
const RAW: u8 = 9;
const LIST: u8 = 10;
const MAP: u8 = 11;

/// Appends a row's cells.
pub fn pack(out: &mut Vec<u8>, row: Row<'_>) {
    for cell in row.cells {
        pack_cell(out, cell, row.blocks);
    }
}

/// Takes a row of so many cells off the front of `from`; its texts are copied into `blocks`. `None`: the bytes
/// are not what [`pack`] has made; cells may have been added then.
pub fn unpack(
    from: &mut &[u8],
    width: usize,
    cells: &mut Vec<Cell>,
    blocks: &mut Blocks,
) -> Option<()> {
    for _ in 0..width {
        cells.push(unpack_cell(from, blocks)?);
    }
    Some(())
}

/// A number in as few bytes as it needs: seven bits in each, the lowest first (LEB128).
pub fn pack_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub fn unpack_number(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = take::<1>(from)?[0];
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

fn pack_cell(out: &mut Vec<u8>, cell: &Cell, blocks: &Blocks) {
    match cell {
        Cell::Null => out.push(NULL),
        Cell::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Cell::Int(i) => {
            out.push(INT);
            // Small numbers of either sign are few bytes.
            pack_number(out, (i << 1 ^ i >> 63).cast_unsigned());
        }
        Cell::Double(d) => {
            out.push(DOUBLE);
            out.extend_from_slice(&d.to_le_bytes());
        }
        Cell::Time { secs, nanos } => {
            out.push(TIME);
            out.extend_from_slice(&secs.to_le_bytes());
            out.extend_from_slice(&nanos.to_le_bytes());
        }
        Cell::Duration { secs, nanos } => {
            out.push(DURATION);
            out.extend_from_slice(&secs.to_le_bytes());
            out.extend_from_slice(&nanos.to_le_bytes());
        }
        Cell::Text(span) => pack_bytes(out, TEXT, blocks.bytes(*span)),
        Cell::Bin(span) => pack_bytes(out, BYTES, blocks.bytes(*span)),
        Cell::Raw(span) => pack_bytes(out, RAW, blocks.bytes(*span)),
        Cell::Heap(_) => pack_heap(out, cell, blocks),
    }
}

fn pack_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    pack_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn pack_heap(out: &mut Vec<u8>, cell: &Cell, blocks: &Blocks) {
    if let Some(text) = cell.as_heap_str() {
        pack_bytes(out, TEXT, text.as_bytes());
    } else if let Some(bytes) = cell.as_bytes(blocks) {
        pack_bytes(out, BYTES, bytes);
    } else if let Some(list) = cell.as_list() {
        out.push(LIST);
        pack_number(out, list.len() as u64);
        for cell in list {
            pack_cell(out, cell, blocks);
        }
    } else {
        let entries = cell.as_map().map_or(&[][..], |map| map.entries());
        out.push(MAP);
        pack_number(out, entries.len() as u64);
        for (key, value) in entries {
            pack_cell(out, key, blocks);
            pack_cell(out, value, blocks);
        }
    }
}

/// A cell of `blocks`.
fn unpack_cell(from: &mut &[u8], blocks: &mut Blocks) -> Option<Cell> {
    let tag = take::<1>(from)?[0];
    Some(match tag {
        TEXT => blocks.text(text(from)?),
        RAW => blocks.raw_json(text(from)?),
        BYTES => blocks.bin(long(from)?),
        LIST | MAP => unpack_detached(tag, from)?,
        _ => unpack_small(tag, from)?,
    })
}

/// A cell that stands alone, as those in a list do.
fn unpack_detached(tag: u8, from: &mut &[u8]) -> Option<Cell> {
    let next = |from: &mut &[u8]| {
        let tag = take::<1>(from)?[0];
        unpack_detached(tag, from)
    };
    Some(match tag {
        TEXT => Cell::str(text(from)?),
        BYTES => Cell::bytes(long(from)?),
        LIST => {
            let n = unpack_number(from)?;
            Cell::list((0..n).map(|_| next(from)).collect::<Option<_>>()?)
        }
        MAP => {
            let n = unpack_number(from)?;
            let entries = (0..n).map(|_| Some((next(from)?, next(from)?)));
            Cell::map(entries.collect::<Option<_>>()?)
        }
        _ => unpack_small(tag, from)?,
    })
}

fn unpack_small(tag: u8, from: &mut &[u8]) -> Option<Cell> {
    Some(match tag {
        NULL => Cell::Null,
        FALSE => Cell::Bool(false),
        TRUE => Cell::Bool(true),
        INT => {
            let n = unpack_number(from)?;
            Cell::Int((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
        }
        DOUBLE => Cell::Double(f64::from_le_bytes(take(from)?)),
        TIME => Cell::Time {
            secs: i64::from_le_bytes(take(from)?),
            nanos: u32::from_le_bytes(take(from)?),
        },
        DURATION => Cell::Duration {
            secs: i64::from_le_bytes(take(from)?),
            nanos: i32::from_le_bytes(take(from)?),
        },
        _ => return None,
    })
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*front)
}

fn long<'f>(from: &mut &'f [u8]) -> Option<&'f [u8]> {
    let n = usize::try_from(unpack_number(from)?).ok()?;
    let (front, rest) = from.split_at_checked(n)?;
    *from = rest;
    Some(front)
}

fn text<'f>(from: &mut &'f [u8]) -> Option<&'f str> {
    std::str::from_utf8(long(from)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Batch, Shape, Type};
    use proptest::prelude::*;

    fn cells() -> impl Strategy<Value = Cell> {
        let leaf = prop_oneof![
            Just(Cell::Null),
            any::<bool>().prop_map(Cell::Bool),
            any::<i64>().prop_map(Cell::Int),
            (-3i64..3).prop_map(Cell::Int),
            any::<f64>().prop_map(Cell::Double),
            (any::<i64>(), 0u32..1_000_000_000)
                .prop_map(|(secs, nanos)| Cell::Time { secs, nanos }),
            (any::<i64>(), any::<i32>()).prop_map(|(secs, nanos)| Cell::Duration { secs, nanos }),
            ".{0,8}".prop_map(|s| Cell::str(&s)),
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(|b| Cell::bytes(&b)),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Cell::list),
                proptest::collection::vec(("[a-c]{0,2}".prop_map(|k| Cell::str(&k)), inner), 0..5)
                    .prop_map(Cell::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_as_it_was(rows in proptest::collection::vec(cells(), 0..20)) {
            let mut packed = Vec::new();
            for cell in &rows {
                let mut batch = Batch::new(Shape::of(&Type::Any), Blocks::new());
                batch.push([cell.clone()]);
                pack(&mut packed, batch.row(0));
            }
            let (mut from, mut found, mut blocks) = (&packed[..], Vec::new(), Blocks::new());
            for _ in &rows {
                unpack(&mut from, 1, &mut found, &mut blocks).unwrap();
            }
            prop_assert!(from.is_empty());
            let found: Vec<Cell> = found.iter().map(|c| c.detach(&blocks)).collect();
            prop_assert_eq!(found, rows);
        }

        #[test]
        fn damaged_bytes_are_an_answer_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = unpack(&mut &bytes[..], 3, &mut Vec::new(), &mut Blocks::new());
        }
    }

    #[test]
    fn text_of_a_block_and_unread_json_come_back() {
        let mut batch = Batch::new(Shape::of(&Type::Any), Blocks::new());
        let raw = batch.blocks_mut().raw_json(r#"{"a": [1, 2.50]}"#);
        batch.push([raw]);
        let mut packed = Vec::new();
        pack(&mut packed, batch.row(0));
        let (mut cells, mut blocks) = (Vec::new(), Blocks::new());
        unpack(&mut &packed[..], 1, &mut cells, &mut blocks).unwrap();
        let Cell::Raw(span) = cells[0] else {
            panic!("unread JSON stays unread")
        };
        assert_eq!(blocks.str(span), r#"{"a": [1, 2.50]}"#);
    }
}
