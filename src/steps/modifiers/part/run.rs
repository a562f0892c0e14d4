//! `if`, `in` and `into` at run time: rows are taken out of the batch, sent through the steps, and put back
//! where they were.

use std::any::Any;
use std::sync::Arc;

use super::super::super::{Convert, Cx, Entered, Frame, ItemError, ItemErrorKind};
use super::Fate;
use crate::expr::Code;
use crate::value::{Batch, Blocks, Cell, Name, Row, Shape};

/// What every worker's [`Run`] does.
pub(super) struct Recipe {
    pub condition: Option<Code>,
    pub input: Option<Code>,
    /// The rows that go into the first step. A shape of its own, also where the type is the batch's: after a
    /// panic the worker loop knows the batch by its shape.
    pub work: Arc<Shape>,
    pub into: Option<Name>,
    pub fate: Fate,
    pub out: Arc<Shape>,
    /// Brings rows into the shape of `out`.
    pub fit: Convert,
}

pub(super) struct Run {
    recipe: Arc<Recipe>,
    held: Option<Held>,
}

/// A batch, taken apart.
struct Held {
    parent: Batch,
    /// The rows that went through the steps: their places in the parent ...
    chosen: Vec<u32>,
    /// ... and the rows of the claimed batch that they came from.
    origins: Vec<u32>,
    /// The places of the rows that pass untouched.
    passing: Vec<u32>,
}

impl Run {
    pub(super) fn new(recipe: Arc<Recipe>) -> Run {
        Run { recipe, held: None }
    }

    /// Takes the rows that the steps are to work on out of the batch.
    fn take_apart(&self, mut parent: Batch, cx: &mut Cx<'_>) -> (Held, Batch) {
        let mut work = parent.part(self.recipe.work.clone());
        let (mut chosen, mut passing) = (Vec::new(), Vec::new());
        for i in 0..parent.len() {
            let place = u32::try_from(i).unwrap_or(u32::MAX);
            let row = parent.row(i);
            let holds = self
                .recipe
                .condition
                .as_ref()
                .map_or(Ok(true), |c| c.bool(row, cx.scope));
            match holds {
                Ok(false) => {
                    passing.push(place);
                    continue;
                }
                Ok(true) => {}
                Err(error) => {
                    cx.fail(parent.origin(i), row, error);
                    continue;
                }
            }
            match self.work_on(row, cx, &mut work) {
                Ok(()) => chosen.push(place),
                Err(error) => cx.fail(parent.origin(i), row, error),
            }
        }
        work.keep_origins();
        let origins = chosen.iter().map(|p| parent.origin(*p as usize)).collect();
        let held = Held {
            parent,
            chosen,
            origins,
            passing,
        };
        (held, work)
    }

    /// Appends what the steps are to work on of this row.
    fn work_on(&self, row: Row<'_>, cx: &Cx<'_>, work: &mut Batch) -> Result<(), ItemError> {
        let Some(input) = &self.recipe.input else {
            work.push(row.cells.iter().cloned());
            return Ok(());
        };
        let cell = input.cell(row, cx.scope, work.blocks_mut())?;
        if work.shape().record().is_none() {
            work.push([cell]);
            return Ok(());
        }
        let whole = cell.detach(work.blocks());
        let Some(map) = whole.as_map() else {
            let message = if whole.is_null() {
                "`in` gives null"
            } else {
                "`in` gives no record"
            };
            return Err(ItemError::new(ItemErrorKind::Type, message));
        };
        let shape = work.shape().clone();
        let record = shape.record().expect("BUG: asked above");
        let mut cells: Vec<Cell> = record
            .fields
            .iter()
            .map(|f| map.get(&f.name).cloned().unwrap_or_default())
            .collect();
        if record.rest.is_some() {
            let named = |k: &Cell| k.as_heap_str().is_some_and(|k| record.slot(k).is_some());
            let others: Vec<_> = map
                .entries()
                .iter()
                .filter(|(k, _)| !named(k))
                .cloned()
                .collect();
            cells.push(if others.is_empty() {
                Cell::Null
            } else {
                Cell::map(others)
            });
        }
        work.push(cells);
        Ok(())
    }

