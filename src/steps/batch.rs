//! `batch`: several items become one, a list.

use std::sync::Arc;

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
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &BATCH, reader);
    let size = args.need("size", reader)?;
    let size = reader.count(size, "`size`", 1)?;
    if let Some(within) = args.get("within") {
        reader.error(
            "E0104",
            within.at,
            "`within` is part of the language, but not built yet",
        );
        return None;
    }
    Some(Box::new(Gather {
        size: usize::try_from(size).unwrap_or(usize::MAX),
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
        let (size, shape) = (self.size, Shape::of(&out));
        let make = move || Run {
            size,
            shape: shape.clone(),
            list: Vec::new(),
        };
        Compiled {
            out,
            op: Op::Turn(Arc::new(move || Box::new(make()))),
        }
    }

    fn describe(&self) -> String {
        format!("batch of {}", self.size)
    }
}

struct Run {
    size: usize,
    shape: Arc<Shape>,
    list: Vec<Cell>,
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
        cx.settle(Outcome::Absorbed, batch.clear());
        cx.made(out.len());
        Flow::Next(out)
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>, RunError> {
        if self.list.is_empty() {
            return Ok(None);
        }
        let mut out = Batch::new(self.shape.clone(), Blocks::new());
        out.push([Cell::list(std::mem::take(&mut self.list))]);
        cx.made(1);
        Ok(Some(out))
    }

    fn held(&self) -> usize {
        self.list.iter().map(|c| 16 + c.weight()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, infer, mistakes, record, run};
    use super::*;
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
}
