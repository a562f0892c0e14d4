//! The lines of one program as the items of a source, as they come.

use std::sync::Arc;

use super::super::{Cx, Pull, Source};
use super::recipe::Recipe;
use super::run::{Running, log, start, tail};
use crate::value::{Batch, Blocks, Cell, Shape, Type};
use crate::wait::{Wait, What};
use crate::worker::Exit;

/// Bytes that wait here before the program has to.
const AHEAD: usize = 1 << 20;

pub(super) struct Lines {
    recipe: Arc<Recipe>,
    running: Option<Running>,
    over: bool,
}

impl Lines {
    pub fn of(recipe: Arc<Recipe>) -> Lines {
        Lines {
            recipe,
            running: None,
            over: false,
        }
    }

    /// One row of nothing, which stands for the program.
    fn nothing() -> Batch {
        let mut batch = Batch::new(Shape::of(&Type::String), Blocks::new());
        batch.push([Cell::str("")]);
        batch
    }
}

impl Source for Lines {
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull {
        if self.over {
            return Pull::End;
        }
        let running = match self.running.take() {
            Some(running) => running,
            None => match start(&self.recipe, &Lines::nothing(), Some(AHEAD), cx) {
                Ok(running) => running,
                Err(error) => {
                    self.over = true;
                    cx.fail(0, Lines::nothing().row(0), error);
                    return Pull::End;
                }
            },
        };
        let mut got = running.collected.got();
        let mut out = Batch::with_capacity(self.recipe.shape.clone(), Blocks::new(), want);
        let mut used = 0;
        while out.len() < want {
            let rest = &got.out[used..];
            let line = match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    used += end + 1;
                    &rest[..end]
                }
                None if got.ended.is_some() && !rest.is_empty() => {
                    used += rest.len();
                    rest
                }
                None => break,
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let text = String::from_utf8_lossy(line);
            let cell = out.blocks_mut().text(&text);
            out.push([cell]);
        }
        got.out.drain(..used);
        if got.full {
            got.full = false;
            running.process.go_on();
        }
        if !out.is_empty() {
            drop(got);
            self.running = Some(running);
            return Pull::Rows(out);
        }
        let Some(how) = got.ended.take() else {
            let stuck = got.out.len() > AHEAD;
            drop(got);
            if stuck {
                // A line without an end: it is taken in pieces rather than never.
                running.process.go_on();
            }
            self.running = Some(running);
            return Pull::Wait(Wait::for_(What::Program));
        };
        let err = std::mem::take(&mut got.err);
        drop(got);
        self.over = true;
        match self.recipe.judge(&running.program, &how, &tail(&err)) {
            Ok(()) => log(&self.recipe, &err, cx),
            Err(error) => cx.fail(0, Lines::nothing().row(0), error),
        }
        Pull::End
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Nobody wants the rest.
        if let Some(running) = self.running.take()
            && !matches!(running.collected.got().ended, Some(Ok(Exit::Code(_))))
        {
            running.process.kill();
        }
    }
}
