//! Lines through four threads that do nothing with them: one reads, two hand on, one counts. Every line is a
//! `String`, as in most programs; with `reuse` the last thread sends its batches back, so that nothing is
//! allocated once it runs.

use std::fs::File;
use std::io::{self, Read};

use crossbeam_channel::{Receiver, Sender, bounded};
use memchr::{memchr_iter, memrchr};

type Batch = Vec<String>;

const BATCH: usize = 256;
/// Batches that wait between two threads; with 4 it takes twice as long, more than 64 gain nothing.
const WAITING: usize = 64;

pub(super) fn run(path: &str, reuse: bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    let (first, second_in) = bounded::<Batch>(WAITING);
    let (second, third_in) = bounded::<Batch>(WAITING);
    let (third, fourth_in) = bounded::<Batch>(WAITING);
    let (back, used) = bounded::<Batch>(3 * WAITING + 4);
    std::thread::scope(|threads| {
        threads.spawn(move || {
            second_in
                .into_iter()
                .all(|batch| second.send(batch).is_ok())
        });
        threads.spawn(move || third_in.into_iter().all(|batch| third.send(batch).is_ok()));
        let count = threads.spawn(move || {
            let mut n = 0;
            for batch in fourth_in {
                n += batch.len();
                if reuse {
                    let _ = back.try_send(batch);
                }
            }
            n
        });
        let sent = read(&mut file, &first, &used);
        drop(first);
        println!("{{\"n\":{}}}", count.join().expect("no thread panics"));
        sent
    })
}

fn read(file: &mut File, first: &Sender<Batch>, used: &Receiver<Batch>) -> io::Result<()> {
    let fresh = || {
        used.try_recv()
            .unwrap_or_else(|_| vec![String::new(); BATCH])
    };
    let (mut block, mut filled) = (vec![0; super::BLOCK], 0);
    let (mut batch, mut lines) = (fresh(), 0);
    loop {
        match file.read(&mut block[filled..])? {
            0 => break,
            n => filled += n,
        }
        let end = memrchr(b'\n', &block[..filled]).map_or(0, |i| i + 1);
        let text = std::str::from_utf8(&block[..end]).map_err(io::Error::other)?;
        let mut start = 0;
        for at in memchr_iter(b'\n', text.as_bytes()) {
            let line = &mut batch[lines];
            line.clear();
            line.push_str(&text[start..at]);
            start = at + 1;
            lines += 1;
            if lines == BATCH {
                lines = 0;
                first
                    .send(std::mem::replace(&mut batch, fresh()))
                    .map_err(io::Error::other)?;
            }
        }
        block.copy_within(end..filled, 0);
        filled -= end;
    }
    batch.truncate(lines);
    first.send(batch).map_err(io::Error::other)
}
