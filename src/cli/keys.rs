//! The key `s` while a picture is shown: what every worker does, as SIGUSR1 tells.

use std::io::{self, IsTerminal, Read};

use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::{getpgrp, tcgetpgrp};
use parking_lot::Mutex;

use crate::pool::threads;

/// The terminal's manners, changed so that a key is read without Enter and not echoed. Given back when dropped.
#[derive(Debug)]
pub(super) struct Keys {
    // (nix keeps it in a cell that no two threads may look into.)
    before: Mutex<Termios>,
}

impl Keys {
    /// Reads keys from standard input, where that is the terminal and we are in its foreground.
    ///
    /// SIGTTIN and SIGTTOU must be blocked (see `signals`): sent to the background, we would be stopped for reading.
    pub(super) fn listen(mut s: impl FnMut() + Send + 'static) -> Option<Keys> {
        let input = io::stdin();
        if !input.is_terminal() || tcgetpgrp(&input).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut quiet = before.clone();
        quiet
            .local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO);
        quiet.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        quiet.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&input, SetArg::TCSANOW, &quiet).ok()?;
        let keys = Keys {
            before: Mutex::new(before),
        };
        let listen = move || {
            let mut key = [0];
            while matches!(io::stdin().read(&mut key), Ok(1)) {
                if key == *b"s" {
                    s();
                }
            }
        };
        threads::start("keys", listen).ok().map(|_| keys)
    }

    /// Gives the terminal back.
    pub(super) fn give_back(&self) {
        // A terminal that is gone needs nothing back.
        let _gone = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before.lock());
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.give_back();
    }
}
