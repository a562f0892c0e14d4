//! Item errors: counted, shown (the first few of each step), and decided on by the stage's `on_error`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_channel::Sender;

use crate::notice::Notice;
use crate::plan::OnError;
use crate::steps::{Faults, ItemError, RunError};
use crate::value::Row;

/// What ended a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// An item error under `on_error: fail`.
    Item {
        stage: u32,
        step: usize,
        item: String,
        error: ItemError,
    },
    /// What no `on_error` decides about.
    Run {
        stage: u32,
        step: usize,
        error: RunError,
    },
}

/// Item errors of a step that are shown before they are only counted.
const SHOWN: u32 = 5;
/// Characters of an item in a message.
const ITEM_CHARS: usize = 200;

/// One worker's view of its stage's item errors.
pub(super) struct FaultBook {
    stage: u32,
    on_error: OnError,
    /// How many errors of each step were shown, over all workers.
    shown: Arc<[AtomicU32]>,
    notices: Sender<Notice>,
    /// The step that runs now.
    pub(super) step: usize,
    pub(super) dropped: u64,
    pub(super) fatal: Option<Failure>,
}

impl FaultBook {
    pub(super) fn new(
        stage: u32,
        on_error: OnError,
        shown: Arc<[AtomicU32]>,
        notices: Sender<Notice>,
    ) -> FaultBook {
        FaultBook {
            stage,
            on_error,
            shown,
            notices,
            step: 0,
            dropped: 0,
            fatal: None,
        }
    }

    /// What is known now, to come back to after a panic.
    pub(super) fn mark(&self) -> (u64, bool) {
        (self.dropped, self.fatal.is_some())
    }

    pub(super) fn back_to(&mut self, mark: (u64, bool)) {
        self.dropped = mark.0;
        if !mark.1 {
            self.fatal = None;
        }
    }
}

impl Faults for FaultBook {
    fn fail(&mut self, _origin: u32, item: Row<'_>, error: ItemError) {
        self.dropped += 1;
        let fatal = self.on_error == OnError::Fail;
        if fatal && self.fatal.is_some() {
            return;
        }
        let show = self
            .shown
            .get(self.step)
            .is_none_or(|n| n.fetch_add(1, Ordering::Relaxed) < SHOWN);
        if !fatal && !show {
            return;
        }
        let item = shorten(item);
        let notice = Notice::Fault {
            stage: self.stage,
            step: self.step,
            item: item.clone(),
            kind: error.kind.name(),
            message: error.message.clone(),
            fatal,
        };
        // The faces may have gone; then nobody is left to tell.
        let _ = self.notices.send(notice);
        if fatal {
            self.fatal = Some(Failure::Item {
                stage: self.stage,
                step: self.step,
                item,
                error,
            });
        }
    }
}

/// An item as people see it in a message: JSON, cut where it is long.
fn shorten(row: Row<'_>) -> String {
    let mut out = Vec::new();
    row.detach().write_json(row.blocks, &mut out);
    let text = String::from_utf8_lossy(&out);
    match text.char_indices().nth(ITEM_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}