    /// Puts what came out of the steps back where it belongs.
    fn put_together(&self, mut held: Held, done: Vec<Batch>, cx: &mut Cx<'_>) -> Vec<Batch> {
        let (ord, span) = (held.parent.ord, held.parent.span);
        let mut outs = Vec::new();
        for made in done {
            let out = self.settle(made, &mut held, cx);
            if !out.1.is_empty() {
                outs.push(out);
            }
        }
        let mut outs = if held.passing.is_empty() {
            outs.into_iter().map(|(_, batch)| batch).collect()
        } else {
            let mut passing = held.parent.part(held.parent.shape().clone());
            for place in &held.passing {
                passing.push(held.parent.row(*place as usize).cells.iter().cloned());
            }
            let origins: Vec<u32> = held
                .passing
                .iter()
                .map(|p| held.parent.origin(*p as usize))
                .collect();
            passing.map_origins(|i| origins[i as usize]);
            weave(outs, self.recipe.fit.apply(passing), &held.passing)
        };
        held.parent.clear();
        for out in &mut outs {
            (out.ord, out.span) = (ord, span);
        }
        outs
    }

    /// What one batch that the steps made gives, and the place in the parent for each of its rows.
    fn settle(&self, mut made: Batch, held: &mut Held, cx: &mut Cx<'_>) -> (Vec<u32>, Batch) {
        let mut places: Vec<u32> = (0..made.len())
            .map(|i| held.chosen[made.origin(i) as usize])
            .collect();
        match self.recipe.fate {
            Fate::Replaces => {
                made.map_origins(|o| held.origins[o as usize]);
                return (places, self.recipe.fit.apply(made));
            }
            Fate::LetsPass => {
                let mut out = held.parent.part(held.parent.shape().clone());
                for place in &places {
                    out.push(held.parent.row(*place as usize).cells.iter().cloned());
                }
                out.map_origins(|i| held.parent.origin(places[i as usize] as usize));
                made.clear();
                return (places, out);
            }
            Fate::GoesInto => {}
        }
        let into = self.recipe.into.as_ref().expect("BUG: into no field");
        let mut out = made.part(self.recipe.out.clone());
        let mut kept = Vec::with_capacity(places.len());
        for (i, place) in places.iter().enumerate() {
            let item = held.parent.row(*place as usize);
            let row = made.row(i);
            let value = if row.shape.record().is_some() {
                row.detach()
            } else {
                row.cells[0].clone()
            };
            match put_into(item, into, value, &mut out) {
                Ok(cells) => {
                    out.push(cells);
                    kept.push(*place);
                }
                Err(error) => cx.fail(held.parent.origin(*place as usize), item, error),
            }
        }
        places = kept;
        out.map_origins(|i| held.parent.origin(places[i as usize] as usize));
        made.clear();
        (places, out)
    }
}

/// The cells of the item with the value in its field.
fn put_into(
    item: Row<'_>,
    into: &Name,
    value: Cell,
    out: &mut Batch,
) -> Result<Vec<Cell>, ItemError> {
    let shape = out.shape().clone();
    let same = out.blocks().extends(item.blocks);
    let blocks = out.blocks_mut();
    let mut take = |cell: &Cell| {
        if same {
            cell.clone()
        } else {
            blocks.adopt(cell, item.blocks)
        }
    };
    let Some(record) = shape.record() else {
        let whole = item.detach();
        let Some(map) = whole.as_map() else {
            let message = format!("`into: {into}` needs a record, and this item is none");
            return Err(ItemError::new(ItemErrorKind::Type, message));
        };
        let mut entries = map.entries().to_vec();
        entries.push((Cell::str(into), value.detach(blocks)));
        return Ok(vec![Cell::map(entries)]);
    };
    let has = item.shape.record();
    let others = item.shape.rest_slot().map(|slot| &item.cells[slot]);
    let mut cells = Vec::with_capacity(shape.width());
    for field in &record.fields {
        cells.push(if field.name == *into {
            value.clone()
        } else {
            match has.and_then(|r| r.slot(&field.name)) {
                Some(slot) => take(&item.cells[slot]),
                None => Cell::Null,
            }
        });
    }
    if record.rest.is_some() {
        let map = others.and_then(|c| c.as_map());
        cells.push(match map {
            Some(map) if map.get(into).is_some() => Cell::map(
                map.entries()
                    .iter()
                    .filter(|(k, _)| k.as_heap_str() != Some(into))
                    .cloned()
                    .collect(),
            ),
            _ => others.cloned().unwrap_or_default(),
        });
    }
    Ok(cells)
}

