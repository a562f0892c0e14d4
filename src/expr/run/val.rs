//! Values while an expression runs: borrowed from the row wherever that is possible.

use std::fmt;
use std::sync::Arc;

use super::{R, fault};
use crate::value::{Blocks, Cell, Heap, Map, Row};

#[derive(Clone, Debug)]
pub(in crate::expr) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Time {
        secs: i64,
        nanos: u32,
    },
    Duration {
        secs: i64,
        nanos: i32,
    },
    Str(Text<'a>),
    Bytes(Bin<'a>),
    List(List<'a>),
    Map(Dict<'a>),
    /// A type, by its CEL name.
    Type(&'static str),
    Optional(Option<Arc<Val<'a>>>),
}

/// A string: of the row, just made, or shared with a value that stands alone.
#[derive(Clone, Debug)]
pub(in crate::expr) enum Text<'a> {
    Ref(&'a str),
    Own(String),
    /// Always [`Heap::Str`].
    Heap(Arc<Heap>),
}

#[derive(Clone, Debug)]
pub(in crate::expr) enum Bin<'a> {
    Ref(&'a [u8]),
    Own(Vec<u8>),
    /// Always [`Heap::Bytes`].
    Heap(Arc<Heap>),
}

#[derive(Clone, Debug)]
pub(in crate::expr) enum List<'a> {
    Cells(&'a [Cell]),
    /// Always [`Heap::List`].
    Heap(Arc<Heap>),
    Vals(Arc<[Val<'a>]>),
}

/// A record or a map.
#[derive(Clone)]
pub(in crate::expr) enum Dict<'a> {
    /// The item itself; not taken apart until somebody asks.
    Row(Row<'a>),
    Map(&'a Map),
    /// Always [`Heap::Map`].
    Heap(Arc<Heap>),
    Vals(Arc<[(Val<'a>, Val<'a>)]>),
}

impl fmt::Debug for Dict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries((0..self.len()).map(|i| self.entry(i)))
            .finish()
    }
}

impl<'a> Val<'a> {
    /// The value of a cell of these blocks. Unread JSON is read; what type it should have is not looked at.
    pub fn of(cell: &'a Cell, blocks: &'a Blocks) -> Val<'a> {
        match cell {
            Cell::Text(span) => Val::Str(Text::Ref(blocks.str(*span))),
            Cell::Bin(span) => Val::Bytes(Bin::Ref(blocks.bytes(*span))),
            Cell::Raw(_) => Val::owned(cell.detach(blocks)),
            Cell::Heap(heap) => match &**heap {
                Heap::Str(s) => Val::Str(Text::Ref(s)),
                Heap::Bytes(b) => Val::Bytes(Bin::Ref(b)),
                Heap::List(l) => Val::List(List::Cells(l)),
                Heap::Map(m) => Val::Map(Dict::Map(m)),
            },
            scalar => Val::owned(scalar.clone()),
        }
    }

    /// The value of a detached cell.
    pub fn owned(cell: Cell) -> Val<'static> {
        match cell {
            Cell::Bool(b) => Val::Bool(b),
            Cell::Int(i) => Val::Int(i),
            Cell::Double(d) => Val::Double(d),
            Cell::Time { nanos, secs } => Val::Time { secs, nanos },
            Cell::Duration { nanos, secs } => Val::Duration { secs, nanos },
            Cell::Heap(heap) => match &*heap {
                Heap::Str(_) => Val::Str(Text::Heap(heap)),
                Heap::Bytes(_) => Val::Bytes(Bin::Heap(heap)),
                Heap::List(_) => Val::List(List::Heap(heap)),
                Heap::Map(_) => Val::Map(Dict::Heap(heap)),
            },
            // Spans are nothing without their blocks: whoever has them calls `of`.
            Cell::Null | Cell::Text(_) | Cell::Bin(_) | Cell::Raw(_) => Val::Null,
        }
    }

    /// A value that was just made.
    pub fn text(text: impl Into<String>) -> Val<'a> {
        Val::Str(Text::Own(text.into()))
    }

    pub fn list(vals: Vec<Val<'a>>) -> Val<'a> {
        Val::List(List::Vals(vals.into()))
    }

    pub fn some(val: Val<'a>) -> Val<'a> {
        Val::Optional(Some(Arc::new(val)))
    }

    /// The name of its type, as CEL's `type()` has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Val::Null => "null_type",
            Val::Bool(_) => "bool",
            Val::Int(_) => "int",
            Val::Uint(_) => "uint",
            Val::Double(_) => "double",
            Val::Time { .. } => "google.protobuf.Timestamp",
            Val::Duration { .. } => "google.protobuf.Duration",
            Val::Str(_) => "string",
            Val::Bytes(_) => "bytes",
            Val::List(_) => "list",
            Val::Map(_) => "map",
            Val::Type(_) => "type",
            Val::Optional(_) => "optional_type",
        }
    }

    /// For messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Val::Null => "null",
            Val::Time { .. } => "a timestamp",
            Val::Duration { .. } => "a duration",
            Val::Bool(_) => "a bool",
            Val::Int(_) => "an int",
            Val::Uint(_) => "an unsigned int",
            Val::Double(_) => "a double",
            Val::Str(_) => "a string",
            Val::Bytes(_) => "bytes",
            Val::List(_) => "a list",
            Val::Map(_) => "a record",
            Val::Type(_) => "a type",
            Val::Optional(_) => "an optional value",
        }
    }

    /// Can it be a cell and come back as the same value?
    pub fn is_plain(&self) -> bool {
        match self {
            Val::Uint(_) | Val::Type(_) | Val::Optional(_) => false,
            Val::List(List::Vals(vals)) => vals.iter().all(Val::is_plain),
            Val::Map(Dict::Vals(vals)) => vals.iter().all(|(k, v)| k.is_plain() && v.is_plain()),
            _ => true,
        }
    }

    /// A cell of `out`, or a detached one: texts that lie in a block of `out` already are not copied.
    pub fn cell(self, out: &mut Blocks) -> R<Cell> {
        match self {
            Val::Str(Text::Ref(s)) => Ok(out.place(s)),
            Val::Str(Text::Own(s)) => Ok(out.text(&s)),
            Val::Bytes(Bin::Ref(b)) => Ok(out.bin(b)),
            Val::Bytes(Bin::Own(b)) => Ok(out.bin(&b)),
            Val::Optional(Some(v)) => Arc::unwrap_or_clone(v).cell(out),
            other => other.detach(),
        }
    }

    /// A cell that stands alone.
    pub fn detach(self) -> R<Cell> {
        Ok(match self {
            Val::Null | Val::Optional(None) => Cell::Null,
            Val::Bool(b) => Cell::Bool(b),
            Val::Int(i) => Cell::Int(i),
            Val::Uint(u) => match i64::try_from(u) {
                Ok(i) => Cell::Int(i),
                Err(_) => {
                    return Err(fault(format!(
                        "{u} does not fit an int, which an item needs"
                    )));
                }
            },
            Val::Double(d) => Cell::Double(d),
            Val::Time { secs, nanos } => Cell::Time { nanos, secs },
            Val::Duration { secs, nanos } => Cell::Duration { nanos, secs },
            Val::Str(Text::Heap(h))
            | Val::Bytes(Bin::Heap(h))
            | Val::List(List::Heap(h))
            | Val::Map(Dict::Heap(h)) => Cell::Heap(h),
            Val::Str(s) => Cell::str(s.as_str()),
            Val::Bytes(b) => Cell::bytes(b.as_slice()),
            Val::List(l) => {
                let mut cells = Vec::with_capacity(l.len());
                for i in 0..l.len() {
                    cells.push(l.get(i).detach()?);
                }
                Cell::list(cells)
            }
            Val::Map(d) => d.detach()?,
            Val::Type(name) => Cell::str(name),
            Val::Optional(Some(v)) => Arc::unwrap_or_clone(v).detach()?,
        })
    }

    /// The same value, borrowing nothing.
    pub fn into_static(self) -> Val<'static> {
        match self {
            Val::Null => Val::Null,
            Val::Bool(b) => Val::Bool(b),
            Val::Int(i) => Val::Int(i),
            Val::Uint(u) => Val::Uint(u),
            Val::Double(d) => Val::Double(d),
            Val::Time { secs, nanos } => Val::Time { secs, nanos },
            Val::Duration { secs, nanos } => Val::Duration { secs, nanos },
            Val::Str(Text::Heap(h)) => Val::Str(Text::Heap(h)),
            Val::Str(s) => Val::owned(Cell::str(s.as_str())),
            Val::Bytes(Bin::Heap(h)) => Val::Bytes(Bin::Heap(h)),
            Val::Bytes(b) => Val::owned(Cell::bytes(b.as_slice())),
            Val::List(List::Heap(h)) => Val::List(List::Heap(h)),
            Val::List(l) => Val::list((0..l.len()).map(|i| l.get(i).into_static()).collect()),
            Val::Map(Dict::Heap(h)) => Val::Map(Dict::Heap(h)),
            Val::Map(d) => {
                let entry = |i| {
                    let (k, v): (Val<'_>, Val<'_>) = d.entry(i);
                    (k.into_static(), v.into_static())
                };
                Val::Map(Dict::Vals((0..d.len()).map(entry).collect()))
            }
            Val::Type(name) => Val::Type(name),
            Val::Optional(v) => {
                Val::Optional(v.map(|v| Arc::new(Arc::unwrap_or_clone(v).into_static())))
            }
        }
    }

    /// The same value, borrowed: cheap whatever it is.
    pub fn by_ref<'b>(&'b self) -> Val<'b>
    where
        'a: 'b,
    {
        match self {
            Val::Str(s) => Val::Str(Text::Ref(s.as_str())),
            Val::Bytes(b) => Val::Bytes(Bin::Ref(b.as_slice())),
            Val::List(List::Heap(h)) => match &**h {
                Heap::List(l) => Val::List(List::Cells(l)),
                _ => Val::Null,
            },
            Val::Map(Dict::Heap(h)) => match &**h {
                Heap::Map(m) => Val::Map(Dict::Map(m)),
                _ => Val::Null,
            },
            other => other.clone(),
        }
    }
}

