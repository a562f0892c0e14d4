//! What is said about wrong expressions and templates.

use super::*;

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    for (text, code, message, help) in [
        // Names.
        (
            "statsu == 500",
            "E0302",
            "the item has no field `statsu`",
            "did you mean `status`? The fields are: path, status",
        ),
        (
            "item.statsu",
            "E0302",
            "no field `statsu`",
            "did you mean `status`?",
        ),
        (
            "user.nam == 'x'",
            "E0302",
            "`user` has no field `nam`",
            "did you mean `name`?",
        ),
        (
            "status.x",
            "E0302",
            "`status` is an int, it has no field `x`",
            "",
        ),
        ("min > 3", "E0302", "no field `min`", "write params.min"),
        (
            "total + 1",
            "E0302",
            "no field `total`",
            "write values.total",
        ),
        (
            "params.mni",
            "E0201",
            "there is no parameter `mni`",
            "did you mean `min`?",
        ),
        (
            "queues.url.size > 1",
            "E0201",
            "there is no queue `url`",
            "did you mean `urls`?",
        ),
        (
            "queues.urls",
            "E0303",
            "alone is no value",
            "write queues.urls.size",
        ),
        (
            "run.stop",
            "E0201",
            "there is no name `run.stop`",
            "there is: start, failed",
        ),
        (
            "params == 1",
            "E0303",
            "`params` alone is no value",
            "write params.NAME",
        ),
        ("agent == None", "E0302", "no field `None`", "write null"),
        ("ok == True", "E0302", "no field `True`", "write true"),
        (
            "GET == path",
            "E0302",
            "no field `GET`",
            "a text stands in quotes: \"GET\"",
        ),
        (
            "${min} > 3",
            "E0301",
            "${} is put into texts, not into expressions",
            "write params.min",
        ),
        // Operators.
        (
            "ms * 2",
            "E0303",
            "there is no `*` between a double and an int",
            "write ms * 2.0",
        ),
        ("2 * ms", "E0303", "there is no `*`", "write 2.0 * ms"),
        (
            "bytes / ms",
            "E0303",
            "there is no `/` between an int and a double",
            "write double(bytes) / ms",
        ),
        (
            "path + status",
            "E0303",
            "there is no `+` between a string and an int",
            "write path + string(status)",
        ),
        (
            "'a' + 1",
            "E0303",
            "there is no `+`",
            "write 'a' + string(1)",
        ),
        (
            "status == '500'",
            "E0303",
            "they are never equal",
            "write status == int('500')",
        ),
        (
            "time > '2000-01-01'",
            "E0303",
            "there is no `>`",
            "write time > timestamp('2000-01-01')",
        ),
        (
            "time + '1h'",
            "E0303",
            "there is no `+`",
            "write time + duration('1h')",
        ),
        (
            "'x' in path",
            "E0303",
            "`in` looks into a list or a map",
            "write path.contains('x')",
        ),
        ("1 in tags", "E0303", "it is never in it", ""),
        ("!status", "E0303", "a bool is needed", "write status != 0"),
        (
            "ok && path",
            "E0303",
            "both sides of && are bools",
            "write path != \"\"",
        ),
        (
            "status ? 1 : 2",
            "E0303",
            "it stands before the ?",
            "write status != 0",
        ),
        ("tags[ms]", "E0303", "a place in a list is an int", ""),
        (
            "path[0]",
            "E0303",
            "is a string, not a list",
            "write .charAt(i)",
        ),
        ("-path", "E0303", "there is no - for a string", ""),
        ("{'a': 1, 'a': 2}", "E0303", "stands twice", ""),
        // Functions.
        (
            "len(path)",
            "E0305",
            "there is no function `len`",
            "write size(x)",
        ),
        (
            "path.startswith('/')",
            "E0305",
            "no function `startswith`",
            "write text.startsWith",
        ),
        (
            "path.lower()",
            "E0305",
            "no function `lower`",
            "write text.lowerAscii()",
        ),
        (
            "path.contain('x')",
            "E0305",
            "no function `contain`",
            "did you mean `contains`?",
        ),
        (
            "contains(path, 'x')",
            "E0303",
            "is called behind its value",
            "write path.contains('x')",
        ),
        (
            "path.host()",
            "E0303",
            "is called with its value in brackets",
            "write host(path)",
        ),
        (
            "status.contains('5')",
            "E0303",
            "there is no contains(string) for it",
            "there is: string.contains(string) -> bool",
        ),
        (
            "path.contains()",
            "E0303",
            "does not take 0 arguments",
            "there is: string.contains",
        ),
        (
            "abs(status)",
            "E0305",
            "no function `abs`",
            "write math.abs(x)",
        ),
        (
            "math.pow(2, 3)",
            "E0305",
            "no function `math.pow`",
            "in `math` there is: greatest",
        ),
        ("ip(path)", "E0104", "is not built yet", ""),
        ("path.matches('(')", "E0303", "is no regular expression", ""),
        ("duration('5 minutes')", "E0303", "is no duration", ""),
        ("timestamp('yesterday')", "E0303", "is no timestamp", ""),
        ("time.floor('1x')", "E0303", "is no duration", ""),
        (
            "tags.map(x)",
            "E0301",
            "not how it is called",
            "write list.map(x, value)",
        ),
        (
            "tags.all(1, true)",
            "E0301",
            "not how it is called",
            "write list.all(x, condition)",
        ),
        (
            "path.all(c, c == 'x')",
            "E0303",
            "goes through a list or a map",
            "write path.split(\"\")",
        ),
        (
            "tags.filter(t, size(t))",
            "E0303",
            "it is the condition",
            "write size(t) != 0",
        ),
        // Syntax.
        ("", "E0301", "there is none", ""),
        ("status = 500", "E0301", "`=` is no comparison", "write =="),
        (
            "status === 500",
            "E0301",
            "`===` is no operator",
            "write ==",
        ),
        ("ok and ok", "E0301", "`and` is no operator", "write &&"),
        ("not ok", "E0301", "`not` is no operator", "write !x"),
        (
            "agent ?? 'x'",
            "E0301",
            "no such operator",
            "write x != null ? x : other",
        ),
        (
            "1 if ok else 2",
            "E0301",
            "`if` is no operator",
            "write condition ? value : other",
        ),
        (
            "path.matches('\\d')",
            "E0301",
            "`\\d` is no escape",
            "write \\\\ for a backslash, or r'\\d'",
        ),
        (
            "path == 'abc",
            "E0301",
            "begins here and has no end",
            "close it with '",
        ),
        (
            "namespace == 1",
            "E0301",
            "`namespace` is a reserved word",
            "write item.namespace",
        ),
        (
            "status ** 2",
            "E0301",
            "no operator for powers",
            "write x * x",
        ),
        ("status >", "E0301", "", ""),
        ("(status", "E0301", "expected ')'", ""),
    ] {
        let all = problems(text);
        let p = &all[0];
        assert_eq!(p.code, code, "{text}: {p:?}");
        assert!(p.message.contains(message), "{text}: {}", p.message);
        assert!(
            p.help.as_deref().unwrap_or_default().contains(help),
            "{text}: {p:?}"
        );
        assert!(text.get(p.range.clone()).is_some(), "{text}: {p:?}");
    }
}

