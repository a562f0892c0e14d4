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
