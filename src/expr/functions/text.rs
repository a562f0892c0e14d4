//! Functions of texts. Places and lengths count characters (Unicode scalar values), as CEL has it.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use regex::Regex;

use super::super::run::{Bin, R, Text, Val, fault};
use super::Function;
use super::args::{dict, int, list, str, string, wanted};

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "contains",
        signatures: &["string.contains(string) -> bool"],
        about: "is the other text in it?",
        examples: &[("'abc'.contains('b')", "true")],
        pure: true,
        run: |a, _| Ok(Val::Bool(str(a, 0)?.contains(str(a, 1)?))),
    },
    Function {
        name: "startsWith",
        signatures: &["string.startsWith(string) -> bool"],
        about: "does it begin with the other?",
        examples: &[("'/api/x'.startsWith('/api')", "true")],
        pure: true,
        run: |a, _| Ok(Val::Bool(str(a, 0)?.starts_with(str(a, 1)?))),
    },
    Function {
        name: "endsWith",
        signatures: &["string.endsWith(string) -> bool"],
        about: "does it end with the other?",
        examples: &[("'a.gz'.endsWith('.gz')", "true")],
        pure: true,
        run: |a, _| Ok(Val::Bool(str(a, 0)?.ends_with(str(a, 1)?))),
    },
    Function {
        name: "matches",
        signatures: &[
            "string.matches(string) -> bool",
            "matches(string, string) -> bool",
        ],
        about: "does the regular expression (syntax of RE2) match somewhere in it? Write the pattern raw: `r'\\d+'`",
        examples: &[
            ("'abc1'.matches(r'^[a-z]+\\d$')", "true"),
            ("matches('abc', 'b')", "true"),
        ],
        pure: true,
        run: |a, _| Ok(Val::Bool(regex(str(a, 1)?)?.is_match(str(a, 0)?))),
    },
    Function {
        name: "size",
        signatures: &[
            "string.size() -> int",
            "bytes.size() -> int",
            "[T].size() -> int",
            "map(T, U).size() -> int",
            "size(string) -> int",
            "size(bytes) -> int",
            "size([T]) -> int",
            "size(map(T, U)) -> int",
        ],
        about: "how many characters, bytes, elements or fields it has",
        examples: &[
            ("size('äbc')", "3"),
            ("[1, 2].size()", "2"),
            ("size({'a': 1})", "1"),
            ("size(b'ä')", "2"),
        ],
        pure: true,
        run: size,
    },
    Function {
        name: "lowerAscii",
        signatures: &["string.lowerAscii() -> string"],
        about: "with a to z for A to Z",
        examples: &[("'AbÄ'.lowerAscii()", "'abÄ'")],
        pure: true,
        run: |a, _| {
            cased(
                string(a, 0)?,
                u8::is_ascii_uppercase,
                str::to_ascii_lowercase,
            )
        },
    },
    Function {
        name: "upperAscii",
        signatures: &["string.upperAscii() -> string"],
        about: "with A to Z for a to z",
        examples: &[("'get'.upperAscii()", "'GET'")],
        pure: true,
        run: |a, _| {
            cased(
                string(a, 0)?,
                u8::is_ascii_lowercase,
                str::to_ascii_uppercase,
            )
        },
    },
    Function {
        name: "trim",
        signatures: &["string.trim() -> string"],
        about: "without white space around it",
        examples: &[("'  a b\\n'.trim()", "'a b'")],
        pure: true,
        run: |a, _| {
            let text = string(a, 0)?;
            let whole = text.as_str();
            let from = whole.len() - whole.trim_start().len();
            Ok(Val::Str(text.part(from, from + whole.trim().len())))
        },
    },
    Function {
        name: "substring",
        signatures: &[
            "string.substring(int) -> string",
            "string.substring(int, int) -> string",
        ],
        about: "from a place to the end, or to another place (not included)",
        examples: &[
            ("'tacocat'.substring(4)", "'cat'"),
            ("'tacocat'.substring(0, 4)", "'taco'"),
        ],
        pure: true,
        run: substring,
    },
    Function {
        name: "charAt",
        signatures: &["string.charAt(int) -> string"],
        about: "the character at a place; an empty text at the end",
        examples: &[("'abc'.charAt(1)", "'b'"), ("'abc'.charAt(3)", "''")],
        pure: true,
        run: |a, _| {
            let (text, at) = (string(a, 0)?, int(a, 1)?);
            let from = byte(text.as_str(), at)?;
            let len = text.as_str()[from..]
                .chars()
                .next()
                .map_or(0, char::len_utf8);
            Ok(Val::Str(text.part(from, from + len)))
        },
    },
    Function {
        name: "indexOf",
        signatures: &[
            "string.indexOf(string) -> int",
            "string.indexOf(string, int) -> int",
        ],
        about: "the place where the other text first stands in it (not before the given place), -1 where it does not",
        examples: &[
            ("'tacocat'.indexOf('a')", "1"),
            ("'tacocat'.indexOf('a', 3)", "5"),
            ("'abc'.indexOf('x')", "-1"),
        ],
        pure: true,
        run: |a, _| {
            let text = str(a, 0)?;
            let from = if a.len() > 2 {
                byte(text, int(a, 2)?)?
            } else {
                0
            };
            place(text, text[from..].find(str(a, 1)?).map(|i| i + from))
        },
    },
    Function {
        name: "lastIndexOf",
        signatures: &[
            "string.lastIndexOf(string) -> int",
            "string.lastIndexOf(string, int) -> int",
        ],
        about: "the place where the other text last stands in it (not after the given place), -1 where it does not",
        examples: &[
            ("'tacocat'.lastIndexOf('a')", "5"),
            ("'tacocat'.lastIndexOf('a', 4)", "1"),
        ],
        pure: true,
        run: |a, _| {
            let (text, part) = (str(a, 0)?, str(a, 1)?);
            let end = if a.len() > 2 {
                (byte(text, int(a, 2)?)? + part.len()).min(text.len())
            } else {
                text.len()
            };
            place(text, text[..text.floor_char_boundary(end)].rfind(part))
        },
    },
    Function {
        name: "replace",
        signatures: &[
            "string.replace(string, string) -> string",
            "string.replace(string, string, int) -> string",
        ],
        about: "every (or at most so many times) first text in it replaced by the second",
        examples: &[
            ("'a-b-c'.replace('-', '+')", "'a+b+c'"),
            ("'a-b-c'.replace('-', '+', 1)", "'a+b-c'"),
        ],
        pure: true,
        run: |a, _| {
            let (text, old, new) = (string(a, 0)?, str(a, 1)?, str(a, 2)?);
            let times = if a.len() > 3 { int(a, 3)? } else { -1 };
            Ok(match usize::try_from(times) {
                Ok(0) => Val::Str(text.clone()),
                Ok(times) => Val::text(text.as_str().replacen(old, new, times)),
                Err(_) if text.as_str().contains(old) => Val::text(text.as_str().replace(old, new)),
                Err(_) => Val::Str(text.clone()),
            })
        },
    },
    Function {
        name: "split",
        signatures: &[
            "string.split(string) -> [string]",
            "string.split(string, int) -> [string]",
        ],
        about: "its parts between a separator (an empty one: its characters); at most so many",
        examples: &[
            ("'a,b,c'.split(',')", "['a', 'b', 'c']"),
            ("'a,b,c'.split(',', 2)", "['a', 'b,c']"),
            ("'abc'.split('')", "['a', 'b', 'c']"),
        ],
        pure: true,
        run: split,
    },
    Function {
        name: "join",
        signatures: &[
            "[string].join() -> string",
            "[string].join(string) -> string",
        ],
        about: "the texts of a list in a row, with a separator between them",
        examples: &[
            ("['a', 'b'].join('-')", "'a-b'"),
            ("['a', 'b'].join()", "'ab'"),
        ],
        pure: true,
        run: |a, _| {
            let separator = if a.len() > 1 { str(a, 1)? } else { "" };
            let mut out = String::new();
            for (i, part) in list(a, 0)?.iter().enumerate() {
                if i > 0 {
                    out.push_str(separator);
                }
                match &part {
                    Val::Str(s) => out.push_str(s.as_str()),
                    other => return wanted("a list of strings", other),
                }
            }
            Ok(Val::text(out))
        },
    },
    Function {
        name: "reverse",
        signatures: &["string.reverse() -> string"],
        about: "its characters from the last to the first",
        examples: &[("'abc'.reverse()", "'cba'")],
        pure: true,
        run: |a, _| Ok(Val::text(str(a, 0)?.chars().rev().collect::<String>())),
    },
    Function {
        name: "format",
        signatures: &["string.format([any]) -> string"],
        about: "the text with values put in: `%s` any value, `%d` int, `%f` `%e` double, `%b` `%o` `%x` `%X` other bases, `%.2f` two places, `%%` a percent sign",
        examples: &[("'%s: %d of %.1f%%'.format(['x', 3, 2.5])", "'x: 3 of 2.5%'")],
        pure: true,
        run: |a, _| super::format::format(str(a, 0)?, &mut list(a, 1)?.iter()).map(Val::text),
    },
    Function {
        name: "strings.quote",
        signatures: &["strings.quote(string) -> string"],
        about: "the text in double quotes, special characters escaped",
        examples: &[("strings.quote('a\"b')", r#"'"a\\"b"'"#)],
        pure: true,
        run: |a, _| Ok(Val::text(quoted(str(a, 0)?))),
    },
    Function {
        name: "base64.encode",
        signatures: &["base64.encode(bytes) -> string"],
        about: "bytes as base64",
        examples: &[("base64.encode(b'hello')", "'aGVsbG8='")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Bytes(b) => Ok(Val::text(STANDARD.encode(b.as_slice()))),
            other => wanted("bytes", other),
        },
    },
    Function {
        name: "base64.decode",
        signatures: &["base64.decode(string) -> bytes"],
        about: "base64, with or without padding, as bytes",
        examples: &[("string(base64.decode('aGVsbG8='))", "'hello'")],
        pure: true,
        run: |a, _| {
            let text = str(a, 0)?;
            let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('='));
            let bytes = bytes.map_err(|e| fault(format!("{text:?} is not base64: {e}")))?;
            Ok(Val::Bytes(Bin::Own(bytes)))
        },
    },
];

