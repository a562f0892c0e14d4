//! Sums that are correctly rounded, whatever the order in which they are added up: so a result does not depend
//! on how many workers there were.
//!
//! [`Exact`] holds a sum as a few doubles that do not overlap (Shewchuk, "Adaptive Precision Floating-Point
//! Arithmetic", 1997), and goes over to a [`Long`], one wide fixed-point number, where these do not suffice.

use super::long::Long;

/// Doubles that a sum has before it becomes a `Long`; ordinary data needs two or three.
const PARTS: usize = 4;
/// Beyond this, adding up could overflow.
const LARGE: f64 = 1e300;
/// Squares of what lies between these are exact as a sum of two doubles.
const SQUARES: std::ops::Range<f64> = 1e-140..1e140;

/// An exact sum of doubles.
#[derive(Clone, Debug, Default)]
pub(super) struct Exact {
    parts: [f64; PARTS],
    used: u8,
    long: Option<Box<Long>>,
}

/// The sum of two doubles, rounded, and what the rounding lost (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_seen = sum - a;
    let a_seen = sum - b_seen;
    (sum, (a - a_seen) + (b - b_seen))
}

impl Exact {
    pub(super) fn add(&mut self, x: f64) {
        if let Some(long) = &mut self.long {
            long.add(x);
            return;
        }
        if x.is_nan() || x.abs() >= LARGE {
            self.make_long().add(x);
            return;
        }
        let before = (self.parts, self.used);
        let mut rest = x;
        let mut kept = 0;
        for i in 0..usize::from(self.used) {
            let (sum, lost) = two_sum(rest, self.parts[i]);
            rest = sum;
            if lost != 0.0 {
                self.parts[kept] = lost;
                kept += 1;
            }
        }
        if kept == PARTS || rest.abs() >= LARGE {
            (self.parts, self.used) = before;
            self.make_long().add(x);
            return;
        }
        self.parts[kept] = rest;
        self.used = kept as u8 + 1;
    }

    /// Adds the square of `x`, not rounded.
    pub(super) fn add_square(&mut self, x: f64) {
        if self.long.is_none() && (x == 0.0 || SQUARES.contains(&x.abs())) {
            let square = x * x;
            self.add(x.mul_add(x, -square));
            self.add(square);
        } else {
            self.make_long().add_square(x);
        }
    }

    /// Adds an integer.
    pub(super) fn add_int(&mut self, i: i128) {
        // Pieces of 32 bits are doubles.
        for piece in 0..4 {
            let bits = (i.unsigned_abs() >> (32 * piece)) as u32;
            let value = f64::from(bits) * f64::powi(2.0, 32 * piece);
            self.add(if i < 0 { -value } else { value });
        }
    }

    pub(super) fn merge(&mut self, other: &Exact) {
        match &other.long {
            Some(long) => self.make_long().merge(long),
            None => other.parts[..usize::from(other.used)]
                .iter()
                .for_each(|p| self.add(*p)),
        }
    }

    /// The sum, correctly rounded.
    pub(super) fn value(&self) -> f64 {
        match (&self.long, self.used) {
            (Some(long), _) => long.value(),
            (None, 0) => 0.0,
            (None, 1) => self.parts[0] + 0.0,
            (None, _) => self.clone().into_long().value(),
        }
    }

    pub(super) fn into_long(mut self) -> Long {
        std::mem::take(self.make_long())
    }

    fn make_long(&mut self) -> &mut Long {
        let parts = &self.parts[..usize::from(self.used)];
        self.used = 0;
        self.long.get_or_insert_with(|| {
            let mut long = Long::default();
            parts.iter().for_each(|p| long.add(*p));
            Box::new(long)
        })
    }

    pub(super) fn held(&self) -> usize {
        size_of::<Exact>()
            + if self.long.is_some() {
                size_of::<Long>()
            } else {
                0
            }
    }
}

/// What the standard deviation of doubles needs: their number, their sum, and the sum of their squares.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    n: u64,
    sum: Exact,
    squares: Exact,
}

impl Moments {
    pub(super) fn add(&mut self, x: f64) {
        self.n += 1;
        self.sum.add(x);
        self.squares.add_square(x);
    }

    pub(super) fn add_int(&mut self, i: i64) {
        let size = i.unsigned_abs();
        if size < 1 << 53 {
            self.add(i as f64);
            return;
        }
        self.n += 1;
        self.sum.add_int(i.into());
        self.squares
            .make_long()
            .add_whole(false, u128::from(size) * u128::from(size));
    }

