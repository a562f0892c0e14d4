use std::fs;

use crate::case::{Case, gzip, millstream, repository};

/// The generator of the shipped log, which must go on writing just that.
#[path = "../../examples/make-log/log.rs"]
pub(crate) mod log;

fn expected(name: &str) -> String {
    fs::read_to_string(repository().join("tests/expected").join(name)).expect("an expected output")
}

#[test]
fn the_access_report_prints_the_twenty_worst_paths() {
    let (code, stdout, stderr) = millstream(&["run", "pipelines/access-report.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, expected("access-report.jsonl"), "{stderr}");
}

#[test]
fn the_access_report_accounts_for_every_line() {
    let done = Case::new(
        &fs::read_to_string(repository().join("pipelines/access-report.yaml")).expect("it"),
    )
    .file(
        "data/access.log",
        fs::read(repository().join("pipelines/data/access.log")).expect("the log"),
    )
    .arg("--progress")
    .arg("plain")
    .run()
    .exits(0);
    let parse = |column| done.account("parse", column);
    assert_eq!(
        (parse("taken"), parse("dropped")),
        (10_000, 26),
        "{}",
        done.stderr
    );
    assert_eq!(
        parse("passed") + parse("filtered"),
        9_974,
        "{}",
        done.stderr
    );
}

#[test]
fn the_access_report_reads_another_log_compressed_and_from_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = fs::read_to_string(repository().join("pipelines/data/access.log")).expect("the log");
    let path = folder.path().join("other.log.gz");
    fs::write(&path, gzip(&log)).expect("a file");
    let set = format!("log={}", path.display());
    let (code, stdout, stderr) = millstream(&[
        "run",
        "pipelines/access-report.yaml",
        "--set",
        &set,
        "--progress",
        "none",
    ]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, expected("access-report.jsonl"));
}

#[test]
fn the_shipped_log_is_what_the_generator_writes() {
    let mut written = Vec::new();
    log::write(&mut written, 10_000, log::SEED).expect("memory");
    let shipped = fs::read(repository().join("pipelines/data/access.log")).expect("the log");
    assert!(
        written == shipped,
        "cargo run --example make-log > pipelines/data/access.log"
    );
}

/// Every folder of expected files is a shipped pipeline: `stdout` is what it writes to standard output, the
/// others what it writes into its folder `out`.
#[test]
fn every_shipped_pipeline_writes_what_is_expected() {
    let mut pipelines = 0;
    for entry in fs::read_dir(repository().join("tests/expected"))
        .expect("a folder")
        .flatten()
    {
        if !entry.path().is_dir() {
            continue;
        }
        pipelines += 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        let file = format!("pipelines/{name}.yaml");
        let text = fs::read_to_string(repository().join(&file)).expect("the pipeline");
        let out = tempfile::tempdir().expect("a folder");
        let set = format!("out={}", out.path().display());
        let mut args = vec!["run", &file, "--progress", "none"];
        if text.contains("${out}") {
            args.extend(["--set", &set]);
        }
        let (code, stdout, stderr) = millstream(&args);
        assert_eq!(code, 0, "{name}: {stderr}");
        let mut expected: Vec<String> = Vec::new();
        for file in fs::read_dir(entry.path()).expect("a folder").flatten() {
            let file_name = file.file_name().to_string_lossy().into_owned();
            let wanted = fs::read_to_string(file.path()).expect("an expected file");
            if file_name == "stdout" {
                assert_eq!(stdout, wanted, "{name}");
                continue;
            }
            let got = fs::read_to_string(out.path().join(&file_name));
            assert_eq!(got.ok().as_deref(), Some(&*wanted), "{name}: {file_name}");
            expected.push(file_name);
        }
        let mut written: Vec<String> = fs::read_dir(out.path())
            .expect("a folder")
            .flatten()
            .map(|f| f.file_name().to_string_lossy().into_owned())
            .collect();
        expected.sort();
        written.sort();
        assert_eq!(written, expected, "{name}");
    }
    assert!(pipelines >= 6, "only {pipelines} were found");
}

#[test]
fn every_shipped_pipeline_is_valid_and_names_its_schema() {
    let mut seen = 0;
    for folder in ["pipelines", "benches/pipelines"] {
        for entry in fs::read_dir(repository().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|e| e != "yaml") {
                continue;
            }
            seen += 1;
            let text = fs::read_to_string(&path).expect("a file");
            let up = if folder == "pipelines" { ".." } else { "../.." };
            let first = format!("# yaml-language-server: $schema={up}/schema.json\n");
            assert!(
                text.starts_with(&first),
                "{} begins with {first}",
                path.display()
            );
            let (code, _, stderr) = millstream(&["validate", path.to_str().expect("a name")]);
            assert_eq!(code, 0, "{}:\n{stderr}", path.display());
        }
    }
    assert!(seen >= 2, "the pipelines are found");
}

#[test]
fn the_shipped_deadlock_is_found_and_told() {
    // The page about guards shows this very file, and what is said of it.
    let read = |name: &str| fs::read_to_string(repository().join(name)).expect("a file");
    let file = read("pipelines/deadlock.yaml");
    let (_, shown) = file.split_once('\n').expect("lines");
    assert!(read("docs/guards.md").contains(shown));
    let run = |face| millstream(&["run", "pipelines/deadlock.yaml", "--progress", face]);
    for face in ["none", "plain"] {
        let (code, stdout, stderr) = run(face);
        assert_eq!((code, &*stdout), (3, ""), "{stderr}");
        for words in [
            "warning[W0504]: guards are taken in different orders: `left_fork` → `right_fork` (line 15",
            "error: deadlock: 2 workers wait for what can never come",
            "stage `plato`, worker 0, step `print` (line 15), item \"spaghetti\"\n    has held the lock `left_fork` for",
            "(line 12)\n    waits for the lock `right_fork`, which `kant` holds",
            "the circle: `plato` waits for the lock `right_fork`, which is held by `kant`, which waits for the lock `left_fork`, which is held by `plato`",
            "hint: take them as one set, `with: [left_fork, right_fork]`",
        ] {
            assert!(
                stderr.contains(words),
                "{face}: {words:?} is missing in\n{stderr}"
            );
        }
        let summary = stderr.contains("plato      1           1");
        assert_eq!(summary, face == "plain", "{stderr}");
    }
    let (code, _, stderr) = run("json");
    assert_eq!(code, 3, "{stderr}");
    let told = stderr
        .lines()
        .find(|l| l.starts_with("{\"event\":\"deadlock\""));
    let told: serde_json::Value = serde_json::from_str(told.expect("an event")).expect("JSON");
    let plato = &told["workers"][0];
    assert_eq!(plato["stage"], "plato");
    assert_eq!(
        (&plato["line"], &plato["holds"][0]["line"]),
        (&15.into(), &12.into())
    );
    assert_eq!(plato["holds"][0]["what"], "the lock `left_fork`");
    assert!(plato["for"].as_f64().expect("a number") > 0.0);
    let end = stderr.lines().find(|l| l.starts_with("{\"event\":\"end\""));
    let end: serde_json::Value = serde_json::from_str(end.expect("an event")).expect("JSON");
    assert_eq!(end["exit"], 3);
    assert_eq!(end["stages"][0]["ended"]["unfinished"], 1);
}
