//! `sample`: some of the items, chosen by chance.

use std::collections::BinaryHeap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::words::{Args, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Outcome, Reader, RunError,
    Step, StepDef,
};
use crate::expr::{Env, Uses};
use crate::spec::{Node, Scalar, Value};
use crate::value::{Batch, Blocks, Cell, Shape, Type};

pub(super) static SAMPLE: StepDef = StepDef {
    name: "sample",
    group: Group::Shape,
    summary: "Lets items go on that are chosen by chance: a fraction of them, or a number.",
    main: Some("fraction"),
    options: &[
        Opt {
            name: "fraction",
            form: "number",
            help: "How likely each item is to go on, from 0 to 1.",
            required: false,
        },
        Opt {
            name: "count",
            form: "int",
            help: "How many of all items go on, at the end and in the order in which they came.",
            required: false,
        },
        Opt {
            name: "seed",
            form: "int",
            help: "The same seed chooses the same items each time.",
            required: false,
        },
    ],
    names: false,
    example: "- range: 1000\n- sample: {count: 3, seed: 1}\n",
    read,
};

#[derive(Clone, Copy, Debug)]
enum Chosen {
    Fraction(f64),
    Count(usize),
}

#[derive(Debug)]
struct Sample {
    chosen: Chosen,
    seed: Option<u64>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &SAMPLE, reader);
    let seed = match args.get("seed").map(|n| (n, &n.value)) {
        None => None,
        Some((_, Value::Scalar(Scalar::Int(seed)))) => Some(*seed as u64),
        Some((node, _)) => {
            let message = format!("`seed` must be a whole number, not {}", node.describe());
            reader.error("E0105", node.at, message);
            return None;
        }
    };
    let chosen = match (args.get("fraction"), args.get("count")) {
        (Some(_), Some(count)) => {
            reader.error(
                "E0105",
                count.at,
                "`sample` takes a `fraction` or a `count`, not both",
            );
            return None;
        }
        (None, Some(count)) => {
            let count = reader.count(count, "`count`", 1)?;
            Chosen::Count(usize::try_from(count).unwrap_or(usize::MAX))
        }
        (None, None) => {
            args.need("fraction", reader);
            return None;
        }
        (Some(node), None) => {
            let fraction = reader.number(node, "`fraction`")?;
            if !(0.0..=1.0).contains(&fraction) {
                let message = format!(
                    "`fraction` must be between 0 and 1, not {}",
                    node.describe()
                );
                let d = crate::diagnostic::Diagnostic::new("E0105", node.at, message);
                reader
                    .diagnostics
                    .push(d.help("for a number of items write `sample: {count: ..}`"));
                return None;
            }
            Chosen::Fraction(fraction)
        }
    };
    Some(Box::new(Sample { chosen, seed }))
}

impl Step for Sample {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("sample", cx.at));
        }
        input.cloned().unwrap_or(Type::Any)
    }

    fn uses(&self, _: &Type, after: &Uses, _: &Env) -> Uses {
        after.clone()
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let out = input.cloned().unwrap_or(Type::Any);
        // Without a seed each run chooses anew.
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let (chosen, shape) = (self.chosen, Shape::of(&out));
        let make = move || -> Box<dyn BatchStep> {
            let dice = Dice { seed, rolled: 0 };
            match chosen {
                Chosen::Fraction(fraction) => Box::new(Fraction { fraction, dice }),
                Chosen::Count(count) => Box::new(Reservoir {
                    count,
                    dice,
                    shape: shape.clone(),
                    kept: BinaryHeap::new(),
                    ready: None,
                }),
            }
        };
        Compiled {
            out,
            op: Op::Turn(Arc::new(make)),
        }
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        match self.chosen {
            Chosen::Fraction(fraction) => format!("sample {fraction}"),
            Chosen::Count(count) => format!("sample {count} of all"),
        }
    }
}

/// Numbers by chance, one for each item of the stage in their order (splitmix64 of Steele, Lea and Flood).
struct Dice {
    seed: u64,
    rolled: u64,
}

