//! What expressions mean.

use super::*;

#[test]
fn values_come_out_as_the_language_says() {
    for (text, value) in [
        ("status >= 500", Cell::Bool(true)),
        // A field named like a type or a function is the field; before ( it is the function.
        ("bytes + 1", Cell::Int(1201)),
        ("size(bytes('ab')) + bytes", Cell::Int(1202)),
        ("agent == null", Cell::Bool(true)),
        ("has(item.agent)", Cell::Bool(false)),
        ("has(agent) || has(code)", Cell::Bool(true)),
        ("code == 7 && code > 3", Cell::Bool(true)),
        ("user.name", Cell::str("Ann")),
        ("user.age == null", Cell::Bool(true)),
        ("more.deep.n", Cell::Int(1)),
        ("more.?nope.orValue('x')", Cell::str("x")),
        ("optional.none()", Cell::Null),
        ("optional.of(3)", Cell::Int(3)),
        (
            "type(status) == int && type(time) == timestamp",
            Cell::Bool(true),
        ),
        ("type(status)", Cell::str("int")),
        ("'status' in item && !('nope' in item)", Cell::Bool(true)),
        ("size(item)", Cell::Int(11)),
        ("item['status']", Cell::Int(503)),
        ("item.status == status", Cell::Bool(true)),
        ("params.min + 1", Cell::Int(11)),
        ("params.name", Cell::str("n")),
        ("values.total", Cell::Int(100)),
        (
            "arrays.histogram[2] + size(arrays.histogram)",
            Cell::Int(23),
        ),
        ("queues.urls.size", Cell::Int(5)),
        ("worker", Cell::Int(3)),
        ("run.failed", Cell::Bool(false)),
        ("int(run.start)", Cell::Int(60)),
        ("int(now())", Cell::Int(1_700_000_000)),
        ("status in [500, 503]", Cell::Bool(true)),
        ("path in ['/a', '/api/x']", Cell::Bool(true)),
        ("500 <= status && status < 600", Cell::Bool(true)),
        ("1.5 == ms && 1 < ms && ms < 2", Cell::Bool(true)),
        ("cel.bind(x, status + 1, x * x)", Cell::Int(504 * 504)),
        (
            "[1, 2, 3].map(x, [10, 20].map(y, x * y))[2][1]",
            Cell::Int(60),
        ),
        (
            "time.floor('7d').strftime('%F %a')",
            Cell::str("2000-02-28 Mon"),
        ),
        (
            "[3, 4].transformList(i, x, i * x)",
            Cell::list(vec![Cell::Int(0), Cell::Int(4)]),
        ),
        (
            "{'a': 1, 'b': 2}.transformMap(k, v, v + 1)",
            Cell::record([("a".into(), Cell::Int(2)), ("b".into(), Cell::Int(3))]),
        ),
        (
            "path + '?' + string(status) + path",
            Cell::str("/api/x?503/api/x"),
        ),
        ("path.split('/')[1]", Cell::str("api")),
        ("3u + 4u", Cell::Int(7)),
        ("false && 1 / 0 > 0", Cell::Bool(false)),
        ("1 / 0 > 0 || true", Cell::Bool(true)),
        ("b'ab' + b'c' == b'abc'", Cell::Bool(true)),
        (
            "{'path': path, 'list': tags, 'n': null}",
            Cell::record([
                ("path".into(), Cell::str("/api/x")),
                (
                    "list".into(),
                    Cell::list(vec![Cell::str("a"), Cell::str("b")]),
                ),
                ("n".into(), Cell::Null),
            ]),
        ),
    ] {
        assert_eq!(run(text), Ok(value), "{text}");
    }
}

