//! What a panic leaves: batches that are dropped while their thread unwinds are kept here, so that the worker
//! loop can run their rows again, one by one, and name the one that caused it.

use std::cell::RefCell;

use super::Batch;

thread_local! {
    static WRECK: RefCell<Vec<Batch>> = const { RefCell::new(Vec::new()) };
}

/// Called when a batch is dropped.
pub(super) fn keep(batch: &mut Batch) {
    if std::thread::panicking() && !batch.is_empty() {
        let whole = batch.split_front(usize::MAX);
        WRECK.with_borrow_mut(|w| w.push(whole));
    }
}

/// What this thread's last panic left.
pub fn take() -> Vec<Batch> {
    WRECK.take()
}
