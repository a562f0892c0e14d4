//! A list of running steps and the rows that are on their way through it.
//!
//! Blocks (`with`, `if`, `in`, `into`) stand in the list as a beginning, their steps, and an end. Rows that
//! enter a block are on top of everything else that is on its way, so a block is empty, and is left, when the
//! stack is down to where it began. Where a block holds guards, rows enter one by one, and what becomes of them
//! counts only when they have left: an attempt that fails begins again at the outermost such block, and what
//! the block had made of the item is discarded.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::faults::{Around, shorten};
use super::instance::{Gate, Hands, Instance, Kind, Ledger, run};
use crate::steps::{Ask, Entered, Flow, Outcome, RunError};
use crate::value::Batch;
use crate::wait::{About, Wait};

/// Why a line stopped.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing is on its way; what came out lies in `done`.
    Empty,
    Wait(Wait),
    /// What was made so far must be given out before it goes on: set `given_out` then.
    GiveOut,
    /// The fault book has something that the worker must decide about.
    Called,
    Stop(RunError),
    /// The item must wait for limits, and may be laid down.
    Aside(Ask),
}

/// Steps in a row.
#[derive(Default)]
pub(super) struct Line {
    pub steps: Vec<Instance>,
    /// What is on its way, the next on top: the step that it enters, and the rows.
    stack: Vec<(usize, Batch)>,
    /// What has left the last step, in order.
    pub done: Vec<Batch>,
    /// The blocks that something is in, the innermost last.
    open: Vec<Open>,
    /// What the fault book knows of them, while the line does not work.
    around: Around,
    /// While guards are held and the line does not work: what became of the item so far. While it works: what
    /// counts already.
    ledger: Option<Ledger>,
    /// What was made before the next block is given out.
    pub given_out: bool,
    /// When the wait at the beginning of a block began.
    waits_since: Option<Duration>,
    /// Steps before this one have enough: what would enter them is cut.
    closed: usize,
    /// So have these, while others go on.
    shut: Vec<Range<usize>>,
    /// How far the end of the input has come: the step that gives out what it has left.
    finishing: usize,
    /// The ordinal behind all that has entered: where what a step gives out later belongs.
    behind: u64,
    /// What [`Line::count_rests`] found last.
    rested: i64,
}

/// A block that something is in.
struct Open {
    /// Its beginning.
    at: usize,
    /// What lies on the stack below it.
    base: usize,
    out: Vec<Batch>,
    inside: Inside,
    /// How many rows went in.
    rows: usize,
    /// The rows as they came, where they may be tried again.
    came: Option<Batch>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Rows of a batch that enter the block one by one; they go on together.
    OneByOne,
    Rows,
    /// Rows that hold guards.
    Held,
}

/// An item on its way, laid down.
#[derive(Default)]
pub(super) struct Load {
    stack: Vec<(usize, Batch)>,
    done: Vec<Batch>,
    open: Vec<(Open, Option<Box<dyn Any + Send>>)>,
    around: Around,
    resting: usize,
}

impl Load {
    /// A row that has not entered the first step yet.
    pub(super) fn fresh(row: Batch) -> Load {
        Load {
            stack: vec![(0, row)],
            ..Load::default()
        }
    }

    /// What it has made already belongs to it too.
    pub(super) fn prepend(&mut self, mut parts: Vec<Batch>) {
        parts.append(&mut self.done);
        self.done = parts;
    }

    pub(super) fn rows(&self) -> usize {
        let out = self.open.iter().flat_map(|(o, _)| &o.out);
        let on_way = self.stack.iter().map(|(_, b)| b).chain(&self.done);
        on_way.chain(out).map(Batch::len).sum::<usize>() + self.resting
    }
}

