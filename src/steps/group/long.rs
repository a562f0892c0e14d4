//! One wide fixed-point number that holds any sum of doubles, or of their squares, exactly.

/// The unit is 2^-2148: the square of the least double.
const UNIT: i32 = -2148;
/// Enough for 2^64 squares of the greatest double, and the sign.
const LIMBS: usize = 67;

/// A sum in two's complement, the least limb first. What is not finite is kept beside it.
#[derive(Clone, Debug)]
pub(super) struct Long {
    limbs: [u64; LIMBS],
    /// The sum of the infinities and NaNs.
    beyond: f64,
}

impl Default for Long {
    fn default() -> Long {
        Long {
            limbs: [0; LIMBS],
            beyond: 0.0,
        }
    }
}

/// A finite double as its sign, and a whole number times a power of two.
fn parts(x: f64) -> (bool, u64, i32) {
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let negative = bits >> 63 == 1;
    if exponent == 0 {
        (negative, fraction, -1074)
    } else {
        (negative, fraction | 1 << 52, exponent - 1075)
    }
}

impl Long {
    pub(super) fn add(&mut self, x: f64) {
        if x.is_finite() {
            let (negative, mantissa, exponent) = parts(x);
            self.add_bits(negative, u128::from(mantissa), exponent);
        } else {
            self.beyond += x;
        }
    }

    pub(super) fn add_square(&mut self, x: f64) {
        if x.is_finite() {
            let (_, mantissa, exponent) = parts(x);
            self.add_bits(
                false,
                u128::from(mantissa) * u128::from(mantissa),
                2 * exponent,
            );
        } else {
            self.beyond += x * x;
        }
    }

    /// Adds a whole number.
    pub(super) fn add_whole(&mut self, negative: bool, size: u128) {
        self.add_bits(negative, size, 0);
    }

    /// Adds `mantissa` times 2^`exponent`, which is a multiple of the unit.
    fn add_bits(&mut self, negative: bool, mantissa: u128, exponent: i32) {
        let shift = (exponent - UNIT) as usize;
        let (limb, bit) = (shift / 64, shift % 64);
        let low = mantissa << bit;
        let high = if bit == 0 {
            0
        } else {
            (mantissa >> (128 - bit)) as u64
        };
        let pieces = [low as u64, (low >> 64) as u64, high];
        let mut carry = false;
        for (i, to) in self.limbs[limb..].iter_mut().enumerate() {
            let piece = pieces.get(i).copied().unwrap_or(0);
            if i >= pieces.len() && !carry {
                break;
            }
            (*to, carry) = if negative {
                to.minus(piece, carry)
            } else {
                to.plus(piece, carry)
            };
        }
    }

    pub(super) fn merge(&mut self, other: &Long) {
        let mut carry = false;
        for (to, from) in self.limbs.iter_mut().zip(other.limbs) {
            (*to, carry) = to.plus(from, carry);
        }
        self.beyond += other.beyond;
    }

    /// The value, rounded to the nearest double, ties to even.
    pub(super) fn value(&self) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        let (negative, magnitude) = self.magnitude();
        let value = Natural(magnitude).round(UNIT);
        if negative { -value } else { value }
    }

    fn magnitude(&self) -> (bool, Vec<u64>) {
        let negative = self.limbs[LIMBS - 1] >> 63 == 1;
        if !negative {
            return (false, self.limbs.to_vec());
        }
        let mut carry = true;
        let negated = self.limbs.iter().map(|limb| {
            let (sum, over) = (!limb).overflowing_add(u64::from(carry));
            carry = over;
            sum
        });
        (true, negated.collect())
    }

    /// The standard deviation of a sample of `n` values (two or more), from their sum and the sum of their squares:
    /// the root of (n·squares − sum²) / (n·(n − 1)), calculated exactly and then rounded once.
    pub(super) fn deviation(n: u64, sum: &Long, squares: &Long) -> f64 {
        if sum.beyond != 0.0 || squares.beyond != 0.0 {
            return f64::NAN;
        }
        // Both as multiples of 2^-4296.
        let mut all = Natural(squares.magnitude().1)
            .times(&Natural(vec![n]))
            .shifted_up((-UNIT) as usize);
        let total = Natural(sum.magnitude().1);
        all.subtract(&total.times(&total));
        all.root_of_quotient(n, n - 1, 2 * UNIT)
    }
}

/// Adding and subtracting limbs with a carry.
trait Carry: Sized {
    fn plus(self, other: Self, carry: bool) -> (Self, bool);
    fn minus(self, other: Self, borrow: bool) -> (Self, bool);
}

impl Carry for u64 {
    fn plus(self, other: u64, carry: bool) -> (u64, bool) {
        let (sum, a) = self.overflowing_add(other);
        let (sum, b) = sum.overflowing_add(u64::from(carry));
        (sum, a | b)
    }

    fn minus(self, other: u64, borrow: bool) -> (u64, bool) {
        let (rest, a) = self.overflowing_sub(other);
        let (rest, b) = rest.overflowing_sub(u64::from(borrow));
        (rest, a | b)
    }
}