    pub(super) fn merge(&mut self, other: &Moments) {
        self.n += other.n;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// The standard deviation of a sample, correctly rounded; `None` for fewer than two values.
    pub(super) fn deviation(&self) -> Option<f64> {
        (self.n > 1).then(|| {
            Long::deviation(
                self.n,
                &self.sum.clone().into_long(),
                &self.squares.clone().into_long(),
            )
        })
    }

    pub(super) fn held(&self) -> usize {
        8 + self.sum.held() + self.squares.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> f64 {
        let mut e = Exact::default();
        values.iter().for_each(|v| e.add(*v));
        e.value()
    }

    fn deviation(values: &[f64]) -> Option<f64> {
        let mut m = Moments::default();
        values.iter().for_each(|v| m.add(*v));
        m.deviation()
    }

    #[test]
    fn sums_are_those_of_an_exact_calculation() {
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(
            sum(&[1e100, 1.0, -1e100, 1e-100, 1e50, -1.0, -1e50]),
            1e-100
        );
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308, 5e-324]), 5e-324);
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        // Half an ulp more is rounded to even, and ever so little above half an ulp up.
        assert_eq!(sum(&[1.0, 2f64.powi(-53)]), 1.0);
        assert_eq!(sum(&[1.0, 2f64.powi(-53), 5e-324]), 1.0 + f64::EPSILON);
        assert_eq!(
            sum(&[1.0, f64::EPSILON, 2f64.powi(-53)]),
            1.0 + 2.0 * f64::EPSILON
        );
    }

    #[test]
    fn great_ints_are_not_rounded_before_their_deviation_is_taken() {
        let mut m = Moments::default();
        [i64::MAX, i64::MAX - 1, i64::MAX - 2]
            .into_iter()
            .for_each(|i| m.add_int(i));
        assert_eq!(m.deviation(), Some(1.0));
        [i64::MIN; 3].into_iter().for_each(|i| m.add_int(i));
        assert_eq!(m.deviation(), Some(1.010_369_784_169_546_1e19));
    }

    #[test]
    fn infinities_and_nan_go_through() {
        assert_eq!(sum(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert!(sum(&[f64::NEG_INFINITY, 1.0, f64::INFINITY]).is_nan());
        assert!(sum(&[f64::NAN, f64::INFINITY]).is_nan());
        assert!(deviation(&[1.0, f64::NAN]).unwrap().is_nan());
    }

    #[test]
    fn deviations_are_those_of_an_exact_calculation() {
        assert_eq!(deviation(&[]), None);
        assert_eq!(deviation(&[3.0]), None);
        assert_eq!(deviation(&[3.0, 3.0]), Some(0.0));
        assert_eq!(
            deviation(&[1.0, 2.0, 3.0, 4.0]),
            Some(1.290_994_448_735_805_6)
        );
        // As statistics.stdev of Python 3.11 says, which calculates with fractions.
        assert_eq!(
            deviation(&[1.5, 2.5, 2.5, 2.75, 3.25, 4.75]),
            Some(1.081_087_415_521_982_7)
        );
        assert_eq!(
            deviation(&[1e9 + 0.1, 1e9 + 0.2, 1e9 + 0.3]),
            Some(0.099_999_964_237_219_06)
        );
        assert_eq!(deviation(&[1e200, -1e200]), Some(1.414_213_562_373_095e200));
        assert_eq!(deviation(&[5e-324, 0.0, 0.0]), Some(5e-324));
        assert_eq!(
            deviation(&[1e-200, 3e-200, 7e-200]),
            Some(3.055_050_463_303_893_7e-200)
        );
    }

    proptest! {
        #[test]
        fn a_sum_does_not_depend_on_order_or_parts(
            parts in proptest::collection::vec(proptest::collection::vec(any::<f64>(), 0..12), 1..5),
        ) {
            let all: Vec<f64> = parts.iter().flatten().copied().collect();
            let mut reversed = all.clone();
            reversed.reverse();
            let mut merged = Exact::default();
            let mut moments = Moments::default();
            for part in parts.iter().rev() {
                let (mut e, mut m) = (Exact::default(), Moments::default());
                part.iter().for_each(|v| { e.add(*v); m.add(*v); });
                merged.merge(&e);
                moments.merge(&m);
            }
            prop_assert_eq!(sum(&all).to_bits(), sum(&reversed).to_bits());
            prop_assert_eq!(sum(&all).to_bits(), merged.value().to_bits());
            prop_assert_eq!(deviation(&all).map(f64::to_bits), moments.deviation().map(f64::to_bits));
        }

        #[test]
        fn sums_of_scaled_integers_are_rounded_as_the_exact_sum(
            values in proptest::collection::vec((any::<i32>(), 0i32..60), 0..40),
            scale in -900i32..800,
        ) {
            let exact: i128 = values.iter().map(|(v, e)| i128::from(*v) << e).sum();
            let doubles: Vec<f64> = values.iter().map(|(v, e)| f64::from(*v) * 2f64.powi(*e) * 2f64.powi(scale)).collect();
            prop_assert_eq!(sum(&doubles), exact as f64 * 2f64.powi(scale));
            let mut ints = Exact::default();
            values.iter().for_each(|(v, e)| ints.add_int(i128::from(*v) << e));
            prop_assert_eq!(ints.value(), exact as f64);
        }
    }
}
