//! Looking for a byte that is probably not far off.

/// The place of the first of these bytes, where it is probably not far off: eight bytes at once, without a jump
/// into a function that must first find out what the processor can.
#[inline]
pub(super) fn near<const N: usize>(bytes: [u8; N], text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, tail) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let mut found = 0;
        for byte in bytes {
            let x = word ^ (ONES * u64::from(byte));
            found |= x.wrapping_sub(ONES) & !x & (ONES << 7);
        }
        if found != 0 {
            // The lowest mark is right; those above it may be false alarms.
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = tail.iter().position(|b| bytes.contains(b))?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_of_the_bytes_is_found(text in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x80), Just(0x81), any::<u8>()], 0..40), a: u8, b in 0u8..3) {
            prop_assert_eq!(near([a], &text), text.iter().position(|x| *x == a));
            prop_assert_eq!(near([a, b], &text), text.iter().position(|x| *x == a || *x == b));
        }
    }
}
