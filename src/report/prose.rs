//! Text that is read, not scanned: paragraphs in lines of a comfortable width, code as it stands.

use super::cells::width;
use super::paint::Paint;

/// Lines longer than this are hard to follow.
const COMFORTABLE: usize = 96;

/// The text with its paragraphs wrapped anew; lines that begin with four blanks are code and stay.
pub fn wrapped(text: &str, columns: usize, paint: Paint) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    let finish = |paragraph: &mut String, out: &mut Vec<String>| {
        if !paragraph.is_empty() {
            out.extend(lines(paragraph, columns.min(COMFORTABLE)));
            paragraph.clear();
        }
    };
    for line in text.lines() {
        if line.starts_with("    ") || line.trim().is_empty() {
            finish(&mut paragraph, &mut out);
            out.push(paint.busy(line.trim_end()));
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    finish(&mut paragraph, &mut out);
    out.join("\n")
}

/// A text in lines of at most so many columns, broken between words.
pub fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// Two columns: each name, and what there is to say of it, wrapped beside it.
pub fn table(rows: &[(String, String)], columns: usize, paint: Paint) -> Vec<String> {
    let names = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let beside = columns
        .min(COMFORTABLE + names)
        .saturating_sub(names + 4)
        .max(20);
    let mut out = Vec::new();
    for (name, text) in rows {
        let mut name = super::cells::left(name, names);
        for line in lines(text, beside) {
            out.push(
                format!("  {}  {line}", paint.strong(&name))
                    .trim_end()
                    .to_string(),
            );
            name = " ".repeat(names);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_code_is_not() {
        let text = "One two three\nfour five.\n\n    a: very long line of code\n\nSix.";
        let paint = Paint { on: false };
        let expected = "One two\nthree four\nfive.\n\n    a: very long line of code\n\nSix.";
        assert_eq!(wrapped(text, 10, paint), expected);
    }

    #[test]
    fn a_long_text_stays_beside_its_name() {
        let rows = [
            ("n".to_string(), "one two three four five six".to_string()),
            ("by".into(), "x".into()),
        ];
        let expected = ["  n   one two three four", "      five six", "  by  x"];
        assert_eq!(table(&rows, 26, Paint { on: false }), expected);
    }
}
