//! One aggregate of all groups of a part.

use std::any::Any;

use super::super::keyer::{Get, null};
use crate::expr::{EvalError, Scope};
use crate::value::{Batch, Blocks, Cell, Row};

/// The rows of a batch that go into groups.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub batch: &'a Batch,
    /// The number of each row, and that of its group.
    pub groups: &'a [(u32, u32)],
    /// Where the batch stands in the input, and how many rows this part had before it: both together give
    /// each item of the stage its place in the input.
    pub place: (u64, u64),
}

/// One aggregate of all groups.
pub(super) trait Column: Send {
    /// Evaluates the argument for every row. What fails is told, with the row's number.
    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError));

    /// Adds what was read of these rows; there are `groups` groups now.
    fn add(&mut self, rows: Rows<'_>, groups: usize);

    /// Takes another part's column in, whose groups have these numbers here.
    fn merge(&mut self, other: Box<dyn Column>, numbers: &[u32], groups: usize);

    /// Everything has been added.
    fn settle(&mut self) {}

    /// The result for a group; `percent` is what a percentile asks for.
    ///
    /// # Errors
    /// Why there is none: the sum does not fit.
    fn value(&self, group: usize, percent: u8, blocks: &mut Blocks) -> Result<Cell, String>;

    /// Bytes held, as an estimate.
    fn held(&self) -> usize;

    /// The same column without groups.
    fn fresh(&self) -> Box<dyn Column>;

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What a group adds up of its values, one after the other, in any order.
pub(super) trait Total: Clone + Default + Send + 'static {
    type In: Copy + Default + Send;

    /// The value that a row gives.
    fn read(
        from: &Get,
        row: Row<'_>,
        scope: &Scope,
        scratch: &mut Blocks,
    ) -> Result<Self::In, EvalError>;
    fn add(&mut self, value: Self::In);
    fn merge(&mut self, other: &Self);
    fn settle(&mut self) {}
    fn value(&self, percent: u8) -> Result<Cell, String>;

    fn held(&self) -> usize {
        size_of::<Self>()
    }
}

/// A column of totals.
pub(super) struct Totals<T: Total> {
    from: Get,
    values: Vec<T::In>,
    totals: Vec<T>,
    scratch: Blocks,
}

impl<T: Total> Totals<T> {
    pub(super) fn boxed(from: Get) -> Box<dyn Column> {
        Box::new(Totals::<T> {
            from,
            values: Vec::new(),
            totals: Vec::new(),
            scratch: Blocks::new(),
        })
    }
}

impl<T: Total> Column for Totals<T> {
    fn read(&mut self, batch: &Batch, scope: &Scope, failed: &mut dyn FnMut(usize, EvalError)) {
        self.values.clear();
        for (i, row) in batch.rows().enumerate() {
            self.values
                .push(match T::read(&self.from, row, scope, &mut self.scratch) {
                    Ok(value) => value,
                    Err(error) => {
                        failed(i, error);
                        T::In::default()
                    }
                });
        }
        if !self.scratch.is_empty() {
            self.scratch = Blocks::new();
        }
    }

    fn add(&mut self, rows: Rows<'_>, groups: usize) {
        self.totals.resize(groups, T::default());
        for (row, group) in rows.groups {
            self.totals[*group as usize].add(self.values[*row as usize]);
        }
    }

    fn merge(&mut self, other: Box<dyn Column>, numbers: &[u32], groups: usize) {
        let other = other
            .into_any()
            .downcast::<Totals<T>>()
            .expect("BUG: columns of two kinds");
        self.totals.resize(groups, T::default());
        for (total, number) in other.totals.iter().zip(numbers) {
            self.totals[*number as usize].merge(total);
        }
    }

    fn settle(&mut self) {
        self.totals.iter_mut().for_each(T::settle);
    }

    fn value(&self, group: usize, percent: u8, _: &mut Blocks) -> Result<Cell, String> {
        // Without `by` the one group may have had no item.
        self.totals
            .get(group)
            .map_or_else(|| T::default().value(percent), |total| total.value(percent))
    }

    fn held(&self) -> usize {
        self.totals.iter().map(T::held).sum()
    }

    fn fresh(&self) -> Box<dyn Column> {
        Totals::<T>::boxed(self.from.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A number in an item of type `any`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

impl Default for Number {
    fn default() -> Number {
        Number::Int(0)
    }
}

impl Number {
    pub(super) fn read(
        from: &Get,
        row: Row<'_>,
        scope: &Scope,
        scratch: &mut Blocks,
    ) -> Result<Number, EvalError> {
        match from.cell(row, scope, scratch)? {
            (Cell::Int(i), _) => Ok(Number::Int(i)),
            (Cell::Double(d), _) => Ok(Number::Double(d)),
            (Cell::Raw(span), blocks) => match Cell::Raw(span).detach(blocks) {
                Cell::Int(i) => Ok(Number::Int(i)),
                Cell::Double(d) => Ok(Number::Double(d)),
                other => Err(no_number(&other)),
            },
            (other, _) => Err(no_number(&other)),
        }
    }
}

fn no_number(cell: &Cell) -> EvalError {
    if cell.is_null() {
        null("a number")
    } else {
        EvalError::new("a number is needed, this is something else")
    }
}

/// A length of time in nanoseconds.
pub(super) fn nanos(
    from: &Get,
    row: Row<'_>,
    scope: &Scope,
    scratch: &mut Blocks,
) -> Result<i128, EvalError> {
    match from.cell(row, scope, scratch)?.0 {
        Cell::Duration { secs, nanos } => Ok(i128::from(secs) * NANOS + i128::from(nanos)),
        _ => Err(null("a duration")),
    }
}

const NANOS: i128 = 1_000_000_000;

/// The duration of so many nanoseconds, where it is not too long for one.
pub(super) fn duration(nanos: i128) -> Result<Cell, String> {
    match i64::try_from(nanos / NANOS) {
        Ok(secs) => Ok(Cell::Duration {
            secs,
            nanos: (nanos % NANOS) as i32,
        }),
        Err(_) => Err("the sum is too long for a duration".into()),
    }
}
