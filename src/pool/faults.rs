//! Item errors: counted, shown (the first few of each step), and decided on by what holds for the step:
//! another attempt, a dead letter, dropped, or the end of the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crossbeam_channel::Sender;

use super::shared::Shared;
use crate::notice::{Deadlock, Notice};
use crate::plan::{MaxErrors, OnError, Policy, Retry};
use crate::steps::{DeadLetter, Faults, ItemError, ItemErrorKind, RunError};
use crate::sync::Commons;
use crate::value::{Batch, Row, Secrets};

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
    /// More item errors than `max_errors`.
    TooMany { stage: u32, errors: u64, taken: u64 },
    /// What no `on_error` decides about.
    Run {
        stage: u32,
        step: usize,
        error: RunError,
    },
    /// Workers wait for each other for ever.
    Deadlock(Arc<Deadlock>),
}

impl Failure {
    /// The number of the stage that failed, where it was one.
    pub fn stage(&self) -> Option<u32> {
        match self {
            Failure::Item { stage, .. }
            | Failure::TooMany { stage, .. }
            | Failure::Run { stage, .. } => Some(*stage),
            Failure::Deadlock(_) => None,
        }
    }

    /// Rows that are counted only when it has ended the run.
    pub(super) fn rows(&self) -> u64 {
        u64::from(matches!(self, Failure::Item { .. }))
    }
}

/// Item errors of a step that are shown before they are only counted.
const SHOWN: u32 = 5;
/// Characters of an item in a message.
const ITEM_CHARS: usize = 200;
/// Items before a percentage is judged while the stage runs.
const PERCENT_FROM: u64 = 1000;

/// The item errors of one stage, over all its workers.
#[derive(Debug)]
pub(super) struct StageFaults {
    pub stage: u32,
    pub name: String,
    /// The labels of the steps, for dead letters.
    pub labels: Vec<String>,
    /// How many errors of each step were shown.
    shown: Vec<AtomicU32>,
    max_errors: Option<MaxErrors>,
    pub errors: AtomicU64,
    pub taken: AtomicU64,
    /// An item failed under `keep_going`.
    pub kept_going: AtomicBool,
}

impl StageFaults {
    pub(super) fn new(stage: &crate::plan::Stage) -> StageFaults {
        StageFaults {
            stage: stage.id.0,
            name: stage.name.to_string(),
            labels: stage
                .program
                .steps
                .iter()
                .map(|s| s.label.clone())
                .collect(),
            shown: stage
                .program
                .steps
                .iter()
                .map(|_| AtomicU32::new(0))
                .collect(),
            max_errors: stage.max_errors,
            errors: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            kept_going: AtomicBool::new(false),
        }
    }

    /// Are there too many errors? A percentage is judged only at the stage's end, or when enough was taken.
    pub(super) fn too_many(&self, at_end: bool) -> Option<Failure> {
        let errors = self.errors.load(Ordering::Relaxed);
        let taken = self.taken.load(Ordering::Relaxed);
        let over = match self.max_errors? {
            MaxErrors::Count(most) => errors > most,
            MaxErrors::Percent(most) => {
                (at_end || taken >= PERCENT_FROM) && errors as f64 * 100.0 > most * taken as f64
            }
        };
        over.then_some(Failure::TooMany {
            stage: self.stage,
            errors,
            taken,
        })
    }
}

/// The attempt that a worker is at, where it works on one item at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempt {
    /// Attempts at the step that failed last, and which step that was.
    pub tries: u32,
    pub step: usize,
    /// When this attempt began (since the start).
    pub began: std::time::Duration,
}

