//! `with` and `until` at run time: what is taken before an item goes in, and given back when it has come out.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::super::super::{Cx, Entered, Frame, ItemError, ItemErrorKind};
use super::limits::{Limited, Not, Wanted};
use crate::expr::Code;
use crate::value::Batch;
use crate::wait::{Wait, What};

/// What every worker's [`Hold`] does.
pub(super) struct Recipe {
    /// Guards and permits, in the order in which they are taken.
    pub wants: Vec<(u32, u32)>,
    pub until: Option<Until>,
    pub timeout: Option<Duration>,
    /// What is needed of limits, which are taken first.
    pub limits: Arc<[Wanted]>,
}

pub(super) struct Until {
    pub holds: Code,
    /// The conditions of the set: whoever notifies one of them lets us look again.
    pub conditions: Vec<u32>,
    /// What it names of arrays (`true`) and values; so does whoever changes one of them.
    pub watches: Arc<[(bool, u32)]>,
}

pub(super) struct Hold {
    recipe: Arc<Recipe>,
    limits: Limited,
    /// How many of the set are held.
    taken: usize,
    /// When the wait for the set began.
    since: Option<Duration>,
}

impl Hold {
    pub(super) fn new(recipe: Arc<Recipe>) -> Hold {
        Hold {
            limits: Limited::new(recipe.limits.clone()),
            recipe,
            taken: 0,
            since: None,
        }
    }

    fn give_back(&mut self, cx: &Cx<'_>) {
        for (guard, n) in self.recipe.wants[..self.taken].iter().rev() {
            cx.commons.permits(*guard).give(cx.agent.id, *n, cx.clock);
        }
        self.taken = 0;
    }

    /// Takes the rest of the set.
    fn take(&mut self, cx: &Cx<'_>) -> Result<(), Wait> {
        while let Some((guard, n)) = self.recipe.wants.get(self.taken) {
            let permits = cx.commons.permits(*guard);
            permits.take(cx.agent, *n, cx.step, cx.clock)?;
            self.taken += 1;
        }
        Ok(())
    }

    /// When the wait is over in any case.
    fn late(&mut self, cx: &Cx<'_>) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(|| cx.clock.now());
        Some(since + self.recipe.timeout?)
    }

    fn is_late(&self, cx: &Cx<'_>) -> bool {
        match (self.since, self.recipe.timeout) {
            (Some(since), Some(timeout)) => cx.clock.now() >= since + timeout,
            _ => false,
        }
    }

    fn watch(&self, until: &Until, cx: &Cx<'_>) {
        for condition in &until.conditions {
            cx.commons.condition(*condition).enlist(cx.agent);
        }
        for (array, at) in &*until.watches {
            cx.commons.values.watch(*array, *at, cx.agent);
        }
    }

    fn unwatch(&self, cx: &Cx<'_>) {
        let Some(until) = &self.recipe.until else {
            return;
        };
        for condition in &until.conditions {
            cx.commons.condition(*condition).take_out(cx.agent.id);
        }
        for (array, at) in &*until.watches {
            cx.commons.values.unwatch(*array, *at, cx.agent.id);
        }
    }

    /// The wait is over without the set.
    fn give_up(&mut self, cx: &Cx<'_>) {
        if let Some((guard, _)) = self.recipe.wants.get(self.taken) {
            cx.commons.permits(*guard).forget(cx.agent.id, cx.clock);
        }
        if self.since.is_some() {
            self.unwatch(cx);
        }
        self.give_back(cx);
        self.limits.give(false, cx);
        self.since = None;
    }

    fn wait(&mut self, batch: Batch, mut wait: Wait, cx: &Cx<'_>) -> Entered {
        if let Some(late) = self.late(cx) {
            wait = wait.until(late);
        }
        Entered::Wait(batch, wait)
    }
}

fn fail(mut batch: Batch, error: ItemError, cx: &mut Cx<'_>) -> Entered {
    for i in 0..batch.len() {
        cx.fail(batch.origin(i), batch.row(i), error.clone());
    }
    batch.clear();
    Entered::Past(batch)
}

impl Frame for Hold {
    fn enter(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Entered {
        if self.is_late(cx) {
            self.give_up(cx);
            let timeout = self.recipe.timeout.unwrap_or_default();
            let message = format!("the guards were not to be had within {timeout:?}");
            return fail(batch, ItemError::new(ItemErrorKind::Timeout, message), cx);
        }
        match self.limits.take(&batch, self.recipe.timeout, cx) {
            Ok(()) => {}
            Err(Not::Yet(wait)) => return self.wait(batch, wait, cx),
            Err(Not::Aside(ask)) => {
                self.since = None;
                return Entered::Aside(batch, ask);
            }
            Err(Not::Failed(error)) => {
                self.give_up(cx);
                return fail(batch, error, cx);
            }
        }
        if let Err(wait) = self.take(cx) {
            return self.wait(batch, wait, cx);
        }
        let recipe = self.recipe.clone();
        if let Some(until) = &recipe.until {
            // Before it is looked whether it holds, so that no change in between goes unnoticed.
            self.watch(until, cx);
            match until.holds.bool(batch.row(0), cx.scope) {
                Ok(true) => self.unwatch(cx),
                Ok(false) => {
                    self.give_back(cx);
                    let what = What::Until {
                        guard: until.conditions.first().copied().unwrap_or_default(),
                        watches: until.watches.clone(),
                    };
                    return self.wait(batch, Wait::for_(what), cx);
                }
                Err(error) => {
                    self.unwatch(cx);
                    self.give_up(cx);
                    return fail(batch, error.into(), cx);
                }
            }
        }
        self.since = None;
        Entered::In(batch)
    }

    fn leave(&mut self, made: Vec<Batch>, cx: &mut Cx<'_>) -> Vec<Batch> {
        self.give_back(cx);
        // Where nothing has come out, it failed or was filtered.
        let well = made.iter().any(|batch| !batch.is_empty());
        self.limits.give(well, cx);
        made
    }

    fn back_out(&mut self, cx: &mut Cx<'_>) {
        self.give_back(cx);
        self.limits.give(false, cx);
    }

    fn cancel(&mut self, cx: &mut Cx<'_>) {
        self.give_up(cx);
    }

    fn is_wanted(&self, cx: &Cx<'_>) -> bool {
        let wants = &self.recipe.wants[..self.taken];
        wants
            .iter()
            .any(|(guard, _)| cx.commons.permits(*guard).is_wanted())
    }

    fn lay_down(&mut self) -> Box<dyn Any + Send> {
        unreachable!("BUG: an item is set aside while it holds guards")
    }

    fn take_up(&mut self, _: Box<dyn Any + Send>) {
        unreachable!("BUG: an item is taken up that held guards")
    }
}
