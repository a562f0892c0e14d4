//! How the steps of a stage are cut into segments: before each step after which work may be shared again.

use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;

use super::instance::{Common, Factory, GateWay, How, Instance, Kind, Make};
use super::line::Line;
use super::segment::{HeadEnd, Parts, Segment};
use super::sequencer::Sequencer;
use super::stage::Way;
use crate::channel::{Bounds, Conn, Cycle, Fifo, Full};
use crate::plan::{self, Executor, Ordered, Policy};
use crate::steps::timer::{Beat, Rhythm};
use crate::steps::{Enter, Memory, Op};

/// Cuts the steps of a stage into segments.
pub(super) fn segments(
    stage: &plan::Stage,
    conns: &[Arc<Conn>],
    outputs: &[Way],
    cycle: Option<&Arc<Cycle>>,
) -> Vec<Segment> {
    let workers = stage.executor.workers();
    let steps = &stage.program.steps;
    let timer = match &stage.executor {
        Executor::Timer(timer) => Some(timer),
        _ => None,
    };
    let mut cuts: Vec<Cut> = vec![Cut {
        // A timer's rows come one by one.
        single: timer.is_some(),
        ..Cut::default()
    }];
    let mut source = None;
    let mut at = 0;
    while at < steps.len() {
        let step = &steps[at];
        let policy = step.policy;
        let now = cuts.last_mut().expect("BUG: a stage without a segment");
        match &step.op {
            Op::Source(new) => source = Some(new()),
            Op::Each(factory) => {
                let single = is_single(step);
                let make = |_: usize| vec![Piece::Make(make(How::Each(factory.clone()), at, step))];
                share(&mut cuts, workers, single, make);
            }
            Op::Enter(_) => {
                let end = end_of(steps, at);
                let single = steps[at..end].iter().any(is_single);
                let mut sinks = Vec::new();
                if in_turn(&steps[at..end]) {
                    let base = now.tail.len();
                    let pieces = block(steps, at, end, base, &mut sinks);
                    now.in_tail = true;
                    now.tail.extend(pieces.into_iter().map(Piece::instance));
                } else {
                    share(&mut cuts, workers, single, |base| {
                        block(steps, at, end, base, &mut sinks)
                    });
                }
                let now = cuts.last_mut().expect("BUG: a stage without a segment");
                now.sinks.append(&mut sinks);
                at = end;
                continue;
            }
            Op::Turn(new) => now.tail(Kind::Turn(new()), at, policy),
            Op::Sink(render, write) => {
                let render = make(How::Each(render.clone()), at, step);
                if now.in_tail {
                    now.tail.push(Instance::of(&render));
                } else {
                    now.head.push(render);
                }
                now.tail(Kind::Turn(write()), at, policy);
            }
            Op::Memory(new) => {
                if !now.in_tail {
                    now.head_end = Some(new.clone());
                }
                now.remembers = true;
                now.tail(Kind::Memory(new()), at, policy);
            }
            Op::Block(_) | Op::Leave => panic!("BUG: a block that the plan did not take apart"),
        }
        at += 1;
    }
    let (ordered, window) = match stage.ordered {
        Ordered::Window(n) => (true, n.get().max(workers)),
        Ordered::No => (false, usize::MAX),
    };
    let mut inputs: Vec<Arc<Conn>> = stage
        .inputs
        .iter()
        .map(|c| conns[c.index()].clone())
        .collect();
    let ways = inputs.iter().chain(outputs.iter().map(|w| &w.conn));
    let narrow = ways.map(|c| c.batch_max()).min().unwrap_or(256);
    let claim_max = if timer.is_some() {
        1
    } else if ordered && workers > 1 {
        narrow.min((window / workers).max(1))
    } else {
        narrow
    };
    let window = if ordered {
        window
    } else {
        claim_max * workers * 4
    };
    let each = timer.filter(|t| matches!(t.beat, Beat::Each));
    let pace = timer.filter(|t| !matches!(t.beat, Beat::Each));
    let mut pace = pace.map(|t| Rhythm::new(t.clone()));
    let mut delay = each.map(|t| t.delay);
    let last = cuts.len() - 1;
    let mut segments = Vec::new();
    for (i, cut) in cuts.into_iter().enumerate() {
        // One worker that never sets a row aside needs no order made for it.
        let turn = (cut.in_tail || (ordered && (workers > 1 || cut.single)))
            .then(|| Sequencer::new(stage.id.0, ordered, window, Line::new(cut.tail)));
        segments.push(Segment::new(Parts {
            stage: stage.id.0,
            workers,
            source: source.take(),
            inputs: std::mem::take(&mut inputs),
            head: cut.head,
            head_end: cut.head_end.map_or(HeadEnd::On, HeadEnd::Part),
            single: cut.single,
            task: matches!(stage.executor, Executor::Tasks(_)),
            live: stage.executor.threads(),
            sinks: cut.sinks,
            turn,
            claim_max,
            pace: pace.take(),
            delay: delay.take(),
            cycle: cycle.cloned(),
        }));
        if i < last {
            inputs = vec![Arc::new(inner())];
        }
    }
    segments
}

