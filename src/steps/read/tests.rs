use std::path::Path;

use serde_json::json;

use crate::expr::{Use, Uses};
use crate::steps::RunError;
use crate::steps::harness::{How, Ran, infer_source, mistakes, only, record, run, run_source};
use crate::value::{RecordType, Type};
use proptest::prelude::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn all(yaml: &str, target: Option<&Type>, folder: &Path) -> Ran {
    run_source(yaml, target, folder, &Uses::all(Use::Look))
}

const PEOPLE: &str = "name,age,city\nAnn,7,Bonn\n\"Bo \"\"B\"\"\",,\"Ulm,\nNeu\"\n";

fn person() -> Type {
    record(&[
        ("age", Type::Int.optional()),
        ("name", Type::String),
        ("city", Type::String.optional()),
    ])
}

#[test]
fn csv_fields_are_texts_under_the_names_of_the_header() {
    let dir = folder(&[("p.csv", PEOPLE)]);
    let ran = all("read: {path: p.csv, format: csv}", None, dir.path());
    assert_eq!(
        ran.json(),
        r#"[{"name":"Ann","age":"7","city":"Bonn"},{"name":"Bo \"B\"","age":"","city":"Ulm,\nNeu"}]"#
    );
    assert_eq!(ran.ty.unwrap().to_string(), "{*: string}");
}

#[test]
fn csv_fields_become_what_as_says() {
    let dir = folder(&[("p.csv", PEOPLE), ("q.csv", "city,age,name\n,8,Cy\n")]);
    let ran = all(
        "read: {path: '[pq].csv', format: csv}",
        Some(&person()),
        dir.path(),
    );
    assert_eq!(
        ran.json(),
        r#"[{"age":7,"name":"Ann","city":"Bonn"},{"age":null,"name":"Bo \"B\"","city":"Ulm,\nNeu"},{"age":8,"name":"Cy","city":null}]"#
    );
}

