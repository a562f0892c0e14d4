use crate::case::Case;

const TASKS: &str = r#"
import os, threading, time
from datetime import timedelta
import millstream

def square(x):
    return x * x

def times(x, by, more=None):
    return x * by

def repeat(x):
    for _ in range(x):
        yield x

def refuse(x):
    if x % 3 == 1:
        raise ValueError("no %d" % x)
    return x

def numbers():
    for i in range(5):
        yield {"i": i}

def talk(x):
    print("hello", x)
    os.write(1, b"raw\n")
    return x

def die(x):
    if x == 3:
        os.kill(os.getpid(), 9)
    return x

def count(x):
    total = millstream.value("total")
    total += x
    with millstream.lock("printer"):
        seen = millstream.array("seen")
        seen.add(x % 3)
        ratio = millstream.value("ratio")
        with ratio.get_lock():
            ratio.value = ratio.value + 0.5

def keep(x):
    millstream.lock("printer").acquire()
    return x

def set_it(x):
    millstream.event("go").set()
    return x

def unknown(x):
    millstream.lock("nothing")

def put(x):
    millstream.queue("q").put({"v": x, "b": b"ab"})
    return x

def natural(x):
    return [type(v).__name__ for v in (x["b"], x["t"], x["d"], x["n"])] + [(x["d"] + timedelta(seconds=1)).seconds]

def back(x):
    return {"b": x["b"] + b"!", "t": x["t"], "d": x["d"] * 2}

def huge(x):
    return 2 ** 70

loaded = []
def begin():
    loaded.append(millstream.worker().index)

def worker(x):
    return [loaded, millstream.worker().index, millstream.worker().stage]

meeting = threading.Lock()
async def together(x):
    await millstream.barrier("all").wait()
    return x

async def in_turn(x):
    import asyncio
    async with millstream.lock("printer"):
        total = millstream.value("total")
        now = total.value
        await asyncio.sleep(0)
        total.value = now + 1
    return x

def cross(x):
    first, second = ("a", "b") if x == 0 else ("b", "a")
    with millstream.lock(first):
        millstream.barrier("all").wait()
        with millstream.lock(second):
            return x
"#;

fn case(yaml: &str) -> Case {
    Case::new(yaml).file("tasks.py", TASKS)
}

/// A stage with one call, whose results are printed.
fn call(what: &str, more: &str) -> String {
    format!(
        "
        {more}
        stages:
          a:
            processes: 2
            do:
              - range: 6
              - python: {what}
              - print: '{{}}'"
    )
}

#[test]
fn a_function_gives_results_in_the_order_of_its_items() {
    case(
        "
        stages:
          a:
            processes: 4
            do:
              - range: 200
              - python: tasks.py:square
                as: int
              - filter: item % 50 == 1
              - print: '{}'",
    )
    .run()
    .exits(0)
    .prints("1\n2401\n2601\n9801\n10201\n22201\n22801\n39601\n");
}

#[test]
fn arguments_come_beside_the_item_and_a_module_is_found_by_its_name() {
    case(&call("{call: 'tasks.py:times', args: {by: item + 1}}", ""))
        .run()
        .exits(0)
        .prints("0\n2\n6\n12\n20\n30\n");
    case(&call("tasks:square", ""))
        .run()
        .exits(0)
        .prints("0\n1\n4\n9\n16\n25\n");
}

#[test]
fn a_generator_yields_none_or_many_and_is_a_source_without_an_item() {
    case(&call("tasks.py:repeat", "").replace("range: 6", "range: 4"))
        .run()
        .exits(0)
        .prints("1\n2\n2\n3\n3\n3\n");
    case(
        "
        stages:
          a:
            do:
              - python: tasks.py:numbers
                as: {i: int}
              - print: '{i}'",
    )
    .run()
    .exits(0)
    .prints("0\n1\n2\n3\n4\n");
}

#[test]
fn an_exception_is_an_item_error_with_its_type_and_the_end_of_the_traceback() {
    let done = case(
        "
        queues: [dead]
        stages:
          a:
            processes: 2
            on_error: {to: dead}
            do:
              - range: 3
              - python: tasks.py:refuse
              - print: '{}'
          b:
            from: dead
            do:
              - map: \"[item.error.kind, item.error.code, item.error.message, item.error.output.contains('in refuse'), item.attempts]\"
              - write: {to: dead.jsonl, format: json}",
    )
    .run()
    .exits(0)
    .prints("0\n2\n");
    done.leaves(
        "dead.jsonl",
        "[\"exception\",\"ValueError\",\"ValueError: no 1\",true,1]\n",
    );
}

#[test]
fn what_is_printed_goes_to_the_log_and_never_into_the_data() {
    let done = case(&call("tasks.py:talk", ""))
        .run()
        .exits(0)
        .prints("0\n1\n2\n3\n4\n5\n");
    assert!(done.stderr.contains("hello 3"), "{}", done.stderr);
    assert!(done.stderr.contains("]: raw"), "{}", done.stderr);
}

#[test]
fn values_arrays_and_locks_are_those_of_the_whole_run() {
    case(
        "
        locks: [printer]
        values: {total: int, ratio: double}
        arrays: {seen: {of: int, length: 3}}
        stages:
          a:
            processes: 4
            do:
              - range: 300
              - python: tasks.py:count
              - add: {total: 1}
          b:
            after: a
            do:
              - items: [0]
              - print: '{values.total} {values.ratio} {arrays.seen[0]} {arrays.seen[2]}'",
    )
    .run()
    .exits(0)
    .prints("45150 150.0 100 100\n");
}

