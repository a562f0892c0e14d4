//! `unique`: only the first item of each key.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::keyer::{By, Keyer};
use super::words::Args;
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, Op, Opt, Outcome, Reader, Step, StepDef,
};
use crate::expr::{Env, Uses};
use crate::spec::Node;
use crate::value::{Batch, Type};

pub(super) static UNIQUE: StepDef = StepDef {
    name: "unique",
    group: Group::Shape,
    summary: "Lets only the first item of each key go on.",
    main: Some("by"),
    options: &[
        Opt {
            name: "by",
            form: "list of expression",
            help: "The key.",
            required: true,
        },
        Opt {
            name: "keep",
            form: "int",
            help: "Remember only so many different keys, those that came last; without it all of them.",
            required: false,
        },
    ],
    names: false,
    example: "- items: [a, b, a]\n- unique: item\n",
    read,
};

#[derive(Debug)]
struct Unique {
    by: By,
    keep: Option<usize>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &UNIQUE, reader);
    let by = args.need("by", reader);
    let by = by.and_then(|by| By::read(by, "`by`", reader));
    let keep = match args.get("keep") {
        Some(node) => Some(usize::try_from(reader.count(node, "`keep`", 1)?).unwrap_or(usize::MAX)),
        None => None,
    };
    Some(Box::new(Unique { by: by?, keep }))
}

impl Step for Unique {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        self.by.check(input, "unique", cx);
        input.cloned().unwrap_or(Type::Any)
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        uses.merge(&self.by.uses(input, env));
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let (keyer, keep) = (self.by.compile(input, cx), self.keep);
        let make = move || Run {
            keyer: keyer.clone(),
            key: Vec::new(),
            seen: Seen::new(keep),
        };
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Turn(Arc::new(move || Box::new(make()))),
        }
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        match self.keep {
            None => format!("unique {}", self.by.describe()),
            Some(keep) => format!("unique {} among the last {keep}", self.by.describe()),
        }
    }
}

struct Run {
    keyer: Keyer,
    key: Vec<u8>,
    seen: Seen,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut failed = 0;
        let gone = batch.retain_rows(|origin, row| {
            self.key.clear();
            match self.keyer.key(row, cx.scope, &mut self.key) {
                Ok(()) => self.seen.is_new(&self.key),
                Err(error) => {
                    cx.fail(origin, row, error);
                    failed += 1;
                    false
                }
            }
        });
        cx.settle(Outcome::Filtered, gone - failed);
        Flow::Next(batch)
    }

    fn held(&self) -> usize {
        self.seen.held()
    }
}

/// The keys that were seen.
struct Seen {
    /// Each key, and when it was last seen.
    keys: HashMap<Arc<[u8]>, u64, foldhash::fast::RandomState>,
    bytes: usize,
    keep: Option<Window>,
}

/// The keys in the order in which they were last seen. One that was seen again stands here twice; what counts is
/// the later time, the other is passed over when its turn to be forgotten comes.
struct Window {
    size: usize,
    order: VecDeque<(u64, Arc<[u8]>)>,
    now: u64,
}

impl Seen {
    fn new(keep: Option<usize>) -> Seen {
        let keep = keep.map(|size| Window {
            size,
            order: VecDeque::new(),
            now: 0,
        });
        Seen {
            keys: HashMap::default(),
            bytes: 0,
            keep,
        }
    }

    fn is_new(&mut self, key: &[u8]) -> bool {
        let Some(window) = &mut self.keep else {
            if self.keys.contains_key(key) {
                return false;
            }
            self.bytes += key.len();
            self.keys.insert(key.into(), 0);
            return true;
        };
        if let Some((key, last)) = self.keys.get_key_value(key) {
            // The newest is where it belongs.
            if *last != window.now {
                window.now += 1;
                let key = key.clone();
                window.order.push_back((window.now, key.clone()));
                self.keys.insert(key, window.now);
                if window.order.len() > 2 * window.size + 16 {
                    window
                        .order
                        .retain(|(at, key)| self.keys.get(key) == Some(at));
                }
            }
            return false;
        }
        window.now += 1;
        let key: Arc<[u8]> = key.into();
        self.bytes += key.len();
        window.order.push_back((window.now, key.clone()));
        self.keys.insert(key, window.now);
        while self.keys.len() > window.size {
            let (at, key) = window
                .order
                .pop_front()
                .expect("BUG: a key that is in no order");
            if self.keys.get(&key) == Some(&at) {
                self.bytes -= key.len();
                self.keys.remove(&key);
            }
        }
        true
    }

    fn held(&self) -> usize {
        let order = self.keep.as_ref().map_or(0, |w| w.order.capacity() * 24);
        self.bytes + self.keys.capacity() * 25 + self.keys.len() * 16 + order
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, record, run};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    /// Keys in the order in which they were last seen, the plain way.
    fn model(keys: &[i64], keep: usize) -> Vec<Json> {
        let mut last: Vec<i64> = Vec::new();
        let mut out = Vec::new();
        for key in keys {
            match last.iter().position(|k| k == key) {
                Some(at) => {
                    last.remove(at);
                }
                None => out.push(json!(key)),
            }
            last.push(*key);
            if last.len() > keep {
                last.remove(0);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn only_the_first_of_each_key_among_the_last_so_many_goes_on(
            keys in proptest::collection::vec(0i64..8, 0..80),
            keep in 1usize..9,
            sizes in proptest::collection::vec(1usize..7, 1..3),
        ) {
            let items: Vec<Json> = keys.iter().map(|k| json!(k)).collect();
            let how = How { sizes, ..How::default() };
            let ran = run(&format!("unique: {{by: item, keep: {keep}}}"), &Type::Int, &items, &how);
            prop_assert_eq!(ran.out, model(&keys, keep));
            prop_assert_eq!(run("unique: item", &Type::Int, &items, &how).out, model(&keys, 1000));
        }
    }

    #[test]
    fn keys_that_come_again_and_again_take_no_more_room() {
        let mut seen = Seen::new(Some(2));
        for i in 0..10_000u32 {
            seen.is_new(&[(i % 2) as u8]);
        }
        let window = seen.keep.unwrap();
        assert!(window.order.len() <= 20, "{}", window.order.len());
        assert_eq!(seen.bytes, 2);
    }

    #[test]
    fn several_fields_are_one_key_and_null_is_one_too() {
        let ty = record(&[("a", Type::Int.optional()), ("b", Type::String)]);
        let items = [
            json!({"a": 1, "b": "x"}),
            json!({"a": 1, "b": "y"}),
            json!({"a": null, "b": "x"}),
            json!({"a": 1, "b": "x"}),
            json!({"a": null, "b": "x"}),
        ];
        assert_eq!(
            run("unique: [a, b]", &ty, &items, &How::default()).out,
            items[..3]
        );
        assert_eq!(run("unique: a", &ty, &items, &How::default()).out.len(), 2);
    }

    #[test]
    fn none_cannot_be_kept() {
        assert!(mistakes("unique: {by: item, keep: 0}", &Type::Int)[0].starts_with("E0105"));
    }
}
