//! The unsafe corner of `worker`: two things that the libraries have no safe door to.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A descriptor that becomes readable when the child ends. The child must not have been waited for.
///
/// # Errors
/// As `pidfd_open(2)`.
pub(super) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and gives a new descriptor or -1; nobody else owns a new one.
    #[allow(unsafe_code, reason = "see SAFETY")]
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Takes over descriptors that a message has brought.
pub(super) fn brought(fds: &[RawFd]) -> Vec<OwnedFd> {
    let own = |fd: &RawFd| {
        // SAFETY: the kernel has just made it for this message, and nobody else knows of it.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            OwnedFd::from_raw_fd(*fd)
        }
    };
    fds.iter().map(own).collect()
}
