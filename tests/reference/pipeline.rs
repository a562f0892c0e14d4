//! A random pipeline: as a file, and as a loop over lists that knows no threads, no batches and no bounds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::random::Random;
use crate::steps::{Cond, Effects, Item, OnWay, Policy, Step, all};

/// Items, and whether their order is known.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub items: Vec<Item>,
    pub ordered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Fifo,
    Lifo,
    Priority,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub name: String,
    pub order: Order,
    pub max: Option<u64>,
    /// A pipe, in fact.
    pub pipe: bool,
    /// Its reader starts when its writer has ended: then its order is known.
    pub after: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Input {
    Source(Vec<Item>, bool),
    Stages(Vec<usize>),
    /// The number of the queue.
    Queue(usize),
}

#[derive(Clone, Debug)]
pub enum To {
    None,
    All(Vec<usize>),
    /// Conditions, and whether there is an `else` behind them.
    Route(Vec<(Cond, usize)>, Option<usize>),
}

#[derive(Clone, Debug)]
pub struct Stage {
    pub input: Input,
    pub to: To,
    pub threads: u64,
    /// Several stages that read from the same queue and share its items; they are alike.
    pub copies: usize,
    pub ordered: Option<bool>,
    pub window: Option<u64>,
    pub timeout: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    pub queues: Vec<Queue>,
    pub stages: Vec<Stage>,
}

/// What is to come out.
#[derive(Debug, Default)]
pub struct Expected {
    /// What leaves each stage.
    pub leaves: Vec<Stream>,
    pub dead: Vec<(Item, u64)>,
    pub kept_going: bool,
    /// For each stage: its readers may have had enough before it has given out all.
    pub cut: Vec<bool>,
}

impl Stage {
    /// Does what leaves it have a known order, given that what enters has?
    fn keeps_order(&self, of_input: bool, order: Order) -> bool {
        let several = matches!(&self.input, Input::Stages(s) if s.len() > 1);
        let default = !several && order == Order::Fifo;
        let ordered = self.ordered.unwrap_or(default);
        of_input
            && self.copies == 1
            && !several
            && (ordered || self.threads == 1 && !self.sets_aside())
    }

    fn sets_aside(&self) -> bool {
        let aside = |s: &Step| matches!(s, Step::Fail { attempts, .. } if *attempts > 1);
        self.steps.iter().any(aside)
    }
}

impl Pipeline {
    pub fn draw(random: &mut Random) -> Pipeline {
        let mut all = Pipeline::default();
        let stages = 1 + random.below(6) as usize;
        let has_dead = random.chance(50);
        // Queues that have writers and no reader yet.
        let mut open: Vec<usize> = Vec::new();
        // What is known of each stage's order, so that only steps are drawn that have one result.
        let mut order: Vec<bool> = Vec::new();
        for at in 0..stages {
            let (input, of_input, queue_order) = if at == 0 || random.chance(15) {
                (all.draw_source(random), true, Order::Fifo)
            } else if !open.is_empty() && random.chance(70) {
                let queue = open.swap_remove(random.below(open.len() as u64) as usize);
                let of = &all.queues[queue];
                let known = match all.writers(queue).as_slice() {
                    [one] => order[*one] && (of.order == Order::Fifo || of.after.is_some()),
                    _ => false,
                };
                (Input::Queue(queue), known, of.order)
            } else {
                let mut from = vec![random.below(at as u64) as usize];
                let other = random.below(at as u64) as usize;
                if random.chance(25) && other != from[0] {
                    from.push(other);
                }
                let known = from.len() == 1 && order[from[0]];
                (Input::Stages(from), known, Order::Fifo)
            };
            let mut stage = Stage {
                input,
                to: To::None,
                threads: 1 + random.below(4),
                copies: 1,
                ordered: [None, None, Some(true), Some(false)][random.below(4) as usize],
                window: random.chance(30).then(|| 1 + random.below(40)),
                timeout: random.chance(15),
                steps: Vec::new(),
            };
            if let Input::Queue(queue) = stage.input {
                let after = all.queues[queue].after.is_some();
                if after {
                    // In the order of the queue, only one after the other.
                    (stage.threads, stage.ordered) = (1, None);
                } else if !all.queues[queue].pipe && random.chance(30) {
                    stage.copies = 2;
                }
            }
            let mut known = stage.keeps_order(of_input, queue_order);
            all.draw_steps(random, &mut stage, queue_order, &mut known, has_dead);
            let mut fed = Vec::new();
            if at + 1 < stages && random.chance(45) {
                stage.to = all.draw_to(random, at, stage.copies == 1, &mut fed, &open);
            }
            open.extend(
                fed.iter()
                    .filter(|q| !open.contains(q))
                    .copied()
                    .collect::<Vec<_>>(),
            );
            order.push(known);
            all.stages.push(stage);
        }
        // Whatever nobody reads yet is read by a stage that does nothing.
        for queue in open {
            let known = match all.writers(queue).as_slice() {
                [one] => {
                    order[*one]
                        && (all.queues[queue].order == Order::Fifo
                            || all.queues[queue].after.is_some())
                }
                _ => false,
            };
            all.stages.push(Stage {
                input: Input::Queue(queue),
                to: To::None,
                threads: 1,
                copies: 1,
                ordered: None,
                window: None,
                timeout: false,
                steps: Vec::new(),
            });
            order.push(known);
        }
        all
    }

