//! Programs of a run: starting them through the guard, hearing them, writing to them, ending them.
//!
//! One thread hears all of them. It never blocks on a program and never runs anybody's code but that of
//! [`Listener`]s, which keep what they hear and wake a worker.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::unistd::{pipe2, read, write};
use parking_lot::Mutex;

use super::wire::{self, Order, Start, Told};
use super::{Command, guard};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// Ended by us: it held so many bytes of memory.
    Memory(u64),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => f.write_str(&signal_name(*signal)),
            Exit::Memory(bytes) => write!(f, "{} MiB of memory", bytes >> 20),
        }
    }
}

/// `SIGKILL`, or its number.
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |s| s.as_str().to_owned())
}

/// Who is told what a program does. Called on the hearing thread: must not block.
pub trait Listener: Send + Sync {
    /// From its standard output, or from its socket. `false`: no more for now ([`Process::go_on`]).
    fn out(&self, bytes: &[u8]) -> bool;

    /// From its standard error (and its standard output, where it has a socket).
    fn err(&self, bytes: &[u8]);

    /// It says nothing more.
    fn closed(&self) {}

    /// It has ended, and everything that it had written was heard; or it could not be started.
    fn ended(&self, how: Result<Exit, io::Error>);
}

/// How the guard is made.
#[derive(Clone, Debug, Default)]
pub enum Guarding {
    /// A process of its own: this program, which serves as a guard when it is called with [`guard::ARGUMENT`].
    Process(PathBuf),
    /// A thread, for programs that embed us: what it started is killed at the end of the run, but not when the
    /// whole program is killed with -9.
    #[default]
    Thread,
}

/// Everything that starts programs in a run. The guard comes with the first of them.
pub struct Programs {
    guarding: Guarding,
    /// Where a line that a program said goes.
    tell: Box<dyn Fn(&str) + Send + Sync>,
    guarded: Mutex<Option<Guarded>>,
    next: AtomicU64,
    /// No more programs are started.
    closed: AtomicBool,
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Programs")
    }
}

impl Default for Programs {
    fn default() -> Programs {
        Programs::new(Guarding::Thread, |_| ())
    }
}

struct Guarded {
    ear: Arc<Ear>,
    hearing: JoinHandle<()>,
    guard: Watch,
}

enum Watch {
    Process(Child),
    Thread(JoinHandle<()>),
}

impl Programs {
    pub fn new(guarding: Guarding, tell: impl Fn(&str) + Send + Sync + 'static) -> Programs {
        Programs {
            guarding,
            tell: Box::new(tell),
            guarded: Mutex::new(None),
            next: AtomicU64::new(1),
            closed: AtomicBool::new(false),
        }
    }

    /// A line for the log.
    pub(super) fn log(&self, line: &str) {
        (self.tell)(line);
    }

    fn ear(&self) -> io::Result<Arc<Ear>> {
        let mut guarded = self.guarded.lock();
        if self.closed.load(Ordering::Acquire) {
            return Err(io::Error::other("the run is over"));
        }
        if let Some(guarded) = &*guarded {
            return Ok(guarded.ear.clone());
        }
        let (ours, theirs) = UnixStream::pair()?;
        let guard = match &self.guarding {
            Guarding::Process(program) => Watch::Process(
                std::process::Command::new(program)
                    .arg(guard::ARGUMENT)
                    .stdin(OwnedFd::from(theirs))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .process_group(0)
                    .spawn()?,
            ),
            Guarding::Thread => Watch::Thread(
                std::thread::Builder::new()
                    .name("guard".into())
                    .spawn(move || guard::serve(&theirs, false))?,
            ),
        };
        let ear = Arc::new(Ear::new(ours)?);
        let own = ear.clone();
        let hearing = std::thread::Builder::new()
            .name("programs".into())
            .spawn(move || own.hear())?;
        *guarded = Some(Guarded {
            ear: ear.clone(),
            hearing,
            guard,
        });
        Ok(ear)
    }

