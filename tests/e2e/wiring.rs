use crate::case::{Case, gunzip, gzip};

#[test]
fn an_item_goes_from_stage_to_stage() {
    Case::new(
        "stages:
           read: {do: [read: in.txt]}
           out: {from: read, do: [write: out.txt]}",
    )
    .file("in.txt", "one\ntwo\nthree\n")
    .run()
    .exits(0)
    .prints("")
    .leaves("out.txt", "one\ntwo\nthree\n")
    .leaves_no("out.txt.partial");
}

#[test]
fn every_stage_that_reads_from_a_stage_sees_every_item() {
    Case::new(
        "stages:
           read: {do: [read: in.txt]}
           left: {from: read, do: [write: left.txt]}
           right: {from: read, do: [{filter: item != 'two'}, {write: right.txt}]}
           count: {from: read, do: [{group: {n: count()}}, {write: {to: stdout, format: json}}]}",
    )
    .file("in.txt", "one\ntwo\nthree\n")
    .run()
    .exits(0)
    .prints("{\"n\":3}\n")
    .leaves("left.txt", "one\ntwo\nthree\n")
    .leaves("right.txt", "one\nthree\n");
}

#[test]
fn a_stage_takes_from_all_that_it_names() {
    Case::new(
        "stages:
           a: {do: [read: a.txt]}
           b: {do: [read: b.txt]}
           out: {from: [a, b], do: [{write: stdout}]}",
    )
    .file("a.txt", "a1\na2\n")
    .file("b.txt", "b1\nb2\nb3\n")
    .run()
    .exits(0)
    .prints_in_any_order(&["a1", "a2", "b1", "b2", "b3"]);
}

#[test]
fn stages_that_read_from_one_queue_share_its_items() {
    let done = Case::new(
        "
         queues: {work: {of: string, max: 4}}
         stages:
           read: {do: [read: in.txt], to: work}
           a: {from: work, do: [{write: a.txt}]}
           b: {from: work, do: [{write: b.txt}]}",
    )
    .numbers("in.txt", 1000)
    .run()
    .exits(0);
    let both =
        ["a.txt", "b.txt"].map(|name| std::fs::read_to_string(done.path(name)).expect("a file"));
    let mut all: Vec<u32> = both
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| line.parse().expect("a number"))
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_queue_takes_from_many_writers() {
    Case::new(
        "
         queues: {work: int}
         stages:
           a: {do: [{range: 100}], to: work}
           b: {do: [{range: {from: 100, to: 250}}], to: work}
           sum: {from: work, do: [{group: {n: count(), sum: sum(item)}}, {write: {to: stdout, format: json}}]}",
    )
    .run()
    .exits(0)
    .prints("{\"n\":250,\"sum\":31125}\n");
}

#[test]
fn a_named_pipe_connects_two_stages() {
    Case::new(
        "
         pipes: {lines: {of: string, max: 2}}
         stages:
           read: {do: [read: in.txt], to: lines}
           out: {from: lines, do: [{write: stdout}]}",
    )
    .file("in.txt", "x\ny\nz\n")
    .run()
    .exits(0)
    .prints("x\ny\nz\n");
}

#[test]
fn compressed_files_are_read_and_written_by_their_names() {
    let mut two = gzip("one\ntwo\n");
    two.extend(gzip("three\n"));
    let done = Case::new(
        "stages:
           read: {do: [read: in.txt.gz]}
           out: {from: read, do: [{write: out.txt.gz}]}",
    )
    .file("in.txt.gz", two)
    .run()
    .exits(0);
    assert_eq!(gunzip(&done.path("out.txt.gz")), "one\ntwo\nthree\n");
}

#[test]
fn a_last_line_without_its_end_is_a_line() {
    Case::new("stages: {all: {do: [{read: in.txt}, {write: stdout}]}}")
        .file("in.txt", "one\ntwo")
        .run()
        .exits(0)
        .prints("one\ntwo\n");
}

#[test]
fn an_empty_input_makes_an_empty_output() {
    Case::new("stages: {all: {do: [{read: in.txt}, {write: out.txt}]}}")
        .file("in.txt", "")
        .run()
        .exits(0)
        .leaves("out.txt", "");
}

#[test]
fn standard_input_is_a_source() {
    Case::new("stages: {all: {do: [{read: stdin}, {write: stdout}]}}")
        .stdin("from\nafar\n")
        .run()
        .exits(0)
        .prints("from\nafar\n");
}

#[test]
fn a_stage_that_has_enough_ends_its_endless_source() {
    Case::new(
        "stages:
           many: {do: [{range: 9000000000000}]}
           some: {from: many, do: [{take: 3}, {print: 'item {item}'}]}",
    )
    .run()
    .exits(0)
    .prints("item 0\nitem 1\nitem 2\n");
}

#[test]
fn a_parameter_is_set_at_the_command_line() {
    let pipeline = "
                    params: {n: {type: int, default: 2}}
                    stages: {all: {do: [{range: '${n}'}, {print: '{item} of {params.n}'}]}}";
    Case::new(pipeline)
        .run()
        .exits(0)
        .prints("0 of 2\n1 of 2\n");
    Case::new(pipeline)
        .set("n", "1")
        .run()
        .exits(0)
        .prints("0 of 1\n");
    Case::new(pipeline)
        .set("n", "many")
        .run()
        .exits(2)
        .says("many");
    Case::new(pipeline)
        .set("m", "1")
        .run()
        .exits(2)
        .says("did you mean `n`");
}

#[test]
fn groups_come_sorted_by_key_and_ties_in_the_top_in_that_order() {
    Case::new(
        "stages:
           all:
             do:
               - read: in.txt
               - parse: {regex: '(?P<name>[a-z]+) (?P<n>[0-9]+)'}
               - group: {by: name, hits: count()}
               - top: {n: 3, by: hits}
               - write: {to: stdout, format: csv}",
    )
    .file("in.txt", "b 1\na 1\nc 1\nb 2\na 2\nd 1\ne 4\ne 5\ne 6\n")
    .run()
    .exits(0)
    .prints("name,hits\ne,3\na,2\nb,2\n");
}
