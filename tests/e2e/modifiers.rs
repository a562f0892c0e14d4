use crate::case::Case;

/// Items `{n}` from 0, through steps, to standard output.
fn numbers(count: usize, steps: &str) -> Case {
    let pipeline = format!(
        "stages:\n  all:\n    do:\n      - read: in.txt\n      - map: {{n: int(item)}}\n{steps}      - write: {{to: stdout, format: json}}\n"
    );
    Case::new(&pipeline).numbers("in.txt", count)
}

#[test]
fn where_if_is_false_the_item_passes_untouched() {
    numbers(3, "      - assign: {big: true}\n        if: n > 1\n")
        .run()
        .exits(0)
        .prints("{\"n\":0}\n{\"n\":1}\n{\"n\":2,\"big\":true}\n");
}

#[test]
fn if_around_a_sink_writes_only_some() {
    numbers(4, "      - write: some.txt\n        if: n % 2 == 1\n")
        .run()
        .exits(0)
        .leaves("some.txt", "{\"n\":1}\n{\"n\":3}\n")
        .prints("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
}

#[test]
fn if_around_a_block_holds_for_all_of_it() {
    numbers(
        3,
        "      - if: n != 1\n        do:\n          - assign: {n: n + 10}\n          - filter: n > 10\n",
    )
    .run()
    .exits(0)
    .prints("{\"n\":1}\n{\"n\":12}\n");
}

#[test]
fn in_and_into_work_on_a_part_and_keep_the_rest() {
    numbers(
        2,
        "      - in: string(n + 5)\n        into: word\n        map: item + '!'\n",
    )
    .run()
    .exits(0)
    .prints("{\"n\":0,\"word\":\"5!\"}\n{\"n\":1,\"word\":\"6!\"}\n");
}

#[test]
fn a_source_with_into_starts_a_record() {
    Case::new(
        "stages: {a: {do: [{read: in.txt, into: line}, {write: {to: stdout, format: json}}]}}",
    )
    .file("in.txt", "x\ny\n")
    .run()
    .exits(0)
    .prints("{\"line\":\"x\"}\n{\"line\":\"y\"}\n");
}

#[test]
fn as_checks_what_a_step_makes_and_reads_scalars_from_text() {
    Case::new(
        "
         types: {Hit: {n: int, at: 'timestamp?'}}
         stages:
           a:
             on_error: drop
             do:
               - read: in.txt
               - parse: json
                 as: Hit
               - filter: n > 1
               - write: {to: stdout, format: json}",
    )
    .file("in.txt", "{\"n\": 2}\n{\"n\": \"x\"}\n{\"n\": 3, \"at\": \"2000-01-02T03:04:05Z\"}\n{\"n\": 4, \"m\": 1}\n")
    .run()
    .exits(0)
    .prints("{\"n\":2,\"at\":null}\n{\"n\":3,\"at\":\"2000-01-02T03:04:05Z\"}\n");
}

/// All workers may wait for their turn behind an item that waits aside: when its time comes, one of them must be
/// free for it.
#[test]
fn an_item_that_waits_for_its_next_attempt_holds_up_an_ordered_pool_but_not_for_ever() {
    let wanted: String = (1..200).map(|n| format!("{n}\n")).collect();
    Case::new(
        "stages:
           a:
             threads: 3
             ordered: {window: 2}
             do:
               - range: 200
               - map: item + 0 / item
                 retry: {times: 2, wait: 10ms}
                 on_error: drop
               - print: '{}'",
    )
    .run()
    .exits(0)
    .prints(&wanted);
}

#[test]
fn each_of_what_an_item_became_has_all_its_attempts_and_keeps_its_place() {
    let done = Case::new(
        "
queues: [dead]
stages:
  a:
    do:
      - items: [[1, 2, 3, 4, 5], [6, 7]]
      - each: item
      - map: item + 0 / (item % 2)
        retry: {times: 2, wait: 1ms}
        on_error: {to: dead}
      - print: '{}'
  letters:
    from: dead
    do:
      - print: '{json(input)} {attempts}'",
    )
    .run()
    .exits(0);
    // Letters are written as they come.
    let (mut letters, items): (Vec<&str>, Vec<&str>) =
        done.stdout.lines().partition(|l| l.starts_with('['));
    letters.sort_unstable();
    assert_eq!(items, ["1", "3", "5", "7"]);
    assert_eq!(letters, ["[1,2,3,4,5] 3", "[1,2,3,4,5] 3", "[6,7] 3"]);
}
