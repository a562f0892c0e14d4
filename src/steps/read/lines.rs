//! Lines out of blocks: no copy and no allocation a line.
//!
//! A block is read, checked for UTF-8 as a whole, and given out batch by batch; what follows the last whole line
//! is copied to the front of the next block. Only where a block is not valid UTF-8 its lines are checked one
//! by one.

use std::sync::Arc;

use memchr::memchr;

use super::input::{Filled, Inputs, Place};
use crate::steps::{Cx, ItemError, Pull, RunError, Source};
use crate::value::{Batch, Block, BlockPool, Blocks, Cell, Row, Shape, Type};
use crate::wait::Wait;

/// The size of a block; large enough that a read costs little, small enough that a few stay in the cache.
const BLOCK: usize = 256 << 10;
/// Idle blocks that are kept.
const KEPT: usize = 16;
/// Of a line that is in error, this much is shown.
const SHOWN: usize = 200;

/// What bytes that are not UTF-8 mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A line with others is an item error.
    Utf8,
    /// Every byte is a character.
    Latin1,
    /// What is not valid becomes U+FFFD.
    Lossy,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub encoding: Encoding,
    /// Bytes; a longer line is an item error.
    pub max_line: usize,
}

/// The source `read` in the format `lines`.
pub(super) struct Lines {
    inputs: Inputs,
    limits: Limits,
    shape: Arc<Shape>,
    pool: Arc<BlockPool>,
    block: Arc<Block>,
    /// `at..len` of the block is to be given out; `..valid` is valid UTF-8.
    at: usize,
    len: usize,
    valid: usize,
    /// Lines of this input given out before `at`.
    number: u64,
    /// The rest of a line that is too long is being passed over.
    skipping: bool,
    /// An input is open, and whether all of it is in the block.
    open: bool,
    ended: bool,
}

enum Refill {
    More,
    Wait(Wait),
    End,
}

impl Lines {
    pub(super) fn new(places: Result<Vec<Place>, String>, limits: Limits) -> Lines {
        Lines {
            inputs: Inputs::new(places),
            limits,
            shape: Shape::of(&Type::String),
            pool: BlockPool::new(KEPT),
            block: Arc::new(Block::default()),
            at: 0,
            len: 0,
            valid: 0,
            number: 0,
            skipping: false,
            open: false,
            ended: false,
        }
    }

