use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::case::Case;

/// Everything is put before anything is taken.
fn through_the_disk(order: &str, n: u64, shown: &str) -> String {
    let yaml = format!(
        "queues: {{deep: {{of: {{n: int, text: string}}, {order}, max: 10, full: spill}}}}
stages:
  put: {{to: deep, do: [{{range: {n}}}, {{map: '{{\"n\": item, \"text\": \"number \" + string(item)}}'}}]}}
  take: {{from: deep, after: put, do: [{{filter: '{shown}'}}, {{print: '{{n}} {{text}}'}}]}}
"
    );
    Case::new(&yaml).run().exits(0).and_is_quiet().stdout
}

#[test]
fn a_queue_that_spills_keeps_its_order() {
    let lines =
        |all: &[u64]| -> String { all.iter().map(|n| format!("{n} number {n}\n")).collect() };
    assert_eq!(
        through_the_disk("order: fifo", 60_000, "n % 20000 < 2"),
        lines(&[0, 1, 20_000, 20_001, 40_000, 40_001])
    );
    assert_eq!(
        through_the_disk("order: lifo", 60_000, "n % 20000 < 2"),
        lines(&[40_001, 40_000, 20_001, 20_000, 1, 0])
    );
    // Each number but 0 comes twice, the higher half first; equal ones in the order in which they came.
    assert_eq!(
        through_the_disk(
            "order: priority, by: 'math.abs(n - 60000)'",
            120_000,
            "n % 30000 == 0"
        ),
        lines(&[60_000, 30_000, 90_000, 0])
    );
}

#[test]
fn a_disk_that_cannot_be_written_ends_the_run_with_74() {
    Case::new(
        "queues: {deep: {of: int, max: 10, full: spill}}
stages:
  put: {to: deep, do: [{range: 1000000}]}
  take: {from: deep, after: put, do: [{print: '{item}'}]}
",
    )
    .env("TMPDIR", "/no such folder")
    .run()
    .exits(74)
    .says("the temporary file of the queue `deep`: No such file or directory")
    .says("/no such folder");
}

#[test]
fn several_loops_end_each_for_itself() {
    // The first loop counts down; what it drops out goes round the second one, twice.
    Case::new(
        "
        queues:
          down: {of: int, feedback: true}
          round: {of: {n: int, times: int}, order: lifo, feedback: true}
          out: {of: {n: int, times: int}}
        stages:
          start: {to: down, do: [{range: {from: 1, to: 5}}]}
          count: {from: down, to: {round1: item == 0, down2: else}, do: [{map: item - 1}]}
          again: {from: down2, to: down, do: [{filter: true}]}
          into: {from: round1, to: round, do: [{map: '{\"n\": item, \"times\": 0}'}]}
          turn: {from: round, threads: 3, to: {out: times == 2, more: else}, do: [{filter: true}]}
          more2: {from: more, to: round, do: [{assign: {times: times + 1}}]}
          show: {from: out, do: [{group: {n: count()}}, {print: '{n}'}]}
        pipes: {round1: int, down2: int, more: {of: {n: int, times: int}}}
        ",
    )
    .run()
    .exits(0)
    .prints("4\n");
}

#[test]
fn a_batch_in_a_loop_gives_out_what_it_has_when_nothing_else_is_unfinished() {
    // 7 items in lists of 4: 4, then the other 3 though no fourth can come; each list goes round as one item.
    Case::new(
        "
        queues:
          todo: {of: int, feedback: true}
          done: int
        stages:
          start: {to: todo, do: [{range: {from: 1, to: 8}}]}
          gather:
            from: todo
            to: {done: item >= 100, todo: else}
            do:
              - batch: 4
              - print: '{item}'
              - map: 100 + size(item)
          end: {from: done, do: [{group: {n: count(), of: sum(item)}}, {print: '{n} {of}'}]}
        ",
    )
    .run()
    .exits(0)
    .prints("[1,2,3,4]\n[5,6,7]\n2 207\n");
}

#[test]
fn retries_and_dead_letters_in_a_loop_are_unfinished_until_they_are_done() {
    // Every item fails twice and comes back as a dead letter, into the loop itself.
    let dead = "{input: any, stage: string, step: string, attempts: int, at: timestamp, \
                error: {kind: string, code: any, message: string, output: 'string?'}}";
    let yaml = format!(
        "
queues:
  todo: {{of: int, feedback: true}}
  dead: {{of: {dead}, feedback: true}}
  done: int
stages:
  start: {{to: todo, do: [{{range: 40}}]}}
  work:
    from: todo
    threads: 3
    to: done
    retry: {{times: 1, wait: 1ms}}
    on_error: {{to: dead}}
    do: [{{map: '100 / (item % 2)'}}]
  mend: {{from: dead, to: todo, do: [{{map: 'int(input) + 1', as: int}}]}}
  show: {{from: done, do: [{{group: {{n: count(), sum: sum(item)}}}}, {{print: '{{n}} {{sum}}'}}]}}
"
    );
    Case::new(&yaml).run().exits(0).prints("40 4000\n");
}

