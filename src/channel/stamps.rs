//! When the items that wait in a connection came.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::wait::Clock;

/// As many stamps as items wait, the oldest first; items that came together share one.
pub(super) struct Stamps {
    clock: Arc<dyn Clock>,
    /// So many came then (since the run's start).
    came: VecDeque<(usize, Duration)>,
}

impl Stamps {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Stamps {
        Stamps {
            clock,
            came: VecDeque::new(),
        }
    }

    pub(super) fn put(&mut self, items: usize) {
        let now = self.clock.now();
        match self.came.back_mut() {
            Some((n, at)) if *at == now => *n += items,
            _ => self.came.push_back((items, now)),
        }
    }

    /// Items go: when the first of them came.
    pub(super) fn take(&mut self, mut items: usize) -> Option<Duration> {
        let first = self.came.front().map(|(_, at)| *at);
        while items > 0
            && let Some((n, _)) = self.came.front_mut()
        {
            let taken = items.min(*n);
            *n -= taken;
            items -= taken;
            if *n == 0 {
                self.came.pop_front();
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::VirtualClock;

    #[test]
    fn each_item_has_the_moment_at_which_it_came() {
        let clock = Arc::new(VirtualClock::new());
        let mut stamps = Stamps::new(clock.clone());
        let secs = |s| Some(Duration::from_secs(s));
        stamps.put(2);
        stamps.put(1);
        clock.advance(Duration::from_secs(5));
        stamps.put(2);
        assert_eq!(stamps.take(1), secs(0));
        assert_eq!(stamps.take(3), secs(0));
        assert_eq!(stamps.take(1), secs(5));
        assert_eq!(stamps.take(1), None);
    }
}
