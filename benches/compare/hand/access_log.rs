//! Server errors of an access log: hits and bytes by path, the twenty paths with the most hits.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr;

use super::BLOCK;

/// So much is read beyond a block, for the line that crosses its end.
const MORE: usize = 1 << 14;

type Counts = HashMap<Box<[u8]>, (u64, u64), BuildHasherDefault<Fast>>;

pub(super) fn run(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let next = AtomicU64::new(0);
    let worker = || -> io::Result<Counts> {
        let mut counts = Counts::default();
        let mut block = vec![0; BLOCK + MORE];
        loop {
            let start = next.fetch_add(BLOCK as u64, Ordering::Relaxed);
            if start >= size {
                return Ok(counts);
            }
            one_block(&file, size, start, &mut block, &mut counts)?;
        }
    };
    let (mut counts, others) = std::thread::scope(|threads| {
        let other = threads.spawn(worker);
        Ok::<_, io::Error>((worker()?, other.join().expect("no thread panics")?))
    })?;
    for (path, (hits, bytes)) in others {
        let sum = counts.entry(path).or_default();
        sum.0 += hits;
        sum.1 += bytes;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by(|(a, x), (b, y)| y.0.cmp(&x.0).then_with(|| a.cmp(b)));
    let mut out = io::BufWriter::new(io::stdout());
    for (path, (hits, bytes)) in all.into_iter().take(20) {
        let path = serde_json::to_string(&String::from_utf8_lossy(&path))?;
        writeln!(out, "{{\"path\":{path},\"hits\":{hits},\"bytes\":{bytes}}}")?;
    }
    out.flush()
}

/// The lines that begin in the block at `start`.
fn one_block(
    file: &File,
    size: u64,
    start: u64,
    block: &mut Vec<u8>,
    counts: &mut Counts,
) -> io::Result<()> {
    // From one byte before, to see whether a line begins just here.
    let from = start.saturating_sub(1);
    let end = (start - from) as usize + BLOCK;
    let mut filled = 0;
    let mut wanted = (end + MORE).min((size - from) as usize);
    loop {
        if block.len() < wanted {
            block.resize(wanted, 0);
        }
        while filled < wanted {
            match file.read_at(&mut block[filled..wanted], from + filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        if filled <= end
            || from + filled as u64 >= size
            || memchr(b'\n', &block[end - 1..filled]).is_some()
        {
            break;
        }
        wanted = (wanted * 2).min((size - from) as usize);
    }
    let data = &block[..filled];
    let mut at = if start == 0 {
        0
    } else {
        memchr(b'\n', data).map_or(filled, |i| i + 1)
    };
    while at < filled.min(end) {
        let rest = &data[at..];
        at += one_line(rest, counts);
    }
    Ok(())
}

/// Counts the first line of `rest`, if it is a server error, and says how long it is.
fn one_line(rest: &[u8], counts: &mut Counts) -> usize {
    let ends = |from: usize| memchr(b'\n', &rest[from..]).map_or(rest.len(), |i| from + i + 1);
    let Some(open) = memchr::memchr2(b'"', b'\n', rest) else {
        return rest.len();
    };
    if rest[open] == b'\n' {
        return open + 1;
    }
    let request = open + 1;
    let mut close = request;
    loop {
        match memchr::memchr2(b'"', b'\n', &rest[close..]) {
            None => return rest.len(),
            Some(i) if rest[close + i] == b'\n' => return close + i + 1,
            Some(i) if rest[close + i - 1] == b'\\' => close += i + 1,
            Some(i) => {
                close += i;
                break;
            }
        }
    }
    let (status, end) = (close + 2, ends(close));
    if rest.get(status) != Some(&b'5') || rest.get(status + 3) != Some(&b' ') {
        return end;
    }
    let bytes = rest[status + 4..end]
        .iter()
        .take_while(|b| b.is_ascii_digit());
    let bytes = bytes.fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    let request = &rest[request..close];
    let Some(path) = memchr(b' ', request).map(|i| &request[i + 1..]) else {
        return end;
    };
    let path = &path[..memchr::memchr2(b' ', b'?', path).unwrap_or(path.len())];
    if let Some(sum) = counts.get_mut(path) {
        sum.0 += 1;
        sum.1 += bytes;
    } else {
        counts.insert(path.into(), (1, bytes));
    }
    end
}

/// A quick hash of short keys (the multiply-and-rotate of rustc's own).
#[derive(Default)]
struct Fast(u64);

impl Hasher for Fast {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }
}
