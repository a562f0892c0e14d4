//! The one file that starts threads.

use std::io;
use std::thread::{Builder, JoinHandle};

/// The threads of all workers of a run.
///
/// # Errors
/// The system gives no more threads.
pub fn workers(count: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count.max(1))
        .thread_name(|i| format!("worker {i}"))
        .build()
}

/// A thread beside the workers: the run itself, who waits for signals.
///
/// # Errors
/// The system gives no more threads.
pub fn start<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(f)
}