#[test]
fn what_a_function_still_holds_is_given_back_and_said() {
    let done = case(&call("tasks.py:keep", "locks: [printer]"))
        .run()
        .exits(0)
        .prints("0\n1\n2\n3\n4\n5\n");
    assert!(
        done.stderr.contains("still held the lock `printer`"),
        "{}",
        done.stderr
    );
}

#[test]
fn what_the_stage_does_not_say_raises_permission_errors_and_what_is_not_declared_lookup_errors() {
    let done = case(&call("tasks.py:set_it", "events: [go]"))
        .run()
        .exits(1);
    assert!(done.stderr.contains("PermissionError"), "{}", done.stderr);
    let yaml = call("tasks.py:set_it", "events: [go]").replace("processes: 2", "sets: go");
    case(&yaml).run().exits(0);
    let done = case(&call("tasks.py:unknown", "")).run().exits(1);
    assert!(
        done.stderr.contains("declares no lock `nothing`"),
        "{}",
        done.stderr
    );
}

#[test]
fn user_code_puts_into_queues_that_its_stage_names() {
    case(
        "
        queues: {q: {of: {v: int, b: bytes}}}
        stages:
          a:
            puts: q
            processes: 1
            do:
              - range: 3
              - python: tasks.py:put
          b:
            from: q
            do:
              - write: stdout",
    )
    .run()
    .exits(0)
    .prints("{\"v\":0,\"b\":\"YWI=\"}\n{\"v\":1,\"b\":\"YWI=\"}\n{\"v\":2,\"b\":\"YWI=\"}\n");
}

#[test]
fn bytes_timestamps_and_durations_are_python_s_own() {
    let yaml = |call: &str, to: &str| {
        format!(
            "
        stages:
          a:
            processes: 1
            do:
              - items: [1]
              - map: {{b: 'bytes(\"ab\")', t: 'timestamp(\"2024-01-02T03:04:05Z\")', d: 'duration(\"2s\")', n: double('NaN')}}
              - python: tasks.py:{call}
              - {to}
              - write: {{to: stdout, format: json}}"
        )
    };
    case(&yaml("natural", "take: 1"))
        .run()
        .exits(0)
        .prints("[\"bytes\",\"datetime\",\"timedelta\",\"float\",3]\n");
    case(&yaml("back", "map: '[item.b == b\"ab!\", item.t, item.d]'"))
        .run()
        .exits(0)
        .prints("[true,\"2024-01-02T03:04:05Z\",4]\n");
    let done = case(&call("tasks.py:huge", "")).run().exits(1);
    assert!(
        done.stderr.contains("an integer beyond 64 bits"),
        "{}",
        done.stderr
    );
}

#[test]
fn init_runs_once_in_each_process_which_knows_who_it_is() {
    let yaml = call("{call: 'tasks.py:worker', init: 'tasks.py:begin'}", "");
    case(&yaml.replace("processes: 2", "processes: 1"))
        .run()
        .exits(0)
        .prints(&"[[0],0,\"a\"]\n".repeat(6));
}

#[test]
fn an_item_that_kills_its_process_is_one_item_error_and_nothing_else_is_lost() {
    let done = case(
        &call("tasks.py:die", "")
            .replace("processes: 2", "processes: 2\n            on_error: drop"),
    )
    .run()
    .exits(0)
    .prints("0\n1\n2\n4\n5\n");
    assert!(done.stderr.contains("SIGKILL"), "{}", done.stderr);
}

#[test]
fn coroutines_run_at_once_in_one_process() {
    // They all meet, so they are all there at once.
    let yaml = "
        barriers: {all: 20}
        stages:
          a:
            processes: {count: 1, tasks: 20}
            sets: all
            do:
              - range: 20
              - python: tasks.py:together
                as: int
              - group: {n: count(), sum: sum(item)}
              - print: '{n} {sum}'";
    case(yaml).run().exits(0).prints("20 190\n");
}

#[test]
fn coroutines_hold_locks_as_tasks_do() {
    let yaml = "
        locks: [printer]
        values: {total: int}
        stages:
          a:
            processes: {count: 2, tasks: 10}
            do:
              - range: 100
              - python: tasks.py:in_turn
          b:
            after: a
            do:
              - items: [0]
              - print: '{values.total}'";
    case(yaml).run().exits(0).prints("100\n");
}

#[test]
fn a_deadlock_between_functions_is_found_and_said() {
    let yaml = "
        locks: [a, b]
        barriers: {all: 2}
        stages:
          s:
            processes: 2
            sets: all
            do:
              - range: 2
              - python: tasks.py:cross";
    let done = case(yaml).run().exits(3);
    assert!(done.stderr.contains("the lock `a`"), "{}", done.stderr);
    assert!(done.stderr.contains("the lock `b`"), "{}", done.stderr);
}

#[test]
fn a_function_that_is_not_there_fails_the_stage_and_says_so() {
    let done = case(&call("tasks.py:squar", "")).run().exits(1);
    assert!(
        done.stderr.contains("did you mean `square`?"),
        "{}",
        done.stderr
    );
}
