//! What a guard with `scope: machine` has beside its permits: locks on a file that all runs of one user on this
//! machine know by the guard's name. The kernel gives them back when a run ends, in whatever way.
//!
//! A permit is one byte of the file, locked by the open file ("open file description locks", `fcntl(2)`), so
//! that runs exclude each other however many threads and children they have. Within a run the permits are given
//! out first, and who has one then asks for its byte. There is no order among runs, and nobody tells us when a byte
//! becomes free: who waits looks again, after pauses that grow.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use super::ALL;
use crate::wait::AgentId;
use crate::wait::primitive::Mutex;

/// The first pause and the longest.
const PAUSE: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_millis(100);

/// The locks of one guard.
#[derive(Debug)]
pub struct Machine {
    file: File,
    /// Bytes that can be locked: one for each permit.
    bytes: u32,
    /// An rwlock: its byte is shared by readers.
    rw: bool,
    grips: Mutex<Vec<(AgentId, Grip)>>,
}

/// What an agent has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    /// A permit of our own, and no byte yet: asked for so often.
    Waits(u32),
    Byte(u32),
    /// The only byte of an rwlock, with our other readers.
    Reads,
}

/// Where the files are: `millstream` in `$XDG_RUNTIME_DIR`, or a folder of the user's below `/tmp`.
///
/// # Errors
/// It cannot be made, or it is not ours alone.
pub fn folder() -> io::Result<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    // A run that a clock has started has no variable for the folder that there is all the same.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{user}"));
    let mut folders = runtime.into_iter().chain([usual]);
    let folder = match folders.find(|dir| is_own(dir, user).is_ok()) {
        Some(dir) => dir.join("millstream"),
        None => PathBuf::from(format!("/tmp/millstream-{user}")),
    };
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => is_own(&folder, user)?,
    }
    Ok(folder)
}

/// Is it a folder (and no link to one) that nobody else can write into?
fn is_own(folder: &Path, user: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(folder)?;
    if meta.is_dir() && meta.uid() == user && meta.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} is not a folder of ours alone", folder.display()),
    ))
}

impl Machine {
    /// The locks of the guard of this kind and name.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(folder: &Path, kind: &str, name: &str, permits: u32) -> io::Result<Machine> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(folder.join(file_name(kind, name)))?;
        Ok(Machine {
            file,
            bytes: if permits == ALL { 1 } else { permits },
            rw: permits == ALL,
            grips: Mutex::new(Vec::new()),
        })
    }

    /// Has the agent a permit of our own, and no byte yet?
    pub(super) fn awaits(&self, agent: AgentId) -> bool {
        let grips = self.grips.lock();
        grips
            .iter()
            .any(|(a, g)| *a == agent && matches!(g, Grip::Waits(_)))
    }

    /// For a permit of our own (`n` as in [`super::Permits::take`]): a byte.
    ///
    /// # Errors
    /// After which pause to ask again.
    pub(super) fn enter(&self, agent: AgentId, n: u32) -> Result<(), Duration> {
        let mut grips = self.grips.lock();
        let asked = grips
            .iter()
            .position(|(a, g)| *a == agent && matches!(g, Grip::Waits(_)));
        let (at, tries) = match asked.map(|at| (at, grips[at].1)) {
            Some((at, Grip::Waits(tries))) => (at, tries),
            _ => {
                grips.push((agent, Grip::Waits(0)));
                (grips.len() - 1, 0)
            }
        };
        let grip = if self.rw && n != ALL {
            let shared = grips.iter().any(|(_, g)| *g == Grip::Reads);
            (shared || self.lock(0, false)).then_some(Grip::Reads)
        } else {
            let taken = |byte: u32| grips.iter().any(|(_, g)| *g == Grip::Byte(byte));
            let free = (0..self.bytes).filter(|byte| !taken(*byte));
            let got = { free }.find(|byte| self.lock(*byte, true));
            got.map(Grip::Byte)
        };
        match grip {
            Some(grip) => {
                grips[at].1 = grip;
                Ok(())
            }
            None => {
                grips[at].1 = Grip::Waits(tries.saturating_add(1));
                Err(PAUSE.saturating_mul(1 << tries.min(6)).min(LONG))
            }
        }
    }

    /// What the agent took last is given back. `false`: it had nothing.
    pub(super) fn leave(&self, agent: AgentId) -> bool {
        let mut grips = self.grips.lock();
        let Some(at) = grips.iter().rposition(|(a, _)| *a == agent) else {
            return false;
        };
        let (_, grip) = grips.remove(at);
        match grip {
            Grip::Waits(_) => {}
            Grip::Byte(byte) => self.unlock(byte),
            Grip::Reads if grips.iter().any(|(_, g)| *g == Grip::Reads) => {}
            Grip::Reads => self.unlock(0),
        }
        true
    }

    fn lock(&self, byte: u32, alone: bool) -> bool {
        let kind = if alone { libc::F_WRLCK } else { libc::F_RDLCK };
        // Whatever the kernel refuses for, asking again later is all there is to do.
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&range(byte, kind))).is_ok()
    }

    fn unlock(&self, byte: u32) {
        let freed = fcntl(
            &self.file,
            FcntlArg::F_OFD_SETLK(&range(byte, libc::F_UNLCK)),
        );
        debug_assert!(freed.is_ok(), "BUG: a lock of ours is not given back");
    }
}

