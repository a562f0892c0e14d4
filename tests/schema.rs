//! schema.json is what the tables say, and never says no where the reader says yes.
//! `UPDATE=1 cargo test --test schema` writes it.

#![allow(clippy::print_stdout, reason = "it says how much it has tried")]

use std::path::{Path, PathBuf};

use millstream::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use millstream::spec::keys;
use millstream::{check, schema, spec};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_schema_is_fresh() {
    let path = root().join("schema.json");
    let fresh = schema::text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).expect("schema.json can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "schema.json is out of date: UPDATE=1 cargo test --test schema"
    );
}

/// Every YAML file in these folders.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
        files.extend(
            entries
                .map(|e| e.expect("a folder's entry").path())
                .filter(|p| p.extension().is_some_and(|e| e == "yaml")),
        );
    }
    files.sort();
    assert!(!files.is_empty(), "there are no files to look at");
    files
}

#[test]
fn an_editor_accepts_every_file_that_we_ship_and_refuses_what_is_not_built() {
    let validator = jsonschema::validator_for(&schema::schema()).expect("a valid schema");
    for file in files(&["pipelines", "tests/diagnostics/good"]) {
        let value = read(&file);
        if let Err(why) = validator.validate(&value) {
            panic!("{}: {why} at {}", file.display(), why.instance_path());
        }
    }
    for wrong in [
        "stages: {}",
        "{}",
        "stages: {a: {do: [{filter: x, map: y}]}}",
        "stages: {a: {do: [{nothing: x}]}}",
        "stages: {a: {do: [], threads: 0}}",
        "stages: {a: {do: []}}\nstagse: 1",
    ] {
        let value: Value = serde_yaml::from_str(wrong).expect("YAML");
        assert!(!validator.is_valid(&value), "{wrong}");
    }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    value.apply_merge().expect("merges");
    serde_json::to_value(value).expect("JSON")
}

/// What the reader and the rules say of a file, what the schema alone says, and what is left of that beside
/// the others.
fn said(text: &str) -> Option<(Vec<Diagnostic>, Vec<Diagnostic>, Vec<Diagnostic>)> {
    let source = Source {
        name: "file.yaml".into(),
        text: text.into(),
    };
    let mut found = Diagnostics::default();
    let given = spec::Given::default();
    let file = spec::load(&source, &given, &mut found)?;
    let (_, more) = check::check(&file, &source, &check::Cx::default());
    found.extend(more);
    let rules: Vec<Diagnostic> = found.iter().cloned().collect();
    let mut alone = Diagnostics::default();
    schema::check(&file.root, &mut alone);
    schema::check(&file.root, &mut found);
    let left = found.iter().skip(rules.len()).cloned().collect();
    Some((rules, alone.iter().cloned().collect(), left))
}

fn errors(list: &[Diagnostic]) -> usize {
    list.iter()
        .filter(|d| d.severity() == Severity::Error)
        .count()
}

