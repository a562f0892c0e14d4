//! `put`: values into queues, beside the item's own way.

use std::sync::Arc;

use parking_lot::Mutex;

use super::build::spread;
use super::words::{Named, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Convert, Cx, Flow, Group, Infer, ItemError, Op, Put, Reader,
    Step, StepDef,
};
use crate::channel::Offer;
use crate::expr::{Code, Env, Uses};
use crate::spec::Node;
use crate::value::{Batch, Blocks, Row, Shape, Type};

pub(super) static PUT: StepDef = StepDef {
    name: "put",
    group: Group::Coordinate,
    summary: "Puts a value into a queue, or into several, and lets the item pass on.",
    main: None,
    options: &[],
    names: true,
    example: "- range: 3\n- put: {numbers: item * 10}\n",
    read,
};

#[derive(Debug)]
struct PutStep {
    puts: Vec<Named>,
    /// What each puts, once types are known.
    given: Mutex<Vec<Option<Type>>>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let puts = Named::read(node, "`put`", reader)?;
    let given = Mutex::new(vec![None; puts.len()]);
    Some(Box::new(PutStep { puts, given }))
}

impl Step for PutStep {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(input) = input else {
            cx.diagnostics.push(no_item("put", cx.at));
            return Type::Any;
        };
        let given = self
            .puts
            .iter()
            .map(|p| p.expr.check(Some(input), cx).map(|e| e.ty().clone()));
        *self.given.lock() = given.collect();
        input.clone()
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        for put in &self.puts {
            uses.merge(&put.expr.uses(input, env));
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let targets = self.puts.iter().map(|put| {
            let expr = put.expr.checked(input, cx);
            let (conn, of) = cx
                .conns
                .target(&put.name.text)
                .expect("BUG: a put into nothing was let through");
            Target {
                conn,
                code: expr.compile(input),
                shape: Shape::of(expr.ty()),
                convert: (of != *expr.ty()).then(|| Convert::to(&of)),
            }
        });
        let targets: Arc<[Target]> = targets.collect();
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Each(Arc::new(move || {
                Box::new(Run {
                    targets: targets.clone(),
                    held: None,
                })
            })),
        }
    }

    fn puts(&self) -> Vec<Put<'_>> {
        let given = self.given.lock();
        let puts = self.puts.iter().zip(given.iter());
        puts.map(|(put, gives)| Put {
            to: &put.name,
            gives: gives.clone(),
        })
        .collect()
    }

    fn waits(&self) -> bool {
        true
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("put {}", Named::list(&self.puts))
    }
}

struct Target {
    conn: u32,
    code: Code,
    /// The value as a row.
    shape: Arc<Shape>,
    convert: Option<Convert>,
}

impl Target {
    fn value(&self, row: Row<'_>, cx: &Cx<'_>) -> Result<Batch, ItemError> {
        let mut value = Batch::new(self.shape.clone(), Blocks::new());
        let cell = self.code.cell(row, cx.scope, value.blocks_mut())?;
        let item = cell.detach(value.blocks());
        let (cells, _) = value.parts_mut();
        spread(&item, &self.shape, cells)?;
        value.grew(1);
        value.span = 1;
        Ok(match &self.convert {
            Some(convert) => convert.apply(value),
            None => value,
        })
    }
}

struct Run {
    targets: Arc<[Target]>,
    /// What waits for room: the row, the target, and the value that did not fit.
    held: Option<(usize, usize, Batch)>,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let (row, mut target, mut held) = match self.held.take() {
            Some((row, target, value)) => (row, target, Some(value)),
            None => (0, 0, None),
        };
        let mut failed = Vec::new();
        for i in row..batch.len() {
            while let Some(to) = self.targets.get(target) {
                let value = match held.take() {
                    Some(value) => Ok(value),
                    None => to.value(batch.row(i), cx),
                };
                let mut value = match value {
                    Ok(value) => value,
                    Err(error) => {
                        cx.fail(batch.origin(i), batch.row(i), error);
                        failed.push(i);
                        break;
                    }
                };
                match cx.conns[to.conn as usize].offer(&mut value, cx.agent) {
                    Offer::Taken => {}
                    Offer::Unread => {
                        value.clear();
                    }
                    Offer::Failed(broken) => return Flow::Stop(broken.into()),
                    Offer::Full(wait) => {
                        // Rows that failed are settled; the others are as many as wait.
                        let gone = failed.len();
                        batch.retain(|at, _| !failed.contains(&at));
                        self.held = Some((i - gone, target, value));
                        return Flow::Wait(batch, wait);
                    }
                }
                target += 1;
            }
            target = 0;
        }
        batch.retain(|at, _| !failed.contains(&at));
        Flow::Next(batch)
    }

    fn cancel(&mut self, cx: &mut Cx<'_>) {
        if let Some((_, target, mut value)) = self.held.take() {
            value.clear();
            cx.conns[self.targets[target].conn as usize].forget(cx.agent);
        }
    }
}
