//! Random expressions over random items: what we compile gives what cel-core's interpreter gives, whatever
//! form the cells have.

use cel_core::{MapActivation, Value};
use proptest::prelude::*;
use proptest::strategy::Union;

use super::library;
use super::run::Val;
use super::{Code, Env, EvalError, Expr, Scope, check};
use crate::value::{Blocks, Cell, Name, Row, Shape, Type};

/// The item: a field of every kind.
fn item() -> Type {
    let pair = Type::record([("x".into(), Type::Int), ("y".into(), Type::String)]);
    let fields: [(&str, Type); 13] = [
        ("i", Type::Int),
        ("j", Type::Int),
        ("d", Type::Double),
        ("s", Type::String),
        ("t", Type::String),
        ("b", Type::Bool),
        ("n", Type::Int.optional()),
        ("o", Type::String.optional()),
        ("l", Type::list(Type::Int)),
        ("m", Type::list(Type::String)),
        ("r", pair),
        ("at", Type::Timestamp),
        ("took", Type::Duration),
    ];
    Type::record(fields.map(|(n, t)| (Name::from(n), t)))
}

fn small_int() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -3i64..10, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()]
}

fn small_text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab/]{0,4}", 1 => "[aäß€\u{1F600}\"\\\\\n]{0,3}"]
}

fn cells() -> impl Strategy<Value = Vec<Cell>> {
    let text = || small_text().prop_map(|s| Cell::str(&s));
    let int = || small_int().prop_map(Cell::Int);
    let first = (
        int(),
        int(),
        prop_oneof![-4.0f64..4.0, Just(0.0), Just(2.0)].prop_map(Cell::Double),
        text(),
        text(),
        any::<bool>().prop_map(Cell::Bool),
        prop_oneof![Just(Cell::Null), int()],
    );
    let second = (
        prop_oneof![Just(Cell::Null), text()],
        prop::collection::vec(int(), 0..4).prop_map(Cell::list),
        prop::collection::vec(text(), 0..4).prop_map(Cell::list),
        (int(), text()).prop_map(|(x, y)| Cell::record([("x".into(), x), ("y".into(), y)])),
        (-1_000_000_000i64..2_000_000_000, 0u32..2).prop_map(|(secs, n)| Cell::Time {
            secs,
            nanos: n * 500_000_000,
        }),
        (-100_000i64..100_000).prop_map(|secs| Cell::Duration { secs, nanos: 0 }),
    );
    (first, second).prop_map(|((a, b, c, d, e, f, g), (h, i, j, k, l, m))| {
        vec![a, b, c, d, e, f, g, h, i, j, k, l, m]
    })
}

fn literal(text: &str) -> String {
    // JSON's escapes are CEL's too.
    serde_json::to_string(text).unwrap_or_default()
}

/// An expression of each kind that is generated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    Int,
    Double,
    Str,
    Bool,
    Ints,
    Strs,
}

fn leaf(want: Want) -> BoxedStrategy<String> {
    let one_of =
        |names: &'static [&'static str]| prop::sample::select(names).prop_map(str::to_string);
    match want {
        Want::Int => prop_oneof![
            3 => one_of(&["i", "j", "n", "item.i", "r.x", "item.r.x", "item['j']"]),
            2 => small_int().prop_map(|i| i.to_string()),
        ]
        .boxed(),
        Want::Double => prop_oneof![
            one_of(&["d", "item.d"]),
            (-3.0f64..3.0).prop_map(|d| format!("{d:?}"))
        ]
        .boxed(),
        Want::Str => prop_oneof![
            3 => one_of(&["s", "t", "o", "r.y", "item.s", "r['y']"]),
            2 => small_text().prop_map(|s| literal(&s)),
        ]
        .boxed(),
        Want::Bool => one_of(&[
            "b",
            "item.b",
            "true",
            "false",
            "b == true",
            "n != null",
            "o == null",
        ])
        .boxed(),
        Want::Ints => one_of(&["l", "item.l", "[]", "[1, 2, 3]", "[i, n]"]).boxed(),
        Want::Strs => one_of(&["m", "item.m", "['a', s]", "['a', 'b/']"]).boxed(),
    }
}

