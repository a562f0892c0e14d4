//! Lines and columns of many places of one file, each in logarithmic time.

use crate::diagnostic::{At, Place, Source};

#[derive(Debug)]
pub(super) struct Places<'s> {
    text: &'s str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'s> Places<'s> {
    pub fn of(source: &'s Source) -> Places<'s> {
        let ends = source
            .text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(i, _)| i + 1);
        Places {
            text: &source.text,
            lines: std::iter::once(0).chain(ends).collect(),
        }
    }

    pub fn place(&self, at: At) -> Place {
        let start = self
            .text
            .floor_char_boundary((at.start as usize).min(self.text.len()));
        let line = self.lines.partition_point(|l| *l <= start);
        let column = self.text[self.lines[line - 1]..start].chars().count() + 1;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            line: count(line),
            column: count(column),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_the_source_counts() {
        let source = Source {
            name: String::new(),
            text: "a: é\nb:\n\n  - x\n".into(),
        };
        let places = Places::of(&source);
        for i in 0..=source.text.len() {
            let at = At::new(i, i);
            assert_eq!(places.place(at), source.place(at), "byte {i}");
        }
    }
}
