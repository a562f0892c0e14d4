//! Every rule speaks where it should, and only there.

use super::*;
use crate::diagnostic::Place;
use crate::spec::{Given, load};
use crate::value::Type;

/// Reads and checks a file; the plan, where there is one, and each diagnostic as `CODE line:column message`
/// with what belongs to it on lines of their own.
fn check(yaml: &str) -> (Option<Plan>, Vec<String>) {
    let source = Source {
        name: "test.yaml".into(),
        text: yaml.into(),
    };
    let mut diagnostics = Diagnostics::default();
    let file = load(&source, &Given::default(), &mut diagnostics);
    let read = diagnostics.has_errors();
    let (plan, found) = match file {
        Some(file) => super::check(
            &file,
            &source,
            &Cx {
                functions: Functions::default(),
                rehearse: false,
                cpus: NonZeroUsize::new(3).unwrap(),
                start: (0, 0),
            },
        ),
        None => (None, Vec::new()),
    };
    for d in found {
        diagnostics.push(d);
    }
    let said = diagnostics.sorted().into_iter().map(|d| {
        let mut text = format!("{} {} {}", d.code, source.place(d.at), d.message);
        if !d.label.is_empty() {
            text += &format!("\n  here: {}", d.label);
        }
        for (at, label) in &d.also {
            text += &format!("\n  {} {label}", source.place(*at));
        }
        for help in &d.help {
            text += &format!("\n  help: {help}");
        }
        text
    });
    (plan.filter(|_| !read), said.collect())
}