#[test]
fn of_csv_only_the_fields_that_are_used_are_read() {
    let dir = folder(&[("p.csv", "name,age,city\nAnn,seven,Bonn\n")]);
    let yaml = "read: {path: p.csv, format: csv}";
    let ran = run_source(yaml, Some(&person()), dir.path(), &only(&["city"]));
    assert_eq!(ran.json(), r#"[{"city":"Bonn"}]"#);
    let ran = all(yaml, Some(&person()), dir.path());
    assert_eq!(
        ran.errors,
        ["p.csv:2: the field `age` must be an int or null, not the text \"seven\""]
    );
    let ran = run_source(yaml, None, dir.path(), &only(&["name"]));
    assert_eq!(ran.json(), r#"[{"name":"Ann"}]"#);
}

#[test]
fn columns_name_what_has_no_header_and_choose_from_what_has_one() {
    let dir = folder(&[("a.tsv", "1\t2\n"), ("p.csv", PEOPLE)]);
    let ran = all(
        "read: {path: a.tsv, format: tsv, header: false, columns: [x, y]}",
        None,
        dir.path(),
    );
    assert_eq!(ran.json(), r#"[{"x":"1","y":"2"}]"#);
    let ran = all(
        "read: {path: p.csv, format: csv, columns: [age, name]}",
        None,
        dir.path(),
    );
    assert_eq!(
        ran.json(),
        r#"[{"age":"7","name":"Ann"},{"age":"","name":"Bo \"B\""}]"#
    );
    assert_eq!(ran.ty.unwrap().to_string(), "{age: string, name: string}");
}

#[test]
fn a_header_that_does_not_fit_the_type_stops_the_run_and_says_why() {
    let dir = folder(&[
        ("few.csv", "name,city\nAnn,Bonn\n"),
        ("none.csv", "age,city\n1,Bonn\n"),
        ("many.csv", "name,age,city,size\nAnn,1,Bonn,2\n"),
        ("twice.csv", "name,name\nAnn,Bo\n"),
        ("open.csv", "\"name\nAnn\n"),
    ]);
    let why = |file: &str| {
        let yaml = format!("read: {{path: {file}, format: csv}}");
        match all(&yaml, Some(&person()), dir.path()).stopped {
            Some(RunError::Failed { message }) => message,
            other => panic!("{file}: {other:?}"),
        }
    };
    assert_eq!(
        why("none.csv"),
        "none.csv has no column `name`; its columns are age, city"
    );
    assert!(
        why("many.csv").starts_with("many.csv has a column `size` that the type does not have")
    );
    assert!(why("twice.csv").starts_with("twice.csv has two columns named `name`"));
    assert_eq!(
        why("open.csv"),
        "the header of open.csv: a quote is not closed"
    );
    let few = all(
        "read: {path: few.csv, format: csv}",
        Some(&person()),
        dir.path(),
    );
    assert_eq!(
        few.json(),
        r#"[{"age":null,"name":"Ann","city":"Bonn"}]"#,
        "an optional column may be missing"
    );
}

#[test]
fn a_row_with_too_few_or_too_many_fields_is_an_item_error_with_its_line() {
    let dir = folder(&[("p.csv", "a,b\n\"1\n\",2\n3\n4,5,6\n\"7,8\n")]);
    let ran = all("read: {path: p.csv, format: csv}", None, dir.path());
    assert_eq!(ran.out, [json!({"a": "1\n", "b": "2"})]);
    assert_eq!(
        ran.errors,
        [
            "p.csv:4: the row has 1 field, but there are 2 columns",
            "p.csv:5: the row has 3 fields, but there are 2 columns",
            "p.csv:6: a quote is not closed",
        ]
    );
}

#[test]
fn json_is_one_value_a_line() {
    let dir = folder(&[("a.jsonl", "{\"a\": 1}\n\n[2]\n{\"a\": x}\n3")]);
    let ran = all("read: {path: a.jsonl, format: json}", None, dir.path());
    assert_eq!(ran.out, [json!({"a": 1}), json!([2]), json!(3)]);
    assert_eq!(
        ran.errors,
        ["a.jsonl:4: not valid JSON: expected value at column 7"]
    );
    let ty = record(&[("a", Type::Int)]);
    let ran = all("read: {path: a.jsonl, format: json}", Some(&ty), dir.path());
    assert_eq!(ran.out, [json!({"a": 1})]);
    assert_eq!(ran.errors.len(), 3);
}

#[test]
fn text_and_bytes_are_whole_files() {
    let long = "x".repeat(300_000);
    let dir = folder(&[
        ("a", "one\ntwo\n"),
        ("b", &long),
        ("c", ""),
        ("d", "\u{feff}e"),
    ]);
    std::fs::write(dir.path().join("e"), b"\xff").unwrap();
    let ran = all(
        "read: {path: [a, b, c, d, e], format: text}",
        None,
        dir.path(),
    );
    assert_eq!(
        ran.out,
        [json!("one\ntwo\n"), json!(long), json!(""), json!("e")]
    );
    assert!(
        ran.errors[0].starts_with("e: not UTF-8: byte 0xff after 0 bytes"),
        "{:?}",
        ran.errors
    );
    let ran = all("read: {path: [c, e], format: bytes}", None, dir.path());
    assert_eq!(ran.out, [json!(""), json!("/w==")]);
    assert_eq!(ran.ty, Some(Type::Bytes));
    let ran = all(
        "read: {path: e, format: text, encoding: latin-1}",
        None,
        dir.path(),
    );
    assert_eq!(ran.out, [json!("ÿ")]);
}

#[test]
fn a_pattern_stands_for_sorted_files_and_may_match_none() {
    let dir = folder(&[
        ("b/2.log", "2\n"),
        ("b/10.log", "10\n"),
        ("a/1.log", "1\n"),
        ("x[1].log", "x\n"),
    ]);
    std::fs::create_dir(dir.path().join("b/3.log")).unwrap();
    assert_eq!(
        all("read: '*/*.log'", None, dir.path()).out,
        [json!("1"), json!("10"), json!("2")]
    );
    assert_eq!(
        all("read: 'x[1].log'", None, dir.path()).out,
        [json!("x")],
        "a file of that name comes first"
    );
    let none = all("read: 'no*'", None, dir.path());
    assert!(none.out.is_empty() && none.stopped.is_none());
}

#[test]
fn a_pattern_in_the_folders_own_name_is_none() {
    let dir = folder(&[("odd[1]/a.log", "1\n")]);
    let ran = all("read: '*.log'", None, &dir.path().join("odd[1]"));
    assert_eq!(ran.out, [json!("1")]);
}

#[test]
fn behind_other_steps_each_item_says_what_is_read() {
    let dir = folder(&[("a.csv", "n\n1\nx\n2\n"), ("b.csv", "n\n"), ("c", "")]);
    let path = |name: &str| json!({"name": dir.path().join(name)});
    let ty = record(&[("name", Type::String)]);
    let items = [
        path("a.csv"),
        path("gone.csv"),
        path("b.csv"),
        path("a.csv"),
        path(""),
    ];
    let ran = run(
        "read: {path: '{name}', format: csv}",
        &ty,
        &items,
        &How::default(),
    );
    let rows = [json!({"n": "1"}), json!({"n": "x"}), json!({"n": "2"})];
    assert_eq!(ran.out, [&rows[..], &rows[..]].concat());
    assert_eq!(ran.errors.len(), 2, "{:?}", ran.errors);
    assert!(ran.errors[0].contains("gone.csv") && ran.errors[1].contains("no regular file"));
    let ran = run("read: '{name}'", &ty, &[path("a.csv")], &How::default());
    assert_eq!(ran.out, [json!("n"), json!("1"), json!("x"), json!("2")]);
}

#[test]
fn a_named_pipe_is_read_as_it_comes() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::File::create(path).unwrap();
        for n in 0..50_000 {
            writeln!(pipe, "{n}").unwrap();
        }
        pipe.write_all(b"last").unwrap();
    });
    let ran = all("read: pipe", None, dir.path());
    writer.join().unwrap();
    assert_eq!(ran.out.len(), 50_001);
    assert_eq!(
        (&ran.out[49_999], &ran.out[50_000]),
        (&json!("49999"), &json!("last"))
    );
}

