//! TOOLBOX: how items pass from stage to stage: one bounded connection and an order.
//!
//! A [`Conn`] never blocks: it answers now, or puts the asking agent into the list of who is to be woken and
//! hands out a [`Wait`]. Its bound is exact in items, whatever the batches: a batch that does not fit is split.
//! Knows nothing of stages, steps or threads.
//!
//! States: open → *closed* (every writer has closed its end; what waits is still given out) → empty and closed;
//! or, from any of these, *unread* (every reader has closed its end; what waits and what comes is cut), or *sealed*
//! (the run is stopped and this closes a loop: what waits and what comes stays unfinished).
//!
//! Pitfalls: a wake-up is a hint that something changed, and is handed to one waiter only; a waiter that was
//! woken and does not use it must pass it on ([`Conn::forget`]).

mod cycle;
mod order;
mod priority;
mod spill;
mod stamps;
#[cfg(test)]
mod tests;

pub use cycle::Cycle;
pub use order::{Fifo, Lifo, Order};
pub use priority::{Priority, PriorityKey};
pub use spill::{Spill, SpillFifo, SpillLifo, SpillPriority};

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::value::Batch;
use crate::wait::primitive::Mutex;
use crate::wait::{Agent, Clock, Wait, What};
use stamps::Stamps;

/// What a full connection does with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The writer waits.
    Block,
    /// What comes is refused, and counted.
    DropNewest,
    /// What has waited longest goes, and is counted; in priority order the last in line.
    DropOldest,
    /// It is never full: its order keeps on disk what does not fit into memory.
    Spill,
}

/// The limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Items that may wait, exactly.
    pub max: NonZeroUsize,
    /// Bytes that they may hold together, as an estimate; a larger item passes alone.
    pub max_bytes: NonZeroUsize,
    pub full: Full,
}

/// A bounded connection for any number of writers and readers. One that nobody reads from the beginning lets
/// everything go, and counts it.
pub struct Conn {
    id: u32,
    bounds: Bounds,
    discards: bool,
    /// The loop that this connection is in.
    cycle: Option<Arc<Cycle>>,
    state: Mutex<State>,
}

struct State {
    order: Box<dyn Order>,
    bytes: usize,
    writers: usize,
    readers: usize,
    getting: VecDeque<Arc<Agent>>,
    putting: VecDeque<Arc<Agent>>,
    counts: Counts,
    sealed: bool,
    /// When what waits has come, where a reader asks for that.
    stamps: Option<Stamps>,
}

/// The disk failed where a connection keeps rows there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// `the temporary file of the queue "urls"`.
    pub what: String,
    pub message: String,
}

/// What went through a connection so far: `put = got + dropped + cut + unfinished + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub put: u64,
    pub got: u64,
    /// By `drop_newest` or `drop_oldest`.
    pub dropped: u64,
    /// Waited when the last reader ended, or came though there never was one.
    pub cut: u64,
    /// Waited, or came, when the run was stopped and this closed a loop.
    pub unfinished: u64,
    pub waiting: u64,
    pub bytes: u64,
    /// The most that ever waited.
    pub peak: u64,
    /// How many went to disk meanwhile.
    pub spilled: u64,
}

/// What became of an offer.
#[derive(Debug)]
#[must_use]
pub enum Offer {
    /// All of it is in (or was dropped by the connection's policy); the batch is empty.
    Taken,
    /// What is left in the batch does not fit now; the agent will be woken.
    Full(Wait),
    /// Nobody will read it; the batch is as it was.
    Unread,
    /// All of it is in, but what did not fit into memory cannot be written.
    Failed(Broken),
}

/// What a claim gave.
#[derive(Debug)]
#[must_use]
pub enum Claim {
    Batch(Batch),
    /// Nothing now; the agent will be woken.
    Empty,
    /// Nothing, and nothing will come.
    Closed,
    /// What was written cannot be read again.
    Failed(Broken),
}

