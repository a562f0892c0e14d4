//! What people see on a terminal while a pipeline runs: the program on a real pseudo-terminal, its screen read
//! back through an emulator.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command};

use nix::pty::{Winsize, openpty};
use tempfile::TempDir;

/// A run that waits for its fifo, on a terminal of its own.
struct Show {
    _folder: TempDir,
    child: Child,
    terminal: File,
    screen: vt100::Parser,
    /// Held open, so that the source does not end.
    fifo: Option<File>,
}

impl Show {
    fn of(pipeline: &str, options: &[&str], columns: u16, rows: u16) -> Show {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("p.yaml"), pipeline).expect("a file");
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        let side = || File::from(pty.slave.try_clone().expect("a file descriptor"));
        // A session with this terminal as its own, so that ^C and keys arrive.
        let child = Command::new("setsid")
            .args([
                "--ctty",
                "--wait",
                env!("CARGO_BIN_EXE_millstream"),
                "run",
                "p.yaml",
            ])
            .args(options)
            .current_dir(folder.path())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("setsid of util-linux starts");
        let whole = |n| NonZero::new(n).expect("not zero");
        let screen = vt100::Parser::new(whole(rows), whole(columns), 0);
        let fifo = OpenOptions::new()
            .write(true)
            .open(fifo)
            .expect("it is read");
        Show {
            _folder: folder,
            child,
            terminal: File::from(pty.master),
            screen,
            fifo: Some(fifo),
        }
    }

    fn sends(&mut self, lines: &str) {
        self.fifo
            .as_mut()
            .expect("it is open")
            .write_all(lines.as_bytes())
            .expect("it is read");
    }

    fn types(&mut self, keys: &str) {
        self.terminal
            .write_all(keys.as_bytes())
            .expect("the terminal takes it");
    }

    fn rows(&self) -> Vec<String> {
        let (_, columns) = self.screen.screen().size();
        self.screen
            .screen()
            .rows(0, columns.get())
            .map(|r| r.trim_end().to_string())
            .collect()
    }

    /// Reads what the program draws until the screen is so; what it shows then.
    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut bytes = [0; 4096];
        loop {
            let rows = self.rows();
            if is_so(&rows) {
                return rows;
            }
            match self.terminal.read(&mut bytes) {
                Ok(n) if n > 0 => self.screen.process(&bytes[..n]),
                // The program has ended.
                _ => panic!("never {what}:\n{}", rows.join("\n")),
            }
        }
    }

    /// Lets the run end; its exit code and the last screen.
    fn ends(mut self) -> (i32, Vec<String>) {
        self.fifo = None;
        let mut bytes = [0; 4096];
        // A terminal whose last program has ended answers with an error.
        while let Ok(n) = self.terminal.read(&mut bytes) {
            self.screen.process(&bytes[..n]);
        }
        let code = self.child.wait().expect("it ends").code().unwrap_or(-1);
        (code, self.rows())
    }
}

const COPY: &str = "\
stages:
  read: {do: [{read: fifo}]}
  keep: {from: read, threads: 2, do: [{filter: \"item != 'no'\"}, {print: 'got {item}'}]}
";

fn has(rows: &[String], part: &str) -> bool {
    rows.iter().any(|r| r.contains(part))
}

#[test]
fn a_line_a_stage_and_one_of_the_whole() {
    for columns in [80, 200] {
        let mut show = Show::of(COPY, &[], columns, 24);
        show.sends("a\nno\nb\n");
        let rows = show.until("a picture", |rows| {
            has(rows, "0 of 2 stages done") && has(rows, "got b")
        });
        let shown: Vec<&str> = rows
            .iter()
            .map(|r| r.trim_start())
            .filter(|r| !r.is_empty())
            .collect();
        assert_eq!(shown[..2], ["got a", "got b"], "{rows:#?}");
        assert!(
            shown[2].starts_with("stage ") && shown[2].ends_with("input"),
            "{rows:#?}"
        );
        assert!(
            shown[3].contains(" read ") && shown[4].contains(" keep "),
            "{rows:#?}"
        );
        assert_eq!(shown.len(), 6, "{rows:#?}");
        let (code, rows) = show.ends();
        assert_eq!(code, 0);
        assert!(!has(&rows, "stages done"), "the picture is gone: {rows:#?}");
    }
}

#[test]
fn an_echoed_key_or_ctrl_c_leaves_no_trace_of_the_picture() {
    let mut show = Show::of(COPY, &[], 80, 24);
    show.until("a picture", |rows| has(rows, "0 of 2 stages done"));
    show.types("x\n");
    show.types("\x03");
    show.until("the end", |rows| has(rows, "■ interrupted"));
    let (code, rows) = show.ends();
    assert_eq!(code, 130);
    assert!(
        has(&rows, "interrupted: finishing what has begun"),
        "{rows:#?}"
    );
    assert!(!has(&rows, "stage                 "), "{rows:#?}");
}

#[test]
fn the_key_s_tells_what_the_workers_do() {
    let mut show = Show::of(COPY, &[], 80, 24);
    show.until("a picture", |rows| has(rows, "s: what the workers do"));
    show.types("s");
    show.until("the workers", |rows| has(rows, "keep, worker 1: waits"));
    assert_eq!(show.ends().0, 0);
}

#[test]
fn forty_stages_fit_a_small_terminal() {
    let mut text = "stages:\n  s0: {do: [{read: fifo}]}\n".to_string();
    for i in 1..40 {
        text += &format!(
            "  s{i}: {{from: s{}, do: [{{filter: \"item != ''\"}}]}}\n",
            i - 1
        );
    }
    let mut show = Show::of(&text, &["--progress", "bars"], 60, 12);
    show.sends("a\n");
    let rows = show.until("a picture", |rows| has(rows, "more stages"));
    assert!(rows.iter().any(|r| r.contains(" s0 ")), "{rows:#?}");
    assert_eq!(show.ends().0, 0);
}
