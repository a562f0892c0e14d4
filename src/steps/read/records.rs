//! Lines, and rows of separated values, out of blocks: no copy and no allocation an item.
//!
//! A block is read, checked for UTF-8 as a whole, and given out batch by batch; what follows the last whole record
//! is copied to the front of the next block. Only where a block is not valid UTF-8 its records are checked one
//! by one.

use std::sync::Arc;

use memchr::memchr;

use super::super::parse::csv;
use super::input::{Filled, Inputs};
use crate::steps::{Cx, ItemError, Pull, RunError, Source};
use crate::value::{Batch, Block, BlockPool, Blocks, Cell, ReadFrom, Row, Shape, Type};
use crate::wait::Wait;

/// The size of a block; large enough that a read costs little, small enough that a few stay in the cache.
const BLOCK: usize = 256 << 10;
/// Of a record that is in error, this much is shown.
const SHOWN: usize = 200;
/// What some programs put before a text to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A line.
    Lines,
    /// A line with something on it.
    Values,
    /// A row of separated values, which may go over several lines; where the first names the columns.
    Rows { delimiter: u8, header: bool },
}

/// The source `read` in the formats that are cut into records.
pub(super) struct Records {
    inputs: Inputs,
    cut: Cut,
    /// Bytes; a longer record is an item error.
    max_line: usize,
    shape: Arc<Shape>,
    pool: Arc<BlockPool>,
    block: Arc<Block>,
    /// `at..len` of the block is to be given out; `..valid` is valid UTF-8.
    at: usize,
    len: usize,
    valid: usize,
    /// The record that was found last.
    from: usize,
    to: usize,
    /// Lines of this input before `at`.
    number: u64,
    /// The rest of a record that is too long is being passed over, up to the line's end.
    skipping: bool,
    /// All of the input that is open is in the block; `true` also before the first.
    ended: bool,
    /// Nothing of this input was given out yet.
    fresh: bool,
    columns: Option<Arc<[String]>>,
}

enum Refill {
    More,
    Wait(Wait),
    End,
}

impl Records {
    pub(super) fn new(inputs: Inputs, cut: Cut, max_line: usize, pool: Arc<BlockPool>) -> Records {
        Records {
            inputs,
            cut,
            max_line,
            shape: Shape::of(&Type::String),
            pool,
            block: Arc::new(Block::default()),
            at: 0,
            len: 0,
            valid: 0,
            from: 0,
            to: 0,
            number: 0,
            skipping: false,
            ended: true,
            fresh: true,
            columns: None,
        }
    }

    /// Reads the next block; what is left of this one comes first in it.
    fn refill(&mut self, cx: &Cx<'_>) -> Result<Refill, RunError> {
        if self.ended {
            if !self.inputs.advance(cx)? {
                return Ok(Refill::End);
            }
            (self.at, self.len) = (0, 0);
            (self.ended, self.number, self.skipping, self.fresh) = (false, 0, false, true);
            self.columns = None;
        }
        let rest = self.len - self.at;
        let mut bytes = self.pool.get(BLOCK.max(rest * 2));
        bytes[..rest].copy_from_slice(&self.block.bytes()[self.at..self.len]);
        let filled = match self.inputs.fill(&mut bytes[rest..], cx)? {
            Filled::Bytes(n) => n,
            Filled::Wait(wait) => {
                self.pool.put(bytes);
                return Ok(Refill::Wait(wait));
            }
            Filled::End => {
                self.ended = true;
                0
            }
        };
        (self.at, self.len) = (0, rest + filled);
        self.valid = match std::str::from_utf8(&bytes[..self.len]) {
            Ok(_) => self.len,
            Err(e) => e.valid_up_to(),
        };
        let from = ReadFrom {
            name: self.inputs.name().clone(),
            line: self.number + 1,
            columns: self.columns.clone(),
        };
        self.block = Arc::new(self.pool.block(bytes, Some(from)));
        self.begin()?;
        Ok(Refill::More)
    }

    /// What stands before the first record: a byte order mark, a header.
    fn begin(&mut self) -> Result<(), RunError> {
        if !self.fresh || (self.len < BYTE_ORDER_MARK.len() && !self.ended) {
            return Ok(());
        }
        let text = &self.block.bytes()[..self.len];
        let mark = if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let Cut::Rows {
            delimiter,
            header: true,
        } = self.cut
        else {
            (self.at, self.fresh) = (mark, false);
            return Ok(());
        };
        self.at = mark;
        while self.next() {
            let (from, to) = (self.from, self.to);
            if from == to {
                continue;
            }
            self.fresh = false;
            let names = std::str::from_utf8(&self.block.bytes()[from..to])
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(|row| csv::header(row, delimiter))
                .map_err(|why| RunError::Failed {
                    message: format!("the header of {}: {why}", self.inputs.name()),
                })?;
            let names: Arc<[String]> = names.into();
            self.columns = Some(names.clone());
            if let Some(block) = Arc::get_mut(&mut self.block) {
                block.set_columns(names);
            }
            return Ok(());
        }
        // Not all of it is there yet: from the beginning, when more has come.
        (self.at, self.number) = (0, 0);
        if self.len > self.max_line {
            let message = format!(
                "the header of {} is longer than `max_line`",
                self.inputs.name()
            );
            return Err(RunError::Failed { message });
        }
        Ok(())
    }

