//! The process's own streams, without any picture: for programs that embed millstream.

use std::io::{self, Write};

use crate::steps::Output;

/// The process's own streams.
#[derive(Debug)]
pub struct Streams;

impl Output for Streams {
    fn stdout(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    fn stderr(&self, bytes: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(bytes)
    }

    fn log(&self, line: &str) {
        // There is nowhere else to say it.
        let _ = self.stderr(format!("{line}\n").as_bytes());
    }
}
