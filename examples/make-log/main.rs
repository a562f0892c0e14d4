//! Writes a web server's access log in Apache's combined format, always the same for the same arguments.
//!
//! ```sh
//! cargo run --release --example make-log -- --lines 2000000 > big.log
//! ```

mod log;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut lines, mut seed) = (10_000, log::SEED);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let number = args.next().and_then(|n| n.parse::<u64>().ok());
        match (arg.as_str(), number) {
            ("--lines", Some(n)) => lines = n,
            ("--seed", Some(n)) => seed = n,
            _ => return usage(),
        }
    }
    let mut out = io::BufWriter::with_capacity(1 << 18, io::stdout().lock());
    match log::write(&mut out, lines, seed).and_then(|()| out.flush()) {
        // `make-log | head` is no mistake.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "make-log: {e}");
            ExitCode::from(74)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn usage() -> ExitCode {
    let _ = writeln!(io::stderr(), "usage: make-log [--lines N] [--seed N]");
    ExitCode::from(2)
}