    /// Goes to the next whole record: where it stands, without its end, is `from..to` then.
    #[inline]
    fn next(&mut self) -> bool {
        let bytes = &self.block.bytes()[self.at..self.len];
        let end = match self.cut {
            // What is too long is passed over by lines: where a quote is never closed, the next row has a chance.
            Cut::Rows { delimiter, .. } if !self.skipping => csv::row_end(bytes, delimiter),
            _ => memchr(b'\n', bytes).map(|end| (end, 0)),
        };
        let (line, next) = match end {
            Some((end, lines)) => {
                self.number += lines;
                (end, end + 1)
            }
            None if self.ended && !bytes.is_empty() => {
                self.number += memchr::memchr_iter(b'\n', bytes).count() as u64;
                (bytes.len(), bytes.len())
            }
            None => return false,
        };
        self.number += 1;
        let from = self.at;
        let line = if line > 0 && bytes[line - 1] == b'\r' {
            line - 1
        } else {
            line
        };
        self.at += next;
        (self.from, self.to) = (from, from + line);
        true
    }

    fn is_blank(&self, from: usize, to: usize) -> bool {
        match self.cut {
            Cut::Lines => false,
            Cut::Values => self.block.bytes()[from..to]
                .iter()
                .all(u8::is_ascii_whitespace),
            Cut::Rows { .. } => from == to,
        }
    }

    /// Adds the records that are right as they stand, up to `want` of them; answers with the first that is not.
    fn push_plain(&mut self, want: usize, batch: &mut Batch) -> Option<(usize, usize)> {
        let (mut plain, mut odd) = (0, None);
        let (cells, blocks) = batch.parts_mut();
        while cells.len() < want && self.next() {
            let (from, to) = (self.from, self.to);
            if to > self.valid || to - from > self.max_line || self.skipping {
                odd = Some((from, to));
                break;
            }
            if self.is_blank(from, to) {
                continue;
            }
            cells.push(blocks.text_in(0, from, to - from));
            plain += 1;
        }
        batch.grew(plain);
        odd
    }

    /// Adds a record that is not right as it stands, or says what is wrong with it.
    fn push_odd(&mut self, from: usize, to: usize, batch: &mut Batch, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.skipping) {
            return;
        }
        if to - from > self.max_line {
            return self.too_long((from, to), self.line_of(from, to), batch.len(), cx);
        }
        match std::str::from_utf8(&self.block.bytes()[from..to]) {
            Ok(_) if self.is_blank(from, to) => {}
            Ok(_) => {
                let cell = batch.blocks().text_in(0, from, to - from);
                batch.push([cell]);
            }
            Err(e) => {
                let at = e.valid_up_to();
                let byte = self.block.bytes()[from + at];
                let message = format!(
                    "not UTF-8: byte 0x{byte:02x} after {at} bytes of the line (`encoding: latin-1` or `lossy` reads it all the same)",
                );
                self.fail(
                    (from, to),
                    self.line_of(from, to),
                    &message,
                    batch.len(),
                    cx,
                );
            }
        }
    }

    fn too_long(&self, at: (usize, usize), line: u64, before: usize, cx: &mut Cx<'_>) {
        let message = format!(
            "the line is longer than `max_line`, which is {} bytes",
            self.max_line
        );
        self.fail(at, line, &message, before, cx);
    }

    fn lines_in(&self, from: usize, to: usize) -> u64 {
        memchr::memchr_iter(b'\n', &self.block.bytes()[from..to]).count() as u64
    }

    /// The first line of a record that has just been passed.
    fn line_of(&self, from: usize, to: usize) -> u64 {
        self.number - self.lines_in(from, to)
    }

    /// The record from and to there, the one behind so many of this pull, is in error.
    fn fail(
        &self,
        (from, to): (usize, usize),
        line: u64,
        message: &str,
        before: usize,
        cx: &mut Cx<'_>,
    ) {
        let shown = &self.block.bytes()[from..to.min(from + SHOWN)];
        let mut blocks = Blocks::new();
        let cell: Cell = blocks.text(&String::from_utf8_lossy(shown));
        let row = Row {
            cells: &[cell],
            blocks: &blocks,
            shape: &self.shape,
        };
        let message = format!("{}:{line}: {message}", self.inputs.name());
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        cx.fail(before, row, ItemError::parse(message));
    }
}