/// Text of an expression of a kind, made of expressions one level less deep.
fn expression(want: Want, depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(want);
    }
    let of = |w: Want| expression(w, depth - 1);
    let two = |w: Want| (of(w), of(w));
    let select = |names: &'static [&'static str]| prop::sample::select(names);
    let condition =
        (of(Want::Bool), of(want), of(want)).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})"));
    let mut all: Vec<BoxedStrategy<String>> = vec![leaf(want), condition.boxed()];
    match want {
        Want::Int => all.extend([
            (two(Want::Int), select(&["+", "-", "*", "/", "%"]))
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            of(Want::Int).prop_map(|a| format!("-({a} % 1000)")).boxed(),
            of(Want::Str).prop_map(|a| format!("size({a})")).boxed(),
            of(Want::Ints).prop_map(|a| format!("{a}.size()")).boxed(),
            two(Want::Str)
                .prop_map(|(a, b)| format!("({a}).indexOf({b})"))
                .boxed(),
            (of(Want::Ints), of(Want::Int))
                .prop_map(|(l, i)| format!("({l})[({i}) % 3 * (({i}) % 3)]"))
                .boxed(),
            two(Want::Int)
                .prop_map(|(a, b)| format!("math.greatest({a}, {b})"))
                .boxed(),
            of(Want::Double).prop_map(|a| format!("int({a})")).boxed(),
            select(&[
                "at.getHours()",
                "at.getDayOfYear()",
                "took.getMinutes()",
                "int(at)",
                "(at - took).getSeconds()",
            ])
            .prop_map(str::to_string)
            .boxed(),
        ]),
        Want::Double => all.extend([
            (two(Want::Double), select(&["+", "-", "*", "/"]))
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            of(Want::Int).prop_map(|a| format!("double({a})")).boxed(),
            (of(Want::Double), select(&["floor", "ceil", "abs"]))
                .prop_map(|(a, f)| format!("math.{f}({a})"))
                .boxed(),
        ]),
        Want::Str => all.extend([
            two(Want::Str)
                .prop_map(|(a, b)| format!("({a} + {b})"))
                .boxed(),
            (of(Want::Str), of(Want::Int))
                .prop_map(|(a, i)| format!("({a}).substring({i})"))
                .boxed(),
            (
                of(Want::Str),
                select(&["lowerAscii", "upperAscii", "trim", "reverse"]),
            )
                .prop_map(|(a, f)| format!("({a}).{f}()"))
                .boxed(),
            (of(Want::Str), two(Want::Str))
                .prop_map(|(a, (b, c))| format!("({a}).replace({b}, {c})"))
                .boxed(),
            of(Want::Int).prop_map(|a| format!("string({a})")).boxed(),
            (of(Want::Strs), of(Want::Str))
                .prop_map(|(a, b)| format!("({a}).join({b})"))
                .boxed(),
            of(Want::Int)
                .prop_map(|a| format!("{{'k': {a}, 'x': 'y'}}.x"))
                .boxed(),
            (of(Want::Str), 0..3i32)
                .prop_map(|(a, i)| format!("({a}).split('/')[{i}]"))
                .boxed(),
            (of(Want::Str), of(Want::Str), of(Want::Str))
                .prop_map(|(a, b, c)| format!("({a} + {b} + {c})"))
                .boxed(),
            Just("string(at)".to_string()).boxed(),
        ]),
        Want::Bool => all.extend([
            (two(Want::Int), comparison())
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            (two(Want::Str), comparison())
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            (two(Want::Double), comparison())
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            (of(Want::Int), leaf(Want::Double), comparison())
                .prop_map(|(a, b, s)| format!("({a} {s} {b})"))
                .boxed(),
            (two(Want::Ints), select(&["==", "!="]))
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            (two(Want::Bool), select(&["&&", "||"]))
                .prop_map(|((a, b), s)| format!("({a} {s} {b})"))
                .boxed(),
            (two(Want::Bool), of(Want::Bool))
                .prop_map(|((a, b), c)| format!("({a} && {b} && {c})"))
                .boxed(),
            of(Want::Bool).prop_map(|a| format!("!({a})")).boxed(),
            (
                two(Want::Str),
                select(&["contains", "startsWith", "endsWith"]),
            )
                .prop_map(|((a, b), f)| format!("({a}).{f}({b})"))
                .boxed(),
            (of(Want::Str), select(&["^a", "b+/", "[^a]", "(a|b)$"]))
                .prop_map(|(a, p)| format!("({a}).matches('{p}')"))
                .boxed(),
            (of(Want::Int), of(Want::Ints))
                .prop_map(|(a, l)| format!("({a} in {l})"))
                .boxed(),
            (of(Want::Str), of(Want::Strs))
                .prop_map(|(a, l)| format!("({a} in {l})"))
                .boxed(),
            (
                of(Want::Ints),
                select(&["all", "exists", "exists_one"]),
                of(Want::Int),
            )
                .prop_map(|(l, m, i)| format!("({l}).{m}(x, x < {i} || x / {i} > 2)"))
                .boxed(),
            (of(Want::Strs), of(Want::Str))
                .prop_map(|(l, s)| format!("({l}).exists(k, k == {s} || {s}.contains(k))"))
                .boxed(),
            select(&[
                "has(item.i)",
                "'x' in r",
                "at < at + took",
                "took > duration('1h')",
                "r == {'x': i, 'y': s}",
            ])
            .prop_map(str::to_string)
            .boxed(),
        ]),
        Want::Ints => all.extend([
            two(Want::Ints)
                .prop_map(|(a, b)| format!("({a} + {b})"))
                .boxed(),
            (of(Want::Ints), of(Want::Int))
                .prop_map(|(l, i)| format!("({l}).map(x, x + {i})"))
                .boxed(),
            (of(Want::Ints), of(Want::Int))
                .prop_map(|(l, i)| format!("({l}).filter(x, x > {i})"))
                .boxed(),
            (of(Want::Ints), of(Want::Ints))
                .prop_map(|(l, k)| format!("({l}).map(x, ({k}).exists(y, y == x), x)"))
                .boxed(),
        ]),
        Want::Strs => all.extend([
            (of(Want::Str), select(&["/", "a", "b/"]))
                .prop_map(|(a, s)| format!("({a}).split('{s}')"))
                .boxed(),
            (of(Want::Strs), of(Want::Str))
                .prop_map(|(l, s)| format!("({l}).map(x, x + {s})"))
                .boxed(),
        ]),
    }
    Union::new(all).boxed()
}

