//! A text for `sh`: each `{expression}` becomes a quoted positional parameter, so that a value is never code.

use super::super::Reader;
use super::super::template_text::TemplateText;
use super::argv::{template_end, unclosed, utf8_len};
use crate::diagnostic::Diagnostic;
use crate::spec::{Node, Text};

/// The script that `sh -c` gets, and the templates of its positional parameters.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub text: String,
    pub args: Vec<TemplateText>,
}

/// What the shell is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    /// `"..."`; where it began.
    Double(usize),
    /// `$(...)` or `(...)`.
    Paren,
    /// `$((...))`, where nothing is split and quotes may not stand.
    Sum,
    /// `(...)` in there.
    Bracket,
    /// `` `...` ``
    Back,
}

/// Reads a text for the shell. `${...}` in it is the shell's own.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<(Script, Text)> {
    let what = "the text of `shell`";
    let Some(text) = node.raw().filter(|_| !node.is_null() && !node.is_broken()) else {
        let message = format!("{what} must be a text, not {}", node.describe());
        reader.error("E0105", node.at, message);
        return None;
    };
    let script = Parser {
        whole: &text,
        bytes: text.text.as_bytes(),
        at: 0,
        inside: Vec::new(),
        script: Script {
            text: String::new(),
            args: Vec::new(),
        },
        problems: Vec::new(),
    }
    .parse();
    match script {
        Ok(script) => Some((script, text)),
        Err(problems) => {
            for problem in problems {
                reader.diagnostics.push(problem);
            }
            None
        }
    }
}

struct Parser<'t> {
    whole: &'t Text,
    bytes: &'t [u8],
    at: usize,
    inside: Vec<In>,
    script: Script,
    problems: Vec<Diagnostic>,
}

