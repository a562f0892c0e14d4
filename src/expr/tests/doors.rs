//! What is handed out, and in which form; the functions with their examples.

use super::*;

#[test]
fn texts_of_the_row_are_handed_out_without_a_copy() {
    let ty = Type::record(names(&[("path", Type::String)]));
    let mut blocks = Blocks::new();
    let cell = blocks.text("/api/v1/things");
    let mut batch = Batch::new(Shape::of(&ty), blocks);
    batch.push([cell]);
    for (text, value) in [
        ("path", "/api/v1/things"),
        ("path.substring(1, 4)", "api"),
        ("path.split('/')[3]", "things"),
        ("path.startsWith('/api') ? path : 'x'", "/api/v1/things"),
        ("path.trim()", "/api/v1/things"),
    ] {
        let code = check(text, &env(&ty)).unwrap().compile(Some(&ty));
        let mut out = batch.derive(Shape::of(&Type::String));
        let cell = code.cell(batch.row(0), &scope(), out.blocks_mut()).unwrap();
        let Cell::Text(span) = cell else {
            panic!("{text}: {cell:?}")
        };
        assert_eq!(out.blocks().str(span), value);
        assert_eq!(span.place().0, 0, "{text} was copied");
    }
    let code = check("path + '!'", &env(&ty)).unwrap().compile(Some(&ty));
    let mut out = batch.derive(Shape::of(&Type::String));
    let cell = code.cell(batch.row(0), &scope(), out.blocks_mut()).unwrap();
    assert_eq!(cell.as_str(out.blocks()), Some("/api/v1/things!"));
}

#[test]
fn unread_json_is_read_as_the_type_of_its_field() {
    let ty = Type::record(names(&[
        ("n", Type::Double),
        ("at", Type::Timestamp),
        ("deep", Type::record(names(&[("took", Type::Duration)]))),
        ("o", Type::Int.optional()),
    ]));
    let mut blocks = Blocks::new();
    let cells =
        ["1", "\"2000-02-29T00:00:00Z\"", "{\"took\": 90}", "null"].map(|j| blocks.raw_json(j));
    blocks.seal();
    let shape = Shape::of(&ty);
    let row = Row {
        cells: &cells,
        blocks: &blocks,
        shape: &shape,
    };
    for text in [
        "n * 2.0 == 2.0",
        "at.getFullYear() == 2000",
        "deep.took == duration('90s')",
        "o == null",
        "!has(item.o)",
        "o != 3",
    ] {
        let code = check(text, &env(&ty)).unwrap().compile(Some(&ty));
        assert_eq!(code.bool(row, &scope()), Ok(true), "{text}");
    }
    // Handed on, it stays unread.
    let code = check("deep", &env(&ty)).unwrap().compile(Some(&ty));
    assert!(matches!(
        code.cell(row, &scope(), &mut Blocks::new()),
        Ok(Cell::Raw(_))
    ));
    let wrong = [blocks.raw_json("\"x\""), Cell::Null, Cell::Null, Cell::Null];
    let row = Row {
        cells: &wrong,
        blocks: &blocks,
        shape: &shape,
    };
    let code = check("n > 1.0", &env(&ty)).unwrap().compile(Some(&ty));
    assert!(
        code.bool(row, &scope())
            .unwrap_err()
            .message
            .contains("`n`")
    );
}

#[test]
fn every_example_of_every_function_is_true() {
    for chapter in CHAPTERS {
        for function in chapter.functions {
            assert!(
                !function.examples.is_empty(),
                "{} has no example",
                function.name
            );
            for (text, same) in function.examples {
                let both = format!("[{text}] == [{same}]");
                assert_eq!(
                    run(&both),
                    Ok(Cell::Bool(true)),
                    "{text} is {:?}, not {same}",
                    run(text)
                );
                // Also when nothing is known before it runs.
                let dynamic = format!("[dyn(item.status) == 503 ? {text} : {text}] == [{same}]");
                assert_eq!(run(&dynamic), Ok(Cell::Bool(true)), "{text}");
            }
        }
    }
}

#[test]
fn no_function_panics_whatever_it_is_given() {
    use super::super::run::{Bin, Val};
    let values = [
        Val::Null,
        Val::Bool(true),
        Val::Int(-1),
        Val::Int(i64::MAX),
        Val::Int(i64::MIN),
        Val::Uint(u64::MAX),
        Val::Double(-1.5),
        Val::Double(f64::NAN),
        Val::Double(1e300),
        Val::text(""),
        Val::text("ä€x"),
        Val::text("-1d"),
        Val::text("%.9999e%s%Q%9999"),
        Val::Bytes(Bin::Own(vec![0xff])),
        Val::list(vec![]),
        Val::list(vec![Val::Int(1), Val::text("x")]),
        Val::owned(Cell::record([("a".into(), Cell::Int(1))])),
        Val::Time {
            secs: i64::MAX,
            nanos: 999_999_999,
        },
        Val::Time {
            secs: -62_135_596_800,
            nanos: 0,
        },
        Val::Duration {
            secs: i64::MIN,
            nanos: -1,
        },
        Val::Type("int"),
        Val::Optional(None),
        Val::some(Val::Int(1)),
    ];
    let scope = scope();
    for function in CHAPTERS.iter().flat_map(|c| c.functions) {
        let known = functions::find(function.name).unwrap();
        let takes = |n| known.signatures.iter().any(|s| s.takes(n));
        for a in &values {
            if takes(1) {
                let _ = (function.run)(std::slice::from_ref(a), &scope);
            }
            for b in &values {
                if takes(2) {
                    let _ = (function.run)(&[a.clone(), b.clone()], &scope);
                }
                for c in values.iter().filter(|_| takes(3)) {
                    let three = [a.clone(), b.clone(), c.clone()];
                    let _ = (function.run)(&three, &scope);
                    if takes(4) {
                        let _ =
                            (function.run)(&[a.clone(), b.clone(), c.clone(), b.clone()], &scope);
                    }
                }
            }
        }
    }
}

fn render(text: &str) -> Result<String, String> {
    let template = check_template(text, &env(&hit())).map_err(|p| format!("{p:?}"))?;
    let (blocks, shape, cells) = (Blocks::new(), Shape::of(&hit()), hit_cells());
    let row = Row {
        cells: &cells,
        blocks: &blocks,
        shape: &shape,
    };
    let mut out = Vec::new();
    template
        .compile(Some(&hit()))
        .render(row, &scope(), &mut out)
        .map_err(|e| e.message)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn templates_put_values_into_text() {
    for (text, shown) in [
        ("plain", "plain"),
        ("{path}: {status}", "/api/x: 503"),
        ("{{{status}}}", "{503}"),
        ("{path + '}'}", "/api/x}"),
        ("{ {'a': 1} }", "{\"a\":1}"),
        (
            "{ms} {ok} {agent} {time}",
            "1.5 true null 2000-02-29T00:00:00Z",
        ),
        (
            "{tags} {user}",
            "[\"a\",\"b\"] {\"name\":\"Ann\",\"age\":null}",
        ),
        ("{b'x'}{duration('1.5s')}", "x1.5"),
        ("{params.name}-{worker}", "n-3"),
    ] {
        assert_eq!(render(text).as_deref(), Ok(shown), "{text}");
    }
    assert!(
        render("{}")
            .unwrap()
            .starts_with("{\"path\":\"/api/x\",\"status\":503,")
    );
}
