//! `sleep`: each item waits.

use std::sync::Arc;
use std::time::Duration;

use super::words::{Args, no_item};
use super::{BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Step, StepDef};
use crate::expr::{Env, Uses};
use crate::value::{Batch, Type};
use crate::wait::Wait;

pub(super) static SLEEP: StepDef = StepDef {
    name: "sleep",
    group: Group::Act,
    summary: "Lets each item wait for so long, and its worker with it.",
    main: Some("time"),
    options: &[Opt {
        name: "time",
        form: "duration",
        help: "How long.",
        required: true,
    }],
    names: false,
    example: "- range: 2\n- sleep: 10ms\n",
    read: |node, reader| {
        let args = Args::of(node, &SLEEP, reader);
        let time = args.need("time", reader)?;
        let text = time.as_str().unwrap_or("0s").trim().to_owned();
        let time = reader.duration(time, "`sleep`")?;
        Some(Box::new(Sleep { time, text }))
    },
};

#[derive(Debug)]
struct Sleep {
    time: Duration,
    text: String,
}

impl Step for Sleep {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("sleep", cx.at));
        }
        input.cloned().unwrap_or(Type::Any)
    }

    fn uses(&self, _: &Type, after: &Uses, _: &Env) -> Uses {
        after.clone()
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let time = self.time;
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Each(Arc::new(move || Box::new(Run { time, until: None }))),
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("sleep {}", self.text)
    }
}

struct Run {
    time: Duration,
    /// When the batch in hand has waited long enough.
    until: Option<Duration>,
}

impl BatchStep for Run {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let now = cx.clock.now();
        // One after the other: an item that became several here waits as often.
        let items = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let until = *self
            .until
            .get_or_insert_with(|| now.saturating_add(self.time.saturating_mul(items)));
        if now < until {
            return Flow::Wait(batch, Wait::due(until));
        }
        self.until = None;
        Flow::Next(batch)
    }

    fn cancel(&mut self, _: &mut Cx<'_>) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, infer, mistakes};
    use super::super::testing::Bench;
    use super::*;
    use crate::expr::Scope;
    use crate::value::{Blocks, Cell, Shape};

    fn sleeper(text: &str) -> Box<dyn BatchStep> {
        let (step, _) = infer(&format!("sleep: {text}"), &Type::Int).unwrap();
        let (env, scope) = (Env::default(), Scope::default());
        let cx = CompileCx {
            env: &env,
            conns: &super::super::harness::NoTypes,
            types: &super::super::harness::NoTypes,
            folder: std::path::Path::new("."),
            scope: &scope,
            processes: None,
        };
        match step
            .compile(Some(&Type::Int), &How::default().after, &cx)
            .op
        {
            Op::Each(make) => make(),
            other => panic!("{other:?}"),
        }
    }

    fn ints(n: i64) -> Batch {
        let mut batch = Batch::new(Shape::of(&Type::Int), Blocks::new());
        (0..n).for_each(|i| batch.push([Cell::Int(i)]));
        batch
    }

    #[test]
    fn an_item_waits_until_its_time_has_come_however_often_it_is_asked() {
        let (mut step, mut bench) = (sleeper("2s"), Bench::default());
        let Flow::Wait(batch, wait) = bench.with(|cx| step.run(ints(1), cx)) else {
            panic!("it must wait")
        };
        assert_eq!(wait.until, Some(Duration::from_secs(2)));
        bench.clock.advance(Duration::from_millis(1999));
        let Flow::Wait(batch, again) = bench.with(|cx| step.run(batch, cx)) else {
            panic!("it must wait")
        };
        assert_eq!(again, wait);
        bench.clock.advance(Duration::from_millis(1));
        let Flow::Next(batch) = bench.with(|cx| step.run(batch, cx)) else {
            panic!("it has waited")
        };
        assert_eq!(batch.len(), 1);
        // The next begins anew, also after one that was given up.
        assert!(matches!(
            bench.with(|cx| step.run(ints(1), cx)),
            Flow::Wait(..)
        ));
        bench.with(|cx| step.cancel(cx));
        bench.clock.advance(Duration::from_secs(9));
        assert!(matches!(
            bench.with(|cx| step.run(ints(1), cx)),
            Flow::Wait(..)
        ));
    }

    #[test]
    fn a_time_needs_its_unit() {
        assert!(mistakes("sleep: 5", &Type::Int)[0].contains("with its unit: `5s`"));
    }
}