/// A whole number, the least limb first.
#[derive(Clone, Debug)]
struct Natural(Vec<u64>);

impl Natural {
    fn bits(&self) -> usize {
        let top = self.0.iter().rposition(|l| *l != 0);
        top.map_or(0, |i| 64 * i + 64 - self.0[i].leading_zeros() as usize)
    }

    fn times(&self, other: &Natural) -> Natural {
        let mut out = vec![0u64; self.0.len() + other.0.len()];
        for (i, a) in self.0.iter().enumerate().filter(|(_, a)| **a != 0) {
            let mut carry = 0u128;
            for (j, b) in other.0.iter().enumerate() {
                let sum = u128::from(*a) * u128::from(*b) + u128::from(out[i + j]) + carry;
                out[i + j] = sum as u64;
                carry = sum >> 64;
            }
            out[i + other.0.len()] = carry as u64;
        }
        Natural(out)
    }

    fn shifted_up(&self, by: usize) -> Natural {
        let mut out = vec![0u64; by / 64];
        let bit = by % 64;
        let mut carry = 0u64;
        for limb in &self.0 {
            out.push(limb << bit | carry);
            carry = if bit == 0 { 0 } else { limb >> (64 - bit) };
        }
        out.push(carry);
        Natural(out)
    }

    /// Takes away a number that is not greater.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (i, to) in self.0.iter_mut().enumerate() {
            (*to, borrow) = to.minus(other.0.get(i).copied().unwrap_or(0), borrow);
        }
        debug_assert!(
            !borrow,
            "BUG: the sum of squares is less than the square of the sum"
        );
    }

    /// Divides; was there a rest?
    fn divide(&mut self, by: u64) -> bool {
        let mut rest = 0u128;
        for limb in self.0.iter_mut().rev() {
            let part = rest << 64 | u128::from(*limb);
            *limb = (part / u128::from(by)) as u64;
            rest = part % u128::from(by);
        }
        rest != 0
    }

    /// The bits from `low` on, and whether any below are set.
    fn bits_from(&self, low: usize) -> (u128, bool) {
        let limb = |i: usize| u128::from(self.0.get(i).copied().unwrap_or(0));
        let (i, bit) = (low / 64, low % 64);
        let mut bits = (limb(i) | limb(i + 1) << 64) >> bit;
        if bit > 0 {
            bits |= limb(i + 2) << (128 - bit);
        }
        let sticky =
            self.0.iter().take(i).any(|l| *l != 0) || limb(i) as u64 & ((1 << bit) - 1) != 0;
        (bits, sticky)
    }

    /// This many times 2^`unit`, rounded.
    fn round(&self, unit: i32) -> f64 {
        let low = self.bits().saturating_sub(64);
        let (bits, sticky) = self.bits_from(low);
        rounded(bits as u64, unit + low as i32, sticky)
    }

    /// The root of (this many times 2^`unit`) / (a·b), rounded. `unit` is even.
    fn root_of_quotient(&self, a: u64, b: u64, unit: i32) -> f64 {
        if self.bits() == 0 {
            return 0.0;
        }
        // 128 bits more than the divisors can take away, so that the quotient has at least 126.
        let mut quotient = self.shifted_up(256);
        let mut sticky = quotient.divide(a);
        sticky |= quotient.divide(b);
        let mut low = quotient.bits().saturating_sub(126);
        low += low % 2;
        let (bits, below) = quotient.bits_from(low);
        let root = bits.isqrt();
        sticky = sticky || below || root * root != bits;
        rounded(root as u64, (unit - 256).midpoint(low as i32), sticky)
    }
}

/// `mantissa` times 2^`exponent`, and a little more where `sticky`: the nearest double, ties to even.
fn rounded(mantissa: u64, exponent: i32, sticky: bool) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let up = mantissa.leading_zeros() as i32;
    let (mantissa, exponent) = (mantissa << up, exponent - up);
    // The value is 1.xxx times 2^(exponent + 63). Below 2^-1022 there are fewer bits.
    let lost = 11.max(-1074 - exponent);
    if lost > 64 {
        return 0.0;
    }
    let (kept, half) = if lost == 64 {
        (0, mantissa >> 63)
    } else {
        (mantissa >> lost, mantissa >> (lost - 1) & 1)
    };
    let below = sticky || mantissa & ((1u64 << (lost - 1)) - 1) != 0;
    let kept = kept + u64::from(half == 1 && (below || kept & 1 == 1));
    let scale = exponent + lost;
    // `kept` has at most 53 bits (or is 2^53), so both factors are exact; two, for 2^scale may be out of range.
    let value = kept as f64;
    if scale > 971 {
        value * f64::powi(2.0, 971) * f64::powi(2.0, scale - 971)
    } else {
        value * power(scale)
    }
}

/// 2 to a power of at least -1074.
fn power(exponent: i32) -> f64 {
    if exponent >= -1022 {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    } else {
        f64::from_bits(1 << (exponent + 1074))
    }
}
