//! For the tests of steps: a [`Cx`] whose faults are kept, and ways to run an [`Op`] over one batch.

use parking_lot::Mutex;

use super::{BatchStep, Cx, Faults, Flow, ItemError, Op, Output, Pull, RunError, Source, Tally};
use crate::expr::Scope;
use crate::net::Net;
use crate::sync::Commons;
use crate::value::{Batch, Row};
use crate::wait::{Registry, VirtualClock};

/// Item errors, in the order in which they were said.
#[derive(Debug, Default)]
pub struct Kept(pub Vec<(u32, ItemError)>);

impl Faults for Kept {
    fn fail(&mut self, origin: u32, _: Row<'_>, error: ItemError) {
        self.0.push((origin, error));
    }
}

/// What was written to the program's own streams.
#[derive(Debug, Default)]
pub struct Streams {
    pub out: Mutex<Vec<u8>>,
    pub err: Mutex<Vec<u8>>,
    /// From now on standard output fails in this way.
    pub fails: Mutex<Option<std::io::ErrorKind>>,
}

impl Output for Streams {
    fn stdout(&self, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(kind) = *self.fails.lock() {
            return Err(kind.into());
        }
        self.out.lock().extend_from_slice(bytes);
        Ok(())
    }

    fn stderr(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.err.lock().extend_from_slice(bytes);
        Ok(())
    }

    fn log(&self, line: &str) {
        self.err
            .lock()
            .extend_from_slice(format!("{line}\n").as_bytes());
    }
}

/// A bench on which steps run.
#[derive(Debug)]
pub struct Bench {
    pub scope: Scope,
    pub clock: VirtualClock,
    pub faults: Kept,
    pub streams: Streams,
    pub tally: Tally,
    pub commons: Commons,
    pub net: Net,
    pub programs: std::sync::Arc<crate::worker::Programs>,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench {
            scope: Scope::default(),
            clock: VirtualClock::default(),
            faults: Kept::default(),
            streams: Streams::default(),
            tally: Tally::default(),
            commons: Commons::default(),
            programs: std::sync::Arc::default(),
            net: Net::new(|loop_| std::thread::Builder::new().spawn(loop_).map(drop)),
        }
    }
}

impl Bench {
    pub fn with<R>(&mut self, act: impl FnOnce(&mut Cx<'_>) -> R) -> R {
        let agent = Registry::default().enter();
        act(&mut Cx {
            scope: &self.scope,
            clock: &self.clock,
            agent: &agent,
            tally: &mut self.tally,
            faults: &mut self.faults,
            output: &self.streams,
            conns: &[],
            commons: &self.commons,
            net: &self.net,
            broker: None,
            programs: &self.programs,
            step: 0,
        })
    }

    /// Runs one step over a batch.
    pub fn run(&mut self, step: &mut dyn BatchStep, batch: Batch) -> Batch {
        match self.with(|cx| step.run(batch, cx)) {
            Flow::Next(batch) | Flow::End(batch) => batch,
            other => panic!("the step answered {other:?}"),
        }
    }

    /// Runs both halves of a sink over batches, to its end.
    pub fn sink(&mut self, op: &Op, batches: Vec<Batch>) -> Result<Vec<Batch>, RunError> {
        let Op::Sink(render, turn) = op else {
            panic!("{op:?} is no sink")
        };
        let (mut render, mut turn) = (render(), turn());
        let mut passed = Vec::new();
        for batch in batches {
            let batch = self.run(render.as_mut(), batch);
            match self.with(|cx| turn.run(batch, cx)) {
                Flow::Next(batch) => passed.push(batch),
                Flow::Stop(error) => {
                    turn.abandon();
                    return Err(error);
                }
                other => panic!("the sink answered {other:?}"),
            }
        }
        while let Some(batch) = self.with(|cx| turn.finish(cx))? {
            passed.push(batch);
        }
        Ok(passed)
    }

    /// Everything that a source has; waits (outside of the program) are sat out.
    pub fn pull_all(
        &mut self,
        source: &mut dyn Source,
        want: usize,
    ) -> Result<Vec<Batch>, RunError> {
        let mut all = Vec::new();
        loop {
            match self.with(|cx| source.pull(want, cx)) {
                Pull::Rows(batch) => all.push(batch),
                Pull::Wait(_) => std::thread::yield_now(),
                Pull::End => return Ok(all),
                Pull::Stop(error) => return Err(error),
            }
        }
    }
}

/// Runs an op that looks at each row alone over one batch; what came out, and what failed.
pub fn run_each(op: &Op, mut batch: Batch) -> (Batch, Vec<ItemError>) {
    let Op::Each(make) = op else {
        panic!("{op:?} does not look at each row alone")
    };
    batch.keep_origins();
    let mut bench = Bench::default();
    let out = bench.run(make().as_mut(), batch);
    (
        out,
        bench.faults.0.into_iter().map(|(_, error)| error).collect(),
    )
}
