//! The source of a timer stage without `from`: an item for each tick.

use std::sync::Arc;

use super::{Look, Rhythm, Timer};
use crate::expr::{Env, Uses};
use crate::steps::{CompileCx, Compiled, Cx, Infer, Op, Pull, RunError, Source, Step};
use crate::value::{Batch, Blocks, Cell, Shape, Type};
use crate::wait::Wait;

/// `{tick: int, at: timestamp}`.
pub fn tick_type() -> Type {
    Type::record([("tick".into(), Type::Int), ("at".into(), Type::Timestamp)])
}

/// Makes an item at each tick.
#[derive(Debug)]
pub struct Ticks {
    timer: Arc<Timer>,
}

impl Ticks {
    pub fn of(timer: Arc<Timer>) -> Ticks {
        Ticks { timer }
    }
}

impl Step for Ticks {
    fn infer(&self, _: Option<&Type>, _: &mut Infer<'_>) -> Type {
        tick_type()
    }

    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::nothing()
    }

    fn compile(&self, _: Option<&Type>, _: &Uses, _: &CompileCx<'_>) -> Compiled {
        let timer = self.timer.clone();
        Compiled {
            out: tick_type(),
            op: Op::Source(Arc::new(move || {
                Box::new(Run {
                    rhythm: Rhythm::new(timer.clone()),
                    shape: Shape::of(&tick_type()),
                })
            })),
        }
    }

    fn is_source(&self) -> bool {
        true
    }

    fn is_endless(&self) -> bool {
        self.timer.is_endless()
    }

    /// The stage's executor says it.
    fn describe(&self) -> String {
        String::new()
    }
}

struct Run {
    rhythm: Rhythm,
    shape: Arc<Shape>,
}

impl Source for Run {
    /// One at a time: a tick that comes while the last one is at work is not asked for.
    fn pull(&mut self, _: usize, cx: &mut Cx<'_>) -> Pull {
        match self.rhythm.look(cx.clock, cx.scope) {
            Look::Now => {
                let tick = self.rhythm.take(cx.clock);
                let (secs, nanos) = tick.at;
                let number = i64::try_from(tick.number).unwrap_or(i64::MAX);
                let mut batch = Batch::new(self.shape.clone(), Blocks::new());
                batch.push([Cell::Int(number), Cell::Time { secs, nanos }]);
                Pull::Rows(batch)
            }
            Look::Then(then) => Pull::Wait(Wait::due(then)),
            Look::Over => Pull::End,
            Look::Failed(error) => Pull::Stop(RunError::Failed {
                message: format!("`until`: {error}"),
            }),
        }
    }
}
