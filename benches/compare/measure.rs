//! Runs one program from its start to its end and says how long it took and how much memory it had.
//!
//! Between this program and the one that is measured stands a small one (this program again, `--measure`):
//! what the kernel says of the memory of finished children is the greatest of them all, so each needs a
//! parent of its own, and a small one, since a child counts what its parent had when it was started.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    /// Of all processors, in the program and in the system for it: what a busy machine changes least.
    pub(crate) cpu: Duration,
    /// The most memory that was resident at once, in KiB.
    pub(crate) peak_kib: u64,
    /// The exit code; 128 and the signal where one ended it.
    pub(crate) code: i32,
}

/// Runs a command, its standard output into a file, its standard error into another.
///
/// # Errors
/// Where it cannot be started.
pub(crate) fn run(command: &[String], out: &Path, errors: &Path) -> io::Result<Taken> {
    let done = Command::new(std::env::current_exe()?)
        .arg("--measure")
        .args(command)
        .stdin(Stdio::null())
        .stdout(File::create(out)?)
        .stderr(Stdio::piped())
        .env("MEASURE_ERRORS", errors)
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    let numbers: Vec<u64> = said
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    match numbers[..] {
        [nanos, cpu, peak_kib, code] => Ok(Taken {
            wall: Duration::from_nanos(nanos),
            cpu: Duration::from_nanos(cpu),
            peak_kib,
            code: code as i32,
        }),
        _ => Err(io::Error::other(format!(
            "{} cannot be run: {said}",
            command.join(" ")
        ))),
    }
}

/// The small program between: says nanoseconds of both kinds, KiB and exit code on standard error.
pub(crate) fn small_parent(command: &[String]) -> ExitCode {
    let measure = || -> io::Result<Taken> {
        let errors = std::env::var_os("MEASURE_ERRORS").unwrap_or_else(|| "/dev/null".into());
        let mut program = Command::new(&command[0]);
        program
            .args(&command[1..])
            .stderr(File::create(errors)?)
            .env_remove("MEASURE_ERRORS");
        let started = Instant::now();
        let status = program.status()?;
        let wall = started.elapsed();
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let peak_kib = usage.max_rss() as u64;
        let time = |t: TimeVal| Duration::from_micros(t.num_microseconds() as u64);
        let cpu = time(usage.user_time()) + time(usage.system_time());
        let code = status.code().unwrap_or_else(|| {
            128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0)
        });
        Ok(Taken {
            wall,
            cpu,
            peak_kib,
            code,
        })
    };
    match measure() {
        Ok(taken) => {
            eprintln!(
                "{} {} {} {}",
                taken.wall.as_nanos(),
                taken.cpu.as_nanos(),
                taken.peak_kib,
                taken.code
            );
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{}: {e}", command[0]);
            ExitCode::FAILURE
        }
    }
}