fn comparison() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["==", "!=", "<", "<=", ">", ">="][..])
}

fn any_expression() -> impl Strategy<Value = (Want, String)> {
    let wants = [
        Want::Int,
        Want::Double,
        Want::Str,
        Want::Bool,
        Want::Bool,
        Want::Ints,
        Want::Strs,
    ];
    prop::sample::select(wants.to_vec()).prop_flat_map(|want| {
        (0..4u32)
            .prop_flat_map(move |depth| expression(want, depth))
            .prop_map(move |e| (want, e))
    })
}

/// What the library's interpreter gives.
fn oracle(text: &str, ty: &Type, cells: &[Cell]) -> Result<Cell, String> {
    let ast = cel_core::parse(text)
        .ast
        .expect("the library parses it too");
    let ast = cel_core::Ast::new_unchecked(ast, text);
    let program = library::base().program(&ast).expect("a program");
    let mut all = MapActivation::new();
    let record = ty.as_record().expect("a record");
    for (field, cell) in record.fields.iter().zip(cells) {
        all.insert(&*field.name, library::of_cell(cell));
    }
    let whole = Cell::record(
        record
            .fields
            .iter()
            .map(|f| f.name.clone())
            .zip(cells.iter().cloned()),
    );
    all.insert("item", library::of_cell(&whole));
    match program.eval(&all) {
        Value::Error(e) => Err(e.message.clone()),
        value => library::our(&value)
            .and_then(Val::detach)
            .map_err(|f| f.message),
    }
}

/// The forms in which the same item may come.
#[derive(Clone, Copy, Debug)]
enum Form {
    Heap,
    Spans,
    Raw,
}

fn in_form(cells: &[Cell], form: Form, blocks: &mut Blocks) -> Vec<Cell> {
    let made = cells.iter().map(|cell| match form {
        Form::Heap => cell.clone(),
        Form::Spans => match cell.as_heap_str() {
            Some(text) => blocks.text(text),
            None => cell.clone(),
        },
        Form::Raw => {
            let mut json = Vec::new();
            cell.write_json(&Blocks::new(), &mut json);
            blocks.raw_json(std::str::from_utf8(&json).expect("JSON is UTF-8"))
        }
    });
    let made: Vec<Cell> = made.collect();
    blocks.seal();
    made
}

