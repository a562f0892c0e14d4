//! The command `test`: what passes, what fails and how that reads, what is written for build servers.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const PIPELINE: &str = r#"
params: {least: {type: int, default: 500}}
stages:
  read: {do: [{read: none.log}]}
  count:
    from: read
    threads: 2
    on_error: drop
    do:
      - parse: combined
      - filter: status >= params.least
      - group: {by: path, hits: count()}
      - write: report.csv
  show:
    from: count
    do:
      - print: "{path}: {hits}"
tests:
"#;

/// A line of a log with this path and status.
fn line(path: &str, status: u32) -> String {
    format!(
        "'1.2.3.4 - - [10/Oct/2000:13:55:36 +0000] \"GET {path} HTTP/1.1\" {status} 12 \"-\" \"x\"'"
    )
}

struct Told {
    code: i32,
    out: String,
    err: String,
}

/// Runs these tests of the pipeline.
fn tested(tests: &str, options: &[&str]) -> Told {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("p.yaml"), PIPELINE.to_string() + tests).expect("a file");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["test", "p.yaml"])
        .args(options)
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    assert!(
        !folder.path().join("report.csv").exists(),
        "a sink has written"
    );
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Told {
        code: status.code().unwrap_or(-1),
        out: text(stdout),
        err: text(stderr),
    }
}

