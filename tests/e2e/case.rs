//! A pipeline in a folder of its own, run to its end or watched while it runs.
//!
//! Nothing here sleeps. A run that does not end is killed after [`PATIENCE`], and its test fails with all that
//! the run has said.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The longest that any run here may take: far more than the slowest needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A pipeline that is about to run.
pub(crate) struct Case {
    folder: TempDir,
    args: Vec<String>,
    stdin: Vec<u8>,
    env: Vec<(String, String)>,
    unread: bool,
}

impl Case {
    /// A folder with this text in `pipeline.yaml`. A text that begins with a line's end is written as far to
    /// the left as its first line allows, so that it may stand indented in a test.
    pub(crate) fn new(pipeline: &str) -> Case {
        let pipeline = pipeline
            .strip_prefix('\n')
            .map_or(pipeline.to_owned(), to_the_left);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let case = Case {
            folder,
            args: Vec::new(),
            stdin: Vec::new(),
            env: Vec::new(),
            unread: false,
        };
        case.file("pipeline.yaml", &pipeline)
    }

    /// With a file beside the pipeline.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Case {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
        self
    }

    /// With a named pipe beside the pipeline.
    pub(crate) fn fifo(self, name: &str) -> Case {
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&self.path(name), mode).expect("a fifo");
        self
    }

    /// With so many lines `0`, `1`, `2` ... in a file.
    pub(crate) fn numbers(self, name: &str, count: usize) -> Case {
        let lines: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        self.file(name, lines.join("\n") + "\n")
    }

    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Case {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Case {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn set(self, name: &str, value: &str) -> Case {
        self.arg("--set").arg(format!("{name}={value}"))
    }

    pub(crate) fn stdin(mut self, text: impl AsRef<[u8]>) -> Case {
        self.stdin = text.as_ref().to_vec();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keeps the writing end of standard output, for [`Live::wait_until_nothing_fits`].
    pub(crate) fn unread(mut self) -> Case {
        self.unread = true;
        self
    }

    /// `run`, to the end.
    pub(crate) fn run(self) -> Done {
        self.command("run")
    }

    /// Another command of the program on the file, to the end.
    pub(crate) fn command(self, command: &str) -> Done {
        let stdin = self.stdin.clone();
        let mut live = self.start_as(command);
        let mut pipe = live.stdin.take().expect("a pipe");
        // Written aside: a program that does not read must not stop the test.
        let writer = std::thread::spawn(move || {
            let _ = pipe.write_all(&stdin);
        });
        let done = live.end();
        writer.join().expect("the writer");
        done
    }

    /// `run`, to be watched.
    pub(crate) fn start(self) -> Live {
        self.start_as("run")
    }

    fn start_as(self, command: &str) -> Live {
        let mut program = Command::new(env!("CARGO_BIN_EXE_millstream"));
        program.arg(command).arg(self.path("pipeline.yaml"));
        if command == "run" && !self.args.iter().any(|a| a == "--progress") {
            program.args(["--progress", "none"]);
        }
        let (stdout, writer) = std::io::pipe().expect("a pipe");
        let kept = self.unread.then(|| writer.try_clone().expect("a pipe"));
        // Not in the pipeline's folder: relative paths in the file are relative to the file.
        let mut child = program
            .args(&self.args)
            .current_dir("/")
            .env_remove("NO_COLOR")
            .envs(self.env)
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // Holds our copy of the writing end, which would keep the reader waiting.
        drop(program);
        let mut errors = child.stderr.take().expect("a pipe");
        let (said, heard) = mpsc::channel();
        let stderr = std::thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(n @ 1..) = errors.read(&mut buffer) {
                all.extend_from_slice(&buffer[..n]);
                let _ = said.send(String::from_utf8_lossy(&all).into_owned());
            }
            String::from_utf8_lossy(&all).into_owned()
        });
        Live {
            stdin: child.stdin.take(),
            stdout: Some(Output {
                pipe: stdout,
                held: Vec::new(),
            }),
            kept,
            child: Watched::new(child),
            stderr,
            heard,
            folder: self.folder,
        }
    }
}

/// A child that is killed when it takes too long.
struct Watched {
    child: Child,
    pid: Pid,
    ended: mpsc::Receiver<()>,
}

