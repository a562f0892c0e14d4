use crate::case::Case;

#[test]
fn sets_are_taken_in_the_order_of_their_declaration_however_they_are_written() {
    Case::new(
        "
         locks: [a, b, c]
         stages:
           read: {do: [read: in.txt]}
           forwards:
             from: read
             threads: 4
             do:
               - with: [a, b, c]
                 do: [{map: item}]
               - group: {n: count()}
               - print: \"{n}\"
           backwards:
             from: read
             threads: 4
             do:
               - with: [c, b, a]
                 do: [{map: item}]
               - group: {n: count()}
               - print: \"{n}\"",
    )
    .numbers("in.txt", 2000)
    .run()
    .exits(0)
    .prints("2000\n2000\n");
}

#[test]
fn while_it_waits_under_a_condition_the_whole_set_is_given_back() {
    Case::new(
        "
         locks: [a, z]
         conditions: [m]
         values: {n: int}
         stages:
           wait:
             do:
               - items: [1]
               - with: [z, m, a]
                 until: values.n == 3
                 print: \"waited until {values.n}\"
           change:
             do:
               - range: 3
               - with: [a, z]
                 add: {n: 1}",
    )
    .run()
    .exits(0)
    .prints("waited until 3\n");
}

#[test]
fn who_waits_under_a_condition_looks_again_after_a_store_and_a_notification() {
    Case::new(
        "
         conditions: [changed, filled]
         queues: {q: {of: int, max: 10}}
         values: {open: bool, name: string}
         arrays: {marks: {of: double, length: 2}}
         stages:
           stored:
             do:
               - items: [1]
               - with: changed
                 until: values.open && values.name == 'x' && arrays.marks[1] > 0.5
                 print: \"{values.name} {arrays.marks}\"
           store:
             do:
               - items: [1]
               - store: {\"marks[1]\": 0.75}
               - store: {name: \"'x'\"}
               - store: {open: \"true\"}
           notified:
             from: q
             do:
               - if: item == 0
                 with: filled
                 until: queues.q.size >= 2
                 print: \"filled\"
           fill:
             do:
               - range: 3
               - put: {q: item}
               - notify_all: filled",
    )
    .run()
    .exits(0)
    .prints_in_any_order(&["x [0.0,0.75]", "filled"]);
}

#[test]
fn an_event_may_be_cleared_and_set_again_and_may_be_set_at_first() {
    Case::new(
        "
         events: {go: {initial: set}, again: {}}
         stages:
           pass:
             to: next
             do:
               - items: [first]
               - wait_event: go
               - print: \"{}\"
               - clear_event: go
               - set_event: again
           wait:
             from: next
             do:
               - wait_event: again
               - wait_event: go
               - print: second
           open:
             do:
               - items: [1]
               - wait_event: again
               - print: opens
               - set_event: go
         queues: {next: string}",
    )
    .run()
    .exits(0)
    .prints("first\nopens\nsecond\n");
}

#[test]
fn no_guard_is_held_while_an_item_waits_for_its_next_attempt() {
    Case::new(
        "
         locks: [l]
         events: [failed]
         values: {tries: int}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             threads: 2
             ordered: false
             retry: {times: 1, wait: 200ms}
             do:
               - if: item == '1'
                 wait_event: failed
               - with: l
                 do:
                   - if: item == '0'
                     do:
                       - add: {tries: 1}
                       - set_event: failed
                       - map: 'values.tries < 2 ? string(1 / (values.tries - values.tries)) : item'
                   - print: \"{item}\"",
    )
    .numbers("in.txt", 2)
    .run()
    .exits(0)
    .prints("1\n0\n");
}

#[test]
fn no_guard_is_held_while_results_wait_for_room() {
    Case::new(
        "
         locks: [l]
         events: [full, go]
         queues: {q: {of: string, max: 1}}
         stages:
           read: {do: [read: in.txt]}
           work:
             from: read
             to: q
             do:
               - with: l
                 do:
                   - if: item == '2'
                     set_event: full
           late:
             from: q
             do:
               - wait_event: go
               - print: \"{item}\"
           opener:
             do:
               - items: [1]
               - wait_event: full
               - with: l
                 set_event: go",
    )
    .numbers("in.txt", 5)
    .run()
    .exits(0)
    .prints("0\n1\n2\n3\n4\n");
}

#[test]
fn what_was_waited_for_at_the_end_is_shown_with_the_values() {
    let done = Case::new(
        "
         values: {total: int, ratio: {of: double, initial: 1.5}, token: {of: string, secret: true, initial: hush}}
         arrays: {ends: {of: int, length: 3}}
         stages:
           count:
             do:
               - range: 4
               - add: {total: item, \"ends[item % 3]\": 1}
               - store: {token: \"'s3cr3t'\"}",
    )
    .arg("--progress")
    .arg("plain")
    .run()
    .exits(0);
    for words in ["total", "6", "[2,1,1]", "1.5", "***"] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    assert!(!done.stderr.contains("s3cr3t"), "{}", done.stderr);
}

#[test]
fn the_hints_of_a_deadlock_fit_what_is_stuck() {
    // An event whose only setter has ended.
    Case::new(
        "
         events: {go: {}}
         values: {n: int}
         stages:
           wait:
             do: [{items: [1]}, {wait_event: go}, {print: never}]
           set:
             do:
               - items: [1]
               - if: values.n > 0
                 set_event: go",
    )
    .run()
    .exits(3)
    .says("hint: nobody who still runs sets the event `go`");
    // A barrier to which too few items come.
    Case::new(
        "
         barriers: {meet: 2}
         stages:
           read: {do: [read: in.txt]}
           work: {from: read, threads: 2, do: [wait_barrier: meet]}",
    )
    .numbers("in.txt", 3)
    .run()
    .exits(3)
    .says("hint: fewer workers come to the barrier `meet` than it takes");
    // A queue that is filled under the lock of its reader.
    Case::new(
        "
         locks: [l]
         queues: {q: {of: string, max: 1}}
         stages:
           read: {do: [read: in.txt]}
           fill: {from: read, do: [{with: l, do: [{put: {q: item}}, {put: {q: item}}, {put: {q: item}}]}]}
           store: {from: q, do: [{with: l, print: \"{}\"}]}",
    )
    .numbers("in.txt", 100)
    .run()
    .exits(3)
    .says("warning[W0505]")
    .says("hint: put into the queue `q` outside of the block that holds the guard");
}

#[test]
fn workers_can_meet_in_a_block_that_also_prints() {
    Case::new(
        "
         barriers: {b: 2}
         events: [seen]
         stages:
           work:
             threads: 2
             do:
               - range: 4
               - if: item >= 0
                 do:
                   - wait_barrier: b
                   - print: \"{item}\"
           see:
             threads: 2
             do:
               - range: 2
               - if: item == 0
                 do: [{wait_event: seen}, {print: \"zero\"}]
               - if: item == 1
                 set_event: seen",
    )
    .run()
    .exits(0)
    .prints_in_any_order(&["0", "1", "2", "3", "zero"]);
}

#[test]
fn what_a_panic_held_is_given_back() {
    let three = serde_json::json!(3);
    let report = millstream::Pipeline::from_text(
        "
locks: [l]
stages:
  work:
    threads: 2
    on_error: drop
    do:
      - range: 10
      - with: l
        do:
          - call: not_three
            as: int
  last:
    from: work
    do:
      - with: l
        do: [{map: item}]
",
    )
    .function("not_three", move |item| {
        assert_ne!(item, three, "a panic on purpose");
        Ok(item)
    })
    .run()
    .expect("the lock goes on to the others");
    let account = &report.stages[0].account;
    let dropped = account.of(millstream::steps::Outcome::Dropped);
    assert_eq!((account.taken, dropped), (10, 1));
}
