//! What the workloads read: made once, the same on every machine, kept below `target/`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::log::{self, Random};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// An access log in the combined format.
    Log,
    /// One JSON record of ten fields a line, written as compactly as any program writes it.
    Json,
    /// Short lines.
    Short,
    /// Rows with a header, quotes where they are needed, now and then a line's end within them.
    Csv,
    /// The workload makes its own items.
    None,
}

/// The folder below `target/` for all that is made here.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench")
}

/// The file with so many lines of this; made where it is not there yet.
///
/// # Errors
/// As writing does.
pub(crate) fn file(data: Data, lines: u64) -> io::Result<PathBuf> {
    let ending = match data {
        Data::Log => "log",
        Data::Json => "jsonl",
        Data::Short => "txt",
        Data::Csv => "csv",
        Data::None => return Ok(PathBuf::from("/dev/null")),
    };
    let path = folder().join(format!("{lines}.{ending}"));
    if !path.exists() {
        fs::create_dir_all(folder())?;
        let unfinished = path.with_extension("partial");
        let mut out = BufWriter::with_capacity(1 << 18, File::create(&unfinished)?);
        match data {
            Data::Log => log::write(&mut out, lines, log::SEED)?,
            Data::Json => json(&mut out, lines)?,
            Data::Short => {
                (0..lines).try_for_each(|n| writeln!(out, "line {}", n * 7919 % 1_000_003))?
            }
            Data::Csv => csv(&mut out, lines)?,
            Data::None => {}
        }
        out.flush()?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(path)
}

const COUNTRIES: &[&str] = &["DE", "FR", "GB", "DE", "IT", "JP", "US", "DE"];

fn json(out: &mut dyn Write, lines: u64) -> io::Result<()> {
    let mut random = Random::new(1);
    for id in 0..lines {
        let user = random.below(50_000);
        let (country, status) = (
            random.of(COUNTRIES),
            random.of(&["paid", "paid", "paid", "open", "failed"]),
        );
        let price = (random.below(10_000) + 99) as f64 / 100.0;
        let referrer = match random.below(3) {
            0 => "null".to_owned(),
            _ => format!("\"https://example.org/campaign/{}\"", random.below(100)),
        };
        let note = random.of(&[
            "",
            "leave at the door",
            "ring \\\"twice\\\"\\n",
            "für Öznur, 3. Stock",
            "東京",
        ]);
        writeln!(
            out,
            "{{\"id\":{id},\"at\":\"2025-03-14T{:02}:{:02}:{:02}Z\",\"user\":\"user{user}\",\
             \"email\":\"user{user}@mail.example\",\"country\":\"{country}\",\"status\":\"{status}\",\
             \"price\":{price:?},\"quantity\":{},\"referrer\":{referrer},\"note\":\"{note}\"}}",
            id / 3600 % 24,
            id / 60 % 60,
            id % 60,
            1 + random.skewed(20),
        )?;
    }
    Ok(())
}

fn csv(out: &mut dyn Write, lines: u64) -> io::Result<()> {
    let mut random = Random::new(2);
    writeln!(out, "id,day,name,country,article,price,quantity,note")?;
    for id in 0..lines {
        let name = random.of(&[
            "Ana Lopez",
            "\"Smith, John\"",
            "Öznur Kaya",
            "\"Lee \"\"Ace\"\" Park\"",
            "Bo Ek",
        ]);
        let note = match random.below(50) {
            0 => "\"two\nlines\"",
            n if n < 20 => "",
            _ => "gift wrapped",
        };
        writeln!(
            out,
            "{id},2025-03-{:02},{name},{},A{:05},{}.{:02},{},{note}",
            1 + id % 31,
            random.of(COUNTRIES),
            random.below(100_000),
            random.below(100),
            random.below(100),
            1 + random.below(20),
        )?;
    }
    Ok(())
}