impl Source for Records {
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull {
        loop {
            if !self.fresh {
                let blocks = Blocks::one(self.block.clone());
                let mut batch = Batch::with_capacity(self.shape.clone(), blocks, want);
                while let Some((from, to)) = self.push_plain(want, &mut batch) {
                    self.push_odd(from, to, &mut batch, cx);
                }
                if !batch.is_empty() {
                    return Pull::Rows(batch);
                }
            }
            // A record without end is not gathered: it is in error once it is too long, and its rest is passed over.
            if self.len - self.at > self.max_line && !self.ended {
                if !std::mem::replace(&mut self.skipping, true) {
                    self.too_long((self.at, self.len), self.number + 1, 0, cx);
                }
                self.number += self.lines_in(self.at, self.len);
                self.at = self.len;
            }
            match self.refill(cx) {
                Ok(Refill::More) => {}
                Ok(Refill::Wait(wait)) => return Pull::Wait(wait),
                Ok(Refill::End) => return Pull::End,
                Err(error) => return Pull::Stop(error),
            }
        }
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.inputs.progress()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::decode::Encoding;
    use super::super::input::Place;
    use super::*;
    use crate::steps::testing::Bench;
    use proptest::prelude::*;

    /// How files are read in these tests.
    #[derive(Clone, Copy)]
    struct How {
        cut: Cut,
        encoding: Encoding,
        max_line: usize,
        want: usize,
    }

    const HOW: How = How {
        cut: Cut::Lines,
        encoding: Encoding::Utf8,
        max_line: 1 << 20,
        want: 10,
    };

    /// The records of these files, and what failed.
    fn records(files: &[(&str, &[u8])], how: How) -> Result<(Vec<String>, Vec<String>), RunError> {
        let folder = tempfile::tempdir().unwrap();
        let places = files.iter().map(|(name, bytes)| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            Place::of(name, folder.path())
        });
        let inputs = Inputs::new(Ok(places.collect()), how.encoding, false);
        let mut source = Records::new(inputs, how.cut, how.max_line, BlockPool::new(2));
        let mut bench = Bench::default();
        let batches = bench.pull_all(&mut source, how.want)?;
        assert!(
            batches.iter().all(|b| b.len() <= how.want),
            "a batch is larger than what was asked for"
        );
        let (done, total) = source.progress().unwrap();
        assert_eq!(done, total, "all bytes are read");
        let texts = batches
            .iter()
            .flat_map(Batch::rows)
            .map(|r| r.str(0).unwrap().to_owned())
            .collect();
        Ok((
            texts,
            bench.faults.0.into_iter().map(|(_, e)| e.message).collect(),
        ))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(bytes).unwrap();
        coder.finish().unwrap()
    }

    #[test]
    fn a_line_ends_with_its_file_or_with_either_end_of_line() {
        let (texts, failed) = records(
            &[("a", b"one\r\ntwo\n\nfour"), ("b", b""), ("c", b"five\n")],
            How { want: 2, ..HOW },
        )
        .unwrap();
        assert_eq!(texts, ["one", "two", "", "four", "five"]);
        assert!(failed.is_empty());
    }

    #[test]
    fn several_gzip_members_are_one_text() {
        let both = [gzip(b"one\ntw"), gzip(b"o\n")].concat();
        assert_eq!(records(&[("a.gz", &both)], HOW).unwrap().0, ["one", "two"]);
    }

    #[test]
    fn a_gzip_file_that_was_cut_off_stops_the_run_and_is_named() {
        let whole = gzip(b"one\ntwo\n");
        let cut = &whole[..whole.len() - 5];
        let Err(RunError::Io { what, message }) = records(&[("a.gz", cut)], HOW) else {
            panic!("it was read")
        };
        assert_eq!(what, "cannot read a.gz");
        assert!(message.contains("cut off"), "{message}");
    }

