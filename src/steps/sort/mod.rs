//! `sort`: all items of a stage in order.
//!
//! Each worker gathers rows into runs of some thousands, sorts each run when it is full, and writes its runs to a
//! temporary file when the step holds too much; at the end all runs are merged.

mod part;
mod run;
mod spill;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use self::part::{Budget, Part};
use super::keyer::{By, Keeps};
use super::words::Args;
use super::{CompileCx, Compiled, Group, Infer, Op, Opt, Reader, Step, StepDef};
use crate::expr::{Env, Uses};
use crate::spec::Node;
use crate::value::{Shape, Type};

pub(super) static SORT: StepDef = StepDef {
    name: "sort",
    group: Group::Shape,
    summary: "Puts all items in order; equal ones stay in the order in which they came.",
    main: Some("by"),
    options: &[
        Opt {
            name: "by",
            form: "list of expression",
            help: "What is compared, the least first: null, then NaN, then all else.",
            required: true,
        },
        Opt {
            name: "desc",
            form: "bool",
            help: "The greatest first.",
            required: false,
        },
    ],
    names: false,
    example: "- range: 5\n- sort: {by: item % 3, desc: true}\n",
    read,
};

/// Beyond this the step writes to disk.
const LIMIT: usize = 256 << 20;

#[derive(Debug)]
struct Sort {
    by: By,
    desc: bool,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &SORT, reader);
    let by = args.need("by", reader);
    let by = by.and_then(|by| By::read(by, "`by`", reader));
    let desc = match args.get("desc") {
        Some(node) => reader.flag(node, "`desc`")?,
        None => false,
    };
    Some(Box::new(Sort { by: by?, desc }))
}

impl Step for Sort {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        self.by.check(input, "sort", cx);
        input.cloned().unwrap_or(Type::Any)
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        uses.merge(&self.by.uses(input, env));
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let whole = input.cloned().unwrap_or(Type::Any);
        let out = after.narrow(&whole);
        let (keyer, desc) = (self.by.compile(input, cx), self.desc);
        let (keeps, shape) = (Keeps::of(&whole, &out), Shape::of(&out));
        let held = Arc::new(AtomicUsize::new(0));
        let make = move || {
            let budget = Budget {
                limit: LIMIT,
                all: held.clone(),
                mine: 0,
            };
            Part::new(keyer.clone(), desc, keeps.clone(), shape.clone(), budget)
        };
        Compiled {
            out,
            op: Op::Memory(Arc::new(move || Box::new(make()))),
        }
    }

    fn describe(&self) -> String {
        format!(
            "sort by {}{}",
            self.by.describe(),
            if self.desc { ", greatest first" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn named() -> Type {
        record(&[("name", Type::String), ("n", Type::Int)])
    }

    proptest! {
        #[test]
        fn however_the_items_are_shared_out_the_order_is_the_same_and_stable(
            keys in proptest::collection::vec((-3i64..4, "[a-c]{0,10}"), 0..60),
            sizes in proptest::collection::vec(1usize..9, 1..4),
            parts in proptest::collection::vec(0usize..3, 1..6),
            desc in any::<bool>(),
        ) {
            let items: Vec<Json> = keys.iter().map(|(n, s)| json!({"name": s, "n": n})).collect();
            let how = How { sizes, parts, ..How::default() };
            let sorted = |by: &str| run(&format!("sort: {{by: {by}, desc: {desc}}}"), &named(), &items, &how).out;
            let mut expected = items.clone();
            let turn = |o: std::cmp::Ordering| if desc { o.reverse() } else { o };
            expected.sort_by(|a, b| turn(a["n"].as_i64().cmp(&b["n"].as_i64())));
            prop_assert_eq!(sorted("n"), expected);
            let mut expected = items.clone();
            expected.sort_by(|a, b| turn(a["name"].as_str().cmp(&b["name"].as_str())));
            prop_assert_eq!(sorted("name"), expected);
            let mut expected = items.clone();
            expected.sort_by(|a, b| turn((a["n"].as_i64(), a["name"].as_str()).cmp(&(b["n"].as_i64(), b["name"].as_str()))));
            prop_assert_eq!(sorted("[n, name]"), expected);
        }
    }

    #[test]
    fn null_comes_first_and_mixed_types_have_an_order() {
        let items = [
            json!("b"),
            json!(2.5),
            json!(null),
            json!(10),
            json!(true),
            json!("a"),
            json!([1]),
        ];
        let ran = run("sort: item", &Type::Any, &items, &How::default());
        assert_eq!(ran.json(), r#"[null,true,2.5,10,"a","b",[1]]"#);
        let ran = run(
            "sort: {by: item, desc: true}",
            &Type::Any,
            &items,
            &How::default(),
        );
        assert_eq!(ran.json(), r#"[[1],"b","a",10,2.5,true,null]"#);
    }

    #[test]
    fn fields_that_only_order_are_not_kept() {
        let items = [json!({"name": "x", "n": 2}), json!({"name": "y", "n": 1})];
        let how = How {
            after: only(&["name"]),
            ..How::default()
        };
        let ran = run("sort: n", &named(), &items, &how);
        assert_eq!(ran.json(), r#"[{"name":"y"},{"name":"x"}]"#);
        assert_eq!(ran.ty.unwrap(), record(&[("name", Type::String)]));
    }

    #[test]
    fn an_item_whose_key_fails_is_left_out() {
        let items = [
            json!({"name": "x", "n": 2}),
            json!({"name": "y", "n": 0}),
            json!({"name": "z", "n": 5}),
        ];
        let ran = run("sort: 10 / n", &named(), &items, &How::default());
        assert_eq!((ran.out.len(), ran.errors.len()), (2, 1));
    }

    #[test]
    fn what_to_sort_by_must_be_said() {
        assert_eq!(
            mistakes("sort: {desc: true}", &named()),
            ["E0106 `sort` needs `by`; "]
        );
        assert_eq!(
            mistakes("sort: {by: n, desc: down}", &named()),
            ["E0105 `desc` must be true or false, not the text \"down\"; "]
        );
    }
}
