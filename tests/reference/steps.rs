//! Steps, twice: as the file says them, and as a plain loop over a list does them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::random::Random;

/// What flows: a record of two numbers, so that every step can follow every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    pub k: i64,
    pub v: i64,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{\"k\":{},\"v\":{}}}", self.k, self.v)
    }
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Cond {
    Above(i64),
    Not(i64),
    Rest(i64, i64),
    Both(Box<Cond>, Box<Cond>),
    Either(Box<Cond>, Box<Cond>),
}

impl Cond {
    pub fn draw(random: &mut Random) -> Cond {
        match random.below(7) {
            0 | 1 => Cond::Above(random.between(-20, 20)),
            2 => Cond::Not(random.between(0, 5)),
            3 | 4 => {
                let of = random.between(2, 5);
                Cond::Rest(of, random.between(0, of - 1))
            }
            5 => Cond::Both(Cond::draw(random).into(), Cond::draw(random).into()),
            _ => Cond::Either(Cond::draw(random).into(), Cond::draw(random).into()),
        }
    }

    pub fn text(&self) -> String {
        match self {
            Cond::Above(n) => format!("v > {n}"),
            Cond::Not(n) => format!("k != {n}"),
            Cond::Rest(of, rest) => format!("(v + 100000) % {of} == {rest}"),
            Cond::Both(a, b) => format!("({}) && ({})", a.text(), b.text()),
            Cond::Either(a, b) => format!("({}) || ({})", a.text(), b.text()),
        }
    }

    pub fn holds(&self, item: Item) -> bool {
        match self {
            Cond::Above(n) => item.v > *n,
            Cond::Not(n) => item.k != *n,
            Cond::Rest(of, rest) => (item.v + 100_000) % of == *rest,
            Cond::Both(a, b) => a.holds(item) && b.holds(item),
            Cond::Either(a, b) => a.holds(item) || b.holds(item),
        }
    }
}

/// What becomes of an item that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Drop,
    KeepGoing,
    /// To the queue `dead`.
    Dead,
}

#[derive(Clone, Copy, Debug)]
pub enum Aggregate {
    Count,
    Sum,
    Min,
    Max,
    /// These two know the order.
    First,
    Last,
}

#[derive(Clone, Debug)]
pub enum Step {
    Filter(Cond),
    Map(i64, i64),
    Assign(i64),
    /// Three elements, of which those stay that leave this rest.
    Each(i64, i64),
    If(Cond, Vec<Step>),
    /// A result into a field.
    Into(i64),
    /// Steps under a lock.
    With(Vec<Step>),
    /// Fails where `v` is this.
    Fail {
        at: i64,
        policy: Policy,
        attempts: u64,
    },
    // From here on: steps that see all items of the stage.
    Skip(usize),
    Take(usize),
    UniqueKey,
    UniqueItem,
    Sort {
        desc: bool,
    },
    /// By everything there is of an item.
    SortWhole,
    Top(usize),
    Group(Aggregate),
    Batch(usize),
}

/// What a stage's steps did beside the items that leave it.
#[derive(Debug, Default)]
pub struct Effects {
    /// Items as the stage took them, with the number of attempts.
    pub dead: Vec<(Item, u64)>,
    pub kept_going: bool,
}

/// An item on its way, and the one that the stage took.
#[derive(Clone, Copy)]
pub struct OnWay {
    pub came: Item,
    pub item: Item,
}

impl Step {
    pub fn draw_each(random: &mut Random, depth: usize) -> Step {
        match random.below(if depth == 0 { 9 } else { 5 }) {
            0 | 1 => Step::Filter(Cond::draw(random)),
            2 => Step::Map(random.between(-3, 3), random.between(-9, 9)),
            3 => Step::Assign(random.between(1, 6)),
            4 => Step::Into(random.between(-9, 9)),
            5 => {
                let of = random.between(2, 4);
                Step::Each(of, random.between(0, of - 1))
            }
            6 => Step::If(Cond::draw(random), Step::draw_few(random)),
            7 => Step::With(Step::draw_few(random)),
            _ => Step::If(Cond::draw(random), vec![Step::With(Step::draw_few(random))]),
        }
    }

    fn draw_few(random: &mut Random) -> Vec<Step> {
        (0..=random.below(3))
            .map(|_| Step::draw_each(random, 1))
            .collect()
    }

