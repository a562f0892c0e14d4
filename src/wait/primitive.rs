//! The one door to mutexes, atomics and parking: the real ones, or shuttle's under the feature `model`, so
//! that channels, waits and the order window can be run through many interleavings.

#[cfg(not(feature = "model"))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::thread::{Thread, current, park, park_timeout, yield_now};
}

#[cfg(not(feature = "model"))]
pub(crate) use real::*;

#[cfg(feature = "model")]
mod model {
    pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    pub(crate) use shuttle::thread::{Thread, current, park, yield_now};

    /// Shuttle has no time: a bounded park is a park that may end at once.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        yield_now();
    }

    /// Shuttle's mutex with `parking_lot`'s face.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("BUG: a worker panicked while it held an inner lock")
        }
    }
}

#[cfg(feature = "model")]
pub(crate) use model::*;
