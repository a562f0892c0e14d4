//! What all workers of a run share, and how a run fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use super::faults::Failure;
use crate::channel::Conn;
use crate::net::Net;
use crate::notice::{Meters, Notice};
use crate::steps::Output;
use crate::sync::Commons;
use crate::wait::{Clock, Registry, Stop, Why};
use crate::worker::Programs;
use crate::worker::broker::Broker;

/// What all workers of a run share.
#[derive(Clone)]
pub struct Shared {
    pub clock: Arc<dyn Clock>,
    pub output: Arc<dyn Output>,
    pub notices: Sender<Notice>,
    pub meters: Arc<Meters>,
    pub registry: Arc<Registry>,
    pub stop: Stop,
    /// Guards and values.
    pub commons: Arc<Commons>,
    pub net: Arc<Net>,
    /// Who answers user code that asks for them.
    pub broker: Arc<Broker>,
    /// What starts programs.
    pub programs: Arc<Programs>,
    /// In the order of the plan.
    pub conns: Arc<[Arc<Conn>]>,
    /// Told when a stage has closed its ends, with its number.
    pub closed: Sender<u32>,
    pub verdict: Arc<Verdict>,
}

/// What went wrong in a run, so far.
#[derive(Debug, Default)]
pub struct Verdict {
    failure: Mutex<Option<Failure>>,
    /// An item failed under `keep_going`: the run goes on, and fails at its end.
    kept_going: AtomicBool,
}

impl Shared {
    /// The run has failed: everything stops. The first failure is the one that is told.
    pub fn fail(&self, failure: Failure) {
        self.verdict.failure.lock().get_or_insert(failure);
        self.stop.now(Why::Failed);
    }

    pub fn failure(&self) -> Option<Failure> {
        self.verdict.failure.lock().clone()
    }

    pub(super) fn keep_going(&self) {
        self.verdict.kept_going.store(true, Ordering::Release);
    }

    pub fn kept_going(&self) -> bool {
        self.verdict.kept_going.load(Ordering::Acquire)
    }
}
