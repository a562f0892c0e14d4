//! The schema, written from the tables.

use crate::spec::keys::{self, Form, KeyDef};
use crate::steps::{Opt, STEPS, StepDef};
use serde_json::{Map, Value, json};

/// The schema as it is committed: indented, with a newline at the end.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// The schema.
pub fn schema() -> Value {
    let mut root = mapping(keys::FILE);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("millstream pipeline");
    root["required"] = json!(["stages"]);
    root["patternProperties"] = json!({ "^x-": true });
    root["$defs"] = definitions();
    root
}

/// The forms that keys share. What they are stands in a comment: editors show the innermost description, and that
/// of the key says more.
fn definitions() -> Value {
    let mut steps = Map::new();
    for step in STEPS {
        steps.insert(step.name.into(), step_options(step));
    }
    json!({
        "put": {
            "$comment": "`${name}` puts a parameter in.",
            "type": "string",
            "pattern": r"\$\{",
        },
        "expression": {
            "$comment": "An expression (CEL).",
            "type": ["string", "number", "boolean", "null"],
        },
        "template": {
            "$comment": "A text with `{expression}` in it; `{{` and `}}` are literal braces.",
            "type": ["string", "number", "boolean"],
        },
        "duration": {
            "$comment": "A length of time: `250ms`, `1.5s`, `1h30m`.",
            "anyOf": [
                { "type": "string", "pattern": r"^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|min|m|h|d))+$" },
                { "const": 0 },
                { "$ref": "#/$defs/put" },
            ],
        },
        "size": {
            "$comment": "A number of bytes: `64MiB`, `10kB`.",
            "anyOf": [
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]*)? *([kKMGT]i?B|B)?$" },
                { "type": "integer", "minimum": 0 },
                { "$ref": "#/$defs/put" },
            ],
        },
        "type": {
            "$comment": "string, int, double, bool, bytes, timestamp, duration, any or a name of `types`, with `?` where it may be null; a list of one type; a mapping of fields to types.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "$ref": "#/$defs/type" }, "minItems": 1, "maxItems": 1 },
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/type" } },
            ],
        },
        "name": { "type": ["string", "number", "boolean"] },
        "names": {
            "$comment": "A name, or a list of names.",
            "anyOf": [
                { "$ref": "#/$defs/name" },
                { "type": "array", "items": { "$ref": "#/$defs/name" } },
            ],
        },
        "steps": {
            "$comment": "The steps, in the order in which each item goes through them.",
            "anyOf": [
                { "type": "array", "items": { "$ref": "#/$defs/step" } },
                { "$ref": "#/$defs/step" },
            ],
        },
        "step": step(),
        "options": steps,
    })
}

/// A step: one step key, and modifiers.
fn step() -> Value {
    let mut properties = Map::new();
    for step in STEPS {
        let reference = format!("#/$defs/options/{}", step.name);
        properties.insert(step.name.into(), json!({ "$ref": reference }));
    }
    let block = json!({ "$ref": "#/$defs/steps", "description": "A block: several steps under the same modifiers." });
    properties.insert("do".into(), block);
    let one_of: Vec<Value> = properties
        .keys()
        .map(|name| json!({ "required": [name] }))
        .collect();
    for modifier in keys::MODIFIERS.iter().filter(|m| m.built) {
        properties.insert(modifier.name.into(), described(modifier));
    }
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": one_of,
    })
}

/// An option of this name tells of what the author names.
const NAME: &str = "NAME";

/// What may stand behind a step's key: the short form, the long form, the author's names.
fn step_options(step: &StepDef) -> Value {
    let main = step
        .main
        .and_then(|main| step.options.iter().find(|o| o.name == main));
    let mut forms: Vec<Value> = Vec::new();
    if let Some(main) = main {
        forms.push(option(main.form));
    } else if step.main.is_some() {
        forms.push(json!({ "$ref": "#/$defs/expression" }));
    }
    let mut properties = Map::new();
    for Opt {
        name, form, help, ..
    } in step.options.iter().filter(|o| o.name != NAME)
    {
        let mut value = option(form);
        value["description"] = json!(told(help, &value));
        properties.insert((*name).into(), value);
    }
    let required: Vec<&str> = step
        .options
        .iter()
        .filter(|o| o.required)
        .map(|o| o.name)
        .collect();
    let others = match step.options.iter().find(|o| o.name == NAME) {
        Some(named) => option(named.form),
        None if step.names => json!({ "$ref": "#/$defs/expression" }),
        None => json!(false),
    };
    let mut long =
        json!({ "type": "object", "properties": properties, "additionalProperties": others });
    if !required.is_empty() {
        long["required"] = json!(required);
    }
    // Where the short form takes anything, or every option may be left out, nothing may stand there too.
    if required.is_empty() && main.is_none() && !step.names {
        forms.push(json!({ "type": "null" }));
    }
    forms.push(long);
    let example = step.example.trim_end().replace('\n', "\n    ");
    json!({ "description": format!("{}\n\n    {example}", step.summary), "anyOf": forms })
}