/// What is said of a file: the codes and places only.
fn codes(yaml: &str) -> Vec<String> {
    let (_, said) = check(yaml);
    said.iter()
        .map(|s| s.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

fn plan(yaml: &str) -> Plan {
    let (plan, said) = check(yaml);
    plan.unwrap_or_else(|| panic!("no plan: {said:#?}"))
}

/// A file of stages, each on a line, and what stands before them.
fn stages(before: &str, stages: &[&str]) -> String {
    let lines: Vec<String> = stages.iter().map(|s| format!("  {s}\n")).collect();
    format!("{before}\nstages:\n{}", lines.concat())
}

/// The one thing that is said of a file.
fn only(yaml: &str) -> String {
    let (_, said) = check(yaml);
    let [one] = said.as_slice() else {
        panic!("{said:#?} of\n{yaml}")
    };
    one.clone()
}

const SOURCE: &str = "a: {do: [read: a.log]}";
const SINK: &str = "z: {from: a, do: [print: '{}']}";

#[test]
fn the_smallest_useful_file_has_a_plan() {
    let plan = plan(
        "
stages:
  read:
    do:
      - read: access.log
  count:
    from: read
    threads: 4
    on_error: drop
    do:
      - parse: combined
      - filter: status >= 500
      - group: {by: path, hits: count()}
      - top: {n: 20, by: hits}
      - write: {to: stdout, format: json}
",
    );
    let count = &plan.stages[1];
    assert_eq!(count.executor.workers(), 4);
    assert_eq!(count.takes, Type::String);
    assert_eq!(count.gives.to_string(), "{path: string, hits: int}");
    let steps: Vec<&str> = count
        .program
        .steps
        .iter()
        .map(|s| s.text.as_str())
        .collect();
    assert_eq!(steps[1], "filter status >= 500");
    assert_eq!(
        count.program.steps[1].place,
        Place {
            line: 12,
            column: 9
        }
    );
    assert_eq!(plan.conns[0].max.get(), 1024);
}

#[test]
fn a_file_without_mistakes_is_not_talked_about() {
    assert_eq!(check(&stages("", &[SOURCE, SINK])).1, [""; 0]);
}

#[test]
fn a_name_is_taken_once_among_stages_pipes_and_queues() {
    let said = check(&stages("pipes: [x]\nqueues: [x]", &[SOURCE, SINK])).1;
    assert_eq!(
        said[0],
        "W0402 1:9 nothing uses the pipe `x`\n  help: name it in a `to` and a `from`, or take it out"
    );
    assert!(
        said[1].starts_with("E0202 2:10 the name `x` is taken by a pipe\n  1:9 the first one"),
        "{said:?}"
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_one_that_was_meant() {
    let said = only(&stages(
        "",
        &[
            "reader: {do: [read: a.log, print: '{}']}",
            "z: {from: raeder, do: [print: '{}']}",
        ],
    ));
    assert_eq!(
        said,
        "E0201 4:13 there is no stage, pipe or queue `raeder`\n  help: did you mean `reader`?"
    );
    let said = check(&stages(
        "queues: [urls]",
        &[
            "a: {do: [read: a.log], to: ulrs}",
            "b: {from: urls, do: [print: '{}']}",
        ],
    ))
    .1;
    assert_eq!(
        said[0],
        "E0201 3:30 there is no pipe or queue `ulrs`\n  help: did you mean `urls`?"
    );
    let said = only(&stages("", &["a: {do: [read: a.log], to: dead}"]));
    assert_eq!(
        said,
        "E0201 3:30 there is no pipe or queue `dead`\n  help: declare it: `queues: [dead]`"
    );
}

#[test]
fn to_names_connections_and_not_stages() {
    let said = check(&stages("", &["a: {do: [read: a.log], to: z}", SINK])).1;
    assert_eq!(
        said[0],
        "E0201 3:30 `z` is a stage, and a pipe or queue is expected here\n  help: write `from: a` in stage `z` instead"
    );
}

#[test]
fn else_is_a_condition_and_no_connection() {
    let said = check(&stages(
        "queues: [q]",
        &[
            "a: {do: [read: a.log], to: {q: item != '', else: q}}",
            "z: {from: q, do: [print: '{}']}",
        ],
    ))
    .1;
    assert!(
        said.iter().any(|s| s.starts_with(
            "E0201 3:46 there is no pipe or queue `else`\n  help: the connection comes first"
        )),
        "{said:?}"
    );
}

#[test]
fn a_pipe_has_one_writer_and_one_reader() {
    let said = only(&stages(
        "pipes: [p]",
        &[
            "a: {do: [read: a.log], to: p}",
            "b: {do: [read: b.log], to: p}",
            "z: {from: p, do: [print: '{}']}",
        ],
    ));
    assert!(said.starts_with("E0401 4:30 two stages write the pipe `p`: `a` and `b`\n  3:30 the first writer\n  help: a pipe has one writer and one reader; make it a queue"), "{said}");
    let said = only(&stages(
        "pipes: [p]",
        &[
            "a: {do: [read: a.log], to: p}",
            "y: {from: p, do: [print: '{}']}",
            "z: {from: p, do: [print: '{}']}",
        ],
    ));
    assert!(
        said.starts_with("E0401 5:13 two stages read the pipe `p`: `y` and `z`"),
        "{said}"
    );
    assert!(
        said.contains("make it a queue") && said.contains("write `from: a` in both"),
        "{said}"
    );
}

#[test]
fn a_stage_may_write_items_and_dead_letters_to_one_pipe() {
    let plan = plan(&stages(
        "pipes: [p]",
        &[
            "a: {do: [{read: a.log}], on_error: {to: p}, to: p}",
            "z: {from: p, do: [print: '{}']}",
        ],
    ));
    // One for the items, one for the letters: the connection closes when both are closed.
    assert_eq!(plan.conns[0].writers.len(), 2);
    assert_eq!(plan.conns[0].of, Type::Any);
    assert!(
        plan.stages[0].outputs[0].convert.is_some() && plan.stages[0].dead[0].convert.is_some()
    );
}

#[test]
fn what_is_written_must_be_read_and_what_is_read_written() {
    let said = only(&stages("queues: [q]", &["a: {do: [read: a.log], to: q}"]));
    assert!(
        said.starts_with(
            "E0402 3:30 the queue `q` is written and never read\n  1:10 declared here"
        ),
        "{said}"
    );
    // What is dropped where it is full stops nobody.
    assert_eq!(
        codes(&stages(
            "queues: {q: {full: drop_oldest}}",
            &["a: {do: [read: a.log], to: q}"]
        )),
        [""; 0]
    );
    let said = only(&stages("queues: [q]", &["z: {from: q, do: [print: '{}']}"]));
    assert!(
        said.starts_with("E0403 3:13 the queue `q` is read and never written"),
        "{said}"
    );
}

#[test]
fn an_output_that_nobody_reads_is_a_warning_unless_the_stage_ends_in_a_sink() {
    let said = only(&stages("", &[SOURCE]));
    assert!(
        said.starts_with("W0401 3:3 nobody reads what leaves stage `a`"),
        "{said}"
    );
    assert_eq!(
        codes(&stages(
            "",
            &["a: {do: [{read: a.log}, {print: '{}', if: item != ''}]}"]
        )),
        [""; 0]
    );
}

#[test]
fn a_stage_without_from_begins_with_a_source() {
    let said = check(&stages("", &["a: {do: [filter: item != '', print: '{}']}"])).1;
    assert!(
        said[0].starts_with(
            "E0404 3:12 stage `a` has no `from`, and its first step `filter` needs an item"
        ),
        "{said:?}"
    );
    assert_eq!(said.len(), 1);
    let said = check(&stages("", &["a: {do: []}"])).1;
    assert!(
        said[0].starts_with("E0404 3:3 stage `a` has nothing to work on"),
        "{said:?}"
    );
}

#[test]
fn a_loop_needs_a_feedback_queue() {
    let said = only(&stages(
        "",
        &[
            "a: {from: c, do: [filter: 'true']}",
            "b: {from: a, do: [filter: 'true']}",
            "c: {from: b, do: [filter: 'true']}",
        ],
    ));
    assert!(
        said.starts_with("E0405 3:13 the stages `a` → `b` → `c` → `a` form a loop"),
        "{said}"
    );
    let said = only(&stages("", &["a: {from: a, do: [print: '{}']}"]));
    assert!(
        said.starts_with("E0405 3:13 the stage `a` reads from itself"),
        "{said}"
    );
}

#[test]
fn a_connection_is_named_once() {
    let said = only(&stages(
        "",
        &[SOURCE, "z: {from: [a, a], do: [print: '{}']}"],
    ));
    assert!(
        said.starts_with("E0408 4:17 `from` names `a` twice"),
        "{said}"
    );
}

#[test]
fn two_stages_do_not_write_the_same_file() {
    let said = only(&stages(
        "",
        &[
            "a: {do: [read: a.log, write: out.json]}",
            "b: {do: [read: a.log, write: ./out.json]}",
        ],
    ));
    assert!(said.starts_with("E0406 4:25 the stages `a` and `b` write the same file, ./out.json\n  3:25 the first one"), "{said}");
}

#[test]
fn a_declared_type_must_take_what_the_writer_gives_and_both_are_named() {
    let said = only(&stages(
        "types: {Hit: {path: string, status: string}}\nqueues: {hits: Hit}",
        &[
            "a: {do: [{read: a.log}, {parse: combined}, {keep: [path, status]}], to: hits}",
            "z: {from: hits, do: [print: '{}']}",
        ],
    ));
    assert!(
        said.starts_with(
            "E0304 4:75 stage `a` gives {path: string, status: int}, and the queue `hits` takes {path: string, status: string}\n  \
             here: in `status`: int is no string\n  2:16 declared here"
        ),
        "{said}"
    );
}

#[test]
fn several_writers_give_what_takes_all_of_theirs() {
    let plan = plan(&stages(
        "queues: [q]",
        &[
            "a: {do: [{read: a.log}, {map: {n: size(item), t: item}}], to: q}",
            "b: {do: [{read: b.log}, {map: {t: item, m: 1}}], to: q}",
            "z: {from: q, do: [write: {to: out.json}]}",
        ],
    ));
    assert_eq!(plan.conns[0].of.to_string(), "{t: string, *: int}");
    assert!(
        plan.stages[0].outputs[0].convert.is_some() && plan.stages[1].outputs[0].convert.is_some()
    );
}

#[test]
fn a_stage_with_different_inputs_brings_them_into_one_shape() {
    let plan = plan(&stages(
        "",
        &[
            SOURCE,
            "b: {from: a, do: [map: size(item)]}",
            "z: {from: [a, b], do: [print: '{}']}",
        ],
    ));
    let z = &plan.stages[2];
    assert_eq!(z.takes, Type::Any);
    assert_eq!(z.program.steps[0].label, "from");
    assert_eq!(z.ordered, crate::plan::Ordered::No);
}

#[test]
fn only_what_somebody_uses_is_carried() {
    let plan = plan(&stages(
        "",
        &[
            "a: {do: [{read: a.log}, {parse: combined}]}",
            "y: {from: a, do: [filter: status >= 500, print: '{path}']}",
            "z: {from: a, do: [filter: bytes > 10, print: '{path}']}",
        ],
    ));
    assert_eq!(
        plan.stages[0].gives.to_string(),
        "{path: string, status: int, bytes: int}"
    );
    assert!(plan.conns.iter().all(|c| c.of == plan.stages[0].gives));
}

#[test]
fn a_dead_letter_holds_the_whole_item() {
    let plan = plan(&stages(
        "queues: [dead]",
        &[
            "a: {do: [{read: a.log}, {parse: common}]}",
            "y: {from: a, on_error: {to: dead}, do: [filter: status >= 500, print: '{path}']}",
            "z: {from: dead, do: [print: '{error.message}']}",
        ],
    ));
    assert!(
        plan.stages[1]
            .takes
            .as_record()
            .unwrap()
            .slot("user")
            .is_some()
    );
    assert_eq!(plan.stages[1].on_error, crate::plan::OnError::To(0));
    assert_eq!(
        plan.stages[1].program.steps[0].policy.on_error,
        crate::plan::OnError::To(0)
    );
}

#[test]
fn conditions_of_a_route_are_checked_and_what_they_use_is_carried() {
    let routes = |to: &str| {
        stages(
            "queues: [bad, good]",
            &[
                &format!("a: {{do: [{{read: a.log}}, {{parse: combined}}], to: {to}}}"),
                "y: {from: bad, do: [print: '{path}']}",
                "z: {from: good, do: [print: '{path}']}",
            ],
        )
    };
    let plan = plan(&routes("{good: else, bad: status >= 500}"));
    let branches = plan.stages[0].branches.as_ref().unwrap();
    let texts: Vec<&str> = branches.iter().map(|b| b.text.as_str()).collect();
    assert_eq!(texts, ["status >= 500", "else"]);
    assert_eq!(
        plan.stages[0].gives.to_string(),
        "{path: string, status: int}"
    );
    let said = only(&routes("{bad: status, good: else}"));
    assert!(
        said.starts_with("E0303 3:57 a condition of `to` needs a bool"),
        "{said}"
    );
    let said = only(&routes("{bad: status >= 500, good: status < 500}"));
    assert!(
        said.starts_with("W0403 3:52 stage `a` drops what none of its conditions takes"),
        "{said}"
    );
}

#[test]
fn a_priority_queue_says_by_what() {
    let queue = |of: &str| {
        stages(
            &format!("queues: {{q: {of}}}"),
            &[
                "a: {do: [read: a.log], to: q}",
                "z: {from: q, do: [print: '{}']}",
            ],
        )
    };
    let said = only(&queue("{order: priority}"));
    assert!(
        said.starts_with("E0409 1:21 the queue `q` has `order: priority`, but no `by`"),
        "{said}"
    );
    let said = only(&queue("{by: size(item)}"));
    assert!(
        said.starts_with("E0409 1:18 the queue `q` has `by`, but not `order: priority`"),
        "{said}"
    );
    let said = only(&queue("{order: priority, by: item}"));
    assert!(
        said.starts_with("E0303 1:35 `by` needs an int or a double, but `item` is string"),
        "{said}"
    );
    let plan = plan(&queue("{order: priority, by: size(item)}"));
    assert!(matches!(
        plan.conns[0].order,
        crate::plan::Order::Priority { .. }
    ));
    assert_eq!(plan.stages[1].ordered, crate::plan::Ordered::No);
}

#[test]
fn a_stage_does_not_wait_for_its_own_end() {
    let after = |stages_: &[&str]| only(&stages("", stages_));
    let said = after(&["a: {after: a, do: [read: a.log, print: '{}']}"]);
    assert!(
        said.starts_with("E0501 3:14 stage `a` waits for its own end"),
        "{said}"
    );
    let said = after(&[
        "a: {after: b, do: [read: a.log, print: '{}']}",
        "b: {after: a, do: [read: a.log, print: '{}']}",
    ]);
    assert!(
        said.starts_with("E0501 3:14 stage `a` starts after `b`, which itself ends only after it"),
        "{said}"
    );
    let said = after(&["a: {after: z, do: [read: a.log]}", SINK]);
    assert!(
        said.starts_with("E0501 3:14 stage `a` starts after `z`, which reads what it writes"),
        "{said}"
    );
    let said = after(&[SOURCE, "z: {from: a, after: a, do: [print: '{}']}"]);
    assert!(
        said.starts_with(
            "W0501 4:13 `z` starts reading the pipe from stage `a` when `a` has ended"
        ),
        "{said}"
    );
    let said = after(&[SOURCE, "z: {from: a, always: true, do: [print: '{}']}"]);
    assert!(
        said.starts_with("E0106 4:24 `always` needs `after`"),
        "{said}"
    );
}

#[test]
fn order_and_attempts_that_take_their_time_do_not_go_well_together() {
    let said = only(&stages(
        "",
        &[
            SOURCE,
            "z: {from: a, ordered: true, retry: 3, do: [print: '{}']}",
        ],
    ));
    assert!(
        said.starts_with("W0404 4:38 while an item waits for its next attempt"),
        "{said}"
    );
}

#[test]
fn types_are_named_used_and_do_not_contain_themselves() {
    let of = |types: &str, of: &str| {
        let before = format!("types: {types}\nqueues: {{q: {{of: {of}}}}}");
        check(&stages(
            &before,
            &[
                "a: {do: [read: a.log], to: q}",
                "z: {from: q, do: [print: '{}']}",
            ],
        ))
        .1
    };
    assert_eq!(of("{Line: string}", "Line"), [""; 0]);
    assert!(
        of("{Line: string}", "string")[0].starts_with("W0402 1:9 nothing uses the type `Line`")
    );
    assert!(
        of("{Line: string}", "line")[1]
            .starts_with("E0201 2:18 there is no type `line`\n  help: did you mean `Line`?")
    );
    assert!(
        of("{string: int}", "string")[0]
            .starts_with("E0202 1:9 `string` is a type of the language")
    );
    let said = of("{Tree: {left: 'Tree?'}}", "Tree");
    assert!(
        said[0].starts_with("E0306 1:9 the type `Tree` contains itself\n  1:22 here"),
        "{said:?}"
    );
    let said = of("{A: [B], B: {c: C}, C: [A]}", "B");
    assert!(
        said[0].starts_with("E0306 1:9 the type `A` contains itself"),
        "{said:?}"
    );
}

#[test]
fn a_type_that_grows_without_end_is_refused() {
    let mut types = "types:\n  T0: string\n".to_owned();
    for i in 1..40 {
        types += &format!("  T{i}: {{a: T{0}, b: T{0}}}\n", i - 1);
    }
    types += "queues: {q: T39}";
    let said = check(&stages(
        &types,
        &[
            "a: {do: [read: a.log], to: q}",
            "z: {from: q, do: [print: '{}']}",
        ],
    ))
    .1;
    assert!(said[0].starts_with("E0107"), "{said:?}");
}

#[test]
fn what_stands_beside_a_step_is_checked_with_it() {
    let step = |step: &str| {
        let z = format!("z: {{from: a, do: [{step}, print: '{{}}']}}");
        check(&stages(
            "",
            &[
                "a: {do: [{read: a.log}, {parse: common}, {keep: [path, status, user]}]}",
                &z,
            ],
        ))
    };
    let gives = |s: &str| {
        let (plan, said) = step(s);
        plan.unwrap_or_else(|| panic!("{said:?}")).stages[1]
            .gives
            .to_string()
    };
    assert_eq!(
        gives("{map: size(path), into: n}"),
        "{path: string, status: int, user: string?, n: int}"
    );
    assert_eq!(
        gives("{map: size(item), in: path, into: n}"),
        "{path: string, status: int, user: string?, n: int}"
    );
    assert_eq!(gives("{map: size(item), in: path}"), "int");
    assert_eq!(
        gives("{filter: item != '', in: path}"),
        "{path: string, status: int, user: string?}"
    );
    assert_eq!(
        gives("{assign: {big: true}, if: status > 1}"),
        "{path: string, status: int, user: string?, *: bool}"
    );
    assert_eq!(
        gives("{map: size(path), into: n, if: status > 1}"),
        "{path: string, status: int, user: string?, n: int?}"
    );
    assert_eq!(gives("{keep: [path], as: {path: int}}"), "{path: int}");
    assert_eq!(
        gives("{do: [{keep: [path]}, {map: path}], if: status > 1}"),
        "any"
    );
    let says = |s: &str| step(s).1.first().cloned().unwrap_or_default();
    assert!(
        says("{filter: 'true', if: status}").starts_with("E0303 4:42 `if` needs a bool"),
        "{}",
        says("{filter: 'true', if: status}")
    );
    assert!(
        says("{map: 1, in: pth}").starts_with("E0302"),
        "{}",
        says("{map: 1, in: pth}")
    );
    assert!(says("{keep: [status], as: {status: bool}}").starts_with("E0304"));
    assert!(
        says("{top: {n: 1, by: status}, if: status > 1}")
            .starts_with("E0407 4:22 `top` looks at many items")
    );
    assert!(says("{map: path, as: nothing}").starts_with("E0201"));
    let text = only(&stages(
        "",
        &["a: {do: [{read: a.log}, {map: size(item), into: n}, {print: '{}'}]}"],
    ));
    assert!(
        text.starts_with("E0304 3:51 `into` needs a record, but the item is string"),
        "{text}"
    );
    let source = plan(&stages(
        "",
        &["a: {do: [{read: a.log, into: line}, {print: '{line}'}]}"],
    ));
    assert_eq!(source.stages[0].gives.to_string(), "{line: string}");
}

#[test]
fn every_mistake_is_said_in_one_pass() {
    let said = codes(
        "
queues: {q: {of: nonsense}, unused: int}
stages:
  a:
    to: [q, w]
    do:
      - read: a.log
      - parze: combined
      - filter: status >
  b:
    from: [c, q]
    do: [print: '{}']
",
    );
    assert_eq!(
        said,
        [
            "E0201 2:18",
            "W0402 2:29",
            "E0201 5:13",
            "E0203 8:9",
            "E0301 9:25",
            "E0201 11:12"
        ]
    );
}

#[test]
fn a_thousand_stages_are_one_pass_over_each() {
    // Work is counted in expressions checked, which is what takes the time; the rest is linear as well.
    let mut text = String::from(
        "queues: {shared: {of: string}}\nstages:\n  s0: {do: [read: a.log], to: shared}\n",
    );
    for i in 1..1000 {
        let from = if i % 2 == 0 {
            "shared".to_owned()
        } else {
            format!("s{}", i - 1)
        };
        text += &format!(
            "  s{i}: {{from: {from}, do: [filter: size(item) > {i}, print: '{{}}'], to: [shared]}}\n"
        );
    }
    let (_, said) = check(&text);
    assert!(
        said.iter().all(|s| s.starts_with("E0405")),
        "{:?}",
        &said[..said.len().min(3)]
    );
    assert_eq!(said.len(), 1);
}

#[test]
fn a_loop_through_a_feedback_queue_is_none_for_the_order_of_the_stages() {
    let plan = plan(&stages(
        "queues: {again: {of: string, max: 5, feedback: true}}",
        &[
            "a: {do: [read: a.log], to: again}",
            "b: {from: again, do: [filter: size(item) > 1, put: {again: 'item.substring(1)'}]}",
            "z: {from: b, do: [print: '{}']}",
        ],
    ));
    assert!(plan.conns[0].feedback);
    assert_eq!(plan.conns[0].full, crate::plan::Full::Spill);
    assert_eq!(plan.conns[0].writers.len(), 2);
    assert_eq!(plan.stages[1].puts, [plan.conns[0].id]);
    assert_eq!(plan.stages[1].ordered, crate::plan::Ordered::No);
}

#[test]
fn a_loop_closed_by_a_put_is_one() {
    let said = only(&stages(
        "queues: [q]",
        &[
            "a: {do: [read: a.log], to: q}",
            "b: {from: q, do: [put: {q: item}]}",
        ],
    ));
    assert!(
        said.starts_with("E0405 4:13 the stage `b` reads from itself"),
        "{said}"
    );
}

#[test]
fn what_is_put_must_be_of_the_type_that_is_declared() {
    let said = only(&stages(
        "queues: {q: int}",
        &[
            "a: {do: [read: a.log, put: {q: item}]}",
            "b: {from: q, do: [print: '{}']}",
        ],
    ));
    assert!(said.starts_with("E0304 3:31 stage `a` puts string, and the queue `q` takes int\n  here: string is no int"), "{said}");
    let said = check(&stages(
        "",
        &["a: {do: [read: a.log, put: {nowhere: item}]}"],
    ))
    .1;
    assert!(
        said[0].starts_with("E0201 3:31 there is no pipe or queue `nowhere`"),
        "{said:?}"
    );
}

#[test]
fn what_comes_back_must_fit_what_went_in_first() {
    let said = only(&stages(
        "queues: {again: {feedback: true}}",
        &[
            "a: {do: [read: a.log], to: again}",
            "b: {from: again, do: [map: size(item)], to: again}",
        ],
    ));
    assert!(
        said.starts_with("E0304 4:47 stage `b` gives int, and the queue `again` takes string"),
        "{said}"
    );
    assert!(
        said.contains("declare the queue's type with `of`"),
        "{said}"
    );
}

#[test]
fn what_gives_its_results_at_the_end_stands_in_no_loop() {
    let said = check(&stages(
        "queues: {again: {of: string, feedback: true}}",
        &[
            "a: {do: [read: a.log], to: again}",
            "b: {from: again, do: [filter: item != '', {unique: item}], to: again}",
            "c: {from: again, do: [{sort: item}], to: again}",
        ],
    ))
    .1;
    assert!(said[0].starts_with("E0407 5:26 `sort` gives its results when its input has ended, and stage `c` is in a loop"), "{said:?}");
    assert_eq!(said.len(), 1);
}

#[test]
fn an_order_behind_an_endless_source_may_keep_an_item_for_ever() {
    let lifo = |source: &str| {
        stages(
            "queues: {q: {order: lifo}}",
            &[
                &format!("a: {{do: [read: {source}]}}"),
                "b: {from: a, do: [filter: item != ''], to: q}",
                "z: {from: q, do: [print: '{}']}",
            ],
        )
    };
    let said = only(&lifo("{path: a.log, follow: true}"));
    assert!(
        said.starts_with(
            "W0405 1:21 the queue `q` may keep an item for ever: stage `a` never ends"
        ),
        "{said}"
    );
    assert_eq!(codes(&lifo("a.log")), [""; 0]);
}

#[test]
fn a_step_in_a_list_on_one_line_is_told_what_is_wrong_with_it() {
    let said = only(&stages(
        "",
        &["a: {do: [read: a.log, parse: common, filter: statuss > 3, print: '{}']}"],
    ));
    assert!(said.starts_with("E0302 3:48"), "{said}");
}