    #[test]
    fn a_missing_file_stops_the_run_before_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "x\n").unwrap();
        let places = ["a", "gone"].map(|n| Place::of(n, folder.path()));
        let mut source = Records::new(
            Inputs::new(Ok(places.to_vec()), Encoding::Utf8, false),
            Cut::Lines,
            100,
            BlockPool::new(2),
        );
        let error = Bench::default().pull_all(&mut source, 10).unwrap_err();
        assert!(matches!(error, RunError::Io { what, .. } if what == "cannot read gone"));
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_an_item_error_with_its_place() {
        let (texts, failed) = records(&[("a", b"one\ntw\xff\nthree\n")], HOW).unwrap();
        assert_eq!(texts, ["one", "three"]);
        assert!(
            failed[0].starts_with("a:2: not UTF-8: byte 0xff after 2 bytes"),
            "{}",
            failed[0]
        );
        let latin = How {
            encoding: Encoding::Latin1,
            ..HOW
        };
        assert_eq!(records(&[("a", b"\xe4\n")], latin).unwrap().0, ["ä"]);
        let lossy = How {
            encoding: Encoding::Lossy,
            ..HOW
        };
        assert_eq!(records(&[("a", b"\xe4\n")], lossy).unwrap().0, ["\u{fffd}"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_an_item_error_and_the_next_is_read() {
        let long = vec![b'x'; 3 * BLOCK];
        let text = [b"one\n", &long[..], b"\ntwo\n", &long[..]].concat();
        let how = How {
            max_line: 10,
            ..HOW
        };
        let (texts, failed) = records(&[("a", &text)], how).unwrap();
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(failed.len(), 2);
        assert!(failed[0].starts_with("a:2: the line is longer than `max_line`"));
        assert!(failed[1].starts_with("a:4: "));
    }

    #[test]
    fn a_line_may_be_longer_than_a_block() {
        let long = "ä".repeat(BLOCK);
        let text = format!("one\n{long}\ntwo");
        let (texts, failed) = records(&[("a", text.as_bytes())], HOW).unwrap();
        assert_eq!(texts, ["one", &long, "two"]);
        assert!(failed.is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(
            records(&[("a", b"\xef\xbb\xbfone\n"), ("b", b"\xef\xbb\xbf")], HOW)
                .unwrap()
                .0,
            ["one"]
        );
    }

    #[test]
    fn zstd_frames_are_one_text() {
        let both = [
            zstd::encode_all(&b"one\ntw"[..], 1).unwrap(),
            zstd::encode_all(&b"o\n"[..], 1).unwrap(),
        ]
        .concat();
        assert_eq!(records(&[("a.zst", &both)], HOW).unwrap().0, ["one", "two"]);
        let error = records(&[("a.zst", &both[..both.len() - 3])], HOW).unwrap_err();
        assert!(
            matches!(error, RunError::Io { what, message } if what == "cannot read a.zst" && message.contains("cut off"))
        );
    }

    #[test]
    fn rows_may_go_over_several_lines() {
        let how = How {
            cut: Cut::Rows {
                delimiter: b',',
                header: true,
            },
            ..HOW
        };
        let text = b"a,b\n1,\"x\ny\"\n\r\n2,\"\xff\n\"\n3,z";
        let (rows, failed) = records(
            &[("a.csv", text), ("b.csv", b"a\n4\n"), ("c.csv", b"")],
            how,
        )
        .unwrap();
        assert_eq!(rows, ["1,\"x\ny\"", "3,z", "4"]);
        assert_eq!(failed.len(), 1);
        assert!(failed[0].starts_with("a.csv:5: not UTF-8"), "{}", failed[0]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_not_gathered() {
        let mut text = b"a\n\"1\n".to_vec();
        for _ in 0..100_000 {
            text.extend_from_slice(b"xxxxxx\n");
        }
        let how = How {
            cut: Cut::Rows {
                delimiter: b',',
                header: true,
            },
            max_line: 1000,
            want: 256,
            ..HOW
        };
        let (rows, failed) = records(&[("a.csv", &text)], how).unwrap();
        assert!(
            failed[0].starts_with("a.csv:2: the line is longer than `max_line`"),
            "{}",
            failed[0]
        );
        assert_eq!(failed.len(), 1);
        assert!(rows.len() > 50_000, "{}", rows.len());
    }

    #[test]
    fn blank_lines_between_values_are_passed_over() {
        let how = How {
            cut: Cut::Values,
            ..HOW
        };
        assert_eq!(
            records(&[("a", b"1\n \n\n2\n")], how).unwrap().0,
            ["1", "2"]
        );
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(parts in proptest::collection::vec("[a-zä]{0,40}", 0..60), last: bool, want in 1usize..20, repeat in 1usize..400) {
            let mut text = parts.join("\n").repeat(repeat);
            if last { text.push('\n'); }
            let (texts, failed) = records(&[("a", text.as_bytes())], How { want, ..HOW }).unwrap();
            prop_assert!(failed.is_empty());
            prop_assert_eq!(texts, text.lines().collect::<Vec<_>>());
        }

        #[test]
        fn every_line_of_any_bytes_is_an_item_or_an_error(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300)) {
            let (texts, failed) = records(&[("a", &bytes)], How { want: 7, ..HOW }).unwrap();
            let naive = bytes.split(|b| *b == b'\n').count() - usize::from(bytes.is_empty() || bytes.ends_with(b"\n"));
            prop_assert_eq!(texts.len() + failed.len(), naive);
        }
    }
}