    /// `ordered`: the order of the items is known.
    pub fn draw_all(random: &mut Random, ordered: bool) -> Step {
        if ordered && random.chance(70) {
            return match random.below(8) {
                0 => Step::Skip(random.below(12) as usize),
                1 | 2 => Step::UniqueKey,
                3 => Step::Sort {
                    desc: random.chance(50),
                },
                4 => Step::Top(1 + random.below(9) as usize),
                5 => Step::Batch(1 + random.below(6) as usize),
                6 => Step::Group(Aggregate::First),
                _ => Step::Group(Aggregate::Last),
            };
        }
        match random.below(6) {
            0 => Step::UniqueItem,
            1 | 2 => Step::SortWhole,
            3 => Step::Group(Aggregate::Count),
            4 => Step::Group(Aggregate::Sum),
            _ => Step::Group(if random.chance(50) {
                Aggregate::Min
            } else {
                Aggregate::Max
            }),
        }
    }

    /// The step as lines of the file.
    pub fn write(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        let line = |text: String, out: &mut String| {
            let _ = writeln!(out, "{pad}- {text}");
        };
        match self {
            Step::Filter(cond) => line(format!("filter: '{}'", cond.text()), out),
            Step::Map(a, b) => line(
                format!("map: '{{\"k\": k, \"v\": (v * {a} + {b}) % 1000}}'"),
                out,
            ),
            Step::Assign(n) => line(
                format!("assign: {{k: 'v < 0 ? k : (k + 1) % {n}', v: v + k}}"),
                out,
            ),
            Step::Each(of, rest) => {
                line(
                    format!("each: '[k, k + 1, k + 2].filter(x, x % {of} == {rest})'"),
                    out,
                );
                let _ = writeln!(out, "{pad}  into: k");
            }
            Step::Into(n) => {
                line(format!("map: item * item % 100 + {n}"), out);
                let _ = writeln!(out, "{pad}  in: v\n{pad}  into: v");
            }
            Step::If(cond, steps) => {
                line(format!("if: '{}'", cond.text()), out);
                let _ = writeln!(out, "{pad}  do:");
                steps.iter().for_each(|s| s.write(indent + 4, out));
            }
            Step::With(steps) => {
                line("with: lock".into(), out);
                let _ = writeln!(out, "{pad}  do:");
                steps.iter().for_each(|s| s.write(indent + 4, out));
            }
            Step::Fail {
                at,
                policy,
                attempts,
            } => {
                line(
                    format!("map: '{{\"k\": k, \"v\": v + 0 / (v - {at})}}'"),
                    out,
                );
                let policy = match policy {
                    Policy::Drop => "drop",
                    Policy::KeepGoing => "keep_going",
                    Policy::Dead => "{to: dead}",
                };
                let _ = writeln!(out, "{pad}  on_error: {policy}");
                if *attempts > 1 {
                    let _ = writeln!(out, "{pad}  retry: {{times: {}, wait: 1ms}}", attempts - 1);
                }
            }
            Step::Skip(n) => line(format!("skip: {n}"), out),
            Step::Take(n) => line(format!("take: {n}"), out),
            Step::UniqueKey => line("unique: k".into(), out),
            Step::UniqueItem => line("unique: k * 100000 + v".into(), out),
            Step::Sort { desc } => line(format!("sort: {{by: v, desc: {desc}}}"), out),
            Step::SortWhole => line("sort: k * 100000 + v".into(), out),
            Step::Top(n) => line(format!("top: {{n: {n}, by: v}}"), out),
            Step::Group(aggregate) => {
                let text = match aggregate {
                    Aggregate::Count => "count()",
                    Aggregate::Sum => "sum(v)",
                    Aggregate::Min => "min(v)",
                    Aggregate::Max => "max(v)",
                    Aggregate::First => "first(v)",
                    Aggregate::Last => "last(v)",
                };
                line(format!("group: {{by: k, v: {text}}}"), out);
            }
            Step::Batch(n) => {
                line(format!("batch: {n}"), out);
                line(
                    "map: '{\"k\": size(item), \"v\": item[size(item) - 1].v}'".into(),
                    out,
                );
            }
        }
    }