/// Rows that pass, between those that the steps made, in the order of the batch that both came from.
fn weave(outs: Vec<(Vec<u32>, Batch)>, passing: Batch, at: &[u32]) -> Vec<Batch> {
    let mut next = 0;
    let mut woven = Vec::with_capacity(outs.len() + 1);
    for (places, mut out) in outs {
        let mut both = out.part(out.shape().clone());
        let mut origins = Vec::new();
        let same = both.blocks().extends(passing.blocks());
        for (i, place) in places.iter().enumerate() {
            while next < at.len() && at[next] < *place {
                push_adopted(&mut both, passing.row(next), same);
                origins.push(passing.origin(next));
                next += 1;
            }
            both.push(out.row(i).cells.iter().cloned());
            origins.push(out.origin(i));
        }
        out.clear();
        both.map_origins(|i| origins[i as usize]);
        woven.push(both);
    }
    let mut rest = passing;
    rest.retain(|i, _| i >= next);
    if !rest.is_empty() {
        woven.push(rest);
    }
    woven
}

fn push_adopted(into: &mut Batch, row: Row<'_>, same: bool) {
    if same {
        into.push(row.cells.iter().cloned());
    } else {
        let blocks: &mut Blocks = into.blocks_mut();
        let cells: Vec<Cell> = row
            .cells
            .iter()
            .map(|c| blocks.adopt(c, row.blocks))
            .collect();
        into.push(cells);
    }
}

impl Frame for Run {
    fn enter(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Entered {
        let (held, work) = self.take_apart(batch, cx);
        self.held = Some(held);
        Entered::In(work)
    }

    fn leave(&mut self, made: Vec<Batch>, cx: &mut Cx<'_>) -> Vec<Batch> {
        match self.held.take() {
            Some(held) => self.put_together(held, made, cx),
            None => unreachable!("BUG: rows leave a part that never entered it"),
        }
    }

    fn back_out(&mut self, _: &mut Cx<'_>) {
        if let Some(mut held) = self.held.take() {
            held.parent.clear();
        }
    }

    fn stray(&mut self, batch: Batch) -> Batch {
        self.recipe.fit.apply(batch)
    }

    fn origins(&self) -> Option<Vec<u32>> {
        self.held.as_ref().map(|h| h.origins.clone())
    }

    fn resting(&self) -> usize {
        self.held.as_ref().map_or(0, |h| h.passing.len())
    }

    fn cut_short(&mut self, goes_on: &dyn Fn(u32) -> bool) -> usize {
        let Some(Held {
            parent, passing, ..
        }) = &mut self.held
        else {
            return 0;
        };
        let before = passing.len();
        passing.retain(|place| goes_on(parent.origin(*place as usize)));
        before - passing.len()
    }

    /// Other items still pass.
    fn ends_alone(&self) -> bool {
        self.recipe.condition.is_some()
    }

    fn lay_down(&mut self) -> Box<dyn Any + Send> {
        Box::new(self.held.take())
    }

    fn take_up(&mut self, state: Box<dyn Any + Send>) {
        self.held = *state
            .downcast()
            .expect("BUG: a part takes up what another step laid down");
    }
}
