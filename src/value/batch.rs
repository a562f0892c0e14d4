//! A batch: rows of cells that travel together. Every row is the token of one item: a row leaves a batch
//! only by being passed on or settled, and the worker loop checks that the counts add up.

use std::sync::Arc;

use super::{Blocks, Cell, Shape, Type};

/// Rows of one shape, over shared blocks.
///
/// `ord` and `span` say which of the input's ordinals this batch covers (what was filtered out included),
/// so that an ordered pool can put batches back in order and never waits for what will not come.
/// `origin` says for each row which row of the claimed batch it came from.
#[derive(Debug, Clone)]
pub struct Batch {
    shape: Arc<Shape>,
    blocks: Blocks,
    cells: Vec<Cell>,
    rows: usize,
    /// `None`: each row is still where it was. Written down only when rows go, so that keeping it costs nothing
    /// where none does.
    origin: Option<Vec<u32>>,
    /// The first ordinal of the stage's input that this batch covers.
    pub ord: u64,
    /// How many ordinals it covers.
    pub span: u64,
    /// Bytes that a sink's first half made for these rows, for its second half (see `steps::write`).
    pub rendered: Option<Vec<u8>>,
    /// What the rows weighed when they entered a connection, so that nobody weighs them again on the way out.
    weighed: usize,
}

/// One row of a batch: what a compiled expression looks at.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub cells: &'a [Cell],
    pub blocks: &'a Blocks,
    pub shape: &'a Shape,
}

impl<'a> Row<'a> {
    /// The text in a slot, where it is one.
    #[inline]
    pub fn str(&self, slot: usize) -> Option<&'a str> {
        self.cells[slot].as_str(self.blocks)
    }

    /// The whole item as one detached value (a record becomes a map).
    pub fn detach(&self) -> Cell {
        match self.shape.record() {
            None => self.cells[0].detach(self.blocks),
            Some(record) => {
                let mut entries: Vec<(Cell, Cell)> = record
                    .fields
                    .iter()
                    .zip(self.cells)
                    .map(|(f, c)| (Cell::str(&f.name), c.detach(self.blocks)))
                    .collect();
                if let Some(rest) = self.shape.rest_slot()
                    && let Some(map) = self.cells[rest].detach(self.blocks).as_map()
                {
                    entries.extend(map.entries().iter().cloned());
                }
                Cell::map(entries)
            }
        }
    }
}

impl Batch {
    /// An empty batch.
    pub fn new(shape: Arc<Shape>, blocks: Blocks) -> Batch {
        Batch {
            shape,
            blocks,
            cells: Vec::new(),
            rows: 0,
            origin: None,
            ord: 0,
            span: 0,
            rendered: None,
            weighed: 0,
        }
    }

    /// An empty batch with room for `rows` rows.
    pub fn with_capacity(shape: Arc<Shape>, blocks: Blocks, rows: usize) -> Batch {
        let cells = Vec::with_capacity(rows * shape.width());
        Batch {
            shape,
            blocks,
            cells,
            rows: 0,
            origin: None,
            ord: 0,
            span: 0,
            rendered: None,
            weighed: 0,
        }
    }

    /// An empty batch of another shape over the same blocks, covering the same ordinals; follow with
    /// [`Batch::push_from`] so that origins are kept.
    #[must_use]
    pub fn derive(&mut self, shape: Arc<Shape>) -> Batch {
        self.blocks.seal();
        Batch {
            cells: Vec::with_capacity(self.rows * shape.width()),
            shape,
            blocks: self.blocks.clone(),
            rows: 0,
            origin: None,
            ord: self.ord,
            span: self.span,
            rendered: None,
            weighed: 0,
        }
    }

    /// One row, standing alone.
    pub fn of_row(row: Row<'_>) -> Batch {
        let mut blocks = Blocks::new();
        let cells: Vec<Cell> = row
            .cells
            .iter()
            .map(|c| blocks.adopt(c, row.blocks))
            .collect();
        let mut batch = Batch::new(Shape::of(row.shape.ty()), blocks);
        batch.push(cells);
        batch.span = 1;
        batch
    }

