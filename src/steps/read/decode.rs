//! Other encodings to UTF-8, as the bytes come in.

/// What bytes that are not UTF-8 mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// An item with others is in error; whoever cuts the items looks at that.
    Utf8,
    /// Every byte is a character.
    Latin1,
    /// What is not valid becomes U+FFFD.
    Lossy,
}

/// Turns bytes into UTF-8, piece by piece.
#[derive(Debug)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// The beginning of a character whose other bytes have not come yet (at most three).
    pending: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Decoder {
        Decoder {
            encoding,
            pending: Vec::new(),
        }
    }

    /// Does it change anything?
    pub(super) fn is_plain(&self) -> bool {
        self.encoding == Encoding::Utf8
    }

    /// How many bytes may be taken in where there is room for `room` bytes of text.
    pub(super) fn fits(&self, room: usize) -> usize {
        // A byte becomes at most two (U+00FF), or the three of U+FFFD; what is pending comes on top.
        (room / 3).saturating_sub(self.pending.len())
    }

    /// Appends the text of these bytes; `last`: nothing comes after them.
    pub(super) fn decode(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Utf8 => out.extend_from_slice(bytes),
            Encoding::Latin1 => {
                for byte in bytes {
                    match byte {
                        0..0x80 => out.push(*byte),
                        _ => out.extend_from_slice(
                            char::from(*byte).encode_utf8(&mut [0; 2]).as_bytes(),
                        ),
                    }
                }
            }
            Encoding::Lossy => {
                self.pending.extend_from_slice(bytes);
                let keep = if last { 0 } else { unfinished(&self.pending) };
                let ready = self.pending.len() - keep;
                out.extend_from_slice(String::from_utf8_lossy(&self.pending[..ready]).as_bytes());
                self.pending.drain(..ready);
            }
        }
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    for len in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - len..];
        let needs = match tail[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        let begun = std::str::from_utf8(tail).is_err_and(|e| e.error_len().is_none());
        return if needs > len && begun { len } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(encoding: Encoding, pieces: &[&[u8]]) -> String {
        let mut decoder = Decoder::new(encoding);
        let mut out = Vec::new();
        for piece in pieces {
            let before = out.len();
            decoder.decode(piece, false, &mut out);
            assert!(out.len() - before <= (piece.len() + 3) * 3);
        }
        decoder.decode(b"", true, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn latin_1_has_a_character_for_every_byte() {
        assert_eq!(decode(Encoding::Latin1, &[b"a\xe4\xff"]), "aäÿ");
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_text_as_the_whole(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)], 0..30), cut in 0usize..30) {
            let cut = cut.min(bytes.len());
            let (a, b) = bytes.split_at(cut);
            prop_assert_eq!(decode(Encoding::Lossy, &[a, b]), String::from_utf8_lossy(&bytes));
        }
    }
}
