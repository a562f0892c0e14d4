//! Macros that go through lists and maps.

use super::super::run::{Cx, Dict, Fault, Frame, R, Val, fault};
use super::super::tree::LoopKind;
use super::eval::add;
use super::op::Loop;

/// What has been found so far.
struct Found<'a> {
    vals: Vec<Val<'a>>,
    entries: Vec<(Val<'a>, Val<'a>)>,
    hits: usize,
    /// The first failure of a condition; for `all` and `exists` another element may still decide.
    failed: Option<Fault>,
}

pub(super) fn run<'a>(l: &'a Loop, cx: &Cx<'_, 'a>) -> R<Val<'a>> {
    let mut found = Found {
        vals: Vec::new(),
        entries: Vec::new(),
        hits: 0,
        failed: None,
    };
    let mut decided = None;
    match l.over.eval(cx)? {
        Val::List(list) => {
            for (i, val) in list.iter().enumerate() {
                decided = found.element(l, cx, Val::Int(i as i64), val, true)?;
                if decided.is_some() {
                    break;
                }
            }
        }
        Val::Map(map) => {
            for (key, val) in map.iter() {
                decided = found.element(l, cx, key, val, false)?;
                if decided.is_some() {
                    break;
                }
            }
        }
        other => {
            return Err(fault(format!(
                "a list or a map is needed, this is {}",
                other.kind()
            )));
        }
    }
    match (decided, found.failed) {
        (Some(decided), _) => Ok(Val::Bool(decided)),
        (None, Some(failed)) => Err(failed),
        (None, None) => Ok(match l.what {
            LoopKind::All => Val::Bool(true),
            LoopKind::Exists => Val::Bool(false),
            LoopKind::ExistsOne => Val::Bool(found.hits == 1),
            LoopKind::Filter | LoopKind::List => Val::list(found.vals),
            LoopKind::Map | LoopKind::Entries => Val::Map(Dict::Vals(found.entries.into())),
        }),
    }
}

impl<'a> Found<'a> {
    /// One element; `Some`: nothing that follows can change the answer.
    fn element(
        &mut self,
        l: &'a Loop,
        cx: &Cx<'_, 'a>,
        key: Val<'a>,
        val: Val<'a>,
        list: bool,
    ) -> R<Option<bool>> {
        // With one variable: the element of a list, the key of a map.
        let (first, second) = match (l.two, list) {
            (true, _) => (key.clone(), Some(val)),
            (false, true) => (val, None),
            (false, false) => (key.clone(), None),
        };
        let outer = Frame {
            val: first,
            up: cx.frame,
        };
        let one = Cx {
            frame: Some(&outer),
            ..*cx
        };
        match second {
            None => self.body(l, &one, key),
            Some(val) => {
                let inner = Frame {
                    val,
                    up: Some(&outer),
                };
                self.body(
                    l,
                    &Cx {
                        frame: Some(&inner),
                        ..*cx
                    },
                    key,
                )
            }
        }
    }

    fn body(&mut self, l: &'a Loop, cx: &Cx<'_, 'a>, key: Val<'a>) -> R<Option<bool>> {
        if let Some(only) = &l.only
            && !only.bool(cx)?
        {
            return Ok(None);
        }
        match l.what {
            LoopKind::All | LoopKind::Exists => match l.body.bool(cx) {
                Ok(b) if b == (l.what == LoopKind::Exists) => return Ok(Some(b)),
                Ok(_) => {}
                Err(f) => self.failed = self.failed.take().or(Some(f)),
            },
            LoopKind::ExistsOne => self.hits += usize::from(l.body.bool(cx)?),
            LoopKind::Filter => {
                if l.body.bool(cx)? {
                    // With one variable it is the innermost, with two the outer one.
                    self.vals.push(cx.local(usize::from(l.two)));
                }
            }
            LoopKind::List => self.vals.push(l.body.eval(cx)?),
            LoopKind::Map => {
                let val = l.body.eval(cx)?;
                add(&mut self.entries, key, val)?;
            }
            LoopKind::Entries => match l.body.eval(cx)? {
                Val::Map(map) => {
                    for (k, v) in map.iter() {
                        add(&mut self.entries, k, v)?;
                    }
                }
                other => {
                    return Err(fault(format!(
                        "a map of what to add is needed, this is {}",
                        other.kind()
                    )));
                }
            },
        }
        Ok(None)
    }
}
