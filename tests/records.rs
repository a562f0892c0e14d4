//! What stays of a run, and runs of a part of a file: `--only`, `--report`, `--trace`.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const PIPELINE: &str = "\
name: parts
values: {total: int, token: {of: string, initial: hush, secret: true}}
queues: {big: int, small: int}
stages:
  count: {to: {big: item >= 90, small: else}, do: [{range: 100}, {add: {total: item}}]}
  large: {from: big, threads: 2, on_error: drop, do: [{map: {n: item, part: 1 / (item - 95)}}, {print: 'large {n}'}]}
  little: {from: small, do: [{group: {n: count()}}, {print: 'little {n}'}]}
  last: {after: [large, little], do: [{items: [done]}, {print: '{item}'}]}
";

fn room() -> TempDir {
    let room = TempDir::new().expect("a temporary folder");
    fs::write(room.path().join("p.yaml"), PIPELINE).expect("a file");
    room
}

fn command(room: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command
        .args(line.split_whitespace())
        .current_dir(room)
        .env("NO_COLOR", "1");
    command
}

fn types(room: &Path, line: &str) -> Output {
    command(room, line).output().expect("the program starts")
}

fn read(room: &Path, name: &str) -> Value {
    let text = fs::read_to_string(room.join(name)).expect("it was written");
    serde_json::from_str(&text).expect("JSON")
}

fn stage<'v>(report: &'v Value, name: &str) -> &'v Value {
    let stages = report["stages"].as_array().expect("stages");
    stages
        .iter()
        .find(|s| s["name"] == name)
        .unwrap_or(&Value::Null)
}

#[test]
fn what_nobody_reads_in_a_part_is_let_go_and_counted() {
    let room = room();
    let output = types(
        room.path(),
        "run p.yaml --only count,little --report r.json",
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "little 90\n");
    assert!(
        told.contains("queue `big` has no reader in this run: 10 items let go"),
        "{told}"
    );
    let report = read(room.path(), "r.json");
    assert_eq!(stage(&report, "count")["ended"]["passed"], 100);
    assert_eq!(stage(&report, "large"), &Value::Null);
    assert_eq!(report["connections"][0]["cut"], 10);
}

#[test]
fn what_nobody_writes_in_a_part_is_closed_and_nobody_waits_for_who_is_not_there() {
    let room = room();
    let output = types(room.path(), "run -q p.yaml --only last,little");
    assert!(output.status.success());
    let mut lines: Vec<&str> = std::str::from_utf8(&output.stdout)
        .expect("UTF-8")
        .lines()
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["done", "little 0"]);
}

#[test]
fn a_part_of_stages_that_are_not_there_is_refused() {
    let output = types(room().path(), "run p.yaml --only count,litle");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("--only litle: the file has no such stage; did you mean `little`?"),
        "{told}"
    );
}

#[test]
fn a_report_says_what_the_summary_says() {
    let room = room();
    let output = types(room.path(), "run p.yaml -q --report r.json");
    assert!(output.status.success());
    let report = read(room.path(), "r.json");
    assert_eq!(
        (&report["name"], &report["exit"]),
        (&"parts".into(), &0.into())
    );
    assert_eq!(report["values"]["total"], 4950);
    assert_eq!(report["values"]["token"], "***");
    assert_eq!(stage(&report, "large")["ended"]["dropped"], 1);
    let error = &report["errors"][0];
    assert_eq!(
        (&error["stage"], &error["item"]),
        (&"large".into(), &"95".into())
    );
    assert!(report["started"].as_str().is_some_and(|t| t.ends_with('Z')));
}

#[test]
fn a_report_can_be_a_page_that_stands_alone() {
    let room = room();
    types(room.path(), "run p.yaml -q --report r.html");
    let page = fs::read_to_string(room.path().join("r.html")).expect("it was written");
    for part in [
        "<!doctype html>",
        "<td>large</td>",
        "4950",
        "<svg",
        "division by zero",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    for part in ["hush", "src=", "href=", "@import"] {
        assert!(!page.contains(part), "{part}");
    }
}

#[test]
fn a_report_of_a_failed_run_says_why() {
    let room = room();
    fs::write(
        room.path().join("p.yaml"),
        PIPELINE.replace("on_error: drop, ", ""),
    )
    .expect("a file");
    let output = types(room.path(), "run p.yaml -q --report r.json");
    assert_eq!(output.status.code(), Some(1));
    let report = read(room.path(), "r.json");
    assert_eq!(report["exit"], 1);
    assert!(
        report["why"]
            .as_str()
            .is_some_and(|w| w.contains("stage `large`"))
    );
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_runs() {
    let room = room();
    for option in ["--report no/r.json", "--trace no/t.json"] {
        let output = types(room.path(), &format!("run p.yaml {option}"));
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write no/"));
    }
}

#[test]
fn a_trace_has_a_row_for_each_worker_and_no_two_stretches_at_once() {
    let room = room();
    assert!(
        types(room.path(), "run p.yaml -q --trace t.json")
            .status
            .success()
    );
    let trace = read(room.path(), "t.json");
    let events = trace["traceEvents"].as_array().expect("a list");
    let rows: Vec<&Value> = events
        .iter()
        .filter(|e| e["name"] == "thread_name")
        .collect();
    assert_eq!(rows.len(), 5, "count, two of large, little, last");
    for row in rows {
        let mut at = 0.0;
        let of = |e: &&Value| e["ph"] == "X" && e["pid"] == row["pid"] && e["tid"] == row["tid"];
        let mut worked = false;
        for event in events.iter().filter(of) {
            let (ts, dur) = (event["ts"].as_f64(), event["dur"].as_f64());
            let (ts, dur) = (ts.expect("a time"), dur.expect("a length"));
            // Rounded to hundredths of a microsecond.
            assert!(ts >= at - 0.05, "{event} begins before {at}");
            at = ts + dur;
            worked |= event["cat"] == "work";
        }
        assert!(worked, "{row}");
    }
}

#[test]
fn a_source_that_was_stopped_is_drained_and_not_done() {
    let room = room();
    let text = "stages:\n  read: {do: [{range: 1000000000}]}\n  show: {from: read, do: [{print: '{item}'}]}\n";
    fs::write(room.path().join("p.yaml"), text).expect("a file");
    let mut child = command(room.path(), "run p.yaml --progress none --report r.json")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut out = child.stdout.take().expect("a pipe");
    out.read_exact(&mut [0; 8]).expect("it runs");
    let id = i32::try_from(child.id()).expect("a process number");
    kill(Pid::from_raw(id), Signal::SIGINT).expect("it lives");
    out.read_to_end(&mut Vec::new()).expect("it is read");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let report = read(room.path(), "r.json");
    assert_eq!(stage(&report, "read")["state"], "drained");
    assert_eq!(stage(&report, "show")["state"], "done");
    assert_eq!(
        stage(&report, "show")["taken"],
        stage(&report, "read")["taken"]
    );
}
