//! A template as it was written in a step, with its place kept.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{CompileCx, Infer, Reader};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::{self, Env, Part, Problem, Template, TemplateCode, Use, Uses};
use crate::spec::{Node, Text};
use crate::value::Type;

/// For which item, and what came of it.
type Checked = Option<(Option<Type>, Template)>;

/// A template as it was written; it remembers how it was last checked.
#[derive(Clone, Debug)]
pub struct TemplateText {
    text: Text,
    checked: Arc<Mutex<Checked>>,
}

impl TemplateText {
    /// Reads a template; a YAML number or bool is one too.
    pub fn read(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<TemplateText> {
        let text = reader.template(node, what)?;
        Some(TemplateText {
            text,
            checked: Arc::default(),
        })
    }

    /// A template that is a part of what was written.
    pub fn of(text: Text) -> TemplateText {
        TemplateText {
            text,
            checked: Arc::default(),
        }
    }

    pub fn text(&self) -> &str {
        &self.text.text
    }

    pub fn at(&self) -> At {
        self.text.at
    }

    /// Is there an expression in it?
    pub fn is_constant(&self) -> bool {
        expr::check_template(self.text(), &Env::default()).is_ok_and(|t| t.constant().is_some())
    }

    /// The text, where there is no expression in it.
    pub fn constant(&self) -> Option<String> {
        expr::check_template(self.text(), &Env::default())
            .ok()?
            .constant()
            .map(str::to_owned)
    }

    fn template(&self, item: Option<&Type>, env: &Env) -> Result<Template, Vec<Problem>> {
        if let Some((ty, template)) = &*self.checked.lock()
            && ty.as_ref() == item
        {
            return Ok(template.clone());
        }
        let env = Env {
            item: item.cloned(),
            ..env.clone()
        };
        let template = expr::check_template(self.text(), &env)?;
        *self.checked.lock() = Some((item.cloned(), template.clone()));
        Ok(template)
    }

    /// Checks it for items of this type and says every mistake and every doubt.
    pub fn check(&self, item: Option<&Type>, cx: &mut Infer<'_>) {
        match self.template(item, cx.env) {
            Ok(template) => {
                for problem in template.warnings() {
                    let d = self.diagnostic(problem);
                    cx.diagnostics.push(d);
                }
            }
            Err(problems) => {
                for problem in &problems {
                    let d = self.diagnostic(problem);
                    cx.diagnostics.push(d);
                }
            }
        }
    }

    /// For each of its parts, whether it is the same for every item.
    ///
    /// # Panics
    /// As [`TemplateText::compile`].
    pub fn independent(&self, item: Option<&Type>, cx: &CompileCx<'_>) -> Vec<bool> {
        let same = |part: &Part| match part {
            Part::Text(_) => true,
            Part::Expr(expr) => *expr.uses() == Uses::nothing(),
        };
        self.checked(item, cx).parts().iter().map(same).collect()
    }

    /// Is it nothing but one expression?
    ///
    /// # Panics
    /// As [`TemplateText::compile`].
    pub fn is_alone(&self, item: Option<&Type>, cx: &CompileCx<'_>) -> bool {
        matches!(self.checked(item, cx).parts(), [Part::Expr(_)])
    }

    fn checked(&self, item: Option<&Type>, cx: &CompileCx<'_>) -> Template {
        let known = self
            .checked
            .lock()
            .as_ref()
            .map(|(_, template)| template.clone());
        known.unwrap_or_else(|| {
            self.template(item, cx.env)
                .unwrap_or_else(|p| panic!("BUG: compiled unchecked: {} {p:?}", self.text()))
        })
    }

    fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let at = self.text.place(problem.range.clone());
        let d = Diagnostic::new(problem.code, at, problem.message.clone());
        match &problem.help {
            Some(help) => d.help(help.clone()),
            None => d,
        }
    }

    /// What it uses of an item of this type; everything where it was not right.
    pub fn uses(&self, item: &Type, env: &Env) -> Uses {
        self.template(Some(item), env)
            .map_or_else(|_| Uses::all(Use::Look), |t| t.uses().clone())
    }

    /// The code for rows of this (narrowed) type.
    ///
    /// # Panics
    /// Where it was never right: only files without errors are compiled.
    pub fn compile(&self, item: Option<&Type>, cx: &CompileCx<'_>) -> TemplateCode {
        self.checked(item, cx).compile(item)
    }
}
