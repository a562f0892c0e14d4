//! What was expected beside what came: whether it is the same, and if not, what a person wants to see of it.

use serde_json::Value as Json;

/// How items are compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    /// Only which items there are matters.
    pub unordered: bool,
    /// A record may have more fields than are expected.
    pub partial: bool,
}

/// Lines on what is not as expected; none: all is.
pub(super) fn differences(expected: &[Json], got: &[Json], how: How) -> Vec<String> {
    if !how.unordered && expected.len() == got.len() {
        let pairs = expected.iter().zip(got).enumerate();
        let wrong: Vec<(usize, &Json, &Json)> = pairs
            .filter(|(_, (e, g))| !fits(e, g, how.partial))
            .map(|(i, (e, g))| (i, e, g))
            .collect();
        if wrong.is_empty() {
            return Vec::new();
        }
        if unmatched(expected, got, how.partial) == (Vec::new(), Vec::new()) {
            let mut lines = vec!["the items are right, but come in another order".to_string()];
            lines.extend(got.iter().map(|g| format!("  got       {g}")));
            return lines;
        }
        return wrong
            .into_iter()
            .flat_map(|(i, e, g)| one(i, e, g, how.partial))
            .collect();
    }
    let (missing, extra) = unmatched(expected, got, how.partial);
    if missing.is_empty() && extra.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if expected.len() != got.len() {
        lines.push(format!(
            "expected {}, got {}",
            count(expected.len()),
            count(got.len())
        ));
    }
    lines.extend(missing.iter().map(|m| format!("  missing   {m}")));
    lines.extend(extra.iter().map(|g| format!("  got too   {g}")));
    lines
}

fn count(n: usize) -> String {
    match n {
        1 => "1 item".into(),
        n => format!("{n} items"),
    }
}

/// Two items that should be one: both, and where they differ.
fn one(i: usize, expected: &Json, got: &Json, partial: bool) -> Vec<String> {
    let mut lines = vec![
        format!("item {} is another", i + 1),
        format!("  expected  {expected}"),
        format!("  got       {got}"),
    ];
    let mut places = Vec::new();
    walk("", expected, got, partial, &mut places);
    // For a scalar item that says no more than the two lines before.
    if expected.is_object() || expected.is_array() {
        lines.extend(places.iter().map(|p| format!("            {p}")));
    }
    lines
}

/// The innermost places that differ.
fn walk(path: &str, expected: &Json, got: &Json, partial: bool, out: &mut Vec<String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_string()
        } else {
            format!("{path}.{name}")
        }
    };
    match (expected, got) {
        (Json::Object(e), Json::Object(g)) => {
            for (name, value) in e {
                match g.get(name) {
                    Some(other) => walk(&below(name), value, other, partial, out),
                    None => out.push(format!("{}: missing", below(name))),
                }
            }
            if !partial {
                let more = g.keys().filter(|name| !e.contains_key(*name));
                out.extend(more.map(|name| format!("{}: not expected", below(name))));
            }
        }
        (Json::Array(e), Json::Array(g)) if e.len() == g.len() => {
            for (i, (e, g)) in e.iter().zip(g).enumerate() {
                walk(&format!("{path}[{i}]"), e, g, partial, out);
            }
        }
        _ if !fits(expected, got, partial) => {
            let name = if path.is_empty() { "the item" } else { path };
            out.push(format!("{name}: expected {expected}, got {got}"));
        }
        _ => {}
    }
}

/// What is expected and did not come, and what came and was not expected.
fn unmatched<'a>(
    expected: &'a [Json],
    got: &'a [Json],
    partial: bool,
) -> (Vec<&'a Json>, Vec<&'a Json>) {
    let mut extra: Vec<&Json> = got.iter().collect();
    let mut missing = Vec::new();
    for item in expected {
        // An exact match first: a partial one could take what another item needs.
        let exact = extra.iter().position(|g| fits(item, g, false));
        match exact.or_else(|| extra.iter().position(|g| fits(item, g, partial))) {
            Some(at) => drop(extra.remove(at)),
            None => missing.push(item),
        }
    }
    (missing, extra)
}

/// Is it what was expected? Numbers are the same where they have the same value: 1 is 1.0.
fn fits(expected: &Json, got: &Json, partial: bool) -> bool {
    match (expected, got) {
        (Json::Number(e), Json::Number(g)) => {
            e == g || e.as_f64() == g.as_f64() && (e.is_f64() || g.is_f64())
        }
        (Json::Array(e), Json::Array(g)) => {
            e.len() == g.len() && e.iter().zip(g).all(|(e, g)| fits(e, g, partial))
        }
        (Json::Object(e), Json::Object(g)) => {
            (partial || e.len() == g.len())
                && e.iter()
                    .all(|(name, e)| g.get(name).is_some_and(|g| fits(e, g, partial)))
        }
        (e, g) => e == g,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(expected: &Json, got: &Json, how: How) -> String {
        let list = |v: &Json| v.as_array().cloned().unwrap_or_default();
        differences(&list(expected), &list(got), how).join("\n")
    }

    const EXACT: How = How {
        unordered: false,
        partial: false,
    };

    #[test]
    fn what_is_the_same_is_not_spoken_of() {
        let loose = How {
            unordered: true,
            partial: true,
        };
        for (expected, got, how) in [
            (
                json!([1, 2.5, {"a": [1]}]),
                json!([1.0, 2.5, {"a": [1]}]),
                EXACT,
            ),
            (
                json!([{"a": 1}, {"b": 2}]),
                json!([{"b": 2, "c": 3}, {"a": 1}]),
                loose,
            ),
            (json!([]), json!([]), EXACT),
        ] {
            assert_eq!(said(&expected, &got, how), "", "{expected} {got}");
        }
    }

    #[test]
    fn a_difference_is_shown_with_its_place() {
        let expected = json!([{"path": "/a", "hits": 1, "by": {"x": [1, 2]}}]);
        let got = json!([{"path": "/a", "hits": 2, "by": {"x": [1, 3]}, "more": 0}]);
        let text = "item 1 is another
  expected  {\"path\":\"/a\",\"hits\":1,\"by\":{\"x\":[1,2]}}
  got       {\"path\":\"/a\",\"hits\":2,\"by\":{\"x\":[1,3]},\"more\":0}
            hits: expected 1, got 2
            by.x[1]: expected 2, got 3
            more: not expected";
        assert_eq!(said(&expected, &got, EXACT), text);
    }

    #[test]
    fn items_that_are_missing_or_too_many_are_named() {
        let text = "expected 2 items, got 1 item\n  missing   \"b\"";
        assert_eq!(said(&json!(["a", "b"]), &json!(["a"]), EXACT), text);
        let text = "expected 1 item, got 2 items\n  got too   \"a\"";
        assert_eq!(said(&json!(["b"]), &json!(["a", "b"]), EXACT), text);
    }

    #[test]
    fn another_order_is_called_so() {
        let text = "the items are right, but come in another order\n  got       2\n  got       1";
        assert_eq!(said(&json!([1, 2]), &json!([2, 1]), EXACT), text);
    }

    #[test]
    fn a_partial_match_does_not_take_what_another_item_needs() {
        let how = How {
            unordered: true,
            partial: true,
        };
        let (expected, got) = (
            json!([{"a": 1}, {"a": 1, "b": 2}]),
            json!([{"a": 1, "b": 2}, {"a": 1}]),
        );
        assert_eq!(said(&expected, &got, how), "");
    }
}
