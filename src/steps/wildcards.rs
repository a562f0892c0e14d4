//! Paths with wildcards: `*`, `?`, `[a-z]` and `**` stand for files that are there.

use std::path::{Path, PathBuf};

/// The files that a pattern stands for, sorted folder by folder, found one after the other.
pub(super) struct Wildcards {
    paths: glob::Paths,
    /// The folder that the pattern is relative to, which is taken off the names.
    folder: PathBuf,
}

impl std::fmt::Debug for Wildcards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wildcards")
    }
}

impl Wildcards {
    /// `name` as it was written, and the path that it is below a folder; `None`: it has no wildcards, or there is
    /// a file of just that name.
    ///
    /// # Errors
    /// A pattern that is none.
    pub(super) fn of(name: &str, path: &Path) -> Result<Option<Wildcards>, String> {
        if !name.contains(['*', '?', '[']) || path.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let whole = path
            .to_str()
            .ok_or_else(|| format!("the path of {name} is not UTF-8"))?;
        // Only what the user wrote has wildcards, not the folder that it is below.
        let (folder, pattern) = match whole.strip_suffix(name) {
            Some(folder) => (folder, format!("{}{name}", glob::Pattern::escape(folder))),
            None => ("", whole.to_owned()),
        };
        let paths = glob::glob(&pattern)
            .map_err(|e| format!("{name} is no pattern for files: {}", e.msg))?;
        Ok(Some(Wildcards {
            paths,
            folder: PathBuf::from(folder),
        }))
    }
}

impl Iterator for Wildcards {
    /// The name, relative as the pattern was, and the path.
    type Item = Result<(String, PathBuf), String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let path = match self.paths.next()? {
                Ok(path) => path,
                Err(e) => {
                    let message = format!("cannot look into {}: {}", e.path().display(), e.error());
                    return Some(Err(message));
                }
            };
            if path.is_dir() {
                continue;
            }
            let shown = path.strip_prefix(&self.folder).unwrap_or(&path);
            return Some(Ok((shown.display().to_string(), path)));
        }
    }
}
