//! `take` and `skip`: the first items, or all but the first.

use std::sync::Arc;

use super::words::{Args, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Outcome, Step, StepDef,
};
use crate::expr::{Env, Uses};
use crate::value::{Batch, Type};

pub(super) static TAKE: StepDef = StepDef {
    name: "take",
    group: Group::Shape,
    summary: "Lets the first items go on; then the stage has enough and ends.",
    main: Some("count"),
    options: &[Opt {
        name: "count",
        form: "int",
        help: "How many items go on.",
        required: true,
    }],
    names: false,
    example: "- range: 1000000\n- take: 3\n",
    read: |node, reader| {
        let args = Args::of(node, &TAKE, reader);
        let count = args.need("count", reader)?;
        let count = reader.count(count, "`take`", 0)?;
        Some(Box::new(Counted {
            kind: Kind::Take,
            count,
        }))
    },
};

pub(super) static SKIP: StepDef = StepDef {
    name: "skip",
    group: Group::Shape,
    summary: "Leaves the first items out.",
    main: Some("count"),
    options: &[Opt {
        name: "count",
        form: "int",
        help: "How many items are left out.",
        required: true,
    }],
    names: false,
    example: "- range: 5\n- skip: 3\n",
    read: |node, reader| {
        let args = Args::of(node, &SKIP, reader);
        let count = args.need("count", reader)?;
        let count = reader.count(count, "`skip`", 0)?;
        Some(Box::new(Counted {
            kind: Kind::Skip,
            count,
        }))
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Take,
    Skip,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Take => "take",
            Kind::Skip => "skip",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    kind: Kind,
    count: u64,
}

impl Step for Counted {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item(self.kind.name(), cx.at));
        }
        input.cloned().unwrap_or(Type::Any)
    }

    fn uses(&self, _: &Type, after: &Uses, _: &Env) -> Uses {
        after.clone()
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let Counted { kind, count } = *self;
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Turn(Arc::new(move || match kind {
                Kind::Take => Box::new(Take { left: count }),
                Kind::Skip => Box::new(Skip { left: count }),
            })),
        }
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("{} {}", self.kind.name(), self.count)
    }
}

/// As many as fit into a `usize`.
fn at_most(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX)
}

struct Take {
    left: u64,
}

impl BatchStep for Take {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let n = batch.len().min(at_most(self.left));
        self.left -= n as u64;
        if n < batch.len() {
            let beyond = batch.retain(|i, _| i < n);
            cx.settle(Outcome::Absorbed, beyond);
        }
        if self.left == 0 {
            Flow::End(batch)
        } else {
            Flow::Next(batch)
        }
    }
}

struct Skip {
    left: u64,
}

impl BatchStep for Skip {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        if self.left > 0 {
            let n = batch.len().min(at_most(self.left));
            self.left -= n as u64;
            let gone = batch.retain(|i, _| i >= n);
            cx.settle(Outcome::Filtered, gone);
        }
        Flow::Next(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, run};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn take_and_skip_do_not_see_how_items_are_cut_into_batches(
            items in 0usize..20,
            n in 0usize..20,
            sizes in proptest::collection::vec(1usize..6, 1..4),
        ) {
            let items: Vec<_> = (0..items).map(|i| json!(i)).collect();
            let how = How { sizes, ..How::default() };
            let taken = run(&format!("take: {n}"), &Type::Int, &items, &how);
            prop_assert_eq!(&taken.out[..], &items[..n.min(items.len())]);
            prop_assert_eq!(taken.ended, items.len() >= n && !items.is_empty());
            let skipped = run(&format!("skip: {{count: {n}}}"), &Type::Int, &items, &how);
            prop_assert_eq!(&skipped.out[..], &items[n.min(items.len())..]);
        }
    }

    #[test]
    fn a_count_is_a_whole_number() {
        assert_eq!(
            mistakes("take: -1", &Type::Int),
            ["E0105 `take` must be a whole number of 0 or more, not the number -1; "]
        );
        assert_eq!(
            mistakes("take: {}", &Type::Int),
            ["E0106 `take` needs `count`; "]
        );
        assert!(mistakes("take: {cuont: 1}", &Type::Int)[0].contains("did you mean `count`?"));
    }
}
