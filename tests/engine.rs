//! The engine without YAML: plans made by hand, steps made for the test.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::diagnostic::Place;
use millstream::engine::{Books, Options, run};
use millstream::expr::{Env, Scope};
use millstream::notice::{Ended, Exit, Notice};
use millstream::plan::{
    Conn, ConnId, ConnKind, Executor, OnError, Ordered, Outlet, Plan, Policy, Program, Retry,
    Stage, StageId, Step,
};
use millstream::steps::{
    BatchStep, Cx, Flow, ItemError, Memory, Op, Outcome, Output, Pull, RunError, Source,
};
use millstream::value::{Batch, Blocks, Cell, Shape, Type};
use millstream::wait::{Agent, Stop, VirtualClock, Wait, What, Why};
use proptest::prelude::*;

// ---- a plan in a few words -------------------------------------------------------------------------------

struct Nothing;

impl Output for Nothing {
    fn stdout(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn stderr(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn log(&self, _: &str) {}
}

fn n(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).expect("not zero")
}

thread_local! {
    /// Is this the round of the tasks?
    static TASKS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Each test of the worker loop runs on every executor.
fn on_every_executor(test: impl Fn()) {
    for tasks in [false, true] {
        TASKS.set(tasks);
        test();
    }
}

fn executor(workers: usize) -> Executor {
    if TASKS.get() {
        Executor::Tasks(n(workers))
    } else {
        Executor::Threads(n(workers))
    }
}

const POLICY: Policy = Policy {
    retry: None,
    timeout: None,
    on_error: OnError::Fail,
};

#[derive(Default)]
struct Draft {
    /// Time moves only when everybody waits.
    virtual_time: bool,
    stages: Vec<Stage>,
    conns: Vec<Conn>,
}

impl Draft {
    fn stage(&mut self, from: &[ConnId], threads: usize, steps: Vec<Step>) -> StageId {
        let id = StageId(self.stages.len() as u32);
        for c in from {
            self.conns[c.index()].readers.push(id);
        }
        self.stages.push(Stage {
            id,
            name: format!("s{}", id.0).into(),
            description: None,
            place: Place::default(),
            inputs: from.to_vec(),
            outputs: Vec::new(),
            branches: None,
            dead: Vec::new(),
            puts: Vec::new(),
            executor: executor(threads),
            program: Program { steps },
            ordered: if from.len() > 1 {
                Ordered::No
            } else {
                Ordered::Window(n(1024))
            },
            on_error: OnError::Fail,
            max_errors: None,
            max_waiting: 10_000,
            after: Vec::new(),
            always: false,
            touches: millstream::steps::Touches::default(),
            may: millstream::steps::May::default(),
            takes: Type::Int,
            gives: Type::Int,
        });
        id
    }

    fn conn(&mut self, writers: &[StageId], max: usize) -> ConnId {
        let id = ConnId(self.conns.len() as u32);
        for w in writers {
            self.stages[w.index()].outputs.push(Outlet {
                conn: id,
                convert: None,
            });
        }
        self.conns.push(Conn {
            id,
            name: format!("c{}", id.0).into(),
            kind: ConnKind::Queue,
            of: Type::Int,
            max: n(max),
            max_bytes: n(64 << 20),
            order: millstream::plan::Order::Fifo,
            full: millstream::plan::Full::Block,
            feedback: false,
            writers: writers.to_vec(),
            readers: Vec::new(),
        });
        id
    }

    fn on_error(&mut self, stage: StageId, on_error: OnError) {
        let stage = &mut self.stages[stage.index()];
        stage.on_error = on_error;
        stage
            .program
            .steps
            .iter_mut()
            .for_each(|s| s.policy.on_error = on_error);
    }

    fn run(self) -> (Ended, Books) {
        self.run_with(Stop::new()).0
    }

    /// Runs it; a run that does not end within a minute is a hang, and says who waits for what.
    fn run_with(self, stop: Stop) -> ((Ended, Books), Vec<Notice>) {
        let plan = Plan {
            name: "test".into(),
            description: None,
            folder: ".".into(),
            stages: self.stages,
            conns: self.conns,
            guards: Vec::new(),
            values: Vec::new(),
            arrays: Vec::new(),
            env: Env::default(),
            scope: Scope::default(),
            deadline: None,
            drain: millstream::plan::DRAIN,
            safe: false,
        };
        let (notices, told) = crossbeam_channel::unbounded();
        let mut options = Options::new(&plan, Arc::new(Nothing), notices);
        options.stop = stop;
        if self.virtual_time {
            options.clock = Arc::new(VirtualClock::default());
        }
        let registry = options.registry.clone();
        let (send, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _ = send.send(run(&plan, options));
        });
        match done.recv_timeout(Duration::from_mins(1)) {
            Ok(result) => {
                assert_eq!(result.1.mistake(), None);
                (result, told.try_iter().collect())
            }
            Err(error) => panic!("the run does not end ({error}): {:#?}", registry.seen()),
        }
    }
}

fn step(label: &str, op: Op) -> Step {
    Step {
        label: label.into(),
        text: label.into(),
        place: Place::default(),
        op,
        waits: false,
        meets: false,
        policy: POLICY,
    }
}

fn waiting(label: &str, op: Op) -> Step {
    Step {
        waits: true,
        meets: false,
        ..step(label, op)
    }
}

// ---- steps -----------------------------------------------------------------------------------------------

struct Count {
    next: i64,
    to: i64,
}

impl Source for Count {
    fn pull(&mut self, want: usize, _: &mut Cx<'_>) -> Pull {
        if self.next >= self.to {
            return Pull::End;
        }
        let to = self.to.min(self.next + want as i64);
        let batch = ints(self.next..to);
        self.next = to;
        Pull::Rows(batch)
    }
}

fn ints(values: impl IntoIterator<Item = i64>) -> Batch {
    let mut batch = Batch::new(Shape::of(&Type::Int), Blocks::new());
    for v in values {
        batch.push([Cell::Int(v)]);
    }
    batch
}

fn count(to: i64) -> Step {
    step(
        "count",
        Op::Source(Arc::new(move || Box::new(Count { next: 0, to }))),
    )
}

fn int(cell: &Cell) -> i64 {
    if let Cell::Int(i) = cell {
        *i
    } else {
        panic!("not an int: {cell:?}")
    }
}

/// A step that does something with each row: `Some` goes on, `None` is filtered, an error is an item error.
struct Do<F>(F);

impl<F: FnMut(i64) -> Result<Option<i64>, ItemError> + Send> BatchStep for Do<F> {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(batch.shape().clone());
        for i in 0..batch.len() {
            match (self.0)(int(&batch.row(i).cells[0])) {
                Ok(Some(v)) => out.push_from(&batch, i, [Cell::Int(v)]),
                Ok(None) => cx.settle(Outcome::Filtered, 1),
                Err(e) => cx.fail(batch.origin(i), batch.row(i), e),
            }
        }
        batch.clear();
        Flow::Next(out)
    }
}

