//! docs/expressions.md is true: its tables of functions are those of the program, and its examples give what it
//! says. `UPDATE=1 cargo test --test expressions` writes the tables anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use millstream::expr::{CHAPTERS, Env, Scope, check, check_template};
use millstream::value::{Blocks, Cell, Row, Shape, Type};

const BEGIN: &str = "<!-- functions: written by UPDATE=1 cargo test --test expressions -->\n";
const END: &str = "<!-- end of functions -->";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/expressions.md")
}

fn text() -> String {
    std::fs::read_to_string(page()).expect("the page is there")
}

/// A text between marks of code, within a cell of a table.
fn code(text: &str) -> String {
    let mark = if text.contains('`') { "``" } else { "`" };
    format!("{mark}{}{mark}", text.replace('|', "\\|"))
}

fn tables() -> String {
    let mut out = String::new();
    for chapter in CHAPTERS {
        let _ = write!(
            out,
            "\n### {}\n\n| function | gives | for example |\n|---|---|---|\n",
            chapter.title
        );
        for f in chapter.functions {
            let signatures: Vec<String> = f.signatures.iter().map(|s| code(s)).collect();
            let examples: Vec<String> = f
                .examples
                .iter()
                .map(|(e, v)| format!("{} is {}", code(e), code(v)))
                .collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                signatures.join("<br>"),
                f.about,
                examples.join("<br>")
            );
        }
    }
    out.push('\n');
    out
}

#[test]
fn the_tables_of_functions_are_those_of_the_program() {
    let page_text = text();
    let (before, rest) = page_text.split_once(BEGIN).expect("the mark is there");
    let (written, after) = rest.split_once(END).expect("the other mark is there");
    let tables = tables();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(page(), format!("{before}{BEGIN}{tables}{END}{after}"))
            .expect("the page can be written");
    } else {
        assert!(
            written == tables,
            "docs/expressions.md is out of date: UPDATE=1 cargo test --test expressions"
        );
    }
}

/// The item that the page shows.
fn item() -> (Type, Vec<Cell>) {
    let user = Type::record([("name".into(), Type::String), ("age".into(), Type::Int)]);
    let ty = Type::record([
        ("path".into(), Type::String),
        ("status".into(), Type::Int),
        ("bytes".into(), Type::Int),
        ("ms".into(), Type::Double),
        ("agent".into(), Type::String.optional()),
        ("tags".into(), Type::list(Type::String)),
        ("user".into(), user),
        ("time".into(), Type::Timestamp),
    ]);
    let cells = vec![
        Cell::str("/api/items"),
        Cell::Int(503),
        Cell::Int(1200),
        Cell::Double(1.5),
        Cell::Null,
        Cell::list(vec![Cell::str("a"), Cell::str("b")]),
        Cell::record([
            ("name".into(), Cell::str("Ann")),
            ("age".into(), Cell::Int(7)),
        ]),
        Cell::Time {
            secs: 951_827_696,
            nanos: 0,
        },
    ];
    (ty, cells)
}

/// The lines of all blocks of a kind.
fn blocks(kind: &str) -> Vec<String> {
    let page_text = text();
    let mut lines = Vec::new();
    let mut rest = page_text.as_str();
    let open = format!("\n```{kind}\n");
    while let Some((_, after)) = rest.split_once(&open) {
        let (block, after) = after.split_once("\n```").expect("a block has an end");
        lines.extend(block.lines().map(str::to_string));
        rest = after;
    }
    assert!(!lines.is_empty(), "no example of kind {kind:?}");
    lines
}

#[test]
fn the_examples_are_true() {
    let (ty, cells) = item();
    let env = Env {
        item: Some(ty.clone()),
        ..Env::default()
    };
    let (nothing, shape) = (Blocks::new(), Shape::of(&ty));
    let row = Row {
        cells: &cells,
        blocks: &nothing,
        shape: &shape,
    };
    for line in blocks("cel") {
        let expr = check(&line, &env).unwrap_or_else(|p| panic!("{line}: {p:?}"));
        assert_eq!(
            expr.compile(Some(&ty)).bool(row, &Scope::default()),
            Ok(true),
            "{line}"
        );
    }
    for pair in blocks("template").chunks(2) {
        let [template, shown] = pair else {
            panic!("a template without its text: {pair:?}")
        };
        let template =
            check_template(template, &env).unwrap_or_else(|p| panic!("{template}: {p:?}"));
        let mut out = Vec::new();
        template
            .compile(Some(&ty))
            .render(row, &Scope::default(), &mut out)
            .expect("it runs");
        assert_eq!(&String::from_utf8(out).expect("text"), shown);
    }
}

#[test]
fn the_traps_are_said_with_what_to_write() {
    let (ty, _) = item();
    let env = Env {
        item: Some(ty),
        params: vec![("min".into(), Type::Int)],
        ..Env::default()
    };
    for pair in blocks("cel wrong").chunks(2) {
        let [wrong, help] = pair else {
            panic!("a trap without its remedy: {pair:?}")
        };
        let problems = check(wrong, &env).expect_err(wrong);
        let said = problems[0].help.as_deref().unwrap_or_default();
        assert!(said.contains(help.trim()), "{wrong}: {said}");
    }
}
