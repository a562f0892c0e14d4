//! A temporary file that has no name, so that nothing is left of it however the program ends.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Space on disk for what does not fit into memory.
#[derive(Debug)]
pub struct Scratch(File);

impl Scratch {
    /// A new file in the system's folder for them (`$TMPDIR`).
    ///
    /// # Errors
    /// There is no such folder, or nothing may be written there.
    pub fn create() -> io::Result<Scratch> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = std::env::temp_dir();
        let mut open = OpenOptions::new();
        open.read(true).write(true);
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Not every file system can do that; then it has a name for a moment.
            if let Ok(file) = open
                .clone()
                .custom_flags(libc::O_TMPFILE)
                .mode(0o600)
                .open(&folder)
            {
                return Ok(Scratch(file));
            }
        }
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("millstream-{}-{number}", std::process::id()));
            match open.create_new(true).open(&path) {
                Ok(file) => {
                    std::fs::remove_file(&path)?;
                    return Ok(Scratch(file));
                }
                // Left by a program of our number that died between the two.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// This file instead of a new one: for tests of what cannot be written.
    #[cfg(test)]
    pub(crate) fn of(file: File) -> Scratch {
        Scratch(file)
    }

    /// # Errors
    /// As `pwrite(2)`: above all that the disk is full.
    pub fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    /// # Errors
    /// As `pread(2)`, and where fewer bytes were written there.
    pub fn read(&self, to: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(to, at)
    }

    /// What lies there is not needed any more: its room on disk is given back, where the system can do that
    /// within a file (whole pages).
    pub fn free(&self, at: u64, len: u64) {
        #[cfg(target_os = "linux")]
        {
            use nix::fcntl::{FallocateFlags, fallocate};
            let (Ok(at), Ok(len)) = (i64::try_from(at), i64::try_from(len)) else {
                return;
            };
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            // Where it cannot, the room is given back when the file ends.
            let _unable = fallocate(&self.0, hole, at, len);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (at, len);
    }

    /// Nothing in it is needed any more.
    pub fn clear(&self) {
        // Where it cannot, the room is given back when the file ends.
        let _unable = self.0.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_was_written_is_read_and_the_file_has_no_name() {
        let scratch = Scratch::create().unwrap();
        scratch.write(b"abcdef", 10).unwrap();
        let mut found = [0; 3];
        scratch.read(&mut found, 12).unwrap();
        assert_eq!(&found, b"cde");
        assert!(scratch.read(&mut found, 14).is_err());
        assert_eq!(scratch.0.metadata().unwrap().nlink(), 0);
        scratch.clear();
        assert_eq!(scratch.0.metadata().unwrap().len(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = Scratch::of(full).write(b"x", 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }
}