/// A segment in the making.
#[derive(Default)]
struct Cut {
    head: Vec<Make>,
    head_end: Option<Arc<dyn Fn() -> Box<dyn Memory> + Send + Sync>>,
    tail: Vec<Instance>,
    in_tail: bool,
    remembers: bool,
    single: bool,
    sinks: Vec<Sink>,
}

/// A sink in a block that holds guards: finished when the segment ends.
pub(super) struct Sink {
    pub step: Common,
    pub at: usize,
    pub policy: Policy,
}

/// A step on its way into a segment.
enum Piece {
    Make(Make),
    Own(Instance),
}

impl Piece {
    fn instance(self) -> Instance {
        match self {
            Piece::Make(make) => Instance::of(&make),
            Piece::Own(instance) => instance,
        }
    }
}

impl Cut {
    fn tail(&mut self, kind: Kind, at: usize, policy: Policy) {
        self.in_tail = true;
        self.tail.push(Instance::new(kind, at, policy));
    }
}

/// Are rows taken one by one where this step is?
fn is_single(step: &plan::Step) -> bool {
    step.waits || step.policy.retry.is_some() || step.policy.timeout.is_some()
}

fn make(how: How, at: usize, step: &plan::Step) -> Make {
    Make {
        how,
        at,
        waits: step.waits,
        policy: step.policy,
    }
}

/// Steps that every worker has its own of. Behind a tail, work that may be shared again begins another segment.
/// The number that `make` gets is that of its first piece in its list.
fn share(
    cuts: &mut Vec<Cut>,
    workers: usize,
    single: bool,
    make: impl FnOnce(usize) -> Vec<Piece>,
) {
    let now = cuts.last_mut().expect("BUG: a stage without a segment");
    if now.in_tail && (single || (workers > 1 && !now.remembers)) {
        cuts.push(Cut::default());
    }
    let now = cuts.last_mut().expect("BUG: a stage without a segment");
    if now.in_tail {
        let pieces = make(now.tail.len());
        now.tail.extend(pieces.into_iter().map(Piece::instance));
        return;
    }
    now.single |= single;
    for piece in make(now.head.len()) {
        match piece {
            Piece::Make(make) => now.head.push(make),
            Piece::Own(_) => unreachable!("BUG: what there is one of is shared"),
        }
    }
}

