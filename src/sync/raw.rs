//! The unsafe corner of `sync`: a row of words that other processes may map.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

use memmap2::MmapRaw;

use crate::wait::primitive::AtomicU64;

/// 64-bit words, all changed as one step each, by whoever has them.
pub(super) struct Words {
    at: NonNull<AtomicU64>,
    count: usize,
    memory: Memory,
}

enum Memory {
    /// `at` was a box.
    Own,
    /// `at` lies in the map, for as long as that lives.
    Shared { _map: MmapRaw, file: File },
}

impl Words {
    /// In memory of our own, all zero.
    pub(super) fn own(count: usize) -> Words {
        let words: Box<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let at = NonNull::from(Box::leak(words)).cast();
        Words {
            at,
            count,
            memory: Memory::Own,
        }
    }

    /// In memory that other processes can map, all zero; where the system has no such memory, our own.
    ///
    /// # Errors
    /// The system gives none.
    #[cfg(all(target_os = "linux", not(feature = "model")))]
    pub(super) fn shared(count: usize) -> io::Result<Words> {
        use nix::fcntl::{FcntlArg, SealFlag, fcntl};
        use nix::sys::memfd::{MFdFlags, memfd_create};

        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(c"millstream values", flags)?);
        // Never empty: an empty map is an error.
        file.set_len((count.max(1) * size_of::<u64>()) as u64)?;
        // A program that shrinks it would end us with SIGBUS.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let map = MmapRaw::map_raw(&file)?;
        let at = NonNull::new(map.as_mut_ptr().cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Words {
            at,
            count,
            memory: Memory::Shared { _map: map, file },
        })
    }

    #[cfg(not(all(target_os = "linux", not(feature = "model"))))]
    pub(super) fn shared(count: usize) -> io::Result<Words> {
        Ok(Words::own(count))
    }

    /// What others map.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        match &self.memory {
            Memory::Own => None,
            Memory::Shared { file, .. } => Some(file.as_fd()),
        }
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `at` is the beginning of `count` words, in a box that is freed in `drop` only, or in a map that
        // begins a page (so it is aligned), is as long, cannot be shrunk (it is sealed) and lives as long as we do.
        // Any 64 bits are an `AtomicU64`, and what other processes write there they write as one step.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            std::slice::from_raw_parts(self.at.as_ptr(), self.count)
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Memory::Own = self.memory {
            // SAFETY: the box of `own`, which nobody else has; references to it have ended with ours.
            #[allow(unsafe_code, reason = "see SAFETY")]
            unsafe {
                let words = std::ptr::slice_from_raw_parts_mut(self.at.as_ptr(), self.count);
                drop(Box::from_raw(words));
            }
        }
    }
}

// SAFETY: what is behind the pointer are atomics, which any thread may use at any time.
#[allow(unsafe_code, reason = "see SAFETY")]
unsafe impl Send for Words {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "see SAFETY")]
unsafe impl Sync for Words {}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&&**self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::primitive::Ordering;

    #[test]
    fn words_of_both_kinds_are_zero_and_keep_what_is_stored() {
        for words in [Words::own(3), Words::shared(3).unwrap()] {
            assert_eq!(words.len(), 3);
            assert!(words.iter().all(|w| w.load(Ordering::SeqCst) == 0));
            words[2].store(7, Ordering::SeqCst);
            assert_eq!(words[2].load(Ordering::SeqCst), 7);
        }
        assert_eq!(Words::own(0).len() + Words::shared(0).unwrap().len(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_others_map_is_the_same_memory_and_cannot_be_shrunk() {
        use std::io::{Read as _, Seek as _, Write as _};

        let words = Words::shared(2).unwrap();
        let mut other = File::from(words.file().unwrap().try_clone_to_owned().unwrap());
        other.write_all(&5_u64.to_ne_bytes()).unwrap();
        assert_eq!(words[0].load(Ordering::SeqCst), 5);
        words[1].store(6, Ordering::SeqCst);
        let mut bytes = [0; 8];
        other.seek(io::SeekFrom::Start(8)).unwrap();
        other.read_exact(&mut bytes).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 6);
        assert!(other.set_len(0).is_err());
    }
}
