//! Bytes on their way into a file, perhaps compressed.

use std::io::Write as _;

use flate2::write::GzEncoder;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What a file's name says.
    pub(super) fn of_name(name: &str) -> Compression {
        match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "gz" => Compression::Gzip,
            "zst" => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// One compressed stream. Several one after the other are a valid file, so a file that was closed may be gone on
/// with.
pub(super) enum Compressor {
    None,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Compressor::None => "None",
            Compressor::Gzip(_) => "Gzip",
            Compressor::Zstd(_) => "Zstd",
        })
    }
}

impl Compressor {
    /// # Errors
    /// Where there is no memory for it.
    pub(super) fn new(how: Compression) -> std::io::Result<Compressor> {
        Ok(match how {
            Compression::None => Compressor::None,
            Compression::Gzip => {
                Compressor::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default()))
            }
            Compression::Zstd => {
                // 0 is the library's usual level.
                Compressor::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 0)?)
            }
        })
    }

    /// Takes bytes in and hands on what has come out by then.
    ///
    /// # Errors
    /// As `put`.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        put: impl FnOnce(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let ready = match self {
            Compressor::None => return put(bytes),
            Compressor::Gzip(coder) => {
                coder.write_all(bytes)?;
                coder.get_mut()
            }
            Compressor::Zstd(coder) => {
                coder.write_all(bytes)?;
                coder.get_mut()
            }
        };
        if ready.is_empty() {
            return Ok(());
        }
        let done = put(ready);
        ready.clear();
        done
    }

    /// Ends the stream and hands on what is left of it.
    ///
    /// # Errors
    /// As `put`.
    pub(super) fn finish(
        self,
        put: impl FnOnce(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        match self {
            Compressor::None => Ok(()),
            Compressor::Gzip(coder) => put(&coder.finish()?),
            Compressor::Zstd(coder) => put(&coder.finish()?),
        }
    }
}