fn range(byte: u32, kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: i64::from(byte),
        l_len: 1,
        l_pid: 0,
    }
}

/// One name, one file: what cannot stand in a file's name is written as its bytes.
fn file_name(kind: &str, name: &str) -> String {
    let mut file = format!("{kind}.");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            file.push(char::from(byte));
        } else {
            file += &format!("%{byte:02x}");
        }
    }
    if file.len() > 200 {
        // Long names share a lock where they begin alike: waiting for more than is needed is safe.
        file.truncate(200);
    }
    file
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Permits;
    use super::*;
    use crate::wait::{Agent, Clock as _, Registry, VirtualClock, What};

    static NOW: VirtualClock = VirtualClock::new();

    /// The same guard in two runs: each has opened the file for itself.
    fn twice(make: impl Fn() -> Permits, kind: &str, permits: u32) -> [Permits; 2] {
        let folder = tempfile::tempdir().unwrap();
        [(); 2].map(|()| {
            let machine = Machine::open(folder.path(), kind, "a/b c", permits).unwrap();
            make().on(machine)
        })
    }

    fn agents<const N: usize>() -> [Arc<Agent>; N] {
        let registry = Registry::default();
        std::array::from_fn(|_| registry.enter())
    }

    /// Is it to be had? If not, it is the other run that is waited for, and for a time only.
    fn has(p: &Permits, a: &Arc<Agent>, n: u32) -> bool {
        match p.take(a, n, 0, &NOW) {
            Ok(()) => true,
            Err(wait) => {
                assert_eq!(wait.what, What::Machine(0));
                assert!(wait.until.is_some_and(|at| at > NOW.now()) && wait.is_free());
                false
            }
        }
    }

    #[test]
    fn a_lock_excludes_another_run_until_it_is_given_back() {
        let [here, there] = twice(|| Permits::lock(0), "lock", 1);
        let [a, b] = agents();
        assert!(has(&here, &a, 1) && !has(&there, &b, 1) && !has(&there, &b, 1));
        here.give(a.id, 1, &NOW);
        assert!(has(&there, &b, 1) && !has(&here, &a, 1));
        // Who gives up has nothing, also of its own run's permits.
        here.forget(a.id, &NOW);
        assert_eq!(here.free(), 1);
        // A run that is no more holds nothing.
        drop(there);
        assert!(has(&here, &a, 1));
    }

    #[test]
    fn one_that_dies_gives_back_the_file_too() {
        let [here, there] = twice(|| Permits::lock(0), "lock", 1);
        let [a, b] = agents();
        assert!(has(&here, &a, 1));
        assert_eq!(here.orphan(a.id, &NOW), 1);
        assert!(has(&there, &b, 1));
    }

    #[test]
    fn an_rlock_is_taken_again_and_given_back_as_often() {
        let [here, there] = twice(|| Permits::rlock(0), "rlock", 1);
        let [a, b] = agents();
        assert!(has(&here, &a, 1) && has(&here, &a, 1));
        here.give(a.id, 1, &NOW);
        assert!(!has(&there, &b, 1));
        here.give(a.id, 1, &NOW);
        assert!(has(&there, &b, 1));
    }

    #[test]
    fn permits_are_counted_over_all_runs() {
        let [here, there] = twice(|| Permits::semaphore(0, 2), "semaphore", 2);
        let [a, b, c] = agents();
        assert!(has(&here, &a, 1) && has(&there, &b, 1) && !has(&there, &c, 1));
        here.give(a.id, 1, &NOW);
        assert!(has(&there, &c, 1));
    }

    #[test]
    fn readers_of_all_runs_read_together_and_a_writer_is_alone() {
        let [here, there] = twice(|| Permits::rwlock(0), "rwlock", ALL);
        let [a, b, c, d] = agents();
        assert!(has(&here, &a, 1) && has(&here, &b, 1) && has(&there, &c, 1));
        here.give(a.id, 1, &NOW);
        there.give(c.id, 1, &NOW);
        assert!(!has(&there, &d, ALL), "b still reads");
        here.give(b.id, 1, &NOW);
        assert!(has(&there, &d, ALL) && !has(&here, &a, 1));
    }

    #[test]
    fn names_of_files_are_names_and_nothing_else() {
        assert_eq!(file_name("lock", "../x y"), "lock.%2e%2e%2fx%20y");
        assert!(file_name("lock", &"é".repeat(1000)).len() <= 200);
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let user = nix::unistd::geteuid().as_raw();
        let mode =
            |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o700);
        assert!(is_own(folder.path(), user).is_ok());
        mode(0o770);
        assert!(is_own(folder.path(), user).is_err());
        assert!(is_own(Path::new("/nowhere/at/all"), user).is_err());
    }
}