#[test]
fn one_pass_finds_every_mistake_once() {
    let all = problems("statsu == 1 && len(path) > 2 && ms * 2 > 1.0 && nope");
    let codes: Vec<&str> = all.iter().map(|p| p.code).collect();
    assert_eq!(codes, ["E0302", "E0305", "E0303", "E0302"]);
}

#[test]
fn the_place_of_a_mistake_is_the_part_that_is_wrong() {
    let text = "ok || (status + 1) * ms > 2.0";
    let p = &problems(text)[0];
    assert_eq!(&text[p.range.clone()], "(status + 1) * ms");
    let text = "user.name + item.agnt";
    assert_eq!(&text[problems(text)[0].range.clone()], "agnt");
}

#[test]
fn a_mistake_in_a_template_is_placed_in_the_template() {
    let text = "a {status} b {statsu} {path";
    let all = check_template(text, &env(&hit())).unwrap_err();
    assert_eq!(&text[all[0].range.clone()], "statsu");
    assert_eq!(all[1].message, "a { without a }");
    let text = "x{agent.size()}";
    let template = check_template(text, &env(&hit())).unwrap();
    assert_eq!(&text[template.warnings()[0].range.clone()], "agent");
    assert_eq!(template.uses().of("agent"), Some(Use::Look));
    assert_eq!(
        check_template("a{{b", &env(&hit())).unwrap().constant(),
        Some("a{b")
    );
}

#[test]
fn a_comment_that_looks_like_a_division_is_doubted() {
    let doubts = |text: &str| {
        let expr = check(text, &env(&hit())).unwrap();
        let said: Vec<&str> = expr.warnings().iter().map(|w| w.code).collect();
        said.join(" ")
    };
    assert_eq!(doubts("bytes // 1024"), "W0302");
    assert_eq!(doubts("bytes //status"), "W0302");
    assert_eq!(doubts("bytes // of the answer"), "");
    assert_eq!(doubts("// whole\nbytes"), "");
    assert_eq!(doubts("path == 'http://x'"), "");
}
