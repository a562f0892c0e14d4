//! The documentation's own pipelines: every block of YAML is checked, and run where its output stands beside it.
//!
//! In docs/*.md and README.md a block that begins with
//! - ```` ```yaml ```` is a pipeline file and must be valid, where it has `stages:` (without, it is a part of one);
//! - ```` ```text title=NAME ```` is a file that the pipelines below it find, up to the next heading;
//! - ```` ```text output ```` is what the pipeline above it writes to standard output;
//! - ```` ```text file=NAME ```` is what it writes to that file;
//! - ```` ```text error ```` is what it is refused with (then it must not be valid);
//! - ```` ```text warning ```` is what else is said of it;
//! - ```` ```text deadlock ```` is what it says of its deadlock, and it exits with 3; how long it took is not compared.

#![allow(clippy::print_stdout, reason = "a test says how much it tried")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Block {
    info: String,
    text: String,
    line: usize,
}

/// The fenced blocks of a page, and its headings as blocks without text.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.starts_with('#') {
            blocks.push(Block {
                info: "#".into(),
                text: String::new(),
                line: number + 1,
            });
        }
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, l)| l)
            .take_while(|l| *l != "```")
            .collect();
        let text = body.iter().map(|l| format!("{l}\n")).collect();
        blocks.push(Block {
            info: info.trim().into(),
            text,
            line: number + 1,
        });
    }
    blocks
}

fn millstream(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

/// Without how long something took.
fn timeless(text: &str) -> String {
    let times = regex::Regex::new(r"\b[0-9.]+ m?s\b").expect("a pattern");
    times.replace_all(text, "a while").into_owned()
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let docs = std::fs::read_dir(root.join("docs")).expect("there are docs");
    pages.extend(
        docs.map(|d| d.expect("a file").path())
            .filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    pages.sort();
    pages
}

#[test]
fn every_pipeline_in_the_documentation_does_what_stands_beside_it() {
    let mut wrong = String::new();
    let (mut checked, mut run) = (0, 0);
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page can be read");
        let name = page
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let blocks = blocks(&text);
        for (i, block) in blocks.iter().enumerate() {
            let mut say = |what: &str, got: &str| {
                let _ = writeln!(wrong, "{name}:{}: {what}\n{got}", block.line);
            };
            if block.info == "#" {
                for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
                    let _ = std::fs::remove_file(entry.path());
                }
            } else if let Some(title) = block.info.strip_prefix("text title=") {
                std::fs::write(folder.join(title), &block.text).expect("the file is written");
            } else if block.info == "yaml" && block.text.lines().any(|l| l == "stages:") {
                checked += 1;
                std::fs::write(folder.join("pipeline.yaml"), &block.text)
                    .expect("the file is written");
                let behind: Vec<&Block> = blocks[i + 1..]
                    .iter()
                    .take_while(|b| {
                        b.info == "text output"
                            || b.info.starts_with("text file=")
                            || ["text error", "text warning", "text deadlock"].contains(&&*b.info)
                    })
                    .collect();
                let valid = millstream(folder, &["validate", "pipeline.yaml"]);
                let said = String::from_utf8_lossy(&valid.stderr).into_owned();
                if let Some(error) = behind.iter().find(|b| b.info == "text error") {
                    if valid.status.code() != Some(2) || !said.contains(error.text.trim_end()) {
                        say("is refused with something else", &said);
                    }
                    continue;
                }
                if !valid.status.success() {
                    say("is not valid", &said);
                    continue;
                }
                let (warnings, behind): (Vec<&Block>, Vec<&Block>) =
                    behind.into_iter().partition(|b| b.info == "text warning");
                for warning in warnings {
                    if !said.contains(warning.text.trim_end()) {
                        say("is warned of otherwise", &said);
                    }
                }
                if behind.is_empty() {
                    continue;
                }
                run += 1;
                let ran = millstream(folder, &["run", "--progress", "none", "pipeline.yaml"]);
                let told = String::from_utf8_lossy(&ran.stderr);
                if let Some(deadlock) = behind.iter().find(|b| b.info == "text deadlock") {
                    let same = timeless(&told).contains(timeless(&deadlock.text).trim_end());
                    if ran.status.code() != Some(3) || !same {
                        say("comes to another deadlock", &told);
                    }
                    continue;
                }
                if !ran.status.success() {
                    say("does not end well", &String::from_utf8_lossy(&ran.stderr));
                }
                for expected in behind {
                    let got = match expected.info.strip_prefix("text file=") {
                        Some(file) => std::fs::read_to_string(folder.join(file))
                            .unwrap_or_else(|e| e.to_string()),
                        None => String::from_utf8_lossy(&ran.stdout).into_owned(),
                    };
                    if got != expected.text {
                        say("gives something else", &got);
                    }
                }
            }
        }
    }
    println!("{checked} pipelines checked, {run} of them run");
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(run > 10, "only {run} were run");
}

