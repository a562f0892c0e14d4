//! `tests:`: what is given, what is expected. Read here, so that `validate` says what is wrong with them;
//! run by the command `test`.

use serde_json::{Map, Value as Json};

use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::spec::{File, Node, Scalar, Value, forms, keys};

/// One test of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub name: String,
    pub at: At,
    /// The stage that is tested alone; `None`: the whole pipeline.
    pub stage: Option<String>,
    /// What enters the stage, or each stage that begins with a source.
    pub given: Items,
    /// What leaves the stage, or stages, or goes into connections.
    pub expect: Items,
    /// Only which items there are matters.
    pub unordered: bool,
    /// A record may have more fields than are expected.
    pub partial: bool,
    /// Item errors: how many, or parts of what is said of them.
    pub errors: Option<Errors>,
    /// The run fails, and says this among other things.
    pub fails: Option<String>,
    /// The file has exactly these errors, and nothing runs.
    pub invalid: Vec<String>,
    /// Parameters for this test.
    pub set: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Items {
    /// Of the stage that is tested.
    One(Vec<Json>),
    /// By stage or connection.
    Each(Vec<(String, Vec<Json>)>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Errors {
    Count(u64),
    /// Each with some of `stage`, `step`, `kind`, `message`, `item`; the texts need only be contained.
    Like(Vec<Map<String, Json>>),
}

/// The tests of a file; says every mistake in them.
pub fn cases(file: &File, out: &mut Diagnostics) -> Vec<Case> {
    file.tests
        .iter()
        .filter_map(|test| case(file, &test.node, out))
        .collect()
}

fn case(file: &File, node: &Node, out: &mut Diagnostics) -> Option<Case> {
    let mut case = Case {
        name: String::new(),
        at: node.at,
        stage: None,
        given: Items::Each(Vec::new()),
        expect: Items::Each(Vec::new()),
        unordered: false,
        partial: false,
        errors: None,
        fails: None,
        invalid: Vec::new(),
        set: Vec::new(),
    };
    let before = out.len();
    for (key, value) in forms::keys(node, "a test", keys::TEST, out) {
        match key.text.as_str() {
            "name" => forms::text(value, "a test's `name`", out)?.clone_into(&mut case.name),
            "stage" => {
                let name = forms::text(value, "a test's `stage`", out)?;
                known_stage(file, name, value.at, out);
                case.stage = Some(name.to_owned());
            }
            "given" => case.given = items(value),
            "expect" => case.expect = items(value),
            "unordered" => case.unordered = forms::flag(value, "`unordered`", out)?,
            "partial" => case.partial = forms::flag(value, "`partial`", out)?,
            "errors" => case.errors = errors(value, out),
            "fails" => case.fails = Some(forms::text(value, "`fails`", out)?.to_owned()),
            "invalid" => {
                for code in value.one_or_more() {
                    case.invalid
                        .push(forms::text(code, "a code of `invalid`", out)?.to_owned());
                }
            }
            "set" => case.set = settings(value, out),
            _ => {}
        }
    }
    shape(file, node, &mut case, out);
    (out.len() == before).then_some(case)
}

/// A mapping of lists says for each name what it is of; everything else is items.
fn items(node: &Node) -> Items {
    match node.as_map() {
        Some(map) if map.iter().all(|(_, v)| v.as_list().is_some()) => {
            let each = map.iter().map(|(k, v)| (k.text.clone(), list(v)));
            Items::Each(each.collect())
        }
        _ => Items::One(list(node)),
    }
}

fn list(node: &Node) -> Vec<Json> {
    node.one_or_more().iter().map(json).collect()
}

/// A YAML value as JSON writes it.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(Scalar::Null) => Json::Null,
        Value::Scalar(Scalar::Bool(b)) => (*b).into(),
        Value::Scalar(Scalar::Int(n)) => (*n).into(),
        Value::Scalar(Scalar::Double(d)) => (*d).into(),
        Value::Scalar(Scalar::String { text, .. }) => text.as_str().into(),
        Value::List(list) => list.iter().map(json).collect(),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(k, v)| (k.text.clone(), json(v))).collect())
        }
    }
}

fn errors(node: &Node, out: &mut Diagnostics) -> Option<Errors> {
    if let Value::Scalar(_) = node.value {
        return forms::count(node, "`errors`", 0, out).map(Errors::Count);
    }
    let mut like = Vec::new();
    for one in node.one_or_more() {
        let entries = forms::keys(one, "an expected error", keys::TEST_ERROR, out);
        like.push(
            entries
                .into_iter()
                .map(|(k, v)| (k.text.clone(), json(v)))
                .collect(),
        );
    }
    Some(Errors::Like(like))
}

fn settings(node: &Node, out: &mut Diagnostics) -> Vec<(String, String)> {
    let mut set = Vec::new();
    for (key, value) in node.as_map().unwrap_or_else(|| {
        out.push(forms::wrong(
            node,
            "`set`",
            "a mapping of parameters to values",
        ));
        &[]
    }) {
        match json(value) {
            Json::String(text) => set.push((key.text.clone(), text)),
            Json::Array(_) | Json::Object(_) | Json::Null => {
                out.push(forms::wrong(value, "a parameter's value", "a scalar"));
            }
            scalar => set.push((key.text.clone(), scalar.to_string())),
        }
    }
    set
}

/// What must be there together, and which names there are.
fn shape(file: &File, node: &Node, case: &mut Case, out: &mut Diagnostics) {
    if !case.invalid.is_empty() {
        if let Some((key, _)) = node
            .as_map()
            .and_then(|m| m.iter().find(|(k, _)| k.text == "given"))
        {
            let message =
                "a test of a file that is `invalid` runs nothing, so nothing can be `given`";
            out.push(Diagnostic::new("E0105", key.at, message));
        }
        return;
    }
    if node.as_map().is_some() && node.get("given").is_none() {
        let d = Diagnostic::new(
            "E0106",
            node.at,
            "a test needs `given`: the items that enter",
        );
        out.push(d.help(
            "for a stage a list of items, for the whole pipeline a mapping of stages to lists",
        ));
    }
    let (Some(given), true) = (node.get("given"), case.stage.is_none()) else {
        // One stage: what is given is its own, also where it looks like a mapping of names.
        if let (Some(node), Items::Each(_)) = (node.get("given"), &case.given) {
            case.given = Items::One(list(node));
        }
        return;
    };
    if let Items::One(_) = case.given {
        let d = Diagnostic::new("E0105", given.at, "which stage are these items for?");
        out.push(d.help(
            "name the stage with `stage:`, or give a mapping of stages that begin with a source to lists of items",
        ));
    }
    for (name, _) in given.as_map().unwrap_or_default() {
        known_stage(file, &name.text, name.at, out);
    }
    if let (Some(expect), Items::One(_)) = (node.get("expect"), &case.expect) {
        let d = Diagnostic::new("E0105", expect.at, "which stage do these items leave?");
        out.push(
            d.help("without `stage:`, what is expected is a mapping of stages to lists of items"),
        );
    }
    if let (Some(expect), Items::Each(_)) = (node.get("expect"), &case.expect) {
        for (name, _) in expect.as_map().unwrap_or_default() {
            known_stage(file, &name.text, name.at, out);
        }
    }
}

fn known_stage(file: &File, name: &str, at: At, out: &mut Diagnostics) {
    if file.stage(name).is_none() {
        let d = Diagnostic::new("E0201", at, format!("there is no stage `{name}`"));
        out.push(
            match nearest(name, file.stages.iter().map(|s| s.name.text.as_str())) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d,
            },
        );
    }
}
