//! What a function without arguments yields, as it does.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Cx, ItemError, ItemErrorKind, Pull};
use super::run::{Recipe, User, error};
use crate::value::{Batch, Blocks, Cell, Shape, Type};
use crate::wait::{Wait, What};
use crate::worker::{Answer, Ticket};

/// Rows that are asked for at once, at most: they lie in the process until it has so many, or for some milliseconds.
const MOST: usize = 256;

/// What the process answers to "how many".
#[derive(Deserialize)]
struct Made<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
    end: bool,
}

pub(super) struct Source {
    recipe: Arc<Recipe>,
    user: Option<Arc<User>>,
    asked: Option<Arc<Ticket>>,
    over: bool,
}

impl Source {
    pub fn of(recipe: Arc<Recipe>) -> Source {
        Source {
            recipe,
            user: None,
            asked: None,
            over: false,
        }
    }

    /// The source itself failed: there is no item to show.
    fn fail(&mut self, error: ItemError, cx: &mut Cx<'_>) -> Pull {
        self.over = true;
        let mut nothing = Batch::new(Shape::of(&Type::Null), Blocks::new());
        nothing.push([Cell::Null]);
        cx.fail(0, nothing.row(0), error);
        Pull::End
    }

    fn rows(&mut self, text: &str, cx: &mut Cx<'_>) -> Result<Batch, ItemError> {
        let odd = |why: String| {
            ItemError::new(
                ItemErrorKind::Type,
                format!("what it made cannot be used: {why}"),
            )
        };
        let made: Made<'_> = serde_json::from_str(text).map_err(|e| odd(e.to_string()))?;
        self.over = made.end;
        let shape = self.recipe.gives.clone();
        let mut batch = Batch::with_capacity(shape, Blocks::new(), made.rows.len());
        for row in made.rows {
            match Cell::from_tagged(row.get()) {
                Ok(cell) => batch.push([cell]),
                Err(why) => {
                    let mut shown = Batch::new(Shape::of(&Type::String), Blocks::new());
                    shown.push([Cell::str(row.get())]);
                    cx.fail(0, shown.row(0), odd(why));
                }
            }
        }
        Ok(batch)
    }
}

impl super::super::Source for Source {
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull {
        loop {
            if self.over {
                return Pull::End;
            }
            let user = match &self.user {
                Some(user) => user.clone(),
                None => match self.recipe.user(cx) {
                    Ok(user) => self.user.insert(user).clone(),
                    Err(error) => return Pull::Stop(error),
                },
            };
            let ticket = self.asked.get_or_insert_with(|| {
                let want = want.clamp(1, MOST).to_string();
                user.0.submit(want.into_bytes(), cx.agent)
            });
            let Some(answer) = ticket.take() else {
                return Pull::Wait(Wait::for_(What::Program));
            };
            self.asked = None;
            let text = match answer {
                Answer::One(text) => text,
                other => match error(&self.recipe, other) {
                    Ok(error) => return self.fail(error, cx),
                    Err(error) => return Pull::Stop(error),
                },
            };
            match self.rows(&text, cx) {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => return Pull::Rows(batch),
                Err(error) => return self.fail(error, cx),
            }
        }
    }
}
