//! Paths of files (as Python's `pathlib` takes them apart) and URLs.

use super::super::run::{Text, Val, fault};
use super::Function;
use super::args::{str, string};
use super::link;

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "dir",
        signatures: &["dir(string) -> string"],
        about: "the folder of a path; `.` where it names none",
        examples: &[
            ("dir('a/b.txt')", "'a'"),
            ("dir('b.txt')", "'.'"),
            ("dir('/b')", "'/'"),
        ],
        pure: true,
        run: |a, _| {
            let path = str(a, 0)?;
            let trimmed = trimmed(path);
            Ok(match trimmed.rfind('/') {
                None if path.starts_with('/') => Val::text("/"),
                None => Val::text("."),
                Some(i) if trimmed[..i].trim_end_matches('/').is_empty() => Val::text("/"),
                Some(i) => {
                    Val::Str(string(a, 0)?.part(0, trimmed[..i].trim_end_matches('/').len()))
                }
            })
        },
    },
    Function {
        name: "name",
        signatures: &["name(string) -> string"],
        about: "the last part of a path",
        examples: &[("name('a/b.tar.gz')", "'b.tar.gz'")],
        pure: true,
        run: |a, _| {
            let text = string(a, 0)?;
            let (from, to) = last(text);
            Ok(Val::Str(text.part(from, to)))
        },
    },
    Function {
        name: "stem",
        signatures: &["stem(string) -> string"],
        about: "the last part of a path without its last suffix",
        examples: &[
            ("stem('a/b.tar.gz')", "'b.tar'"),
            ("stem('.bashrc')", "'.bashrc'"),
        ],
        pure: true,
        run: |a, _| {
            let text = string(a, 0)?;
            let (from, to) = last(text);
            let end = suffix(&text.as_str()[from..to]).map_or(to, |dot| from + dot);
            Ok(Val::Str(text.part(from, end)))
        },
    },
    Function {
        name: "ext",
        signatures: &["ext(string) -> string"],
        about: "the last suffix of a path, without the dot",
        examples: &[("ext('a/b.tar.gz')", "'gz'"), ("ext('.bashrc')", "''")],
        pure: true,
        run: |a, _| {
            let text = string(a, 0)?;
            let (from, to) = last(text);
            let start = suffix(&text.as_str()[from..to]).map_or(to, |dot| from + dot + 1);
            Ok(Val::Str(text.part(start, to)))
        },
    },
    Function {
        name: "host",
        signatures: &["host(string) -> string"],
        about: "the host of a URL in lower case, without user and port; an item error where it has none",
        examples: &[("host('https://me@Example.com:8080/x')", "'example.com'")],
        pure: true,
        run: |a, _| {
            let url = str(a, 0)?;
            let none = || {
                fault(format!(
                    "{url:?} has no host; a URL begins with its scheme (https://)"
                ))
            };
            link::host(url).map(Val::text).ok_or_else(none)
        },
    },
    Function {
        name: "domain",
        signatures: &["domain(string) -> string"],
        about: "the part of a URL's host that somebody has registered, by the public suffix list (publicsuffix.org); the host itself where it is an address, or has no such part",
        examples: &[
            ("domain('https://www.example.co.uk/x')", "'example.co.uk'"),
            ("domain('http://127.0.0.1:8000/')", "'127.0.0.1'"),
        ],
        pure: true,
        run: |a, _| {
            let url = str(a, 0)?;
            let none = || {
                fault(format!(
                    "{url:?} has no host; a URL begins with its scheme (https://)"
                ))
            };
            let host = link::host(url).ok_or_else(none)?;
            Ok(Val::text(link::registered(&host).unwrap_or(&host)))
        },
    },
    Function {
        name: "urljoin",
        signatures: &["urljoin(string, string) -> string"],
        about: "a link as it stands on a page, made absolute",
        examples: &[(
            "urljoin('https://a.org/x/y?z', '../b#c')",
            "'https://a.org/b#c'",
        )],
        pure: true,
        run: |a, _| Ok(Val::text(link::join(str(a, 0)?, str(a, 1)?))),
    },
];

/// Without the slashes at the end.
fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Where the last part of a path begins and ends. `.` is no part, as in pathlib.
fn last(path: &Text<'_>) -> (usize, usize) {
    let whole = trimmed(path.as_str());
    let whole = if whole == "." { "" } else { whole };
    (whole.rfind('/').map_or(0, |i| i + 1), whole.len())
}

/// The place of the dot before the last suffix.
fn suffix(name: &str) -> Option<usize> {
    name.rfind('.')
        .filter(|dot| *dot > 0 && dot + 1 < name.len())
}

#[cfg(test)]
mod tests {
    use super::super::super::run::R;
    use super::*;

    fn parts(path: &str) -> [String; 4] {
        let call = |i: usize| -> R<String> {
            let Val::Str(s) = (FUNCTIONS[i].run)(
                &[Val::Str(Text::Ref(path))],
                &super::super::Scope::default(),
            )?
            else {
                return Ok(String::new());
            };
            Ok(s.as_str().to_string())
        };
        [0, 1, 2, 3].map(|i| call(i).unwrap())
    }

    #[test]
    fn paths_come_apart_as_in_pathlib() {
        // What Python 3.12 prints for parent, name, stem and suffix[1:].
        assert_eq!(parts("a/b/c.txt"), ["a/b", "c.txt", "c", "txt"]);
        assert_eq!(parts("/c.tar.gz"), ["/", "c.tar.gz", "c.tar", "gz"]);
        assert_eq!(parts("a/b/"), ["a", "b", "b", ""]);
        assert_eq!(parts("a//b"), ["a", "b", "b", ""]);
        assert_eq!(parts("."), [".", "", "", ""]);
        assert_eq!(parts(""), [".", "", "", ""]);
        assert_eq!(parts("/"), ["/", "", "", ""]);
        assert_eq!(parts("a."), [".", "a.", "a.", ""]);
        assert_eq!(parts(".hidden.x"), [".", ".hidden.x", ".hidden", "x"]);
    }
}