fn each<F>(f: F) -> Step
where
    F: Fn(i64) -> Result<Option<i64>, ItemError> + Send + Sync + Clone + 'static,
{
    step("each", Op::Each(Arc::new(move || Box::new(Do(f.clone())))))
}

/// Collects what comes, in turn.
fn collect() -> (Step, Arc<Mutex<Vec<i64>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let to = seen.clone();
    let make = move || {
        let to = to.clone();
        Box::new(Do(move |v| {
            to.lock().unwrap().push(v);
            Ok(Some(v))
        })) as Box<dyn BatchStep>
    };
    (step("collect", Op::Turn(Arc::new(make))), seen)
}

struct Take(usize);

impl BatchStep for Take {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let front = batch.split_front(self.0);
        self.0 -= front.len();
        cx.settle(Outcome::Absorbed, batch.clear());
        if self.0 == 0 {
            Flow::End(front)
        } else {
            Flow::Next(front)
        }
    }
}

fn take(n: usize) -> Step {
    step("take", Op::Turn(Arc::new(move || Box::new(Take(n)))))
}

struct Sum(i64, bool);

impl Memory for Sum {
    fn absorb(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Result<(), RunError> {
        self.0 += batch.rows().map(|r| int(&r.cells[0])).sum::<i64>();
        cx.settle(Outcome::Absorbed, batch.clear());
        Ok(())
    }
    fn merge(&mut self, other: Box<dyn Memory>) {
        self.0 += other.into_any().downcast::<Sum>().expect("a sum").0;
    }
    fn drain(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        if std::mem::replace(&mut self.1, true) {
            return Ok(None);
        }
        cx.made(1);
        Ok(Some(ints([self.0])))
    }
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

fn sum() -> Step {
    step("sum", Op::Memory(Arc::new(|| Box::new(Sum(0, false)))))
}

/// Lets rows through only in groups of `parties`, as a barrier does.
/// How many have arrived, the generation, and who waits.
type Arrivals = Arc<Mutex<(usize, u64, Vec<Arc<Agent>>)>>;

#[derive(Clone)]
struct Meet {
    parties: usize,
    state: Arrivals,
    /// The generation that this worker has arrived in.
    mine: Option<u64>,
}

impl BatchStep for Meet {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow {
        assert_eq!(batch.len(), 1, "a step that waits gets its rows one by one");
        let mut state = self.state.lock().unwrap();
        let mine = *self.mine.get_or_insert_with(|| {
            state.0 += 1;
            state.1
        });
        if state.0 == self.parties && state.1 == mine {
            state.0 = 0;
            state.1 += 1;
            state.2.drain(..).for_each(|a| a.wake());
        }
        if state.1 > mine {
            self.mine = None;
            return Flow::Next(batch);
        }
        state.2.push(cx.agent.clone());
        Flow::Wait(batch, Wait::for_(What::Outside("the others")))
    }
}

fn meet(parties: usize) -> Step {
    let meet = Meet {
        parties,
        state: Arc::default(),
        mine: None,
    };
    waiting("meet", Op::Each(Arc::new(move || Box::new(meet.clone()))))
}

/// An event: rows from `from` on wait until it is set.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Vec<Arc<Agent>>)>>);

struct Wicket(Gate, i64);

impl BatchStep for Wicket {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut gate = self.0.0.lock().unwrap();
        if gate.0 || int(&batch.row(0).cells[0]) < self.1 {
            return Flow::Next(batch);
        }
        gate.1.push(cx.agent.clone());
        Flow::Wait(batch, Wait::for_(What::Outside("the gate")))
    }
}

impl Gate {
    fn pass(&self, from: i64) -> Step {
        let gate = self.clone();
        waiting(
            "gate",
            Op::Each(Arc::new(move || Box::new(Wicket(gate.clone(), from)))),
        )
    }
    fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        gate.1.drain(..).for_each(|a| a.wake());
    }
    fn open_on(&self, value: i64) -> Step {
        let gate = self.clone();
        each(move |v| {
            if v == value {
                gate.open();
            }
            Ok(Some(v))
        })
    }
}

