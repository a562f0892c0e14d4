//! `lookup` over tables in files.

use serde_json::{Value as Json, json};

use super::super::harness::{How, Ran, infer, mistakes, record, run};
use super::*;

/// A file with this text; gone when dropped.
fn table(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

fn item() -> Type {
    record(&[("id", Type::Int), ("name", Type::String)])
}

fn items() -> Vec<Json> {
    vec![
        json!({"id": 2, "name": "b"}),
        json!({"id": 9, "name": "x"}),
        json!({"id": 1, "name": "a"}),
    ]
}

fn looked(path: &str, options: &str) -> Ran {
    run(
        &format!("lookup: {{path: {path}, {options}}}"),
        &item(),
        &items(),
        &How {
            sizes: vec![2],
            ..How::default()
        },
    )
}

#[test]
fn each_item_becomes_the_row_with_its_key_or_null() {
    let (_dir, path) = table("users.csv", "name,city\na,Oslo\nb,Rome\n");
    assert_eq!(
        looked(&path, "key: name, by: name").json(),
        r#"[{"name":"b","city":"Rome"},null,{"name":"a","city":"Oslo"}]"#
    );
    assert_eq!(
        looked(&path, "key: name, by: name, missing: drop").json(),
        r#"[{"name":"b","city":"Rome"},{"name":"a","city":"Oslo"}]"#
    );
    let ran = looked(&path, "key: name, by: name, missing: error");
    assert_eq!(
        (ran.out.len(), ran.errors),
        (2, vec![format!("no row of {path} has the key \"x\"")])
    );
}

#[test]
fn json_tables_and_keys_of_several_fields_work_too() {
    let (_dir, path) = table(
        "t.jsonl",
        "{\"k\": 1.0, \"n\": \"a\", \"v\": [1]}\n{\"k\": 2, \"n\": \"b\", \"v\": null}\n",
    );
    assert_eq!(
        looked(&path, "key: k, by: id").json(),
        r#"[{"k":2,"n":"b","v":null},null,{"k":1.0,"n":"a","v":[1]}]"#
    );
    assert_eq!(
        looked(&path, "key: [n, k], by: [name, id], missing: drop")
            .out
            .len(),
        2
    );
}

#[test]
fn two_rows_of_one_key_end_the_run_unless_it_is_said_which_count() {
    let (_dir, path) = table("t.csv", "k,v\na,1\nb,2\na,3\n");
    let Some(RunError::Failed { message }) = looked(&path, "key: k, by: name").stopped else {
        panic!()
    };
    assert!(
        message.contains("two rows have the key \"a\"") && message.contains("duplicates: first"),
        "{message}"
    );
    let ran = looked(&path, "key: k, by: name, duplicates: first");
    assert_eq!(ran.json(), r#"[{"k":"b","v":"2"},null,{"k":"a","v":"1"}]"#);
    let ran = looked(&path, "key: k, by: name, duplicates: list");
    assert_eq!(
        ran.json(),
        r#"[[{"k":"b","v":"2"}],null,[{"k":"a","v":"1"},{"k":"a","v":"3"}]]"#
    );
}

#[test]
fn a_table_that_cannot_be_read_ends_the_run() {
    let ran = looked("/no/such/table.csv", "key: k, by: name");
    assert!(matches!(ran.stopped, Some(RunError::Io { .. })), "{ran:?}");
    let (_dir, path) = table("t.json", "{\"k\": 1}\n{\"k\":\n");
    assert!(matches!(
        looked(&path, "key: k, by: id").stopped,
        Some(RunError::Failed { .. })
    ));
    let (_dir, path) = table("t.json", "{\"l\": 1}\n");
    let Some(RunError::Failed { message }) = looked(&path, "key: k, by: id").stopped else {
        panic!()
    };
    assert!(message.ends_with("a row has no field `k`"), "{message}");
}

#[test]
fn types_say_what_is_found() {
    let ty = |options: &str| {
        infer(&format!("lookup: {{path: t.csv, {options}}}"), &item())
            .unwrap()
            .1
            .to_string()
    };
    assert_eq!(ty("key: k, by: name"), "{*: string}?");
    assert_eq!(
        ty("key: k, by: name, columns: [k, v], header: false"),
        "{k: string, v: string}?"
    );
    assert_eq!(
        ty("key: k, by: name, columns: [k, v], missing: error, duplicates: list"),
        "[{k: string, v: string}]"
    );
}

#[test]
fn what_cannot_be_found_is_said_before_anything_runs() {
    let said = |yaml: &str| mistakes(&format!("lookup: {yaml}"), &item()).join(" | ");
    let wrong = said("{path: t.csv, key: k, by: id}");
    assert!(wrong.starts_with("E0303 `id` is an int, but the key `k` of the table is a string: they are never equal; write `string(id)`"), "{wrong}");
    let wrong = said("{path: t.csv, columns: [kay, v], key: kya, by: name}");
    assert!(
        wrong.starts_with("E0302 the table has no field `kya`; did you mean `kay`?"),
        "{wrong}"
    );
    assert!(
        said("{path: t.txt, key: k, by: name}")
            .starts_with("E0106 the name of `t.txt` does not say what is in it")
    );
    assert!(said("{path: t.csv, key: [a, b], by: name}").starts_with("E0105 `key` names 2 fields"));
    assert!(said("{path: t.csv, by: name}").starts_with("E0106 `lookup` needs `key`"));
    assert!(said("{path: t.csv, key: k, by: name, missing: skip}").contains("`missing`"));
}
