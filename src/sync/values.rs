//! Values and arrays: what all workers of a run read and change, each change at once or not at all.
//!
//! All numbers lie in one row of 64-bit words (an int as it is, a double as its bits), so that they can lie in
//! memory that other processes share: behind the numbers there is a word for each value and each array that says
//! how many watch it, for those who change one from outside. Strings and bools lie beside them under a mutex.
//!
//! Who waits until something holds of a value watches it; a change wakes those who watch. A watcher enlists
//! before it reads, and a change is made before watchers are looked for: one of the two sees the other.

use std::borrow::Cow;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::raw::Words;
use crate::value::{Blocks, Cell, Secrets, Type};
use crate::wait::primitive::{Mutex, Ordering};
use crate::wait::{Agent, AgentId};

/// A value, or an array where there is a length.
#[derive(Clone, Debug)]
pub struct Declared {
    pub of: Type,
    pub initial: Cell,
    pub length: Option<usize>,
}

/// One cell: a value, or an element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Value(u32),
    Element(u32, usize),
}

#[derive(Debug)]
pub struct Values {
    words: Words,
    others: Mutex<Vec<Cell>>,
    values: Vec<Place>,
    arrays: Vec<Place>,
    hidden: Hidden,
}

/// What nobody is to see.
#[derive(Debug, Default)]
struct Hidden {
    /// The values that are secret, by their numbers.
    values: Vec<u32>,
    /// The texts of secret parameters, so many, and behind them those that the values have or had, the latest last.
    params: usize,
    texts: Mutex<Vec<String>>,
}

/// So many texts that secret values have had are remembered.
const REMEMBERED: usize = 100;

#[derive(Debug)]
struct Place {
    kind: Kind,
    first: usize,
    length: usize,
    /// The word that says how many watch it.
    watched: usize,
    watchers: Mutex<Vec<Arc<Agent>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Double,
    Other,
}

impl Hidden {
    fn remember(&self, value: &Cell) {
        let blocks = Blocks::new();
        let Some(text) = value.as_str(&blocks).filter(|t| !t.is_empty()) else {
            return;
        };
        let mut texts = self.texts.lock();
        if texts.iter().all(|t| t != text) {
            if texts.len() >= self.params + REMEMBERED {
                texts.remove(self.params);
            }
            texts.push(text.to_owned());
        }
    }
}

/// Where a value or an array lies in the shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub double: bool,
    /// The byte at which the (first) number begins; `None`: it is no number, and lies elsewhere.
    pub at: Option<usize>,
    /// The byte at which the word begins that says how many watch it.
    pub watch: usize,
    pub length: usize,
}

impl Values {
    /// In memory of our own.
    pub fn new(values: &[Declared], arrays: &[Declared]) -> Values {
        match Values::made(values, arrays, |n| Ok(Words::own(n))) {
            Ok(made) => made,
            Err(_) => unreachable!("BUG: our own memory needs nobody"),
        }
    }

    /// In memory that other processes can map.
    ///
    /// # Errors
    /// The system gives none.
    pub fn shared(values: &[Declared], arrays: &[Declared]) -> io::Result<Values> {
        Values::made(values, arrays, Words::shared)
    }

    fn made(
        values: &[Declared],
        arrays: &[Declared],
        words: impl FnOnce(usize) -> io::Result<Words>,
    ) -> io::Result<Values> {
        let (mut numbers, mut others) = (Vec::new(), Vec::new());
        let mut place = |d: &Declared| {
            let kind = match d.of {
                Type::Int => Kind::Int,
                Type::Double => Kind::Double,
                _ => Kind::Other,
            };
            let length = d.length.unwrap_or(1);
            let first = if kind == Kind::Other {
                others.len()
            } else {
                numbers.len()
            };
            for _ in 0..length {
                match kind {
                    Kind::Other => others.push(d.initial.clone()),
                    _ => numbers.push(bits(kind, &d.initial).unwrap_or(0)),
                }
            }
            Place {
                kind,
                first,
                length,
                watched: 0,
                watchers: Mutex::default(),
            }
        };
        let mut values: Vec<Place> = values.iter().map(&mut place).collect();
        let mut arrays: Vec<Place> = arrays.iter().map(&mut place).collect();
        let words = words(numbers.len() + values.len() + arrays.len())?;
        for (word, number) in words.iter().zip(&numbers) {
            word.store(*number, Ordering::SeqCst);
        }
        for (place, at) in values.iter_mut().chain(&mut arrays).zip(numbers.len()..) {
            place.watched = at;
        }
        Ok(Values {
            words,
            others: Mutex::new(others),
            values,
            arrays,
            hidden: Hidden::default(),
        })
    }

