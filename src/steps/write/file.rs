//! A file that is written: under its partial name until it is complete.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub(super) struct OutFile {
    file: File,
    /// What it is called now and what it will be called; `None`: it has its name already (`append`, a device).
    rename: Option<(PathBuf, PathBuf)>,
}

impl OutFile {
    /// Opens the file: a new one under its partial name, the same one to `append`, and what is no regular file
    /// (a device, a named pipe) as it is. Folders are made.
    ///
    /// # Errors
    /// As `open(2)` and `mkdir(2)`.
    pub(super) fn create(path: &Path, append: bool) -> std::io::Result<OutFile> {
        // Through a link its target is written; the link stays.
        let target = match path.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => path.canonicalize()?,
            _ => path.to_owned(),
        };
        let old = target.metadata().ok();
        if let Some(old) = old.as_ref().filter(|m| m.is_dir()) {
            let _ = old;
            return Err(std::io::Error::new(
                std::io::ErrorKind::IsADirectory,
                "it is a folder",
            ));
        }
        let special = old.as_ref().is_some_and(|m| !m.is_file());
        if let Some(folder) = target.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        if append || special {
            let file = OpenOptions::new()
                .append(true)
                .create(!special)
                .open(&target)?;
            return Ok(OutFile { file, rename: None });
        }
        let partial = partial(&target);
        let file = File::create(&partial)?;
        if let Some(old) = old {
            file.set_permissions(old.permissions())?;
        }
        Ok(OutFile {
            file,
            rename: Some((partial, target)),
        })
    }

    /// # Errors
    /// As `write(2)`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    /// The file is complete: it takes its name.
    ///
    /// # Errors
    /// As `rename(2)`.
    pub(super) fn complete(self) -> std::io::Result<()> {
        match self.rename {
            Some((from, to)) => std::fs::rename(from, to),
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
