//! Texts to rows, whatever the format: what the parsers share.

use std::sync::Arc;

use crate::steps::{BatchStep, Cx, Flow, ItemError, ItemErrorKind, Op, RunError};
use crate::value::{Batch, Blocks, Cell, Shape, Span, Type};

/// Reads one text into one row.
pub(in crate::steps) trait Parser: Clone + Send + Sync + 'static {
    /// Appends the row.
    ///
    /// # Errors
    /// What is wrong with the text. What was appended by then is taken back.
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), Wrong>;
}

/// What a parser says of a text.
#[derive(Debug)]
pub(in crate::steps) enum Wrong {
    /// The text is not right, in a sentence.
    Text(String),
    /// Nothing of this file can be read.
    File(String),
}

impl From<String> for Wrong {
    fn from(message: String) -> Wrong {
        Wrong::Text(message)
    }
}

/// Where a parser puts its cells.
pub(in crate::steps) struct Slots<'a> {
    pub cells: &'a mut Vec<Cell>,
    pub blocks: &'a mut Blocks,
    /// Where the text stands in `blocks`, if it does.
    pub span: Option<Span>,
}

impl Slots<'_> {
    /// The part `from..to` of the text, on character boundaries.
    #[inline]
    pub(super) fn part(&mut self, text: &str, from: usize, to: usize) -> Cell {
        match self.span {
            Some(span) => self.blocks.sub(span, from, to),
            None => self.blocks.text(&text[from..to]),
        }
    }

    /// Appends that part.
    #[inline]
    pub(super) fn text(&mut self, text: &str, from: usize, to: usize) {
        // Not by way of `part`: a cell that is made in one place and copied to another waits for its own bytes.
        match self.span {
            Some(span) => self.cells.push(self.blocks.sub(span, from, to)),
            None => self.cells.push(self.blocks.text(&text[from..to])),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }
}

/// The op that runs a parser.
pub(in crate::steps) fn op(parser: impl Parser, out: &Type) -> Op {
    let shape = Shape::of(out);
    Op::Each(Arc::new(move || {
        Box::new(ParseStep {
            parser: parser.clone(),
            shape: shape.clone(),
        })
    }))
}

struct ParseStep<P> {
    parser: P,
    shape: Arc<Shape>,
}

impl<P: Parser> BatchStep for ParseStep<P> {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let cell = &row.cells[0];
            let Some(text) = row.str(0) else {
                cx.fail(batch.origin(i), row, not_text(cell, batch.blocks()));
                continue;
            };
            let span = if let Cell::Text(span) = cell {
                Some(*span)
            } else {
                None
            };
            let (cells, blocks) = out.parts_mut();
            let before = cells.len();
            let mut slots = Slots {
                cells,
                blocks,
                span,
            };
            match self.parser.parse(text, &mut slots) {
                Ok(()) => out.grew_from(&batch, i),
                Err(Wrong::Text(message)) => {
                    cells.truncate(before);
                    let block = span.and_then(|s| Some((s, batch.blocks().block_of(s)?)));
                    let place = block.and_then(|(s, block)| block.line_at(s.place().1));
                    let message = place.map_or(message.clone(), |p| format!("{p}: {message}"));
                    cx.fail(batch.origin(i), row, ItemError::parse(message));
                }
                Err(Wrong::File(message)) => return Flow::Stop(RunError::Failed { message }),
            }
        }
        Flow::Next(out)
    }
}

/// An item that has no text, where the type allowed that.
fn not_text(cell: &Cell, blocks: &Blocks) -> ItemError {
    let mut found = Vec::new();
    cell.write_text(blocks, &mut found);
    found.truncate(60);
    let found = String::from_utf8_lossy(&found).into_owned();
    ItemError::new(
        ItemErrorKind::Type,
        format!("`parse` reads text, but the item is {found}"),
    )
}
