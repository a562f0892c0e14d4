//! `group` against a naive model, and what it says about mistakes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::RunError;
use super::super::harness::{How, infer, mistakes, only, record, run};
use crate::value::Type;

fn hit() -> Type {
    record(&[
        ("path", Type::String),
        ("status", Type::Int),
        ("bytes", Type::Int),
        ("ms", Type::Double),
    ])
}

fn hits() -> Vec<Json> {
    [("/b", 200, 10, 1.5), ("/a", 500, 20, 2.5), ("/b", 503, 30, 0.1), ("/a", 200, 5, 0.2), ("/b", 200, 1, 0.3)]
        .map(|(path, status, bytes, ms)| json!({"path": path, "status": status, "bytes": bytes, "ms": ms}))
        .to_vec()
}

fn grouped(yaml: &str) -> String {
    let how = How {
        sizes: vec![2, 1],
        parts: vec![0, 1, 0],
        ..How::default()
    };
    run(yaml, &hit(), &hits(), &how).json()
}

#[test]
fn results_are_sorted_by_key() {
    assert_eq!(
        grouped("group: {by: path, hits: count(), bytes: sum(bytes)}"),
        r#"[{"path":"/a","hits":2,"bytes":25},{"path":"/b","hits":3,"bytes":41}]"#
    );
    assert_eq!(
        grouped("group: {by: [status, path], n: count()}"),
        r#"[{"status":200,"path":"/a","n":1},{"status":200,"path":"/b","n":2},{"status":500,"path":"/a","n":1},{"status":503,"path":"/b","n":1}]"#
    );
    assert_eq!(
        grouped("group: {by: {class: status / 100}, n: count()}"),
        r#"[{"class":2,"n":3},{"class":5,"n":2}]"#
    );
    assert_eq!(
        grouped("group: {by: item.path}"),
        r#"[{"path":"/a"},{"path":"/b"}]"#
    );
}

#[test]
fn every_aggregate_says_what_it_is_called() {
    assert_eq!(
        grouped(
            "group: {by: path, bad: count(status >= 500), least: min(bytes), most: max(ms), mean: mean(bytes), \
             p50: p50(bytes), p99: p99(bytes), first: first(status), last: last(status), all: list(bytes), kinds: distinct(status)}"
        ),
        r#"[{"path":"/a","bad":1,"least":5,"most":2.5,"mean":12.5,"p50":5,"p99":20,"first":500,"last":200,"all":[20,5],"kinds":2},{"path":"/b","bad":1,"least":1,"most":1.5,"mean":13.666666666666666,"p50":10,"p99":30,"first":200,"last":200,"all":[10,30,1],"kinds":2}]"#
    );
    assert_eq!(
        grouped("group: {by: path, ms: sum(ms), dev: stddev(bytes), word: max(path)}"),
        r#"[{"path":"/a","ms":2.7,"dev":10.606601717798213,"word":"/a"},{"path":"/b","ms":1.9,"dev":14.843629385474879,"word":"/b"}]"#
    );
}

#[test]
fn types_of_results_follow_those_of_the_values() {
    let (_, ty) = infer(
        "group: {by: path, n: count(), a: sum(bytes), b: sum(ms), c: mean(bytes), d: stddev(ms), e: p95(bytes), \
         f: first(path), g: list(ms), h: distinct(ms), i: min(path)}",
        &hit(),
    )
    .unwrap();
    assert_eq!(
        ty.to_string(),
        "{path: string, n: int, a: int, b: double, c: double, d: double?, e: int, f: string, g: [double], h: int, i: string}"
    );
}

#[test]
fn without_by_all_items_are_one_group_even_if_there_are_none() {
    assert_eq!(
        grouped("group: {n: count(), most: max(bytes)}"),
        r#"[{"n":5,"most":30}]"#
    );
    let none = |yaml: &str| run(yaml, &hit(), &[], &How::default()).json();
    assert_eq!(
        none("group: {n: count(), sum: sum(ms), all: list(path)}"),
        r#"[{"n":0,"sum":0.0,"all":[]}]"#
    );
    // There is no least of none.
    assert_eq!(none("group: {n: count(), least: min(bytes)}"), "[]");
    assert_eq!(none("group: {by: path, n: count()}"), "[]");
}

#[test]
fn an_item_that_fails_is_in_no_aggregate() {
    let items = [
        json!({"path": "/a", "status": 0, "bytes": 1, "ms": 0.0}),
        json!({"path": "/b", "status": 1, "bytes": 2, "ms": 0.0}),
    ];
    let ran = run(
        "group: {by: path, n: count(), q: sum(10 / status)}",
        &hit(),
        &items,
        &How::default(),
    );
    assert_eq!(
        (ran.out, ran.errors.len()),
        (vec![json!({"path": "/b", "n": 1, "q": 10})], 1)
    );
}

