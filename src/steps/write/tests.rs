use std::path::Path;

use super::*;
use crate::expr::Scope;
use crate::steps::testing::Bench;
use crate::steps::{ItemErrorKind, RunError, Types};
use crate::value::{Batch, Cell, convert};
use proptest::prelude::*;

#[derive(Debug)]
struct NoTypes;

impl crate::steps::Conns for NoTypes {
    fn target(&self, _: &str) -> Option<(u32, Type)> {
        None
    }
}

impl Types for NoTypes {
    fn named(&self, _: &str) -> Option<Type> {
        None
    }

    fn functions(&self) -> &crate::steps::Functions {
        static NONE: std::sync::LazyLock<crate::steps::Functions> =
            std::sync::LazyLock::new(Default::default);
        &NONE
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// A sink as the checker would compile it.
fn op(step: &dyn Step, ty: &Type, folder: &Path) -> Op {
    let env = Env {
        item: Some(ty.clone()),
        ..Env::default()
    };
    let cx = CompileCx {
        env: &env,
        conns: &NoTypes,
        types: &NoTypes,
        folder,
        scope: &Scope::default(),
    };
    step.compile(Some(ty), &Uses::nothing(), &cx).op
}

fn step(to: &str, format: Format) -> WriteStep {
    let node = Node::new(
        crate::spec::Value::Scalar(crate::spec::Scalar::String {
            text: to.into(),
            plain: true,
        }),
        crate::diagnostic::At::default(),
    );
    let mut diagnostics = crate::diagnostic::Diagnostics::default();
    let mut reader = Reader {
        diagnostics: &mut diagnostics,
        step: "write",
        at: node.at,
    };
    let to = TemplateText::read(&node, "`to`", &mut reader).unwrap();
    WriteStep {
        to,
        format,
        append: false,
        header: true,
        columns: None,
    }
}

fn batch(ty: &Type, items: &[&str]) -> Batch {
    let mut batch = Batch::new(Shape::of(ty), Blocks::new());
    for item in items {
        let mut any = Batch::new(Shape::of(&Type::Any), Blocks::new());
        any.push([Cell::from_json(item).unwrap()]);
        let (cells, blocks) = batch.parts_mut();
        convert::fit_row(any.row(0), ty, cells, blocks).unwrap();
        batch.grew(1);
    }
    batch
}

fn record(fields: &[(&str, Type)]) -> Type {
    Type::record(fields.iter().map(|(n, t)| ((*n).into(), t.clone())))
}

/// What a sink writes to standard output for these items, each in a batch of its own.
fn written(step: &WriteStep, ty: &Type, items: &[&str]) -> (String, Bench) {
    let mut bench = Bench::default();
    let batches = items.iter().map(|i| batch(ty, &[i])).collect();
    let passed = bench.sink(&op(step, ty, Path::new("")), batches).unwrap();
    assert_eq!(
        passed.iter().map(Batch::len).sum::<usize>() + bench.faults.0.len(),
        items.len()
    );
    let out = String::from_utf8(std::mem::take(&mut *bench.streams.out.lock())).unwrap();
    (out, bench)
}

fn people() -> Type {
    record(&[
        ("name", Type::String),
        ("age", Type::Int.optional()),
        ("tags", Type::list(Type::String)),
    ])
}

const PEOPLE: [&str; 2] = [
    r#"{"name":"Ann, \"A\"","age":7,"tags":["x"]}"#,
    r#"{"name":"Bo\nB","age":null,"tags":[]}"#,
];

#[test]
fn json_is_one_value_a_line() {
    let (out, _) = written(&step("stdout", Format::Json), &people(), &PEOPLE);
    assert_eq!(out, format!("{}\n{}\n", PEOPLE[0], PEOPLE[1]));
}

#[test]
fn lines_are_texts_as_they_are_and_json_for_the_rest() {
    assert_eq!(
        written(
            &step("stdout", Format::Lines),
            &Type::String,
            &[r#""a \"b\"""#]
        )
        .0,
        "a \"b\"\n"
    );
    assert_eq!(
        written(
            &step("stdout", Format::Lines),
            &Type::Int.optional(),
            &["1", "null"]
        )
        .0,
        "1\nnull\n"
    );
    assert_eq!(
        written(&step("stdout", Format::Lines), &people(), &PEOPLE[..1]).0,
        format!("{}\n", PEOPLE[0])
    );
    let any = &[r#"{"a":1}"#, r#""x""#, "[1]"];
    assert_eq!(
        written(&step("stdout", Format::Lines), &Type::Any, any).0,
        "{\"a\":1}\nx\n[1]\n"
    );
}

#[test]
fn csv_has_a_header_and_quotes_what_needs_it() {
    let (out, _) = written(&step("stdout", Format::Csv), &people(), &PEOPLE);
    assert_eq!(
        out,
        "name,age,tags\n\"Ann, \"\"A\"\"\",7,\"[\"\"x\"\"]\"\n\"Bo\nB\",,[]\n"
    );
    let (out, _) = written(&step("stdout", Format::Tsv), &people(), &PEOPLE[..1]);
    assert_eq!(
        out,
        "name\tage\ttags\n\"Ann, \"\"A\"\"\"\t7\t\"[\"\"x\"\"]\"\n"
    );
    let mut bare = step("stdout", Format::Csv);
    bare.header = false;
    assert_eq!(
        written(&bare, &Type::Int.optional(), &["1", "null"]).0,
        "1\n\"\"\n"
    );
}

#[test]
fn the_first_item_gives_the_columns_where_the_type_does_not() {
    let items = [r#"{"a":1,"b":"x"}"#, r#"{"b":"y"}"#, r#"{"a":2,"c":3}"#];
    for format in [Format::Csv, Format::Table] {
        let (out, bench) = written(&step("stdout", format), &Type::Any, &items);
        let want = if format == Format::Csv {
            "a,b\n1,x\n,y\n"
        } else {
            "a  b\n1  x\n   y\n"
        };
        assert_eq!(out, want);
        let (_, error) = &bench.faults.0[0];
        assert_eq!(error.kind, ItemErrorKind::Type);
        assert!(error.message.contains("a field `c`"), "{}", error.message);
    }
}

#[test]
fn chosen_columns_leave_the_others_out() {
    let mut some = step("stdout", Format::Csv);
    let key = |text: &str| Key {
        text: text.into(),
        at: crate::diagnostic::At::default(),
    };
    some.columns = Some(vec![key("b"), key("a")]);
    assert_eq!(
        written(&some, &Type::Any, &[r#"{"a":1,"b":2,"c":3}"#]).0,
        "b,a\n2,1\n"
    );
}

#[test]
fn a_table_is_aligned_with_numbers_to_the_right() {
    let ty = record(&[("path", Type::String), ("hits", Type::Int)]);
    let items = [
        r#"{"path":"/a","hits":1000}"#,
        r#"{"path":"/höhe\u001b","hits":7}"#,
    ];
    let (out, _) = written(&step("stdout", Format::Table), &ty, &items);
    assert_eq!(
        out,
        "path         hits\n/a           1000\n/höhe\\u{1b}     7\n"
    );
    assert_eq!(
        written(&step("stdout", Format::Table), &ty, &[]).0,
        "path  hits\n"
    );
}

#[test]
fn a_file_has_its_partial_name_until_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let op = op(
        &step("deep/er/out.txt", Format::Lines),
        &Type::Int,
        folder.path(),
    );
    let Op::Sink(render, turn) = &op else {
        unreachable!()
    };
    let (mut render, mut turn) = (render(), turn());
    let mut bench = Bench::default();
    let file = folder.path().join("deep/er/out.txt");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "old").unwrap();
    let rendered = bench.run(render.as_mut(), batch(&Type::Int, &["1", "2"]));
    bench.run(turn.as_mut(), rendered);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(
        std::fs::read_to_string(file::partial(&file)).unwrap(),
        "1\n2\n"
    );
    assert!(bench.with(|cx| turn.finish(cx)).unwrap().is_none());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1\n2\n");
    assert!(!file::partial(&file).exists());
}

#[test]
fn a_file_is_made_also_where_nothing_came() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::default();
    bench
        .sink(
            &op(&step("a.csv", Format::Csv), &people(), folder.path()),
            vec![],
        )
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.path().join("a.csv")).unwrap(),
        "name,age,tags\n"
    );
}

#[test]
fn what_is_abandoned_keeps_its_partial_name() {
    let folder = tempfile::tempdir().unwrap();
    let op = op(&step("a.txt", Format::Lines), &Type::Int, folder.path());
    let Op::Sink(render, turn) = &op else {
        unreachable!()
    };
    let (mut render, mut turn) = (render(), turn());
    let mut bench = Bench::default();
    let rendered = bench.run(render.as_mut(), batch(&Type::Int, &["1"]));
    bench.run(turn.as_mut(), rendered);
    turn.abandon();
    drop(turn);
    assert!(folder.path().join("a.txt.partial").exists() && !folder.path().join("a.txt").exists());
}

#[test]
fn appending_adds_to_the_file_under_the_header_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut add = step("a.csv", Format::Csv);
    add.append = true;
    let ty = record(&[("n", Type::Int)]);
    for n in [r#"{"n":1}"#, r#"{"n":2}"#] {
        Bench::default()
            .sink(&op(&add, &ty, folder.path()), vec![batch(&ty, &[n])])
            .unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(folder.path().join("a.csv")).unwrap(),
        "n\n1\n2\n"
    );
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_its_target_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("real"), "old").unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
    let op = op(&step("link", Format::Lines), &Type::Int, folder.path());
    Bench::default()
        .sink(&op, vec![batch(&Type::Int, &["1"])])
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.path().join("real")).unwrap(),
        "1\n"
    );
    assert!(folder.path().join("link").is_symlink());
}

