//! What every worker waited for and when, kept for a trace: bounded, and only where somebody asked for it.
//!
//! Only waits that parked are kept; what lies between them is work. A worker whose list is full forgets its
//! shortest waits and notes none so short from then on, so that the long ones, which people look for, stay.

use std::sync::Arc;
use std::time::Duration;

use super::primitive::Mutex;
use super::{Clock, What, Who};

/// Waits that are kept of one worker.
const MOST: usize = 10_000;

/// One wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub what: What,
    /// Since the start.
    pub began: Duration,
    pub ended: Duration,
}

/// What one worker did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub who: Who,
    pub began: Duration,
    pub ended: Duration,
    pub waits: Vec<Span>,
    /// Waits that are not among them, all shorter than [`Lane::shortest`].
    pub left_out: u64,
    pub shortest: Duration,
}

/// The waits of all workers of a run.
pub struct Trace {
    clock: Arc<dyn Clock>,
    tracks: Mutex<Vec<Arc<Track>>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trace")
    }
}

/// One worker's part of a [`Trace`].
#[derive(Debug)]
pub(super) struct Track {
    who: Who,
    began: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waits: Vec<Span>,
    ended: Option<Duration>,
    left_out: u64,
    shortest: Duration,
}

impl Trace {
    pub fn new(clock: Arc<dyn Clock>) -> Trace {
        Trace {
            clock,
            tracks: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn enter(&self, who: Who) -> Arc<Track> {
        let track = Arc::new(Track {
            who,
            began: self.clock.now(),
            inner: Mutex::new(Inner::default()),
        });
        self.tracks.lock().push(track.clone());
        track
    }

    pub(super) fn leave(&self, track: &Track) {
        track.inner.lock().ended = Some(self.clock.now());
    }

    /// What was noted, in the order in which the workers started.
    pub fn lanes(&self) -> Vec<Lane> {
        let now = self.clock.now();
        let lane = |track: &Arc<Track>| {
            let inner = track.inner.lock();
            Lane {
                who: track.who,
                began: track.began,
                ended: inner.ended.unwrap_or(now),
                waits: inner.waits.clone(),
                left_out: inner.left_out,
                shortest: inner.shortest,
            }
        };
        self.tracks.lock().iter().map(lane).collect()
    }
}

impl Track {
    pub(super) fn waited(&self, what: What, began: Duration, ended: Duration) {
        let long = ended.saturating_sub(began);
        let mut inner = self.inner.lock();
        if long < inner.shortest {
            inner.left_out += 1;
            return;
        }
        inner.waits.push(Span { what, began, ended });
        while inner.waits.len() >= MOST {
            let shortest = (inner.shortest * 2).max(Duration::from_micros(1));
            let before = inner.waits.len();
            inner
                .waits
                .retain(|s| s.ended.saturating_sub(s.began) >= shortest);
            inner.left_out += (before - inner.waits.len()) as u64;
            inner.shortest = shortest;
        }
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::super::VirtualClock;
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_longest() {
        let trace = Trace::new(Arc::new(VirtualClock::default()));
        let track = trace.enter(Who {
            stage: 0,
            worker: 0,
        });
        let micros = Duration::from_micros;
        for i in 0..100_000 {
            let long = if i % 100 == 0 { 1000 } else { i % 7 };
            track.waited(What::Put(0), micros(i * 2000), micros(i * 2000 + long));
        }
        let lane = &trace.lanes()[0];
        assert!(lane.waits.len() < MOST, "{}", lane.waits.len());
        let long = lane
            .waits
            .iter()
            .filter(|s| s.ended.saturating_sub(s.began) == micros(1000));
        assert_eq!(long.count(), 1000);
        assert_eq!(lane.waits.len() as u64 + lane.left_out, 100_000);
    }
}
