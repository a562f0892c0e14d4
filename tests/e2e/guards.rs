//! Guards, values and arrays in whole runs.

use crate::case::Case;

/// A stage that prints this when the others have ended.
fn at_the_end(after: &str, text: &str) -> String {
    format!(
        "
           end: {{after: {after}, do: [{{read: one.txt}}, {{print: \"{text}\"}}]}}"
    )
}

fn case(pipeline: &str, after: &str, text: &str) -> Case {
    let end = at_the_end(after, text);
    Case::new(&format!("{pipeline}{end}")).file("one.txt", "1\n")
}

#[test]
fn additions_of_many_workers_are_all_there() {
    case(
        "
         values: {total: int, half: {of: double, initial: 1.0}}
         arrays: {ends: {of: int, length: 10}}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 8
             do:
               - map: int(item)
               - add: {total: item, half: 0.5, \"ends[item % 10]\": 1}",
        "work",
        "{values.total} {values.half} {arrays.ends}",
    )
    .numbers("in.txt", 3000)
    .run()
    .exits(0)
    .prints("4498500 1501.0 [300,300,300,300,300,300,300,300,300,300]\n");
}

#[test]
fn what_is_read_and_stored_under_a_lock_is_not_torn() {
    case(
        "
         locks: [l]
         values: {n: int}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 8
             do:
               - with: l
                 store: {n: values.n + 1}",
        "work",
        "{values.n}",
    )
    .numbers("in.txt", 3000)
    .run()
    .exits(0)
    .prints("3000\n");
}

#[test]
fn a_semaphore_lets_so_many_in_and_no_more() {
    Case::new(
        "
         semaphores: {db: 3}
         values: {inside: int}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 8
             do:
               - map: {n: int(item)}
               - with: {db: 2}
                 do:
                   - add: {inside: 2}
                   - sleep: 1ms
                   - assign: {seen: values.inside}
                   - add: {inside: -2}
               - top: {n: 1, by: seen}
               - print: \"{seen}\"",
    )
    .numbers("in.txt", 50)
    .run()
    .exits(0)
    .prints("2\n");
}

#[test]
fn a_writer_is_alone_and_readers_are_not() {
    Case::new(
        "
         locks: {config: rwlock}
         values: {a: int, b: int}
         stages:
           read: {do: [read: in.txt]}
           change:
             from: read
             threads: 2
             do:
               - with: {config: write}
                 do:
                   - store: {a: int(item)}
                   - store: {b: int(item)}
           look:
             from: read
             threads: 2
             do:
               - with: config
                 do:
                   - map: \"{'a': values.a, 'b': values.b}\"
               - filter: a != b
               - print: torn",
    )
    .numbers("in.txt", 500)
    .run()
    .exits(0)
    .prints("");
}

#[test]
fn who_holds_an_rlock_may_take_it_again() {
    Case::new(
        "
         locks: {tree: rlock}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 4
             do:
               - with: tree
                 do:
                   - with: tree
                     print: \"{item}\"",
    )
    .numbers("in.txt", 5)
    .run()
    .exits(0)
    .prints_in_any_order(&["0", "1", "2", "3", "4"]);
}

#[test]
fn consumers_wait_under_a_condition_until_there_is_something() {
    case(
        "
         conditions: [stock]
         values: {stock: int, sold: int, least: int}
         stages:
           orders: {do: [read: in.txt]}
           goods: {do: [read: in.txt]}
           sell:
             from: orders
             threads: 4
             do:
               - with: stock
                 until: values.stock > 0
                 do:
                   - add: {stock: -1, sold: 1}
                   - if: values.stock < 0
                     store: {least: values.stock}
           make:
             from: goods
             threads: 2
             do:
               - with: stock
                 do:
                   - add: {stock: 1}
                   - notify: stock",
        "[sell, make]",
        "{values.sold} {values.stock} {values.least}",
    )
    .numbers("in.txt", 400)
    .run()
    .exits(0)
    .prints("400 0 0\n");
}

#[test]
fn a_change_of_a_value_lets_those_look_again_who_wait_for_it() {
    Case::new(
        "
         conditions: [changed]
         values: {n: int}
         stages:
           one: {do: [read: one.txt]}
           wait:
             from: one
             do:
               - with: changed
                 until: values.n >= 5
                 print: \"{values.n}\"
           five: {do: [read: in.txt]}
           count: {from: five, do: [add: {n: 1}]}",
    )
    .file("one.txt", "1\n")
    .numbers("in.txt", 5)
    .run()
    .exits(0)
    .prints("5\n");
}

#[test]
fn an_event_opens_the_gate_when_all_have_come_to_the_barrier() {
    Case::new(
        "
         events: [go]
         barriers: {start: 4}
         values: {ready: int}
         stages:
           read: {do: [read: in.txt]}
           run:
             from: read
             threads: 3
             do:
               - add: {ready: 1}
               - wait_barrier: start
               - wait_event: go
               - print: \"{values.ready}\"
           starter:
             do:
               - read: one.txt
           open:
             from: starter
             do:
               - wait_barrier: start
               - set_event: go",
    )
    .file("one.txt", "1\n")
    .numbers("in.txt", 3)
    .run()
    .exits(0)
    .prints("3\n3\n3\n");
}

#[test]
fn a_batch_does_not_keep_what_another_waits_for() {
    // The second item waits for an event that the next stage sets on seeing the first.
    Case::new(
        "
         events: [first]
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             do:
               - if: item == '1'
                 wait_event: first
           next:
             from: work
             do:
               - set_event: first
               - print: \"{item}\"",
    )
    .numbers("in.txt", 4)
    .run()
    .exits(0)
    .prints("0\n1\n2\n3\n");
    // The same from within a lock.
    Case::new(
        "
         events: [first]
         locks: [l]
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             do:
               - with: l
                 do:
                   - if: item == '1'
                     wait_event: first
           next:
             from: work
             do:
               - set_event: first
               - print: \"{item}\"",
    )
    .numbers("in.txt", 4)
    .run()
    .exits(0)
    .prints("0\n1\n2\n3\n");
}

#[test]
fn an_attempt_that_fails_among_guards_begins_again_at_the_outermost_of_them() {
    case(
        "
         locks: [a, b]
         values: {before: int, outer: int, inner: int}
         stages:
           one: {do: [read: one.txt]}
           work:
             from: one
             retry: {times: 3, wait: 1ms}
             do:
               - add: {before: 1}
               - with: a
                 do:
                   - add: {outer: 1}
                   - with: b
                     do:
                       - add: {inner: 1}
                       - each: \"[1, 2, 3]\"
                       - map: 'item / (item == 2 && values.inner < 3 ? 0 : 1)'
               - print: \"{item}\"",
        "work",
        "{values.before} {values.outer} {values.inner}",
    )
    .run()
    .exits(0)
    .prints("1\n2\n3\n1 3 3\n");
}

#[test]
fn a_wait_for_guards_may_be_bounded() {
    Case::new(
        "
         locks: [l]
         events: [held, go]
         stages:
           one: {do: [read: one.txt]}
           holder:
             from: one
             do:
               - with: l
                 do:
                   - set_event: held
                   - wait_event: go
               - print: held
           other:
             from: one
             on_error: {to: dead}
             do:
               - wait_event: held
               - with: l
                 timeout: 20ms
                 do: [print: never]
           late:
             from: dead
             do: [{print: \"{error.kind}\"}, {set_event: go}]
         queues: [dead]",
    )
    .file("one.txt", "1\n")
    .run()
    .exits(0)
    .prints("timeout\nheld\n");
}

#[test]
fn a_sink_among_guards_writes_at_once() {
    // Who reads the file under the lock finds every line that the value says was written.
    Case::new(
        "
         locks: [log]
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 4
             do:
               - with: log
                 do:
                   - write: out.txt
                   - print: \"{item}\"",
    )
    .numbers("in.txt", 300)
    .run()
    .exits(0)
    .prints_what_it_leaves("out.txt");
}

#[test]
fn where_if_is_false_no_guard_is_taken() {
    Case::new(
        "
         locks: [l]
         events: [go]
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 2
             do:
               - if: item == '0'
                 with: l
                 wait_event: go
               - if: item == '1'
                 set_event: go
               - print: \"{item}\"",
    )
    .numbers("in.txt", 2)
    .run()
    .exits(0)
    .prints("0\n1\n");
}

#[test]
fn guards_are_given_back_when_an_item_fails() {
    Case::new(
        "
         locks: [l]
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 4
             on_error: drop
             do:
               - with: l
                 do:
                   - map: 10 / (int(item) % 2)
               - print: \"{item}\"",
    )
    .numbers("in.txt", 6)
    .run()
    .exits(0)
    .prints("10\n10\n10\n");
}

#[test]
fn workers_that_wait_for_each_other_end_the_run() {
    Case::new(
        "
         locks: [a, b]
         barriers: {both: 2}
         stages:
           read: {do: [read: in.txt]}
           left:
             from: read
             do:
               - with: a
                 do:
                   - wait_barrier: both
                   - with: b
                     print: \"{item}\"
           right:
             from: read
             do:
               - with: b
                 do:
                   - wait_barrier: both
                   - with: a
                     print: \"{item}\"",
    )
    .numbers("in.txt", 3)
    .run()
    .exits(3)
    .prints("")
    .says("deadlock: 2 workers wait for what can never come")
    .says("stage `left`, worker 0, step `print` (line 11), item \"0\"\n    has held the lock `a`")
    .says("waits for the lock `b`, which `right` holds")
    .says("the circle: `left` waits for the lock `b`, which is held by `right`, which waits for the lock `a`, which is held by `left`")
    .says("with: [a, b]");
}

#[test]
fn a_deadlock_among_a_few_is_found_while_the_rest_goes_on() {
    // The stage `live` could wait for its input for ever.
    let mut live = Case::new(
        "
         events: [never, held]
         locks: [l]
         stages:
           live: {do: [{read: stdin}, {print: \"{item}\"}]}
           one: {do: [read: one.txt]}
           holder:
             from: one
             do:
               - with: l
                 do:
                   - set_event: held
                   - wait_event: never
           waiter:
             from: one
             do:
               - wait_event: held
               - with: l
                 print: never
           setter:
             from: waiter
             do:
               - set_event: never",
    )
    .file("one.txt", "1\n")
    .start();
    live.give("alive\n");
    assert_eq!(live.line(), "alive");
    live.end_with_open_input()
        .exits(3)
        .says("waits for the event `never`; only `setter` sets it");
}

#[test]
fn a_lock_that_is_taken_twice_is_refused() {
    Case::new(
        "
         locks: [l]
         stages:
           one: {do: [read: one.txt]}
           work:
             from: one
             do:
               - with: l
                 do:
                   - with: l
                     print: never",
    )
    .file("one.txt", "1\n")
    .run()
    .exits(2)
    .says("error[E0504]: the lock `l` is taken again by who holds it");
}

#[test]
fn a_barrier_to_which_too_few_can_come_is_a_deadlock() {
    Case::new(
        "
         barriers: {meet: 3}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 3
             do:
               - wait_barrier: meet",
    )
    .numbers("in.txt", 5)
    .run()
    .exits(3)
    .says("the barrier `meet`, where 2 of 3 have come");
}
