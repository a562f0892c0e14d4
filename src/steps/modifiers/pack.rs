//! `into` beside a source that begins a stage: its items become the first field of a record.

use std::sync::Arc;

use super::super::{BatchStep, CompileCx, Compiled, Cx, Flow, Infer, Op, Step};
use crate::expr::{Env, Uses};
use crate::value::{Batch, Name, Shape, Type};

/// The step behind such a source.
#[derive(Debug)]
pub struct Pack {
    into: Name,
}

impl Pack {
    pub fn into(field: &str) -> Pack {
        Pack { into: field.into() }
    }

    fn record(&self, of: &Type) -> Type {
        Type::record([(self.into.clone(), of.clone())])
    }
}

impl Step for Pack {
    fn infer(&self, input: Option<&Type>, _: &mut Infer<'_>) -> Type {
        self.record(input.unwrap_or(&Type::Any))
    }

    fn uses(&self, _: &Type, after: &Uses, _: &Env) -> Uses {
        after.of(&self.into).map_or_else(Uses::nothing, Uses::all)
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let out = self.record(input.unwrap_or(&Type::Any));
        let shape = Shape::of(&out);
        let op = Op::Each(Arc::new(move || {
            Box::new(Run {
                shape: shape.clone(),
            })
        }));
        Compiled { out, op }
    }

    fn describe(&self) -> String {
        format!("into {}", self.into)
    }
}

struct Run {
    shape: Arc<Shape>,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, _: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let item = if row.shape.record().is_some() {
                row.detach()
            } else {
                row.cells[0].clone()
            };
            out.push_from(&batch, i, [item]);
        }
        batch.clear();
        Flow::Next(out)
    }
}
