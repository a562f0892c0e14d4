//! Guards with `scope: machine`: two runs side by side on one machine.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::case::{Case, Live};

/// Takes the lock for each line of standard input, and says so; it is given back when the next line comes.
fn holder(name: &str) -> Live {
    Case::new(&format!(
        "
        locks: {{{name}: {{kind: lock, scope: machine}}}}
        queues: {{lines: string}}
        events: [go]
        stages:
          read: {{do: [{{read: stdin}}], to: lines}}
          take:
            do:
              - items: [it]
              - with: {name}
                do:
                  - log: taken
                  - wait_event: go
                  - write: {{to: left.txt, replace: true}}
          let_go: {{from: lines, do: [{{set_event: go}}]}}
        "
    ))
    .start()
}

/// A name that no other test on this machine uses.
fn name(what: &str) -> String {
    format!("{what}_{}", std::process::id())
}

/// Takes the lock once, and prints what `holder` has left in its folder before it gave the lock back.
fn taker(name: &str, left: &Path) -> Live {
    Case::new(&format!(
        "
        locks: {{{name}: {{kind: lock, scope: machine}}}}
        stages:
          take:
            do:
              - items: [x]
              - log: asks
              - with: {name}
                do:
                  - read: {}
                  - print: 'found {{}}'
        ",
        left.display()
    ))
    .start()
}

#[test]
fn two_runs_exclude_each_other() {
    let name = name("deploy");
    let mut first = holder(&name);
    first.hears("taken");
    // Were it let in now, there would be nothing to read.
    let second = taker(&name, &first.path("left.txt"));
    second.hears("asks");
    first.give("go on\n");
    let first = first.end().exits(0);
    second.end().exits(0).prints("found it\n");
    drop(first);
}

#[test]
fn a_run_that_is_killed_holds_nothing_any_more() {
    let name = name("killed");
    let first = holder(&name);
    first.hears("taken");
    let second = taker(&name, &first.path("left.txt"));
    second.hears("asks");
    std::fs::write(first.path("left.txt"), "nothing\n").expect("a file");
    first.signal(Signal::SIGKILL);
    let first = first.end();
    second.end().exits(0).prints("found nothing\n");
    drop(first);
}

#[test]
fn a_wait_for_another_run_is_bounded_by_its_timeout_and_is_no_deadlock() {
    let name = name("bounded");
    let mut first = holder(&name);
    first.hears("taken");
    Case::new(&format!(
        "
        locks: {{{name}: {{kind: lock, scope: machine}}}}
        stages:
          take:
            on_error: drop
            do: [{{items: [it]}}, {{with: {name}, timeout: 1500ms, do: [{{print: 'had it'}}]}}]
        "
    ))
    .run()
    .exits(0)
    .prints("");
    first.give("go on\n");
    first.end().exits(0);
}