#[test]
fn what_fails_says_what_and_where() {
    for (text, message) in [
        (
            "agent.contains('x')",
            "`agent` is null, and a string is needed",
        ),
        (
            "status / (bytes - 1200) > 3",
            "division by zero in `status / (bytes - 1200)`",
        ),
        (
            "status * 9223372036854775807",
            "503 * 9223372036854775807 does not fit 64 bits in `status * 9223372036854775807`",
        ),
        (
            "tags[5]",
            "there is no element 5 in a list of 2 in `tags[5]`",
        ),
        (
            "path.split('/')[7] == 'x'",
            "there is no element 7 in a list of 3 in `path.split('/')[7]`",
        ),
        ("more.nope", "there is no field `nope` in `more.nope`"),
        (
            "more.deep + 1",
            "there is no a record + an int in `more.deep + 1`",
        ),
        (
            "path.substring(9)",
            "the place 9 is not within a text of 6 characters in `path.substring(9)`",
        ),
        ("int(path)", "\"/api/x\" is no int in `int(path)`"),
        ("host(path)", "has no host"),
        (
            "arrays.histogram[9]",
            "there is no element 9 in an array of 3",
        ),
        (
            "env('NO_SUCH_VARIABLE_HERE')",
            "the variable NO_SUCH_VARIABLE_HERE is not set",
        ),
        ("18446744073709551615u", "does not fit an int"),
        ("(1 / 0 > 0) && ok", "division by zero in `1 / 0`"),
    ] {
        let said = run(text).expect_err(text);
        assert!(said.contains(message), "{text}: {said}");
    }
}

#[test]
fn an_item_that_is_no_record_is_item() {
    assert_eq!(
        run_on("item * 2", &Type::Int, &[Cell::Int(4)]),
        Ok(Cell::Int(8))
    );
    assert_eq!(
        run_on(
            "item.a[0]",
            &Type::Any,
            &[Cell::record([("a".into(), Cell::list(vec![Cell::Int(4)]))])]
        ),
        Ok(Cell::Int(4))
    );
    let p = check("status > 3", &env(&Type::Any)).unwrap_err();
    assert!(
        p[0].help
            .as_deref()
            .unwrap_or_default()
            .contains("write item.status"),
        "{p:?}"
    );
    let p = check("status > 3", &env(&Type::String)).unwrap_err();
    assert!(p[0].message.contains("the item is a string"), "{p:?}");
}

#[test]
fn without_an_item_there_are_parameters_and_the_run() {
    let env = Env {
        item: None,
        ..env(&Type::Any)
    };
    let code = check("params.name + '.log'", &env).unwrap().compile(None);
    let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
    let row = Row {
        cells: &[],
        blocks: &blocks,
        shape: &shape,
    };
    assert_eq!(code.str(row, &scope()).unwrap(), "n.log");
    assert_eq!(check("item", &env).unwrap_err()[0].code, "E0201");
    assert_eq!(check("status", &env).unwrap_err()[0].code, "E0201");
}

#[test]
fn the_other_fields_of_an_open_record_are_fields_too() {
    let open = Type::Record(Arc::new(RecordType {
        rest: Some(Type::Any),
        ..RecordType::closed(names(&[("id", Type::Int)]))
    }));
    let cells = [Cell::Int(1), Cell::record([("x".into(), Cell::Int(2))])];
    assert_eq!(run_on("id + item.x", &open, &cells), Ok(Cell::Int(3)));
    assert_eq!(run_on("x", &open, &cells), Ok(Cell::Int(2)));
    assert_eq!(
        run_on("has(item.x) && !has(item.y) && 'x' in item", &open, &cells),
        Ok(Cell::Bool(true))
    );
    assert!(
        run_on("item.y", &open, &cells)
            .unwrap_err()
            .contains("the item has no field `y`")
    );
    let uses = check("item.x", &env(&open)).unwrap().uses().clone();
    assert_eq!((uses.of("x"), uses.of("id")), (Some(Use::Look), None));
}

#[test]
fn the_deepest_that_is_allowed_neither_overflows_the_stack_nor_is_refused() {
    let nested =
        |open: &str, inner: &str, close: &str, n: usize| open.repeat(n) + inner + &close.repeat(n);
    for text in [
        nested("(", "status", ")", 110),
        nested("[", "status", "]", 100),
        nested("math.abs(", "status", ")", 100),
        nested("ok ? 1 : (", "2", ")", 55),
        nested("[1].map(x, ", "status", ")", 55),
        vec!["status"; 110].join(" + "),
        vec!["status == 1"; 3000].join(" || "),
    ] {
        assert!(run(&text).is_ok(), "{:.60}: {:?}", text, run(&text));
    }
}
