//! Our YAML reader against the YAML Test Suite (github.com/yaml/yaml-test-suite), which lies beside the
//! repository, in `shared/data/yaml-test-suite` of a folder above it. Without libtest's harness, so that where
//! the suite is missing this says so instead of passing.
//!
//! A case is right where our tree, as JSON, is the suite's, and where what is invalid is refused. What this
//! language refuses although YAML allows it (several documents, tags, keys that are no texts) is counted apart.

#![allow(clippy::print_stdout, reason = "this is the harness")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use millstream::diagnostic::{Diagnostics, Source};
use millstream::spec::{self, Node, Scalar, Value};
use serde_json::Value as Json;

/// Cases whose outcome is not what the suite says, and why.
const EXCEPTIONS: &[(&str, &str)] = &[];

struct Case {
    id: String,
    yaml: String,
    fail: bool,
    /// One value a document; `None`: it cannot be said in JSON.
    json: Option<Vec<Json>>,
    documents: usize,
}

fn suite() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .map(|a| a.join("shared/data/yaml-test-suite"))
        .find(|p| p.is_dir())
}

/// The suite writes blanks that one would not see with marks.
fn unmarked(text: &str) -> String {
    let mut out = text
        .replace('␣', " ")
        .replace('⇔', "\u{FEFF}")
        .replace('←', "\r")
        .replace("∎\n", "")
        .replace('↵', "");
    while let Some(tab) = out.find('»') {
        let start = out[..tab].trim_end_matches('—').len();
        out.replace_range(start..tab + '»'.len_utf8(), "\t");
    }
    out
}

fn cases(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).expect("a readable file");
    let list: Vec<BTreeMap<String, serde_yaml::Value>> =
        serde_yaml::from_str(&text).expect("the suite is YAML");
    let name = file
        .file_stem()
        .and_then(|n| n.to_str())
        .expect("a plain name");
    let mut before: BTreeMap<String, serde_yaml::Value> = BTreeMap::new();
    let mut cases = Vec::new();
    for (number, case) in list.into_iter().enumerate() {
        // What a case does not say is as in the one before it, but not that it is invalid.
        before.remove("fail");
        before.extend(case);
        let text = |key: &str| before.get(key).and_then(serde_yaml::Value::as_str);
        let flag = |key: &str| {
            before
                .get(key)
                .and_then(serde_yaml::Value::as_bool)
                .unwrap_or(false)
        };
        if flag("skip") {
            continue;
        }
        let json = text("json").map(|j| {
            serde_json::Deserializer::from_str(j)
                .into_iter()
                .collect::<Result<_, _>>()
                .expect("JSON")
        });
        cases.push(Case {
            id: format!("{name}/{number}"),
            yaml: unmarked(text("yaml").expect("a case has YAML")),
            fail: flag("fail"),
            documents: text("tree").unwrap_or("").matches("+DOC").count(),
            json,
        });
    }
    cases
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(Scalar::Null) => Json::Null,
        Value::Scalar(Scalar::Bool(b)) => Json::from(*b),
        Value::Scalar(Scalar::Int(i)) => Json::from(*i),
        Value::Scalar(Scalar::Double(d)) => Json::from(*d),
        Value::Scalar(Scalar::String { text, .. }) => Json::from(text.as_str()),
        Value::List(list) => list.iter().map(json).collect(),
        Value::Map(map) => map.iter().map(|(k, v)| (k.text.clone(), json(v))).collect(),
    }
}

enum Outcome {
    Right,
    /// Refused, as this language does.
    Refused(&'static str),
    Wrong(String),
}

fn judge(case: &Case) -> Outcome {
    let source = Source {
        name: case.id.clone(),
        text: case.yaml.clone(),
    };
    let mut found = Diagnostics::default();
    let tree = spec::read(&source, &mut found);
    let list = found.sorted();
    let error = list.iter().find(|d| d.code.starts_with('E'));
    match (case.fail, error) {
        (true, Some(_)) => Outcome::Right,
        (true, None) => Outcome::Wrong("accepted".into()),
        (false, Some(d)) if case.documents > 1 && d.message.contains("second document") => {
            Outcome::Refused("several documents")
        }
        (false, Some(d))
            if d.message.contains("as a tag") || d.message.contains("what the tag") =>
        {
            Outcome::Refused("a tag")
        }
        (false, Some(d))
            if d.message.contains("cannot be a key")
                || d.message.contains("a key is missing")
                || d.message.contains("these braces") =>
        {
            Outcome::Refused("a key that is no text")
        }
        (false, Some(d)) => {
            Outcome::Wrong(format!("{} {}: {}", d.code, source.place(d.at), d.message))
        }
        (false, None) => {
            let Some(expected) = &case.json else {
                return Outcome::Right;
            };
            let got = tree.as_ref().map_or(Json::Null, json);
            match &expected[..] {
                [] if got.is_null() => Outcome::Right,
                [one] if *one == got => Outcome::Right,
                _ => Outcome::Wrong(format!("got {got}, expected {expected:?}")),
            }
        }
    }
}

fn main() -> ExitCode {
    let Some(folder) = suite() else {
        println!(
            "NOT TESTED: the YAML Test Suite is missing (shared/data/yaml-test-suite in a folder above this one)"
        );
        return ExitCode::SUCCESS;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|e| e.expect("an entry").path())
        .collect();
    files.retain(|f| f.file_stem().is_some_and(|n| n.len() == 4));
    files.sort();
    let (mut right, mut refused, mut wrong) = (0, BTreeMap::new(), 0);
    for case in files.iter().flat_map(|f| cases(f)) {
        let exception = EXCEPTIONS.iter().find(|(id, _)| *id == case.id);
        match (judge(&case), exception) {
            (Outcome::Right, None) => right += 1,
            (Outcome::Refused(why), None) => *refused.entry(why).or_insert(0) += 1,
            (Outcome::Wrong(_), Some((_, why))) => *refused.entry(*why).or_insert(0) += 1,
            (Outcome::Wrong(how), None) => {
                println!("{}: {how}\n{}\n", case.id, case.yaml);
                wrong += 1;
            }
            (_, Some(_)) => {
                println!("{}: is right now; strike it out of the exceptions", case.id);
                wrong += 1;
            }
        }
    }
    println!("YAML Test Suite: {right} right, {wrong} wrong; apart from these:");
    for (why, count) in &refused {
        println!("  {count:3} {why}");
    }
    // So that an empty folder is not taken for success.
    if wrong == 0 && right > 200 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
