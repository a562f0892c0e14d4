//! What people see who write pipelines in an editor: the YAML language server that editors run, asked over its
//! protocol about files beside schema.json. `tests/run tools` installs it; without it the tests say so.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use millstream::steps::STEPS;
use serde_json::{Value, json};
use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A language server and the folder that it thinks an editor has open.
struct Editor {
    folder: TempDir,
    server: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    requests: u64,
    /// Of every file, what was last said of it.
    marked: Vec<(String, Value)>,
}

impl Editor {
    /// `None`, said: it is not installed.
    #[allow(
        clippy::print_stderr,
        reason = "that nothing was tested must not go unnoticed"
    )]
    fn opens() -> Option<Editor> {
        let modules = root().join("target/npm/node_modules/yaml-language-server");
        if !modules.is_dir() {
            assert!(
                std::env::var_os("CI").is_none(),
                "`tests/run tools` must come first"
            );
            eprintln!(
                "NOT TESTED: the YAML language server is missing; `tests/run tools` installs it with npm"
            );
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(
            folder.path().join("schema.json"),
            millstream::schema::text(),
        )
        .expect("a file");
        let mut server = Command::new("node")
            .arg(modules.join("bin/yaml-language-server"))
            .arg("--stdio")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is one of the tools of tests/run");
        let to = server.stdin.take().expect("a pipe");
        let from = BufReader::new(server.stdout.take().expect("a pipe"));
        let mut editor = Editor {
            folder,
            server,
            to,
            from,
            requests: 0,
            marked: Vec::new(),
        };
        let capabilities = json!({
            "workspace": {"configuration": true},
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": true, "documentationFormat": ["markdown"]}},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
        });
        editor.asks(
            "initialize",
            &json!({
                "processId": std::process::id(),
                "rootUri": editor.uri(""),
                "capabilities": capabilities,
                "workspaceFolders": [{"uri": editor.uri(""), "name": "test"}],
            }),
        );
        editor.tells("initialized", &json!({}));
        Some(editor)
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.folder.path().join(name).display())
    }

    fn sends(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
    }

    fn tells(&mut self, method: &str, params: &Value) {
        self.sends(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// The next message of the server; what it asks for is answered.
    fn hears(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = self.from.read_line(&mut line).expect("the server talks");
            assert!(read > 0, "the language server has ended");
            match line.trim().split_once(": ") {
                Some(("Content-Length", n)) => length = n.parse().expect("a number"),
                _ if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut text = vec![0; length];
        self.from.read_exact(&mut text).expect("the server talks");
        let message: Value = serde_json::from_slice(&text).expect("JSON");
        if message["method"] == "textDocument/publishDiagnostics" {
            let name = message["params"]["uri"].as_str().unwrap_or_default();
            self.marked
                .push((name.to_owned(), message["params"]["diagnostics"].clone()));
        } else if message.get("method").is_some() && message.get("id").is_some() {
            let answer = if message["method"] == "workspace/configuration" {
                let items = message["params"]["items"].as_array().expect("items");
                let settings = |item: &Value| match item["section"].as_str() {
                    // No catalogue of schemas from the network: the file names its own.
                    Some("yaml") => json!({
                        "validate": true, "hover": true, "completion": true, "schemaStore": {"enable": false},
                        "format": {"enable": false}, "yamlVersion": "1.2",
                    }),
                    _ => json!({}),
                };
                items.iter().map(settings).collect()
            } else {
                Value::Null
            };
            self.sends(&json!({"jsonrpc": "2.0", "id": message["id"], "result": answer}));
        }
        message
    }

    fn asks(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.sends(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.hears();
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Opens a file; what is marked in it as wrong.
    fn open(&mut self, name: &str, text: &str) -> Vec<String> {
        let text = format!("# yaml-language-server: $schema=schema.json\n{text}");
        self.open_as_it_is(name, &text)
    }

    fn open_as_it_is(&mut self, name: &str, text: &str) -> Vec<String> {
        let uri = self.uri(name);
        self.marked.clear();
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.tells("textDocument/didOpen", &json!({"textDocument": document}));
        loop {
            let said = self.marked.iter().rfind(|(of, _)| *of == uri);
            if let Some((_, found)) = said {
                let list = found.as_array().expect("a list");
                return list
                    .iter()
                    .filter_map(|d| d["message"].as_str().map(str::to_owned))
                    .collect();
            }
            self.hears();
        }
    }

    /// Opens the text without its `|`; the place of that.
    fn place(&mut self, name: &str, text: &str) -> Value {
        let at = text.find('|').expect("a mark");
        let text = text.replacen('|', "", 1);
        self.open(name, &text);
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |n| n + 1);
        json!({
            "textDocument": {"uri": self.uri(name)},
            "position": {"line": line, "character": column},
        })
    }

    /// What is offered where the text has a `|`.
    fn offers(&mut self, name: &str, text: &str) -> Vec<String> {
        let place = self.place(name, text);
        let answer = self.asks("textDocument/completion", &place);
        let list = answer["items"].as_array().or(answer.as_array());
        list.into_iter()
            .flatten()
            .filter_map(|i| i["label"].as_str().map(str::to_owned))
            .collect()
    }

    /// What is shown where the text has a `|`.
    fn shows(&mut self, name: &str, text: &str) -> String {
        let place = self.place(name, text);
        let answer = self.asks("textDocument/hover", &place);
        answer["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The keys of a part of the schema, each with what is said of it.
fn keys(pointer: &str) -> Vec<(String, String)> {
    let schema = millstream::schema::schema();
    let part = schema
        .pointer(pointer)
        .unwrap_or_else(|| panic!("the schema has no {pointer}"));
    part.as_object()
        .expect("a mapping")
        .iter()
        .map(|(key, of)| {
            let said = of["description"].as_str().unwrap_or_default();
            (key.clone(), said.to_owned())
        })
        .collect()
}

const TOP: &str = "/properties";
const STAGE: &str = "/properties/stages/additionalProperties/properties";

/// The first words of a text, as a page shows them.
fn beginning(text: &str) -> String {
    plain(text.lines().next().unwrap_or_default())
}

/// Without what Markdown adds.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !"\\`*_".contains(*c))
        .collect::<String>()
        .replace("&nbsp;", " ")
}

#[test]
fn keys_and_steps_are_completed() {
    let Some(mut editor) = Editor::opens() else {
        return;
    };
    let offered = editor.offers("top.yaml", "|\n");
    for (key, _) in keys(TOP) {
        assert!(offered.contains(&key), "{key} is not in {offered:?}");
    }
    let offered = editor.offers("stage.yaml", "stages:\n  a:\n    |\n");
    for (key, _) in keys(STAGE) {
        assert!(offered.contains(&key), "{key} is not in {offered:?}");
    }
    let offered = editor.offers("step.yaml", "stages:\n  a:\n    do:\n      - |\n");
    for step in STEPS {
        assert!(
            offered.iter().any(|o| o == step.name),
            "{} is not in {offered:?}",
            step.name
        );
    }
    let text = "stages:\n  a:\n    do:\n      - write:\n          |\n";
    let offered = editor.offers("option.yaml", text);
    for option in ["to", "format", "append", "compress"] {
        assert!(
            offered.iter().any(|o| o == option),
            "{option} is not in {offered:?}"
        );
    }
    let text = "stages:\n  a:\n    do:\n      - write:\n          format: |\n";
    let offered = editor.offers("value.yaml", text);
    assert!(offered.iter().any(|o| o == "csv"), "{offered:?}");
}

#[test]
fn every_key_and_step_is_explained_where_the_pointer_rests() {
    let Some(mut editor) = Editor::opens() else {
        return;
    };
    for (key, said) in keys(TOP) {
        let shown = editor.shows(&format!("{key}.yaml"), &format!("|{key}: \n"));
        assert!(
            !said.is_empty() && plain(&shown).contains(&beginning(&said)),
            "{key}: {shown:?} instead of {said:?}"
        );
    }
    for (key, said) in keys(STAGE) {
        let text = format!("stages:\n  a:\n    |{key}: \n");
        let shown = editor.shows(&format!("stage-{key}.yaml"), &text);
        assert!(
            !said.is_empty() && plain(&shown).contains(&beginning(&said)),
            "{key}: {shown:?} instead of {said:?}"
        );
    }
    for step in STEPS {
        let text = format!("stages:\n  a:\n    do:\n      - |{}: \n", step.name);
        let shown = editor.shows(&format!("step-{}.yaml", step.name), &text);
        assert!(
            plain(&shown).contains(&plain(step.summary)),
            "{}: {shown:?}",
            step.name
        );
    }
}

#[test]
fn what_is_wrong_is_marked_while_one_types() {
    let Some(mut editor) = Editor::opens() else {
        return;
    };
    let right = "stages:\n  a:\n    do:\n      - range: 3\n      - print: '{item}'\n";
    assert_eq!(editor.open("right.yaml", right), [""; 0]);
    for (name, wrong, said) in [
        (
            "key.yaml",
            right.replace("    do", "    threds: 2\n    do"),
            "threds",
        ),
        ("top.yaml", format!("stagse: 1\n{right}"), "stagse"),
        ("step.yaml", right.replace("print", "pirnt"), "pirnt"),
        (
            "value.yaml",
            right.replace("    do", "    threads: many\n    do"),
            "",
        ),
    ] {
        let marked = editor.open(name, &wrong);
        assert!(
            !marked.is_empty() && marked.iter().any(|m| m.contains(said)),
            "{name}: {marked:?}"
        );
    }
}

#[test]
fn nothing_is_marked_in_a_pipeline_that_is_shipped() {
    let Some(mut editor) = Editor::opens() else {
        return;
    };
    for file in shipped() {
        let text = fs::read_to_string(&file).expect("a file");
        // As it lies in the repository: a folder below that of the schema.
        let name = format!(
            "pipelines/{}",
            file.file_name().expect("a name").to_string_lossy()
        );
        assert_eq!(editor.open_as_it_is(&name, &text), [""; 0], "{name}");
    }
}

fn shipped() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("pipelines")).expect("a folder");
    let all = entries.map(|e| e.expect("an entry").path());
    let all: Vec<PathBuf> = all
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    assert!(!all.is_empty());
    all
}

#[test]
fn the_first_line_of_a_shipped_pipeline_names_the_schema() {
    let starters = fs::read_dir(root().join("src/cli/starters")).expect("a folder");
    let starters = starters
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .map(|p| (p, "# yaml-language-server: $schema=SCHEMA"));
    let shipped = shipped()
        .into_iter()
        .map(|p| (p, "# yaml-language-server: $schema=../schema.json"));
    for (file, line) in shipped.chain(starters) {
        let text = fs::read_to_string(&file).expect("a file");
        assert_eq!(text.lines().next(), Some(line), "{}", shown(&file));
    }
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root())
        .unwrap_or(file)
        .display()
        .to_string()
}
