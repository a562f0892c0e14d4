use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::Case;

/// A simple worker in Python: `act(item)` decides what becomes of an item.
fn simple(act: &str) -> String {
    format!(
        "import json, os, signal, sys, time
def answer(**m):
    print(json.dumps(m), flush=True)
{act}
for line in sys.stdin:
    m = json.loads(line)
    act(m['id'], m['item'])
"
    )
}

#[test]
fn a_filter_is_a_worker() {
    Case::new(
        "
        stages:
          a:
            processes: 2
            do:
              - range: 100
              - map: \"'line ' + string(item)\"
              - worker: {argv: [sed, -u, 's/line/LINE/'], protocol: lines}
              - filter: item.endsWith('7')
              - print: '{}'",
    )
    .run()
    .exits(0)
    .prints(
        "LINE 7\nLINE 17\nLINE 27\nLINE 37\nLINE 47\nLINE 57\nLINE 67\nLINE 77\nLINE 87\nLINE 97\n",
    );
}

#[test]
fn results_may_be_none_or_many_and_errors_are_item_errors() {
    Case::new(
        "
        queues: [dead]
        stages:
          a:
            processes: 3
            on_error: {to: dead}
            do:
              - range: 12
              - worker: python3 w.py
                as: int
              - print: '{}'
          b:
            from: dead
            do:
              - map: \"[item.error.kind, item.error.code, item.error.message, item.error.output, item.input]\"
              - write: {to: dead.jsonl, format: json}",
    )
    .file(
        "w.py",
        simple(
            "def act(id, n):
    if n == 5: answer(id=id, error='not five')
    elif n == 7: answer(id=id, error={'type': 'ValueError', 'message': 'seven', 'output': 'a\\nb'})
    else: answer(id=id, results=[n] * (n % 3))",
        ),
    )
    .run()
    .exits(0)
    .prints("1\n2\n2\n4\n8\n8\n10\n11\n11\n")
    .leaves(
        "dead.jsonl",
        "[\"exit\",null,\"not five\",null,5]\n[\"exit\",\"ValueError\",\"ValueError: seven\",\"a\\nb\",7]\n",
    );
}

/// What a worker that dies of the item 5 leaves, for each way to die.
#[test]
fn a_poison_item_is_tried_three_times_alone_and_then_a_dead_letter() {
    for (die, how) in [
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("os.abort()", "SIGABRT"),
        (
            "print('garbage', flush=True); time.sleep(1000)",
            "no message",
        ),
        (
            "sys.stdout.write('{\"id\":'); sys.stdout.flush(); os._exit(0)",
            "exit code 0",
        ),
        (
            "answer(id=id + 100, result=1); time.sleep(1000)",
            "which it has not",
        ),
        ("os.close(1); time.sleep(1000)", "SIGTERM"),
    ] {
        let done = Case::new(
            "
            queues: [dead]
            stages:
              a:
                processes: 2
                on_error: {to: dead}
                do:
                  - range: 40
                  - worker: python3 w.py
                    as: int
                  - write: out.txt
              b:
                from: dead
                do:
                  - write: {to: dead.jsonl, format: json}",
        )
        .file(
            "w.py",
            simple(&format!(
                "def act(id, n):
    if n == 5:
        open('tries', 'a').write('x')
        print('oops', file=sys.stderr, flush=True)
        {die}
    answer(id=id, result=n)"
            )),
        )
        .run()
        .exits(0);
        let read = |name: &str| fs::read_to_string(done.path(name)).expect(name);
        let expected: Vec<String> = (0..40).filter(|n| *n != 5).map(|n| n.to_string()).collect();
        assert_eq!(read("out.txt"), expected.join("\n") + "\n", "{die}");
        assert_eq!(read("tries"), "xxx", "{die}");
        let letter = read("dead.jsonl");
        assert_eq!(letter.lines().count(), 1, "{die}: {letter}");
        for part in [
            "\"input\":5,",
            "\"attempts\":3,",
            "\"kind\":\"died\"",
            "\"output\":\"oops\"",
            how,
        ] {
            assert!(letter.contains(part), "{die}: {part}: {letter}");
        }
    }
}

#[test]
fn a_worker_that_hangs_is_ended_at_its_time_and_replaced() {
    Case::new(
        "
        stages:
          a:
            processes: 1
            timeout: 4s
            on_error: drop
            do:
              - range: 6
              - worker: python3 w.py
              - print: '{}'",
    )
    .file(
        "w.py",
        simple(
            "signal.signal(signal.SIGTERM, lambda *a: (open('ended', 'w').write('term'), os._exit(0)))
def act(id, n):
    if n == 2: time.sleep(1000)
    answer(id=id, result=n)",
        ),
    )
    .run()
    .exits(0)
    .prints("0\n1\n3\n4\n5\n")
    .says("not done within 4s")
    .leaves("ended", "term");
}

#[test]
fn a_worker_that_holds_too_much_memory_is_ended_and_the_message_says_so() {
    Case::new(
        "
        stages:
          a:
            processes: {count: 1, memory: 80MiB}
            on_error: drop
            do:
              - range: 4
              - worker: python3 w.py
              - print: '{}'",
    )
    .file(
        "w.py",
        simple(
            "def act(id, n):
    if n == 2:
        x = bytearray(300_000_000)
        time.sleep(1000)
    answer(id=id, result=n)",
        ),
    )
    .run()
    .exits(0)
    .prints("0\n1\n3\n")
    .says("of memory, and `memory` allows 80 MiB");
}