// ---- what the loop promises ------------------------------------------------------------------------------

#[test]
fn every_item_passes_a_chain_in_order() {
    on_every_executor(|| {
        for (max, threads) in [(1, 1), (3, 1), (1024, 1), (1, 3), (7, 2), (1024, 4)] {
            let mut d = Draft::default();
            let mut last = d.stage(&[], 1, vec![count(3000)]);
            for _ in 0..3 {
                let c = d.conn(&[last], max);
                last = d.stage(&[c], threads, vec![each(|v| Ok(Some(v + 1)))]);
            }
            let c = d.conn(&[last], max);
            let (step, seen) = collect();
            d.stage(&[c], threads, vec![step]);
            let (ended, books) = d.run();
            assert_eq!(ended.exit, Exit::Done);
            assert_eq!(
                *seen.lock().unwrap(),
                (3..3003).collect::<Vec<_>>(),
                "max {max}, threads {threads}"
            );
            assert!(
                books
                    .conns
                    .iter()
                    .all(|c| c.peak <= max as u64 && c.put == 3000 && c.got == 3000)
            );
        }
    });
}

#[test]
fn an_ordered_pool_keeps_order_whatever_is_filtered() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let read = d.stage(&[], 1, vec![count(20_000)]);
        let c = d.conn(&[read], 64);
        let pool = d.stage(
            &[c],
            4,
            vec![each(|v| {
                if v % 97 == 0 {
                    std::thread::yield_now();
                }
                Ok((v % 3 == 0).then_some(v))
            })],
        );
        let c = d.conn(&[pool], 64);
        let (step, seen) = collect();
        d.stage(&[c], 1, vec![step]);
        let (_, books) = d.run();
        assert_eq!(
            *seen.lock().unwrap(),
            (0..20_000).filter(|v| v % 3 == 0).collect::<Vec<_>>()
        );
        assert_eq!(books.stages[1].of(Outcome::Filtered), 13_333);
    });
}

#[test]
fn a_source_is_shared_by_the_workers_of_its_stage() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let (step, seen) = collect();
        d.stage(&[], 4, vec![count(5000), each(|v| Ok(Some(v * 2))), step]);
        d.run();
        assert_eq!(
            *seen.lock().unwrap(),
            (0..5000).map(|v| v * 2).collect::<Vec<_>>()
        );
    });
}

