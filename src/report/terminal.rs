//! The terminal that shows the picture: its size, and where the cursor stands between two pictures.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Standard error as indicatif draws on it, but for one thing: after a picture the cursor goes back to the first
/// column. indicatif leaves it behind the last one, where the `^C` that a terminal echoes begins a new line, and
/// the next picture a line too low.
#[derive(Debug)]
pub(super) struct Canvas(Term);

impl Canvas {
    pub(super) fn stderr() -> Canvas {
        Canvas(Term::buffered_stderr())
    }
}

/// Columns and rows of the terminal on standard error; 80 by 24 where there is none.
pub fn size() -> (usize, usize) {
    let (rows, columns) = Term::stderr().size();
    (columns.into(), rows.into())
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.0.write_line(s)
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.0.write_str(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.write_str("\r")?;
        self.0.flush()
    }
}