#[test]
fn a_reader_of_a_pipe_that_is_gone_ends_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            use std::io::Write as _;
            let mut pipe = std::fs::File::create(path).unwrap();
            // Ends when nobody reads any more; a pipe and the chunks under way hold less than this.
            (0..1_000_000)
                .try_for_each(|_| pipe.write_all(b"some line or other\n"))
                .unwrap_err()
                .kind()
        }
    });
    let places = Ok(vec![super::Place::of("pipe", dir.path())]);
    let inputs = super::Inputs::new(places, super::Encoding::Utf8, false);
    let mut source = super::Records::new(
        inputs,
        super::Cut::Lines,
        100,
        crate::value::BlockPool::new(1),
    );
    let mut bench = crate::steps::testing::Bench::default();
    loop {
        match bench.with(|cx| crate::steps::Source::pull(&mut source, 10, cx)) {
            crate::steps::Pull::Wait(_) => std::thread::yield_now(),
            crate::steps::Pull::Rows(mut rows) => {
                rows.clear();
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    drop(source);
    assert_eq!(writer.join().unwrap(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn mistakes_are_said_where_they_are_made() {
    let wrong = |yaml: &str, target: Option<&Type>| {
        let said = infer_source(yaml, target).expect_err("a mistake");
        said.iter()
            .map(|d| format!("{} {}; {}", d.code, d.message, d.help.join("; ")))
            .collect::<Vec<_>>()
            .join(" | ")
    };
    assert!(wrong("read: {path: a, format: cvs}", None).contains("did you mean `csv`?"));
    assert!(wrong("read: {path: a, encoding: utf8}", None).contains("did you mean `utf-8`?"));
    assert!(
        wrong("read: {path: a, header: false}", None).contains("`header` has a meaning only with")
    );
    assert!(
        wrong("read: {path: a, format: csv, header: false}", None)
            .contains("E0106 without a header")
    );
    assert!(
        wrong("read: {path: a, format: csv, delimiter: ab}", None).contains("one ASCII character")
    );
    assert!(wrong("read: {path: [a, b], follow: true}", None).contains("goes on in one file"));
    assert!(wrong("read: {path: a, format: text, follow: true}", None).contains("has no end"));
    assert!(wrong("read: []", None).contains("an empty list of files"));
    assert!(wrong("read: {format: csv}", None).contains("`read` needs `path`"));
    let list = record(&[("a", Type::list(Type::Int))]);
    assert!(wrong("read: {path: a, format: csv}", Some(&list)).contains("`a` cannot be [int]"));
    assert!(wrong("read: {path: a, format: csv}", Some(&Type::Int)).contains("cannot become int"));
    let known = wrong(
        "read: {path: a, format: csv, header: false, columns: [x]}",
        Some(&record(&[("a", Type::Int)])),
    );
    assert!(known.contains("has no column `a`"), "{known}");
    assert!(
        mistakes("read: {path: a, follow: true}", &Type::Int)[0]
            .contains("only a source can do that")
    );
}

proptest! {
    #[test]
    fn csv_files_read_as_the_csv_crate_reads_them(rows in proptest::collection::vec(proptest::collection::vec("[ab\",\\r\\n é]{0,5}", 2), 0..8), tail in "[a,\n]{0,3}") {
        let mut writer = csv::Writer::from_writer(b"x,y\n".to_vec());
        for row in &rows { writer.write_record(row).unwrap(); }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap() + &tail;
        let dir = folder(&[("a.csv", &text)]);
        let ran = all("read: {path: a.csv, format: csv}", None, dir.path());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let (mut good, mut bad) = (Vec::new(), 0);
        for record in reader.records() {
            match record {
                Ok(r) => good.push(json!({"x": &r[0], "y": &r[1]})),
                Err(_) => bad += 1,
            }
        }
        prop_assert_eq!(ran.out, good);
        prop_assert_eq!(ran.errors.len(), bad);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b','), Just(b'"')], 0..80), gz: bool) {
        let dir = tempfile::tempdir().unwrap();
        let name = if gz { "a.gz" } else { "a" };
        std::fs::write(dir.path().join(name), &bytes).unwrap();
        let open = Type::Record(RecordType { fields: Vec::new(), rest: Some(Type::Int) }.into());
        for format in ["lines", "json", "csv", "tsv", "text", "bytes"] {
            for encoding in ["utf-8", "latin-1", "lossy"] {
                let yaml = format!("read: {{path: {name}, format: {format}, encoding: {encoding}}}");
                let ran = all(&yaml, None, dir.path());
                prop_assert!(gz || format.ends_with("sv") || ran.stopped.is_none(), "{ran:?}");
                if format.ends_with("sv") { all(&yaml, Some(&open), dir.path()); }
            }
        }
    }
}