#[track_caller]
fn passes(tests: &str) {
    let told = tested(tests, &[]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

#[track_caller]
fn fails(tests: &str, parts: &[&str]) {
    let told = tested(tests, &[]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    for part in parts {
        assert!(told.out.contains(part), "{part:?} is not in\n{}", told.out);
    }
}

#[test]
fn a_stage_is_tested_alone() {
    let (a, b) = (line("/a", 500), line("/b", 200));
    passes(&format!(
        "  - {{stage: count, given: [{a}, {b}, {a}], expect: [{{path: /a, hits: 2}}]}}"
    ));
    passes(&format!("  - {{stage: count, given: [{b}], expect: []}}"));
    passes("  - {stage: show, given: [{path: /x, hits: 1}], expect: [{path: /x, hits: 1.0}]}");
}

#[test]
fn the_whole_pipeline_is_tested_with_its_sources_replaced() {
    let (a, b) = (line("/a", 500), line("/b", 503));
    passes(&format!(
        "  - {{given: {{read: [{b}, {a}, junk]}}, expect: {{show: [{{path: /a, hits: 1}}, {{path: /b, hits: 1}}]}}, \
         errors: [{{stage: count, kind: parse, item: junk}}]}}"
    ));
    fails(
        "  - {given: {}, expect: {}}",
        &["nothing is `given` to `read`"],
    );
    fails(
        "  - {given: {read: [], show: []}}",
        &["`show` takes its items from other stages"],
    );
}

#[test]
fn items_may_come_in_any_order_and_with_more_fields_where_the_test_says_so() {
    let (a, b) = (line("/a", 500), line("/b", 503));
    let test =
        format!("given: {{read: [{a}, {b}]}}, expect: {{show: [{{path: /b}}, {{path: /a}}]}}");
    passes(&format!("  - {{{test}, unordered: true, partial: true}}"));
    fails(
        &format!("  - {{{test}, unordered: true}}"),
        &["show:   missing   {\"path\":\"/b\"}"],
    );
    fails(
        &format!("  - {{{test}, partial: true}}"),
        &["in another order"],
    );
}

#[test]
fn a_difference_is_shown_with_the_tests_name_and_line() {
    let a = line("/a", 500);
    fails(
        &format!(
            "  - {{name: hits are counted, stage: count, given: [{a}], expect: [{{path: /a, hits: 2}}]}}"
        ),
        &[
            "✗ hits are counted  (p.yaml:19)",
            "expected  {\"path\":\"/a\",\"hits\":2}",
            "got       {\"path\":\"/a\",\"hits\":1}",
            "hits: expected 2, got 1",
            "0 tests passed, 1 failed",
        ],
    );
}

#[test]
fn parameters_are_set_for_one_test() {
    let b = line("/b", 404);
    passes(&format!(
        "  - {{stage: count, given: [{b}], expect: [], }}\n  - {{stage: count, given: [{b}], expect: [{{path: /b, hits: 1}}], set: {{least: 400}}}}"
    ));
}

#[test]
fn what_is_expected_to_be_invalid_must_be() {
    passes("  - {set: {least: many}, invalid: [E0105]}");
    fails(
        "  - {set: {least: 3}, invalid: [E0105]}",
        &["expected E0105, but validation finds nothing"],
    );
}

#[test]
fn item_errors_are_counted_or_looked_at() {
    let given = "stage: count, given: [x, y], expect: []";
    passes(&format!("  - {{{given}}}"));
    passes(&format!("  - {{{given}, errors: 2}}"));
    passes(&format!(
        "  - {{{given}, errors: [{{step: parse, item: x}}, {{message: combined log format}}]}}"
    ));
    fails(
        &format!("  - {{{given}, errors: 1}}"),
        &["expected 1 item errors, got 2"],
    );
    fails(
        &format!("  - {{{given}, errors: [{{item: x}}, {{item: z}}]}}"),
        &["missing   {\"item\":\"z\"}"],
    );
}

#[test]
fn a_run_that_is_to_fail_must_say_why() {
    let pipeline = "stage: show, given: [{path: /a, hits: none}]";
    fails(
        &format!("  - {{{pipeline}}}"),
        &["item 1 of `given`: the field `hits` must be an int"],
    );
    let folder = TempDir::new().expect("a temporary folder");
    let text = "stages: {a: {do: [{read: x}, {map: int(item)}]}}\ntests:\n";
    let run = |tests: &str| {
        fs::write(folder.path().join("p.yaml"), text.to_string() + tests).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command
            .arg("test")
            .arg(folder.path().join("p.yaml"))
            .output()
            .expect("the program starts")
    };
    assert!(
        run("  - {stage: a, given: ['1', x], fails: step `map`}")
            .status
            .success()
    );
    assert_eq!(
        run("  - {stage: a, given: ['1', x], expect: [1]}")
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        run("  - {stage: a, given: ['1'], fails: x}").status.code(),
        Some(1)
    );
}

#[test]
fn a_mistake_in_a_test_is_a_mistake_in_the_file() {
    for (test, part) in [
        ("  - {stage: cuont, given: []}", "did you mean `count`?"),
        ("  - {stage: count, gvien: []}", "did you mean `given`?"),
        ("  - {stage: count}", "a test needs `given`"),
        ("  - {given: [1]}", "which stage are these items for?"),
        (
            "  - {given: {read: [x]}, expect: [1]}",
            "which stage do these items leave?",
        ),
    ] {
        let told = tested(test, &[]);
        assert_eq!(told.code, 2, "{test}: {}{}", told.out, told.err);
        assert!(told.err.contains(part), "{part:?} is not in\n{}", told.err);
    }
}

#[test]
fn build_servers_get_xml() {
    let told = tested(
        "  - {name: \"a <b> & 'c'\", stage: count, given: [], expect: [1]}\n  - {stage: count, given: [], expect: []}",
        &["--format", "junit"],
    );
    assert_eq!(told.code, 1);
    let mut child = Command::new("python3")
        .args(["-c", "import sys, xml.etree.ElementTree as e; s = e.parse(sys.stdin).getroot()[0]; \
               print(s.get('tests'), s.get('failures'), s[0].get('name'), s[0][0].get('message'), len(s[1]), sep='|')"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is one of the tools of tests/run");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(told.out.as_bytes())
        .expect("it is read");
    let read = child.wait_with_output().expect("it ends");
    assert_eq!(
        String::from_utf8_lossy(&read.stdout).trim(),
        "2|1|a <b> & 'c'|expected 1 item, got 0 items|0",
        "{}",
        told.out
    );
}
