use crate::case::{Case, gzip};

const NUMBERS: &str = "stages:
  read: {do: [read: in.txt]}
  work:
    from: read
    do:
      - parse: {regex: '(?P<n>[0-9]+)'}
      - write: {to: out.jsonl, format: json}
";

#[test]
fn all_done_is_0() {
    Case::new(NUMBERS)
        .file("in.txt", "1\n2\n")
        .run()
        .exits(0)
        .leaves("out.jsonl", "{\"n\":\"1\"}\n{\"n\":\"2\"}\n");
}

#[test]
fn an_item_error_ends_the_run_with_1_and_names_stage_step_item_and_cause() {
    Case::new(NUMBERS)
        .file("in.txt", "1\nnot a number\n3\n")
        .run()
        .exits(1)
        .says("work")
        .says("parse")
        .says("not a number")
        .leaves_no("out.jsonl");
}

#[test]
fn an_unfinished_file_keeps_its_unfinished_name() {
    let mut live = Case::new(
        "
        stages:
          read: {do: [read: stdin]}
          keep: {from: read, do: [{write: out.txt}, {print: '{item}'}, {filter: \"1 / (item == 'bad' ? 0 : 1) > 0\"}]}",
    )
    .file("out.txt", "what was there before\n")
    .start();
    live.give("good\n");
    assert_eq!(live.line(), "good");
    live.give("bad\n");
    let done = live
        .end()
        .exits(1)
        .leaves("out.txt", "what was there before\n");
    let text = std::fs::read_to_string(done.path("out.txt.partial")).expect("an unfinished file");
    assert!(text.starts_with("good\n"), "{text:?}");
}

#[test]
fn dropped_items_are_counted_and_the_first_few_shown() {
    let done = Case::new(
        "stages:
           work:
             on_error: drop
             do:
               - read: in.txt
               - parse: {regex: '(?P<n>[0-9]+)'}
               - write: {to: stdout, format: json}",
    )
    .file("in.txt", format!("1\n{}2\n", "wrong\n".repeat(40)))
    .arg("--progress")
    .arg("plain")
    .run()
    .exits(0)
    .prints("{\"n\":\"1\"}\n{\"n\":\"2\"}\n");
    let work = |column| done.account("work", column);
    assert_eq!(
        (work("taken"), work("passed"), work("dropped")),
        (42, 2, 40),
        "{}",
        done.stderr
    );
    let shown = done.stderr.matches("wrong").count();
    assert!(
        (1..=10).contains(&shown),
        "{shown} of them shown:\n{}",
        done.stderr
    );
}

#[test]
fn a_wrong_file_is_2_and_nothing_is_started() {
    Case::new(
        "stages:
           read: {do: [{read: in.txt}, {write: out.txt}]}
           wrok: {from: raed, do: [{fliter: item > 3}]}",
    )
    .file("in.txt", "1\n")
    .run()
    .exits(2)
    .prints("")
    .says("did you mean `read`")
    .says("did you mean `filter`")
    .leaves_no("out.txt")
    .leaves_no("out.txt.partial");
}

#[test]
fn a_pipeline_that_is_not_there_is_2() {
    let (code, _, stderr) = crate::case::millstream(&["run", "/no/such/pipeline.yaml"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("/no/such/pipeline.yaml"), "{stderr}");
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in [
        &["run"][..],
        &["rum", "x.yaml"],
        &["run", "x.yaml", "--no-such-option"],
        &[],
    ] {
        let (code, _, stderr) = crate::case::millstream(args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
    }
}

#[test]
fn a_missing_input_is_74() {
    Case::new(NUMBERS)
        .run()
        .exits(74)
        .says("in.txt")
        .leaves_no("out.jsonl");
}

#[test]
fn a_cut_off_archive_is_74() {
    let whole = gzip(&"1234567 and so on\n".repeat(10_000));
    Case::new(
        "stages:
           read: {do: [read: in.txt.gz]}
           out: {from: read, do: [{write: out.txt}]}",
    )
    .file("in.txt.gz", &whole[..whole.len() - 20])
    .run()
    .exits(74)
    .says("in.txt.gz")
    .leaves_no("out.txt");
}

#[test]
fn a_full_disk_is_74() {
    Case::new("stages: {all: {do: [{range: 100000}, {write: {to: /dev/full, append: true}}]}}")
        .run()
        .exits(74)
        .says("/dev/full");
}

#[test]
fn an_output_that_cannot_be_made_is_74() {
    // A file in the place of a folder stops root too.
    Case::new("stages: {all: {do: [{range: 3}, {write: folder/out.txt}]}}")
        .file("folder", "")
        .run()
        .exits(74)
        .says("folder");
}

#[test]
fn bytes_that_are_no_text_are_an_item_error() {
    Case::new("stages: {all: {on_error: drop, do: [{read: in.txt}, {write: stdout}]}}")
        .file("in.txt", b"good\n\xff\xfe\nfine\n")
        .run()
        .exits(0)
        .prints("good\nfine\n");
}

#[test]
fn a_line_that_is_too_long_is_an_item_error() {
    let line = "x".repeat(2 << 20);
    Case::new("stages: {all: {on_error: drop, do: [{read: in.txt}, {write: stdout}]}}")
        .file("in.txt", format!("good\n{line}\nfine\n"))
        .run()
        .exits(0)
        .prints("good\nfine\n");
}
