use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::expr::Scope;
use crate::steps::harness::mistakes;
use crate::steps::testing::Bench;
use crate::steps::{ItemErrorKind, Op, RunError, Types};
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
    fn rehearses(&self) -> bool {
        false
    }

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
        processes: None,
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
        replace: false,
        compression: None,
        header: true,
        delimiter: if format == Format::Tsv { b'\t' } else { b',' },
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
fn the_delimiter_may_be_another() {
    let other = WriteStep {
        delimiter: b';',
        ..step("stdout", Format::Csv)
    };
    let ty = record(&[("a", Type::String), ("b", Type::String)]);
    let (out, _) = written(&other, &ty, &[r#"{"a":"1;2","b":"3,4"}"#]);
    assert_eq!(out, "a;b\n\"1;2\";3,4\n");
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

/// Writes items below a folder, in batches of two; what each file holds then, by name, and what failed.
fn files(step: &WriteStep, ty: &Type, items: &[&str]) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("in");
    let mut bench = Bench::default();
    let batches: Vec<Batch> = items.chunks(2).map(|some| batch(ty, some)).collect();
    let passed = bench.sink(&op(step, ty, &below), batches).unwrap();
    let passed: usize = passed.iter().map(Batch::len).sum();
    assert_eq!(
        passed + bench.faults.0.len(),
        items.len(),
        "every row is accounted for"
    );
    let mut found = BTreeMap::new();
    for path in glob::glob(&format!("{}/**/*", folder.path().display())).unwrap() {
        let path = path.unwrap();
        if path.is_file() {
            let name = path
                .strip_prefix(folder.path())
                .unwrap()
                .display()
                .to_string();
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    (
        found,
        bench.faults.0.into_iter().map(|(_, e)| e.message).collect(),
    )
}

fn texts(files: &BTreeMap<String, Vec<u8>>) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|(name, bytes)| (&**name, std::str::from_utf8(bytes).unwrap()))
        .collect()
}

fn visits() -> Type {
    record(&[("host", Type::String), ("n", Type::Int)])
}

#[test]
fn each_item_says_which_file_it_goes_to() {
    let items = [
        r#"{"host":"a","n":1}"#,
        r#"{"host":"b/c","n":2}"#,
        r#"{"host":"a","n":3}"#,
    ];
    let (found, failed) = files(&step("out/{host}.csv", Format::Csv), &visits(), &items);
    assert!(failed.is_empty());
    assert_eq!(
        texts(&found),
        [
            ("in/out/a.csv", "host,n\na,1\na,3\n"),
            ("in/out/b/c.csv", "host,n\nb/c,2\n")
        ]
    );
}

#[test]
fn more_files_than_may_be_open_are_closed_and_opened_again() {
    let items: Vec<String> = (0..900)
        .map(|i| format!(r#"{{"host":"h{}","n":{i}}}"#, i % 300))
        .collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    for ending in ["", ".gz", ".zst"] {
        let to = format!("{{host}}.json{ending}");
        let (found, _) = files(&step(&to, Format::Json), &visits(), &items);
        assert_eq!(found.len(), 300);
        let bytes = &found[&format!("in/h7.json{ending}")];
        let text = match ending {
            ".gz" => {
                std::io::read_to_string(flate2::read::MultiGzDecoder::new(&bytes[..])).unwrap()
            }
            ".zst" => String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
            _ => String::from_utf8(bytes.clone()).unwrap(),
        };
        let want: String = [7, 307, 607]
            .map(|n| format!("{{\"host\":\"h7\",\"n\":{n}}}\n"))
            .concat();
        assert_eq!(text, want, "{ending}");
    }
}

#[test]
fn what_an_item_puts_into_a_path_stays_below_the_folder() {
    let bad = [
        "../x",
        "/etc/x",
        "a/../../x",
        "..",
        ".",
        "",
        "a/",
        "x\u{0}y",
    ];
    for value in bad {
        let item = serde_json::json!({"host": value, "n": 1}).to_string();
        let (found, failed) = files(&step("{host}", Format::Lines), &visits(), &[&item]);
        assert_eq!((found.len(), failed.len()), (0, 1), "{value:?}: {failed:?}");
    }
    // Dots that come together only when the path is put together.
    let item = r#"{"host":".","n":1}"#;
    let (found, failed) = files(&step(".{host}/x", Format::Lines), &visits(), &[item]);
    assert!(
        found.is_empty() && failed[0].contains("may not contain `..`"),
        "{failed:?}"
    );
    // What the author of the file wrote himself may lead anywhere.
    let (found, _) = files(&step("../{host}x", Format::Lines), &visits(), &[item]);
    assert_eq!(found.keys().collect::<Vec<_>>(), [".x"]);
}

#[test]
fn a_name_that_no_file_can_have_is_an_item_error() {
    let item = serde_json::json!({"host": "x".repeat(300), "n": 1}).to_string();
    let (found, failed) = files(
        &step("{host}", Format::Lines),
        &visits(),
        &[&item, r#"{"host":"y","n":2}"#],
    );
    assert_eq!(found.keys().collect::<Vec<_>>(), ["in/y"]);
    assert_eq!(failed.len(), 1);
}

#[test]
fn each_item_takes_the_place_of_the_file_where_it_replaces() {
    let items = [
        r#"{"host":"a","n":1}"#,
        r#"{"host":"b","n":2}"#,
        r#"{"host":"a","n":3}"#,
    ];
    let replace = |to: &str, format| WriteStep {
        replace: true,
        ..step(to, format)
    };
    let (found, _) = files(&replace("last.json", Format::Json), &visits(), &items);
    assert_eq!(
        texts(&found),
        [("in/last.json", "{\"host\":\"a\",\"n\":3}\n")]
    );
    let (found, _) = files(&replace("{host}.csv", Format::Csv), &visits(), &items);
    assert_eq!(
        texts(&found),
        [("in/a.csv", "host,n\na,3\n"), ("in/b.csv", "host,n\nb,2\n")]
    );
    let (found, _) = files(&replace("last.txt", Format::Table), &visits(), &items);
    assert_eq!(texts(&found), [("in/last.txt", "host  n\na     3\n")]);
    let (found, _) = files(
        &replace("last.csv", Format::Csv),
        &Type::Any,
        &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"b":3}"#],
    );
    assert_eq!(texts(&found), [("in/last.csv", "b\n3\n")]);
    assert!(
        files(&replace("last.json", Format::Json), &visits(), &[])
            .0
            .is_empty(),
        "nothing came, nothing is replaced"
    );
}

#[test]
fn tables_and_unknown_columns_are_kept_for_each_file() {
    let items = [
        r#"{"host":"a","n":1}"#,
        r#"{"host":"b","m":2}"#,
        r#"{"host":"a","m":3}"#,
        r#"{"host":"a","n":4}"#,
    ];
    let (found, failed) = files(&step("{item.host}.csv", Format::Csv), &Type::Any, &items);
    assert_eq!(
        texts(&found),
        [
            ("in/a.csv", "host,n\na,1\na,4\n"),
            ("in/b.csv", "host,m\nb,2\n")
        ]
    );
    assert_eq!(failed.len(), 1);
    let (found, _) = files(
        &step("{host}.txt", Format::Table),
        &visits(),
        &[r#"{"host":"a","n":1}"#, r#"{"host":"a","n":20}"#],
    );
    assert_eq!(
        texts(&found),
        [("in/a.txt", "host   n\na      1\na     20\n")]
    );
}

#[test]
fn a_name_says_how_a_file_is_compressed() {
    let (found, _) = files(
        &step("a.csv.gz", Format::of_name("a.csv.gz")),
        &visits(),
        &[r#"{"host":"a","n":1}"#],
    );
    let text =
        std::io::read_to_string(flate2::read::GzDecoder::new(&found["in/a.csv.gz"][..])).unwrap();
    assert_eq!(text, "host,n\na,1\n");
    let zstd = WriteStep {
        compression: Some(Compression::Zstd),
        ..step("a", Format::Lines)
    };
    let (found, _) = files(&zstd, &Type::Int, &["1", "2", "3"]);
    assert_eq!(zstd::decode_all(&found["in/a"][..]).unwrap(), b"1\n2\n3\n");
    let (found, _) = files(&step("a.gz", Format::Lines), &Type::Int, &[]);
    assert_eq!(
        std::io::read_to_string(flate2::read::GzDecoder::new(&found["in/a.gz"][..])).unwrap(),
        "",
        "also an empty one is whole"
    );
}

#[test]
fn standard_output_may_be_compressed() {
    let gzip = WriteStep {
        compression: Some(Compression::Gzip),
        ..step("stdout", Format::Lines)
    };
    let mut bench = Bench::default();
    bench
        .sink(
            &op(&gzip, &Type::Int, Path::new("")),
            vec![batch(&Type::Int, &["1"])],
        )
        .unwrap();
    let out = bench.streams.out.lock();
    assert_eq!(
        std::io::read_to_string(flate2::read::GzDecoder::new(&out[..])).unwrap(),
        "1\n"
    );
}

#[test]
fn mistakes_are_said_where_they_are_made() {
    let wrong = |yaml: &str| mistakes(yaml, &visits()).join(" | ");
    assert!(wrong("write: {to: a, format: cvs}").contains("did you mean `csv`?"));
    assert!(
        wrong("write: {to: a, replace: true, append: true}")
            .contains("cannot be replaced and appended to")
    );
    assert!(wrong("write: {to: stdout, append: true}").contains("are for files"));
    assert!(wrong("write: {to: a, compress: xz}").contains("gzip, zstd"));
    assert!(wrong("write: {to: a, delimiter: ';'}").contains("only in the formats"));
    assert!(wrong("write: {to: a, columns: [n]}").contains("no meaning in the format `lines`"));
    assert!(wrong("write: {to: a.csv, columns: [m]}").contains("E0302 the item has no field `m`"));
    assert!(
        wrong("write: {to: a, format: bytes}")
            .contains("E0304 `format: bytes` writes strings and bytes")
    );
    assert!(wrong("write: {to: '{hots}'}").contains("E0302"));
    assert!(wrong("write: ''").contains("names no file"));
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
