//! The file's bytes under the parser's characters.

/// YAML 1.2, section 5.1.
pub(super) fn printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{85}' | ' '..='~' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..)
}

/// From the parser's characters to bytes.
pub(super) struct Bytes {
    /// Empty for a file of ASCII.
    starts: Vec<u32>,
    len: usize,
}

impl Bytes {
    pub fn of(text: &str) -> Bytes {
        let starts = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(i, _)| i as u32).collect()
        };
        Bytes {
            starts,
            len: text.len(),
        }
    }

    pub fn at(&self, character: usize) -> usize {
        if self.starts.is_empty() {
            character.min(self.len)
        } else {
            self.starts.get(character).map_or(self.len, |b| *b as usize)
        }
    }
}