    fn draw_source(&self, random: &mut Random) -> Input {
        let n = [0, 1, 5, 40, 300, 700][random.below(6) as usize];
        let literal = n <= 40;
        let items = (0..n).map(|i| {
            if literal {
                Item {
                    k: random.between(0, 5),
                    v: random.between(-20, 20),
                }
            } else {
                Item {
                    k: i % 5,
                    v: i * 7 % 41 - 20,
                }
            }
        });
        Input::Source(items.collect(), literal)
    }

    fn draw_steps(
        &self,
        random: &mut Random,
        stage: &mut Stage,
        order: Order,
        known: &mut bool,
        has_dead: bool,
    ) {
        let source = matches!(stage.input, Input::Source(..));
        // Items that share a queue with another stage may be had one by one only.
        let shared = stage.copies > 1;
        for _ in 0..random.below(5) {
            let remembered = stage.steps.iter().any(|s| !s.is_each());
            let step = match random.below(10) {
                0..=1 if !shared => Step::draw_all(random, *known),
                2 if !source && !remembered => {
                    let policy = match random.below(4) {
                        0 if has_dead => Policy::Dead,
                        1 if has_dead => Policy::Dead,
                        2 => Policy::KeepGoing,
                        _ => Policy::Drop,
                    };
                    let attempts = if random.chance(25) { 2 } else { 1 };
                    Step::Fail {
                        at: random.between(-8, 8),
                        policy,
                        attempts,
                    }
                }
                3 if *known && !remembered && source && random.chance(30) => {
                    Step::Take(random.below(50) as usize)
                }
                _ => Step::draw_each(random, 0),
            };
            let sorts = matches!(step, Step::SortWhole | Step::Group(_));
            stage.steps.push(step);
            // What another attempt overtakes is in no known order any more, unless the stage keeps it.
            let aside = stage.sets_aside() && stage.ordered != Some(true);
            *known = if sorts && stage.threads == 1 && !aside {
                stage.copies == 1
            } else {
                *known && (!aside || stage.keeps_order(true, order))
            };
        }
        if has_dead && stage.steps.is_empty() && random.chance(10) {
            stage.steps.push(Step::Filter(Cond::Above(-1000)));
        }
    }

    fn draw_to(
        &mut self,
        random: &mut Random,
        at: usize,
        may_wait: bool,
        fed: &mut Vec<usize>,
        open: &[usize],
    ) -> To {
        let mut queue = |all: &mut Pipeline, random: &mut Random, alone: bool| {
            // Sometimes into a queue that others write too.
            let shared: Vec<usize> = open
                .iter()
                .copied()
                .filter(|q| !all.queues[*q].pipe && all.queues[*q].after.is_none())
                .filter(|q| !fed.contains(q))
                .collect();
            if !shared.is_empty() && random.chance(40) {
                let queue = shared[random.below(shared.len() as u64) as usize];
                fed.push(queue);
                return queue;
            }
            let number = all.queues.len();
            let pipe = may_wait && random.chance(25);
            let order = match random.below(4) {
                _ if pipe => Order::Fifo,
                0 => Order::Lifo,
                1 => Order::Priority,
                _ => Order::Fifo,
            };
            let after = !pipe && alone && may_wait && order != Order::Fifo && random.chance(60);
            all.queues.push(Queue {
                name: format!("q{number}"),
                order,
                max: (!after && random.chance(60)).then(|| 1 + random.below(20)),
                pipe,
                after: after.then_some(at),
            });
            fed.push(number);
            number
        };
        match random.below(3) {
            0 => To::All(vec![queue(self, random, true)]),
            1 => {
                let first = queue(self, random, false);
                To::All(vec![first, queue(self, random, false)])
            }
            _ => {
                let first = (Cond::draw(random), queue(self, random, false));
                let other = random.chance(60).then(|| queue(self, random, false));
                To::Route(vec![first], other)
            }
        }
    }