    /// What becomes of all items of a stage.
    pub fn run(&self, items: Vec<OnWay>, effects: &mut Effects) -> Vec<OnWay> {
        let new = |item: Item| OnWay { came: item, item };
        let changed = |on: OnWay, item: Item| OnWay { item, ..on };
        match self {
            Step::Filter(cond) => items.into_iter().filter(|o| cond.holds(o.item)).collect(),
            Step::Map(a, b) => {
                let map = |i: Item| Item {
                    k: i.k,
                    v: (i.v * a + b) % 1000,
                };
                items.into_iter().map(|o| changed(o, map(o.item))).collect()
            }
            Step::Assign(n) => {
                let assign = |i: Item| Item {
                    k: if i.v < 0 { i.k } else { (i.k + 1) % n },
                    v: i.v + i.k,
                };
                items
                    .into_iter()
                    .map(|o| changed(o, assign(o.item)))
                    .collect()
            }
            Step::Each(of, rest) => {
                let each = |o: OnWay| {
                    let elements = (0..3)
                        .map(move |n| o.item.k + n)
                        .filter(move |x| x % of == *rest);
                    elements.map(move |k| changed(o, Item { k, ..o.item }))
                };
                items.into_iter().flat_map(each).collect()
            }
            Step::Into(n) => {
                let into = |i: Item| Item {
                    v: i.v * i.v % 100 + n,
                    ..i
                };
                items
                    .into_iter()
                    .map(|o| changed(o, into(o.item)))
                    .collect()
            }
            Step::If(cond, steps) => {
                let mut out = Vec::new();
                for on in items {
                    if cond.holds(on.item) {
                        out.extend(all(steps, vec![on], effects));
                    } else {
                        out.push(on);
                    }
                }
                out
            }
            Step::With(steps) => all(steps, items, effects),
            Step::Fail {
                at,
                policy,
                attempts,
            } => {
                let (failed, out): (Vec<OnWay>, Vec<OnWay>) =
                    items.into_iter().partition(|o| o.item.v == *at);
                match policy {
                    Policy::Drop => {}
                    Policy::KeepGoing => effects.kept_going |= !failed.is_empty(),
                    Policy::Dead => effects
                        .dead
                        .extend(failed.iter().map(|o| (o.came, *attempts))),
                }
                out
            }
            Step::Skip(n) => items.into_iter().skip(*n).collect(),
            Step::Take(n) => items.into_iter().take(*n).collect(),
            Step::UniqueKey => {
                let mut seen = std::collections::BTreeSet::new();
                items
                    .into_iter()
                    .filter(|o| seen.insert(o.item.k))
                    .collect()
            }
            Step::UniqueItem => {
                let mut seen = std::collections::BTreeSet::new();
                items.into_iter().filter(|o| seen.insert(o.item)).collect()
            }
            Step::Sort { desc } => {
                let mut items = items;
                items.sort_by_key(|o| if *desc { -o.item.v } else { o.item.v });
                items
            }
            Step::SortWhole => {
                let mut items = items;
                items.sort_by_key(|o| o.item.k * 100_000 + o.item.v);
                items
            }
            Step::Top(n) => {
                let mut items = items;
                items.sort_by_key(|o| -o.item.v);
                items.truncate(*n);
                items
            }
            Step::Group(aggregate) => {
                let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
                for on in items {
                    groups.entry(on.item.k).or_default().push(on.item.v);
                }
                let value = |values: &[i64]| match aggregate {
                    Aggregate::Count => values.len() as i64,
                    Aggregate::Sum => values.iter().sum(),
                    Aggregate::Min => values.iter().copied().min().unwrap_or_default(),
                    Aggregate::Max => values.iter().copied().max().unwrap_or_default(),
                    Aggregate::First => values[0],
                    Aggregate::Last => values[values.len() - 1],
                };
                groups
                    .into_iter()
                    .map(|(k, values)| {
                        new(Item {
                            k,
                            v: value(&values),
                        })
                    })
                    .collect()
            }
            Step::Batch(n) => {
                let last = |c: &[OnWay]| {
                    new(Item {
                        k: c.len() as i64,
                        v: c[c.len() - 1].item.v,
                    })
                };
                items.chunks(*n).map(last).collect()
            }
        }
    }

    /// May it be run over each item alone?
    pub fn is_each(&self) -> bool {
        !matches!(
            self,
            Step::Skip(_)
                | Step::Take(_)
                | Step::UniqueKey
                | Step::UniqueItem
                | Step::Sort { .. }
                | Step::SortWhole
                | Step::Top(_)
                | Step::Group(_)
                | Step::Batch(_)
        )
    }
}

/// One step after the other.
pub fn all(steps: &[Step], items: Vec<OnWay>, effects: &mut Effects) -> Vec<OnWay> {
    steps
        .iter()
        .fold(items, |items, step| step.run(items, effects))
}
