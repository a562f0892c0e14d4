//! The program as it is typed: what goes to which stream, which exit code comes back, what a signal does.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

/// A folder to run the program in.
struct Room(TempDir);

impl Room {
    fn with(files: &[(&str, &str)]) -> Room {
        let room = Room(TempDir::new().expect("a temporary folder"));
        for (name, text) in files {
            fs::write(room.path().join(name), text).expect("a file");
        }
        room
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn types(&self, line: &str) -> Said {
        Said::of(&self.command(line).output().expect("the program starts"))
    }

    fn starts(&self, line: &str) -> Child {
        self.command(line).spawn().expect("the program starts")
    }
}

/// What came back.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    #[track_caller]
    fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    fn tells(self, part: &str) -> Said {
        assert!(self.err.contains(part), "{part:?} is not in {self:#?}");
        self
    }
}

/// Copies the lines of `lines.txt` that are not `no` to standard output.
const COPY: &str = "\
name: copy
params: {from: lines.txt}
stages:
  read: {do: [{read: '${from}'}]}
  keep:
    from: read
    threads: 2
    do:
      - filter: item != 'no'
      - print: 'got {item}'
";

fn copy() -> Room {
    Room::with(&[("p.yaml", COPY), ("lines.txt", "a\nno\nb\n")])
}

#[test]
fn results_go_to_standard_output_and_the_rest_to_standard_error() {
    let said = copy().types("run p.yaml").exits(0);
    assert_eq!(said.out, "got a\ngot b\n");
    said.tells("✓ done in").tells("filtered");
}

#[test]
fn quiet_says_nothing_of_a_run_without_mistakes() {
    for line in [
        "run -q p.yaml",
        "run --quiet p.yaml",
        "run --progress none p.yaml",
    ] {
        let said = copy().types(line).exits(0);
        assert_eq!(
            (said.out.as_str(), said.err.as_str()),
            ("got a\ngot b\n", ""),
            "{line}"
        );
    }
}

#[test]
fn parameters_are_set_on_the_command_line() {
    let room = copy();
    fs::write(room.path().join("other.txt"), "x\n").expect("a file");
    assert_eq!(
        room.types("run -q p.yaml --set from=other.txt")
            .exits(0)
            .out,
        "got x\n"
    );
    room.types("run p.yaml --set from")
        .exits(2)
        .tells("write NAME=VALUE");
    room.types("run p.yaml --set form=x").exits(2).tells("form");
}

#[test]
fn a_pipeline_is_read_from_standard_input_too() {
    let room = copy();
    let mut child = room
        .command("run -q -")
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(COPY.as_bytes())
        .expect("it is read");
    let said = Said::of(&child.wait_with_output().expect("it ends")).exits(0);
    assert_eq!(said.out, "got a\ngot b\n");
}

#[test]
fn paths_are_relative_to_the_file_unless_told_otherwise() {
    let room = copy();
    fs::create_dir(room.path().join("sub")).expect("a folder");
    fs::rename(room.path().join("p.yaml"), room.path().join("sub/p.yaml")).expect("a file");
    room.types("run -q sub/p.yaml").exits(74).tells("lines.txt");
    assert_eq!(
        room.types("run -q -C . sub/p.yaml").exits(0).out,
        "got a\ngot b\n"
    );
    room.types("run -C nowhere sub/p.yaml")
        .exits(2)
        .tells("-C nowhere: no such folder");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let room = copy();
    room.types("run q.yaml")
        .exits(2)
        .tells("q.yaml: no such file; did you mean p.yaml?");
    room.types("validate q.yaml p.yaml")
        .exits(2)
        .tells("✓ p.yaml");
    room.types("graph .").exits(2).tells("is a folder");
    fs::write(room.path().join("latin.yaml"), b"name: \xe9\n").expect("a file");
    room.types("run latin.yaml")
        .exits(2)
        .tells("latin.yaml is not UTF-8: byte 7");
}

#[test]
fn a_mistake_in_the_file_starts_nothing() {
    let room = Room::with(&[
        ("p.yaml", &COPY.replace("filter", "fitler")),
        ("lines.txt", "a\n"),
    ]);
    let said = room
        .types("run p.yaml")
        .exits(2)
        .tells("p.yaml:9:")
        .tells("did you mean `filter`?");
    assert_eq!(said.out, "");
}

#[test]
fn validate_answers_in_json_for_programs() {
    let room = Room::with(&[
        ("bad.yaml", &COPY.replace("filter", "fitler")),
        ("good.yaml", COPY),
    ]);
    let said = room
        .types("validate --format json bad.yaml good.yaml")
        .exits(2);
    let list: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(list[0]["code"], "E0203", "{list}");
    assert_eq!(
        (&list[0]["file"], &list[0]["line"]),
        (&"bad.yaml".into(), &9.into()),
        "{list}"
    );
    assert_eq!(
        room.types("validate --format json good.yaml")
            .exits(0)
            .out
            .trim(),
        "[]"
    );
}

