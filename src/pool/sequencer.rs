//! Turn-taking: results of an ordered pool leave in the order of their input, however many workers.
//!
//! A worker deposits what became of a range of ordinals and goes on. Whoever deposits the next range takes the
//! turn: it gets the *baton* (what only one may hold: the steps that must see all rows in order), works its
//! range off, and then everything that lies ready behind it. At most `window` rows wait; a worker whose result
//! does not fit waits for its turn, except the one whose range is next: it always fits. Where the next is an item that
//! waits aside, somebody must be free for it when its time comes: [`Sequencer::deposit_over`]. So nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::Batch;
use crate::wait::primitive::Mutex;
use crate::wait::{Agent, Wait, What};

/// What became of the ordinals `ord .. ord + span`; no parts, or empty ones, are a tombstone.
#[derive(Debug)]
pub struct Range {
    pub ord: u64,
    pub span: u64,
    pub parts: Vec<Batch>,
}

impl Range {
    fn rows(&self) -> usize {
        self.parts.iter().map(Batch::len).sum()
    }
}

/// Gives `B`, the baton, to one worker at a time, with ranges in order.
pub struct Sequencer<B> {
    stage: u32,
    /// `None`: as completed; ranges are numbered as they are deposited.
    ordered: bool,
    window: usize,
    state: Mutex<State<B>>,
}

struct State<B> {
    /// The first ordinal that nobody has taken the turn for.
    next: u64,
    held: BTreeMap<u64, Range>,
    rows: usize,
    baton: Option<B>,
    waiting: Vec<Arc<Agent>>,
}

/// What became of a deposit.
#[derive(Debug)]
#[must_use]
pub enum Deposit<B> {
    /// It is your turn, with this; call [`Sequencer::next`] when it is worked off.
    Turn(B, Range),
    /// Somebody else will do it.
    Left,
    /// The window is full; deposit again when woken.
    Full(Range, Wait),
}

impl<B> Sequencer<B> {
    pub fn new(stage: u32, ordered: bool, window: usize, baton: B) -> Sequencer<B> {
        let state = State {
            next: 0,
            held: BTreeMap::new(),
            rows: 0,
            baton: Some(baton),
            waiting: Vec::new(),
        };
        Sequencer {
            stage,
            ordered,
            window,
            state: Mutex::new(state),
        }
    }

    pub fn deposit(&self, range: Range, agent: &Arc<Agent>) -> Deposit<B> {
        self.put_down(range, agent, self.window)
    }

    /// As [`Sequencer::deposit`], though the window may be full: for whoever is needed for an earlier item, behind
    /// which everything else waits.
    pub fn deposit_over(&self, range: Range, agent: &Arc<Agent>) -> Deposit<B> {
        self.put_down(range, agent, usize::MAX)
    }

    fn put_down(&self, mut range: Range, agent: &Arc<Agent>, window: usize) -> Deposit<B> {
        let mut state = self.state.lock();
        if !self.ordered {
            // Numbered in the order of their coming: behind everything that lies here.
            range.ord = state
                .held
                .last_key_value()
                .map_or(state.next, |(ord, last)| ord + last.span);
            range.span = 1;
        }
        if range.ord == state.next
            && let Some(baton) = state.baton.take()
        {
            state.next += range.span;
            return Deposit::Turn(baton, range);
        }
        let rows = range.rows();
        if rows > 0 && range.ord != state.next && state.rows + rows > window {
            if !state.waiting.iter().any(|a| Arc::ptr_eq(a, agent)) {
                state.waiting.push(agent.clone());
            }
            let wait = Wait::for_(What::Turn {
                stage: self.stage,
                ord: range.ord,
            });
            return Deposit::Full(range, wait);
        }
        state.rows += rows;
        state.held.insert(range.ord, range);
        Deposit::Left
    }

    /// The range is worked off: the next one, or the baton goes back.
    pub fn next(&self, baton: B) -> Option<(B, Range)> {
        let mut state = self.state.lock();
        let next = state.next;
        let range = state.held.remove(&next);
        // Room in the window, or somebody's turn: those who wait look again. They are fewer than the workers.
        for agent in state.waiting.drain(..) {
            agent.wake();
        }
        match range {
            Some(range) => {
                state.next += range.span;
                state.rows -= range.rows();
                Some((baton, range))
            }
            None => {
                state.baton = Some(baton);
                None
            }
        }
    }

    /// Does something with the baton while nobody has the turn (nothing is ever deposited here, or all of it
    /// has been worked off).
    /// `None`: the run was stopped and the baton taken away.
    pub fn with_baton<R>(&self, f: impl FnOnce(&mut B) -> R) -> Option<R> {
        self.state.lock().baton.as_mut().map(f)
    }

    /// The baton, where nobody has the turn and this says yes of it; call [`Sequencer::next`] afterwards.
    pub fn take_if(&self, wanted: impl FnOnce(&B) -> bool) -> Option<B> {
        let mut state = self.state.lock();
        state.baton.take_if(|baton| wanted(baton))
    }

    /// Everything has been deposited and worked off: the baton, for the end of the stage.
    ///
    /// # Panics
    /// Where that is not so: a bug.
    pub fn finish(&self) -> B {
        let mut state = self.state.lock();
        assert!(
            state.held.is_empty(),
            "BUG: stage {} ended with results waiting for their turn",
            self.stage
        );
        state
            .baton
            .take()
            .expect("BUG: a stage ended while somebody had the turn")
    }

    /// The run was stopped: what lies here, and the baton where nobody has it.
    pub fn abandon(&self) -> (Vec<Batch>, Option<B>) {
        let mut state = self.state.lock();
        state.rows = 0;
        let held = std::mem::take(&mut state.held)
            .into_values()
            .flat_map(|r| r.parts)
            .collect();
        (held, state.baton.take())
    }
}
