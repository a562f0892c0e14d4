//! The unsafe corner of `value`.

/// The text of a span that is known to be UTF-8.
///
/// Every span of kind text is made from a `&str` (`Blocks::text`), as a part of one on character
/// boundaries (`Blocks::sub`), or from a block that its reader has checked (`Blocks::text_in`), and blocks
/// are immutable. Checking again at every look would cost more than parsing the line did.
#[inline]
pub(super) fn text(bytes: &[u8]) -> &str {
    debug_assert!(
        std::str::from_utf8(bytes).is_ok(),
        "BUG: a text span of another batch"
    );
    // SAFETY: see above.
    #[allow(unsafe_code, reason = "see SAFETY")]
    unsafe {
        std::str::from_utf8_unchecked(bytes)
    }
}

/// Sixteen bytes, a bit for each that is one of `bytes`.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn marks<const N: usize>(bytes: [u8; N], chunk: [u8; 16]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        _mm_setzero_si128,
    };
    let whole = u128::from_le_bytes(chunk);
    // SAFETY: the instructions are SSE2, which every processor of this architecture has; no memory is touched.
    #[allow(unsafe_code, reason = "this is the file for it")]
    unsafe {
        let text = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
        let mut found = _mm_setzero_si128();
        for byte in bytes {
            found = _mm_or_si128(
                found,
                _mm_cmpeq_epi8(text, _mm_set1_epi8(byte.cast_signed())),
            );
        }
        _mm_movemask_epi8(found).cast_unsigned()
    }
}
