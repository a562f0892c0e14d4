//! The documentation's own pipelines: every block of YAML is checked, and run where its output stands beside it.
//!
//! In docs/*.md and README.md a block that begins with
//! - ```` ```yaml ```` is a pipeline file and must be valid, where it has `stages:` (without, it is a part of one);
//! - ```` ```text title=NAME ```` is a file that the pipelines below it find, up to the next heading;
//! - ```` ```text output ```` is what the pipeline above it writes to standard output;
//! - ```` ```text file=NAME ```` is what it writes to that file;
//! - ```` ```text error ```` is what it is refused with (then it must not be valid).

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
                            || b.info == "text error"
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
                if behind.is_empty() {
                    continue;
                }
                run += 1;
                let ran = millstream(folder, &["run", "--progress", "none", "pipeline.yaml"]);
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
