//! What groups add up: `count`, `sum`, `mean`, `stddev`, percentiles, and `min` and `max` of numbers.
//!
//! Sums of ints are kept in 128 bits, so that only a result that does not fit is an error, not the order in
//! which they came.

use super::super::keyer::Get;
use super::column::{Number, Total, duration, nanos};
use super::exact::{Exact, Moments};
use super::spread::{Measure, Spread};
use crate::expr::{EvalError, Scope};
use crate::value::{Blocks, Cell, Row};

type Read<T> = Result<T, EvalError>;
type Value = Result<Cell, String>;

/// `count()`.
#[derive(Clone, Default)]
pub(super) struct Count(u64);

fn count(n: u64) -> Value {
    i64::try_from(n)
        .map(Cell::Int)
        .map_err(|_| "the count is beyond 64 bits".into())
}

impl Total for Count {
    type In = ();

    fn read(_: &Get, _: Row<'_>, _: &Scope, _: &mut Blocks) -> Read<()> {
        Ok(())
    }

    fn add(&mut self, (): ()) {
        self.0 += 1;
    }

    fn merge(&mut self, other: &Count) {
        self.0 += other.0;
    }

    fn value(&self, _: u8) -> Value {
        count(self.0)
    }
}

/// `count(condition)`.
#[derive(Clone, Default)]
pub(super) struct CountIf(u64);

impl Total for CountIf {
    type In = bool;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, _: &mut Blocks) -> Read<bool> {
        from.bool(row, scope)
    }

    fn add(&mut self, holds: bool) {
        self.0 += u64::from(holds);
    }

    fn merge(&mut self, other: &CountIf) {
        self.0 += other.0;
    }

    fn value(&self, _: u8) -> Value {
        count(self.0)
    }
}

/// The sum of ints.
#[derive(Clone, Default)]
pub(super) struct IntSum(i128);

impl Total for IntSum {
    type In = i64;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, _: &mut Blocks) -> Read<i64> {
        from.int(row, scope)
    }

    fn add(&mut self, value: i64) {
        self.0 += i128::from(value);
    }

    fn merge(&mut self, other: &IntSum) {
        self.0 += other.0;
    }

    fn value(&self, _: u8) -> Value {
        i64::try_from(self.0).map(Cell::Int).map_err(|_| {
            format!(
                "the sum is {}, which is beyond 64 bits; sum doubles instead: `sum(double(..))`",
                self.0
            )
        })
    }
}

/// The sum of doubles.
#[derive(Clone, Default)]
pub(super) struct DoubleSum(Exact);

