//! Rehearsals: what `test` runs. Items come from the test instead of a source, sinks write nothing, and what
//! leaves a stage is kept to be looked at.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value as Json;

use super::{BatchStep, CompileCx, Cx, Flow, Op, Pull, Source};
use crate::value::convert::{Misfit, fit_row};
use crate::value::{Batch, Blocks, Cell, Shape, Type};

/// A sink of two halves; in a rehearsal the second only takes away what the first has rendered.
pub(super) fn sink<R, W>(
    render: impl Fn() -> R + Send + Sync + 'static,
    write: impl Fn() -> W + Send + Sync + 'static,
    cx: &CompileCx<'_>,
) -> Op
where
    R: BatchStep + 'static,
    W: BatchStep + 'static,
{
    let render = Arc::new(move || Box::new(render()) as Box<dyn BatchStep>);
    if cx.types.rehearses() {
        return Op::Sink(render, Arc::new(|| Box::new(Discard)));
    }
    Op::Sink(render, Arc::new(move || Box::new(write())))
}

struct Discard;

impl BatchStep for Discard {
    fn run(&mut self, mut batch: Batch, _: &mut Cx<'_>) -> Flow {
        batch.rendered = None;
        Flow::Next(batch)
    }
}

/// A source that gives these items, each made to fit the type; fields that a closed record does not have are
/// left out, because nothing looks at them.
///
/// # Errors
/// The number (from 1) of the first item that does not fit, and why.
pub fn given(items: &[Json], ty: &Type) -> Result<Op, (usize, Misfit)> {
    let items: Arc<[Json]> = items.iter().map(|item| known(item, ty)).collect();
    let shape = Shape::of(ty);
    for (i, item) in items.iter().enumerate() {
        let mut scratch = Batch::new(shape.clone(), Blocks::new());
        push(&mut scratch, item, ty).map_err(|why| (i + 1, why))?;
    }
    let ty = ty.clone();
    Ok(Op::Source(Arc::new(move || {
        Box::new(Given {
            items: items.clone(),
            shape: shape.clone(),
            ty: ty.clone(),
            at: 0,
        })
    })))
}

fn known(item: &Json, ty: &Type) -> Json {
    match (item, ty.as_record()) {
        (Json::Object(map), Some(record)) if record.rest.is_none() => {
            let fields = map.iter().filter(|(name, _)| record.slot(name).is_some());
            Json::Object(fields.map(|(k, v)| (k.clone(), v.clone())).collect())
        }
        _ => item.clone(),
    }
}

fn push(batch: &mut Batch, item: &Json, ty: &Type) -> Result<(), Misfit> {
    let mut any = Batch::new(Shape::of(&Type::Any), Blocks::new());
    any.push([Cell::from_json_value(item)]);
    let mut cells = Vec::new();
    fit_row(any.row(0), ty, &mut cells, batch.blocks_mut())?;
    batch.push(cells);
    Ok(())
}

struct Given {
    items: Arc<[Json]>,
    shape: Arc<Shape>,
    ty: Type,
    at: usize,
}

impl Source for Given {
    fn pull(&mut self, want: usize, _: &mut Cx<'_>) -> Pull {
        let end = self.items.len().min(self.at + want.max(1));
        if self.at == end {
            return Pull::End;
        }
        let mut batch = Batch::new(self.shape.clone(), Blocks::new());
        for item in &self.items[self.at..end] {
            push(&mut batch, item, &self.ty).expect("BUG: an item that has fitted before");
        }
        self.at = end;
        Pull::Rows(batch)
    }
}

/// Items that passed a place, in order.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<Json>>>);

impl Kept {
    /// The step that keeps what passes.
    pub fn op(&self) -> Op {
        let kept = self.clone();
        Op::Turn(Arc::new(move || Box::new(kept.clone())))
    }

    /// What has passed.
    pub fn items(&self) -> Vec<Json> {
        self.0.lock().clone()
    }
}

impl BatchStep for Kept {
    fn run(&mut self, batch: Batch, _: &mut Cx<'_>) -> Flow {
        self.0
            .lock()
            .extend(batch.rows().map(|row| row.detach().to_json_value()));
        Flow::Next(batch)
    }
}