    /// Starts a program; `input` is written to its standard input, which is then closed, unless `keep`.
    ///
    /// # Errors
    /// No descriptors, no guard. That the program itself cannot be started is told to the listener.
    pub fn start(
        &self,
        command: Command,
        input: Input,
        memory: Option<u64>,
        listener: Arc<dyn Listener>,
    ) -> io::Result<Arc<Process>> {
        let ear = self.ear()?;
        let (out, their_out) = pipe(true)?;
        let (err, their_err) = pipe(true)?;
        let null = || std::fs::File::open("/dev/null").map(OwnedFd::from);
        let (talk, their_in, out) = match input {
            Input::Nothing => (None, null()?, out),
            Input::Text(text) => {
                let (to, theirs) = pipe(false)?;
                let talk = Talk {
                    fd: to,
                    left: text,
                    last: true,
                    asked: false,
                };
                (Some(talk), theirs, out)
            }
            Input::Kept => {
                let (to, theirs) = pipe(false)?;
                (Some(Talk::open(to)), theirs, out)
            }
            Input::Socket(socket) => {
                fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                // What it prints is no message: it goes where its errors go.
                let from = socket.try_clone()?;
                (Some(Talk::open(socket)), null()?, from)
            }
        };
        let socket = matches!(&talk, Some(t) if t.is_socket());
        let their_out = if socket {
            their_err.try_clone()?
        } else {
            their_out
        };
        let process = Arc::new(Process {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            ear: Arc::downgrade(&ear),
            pid: AtomicI32::new(0),
            memory,
            held: AtomicU64::new(0),
            talk: Mutex::new(talk),
            out: Mutex::new(Some(out)),
            err: Mutex::new(Some(err)),
            listener,
        });
        let mut fds = vec![their_in, their_out, their_err];
        let mut start = Start {
            argv: command.argv,
            cwd: command
                .cwd
                .map(|cwd| cwd.as_os_str().as_bytes().to_vec())
                .unwrap_or_default(),
            env: command.env,
            extra: Vec::new(),
        };
        for (name, fd) in command.extra {
            start.extra.push(name.into_bytes());
            fds.push(fd);
        }
        ear.add(&process)?;
        let sent = ear.order(process.id, &Order::Start(Box::new(start), fds));
        if let Err(e) = sent {
            ear.forget(&process);
            return Err(e);
        }
        process.flush();
        Ok(process)
    }

    /// The run is over: whatever still runs is killed, and when this returns nothing is left of it. `gently`:
    /// programs that were told to finish have their 5 s for that.
    pub fn close(&self, gently: bool) {
        self.closed.store(true, Ordering::Release);
        let Some(guarded) = self.guarded.lock().take() else {
            return;
        };
        guarded.ear.leave(gently);
        match guarded.guard {
            Watch::Process(mut child) => {
                let _status = child.wait();
            }
            Watch::Thread(thread) => {
                let _panicked = thread.join();
            }
        }
        let _panicked = guarded.hearing.join();
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// What a program gets on its standard input.
#[derive(Debug)]
pub enum Input {
    Nothing,
    /// This, and then the end.
    Text(Vec<u8>),
    /// What [`Process::say`] says.
    Kept,
    /// Nothing; it talks over this socket, of which it has the other end.
    Socket(OwnedFd),
}

/// Our end of a program's input.
struct Talk {
    fd: OwnedFd,
    /// Not taken yet.
    left: Vec<u8>,
    /// Nothing more comes: it is closed when this is taken.
    last: bool,
    /// The ear was asked to say when there is room.
    asked: bool,
}

impl Talk {
    fn open(fd: OwnedFd) -> Talk {
        Talk {
            fd,
            left: Vec::new(),
            last: false,
            asked: false,
        }
    }

    fn is_socket(&self) -> bool {
        nix::sys::socket::getsockopt(&self.fd, nix::sys::socket::sockopt::SockType).is_ok()
    }
}

/// A pipe; our end does not block: that to read from (`true`), or that to write to, which comes first.
fn pipe(ours_reads: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC)?;
    let (ours, theirs) = if ours_reads { (from, to) } else { (to, from) };
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((ours, theirs))
}

/// A program that was started.
pub struct Process {
    id: u64,
    ear: Weak<Ear>,
    pid: AtomicI32,
    memory: Option<u64>,
    /// What it held when it was ended for that.
    held: AtomicU64,
    talk: Mutex<Option<Talk>>,
    out: Mutex<Option<OwnedFd>>,
    err: Mutex<Option<OwnedFd>>,
    listener: Arc<dyn Listener>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.pid.load(Ordering::Relaxed))
    }
}

/// Which stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
    In,
}

