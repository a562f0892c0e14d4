//! The path of each item's file. What comes from data may not lead out of the folder.

use std::path::{Component, Path};

use crate::expr::{CodePart, Scope, TemplateCode, render};
use crate::steps::{ItemError, ItemErrorKind};
use crate::value::{Blocks, Row};

/// A template for paths.
#[derive(Clone, Debug)]
pub(super) struct PathCode {
    code: TemplateCode,
    /// For each part of the template: does it come from the file or its parameters, not from items?
    trusted: Vec<bool>,
}

impl PathCode {
    pub(super) fn new(code: TemplateCode, trusted: Vec<bool>) -> PathCode {
        PathCode { code, trusted }
    }

    /// Appends the path for this row.
    ///
    /// # Errors
    /// An expression that fails; a value that would lead elsewhere; a path that names no file.
    pub(super) fn render(
        &self,
        row: Row<'_>,
        scope: &Scope,
        out: &mut Vec<u8>,
    ) -> Result<(), ItemError> {
        let from = out.len();
        let mut climbs = false;
        for (part, trusted) in self.code.parts().iter().zip(&self.trusted) {
            let at = out.len();
            match part {
                CodePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                CodePart::Expr(code) => {
                    let mut blocks = Blocks::new();
                    let cell = code.cell(row, scope, &mut blocks)?;
                    render(&cell, &blocks, out);
                }
            }
            let value = &out[at..];
            if *trusted {
                climbs |= has_dots(value);
            } else if has_dots(value) {
                return Err(refuse(value, "may not contain `..`"));
            } else if at == from && value.first() == Some(&b'/') {
                return Err(refuse(value, "may not begin an absolute path"));
            }
        }
        let path = &out[from..];
        // Dots on both sides of a seam.
        let climbs_now = path.split(|b| *b == b'/').any(|part| part == b"..");
        if climbs_now && !climbs {
            return Err(refuse(path, "may not contain `..`"));
        }
        let names_file = std::str::from_utf8(path).is_ok_and(|p| {
            matches!(
                Path::new(p).components().next_back(),
                Some(Component::Normal(_))
            ) && !p.ends_with('/')
        });
        if !names_file || path.contains(&0) {
            return Err(refuse(path, "names no file"));
        }
        Ok(())
    }
}

fn has_dots(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"..")
}

fn refuse(value: &[u8], why: &str) -> ItemError {
    let shown: String = String::from_utf8_lossy(value).chars().take(80).collect();
    ItemError::new(
        ItemErrorKind::Io,
        format!("what an item puts into a path {why}: {shown:?}"),
    )
}