#[test]
fn tasks_sleeps_and_batches_in_one_loop_end_together() {
    Case::new(
        "
        queues:
          todo: {of: {n: int, d: int}, feedback: true, max: 5}
          seen: {of: {n: int, d: int}}
          again: {of: {n: int, d: int}}
          out: {of: {n: int, d: int}}
        stages:
          start: {to: todo, do: [{range: 200}, {map: {n: item, d: 0}}]}
          work: {from: todo, tasks: 50, to: seen, do: [{sleep: 1ms}]}
          split: {from: seen, to: [again, out], do: [{filter: true}]}
          more:
            from: again
            threads: 2
            to: todo
            do: [{filter: d < 3}, {batch: 7}, {each: item}, {map: {n: n, d: d + 1}}]
          count: {from: out, do: [{group: {n: count(), d: max(d)}}, {print: '{n} {d}'}]}
        ",
    )
    .run()
    .exits(0)
    .prints("800 3\n");
}

#[test]
fn a_stop_ends_an_endless_loop_and_says_what_was_left() {
    let mut live = Case::new(
        "
        queues: {again: {of: int, feedback: true}}
        stages:
          start: {to: again, do: [{range: 3}]}
          turn: {from: again, to: again, do: [{print: 'turn {item}'}, {map: item + 3}]}
        ",
    )
    .arg("--progress")
    .arg("plain")
    .start();
    for _ in 0..9 {
        assert!(live.line().starts_with("turn "));
    }
    live.signal(Signal::SIGINT);
    live.end()
        .exits(130)
        .says("queue `again` keeps 3 items unfinished: the run was stopped");
}

/// A loop: items `{n, d}`; each becomes `kids(n)` others until it is `deep`.
#[derive(Clone, Debug)]
struct Loop {
    roots: u64,
    deep: u64,
    kids: u64,
    queue: String,
    threads: u64,
    through: bool,
    batch: u64,
}

fn random_loop() -> impl Strategy<Value = Loop> {
    let queue = prop_oneof![
        Just(String::new()),
        Just("order: lifo, ".to_owned()),
        Just("order: priority, by: 0 - d, ".to_owned()),
        Just("order: priority, by: d, ".to_owned()),
    ];
    (
        1u64..20,
        0u64..6,
        1u64..4,
        queue,
        1u64..4,
        any::<bool>(),
        0u64..4,
    )
        .prop_map(|(roots, deep, kids, queue, threads, through, batch)| Loop {
            roots,
            deep,
            kids,
            queue,
            threads,
            through,
            batch,
        })
}

impl Loop {
    /// Each item that ever is, and how often.
    fn model(&self) -> BTreeMap<u64, u64> {
        let mut seen = BTreeMap::new();
        let mut todo: Vec<(u64, u64)> = (0..self.roots).map(|n| (n, 0)).collect();
        while let Some((n, d)) = todo.pop() {
            *seen.entry(n).or_default() += 1;
            if d < self.deep {
                todo.extend((0..self.kids).map(|k| ((n * 3 + k) % 997, d + 1)));
            }
        }
        seen
    }

    fn yaml(&self) -> String {
        let kids: Vec<String> = (0..self.kids)
            .map(|k| format!("{{\"n\": (n * 3 + {k}) % 997, \"d\": d + 1}}"))
            .collect();
        let kids = format!("[{}]", kids.join(", "));
        let gather = match self.batch {
            0 => String::new(),
            n => format!("{{batch: {n}}}, {{each: item}}, "),
        };
        let make = format!("{{filter: d < {}}}, {gather}{{each: '{kids}'}}", self.deep);
        let item = "{n: int, d: int}";
        let stages = if self.through {
            format!(
                "  look: {{from: todo, threads: {t}, to: [seen, look2], do: [{{filter: true}}]}}
  make: {{from: look2, threads: {t}, to: todo, do: [{make}]}}\n",
                t = self.threads
            )
        } else {
            format!(
                "  look: {{from: todo, threads: {}, to: todo, do: [{{put: {{seen: item}}}}, {make}]}}\n",
                self.threads
            )
        };
        format!(
            "queues:
  todo: {{of: {item}, {}max: 3, feedback: true}}
  seen: {{of: {item}}}
  {}
stages:
  start: {{to: todo, do: [{{range: {}}}, {{map: '{{\"n\": item, \"d\": 0}}'}}]}}
{stages}  count: {{from: seen, do: [{{group: {{by: n, times: count()}}}}, {{print: '{{n}} {{times}}'}}]}}
",
            self.queue,
            if self.through { format!("look2: {{of: {item}, max: 5}}") } else { String::new() },
            self.roots,
        )
    }
}

#[test]
fn random_loops_do_what_one_thread_with_a_list_does() {
    let config = Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&random_loop(), |random| {
            let done = Case::new(&random.yaml()).run();
            prop_assert_eq!(done.code, 0, "{}\n{}", random.yaml(), done.stderr);
            let expected: String = random
                .model()
                .into_iter()
                .map(|(n, times)| format!("{n} {times}\n"))
                .collect();
            prop_assert_eq!(done.stdout, expected, "{}", random.yaml());
            Ok(())
        })
        .expect("every loop ends with what the model has");
}
