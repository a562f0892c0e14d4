//! What an expression is before it runs: its type, its doubts, what it uses.

use super::*;

#[test]
fn types_follow_from_the_parts() {
    for (text, ty) in [
        ("status", "int"),
        ("agent", "string?"),
        ("agent != null ? agent : '-'", "string"),
        ("ok ? 1 : null", "int?"),
        ("ok ? 1 : 'x'", "any"),
        ("ok ? {'a': 1} : {'a': null}", "{a: int?}"),
        ("{'path': path, 'n': bytes / 2}", "{path: string, n: int}"),
        ("{}", "{}"),
        ("{path: 1}", "{*: int}"),
        ("[]", "[any]"),
        ("[1, null]", "[int?]"),
        ("tags.map(t, size(t))", "[int]"),
        ("tags.filter(t, t != 'a')", "[string]"),
        ("tags[0]", "string"),
        ("user.age", "int?"),
        ("more.deep.n", "any"),
        ("more.n + 1", "int"),
        ("more.s + 'x'", "string"),
        ("time - time", "duration"),
        ("time - duration('1h')", "timestamp"),
        ("optional.of(status)", "int?"),
        ("more.?a.orValue(1)", "any"),
        ("code + 1", "int"),
        ("type(status)", "string"),
        ("3u", "int"),
        (
            "item",
            "{path: string, status: int, bytes: int, ms: double, agent: string?, code: int?, ok: bool, time: timestamp, tags: [string], user: {name: string, age: int?}?, more: any}",
        ),
        ("math.greatest(1, 2.0)", "any"),
        ("path.split('/')", "[string]"),
        ("values.total", "int"),
        ("arrays.histogram[1]", "int"),
        ("queues.urls.size", "int"),
        ("run.start", "timestamp"),
    ] {
        let expr = check(text, &env(&hit())).unwrap_or_else(|p| panic!("{text}: {p:?}"));
        assert_eq!(expr.ty().to_string(), ty, "{text}");
        assert_eq!(expr.text(), text);
    }
}

#[test]
fn a_null_is_warned_of_unless_it_was_asked_for() {
    for (text, warned) in [
        ("agent.contains('x')", vec!["agent"]),
        ("code + 1 > 2", vec!["code"]),
        ("code > 2", vec!["code"]),
        ("user.name == 'x'", vec!["user"]),
        ("user.age > 3", vec!["user", "user.age"]),
        // Null is equal to null alone: no value is needed.
        ("code == 2", vec![]),
        ("agent != null && agent.contains('x')", vec![]),
        ("null != agent && agent.contains('x')", vec![]),
        ("agent == null || agent.contains('x')", vec![]),
        ("!(agent == null) && agent.contains('x')", vec![]),
        ("agent != null ? agent.contains('x') : false", vec![]),
        ("agent == null ? false : agent.contains('x')", vec![]),
        (
            "agent != null && ok && code != null && agent.size() > code",
            vec![],
        ),
        ("agent != null || agent.contains('x')", vec!["agent"]),
        (
            "(agent != null && ok) || agent.contains('x')",
            vec!["agent"],
        ),
        ("code == 7 && code > 3", vec![]),
        ("has(item.agent) && agent.contains('x')", vec![]),
        ("user != null && user.age != null && user.age > 3", vec![]),
        ("item.agent != null && agent.contains('x')", vec![]),
        ("has(item.user.name)", vec![]),
        ("[code].all(c, c != null && c > 1)", vec![]),
        ("[code].all(c, c > 1)", vec!["c"]),
        ("agent", vec![]),
    ] {
        let expr = check(text, &env(&hit())).unwrap_or_else(|p| panic!("{text}: {p:?}"));
        let said: Vec<&str> = expr
            .warnings()
            .iter()
            .map(|w| &text[w.range.clone()])
            .collect();
        assert_eq!(said, warned, "{text}");
        assert!(expr.warnings().iter().all(|w| w.code == "W0301"));
    }
}

#[test]
fn only_the_fields_that_are_used_are_needed() {
    let uses = |text: &str| {
        let uses = check(text, &env(&hit())).unwrap().uses().clone();
        let fields: Vec<String> = uses.fields.keys().map(ToString::to_string).collect();
        (fields.join(" "), uses.rest.is_some())
    };
    assert_eq!(
        uses("status >= 500 && path.startsWith('/')"),
        ("path status".into(), false)
    );
    assert_eq!(
        uses("item.status + item['bytes']"),
        ("bytes status".into(), false)
    );
    assert_eq!(uses("has(item.agent)"), ("agent".into(), false));
    assert_eq!(uses("user.name"), ("user".into(), false));
    assert_eq!(
        uses("tags.exists(status, status == 'x')"),
        ("tags".into(), false)
    );
    assert_eq!(uses("size(item)"), (String::new(), true));
    assert_eq!(uses("params.min > 1"), (String::new(), false));
}

#[test]
fn a_record_literal_comes_apart() {
    let expr = check("{'a': (status + 1) * 2, 'b': path, 'c': -5}", &env(&hit())).unwrap();
    let parts = expr.record().unwrap();
    let shown: Vec<String> = parts
        .iter()
        .map(|(n, e)| format!("{n}={}: {}", e.text(), e.ty()))
        .collect();
    assert_eq!(
        shown,
        ["a=(status + 1) * 2: int", "b=path: string", "c=-5: int"]
    );
    assert_eq!(parts[1].1.as_field().map(|n| &**n), Some("path"));
    assert_eq!(parts[2].1.constant(), Some(Cell::Int(-5)));
    assert_eq!(parts[0].1.uses().of("status"), Some(Use::Look));
    assert!(check("{path: 1}", &env(&hit())).unwrap().record().is_none());
    assert!(
        check("item.path", &env(&hit()))
            .unwrap()
            .as_field()
            .is_some()
    );
    assert!(
        check("user.name", &env(&hit()))
            .unwrap()
            .as_field()
            .is_none()
    );
}
