//! Cells of the row as values.

use super::super::run::{Cx, R, Text, Val, placed};
use super::op::Slot;
use crate::value::{Blocks, Cell, convert};

impl Slot {
    /// The value. Unread JSON is read as the field's type.
    pub fn val<'a>(&self, cx: &Cx<'_, 'a>) -> R<Val<'a>> {
        let cell = &cx.row.cells[self.at];
        match cell {
            Cell::Raw(_) => self.read(cx).map(Val::owned),
            cell => Ok(Val::of(cell, cx.row.blocks)),
        }
    }

    #[cold]
    fn read(&self, cx: &Cx<'_, '_>) -> R<Cell> {
        let mut blocks = Blocks::new();
        let read = convert::fit(&cx.row.cells[self.at], cx.row.blocks, &self.ty, &mut blocks);
        match read {
            Ok(cell) => Ok(cell.detach(&blocks)),
            Err(misfit) => Err(placed(misfit.within(&self.name).to_string())),
        }
    }

    #[cold]
    fn unfit<T>(&self, wanted: &str, found: &Val<'_>) -> R<T> {
        Err(placed(format!(
            "`{}` is {}, and {wanted} is needed",
            self.name,
            found.kind()
        )))
    }

    #[inline]
    pub fn bool(&self, cx: &Cx<'_, '_>) -> R<bool> {
        match &cx.row.cells[self.at] {
            Cell::Bool(b) => Ok(*b),
            _ => match self.val(cx)? {
                Val::Bool(b) => Ok(b),
                other => self.unfit("a bool", &other),
            },
        }
    }

    #[inline]
    pub fn int(&self, cx: &Cx<'_, '_>) -> R<i64> {
        match &cx.row.cells[self.at] {
            Cell::Int(i) => Ok(*i),
            _ => match self.val(cx)? {
                Val::Int(i) => Ok(i),
                other => self.unfit("an int", &other),
            },
        }
    }

    #[inline]
    pub fn double(&self, cx: &Cx<'_, '_>) -> R<f64> {
        match &cx.row.cells[self.at] {
            Cell::Double(d) => Ok(*d),
            Cell::Int(i) => Ok(*i as f64),
            _ => match self.val(cx)? {
                Val::Double(d) => Ok(d),
                Val::Int(i) => Ok(i as f64),
                other => self.unfit("a double", &other),
            },
        }
    }

    #[inline]
    pub fn str<'a>(&self, cx: &Cx<'_, 'a>) -> R<Text<'a>> {
        match &cx.row.cells[self.at] {
            Cell::Text(span) => Ok(Text::Ref(cx.row.blocks.str(*span))),
            _ => match self.val(cx)? {
                Val::Str(s) => Ok(s),
                other => self.unfit("a string", &other),
            },
        }
    }
}