#[test]
fn strict_makes_errors_of_warnings() {
    let text = "pipes: [spare]\n".to_string() + COPY;
    let room = Room::with(&[("p.yaml", &text)]);
    room.types("validate p.yaml")
        .exits(0)
        .tells("warning[W0402]");
    room.types("validate --strict p.yaml")
        .exits(2)
        .tells("error[W0402]");
}

#[test]
fn what_is_not_built_yet_is_refused() {
    let room = copy();
    for option in ["--state d", "--resume", "--cluster x", "--ui x"] {
        let name = option.split(' ').next().unwrap_or_default();
        let said = room.types(&format!("run p.yaml {option}")).exits(2);
        said.tells(&format!("{name} is not built yet"));
    }
}

#[test]
fn a_wrong_command_line_exits_2_and_help_does_not() {
    let room = copy();
    room.types("").exits(2).tells("Usage");
    room.types("rum p.yaml").exits(2).tells("'run'");
    room.types("run").exits(2).tells("FILE");
    assert!(room.types("--help").exits(0).out.contains("Usage"));
    assert!(
        room.types("--version")
            .exits(0)
            .out
            .starts_with("millstream ")
    );
}

#[test]
fn a_failing_item_fails_the_run_and_is_told_once() {
    let text = COPY.replace(
        "print: 'got {item}'",
        "map: int(item)\n      - print: '{item}'",
    );
    let room = Room::with(&[("p.yaml", &text), ("lines.txt", "1\nx\n")]);
    let said = room
        .types("run p.yaml")
        .exits(1)
        .tells("stage `keep`, step `map` (line 10)");
    assert_eq!(said.err.matches("step `map`").count(), 1, "{said:#?}");
    assert!(
        said.err.contains("✗ keep") && !said.err.contains("✗ read"),
        "{said:#?}"
    );
}

#[test]
fn errors_that_are_dropped_are_shown_and_counted() {
    let text = COPY.replace("threads: 2", "on_error: drop").replace(
        "print: 'got {item}'",
        "map: int(item)\n      - print: '{item}'",
    );
    let lines = "1\n".to_string() + &"x\n".repeat(20);
    let room = Room::with(&[("p.yaml", &text), ("lines.txt", &lines)]);
    let said = room
        .types("run p.yaml")
        .exits(0)
        .tells("20 errors")
        .tells("further errors");
    assert_eq!(said.err.matches("item: \"x\"").count(), 5, "{said:#?}");
    assert_eq!(said.out, "1\n");
}

#[test]
fn a_missing_input_file_exits_74() {
    copy()
        .types("run p.yaml --set from=none.txt")
        .exits(74)
        .tells("none.txt");
}

#[test]
fn a_full_disk_exits_74() {
    let text = COPY.replace("print: 'got {item}'", "write: /dev/full");
    let room = Room::with(&[("p.yaml", &text), ("lines.txt", "a\n")]);
    room.types("run p.yaml").exits(74).tells("/dev/full");
}