#[test]
fn parts_of_a_memory_are_merged_and_go_on() {
    on_every_executor(|| {
        for threads in [1, 4] {
            let mut d = Draft::default();
            let read = d.stage(&[], 1, vec![count(10_001)]);
            let c = d.conn(&[read], 100);
            let (step, seen) = collect();
            d.stage(
                &[c],
                threads,
                vec![
                    each(|v| Ok(Some(v))),
                    sum(),
                    each(|v| Ok(Some(v + 1))),
                    step,
                ],
            );
            d.run();
            assert_eq!(*seen.lock().unwrap(), [50_005_001]);
        }
    });
}

#[test]
fn every_reader_of_a_stage_sees_every_item_and_readers_of_a_queue_share() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let read = d.stage(&[], 1, vec![count(1000)]);
        let (a, b) = (d.conn(&[read], 10), d.conn(&[read], 300));
        let (x, seen_x) = collect();
        let (y, seen_y) = collect();
        let (z, seen_z) = collect();
        d.stage(&[a], 1, vec![x]);
        d.stage(&[b], 1, vec![y]);
        d.stage(&[b], 1, vec![z]);
        d.run();
        assert_eq!(*seen_x.lock().unwrap(), (0..1000).collect::<Vec<_>>());
        let mut both = seen_y.lock().unwrap().clone();
        both.extend(seen_z.lock().unwrap().iter());
        both.sort_unstable();
        assert_eq!(both, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn take_ends_an_endless_source_through_two_stages() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let read = d.stage(&[], 1, vec![count(i64::MAX)]);
        let c = d.conn(&[read], 100);
        let middle = d.stage(&[c], 3, vec![each(|v| Ok(Some(v)))]);
        let c = d.conn(&[middle], 100);
        let (step, seen) = collect();
        d.stage(&[c], 2, vec![take(10), step]);
        let (ended, _) = d.run();
        assert_eq!((ended.exit, seen.lock().unwrap().len()), (Exit::Done, 10));
        assert_eq!(*seen.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn an_item_that_waits_keeps_no_other_from_the_idle_workers() {
    on_every_executor(|| {
        // One batch of 6 items, and two workers that can only go on together: who takes all six waits for ever.
        let mut d = Draft::default();
        let read = d.stage(&[], 1, vec![count(6)]);
        let c = d.conn(&[read], 1024);
        let (step, seen) = collect();
        d.stage(&[c], 2, vec![meet(2), step]);
        d.run();
        assert_eq!(*seen.lock().unwrap(), (0..6).collect::<Vec<_>>());
    });
}

#[test]
fn thousands_of_tasks_on_one_thread_are_at_work_at_once() {
    let mut d = Draft::default();
    let read = d.stage(&[], 1, vec![count(6000)]);
    let c = d.conn(&[read], 1024);
    TASKS.set(true);
    assert_eq!(executor(3000).threads(), 1);
    let (step, seen) = collect();
    d.stage(&[c], 3000, vec![meet(3000), step]);
    d.run();
    assert_eq!(seen.lock().unwrap().len(), 6000);
}

#[test]
fn tasks_that_rest_keep_no_segment_of_their_stage_open() {
    // Twenty are at work at once, then one after the other rests, and the first half of the steps must end.
    let mut d = Draft::default();
    let read = d.stage(&[], 1, vec![count(60)]);
    let c = d.conn(&[read], 1024);
    TASKS.set(true);
    let (step, seen) = collect();
    let gate = Gate::default();
    d.stage(&[c], 20, vec![meet(20), take(1000), gate.pass(1000), step]);
    d.run();
    assert_eq!(seen.lock().unwrap().len(), 60);
}

#[test]
fn what_is_made_is_given_out_before_a_worker_waits() {
    on_every_executor(|| {
        // Item 3 waits for what the next stage does with item 2, which came in the same batch.
        let mut d = Draft::default();
        let gate = Gate::default();
        let read = d.stage(&[], 1, vec![count(100)]);
        let c = d.conn(&[read], 1024);
        let pool = d.stage(&[c], 1, vec![gate.pass(3)]);
        let c = d.conn(&[pool], 1024);
        let (step, seen) = collect();
        d.stage(&[c], 1, vec![gate.open_on(2), step]);
        d.run();
        assert_eq!(*seen.lock().unwrap(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_given_back_is_taken_before_the_stage_ends() {
    on_every_executor(|| {
        // The input closes while one worker holds all of it; the other must not leave.
        for _ in 0..20 {
            let mut d = Draft::default();
            let read = d.stage(&[], 1, vec![count(8)]);
            let c = d.conn(&[read], 1024);
            let (step, seen) = collect();
            d.stage(&[c], 4, vec![meet(4), step]);
            d.run();
            assert_eq!(*seen.lock().unwrap(), (0..8).collect::<Vec<_>>());
        }
    });
}

#[test]
fn an_error_under_fail_stops_the_run_and_the_books_add_up() {
    on_every_executor(|| {
        for threads in [1, 4] {
            let mut d = Draft::default();
            let read = d.stage(&[], 1, vec![count(i64::MAX)]);
            let c = d.conn(&[read], 100);
            let fail = each(|v| {
                if v == 5000 {
                    Err(ItemError::parse("no"))
                } else {
                    Ok(Some(v))
                }
            });
            let pool = d.stage(&[c], threads, vec![fail]);
            let c = d.conn(&[pool], 100);
            let (step, _) = collect();
            d.stage(&[c], 1, vec![step]);
            let ((ended, books), notices) = d.run_with(Stop::new());
            assert_eq!(ended.exit, Exit::Failed);
            assert!(ended.why.unwrap().contains("item: 5000"));
            assert!(
                notices
                    .iter()
                    .any(|n| matches!(n, Notice::Fault { fatal: true, .. }))
            );
            assert_eq!(books.mistake(), None);
        }
    });
}

#[test]
fn an_error_under_drop_is_counted() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let (step, seen) = collect();
        let fail = each(|v| {
            if v % 10 == 0 {
                Err(ItemError::parse("no"))
            } else {
                Ok(Some(v))
            }
        });
        let s = d.stage(&[], 2, vec![count(1000), fail, step]);
        d.on_error(s, OnError::Drop);
        let (ended, books) = d.run();
        assert_eq!(
            (ended.exit, books.stages[0].of(Outcome::Dropped)),
            (Exit::Done, 100)
        );
        assert_eq!(seen.lock().unwrap().len(), 900);
    });
}

#[test]
fn a_panic_is_an_error_of_the_one_item_that_causes_it() {
    on_every_executor(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut d = Draft::default();
        let (step, seen) = collect();
        let bad = each(|v| {
            assert!(v != 300, "three hundred is too much");
            Ok((v % 2 == 0).then_some(v))
        });
        let s = d.stage(&[], 2, vec![count(1000), bad, step]);
        d.on_error(s, OnError::Drop);
        let ((ended, books), notices) = d.run_with(Stop::new());
        std::panic::set_hook(hook);
        assert_eq!(
            (ended.exit, books.stages[0].of(Outcome::Dropped)),
            (Exit::Done, 1)
        );
        assert_eq!(
            *seen.lock().unwrap(),
            (0..1000)
                .filter(|v| v % 2 == 0 && *v != 300)
                .collect::<Vec<_>>()
        );
        let told = notices.iter().find_map(|n| match n {
            Notice::Fault {
                item,
                kind,
                message,
                ..
            } => Some((item.clone(), *kind, message.clone())),
            _ => None,
        });
        let (item, kind, message) = told.expect("it is told");
        assert_eq!((item.as_str(), kind), ("300", "panic"));
        assert!(message.contains("three hundred is too much"));
    });
}

#[test]
fn the_first_stop_finishes_what_has_begun() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let stop = Stop::new();
        let handle = stop.clone();
        let made = Arc::new(AtomicU64::new(0));
        let counted = made.clone();
        let read = d.stage(
            &[],
            1,
            vec![
                count(i64::MAX),
                each(move |v| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    Ok(Some(v))
                }),
            ],
        );
        let c = d.conn(&[read], 100);
        let (step, seen) = collect();
        let tell = each(move |v| {
            if v == 1000 {
                handle.drain(Why::Interrupted);
            }
            Ok(Some(v))
        });
        d.stage(&[c], 2, vec![tell, step]);
        let ((ended, books), _) = d.run_with(stop);
        assert_eq!(ended.exit, Exit::Interrupted);
        assert_eq!(
            seen.lock().unwrap().len() as u64,
            made.load(Ordering::SeqCst)
        );
        assert_eq!(
            books
                .stages
                .iter()
                .map(|s| s.of(Outcome::Unfinished))
                .sum::<u64>(),
            0
        );
    });
}

