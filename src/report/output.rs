//! The one mouth: everything that this program says on its standard streams goes through [`Screen`], so
//! that a line never tears the picture, and the picture never a line.

use std::borrow::Cow;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use serde_json::json;

use super::cells::tame;
use super::paint::{Color, Paint};
use super::terminal::Canvas;
use crate::notice::Level;
use crate::steps::Output;
use crate::value::Secrets;

/// More than this is not kept back while a picture is shown.
const KEEP: usize = 16 << 10;
/// Pictures a second, at most.
const PICTURES: u8 = 20;

/// Standard output and standard error, and the picture of the run on the latter.
pub struct Screen {
    out: Mutex<Out>,
    err: Mutex<Box<dyn Write + Send>>,
    picture: Option<ProgressBar>,
    /// Does standard output go to the terminal that shows the picture?
    shared: bool,
    voice: Voice,
    secrets: OnceLock<Secrets>,
    /// For what is said on standard error.
    pub paint: Paint,
}

/// How lines for people are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    Text,
    /// Each as a JSON object, `{"event": "log", ...}`.
    Json,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// Not yet written: an unfinished line, or what came shortly after the last write; only where a picture shares the terminal.
    kept: Vec<u8>,
    /// Something was written since the last picture.
    wrote: bool,
    /// What went wrong when kept text was written.
    failed: Option<io::ErrorKind>,
}

impl Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen")
            .field("shared", &self.shared)
            .field("voice", &self.voice)
            .finish_non_exhaustive()
    }
}

/// Is standard output a terminal?
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Is standard error a terminal that can move its cursor?
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

impl Screen {
    /// The program's own streams; with a picture only where standard error is a terminal.
    ///
    /// # Errors
    /// No more file descriptors.
    pub fn real(picture: bool, voice: Voice, color: Color) -> io::Result<Screen> {
        let (out, err) = (io::stdout(), io::stderr());
        let shared = stdout_is_terminal();
        let picture = (picture && stderr_is_terminal())
            .then(|| ProgressDrawTarget::term_like_with_hz(Box::new(Canvas::stderr()), PICTURES));
        // Past the buffers of `std`: what a step writes it writes whole, and it is to be seen at once.
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        let paint = Paint {
            on: color.on(err.is_terminal()) && voice == Voice::Text,
        };
        Ok(Screen::new(
            own(out.as_fd())?,
            own(err.as_fd())?,
            picture,
            shared,
            voice,
            paint,
        ))
    }

    pub fn new(
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
        picture: Option<ProgressDrawTarget>,
        shared: bool,
        voice: Voice,
        paint: Paint,
    ) -> Screen {
        let picture = picture.map(|target| {
            let style =
                ProgressStyle::with_template("{msg}").expect("BUG: the template of the picture");
            ProgressBar::with_draw_target(None, target).with_style(style)
        });
        let out = Out {
            to: Box::new(out),
            kept: Vec::new(),
            wrote: false,
            failed: None,
        };
        Screen {
            out: Mutex::new(out),
            err: Mutex::new(Box::new(err)),
            picture,
            shared,
            voice,
            secrets: OnceLock::new(),
            paint,
        }
    }

    /// From now on these are hidden in everything but standard output: that is data.
    pub fn keep_secret(&self, secrets: Secrets) {
        // Once a run, before it starts.
        let _known = self.secrets.set(secrets);
    }

    fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.secrets
            .get()
            .map_or(Cow::Borrowed(text), |secrets| secrets.hide(text))
    }

    pub fn voice(&self) -> Voice {
        self.voice
    }

    /// Shows these lines in place of those shown before. All lines are one bar's message: a frame is drawn whole or not at all.
    pub fn draw(&self, lines: &[String]) {
        self.flush();
        if let Some(picture) = &self.picture {
            picture.set_message(Cow::Owned(self.hide(&lines.join("\n")).into_owned()));
        }
    }

    /// Takes the picture away, and writes what was kept back.
    pub fn clear(&self) {
        if let Some(picture) = &self.picture {
            picture.set_message("");
            picture.finish_and_clear();
        }
        // Who still writes when the run has ended was given up: nobody reads what it writes.
        if let Some(mut out) = self.out.try_lock() {
            let kept = std::mem::take(&mut out.kept);
            out.write(&kept);
        }
    }

    /// Writes the whole lines that were kept back.
    pub fn flush(&self) {
        // Who holds it writes, perhaps to a pipe that nobody reads: a face must not wait for that.
        if let Some(mut out) = self.out.try_lock() {
            if !out.kept.is_empty() {
                self.write_lines(&mut out);
            }
            out.wrote = false;
        }
    }

    fn write_lines(&self, out: &mut Out) {
        let end = match out.kept.iter().rposition(|b| *b == b'\n') {
            Some(newline) => newline + 1,
            None if out.kept.len() > KEEP => out.kept.len(),
            None => return,
        };
        let rest = out.kept.split_off(end);
        let lines = std::mem::replace(&mut out.kept, rest);
        self.aside(|| out.write(&lines));
        out.wrote = true;
    }

    /// Does something to the terminal while the picture is away.
    fn aside<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.picture {
            Some(picture) => picture.suspend(f),
            None => f(),
        }
    }

    /// Says a line on standard error. A stream for messages that is closed or full is no reason to stop a run.
    pub fn say(&self, level: Level, text: &str) {
        match self.voice {
            Voice::Json => {
                let name = match level {
                    Level::Error => "error",
                    Level::Warning => "warning",
                    Level::Info => "info",
                    Level::Debug => "debug",
                };
                self.raw(&json!({"event": "log", "level": name, "text": text}).to_string());
            }
            Voice::Text => {
                let text: Vec<String> = text.lines().map(tame).collect();
                let mark = match level {
                    Level::Error => self.paint.bad("error") + ": ",
                    Level::Warning => self.paint.careful("warning") + ": ",
                    Level::Info | Level::Debug => String::new(),
                };
                self.raw(&format!("{mark}{}", text.join("\n")));
            }
        }
    }

    /// A line, or several, on standard error, as they are.
    pub fn raw(&self, text: &str) {
        let text = self.hide(text).into_owned() + "\n";
        let _unheard = self.aside(|| self.err.lock().write_all(text.as_bytes()));
    }
}

