//! The YAML reader against `serde_yaml` and against itself, on generated documents and on mutilated ones.

use millstream::diagnostic::{Diagnostics, Source};
use millstream::report::diagnostics::Report;
use millstream::spec::{self, Node, Scalar, Value};
use proptest::prelude::*;
use serde_yaml::Value as Theirs;

fn ours(text: &str) -> (Option<Node>, Diagnostics) {
    let source = Source {
        name: "x.yaml".into(),
        text: text.into(),
    };
    let mut found = Diagnostics::default();
    let tree = spec::read(&source, &mut found);
    (tree, found)
}

/// Do both readers see the same? Keys are texts for us; `017` is a number in YAML 1.2's core schema, and a
/// text for `serde_yaml`; whole numbers beyond 64 bits are an error here.
fn same(ours: &Node, theirs: &Theirs) -> bool {
    match (&ours.value, theirs) {
        // `! text` is a text here.
        (Value::Scalar(Scalar::Null), Theirs::Null) | (_, Theirs::Tagged(_)) => true,
        (Value::Scalar(Scalar::Bool(a)), Theirs::Bool(b)) => a == b,
        (Value::Scalar(Scalar::Int(a)), Theirs::Number(b)) => b.as_i64() == Some(*a),
        (Value::Scalar(Scalar::Double(a)), Theirs::Number(b)) => b
            .as_f64()
            .is_some_and(|b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())),
        (Value::Scalar(Scalar::String { text, .. }), Theirs::String(b)) => text == b,
        (Value::Scalar(Scalar::Int(_) | Scalar::Double(_)), Theirs::String(text)) => {
            text.trim_start_matches(['-', '+']).starts_with('0')
        }
        (Value::List(a), Theirs::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Theirs::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key, a), (theirs, b))| {
                    let is_key = match theirs {
                        Theirs::String(text) => *text == key.text,
                        // A number, a bool, `! text`: the text as it was written.
                        Theirs::Number(_) | Theirs::Bool(_) | Theirs::Null | Theirs::Tagged(_) => {
                            true
                        }
                        _ => false,
                    };
                    is_key && same(a, b)
                })
        }
        _ => false,
    }
}

fn tree() -> impl Strategy<Value = Theirs> {
    let text = prop_oneof![
        "[a-z]{0,6}",
        "[ -~]{0,12}",
        "[a-z:#{}\\[\\],&*!|>'\"%@` \n-]{0,10}",
        // These break lines in YAML 1.1, but not in 1.2.
        "\\PC{0,6}".prop_filter("1.2", |t| !t.contains(['\u{85}', '\u{2028}', '\u{2029}'])),
        Just("yes".to_string()),
        Just("0x1F".to_string()),
        Just("1e3".to_string()),
        Just("~".to_string()),
        Just("<<".to_string()),
    ];
    let leaf = prop_oneof![
        Just(Theirs::Null),
        any::<bool>().prop_map(Theirs::from),
        any::<i64>().prop_map(Theirs::from),
        any::<f64>()
            .prop_filter("a number", |d| !d.is_nan())
            .prop_map(Theirs::from),
        text.clone().prop_map(Theirs::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Theirs::from),
            prop::collection::btree_map(
                text.clone().prop_filter("no merge", |t| t != "<<"),
                inner,
                0..6
            )
            .prop_map(|m| Theirs::Mapping(
                m.into_iter().map(|(k, v)| (Theirs::from(k), v)).collect()
            )),
        ]
    })
}

/// Lines that look like a pipeline, put together at random.
fn mutilated() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("stages:\n".to_string()),
        Just("  a: ".to_string()),
        Just("    do:\n".to_string()),
        Just("      - ".to_string()),
        Just("filter: ".to_string()),
        Just("a ? b : c".to_string()),
        Just("{path}".to_string()),
        Just("[cp, {x}, f(a, b)]".to_string()),
        Just("!done".to_string()),
        Just("*x".to_string()),
        Just("&x ".to_string()),
        Just("<<: ".to_string()),
        Just("${log}".to_string()),
        Just("$${".to_string()),
        Just("params: {log: é}\n".to_string()),
        Just("\"q\\n\\u00e9".to_string()),
        Just("'it''s".to_string()),
        Just("|\n   two\n".to_string()),
        Just("\r\n".to_string()),
        // Without `&` and `*`: in YAML 1.2 a name may end with a colon.
        "[\\]\\[{}:,#!|>'\"%@`?$ \n\t-]{1,3}",
        "[a-zé0-9]{1,4}",
        "\\PC{1,2}".prop_filter("1.2", |t| !t
            .contains(['&', '*', '\u{85}', '\u{2028}', '\u{2029}'])),
    ];
    // Readers differ on a block text that the file's end cuts off, so that each ends its line.
    prop::collection::vec(part, 0..14).prop_map(|p| p.concat() + "\n")
}