#[test]
fn the_second_stop_leaves_the_rest_unfinished() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let stop = Stop::new();
        let handle = stop.clone();
        let read = d.stage(&[], 1, vec![count(i64::MAX)]);
        let c = d.conn(&[read], 100);
        let tell = each(move |v| {
            if v == 1000 {
                handle.now(Why::Terminated);
            }
            Ok(Some(v))
        });
        let (step, _) = collect();
        d.stage(&[c], 3, vec![tell, step]);
        let ((ended, _), _) = d.run_with(stop);
        assert_eq!(ended.exit, Exit::Terminated);
    });
}

#[test]
fn a_worker_that_waits_for_good_is_ended_by_the_second_stop() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let stop = Stop::new();
        let handle = stop.clone();
        let read = d.stage(&[], 1, vec![count(10)]);
        let c = d.conn(&[read], 100);
        let waits = d.stage(&[c], 1, vec![Gate::default().pass(5)]);
        let c = d.conn(&[waits], 100);
        let tell = each(move |v| {
            if v == 4 {
                handle.now(Why::Interrupted);
            }
            Ok(Some(v))
        });
        d.stage(&[c], 1, vec![tell]);
        let ((ended, _), _) = d.run_with(stop);
        assert_eq!(ended.exit, Exit::Interrupted);
    });
}