impl Dice {
    fn roll(&mut self) -> u64 {
        self.rolled += 1;
        let mut z = self
            .seed
            .wrapping_add(self.rolled.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

struct Fraction {
    fraction: f64,
    dice: Dice,
}

impl BatchStep for Fraction {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        // 53 bits are a double between 0 and 1, 1 left out.
        let gone = batch
            .retain(|_, _| ((self.dice.roll() >> 11) as f64) < self.fraction * (1u64 << 53) as f64);
        cx.settle(Outcome::Filtered, gone);
        Flow::Next(batch)
    }
}

/// An item that is among the chosen so far: those with the least numbers are.
struct Kept {
    number: u64,
    index: u64,
    cells: Vec<Cell>,
}

impl Kept {
    fn rank(&self) -> (u64, u64) {
        (self.number, self.index)
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Kept) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Kept) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Kept {}

/// So many of all items, each set of them as likely as any other.
struct Reservoir {
    count: usize,
    dice: Dice,
    shape: Arc<Shape>,
    kept: BinaryHeap<Kept>,
    /// What is given out, last first.
    ready: Option<Vec<Kept>>,
}

impl BatchStep for Reservoir {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        for row in batch.rows() {
            let number = self.dice.roll();
            let index = self.dice.rolled;
            if self.kept.len() == self.count {
                if self.kept.peek().is_none_or(|worst| number >= worst.number) {
                    continue;
                }
                self.kept.pop();
            }
            let cells = row.cells.iter().map(|c| c.detach(row.blocks)).collect();
            self.kept.push(Kept {
                number,
                index,
                cells,
            });
        }
        cx.settle(Outcome::Absorbed, batch.clear());
        Flow::Next(batch)
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        let kept = &mut self.kept;
        let ready = self.ready.get_or_insert_with(|| {
            let mut all = std::mem::take(kept).into_vec();
            all.sort_unstable_by_key(|k| std::cmp::Reverse(k.index));
            all
        });
        let mut batch = Batch::new(self.shape.clone(), Blocks::new());
        while batch.len() < 256
            && let Some(kept) = ready.pop()
        {
            batch.push(kept.cells);
        }
        cx.made(batch.len());
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn held(&self) -> usize {
        let row =
            |k: &Kept| size_of::<Kept>() + k.cells.iter().map(|c| 16 + c.weight()).sum::<usize>();
        self.kept.iter().map(row).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, Ran, mistakes, run};
    use super::*;
    use serde_json::{Value as Json, json};

    fn sample(yaml: &str, sizes: Vec<usize>) -> Ran {
        let items: Vec<Json> = (0..1000).map(|i| json!(i)).collect();
        run(
            yaml,
            &Type::Int,
            &items,
            &How {
                sizes,
                ..How::default()
            },
        )
    }

    #[test]
    fn the_same_seed_chooses_the_same_items_however_they_are_cut() {
        for yaml in [
            "sample: {fraction: 0.1, seed: 7}",
            "sample: {count: 100, seed: 7}",
        ] {
            let one = sample(yaml, vec![1000]);
            assert_eq!(one.out, sample(yaml, vec![1, 7, 30]).out);
            assert_ne!(one.out, sample(&yaml.replace('7', "8"), vec![1000]).out);
            assert!(
                one.out.is_sorted_by_key(Json::as_i64),
                "in the order in which they came"
            );
            assert!((60..140).contains(&one.out.len()));
        }
    }

    #[test]
    fn a_count_is_exact_and_every_item_is_as_likely() {
        assert_eq!(sample("sample: {count: 25}", vec![10]).out.len(), 25);
        assert_eq!(sample("sample: {count: 2000}", vec![10]).out.len(), 1000);
        let mut halves = [0, 0];
        for seed in 0..200 {
            for item in sample(&format!("sample: {{count: 5, seed: {seed}}}"), vec![64]).out {
                halves[usize::from(item.as_i64().unwrap() >= 500)] += 1;
            }
        }
        assert_eq!(halves.iter().sum::<i32>(), 1000);
        assert!(halves.iter().all(|h| (400..600).contains(h)), "{halves:?}");
    }

    #[test]
    fn nothing_and_everything_are_fractions_too() {
        assert_eq!(sample("sample: 0", vec![10]).out.len(), 0);
        assert_eq!(sample("sample: 1.0", vec![10]).out.len(), 1000);
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let said = |yaml: &str| mistakes(yaml, &Type::Int).join(" | ");
        assert_eq!(
            said("sample: 10"),
            "E0105 `fraction` must be between 0 and 1, not the number 10; for a number of items write `sample: {count: ..}`"
        );
        assert_eq!(
            said("sample: {fraction: 0.1, count: 5}"),
            "E0105 `sample` takes a `fraction` or a `count`, not both; "
        );
        assert_eq!(
            said("sample: {seed: 5}"),
            "E0106 `sample` needs `fraction`; "
        );
    }
}
