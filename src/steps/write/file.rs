//! A file that is written: under its partial name until it is complete.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::compress::{Compression, Compressor};

/// A file that is being written.
#[derive(Debug)]
pub(super) struct OutFile {
    compression: Compression,
    /// Open; `None` while others are used more.
    open: Option<(File, Compressor)>,
    /// Where it is written, and what it will be called; `None`: it has its name already (`append`, a device).
    at: PathBuf,
    rename: Option<PathBuf>,
    /// It was empty, or not there.
    pub fresh: bool,
}

impl OutFile {
    /// Opens the file: a new one under its partial name, the same one to `append`, and what is no regular file
    /// (a device, a named pipe) as it is. Folders are made.
    ///
    /// # Errors
    /// As `open(2)` and `mkdir(2)`.
    pub(super) fn create(path: &Path, append: bool, how: Compression) -> std::io::Result<OutFile> {
        // Through a link its target is written; the link stays.
        let target = match path.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => path.canonicalize()?,
            _ => path.to_owned(),
        };
        let old = target.metadata().ok();
        if old.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let special = old.as_ref().is_some_and(|m| !m.is_file());
        if let Some(folder) = target.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let compressor = Compressor::new(how)?;
        if append || special {
            let file = OpenOptions::new()
                .append(true)
                .create(!special)
                .open(&target)?;
            return Ok(OutFile {
                compression: how,
                open: Some((file, compressor)),
                at: target,
                rename: None,
                fresh: old.is_none_or(|m| m.len() == 0),
            });
        }
        let at = partial(&target);
        let file = File::create(&at)?;
        if let Some(old) = old {
            file.set_permissions(old.permissions())?;
        }
        Ok(OutFile {
            compression: how,
            open: Some((file, compressor)),
            at,
            rename: Some(target),
            fresh: true,
        })
    }

    /// # Errors
    /// As `write(2)`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.open.is_none() {
            let file = OpenOptions::new().append(true).open(&self.at)?;
            self.open = Some((file, Compressor::new(self.compression)?));
        }
        match &mut self.open {
            Some((file, compressor)) => compressor.write(bytes, |ready| file.write_all(ready)),
            None => unreachable!("BUG: opened above"),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes the file for now; the next write opens it again.
    ///
    /// # Errors
    /// As `write(2)`.
    pub(super) fn close(&mut self) -> std::io::Result<()> {
        match self.open.take() {
            Some((mut file, compressor)) => compressor.finish(|ready| file.write_all(ready)),
            None => Ok(()),
        }
    }

    /// The file is complete: it takes its name.
    ///
    /// # Errors
    /// As `write(2)` and `rename(2)`.
    pub(super) fn complete(mut self) -> std::io::Result<()> {
        self.close()?;
        match &self.rename {
            Some(to) => std::fs::rename(&self.at, to),
            None => Ok(()),
        }
    }
}

/// `NAME.partial`
pub(super) fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}
