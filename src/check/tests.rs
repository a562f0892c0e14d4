//! Every rule speaks where it should, and only there.

use super::*;
use crate::spec::{Given, load};

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

#[test]
fn the_smallest_useful_file_has_a_plan() {
    plan(
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
      - top: {n: 20, by: bytes}
      - write: {to: stdout, format: json}
",
    );
}
