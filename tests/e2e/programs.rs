use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::Case;

#[test]
fn one_template_is_one_argument_whatever_is_in_it() {
    Case::new(
        r#"
        stages:
          a:
            do:
              - items: [a b, "$(touch hacked)", "'; touch hacked; '", "*", ""]
              - exec: "printf '<%s>' {item} 'x {item}'"
              - shell: printf '%s' {item}
              - print: '{}'"#,
    )
    .run()
    .exits(0)
    .prints("<a b><x a b>\n<$(touch hacked)><x $(touch hacked)>\n<'; touch hacked; '><x '; touch hacked; '>\n<*><x *>\n<><x >\n")
    .leaves_no("hacked");
}

#[test]
fn a_list_becomes_several_arguments_as_xargs_has_it() {
    Case::new(
        "
        stages:
          a:
            do:
              - range: 5
              - batch: 2
              - exec: [echo, '{item}', 'all: {item}']
              - print: '{}'",
    )
    .run()
    .exits(0)
    .prints("0 1 all: [0,1]\n2 3 all: [2,3]\n4 all: [4]\n");
}

#[test]
fn a_value_that_could_be_an_option_is_refused_unless_it_is_allowed() {
    let text = |dash: &str| {
        format!(
            "
        stages:
          a:
            on_error: drop
            do:
              - items: [-n, x, '-', '-e -n']
              - exec: {{argv: [printf, '%s.', '{{item}}', 'a{{item}}']{dash}}}
              - print: '{{}}'"
        )
    };
    Case::new(&text(""))
        .run()
        .exits(0)
        .prints("x.ax.\n")
        .says("begins with `-`");
    Case::new(&text(", dash: allow"))
        .run()
        .exits(0)
        .prints("-n.a-n.\nx.ax.\n-.a-.\n-e -n.a-e -n.\n");
}

#[test]
fn every_form_of_output_becomes_items() {
    Case::new(
        r#"
        stages:
          text: {do: [{exec: [printf, 'a\n\n']}, {print: 'text {json(item)}'}]}
          lines: {after: text, do: [{items: [2]}, {shell: {run: 'printf "a\nb\nc"', stdout: lines}}, {print: 'line {}'}]}
          none: {after: lines, do: [{items: [2]}, {exec: {argv: 'true', stdout: lines}}, {print: 'never'}]}
          json: {after: none, do: [{items: [7]}, {shell: {run: 'echo "{{\"a\": [1, "{item}"]}}"', stdout: json}}, {map: 'item.a[1]'}, {print: 'json {}'}]}
          bytes: {after: json, do: [{exec: {argv: [printf, '\377'], stdout: bytes}}, {print: 'bytes {size(item)}'}]}
          ignore: {after: bytes, do: [{items: [x]}, {exec: {argv: [echo, no], stdout: ignore}}, {print: 'still {}'}]}
          stdin: {after: ignore, do: [{items: [x]}, {exec: {argv: cat, stdin: 'in {item}'}}, {print: '{}'}]}
          empty: {after: stdin, do: [{exec: cat}, {print: 'empty {json(item)}'}]}
          where: {after: empty, do: [{shell: {run: 'pwd; echo $A-$B', cwd: /, env: {A: 'x y'}}}, {print: '{}'}], processes: {env: {A: no, B: stage}}}
          ok: {after: where, do: [{exec: {argv: [sh, -c, exit 3], ok: [0, 3]}}, {print: 'ok'}]}"#,
    )
    .run()
    .exits(0)
    .prints(
        "text \"a\\n\"\nline a\nline b\nline c\njson 7\nbytes 1\nstill x\nin x\nempty \"\"\n/\nx y-stage\nok\n",
    );
}

/// The item error that a command makes: kind, code, message, output.
fn error(command: &str, more: &str) -> String {
    let done = Case::new(&format!(
        "
        queues: [dead]
        stages:
          a:
            {more}
            on_error: {{to: dead}}
            do:
              - items: [x]
              - {command}
              - print: 'never'
          b:
            from: dead
            do:
              - map: \"item.error.kind + '|' + string(item.attempts) + '|' + json(item.error.code) + '|' + item.error.message + '|' + json(item.error.output)\"
              - write: dead.txt"
    ))
    .run()
    .exits(0);
    fs::read_to_string(done.path("dead.txt")).expect("a dead letter")
}

#[test]
fn every_way_to_fail_is_an_item_error_of_its_own_kind() {
    for (command, more, expected) in [
        (
            "shell: 'echo one >&2; echo two >&2; exit 7'",
            "",
            "exit|1|7|`shell` ended with exit code 7: two|\"one\\ntwo\"\n",
        ),
        (
            "shell: 'kill -TERM $$'",
            "",
            "signal|1|\"SIGTERM\"|`shell` was killed by SIGTERM|null\n",
        ),
        (
            "exec: no-such-program-anywhere",
            "",
            "io|1|null|`no-such-program-anywhere` cannot be started: No such file or directory (os error 2)|null\n",
        ),
        (
            "exec: {argv: ls, cwd: nowhere}",
            "",
            "io|1|null|`ls` cannot be started: there is no folder",
        ),
        (
            "exec: {argv: [echo, '{{'], stdout: json}",
            "",
            "parse|1|null|what the program wrote is no JSON value",
        ),
        (
            "exec: [sleep, '1000']",
            "timeout: 50ms",
            "timeout|1|null|not done within 50ms|null\n",
        ),
        (
            "exec: ['false']",
            "retry: {times: 2, wait: 1ms}",
            "exit|3|1|`false` ended with exit code 1|null\n",
        ),
        (
            "exec: [python3, -c, 'x = bytearray(300_000_000); import time; time.sleep(1000)']",
            "processes: {count: 1, memory: 60MiB}",
            "memory|1|null|`python3` held ",
        ),
    ] {
        let said = error(command, more);
        assert!(said.starts_with(expected), "{command}: {said}");
    }
}

