//! The hand-written programs: what somebody would write in Rust for this one job, with care for its speed.
//!
//! Each is a whole program's work, run in a process of its own (`compare --hand NAME FILE`): big reads, two
//! threads, `memchr`, only the fields that the job needs, nothing allocated for a line.

mod access_log;
mod csv_rows;
mod idle_stages;
mod json_lines;
mod priority_queue;

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Condvar, Mutex};

/// Runs one of them.
///
/// # Errors
/// As reading and writing do.
pub(crate) fn run(name: &str, path: &str) -> io::Result<()> {
    match name {
        "access-log" => access_log::run(path),
        "json-lines" => json_lines::run(path),
        "idle-stages" => idle_stages::run(path, false),
        "reused" => idle_stages::run(path, true),
        "priority-queue" => {
            priority_queue::run();
            Ok(())
        }
        "csv-rows" => csv_rows::run(path),
        _ => Err(io::Error::other(format!(
            "no hand-written program `{name}`"
        ))),
    }
}

const BLOCK: usize = 1 << 19;

/// Reads a file block by block, each cut where `cut` says that the last whole line ends, and has two threads
/// work on the blocks; what they make goes to standard output in the order of the file.
fn in_order(
    path: &str,
    cut: fn(&[u8]) -> usize,
    work: impl Fn(&[u8], &mut Vec<u8>) -> io::Result<()> + Sync,
) -> io::Result<()> {
    struct Source {
        file: File,
        rest: Vec<u8>,
        blocks: u64,
    }
    let source = Mutex::new(Source {
        file: File::open(path)?,
        rest: Vec::new(),
        blocks: 0,
    });
    let (turn, next) = (Mutex::new(0_u64), Condvar::new());
    // Takes the next block into `block`; its number, or `None` at the end.
    let take = |block: &mut Vec<u8>| -> io::Result<Option<u64>> {
        let mut source = source.lock().expect("no thread panics");
        let Source { file, rest, blocks } = &mut *source;
        block.clear();
        block.append(rest);
        loop {
            let read = file.take(BLOCK as u64).read_to_end(block)?;
            let end = if read == 0 { block.len() } else { cut(block) };
            rest.extend_from_slice(&block[end..]);
            block.truncate(end);
            if end > 0 || read == 0 {
                break;
            }
            block.append(rest);
        }
        *blocks += 1;
        Ok(if block.is_empty() {
            None
        } else {
            Some(*blocks - 1)
        })
    };
    let worker = || -> io::Result<()> {
        let (mut block, mut made) = (Vec::with_capacity(2 * BLOCK), Vec::with_capacity(2 * BLOCK));
        while let Some(number) = take(&mut block)? {
            made.clear();
            work(&block, &mut made)?;
            let mut now = next
                .wait_while(turn.lock().expect("no thread panics"), |now| *now != number)
                .expect("no thread panics");
            io::stdout().write_all(&made)?;
            *now += 1;
            next.notify_all();
        }
        Ok(())
    };
    std::thread::scope(|threads| {
        let other = threads.spawn(worker);
        worker()?;
        other.join().expect("no thread panics")
    })
}
