use std::fs;

use crate::case::{Case, gzip, millstream, repository};

/// The generator of the shipped log, which must go on writing just that.
#[path = "../../examples/make-log/log.rs"]
mod log;

fn expected(name: &str) -> String {
    fs::read_to_string(repository().join("tests/expected").join(name)).expect("an expected output")
}

#[test]
fn the_access_report_prints_the_twenty_worst_paths() {
    let (code, stdout, stderr) = millstream(&["run", "pipelines/access-report.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, expected("access-report.jsonl"), "{stderr}");
}

#[test]
fn the_access_report_accounts_for_every_line() {
    let done = Case::new(
        &fs::read_to_string(repository().join("pipelines/access-report.yaml")).expect("it"),
    )
    .file(
        "data/access.log",
        fs::read(repository().join("pipelines/data/access.log")).expect("the log"),
    )
    .arg("--progress")
    .arg("plain")
    .run()
    .exits(0);
    let parse = |column| done.account("parse", column);
    assert_eq!(
        (parse("taken"), parse("dropped")),
        (10_000, 26),
        "{}",
        done.stderr
    );
    assert_eq!(
        parse("passed") + parse("filtered"),
        9_974,
        "{}",
        done.stderr
    );
}

#[test]
fn the_access_report_reads_another_log_compressed_and_from_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = fs::read_to_string(repository().join("pipelines/data/access.log")).expect("the log");
    let path = folder.path().join("other.log.gz");
    fs::write(&path, gzip(&log)).expect("a file");
    let set = format!("log={}", path.display());
    let (code, stdout, stderr) = millstream(&[
        "run",
        "pipelines/access-report.yaml",
        "--set",
        &set,
        "--progress",
        "none",
    ]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, expected("access-report.jsonl"));
}

#[test]
fn the_shipped_log_is_what_the_generator_writes() {
    let mut written = Vec::new();
    log::write(&mut written, 10_000, log::SEED).expect("memory");
    let shipped = fs::read(repository().join("pipelines/data/access.log")).expect("the log");
    assert!(
        written == shipped,
        "cargo run --example make-log > pipelines/data/access.log"
    );
}