impl Parser<'_> {
    fn parse(mut self) -> Result<Script, Vec<Diagnostic>> {
        while let Some(byte) = self.peek(0) {
            self.one(byte);
        }
        if let Some(In::Double(quote)) = self.inside.last() {
            self.problems.push(unclosed(self.whole, *quote));
        }
        if self.problems.is_empty() {
            Ok(self.script)
        } else {
            Err(self.problems)
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// The next bytes go into the script as they are.
    fn keep(&mut self, len: usize) {
        let end = (self.at + len).min(self.bytes.len());
        self.script.text.push_str(&self.whole.text[self.at..end]);
        self.at = end;
    }

    fn one(&mut self, byte: u8) {
        let double = matches!(self.inside.last(), Some(In::Double(_)));
        match byte {
            b'\\' => {
                let next = self.peek(1).map_or(0, utf8_len);
                self.keep(1 + next);
            }
            b'\'' if !double => match self.bytes[self.at + 1..].iter().position(|b| *b == b'\'') {
                Some(end) => self.keep(end + 2),
                None => {
                    self.problems.push(unclosed(self.whole, self.at));
                    self.at = self.bytes.len();
                }
            },
            b'"' if double => {
                self.inside.pop();
                self.keep(1);
            }
            b'"' => {
                self.inside.push(In::Double(self.at));
                self.keep(1);
            }
            b'`' if self.inside.contains(&In::Back) => {
                while self.inside.pop().is_some_and(|i| i != In::Back) {}
                self.keep(1);
            }
            b'`' => {
                self.inside.push(In::Back);
                self.keep(1);
            }
            b'$' if self.peek(1) == Some(b'{') => {
                let end = parameter_end(self.bytes, self.at + 1);
                self.keep(end - self.at);
            }
            b'$' if self.peek(1) == Some(b'(') && self.peek(2) == Some(b'(') => {
                self.inside.push(In::Sum);
                self.keep(3);
            }
            b')' if self.inside.last() == Some(&In::Sum) && self.peek(1) == Some(b')') => {
                self.inside.pop();
                self.keep(2);
            }
            b'$' if self.peek(1) == Some(b'(') => {
                self.inside.push(In::Paren);
                self.keep(2);
            }
            b'(' if self.sums() => {
                self.inside.push(In::Bracket);
                self.keep(1);
            }
            b')' if self.inside.last() == Some(&In::Bracket) => {
                self.inside.pop();
                self.keep(1);
            }
            b'(' if !double => {
                self.inside.push(In::Paren);
                self.keep(1);
            }
            b')' if self.inside.last() == Some(&In::Paren) => {
                self.inside.pop();
                self.keep(1);
            }
            b'#' if !double && self.begins_word() => {
                let line = &self.bytes[self.at..];
                let end = line.iter().position(|b| *b == b'\n').unwrap_or(line.len());
                self.keep(end);
            }
            b'{' => self.brace(double),
            b'}' if self.peek(1) == Some(b'}') => {
                self.script.text.push('}');
                self.at += 2;
            }
            byte => self.keep(utf8_len(byte)),
        }
    }

    /// Is it in the middle of a sum?
    fn sums(&self) -> bool {
        matches!(self.inside.last(), Some(In::Sum | In::Bracket))
    }

    fn begins_word(&self) -> bool {
        let before = self.at.checked_sub(1).map(|i| self.bytes[i]);
        before.is_none_or(|b| matches!(b, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'('))
    }

    fn brace(&mut self, double: bool) {
        match self.peek(1) {
            Some(b'{') => {
                self.script.text.push('{');
                self.at += 2;
            }
            // A group of commands, or nothing that could be a template.
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => self.keep(1),
            Some(_) => {
                let end = template_end(self.bytes, self.at);
                if double {
                    let place = self.whole.place(self.at..end);
                    self.problems.push(
                        Diagnostic::new("E0702", place, "a template inside double quotes")
                            .help("it is quoted already: write it outside, as in \"name: \"{name}; for braces of the shell write {{ and }}"),
                    );
                    self.at = end;
                    return;
                }
                let template = self.whole.part(self.at..end);
                self.script.args.push(TemplateText::of(template));
                let n = self.script.args.len();
                let quote = if self.sums() { "" } else { "\"" };
                self.script
                    .text
                    .push_str(&format!("{quote}${{{n}}}{quote}"));
                self.at = end;
            }
        }
    }
}

/// Behind the brace that closes a `${...}` whose brace opens at `from`.
fn parameter_end(text: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    let mut at = from;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{At, Diagnostics};
    use crate::spec::{Scalar, Value};

    fn script(text: &str) -> Result<(String, Vec<String>), Vec<String>> {
        let node = Node::new(
            Value::Scalar(Scalar::String {
                text: text.into(),
                plain: true,
            }),
            At::new(0, text.len()),
        );
        let mut diagnostics = Diagnostics::default();
        let mut reader = Reader {
            diagnostics: &mut diagnostics,
            step: "shell",
            at: node.at,
        };
        match read(&node, &mut reader) {
            Some((script, _)) => Ok((
                script.text,
                script.args.iter().map(|a| a.text().to_owned()).collect(),
            )),
            None => Err(diagnostics.iter().map(|d| d.code.to_owned()).collect()),
        }
    }

    #[test]
    fn an_expression_becomes_a_quoted_parameter_and_the_rest_is_the_shells() {
        for (text, expected, args) in [
            ("wc -c < {path}", "wc -c < \"${1}\"", vec!["{path}"]),
            (
                "echo {a}{b}-{}",
                "echo \"${1}\"\"${2}\"-\"${3}\"",
                vec!["{a}", "{b}", "{}"],
            ),
            (
                "awk '{print $1}' {f}",
                "awk '{print $1}' \"${1}\"",
                vec!["{f}"],
            ),
            (
                "echo \"$HOME ${X:-{a}}\" {x}",
                "echo \"$HOME ${X:-{a}}\" \"${1}\"",
                vec!["{x}"],
            ),
            (
                "{ echo a; echo b; } | wc",
                "{ echo a; echo b; } | wc",
                vec![],
            ),
            ("echo {{a,b}}", "echo {a,b}", vec![]),
            ("x=\"$(cat {f})\"", "x=\"$(cat \"${1}\")\"", vec!["{f}"]),
            (
                "echo # it's {x}\necho {y}",
                "echo # it's {x}\necho \"${1}\"",
                vec!["{y}"],
            ),
            ("echo \\{x} a#b", "echo \\{x} a#b", vec![]),
            (
                "f() { echo {x}; }; f",
                "f() { echo \"${1}\"; }; f",
                vec!["{x}"],
            ),
            (
                "echo $(( {n} * (2 + {m}) ))",
                "echo $(( ${1} * (2 + ${2}) ))",
                vec!["{n}", "{m}"],
            ),
            ("echo {\"a b\"}", "echo \"${1}\"", vec!["{\"a b\"}"]),
        ] {
            let (text_, args_) = script(text).unwrap();
            assert_eq!(
                (text_.as_str(), args_),
                (expected, args.iter().map(ToString::to_string).collect()),
                "{text}"
            );
        }
        assert_eq!(script("echo \"{x}\""), Err(vec!["E0702".into()]));
        assert_eq!(script("echo 'x"), Err(vec!["E0701".into()]));
        assert_eq!(script("echo \"x"), Err(vec!["E0701".into()]));
    }
}
