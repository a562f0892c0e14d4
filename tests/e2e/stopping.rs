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
fn a_source_that_never_ends_is_stopped() {
    let mut live = Case::new(
        "stages:
           many: {do: [{range: 9000000000000000}]}
           out: {from: many, do: [{write: numbers.txt}, {filter: item == 1000}, {print: 'so many'}]}",
    )
    .start();
    assert_eq!(live.line(), "so many");
    live.signal(Signal::SIGINT);
    let done = live.end().exits(130).leaves_no("numbers.txt.partial");
    // Whatever was taken was written: the numbers stand there without a gap.
    let text = fs::read_to_string(done.path("numbers.txt")).expect("a complete file");
    assert!(
        text.lines()
            .enumerate()
            .all(|(n, line)| line == n.to_string())
    );
}

#[test]
fn the_second_interrupt_stops_at_once() {
    let live = Case::new(
        "stages:
           many: {do: [{range: 9000000000000000}]}
           keep: {from: many, do: [{write: kept.txt}]}
           out: {from: many, do: [{write: stdout}]}",
    )
    .unread()
    .start();
    // Nobody reads the output, so what was begun cannot be finished.
    live.wait_until_nothing_fits();
    live.signal(Signal::SIGINT);
    live.hears("interrupt");
    live.signal(Signal::SIGINT);
    let done = live.end_unread().exits(130);
    // The other branch may have been finished before.
    assert!(done.path("kept.txt.partial").exists() != done.path("kept.txt").exists());
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let mut live = Case::new(
        "stages:
           many: {do: [{range: 9000000000000000}]}
           out: {from: many, do: [{write: stdout}]}",
    )
    .start();
    assert_eq!(live.line(), "0");
    drop(live.stdout.take());
    live.end().exits(141).and_is_quiet();
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