    /// Reads the next block; what is left of this one comes first in it.
    fn refill(&mut self, cx: &Cx<'_>) -> Result<Refill, RunError> {
        if self.ended || !self.open {
            if !self.inputs.advance()? {
                return Ok(Refill::End);
            }
            (self.open, self.ended, self.number, self.skipping) = (true, false, 0, false);
        }
        let rest = self.len - self.at;
        let mut bytes = self.pool.get(BLOCK.max(rest * 2));
        bytes[..rest].copy_from_slice(&self.block.bytes()[self.at..self.len]);
        let filled = match self.inputs.fill(&mut bytes[rest..], cx.agent)? {
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
        self.valid = match self.limits.encoding {
            Encoding::Latin1 => 0,
            Encoding::Utf8 | Encoding::Lossy => match std::str::from_utf8(&bytes[..self.len]) {
                Ok(_) => self.len,
                Err(e) => e.valid_up_to(),
            },
        };
        self.block = Arc::new(self.pool.block(bytes));
        Ok(Refill::More)
    }

    /// The next whole line: where it stands, without its end.
    #[inline]
    fn next(&mut self) -> Option<(usize, usize)> {
        let bytes = &self.block.bytes()[self.at..self.len];
        let (line, next) = match memchr(b'\n', bytes) {
            Some(end) => (end, end + 1),
            None if self.ended && !bytes.is_empty() => (bytes.len(), bytes.len()),
            None => return None,
        };
        let from = self.at;
        let line = if line > 0 && bytes[line - 1] == b'\r' {
            line - 1
        } else {
            line
        };
        self.at += next;
        self.number += 1;
        Some((from, from + line))
    }

    /// Adds the lines that are right as they stand, up to `want` of them; answers with the first that is not.
    fn push_plain(&mut self, want: usize, batch: &mut Batch) -> Option<(usize, usize)> {
        let (mut plain, mut odd) = (0, None);
        let (cells, blocks) = batch.parts_mut();
        while cells.len() < want
            && let Some((from, to)) = self.next()
        {
            if to > self.valid || to - from > self.limits.max_line || self.skipping {
                odd = Some((from, to));
                break;
            }
            cells.push(blocks.text_in(0, from, to - from));
            plain += 1;
        }
        batch.grew(plain);
        odd
    }

    /// Adds the line, or says what is wrong with it.
    fn push(&mut self, from: usize, to: usize, batch: &mut Batch, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.skipping) {
            return;
        }
        if to - from > self.limits.max_line {
            return self.too_long(from, to, cx);
        }
        if to <= self.valid {
            let cell = batch.blocks().text_in(0, from, to - from);
            return batch.push([cell]);
        }
        let bytes = &self.block.bytes()[from..to];
        let cell = match (self.limits.encoding, std::str::from_utf8(bytes)) {
            (Encoding::Latin1, _) => {
                let text: String = bytes.iter().map(|b| char::from(*b)).collect();
                batch.blocks_mut().text(&text)
            }
            (_, Ok(_)) => batch.blocks().text_in(0, from, to - from),
            (Encoding::Lossy, Err(_)) => batch.blocks_mut().text(&String::from_utf8_lossy(bytes)),
            (Encoding::Utf8, Err(e)) => {
                let at = e.valid_up_to();
                let message = format!(
                    "{}:{}: not UTF-8: byte 0x{:02x} after {at} bytes of the line (`encoding: latin-1` or `lossy` reads it all the same)",
                    self.inputs.name(),
                    self.number,
                    bytes[at],
                );
                return self.fail(from, to, message, cx);
            }
        };
        batch.push([cell]);
    }

    fn too_long(&self, from: usize, to: usize, cx: &mut Cx<'_>) {
        let message = format!(
            "{}:{}: the line is longer than `max_line`, which is {} bytes",
            self.inputs.name(),
            self.number,
            self.limits.max_line,
        );
        self.fail(from, to, message, cx);
    }

    fn fail(&self, from: usize, to: usize, message: String, cx: &mut Cx<'_>) {
        let shown = &self.block.bytes()[from..to.min(from + SHOWN)];
        let mut blocks = Blocks::new();
        let cell: Cell = blocks.text(&String::from_utf8_lossy(shown));
        let row = Row {
            cells: &[cell],
            blocks: &blocks,
            shape: &self.shape,
        };
        cx.fail(0, row, ItemError::parse(message));
    }
}