/// The same cases every time; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` look at others.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1500;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none()
        && std::env::var_os("PROPTEST_CASES").is_none()
    {
        config.rng_seed = proptest::test_runner::RngSeed::Fixed(7);
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_serde_yaml_writes_we_read_as_it_does(theirs in tree()) {
        let text = serde_yaml::to_string(&theirs).expect("it can be written");
        let (tree, found) = ours(&text);
        prop_assert!(!found.has_errors(), "{text}\n{:?}", found.sorted());
        let again: Theirs = serde_yaml::from_str(&text).expect("what it wrote");
        match tree {
            Some(tree) => prop_assert!(same(&tree, &again), "{text}\nours {tree:?}\ntheirs {again:?}"),
            None => prop_assert!(again.is_null(), "{text}"),
        }
    }

    #[test]
    fn whatever_stands_in_a_file_both_read_the_same_or_refuse(text in mutilated()) {
        let (tree, found) = ours(&text);
        if let (Some(tree), false, Ok(mut theirs)) = (tree, found.has_errors(), serde_yaml::from_str::<Theirs>(&text))
            && theirs.apply_merge().is_ok()
            // Merged entries stand elsewhere than the `<<`.
            && !text.contains("<<")
        {
            prop_assert!(same(&tree, &theirs), "{text:?}\nours {tree:?}\ntheirs {theirs:?}");
        }
    }

    #[test]
    fn whatever_stands_in_a_file_its_mistakes_have_places_and_can_be_shown(text in mutilated()) {
        let source = Source { name: "x.yaml".into(), text };
        let mut found = Diagnostics::default();
        let given = spec::Given { complete: source.text.len().is_multiple_of(2), ..spec::Given::default() };
        spec::load(&source, &given, &mut found);
        for d in found.iter() {
            for at in std::iter::once(d.at).chain(d.also.iter().map(|(at, _)| *at)) {
                let whole = source.text.get(at.start as usize..at.end as usize);
                prop_assert!(whole.is_some(), "{:?} {d:?}", source.text);
            }
        }
        let report = Report::new(&source, found, false);
        prop_assert!(report.text(true, 100).lines().count() >= report.errors());
    }

    #[test]
    fn every_character_of_a_text_stands_where_its_place_says(text in "[a-zé '\"\\\\:#{}\n\t&!-]{0,30}", style in 0..4) {
        let file = match style {
            0 => serde_yaml::to_string(&Theirs::from(text)).expect("it can be written"),
            1 => format!("'{}'", text.replace('\'', "''")),
            2 => format!("{text:?}"),
            _ => format!("|\n  {}", text.replace('\n', "\n  ")),
        };
        let file = format!("é: {}", file.replace('\n', "\n  "));
        let (Some(tree), found) = ours(&file) else { return Ok(()) };
        prop_assume!(!found.has_errors());
        let (_, node) = &tree.as_map().expect("a mapping")[0];
        let Some(text) = node.expression() else { return Ok(()) };
        let mut before = text.at.start;
        for (i, c) in text.text.char_indices() {
            let at = text.place(i..i + c.len_utf8());
            let there = file.get(at.start as usize..at.end as usize);
            let there = there.unwrap_or_else(|| panic!("a whole place in {file:?}: {at:?}"));
            // An escape or a fold stands for the character, or it stands there itself.
            let other = there.contains('\\') || there.contains("''") || there.trim().is_empty() || node.is_null();
            // What joins two lines may stand for the ends of the whole text, quotes included.
            let other = other || c.is_whitespace();
            prop_assert!(there.starts_with(c) || other, "{file:?}: {c:?} at {at:?} is {there:?}");
            prop_assert!(at.start >= before && at.end <= node.at.end.max(at.start), "{file:?}: {c:?} at {at:?} after {before}");
            before = at.start;
        }
    }
}