/// The form of a step's option, as [`Opt::form`] writes it.
///
/// # Panics
/// Where a table says a form that is none.
fn option(form: &str) -> Value {
    if let Some(of) = form.strip_prefix("list of ") {
        let of = option(of);
        return json!({ "anyOf": [of.clone(), { "type": "array", "items": of }] });
    }
    if let Some(of) = form.strip_prefix("mapping of ") {
        return json!({ "type": "object", "additionalProperties": option(of) });
    }
    match form {
        "expression" | "template" | "duration" | "size" | "type" => {
            let reference = format!("#/$defs/{form}");
            json!({ "anyOf": [{ "$ref": reference }] })
        }
        "string" => json!({ "type": ["string", "number"] }),
        "int" => or_put(&json!({ "type": "integer" })),
        "number" => or_put(&json!({ "type": "number" })),
        "bool" => or_put(&json!({ "type": "boolean" })),
        "any" => json!({}),
        words
            if words
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"|_-".contains(&b)) =>
        {
            let words: Vec<&str> = words.split('|').collect();
            or_put(&json!({ "enum": words }))
        }
        other => panic!("BUG: the table of steps has the unknown form {other:?}"),
    }
}

/// Anything that is not a text may be a `${}` too.
fn or_put(form: &Value) -> Value {
    json!({ "anyOf": [form, { "$ref": "#/$defs/put" }] })
}

fn mapping(table: &[KeyDef]) -> Value {
    let properties: Map<String, Value> = table
        .iter()
        .filter(|k| k.built)
        .map(|k| (k.name.to_string(), described(k)))
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn described(key: &KeyDef) -> Value {
    let mut value = form(key.form).unwrap_or_else(|| json!({}));
    value["description"] = json!(told(key.help, &value));
    value
}

/// What is said of a key, and how its value is written where that is not a matter of course.
fn told(help: &str, form: &Value) -> String {
    let how = [
        ("duration", "A length of time: `250ms`, `1.5s`, `1h30m`."),
        ("size", "A number of bytes: `64MiB`, `10kB`."),
        (
            "type",
            "A type: `int`, `\"string?\"`, `[double]`, `{name: string}`, or a name of `types`.",
        ),
        ("expression", "An expression."),
        ("template", "A text with `{expression}` in it."),
    ];
    let found: Vec<&str> = how
        .iter()
        .filter(|(name, _)| may_be(form, &format!("#/$defs/{name}")))
        .map(|(_, how)| *how)
        .collect();
    match found.as_slice() {
        [one] => format!("{help} {one}"),
        _ => help.to_owned(),
    }
}

/// May a value of this form itself, or each of a list of it, be of that form?
fn may_be(form: &Value, reference: &str) -> bool {
    let each = form["anyOf"].as_array().into_iter().flatten();
    form["$ref"] == reference || each.chain(form.get("items")).any(|f| may_be(f, reference))
}

/// `None`: nothing of it is built.
fn form(of: Form) -> Option<Value> {
    let reference = |name: &str| {
        let reference = format!("#/$defs/{name}");
        json!({ "anyOf": [{ "$ref": reference }] })
    };
    Some(match of {
        Form::Text => json!({ "type": "string" }),
        Form::Expression => reference("expression"),
        Form::Count(min) => or_put(&json!({ "type": "integer", "minimum": min })),
        Form::Number => or_put(&json!({ "type": "number" })),
        Form::Bool => or_put(&json!({ "type": "boolean" })),
        Form::Duration => reference("duration"),
        Form::Size => reference("size"),
        Form::Type => reference("type"),
        Form::Name => reference("name"),
        Form::Names => reference("names"),
        Form::Words(words) => {
            let words: Vec<&str> = words.iter().filter(|w| w.built).map(|w| w.name).collect();
            if words.is_empty() {
                return None;
            }
            or_put(&json!({ "enum": words }))
        }
        Form::Steps => reference("steps"),
        Form::Any => json!({}),
        Form::Percent => json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *%$" }),
        Form::Keys(table) => {
            if !table.iter().any(|k| k.built) {
                return None;
            }
            mapping(table)
        }
        Form::Named(Form::Keys(table)) => {
            json!({ "type": "object", "additionalProperties": mapping(table), "minProperties": 1 })
        }
        Form::Named(inner) => json!({ "anyOf": [
            { "type": "object", "additionalProperties": { "anyOf": [form(*inner)?, { "type": "null" }] } },
            { "$ref": "#/$defs/names" },
            { "type": "null" },
        ] }),
        Form::Routes => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/expression" } })
        }
        Form::ListOf(inner) => {
            let inner = form(*inner)?;
            json!({ "anyOf": [{ "type": "array", "items": inner.clone() }, inner] })
        }
        Form::Either(forms) => {
            let mut built: Vec<Value> = forms.iter().filter_map(|f| form(*f)).collect();
            match built.len() {
                0 => return None,
                1 => built.remove(0),
                _ => json!({ "anyOf": built }),
            }
        }
        Form::Later(_) => return None,
    })
}