impl Total for DoubleSum {
    type In = f64;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, _: &mut Blocks) -> Read<f64> {
        from.double(row, scope)
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn merge(&mut self, other: &DoubleSum) {
        self.0.merge(&other.0);
    }

    fn value(&self, _: u8) -> Value {
        Ok(Cell::Double(self.0.value()))
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// The sum of lengths of time.
#[derive(Clone, Default)]
pub(super) struct DurationSum(i128);

impl Total for DurationSum {
    type In = i128;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<i128> {
        nanos(from, row, scope, scratch)
    }

    fn add(&mut self, value: i128) {
        self.0 += value;
    }

    fn merge(&mut self, other: &DurationSum) {
        self.0 += other.0;
    }

    fn value(&self, _: u8) -> Value {
        duration(self.0)
    }
}

/// The sum of numbers of items of type `any`: an int while there are only ints.
#[derive(Clone, Default)]
pub(super) struct NumberSum {
    ints: IntSum,
    doubles: Option<DoubleSum>,
}

impl NumberSum {
    fn exact(&self, doubles: &DoubleSum) -> f64 {
        let mut all = doubles.0.clone();
        all.add_int(self.ints.0);
        all.value()
    }
}

impl Total for NumberSum {
    type In = Number;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<Number> {
        Number::read(from, row, scope, scratch)
    }

    fn add(&mut self, value: Number) {
        match value {
            Number::Int(i) => self.ints.add(i),
            Number::Double(d) => self.doubles.get_or_insert_default().add(d),
        }
    }

    fn merge(&mut self, other: &NumberSum) {
        self.ints.merge(&other.ints);
        if let Some(doubles) = &other.doubles {
            self.doubles.get_or_insert_default().merge(doubles);
        }
    }

    fn value(&self, percent: u8) -> Value {
        match &self.doubles {
            None => self.ints.value(percent),
            Some(doubles) => Ok(Cell::Double(self.exact(doubles))),
        }
    }
}

/// A sum that has a mean.
pub(super) trait Mean: Total {
    fn mean(&self, n: u64) -> Value;
}

impl Mean for IntSum {
    fn mean(&self, n: u64) -> Value {
        Ok(Cell::Double(self.0 as f64 / n as f64))
    }
}

impl Mean for DoubleSum {
    fn mean(&self, n: u64) -> Value {
        Ok(Cell::Double(self.0.value() / n as f64))
    }
}

impl Mean for NumberSum {
    fn mean(&self, n: u64) -> Value {
        match &self.doubles {
            None => self.ints.mean(n),
            Some(doubles) => Ok(Cell::Double(self.exact(doubles) / n as f64)),
        }
    }
}

impl Mean for DurationSum {
    fn mean(&self, n: u64) -> Value {
        let n = i128::from(n.max(1));
        // To the nearest nanosecond.
        duration((self.0 * 2 + n).div_euclid(n * 2))
    }
}

/// `mean`.
#[derive(Clone, Default)]
pub(super) struct Average<T> {
    n: u64,
    sum: T,
}

impl<T: Mean> Total for Average<T> {
    type In = T::In;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<T::In> {
        T::read(from, row, scope, scratch)
    }

    fn add(&mut self, value: T::In) {
        self.n += 1;
        self.sum.add(value);
    }

    fn merge(&mut self, other: &Average<T>) {
        self.n += other.n;
        self.sum.merge(&other.sum);
    }

    fn value(&self, _: u8) -> Value {
        self.sum.mean(self.n)
    }

    fn held(&self) -> usize {
        8 + self.sum.held()
    }
}

/// `stddev`, of ints and doubles.
#[derive(Clone, Default)]
pub(super) struct Deviation(Moments);

impl Total for Deviation {
    type In = Number;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<Number> {
        Number::read(from, row, scope, scratch)
    }

    fn add(&mut self, value: Number) {
        match value {
            Number::Int(i) => self.0.add_int(i),
            Number::Double(d) => self.0.add(d),
        }
    }

    fn merge(&mut self, other: &Deviation) {
        self.0.merge(&other.0);
    }

    fn value(&self, _: u8) -> Value {
        Ok(self.0.deviation().map_or(Cell::Null, Cell::Double))
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// A kind of value that percentiles, `min` and `max` compare.
pub(super) trait Kind: Clone + Default + Send + 'static {
    type In: Measure;
    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<Self::In>;
    fn cell(value: Self::In) -> Value;
}

#[derive(Clone, Default)]
pub(super) struct Ints;
#[derive(Clone, Default)]
pub(super) struct Doubles;
#[derive(Clone, Default)]
pub(super) struct Durations;

impl Kind for Ints {
    type In = i64;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, _: &mut Blocks) -> Read<i64> {
        from.int(row, scope)
    }

    fn cell(value: i64) -> Value {
        Ok(Cell::Int(value))
    }
}

impl Kind for Doubles {
    type In = f64;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, _: &mut Blocks) -> Read<f64> {
        // One zero.
        Ok(from.double(row, scope)? + 0.0)
    }

    fn cell(value: f64) -> Value {
        Ok(Cell::Double(value))
    }
}

impl Kind for Durations {
    type In = i128;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<i128> {
        nanos(from, row, scope, scratch)
    }

    fn cell(value: i128) -> Value {
        duration(value)
    }
}

/// `p50` and its like. NaN is no value here.
#[derive(Clone, Default)]
pub(super) struct Percentile<K: Kind>(Spread<K::In>);

impl<K: Kind> Total for Percentile<K> {
    type In = K::In;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<K::In> {
        K::read(from, row, scope, scratch)
    }

    fn add(&mut self, value: K::In) {
        if !value.to_f64().is_nan() {
            self.0.add(value);
        }
    }

    fn merge(&mut self, other: &Percentile<K>) {
        self.0.merge(&other.0);
    }

    fn settle(&mut self) {
        self.0.settle();
    }

    fn value(&self, percent: u8) -> Value {
        self.0
            .percentile(percent)
            .map_or(Ok(Cell::Double(f64::NAN)), K::cell)
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// Percentiles of numbers of items of type `any`: an int while there are only ints.
#[derive(Clone, Default)]
pub(super) struct NumberPercentile {
    values: Percentile<Doubles>,
    doubles: bool,
}

impl Total for NumberPercentile {
    type In = Number;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<Number> {
        Number::read(from, row, scope, scratch)
    }

    fn add(&mut self, value: Number) {
        match value {
            Number::Int(i) => self.values.add(i as f64),
            Number::Double(d) => {
                self.doubles = true;
                self.values.add(d + 0.0);
            }
        }
    }

    fn merge(&mut self, other: &NumberPercentile) {
        self.values.merge(&other.values);
        self.doubles |= other.doubles;
    }

    fn settle(&mut self) {
        self.values.settle();
    }

    fn value(&self, percent: u8) -> Value {
        match self.values.value(percent)? {
            Cell::Double(d) if !self.doubles => Ok(Cell::Int(d.round() as i64)),
            other => Ok(other),
        }
    }

    fn held(&self) -> usize {
        self.values.held()
    }
}

/// `min` and `max` of ints and doubles. NaN is no value here.
#[derive(Clone)]
pub(super) struct Extreme<K: Kind, const MAX: bool>(Option<K::In>);

impl<K: Kind, const MAX: bool> Default for Extreme<K, MAX> {
    fn default() -> Self {
        Extreme(None)
    }
}

impl<K: Kind, const MAX: bool> Total for Extreme<K, MAX> {
    type In = K::In;

    fn read(from: &Get, row: Row<'_>, scope: &Scope, scratch: &mut Blocks) -> Read<K::In> {
        K::read(from, row, scope, scratch)
    }

    fn add(&mut self, value: K::In) {
        let better = match &self.0 {
            None => true,
            Some(old) if MAX => value.order(old).is_gt(),
            Some(old) => value.order(old).is_lt(),
        };
        if better && !value.to_f64().is_nan() {
            self.0 = Some(value);
        }
    }

    fn merge(&mut self, other: &Self) {
        if let Some(value) = other.0 {
            self.add(value);
        }
    }

    fn value(&self, _: u8) -> Value {
        self.0.map_or(Ok(Cell::Double(f64::NAN)), K::cell)
    }
}