#[test]
fn as_completed_pools_lose_nothing() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let a = d.stage(&[], 1, vec![count(500)]);
        let b = d.stage(&[], 1, vec![count(700)]);
        let q = d.conn(&[a, b], 16);
        let r = d.conn(&[b], 5);
        let (step, seen) = collect();
        d.stage(&[q, r], 4, vec![each(|v| Ok(Some(v))), step]);
        d.run();
        assert_eq!(
            seen.lock().unwrap().iter().sum::<i64>(),
            499 * 250 + 2 * (699 * 350)
        );
    });
}

// ---- any graph -------------------------------------------------------------------------------------------

/// How a stage of a random graph reads, and with how many workers.
type Shape3 = (Vec<usize>, usize, usize);

fn graphs() -> impl Strategy<Value = (Vec<Shape3>, i64)> {
    let stage = (
        proptest::collection::vec(0usize..100, 1..3),
        1usize..4,
        1usize..20,
    );
    (proptest::collection::vec(stage, 1..7), 0i64..2000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn in_any_graph_every_item_arrives_exactly_once_on_every_edge(
        (stages, items) in graphs(),
        tasks in any::<bool>(),
    ) {
        TASKS.set(tasks);
        let mut d = Draft::default();
        let mut ids = vec![d.stage(&[], 1, vec![count(items)])];
        let mut paths = vec![1i64];
        let mut seen = Vec::new();
        for (from, threads, max) in &stages {
            let from: Vec<usize> = from.iter().map(|f| f % ids.len()).collect();
            let conns: Vec<_> = from.iter().map(|f| d.conn(&[ids[*f]], *max)).collect();
            paths.push(from.iter().map(|f| paths[*f]).sum());
            let arrived = Arc::new(Mutex::new(vec![0i64; items as usize]));
            let count = arrived.clone();
            seen.push(arrived);
            ids.push(d.stage(&conns, *threads, vec![each(move |v| {
                count.lock().unwrap()[v as usize] += 1;
                Ok(Some(v))
            })]));
        }
        let (ended, _) = d.run();
        prop_assert_eq!(ended.exit, Exit::Done);
        for (arrived, paths) in seen.iter().zip(&paths[1..]) {
            prop_assert!(arrived.lock().unwrap().iter().all(|n| n == paths));
        }
    }
}

#[test]
fn bounds_are_exact_with_many_writers_and_readers() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let writers: Vec<_> = (0..3).map(|_| d.stage(&[], 2, vec![count(2000)])).collect();
        let q = d.conn(&writers, 7);
        let total = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let total = total.clone();
            d.stage(
                &[q],
                2,
                vec![each(move |v| {
                    total.fetch_add(1, Ordering::SeqCst);
                    Ok(Some(v))
                })],
            );
        }
        let (_, books) = d.run();
        assert_eq!(total.load(Ordering::SeqCst), 6000);
        assert!(books.conns[0].peak <= 7);
    });
}

// ---- what waits aside, dead letters, routes, and what comes after -----------------------------------------

/// Fails each value this often, then lets it pass.
fn flaky(times: usize, retry: Retry) -> Step {
    let tries: Arc<Mutex<std::collections::HashMap<i64, usize>>> = Arc::default();
    let mut step = each(move |v| {
        let mut tries = tries.lock().unwrap();
        let n = tries.entry(v).or_default();
        *n += 1;
        if v % 10 == 3 && *n <= times {
            Err(ItemError::parse("not yet"))
        } else {
            Ok(Some(v))
        }
    });
    step.policy.retry = Some(retry);
    step
}