#[cfg(unix)]
#[test]
fn a_device_is_written_and_never_replaced() {
    let op = op(
        &step("/dev/null", Format::Lines),
        &Type::Int,
        Path::new("/"),
    );
    Bench::default()
        .sink(&op, vec![batch(&Type::Int, &["1"])])
        .unwrap();
    use std::os::unix::fs::FileTypeExt;
    assert!(
        std::fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_run_and_names_the_file() {
    let op = op(
        &step("/dev/full", Format::Lines),
        &Type::Int,
        Path::new("/"),
    );
    let error = Bench::default()
        .sink(&op, vec![batch(&Type::Int, &["1"])])
        .unwrap_err();
    assert!(matches!(error, RunError::Io { what, .. } if what == "cannot write /dev/full"));
}

#[test]
fn a_reader_that_went_away_is_no_failure_of_ours() {
    let mut bench = Bench::default();
    *bench.streams.fails.lock() = Some(std::io::ErrorKind::BrokenPipe);
    let op = op(&step("stdout", Format::Lines), &Type::Int, Path::new(""));
    assert_eq!(
        bench
            .sink(&op, vec![batch(&Type::Int, &["1"])])
            .unwrap_err(),
        RunError::BrokenPipe
    );
}

#[test]
fn bytes_are_written_as_they_are() {
    let (out, bench) = written(
        &step("stdout", Format::Bytes),
        &Type::Any,
        &[r#""a\nb""#, "1", r#""c""#],
    );
    assert_eq!(out, "a\nbc");
    assert!(bench.faults.0[0].1.message.contains("neither"));
}

proptest! {
    #[test]
    fn csv_that_is_written_reads_back_with_the_csv_crate(rows in proptest::collection::vec(proptest::collection::vec(".{0,6}|[\",\\r\\n a]{0,6}", 3), 0..6), tsv: bool) {
        let ty = record(&[("a", Type::String), ("b,\"", Type::String), ("c", Type::String)]);
        let items: Vec<String> = rows.iter().map(|r| serde_json::json!({"a": r[0], "b,\"": r[1], "c": r[2]}).to_string()).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let (format, delimiter) = if tsv { (Format::Tsv, b'\t') } else { (Format::Csv, b',') };
        let (out, _) = written(&step("stdout", format), &ty, &items);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(out.as_bytes());
        prop_assert_eq!(reader.headers().unwrap(), vec!["a", "b,\"", "c"]);
        let read: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn single_columns_read_back_with_the_csv_crate(rows in proptest::collection::vec(".{0,3}", 0..6)) {
        let items: Vec<String> = rows.iter().map(|r| serde_json::json!(r).to_string()).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let (out, _) = written(&step("stdout", Format::Csv), &Type::String, &items);
        let read: Vec<String> = csv::Reader::from_reader(out.as_bytes()).records().map(|r| r.unwrap()[0].to_owned()).collect();
        prop_assert_eq!(read, rows);
    }
}