/// The step behind the block that begins at `at`.
fn end_of(steps: &[plan::Step], at: usize) -> usize {
    let mut depth = 0;
    for (i, step) in steps.iter().enumerate().skip(at) {
        match step.op {
            Op::Enter(_) => depth += 1,
            Op::Leave => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    panic!("BUG: a block without an end")
}

/// Must a block see all rows in order? It must where it has a sink, unless guards are held around that; or unless
/// something in it waits for other workers, who must not be kept from coming by whoever has the turn.
fn in_turn(steps: &[plan::Step]) -> bool {
    let meets = steps.iter().any(waits_for_workers);
    let mut held = Vec::new();
    steps.iter().any(|step| {
        match &step.op {
            Op::Enter(enter) => held.push(holds(enter)),
            Op::Leave => {
                held.pop();
            }
            Op::Turn(_) => return !held.contains(&true),
            Op::Sink(..) => return !meets && !held.contains(&true),
            _ => {}
        }
        false
    })
}

/// Does it wait for what another worker of the same stage may have to do?
fn waits_for_workers(step: &plan::Step) -> bool {
    match &step.op {
        Op::Enter(enter) => step.waits && holds(enter),
        _ => step.meets,
    }
}

fn holds(enter: &Enter) -> bool {
    !enter.guards.is_empty()
}

/// The steps of a block, from its beginning to its end, as they stand in a list behind `base` others.
fn block(
    steps: &[plan::Step],
    from: usize,
    to: usize,
    base: usize,
    sinks: &mut Vec<Sink>,
) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let in_turn = in_turn(&steps[from..to]);
    // Where each open block begins among the pieces, and whether it holds guards.
    let mut open: Vec<(usize, bool)> = Vec::new();
    for (at, step) in steps.iter().enumerate().take(to).skip(from) {
        let held = open.iter().any(|(_, holds)| *holds);
        let each = |factory: &Factory| Piece::Make(make(How::Each(factory.clone()), at, step));
        match &step.op {
            Op::Enter(enter) => {
                open.push((pieces.len(), holds(enter)));
                let inside = &steps[at + 1..end_of(steps, at) - 1];
                let way = GateWay {
                    leave: 0,
                    holds: holds(enter),
                    gives_out: step.waits,
                    keeps: holds(enter) && inside.iter().any(|s| s.policy.retry.is_some()),
                    single: !held
                        && holds(enter)
                        && !enter.until
                        && !enter.timed
                        && matches!(inside, [one] if matches!(one.op, Op::Each(_)) && !is_single(one)),
                };
                let how = How::Enter(enter.make.clone(), way);
                pieces.push(Piece::Make(make(how, at, step)));
            }
            Op::Leave => {
                let (begin, _) = open.pop().expect("BUG: a block without a beginning");
                let leave = base + pieces.len();
                if let Piece::Make(Make {
                    how: How::Enter(_, way),
                    ..
                }) = &mut pieces[begin]
                {
                    way.leave = leave;
                }
                let how = How::Leave(base + begin);
                pieces.push(Piece::Make(make(how, at, step)));
            }
            Op::Each(factory) => pieces.push(each(factory)),
            Op::Sink(render, write) if held || !in_turn => {
                pieces.push(each(render));
                let common: Common = Arc::new(Mutex::new(write()));
                sinks.push(Sink {
                    step: common.clone(),
                    at,
                    policy: step.policy,
                });
                pieces.push(Piece::Make(make(How::Common(common), at, step)));
            }
            Op::Sink(render, write) => {
                pieces.push(each(render));
                let own = Instance::new(Kind::Turn(write()), at, step.policy);
                pieces.push(Piece::Own(own));
            }
            Op::Turn(new) if !held => {
                let own = Instance::new(Kind::Turn(new()), at, step.policy);
                pieces.push(Piece::Own(own));
            }
            Op::Turn(_) | Op::Memory(_) | Op::Source(_) | Op::Block(_) => {
                panic!("BUG: `{}` was let into a block", step.label)
            }
        }
    }
    pieces
}

/// Between two segments of a stage. Its bound is never met: a worker takes from a segment only when it found
/// nothing in the later ones, so what lies here is at most one claim of each worker and one window.
fn inner() -> Conn {
    let bounds = Bounds {
        max: NonZeroUsize::MAX,
        max_bytes: NonZeroUsize::MAX,
        full: Full::Block,
    };
    Conn::new(u32::MAX, bounds, Box::<Fifo>::default(), 1, 1)
}

impl Segment {
    /// Where the segment before puts.
    pub(super) fn inner(&self) -> &Arc<Conn> {
        &self.inputs()[0]
    }
}