impl Line {
    pub(super) fn new(steps: Vec<Instance>) -> Line {
        Line {
            steps,
            ..Line::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.done.is_empty() && self.open.is_empty()
    }

    pub(super) fn enter(&mut self, parts: Vec<Batch>) {
        let end = parts.iter().map(|b| b.ord + b.span).max();
        self.behind = self.behind.max(end.unwrap_or_default());
        self.stack.extend(parts.into_iter().rev().map(|b| (0, b)));
    }

    /// Has a step (`take`) enough?
    pub(super) fn has_enough(&self) -> bool {
        self.closed > 0
    }

    fn gate(&mut self, at: usize) -> &mut Gate {
        match &mut self.steps[at].kind {
            Kind::Enter(gate) => gate,
            _ => unreachable!("BUG: a block without a beginning"),
        }
    }

    /// What is on its way, to be taken up later by whoever is free. Nothing of it holds guards.
    pub(super) fn lay_down(&mut self) -> Load {
        let mut resting = 0;
        let open = std::mem::take(&mut self.open);
        let open = open.into_iter().map(|open| {
            let state = (open.inside == Inside::Rows).then(|| {
                let gate = self.gate(open.at);
                resting += gate.frame.resting();
                gate.frame.lay_down()
            });
            (open, state)
        });
        let open = open.collect();
        Load {
            stack: std::mem::take(&mut self.stack),
            done: std::mem::take(&mut self.done),
            open,
            around: std::mem::take(&mut self.around),
            resting,
        }
    }

    pub(super) fn take_up(&mut self, load: Load) {
        self.stack = load.stack;
        self.done = load.done;
        self.around = load.around;
        for (open, state) in load.open {
            if let Some(state) = state {
                self.gate(open.at).frame.take_up(state);
            }
            self.open.push(open);
        }
        self.given_out = false;
        self.waits_since = None;
    }

    /// Works until nothing is on its way, or a step must wait, or something calls for the worker.
    pub(super) fn advance(&mut self, hands: &mut Hands<'_>) -> Halt {
        self.lend(hands);
        let halt = self.work(hands);
        self.lend(hands);
        halt
    }

    /// What the books know of the blocks that are open goes there, or comes back.
    fn lend(&mut self, hands: &mut Hands<'_>) {
        std::mem::swap(&mut self.around, &mut hands.book.around);
        if let Some(ledger) = &mut self.ledger {
            hands.swap(ledger);
        }
    }

    fn work(&mut self, hands: &mut Hands<'_>) -> Halt {
        loop {
            if self
                .open
                .last()
                .is_some_and(|open| open.base == self.stack.len())
            {
                let above = self.stack.len();
                let at = self.leave(hands);
                if let Some(halt) = self.called(at, above, hands) {
                    return halt;
                }
                continue;
            }
            let Some((at, mut batch)) = self.stack.pop() else {
                return Halt::Empty;
            };
            if batch.is_empty() {
                continue;
            }
            if at < self.closed {
                hands.cx().settle(Outcome::Cut, batch.clear());
                continue;
            }
            if self.shut.iter().any(|range| range.contains(&at)) {
                hands.cx().settle(Outcome::Absorbed, batch.clear());
                continue;
            }
            let Some(instance) = self.steps.get_mut(at) else {
                self.done.push(batch);
                continue;
            };
            hands.at(instance);
            if let Kind::Leave(enter) = instance.kind {
                self.come_to_end(enter, batch);
                continue;
            }
            if let Kind::Enter(gate) = &instance.kind {
                if hands.retries() && batch.len() > 1 && !gate.way.holds {
                    batch.number_origins();
                    let row = batch.split_front(1);
                    self.stack.push((at, batch));
                    batch = row;
                }
                let above = self.stack.len();
                if let Some(halt) = self.enter_block(at, batch, hands) {
                    return halt;
                }
                if let Some(halt) = self.called(at, above, hands) {
                    return halt;
                }
                continue;
            }
            // One at a time, so that one can wait, or be tried again, and the others come behind it.
            if (instance.waits || hands.retries()) && batch.len() > 1 {
                batch.number_origins();
                let row = batch.split_front(1);
                self.stack.push((at, batch));
                batch = row;
            }
            let above = self.stack.len();
            if hands.is_late() {
                if let Kind::Each(step, _) | Kind::Turn(step) = &mut instance.kind {
                    step.cancel(&mut hands.cx());
                }
                hands.time_out(&mut batch);
            } else {
                match run(instance, batch, hands) {
                    Ok(Flow::Next(batch)) => self.stack.push((at + 1, batch)),
                    Ok(Flow::Many(parts)) => self.go_on(at + 1, parts),
                    Ok(Flow::End(batch)) => self.end(at, batch),
                    Ok(Flow::Wait(batch, mut wait)) => {
                        self.stack.push((at, batch));
                        if let Some(late) = hands.late_at() {
                            wait.until = Some(wait.until.map_or(late, |u| u.min(late)));
                        }
                        return Halt::Wait(wait);
                    }
                    Ok(Flow::Stop(error)) | Err(error) => return Halt::Stop(error),
                }
            }
            if let Some(halt) = self.called(at, above, hands) {
                return halt;
            }
            hands.book.passed(None);
        }
    }

    fn go_on(&mut self, at: usize, parts: Vec<Batch>) {
        self.stack.extend(parts.into_iter().rev().map(|b| (at, b)));
    }

    /// A step has enough.
    fn end(&mut self, at: usize, batch: Batch) {
        let opens = self.open.iter().rev().map(|o| o.at).collect::<Vec<_>>();
        match opens.into_iter().find(|o| self.gate(*o).frame.ends_alone()) {
            Some(block) => self.shut.push(block + 1..at + 1),
            None => self.closed = at + 1,
        }
        self.stack.push((at + 1, batch));
    }

    /// Rows come to the beginning of a block.
    fn enter_block(&mut self, at: usize, batch: Batch, hands: &mut Hands<'_>) -> Option<Halt> {
        let outermost = !self.open.iter().any(|o| o.inside == Inside::Held);
        let given_out = self.given_out;
        let base = self.stack.len();
        let number = hands.book.step;
        let Kind::Enter(gate) = &mut self.steps[at].kind else {
            unreachable!("BUG: a block without a beginning")
        };
        let way = gate.way;
        let at_once = if way.single { gate.swing.rows() } else { 1 };
        if way.holds && batch.len() > at_once {
            // What is left of a batch whose first rows have come out again is in the block already.
            let last = self.open.last();
            if !last.is_some_and(|o| o.at == at && o.inside == Inside::OneByOne) {
                self.open.push(Open::new(at, base, Inside::OneByOne, None));
            }
            if way.single {
                let mut batch = batch;
                let front = batch.split_rows(at_once);
                self.stack.extend([(at, batch), (at, front)]);
            } else {
                let rows = batch.into_rows().into_iter().rev();
                self.stack.extend(rows.map(|row| (at, row)));
            }
            return None;
        }
        if way.gives_out && outermost && !given_out {
            self.stack.push((at, batch));
            return Some(Halt::GiveOut);
        }
        let came = (way.keeps && outermost).then(|| batch.clone());
        match gate.frame.enter(batch, &mut hands.cx()) {
            Entered::Wait(batch, wait) => {
                self.waits_since
                    .get_or_insert_with(|| hands.shared.clock.now());
                self.stack.push((at, batch));
                return Some(Halt::Wait(wait));
            }
            Entered::Aside(batch, ask) => {
                self.stack.push((at, batch));
                return Some(Halt::Aside(ask));
            }
            Entered::Past(batch) => self.stack.push((way.leave + 1, batch)),
            Entered::In(batch) => {
                let around = &mut hands.book.around;
                around.origins.push(gate.frame.origins());
                let inside = if way.holds {
                    Inside::Held
                } else {
                    Inside::Rows
                };
                if way.single {
                    gate.swing.enter(hands.shared.clock.now());
                }
                let mut open = Open::new(at, base, inside, came);
                open.rows = batch.len();
                self.open.push(open);
                self.stack.push((at + 1, batch));
                if way.holds && outermost {
                    around.unit = Some(number);
                    let mut ledger = Ledger::default();
                    hands.swap(&mut ledger);
                    self.ledger = Some(ledger);
                }
            }
        }
        if let Some(since) = self.waits_since.take()
            && let Some(attempt) = &mut hands.book.attempt
        {
            // Waiting for guards is no part of an attempt's time.
            attempt.began += hands.shared.clock.now().saturating_sub(since);
        }
        self.given_out = false;
        None
    }

    /// Rows come to the end of the block that begins at `enter`.
    fn come_to_end(&mut self, enter: usize, batch: Batch) {
        match self.open.last_mut() {
            Some(open) if open.at == enter => open.out.push(batch),
            _ => {
                let gate = self.gate(enter);
                let (after, batch) = (gate.way.leave + 1, gate.frame.stray(batch));
                self.stack.push((after, batch));
            }
        }
    }

    /// Nothing is in the innermost block any more. Where it begins.
    fn leave(&mut self, hands: &mut Hands<'_>) -> usize {
        let Some(open) = self.open.pop() else {
            unreachable!("BUG: no block is open")
        };
        let at = open.at;
        let outermost = !self.open.iter().any(|o| o.inside == Inside::Held);
        let instance = &mut self.steps[at];
        hands.at(instance);
        let Kind::Enter(gate) = &mut instance.kind else {
            unreachable!("BUG: a block without a beginning")
        };
        let after = gate.way.leave + 1;
        if open.inside == Inside::OneByOne {
            let mut parts = open.out.into_iter();
            if let Some(mut first) = parts.next() {
                parts.for_each(|part| first.join(part));
                self.stack.push((after, first));
            }
            return at;
        }
        hands.book.around.origins.pop();
        if gate.way.single {
            let wanted = gate.frame.is_wanted(&hands.cx());
            let now = hands.shared.clock.now();
            gate.swing.leave(open.rows, wanted, now);
        }
        let made = gate.frame.leave(open.out, &mut hands.cx());
        if open.inside == Inside::Held && outermost {
            hands.book.around.unit = None;
            self.settle(hands);
        }
        if hands.book.again.is_none() {
            hands.book.passed(Some(hands.book.step));
        }
        match self.open.last_mut() {
            Some(row) if row.at == at && row.inside == Inside::OneByOne => row.out.extend(made),
            _ => self.go_on(after, made),
        }
        at
    }

    /// What became of the item counts.
    fn settle(&mut self, hands: &mut Hands<'_>) {
        if let Some(mut ledger) = self.ledger.take() {
            hands.swap(&mut ledger);
            hands.add(ledger);
        }
    }

    /// Has a row failed in such a way that the worker must decide? What the step made lies on the stack above
    /// `above`.
    fn called(&mut self, at: usize, above: usize, hands: &mut Hands<'_>) -> Option<Halt> {
        if hands.book.fatal.is_some() {
            self.cut_short(above, hands);
            return None;
        }
        let again = hands.book.again.as_mut()?;
        let row = again.row.split_front(1);
        match self.open.iter().position(|o| o.inside == Inside::Held) {
            // It goes on at this step, with the item as it was there.
            None => self.stack.push((at, row)),
            Some(outer) => self.begin_again(outer, hands),
        }
        Some(Halt::Called)
    }

    /// A row has failed, and with it the run: what came before it goes on to the end of the line, as if rows had
    /// come one by one; what came behind it was never begun.
    fn cut_short(&mut self, above: usize, hands: &mut Hands<'_>) {
        let fatal_at = hands.book.fatal_at;
        // What lies deeper came later.
        let later = self
            .stack
            .drain(..above)
            .map(|(_, mut batch)| batch.clear());
        let mut gone: usize = later.sum();
        if let Some(outer) = self.open.iter().position(|o| o.inside == Inside::Held) {
            let at = self.open[outer].at;
            // Where several rows went in at once, those before it are as good as out again.
            if !self.gate(at).way.single {
                let within = self.stack.drain(..).map(|(_, mut b)| b.clear());
                gone += within.sum::<usize>();
            }
            gone += self.back_out(outer, hands).1;
            self.settle(hands);
        }
        let mut depth = 0;
        for open in &mut self.open {
            open.base = 0;
            if open.inside != Inside::Rows {
                continue;
            }
            let Kind::Enter(gate) = &mut self.steps[open.at].kind else {
                unreachable!("BUG: a block without a beginning")
            };
            let book = &hands.book;
            let goes_on = |origin| book.row_of_claim(origin, depth) < fatal_at;
            gone += gate.frame.cut_short(&goes_on);
            depth += 1;
        }
        let book = &hands.book;
        for (_, batch) in &mut self.stack {
            gone += batch.retain_rows(|origin, _| book.row_of_claim(origin, depth) < fatal_at);
        }
        hands.cx().settle(Outcome::Unfinished, gone);
        hands.book.cut_short();
    }

    /// Leaves the blocks from the outermost that holds guards inwards, without what was made there: that block,
    /// and how many rows were on their way in it (beside the stack's).
    fn back_out(&mut self, outer: usize, hands: &mut Hands<'_>) -> (Option<Open>, usize) {
        let (mut first, mut rows) = (None, 0);
        while self.open.len() > outer {
            let Some(open) = self.open.pop() else { break };
            rows += open.out.iter().map(Batch::len).sum::<usize>();
            if open.inside != Inside::OneByOne {
                hands.book.around.origins.pop();
                let frame = &mut self.gate(open.at).frame;
                if open.inside == Inside::Rows {
                    rows += frame.resting();
                }
                frame.back_out(&mut hands.cx());
            }
            first = Some(open);
        }
        hands.book.around.unit = None;
        (first, rows)
    }

    /// What a block that holds guards has made of an item is discarded; the item stands before it again.
    fn begin_again(&mut self, outer: usize, hands: &mut Hands<'_>) {
        if let (Some(open), _) = self.back_out(outer, hands) {
            self.stack.truncate(open.base);
            let Some(came) = open.came else {
                unreachable!("BUG: an item is tried again that was not kept")
            };
            self.stack.push((open.at, came));
        }
        if let Some(mut ledger) = self.ledger.take() {
            hands.swap(&mut ledger);
        }
    }

    /// The input has ended, and nothing is on its way: the next batch that a step has left goes on its way.
    /// `false`: there is none, the line is at its end.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn finish(&mut self, hands: &mut Hands<'_>) -> Result<bool, RunError> {
        while let Some(instance) = self.steps.get_mut(self.finishing) {
            hands.at(instance);
            let left = match &mut instance.kind {
                Kind::Turn(step) => step.finish(&mut hands.cx())?,
                Kind::Memory(memory) => memory.drain(&mut hands.cx())?,
                Kind::Each(..) | Kind::Common(_) | Kind::Enter(_) | Kind::Leave(_) => None,
            };
            match left {
                Some(mut batch) => {
                    (batch.ord, batch.span) = (self.behind, 0);
                    self.stack.push((self.finishing + 1, batch));
                    return Ok(true);
                }
                None => self.finishing += 1,
            }
        }
        Ok(false)
    }