#[test]
fn null_where_a_value_is_needed_is_an_error_of_its_item() {
    let ty = record(&[("x", Type::Int.optional()), ("s", Type::String.optional())]);
    let items = [
        json!({"x": null, "s": null}),
        json!({"x": 4, "s": "b"}),
        json!({"x": 5, "s": null}),
    ];
    let ran = run("group: {sum: sum(x)}", &ty, &items, &How::default());
    assert_eq!(
        (ran.out, ran.errors),
        (
            vec![json!({"sum": 9})],
            vec!["null where an int is needed".to_owned()]
        )
    );
    // But null may be a key, and first, last, list and distinct take what comes.
    let ran = run(
        "group: {by: s, n: count(), all: list(x), kinds: distinct(s)}",
        &ty,
        &items,
        &How::default(),
    );
    assert_eq!(
        ran.json(),
        r#"[{"s":null,"n":2,"all":[null,5],"kinds":1},{"s":"b","n":1,"all":[4],"kinds":1}]"#
    );
}

#[test]
fn a_sum_beyond_64_bits_ends_the_run_and_names_the_group() {
    let items = vec![json!({"path": "/a", "status": 1, "bytes": i64::MAX, "ms": 0.0}); 2];
    let ran = run(
        "group: {by: path, total: sum(bytes)}",
        &hit(),
        &items,
        &How::default(),
    );
    let Some(RunError::Failed { message }) = ran.stopped else {
        panic!("{ran:?}")
    };
    assert_eq!(
        message,
        "`total: sum(bytes)` of the group \"/a\": the sum is 18446744073709551614, which is beyond 64 bits; sum doubles instead: `sum(double(..))`"
    );
    // What only passes beyond on the way is none.
    let items = [i64::MAX, i64::MAX, -i64::MAX]
        .map(|b| json!({"path": "/a", "status": 1, "bytes": b, "ms": 0.0}));
    assert_eq!(
        run("group: {t: sum(bytes)}", &hit(), &items, &How::default()).out,
        [json!({"t": i64::MAX})]
    );
}

#[test]
fn items_of_any_type_have_numbers_too() {
    let items = [
        json!({"k": 1, "v": 2}),
        json!({"k": 1.0, "v": 0.5}),
        json!({"k": "x", "v": 7}),
        json!({"k": "x", "v": "?"}),
    ];
    let yaml = "group: {by: {k: item.k}, sum: sum(item.v), mean: mean(item.v), p50: p50(item.v), most: max(item.v)}";
    let ran = run(yaml, &Type::Any, &items, &How::default());
    assert_eq!(
        ran.out,
        [
            json!({"k": 1, "sum": 2.5, "mean": 1.25, "p50": 0.5, "most": 2}),
            json!({"k": "x", "sum": 7, "mean": 7.0, "p50": 7, "most": 7}),
        ]
    );
    assert_eq!(ran.errors, ["a number is needed, this is something else"]);
}