#[test]
fn a_stage_whose_programs_only_die_fails_with_the_cause() {
    Case::new(
        "
        stages:
          a:
            processes: 1
            on_error: drop
            do:
              - range: 1000
              - worker: [sh, -c, 'echo why >&2; exit 3']
              - print: '{}'",
    )
    .run()
    .exits(1)
    .says("5 of its programs have died one after the other")
    .says("exit code 3")
    .says("why");
    Case::new("stages: {a: {do: [{range: 3}, {worker: no-such-program-here}, {print: '{}'}]}}")
        .run()
        .exits(1)
        .says("cannot be started: No such file or directory");
}

#[test]
fn a_worker_that_greets_gets_a_hello_before_its_first_item() {
    Case::new(
        "
        name: nightly
        stages:
          a:
            processes: {count: 1, tasks: 3}
            do:
              - range: 4
              - worker: python3 w.py
              - print: '{}'",
    )
    .file(
        "w.py",
        "import json, sys
print(json.dumps({'hello': {'version': 1, 'batch': True, 'begin': True}}), flush=True)
h = json.loads(sys.stdin.readline())['hello']
assert (h['run'], h['stage'], h['worker'], h['tasks']) == ('nightly', 'a', 0, 3), h
for line in sys.stdin:
    m = json.loads(line)
    for m in m.get('batch', [m]):
        print(json.dumps({'begin': m['id']}))
        print(json.dumps({'batch': [{'id': m['id'], 'result': m['item'] * 2}]}), flush=True)
print('bye', file=sys.stderr)
",
    )
    .run()
    .exits(0)
    .prints("0\n2\n4\n6\n")
    .says("a[0]: bye");
}

#[test]
fn workers_are_replaced_after_so_many_items() {
    let done = Case::new(
        "
        stages:
          a:
            processes: {count: 2, max_items: 10}
            do:
              - range: 100
              - worker: python3 w.py
              - write: out.txt",
    )
    .file(
        "w.py",
        simple("n = 0\ndef act(id, item):\n    global n\n    n += 1\n    answer(id=id, result=n)"),
    )
    .run()
    .exits(0);
    let text = fs::read_to_string(done.path("out.txt")).expect("the results");
    let counts: Vec<u32> = text.lines().map(|l| l.parse().expect("a number")).collect();
    assert_eq!(counts.len(), 100);
    assert!(counts.iter().all(|n| *n <= 10), "{counts:?}");
    assert!(
        counts.iter().filter(|n| **n == 1).count() >= 10,
        "{counts:?}"
    );
}

/// What Python's Pool does wrong (it hangs) and what its `ProcessPoolExecutor` does (one death fails all).
#[test]
fn workers_that_are_killed_at_random_lose_nothing_double_nothing_and_keep_the_order() {
    let mut live = Case::new(
        "
        stages:
          a:
            processes: 3
            do:
              - range: 3000
              - worker: python3 w.py
                as: int
              - write: out.txt
              - filter: item % 100 == 0
              - print: '{}'",
    )
    .file(
        "w.py",
        simple("open('pids', 'a').write('%d\\n' % os.getpid())\ndef act(id, item):\n    answer(id=id, result=item)"),
    )
    .start();
    let mut killed = 0;
    for _ in 0..30 {
        live.line();
        let pids = fs::read_to_string(live.path("pids")).unwrap_or_default();
        // The youngest: the others are gone.
        if let Some(pid) = pids.lines().last().and_then(|l| l.parse().ok())
            && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
        {
            killed += 1;
        }
    }
    let done = live.end().exits(0);
    let expected: Vec<String> = (0..3000).map(|n| n.to_string()).collect();
    let text = fs::read_to_string(done.path("out.txt")).expect("the results");
    assert!(text == expected.join("\n") + "\n", "{killed} were killed");
    assert!(killed > 5, "only {killed} were killed");
}

#[test]
fn the_worked_workers_of_the_examples_work() {
    let example = |name: &str| {
        let path = crate::case::repository()
            .join("examples/workers")
            .join(name);
        path.to_str().expect("a plain path").to_owned()
    };
    for (program, items, expected) in [
        (
            format!("python3, '{}'", example("words.py")),
            "[a b c, '', 7, x]",
            "{\"text\":\"a b c\",\"words\":3}\n{\"text\":\"\",\"words\":0}\n{\"text\":\"x\",\"words\":1}\n",
        ),
        (
            format!("node, '{}'", example("score.js")),
            "[{n: 3}, {n: a}, {n: 1}]",
            "{\"n\":3,\"score\":9}\n{\"n\":1,\"score\":1}\n",
        ),
        (
            format!("bash, '{}'", example("upper.sh")),
            "[abc, 7, d]",
            "\"ABC\"\n\"D\"\n",
        ),
    ] {
        Case::new(&format!(
            "
            stages:
              a:
                processes: {{count: 2, tasks: 2}}
                on_error: drop
                do:
                  - items: {items}
                  - worker: [{program}]
                  - write: {{to: stdout, format: json}}"
        ))
        .run()
        .exits(0)
        .prints(expected);
    }
}

#[test]
fn a_placeholder_that_is_none_in_a_step_is_said_and_not_a_panic() {
    for step in [
        "print: '${nope#x}'",
        "worker: [a, '${nope}']",
        "exec: '${nope}'",
    ] {
        Case::new(&format!(
            "stages: {{a: {{do: [{{range: 3}}, {{{step}}}]}}}}"
        ))
        .run()
        .exits(2)
        .says("nope");
    }
}