#[test]
fn so_many_run_at_once_and_order_is_kept() {
    // Each waits for the other two: with fewer at once, none would end.
    Case::new(
        "
        stages:
          a:
            processes: 3
            do:
              - range: 6
              - shell: touch began.{item}; n={item % 3}; base=$(( {item} - n )); for i in 0 1 2; do while ! [ -e began.$((base + i)) ]; do sleep 0.01; done; done; echo {item}
              - print: '{}'",
    )
    .run()
    .exits(0)
    .prints("0\n1\n2\n3\n4\n5\n");
}

#[test]
fn a_program_is_a_source_that_is_tried_again_and_ended_when_nobody_wants_more() {
    Case::new(
        "
        stages:
          flaky:
            retry: {times: 2, wait: 1ms}
            do:
              - shell: echo x >> tries; [ $(wc -l < tries) = 3 ] && echo at last
              - print: '{}'
          endless:
            after: flaky
            do:
              - exec: {argv: [yes, y], stdout: lines}
              - take: 2
              - print: '{}'
          fails:
            after: endless
            on_error: drop
            do:
              - shell: {run: 'echo a; exit 4', stdout: lines}
              - print: '{}'",
    )
    .run()
    .exits(0)
    .prints("at last\ny\ny\na\n")
    .says("exit code 4");
}

fn is_alive(pid: i32) -> bool {
    // A zombie is dead: here nobody may wait for it.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|s| !s.rsplit_once(')').is_some_and(|(_, s)| s.starts_with(" Z")))
}

fn die(pids: &[i32]) {
    for pid in pids {
        while is_alive(*pid) {
            std::thread::yield_now();
        }
    }
}

/// Starts a program with a child in its group, and one that has left it; their numbers.
fn family(mark: &str) -> (crate::case::Live, Vec<i32>) {
    let mut live = Case::new(&format!(
        "
        stages:
          a:
            do:
              - shell:
                  run: |
                    sleep 1000 & echo $!
                    setsid sh -c 'echo $$ > left.new; mv left.new left; exec sleep 1000' &
                    while ! [ -e left ]; do sleep 0.01; done
                    cat left
                    echo $$
                    trap '' TERM {mark}
                    while :; do sleep 1000; done
                  stdout: lines
              - print: '{{}}'"
    ))
    .start();
    let pids: Vec<i32> = (0..3)
        .map(|_| live.line().parse().expect("a number"))
        .collect();
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    (live, pids)
}

#[test]
fn nothing_that_was_started_outlives_the_program_when_it_is_killed() {
    let (live, pids) = family("");
    live.signal(Signal::SIGKILL);
    live.end();
    die(&pids);
}

#[test]
fn nothing_that_was_started_outlives_the_second_signal() {
    let (live, pids) = family("INT");
    live.signal(Signal::SIGINT);
    live.hears("stop");
    live.signal(Signal::SIGINT);
    live.end().exits(130);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn a_program_gets_its_signals_and_pipes_as_anybody_would() {
    // SIGPIPE ends `yes`; a blocked or ignored one would make it complain.
    Case::new(
        "
        stages:
          a:
            do:
              - exec: [python3, -c, 'import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []), hex(int(open(\"/proc/self/status\").read().split(\"SigIgn:\")[1].split()[0][-7:], 16) & ~1))']
              - shell: yes | head -1; echo {item}
              - print: '{}'",
    )
    .run()
    .exits(0)
    // Python itself ignores SIGPIPE (13) and SIGXFSZ (25); that SIGHUP (1) is ignored is passed on, for `nohup`.
    .prints("y\nset() 0x1001000\n");
}

#[test]
fn a_guard_that_is_killed_ends_the_programs_and_fails_the_item() {
    let mut live = Case::new(
        "
        stages:
          a:
            do:
              - shell: {run: 'echo $PPID; exec sleep 1000', stdout: lines}
              - print: '{}'",
    )
    .start();
    let guard: i32 = live.line().parse().expect("a number");
    kill(Pid::from_raw(guard), Signal::SIGKILL).expect("the guard is there");
    live.end().exits(1).says("SIGKILL");
}

#[test]
fn commands_of_the_file_run_in_rehearsals_and_take_real_time() {
    Case::new(
        "
        stages:
          a:
            timeout: 1min
            do:
              - exec: [sh, -c, 'sleep 0.05; echo $(( $1 * 2 ))', sh, '{item}']
              - write: out.txt
            from: r
          r: {do: [range: 3]}
        tests:
          - {name: doubled, stage: a, given: [1, 2], expect: ['2', '4']}",
    )
    .command("test")
    .exits(0);
}
