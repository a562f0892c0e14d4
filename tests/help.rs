//! Help for people at a terminal: explanations, steps, completions, the manual, and files to begin with.

use std::path::Path;
use std::process::{Command, Output};

use millstream::rules::RULES;
use millstream::steps::{Group, STEPS, StepDef};
use tempfile::TempDir;

fn types(line: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(line)
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

fn out(line: &[&str]) -> String {
    let output = types(line, Path::new("."));
    assert!(
        output.status.success(),
        "{line:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn refused(line: &[&str]) -> String {
    let output = types(line, Path::new("."));
    assert_eq!(output.status.code(), Some(2), "{line:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn every_rule_is_explained_and_listed() {
    let list = out(&["explain"]);
    for rule in RULES {
        assert!(list.contains(rule.code), "{} is not listed", rule.code);
        let page = out(&["explain", &rule.code.to_lowercase()]);
        assert!(
            page.starts_with(&format!("{}: {}\n\n", rule.code, rule.title)),
            "{page}"
        );
    }
    assert!(
        refused(&["explain", "E0211"]).contains("did you mean E0"),
        "a slip of one digit"
    );
}

#[test]
fn every_step_has_a_page_with_its_options() {
    let list = out(&["steps"]);
    for step in STEPS {
        assert!(
            list.contains(&format!("  {} ", step.name)),
            "{} is not listed",
            step.name
        );
        let page = out(&["steps", step.name]);
        let options = step.options.iter().map(|o| format!("  {} ", o.name));
        for part in options.chain([step.example.lines().next().unwrap_or_default().to_string()]) {
            assert!(page.contains(&part), "{part:?} is not in:\n{page}");
        }
    }
    assert!(refused(&["steps", "fliter"]).contains("did you mean `filter`?"));
    assert!(refused(&["steps", "xyzzy"]).contains("`millstream steps` lists them"));
}

#[test]
fn every_step_is_shown_by_an_example_that_is_accepted() {
    let folder = TempDir::new().expect("a temporary folder");
    // One that only a program can use has none here, and what coordinates stages names things of a whole file.
    let alone = |s: &&&StepDef| !s.example.is_empty() && s.group != Group::Coordinate;
    for step in STEPS.iter().filter(alone) {
        let example = step.example.trim_end().replace('\n', "\n      ");
        let text = format!("stages:\n  example:\n    do:\n      {example}\n");
        std::fs::write(folder.path().join("p.yaml"), &text).expect("a file");
        let output = types(&["validate", "--format", "json", "p.yaml"], folder.path());
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let errors = found
            .as_array()
            .expect("a list")
            .iter()
            .filter(|d| d["severity"] == "error");
        let codes: Vec<&str> = errors.filter_map(|d| d["code"].as_str()).collect();
        // Where a step is not built yet, what follows it has no type; the program itself registers no
        // functions, and what a step names stands elsewhere in a file.
        assert!(
            codes.is_empty() || codes.contains(&"E0104") || codes.iter().all(|c| *c == "E0201"),
            "{text}\n{found:#}"
        );
    }
}

#[test]
fn completions_know_commands_options_steps_and_rules() {
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&["completions", shell]);
        for word in ["validate", "progress", "filter", "E0201"] {
            assert!(
                script.contains(word),
                "{word} is not in the completions for {shell}"
            );
        }
    }
    assert!(refused(&["completions", "tcsh"]).contains("bash, zsh, fish"));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    assert!(out(&["man"]).contains("millstream\\-run(1)"));
    let page = out(&["man", "run"]);
    assert!(
        page.contains("millstream\\-run") && page.contains("\\-\\-progress"),
        "{page}"
    );
    refused(&["man", "walk"]);
}

#[test]
fn what_new_makes_is_valid_without_a_warning_and_runs() {
    let folder = TempDir::new().expect("a temporary folder");
    for (kind, shows) in [
        ("log", "/search     2"),
        ("csv", "CH            3       7  410.5"),
        ("dag", "b         3"),
    ] {
        let made = types(&["new", kind, "--kind", kind], folder.path());
        assert!(made.status.success(), "{made:?}");
        let file = format!("{kind}/pipeline.yaml");
        let valid = types(&["validate", "--strict", &file], folder.path());
        assert!(
            valid.status.success(),
            "{}",
            String::from_utf8_lossy(&valid.stderr)
        );
        let tested = types(&["test", &file], folder.path());
        assert!(tested.status.success(), "{tested:?}");
        let ran = types(&["run", "-q", &file], folder.path());
        let out = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && out.contains(shows), "{ran:?}");
        let again = types(&["new", kind], folder.path());
        assert_eq!(again.status.code(), Some(2), "what is there is not touched");
    }
}