    /// The stages that write into a queue.
    pub fn writers(&self, queue: usize) -> Vec<usize> {
        let writes = |s: &Stage| match &s.to {
            To::None => false,
            To::All(all) => all.contains(&queue),
            To::Route(some, other) => {
                some.iter().any(|(_, q)| *q == queue) || *other == Some(queue)
            }
        };
        let found = self.stages.iter().enumerate().filter(|(_, s)| writes(s));
        found.map(|(i, _)| i).collect()
    }

    /// What is to come out.
    pub fn expected(&self) -> Expected {
        let mut out = Expected::default();
        let mut queues: Vec<Vec<Item>> = vec![Vec::new(); self.queues.len()];
        for stage in &self.stages {
            let (items, known, order) = match &stage.input {
                Input::Source(items, _) => (items.clone(), true, Order::Fifo),
                Input::Stages(from) => {
                    let items = from
                        .iter()
                        .flat_map(|f| out.leaves[*f].items.clone())
                        .collect();
                    let known = from.len() == 1 && out.leaves[from[0]].ordered;
                    (items, known, Order::Fifo)
                }
                Input::Queue(queue) => {
                    let of = &self.queues[*queue];
                    let writers = self.writers(*queue);
                    let alone = writers.len() == 1 && out.leaves[writers[0]].ordered;
                    let mut items = queues[*queue].clone();
                    let known = alone && (of.order == Order::Fifo || of.after.is_some());
                    match of.order {
                        _ if !known => {}
                        Order::Fifo => {}
                        Order::Lifo => items.reverse(),
                        Order::Priority => items.sort_by_key(|i| i.v),
                    }
                    (items, known, of.order)
                }
            };
            let mut effects = Effects::default();
            let on_way = items
                .into_iter()
                .map(|item| OnWay { came: item, item })
                .collect();
            let left: Vec<Item> = all(&stage.steps, on_way, &mut effects)
                .iter()
                .map(|o| o.item)
                .collect();
            match &stage.to {
                To::None => {}
                To::All(to) => to.iter().for_each(|q| queues[*q].extend(&left)),
                To::Route(some, other) => {
                    for item in &left {
                        let way = some
                            .iter()
                            .find(|(cond, _)| cond.holds(*item))
                            .map(|(_, q)| *q);
                        if let Some(queue) = way.or(*other) {
                            queues[queue].push(*item);
                        }
                    }
                }
            }
            out.dead.extend(effects.dead);
            out.kept_going |= effects.kept_going;
            let sorted = match stage
                .steps
                .iter()
                .rposition(|s| matches!(s, Step::SortWhole | Step::Group(_)))
            {
                // Behind such a step the order is known again, where one worker does the rest.
                Some(_) => stage.threads == 1 && stage.copies == 1 && !stage.sets_aside(),
                None => false,
            };
            let ordered = sorted || stage.keeps_order(known, order);
            out.leaves.push(Stream {
                items: left,
                ordered,
            });
        }
        out.cut = vec![false; self.stages.len()];
        out
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut text = String::from("locks: [lock]\n");
        let has_dead = self.uses_dead();
        if has_dead || !self.queues.is_empty() {
            for (kind, pipe) in [("pipes", true), ("queues", false)] {
                let of: Vec<&Queue> = self.queues.iter().filter(|q| q.pipe == pipe).collect();
                if of.is_empty() && (pipe || !has_dead) {
                    continue;
                }
                let _ = writeln!(text, "{kind}:");
                for queue in of {
                    let order = match queue.order {
                        Order::Fifo => String::new(),
                        Order::Lifo => "order: lifo".into(),
                        Order::Priority => "order: priority, by: v".into(),
                    };
                    let max = match (queue.after, queue.max) {
                        (Some(_), _) => "max: 100000".into(),
                        (None, Some(max)) => format!("max: {max}"),
                        (None, None) => String::new(),
                    };
                    let options = [order, max];
                    let options: Vec<&str> = options
                        .iter()
                        .map(String::as_str)
                        .filter(|o| !o.is_empty())
                        .collect();
                    let _ = writeln!(text, "  {}: {{{}}}", queue.name, options.join(", "));
                }
                if !pipe && has_dead {
                    let _ = writeln!(text, "  dead: {{}}");
                }
            }
        }
        text.push_str("stages:\n");
        for (at, stage) in self.stages.iter().enumerate() {
            for copy in 0..stage.copies {
                self.write_stage(at, copy, stage, &mut text);
            }
        }
        if has_dead {
            text.push_str("  letters:\n    from: dead\n    do:\n      - print: 'dead {json(input)} {attempts}'\n");
        }
        text
    }

