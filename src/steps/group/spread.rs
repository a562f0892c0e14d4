//! The values of a group for percentiles: all of them up to 10,000, then a sketch.
//!
//! The sketch is `DDSketch` (Masson, Rim, Lee: "`DDSketch`: A Fast and Fully-Mergeable Quantile Sketch with
//! Relative-Error Guarantees", 2019) with logarithmic bins. Both forms, and when one becomes the other, depend
//! only on which values there are, not on their order or on who counted them.

use std::collections::BTreeMap;

/// Up to so many values of a group percentiles are exact.
const EXACT: usize = 10_000;
/// The sketch's relative error. Half of what is promised, so that rounding to a whole number cannot break it.
const ERROR: f64 = 0.005;

/// A value that percentiles are taken of.
pub(super) trait Measure: Copy + Default + Send + 'static {
    fn to_f64(self) -> f64;
    /// The nearest value of this kind.
    fn from_f64(value: f64) -> Self;
    fn order(&self, other: &Self) -> std::cmp::Ordering;
}

impl Measure for i64 {
    fn to_f64(self) -> f64 {
        self as f64
    }

    fn from_f64(value: f64) -> i64 {
        value.round() as i64
    }

    fn order(&self, other: &i64) -> std::cmp::Ordering {
        self.cmp(other)
    }
}

impl Measure for i128 {
    fn to_f64(self) -> f64 {
        self as f64
    }

    fn from_f64(value: f64) -> i128 {
        value.round() as i128
    }

    fn order(&self, other: &i128) -> std::cmp::Ordering {
        self.cmp(other)
    }
}

impl Measure for f64 {
    fn to_f64(self) -> f64 {
        self
    }

    fn from_f64(value: f64) -> f64 {
        value
    }