impl Process {
    /// Its number, once it has one.
    pub fn pid(&self) -> Option<i32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0)
    }

    /// Says something to it; never blocks. What it does not take yet is kept.
    pub fn say(&self, bytes: &[u8]) {
        if let Some(talk) = &mut *self.talk.lock() {
            talk.left.extend_from_slice(bytes);
        }
        self.flush();
    }

    /// Bytes that it has not taken yet.
    pub fn unsaid(&self) -> usize {
        self.talk.lock().as_ref().map_or(0, |t| t.left.len())
    }

    /// Nothing more will be said: it is to finish.
    pub fn finish(&self) {
        if let Some(talk) = &mut *self.talk.lock() {
            talk.last = true;
        }
        self.flush();
    }

    /// What it writes is wanted again.
    pub fn go_on(&self) {
        let (Some(ear), Some(out)) = (self.ear.upgrade(), &*self.out.lock()) else {
            return;
        };
        // It may be listened to already.
        let _known = ear.listen(out, self.id, Stream::Out, EpollFlags::EPOLLIN);
    }

    /// TERM for its process group, and KILL where it has not ended 5 s later.
    pub fn end(&self) {
        self.order(&Order::End);
    }

    /// KILL for its process group.
    pub fn kill(&self) {
        self.order(&Order::Kill);
    }

    fn order(&self, order: &Order) {
        if let Some(ear) = self.ear.upgrade() {
            // Where the guard is gone, so is the program.
            let _gone = ear.order(self.id, order);
        }
    }

    /// Writes what it takes.
    fn flush(&self) {
        let mut talk = self.talk.lock();
        let Some(t) = &mut *talk else { return };
        let mut done = 0;
        let mut blocked = false;
        while done < t.left.len() {
            match write(&t.fd, &t.left[done..]) {
                Ok(n) => done += n,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    blocked = true;
                    break;
                }
                // It reads no more: what it does instead is seen in its end.
                Err(_) => {
                    t.left.clear();
                    done = 0;
                    t.last = true;
                    break;
                }
            }
        }
        t.left.drain(..done);
        if blocked != t.asked
            && let Some(ear) = self.ear.upgrade()
        {
            t.asked = blocked;
            let _gone = if blocked {
                ear.listen(&t.fd, self.id, Stream::In, EpollFlags::EPOLLOUT)
            } else {
                ear.epoll.delete(&t.fd)
            };
        }
        if t.left.is_empty() && t.last {
            if t.is_socket() {
                let _gone =
                    nix::sys::socket::shutdown(t.fd.as_raw_fd(), nix::sys::socket::Shutdown::Write);
            }
            *talk = None;
        }
    }

    /// Reads what there is on one of its streams. `rest`: it has ended, and this is all that will be read.
    fn heard(&self, ear: &Ear, stream: Stream, rest: bool, buffer: &mut [u8]) {
        let slot = if stream == Stream::Out {
            &self.out
        } else {
            &self.err
        };
        let mut slot = slot.lock();
        let Some(fd) = &*slot else { return };
        loop {
            match read(fd, buffer) {
                Ok(0) => break,
                Ok(n) if stream == Stream::Out => {
                    if !self.listener.out(&buffer[..n]) && !rest {
                        // Not only without flags: its end would be told for ever.
                        let _gone = ear.epoll.delete(fd);
                        return;
                    }
                }
                Ok(n) => self.listener.err(&buffer[..n]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if rest => break,
                Err(Errno::EAGAIN) => return,
                Err(_) => break,
            }
            if !rest {
                // The others want to be heard too.
                return;
            }
        }
        let _gone = ear.epoll.delete(fd);
        *slot = None;
        drop(slot);
        if stream == Stream::Out {
            self.listener.closed();
        }
    }

    fn ended(&self, ear: &Ear, how: Result<Exit, io::Error>, buffer: &mut [u8]) {
        self.heard(ear, Stream::Err, true, buffer);
        self.heard(ear, Stream::Out, true, buffer);
        *self.talk.lock() = None;
        let held = self.held.load(Ordering::Relaxed);
        self.listener.ended(match how {
            Ok(_) if held > 0 => Ok(Exit::Memory(held)),
            how => how,
        });
    }

    /// Holds it too much memory? Then it is killed.
    fn weigh(&self) {
        let (Some(pid), Some(most)) = (self.pid(), self.memory) else {
            return;
        };
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/statm")) else {
            return;
        };
        let pages: u64 = text
            .split(' ')
            .nth(1)
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let held = pages * page_size();
        if held > most && self.held.swap(held, Ordering::Relaxed) == 0 {
            self.kill();
        }
    }
}

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(4096)
}

/// How often the memory of programs is looked at.
const WEIGH: Duration = Duration::from_millis(200);

/// Who hears all programs of a run.
struct Ear {
    epoll: Epoll,
    socket: Mutex<Option<UnixStream>>,
    processes: Mutex<HashMap<u64, Arc<Process>>>,
    wake: EventFd,
}

const SOCKET: u64 = u64::MAX;
const WAKE: u64 = u64::MAX - 1;

