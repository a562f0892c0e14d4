use crate::case::{Case, Done};

const PROMISE: &str =
    "free of deadlocks by construction: as long as its handlers return, it cannot deadlock";

fn validate(head: &str, steps: &str) -> Done {
    Case::new(&format!(
        "
         {head}
         stages:
           read: {{do: [read: in.txt]}}
           work:
             from: read
             threads: 4
             do:
               - {steps}"
    ))
    .command("validate")
}

#[test]
fn a_file_without_guards_is_free_of_deadlocks() {
    validate("name: plain", "print: \"{item}\"")
        .exits(0)
        .says(PROMISE);
}

#[test]
fn sets_of_guards_that_are_not_nested_are_free_of_deadlocks() {
    let head = "locks: {a: lock, config: rwlock}\nsemaphores: {db: 3}";
    let head = head.replace('\n', "\n         ");
    validate(&head, "{with: [db, a, config], do: [{print: \"{item}\"}]}")
        .exits(0)
        .says(PROMISE);
}

#[test]
fn nothing_is_promised_of_waits_that_hang_on_amounts() {
    for (head, steps) in [
        ("barriers: {b: 4}", "wait_barrier: b"),
        (
            "events: {go: {}}",
            "{do: [{set_event: go}, {wait_event: go}]}",
        ),
        ("queues: {q: {of: string}}", "{with: l, put: {q: item}}"),
        (
            "conditions: [c]",
            "{with: c, until: values.n >= 0, add: {n: 1}}",
        ),
    ] {
        let head = format!("{head}\n         values: {{n: int}}\n         locks: [l]");
        let done = validate(&head, steps);
        assert!(
            !done.stderr.contains("free of deadlocks"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn nothing_is_promised_of_a_file_with_mistakes_or_doubts() {
    let done = validate("events: [go]", "wait_event: go").exits(2);
    assert!(
        !done.stderr.contains("free of deadlocks"),
        "{}",
        done.stderr
    );
    let nested =
        "{do: [{with: a, do: [{with: b, print: x}]}, {with: b, do: [{with: a, print: x}]}]}";
    let done = validate("locks: [a, b]", nested)
        .exits(0)
        .says("warning[W0504]");
    assert!(
        !done.stderr.contains("free of deadlocks"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_guard_that_nobody_uses_takes_nothing_from_the_promise() {
    validate("locks: [spare]", "print: \"{item}\"")
        .exits(0)
        .says("warning[W0502]")
        .says(PROMISE);
}

#[test]
fn a_dry_run_says_so_too() {
    let done = Case::new(
        "
         stages:
           read: {do: [{read: in.txt}, {print: \"{item}\"}]}",
    )
    .arg("--dry-run")
    .run()
    .exits(0);
    assert!(done.stdout.contains(PROMISE), "{}", done.stdout);
}

#[test]
fn a_place_that_only_its_timeout_ends_is_a_warning_and_the_run_goes_on() {
    Case::new(
        "
         events: [go]
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             on_error: drop
             do:
               - wait_event: go
                 timeout: 1ms
               - print: \"{item}\"",
    )
    .numbers("in.txt", 3)
    .run()
    .exits(0)
    .says("warning[W0503]: stage `work` waits for the event `go`, and nothing sets it");
}