#[test]
fn what_nobody_uses_is_not_calculated() {
    let how = How {
        after: only(&["hits"]),
        ..How::default()
    };
    let ran = run(
        "group: {by: path, hits: count(), bytes: sum(bytes)}",
        &hit(),
        &hits(),
        &how,
    );
    assert_eq!(ran.json(), r#"[{"hits":2},{"hits":3}]"#);
    let (step, _) = infer(
        "group: {by: path, hits: count(), bytes: sum(bytes)}",
        &hit(),
    )
    .unwrap();
    let uses = step.uses(
        &hit(),
        &how.after,
        &crate::expr::Env {
            item: Some(hit()),
            ..Default::default()
        },
    );
    assert_eq!(
        uses.fields.keys().map(|k| &**k).collect::<Vec<_>>(),
        ["path"]
    );
}

#[test]
fn mistakes_are_said_with_their_remedy() {
    let said = |yaml: &str| mistakes(yaml, &hit()).join(" | ");
    assert_eq!(
        said("group: {hits: coutn()}"),
        "E0305 there is no aggregate `coutn`; did you mean `count`?"
    );
    assert_eq!(
        said("group: {m: avg(ms)}"),
        "E0305 there is no aggregate `avg`; did you mean `mean`?"
    );
    assert_eq!(
        said("group: {hits: count}"),
        "E0105 the aggregate `hits` must be one call such as `count()` or `sum(bytes)`, not `count`; write `count()`"
    );
    assert_eq!(
        said("group: {ratio: sum(bytes) / count()}"),
        "E0105 the aggregate `ratio` must be one call such as `count()` or `sum(bytes)`, not `sum(bytes) / count()`; \
         calculate with results in a step behind it: `assign: {ratio: errors / hits}`"
    );
    assert_eq!(
        said("group: {by: path, status: status}"),
        "E0105 the aggregate `status` must be one call such as `count()` or `sum(bytes)`, not `status`; \
         to take `status` along, name it in `by`, or write `first(status)`"
    );
    assert_eq!(
        said("group: {n: sum()}"),
        "E0105 `sum` needs to know of what: `sum(..)`; "
    );
    assert_eq!(
        said("group: {n: sum(path)}"),
        "E0303 `sum` needs an int, a double or a duration, but `path` is a string; convert it: `sum(double(path))`"
    );
    assert_eq!(
        said("group: {by: status / 100, n: count()}"),
        "E0105 `status / 100` is not a field, so it needs a name; write `by: {name: status / 100}`"
    );
    assert_eq!(
        said("group: {by: path, path: count()}"),
        "E0202 `path` is a field of `by` already; "
    );
    assert_eq!(
        said("group: path"),
        "E0105 `group` must be a mapping, not the text \"path\"; write `group: {by: path, hits: count()}`"
    );
    assert_eq!(
        said("group: {n: count(bytes)}"),
        "E0303 `count` needs a bool, but `bytes` is an int; write `bytes != 0`"
    );
    assert!(
        said("group: {by: pth, n: max(bytse)}")
            .matches("did you mean")
            .count()
            == 2
    );
}

/// The model: what one worker would find who keeps everything.
fn model(items: &[(i64, i64)]) -> Vec<Json> {
    let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (k, v) in items {
        groups.entry(*k).or_default().push(*v);
    }
    groups
        .into_iter()
        .map(|(k, all)| {
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let rank = |p: usize| sorted[(sorted.len() * p).div_ceil(100).max(1) - 1];
            let mut kinds = sorted.clone();
            kinds.dedup();
            json!({
                "k": k, "n": all.len(), "sum": all.iter().sum::<i64>(), "min": sorted[0], "max": sorted[sorted.len() - 1],
                "p50": rank(50), "p90": rank(90), "first": all[0], "last": all[all.len() - 1], "all": all, "kinds": kinds.len(),
                "text": format!("{}", sorted.iter().map(|v| format!("{v}")).max().unwrap()),
            })
        })
        .collect()
}

proptest! {
    #[test]
    fn however_the_items_are_shared_out_the_groups_are_the_same(
        items in proptest::collection::vec((-2i64..3, -50i64..50), 0..60),
        sizes in proptest::collection::vec(1usize..8, 1..4),
        parts in proptest::collection::vec(0usize..3, 1..6),
        key in prop_oneof![Just("k"), Just("{k: int(string(k))}"), Just("[k]")],
    ) {
        let ty = record(&[("k", Type::Int), ("v", Type::Int)]);
        let rows: Vec<Json> = items.iter().map(|(k, v)| json!({"k": k, "v": v})).collect();
        let how = How { sizes, parts, ..How::default() };
        let yaml = format!(
            "group: {{by: {key}, n: count(), sum: sum(v), min: min(v), max: max(v), p50: p50(v), p90: p90(v), first: first(v), \
             last: last(v), all: list(v), kinds: distinct(v), text: max(string(v))}}"
        );
        prop_assert_eq!(run(&yaml, &ty, &rows, &how).out, model(&items));
    }

    #[test]
    fn string_keys_and_sums_of_doubles_do_not_depend_on_the_workers(
        items in proptest::collection::vec(("[ab]{0,2}", -1e9f64..1e9), 0..60),
        sizes in proptest::collection::vec(1usize..8, 1..4),
        parts in proptest::collection::vec(0usize..4, 1..6),
    ) {
        let ty = record(&[("k", Type::String), ("v", Type::Double)]);
        let rows: Vec<Json> = items.iter().map(|(k, v)| json!({"k": k, "v": v})).collect();
        let yaml = "group: {by: k, sum: sum(v), mean: mean(v), dev: stddev(v), least: min(v)}";
        let one = run(yaml, &ty, &rows, &How::default());
        let many = run(yaml, &ty, &rows, &How { sizes, parts, ..How::default() });
        prop_assert_eq!(one.out, many.out);
    }
}