impl Ear {
    fn new(socket: UnixStream) -> io::Result<Ear> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = EventFd::new()?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, SOCKET))?;
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Ear {
            epoll,
            socket: Mutex::new(Some(socket)),
            processes: Mutex::new(HashMap::new()),
            wake,
        })
    }

    fn listen(&self, fd: &OwnedFd, id: u64, stream: Stream, flags: EpollFlags) -> nix::Result<()> {
        let data = id << 2 | stream as u64;
        self.epoll.add(fd, EpollEvent::new(flags, data))
    }

    fn add(&self, process: &Arc<Process>) -> io::Result<()> {
        self.processes.lock().insert(process.id, process.clone());
        for (slot, stream) in [(&process.out, Stream::Out), (&process.err, Stream::Err)] {
            if let Some(fd) = &*slot.lock() {
                self.listen(fd, process.id, stream, EpollFlags::EPOLLIN)?;
            }
        }
        if process.memory.is_some() {
            self.wake.write(1)?;
        }
        Ok(())
    }

    fn forget(&self, process: &Process) {
        self.processes.lock().remove(&process.id);
    }

    fn order(&self, id: u64, order: &Order) -> io::Result<()> {
        match &*self.socket.lock() {
            Some(socket) => wire::order(socket, id, order),
            None => Err(io::Error::other("the run is over")),
        }
    }

    /// The guard sees that we are gone, and ends everything; then this thread ends.
    fn leave(&self, gently: bool) {
        if gently && self.order(0, &Order::Leave).is_ok() {
            return;
        }
        if let Some(socket) = &*self.socket.lock() {
            let _gone = socket.shutdown(std::net::Shutdown::Write);
        }
    }

    fn hear(&self) {
        let mut events = [EpollEvent::empty(); 64];
        let mut buffer = vec![0; 64 << 10];
        let mut kept = Vec::new();
        let mut weighed = Instant::now();
        loop {
            let weighs = self.processes.lock().values().any(|p| p.memory.is_some());
            let timeout = if weighs {
                EpollTimeout::try_from(WEIGH).unwrap_or(EpollTimeout::NONE)
            } else {
                EpollTimeout::NONE
            };
            let n = match self.epoll.wait(&mut events, timeout) {
                Ok(n) => n,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            let mut guard_spoke = false;
            for event in &events[..n] {
                match event.data() {
                    SOCKET => guard_spoke = true,
                    WAKE => {
                        let _count = self.wake.read();
                    }
                    data => self.event(data, &mut buffer),
                }
            }
            if weighs && weighed.elapsed() >= WEIGH {
                weighed = Instant::now();
                let all: Vec<_> = self.processes.lock().values().cloned().collect();
                all.iter().for_each(|p| p.weigh());
            }
            // Last, so that what a program had written is heard before its end.
            if guard_spoke && !self.guard_spoke(&mut kept, &mut buffer) {
                return;
            }
        }
    }

    fn event(&self, data: u64, buffer: &mut [u8]) {
        let Some(process) = self.processes.lock().get(&(data >> 2)).cloned() else {
            return;
        };
        match data & 3 {
            0 => process.heard(self, Stream::Out, false, buffer),
            1 => process.heard(self, Stream::Err, false, buffer),
            _ => process.flush(),
        }
    }

    /// `false`: the guard is gone, and everything with it.
    fn guard_spoke(&self, kept: &mut Vec<u8>, buffer: &mut [u8]) -> bool {
        let mut told = Vec::new();
        let alive = match &*self.socket.lock() {
            Some(socket) => wire::heard(socket.as_fd(), kept, |id, what| told.push((id, what))),
            None => false,
        };
        for (id, what) in told {
            let how = match what {
                Told::Started { pid } => {
                    if let Some(process) = self.processes.lock().get(&id) {
                        process.pid.store(pid, Ordering::Relaxed);
                    }
                    continue;
                }
                Told::Failed { errno } => Err(io::Error::from_raw_os_error(errno)),
                Told::Exited { code } => Ok(Exit::Code(code)),
                Told::Killed { signal } => Ok(Exit::Signal(signal)),
            };
            let process = self.processes.lock().remove(&id);
            if let Some(process) = process {
                process.ended(self, how, buffer);
            }
        }
        if !alive {
            *self.socket.lock() = None;
            let left: Vec<_> = self.processes.lock().drain().collect();
            for (_, process) in left {
                process.ended(self, Ok(Exit::Signal(libc::SIGKILL)), buffer);
            }
        }
        alive
    }
}