    fn write_stage(&self, at: usize, copy: usize, stage: &Stage, text: &mut String) {
        let name = if stage.copies > 1 {
            format!("s{at}c{copy}")
        } else {
            format!("s{at}")
        };
        let _ = writeln!(text, "  {name}:");
        // All copies of a stage that shares its items, where a stage names it.
        let names = |f: &usize| -> Vec<String> {
            match self.stages[*f].copies {
                1 => vec![format!("s{f}")],
                n => (0..n).map(|c| format!("s{f}c{c}")).collect(),
            }
        };
        match &stage.input {
            Input::Source(..) => {}
            Input::Stages(from) => {
                let all: Vec<String> = from.iter().flat_map(names).collect();
                let _ = writeln!(text, "    from: [{}]", all.join(", "));
            }
            Input::Queue(queue) => {
                let of = &self.queues[*queue];
                let _ = writeln!(text, "    from: {}", of.name);
                if let Some(writer) = of.after {
                    let _ = writeln!(text, "    after: s{writer}\n    always: true");
                }
            }
        }
        match &stage.to {
            To::None => {}
            To::All(to) => {
                let all: Vec<&str> = to.iter().map(|q| self.queues[*q].name.as_str()).collect();
                let _ = writeln!(text, "    to: [{}]", all.join(", "));
            }
            To::Route(some, other) => {
                let mut ways: Vec<String> = some
                    .iter()
                    .map(|(cond, q)| format!("{}: '{}'", self.queues[*q].name, cond.text()))
                    .collect();
                ways.extend(other.map(|q| format!("{}: else", self.queues[q].name)));
                let _ = writeln!(text, "    to: {{{}}}", ways.join(", "));
            }
        }
        let _ = writeln!(text, "    threads: {}", stage.threads);
        match (stage.ordered, stage.window) {
            (Some(true) | None, Some(window)) if stage.ordered.is_some() => {
                let _ = writeln!(text, "    ordered: {{window: {window}}}");
            }
            (Some(ordered), _) => {
                let _ = writeln!(text, "    ordered: {ordered}");
            }
            (None, _) => {}
        }
        if stage.timeout {
            text.push_str("    timeout: 60s\n");
        }
        text.push_str("    do:\n");
        if let Input::Source(items, literal) = &stage.input {
            if *literal {
                let items: Vec<String> = items
                    .iter()
                    .map(|i| format!("{{k: {}, v: {}}}", i.k, i.v))
                    .collect();
                let _ = writeln!(
                    text,
                    "      - items: [{}]\n        as: {{k: int, v: int}}",
                    items.join(", ")
                );
            } else {
                let _ = writeln!(
                    text,
                    "      - range: {}\n      - map: '{{\"k\": item % 5, \"v\": item * 7 % 41 - 20}}'",
                    items.len()
                );
            }
        }
        for step in &stage.steps {
            step.write(6, text);
        }
        let _ = writeln!(text, "      - print: 's{at} {{json(item)}}'");
    }

    pub fn uses_dead(&self) -> bool {
        let dead = |s: &Step| {
            matches!(
                s,
                Step::Fail {
                    policy: Policy::Dead,
                    ..
                }
            )
        };
        self.stages.iter().any(|s| s.steps.iter().any(dead))
    }

    /// By stage: how the streams are to be compared.
    pub fn names(&self) -> BTreeMap<String, usize> {
        (0..self.stages.len())
            .map(|i| (format!("s{i}"), i))
            .collect()
    }
}
