//! The drawings of `graph`: each `tests/graph/NAME.yaml` beside what is drawn of it, word for word.
//! `UPDATE=1 cargo test --test graph` writes what is drawn now; look at it before it is committed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FORMATS: [&str; 4] = ["text", "dot", "mermaid", "svg"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graph")
}

fn pipelines() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder())
        .expect("a readable folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

/// Those, and all that the repository ships.
fn every() -> Vec<PathBuf> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let entries = fs::read_dir(shipped).expect("a readable folder");
    let mut all: Vec<PathBuf> = entries
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    all.extend(pipelines());
    all
}

fn drawn(file: &Path, format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["graph", "--format", format])
        .arg(file)
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", file.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What a program that reads standard input says of a text; `None`: it has no objection.
fn objection(program: &str, arguments: &[&str], text: &str) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program} is one of the tools of tests/run: {e}"));
    // A program that objects early need not read all of it.
    let _unread = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success() || !told.is_empty()).then_some(told)
}

#[test]
fn every_pipeline_is_drawn_as_it_was_looked_at() {
    for file in pipelines() {
        for format in FORMATS {
            // Of the large one only that it can be drawn, and the text.
            if file.ends_with("forty.yaml") && format != "text" {
                continue;
            }
            let (now, golden) = (drawn(&file, format), file.with_extension(format));
            if std::env::var_os("UPDATE").is_some() {
                fs::write(&golden, now).expect("a writable file");
                continue;
            }
            let then = fs::read_to_string(&golden).unwrap_or_default();
            assert_eq!(now, then, "{}", golden.display());
        }
    }
}

#[test]
fn the_picture_of_the_readme_is_what_is_drawn() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let now = drawn(&root.join("pipelines/fan-out.yaml"), "svg");
    let picture = root.join("docs/pictures/graph.svg");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&picture, &now).expect("a writable file");
    }
    assert!(
        fs::read_to_string(&picture).expect("a picture") == now,
        "docs/pictures/graph.svg is out of date: docs/pictures/make"
    );
}

#[test]
fn graphviz_accepts_the_dot() {
    for file in every() {
        let said = objection("dot", &["-Tcanon"], &drawn(&file, "dot"));
        assert_eq!(said, None, "{}", file.display());
    }
}

#[test]
fn the_svg_is_xml_that_stands_alone() {
    let read = "import sys, xml.dom.minidom as m; m.parseString(sys.stdin.buffer.read())";
    for file in every() {
        let svg = drawn(&file, "svg");
        assert_eq!(
            objection("python3", &["-c", read], &svg),
            None,
            "{}",
            file.display()
        );
        for part in [
            "<title id=",
            "<desc id=",
            "prefers-color-scheme: dark",
            "role=\"img\"",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        for part in [" href=", ": url(", "@import"] {
            assert!(!svg.contains(part), "{part}");
        }
    }
}

#[test]
#[allow(
    clippy::print_stderr,
    reason = "that nothing was tested must not go unnoticed"
)]
fn mermaid_accepts_the_diagrams() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = root.join("target/npm");
    if !installed.join("node_modules/mermaid").is_dir() {
        assert!(
            std::env::var_os("CI").is_none(),
            "`tests/run tools` must come first"
        );
        eprintln!("NOT TESTED: Mermaid is missing; `tests/run tools` installs it with npm");
        return;
    }
    let mut texts: Vec<String> = every().iter().map(|f| drawn(f, "mermaid")).collect();
    // The reader itself can object.
    texts.push("flowchart TB\n  a[x -->\n".into());
    let mut child = Command::new("node")
        .arg(root.join("tests/npm/mermaid.mjs"))
        .arg(&installed)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is one of the tools of tests/run");
    let asked = serde_json::to_string(&texts).expect("JSON");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(asked.as_bytes()).expect("it is read");
    drop(pipe);
    let said = child.wait_with_output().expect("it ends").stdout;
    let mut said: Vec<Option<String>> = serde_json::from_slice(&said).expect("JSON");
    assert!(said.pop().flatten().is_some(), "nonsense is accepted");
    for (file, said) in every().iter().zip(&said) {
        assert_eq!(*said, None, "{}", file.display());
    }
}
