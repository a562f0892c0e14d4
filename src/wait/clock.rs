//! The clock: real, or virtual for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Monotonic time since the run's start.
    fn now(&self) -> Duration;
    /// Wall-clock time.
    fn wall(&self) -> SystemTime;
    /// May a parked worker rely on real time passing? (A virtual clock is moved when everything waits.)
    fn is_real(&self) -> bool;
    /// Moves a virtual clock; a real one moves itself.
    fn advance_to(&self, to: Duration) {
        let _ = to;
    }
}

#[derive(Debug)]
pub struct RealClock {
    start: Instant,
}

impl Default for RealClock {
    fn default() -> Self {
        RealClock {
            start: Instant::now(),
        }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// Time that stands still until somebody moves it.
#[derive(Debug, Default)]
pub struct VirtualClock {
    nanos: AtomicU64,
}

impl VirtualClock {
    pub const fn new() -> VirtualClock {
        VirtualClock {
            nanos: AtomicU64::new(0),
        }
    }

    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(
            u64::try_from(by.as_nanos()).unwrap_or(u64::MAX),
            Ordering::SeqCst,
        );
    }
}

impl Clock for VirtualClock {
    fn advance_to(&self, to: Duration) {
        self.nanos.fetch_max(
            u64::try_from(to.as_nanos()).unwrap_or(u64::MAX),
            Ordering::SeqCst,
        );
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    /// 2000-01-01T00:00:00Z and the virtual time since the start.
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(262_968) + self.now()
    }

    fn is_real(&self) -> bool {
        false
    }
}
