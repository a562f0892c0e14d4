//! `top`: the items with the greatest keys, greatest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::keyer::{By, Keeps, Keyer, place, prefix};
use super::words::Args;
use super::{
    CompileCx, Compiled, Cx, Group, Infer, Memory, Op, Opt, Outcome, Reader, RunError, Step,
    StepDef,
};
use crate::expr::{Env, Uses};
use crate::spec::Node;
use crate::value::{Batch, Blocks, Cell, Shape, Type};

pub(super) static TOP: StepDef = StepDef {
    name: "top",
    group: Group::Shape,
    summary: "Gives the items with the greatest values, greatest first; equal ones in the order in which they came.",
    main: None,
    options: &[
        Opt {
            name: "n",
            form: "int",
            help: "How many items.",
            required: true,
        },
        Opt {
            name: "by",
            form: "list of expression",
            help: "What is compared; null is less than all else.",
            required: true,
        },
    ],
    names: false,
    example: "- range: 100\n- top: {n: 3, by: item}\n",
    read,
};

#[derive(Debug)]
struct Top {
    n: usize,
    by: By,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &TOP, reader);
    let n = args.need("n", reader);
    let by = args.need("by", reader);
    let n = n.and_then(|n| reader.count(n, "`n`", 1));
    let by = by.and_then(|by| By::read(by, "`by`", reader));
    Some(Box::new(Top {
        n: usize::try_from(n?).unwrap_or(usize::MAX),
        by: by?,
    }))
}

impl Step for Top {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        self.by.check(input, "top", cx);
        input.cloned().unwrap_or(Type::Any)
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        uses.merge(&self.by.uses(input, env));
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let whole = input.cloned().unwrap_or(Type::Any);
        let out = after.narrow(&whole);
        let part = Part {
            n: self.n,
            keyer: self.by.compile(input, cx),
            keeps: Keeps::of(&whole, &out),
            shape: Shape::of(&out),
            best: BinaryHeap::new(),
            seq: 0,
            key: Vec::new(),
            ready: None,
        };
        Compiled {
            out,
            op: Op::Memory(Arc::new(move || Box::new(part.clone()))),
        }
    }

    fn describe(&self) -> String {
        format!("top {} by {}", self.n, self.by.describe())
    }
}

/// An item that is among the best. The greatest in this order is the one to go first: the least key, and of
/// equal ones the last to come.
#[derive(Clone, Debug)]
struct Best {
    prefix: u64,
    key: Vec<u8>,
    place: u64,
    seq: u64,
    cells: Vec<Cell>,
}

impl Ord for Best {
    fn cmp(&self, other: &Best) -> Ordering {
        let keys = self
            .prefix
            .cmp(&other.prefix)
            .then_with(|| self.key.cmp(&other.key));
        keys.reverse()
            .then((self.place, self.seq).cmp(&(other.place, other.seq)))
    }
}