    fn order(&self, other: &f64) -> std::cmp::Ordering {
        self.total_cmp(other)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Spread<V> {
    All(Vec<V>),
    Sketch(Box<Sketch>),
}

impl<V> Default for Spread<V> {
    fn default() -> Spread<V> {
        Spread::All(Vec::new())
    }
}

impl<V: Measure> Spread<V> {
    pub(super) fn add(&mut self, value: V) {
        match self {
            Spread::All(values) if values.len() < EXACT => values.push(value),
            Spread::All(_) => self.make_sketch().add(value.to_f64(), 1),
            Spread::Sketch(sketch) => sketch.add(value.to_f64(), 1),
        }
    }

    fn make_sketch(&mut self) -> &mut Sketch {
        if let Spread::All(values) = self {
            let mut sketch = Sketch::default();
            values.iter().for_each(|v| sketch.add(v.to_f64(), 1));
            *self = Spread::Sketch(Box::new(sketch));
        }
        match self {
            Spread::Sketch(sketch) => sketch,
            Spread::All(_) => unreachable!("BUG: it has just become a sketch"),
        }
    }

    pub(super) fn merge(&mut self, other: &Spread<V>) {
        match other {
            Spread::All(values) => values.iter().for_each(|v| self.add(*v)),
            Spread::Sketch(sketch) => self.make_sketch().merge(sketch),
        }
    }

    /// Puts the values in order, so that [`Spread::percentile`] can look at them.
    pub(super) fn settle(&mut self) {
        if let Spread::All(values) = self {
            values.sort_unstable_by(V::order);
        }
    }

    /// The least value that at least `percent` per cent of the values do not exceed (the nearest rank); `None`
    /// where there are none.
    pub(super) fn percentile(&self, percent: u8) -> Option<V> {
        let rank = |n: u64| (u128::from(n) * u128::from(percent)).div_ceil(100).max(1) as u64;
        match self {
            Spread::All(values) => values.get(rank(values.len() as u64) as usize - 1).copied(),
            Spread::Sketch(sketch) => Some(V::from_f64(sketch.at(rank(sketch.n)))),
        }
    }

    pub(super) fn held(&self) -> usize {
        match self {
            Spread::All(values) => values.capacity() * size_of::<V>(),
            Spread::Sketch(sketch) => (sketch.above.len() + sketch.below.len()) * 24,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sketch {
    n: u64,
    /// How many values lie in each bin; bin i holds what is above γ^(i-1) up to γ^i.
    above: BTreeMap<i32, u64>,
    /// The same for the sizes of negative values.
    below: BTreeMap<i32, u64>,
    zeros: u64,
    least: f64,
    greatest: f64,
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch {
            n: 0,
            above: BTreeMap::new(),
            below: BTreeMap::new(),
            zeros: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
        }
    }
}

fn gamma() -> f64 {
    (1.0 + ERROR) / (1.0 - ERROR)
}

fn bin(size: f64) -> i32 {
    (size.ln() / gamma().ln()).ceil() as i32
}

/// The value from which nothing in the bin is farther away than the error.
fn middle(bin: i32) -> f64 {
    // γ^bin may be beyond all doubles where the middle is not.
    (f64::from(bin) * gamma().ln() + (2.0 / (gamma() + 1.0)).ln()).exp()
}

impl Sketch {
    fn add(&mut self, value: f64, times: u64) {
        self.n += times;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        if value == 0.0 {
            self.zeros += times;
        } else {
            let side = if value > 0.0 {
                &mut self.above
            } else {
                &mut self.below
            };
            *side.entry(bin(value.abs())).or_default() += times;
        }
    }

    fn merge(&mut self, other: &Sketch) {
        self.n += other.n;
        self.zeros += other.zeros;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        for (to, from) in [
            (&mut self.above, &other.above),
            (&mut self.below, &other.below),
        ] {
            for (bin, n) in from {
                *to.entry(*bin).or_default() += n;
            }
        }
    }

    /// The value of the given rank (from 1), within the error.
    fn at(&self, rank: u64) -> f64 {
        let below = self.below.iter().rev().map(|(bin, n)| (-middle(*bin), *n));
        let above = self.above.iter().map(|(bin, n)| (middle(*bin), *n));
        let mut seen = 0;
        for (value, n) in below.chain([(0.0, self.zeros)]).chain(above) {
            seen += n;
            if seen >= rank {
                return value.clamp(self.least, self.greatest);
            }
        }
        self.greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of<V: Measure>(values: &[V]) -> Spread<V> {
        let mut spread = Spread::default();
        values.iter().for_each(|v| spread.add(*v));
        spread.settle();
        spread
    }

    #[test]
    fn up_to_ten_thousand_values_percentiles_are_values_of_the_nearest_rank() {
        let spread = of(&(1..=100i64).rev().collect::<Vec<_>>());
        let at = |p| spread.percentile(p).unwrap();
        assert_eq!([at(1), at(50), at(95), at(99)], [1, 50, 95, 99]);
        assert_eq!(of(&[10i64, 20, 30]).percentile(50), Some(20));
        assert_eq!(of(&[7i64]).percentile(99), Some(7));
        assert_eq!(of::<f64>(&[]).percentile(50), None);
        let all: Vec<i64> = (0..10_000).collect();
        assert_eq!(of(&all).percentile(50), Some(4_999));
    }

    /// Values of many sizes, the same each time.
    fn many(n: u64) -> Vec<f64> {
        let mut state = 1u64;
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
                (unit * 40.0 - 20.0).exp() - 0.001
            })
            .collect()
    }

    #[test]
    fn beyond_ten_thousand_they_are_within_one_per_cent() {
        let values = many(30_000);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let ints: Vec<i64> = values.iter().map(|v| v.round() as i64).collect();
        let (spread, whole) = (of(&values), of(&ints));
        for p in 1..100u8 {
            let exact = sorted[(30_000 * usize::from(p)).div_ceil(100) - 1];
            let found = spread.percentile(p).unwrap();
            assert!(
                (found - exact).abs() <= exact.abs() * 0.01,
                "p{p}: {found} for {exact}"
            );
            let found = whole.percentile(p).unwrap();
            assert!(
                (found as f64 - exact.round()).abs() <= exact.round().abs() * 0.01,
                "p{p}: {found} for {exact}"
            );
        }
    }

    #[test]
    fn the_greatest_doubles_have_bins_too() {
        let mut values = vec![f64::MAX; 6_000];
        values.extend([-f64::MAX; 6_000]);
        let spread = of(&values);
        assert!((spread.percentile(99).unwrap() / f64::MAX - 1.0).abs() <= 0.01);
        assert!((spread.percentile(1).unwrap() / f64::MAX + 1.0).abs() <= 0.01);
        assert_eq!(of(&[5e-324; 10_001]).percentile(50), Some(5e-324));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn parts_give_what_one_worker_gives(cuts in proptest::collection::vec(0usize..12_000, 1..4), n in 9_000usize..12_000) {
            let values = &many(12_000)[..n];
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(n)).chain([0, n]).collect();
            cuts.sort_unstable();
            let mut merged = Spread::default();
            for cut in cuts.windows(2).rev() {
                merged.merge(&of(&values[cut[0]..cut[1]]));
            }
            merged.settle();
            let whole = of(values);
            for p in [1, 50, 90, 99] {
                prop_assert_eq!(merged.percentile(p), whole.percentile(p));
            }
        }
    }
}
