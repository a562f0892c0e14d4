//! Under `on_error: fail` the items before the one that fails have gone their way to the end of the stage, as if
//! items were taken one by one: how many travel together is not to be seen.

use crate::case::Case;

/// One stage with one worker, of which item `bad` fails; what it has printed then.
fn printed(steps: &str, bad: usize) -> String {
    let pipeline = format!(
        "stages:
           a:
             ordered: true
             do:
{}
               - print: '{{}}'",
        steps.replace("BAD", &bad.to_string())
    );
    // That every item is accounted for, the program itself looks at in debug builds.
    Case::new(&pipeline).run().exits(1).stdout
}

fn lines(items: impl IntoIterator<Item = usize>) -> String {
    items.into_iter().map(|i| format!("{i}\n")).collect()
}

/// Where the item that fails may stand: alone, at the seams of batches, far in.
const PLACES: [usize; 6] = [0, 1, 7, 255, 256, 700];

#[test]
fn items_before_the_one_that_fails_are_printed() {
    for bad in PLACES {
        let steps = "               - range: 1000
               - map: 'item / (item == BAD ? 0 : 1)'";
        assert_eq!(printed(steps, bad), lines(0..bad), "{bad}");
    }
}

#[test]
fn so_they_are_when_others_were_filtered_out_before() {
    for bad in PLACES {
        let steps = "               - range: 1000
               - filter: item % 3 == 0 || item == BAD
               - map: 'item / (item == BAD ? 0 : 1)'
               - filter: item % 2 == 0";
        assert_eq!(
            printed(steps, bad),
            lines((0..bad).filter(|i| i % 6 == 0)),
            "{bad}"
        );
    }
}

#[test]
fn of_two_that_fail_at_different_steps_the_earlier_item_ends_the_run() {
    let steps = "               - range: 1000
               - map: 'item / (item == 90 ? 0 : 1)'
               - map: 'item / (item == BAD ? 0 : 1)'";
    assert_eq!(printed(steps, 40), lines(0..40));
    assert_eq!(printed(steps, 95), lines(0..90));
}

#[test]
fn items_that_pass_a_block_untouched_keep_to_it_too() {
    for bad in PLACES {
        let steps = "               - range: 1000
               - if: item % 2 == BAD % 2
                 do:
                   - map: 'item / (item == BAD ? 0 : 1)'
                   - if: item % 4 == 0
                     map: item + 0";
        assert_eq!(printed(steps, bad), lines(0..bad), "{bad}");
    }
}

#[test]
fn so_do_records_with_a_step_into_a_field() {
    for bad in PLACES {
        let steps = "               - range: 1000
               - map: '{\"n\": item}'
               - map: '100 / (item == BAD ? 0 : 1)'
                 in: n
                 into: m
               - map: n";
        assert_eq!(printed(steps, bad), lines(0..bad), "{bad}");
    }
}

#[test]
fn behind_a_step_that_sees_all_items_too() {
    for bad in PLACES {
        let steps = "               - range: 2000
               - map: item / 2
               - unique: 'item / (item == BAD ? 0 : 1)'
               - filter: item >= 0";
        assert_eq!(printed(steps, bad), lines(0..bad), "{bad}");
    }
}

#[test]
fn in_a_block_that_holds_a_lock_too() {
    for bad in [0, 1, 7, 300] {
        let done = Case::new(&format!(
            "locks: [l]
values: {{sum: int}}
stages:
  a:
    ordered: true
    do:
      - range: 1000
      - with: l
        do:
          - add: {{sum: 1}}
          - map: 'item / (item == {bad} ? 0 : 1)'
      - print: '{{}}'"
        ))
        .run()
        .exits(1);
        assert_eq!(done.stdout, lines(0..bad), "{bad}");
    }
}

#[test]
fn so_is_what_was_read_before_a_line_that_cannot_be_read() {
    for bad in PLACES {
        let mut text: Vec<u8> = lines(0..bad).into_bytes();
        text.extend(b"\xff\n");
        text.extend(lines(bad + 1..1000).into_bytes());
        let done = Case::new("stages: {a: {do: [{read: in.txt}, {print: '{}'}]}}")
            .file("in.txt", text)
            .run()
            .exits(1)
            .says("not UTF-8");
        assert_eq!(done.stdout, lines(0..bad), "{bad}");
    }
}

#[test]
fn what_is_routed_before_the_one_that_cannot_be_has_been_written() {
    for bad in PLACES {
        let done = Case::new(&format!(
            "queues: [even, odd]
stages:
  a:
    ordered: true
    to: {{even: 'item / (item == {bad} ? 0 : 1) % 2 == 0', odd: else}}
    do:
      - range: 1000
      - write: {{to: all.txt}}
  e: {{from: even, do: [{{write: even.txt}}]}}
  o: {{from: odd, do: [{{write: odd.txt}}]}}"
        ))
        .run()
        .exits(1);
        let all = std::fs::read_to_string(done.path("all.txt.partial")).unwrap_or_default();
        assert!(all.starts_with(&lines(0..=bad)), "{bad}");
        for name in ["even.txt.partial", "odd.txt.partial"] {
            let part = std::fs::read_to_string(done.path(name)).unwrap_or_default();
            let before = |l: &str| l.parse::<usize>().is_ok_and(|n| n < bad);
            assert!(part.lines().all(before), "{bad}: {part}");
        }
    }
}

#[test]
fn an_item_that_never_began_is_no_failed_item() {
    Case::new(
        "stages:
           a:
             do:
               - range: 1000
               - map: 'item / (item >= 10 ? 0 : 1)'
               - print: '{}'",
    )
    .run()
    .exits(1)
    .prints(&lines(0..10))
    .says("10");
}