impl<'a> Text<'a> {
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            Text::Ref(s) => s,
            Text::Own(s) => s,
            Text::Heap(heap) => match &**heap {
                Heap::Str(s) => s,
                _ => "",
            },
        }
    }

    pub fn into_cow(self) -> std::borrow::Cow<'a, str> {
        match self {
            Text::Ref(s) => s.into(),
            Text::Own(s) => s.into(),
            heap @ Text::Heap(_) => heap.as_str().to_string().into(),
        }
    }

    /// A part of it, without a copy where it is borrowed. `from` and `to` are on character boundaries.
    pub fn part(&self, from: usize, to: usize) -> Text<'a> {
        match self {
            Text::Ref(s) => Text::Ref(&s[from..to]),
            other => Text::Own(other.as_str()[from..to].to_string()),
        }
    }
}

impl Bin<'_> {
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Bin::Ref(b) => b,
            Bin::Own(b) => b,
            Bin::Heap(heap) => match &**heap {
                Heap::Bytes(b) => b,
                _ => &[],
            },
        }
    }
}

impl Val<'_> {
    /// The value of a cell that stands alone, borrowed from it.
    pub fn alone(cell: &Cell) -> Val<'_> {
        inner(cell)
    }
}

fn inner(cell: &Cell) -> Val<'_> {
    match cell {
        Cell::Heap(heap) => match &**heap {
            Heap::Str(s) => Val::Str(Text::Ref(s)),
            Heap::Bytes(b) => Val::Bytes(Bin::Ref(b)),
            Heap::List(l) => Val::List(List::Cells(l)),
            Heap::Map(m) => Val::Map(Dict::Map(m)),
        },
        scalar => Val::owned(scalar.clone()),
    }
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            List::Cells(cells) => cells.len(),
            List::Heap(heap) => cells_of(heap).len(),
            List::Vals(vals) => vals.len(),
        }
    }

    /// # Panics
    /// Where there is no such element.
    pub fn get(&self, i: usize) -> Val<'a> {
        match self {
            List::Cells(cells) => inner(&cells[i]),
            List::Heap(heap) => Val::owned(cells_of(heap)[i].clone()),
            List::Vals(vals) => vals[i].clone(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Val<'a>> {
        (0..self.len()).map(|i| self.get(i))
    }
}