#[test]
fn when_the_reader_goes_away_the_run_ends_quietly() {
    let text = COPY.replace("read: '${from}'", "read: endless");
    let room = Room::with(&[("p.yaml", &text)]);
    // A source without an end: only the closed output can end the run.
    mkfifo(&room.path().join("endless"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let mut child = room.starts("run p.yaml");
    let mut fifo = fs::OpenOptions::new()
        .write(true)
        .open(room.path().join("endless"))
        .expect("it is read");
    let out = child.stdout.take().expect("a pipe");
    drop(out);
    while fifo.write_all(b"line\n").is_ok() {}
    let said = Said::of(&child.wait_with_output().expect("it ends")).exits(141);
    assert_eq!(said.err, "");
}

/// A run that reads a fifo which stays open, and has printed its first line: it only waits.
fn waiting(options: &str) -> (Room, Child, fs::File) {
    let room = copy();
    mkfifo(&room.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let mut child = room.starts(&format!("run p.yaml --set from=fifo {options}"));
    let mut fifo = fs::OpenOptions::new()
        .write(true)
        .open(room.path().join("fifo"))
        .expect("it is read");
    fifo.write_all(b"one\n").expect("it is read");
    let mut first = [0; 8];
    child
        .stdout
        .as_mut()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("a line");
    assert_eq!(&first, b"got one\n");
    (room, child, fifo)
}

fn send(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).expect("a process number");
    kill(Pid::from_raw(id), signal).expect("it lives");
}

#[test]
fn the_first_signal_ends_a_run_that_waits_for_its_source() {
    for (signal, code, word) in [
        (Signal::SIGINT, 130, "interrupted"),
        (Signal::SIGTERM, 143, "terminated"),
    ] {
        let (_room, child, fifo) = waiting("");
        send(&child, signal);
        let said = Said::of(&child.wait_with_output().expect("it ends")).exits(code);
        said.tells(&format!("■ {word} after"));
        drop(fifo);
    }
}

#[test]
fn sigusr1_tells_what_every_worker_does_and_the_run_goes_on() {
    let (_room, mut child, fifo) = waiting("--progress none");
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    // Asked again until all three workers are there and wait; a report ends where the next one begins.
    let mut told = String::new();
    while ![
        "read, worker 0: waits",
        "keep, worker 0: waits",
        "keep, worker 1: waits",
    ]
    .iter()
    .all(|part| told.contains(part))
    {
        send(&child, Signal::SIGUSR1);
        told.clear();
        while !told.contains("after") {
            assert_ne!(err.read_line(&mut told).expect("it is read"), 0, "{told}");
        }
    }
    drop(fifo);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn events_are_one_object_a_line() {
    let said = copy().types("run p.yaml --progress json").exits(0);
    let events: Vec<serde_json::Value> = said
        .err
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    let names: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(names, ["start", "end"]);
    assert_eq!(events[0]["stages"][1]["name"], "keep");
    let end = &events[1];
    assert_eq!(
        (&end["exit"], &end["stages"][1]["ended"]["filtered"]),
        (&0.into(), &1.into())
    );
    assert_eq!(said.out, "got a\ngot b\n");
}

fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
            found.push(key.clone());
            keys(value, found);
        }),
        serde_json::Value::Array(list) => list.iter().for_each(|v| keys(v, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_an_event_is_in_the_documentation() {
    let page = include_str!("../docs/progress-events.md");
    let said = copy().types("run p.yaml --progress json").exits(0);
    let mut found = Vec::new();
    for line in said.err.lines() {
        keys(&serde_json::from_str(line).expect("JSON"), &mut found);
    }
    for key in found.iter().filter(|k| *k != "event") {
        assert!(
            page.contains(&format!("`{key}`")),
            "`{key}` is not documented"
        );
    }
}

#[test]
fn the_graph_is_drawn_without_running_anything() {
    let room = copy();
    fs::remove_file(room.path().join("lines.txt")).expect("it is there");
    let drawn = room.types("graph p.yaml").exits(0).out;
    assert!(
        drawn.contains(" ●  read") && drawn.contains("filter item != 'no'"),
        "{drawn}"
    );
    let dot = room.types("graph --format dot p.yaml").exits(0).out;
    assert!(
        dot.starts_with("digraph") && dot.contains("s0 -> s1"),
        "{dot}"
    );
    room.types("graph p.yaml -o plan.txt").exits(0);
    let written = fs::read_to_string(room.path().join("plan.txt")).expect("it was written");
    assert_eq!(written, drawn);
    room.types("graph p.yaml -o no/such/folder")
        .exits(74)
        .tells("no/such/folder");
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let room = copy();
    assert!(!room.types("run p.yaml").err.contains('\u{1b}'));
    assert!(
        room.types("run p.yaml --color always")
            .err
            .contains('\u{1b}')
    );
    assert!(
        room.types("graph p.yaml --color always")
            .out
            .contains('\u{1b}')
    );
}

#[test]
fn a_dry_run_tells_what_would_run_and_starts_nothing() {
    let room = copy();
    fs::remove_file(room.path().join("lines.txt")).expect("it is there");
    let said = room.types("run --dry-run p.yaml").exits(0).out;
    for part in [
        "copy would run 2 stages, 1 connection with 3 workers",
        "all at once: read, keep",
        "read → keep  string, at most 1,024",
        "read: read lines.txt",
        "keep: print",
        "from  lines.txt",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let said = room
        .types("run --dry-run --format json p.yaml")
        .exits(0)
        .out;
    let outline: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&outline["workers"], &outline["most"]["items"]),
        (&3.into(), &1024.into())
    );
    room.types("run --format json p.yaml")
        .exits(2)
        .tells("--dry-run");
}

#[test]
fn a_secret_is_shown_nowhere_but_in_the_data() {
    let text = COPY
        .replace(
            "params: {",
            "params: {token: {type: string, secret: true}, ",
        )
        .replace(
            "print: 'got {item}'",
            "print: '{item} ${token}'\n      - map: int(item)",
        )
        .replace("    threads: 2", "    threads: 2\n    on_error: drop");
    let room = Room::with(&[("p.yaml", &text), ("lines.txt", "s3cret\n")]);
    let set = "--set token=s3cret";
    for line in [
        "graph p.yaml",
        "graph p.yaml --format svg",
        "run --dry-run p.yaml",
        "validate p.yaml",
    ] {
        let said = room.types(&format!("{line} {set}")).exits(0);
        assert!(!(said.out + &said.err).contains("s3cret"), "{line}");
    }
    let said = room
        .types(&format!("run p.yaml {set}"))
        .exits(0)
        .tells("***");
    assert_eq!(said.out, "s3cret s3cret\n");
    assert!(!said.err.contains("s3cret"), "{said:#?}");
}

#[test]
fn the_schema_is_json() {
    let said = copy().types("schema").exits(0);
    let schema: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert!(schema["properties"]["stages"].is_object());
}

#[test]
fn verbose_says_when_stages_start_and_end_and_what_their_workers_waited_for() {
    let said = copy().types("run -v p.yaml").exits(0);
    for part in [
        "stage `keep` has started",
        "stage `keep`: done, 3 taken",
        "time of workers",
        "most waiting",
    ] {
        assert!(said.err.contains(part), "{part:?} is not in {said:#?}");
    }
    let said = copy().types("run p.yaml").exits(0);
    assert!(!said.err.contains("has started"), "{said:#?}");
}