impl Watched {
    fn new(child: Child) -> Watched {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let (tell, ended) = mpsc::channel();
        std::thread::spawn(move || {
            // It stays a zombie until it is waited for below, so that a late signal cannot reach a stranger.
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            let _ = tell.send(());
        });
        Watched { child, pid, ended }
    }

    /// Its end; where it had to be killed, what its threads were doing.
    fn wait(&mut self) -> Result<ExitStatus, String> {
        let in_time = self.ended.recv_timeout(PATIENCE);
        let doing = in_time.map_err(|_| self.doing());
        if doing.is_err() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        let status = self.child.wait().expect("a child that can be waited for");
        doing.map(|()| status)
    }

    fn runs(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        waitid(Id::Pid(self.pid), flags) == Ok(WaitStatus::StillAlive)
    }

    /// A line for each thread: its name, its state, and where in the kernel it waits.
    fn doing(&self) -> String {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid));
        let mut lines = String::new();
        for task in tasks.into_iter().flatten().flatten() {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let status = read("status");
            let state = status
                .lines()
                .find(|l| l.starts_with("State"))
                .unwrap_or_default();
            lines += &format!("{} {state} {}\n", read("comm").trim(), read("wchan"));
        }
        lines
    }
}

/// A run that goes on.
pub(crate) struct Live {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<Output>,
    kept: Option<PipeWriter>,
    child: Watched,
    stderr: JoinHandle<String>,
    heard: mpsc::Receiver<String>,
    folder: TempDir,
}

impl Live {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes to its standard input.
    pub(crate) fn give(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("an open standard input");
        stdin.write_all(text.as_bytes()).expect("it reads");
        stdin.flush().expect("it reads");
    }

    /// Waits for a line of its standard output; at its end the rest.
    pub(crate) fn line(&mut self) -> String {
        match self
            .stdout
            .as_mut()
            .expect("an open standard output")
            .line()
        {
            Some(line) => line,
            None => panic!(
                "no line within {PATIENCE:?}; its threads:\n{}",
                self.child.doing()
            ),
        }
    }

    /// Waits until its standard error has these words.
    pub(crate) fn hears(&self, words: &str) {
        loop {
            match self.heard.recv_timeout(PATIENCE) {
                Ok(all) if all.contains(words) => return,
                Ok(_) => {}
                Err(e) => panic!("{e}: the run ended or was silent and never said {words:?}"),
            }
        }
    }

    /// Waits until nothing more fits into the pipe of its standard output, which nobody reads.
    pub(crate) fn wait_until_nothing_fits(&self) {
        let pipe = self.kept.as_ref().expect("a case that is unread").as_fd();
        loop {
            let mut room = [PollFd::new(pipe, PollFlags::POLLOUT)];
            poll(&mut room, PollTimeout::ZERO).expect("a pipe");
            if room[0].any() != Some(true) {
                return;
            }
            assert!(
                self.child.runs(),
                "the run ended before its output was full"
            );
            std::thread::yield_now();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.pid, signal).expect("it runs");
    }

    /// A signal, for a run that may have ended already.
    pub(crate) fn signal_if_alive(&self, signal: Signal) {
        let _ = kill(self.child.pid, signal);
    }

    /// Waits for its end without reading what it prints until then.
    pub(crate) fn end_unread(mut self) -> Done {
        let ended = self.child.wait();
        drop(self.kept.take());
        self.done(ended)
    }

    /// Closes its standard input and reads to the end.
    pub(crate) fn end(mut self) -> Done {
        drop(self.stdin.take());
        self.end_with_open_input()
    }

    /// Reads to the end; what it reads from stays open.
    pub(crate) fn end_with_open_input(mut self) -> Done {
        drop(self.kept.take());
        let stdout = self.stdout.take();
        let reader = std::thread::spawn(move || read_all(stdout));
        let ended = self.child.wait();
        self.stdout = None;
        let mut done = self.done(ended);
        done.stdout = reader.join().expect("the reader");
        done
    }

    fn done(mut self, ended: Result<ExitStatus, String>) -> Done {
        let stdout = read_all(self.stdout.take());
        let stderr = self.stderr.join().expect("the listener");
        let status = ended.unwrap_or_else(|doing| {
            panic!(
                "the run did not end within {PATIENCE:?}; it said:
{stderr}
its threads:
{doing}"
            )
        });
        Done {
            killed: status.signal().is_some(),
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout,
            stderr,
            folder: self.folder,
        }
    }
}

fn to_the_left(text: &str) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    text.split('\n')
        .map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// What a run prints.
