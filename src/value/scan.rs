//! Looking for bytes that are probably not far off: sixteen at once, in place. (`memchr` is for what is far: it must
//! first jump into a function that has found out what the processor can.)

#[cfg(target_arch = "x86_64")]
use super::raw::marks;

/// Sixteen bytes, a bit for each that is one of `bytes`.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn marks<const N: usize>(bytes: [u8; N], chunk: [u8; 16]) -> u32 {
    portable_marks(bytes, chunk)
}

/// What `marks` does, for processors whose instructions nobody has looked at here.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn portable_marks<const N: usize>(bytes: [u8; N], chunk: [u8; 16]) -> u32 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (words, _) = chunk.as_chunks::<8>();
    let mut all = 0;
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let mut found = 0;
        for byte in bytes {
            let x = word ^ (0x0101_0101_0101_0101 * u64::from(byte));
            // The high bit of each byte that is 0 in `x`, without carries between bytes.
            found |= !(((x & LOW) + LOW) | x | LOW);
        }
        // Gathers the eight high bits into the lowest byte.
        let bits = (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        all |= (bits as u32) << (8 * i);
    }
    all
}

/// The place of the first of these bytes.
#[inline]
pub fn near<const N: usize>(bytes: [u8; N], text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(chunk) = text[at..].first_chunk::<16>() {
        let found = marks(bytes, *chunk);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += 16;
    }
    let found = tail_marks(bytes, text, at);
    (found != 0).then(|| at + found.trailing_zeros() as usize)
}

/// The marks of what stands behind `at`, which is less than a chunk.
#[inline]
fn tail_marks<const N: usize>(bytes: [u8; N], text: &[u8], at: usize) -> u32 {
    let len = text.len() - at;
    if let Some(last) = text.last_chunk::<16>() {
        // Looked at from further back; what was seen already is shifted out.
        return marks(bytes, *last) >> (16 - len);
    }
    let mut chunk = [0; 16];
    chunk[..len].copy_from_slice(&text[at..]);
    // The bytes behind the text are none of it.
    marks(bytes, chunk) & ((1 << len) - 1)
}

/// The places of these bytes, one after the other.
#[derive(Debug)]
pub struct Hits<'a, const N: usize> {
    bytes: [u8; N],
    text: &'a [u8],
    /// Where the next chunk begins.
    at: usize,
    /// What is left of the marks of the chunk that ends at `end`.
    marks: u32,
    base: usize,
}

impl<'a, const N: usize> Hits<'a, N> {
    #[inline]
    pub fn new(bytes: [u8; N], text: &'a [u8]) -> Hits<'a, N> {
        Hits {
            bytes,
            text,
            at: 0,
            marks: 0,
            base: 0,
        }
    }
}

impl<const N: usize> Iterator for Hits<'_, N> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.marks == 0 {
            if self.at >= self.text.len() {
                return None;
            }
            self.base = self.at;
            self.marks = match self.text[self.at..].first_chunk::<16>() {
                Some(chunk) => marks(self.bytes, *chunk),
                None => tail_marks(self.bytes, self.text, self.at),
            };
            self.at += 16;
        }
        let hit = self.base + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(0),
            Just(1),
            Just(2),
            Just(0x80),
            Just(0x81),
            any::<u8>()
        ];
        proptest::collection::vec(byte, 0..80)
    }

    proptest! {
        #[test]
        fn every_place_is_found_in_order(text in texts(), a: u8, b in 0u8..3) {
            let naive: Vec<usize> = (0..text.len()).filter(|i| text[*i] == a || text[*i] == b).collect();
            prop_assert_eq!(Hits::new([a, b], &text).collect::<Vec<_>>(), naive);
            prop_assert_eq!(near([a], &text), text.iter().position(|x| *x == a));
        }

        #[test]
        fn both_ways_of_marking_agree(chunk: [u8; 16], more in texts(), a: u8, b in 0u8..3) {
            prop_assert_eq!(marks([a, b], chunk), portable_marks([a, b], chunk));
            if let Some(chunk) = more.first_chunk::<16>() {
                prop_assert_eq!(marks([a, b, 0x80], *chunk), portable_marks([a, b, 0x80], *chunk));
            }
        }
    }
}