/// What waits in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Something,
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.id)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl Conn {
    /// A connection with this many writing and reading stages.
    pub fn new(
        id: u32,
        bounds: Bounds,
        order: Box<dyn Order>,
        writers: usize,
        readers: usize,
    ) -> Conn {
        let state = State {
            order,
            bytes: 0,
            writers,
            readers,
            getting: VecDeque::new(),
            putting: VecDeque::new(),
            counts: Counts::default(),
            sealed: false,
            stamps: None,
        };
        Conn {
            id,
            bounds,
            discards: readers == 0,
            cycle: None,
            state: Mutex::new(state),
        }
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    /// As a connection of a loop: it closes when the loop ends, and not when its writers do.
    #[must_use]
    pub fn in_cycle(mut self, cycle: &Arc<Cycle>) -> Conn {
        self.cycle = Some(cycle.clone());
        self
    }

    /// Notes from now on when each item came: for [`Conn::claim_since`].
    pub fn keep_stamps(&self, clock: &Arc<dyn Clock>) {
        self.state.lock().stamps = Some(Stamps::new(clock.clone()));
    }

    /// The most rows that one batch should have here: a quarter of the bound, so that writer and reader
    /// never wait for each other's whole batch.
    pub fn batch_max(&self) -> usize {
        (self.bounds.max.get() / 4).clamp(1, 256)
    }

    /// Puts in what fits; the rest stays in `batch`, and the agent will be woken when there is room.
    pub fn offer(&self, batch: &mut Batch, agent: &Arc<Agent>) -> Offer {
        if batch.is_empty() {
            return Offer::Taken;
        }
        batch.compact_if_sparse();
        let weight = batch.weigh();
        let mut state = self.state.lock();
        if self.discards {
            let gone = batch.clear() as u64;
            state.counts.put += gone;
            state.counts.cut += gone;
            return Offer::Taken;
        }
        if state.sealed {
            let kept = batch.clear() as u64;
            state.counts.put += kept;
            state.counts.unfinished += kept;
            return Offer::Taken;
        }
        if state.readers == 0 {
            return Offer::Unread;
        }
        let max = self.bounds.max.get();
        take_out(&mut state.putting, agent);
        match self.bounds.full {
            Full::Block => {
                let room = self.room(&state, batch, weight);
                if room < batch.len() {
                    if room > 0 {
                        let front = batch.split_front(room);
                        if let Err(broken) = self.take_in(&mut state, front) {
                            return Offer::Failed(broken);
                        }
                        state.wake_getter();
                    }
                    state.enlist_putter(agent);
                    return Offer::Full(Wait::for_(What::Put(self.id)));
                }
                let whole = batch.split_front(usize::MAX);
                if let Err(broken) = self.take_in(&mut state, whole) {
                    return Offer::Failed(broken);
                }
                // The baton: room is left, so the next writer need not wait for a reader to say so.
                if state.order.len() < max && state.bytes < self.bounds.max_bytes.get() {
                    state.wake_putter();
                }
            }
            Full::DropNewest => {
                let room = max - state.order.len();
                let front = batch.split_front(room);
                let refused = batch.clear() as u64;
                state.counts.put += refused;
                state.counts.dropped += refused;
                if let Err(broken) = self.take_in(&mut state, front) {
                    return Offer::Failed(broken);
                }
            }
            Full::Spill => {
                let whole = batch.split_front(usize::MAX);
                if let Err(broken) = self.take_in(&mut state, whole) {
                    return Offer::Failed(broken);
                }
            }
            Full::DropOldest => {
                let whole = batch.split_front(usize::MAX);
                if let Err(broken) = self.take_in(&mut state, whole) {
                    return Offer::Failed(broken);
                }
                let over = state.order.len().saturating_sub(max);
                if over > 0 {
                    let (gone, bytes) = state.order.evict(over);
                    if let Some(stamps) = &mut state.stamps {
                        stamps.take(gone);
                    }
                    state.counts.dropped += gone as u64;
                    state.bytes = state.bytes.saturating_sub(bytes);
                    state.wake_getter();
                    drop(state);
                    if let Some(cycle) = &self.cycle {
                        cycle.finish(gone as u64);
                    }
                    return Offer::Taken;
                }
            }
        }
        state.wake_getter();
        Offer::Taken
    }

    fn take_in(&self, state: &mut State, batch: Batch) -> Result<(), Broken> {
        if batch.is_empty() {
            return Ok(());
        }
        let n = batch.len() as u64;
        if let Some(cycle) = &self.cycle {
            cycle.begin(n);
        }
        state.counts.put += n;
        state.bytes += batch.weighed();
        if let Some(stamps) = &mut state.stamps {
            stamps.put(batch.len());
        }
        let pushed = state.order.push(batch);
        state.counts.peak = state.counts.peak.max(state.order.len() as u64);
        pushed
    }

    /// How many rows of the batch fit now.
    fn room(&self, state: &State, batch: &Batch, weight: usize) -> usize {
        let items = state.order.len();
        let room = self.bounds.max.get().saturating_sub(items).min(batch.len());
        let free = self.bounds.max_bytes.get().saturating_sub(state.bytes);
        if weight <= free || room == 0 {
            return room;
        }
        // Too heavy as a whole: by the average row; one alone always passes when nothing waits.
        let each = (weight / batch.len()).max(1);
        let fit = (free / each).min(room);
        if fit == 0 && items == 0 { 1 } else { fit }
    }

    /// Takes at most `want` rows. Where there are none, the agent will be woken.
    pub fn claim(&self, want: usize, agent: &Arc<Agent>) -> Claim {
        self.claim_since(want, agent).0
    }

    /// As [`Conn::claim`], and when the first of the rows came (since the run's start), where that is noted:
    /// exactly, where the first in is the first out.
    pub fn claim_since(&self, want: usize, agent: &Arc<Agent>) -> (Claim, Option<Duration>) {
        let mut state = self.state.lock();
        match state.order.pop(want) {
            Err(broken) => (Claim::Failed(broken), None),
            Ok(Some(batch)) => {
                let stamps = state.stamps.as_mut();
                let since = stamps.and_then(|stamps| stamps.take(batch.len()));
                // An entry of an earlier wait must not draw a wake-up that another could use.
                take_out(&mut state.getting, agent);
                state.counts.got += batch.len() as u64;
                state.bytes = if state.order.is_empty() {
                    0
                } else {
                    state.bytes.saturating_sub(batch.weighed())
                };
                state.wake_putter();
                // The baton: more waits than this reader took.
                if !state.order.is_empty() {
                    state.wake_getter();
                }
                (Claim::Batch(batch), since)
            }
            Ok(None) if state.writers == 0 || state.sealed => (Claim::Closed, None),
            Ok(None) => {
                state.enlist_getter(agent);
                (Claim::Empty, None)
            }
        }
    }

    /// What a claim would find; where that is nothing, the agent will be woken.
    pub fn look(&self, agent: &Arc<Agent>) -> Found {
        let mut state = self.state.lock();
        if !state.order.is_empty() {
            take_out(&mut state.getting, agent);
            // A wake-up that brought us here is of use to another reader.
            state.wake_getter();
            Found::Something
        } else if state.writers == 0 || state.sealed {
            Found::Closed
        } else {
            state.enlist_getter(agent);
            Found::Nothing
        }
    }

    /// Rows that were claimed and not begun come back to the front; they do not count as put again.
    pub fn give_back(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        if state.sealed {
            let kept = batch.len() as u64;
            state.counts.got -= kept;
            state.counts.unfinished += kept;
            drop(state);
            if let Some(cycle) = &self.cycle {
                cycle.finish(kept);
            }
            return;
        }
        state.counts.got -= batch.len() as u64;
        state.bytes += batch.weighed();
        state.order.push_front(batch);
        state.wake_getter();
    }

    /// The agent waits no more. A wake-up that was meant for it goes to the next.
    pub fn forget(&self, agent: &Arc<Agent>) {
        let mut state = self.state.lock();
        let was_getting = take_out(&mut state.getting, agent);
        let was_putting = take_out(&mut state.putting, agent);
        if !was_getting && !state.order.is_empty() {
            state.wake_getter();
        }
        if !was_putting && state.order.len() < self.bounds.max.get() {
            state.wake_putter();
        }
    }

    /// A writing stage has ended; the last one closes the connection. `of`: the loop that the stage is in; a
    /// connection of that loop closes with it.
    pub fn close_writer(&self, of: Option<&Arc<Cycle>>) {
        match &self.cycle {
            Some(cycle) if of.is_some_and(|c| Arc::ptr_eq(c, cycle)) => {}
            Some(cycle) => cycle.writer_ended(),
            None => {
                let mut state = self.state.lock();
                state.writers -= 1;
                if state.writers == 0 {
                    state.close();
                }
            }
        }
    }

    /// Rows were claimed by a stage in the loop `to`, or in none: where that is not this connection's, they
    /// are none of its loop's business any more.
    pub fn leaves_cycle(&self, rows: usize, to: Option<&Arc<Cycle>>) {
        if let Some(cycle) = &self.cycle
            && !to.is_some_and(|c| Arc::ptr_eq(c, cycle))
        {
            cycle.finish(rows as u64);
        }
    }

    /// The run is stopped, and this connection closes a loop: nothing more leaves it, so that the loop ends with
    /// what it has begun.
    pub fn seal(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.sealed, true) {
            return;
        }
        let kept = state.order.clear() as u64;
        state.counts.unfinished += kept;
        state.bytes = 0;
        state.close();
        for agent in state.putting.drain(..) {
            agent.wake();
        }
        drop(state);
        if let Some(cycle) = &self.cycle {
            cycle.finish(kept);
        }
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.writers = 0;
        state.close();
    }

    /// A reading stage has ended; after the last one nothing is taken in any more.
    pub fn close_reader(&self) {
        let mut state = self.state.lock();
        state.readers -= 1;
        if state.readers == 0 {
            let cut = state.order.clear();
            state.counts.cut += cut as u64;
            state.bytes = 0;
            for agent in state.putting.drain(..) {
                agent.wake();
            }
            drop(state);
            if let Some(cycle) = &self.cycle {
                cycle.finish(cut as u64);
            }
        }
    }

    /// How many items may wait.
    pub fn max(&self) -> usize {
        self.bounds.max.get()
    }

    /// Items that wait now.
    pub fn waiting(&self) -> usize {
        self.state.lock().order.len()
    }

    /// Had it no reader from the beginning?
    pub fn discards(&self) -> bool {
        self.discards
    }

    /// Has every reading stage ended, or was there none?
    pub fn is_unread(&self) -> bool {
        self.state.lock().readers == 0
    }

    pub fn counts(&self) -> Counts {
        let state = self.state.lock();
        Counts {
            waiting: state.order.len() as u64,
            bytes: state.bytes as u64,
            spilled: state.order.spilled(),
            ..state.counts
        }
    }
}

impl State {
    fn close(&mut self) {
        for agent in self.getting.drain(..) {
            agent.wake();
        }
    }

    fn wake_getter(&mut self) {
        if let Some(agent) = self.getting.pop_front() {
            agent.wake();
        }
    }

    fn wake_putter(&mut self) {
        if let Some(agent) = self.putting.pop_front() {
            agent.wake();
        }
    }

    fn enlist_getter(&mut self, agent: &Arc<Agent>) {
        if !self.getting.iter().any(|a| Arc::ptr_eq(a, agent)) {
            self.getting.push_back(agent.clone());
        }
    }

    fn enlist_putter(&mut self, agent: &Arc<Agent>) {
        if !self.putting.iter().any(|a| Arc::ptr_eq(a, agent)) {
            self.putting.push_back(agent.clone());
        }
    }
}

fn take_out(list: &mut VecDeque<Arc<Agent>>, agent: &Arc<Agent>) -> bool {
    match list.iter().position(|a| Arc::ptr_eq(a, agent)) {
        Some(at) => {
            list.remove(at);
            true
        }
        None => false,
    }
}
