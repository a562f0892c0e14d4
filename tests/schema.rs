//! schema.json is what the tables say, and says yes to what we accept. `UPDATE=1 cargo test --test schema` writes it.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_schema_is_fresh() {
    let path = root().join("schema.json");
    let fresh = millstream::schema::text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).expect("schema.json can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "schema.json is out of date: UPDATE=1 cargo test --test schema"
    );
}

#[test]
fn the_schema_accepts_every_file_that_we_ship_and_refuses_what_is_not_built() {
    let schema = millstream::schema::schema();
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["pipelines", "tests/diagnostics/good"] {
        let Ok(entries) = std::fs::read_dir(root().join(folder)) else {
            continue;
        };
        files.extend(
            entries
                .map(|e| e.expect("a folder's entry").path())
                .filter(|p| p.extension().is_some_and(|e| e == "yaml")),
        );
    }
    assert!(!files.is_empty(), "there are no files to look at");
    for file in files {
        let value = read(&file);
        if let Err(why) = fits(&value, &schema, &schema, "") {
            panic!("{}: {why}", file.display());
        }
    }
    for wrong in [
        "stages: {}",
        "{}",
        "stages: {a: {do: [{filter: x, map: y}]}}",
        "stages: {a: {do: [{nothing: x}]}}",
        "stages: {a: {do: [], threads: 0}}",
        "stages: {a: {do: []}}\nstagse: 1",
    ] {
        let value: Value = serde_yaml::from_str(wrong).expect("YAML");
        assert!(fits(&value, &schema, &schema, "").is_err(), "{wrong}");
    }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    value.apply_merge().expect("merges");
    serde_json::to_value(value).expect("JSON")
}

/// The part of JSON Schema that ours uses. `Err`: where it does not fit, and why.
#[allow(clippy::too_many_lines, reason = "one arm a rule of the standard")]
fn fits(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    let Value::Object(rules) = schema else {
        return if schema == &Value::Bool(false) {
            Err(format!("{at}: not allowed"))
        } else {
            Ok(())
        };
    };
    let no = |why: String| Err(format!("{at}: {why}"));
    for (rule, wanted) in rules {
        match rule.as_str() {
            "$ref" => {
                let pointer = wanted
                    .as_str()
                    .and_then(|r| r.strip_prefix('#'))
                    .expect("a local reference");
                fits(
                    value,
                    root.pointer(pointer).expect("a definition"),
                    root,
                    at,
                )?;
            }
            "type" => {
                let is = |t: &Value| match t.as_str().expect("a type") {
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("unknown type {other}"),
                };
                let right = wanted
                    .as_array()
                    .map_or_else(|| is(wanted), |a| a.iter().any(is));
                if !right {
                    return no(format!("{value} is not {wanted}"));
                }
            }
            "enum" if !wanted.as_array().expect("words").contains(value) => {
                return no(format!("{value} is none of {wanted}"));
            }
            "const" if wanted != value => return no(format!("{value} is not {wanted}")),
            "pattern" => {
                let pattern = regex::Regex::new(wanted.as_str().expect("a pattern"))
                    .expect("a valid pattern");
                if value.as_str().is_some_and(|t| !pattern.is_match(t)) {
                    return no(format!("{value} does not match {wanted}"));
                }
            }
            "minimum" if value.as_f64() < wanted.as_f64() => {
                return no(format!("{value} is below {wanted}"));
            }
            "minItems"
                if value
                    .as_array()
                    .is_some_and(|a| (a.len() as u64) < wanted.as_u64().expect("a number")) =>
            {
                return no("too short".into());
            }
            "maxItems"
                if value
                    .as_array()
                    .is_some_and(|a| (a.len() as u64) > wanted.as_u64().expect("a number")) =>
            {
                return no("too long".into());
            }
            "minProperties"
                if value
                    .as_object()
                    .is_some_and(|o| (o.len() as u64) < wanted.as_u64().expect("a number")) =>
            {
                return no("too few".into());
            }
            "required" => {
                for key in wanted.as_array().expect("keys") {
                    if value
                        .as_object()
                        .is_some_and(|o| !o.contains_key(key.as_str().expect("a key")))
                    {
                        return no(format!("{key} is missing"));
                    }
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(item, wanted, root, &format!("{at}/{i}"))?;
                }
            }
            "anyOf" | "oneOf" => {
                let found: Vec<Result<(), String>> = wanted
                    .as_array()
                    .expect("schemas")
                    .iter()
                    .map(|s| fits(value, s, root, at))
                    .collect();
                let right = found.iter().filter(|f| f.is_ok()).count();
                if right == 0 || (rule == "oneOf" && right > 1) {
                    return no(format!("{right} of {rule} fit: {found:?}"));
                }
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}/{key}");
                    let pattern = rules
                        .get("patternProperties")
                        .and_then(Value::as_object)
                        .is_some_and(|p| {
                            p.keys().any(|p| {
                                regex::Regex::new(p).expect("a valid pattern").is_match(key)
                            })
                        });
                    match wanted.get(key) {
                        Some(schema) => fits(value, schema, root, &at)?,
                        None if pattern => {}
                        None => fits(
                            value,
                            rules
                                .get("additionalProperties")
                                .unwrap_or(&Value::Bool(true)),
                            root,
                            &at,
                        )?,
                    }
                }
            }
            "additionalProperties" if !rules.contains_key("properties") => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    fits(value, wanted, root, &format!("{at}/{key}"))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
