//! Signals: blocked in every thread, waited for in one, so that nothing ever runs inside a handler.

use std::io;

use nix::sys::signal::{SigSet, Signal};

use crate::pool::threads;
use crate::wait::Why;

/// What somebody outside wants of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGINT or SIGTERM.
    Stop(Why),
    /// SIGUSR1 or SIGQUIT: what is every worker doing?
    Show,
}

#[derive(Debug)]
pub(super) struct Signals {
    all: SigSet,
}

impl Signals {
    /// Blocks the signals in this thread and all that it will start. To be called before any other exists.
    ///
    /// A shell that starts a job in the background without job control lets it ignore SIGINT. A blocked signal
    /// arrives all the same, and that is meant: nobody but a person asking us to stop would send one there.
    pub(super) fn block() -> io::Result<Signals> {
        let all = SigSet::from_iter([
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGUSR1,
            Signal::SIGQUIT,
        ]);
        let mut blocked = all;
        // A key or a line for the terminal is no reason to be stopped in the background.
        blocked.extend([Signal::SIGTTIN, Signal::SIGTTOU]);
        blocked.thread_block()?;
        Ok(Signals { all })
    }

    /// Tells of each signal, from a thread of its own. From the third stop on the system ends the program, as if
    /// we did not listen: whatever hangs, somebody at a terminal can get rid of us.
    pub(super) fn listen(self, mut tell: impl FnMut(Asked) + Send + 'static) -> io::Result<()> {
        let listen = move || {
            let mut stops = 0;
            while let Ok(signal) = self.all.wait() {
                let asked = match signal {
                    Signal::SIGINT => Asked::Stop(Why::Interrupted),
                    Signal::SIGTERM => Asked::Stop(Why::Terminated),
                    _ => Asked::Show,
                };
                tell(asked);
                stops += usize::from(asked != Asked::Show);
                if stops == 2 {
                    let mut deadly = SigSet::empty();
                    deadly.add(Signal::SIGINT);
                    deadly.add(Signal::SIGTERM);
                    // Where that fails, a third one is told like the second.
                    let _kept = deadly.thread_unblock();
                }
            }
        };
        threads::start("signals", listen).map(drop)
    }
}
