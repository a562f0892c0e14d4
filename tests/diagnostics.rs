//! What we say about files with mistakes, word for word: each `tests/diagnostics/NAME.yaml` beside its
//! `NAME.stderr`. `UPDATE=1 cargo test --test diagnostics` writes what is said now; read the difference before
//! you commit it.
//!
//! A file may begin with comments that set the scene: `#! set log=x.log`, `#! env HOME=/home/ann`,
//! `#! run` (every parameter must have a value), `#! strict`. Files in `good/` must be without a mistake.

use std::path::{Path, PathBuf};

use millstream::diagnostic::Source;
use millstream::report::diagnostics::{Report, summary};
use millstream::steps::Functions;
use millstream::{check, spec};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries
        .map(|e| e.expect("a readable entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// All that is said about a file, as it is shown.
fn said(path: &Path) -> String {
    // Not every mistake is UTF-8.
    let bytes = std::fs::read(path).expect("a readable file");
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .expect("a plain name")
        .to_string();
    let source = Source {
        name,
        text: String::from_utf8(bytes).expect("a text"),
    };
    let mut given = spec::Given {
        folder: folder(),
        here: PathBuf::from("/here"),
        ..spec::Given::default()
    };
    let mut strict = false;
    for line in source.text.lines().map_while(|l| l.strip_prefix("#! ")) {
        let pair = |rest: &str| {
            rest.split_once('=')
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .expect("NAME=VALUE")
        };
        match line.split_once(' ') {
            Some(("set", rest)) => given.set.push(pair(rest)),
            Some(("env", rest)) => given.environment.extend([pair(rest)]),
            None if line == "run" => given.complete = true,
            None if line == "strict" => strict = true,
            _ => panic!("{}: unknown scene {line:?}", path.display()),
        }
    }
    let cx = check::Cx {
        functions: Functions::default(),
        rehearse: false,
        cpus: std::num::NonZeroUsize::MIN,
        start: (0, 0),
    };
    let check::Whole { file, found, .. } = check::whole(&source, &given, &cx);
    let secrets = file.map_or_else(Vec::new, |file| file.params.secrets());
    let report = Report::new(&source, found, strict).hiding(secrets);
    let text = report.text(false, 120);
    match summary(&[report]) {
        Some(summary) => format!("{text}{summary}\n"),
        None => text,
    }
}

#[test]
fn every_file_gets_the_words_that_stand_beside_it() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    // Typical mistakes of who comes from Python, Vector or GitHub Actions have a folder of their own.
    let elsewhere = files(&folder().join("from_elsewhere"), "yaml");
    assert_eq!(elsewhere.len(), 40, "in from_elsewhere");
    for path in files(&folder(), "yaml").into_iter().chain(elsewhere) {
        let said = said(&path);
        let beside = path.with_extension("stderr");
        if update {
            std::fs::write(&beside, &said).expect("the words can be written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if said.is_empty() || said != expected {
            wrong.push(format!(
                "{}: expected\n{expected}\nsaid\n{said}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_words_stand_without_their_file() {
    for path in files(&folder(), "stderr") {
        assert!(path.with_extension("yaml").exists(), "{}", path.display());
    }
}

#[test]
fn nothing_is_said_about_good_files() {
    for path in files(&folder().join("good"), "yaml") {
        assert_eq!(said(&path), "", "{}", path.display());
    }
}
