//! What `if`, `in` and `into` do to a batch is what they do to each item alone.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::super::harness::{How, Ran, infer_step, node, only, read, record, run, run_step};
use super::*;
use crate::diagnostic::Diagnostics;

/// `{if, in, into, do: [steps]}`, inferred for items of this type.
fn part(yaml: &str, ty: &Type) -> (Part, Type) {
    let written = node(yaml);
    let mut diagnostics = Diagnostics::default();
    let text = |key: &str| {
        written
            .get(key)
            .and_then(crate::spec::Node::expression)
            .map(|t| ExprText::of(&t))
    };
    let into = written.get("into").map(|n| Key {
        text: n.as_str().unwrap().into(),
        at: n.at,
    });
    let steps = written.get("do").unwrap().as_list().unwrap().iter();
    let steps = steps
        .map(|n| (At::default(), read(n, &mut diagnostics).unwrap()))
        .collect();
    let part = Part::new(text("if"), text("in"), into, steps);
    let out = infer_step(&part, ty, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{yaml}: {diagnostics:#?}");
    (part, out)
}

fn ran(yaml: &str, ty: &Type, items: &[Json], how: &How) -> Ran {
    let (part, out) = part(yaml, ty);
    run_step(&part, &out, ty, items, how)
}

fn item_type() -> Type {
    record(&[
        ("n", Type::Int),
        ("t", Type::String),
        ("sub", record(&[("x", Type::Int), ("y", Type::String)])),
    ])
}

fn items(numbers: &[i64]) -> Vec<Json> {
    numbers
        .iter()
        .map(|n| json!({"n": n, "t": format!("t{n}"), "sub": {"x": n * 10, "y": format!("y{n}")}}))
        .collect()
}

fn text(items: &[Json]) -> String {
    Json::from(items.to_vec()).to_string()
}

fn small() -> Type {
    record(&[("n", Type::Int)])
}

fn few(numbers: std::ops::Range<i64>) -> Vec<Json> {
    numbers.map(|n| json!({"n": n})).collect()
}

#[test]
fn items_for_which_if_is_false_pass_untouched_and_in_their_place() {
    let out = ran(
        "{if: n % 2 == 0, do: [assign: {n: n * 100}]}",
        &small(),
        &few(0..5),
        &How::default(),
    );
    assert_eq!(
        out.json(),
        r#"[{"n":0},{"n":1},{"n":200},{"n":3},{"n":400}]"#
    );
    let out = ran(
        "{if: n % 2 == 0, do: [filter: n > 1]}",
        &small(),
        &few(0..5),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":1},{"n":2},{"n":3},{"n":4}]"#);
}

#[test]
fn an_untouched_item_does_not_grow_a_field() {
    let out = ran(
        "{if: n == 1, do: [assign: {big: true}]}",
        &small(),
        &few(0..3),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":0},{"n":1,"big":true},{"n":2}]"#);
    assert_eq!(out.ty.unwrap().to_string(), "{n: int, *: bool}");
}

#[test]
fn a_result_goes_into_a_field_and_the_item_stays() {
    let out = ran(
        "{in: n + 1, into: m, do: [map: item * 2]}",
        &small(),
        &few(0..2),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":0,"m":2},{"n":1,"m":4}]"#);
    let out = ran(
        "{into: n, do: [map: n * 2]}",
        &small(),
        &few(0..2),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":0},{"n":2}]"#);
    let out = ran(
        "{into: deep, do: [map: {a: n, b: -n}]}",
        &small(),
        &few(3..4),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":3,"deep":{"a":3,"b":-3}}]"#);
}

#[test]
fn where_if_is_false_the_field_is_what_it_was_or_null() {
    let out = ran(
        "{if: n == 1, into: m, do: [map: n]}",
        &small(),
        &few(0..2),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":0,"m":null},{"n":1,"m":1}]"#);
    let out = ran(
        "{if: n == 1, into: n, do: [map: n + 5]}",
        &small(),
        &few(0..2),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":0},{"n":6}]"#);
}

#[test]
fn steps_work_on_a_part_of_the_item_as_if_it_were_one() {
    let out = ran(
        "{in: sub, do: [filter: x > 0, map: y]}",
        &item_type(),
        &items(&[0, 1]),
        &How::default(),
    );
    assert_eq!(out.json(), r#"["y1"]"#);
}

#[test]
fn what_only_lets_pass_gives_on_the_item_itself() {
    let out = ran(
        "{in: sub, do: [filter: x > 0]}",
        &item_type(),
        &items(&[0, 1]),
        &How::default(),
    );
    assert_eq!(out.out, items(&[1]));
}

#[test]
fn taking_enough_under_if_does_not_end_the_stage() {
    let out = ran(
        "{if: n % 2 == 0, do: [take: 1]}",
        &small(),
        &few(0..6),
        &How {
            sizes: vec![2],
            ..How::default()
        },
    );
    assert_eq!(out.json(), r#"[{"n":0},{"n":1},{"n":3},{"n":5}]"#);
    assert!(!out.ended);
    let out = ran(
        "{in: n, do: [take: 1]}",
        &small(),
        &few(0..6),
        &How::default(),
    );
    assert_eq!(out.json(), r#"[{"n":0}]"#);
    assert!(out.ended);
}

#[test]
fn an_error_inside_names_the_row_of_the_batch_and_only_that_is_lost() {
    let out = ran(
        "{if: n > 1, into: m, do: [map: 10 / (n - 3)]}",
        &small(),
        &few(0..5),
        &How::default(),
    );
    assert_eq!(out.errors.len(), 1, "{out:?}");
    assert_eq!(
        text(&out.out),
        r#"[{"n":0,"m":null},{"n":1,"m":null},{"n":2,"m":-10},{"n":4,"m":10}]"#
    );
    let out = ran(
        "{if: 10 / n > 2, do: [map: n]}",
        &small(),
        &few(0..5),
        &How::default(),
    );
    assert_eq!(out.errors.len(), 1);
    assert_eq!(text(&out.out), r#"[1,2,3,{"n":4}]"#);
}

#[test]
fn null_where_a_record_is_taken_apart_is_an_error_of_the_item() {
    let ty = record(&[("sub", record(&[("x", Type::Int)]).optional())]);
    let out = ran(
        "{in: sub, do: [map: x]}",
        &ty,
        &[json!({"sub": null}), json!({"sub": {"x": 1}})],
        &How::default(),
    );
    assert_eq!(
        (out.errors.as_slice(), text(&out.out).as_str()),
        (&["`in` gives null".to_owned()][..], "[1]")
    );
}

#[test]
fn into_an_item_of_any_type_needs_a_record_when_it_runs() {
    let items = [json!({"a": 1}), json!(7), json!({"m": 1, "b": 2})];
    let out = ran(
        "{in: 5, into: m, do: [map: item]}",
        &Type::Any,
        &items,
        &How::default(),
    );
    assert_eq!(text(&out.out), r#"[{"a":1,"m":5},{"m":5,"b":2}]"#);
    assert_eq!(
        out.errors,
        ["`into: m` needs a record, and this item is none"]
    );
}

/// One item alone through the modifiers, with the steps run on their own.
fn model(part: &Modifiers, item: &Json) -> Vec<Json> {
    let one = |yaml: &str, ty: &Type, items: &[Json]| run(yaml, ty, items, &How::default()).out;
    let whole = item_type();
    if let Some(c) = part.condition
        && one(&format!("filter: {c}"), &whole, std::slice::from_ref(item)).is_empty()
    {
        let mut item = item.clone();
        if let Some(into) = part.into
            && item.get(into).is_none()
        {
            item[into] = Json::Null;
        }
        return vec![item];
    }
    let (work, ty) = match part.input {
        Some("sub") => (
            item["sub"].clone(),
            item_type()
                .as_record()
                .unwrap()
                .field("sub")
                .unwrap()
                .clone(),
        ),
        Some("n") => (item["n"].clone(), Type::Int),
        _ => (item.clone(), whole),
    };
    let mut made = vec![work];
    let mut ty = ty;
    for step in &part.steps {
        let ran = run(step, &ty, &made, &How::default());
        made = ran.out;
        ty = ran.ty.unwrap();
    }
    let passes = part.input.is_some() && part.steps.iter().all(|s| s.starts_with("filter"));
    made.into_iter()
        .map(|made| match part.into {
            Some(into) => {
                let mut item = item.clone();
                item[into] = made;
                item
            }
            None if passes => item.clone(),
            None => made,
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Modifiers {
    condition: Option<&'static str>,
    input: Option<&'static str>,
    into: Option<&'static str>,
    steps: Vec<&'static str>,
}

impl Modifiers {
    fn yaml(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.condition.map(|c| format!("if: {c}")));
        parts.extend(self.input.map(|c| format!("in: {c}")));
        parts.extend(self.into.map(|c| format!("into: {c}")));
        parts.push(format!(
            "do: [{}]",
            self.steps
                .iter()
                .map(|s| format!("{{{s}}}"))
                .collect::<Vec<_>>()
                .join(", ")
        ));
        format!("{{{}}}", parts.join(", "))
    }
}

fn modifiers() -> impl Strategy<Value = Modifiers> {
    let condition = prop::option::of(prop::sample::select(vec![
        "n > 2",
        "t == 't3'",
        "sub.x % 20 == 0",
    ]));
    let into = prop::option::of(prop::sample::select(vec!["n", "new", "sub"]));
    let input = prop::sample::select(vec![None, Some("n"), Some("sub")]);
    (condition, into, input).prop_flat_map(|(condition, into, input)| {
        let steps = match input {
            None => vec![
                "filter: n != 4",
                "assign: {n: n + 1}",
                "assign: {extra: t}",
                "keep: [n, sub]",
                "map: t",
                "map: {n: n, k: sub.y}",
            ],
            Some("n") => vec!["filter: item != 4", "map: item + 1", "map: {a: item}"],
            Some(_) => vec![
                "filter: x != 40",
                "assign: {x: x + 1}",
                "map: y",
                "remove: y",
            ],
        };
        let last = prop::sample::select(steps.clone());
        let keeps: Vec<&str> = steps
            .into_iter()
            .filter(|s| s.starts_with("filter") || *s == "assign: {n: n + 1}")
            .collect();
        (
            prop::collection::vec(prop::sample::select(keeps), 0..2),
            last,
        )
            .prop_map(move |(mut steps, last)| {
                steps.push(last);
                Modifiers {
                    condition,
                    input,
                    into,
                    steps,
                }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_batch_fares_as_each_item_alone(
        part in modifiers(),
        numbers in prop::collection::vec(0i64..6, 0..12),
        sizes in prop::collection::vec(1usize..5, 1..4),
        used in prop::option::of(prop::sample::subsequence(vec!["n", "t", "sub", "new", "extra"], 1..4)),
    ) {
        let items = items(&numbers);
        let (_, full) = self::part(&part.yaml(), &item_type());
        let closed = full.as_record().is_some_and(|r| r.rest.is_none());
        let used = used.filter(|_| closed);
        let after = used.as_ref().map_or_else(|| How::default().after, |fields| only(fields));
        let out = ran(&part.yaml(), &item_type(), &items, &How { sizes, after: after.clone(), ..How::default() });
        let mut expected: Vec<Json> = items.iter().flat_map(|i| model(&part, i)).collect();
        if let Some(record) = after.narrow(&full).as_record().filter(|_| closed) {
            for item in &mut expected {
                item.as_object_mut().unwrap().retain(|name, _| record.slot(name).is_some());
            }
        }
        prop_assert_eq!(out.out, expected, "{}", part.yaml());
    }
}
