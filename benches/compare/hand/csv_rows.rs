//! Rows of a CSV file in, those of one country and five pieces or more out.

use std::io;

/// The country's column and the quantity's.
const COUNTRY: usize = 3;
const QUANTITY: usize = 6;

pub(super) fn run(path: &str) -> io::Result<()> {
    super::in_order(path, last_row_end, work)
}

/// Where the last whole row ends: behind a line's end with as many quotes before it as make pairs.
fn last_row_end(block: &[u8]) -> usize {
    let mut open = memchr::memchr_iter(b'"', block).count() % 2 == 1;
    let mut end = block.len();
    while let Some(at) = memchr::memrchr2(b'"', b'\n', &block[..end]) {
        match block[at] {
            b'"' => open = !open,
            _ if !open => return at + 1,
            _ => {}
        }
        end = at;
    }
    0
}

fn work(block: &[u8], made: &mut Vec<u8>) -> io::Result<()> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .buffer_capacity(1 << 16)
        .from_reader(block);
    let mut out = csv::WriterBuilder::new()
        .buffer_capacity(1 << 16)
        .from_writer(made);
    let mut row = csv::ByteRecord::new();
    while rows.read_byte_record(&mut row)? {
        let pieces = std::str::from_utf8(&row[QUANTITY]).unwrap_or_default();
        // The header is the one row whose quantity is no number.
        if pieces == "quantity"
            || (&row[COUNTRY] == b"DE" && pieces.parse::<i64>().is_ok_and(|n| n >= 5))
        {
            out.write_byte_record(&row)?;
        }
    }
    out.flush()
}
