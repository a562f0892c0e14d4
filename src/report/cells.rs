//! Text in columns: its width on the screen (wide letters are two columns, colours none), cut and padded.

pub use console::measure_text_width as width;

/// The text in exactly `columns` columns, at the left.
pub fn left(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let gap = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(gap))
}

/// The text in exactly `columns` columns, at the right.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let gap = columns.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(gap))
}

/// The text in at most `columns` columns; what was cut off is shown as `…`.
pub fn cut(text: &str, columns: usize) -> String {
    console::truncate_str(text, columns, "…").into_owned()
}

/// The text as one line without control characters, so that no item can move the cursor or colour the screen.
pub fn tame(text: &str) -> String {
    let mut tame = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => tame.push_str("\\n"),
            '\t' => tame.push_str("\\t"),
            '\r' => tame.push_str("\\r"),
            c if c.is_control() => tame.extend(c.escape_unicode()),
            c => tame.push(c),
        }
    }
    tame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_as_they_are_seen() {
        assert_eq!(left("ab", 4), "ab  ");
        assert_eq!(right("日本", 5), " 日本");
        assert_eq!(cut("a long name", 6), "a lon…");
        assert_eq!(
            left("\u{1b}[31mred\u{1b}[0m", 5),
            "\u{1b}[31mred\u{1b}[0m  "
        );
    }

    #[test]
    fn an_item_cannot_move_the_cursor() {
        assert_eq!(tame("a\u{1b}[2J\nb\u{7f}"), "a\\u{1b}[2J\\nb\\u{7f}");
    }
}
