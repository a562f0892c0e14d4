//! The table of a `lookup`, read.

use std::sync::Arc;

use super::super::group::ByteKeys;
use super::super::key;
use super::super::{Cx, Faults, Flow, ItemError, Op, Pull, RunError, Source, Tally};
use super::Duplicates;
use crate::value::{Blocks, Cell, Name, Row, Type};

/// How the table is read.
pub(super) struct Plan {
    pub source: Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>,
    /// What reads the rows that the source cuts out.
    pub second: Option<Op>,
    pub key: Arc<[Name]>,
    pub name: Arc<str>,
    pub duplicates: Duplicates,
}

/// What is found for each key.
#[derive(Default)]
pub(super) struct Table {
    keys: ByteKeys,
    found: Vec<Cell>,
}

impl Table {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Cell> {
        self.keys.find(key).map(|n| &self.found[n as usize])
    }
}

/// A row that cannot be read is no error of an item: it ends the run.
#[derive(Default)]
struct First(Option<String>);

impl Faults for First {
    fn fail(&mut self, _: u32, _: Row<'_>, error: ItemError) {
        self.0.get_or_insert(error.message);
    }
}

impl Plan {
    /// Reads the table.
    ///
    /// # Errors
    /// A file that is not there, a row that cannot be read, two rows of one key.
    pub(super) fn load(&self, cx: &Cx<'_>) -> Result<Table, RunError> {
        let (mut tally, mut faults) = (Tally::default(), First::default());
        let mut source = (self.source)();
        let mut second = self.second.as_ref().map(|op| match op {
            Op::Each(make) => make(),
            other => unreachable!("BUG: rows are read by {other:?}"),
        });
        let mut table = Table::default();
        let mut lists: Vec<Vec<Cell>> = Vec::new();
        loop {
            let mut inner = Cx {
                scope: cx.scope,
                clock: cx.clock,
                agent: cx.agent,
                tally: &mut tally,
                faults: &mut faults,
                output: cx.output,
                conns: cx.conns,
                commons: cx.commons,
                net: cx.net,
                broker: cx.broker,
                programs: cx.programs,
                step: cx.step,
            };
            let batch = match source.pull(256, &mut inner) {
                Pull::Rows(batch) => batch,
                Pull::End => break,
                Pull::Stop(error) => return Err(error),
                Pull::Wait(_) => {
                    return Err(
                        self.failed("standard input cannot be a table while others wait for it")
                    );
                }
            };
            let mut batch = match &mut second {
                None => batch,
                Some(second) => match second.run(batch, &mut inner) {
                    Flow::Next(batch) => batch,
                    Flow::Stop(error) => return Err(error),
                    other => unreachable!("BUG: rows were read to {other:?}"),
                },
            };
            if let Some(message) = faults.0.take() {
                batch.clear();
                return Err(self.failed(&message));
            }
            for row in batch.rows() {
                self.add(&row.detach(), &mut table, &mut lists)?;
            }
            batch.clear();
        }
        if self.duplicates == Duplicates::List {
            table.found = lists.into_iter().map(Cell::list).collect();
        }
        Ok(table)
    }

    fn failed(&self, message: &str) -> RunError {
        RunError::Failed {
            message: format!("the table {}: {message}", self.name),
        }
    }

    fn add(
        &self,
        row: &Cell,
        table: &mut Table,
        lists: &mut Vec<Vec<Cell>>,
    ) -> Result<(), RunError> {
        let mut key = Vec::new();
        for name in &*self.key {
            let Some(field) = row.as_map().and_then(|m| m.get(name)) else {
                return Err(self.failed(&format!("a row has no field `{name}`")));
            };
            key::encode(field, &Blocks::new(), &mut key);
        }
        let rows = table.keys.len();
        let number = table.keys.number(&key) as usize;
        let is_new = number == rows;
        match self.duplicates {
            Duplicates::List => {
                if is_new {
                    lists.push(Vec::new());
                }
                lists[number].push(row.clone());
            }
            _ if is_new => table.found.push(row.clone()),
            Duplicates::First => {}
            Duplicates::Error => {
                let message = format!(
                    "two rows have the key {}; say which counts: `duplicates: first`, or take both: `duplicates: list`",
                    shown(&key)
                );
                return Err(self.failed(&message));
            }
        }
        Ok(())
    }
}

/// A key as people write it.
pub(super) fn shown(mut key: &[u8]) -> String {
    let mut blocks = Blocks::new();
    let mut text = Vec::new();
    while !key.is_empty() {
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        let cell = key::decode(&mut key, &Type::Any, &mut blocks);
        cell.write_json(&blocks, &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}
