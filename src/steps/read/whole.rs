//! Files as one item each: `format: text` and `format: bytes`.

use std::sync::Arc;

use super::input::{Filled, Inputs};
use crate::steps::{Cx, ItemError, Pull, RunError, Source};
use crate::value::{Batch, Block, Blocks, Row, Shape, Type};

/// Read at once.
const PIECE: usize = 256 << 10;
/// A larger file is an item error: places in a text have 32 bits.
const MOST: usize = 1 << 30;
/// Up to here a file shares a block with others.
const SMALL: usize = 16 << 10;
/// Of a text that is in error, this much is shown.
const SHOWN: usize = 200;

/// The source `read` in the formats `text` and `bytes`.
pub(super) struct Whole {
    inputs: Inputs,
    shape: Arc<Shape>,
    bytes: Vec<u8>,
    open: bool,
    /// What ends the run, when what was read before has been given out.
    stop: Option<RunError>,
}

impl Whole {
    pub(super) fn new(inputs: Inputs, ty: &Type) -> Whole {
        Whole {
            inputs,
            shape: Shape::of(ty),
            bytes: Vec::new(),
            open: false,
            stop: None,
        }
    }

    /// Reads on in the file that is open; `None`: all of it is in `bytes`.
    fn gather(&mut self, cx: &Cx<'_>) -> Result<Option<Pull>, RunError> {
        loop {
            let len = self.bytes.len();
            self.bytes.resize(len + PIECE, 0);
            let filled = self.inputs.fill(&mut self.bytes[len..], cx);
            let n = if let Ok(Filled::Bytes(n)) = &filled {
                *n
            } else {
                0
            };
            self.bytes.truncate(len + n);
            match filled? {
                Filled::Bytes(n) if len > MOST => {
                    // The rest is read and forgotten, so that the item error says how things are.
                    self.bytes.truncate(len);
                    let _ = n;
                }
                Filled::Bytes(_) => {}
                Filled::Wait(wait) => return Ok(Some(Pull::Wait(wait))),
                Filled::End => return Ok(None),
            }
        }
    }

    /// What was read before goes first.
    fn stop(&mut self, error: RunError, batch: Batch) -> Pull {
        if batch.is_empty() {
            return Pull::Stop(error);
        }
        self.stop = Some(error);
        Pull::Rows(batch)
    }

    /// Adds the file that has been read, or says what is wrong with it; a large one gets a batch of its own.
    fn push(&mut self, batch: &mut Batch, cx: &mut Cx<'_>) {
        let bytes = std::mem::take(&mut self.bytes);
        let text = *self.shape.ty() == Type::String;
        let wrong = if bytes.len() > MOST {
            Some(
                "the file is larger than 1 GiB, which is the most that one item can hold"
                    .to_owned(),
            )
        } else if let (true, Err(e)) = (text, std::str::from_utf8(&bytes)) {
            let at = e.valid_up_to();
            Some(format!(
                "not UTF-8: byte 0x{:02x} after {at} bytes (`encoding: latin-1` or `lossy` reads it all the same)",
                bytes[at]
            ))
        } else {
            None
        };
        if let Some(message) = wrong {
            let mut blocks = Blocks::new();
            let cell = blocks.text(&String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]));
            let shape = Shape::of(&Type::String);
            let row = Row {
                cells: &[cell],
                blocks: &blocks,
                shape: &shape,
            };
            return cx.fail(
                u32::try_from(batch.len()).unwrap_or(u32::MAX),
                row,
                ItemError::parse(format!("{}: {message}", self.inputs.name())),
            );
        }
        if bytes.len() > SMALL {
            let len = bytes.len();
            let mark = if text && bytes.starts_with("\u{feff}".as_bytes()) {
                3
            } else {
                0
            };
            let blocks = Blocks::one(Arc::new(Block::new(bytes)));
            let cell = if text {
                blocks.text_in(0, mark, len - mark)
            } else {
                blocks.bin_in(0, 0, len)
            };
            let mut own = Batch::new(self.shape.clone(), blocks);
            own.push([cell]);
            *batch = own;
            return;
        }
        let blocks = batch.blocks_mut();
        let cell = match std::str::from_utf8(&bytes) {
            Ok(t) if text => blocks.text(t.strip_prefix('\u{feff}').unwrap_or(t)),
            _ => blocks.bin(&bytes),
        };
        batch.push([cell]);
    }
}

impl Source for Whole {
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull {
        if let Some(error) = self.stop.take() {
            return Pull::Stop(error);
        }
        let mut batch = Batch::new(self.shape.clone(), Blocks::new());
        loop {
            if !self.open {
                match self.inputs.advance(cx) {
                    Ok(true) => self.open = true,
                    Ok(false) if batch.is_empty() => return Pull::End,
                    Ok(false) => return Pull::Rows(batch),
                    Err(error) => return self.stop(error, batch),
                }
            }
            match self.gather(cx) {
                Ok(None) => {}
                Ok(Some(_)) if !batch.is_empty() => return Pull::Rows(batch),
                Ok(Some(pull)) => return pull,
                Err(error) => return self.stop(error, batch),
            }
            self.open = false;
            if self.bytes.len() > SMALL && !batch.is_empty() {
                // It comes alone, with the next call.
                self.open = true;
                return Pull::Rows(batch);
            }
            self.push(&mut batch, cx);
            if batch.len() >= want || batch.blocks().held() > PIECE {
                return Pull::Rows(batch);
            }
        }
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.inputs.progress()
    }
}