impl PartialOrd for Best {
    fn partial_cmp(&self, other: &Best) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Best {
    fn eq(&self, other: &Best) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Best {}

#[derive(Clone)]
struct Part {
    n: usize,
    keyer: Keyer,
    keeps: Keeps,
    shape: Arc<Shape>,
    best: BinaryHeap<Best>,
    seq: u64,
    key: Vec<u8>,
    /// What is given out, last first.
    ready: Option<Vec<Best>>,
}

impl Part {
    fn is_better(&self, prefix: u64) -> bool {
        // Of equal keys the first to come stays, so only a greater one is better.
        self.best.len() < self.n
            || self.best.peek().is_some_and(|worst| {
                prefix > worst.prefix || (prefix == worst.prefix && self.key > worst.key)
            })
    }
}

impl Memory for Part {
    fn absorb(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Result<(), RunError> {
        let place = place(&batch);
        let mut absorbed = 0;
        for i in 0..batch.len() {
            let row = batch.row(i);
            self.key.clear();
            if let Err(error) = self.keyer.key(row, cx.scope, &mut self.key) {
                cx.fail(batch.origin(i), row, error);
                continue;
            }
            absorbed += 1;
            self.seq += 1;
            let prefix = prefix(&self.key);
            if !self.is_better(prefix) {
                continue;
            }
            let cells = self
                .keeps
                .cells(row.cells)
                .map(|c| c.detach(row.blocks))
                .collect();
            let new = Best {
                prefix,
                key: self.key.clone(),
                place,
                seq: self.seq,
                cells,
            };
            if self.best.len() < self.n {
                self.best.push(new);
            } else if let Some(mut worst) = self.best.peek_mut() {
                *worst = new;
            }
        }
        cx.settle(Outcome::Absorbed, absorbed);
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Memory>) {
        let other = other
            .into_any()
            .downcast::<Part>()
            .expect("BUG: parts of two steps");
        for best in other.best {
            if self.best.len() < self.n {
                self.best.push(best);
            } else if let Some(mut worst) = self.best.peek_mut()
                && best < *worst
            {
                *worst = best;
            }
        }
    }

    fn drain(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        let best = &mut self.best;
        let ready = self.ready.get_or_insert_with(|| {
            let mut sorted = std::mem::take(best).into_sorted_vec();
            sorted.reverse();
            sorted
        });
        if ready.is_empty() {
            return Ok(None);
        }
        let mut batch = Batch::new(self.shape.clone(), Blocks::new());
        while let Some(best) = ready.pop() {
            batch.push(best.cells);
            if batch.len() == 256 {
                break;
            }
        }
        cx.made(batch.len());
        Ok(Some(batch))
    }

    fn held(&self) -> usize {
        let row = |b: &Best| {
            size_of::<Best>() + b.key.len() + b.cells.iter().map(|c| 16 + c.weight()).sum::<usize>()
        };
        self.best.iter().map(row).sum()
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn named() -> Type {
        record(&[("name", Type::String), ("n", Type::Int)])
    }

    proptest! {
        #[test]
        fn however_the_items_are_shared_out_the_same_ones_are_best(
            keys in proptest::collection::vec(-3i64..4, 0..40),
            n in 1usize..12,
            sizes in proptest::collection::vec(1usize..6, 1..4),
            parts in proptest::collection::vec(0usize..3, 1..6),
        ) {
            let items: Vec<_> = keys.iter().enumerate().map(|(i, k)| json!({"name": format!("i{i}"), "n": k})).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|i| std::cmp::Reverse(i["n"].as_i64()));
            expected.truncate(n);
            let how = How { sizes, parts, ..How::default() };
            let ran = run(&format!("top: {{n: {n}, by: n}}"), &named(), &items, &how);
            prop_assert_eq!(ran.out, expected);
        }
    }

    #[test]
    fn strings_and_computed_keys_are_compared_too() {
        let items: Vec<_> = ["b", "abc", "é", "a"]
            .iter()
            .map(|s| json!({"name": s, "n": 1}))
            .collect();
        let how = How {
            after: only(&["name"]),
            ..How::default()
        };
        let ran = run("top: {n: 2, by: name}", &named(), &items, &how);
        assert_eq!(ran.json(), r#"[{"name":"é"},{"name":"b"}]"#);
        let ran = run("top: {n: 1, by: size(name)}", &named(), &items, &how);
        assert_eq!(ran.json(), r#"[{"name":"abc"}]"#);
        let ran = run("top: {n: 9, by: [n, name]}", &named(), &items, &how);
        assert_eq!(ran.out.len(), 4);
        assert_eq!(ran.out[3], json!({"name": "a"}));
    }

    #[test]
    fn null_is_less_than_everything() {
        let ty = record(&[("x", Type::Double.optional())]);
        let items = [json!({"x": null}), json!({"x": -3.5}), json!({"x": 0.5})];
        let ran = run("top: {n: 3, by: x}", &ty, &items, &How::default());
        assert_eq!(ran.json(), r#"[{"x":0.5},{"x":-3.5},{"x":null}]"#);
    }

    #[test]
    fn both_options_are_needed() {
        assert_eq!(
            mistakes("top: {}", &named()),
            ["E0106 `top` needs `n`; ", "E0106 `top` needs `by`; "]
        );
        assert!(
            mistakes("top: 5", &named())[0].starts_with("E0105 `top` needs a mapping of n, by")
        );
    }
}