fn size<'a>(a: &[Val<'a>], _: &super::Scope) -> R<Val<'a>> {
    let size = match &a[0] {
        Val::Str(s) => chars(s.as_str()),
        Val::Bytes(b) => Bin::as_slice(b).len(),
        Val::List(l) => l.len(),
        Val::Map(_) => dict(a, 0)?.len(),
        other => return wanted("a string, bytes, a list or a record", other),
    };
    Ok(Val::Int(size as i64))
}

pub(in crate::expr) fn chars(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// The byte where the character number `at` begins; the end, for the number of characters.
fn byte(text: &str, at: i64) -> R<usize> {
    let place = usize::try_from(at).ok();
    let found = if text.is_ascii() {
        place.filter(|p| *p <= text.len())
    } else {
        place.and_then(|p| {
            text.char_indices()
                .map(|(i, _)| i)
                .chain([text.len()])
                .nth(p)
        })
    };
    found.ok_or_else(|| {
        fault(format!(
            "the place {at} is not within a text of {} characters",
            chars(text)
        ))
    })
}

/// A byte's place in characters.
fn place<'a>(text: &str, byte: Option<usize>) -> R<Val<'a>> {
    Ok(Val::Int(byte.map_or(-1, |b| chars(&text[..b]) as i64)))
}

fn substring<'a>(a: &[Val<'a>], _: &super::Scope) -> R<Val<'a>> {
    let (text, from) = (string(a, 0)?, int(a, 1)?);
    let start = byte(text.as_str(), from)?;
    let end = if a.len() > 2 {
        byte(text.as_str(), int(a, 2)?)?
    } else {
        text.as_str().len()
    };
    if end < start {
        return Err(fault(format!(
            "a part from place {from} to place {} is none",
            int(a, 2)?
        )));
    }
    Ok(Val::Str(text.part(start, end)))
}