    /// The memory that other processes can map, where it is such.
    pub fn memory(&self) -> Option<BorrowedFd<'_>> {
        self.words.file()
    }

    /// Where a value, or an array, lies in it.
    pub fn layout(&self, array: bool, at: u32) -> Layout {
        const WORD: usize = size_of::<u64>();
        let place = self.watched(array, at);
        Layout {
            double: place.kind == Kind::Double,
            at: (place.kind != Kind::Other).then_some(place.first * WORD),
            watch: place.watched * WORD,
            length: place.length,
        }
    }

    /// Somebody outside has changed it in the memory: those who watch look again.
    pub fn changed(&self, array: bool, at: u32) {
        self.tell(self.watched(array, at));
    }

    /// These values are secret, and so are these texts.
    #[must_use]
    pub fn hiding(self, values: Vec<u32>, texts: Vec<String>) -> Values {
        let hidden = Hidden {
            values,
            params: texts.len(),
            texts: Mutex::new(texts),
        };
        for value in &hidden.values {
            hidden.remember(&self.get(*value));
        }
        Values { hidden, ..self }
    }

    /// A text as it may be shown: what is secret is `***` in it.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let texts = self.hidden.texts.lock();
        if texts.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(Secrets::new(texts.iter().cloned()).hide(text).into_owned())
    }

    /// The present value.
    pub fn get(&self, value: u32) -> Cell {
        let place = &self.values[value as usize];
        self.read(place, place.first)
    }

    /// The present value of an element; `None` beyond the end.
    pub fn element(&self, array: u32, i: usize) -> Option<Cell> {
        let place = self.arrays.get(array as usize)?;
        (i < place.length).then(|| self.read(place, place.first + i))
    }

    pub fn length(&self, array: u32) -> usize {
        self.arrays[array as usize].length
    }

    fn read(&self, place: &Place, at: usize) -> Cell {
        match place.kind {
            Kind::Int => Cell::Int(self.words[at].load(Ordering::SeqCst).cast_signed()),
            Kind::Double => Cell::Double(f64::from_bits(self.words[at].load(Ordering::SeqCst))),
            Kind::Other => self.others.lock()[at].clone(),
        }
    }

    fn place(&self, target: Target) -> Result<(&Place, usize), String> {
        match target {
            Target::Value(v) => {
                let place = &self.values[v as usize];
                Ok((place, place.first))
            }
            Target::Element(a, i) => {
                let place = &self.arrays[a as usize];
                if i < place.length {
                    Ok((place, place.first + i))
                } else {
                    Err(format!(
                        "there is no element {i}: the array has {} (0 to {})",
                        place.length,
                        place.length - 1
                    ))
                }
            }
        }
    }

    /// Adds to a number.
    ///
    /// # Errors
    /// In words: the sum does not fit, the index is beyond the end, the amount is no number.
    pub fn add(&self, target: Target, by: &Cell) -> Result<(), String> {
        let (place, at) = self.place(target)?;
        let word = &self.words[at];
        match (place.kind, by) {
            (Kind::Int, Cell::Int(by)) => {
                let add = |old: u64| old.cast_signed().checked_add(*by).map(i64::cast_unsigned);
                word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add)
                    .map_err(|old| format!("{} + {by} does not fit an int", old.cast_signed()))?;
            }
            (Kind::Double, Cell::Int(_) | Cell::Double(_)) => {
                let by = match by {
                    Cell::Double(by) => *by,
                    Cell::Int(by) => *by as f64,
                    _ => 0.0,
                };
                let add = |old: u64| Some((f64::from_bits(old) + by).to_bits());
                // Always answers with a sum, so it always succeeds.
                let _ = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
            }
            (Kind::Int, _) => return Err("only an int can be added to an int".into()),
            _ => return Err("only numbers can be added".into()),
        }
        self.tell(place);
        Ok(())
    }

    /// Puts another value in the place of the old one.
    ///
    /// # Errors
    /// In words: the index is beyond the end, the value is of another type.
    pub fn store(&self, target: Target, value: &Cell) -> Result<(), String> {
        let (place, at) = self.place(target)?;
        match place.kind {
            Kind::Other => {
                if matches!(target, Target::Value(id) if self.hidden.values.contains(&id)) {
                    self.hidden.remember(value);
                }
                self.others.lock()[at] = value.clone();
            }
            kind => match bits(kind, value) {
                Some(bits) => self.words[at].store(bits, Ordering::SeqCst),
                None => return Err("a number is needed".into()),
            },
        }
        self.tell(place);
        Ok(())
    }

    fn tell(&self, place: &Place) {
        if self.words[place.watched].load(Ordering::SeqCst) > 0 {
            for agent in place.watchers.lock().iter() {
                agent.wake();
            }
        }
    }

    fn watched(&self, array: bool, at: u32) -> &Place {
        if array {
            &self.arrays[at as usize]
        } else {
            &self.values[at as usize]
        }
    }

    /// From now on changes of the value (or array) wake the agent.
    pub fn watch(&self, array: bool, at: u32, agent: &Arc<Agent>) {
        let place = self.watched(array, at);
        let mut watchers = place.watchers.lock();
        if !watchers.iter().any(|a| a.id == agent.id) {
            watchers.push(agent.clone());
            self.words[place.watched].fetch_add(1, Ordering::SeqCst);
        }
    }

    pub fn unwatch(&self, array: bool, at: u32, agent: AgentId) {
        let place = self.watched(array, at);
        let mut watchers = place.watchers.lock();
        let before = watchers.len();
        watchers.retain(|a| a.id != agent);
        if watchers.len() < before {
            self.words[place.watched].fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The agent is no more.
    pub(super) fn orphan(&self, agent: AgentId) {
        for (array, places) in [(false, &self.values), (true, &self.arrays)] {
            for (at, place) in places.iter().enumerate() {
                if self.words[place.watched].load(Ordering::SeqCst) > 0 {
                    self.unwatch(array, u32::try_from(at).unwrap_or(u32::MAX), agent);
                }
            }
        }
    }
}

fn bits(kind: Kind, cell: &Cell) -> Option<u64> {
    match (kind, cell) {
        (Kind::Int, Cell::Int(i)) => Some(i.cast_unsigned()),
        (Kind::Double, Cell::Double(d)) => Some(d.to_bits()),
        (Kind::Double, Cell::Int(i)) => Some((*i as f64).to_bits()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Registry;

    fn declared(of: Type, initial: Cell, length: Option<usize>) -> Declared {
        Declared {
            of,
            initial,
            length,
        }
    }

    fn some() -> Values {
        let values = [
            declared(Type::Int, Cell::Int(7), None),
            declared(Type::Double, Cell::Int(1), None),
            declared(Type::String, Cell::str("a"), None),
        ];
        Values::new(&values, &[declared(Type::Int, Cell::Int(0), Some(3))])
    }

    #[test]
    fn values_begin_as_declared_and_are_added_to_and_replaced() {
        let values = some();
        values.add(Target::Value(0), &Cell::Int(3)).unwrap();
        values.add(Target::Value(1), &Cell::Double(0.5)).unwrap();
        values.store(Target::Value(2), &Cell::str("b")).unwrap();
        values.add(Target::Element(0, 2), &Cell::Int(5)).unwrap();
        assert_eq!(values.get(0), Cell::Int(10));
        assert_eq!(values.get(1), Cell::Double(1.5));
        assert_eq!(values.get(2).as_heap_str(), Some("b"));
        assert_eq!(values.element(0, 2), Some(Cell::Int(5)));
        assert_eq!(values.element(0, 1), Some(Cell::Int(0)));
        assert_eq!(values.element(0, 3), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let values = some();
        values
            .store(Target::Value(0), &Cell::Int(i64::MAX))
            .unwrap();
        assert!(values.add(Target::Value(0), &Cell::Int(1)).is_err());
        assert_eq!(values.get(0), Cell::Int(i64::MAX));
        assert!(values.add(Target::Value(2), &Cell::Int(1)).is_err());
        let beyond = values.add(Target::Element(0, 3), &Cell::Int(1));
        assert_eq!(
            beyond.unwrap_err(),
            "there is no element 3: the array has 3 (0 to 2)"
        );
    }

    #[test]
    fn a_change_wakes_those_who_watch() {
        let values = some();
        let agent = Registry::default().enter();
        values.watch(true, 0, &agent);
        values.add(Target::Value(0), &Cell::Int(1)).unwrap();
        assert!(!agent.is_woken());
        values.store(Target::Element(0, 0), &Cell::Int(1)).unwrap();
        assert!(agent.is_woken());
        agent.clear();
        values.unwatch(true, 0, agent.id);
        values.add(Target::Element(0, 0), &Cell::Int(1)).unwrap();
        assert!(!agent.is_woken());
    }
}