#[test]
fn the_schema_says_nothing_that_the_rules_have_not_said_better() {
    let mut wrong = Vec::new();
    for file in files(&["pipelines", "tests/diagnostics", "tests/diagnostics/good"]) {
        let text = std::fs::read_to_string(&file).expect("a text");
        if let Some((_, _, left)) = said(&text) {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            wrong.extend(
                left.iter()
                    .map(|d| format!("{name}: {} {}", d.code, d.message)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Things that a person may write behind a key.
const VALUES: &[&str] = &[
    "",
    "~",
    "true",
    "false",
    "yes",
    "0",
    "1",
    "-1",
    "7",
    "1.5",
    ".inf",
    "\"\"",
    "x",
    "auto",
    "3%",
    "\"3 %\"",
    "1s",
    "\"1h 30m\"",
    "1.s",
    "-1s",
    "5",
    "64MiB",
    "1.5 GiB",
    "64mib",
    "fifo",
    "drop",
    "fail",
    "read",
    "string",
    "\"string?\"",
    "\"[string]\"",
    "[string]",
    "[a, b]",
    "[1]",
    "[]",
    "{}",
    "{a: 1}",
    "{a: x}",
    "{to: q}",
    "{times: 2}",
    "{window: 4}",
    "{drain: 1s}",
    "{a: {of: int}}",
    "{a: string}",
    "[{a: 1}]",
    "[{name: x}]",
    "{a: [1]}",
    "[[a]]",
    "${n}",
    "${t}",
    "x${t}",
    "{a: else}",
    "{q: x > 1, q2: else}",
    "lines",
    "json",
    "\"*\"",
    "2020-01-01",
    "1_000",
    "0x10",
    "1e3",
    "~x",
    "{a: }",
];

/// Files with a hole, each for the keys of one table.
fn holes() -> Vec<(String, &'static [keys::KeyDef], &'static [&'static str])> {
    let head = "params: {n: 3, t: text}\n";
    let stage = "stages:\n  read:\n    do:\n      - items: [{a: 1}]\n      - print: '{}'\n";
    vec![
        (
            format!("{head}KEY: VALUE\n{stage}"),
            keys::FILE,
            &["stages", "params"],
        ),
        (
            format!("{head}queues: {{q: int}}\npipes:\n  p:\n    KEY: VALUE\n{stage}"),
            keys::PIPE,
            &[],
        ),
        (
            format!("{head}queues:\n  q:\n    KEY: VALUE\n{stage}"),
            keys::QUEUE,
            &[],
        ),
        (
            format!("{head}queues: [q]\n{stage}    KEY: VALUE\n"),
            keys::STAGE,
            &["do"],
        ),
        (
            format!("{head}{stage}        KEY: VALUE\n"),
            keys::MODIFIERS,
            &[],
        ),
        (
            format!("{head}{stage}    ordered:\n      KEY: VALUE\n"),
            keys::ORDERED,
            &[],
        ),
        (
            format!("{head}{stage}    retry:\n      KEY: VALUE\n"),
            keys::RETRY,
            &[],
        ),
        (
            format!("{head}{stage}    on_error:\n      KEY: VALUE\n"),
            keys::DEAD,
            &[],
        ),
        (
            format!("{head}stop:\n  KEY: VALUE\n{stage}"),
            keys::STOP,
            &[],
        ),
        (
            format!("params:\n  n: 3\n  t: text\n  p:\n    KEY: VALUE\n{stage}"),
            keys::PARAM,
            &[],
        ),
        (
            format!("{head}{stage}tests:\n  - name: x\n    stage: read\n    KEY: VALUE\n"),
            keys::TEST,
            &["name", "stage"],
        ),
    ]
}

/// A form that the schema refuses is an error, so whatever it refuses must be refused by the rules too (or it
/// would refuse what they take); and where both refuse, only one may speak.
#[test]
fn for_every_key_and_every_form_of_value_the_schema_and_the_rules_agree() {
    let mut texts = Vec::new();
    for (hole, table, not) in holes() {
        for key in table.iter().filter(|k| k.built && !not.contains(&k.name)) {
            for value in VALUES {
                texts.push(hole.replace("KEY", key.name).replace("VALUE", value));
            }
        }
    }
    for step in millstream::steps::STEPS {
        let stage = "params: {n: 3, t: text}\nqueues: {q: {of: int}}\nstages:\n  a:\n    do:\n      - items: [{a: 1}]\n";
        for value in VALUES {
            texts.push(format!("{stage}      - {}: {value}\n", step.name));
            for option in step.options {
                texts.push(format!(
                    "{stage}      - {}:\n          {}: {value}\n",
                    step.name, option.name
                ));
            }
        }
    }
    let (mut stricter, mut refused) = (Vec::new(), 0);
    for text in &texts {
        let Ok(said) = std::panic::catch_unwind(|| said(text)) else {
            stricter.push(format!("{text}a panic"));
            continue;
        };
        let Some((rules, alone, left)) = said else {
            continue;
        };
        refused += usize::from(!alone.is_empty());
        if errors(&rules) == 0 && !alone.is_empty() {
            stricter.push(format!(
                "{text}only the schema: {} {}",
                alone[0].code, alone[0].message
            ));
        } else if !left.is_empty() {
            stricter.push(format!(
                "{text}also the schema: {} {} beside {:?}",
                left[0].code, left[0].message, rules[0].message
            ));
        }
    }
    println!("{} files tried, the schema refused {refused}", texts.len());
    assert!(
        stricter.is_empty(),
        "{} of {}:\n{}",
        stricter.len(),
        texts.len(),
        stricter.join("\n\n")
    );
}
