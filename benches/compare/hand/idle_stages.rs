//! Lines through four threads that do nothing with them: one reads, two hand on, one counts.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

const BATCH: usize = 256;
/// Four batches: as many items as wait in a connection of a pipeline that says nothing of it.
const WAITING: usize = 4;

pub(super) fn run(path: &str) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(super::BLOCK, File::open(path)?);
    let (first, second_in) = crossbeam_channel::bounded::<Vec<String>>(WAITING);
    let (second, third_in) = crossbeam_channel::bounded::<Vec<String>>(WAITING);
    let (third, fourth_in) = crossbeam_channel::bounded::<Vec<String>>(WAITING);
    std::thread::scope(|threads| {
        threads.spawn(move || second_in.into_iter().all(|batch| second.send(batch).is_ok()));
        threads.spawn(move || third_in.into_iter().all(|batch| third.send(batch).is_ok()));
        let count = threads.spawn(move || fourth_in.into_iter().map(|batch| batch.len()).sum::<usize>());
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                break;
            }
            line.pop();
            batch.push(line);
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                first.send(full).map_err(io::Error::other)?;
            }
        }
        first.send(batch).map_err(io::Error::other)?;
        drop(first);
        println!("{{\"n\":{}}}", count.join().expect("no thread panics"));
        Ok(())
    })
}
