//! The words and signs of an expression, roughly: enough to bound its depth before the parser recurses and to
//! see what a person meant where the parser gives up. Never fails.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    Text,
    /// A text without its end.
    Open,
    Comment,
    Sign,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

impl Token {
    pub fn of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.range.clone()]
    }
}

/// Signs of two characters that belong together, also those that other languages have.
const PAIRS: [&str; 13] = [
    "==", "!=", "<=", ">=", "&&", "||", "${", "??", "?:", "<>", "**", "++", "->",
];

pub(super) fn scan(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let rest = &text[at..];
        let kind = match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                Kind::Comment
            }
            b'`' => {
                at += rest[1..].find('`').map_or(rest.len(), |i| i + 2);
                Kind::Word
            }
            b if b.is_ascii_digit() => {
                at += number(rest);
                Kind::Number
            }
            _ => match text_start(rest) {
                Some((open, raw)) => {
                    let (len, closed) = text_len(rest, open, raw);
                    at += len;
                    if closed { Kind::Text } else { Kind::Open }
                }
                None if bytes[at] == b'_' || bytes[at].is_ascii_alphabetic() => {
                    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
                    at += rest.find(|c| !word(c)).unwrap_or(rest.len());
                    Kind::Word
                }
                None => {
                    at += match PAIRS.iter().find(|p| rest.starts_with(**p)) {
                        Some(pair) => pair.len(),
                        None => rest.chars().next().map_or(1, char::len_utf8),
                    };
                    Kind::Sign
                }
            },
        };
        tokens.push(Token {
            kind,
            range: start..at,
        });
    }
    tokens
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut n = 0;
    while let Some(b) = bytes.get(n) {
        let exponent = n > 0 && matches!(bytes[n - 1], b'e' | b'E') && !rest.starts_with("0x");
        let fraction = *b == b'.' && bytes.get(n + 1).is_some_and(u8::is_ascii_digit);
        if !(b.is_ascii_alphanumeric() || fraction || exponent && matches!(b, b'+' | b'-')) {
            break;
        }
        n += 1;
    }
    n
}

/// Where a text literal begins: the length of its opening (prefix and quotes) and whether it is raw.
fn text_start(rest: &str) -> Option<(usize, bool)> {
    let prefix = rest
        .bytes()
        .take_while(|b| matches!(b, b'r' | b'R' | b'b' | b'B'))
        .count();
    let quoted = &rest[prefix..];
    if prefix > 2 || !quoted.starts_with(['"', '\'']) {
        return None;
    }
    let triple = quoted.starts_with("\"\"\"") || quoted.starts_with("'''");
    let raw = rest[..prefix].contains(['r', 'R']);
    Some((prefix + if triple { 3 } else { 1 }, raw))
}

fn text_len(rest: &str, open: usize, raw: bool) -> (usize, bool) {
    let quote = &rest[rest[..open].find(['"', '\'']).unwrap_or(0)..open];
    let bytes = rest.as_bytes();
    let mut at = open;
    while at < bytes.len() {
        if rest.as_bytes()[at..].starts_with(quote.as_bytes()) {
            return (at + quote.len(), true);
        }
        at += if bytes[at] == b'\\' && !raw { 2 } else { 1 };
    }
    (rest.len(), false)
}

/// The round brackets of a text: the parser's spans leave out those around a part, so that the span of
/// `(a + b) * c` begins at the `a`.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    /// Their places, and whether they open.
    all: Vec<(usize, bool)>,
}

impl Brackets {
    pub fn of(text: &str) -> Brackets {
        let sign = |t: Token| match t.of(text) {
            "(" => Some((t.range.start, true)),
            ")" => Some((t.range.start, false)),
            _ => None,
        };
        Brackets {
            all: scan(text).into_iter().filter_map(sign).collect(),
        }
    }

    /// The span, with the brackets whose partners are in it.
    pub fn whole(&self, span: &Range<usize>) -> Range<usize> {
        let first = self.all.partition_point(|(at, _)| *at < span.start);
        let last = self.all.partition_point(|(at, _)| *at < span.end);
        let (mut open, mut before) = (0usize, 0usize);
        for (_, opens) in &self.all[first..last] {
            match (opens, open) {
                (true, _) => open += 1,
                (false, 0) => before += 1,
                (false, _) => open -= 1,
            }
        }
        let start = match before {
            0 => span.start,
            n => first.checked_sub(n).map_or(span.start, |i| self.all[i].0),
        };
        let end = match open {
            0 => span.end,
            n => self
                .all
                .get(last + n - 1)
                .map_or(span.end, |(at, _)| at + 1),
        };
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        scan(text).iter().map(|t| t.of(text)).collect()
    }

    #[test]
    fn texts_hide_what_is_in_them() {
        assert_eq!(
            parts(r#"a == "x && '(" + r'\' + b"""("""""#),
            [
                "a",
                "==",
                r#""x && '(""#,
                "+",
                r"r'\'",
                "+",
                "b\"\"\"(\"\"\"",
                "\""
            ]
        );
    }

    #[test]
    fn numbers_keep_their_exponents() {
        assert_eq!(
            parts("1.5e-3+0x1e-2 - 1.a"),
            ["1.5e-3", "+", "0x1e", "-", "2", "-", "1", ".", "a"]
        );
    }

    #[test]
    fn what_has_no_end_ends_with_the_text() {
        assert_eq!(parts("'abc\\"), ["'abc\\"]);
        assert_eq!(parts("`a"), ["`a"]);
        assert_eq!(parts("a // é"), ["a", "// é"]);
    }

    #[test]
    fn a_span_takes_the_brackets_that_belong_to_it() {
        let text = "f((a + b) * (c + ')'), x)";
        let whole = |from: usize, to: usize| &text[Brackets::of(text).whole(&(from..to))];
        assert_eq!(whole(3, 19), "(a + b) * (c + ')')");
        assert_eq!(whole(3, 8), "a + b");
        assert_eq!(whole(2, 9), "(a + b)");
    }
}