/// One worker's view of its stage's item errors.
pub(super) struct FaultBook {
    pub stage: Arc<StageFaults>,
    notices: Sender<Notice>,
    /// It knows what is secret.
    commons: Arc<Commons>,
    /// The step that runs now, and what holds for it.
    pub step: usize,
    pub policy: Policy,
    /// `Some`: one item at a time, so that it can be tried again.
    pub attempt: Option<Attempt>,
    /// The rows of the claim, as the stage took them: for dead letters.
    pub input: Option<Batch>,
    /// When: the time of a dead letter.
    pub wall: std::time::SystemTime,
    /// To be tried again.
    pub again: Option<Again>,
    /// The blocks that the row is in.
    pub around: Around,
    /// What a dead letter's error may not show.
    pub secrets: Arc<Secrets>,
    /// Dead letters, each with the row of the claim that it is about.
    pub letters: Vec<(u32, DeadLetter)>,
    pub dropped: u64,
    pub dead: u64,
    /// Rows behind one that ended the run: nobody would have begun them.
    pub unfinished: u64,
    /// What ends the run, and the row of the claim that it happened to. That row is counted when it has ended it.
    pub fatal: Option<Failure>,
    pub fatal_at: u32,
    /// What ends the run as soon as the rows before have gone their way.
    pub end: Option<Failure>,
}

/// An item that is to be tried again.
pub(super) struct Again {
    /// The row as the failing step saw it.
    pub row: Batch,
    pub error: ItemError,
    /// Where the next attempt begins: the step that failed, or the outermost block that holds guards.
    pub unit: usize,
    pub retry: Option<Retry>,
}

/// What the blocks say that a row is in.
#[derive(Default)]
pub(super) struct Around {
    /// For each block, the innermost last: for each of its rows the row of the block around it; `None`: the same.
    pub origins: Vec<Option<Vec<u32>>>,
    /// The outermost block that holds guards, by the number of its step.
    pub unit: Option<usize>,
}

/// What was known before a step ran, to come back to after a panic.
pub(super) struct Mark {
    dropped: u64,
    dead: u64,
    letters: usize,
    unfinished: u64,
    fatal: bool,
}

impl FaultBook {
    pub(super) fn new(stage: Arc<StageFaults>, shared: &Shared) -> FaultBook {
        FaultBook {
            stage,
            notices: shared.notices.clone(),
            commons: shared.commons.clone(),
            step: 0,
            policy: Policy {
                retry: None,
                timeout: None,
                on_error: OnError::Fail,
            },
            attempt: None,
            input: None,
            wall: std::time::SystemTime::UNIX_EPOCH,
            again: None,
            around: Around::default(),
            secrets: Arc::default(),
            letters: Vec::new(),
            dropped: 0,
            dead: 0,
            unfinished: 0,
            fatal: None,
            fatal_at: 0,
            end: None,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            dropped: self.dropped,
            dead: self.dead,
            letters: self.letters.len(),
            unfinished: self.unfinished,
            fatal: self.fatal.is_some(),
        }
    }

    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.dropped = mark.dropped;
        self.dead = mark.dead;
        self.letters.truncate(mark.letters);
        self.unfinished = mark.unfinished;
        if !mark.fatal {
            self.fatal = None;
        }
    }

    /// The row of the claim that a row of the innermost block came from; `depth`: of the block so many blocks in.
    pub(super) fn row_of_claim(&self, origin: u32, depth: usize) -> u32 {
        let blocks = self.around.origins[..depth].iter().rev().flatten();
        blocks.fold(origin, |o, rows| {
            rows.get(o as usize).copied().unwrap_or_default()
        })
    }

    /// A row is through the step that runs, or (`Some`) through this block, in whatever way: the next one that the
    /// item has become has all its attempts. Within a block that holds guards only the whole of it counts.
    pub(super) fn passed(&mut self, block: Option<usize>) {
        let step = block.unwrap_or(self.step);
        if self.around.unit.is_none()
            && let Some(attempt) = &mut self.attempt
            && attempt.step == step
        {
            attempt.tries = 0;
        }
    }

    /// What ends the run waits until the rows before it have gone their way; those behind it never began.
    pub(super) fn cut_short(&mut self) {
        if let Some(mut again) = self.again.take() {
            self.unfinished += again.row.clear() as u64;
        }
        let before = self.letters.len();
        let at = self.fatal_at;
        self.letters.retain(|(row, _)| *row <= at);
        let gone = (before - self.letters.len()) as u64;
        self.dead = self.dead.saturating_sub(gone);
        self.unfinished += gone;
        let later = std::mem::replace(&mut self.end, self.fatal.take());
        self.unfinished += later.map_or(0, |f| f.rows());
    }

    /// The run ends with this.
    pub(super) fn tell(&mut self, failure: &Failure) {
        let Failure::Item {
            stage,
            step,
            item,
            error,
        } = failure
        else {
            return;
        };
        self.dropped += 1;
        self.stage.errors.fetch_add(1, Ordering::Relaxed);
        let notice = Notice::Fault {
            stage: *stage,
            step: *step,
            item: item.clone(),
            kind: error.kind.name(),
            message: error.message.clone(),
            fatal: true,
        };
        // The faces may have gone; then nobody is left to tell.
        let _ = self.notices.send(notice);
    }

    /// What is tried again where this step fails.
    fn unit(&self) -> usize {
        self.around.unit.unwrap_or(self.step)
    }

    fn may_retry(&self) -> bool {
        match (&self.attempt, self.policy.retry) {
            (Some(attempt), Some(retry)) => {
                let tries = if attempt.step == self.unit() {
                    attempt.tries
                } else {
                    0
                };
                tries < retry.times
            }
            _ => false,
        }
    }
}

