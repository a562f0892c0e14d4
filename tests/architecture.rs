//! The shape of the house, as tests: which room may name which, how long a file may be, and what happens in
//! one place only. ARCHITECTURE.md says why. The sources are read as text, comments left out.

#![allow(clippy::print_stdout, reason = "it lists what is nearly too long")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may name whom. A room is a folder of `src/`, or a file beside them.
#[rustfmt::skip]
const EDGES: &[(&str, &[&str])] = &[
    // Toolboxes that know nothing of pipelines.
    ("diagnostic", &[]),
    ("rules",      &[]),
    ("value",      &[]),
    ("wait",       &[]),
    ("notice",     &[]),
    ("net",        &["wait"]),
    ("expr",       &["value", "diagnostic"]),
    ("sync",       &["wait", "value"]),
    ("channel",    &["wait", "value"]),
    ("worker",     &["value", "wait", "sync", "channel"]),
    // Three tenses: written, meant, happening.
    ("spec",       &["value", "diagnostic", "rules"]),
    ("steps",      &["value", "expr", "sync", "channel", "worker", "wait", "net", "spec", "diagnostic", "rules"]),
    ("plan",       &["value", "expr", "steps", "diagnostic"]),
    ("check",      &["spec", "plan", "sync", "steps", "expr", "value", "diagnostic", "rules", "schema"]),
    ("pool",       &["plan", "steps", "channel", "sync", "wait", "net", "value", "worker", "notice", "expr"]),
    ("engine",     &["pool", "plan", "steps", "channel", "sync", "wait", "net", "value", "worker", "notice", "expr"]),
    ("schema",     &["spec", "steps", "diagnostic"]),
    // Faces.
    ("report",     &["plan", "value", "notice", "steps", "diagnostic", "rules"]),
    ("cli",        &["report", "engine", "pool", "check", "plan", "steps", "spec", "worker", "expr", "value", "wait",
                     "notice", "diagnostic", "rules", "schema"]),
    ("pipeline",   &["report", "engine", "check", "plan", "steps", "spec", "wait", "notice", "diagnostic"]),
    ("lib",        &["pipeline", "cli", "report", "engine", "pool", "check", "plan", "steps", "spec", "worker", "channel", "sync",
                     "expr", "value", "wait", "net", "notice", "diagnostic", "rules", "schema"]),
    ("main",       &[]),
];

/// Where a room may know only some names of another.
const ONLY: &[(&str, &str, &[&str])] = &[
    // The untyped tree of the file, and the reading of its common forms.
    (
        "steps",
        "spec",
        &["Key", "Node", "Scalar", "Text", "Value", "forms"],
    ),
    // What is shown, and where sinks write without tearing it.
    ("report", "steps", &["Outcome", "Output"]),
];

/// Above the first number of lines, unit tests left out, a file is listed, above the second it fails.
const LONG: usize = 600;
const TOO_LONG: usize = 700;

/// The files that start threads, and what for.
const THREADS: &[(&str, &str)] = &[
    (
        "pool/threads.rs",
        "the workers, the run beside the faces, who waits for signals and keys",
    ),
    (
        "worker/programs.rs",
        "who hears the programs, and the guard in a program that embeds us",
    ),
    (
        "steps/read/pump.rs",
        "a read that may wait for ever, which a stop could not end",
    ),
];

/// The files that start programs.
const PROGRAMS: &[(&str, &str)] = &[
    ("worker/guard.rs", "all programs of a run"),
    ("worker/programs.rs", "the guard"),
];

/// A source file: its path below `src/`, and its text without comments and without its unit tests.
struct File {
    path: String,
    text: String,
    whole: String,
}

impl File {
    fn room(&self) -> &str {
        let first = self
            .path
            .split('/')
            .next()
            .expect("a path has a first part");
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut |path| {
        let whole = fs::read_to_string(path).expect("a source file is readable");
        let name = path
            .strip_prefix(&root)
            .expect("below src")
            .to_str()
            .expect("a plain name")
            .replace('\\', "/");
        let text = without_tests(&without_comments(&whole)).to_owned();
        files.push(File {
            path: name,
            text,
            whole,
        });
    });
    let only_for_tests: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let modules = test_modules(&file.text).into_iter();
            modules.map(move |name| format!("{folder}/{name}"))
        })
        .collect();
    files.retain(|file| {
        let name = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        !only_for_tests.iter().any(|module| module == name)
    });
    assert!(!files.is_empty(), "no sources below {}", root.display());
    files
}

fn walk(folder: &Path, found: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|e| e.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found(&path);
        }
    }
}

fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        if !line.trim_start().starts_with("//") {
            code.push_str(line);
        }
        code.push('\n');
    }
    code
}

/// A text up to its unit tests, which stand at its foot.
fn without_tests(text: &str) -> &str {
    let mut cuts = text.match_indices("#[cfg(test)]\nmod ");
    let cut = cuts.find(|(at, found)| {
        let rest = &text[at + found.len()..];
        rest.split(['{', ';']).next().map(str::len) == rest.find('{')
    });
    cut.map_or(text, |(at, _)| &text[..at])
}

/// The modules that a text declares for tests only: files that help tests.
fn test_modules(text: &str) -> Vec<&str> {
    text.split("#[cfg(test)]\n")
        .skip(1)
        .filter_map(|rest| rest.split(';').next()?.split("mod ").nth(1))
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect()
}

/// Every `crate::room` that a text names, also in `use crate::{a::X, b}`, with its line from 1 and what is
/// named of it: (line, room, names).
fn named_rooms(text: &str) -> Vec<(usize, String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        // Not `some_crate::` and not the `$crate::` of a macro, which is the same room's business.
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        let mut paths = Vec::new();
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (1, 0);
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (depth == 1 && c == ',') {
                    paths.push(group[start..i].trim());
                    start = i + 1;
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            paths.push(rest.split(';').next().unwrap_or_default());
        }
        for path in paths.into_iter().filter(|p| !p.is_empty()) {
            let end = path
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(path.len());
            let below = path[end..].strip_prefix("::").unwrap_or_default();
            found.push((line, path[..end].to_owned(), names_in(below)));
        }
    }
    found
}

/// `{A, b::C}` names A and b; `A::new(..)` names A.
fn names_in(below: &str) -> Vec<String> {
    let word = |part: &str| {
        part.trim()
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .map(str::to_owned)
    };
    match below.strip_prefix('{') {
        Some(group) => group
            .split('}')
            .next()
            .unwrap_or_default()
            .split(',')
            .filter_map(word)
            .collect(),
        None => word(below).into_iter().filter(|w| !w.is_empty()).collect(),
    }
}

/// The lines of all files that hold one of these words, but for files in which they are allowed.
fn lines_with(words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| !allowed(&f.path)) {
        for (n, line) in file.text.lines().enumerate() {
            if words.iter().any(|w| holds_word(line, w)) {
                wrong.push(format!("src/{}:{}: {}", file.path, n + 1, line.trim()));
            }
        }
    }
    wrong
}

fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn fail_if_any(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn rooms_name_only_the_rooms_that_they_may() {
    let mut wrong = Vec::new();
    for file in sources() {
        let room = file.room().to_owned();
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!(
                "src/{}: the room `{room}` has no row in EDGES",
                file.path
            ));
            continue;
        };
        for (line, named, names) in named_rooms(&file.text) {
            if named != room && EDGES.iter().any(|(name, _)| *name == named) {
                if !allowed.contains(&named.as_str()) {
                    wrong.push(format!(
                        "src/{}:{line}: `{room}` may not name `{named}`",
                        file.path
                    ));
                } else if let Some((.., few)) = ONLY
                    .iter()
                    .find(|(from, to, _)| (*from, *to) == (&*room, &*named))
                {
                    for word in names.iter().filter(|w| !few.contains(&w.as_str())) {
                        wrong.push(format!(
                            "src/{}:{line}: `{room}` may not name `{named}::{word}`",
                            file.path
                        ));
                    }
                }
            }
        }
    }
    fail_if_any(
        &wrong,
        "who may name whom is the table EDGES in tests/architecture.rs",
    );
}

#[test]
fn check_and_engine_never_see_each_other_even_around() {
    for (from, to) in [
        ("check", "engine"),
        ("engine", "check"),
        ("engine", "spec"),
        ("channel", "plan"),
    ] {
        let (mut seen, mut todo) = (Vec::new(), vec![from]);
        while let Some(room) = todo.pop() {
            if !seen.contains(&room) {
                seen.push(room);
                let (_, next) = EDGES
                    .iter()
                    .find(|(name, _)| *name == room)
                    .expect("a row for every room");
                // `steps` names only the untyped tree of `spec`: no way through there.
                todo.extend(next.iter().filter(|n| (room, **n) != ("steps", "spec")));
            }
        }
        assert!(
            !seen.contains(&to),
            "`{from}` reaches `{to}` by the table of edges"
        );
    }
}