#[test]
fn every_page_is_in_the_table_of_contents_and_every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contents =
        std::fs::read_to_string(root.join("docs/SUMMARY.md")).expect("a table of contents");
    let mut wrong = String::new();
    for page in pages() {
        let name = page
            .strip_prefix(root)
            .unwrap_or(&page)
            .display()
            .to_string();
        let file = page.file_name().expect("a name").to_string_lossy();
        if name.starts_with("docs/")
            && file != "SUMMARY.md"
            && !contents.contains(&format!("({file})"))
        {
            let _ = writeln!(wrong, "{name} is not in docs/SUMMARY.md");
        }
        let text = std::fs::read_to_string(&page).expect("a page can be read");
        let folder = page.parent().expect("a folder");
        for target in links(&text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() {
                page.clone()
            } else {
                folder.join(path)
            };
            let Ok(there) = std::fs::metadata(&to) else {
                let _ = writeln!(wrong, "{name}: {target} leads nowhere");
                continue;
            };
            if !anchor.is_empty() && there.is_file() {
                let text = std::fs::read_to_string(&to).expect("a page can be read");
                let mut headings = text.lines().filter_map(|l| l.strip_prefix('#'));
                if !headings.any(|h| slug(h.trim_start_matches('#')) == anchor) {
                    let _ = writeln!(wrong, "{name}: there is no heading for {target}");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Where the links of a page lead, those to other places of the world apart.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .filter(|to| !to.contains("://") && !to.contains(char::is_whitespace))
}

/// The anchor of a heading, as sites make it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Is this written as a key, or as a word, in a block of YAML?
fn is_shown(blocks: &[String], name: &str) -> bool {
    let name = regex::escape(name);
    let key =
        regex::Regex::new(&format!(r#"(?m)(^|[\s{{,\[-])"?{name}"?:( |$)"#)).expect("a pattern");
    let word = regex::Regex::new(&format!(r"(?m)[:,\[] *{name} *([,}}\]]|$)")).expect("a pattern");
    blocks.iter().any(|b| key.is_match(b) || word.is_match(b))
}

#[test]
fn every_step_and_every_key_that_is_built_stands_in_an_example() {
    use millstream::spec::keys::{self, KeyDef, Word};
    let mut examples = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page can be read");
        let yaml = blocks(&text).into_iter().filter(|b| b.info == "yaml");
        examples.extend(yaml.map(|b| b.text));
    }
    let tables: [(&str, &[KeyDef]); 11] = [
        ("a file", keys::FILE),
        ("a parameter", keys::PARAM),
        ("a pipe", keys::PIPE),
        ("a queue", keys::QUEUE),
        ("a stage", keys::STAGE),
        ("ordered", keys::ORDERED),
        ("on_error", keys::DEAD),
        ("retry", keys::RETRY),
        ("a step", keys::MODIFIERS),
        ("stop", keys::STOP),
        ("a test", keys::TEST),
    ];
    let words: [(&str, &[Word]); 4] = [
        ("order", keys::ORDERS),
        ("full", keys::FULL),
        ("on_error", keys::ON_ERROR),
        ("a parameter's type", keys::PARAM_TYPES),
    ];
    let mut missing: Vec<String> = Vec::new();
    let mut seen = 0;
    let mut look = |of: &str, name: &str| {
        seen += 1;
        if !is_shown(&examples, name) {
            missing.push(format!("{of}: {name}"));
        }
    };
    // What needs a server, a program or an embedding program is shown by its short form only.
    let outside = ["fetch", "exec", "shell", "worker", "python", "call"];
    for step in millstream::steps::STEPS {
        if step.name != "call" {
            look("step", step.name);
        }
        let options = step.options.iter().filter(|o| Some(o.name) != step.main);
        for option in options.filter(|_| !outside.contains(&step.name)) {
            // A name of the author's, or a format, not an option.
            if option.name.chars().any(char::is_lowercase) {
                look(step.name, option.name);
            }
        }
    }
    for (of, table) in tables {
        table
            .iter()
            .filter(|k| k.built)
            .for_each(|k| look(of, k.name));
    }
    for (of, table) in words {
        table
            .iter()
            .filter(|w| w.built)
            .for_each(|w| look(of, w.name));
    }
    println!("{seen} names looked for in {} examples", examples.len());
    assert!(missing.is_empty(), "in no example: {missing:#?}");
}
