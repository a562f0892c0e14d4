//! A scalar's text for whoever reads it (as an expression, a template ...), and the way back from each of
//! its bytes to the file's, through quotes, escapes, folded lines and `${}`.

use std::ops::Range;

use crate::diagnostic::At;

/// A text and where each part of it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Text {
    pub text: String,
    /// The whole scalar, with its quotes.
    pub at: At,
    /// What `${}` was found in it, in the order of the file: its name (`log`, `env.HOME`) and its place.
    pub put_in: Vec<(String, At)>,
    /// Ascending; between them stands what was not written so (escapes, folds, what `${}` put in).
    runs: Vec<Run>,
}

/// Bytes that stand in the file as they are in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub text: u32,
    pub file: u32,
    pub len: u32,
}

impl Text {
    /// A text that stands in the file as it is.
    pub fn verbatim(text: String, at: At) -> Text {
        let len = (text.len() as u32).min(at.end.saturating_sub(at.start));
        Text {
            runs: vec![Run {
                text: 0,
                file: at.start,
                len,
            }],
            text,
            at,
            put_in: Vec::new(),
        }
    }

    /// A part of the text as a text of its own.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Text {
        let mut runs = Vec::new();
        for run in &self.runs {
            let (from, to) = (run.text as usize, (run.text + run.len) as usize);
            let (a, b) = (from.max(range.start), to.min(range.end));
            if a < b {
                runs.push(Run {
                    text: (a - range.start) as u32,
                    file: run.file + (a - from) as u32,
                    len: (b - a) as u32,
                });
            }
        }
        Text {
            at: self.place(range.clone()),
            text: self.text[range].to_owned(),
            put_in: Vec::new(),
            runs,
        }
    }

    /// Some stretches of the text, in order, as a text of their own (a quoted word without its quotes).
    #[must_use]
    pub fn pieces(&self, ranges: &[Range<usize>]) -> Text {
        let first = ranges.first().map_or(0, |r| r.start);
        let last = ranges.last().map_or(first, |r| r.end);
        let mut out = Text {
            at: self.place(first..last),
            ..Text::default()
        };
        for range in ranges {
            let shift = out.text.len() as u32;
            let part = self.part(range.clone());
            out.runs.extend(part.runs.iter().map(|r| Run {
                text: r.text + shift,
                ..*r
            }));
            out.text.push_str(&part.text);
        }
        out
    }

    /// The stretches that `${}` put in.
    pub fn inserted(&self) -> Vec<Range<usize>> {
        let marks: Vec<&Run> = self.runs.iter().filter(|r| r.len == 0).collect();
        marks
            .chunks_exact(2)
            .map(|pair| pair[0].text as usize..pair[1].text as usize)
            .collect()
    }

    pub(super) fn runs(&self) -> Vec<Run> {
        self.runs.clone()
    }

    /// The file's bytes for bytes of the text.
    pub fn place(&self, range: Range<usize>) -> At {
        let (start, end) = (range.start as u32, range.end.max(range.start) as u32);
        let first = self.file_at(start, false);
        let last = if end > start {
            self.file_at(end - 1, true)
        } else {
            first
        };
        At {
            start: first,
            end: last.max(first),
        }
    }

    /// Where a byte of the text begins in the file (`after`: where it ends).
    fn file_at(&self, byte: u32, after: bool) -> u32 {
        let next = self.runs.partition_point(|r| r.text <= byte);
        let before = next.checked_sub(1).map(|i| self.runs[i]);
        match before {
            Some(r) if byte < r.text + r.len => r.file + (byte - r.text) + u32::from(after),
            _ if after => self.runs.get(next).map_or(self.at.end, |r| r.file),
            Some(r) => r.file + r.len,
            None => self.at.start,
        }
    }
}

/// How a scalar was written, where its text is not simply the file's bytes.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Origin {
    /// The text as YAML gives it, before anything is put in.
    pub raw: String,
    pub runs: Vec<Run>,
    /// The `${}` in it, in order.
    pub puts: Vec<Put>,
    /// A parameter without a value was put in.
    pub stand_in: bool,
    /// Something in it could not be put in; that was said.
    pub broken: bool,
}

/// One `${}`, and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Put {
    /// Bytes of the raw text.
    pub range: Range<usize>,
    /// `log`, `env.HOME`; empty for `$${`, which writes what follows it as it is.
    pub name: String,
    pub text: String,
}

impl Origin {
    /// The text with each `${}` replaced by what `put_in` makes of its value (`None`: left as written).
    pub fn text(&self, at: At, put_in: impl Fn(&str) -> Option<String>) -> Text {
        let whole = Text {
            text: self.raw.clone(),
            at,
            put_in: Vec::new(),
            runs: self.runs.clone(),
        };
        let mut out = Text {
            at,
            ..Text::default()
        };
        let mut done = 0;
        let copy = |out: &mut Text, range: Range<usize>| {
            let shift = out.text.len();
            for run in &self.runs {
                let (from, to) = (run.text as usize, (run.text + run.len) as usize);
                let (a, b) = (from.max(range.start), to.min(range.end));
                if a < b {
                    let file = run.file + (a - from) as u32;
                    out.runs.push(Run {
                        text: (a - range.start + shift) as u32,
                        file,
                        len: (b - a) as u32,
                    });
                }
            }
            out.text.push_str(&self.raw[range]);
        };
        for put in &self.puts {
            copy(&mut out, done..put.range.start);
            match put_in(&put.text) {
                Some(text) => {
                    // What was put in begins and ends with its `${}`, whatever its neighbours are.
                    let at = whole.place(put.range.clone());
                    let mark = |out: &Text, file| Run {
                        text: out.text.len() as u32,
                        file,
                        len: 0,
                    };
                    out.runs.push(mark(&out, at.start));
                    out.text.push_str(&text);
                    out.runs.push(mark(&out, at.end));
                }
                None => copy(&mut out, put.range.clone()),
            }
            if !put.name.is_empty() {
                out.put_in
                    .push((put.name.clone(), whole.place(put.range.clone())));
            }
            done = put.range.end;
        }
        copy(&mut out, done..self.raw.len());
        out
    }
}