    /// May a step have something to give out though nothing comes?
    pub(super) fn keeps_time(&self) -> bool {
        self.steps
            .iter()
            .any(|i| matches!(&i.kind, Kind::Turn(step) if step.keeps_time()))
    }

    /// When the next step has something to give out though nothing comes.
    pub(super) fn due(&self) -> Option<Duration> {
        let due = |i: &Instance| match &i.kind {
            Kind::Turn(step) => step.due(),
            _ => None,
        };
        self.steps.iter().filter_map(due).min()
    }

    /// Rows that rest in the steps until their input ends.
    pub(super) fn rests(&self) -> usize {
        let rests = |i: &Instance| match &i.kind {
            Kind::Turn(step) => step.rests(),
            _ => 0,
        };
        self.steps.iter().map(rests).sum()
    }

    /// How many more rest than when this was asked last.
    pub(super) fn count_rests(&mut self) -> i64 {
        let now = self.rests() as i64;
        now - std::mem::replace(&mut self.rested, now)
    }

    /// Nothing is on its way: what the steps give out whose time has come goes on its way. Those at the end
    /// come first, for what the others give out comes after what they have. `idle`: the time of all steps has come.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn ring(&mut self, idle: bool, hands: &mut Hands<'_>) -> Result<(), RunError> {
        let now = hands.shared.clock.now();
        for (at, instance) in self.steps.iter_mut().enumerate() {
            if let Kind::Turn(step) = &mut instance.kind
                && (step.due().is_some_and(|due| due <= now) || (idle && step.rests() > 0))
            {
                hands.book.step = instance.at;
                hands.book.policy = instance.policy;
                let mut parts = step.ring(&mut hands.cx())?;
                for part in &mut parts {
                    (part.ord, part.span) = (self.behind, 0);
                }
                self.stack
                    .extend(parts.into_iter().rev().map(|b| (at + 1, b)));
            }
        }
        Ok(())
    }

    /// What waits: the item that is to go on next, and where.
    pub(super) fn about(&self) -> Option<Arc<About>> {
        let (at, batch) = self.stack.last()?;
        let step = u32::try_from(self.steps.get(*at)?.at).unwrap_or(u32::MAX);
        let item = (!batch.is_empty()).then(|| shorten(batch.row(0)))?;
        Some(Arc::new(About { step, item }))
    }

    /// Does the item that is on its way hold guards?
    pub(super) fn holds(&self) -> bool {
        self.ledger.is_some()
    }

    /// The run stops: rows on their way are unfinished, files keep their partial names. What is held is given
    /// back with everything else of the worker.
    pub(super) fn abandon(&mut self) -> usize {
        for instance in &mut self.steps {
            if let Kind::Each(step, _) | Kind::Turn(step) = &mut instance.kind {
                step.abandon();
            }
        }
        // Of items that hold guards only that they came counts.
        let held = self.ledger.is_some();
        let held = self
            .open
            .iter()
            .position(|o| held && o.inside == Inside::Held);
        let open = std::mem::take(&mut self.open);
        let depth = held.map_or(self.stack.len(), |at| open[at].base);
        let mut rows = held.map_or(0, |at| open[at].rows);
        for open in &open[..held.unwrap_or(open.len())] {
            rows += open.out.iter().map(Batch::len).sum::<usize>();
            if open.inside == Inside::Rows {
                rows += self.gate(open.at).frame.resting();
            }
        }
        let on_way = self.stack[..depth].iter().map(|(_, b)| b);
        rows += on_way.chain(&self.done).map(Batch::len).sum::<usize>();
        self.stack.clear();
        self.done.clear();
        self.ledger = None;
        rows
    }

    /// Bytes that steps with a memory hold.
    pub(super) fn held(&self) -> usize {
        let held = |i: &Instance| match &i.kind {
            Kind::Memory(memory) => memory.held(),
            Kind::Each(step, _) | Kind::Turn(step) => step.held(),
            Kind::Common(_) | Kind::Enter(_) | Kind::Leave(_) => 0,
        };
        self.steps.iter().map(held).sum()
    }
}

impl Open {
    fn new(at: usize, base: usize, inside: Inside, came: Option<Batch>) -> Open {
        Open {
            at,
            base,
            out: Vec::new(),
            inside,
            rows: 0,
            came,
        }
    }
}