impl Source for Lines {
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull {
        loop {
            let mut batch =
                Batch::with_capacity(self.shape.clone(), Blocks::one(self.block.clone()), want);
            while let Some((from, to)) = self.push_plain(want, &mut batch) {
                self.push(from, to, &mut batch, cx);
            }
            if !batch.is_empty() {
                return Pull::Rows(batch);
            }
            drop(batch);
            // A line without end is not gathered: it is in error once it is too long, and its rest is passed over.
            if self.len - self.at > self.limits.max_line {
                if !std::mem::replace(&mut self.skipping, true) {
                    self.number += 1;
                    self.too_long(self.at, self.len, cx);
                    self.number -= 1;
                }
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

    use super::*;
    use crate::steps::testing::Bench;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        encoding: Encoding::Utf8,
        max_line: 1 << 20,
    };

    /// The lines of these files, and what failed.
    fn lines(
        files: &[(&str, &[u8])],
        limits: Limits,
        want: usize,
    ) -> Result<(Vec<String>, Vec<String>), RunError> {
        let folder = tempfile::tempdir().unwrap();
        let places = files.iter().map(|(name, bytes)| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            Place::of(name, folder.path())
        });
        let mut source = Lines::new(Ok(places.collect()), limits);
        let mut bench = Bench::default();
        let batches = bench.pull_all(&mut source, want)?;
        assert!(
            batches.iter().all(|b| b.len() <= want),
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
        let (texts, failed) = lines(
            &[("a", b"one\r\ntwo\n\nfour"), ("b", b""), ("c", b"five\n")],
            LIMITS,
            2,
        )
        .unwrap();
        assert_eq!(texts, ["one", "two", "", "four", "five"]);
        assert!(failed.is_empty());
    }

    #[test]
    fn several_gzip_members_are_one_text() {
        let both = [gzip(b"one\ntw"), gzip(b"o\n")].concat();
        assert_eq!(
            lines(&[("a.gz", &both)], LIMITS, 10).unwrap().0,
            ["one", "two"]
        );
    }

    #[test]
    fn a_gzip_file_that_was_cut_off_stops_the_run_and_is_named() {
        let whole = gzip(b"one\ntwo\n");
        let cut = &whole[..whole.len() - 5];
        let Err(RunError::Io { what, message }) = lines(&[("a.gz", cut)], LIMITS, 10) else {
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
        let mut source = Lines::new(Ok(places.to_vec()), LIMITS);
        let error = Bench::default().pull_all(&mut source, 10).unwrap_err();
        assert!(matches!(error, RunError::Io { what, .. } if what == "cannot read gone"));
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_an_item_error_with_its_place() {
        let (texts, failed) = lines(&[("a", b"one\ntw\xff\nthree\n")], LIMITS, 10).unwrap();
        assert_eq!(texts, ["one", "three"]);
        assert!(
            failed[0].starts_with("a:2: not UTF-8: byte 0xff after 2 bytes"),
            "{}",
            failed[0]
        );
        let latin = Limits {
            encoding: Encoding::Latin1,
            ..LIMITS
        };
        assert_eq!(lines(&[("a", b"\xe4\n")], latin, 10).unwrap().0, ["ä"]);
        let lossy = Limits {
            encoding: Encoding::Lossy,
            ..LIMITS
        };
        assert_eq!(
            lines(&[("a", b"\xe4\n")], lossy, 10).unwrap().0,
            ["\u{fffd}"]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_an_item_error_and_the_next_is_read() {
        let long = vec![b'x'; 3 * BLOCK];
        let text = [b"one\n", &long[..], b"\ntwo\n", &long[..]].concat();
        let limits = Limits {
            max_line: 10,
            ..LIMITS
        };
        let (texts, failed) = lines(&[("a", &text)], limits, 10).unwrap();
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(failed.len(), 2);
        assert!(failed[0].starts_with("a:2: the line is longer than `max_line`"));
        assert!(failed[1].starts_with("a:4: "));
    }

    #[test]
    fn a_line_may_be_longer_than_a_block() {
        let long = "ä".repeat(BLOCK);
        let text = format!("one\n{long}\ntwo");
        let (texts, failed) = lines(&[("a", text.as_bytes())], LIMITS, 10).unwrap();
        assert_eq!(texts, ["one", &long, "two"]);
        assert!(failed.is_empty());
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(parts in proptest::collection::vec("[a-zä]{0,40}", 0..60), last: bool, want in 1usize..20, repeat in 1usize..400) {
            let mut text = parts.join("\n").repeat(repeat);
            if last { text.push('\n'); }
            let (texts, failed) = lines(&[("a", text.as_bytes())], LIMITS, want).unwrap();
            prop_assert!(failed.is_empty());
            prop_assert_eq!(texts, text.lines().collect::<Vec<_>>());
        }

        #[test]
        fn every_line_of_any_bytes_is_an_item_or_an_error(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300)) {
            let (texts, failed) = lines(&[("a", &bytes)], LIMITS, 7).unwrap();
            let naive = bytes.split(|b| *b == b'\n').count() - usize::from(bytes.is_empty() || bytes.ends_with(b"\n"));
            prop_assert_eq!(texts.len() + failed.len(), naive);
        }
    }
}