fn cells_of(heap: &Heap) -> &[Cell] {
    match heap {
        Heap::List(cells) => cells,
        _ => &[],
    }
}

fn entries_of(heap: &Heap) -> &[(Cell, Cell)] {
    match heap {
        Heap::Map(map) => map.entries(),
        _ => &[],
    }
}

impl<'a> Dict<'a> {
    pub fn len(&self) -> usize {
        match self {
            Dict::Row(row) => match row.shape.record() {
                Some(record) => record.fields.len() + rest(row).map_or(0, |r| r.len()),
                None => 0,
            },
            Dict::Map(map) => map.entries().len(),
            Dict::Heap(heap) => entries_of(heap).len(),
            Dict::Vals(vals) => vals.len(),
        }
    }

    /// Key and value number `i`, in the order of the map.
    ///
    /// # Panics
    /// Where there is no such entry.
    pub fn entry(&self, i: usize) -> (Val<'a>, Val<'a>) {
        match self {
            Dict::Row(row) => {
                let fields = row.shape.record().map_or(&[][..], |r| &r.fields);
                match fields.get(i) {
                    Some(field) => (
                        Val::Str(Text::Ref(&field.name)),
                        Val::of(&row.cells[i], row.blocks),
                    ),
                    None => rest(row)
                        .expect("BUG: no such field")
                        .entry(i - fields.len()),
                }
            }
            Dict::Map(map) => {
                let (k, v) = &map.entries()[i];
                (inner(k), inner(v))
            }
            Dict::Heap(heap) => {
                let (k, v) = &entries_of(heap)[i];
                (Val::owned(k.clone()), Val::owned(v.clone()))
            }
            Dict::Vals(vals) => vals[i].clone(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Val<'a>, Val<'a>)> {
        (0..self.len()).map(|i| self.entry(i))
    }

    /// The value of a key that is a string.
    pub fn field(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Dict::Row(row) => match row.shape.record()?.slot(name) {
                Some(slot) => Some(Val::of(&row.cells[slot], row.blocks)),
                None => rest(row)?.field(name),
            },
            Dict::Map(map) => map.get(name).map(inner),
            Dict::Heap(heap) => {
                let found = entries_of(heap)
                    .iter()
                    .find(|(k, _)| k.as_heap_str() == Some(name));
                found.map(|(_, v)| Val::owned(v.clone()))
            }
            Dict::Vals(vals) => vals
                .iter()
                .find(|(k, _)| matches!(k, Val::Str(s) if s.as_str() == name))
                .map(|(_, v)| v.clone()),
        }
    }

    fn detach(self) -> R<Cell> {
        Ok(match self {
            Dict::Row(row) => row.detach(),
            Dict::Heap(heap) => Cell::Heap(heap),
            other => {
                let mut entries = Vec::with_capacity(other.len());
                for (k, v) in other.iter() {
                    entries.push((k.detach()?, v.detach()?));
                }
                Cell::map(entries)
            }
        })
    }
}

/// The other fields of an open record.
fn rest<'a>(row: &Row<'a>) -> Option<Dict<'a>> {
    match Val::of(&row.cells[row.shape.rest_slot()?], row.blocks) {
        Val::Map(dict) => Some(dict),
        _ => None,
    }
}