fn retry(times: u32) -> Retry {
    Retry {
        times,
        wait: Duration::from_secs(1000),
        factor: 2.0,
        max_wait: Duration::from_secs(100_000),
        jitter: 0.0,
    }
}

#[test]
fn a_retry_occupies_no_worker_and_keeps_the_order() {
    on_every_executor(|| {
        for threads in [1, 3] {
            let mut d = Draft {
                virtual_time: true,
                ..Draft::default()
            };
            let read = d.stage(&[], 1, vec![count(100)]);
            let c = d.conn(&[read], 10);
            let (step, seen) = collect();
            d.stage(&[c], threads, vec![flaky(3, retry(3)), step]);
            let (ended, _) = d.run();
            assert_eq!(ended.exit, Exit::Done);
            assert_eq!(*seen.lock().unwrap(), (0..100).collect::<Vec<_>>());
            // 1000 s, 2000 s, 4000 s; and all that wait do so at once.
            assert_eq!(ended.took, Duration::from_secs(7000), "threads {threads}");
        }
    });
}

#[test]
fn after_the_last_attempt_the_item_is_an_error() {
    on_every_executor(|| {
        let mut d = Draft {
            virtual_time: true,
            ..Draft::default()
        };
        let (step, seen) = collect();
        let s = d.stage(&[], 2, vec![count(100), flaky(3, retry(2)), step]);
        d.on_error(s, OnError::Drop);
        let (_, books) = d.run();
        assert_eq!(books.stages[0].of(Outcome::Dropped), 10);
        assert_eq!(seen.lock().unwrap().len(), 90);
    });
}

#[test]
fn a_dead_letter_has_the_item_as_the_stage_took_it() {
    on_every_executor(|| {
        for threads in [1, 4] {
            let mut d = Draft::default();
            let read = d.stage(&[], 1, vec![count(1000)]);
            let c = d.conn(&[read], 100);
            let bad = each(|v| {
                if v % 100 == 7 {
                    Err(ItemError::parse("bad"))
                } else {
                    Ok(Some(v))
                }
            });
            let s = d.stage(
                &[c],
                threads,
                vec![each(|v| Ok((v % 2 == 1).then_some(v + 500))), bad],
            );
            let dead = d.conn(&[s], 10);
            let stage = &mut d.stages[s.index()];
            stage.dead = std::mem::take(&mut stage.outputs);
            d.on_error(s, OnError::To(0));
            let letters: Arc<Mutex<Vec<(i64, i64)>>> = Arc::default();
            let to = letters.clone();
            let read_letter = move || {
                let to = to.clone();
                Box::new(Letters(to)) as Box<dyn BatchStep>
            };
            d.stage(
                &[dead],
                1,
                vec![step("letters", Op::Turn(Arc::new(read_letter)))],
            );
            let (ended, books) = d.run();
            assert_eq!(
                (ended.exit, books.stages[1].of(Outcome::Dead)),
                (Exit::Done, 10)
            );
            let mut inputs: Vec<i64> = letters.lock().unwrap().iter().map(|l| l.0).collect();
            inputs.sort_unstable();
            assert_eq!(inputs, (0..10).map(|i| i * 100 + 7).collect::<Vec<_>>());
        }
    });
}

/// Reads dead letters: the input, and the attempts.
struct Letters(Arc<Mutex<Vec<(i64, i64)>>>);

impl BatchStep for Letters {
    fn run(&mut self, batch: Batch, _: &mut Cx<'_>) -> Flow {
        for row in batch.rows() {
            self.0
                .lock()
                .unwrap()
                .push((int(&row.cells[0]), int(&row.cells[3])));
        }
        Flow::Next(batch)
    }
}

#[test]
fn too_many_errors_fail_the_run() {
    on_every_executor(|| {
        let mut d = Draft::default();
        let bad = each(|v| {
            if v % 2 == 0 {
                Err(ItemError::parse("bad"))
            } else {
                Ok(Some(v))
            }
        });
        let s = d.stage(&[], 2, vec![count(10_000), bad]);
        d.on_error(s, OnError::Drop);
        d.stages[0].max_errors = Some(millstream::plan::MaxErrors::Percent(30.0));
        let (ended, _) = d.run();
        assert_eq!(ended.exit, Exit::Failed);
        assert!(ended.why.unwrap().contains("max_errors"));
    });
}