/// Runs it through every door that its type opens, on rows of only the fields that it uses.
fn ours(expr: &Expr, ty: &Type, cells: &[Cell], form: Form) -> Result<Cell, EvalError> {
    let narrow = expr.uses().narrow(ty);
    let record = ty.as_record().expect("a record");
    let kept: Vec<Cell> = record
        .fields
        .iter()
        .zip(cells)
        .filter(|(f, _)| {
            narrow
                .as_record()
                .is_some_and(|n| n.slot(&f.name).is_some())
        })
        .map(|(_, c)| c.clone())
        .collect();
    let mut blocks = Blocks::new();
    let cells = in_form(&kept, form, &mut blocks);
    let (shape, scope) = (Shape::of(&narrow), Scope::default());
    let row = Row {
        cells: &cells,
        blocks: &blocks,
        shape: &shape,
    };
    let code: Code = expr.compile(Some(&narrow));
    // Once into blocks that share the row's, once into others.
    let mut shared = blocks.clone();
    let given = code
        .cell(row, &scope, &mut shared)
        .map(|c| c.detach(&shared));
    let mut other = Blocks::new();
    assert_eq!(
        given,
        code.cell(row, &scope, &mut other).map(|c| c.detach(&other))
    );
    assert_eq!(given, code.detached(row, &scope));
    let typed = match expr.ty() {
        Type::Bool => Some(code.bool(row, &scope).map(Cell::Bool)),
        Type::Int => Some(code.int(row, &scope).map(Cell::Int)),
        Type::Double => Some(code.double(row, &scope).map(Cell::Double)),
        Type::String => Some(code.str(row, &scope).map(|s| Cell::str(&s))),
        _ => None,
    };
    if let Some(typed) = typed {
        // A `T?` that went through an operator is a `T` by type, and null only as an error.
        assert_eq!(given.is_ok(), typed.is_ok());
        assert_eq!(given.clone().ok(), typed.ok());
    }
    given
}

proptest! {
    #[test]
    fn what_is_compiled_gives_what_the_interpreter_gives((_, text) in any_expression(), cells in cells()) {
        let ty = item();
        let env = Env { item: Some(ty.clone()), ..Env::default() };
        let Ok(expr) = check(&text, &env) else {
            return Err(TestCaseError::fail(format!("{text}: {:?}", check(&text, &env))));
        };
        let expected = oracle(&text, &ty, &cells);
        for form in [Form::Heap, Form::Spans, Form::Raw] {
            let given = ours(&expr, &ty, &cells, form);
            prop_assert_eq!(given.clone().ok(), expected.clone().ok(), "{} as {:?}: {:?} {:?}", text, form, given, expected);
        }
    }

    #[test]
    fn any_text_is_answered_without_a_panic(text in prop_oneof!["\\PC{0,40}", "[\"'\\\\ubxrRU019a(){}`$é€\n /%.?!-]{0,30}"]) {
        let env = Env { item: Some(item()), ..Env::default() };
        let _ = check(&text, &env);
        let _ = super::check_template(&text, &env);
    }

    #[test]
    fn any_row_of_words_is_answered_without_a_panic(
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..12),
        cells in cells(),
    ) {
        let ty = item();
        let env = Env { item: Some(ty.clone()), ..Env::default() };
        let text = words.join(" ");
        match check(&text, &env) {
            Ok(expr) => {
                let _ = ours(&expr, &ty, &cells, Form::Spans);
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for p in problems {
                    prop_assert!(text.get(p.range.clone()).is_some(), "{:?} of {:?}", p, text);
                }
            }
        }
    }
}

const WORDS: [&str; 56] = [
    "i", "d", "s", "b", "n", "l", "m", "r", "at", "item", "nope", "1", "2.0", "3u", "'x'", "b'y'",
    "null", "true", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "+", "-", "*", "/", "%",
    "==", "!=", "<", ">=", "&&", "||", "!", "in", "size", "has", "map", "exists", "contains",
    "matches", "math", "abs", "x", "optional", "of", "params", "${", "\"", "type",
];
