use std::fs;
use std::io::Write;

use nix::sys::signal::Signal;

use crate::case::Case;

const ECHO: &str = "stages:
  read: {do: [read: stdin]}
  work: {from: read, threads: 2, do: [{filter: item != 'no'}]}
  keep: {from: work, do: [{write: kept.txt}]}
  out: {from: work, do: [{write: stdout}]}
";

#[test]
fn an_item_does_not_wait_for_company() {
    let mut live = Case::new(ECHO).start();
    for word in ["one", "two", "three"] {
        live.give(&format!("{word}\n"));
        assert_eq!(live.line(), word);
    }
    live.end().exits(0).leaves("kept.txt", "one\ntwo\nthree\n");
}

fn stopped_by(signal: Signal, code: i32) {
    let mut live = Case::new(ECHO).start();
    live.give("one\ntwo\n");
    assert_eq!(live.line(), "one");
    assert_eq!(live.line(), "two");
    live.signal(signal);
    // Standard input stays open: a source that waits for it must be stopped, not outwaited.
    let stdin = live.stdin.take();
    live.end_with_open_input()
        .exits(code)
        .leaves("kept.txt", "one\ntwo\n")
        .leaves_no("kept.txt.partial");
    drop(stdin);
}

#[test]
fn the_first_interrupt_finishes_what_was_begun() {
    stopped_by(Signal::SIGINT, 130);
}

#[test]
fn a_request_to_end_does_the_same() {
    stopped_by(Signal::SIGTERM, 143);
}

#[test]
fn a_drained_stop_gives_out_what_a_group_has() {
    let mut live = Case::new(
        "stages:
           read: {do: [read: stdin]}
           seen: {from: read, do: [{print: '{item}'}]}
           count: {from: seen, do: [{group: {n: count()}}, {write: {to: n.jsonl, format: json}}]}",
    )
    .start();
    live.give("a\nb\nc\n");
    for word in ["a", "b", "c"] {
        assert_eq!(live.line(), word);
    }
    live.signal(Signal::SIGINT);
    let stdin = live.stdin.take();
    live.end_with_open_input()
        .exits(130)
        .leaves("n.jsonl", "{\"n\":3}\n");
    drop(stdin);
}

#[test]
fn a_fifo_is_read_as_it_is_written() {
    let mut live = Case::new("stages: {all: {do: [{read: in.fifo}, {write: stdout}]}}")
        .fifo("in.fifo")
        .start();
    let mut writer = fs::OpenOptions::new()
        .write(true)
        .open(live.path("in.fifo"))
        .expect("a fifo");
    writer.write_all(b"first\n").expect("a reader");
    assert_eq!(live.line(), "first");
    writer.write_all(b"second\n").expect("a reader");
    assert_eq!(live.line(), "second");
    drop(writer);
    live.end().exits(0);
}
