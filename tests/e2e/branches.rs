use crate::case::Case;

#[test]
fn the_first_condition_that_holds_takes_the_item() {
    Case::new(
        "
         queues: [smalls, evens, others]
         stages:
           read:
             do: [{read: in.txt}, {map: int(item)}]
             to: {others: else, smalls: item < 3, evens: item % 2 == 0}
           small: {from: smalls, do: [write: small.txt]}
           even: {from: evens, do: [write: even.txt]}
           other: {from: others, do: [write: other.txt]}",
    )
    .numbers("in.txt", 7)
    .run()
    .exits(0)
    .leaves("small.txt", "0\n1\n2\n")
    .leaves("even.txt", "4\n6\n")
    .leaves("other.txt", "3\n5\n");
}

#[test]
fn what_no_condition_takes_is_dropped_but_who_reads_from_the_stage_sees_it() {
    Case::new(
        "
         queues: [evens]
         stages:
           read:
             do: [{read: in.txt}, {map: int(item)}]
             to: {evens: item % 2 == 0}
           even: {from: evens, do: [write: even.txt]}
           all: {from: read, do: [write: all.txt]}",
    )
    .numbers("in.txt", 4)
    .run()
    .exits(0)
    .leaves("even.txt", "0\n2\n")
    .leaves("all.txt", "0\n1\n2\n3\n");
}

#[test]
fn a_dead_letter_says_what_happened_to_which_item() {
    Case::new(
        "
         queues: [dead]
         stages:
           read: {do: [read: in.txt]}
           halve:
             from: read
             on_error: {to: dead}
             do: [{name: invert, map: 12 / int(item)}, {write: good.txt}]
           graves:
             from: dead
             do:
               - map: {input: input, stage: stage, step: step, attempts: attempts, kind: error.kind}
               - write: {to: stdout, format: json}",
    )
    .numbers("in.txt", 4)
    .run()
    .exits(0)
    .leaves("good.txt", "12\n6\n4\n")
    .prints("{\"input\":\"0\",\"stage\":\"halve\",\"step\":\"invert\",\"attempts\":1,\"kind\":\"expression\"}\n");
}

#[test]
fn a_step_says_for_itself_what_an_error_does() {
    Case::new(
        "
         queues: [dead]
         stages:
           read: {do: [read: in.txt]}
           both:
             from: read
             do:
               - map: {n: int(item), q: 6 / int(item)}
                 on_error: drop
               - map: {n: n, r: 6 / (n - 1)}
                 on_error: {to: dead}
               - print: '{n} {r}'
           graves: {from: dead, do: [write: dead.json]}",
    )
    .numbers("in.txt", 4)
    .run()
    .exits(0)
    .prints("2 6\n3 3\n");
}

#[test]
fn what_is_put_takes_its_own_way_and_the_item_goes_on() {
    Case::new(
        "
         queues: {words: {of: {n: int, w: string}, max: 1}}
         stages:
           read:
             do:
               - read: in.txt
               - put: {words: '{\"w\": \"w\" + item, \"n\": int(item)}'}
               - write: all.txt
           out: {from: words, do: [write: {to: words.json}]}",
    )
    .numbers("in.txt", 3)
    .run()
    .exits(0)
    .leaves("all.txt", "0\n1\n2\n")
    .leaves(
        "words.json",
        "{\"n\":0,\"w\":\"w0\"}\n{\"n\":1,\"w\":\"w1\"}\n{\"n\":2,\"w\":\"w2\"}\n",
    );
}

#[test]
fn what_two_writers_make_keeps_the_fields_that_each_gave() {
    let done = Case::new(
        "
         queues: [q]
         stages:
           a: {do: [{read: a.txt}, {map: {n: 1, a: item}}], to: q}
           b: {do: [{read: b.txt}, {map: {b: item, n: 2}}], to: q}
           out: {from: q, do: [{filter: n > 0}, {write: {to: stdout, format: json}}]}",
    )
    .file("a.txt", "x\n")
    .file("b.txt", "y\n")
    .run()
    .exits(0);
    done.prints_in_any_order(&["{\"n\":1,\"a\":\"x\"}", "{\"n\":2,\"b\":\"y\"}"]);
}

#[test]
fn a_secret_is_shown_neither_in_an_error_nor_in_a_dead_letters_but_written_as_data() {
    let done = Case::new(
        "
params: {token: {type: string, secret: true, default: s3cr3tvalue}}
queues: [dead]
stages:
  a:
    on_error: {to: dead}
    do:
      - items: [1]
      - map: int(params.token)
      - print: '{}'
  b:
    on_error: drop
    do:
      - items: [1]
      - print: '{params.token}'
      - map: int(params.token)
      - print: '{}'
  letters:
    from: dead
    do:
      - write: {to: dead.jsonl}",
    )
    .run()
    .exits(0)
    .prints("s3cr3tvalue\n")
    .says("***");
    let letters = std::fs::read_to_string(done.path("dead.jsonl")).expect("letters");
    assert!(
        letters.contains("***") && !letters.contains("s3cr3t"),
        "{letters}"
    );
    assert!(!done.stderr.contains("s3cr3t"), "{}", done.stderr);
}
