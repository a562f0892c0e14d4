//! For the tests of steps: a block as one step, run as the worker loop would run it.

use super::{BatchStep, Block, Cx, Entered, Faults, Flow, Frame, ItemError, Op, Outcome, RunError};
use crate::value::{Batch, Row};

/// A step that runs over batches, where an [`Op`] is one or is a block of such.
pub(super) fn alone(op: &Op) -> Box<dyn BatchStep> {
    match op {
        Op::Each(make) | Op::Turn(make) => make(),
        Op::Block(block) => Box::new(Nested::of(block)),
        op => panic!("{op:?}"),
    }
}

/// Must it see all rows in order?
pub(super) fn in_turn(op: &Op) -> bool {
    match op {
        Op::Block(block) => block.steps.iter().any(|s| in_turn(&s.op)),
        op => matches!(op, Op::Turn(_) | Op::Sink(..)),
    }
}

struct Nested {
    frame: Box<dyn Frame>,
    steps: Vec<Box<dyn BatchStep>>,
    /// Steps before this one have enough, while other items still pass.
    closed: usize,
    finishing: usize,
}

struct Within<'a> {
    outer: &'a mut dyn Faults,
    origins: Option<&'a [u32]>,
}

impl Faults for Within<'_> {
    fn fail(&mut self, origin: u32, item: Row<'_>, error: ItemError) {
        let origin = self.origins.map_or(origin, |o| o[origin as usize]);
        self.outer.fail(origin, item, error);
    }
}

impl Nested {
    fn of(block: &Block) -> Nested {
        let mut steps = Vec::new();
        for step in &block.steps {
            match &step.op {
                Op::Sink(render, write) => steps.extend([render(), write()]),
                op => steps.push(alone(op)),
            }
        }
        Nested {
            frame: (block.enter.make)(),
            steps,
            closed: 0,
            finishing: 0,
        }
    }

    /// Sends rows through the steps from `at` on. Has one of them enough, and so has the stage?
    fn through(&mut self, at: usize, batch: Batch, cx: &mut Cx<'_>) -> (Vec<Batch>, bool) {
        let (mut stack, mut done, mut ended) = (vec![(at, batch)], Vec::new(), false);
        while let Some((at, batch)) = stack.pop() {
            if batch.is_empty() {
                continue;
            }
            if at < self.closed {
                cx.settle(Outcome::Absorbed, batch.len());
                continue;
            }
            let Some(step) = self.steps.get_mut(at) else {
                done.push(batch);
                continue;
            };
            let origins = self.frame.origins();
            let mut faults = Within {
                outer: cx.faults,
                origins: origins.as_deref(),
            };
            let mut inner = Cx {
                scope: cx.scope,
                clock: cx.clock,
                agent: cx.agent,
                tally: cx.tally,
                faults: &mut faults,
                output: cx.output,
                conns: cx.conns,
                commons: cx.commons,
                net: cx.net,
                broker: cx.broker,
                programs: cx.programs,
                step: cx.step,
            };
            match step.run(batch, &mut inner) {
                Flow::Next(batch) => stack.push((at + 1, batch)),
                Flow::Many(parts) => stack.extend(parts.into_iter().rev().map(|b| (at + 1, b))),
                Flow::End(batch) => {
                    if self.frame.ends_alone() {
                        self.closed = at + 1;
                    } else {
                        ended = true;
                    }
                    stack.push((at + 1, batch));
                }
                other => panic!("a step within answered {other:?}"),
            }
        }
        (done, ended)
    }
}

impl BatchStep for Nested {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let work = match self.frame.enter(batch, cx) {
            Entered::In(work) => work,
            Entered::Past(batch) => return Flow::Next(batch),
            Entered::Wait(batch, wait) => return Flow::Wait(batch, wait),
            Entered::Aside(..) => panic!("nothing here is limited"),
        };
        let (made, ended) = self.through(0, work, cx);
        let outs = self.frame.leave(made, cx);
        if ended {
            let mut outs = outs.into_iter();
            let mut first = outs.next().expect("a batch that is the last");
            outs.for_each(|b| first.append(b));
            return Flow::End(first);
        }
        Flow::Many(outs)
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        while let Some(step) = self.steps.get_mut(self.finishing) {
            let Some(left) = step.finish(cx)? else {
                self.finishing += 1;
                continue;
            };
            let (made, _) = self.through(self.finishing + 1, left, cx);
            let mut outs = made.into_iter().map(|b| self.frame.stray(b));
            if let Some(mut first) = outs.next() {
                outs.for_each(|b| first.append(b));
                return Ok(Some(first));
            }
        }
        Ok(None)
    }
}
