//! What a scalar is by the core schema of YAML 1.2 (section 10.3.2), and where the bytes of its text stand.

use saphyr_parser::ScalarStyle;

use super::node::Scalar;
use super::text::Run;

/// A plain scalar's value. `Err`: a whole number that does not fit 64 bits.
pub(super) fn resolve(text: &str) -> Result<Scalar, ()> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ => {
            return number(text).map(|n| {
                n.unwrap_or(Scalar::String {
                    text: text.into(),
                    plain: true,
                })
            });
        }
    })
}

/// A number by the core schema; `017` is 17, `0o17` is 15.
fn number(text: &str) -> Result<Option<Scalar>, ()> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if digits(unsigned) {
        return text.parse().map(|n| Some(Scalar::Int(n))).map_err(|_| ());
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix)
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_digit(radix))
        {
            return i64::from_str_radix(rest, radix)
                .map(|n| Some(Scalar::Int(n)))
                .map_err(|_| ());
        }
    }
    let negative = text.starts_with('-');
    let double = match unsigned {
        ".inf" | ".Inf" | ".INF" => Some(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }),
        _ if matches!(text, ".nan" | ".NaN" | ".NAN") => Some(f64::NAN),
        _ => {
            let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
                Some((m, e)) => (m, Some(e)),
                None => (unsigned, None),
            };
            let (whole, fraction) = match mantissa.split_once('.') {
                Some((w, f)) => (w, Some(f)),
                None => (mantissa, None),
            };
            let mantissa_is_one = (digits(whole)
                && fraction.is_none_or(|f| f.is_empty() || digits(f)))
                || (whole.is_empty() && fraction.is_some_and(digits));
            let exponent_is_one =
                exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
            if mantissa_is_one && exponent_is_one {
                text.parse().ok()
            } else {
                None
            }
        }
    };
    Ok(double.map(Scalar::Double))
}

/// Where the bytes of a scalar's `text` stand in the file: `source` is the scalar as it was written, quotes
/// included, beginning at byte `at`. What cannot be matched has no run; its neighbours give its place.
pub(super) fn runs(style: ScalarStyle, source: &str, at: usize, text: &str) -> Vec<Run> {
    let mut out = Aligned {
        text,
        done: 0,
        at,
        runs: Vec::new(),
    };
    let (quote, escape) = match style {
        ScalarStyle::SingleQuoted => (1, "''"),
        ScalarStyle::DoubleQuoted => (1, "\\"),
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => (0, ""),
    };
    let inner_end = source.len().saturating_sub(quote).max(quote);
    let mut from = quote;
    for line in source[quote.min(source.len())..inner_end.min(source.len())].split_inclusive('\n') {
        let first = from == quote;
        let body = line.trim_end_matches(['\n', '\r']);
        let indent = match style {
            // A block's lines lose the first one's indentation (`source` begins behind it), the rest is text.
            ScalarStyle::Literal | ScalarStyle::Folded => 0,
            _ if first => 0,
            _ => body.len() - body.trim_start_matches([' ', '\t']).len(),
        };
        out.line(
            &body[indent..],
            from + indent,
            escape,
            !first || quote + escape.len() == 0,
        );
        from += line.len();
    }
    out.runs
}

struct Aligned<'a> {
    text: &'a str,
    /// Bytes of the text that have been found.
    done: usize,
    at: usize,
    runs: Vec<Run>,
}

impl Aligned<'_> {
    /// One line of the scalar as written, which stands `from` bytes behind its beginning.
    fn line(&mut self, line: &str, from: usize, escape: &str, joined: bool) {
        let mut source = 0;
        if joined {
            // What joins two lines in the text (a blank, line breaks), and indentation in the file.
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            if blanks == line.len() {
                return;
            }
            let rest = &self.text[self.done..];
            let joint =
                &rest[..rest.len() - rest.trim_start_matches(['\n', '\r', ' ', '\t']).len()];
            // Indentation that belongs to the text stands right before the first character, in both.
            let in_text = joint.rsplit('\n').next().map_or(0, str::len);
            let shared = in_text.min(blanks);
            self.done += joint.len() - shared;
            source = blanks - shared;
        }
        while source < line.len() && self.done < self.text.len() {
            let rest = &line[source..];
            if !escape.is_empty() && rest.starts_with(escape) {
                let (written, makes) = unescape(rest, escape);
                source += written;
                self.done += makes.min(self.text.len() - self.done);
                while !self.text.is_char_boundary(self.done) {
                    self.done += 1;
                }
                continue;
            }
            let a = rest.chars().next();
            if a != self.text[self.done..].chars().next() {
                break;
            }
            let len = a.map_or(1, char::len_utf8);
            self.push(from + source, len);
            source += len;
            self.done += len;
        }
    }

    fn push(&mut self, source: usize, len: usize) {
        let (text, file, len) = (self.done as u32, (self.at + source) as u32, len as u32);
        match self.runs.last_mut() {
            Some(r) if r.text + r.len == text && r.file + r.len == file => r.len += len,
            _ => self.runs.push(Run { text, file, len }),
        }
    }
}

/// How many bytes an escape takes in the file, and how many its character takes in the text.
fn unescape(rest: &str, escape: &str) -> (usize, usize) {
    if escape == "''" {
        return (2, 1);
    }
    let Some(c) = rest[1..].chars().next() else {
        return (1, 0);
    };
    let digits = match c {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        // Next line (U+0085) and no-break space take two bytes, the line separators three.
        'N' | '_' => return (2, 2),
        'L' | 'P' => return (2, 3),
        _ => return (1 + c.len_utf8(), 1),
    };
    let hex = rest.get(2..2 + digits).unwrap_or("");
    let made = u32::from_str_radix(hex, 16)
        .ok()
        .and_then(char::from_u32)
        .map_or(1, char::len_utf8);
    (2 + hex.len(), made)
}
