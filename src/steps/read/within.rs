//! `read` behind other steps: each item says which files are read.

use std::path::PathBuf;
use std::sync::Arc;

use super::Recipe;
use super::input::Place;
use crate::expr::TemplateCode;
use crate::steps::{
    BatchStep, Cx, Faults, Flow, ItemError, ItemErrorKind, Op, Outcome, Pull, RunError,
};
use crate::value::{Batch, BlockPool, Row};

/// Rows that are read at once.
const WANT: usize = 256;

/// What every worker's [`Within`] does.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub paths: Vec<TemplateCode>,
    pub folder: PathBuf,
    pub recipe: Recipe,
    /// What reads the rows that were cut out.
    pub second: Option<Op>,
}

impl Plan {
    pub(super) fn op(self) -> Op {
        let plan = Arc::new(self);
        Op::Each(Arc::new(move || {
            let second = plan.second.as_ref().map(|op| match op {
                Op::Each(make) => make(),
                other => unreachable!("BUG: rows are read by {other:?}"),
            });
            Box::new(Within {
                plan: plan.clone(),
                second,
                pool: BlockPool::new(super::IDLE_BLOCKS),
            })
        }))
    }
}

struct Within {
    plan: Arc<Plan>,
    second: Option<Box<dyn BatchStep>>,
    pool: Arc<BlockPool>,
}

/// Item errors of rows that one item's files gave: they are that item's.
struct Of<'a> {
    outer: &'a mut dyn Faults,
    origin: u32,
    failed: usize,
}

impl Faults for Of<'_> {
    fn fail(&mut self, _: u32, item: Row<'_>, error: ItemError) {
        self.failed += 1;
        self.outer.fail(self.origin, item, error);
    }
}

impl Within {
    fn places(&self, row: Row<'_>, cx: &Cx<'_>) -> Result<Vec<Place>, ItemError> {
        let mut places = Vec::new();
        for path in &self.plan.paths {
            let mut text = Vec::new();
            path.render(row, cx.scope, &mut text)?;
            let name = String::from_utf8_lossy(&text).into_owned();
            let path = self.plan.folder.join(&name);
            if path.metadata().is_ok_and(|m| !m.is_file()) {
                let message = format!("cannot read {name}: it is no regular file");
                return Err(ItemError::new(ItemErrorKind::Io, message));
            }
            places.push(Place::File(name, path));
        }
        Ok(places)
    }

    /// Everything that the files of one item give, and how many rows of them failed.
    fn read(
        &mut self,
        places: Vec<Place>,
        origin: u32,
        cx: &mut Cx<'_>,
    ) -> Result<(Vec<Batch>, usize), RunError> {
        let Cx {
            scope,
            clock,
            agent,
            tally,
            faults,
            output,
            conns,
            commons,
            net,
            broker,
            programs,
            step,
        } = cx;
        let mut faults = Of {
            outer: *faults,
            origin,
            failed: 0,
        };
        let mut cx = Cx {
            scope,
            clock: *clock,
            agent,
            tally,
            faults: &mut faults,
            output: *output,
            conns,
            commons,
            net,
            broker: *broker,
            programs,
            step: *step,
        };
        let mut source = self.plan.recipe.source(Ok(places), &self.pool);
        let mut made = Vec::new();
        loop {
            let batch = match source.pull(WANT, &mut cx) {
                Pull::Rows(batch) => batch,
                Pull::End => return Ok((made, faults.failed)),
                Pull::Stop(error) => return Err(error),
                Pull::Wait(_) => unreachable!("BUG: a regular file keeps us waiting"),
            };
            let mut batch = match &mut self.second {
                None => batch,
                Some(second) => match second.run(batch, &mut cx) {
                    Flow::Next(batch) => batch,
                    Flow::Stop(error) => return Err(error),
                    other => unreachable!("BUG: rows were read to {other:?}"),
                },
            };
            // Many small files must not hold a block each.
            batch.compact();
            if !batch.is_empty() {
                made.push(batch);
            }
        }
    }
}

impl BatchStep for Within {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut all = Vec::new();
        for i in 0..batch.len() {
            let (row, origin) = (batch.row(i), batch.origin(i));
            let places = match self.places(row, cx) {
                Ok(places) => places,
                Err(error) => {
                    cx.fail(origin, row, error);
                    continue;
                }
            };
            match self.read(places, origin, cx) {
                Ok((made, failed)) => {
                    match made.iter().map(Batch::len).sum::<usize>() + failed {
                        0 => cx.settle(Outcome::Filtered, 1),
                        rows => cx.made(rows - 1),
                    }
                    all.extend(made.into_iter().map(|mut made| {
                        made.map_origins(|_| origin);
                        (made.ord, made.span) = (batch.ord, batch.span);
                        made
                    }));
                }
                Err(RunError::Io { what, message }) => {
                    cx.fail(
                        origin,
                        row,
                        ItemError::new(ItemErrorKind::Io, format!("{what}: {message}")),
                    );
                }
                Err(RunError::Failed { message }) => {
                    cx.fail(origin, row, ItemError::parse(message))
                }
                Err(error) => return Flow::Stop(error),
            }
        }
        batch.clear();
        Flow::Many(all)
    }
}