#[test]
fn the_rooms_form_no_circle() {
    let mut done: Vec<&str> = Vec::new();
    while done.len() < EDGES.len() {
        let before = done.len();
        for (room, names) in EDGES {
            if !done.contains(room) && names.iter().all(|n| done.contains(n)) {
                done.push(room);
            }
        }
        assert!(
            done.len() > before,
            "a circle among the rooms that are not {done:?}"
        );
    }
}

#[test]
fn files_stay_short() {
    let mut files: Vec<(usize, String)> = sources()
        .iter()
        .map(|file| (file.text.lines().count(), format!("src/{}", file.path)))
        .filter(|(lines, _)| *lines > LONG)
        .collect();
    files.sort_unstable();
    let list: Vec<String> = files
        .iter()
        .map(|(n, path)| format!("{path}: {n} lines"))
        .collect();
    println!("longer than {LONG} lines:\n  {}", list.join("\n  "));
    assert!(
        files.iter().all(|(lines, _)| *lines <= TOO_LONG),
        "a file of more than {TOO_LONG} lines holds more than one concept"
    );
}

#[test]
fn unsafe_code_stands_only_in_files_named_raw() {
    let wrong = lines_with(
        &[
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "unsafe extern",
            "unsafe trait",
        ],
        |path| path.ends_with("/raw.rs"),
    );
    fail_if_any(
        &wrong,
        "unsafe code belongs in a file named raw.rs, each use with its reason",
    );
}

#[test]
fn only_report_prints() {
    let words = [
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "io::stdout()",
        "io::stderr()",
        "stdout()",
        "stderr()",
    ];
    let wrong = lines_with(&words, |path| path.starts_with("report/"));
    fail_if_any(
        &wrong,
        "only report/ writes to the terminal, else a line tears a progress bar",
    );
}

#[test]
fn only_main_ends_the_program() {
    let wrong = lines_with(&["process::exit", "process::abort"], |path| {
        path == "main.rs"
    });
    fail_if_any(
        &wrong,
        "an exit elsewhere skips what others still have to give back",
    );
}

#[test]
fn threads_and_programs_are_started_in_few_places() {
    let threads = [
        "thread::spawn",
        "thread::Builder",
        "thread::scope",
        "ThreadPoolBuilder",
        "rayon::spawn",
    ];
    for (words, few) in [
        (&threads[..], THREADS),
        (&["Command::new", "fork()"], PROGRAMS),
    ] {
        let wrong = lines_with(words, |path| few.iter().any(|(file, _)| *file == path));
        fail_if_any(
            &wrong,
            "whoever starts one must end it: a place more needs a row and a reason",
        );
        let stale = few
            .iter()
            .filter(|(file, _)| lines_with(words, |path| path != *file).is_empty());
        let stale: Vec<String> = stale.map(|(file, _)| (*file).to_owned()).collect();
        fail_if_any(&stale, "a row without a use");
    }
}

#[test]
fn only_wait_blocks_on_another_worker() {
    let words = ["Condvar", "thread::park", "park_timeout", "thread::sleep"];
    let wrong = lines_with(&words, |path| path.starts_with("wait/"));
    fail_if_any(
        &wrong,
        "a wait goes through wait/, where the registry sees it and a stop ends it",
    );
}

#[test]
fn only_the_plans_graph_names_petgraph() {
    fail_if_any(
        &lines_with(&["petgraph::"], |path| path == "plan/graph.rs"),
        "the graph library has one door",
    );
}

#[test]
fn every_room_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for file in sources() {
        if (file.path.ends_with("/mod.rs") || file.path == "lib.rs")
            && !file.whole.starts_with("//!")
        {
            wrong.push(format!("src/{}", file.path));
        }
    }
    fail_if_any(
        &wrong,
        "a mod.rs begins with //! and says what the room is for and what it does not know",
    );
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let text = "use crate::value::{Cell, Row};\nuse crate::{expr::Env, plan};\nfn f(x: crate::wait::Wait) {}\n\
                use other_crate::engine::X;\n";
    let mut seen = String::new();
    for (line, room, names) in named_rooms(text) {
        let _ = write!(seen, "{line}:{room}[{}] ", names.join(","));
    }
    assert_eq!(seen, "1:value[Cell,Row] 2:expr[Env] 2:plan[] 3:wait[Wait] ");
    assert_eq!(
        named_rooms(&without_comments(
            "//! see [`crate::engine`]\n    // crate::check\n"
        )),
        vec![]
    );
    assert!(
        holds_word("    println!(\"x\")", "println!") && !holds_word("eprintln!()", "println!")
    );
}
