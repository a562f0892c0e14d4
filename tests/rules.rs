//! The table of rules is whole: every code that the program says has a row and an explanation, every row is
//! said somewhere, and for each there is a file with words that show it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use millstream::rules::RULES;

/// Every `E0123` and `W0123` in the files below a folder with this extension, but for those left out.
fn codes(folder: &Path, extension: &str, out: &mut BTreeSet<String>) {
    static CODE: LazyLock<regex::Regex> =
        LazyLock::new(|| regex::Regex::new(r"\b[EW]0[0-9]{3}\b").expect("a valid pattern"));
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            codes(&path, extension, out);
        } else if path.extension().is_some_and(|e| e == extension)
            && !path.ends_with("src/rules/mod.rs")
        {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            // Documentation may speak of rules that are not said there.
            let said = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            out.extend(
                said.flat_map(|l| CODE.find_iter(l))
                    .map(|m| m.as_str().to_string()),
            );
        }
    }
}

/// Rows that are waiting for who says them. Strike out what is said.
const WAITING: &[&str] = &[];

fn table() -> BTreeSet<String> {
    RULES.iter().map(|r| r.code.to_string()).collect()
}

#[test]
fn every_code_has_a_row_and_every_row_is_said() {
    let mut said = BTreeSet::new();
    codes(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        "rs",
        &mut said,
    );
    let waiting: BTreeSet<String> = WAITING.iter().map(ToString::to_string).collect();
    assert!(
        said.is_disjoint(&waiting),
        "strike out of WAITING what is said"
    );
    let expected: BTreeSet<String> = table().difference(&waiting).cloned().collect();
    assert_eq!(said, expected);
    assert_eq!(RULES.len(), table().len(), "a code has two rows");
}

#[test]
fn every_rule_has_a_file_that_shows_it() {
    let mut shown = BTreeSet::new();
    codes(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics"),
        "stderr",
        &mut shown,
    );
    let waiting = |code: &&String| WAITING.contains(&code.as_str());
    let missing: Vec<_> = table()
        .difference(&shown)
        .filter(|c| !waiting(c))
        .cloned()
        .collect();
    assert!(
        missing.is_empty(),
        "no file in tests/diagnostics shows {missing:?}"
    );
}

#[test]
fn every_rule_says_why_and_what_to_do() {
    for rule in RULES {
        let text = rule.explain;
        assert!(
            text.split("\n\n").count() >= 2,
            "{}: why, and what to do, in paragraphs of their own",
            rule.code
        );
        assert!(
            text.ends_with('.') && text.trim() == text,
            "{}: whole sentences, no blanks around",
            rule.code
        );
        assert!(
            text.lines().all(|l| l.chars().count() <= 120),
            "{}: lines of at most 120 characters",
            rule.code
        );
        assert!(
            !rule.title.ends_with('.') && rule.title.chars().next().is_some_and(char::is_lowercase)
                || rule.title.starts_with("YAML"),
            "{}: a title is no sentence",
            rule.code
        );
    }
}