impl Faults for FaultBook {
    fn fail(&mut self, origin: u32, item: Row<'_>, mut error: ItemError) {
        error.message = self.commons.values.hide(&error.message).into_owned();
        error.output = error
            .output
            .map(|o| self.commons.values.hide(&o).into_owned());
        if self.fatal.is_some() {
            self.unfinished += 1;
            return;
        }
        let died = error.kind == ItemErrorKind::Died;
        if !error.for_good && self.may_retry() && self.again.is_none() {
            self.again = Some(Again {
                row: Batch::of_row(item),
                error,
                unit: self.unit(),
                retry: self.policy.retry,
            });
            return;
        }
        let origin = self.row_of_claim(origin, self.around.origins.len());
        let on_error = self.policy.on_error;
        if on_error == OnError::Fail {
            self.fatal_at = origin;
            self.fatal = Some(Failure::Item {
                stage: self.stage.stage,
                step: self.step,
                item: self.commons.values.hide(&shorten(item)).into_owned(),
                error,
            });
            return;
        }
        match on_error {
            OnError::To(_) => self.dead += 1,
            OnError::Fail | OnError::Drop | OnError::KeepGoing => self.dropped += 1,
        }
        self.stage.errors.fetch_add(1, Ordering::Relaxed);
        if on_error == OnError::KeepGoing {
            self.stage.kept_going.store(true, Ordering::Release);
        }
        if let OnError::To(outlet) = on_error {
            let input = match &self.input {
                Some(input) => input.row((origin as usize).min(input.len() - 1)).detach(),
                None => item.detach(),
            };
            let letter = DeadLetter {
                outlet,
                input,
                stage: self.stage.name.clone(),
                step: self
                    .stage
                    .labels
                    .get(self.step)
                    .cloned()
                    .unwrap_or_default(),
                attempts: if died { crate::worker::DEATHS } else { 1 }
                    + self
                        .attempt
                        .as_ref()
                        .filter(|a| a.step == self.unit())
                        .map_or(0, |a| a.tries),
                at: self.wall,
                error: ItemError {
                    message: self.secrets.hide(&error.message).into_owned(),
                    output: error.output.map(|o| self.secrets.hide(&o).into_owned()),
                    ..error
                },
            };
            self.letters.push((origin, letter));
        } else if self
            .stage
            .shown
            .get(self.step)
            .is_none_or(|n| n.fetch_add(1, Ordering::Relaxed) < SHOWN)
        {
            let notice = Notice::Fault {
                stage: self.stage.stage,
                step: self.step,
                item: self.commons.values.hide(&shorten(item)).into_owned(),
                kind: error.kind.name(),
                message: error.message,
                fatal: false,
            };
            // The faces may have gone; then nobody is left to tell.
            let _ = self.notices.send(notice);
        }
        self.fatal = self.stage.too_many(false);
        self.fatal_at = origin;
    }
}

/// An item as people see it in a message: JSON, cut where it is long.
pub(super) fn shorten(row: Row<'_>) -> String {
    let mut out = Vec::new();
    row.detach().write_json(row.blocks, &mut out);
    let text = String::from_utf8_lossy(&out);
    match text.char_indices().nth(ITEM_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}
