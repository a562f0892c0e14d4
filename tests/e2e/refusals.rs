use crate::case::Case;

/// A file that uses one thing which this version cannot do yet. Whoever builds it takes its line away.
const NOT_YET: &[&str] = &[
    "pipes: {ask: {of: int, reply: int}}",
    "stages: {s: {do: [{range: 3}, {ask: ask}]}}",
];

#[test]
fn what_is_not_built_yet_is_refused_never_ignored() {
    for text in NOT_YET {
        let rest = "stages: {all: {do: [{range: 3}, {print: '{item}'}]}}";
        let text = if text.starts_with("stages") {
            (*text).to_owned()
        } else {
            format!("{text}\n{rest}")
        };
        let done = Case::new(&text).run();
        assert_eq!(done.code, 2, "{text}\n{}", done.stderr);
        assert!(done.stderr.contains("E0104"), "{text}\n{}", done.stderr);
        assert!(
            done.stderr.contains("not built yet"),
            "{text}\n{}",
            done.stderr
        );
        assert_eq!(done.stdout, "", "{text}");
    }
}

#[test]
fn what_is_not_in_the_language_is_unknown_and_the_nearest_word_named() {
    for (text, near) in [
        ("stagse: {}", "stages"),
        ("stages: {a: {form: b, do: [{print: x}]}}", "from"),
        ("stages: {a: {thread: 2, do: [{range: 3}]}}", "threads"),
        ("stages: {a: {do: [{pritn: x}]}}", "print"),
        (
            "queues: {q: {order: fifi}}\nstages: {a: {do: [{range: 3}]}}",
            "fifo",
        ),
    ] {
        let done = Case::new(text).run();
        assert_eq!(done.code, 2, "{text}\n{}", done.stderr);
        let help = format!("`{near}`");
        assert!(done.stderr.contains(&help), "{text}\n{}", done.stderr);
    }
}
