//! What the run cost the machine.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory at the highest point, of this program alone.
    pub peak_memory: u64,
    /// Processor time of all its threads.
    pub cpu: Duration,
    /// Processors that it may use.
    pub cpus: usize,
}

impl Usage {
    pub fn now() -> Usage {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            return Usage {
                cpus,
                ..Usage::default()
            };
        };
        let time = |t: nix::sys::time::TimeVal| {
            Duration::new(
                u64::try_from(t.tv_sec()).unwrap_or(0),
                u32::try_from(t.tv_usec()).unwrap_or(0) * 1000,
            )
        };
        Usage {
            // Linux counts it in KiB.
            peak_memory: u64::try_from(usage.max_rss()).unwrap_or(0) * 1024,
            cpu: time(usage.user_time()) + time(usage.system_time()),
            cpus,
        }
    }

    /// The part of all processors' time that was used.
    pub fn cpu_share(&self, of: Duration) -> f64 {
        let had = of.as_secs_f64() * self.cpus as f64;
        if had > 0.0 {
            self.cpu.as_secs_f64() / had
        } else {
            0.0
        }
    }
}