fn cased<'a>(text: &Text<'a>, other: fn(&u8) -> bool, to: fn(&str) -> String) -> R<Val<'a>> {
    Ok(Val::Str(if text.as_str().as_bytes().iter().any(other) {
        Text::Own(to(text.as_str()))
    } else {
        text.clone()
    }))
}

fn split<'a>(a: &[Val<'a>], _: &super::Scope) -> R<Val<'a>> {
    let (text, separator) = (string(a, 0)?, str(a, 1)?);
    let whole = text.as_str();
    let most = match a.get(2) {
        Some(_) => usize::try_from(int(a, 2)?).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    if most == 0 {
        return Ok(Val::list(Vec::new()));
    }
    let mut parts = Vec::new();
    let mut from = 0;
    while parts.len() + 1 < most {
        let next = if separator.is_empty() {
            // Between characters, but not after the last.
            whole[from..]
                .chars()
                .next()
                .map(char::len_utf8)
                .filter(|n| from + n < whole.len())
        } else {
            whole[from..].find(separator)
        };
        let Some(len) = next else { break };
        parts.push(Val::Str(text.part(from, from + len)));
        from += len + separator.len();
    }
    if !(separator.is_empty() && whole.is_empty()) {
        parts.push(Val::Str(text.part(from, whole.len())));
    }
    Ok(Val::list(parts))
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' | '"' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A pattern that is known only when it runs; the last few are kept.
pub(in crate::expr) fn regex(pattern: &str) -> R<Regex> {
    thread_local! {
        static LAST: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
    }
    LAST.with_borrow_mut(|last| {
        if let Some(found) = last.get(pattern) {
            return Ok(found.clone());
        }
        let made = Regex::new(pattern).map_err(|e| {
            let text = e.to_string();
            let why = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_string();
            fault(format!("{pattern:?} is no regular expression: {why}"))
        })?;
        if last.len() >= 64 {
            last.clear();
        }
        last.insert(pattern.to_string(), made.clone());
        Ok(made)
    })
}