    /// As [`Batch::derive`], for rows that are chosen from this batch and will come back to it: follow with
    /// [`Batch::push`]; then an origin is a place among the chosen rows.
    #[must_use]
    pub fn part(&mut self, shape: Arc<Shape>) -> Batch {
        self.derive(shape)
    }

    /// Says anew where each row came from (the claimed batch's row for a place among chosen ones).
    pub fn map_origins(&mut self, new: impl Fn(u32) -> u32) {
        self.origin = Some((0..self.rows).map(|i| new(self.origin(i))).collect());
    }

    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    pub fn ty(&self) -> &Type {
        self.shape.ty()
    }

    /// The same rows under another shape of the same width (`int` where `int?` is wanted).
    ///
    /// # Panics
    /// Where the widths differ.
    pub fn reshape(&mut self, shape: Arc<Shape>) {
        assert_eq!(
            self.shape.width(),
            shape.width(),
            "BUG: a shape of another width"
        );
        self.shape = shape;
    }

    /// Rows, which is items.
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    pub fn blocks_mut(&mut self) -> &mut Blocks {
        &mut self.blocks
    }

    #[inline]
    pub fn row(&self, i: usize) -> Row<'_> {
        let w = self.shape.width();
        Row {
            cells: &self.cells[i * w..(i + 1) * w],
            blocks: &self.blocks,
            shape: &self.shape,
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows).map(|i| self.row(i))
    }

    /// The cells of a row, to be changed in place.
    pub fn cells_mut(&mut self, i: usize) -> &mut [Cell] {
        let w = self.shape.width();
        &mut self.cells[i * w..(i + 1) * w]
    }

    /// Cells and blocks at once: to make cells (`blocks.text(..)`) for a row.
    pub fn parts_mut(&mut self) -> (&mut Vec<Cell>, &mut Blocks) {
        (&mut self.cells, &mut self.blocks)
    }

    /// Adds a row. The cells must be of this batch's blocks, or detached.
    ///
    /// # Panics
    /// Where the number of cells is not the shape's width.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.cells.extend(cells);
        self.rows += 1;
        assert_eq!(
            self.cells.len(),
            self.rows * self.shape.width(),
            "BUG: a row of the wrong width"
        );
    }

    /// Adds a row that comes from row `from` of `source`.
    pub fn push_from(
        &mut self,
        source: &Batch,
        from: usize,
        cells: impl IntoIterator<Item = Cell>,
    ) {
        self.push(cells);
        self.comes_from(source.origin(from));
    }

    /// The last row came from this row of the claimed batch.
    #[inline]
    fn comes_from(&mut self, row: u32) {
        match &mut self.origin {
            Some(origin) => origin.push(row),
            None if row as usize + 1 == self.rows => {}
            None => {
                let before = 0..u32::try_from(self.rows - 1).unwrap_or(u32::MAX);
                self.origin = Some(before.chain([row]).collect());
            }
        }
    }

    /// The step has appended `rows` whole rows through [`Batch::parts_mut`].
    pub fn grew(&mut self, rows: usize) {
        self.rows += rows;
        assert_eq!(
            self.cells.len(),
            self.rows * self.shape.width(),
            "BUG: a row of the wrong width"
        );
    }

    /// The step has appended one whole row through [`Batch::parts_mut`], which comes from row `from` of `source`.
    #[inline]
    pub fn grew_from(&mut self, source: &Batch, from: usize) {
        self.rows += 1;
        assert_eq!(
            self.cells.len(),
            self.rows * self.shape.width(),
            "BUG: a row of the wrong width"
        );
        self.comes_from(source.origin(from));
    }

    /// From now on an origin is a place in this batch as it is now.
    pub fn keep_origins(&mut self) {
        self.origin = None;
    }

    /// Writes the origins down, before the batch is split: each part then still knows where its rows came from.
    pub fn number_origins(&mut self) {
        if self.origin.is_none() {
            self.origin = Some((0..u32::try_from(self.rows).unwrap_or(u32::MAX)).collect());
        }
    }

    /// The row of the claimed batch that row `i` came from.
    #[inline]
    pub fn origin(&self, i: usize) -> u32 {
        let own = self.origin.as_ref().and_then(|o| o.get(i).copied());
        own.unwrap_or(u32::try_from(i).unwrap_or(u32::MAX))
    }

    /// Keeps the rows for which `keep` answers true, in place; returns how many went. What `keep` knows of
    /// the others (an error, a count) is its own to note.
    pub fn retain(&mut self, mut keep: impl FnMut(usize, Row<'_>) -> bool) -> usize {
        self.sift(|i, _, row| keep(i, row))
    }

    /// As [`Batch::retain`], for a `keep` that wants to know each row's [`Batch::origin`].
    pub fn retain_rows(&mut self, mut keep: impl FnMut(u32, Row<'_>) -> bool) -> usize {
        self.sift(|_, origin, row| keep(origin, row))
    }

    fn sift(&mut self, mut keep: impl FnMut(usize, u32, Row<'_>) -> bool) -> usize {
        let w = self.shape.width();
        let mut kept = 0;
        let mut moved: Option<Vec<u32>> = None;
        for i in 0..self.rows {
            let origin = self.origin(i);
            let row = Row {
                cells: &self.cells[i * w..(i + 1) * w],
                blocks: &self.blocks,
                shape: &self.shape,
            };
            if keep(i, origin, row) {
                if kept != i {
                    for k in 0..w {
                        self.cells.swap(kept * w + k, i * w + k);
                    }
                    match &mut moved {
                        Some(moved) => moved.push(origin),
                        None => {
                            let mut origins = Vec::with_capacity(self.rows - i + kept);
                            origins.extend((0..kept).map(|k| self.origin(k)));
                            origins.push(origin);
                            moved = Some(origins);
                        }
                    }
                }
                kept += 1;
            }
        }
        let gone = self.rows - kept;
        self.cells.truncate(kept * w);
        if moved.is_some() {
            self.origin = moved;
        } else if let Some(origin) = &mut self.origin {
            origin.truncate(kept);
        }
        self.rows = kept;
        gone
    }

    /// Takes the first `n` rows (all, where there are fewer). Only for a batch whose rows are its ordinals
    /// (as it comes from a connection) the ordinals are split too; otherwise the front keeps them all.
    #[must_use]
    pub fn split_front(&mut self, n: usize) -> Batch {
        let n = n.min(self.rows);
        let w = self.shape.width();
        if n == self.rows {
            let shape = self.shape.clone();
            return std::mem::replace(self, Batch::new(shape, Blocks::new()));
        }
        self.blocks.seal();
        let whole = self.span == self.rows as u64;
        let mut cells = self.cells.split_off(n * w);
        std::mem::swap(&mut cells, &mut self.cells);
        let origin = self.origin.as_mut().map(|o| {
            let mut front = o.split_off(n.min(o.len()));
            std::mem::swap(&mut front, o);
            front
        });
        let front = Batch {
            shape: self.shape.clone(),
            blocks: self.blocks.clone(),
            cells,
            rows: n,
            origin,
            ord: self.ord,
            span: if whole { n as u64 } else { self.span },
            rendered: None,
            weighed: 0,
        };
        let mut front = front;
        front.weighed = self.weighed / self.rows * n;
        self.weighed -= front.weighed;
        self.rows -= n;
        if whole {
            self.ord += n as u64;
            self.span -= n as u64;
        } else {
            self.ord += self.span;
            self.span = 0;
        }
        front
    }

    /// Takes the first `n` rows as [`Batch::into_rows`] would: each row knows where it came from.
    #[must_use]
    pub fn split_rows(&mut self, n: usize) -> Batch {
        self.number_origins();
        let (ord, span) = (self.ord, self.span);
        let mut front = self.split_front(n);
        (front.ord, front.span) = (ord, span);
        (self.ord, self.span) = (ord, span);
        front
    }

    /// Takes the last `n` rows (all, where there are fewer), the last of them first.
    #[must_use]
    pub fn split_back(&mut self, n: usize) -> Batch {
        let n = n.min(self.rows);
        let w = self.shape.width();
        self.blocks.seal();
        let mut cells = self.cells.split_off((self.rows - n) * w);
        // Backwards as a whole, then each row forwards again.
        cells.reverse();
        cells.chunks_exact_mut(w.max(1)).for_each(<[Cell]>::reverse);
        let mut back = Batch::new(self.shape.clone(), self.blocks.clone());
        (back.cells, back.rows, back.span) = (cells, n, n as u64);
        back.weighed = self.weighed * n / self.rows.max(1);
        self.weighed -= back.weighed;
        self.rows -= n;
        (self.span, self.origin) = (self.rows as u64, None);
        back
    }

    /// Empties the batch; the caller settles the rows. Returns how many there were.
    pub fn clear(&mut self) -> usize {
        self.cells.clear();
        self.origin = None;
        std::mem::take(&mut self.rows)
    }

    /// Adds the rows of a batch of the same type. Ordinals are left alone.
    pub fn append(&mut self, mut other: Batch) {
        debug_assert_eq!(self.ty(), other.ty(), "BUG: batches of two types");
        self.origin = None;
        if self.rows == 0 {
            self.cells = std::mem::take(&mut other.cells);
            self.blocks = std::mem::take(&mut other.blocks);
            self.rows = other.rows;
            return;
        }
        for i in 0..other.rows {
            let row = other.row(i);
            let cells: Vec<Cell> = row
                .cells
                .iter()
                .map(|c| self.blocks.adopt(c, row.blocks))
                .collect();
            self.push(cells);
        }
    }

    /// Each row as a batch of its own, in order; each knows where it came from.
    #[must_use]
    pub fn into_rows(mut self) -> Vec<Batch> {
        self.blocks.seal();
        let w = self.shape.width();
        let mut cells = std::mem::take(&mut self.cells).into_iter();
        (0..self.rows)
            .map(|i| Batch {
                shape: self.shape.clone(),
                blocks: self.blocks.clone(),
                cells: cells.by_ref().take(w).collect(),
                rows: 1,
                origin: Some(vec![self.origin(i)]),
                ord: self.ord,
                span: self.span,
                rendered: None,
                weighed: 0,
            })
            .collect()
    }

    /// Takes the rows of another batch of this type in, behind its own; origins are kept.
    pub fn join(&mut self, mut other: Batch) {
        let own = 0..u32::try_from(self.rows).unwrap_or(u32::MAX);
        let mut all = self.origin.take().unwrap_or_else(|| own.collect());
        all.extend((0..other.rows).map(|i| other.origin(i)));
        if self.rows > 0 && self.blocks.extends(&other.blocks) {
            self.cells.append(&mut other.cells);
            self.rows += other.rows;
        } else {
            self.append(other);
        }
        self.origin = Some(all);
    }

    /// Weighs the rows, for [`Batch::weighed`].
    pub fn weigh(&mut self) -> usize {
        self.weighed = self.weight();
        self.weighed
    }

    /// What the rows weighed last; after a split, each part's share.
    pub fn weighed(&self) -> usize {
        self.weighed
    }

    /// Bytes that the rows themselves hold, as an estimate: what `max_bytes` counts.
    pub fn weight(&self) -> usize {
        self.cells.len() * 16 + self.cells.iter().map(Cell::weight).sum::<usize>()
    }

    /// Copies the few rows that are left out of large blocks, so that ten surviving lines do not pin a
    /// megabyte. Called where a batch enters a connection.
    pub fn compact_if_sparse(&mut self) {
        // Where most of what was claimed is still here, its neighbours use the same block.
        if self.rows as u64 * 4 > self.span {
            return;
        }
        self.compact();
    }

    /// Copies the rows out of blocks of which they are less than a quarter.
    pub fn compact(&mut self) {
        let held = self.blocks.held();
        if held < 64 << 10 {
            return;
        }
        let used: usize = self
            .cells
            .iter()
            .map(|c| if c.is_detached() { 0 } else { c.weight() })
            .sum();
        if used * 4 > held {
            return;
        }
        let mut blocks = Blocks::new();
        for cell in &mut self.cells {
            *cell = blocks.adopt(cell, &self.blocks);
        }
        blocks.seal();
        self.blocks = blocks;
    }
}

/// See [`super::wreck`]: nothing happens here unless the thread panics.
impl Drop for Batch {
    #[inline]
    fn drop(&mut self) {
        if self.rows > 0 {
            super::wreck::keep(self);
        }
    }
}

impl Blocks {
    /// The same value as a cell of these blocks: spans are copied in, except where both have the same block
    /// under the same number (as after [`Batch::derive`]).
    #[inline]
    pub fn adopt(&mut self, cell: &Cell, of: &Blocks) -> Cell {
        match cell {
            Cell::Int(i) => Cell::Int(*i),
            Cell::Double(d) => Cell::Double(*d),
            other => self.adopt_other(other, of),
        }
    }

    fn adopt_other(&mut self, cell: &Cell, of: &Blocks) -> Cell {
        match cell {
            Cell::Text(span) | Cell::Bin(span) | Cell::Raw(span) if self.shares(*span, of) => {
                cell.clone()
            }
            Cell::Text(span) => self.text(of.str(*span)),
            Cell::Bin(span) => self.bin(of.bytes(*span)),
            Cell::Raw(span) => self.raw_json(of.str(*span)),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Block;
    use super::*;

    fn lines(texts: &[&str]) -> Batch {
        let mut blocks = Blocks::new();
        let cells: Vec<Cell> = texts.iter().map(|t| blocks.text(t)).collect();
        let mut batch = Batch::new(Shape::of(&Type::String), blocks);
        for cell in cells {
            batch.push([cell]);
        }
        batch.span = texts.len() as u64;
        batch
    }

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.rows().map(|r| r.str(0).unwrap()).collect()
    }

    #[test]
    fn a_split_batch_covers_the_same_ordinals() {
        let mut b = lines(&["a", "b", "c", "d"]);
        b.ord = 10;
        let front = b.split_front(1);
        assert_eq!((texts(&front), front.ord, front.span), (vec!["a"], 10, 1));
        assert_eq!((texts(&b), b.ord, b.span), (vec!["b", "c", "d"], 11, 3));
    }

    #[test]
    fn what_is_retained_keeps_its_order_and_origin() {
        let mut b = lines(&["a", "b", "c", "d"]);
        b.keep_origins();
        assert_eq!(b.retain(|i, _| i % 2 == 1), 2);
        assert_eq!(texts(&b), ["b", "d"]);
        assert_eq!((b.origin(0), b.origin(1)), (1, 3));
    }

    #[test]
    fn appended_rows_are_read_from_the_batch_that_took_them() {
        let mut a = lines(&["one"]);
        a.append(lines(&["two", "three"]));
        assert_eq!(texts(&a), ["one", "two", "three"]);
    }

    #[test]
    fn a_sparse_batch_lets_its_block_go() {
        let block = Arc::new(Block::new(vec![b'x'; 1 << 20]));
        let mut b = Batch::new(Shape::of(&Type::String), Blocks::one(block.clone()));
        let cell = b.blocks().text_in(0, 5, 10);
        b.push([cell]);
        b.span = 256;
        b.compact_if_sparse();
        assert_eq!(texts(&b), ["xxxxxxxxxx"]);
        assert_eq!(Arc::strong_count(&block), 1);
    }
}
