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
    #[allow(unsafe_code, reason = "see SAFETY; the only use")]
    unsafe {
        std::str::from_utf8_unchecked(bytes)
    }
}
