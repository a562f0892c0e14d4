//! The guard: starts programs for us, says how they ended, and ends them all when we are gone.
//!
//! As a process (this program again, with a hidden argument) it is small, so that starting stays cheap however
//! large we are; it is the subreaper of all that its children leave behind; and when we die of whatever, the socket
//! closes and it kills everything. As a thread of a program that embeds us it does the same as far as it gets.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::raw;
use super::wire::{self, Order, Start, Told};

/// The hidden argument that makes this program a guard.
pub const ARGUMENT: &str = "__guard";
/// How long a program has between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// What the program is when its first argument is [`ARGUMENT`]: a guard, with the socket as its standard input.
pub fn main() {
    // Who looks at processes sees what it is for; where these fail, it still does most of its work.
    // What we block, our children would inherit: `Command` only sets SIGPIPE back.
    let _mask = SigSet::empty().thread_set_mask();
    let _subreaper = nix::sys::prctl::set_child_subreaper(true);
    let _name = nix::sys::prctl::set_name(c"millstream-guard");
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return;
    };
    // Nobody that it starts may hold its own standard streams open.
    serve(&UnixStream::from(socket), true);
}

struct Child {
    id: u64,
    fd: OwnedFd,
    /// When it is killed, where it was told to end.
    kill_at: Option<Instant>,
}

/// Until the other end is gone, or nothing can be done any more. `alone`: this is a process of its own.
pub(super) fn serve(socket: &UnixStream, alone: bool) {
    let mut guard = Guard {
        socket,
        children: HashMap::new(),
        leaving: None,
    };
    while guard.turn(alone) {}
    guard.end(alone);
}

struct Guard<'s> {
    socket: &'s UnixStream,
    /// By process number, which is also the number of the group.
    children: HashMap<i32, Child>,
    /// Nothing more is started; what there is may finish until then.
    leaving: Option<Instant>,
}

impl Guard<'_> {
    fn turn(&mut self, alone: bool) -> bool {
        let pids: Vec<i32> = self.children.keys().copied().collect();
        let mut fds = vec![PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let children = pids.iter().map(|pid| &self.children[pid]);
        fds.extend(children.map(|c| PollFd::new(c.fd.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
        let ready: Vec<bool> = fds.iter().map(|f| f.any() == Some(true)).collect();
        for (pid, _) in pids.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            if !self.ended(*pid) {
                return false;
            }
        }
        self.kill_late();
        if alone {
            self.reap_orphans();
        }
        if ready[0] && !self.order() {
            return false;
        }
        self.leaving
            .is_none_or(|until| !self.children.is_empty() && Instant::now() < until)
    }

    fn timeout(&self) -> PollTimeout {
        let next = self.children.values().filter_map(|c| c.kill_at);
        let next = next.chain(self.leaving).min();
        next.map_or(PollTimeout::NONE, |at| {
            let left = at.saturating_duration_since(Instant::now());
            // Rounded up, or it would be asked too early again and again.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        })
    }

    fn order(&mut self) -> bool {
        let Ok(Some((id, order))) = wire::next_order(self.socket) else {
            return false;
        };
        match order {
            Order::Start(start, fds) => {
                let told = match self.start(id, &start, fds) {
                    Ok(pid) => Told::Started { pid },
                    Err(e) => Told::Failed {
                        errno: e.raw_os_error().unwrap_or(libc::EINVAL),
                    },
                };
                return wire::tell(self.socket, id, told).is_ok();
            }
            Order::End => {
                if let Some((pid, child)) = self.children.iter_mut().find(|(_, c)| c.id == id) {
                    let _gone = killpg(Pid::from_raw(*pid), Signal::SIGTERM);
                    child.kill_at.get_or_insert(Instant::now() + GRACE);
                }
            }
            Order::Leave => self.leaving = Some(Instant::now() + GRACE),
            Order::Kill => {
                if let Some((pid, _)) = self.children.iter().find(|(_, c)| c.id == id) {
                    let _gone = killpg(Pid::from_raw(*pid), Signal::SIGKILL);
                }
            }
        }
        true
    }

    fn start(&mut self, id: u64, start: &Start, fds: Vec<OwnedFd>) -> std::io::Result<i32> {
        let invalid = || std::io::Error::from_raw_os_error(libc::EINVAL);
        let os = |text: &Vec<u8>| OsString::from_vec(text.clone());
        let mut argv = start.argv.iter().map(os);
        let mut fds = fds.into_iter();
        let mut command = Command::new(argv.next().ok_or_else(invalid)?);
        let mut stream = || fds.next().map(Stdio::from).ok_or_else(invalid);
        command
            .args(argv)
            .stdin(stream()?)
            .stdout(stream()?)
            .stderr(stream()?)
            .process_group(0);
        if !start.cwd.is_empty() {
            command.current_dir(OsStr::from_bytes(&start.cwd));
        }
        command.envs(start.env.iter().map(|(name, value)| (os(name), os(value))));
        let extra: Vec<OwnedFd> = fds.collect();
        for (name, fd) in start.extra.iter().zip(&extra) {
            // Closed again behind the start: nobody else gets it.
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
            command.env(os(name), fd.as_raw_fd().to_string());
        }
        let pid = command.spawn()?.id().cast_signed();
        let fd = raw::pidfd(pid)?;
        let child = Child {
            id,
            fd,
            kill_at: None,
        };
        self.children.insert(pid, child);
        Ok(pid)
    }

    /// A program has ended: what it left behind in its group ends with it.
    fn ended(&mut self, pid: i32) -> bool {
        // Before it is waited for, because then its number may be somebody else's.
        let _none_left = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        let Some(child) = self.children.remove(&pid) else {
            return true;
        };
        let told = match waitid(Id::PIDFd(child.fd.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => Told::Exited { code },
            Ok(WaitStatus::Signaled(_, signal, _)) => Told::Killed {
                signal: signal as i32,
            },
            _ => Told::Killed { signal: 0 },
        };
        wire::tell(self.socket, child.id, told).is_ok()
    }

    fn kill_late(&mut self) {
        let now = Instant::now();
        for (pid, child) in &mut self.children {
            if child.kill_at.is_some_and(|at| at <= now) {
                child.kill_at = None;
                let _gone = killpg(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
    }

    /// What programs have left behind becomes ours, and is waited for when it has ended.
    fn reap_orphans(&self) {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, look) {
            match status.pid() {
                Some(pid) if !self.children.contains_key(&pid.as_raw()) => {
                    let _status = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                _ => return,
            }
        }
    }

    /// Nobody is left who wants any of it.
    fn end(&mut self, alone: bool) {
        for pid in self.children.keys() {
            let _gone = killpg(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        for (_, child) in self.children.drain() {
            let _status = waitid(Id::PIDFd(child.fd.as_fd()), WaitPidFlag::WEXITED);
        }
        // Who has left its group is ours once its parents are gone. A program that ends and leaves another
        // behind in between is found in the next round.
        if !alone {
            return;
        }
        loop {
            for pid in own_children() {
                let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            if waitpid(Pid::from_raw(-1), None).is_err() {
                return;
            }
        }
    }
}

/// The children of this process, those that became its own among them.
fn own_children() -> Vec<i32> {
    let own = std::process::id().to_string();
    let Ok(all) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    all.flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name may have blanks and parentheses in it; behind it come the state and the parent.
            let parent = stat.rsplit_once(')')?.1.split(' ').nth(2)?;
            (parent == own).then_some(pid)
        })
        .collect()
}