pub(crate) struct Output {
    pipe: PipeReader,
    /// Read and not asked for yet.
    held: Vec<u8>,
}

impl Output {
    /// The next line; `None` where none comes.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.held.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let patience = PollTimeout::try_from(PATIENCE).expect("some seconds");
            let mut some = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            if poll(&mut some, patience) == Ok(0) {
                return None;
            }
            let mut buffer = [0; 4096];
            match self.pipe.read(&mut buffer).expect("a readable pipe") {
                0 => {
                    return Some(
                        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned(),
                    );
                }
                n => self.held.extend_from_slice(&buffer[..n]),
            }
        }
    }
}

fn read_all(stdout: Option<Output>) -> String {
    let Some(Output {
        mut pipe,
        held: mut all,
    }) = stdout
    else {
        return String::new();
    };
    let _ = pipe.read_to_end(&mut all);
    String::from_utf8(all).expect("UTF-8 on standard output")
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit code; 128 and the signal where one ended it.
    pub(crate) code: i32,
    /// A signal ended it, before it could listen.
    pub(crate) killed: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    folder: TempDir,
}

impl Done {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Done {
        assert_eq!(
            self.code, code,
            "the exit code; standard error:\n{}\nstandard output:\n{}",
            self.stderr, self.stdout
        );
        self
    }

    /// Exactly this on standard output.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Done {
        assert_eq!(self.stdout, text, "standard error:\n{}", self.stderr);
        self
    }

    /// These lines on standard output, in whatever order.
    #[track_caller]
    pub(crate) fn prints_in_any_order(self, lines: &[&str]) -> Done {
        let (mut found, mut expected): (Vec<&str>, Vec<&str>) =
            (self.stdout.lines().collect(), lines.to_vec());
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "standard error:\n{}", self.stderr);
        self
    }

    /// These words somewhere on standard error.
    #[track_caller]
    /// Standard output has what the file has, line for line.
    pub(crate) fn prints_what_it_leaves(self, name: &str) -> Done {
        let left = fs::read_to_string(self.path(name)).expect("a file");
        assert!(!left.is_empty());
        self.prints(&left)
    }

    pub(crate) fn says(self, words: &str) -> Done {
        assert!(
            self.stderr.contains(words),
            "{words:?} is not said on standard error:\n{}",
            self.stderr
        );
        self
    }

    /// The number in the summary's table for a stage and a column; none where the table has none.
    #[track_caller]
    pub(crate) fn account(&self, stage: &str, column: &str) -> u64 {
        let mut table = self
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("  stage"));
        let head = table.next().unwrap_or_default();
        let row = table.find(|line| line.split_whitespace().nth(1) == Some(stage));
        let row = row.unwrap_or_else(|| panic!("no account of `{stage}`:\n{}", self.stderr));
        // Columns are aligned to the right.
        let Some(at) = head.find(&format!(" {column}")) else {
            return 0;
        };
        let end = head[..at].chars().count() + 1 + column.len();
        let before: String = row.chars().take(end).collect();
        let cell = before
            .rsplit("  ")
            .next()
            .unwrap_or_default()
            .trim()
            .replace(',', "");
        cell.parse().unwrap_or(0)
    }

    /// Nothing at all on standard error.
    #[track_caller]
    pub(crate) fn and_is_quiet(self) -> Done {
        assert_eq!(self.stderr, "", "standard error");
        self
    }

    /// A file beside the pipeline with exactly this in it.
    #[track_caller]
    pub(crate) fn leaves(self, name: &str, content: &str) -> Done {
        let found = fs::read(self.path(name));
        let found =
            found.unwrap_or_else(|e| panic!("{name}: {e}; standard error:\n{}", self.stderr));
        assert_eq!(String::from_utf8_lossy(&found), content, "{name}");
        self
    }

    /// No such file beside the pipeline.
    #[track_caller]
    pub(crate) fn leaves_no(self, name: &str) -> Done {
        assert!(!self.path(name).exists(), "{name} is there");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program with these arguments in the repository's folder.
pub(crate) fn millstream(args: &[&str]) -> (i32, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(args)
        .current_dir(repository())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = done.status.code().unwrap_or(-1);
    (code, text(done.stdout), text(done.stderr))
}

/// Lines as gzip writes them.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// The text of a gzip file of one or several members.
pub(crate) fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).expect("a file");
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("gzip");
    text
}
