//! The arguments of a program: a list, or one line that is split as a shell would, before its templates are
//! filled, so that no value can become two arguments.

use std::ops::Range;

use super::super::Reader;
use super::super::template_text::TemplateText;
use crate::diagnostic::{At, Diagnostic};
use crate::spec::{Node, Text};

/// A list of templates, or one line of them.
pub(crate) fn read(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Vec<TemplateText>> {
    let args: Option<Vec<TemplateText>> = if node.as_list().is_some() {
        node.one_or_more()
            .iter()
            .map(|n| TemplateText::read(n, &format!("an argument of {what}"), reader))
            .collect()
    } else {
        let line = reader.template(node, what)?;
        match split(&line) {
            Ok(words) => Some(words.into_iter().map(TemplateText::of).collect()),
            Err(quote) => {
                reader.diagnostics.push(unclosed(&line, quote));
                None
            }
        }
    };
    let args = args?;
    if args.is_empty() {
        let message = format!("{what} names no program");
        reader.error("E0105", node.at, message);
        return None;
    }
    Some(args)
}

/// That a quote is not closed.
pub(crate) fn unclosed(text: &Text, quote: usize) -> Diagnostic {
    let at: At = text.place(quote..quote + 1);
    Diagnostic::new("E0701", at, "this quote is not closed")
        .help("close it, or write a backslash before a quote that is meant as it is")
}

/// Splits a line into words as Python's `shlex.split` does: at blanks, with `'...'`, `"..."` and backslashes. A
/// `{template}` stays in one piece, and what `${}` put in is neither split nor unquoted.
///
/// # Errors
/// The place of a quote that is not closed.
fn split(line: &Text) -> Result<Vec<Text>, usize> {
    let text = line.text.as_bytes();
    let inserted = line.inserted();
    let mut words = Vec::new();
    // The stretches of the word that is being read; `None` between words.
    let mut word: Option<Vec<Range<usize>>> = None;
    let mut at = 0;
    while at < text.len() {
        if let Some(put) = inserted.iter().find(|r| r.start == at && !r.is_empty()) {
            word.get_or_insert_default().push(put.clone());
            at = put.end;
            continue;
        }
        match text[at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                words.extend(word.take());
                at += 1;
            }
            quote @ (b'\'' | b'"') => {
                let word = word.get_or_insert_default();
                let end = quoted(text, at, quote, &inserted, word)?;
                at = end + 1;
            }
            b'\\' if at + 1 < text.len() => {
                let len = utf8_len(text[at + 1]);
                word.get_or_insert_default().push(at + 1..at + 1 + len);
                at += 1 + len;
            }
            b'\\' => return Err(at),
            b'{' => {
                let end = template_end(text, at);
                word.get_or_insert_default().push(at..end);
                at = end;
            }
            byte => {
                let len = utf8_len(byte);
                word.get_or_insert_default().push(at..at + len);
                at += len;
            }
        }
    }
    words.extend(word);
    Ok(words.iter().map(|ranges| line.pieces(ranges)).collect())
}

/// The place of the quote that closes the one at `from`.
fn quoted(
    text: &[u8],
    from: usize,
    quote: u8,
    inserted: &[Range<usize>],
    word: &mut Vec<Range<usize>>,
) -> Result<usize, usize> {
    let mut at = from + 1;
    while at < text.len() {
        if let Some(put) = inserted.iter().find(|r| r.start == at && !r.is_empty()) {
            word.push(put.clone());
            at = put.end;
        } else if text[at] == quote {
            return Ok(at);
        } else if quote == b'"'
            && text[at] == b'\\'
            && matches!(text.get(at + 1), Some(b'"' | b'\\'))
        {
            word.push(at + 1..at + 2);
            at += 2;
        } else if text[at] == b'{' {
            // Quotes within a template are the expression's, unless it is none.
            let end = template_end(text, at);
            word.push(at..end);
            at = end;
        } else {
            let len = utf8_len(text[at]);
            word.push(at..at + len);
            at += len;
        }
    }
    Err(from)
}

/// Behind the template that begins at `from`; for `{{` behind that, for one that is not closed behind its brace.
pub(super) fn template_end(text: &[u8], from: usize) -> usize {
    if text.get(from + 1) == Some(&b'{') {
        return from + 2;
    }
    let mut depth = 0usize;
    let mut quote = None;
    let mut at = from + 1;
    while at < text.len() {
        match (quote, text[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(q), b) if q == b => quote = None,
            (Some(_), _) => {}
            (None, b @ (b'\'' | b'"')) => quote = Some(b),
            (None, b'{') => depth += 1,
            (None, b'}') if depth == 0 => return at + 1,
            (None, b'}') => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    from + 1
}

pub(super) fn utf8_len(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Result<Vec<String>, usize> {
        let text = Text::verbatim(line.into(), At::new(0, line.len()));
        Ok(split(&text)?.into_iter().map(|t| t.text).collect())
    }

    #[test]
    fn a_line_is_split_before_its_templates_are_filled() {
        for (line, expected) in [
            ("cp {path} x", vec!["cp", "{path}", "x"]),
            ("a  'b c' \"d e\"f", vec!["a", "b c", "d ef"]),
            ("x {join(a, ' ')}.txt", vec!["x", "{join(a, ' ')}.txt"]),
            ("a '' b\\ c", vec!["a", "", "b c"]),
            ("'{a + \"'\"}'", vec!["{a + \"'\"}"]),
            ("echo {{a b}}", vec!["echo", "{{a", "b}}"]),
            ("\"a\\\"b\\n\"", vec!["a\"b\\n"]),
            ("", vec![]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        assert_eq!(words("a 'b"), Err(2));
        assert_eq!(words("a \\"), Err(2));
    }

    #[test]
    fn the_words_know_where_they_stand() {
        let line = "cp 'a {x}' {oops}";
        let text = Text::verbatim(line.into(), At::new(10, 10 + line.len()));
        let words = split(&text).unwrap();
        assert_eq!(words[2].place(1..5), At::new(10 + 12, 10 + 16));
        assert_eq!(words[1].place(3..4), At::new(10 + 7, 10 + 8));
    }

    proptest! {
        #[test]
        fn without_templates_it_is_what_shlex_makes_of_it(line in "[a-c '\"\\\\é]{0,20}") {
            prop_assert_eq!(words(&line).ok(), shlex::split(&line), "{}", line);
        }
    }
}
