//! `batch`: several items become one, a list.

use std::sync::Arc;
use std::time::Duration;

use super::words::{Args, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Outcome, Reader, RunError,
    Step, StepDef,
};
use crate::expr::{Env, Use, Uses};
use crate::spec::Node;
use crate::value::{Batch, Blocks, Cell, Shape, Type};

pub(super) static BATCH: StepDef = StepDef {
    name: "batch",
    group: Group::Shape,
    summary: "Gathers items into lists of a size; the last may be shorter.",
    main: Some("size"),
    options: &[
        Opt {
            name: "size",
            form: "int",
            help: "How many items a list has.",
            required: true,
        },
        Opt {
            name: "within",
            form: "duration",
            help: "Give out what there is when the first item has waited so long.",
            required: false,
        },
    ],
    names: false,
    example: "- range: 5\n- batch: 2\n",
    read,
};

#[derive(Debug)]
struct Gather {
    size: usize,
    within: Option<Duration>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &BATCH, reader);
    let size = args.need("size", reader)?;
    let size = reader.count(size, "`size`", 1)?;
    let within = match args.get("within") {
        Some(node) => Some(reader.duration(node, "`within`")?),
        None => None,
    };
    Some(Box::new(Gather {
        size: usize::try_from(size).unwrap_or(usize::MAX),
        within,
    }))
}

impl Step for Gather {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        match input {
            Some(input) => Type::list(input.clone()),
            None => {
                cx.diagnostics.push(no_item("batch", cx.at));
                Type::list(Type::Any)
            }
        }
    }

    fn uses(&self, _: &Type, after: &Uses, _: &Env) -> Uses {
        Uses::all(after.rest.unwrap_or(Use::Look))
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let out = Type::list(input.cloned().unwrap_or(Type::Any));
        let (size, within, shape) = (self.size, self.within, Shape::of(&out));
        let make = move || Run {
            size,
            within,
            shape: shape.clone(),
            list: Vec::new(),
            due: None,
        };
        Compiled {
            out,
            op: Op::Turn(Arc::new(move || Box::new(make()))),
        }
    }

    fn describe(&self) -> String {
        match self.within {
            None => format!("batch of {}", self.size),
            Some(within) => format!("batch of {} within {within:?}", self.size),
        }
    }
}

struct Run {
    size: usize,
    within: Option<Duration>,
    shape: Arc<Shape>,
    list: Vec<Cell>,
    /// When the list is given out as it is, where it has begun.
    due: Option<Duration>,
}

impl Run {
    /// The list that was begun.
    fn give(&mut self, cx: &mut Cx<'_>) -> Option<Batch> {
        self.due = None;
        if self.list.is_empty() {
            return None;
        }
        let mut out = Batch::new(self.shape.clone(), Blocks::new());
        out.push([Cell::list(std::mem::take(&mut self.list))]);
        cx.made(1);
        Some(out)
    }
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = Batch::new(self.shape.clone(), Blocks::new());
        (out.ord, out.span) = (batch.ord, batch.span);
        for row in batch.rows() {
            self.list.push(row.detach());
            if self.list.len() >= self.size {
                out.push([Cell::list(std::mem::take(&mut self.list))]);
            }
        }
        if let Some(within) = self.within {
            // Of a list that was begun by this batch the time begins now.
            let is_new = !out.is_empty() || self.due.is_none();
            if self.list.is_empty() {
                self.due = None;
            } else if is_new {
                self.due = Some(cx.clock.now().saturating_add(within));
            }
        }
        cx.settle(Outcome::Absorbed, batch.clear());
        cx.made(out.len());
        Flow::Next(out)
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        Ok(self.give(cx))
    }

    fn keeps_time(&self) -> bool {
        self.within.is_some()
    }

    fn rests(&self) -> usize {
        self.list.len()
    }

    fn due(&self) -> Option<Duration> {
        self.due
    }

    fn ring(&mut self, cx: &mut Cx<'_>) -> Result<Vec<Batch>, RunError> {
        Ok(self.give(cx).into_iter().collect())
    }

    fn held(&self) -> usize {
        self.list.iter().map(|c| 16 + c.weight()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, NoTypes, infer, mistakes, record, run};
    use super::super::testing::Bench;
    use super::*;
    use crate::expr::Scope;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    proptest! {
        #[test]
        fn lists_do_not_see_how_items_travel(
            n in 0usize..40,
            size in 1usize..9,
            sizes in proptest::collection::vec(1usize..6, 1..4),
        ) {
            let items: Vec<Json> = (0..n).map(|i| json!(i)).collect();
            let expected: Vec<Json> = items.chunks(size).map(|c| json!(c)).collect();
            prop_assert_eq!(run(&format!("batch: {size}"), &Type::Int, &items, &How { sizes, ..How::default() }).out, expected);
        }
    }

    #[test]
    fn records_become_elements() {
        let ty = record(&[("a", Type::Int)]);
        assert_eq!(
            infer("batch: {size: 2}", &ty).unwrap().1.to_string(),
            "[{a: int}]"
        );
        let ran = run(
            "batch: 2",
            &ty,
            &[json!({"a": 1}), json!({"a": 2}), json!({"a": 3})],
            &How::default(),
        );
        assert_eq!(ran.json(), r#"[[{"a":1},{"a":2}],[{"a":3}]]"#);
        assert!(mistakes("batch: 0", &ty)[0].contains("`size` must be"));
    }

    #[test]
    fn a_list_that_has_begun_is_given_out_in_time() {
        let (step, _) = infer("batch: {size: 3, within: 2s}", &Type::Int).unwrap();
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
        let Op::Turn(make) = step
            .compile(Some(&Type::Int), &Uses::all(Use::Look), &cx)
            .op
        else {
            panic!("batch sees all items in turn")
        };
        let (mut step, mut bench) = (make(), Bench::default());
        let feed = |bench: &mut Bench, step: &mut dyn BatchStep, n: usize| {
            let mut batch = Batch::new(Shape::of(&Type::Int), Blocks::new());
            (0..n).for_each(|_| batch.push([Cell::Int(1)]));
            bench.run(step, batch).len()
        };
        assert_eq!(feed(&mut bench, &mut *step, 1), 0);
        assert_eq!(step.due(), Some(Duration::from_secs(2)));
        bench.clock.advance(Duration::from_secs(1));
        // The first item decides, not the last.
        assert_eq!(feed(&mut bench, &mut *step, 1), 0);
        assert_eq!(step.due(), Some(Duration::from_secs(2)));
        // One list is full; the next begins with the third item.
        assert_eq!(feed(&mut bench, &mut *step, 2), 1);
        assert_eq!(step.due(), Some(Duration::from_secs(3)));
        bench.clock.advance(Duration::from_secs(2));
        assert_eq!(bench.with(|cx| step.ring(cx)).unwrap().len(), 1);
        assert_eq!(step.due(), None);
        assert_eq!(feed(&mut bench, &mut *step, 3), 1);
        assert_eq!(step.due(), None);
    }
}
