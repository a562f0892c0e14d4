//! `group` with `every`: results now and then, each about the items since the last ones.

use std::time::Duration;

use super::super::{BatchStep, Cx, Flow, Memory, RunError};
use super::part::Part;
use crate::value::Batch;

/// Windows begin at whole multiples of `every` since the run's start. One that saw no items gives nothing.
pub(super) struct Window {
    part: Part,
    every: Duration,
    /// When the window with items in it ends.
    due: Option<Duration>,
    /// Has anything been given out?
    gave: bool,
}

impl Window {
    pub(super) fn new(part: Part, every: Duration) -> Window {
        Window {
            part,
            every,
            due: None,
            gave: false,
        }
    }

    /// The end of the window that this time is in.
    fn end(&self, now: Duration) -> Duration {
        let done = now.as_nanos() / self.every.as_nanos();
        let nanos = (done + 1).saturating_mul(self.every.as_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn give(&mut self, cx: &mut Cx<'_>) -> Result<Vec<Batch>, RunError> {
        self.due = None;
        self.gave = true;
        let fresh = self.part.fresh();
        let mut full = std::mem::replace(&mut self.part, fresh);
        let mut parts = Vec::new();
        while let Some(batch) = full.drain(cx)? {
            parts.push(batch);
        }
        Ok(parts)
    }
}

impl BatchStep for Window {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let now = cx.clock.now();
        let range = (batch.ord, batch.span);
        let mut parts = Vec::new();
        // The worker was busy when the window ended.
        if self.due.is_some_and(|due| due <= now) {
            match self.give(cx) {
                Ok(given) => parts = given,
                Err(error) => return Flow::Stop(error),
            }
        }
        self.due = Some(self.end(now));
        if let Err(error) = self.part.absorb(batch, cx) {
            return Flow::Stop(error);
        }
        for part in &mut parts {
            (part.ord, part.span) = range;
        }
        Flow::Many(parts)
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        // As without `every`, there is one result even where there was no item at all.
        if self.due.is_none() && self.gave && self.part.is_empty() {
            return Ok(None);
        }
        self.due = None;
        self.gave = true;
        self.part.drain(cx)
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn due(&self) -> Option<Duration> {
        self.due
    }

    fn ring(&mut self, cx: &mut Cx<'_>) -> Result<Vec<Batch>, RunError> {
        self.give(cx)
    }

    fn held(&self) -> usize {
        self.part.held()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::harness::{How, NoTypes, infer, mistakes, record};
    use super::super::super::testing::Bench;
    use super::super::super::{CompileCx, Op};
    use super::*;
    use crate::expr::{Env, Scope};
    use crate::value::{Blocks, Cell, Shape, Type};

    fn window(yaml: &str) -> Box<dyn BatchStep> {
        let (step, _) = infer(yaml, &Type::Int).unwrap();
        let (env, scope) = (Env::default(), Scope::default());
        let folder = std::path::Path::new(".");
        let cx = CompileCx {
            env: &env,
            conns: &NoTypes,
            types: &NoTypes,
            folder,
            scope: &scope,
            processes: None,
        };
        match step
            .compile(Some(&Type::Int), &How::default().after, &cx)
            .op
        {
            Op::Turn(make) => make(),
            other => panic!("{other:?}"),
        }
    }

    fn feed(step: &mut dyn BatchStep, bench: &mut Bench, items: &[i64]) -> Vec<String> {
        let mut batch = Batch::new(Shape::of(&Type::Int), Blocks::new());
        items.iter().for_each(|i| batch.push([Cell::Int(*i)]));
        let Flow::Many(parts) = bench.with(|cx| step.run(batch, cx)) else {
            panic!("a window gives parts")
        };
        shown(&parts)
    }

    fn shown(parts: &[Batch]) -> Vec<String> {
        let rows = parts.iter().flat_map(Batch::rows);
        rows.map(|row| {
            let mut text = Vec::new();
            row.detach().write_json(row.blocks, &mut text);
            String::from_utf8(text).unwrap()
        })
        .collect()
    }

    #[test]
    fn each_window_tells_of_its_own_items_only() {
        let mut bench = Bench::default();
        let mut step = window("group: {by: {odd: item % 2 == 1}, n: count(), every: 10s}");
        assert_eq!(step.due(), None);
        bench.clock.advance(Duration::from_secs(3));
        assert!(feed(&mut *step, &mut bench, &[1, 2, 3]).is_empty());
        assert_eq!(step.due(), Some(Duration::from_secs(10)));
        bench.clock.advance(Duration::from_secs(7));
        let rung = bench.with(|cx| step.ring(cx)).unwrap();
        assert_eq!(
            shown(&rung),
            [r#"{"odd":false,"n":1}"#, r#"{"odd":true,"n":2}"#]
        );
        assert_eq!(step.due(), None);
        // Nobody rang in time: the next item shows that the window is over.
        feed(&mut *step, &mut bench, &[5]);
        bench.clock.advance(Duration::from_secs(25));
        assert_eq!(
            feed(&mut *step, &mut bench, &[7, 9]),
            [r#"{"odd":true,"n":1}"#]
        );
        assert_eq!(step.due(), Some(Duration::from_secs(40)));
        let last = bench.with(|cx| step.finish(cx)).unwrap().unwrap();
        assert_eq!(shown(&[last]), [r#"{"odd":true,"n":2}"#]);
        assert!(bench.with(|cx| step.finish(cx)).unwrap().is_none());
    }

    #[test]
    fn at_the_end_there_is_one_result_of_no_items_only_where_there_was_no_other() {
        let mut bench = Bench::default();
        let mut step = window("group: {n: count(), every: 1s}");
        let only = bench.with(|cx| step.finish(cx)).unwrap().unwrap();
        assert_eq!(shown(&[only]), [r#"{"n":0}"#]);
        let mut step = window("group: {n: count(), every: 1s}");
        feed(&mut *step, &mut bench, &[1]);
        bench.with(|cx| step.ring(cx)).unwrap();
        assert!(bench.with(|cx| step.finish(cx)).unwrap().is_none());
    }

    #[test]
    fn a_window_has_a_length() {
        let ty = record(&[("a", Type::Int)]);
        assert_eq!(
            mistakes("group: {by: a, every: 0s}", &ty),
            ["E0105 `every` must be longer than nothing; "]
        );
        assert!(mistakes("group: {by: a, every: 10}", &ty)[0].contains("`10s`"));
    }
}