#[test]
fn a_stage_starts_after_others_and_always_ones_even_when_the_run_has_failed() {
    on_every_executor(|| {
        for (fails, exit, third, fourth) in [(false, Exit::Done, 5, 5), (true, Exit::Failed, 0, 5)]
        {
            let mut d = Draft::default();
            let (step, first) = collect();
            d.stage(&[], 1, vec![count(100), step]);
            let bad = each(move |v| {
                if fails && v == 50 {
                    Err(ItemError::parse("bad"))
                } else {
                    Ok(Some(v))
                }
            });
            let second = d.stage(&[], 1, vec![count(100), bad]);
            d.stages[second.index()].after = vec![StageId(0)];
            let seen = first.clone();
            let (step, after) = collect();
            let check = each(move |v| {
                assert_eq!(seen.lock().unwrap().len(), 100);
                Ok(Some(v))
            });
            let s = d.stage(&[], 1, vec![count(5), check, step]);
            d.stages[s.index()].after = vec![StageId(0), second];
            let (step, always) = collect();
            let s = d.stage(&[], 2, vec![count(5), step]);
            d.stages[s.index()].after = vec![second];
            d.stages[s.index()].always = true;
            let (ended, _) = d.run();
            assert_eq!(ended.exit, exit);
            assert_eq!(
                (after.lock().unwrap().len(), always.lock().unwrap().len()),
                (third, fourth)
            );
        }
    });
}

#[test]
fn work_behind_a_step_that_sees_all_rows_is_shared_again() {
    on_every_executor(|| {
        // Two workers meet behind `take`: with one line of work behind it they never would.
        let mut d = Draft::default();
        let (step, seen) = collect();
        d.stage(&[], 2, vec![count(1000), take(10), meet(2), step]);
        let (ended, _) = d.run();
        assert_eq!(ended.exit, Exit::Done);
        assert_eq!(*seen.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn time_that_is_over_is_an_error_of_the_item() {
    on_every_executor(|| {
        let mut d = Draft {
            virtual_time: true,
            ..Draft::default()
        };
        let mut gate = Gate::default().pass(5);
        gate.policy.timeout = Some(Duration::from_secs(30));
        let (step, seen) = collect();
        let s = d.stage(&[], 2, vec![count(8), gate, step]);
        d.on_error(s, OnError::Drop);
        let (ended, books) = d.run();
        assert_eq!(
            (ended.exit, books.stages[0].of(Outcome::Dropped)),
            (Exit::Done, 3)
        );
        assert_eq!(*seen.lock().unwrap(), (0..5).collect::<Vec<_>>());
    });
}

// ---- loops -----------------------------------------------------------------------------------------------

#[test]
fn a_loop_ends_when_nothing_of_it_is_unfinished() {
    on_every_executor(|| {
        for (threads, max) in [(1, 100_000), (3, 100_000)] {
            let mut d = Draft::default();
            let seed = d.stage(&[], 1, vec![count(20)]);
            let q = d.conn(&[seed], max);
            let (step, seen) = collect();
            // Every n > 0 comes back as n - 1 through a second stage.
            let work = d.stage(&[q], threads, vec![each(|v| Ok(Some(v))), step]);
            d.stages[work.index()].ordered = Ordered::No;
            let c = d.conn(&[work], 10);
            let again = d.stage(&[c], threads, vec![each(|v| Ok((v > 0).then_some(v - 1)))]);
            d.stages[again.index()].outputs.push(Outlet {
                conn: q,
                convert: None,
            });
            d.conns[q.index()].writers.push(again);
            let (ended, books) = d.run();
            assert_eq!(ended.exit, Exit::Done);
            assert_eq!(seen.lock().unwrap().len(), 210);
            assert_eq!(books.stages[work.index()].taken, 210);
        }
    });
}

#[test]
fn a_stage_may_be_its_own_loop_and_retries_keep_it_open() {
    on_every_executor(|| {
        let mut d = Draft {
            virtual_time: true,
            ..Draft::default()
        };
        let seed = d.stage(&[], 1, vec![count(34)]);
        let q = d.conn(&[seed], 100_000);
        let (step, seen) = collect();
        let s = d.stage(
            &[q],
            2,
            vec![
                flaky(2, retry(3)),
                step,
                each(|v| Ok((v > 0).then_some(v - 1))),
            ],
        );
        d.stages[s.index()].ordered = Ordered::No;
        d.stages[s.index()].outputs.push(Outlet {
            conn: q,
            convert: None,
        });
        d.conns[q.index()].writers.push(s);
        let (ended, _) = d.run();
        assert_eq!(ended.exit, Exit::Done);
        assert_eq!(seen.lock().unwrap().len(), 34 * 35 / 2);
    });
}