impl Out {
    fn write(&mut self, bytes: &[u8]) {
        if let Err(e) = write_all(&mut *self.to, bytes) {
            self.failed = Some(e.kind());
        }
    }
}

/// Writes all, also to a stream that somebody made non-blocking.
fn write_all(to: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_for_room(),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn wait_for_room() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let out = io::stdout();
    let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
    // Whatever it answers: the next write tells.
    let _answer = poll(&mut fds, PollTimeout::from(100_u16));
}

impl Output for Screen {
    fn stdout(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self.out.lock();
        if self.picture.is_none() || !self.shared {
            return write_all(&mut *out.to, bytes);
        }
        if let Some(failed) = out.failed {
            return Err(failed.into());
        }
        out.kept.extend_from_slice(bytes);
        // The first line goes out at once, the others with the next picture: to take the picture away for
        // each would make it flicker.
        if !out.wrote || out.kept.len() > KEEP {
            self.write_lines(&mut out);
        }
        out.failed.map_or(Ok(()), |failed| Err(failed.into()))
    }

    fn stderr(&self, bytes: &[u8]) -> io::Result<()> {
        self.aside(|| write_all(&mut **self.err.lock(), bytes))
    }

    fn log(&self, line: &str) {
        self.say(Level::Info, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fake::Terminal;

    fn screen(terminal: &Terminal) -> Screen {
        // Without a limit of pictures a second, so that none is left out.
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        Screen::new(
            terminal.clone(),
            terminal.clone(),
            Some(target),
            true,
            Voice::Text,
            Paint { on: false },
        )
    }

    fn picture(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|l| (*l).to_string()).collect()
    }

    #[test]
    fn what_is_written_stands_above_the_picture() {
        let terminal = Terminal::new(10, 40);
        let screen = screen(&terminal);
        screen.draw(&picture(&["read 10%", "parse"]));
        screen.stdout(b"one\n").unwrap();
        screen.say(Level::Warning, "two");
        assert_eq!(terminal.shows(), "one\nwarning: two\nread 10%\nparse");
        screen.draw(&picture(&["read 20%", "parse"]));
        assert_eq!(terminal.shows(), "one\nwarning: two\nread 20%\nparse");
    }

    #[test]
    fn an_unfinished_line_waits_for_its_end() {
        let terminal = Terminal::new(10, 40);
        let screen = screen(&terminal);
        screen.draw(&picture(&["picture"]));
        screen.stdout(b"half a").unwrap();
        screen.draw(&picture(&["picture"]));
        assert_eq!(terminal.shows(), "picture");
        screen.stdout(b" line\nand").unwrap();
        screen.draw(&picture(&["picture"]));
        assert_eq!(terminal.shows(), "half a line\npicture");
        screen.clear();
        assert_eq!(terminal.shows(), "half a line\nand");
    }

    #[test]
    fn many_lines_take_the_picture_away_once() {
        let terminal = Terminal::new(10, 40);
        let screen = screen(&terminal);
        screen.draw(&picture(&["picture"]));
        for line in ["one\n", "two\n", "three\n"] {
            screen.stdout(line.as_bytes()).unwrap();
        }
        assert_eq!(terminal.shows(), "one\npicture");
        screen.draw(&picture(&["picture"]));
        assert_eq!(terminal.shows(), "one\ntwo\nthree\npicture");
    }

    #[test]
    fn a_smaller_picture_leaves_nothing_of_a_larger_one() {
        let terminal = Terminal::new(6, 40);
        let screen = screen(&terminal);
        screen.draw(&picture(&["a", "b", "c", "d"]));
        screen.draw(&picture(&["a", "b"]));
        assert_eq!(terminal.shows(), "a\nb");
        screen.clear();
        assert_eq!(terminal.shows(), "");
    }

    #[test]
    fn without_a_picture_everything_is_written_at_once() {
        let terminal = Terminal::new(10, 40);
        let screen = Screen::new(
            terminal.clone(),
            io::sink(),
            None,
            false,
            Voice::Text,
            Paint { on: false },
        );
        screen.stdout(b"half").unwrap();
        assert_eq!(terminal.shows(), "half");
    }

    #[test]
    fn a_reader_that_went_away_is_told_to_the_writer() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let bare = Screen::new(
            Gone,
            io::sink(),
            None,
            false,
            Voice::Text,
            Paint { on: false },
        );
        assert_eq!(
            bare.stdout(b"x\n").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        let target = ProgressDrawTarget::term_like(Box::new(Terminal::new(5, 20)));
        let shown = Screen::new(
            Gone,
            io::sink(),
            Some(target),
            true,
            Voice::Text,
            Paint { on: false },
        );
        assert_eq!(
            shown.stdout(b"x\n").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_message_cannot_colour_the_terminal() {
        let terminal = Terminal::new(10, 40);
        let bare = Paint { on: false };
        let screen = Screen::new(io::sink(), terminal.clone(), None, false, Voice::Text, bare);
        screen.log("\u{1b}[31mred");
        assert_eq!(terminal.shows(), "\\u{1b}[31mred");
    }
}
