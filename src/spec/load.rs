//! YAML to [`Node`]s: the parser's events become a tree with the byte places of every key and value.
//!
//! We resolve scalars (YAML 1.2's core schema), aliases and `<<` ourselves, so that equal keys are errors with
//! both places and nothing grows beyond its budget. The walk keeps its own stack: no file can exhaust ours.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::budget::{Budget, Cost, MAX_BYTES};
use super::bytes::{Bytes, printable};
use super::node::{Key, Node, Scalar, Value};
use super::scalar;
use super::swallowed;
use super::syntax;
use super::text::Origin;
use crate::diagnostic::{At, Diagnostic, Diagnostics, Source};

/// The tree of a file's text. `None` where it cannot be read (that was said), or is empty.
///
/// Says E0101, E0102, E0107, E0108 and W0101; what YAML may have swallowed is noted as a suspicion, to be told
/// only if somebody takes offence at what YAML made of it.
pub fn read(source: &Source, diagnostics: &mut Diagnostics) -> Option<Node> {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        let message = format!(
            "the file has {} bytes; a pipeline file may have 1 MiB",
            text.len()
        );
        let help = "keep data in files of its own and read them with a `read` step";
        diagnostics.push(Diagnostic::new("E0107", At::new(0, 0), message).help(help));
        return None;
    }
    if let Some((place, c)) = text.char_indices().find(|(_, c)| !printable(*c)) {
        let at = At::new(place, place + c.len_utf8());
        let message = format!("the character U+{:04X} may not stand in YAML", c as u32);
        let help = format!("in double quotes write \"\\u{:04X}\"", c as u32);
        diagnostics.push(Diagnostic::new("E0101", at, message).help(help));
        return None;
    }
    let mut builder = Builder {
        text,
        bytes: Bytes::of(text),
        diagnostics,
        stack: Vec::new(),
        anchors: HashMap::new(),
        budget: Budget::default(),
        documents: 0,
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if builder.event(event, span).is_err() {
                    return None;
                }
            }
            Err(e) => {
                let at = builder.bytes.at(e.marker().index());
                builder.syntax(&e, at);
                return None;
            }
        }
    }
    builder.root
}

const TAGS: &str = "the tags are !!str, !!int, !!float, !!bool, !!null, !!map and !!seq";

/// A list or mapping that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    /// `[` or `{`.
    flow: bool,
    /// Where the last value in it ends.
    end: usize,
    kind: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<(Key, Node)>,
    /// Index by key, for the second of two equal ones.
    index: HashMap<String, usize>,
    /// The key whose value comes next.
    key: Option<PendingKey>,
    /// What `<<` names, and before which entry it stands.
    merges: Vec<(usize, Node)>,
}

enum PendingKey {
    Entry(Key),
    /// The second of two equal ones, or no key at all: its value is read and forgotten.
    Dropped,
    Merge(At),
}

/// A thing with an anchor, and what a copy of it costs.
struct Anchored {
    node: Node,
    cost: Cost,
}

struct Builder<'a> {
    text: &'a str,
    bytes: Bytes,
    diagnostics: &'a mut Diagnostics,
    stack: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    budget: Budget,
    documents: usize,
    root: Option<Node>,
}

/// The reading cannot go on; why was said.
struct Stop;

impl Builder<'_> {
    fn say(&mut self, code: &'static str, at: At, message: impl Into<String>, help: &str) {
        let d = Diagnostic::new(code, at, message);
        self.diagnostics
            .push(if help.is_empty() { d } else { d.help(help) });
    }

    fn span(&self, span: Span) -> (usize, usize) {
        let (start, end) = (
            self.bytes.at(span.start.index()),
            self.bytes.at(span.end.index()),
        );
        (start, end.max(start))
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let (start, end) = self.span(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let at = At::new(start, end);
                    self.say("E0101", at, "a second document begins here", "a pipeline is one document: remove this line and what follows, or put it into a file of its own");
                    return Err(Stop);
                }
            }
            Event::Alias(id) => {
                let at = At::new(start, end);
                if let Err(what) = self.budget.alias() {
                    return self.too_much(at, what);
                }
                let Some(Anchored { node, cost }) = self.anchors.get(&id) else {
                    self.say(
                        "E0101",
                        at,
                        "this alias stands inside what it names",
                        "an anchor can only be used after the value that it marks",
                    );
                    return Err(Stop);
                };
                let (node, cost) = (node.clone(), *cost);
                self.charge(cost, at)?;
                self.add(node, at)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                // The place of a block begins with its text, which may look like a tag.
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let begin = if block {
                    start
                } else {
                    self.skip_properties(start, end)
                };
                self.charge(
                    Cost {
                        nodes: 1,
                        text: text.len(),
                        depth: 0,
                    },
                    At::new(begin, end),
                )?;
                let tag = tag.as_deref().filter(|tag| self.is_core(tag, start, end));
                let node = self.scalar(&text, style, tag, begin, end);
                self.anchor(anchor, &node)?;
                let at = node.at;
                self.add(node, at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(
                    start,
                    end,
                    anchor,
                    tag.as_deref(),
                    Collection::List(Vec::new()),
                )?;
            }
            Event::MappingStart(anchor, tag) => {
                self.open(
                    start,
                    end,
                    anchor,
                    tag.as_deref(),
                    Collection::Map(OpenMap::default()),
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(end)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn charge(&mut self, cost: Cost, at: At) -> Result<(), Stop> {
        match self.budget.charge(cost, self.stack.len()) {
            Ok(()) => Ok(()),
            Err(what) => self.too_much(at, what),
        }
    }

    fn too_much(&mut self, at: At, what: &str) -> Result<(), Stop> {
        let message = format!("the file comes to more than {what}, aliases included");
        self.say(
            "E0107",
            at,
            message,
            "keep data in files of its own and read them with a `read` step",
        );
        Err(Stop)
    }

    /// Behind the anchor and the tag that stand before a value.
    fn skip_properties(&self, mut start: usize, end: usize) -> usize {
        while let Some(rest) = self.text.get(start..end)
            && rest.starts_with(['&', '!'])
        {
            let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
            start += word;
            start += self.text[start..end].len() - self.text[start..end].trim_start().len();
        }
        start
    }

    fn open(
        &mut self,
        start: usize,
        end: usize,
        anchor: usize,
        tag: Option<&Tag>,
        kind: Collection,
    ) -> Result<(), Stop> {
        let begin = self.skip_properties(start, end);
        self.charge(
            Cost {
                nodes: 1,
                text: 0,
                depth: 1,
            },
            At::new(begin, begin),
        )?;
        let wanted = if matches!(kind, Collection::List(_)) {
            "seq"
        } else {
            "map"
        };
        if let Some(tag) = tag
            && self.is_core(tag, start, end)
            && tag.is_yaml_core_schema()
            && tag.suffix != wanted
        {
            let message = format!("this is not what the tag `!!{}` says", tag.suffix);
            self.say("E0101", At::new(start, begin), message, TAGS);
        }
        let flow = self.text[begin..end].starts_with(['[', '{']);
        self.stack.push(Open {
            start: begin,
            anchor,
            flow,
            end: begin,
            kind,
        });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Stop> {
        let Some(Open {
            start,
            anchor,
            flow,
            end: last,
            kind,
        }) = self.stack.pop()
        else {
            return Ok(());
        };
        let value = match kind {
            Collection::List(list) => Value::List(list),
            Collection::Map(map) => Value::Map(self.merge(map)?),
        };
        // A block collection has no end of its own: it ends with its last value.
        let at = At::new(start, if flow { end } else { last });
        let node = Node::new(value, at);
        // What takes offence at a value may say so at its key.
        let key = match self.stack.last().map(|o| &o.kind) {
            Some(Collection::Map(OpenMap {
                key: Some(PendingKey::Entry(key)),
                ..
            })) => Some(key.at),
            _ => None,
        };
        swallowed::suspect(self.text, &node, flow, key, self.diagnostics);
        self.anchor(anchor, &node)?;
        self.add(node, at)
    }

    /// The entries of a mapping with what `<<` brings: its own win, then what is named first.
    fn merge(&mut self, map: OpenMap) -> Result<Vec<(Key, Node)>, Stop> {
        let OpenMap {
            entries,
            mut index,
            merges,
            ..
        } = map;
        if merges.is_empty() {
            return Ok(entries);
        }
        let mut out = Vec::with_capacity(entries.len());
        let mut own = entries.into_iter().enumerate().peekable();
        for (before, from) in merges {
            while let Some((_, entry)) = own.next_if(|(i, _)| *i < before) {
                out.push(entry);
            }
            for source in from.one_or_more() {
                for (key, value) in source.as_map().unwrap_or(&[]) {
                    if !index.contains_key(&key.text) {
                        self.charge(Cost::of(value), from.at)?;
                        index.insert(key.text.clone(), 0);
                        out.push((key.clone(), value.clone()));
                    }
                }
            }
        }
        out.extend(own.map(|(_, entry)| entry));
        Ok(out)
    }

    fn anchor(&mut self, id: usize, node: &Node) -> Result<(), Stop> {
        if id > 0 {
            let cost = Cost::of(node);
            // What is kept for the aliases counts too: anchors within anchors would keep a copy each.
            self.charge(Cost { depth: 0, ..cost }, node.at)?;
            self.anchors.insert(
                id,
                Anchored {
                    node: node.clone(),
                    cost,
                },
            );
        }
        Ok(())
    }

    /// Puts a finished node into what is open; `at`: where it stands here (an alias stands elsewhere than what it names).
    fn add(&mut self, node: Node, at: At) -> Result<(), Stop> {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.end = open.end.max(at.end as usize);
        let flow = open.flow;
        let map = match &mut open.kind {
            Collection::List(list) => {
                list.push(node);
                return Ok(());
            }
            Collection::Map(map) => map,
        };
        match map.key.take() {
            None => {
                let key = self.key(&node, at, flow)?;
                if let Some(Open {
                    kind: Collection::Map(map),
                    ..
                }) = self.stack.last_mut()
                {
                    map.key = Some(key);
                }
            }
            Some(PendingKey::Dropped) => {}
            Some(PendingKey::Merge(key)) => {
                let fits = node.one_or_more().iter().all(|n| n.as_map().is_some());
                map.merges.push((map.entries.len(), node));
                if !fits {
                    let help = "write `<<: *name`, or `<<: [*one, *two]`";
                    self.say(
                        "E0105",
                        key,
                        "`<<` takes a mapping, or a list of mappings",
                        help,
                    );
                }
            }
            Some(PendingKey::Entry(key)) => {
                let mut node = node;
                if node.is_absent() {
                    // Nothing was written: the place is right behind the key.
                    node.at = At {
                        start: key.at.end,
                        end: key.at.end,
                    };
                }
                map.index.insert(key.text.clone(), map.entries.len());
                map.entries.push((key, node));
            }
        }
        Ok(())
    }

    fn key(&mut self, node: &Node, at: At, flow: bool) -> Result<PendingKey, Stop> {
        let text = match &node.value {
            Value::Scalar(s) => match (&node.origin, s) {
                (Some(origin), _) => origin.raw.clone(),
                (None, s) => s.to_string(),
            },
            Value::List(_) | Value::Map(_) => {
                match swallowed::key(self.text, node, flow) {
                    Some(d) => self.diagnostics.push(d),
                    None => self.say(
                        "E0101",
                        at,
                        format!("{} cannot be a key", node.describe()),
                        "a key is a text",
                    ),
                }
                return Err(Stop);
            }
        };
        if node.is_absent() {
            self.say("E0101", at, "a key is missing before `:`", "");
            return Ok(PendingKey::Dropped);
        }
        let key = Key { text, at };
        let plain = matches!(
            &node.value,
            Value::Scalar(Scalar::String { plain: true, .. })
        );
        let Some(Open {
            kind: Collection::Map(map),
            ..
        }) = self.stack.last()
        else {
            return Ok(PendingKey::Dropped);
        };
        if plain && key.text == "<<" {
            if map.merges.is_empty() {
                return Ok(PendingKey::Merge(at));
            }
            self.say(
                "E0102",
                at,
                "`<<` stands twice in this mapping",
                "name all in one list: `<<: [*one, *two]`",
            );
            return Ok(PendingKey::Dropped);
        }
        let Some(first) = map.index.get(&key.text).map(|i| map.entries[*i].0.at) else {
            return Ok(PendingKey::Entry(key));
        };
        let d = Diagnostic::new(
            "E0102",
            at,
            format!("the key `{}` stands twice in this mapping", key.text),
        );
        self.diagnostics.push(
            d.label("again here")
                .also(first, "first here")
                .help("remove or rename one of them"),
        );
        Ok(PendingKey::Dropped)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        start: usize,
        end: usize,
    ) -> Node {
        let absent = style == ScalarStyle::Plain && text.is_empty();
        let mut at = if absent {
            At::new(start, start)
        } else {
            At::new(start, end)
        };
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            let written = self.text[start..end].trim_end();
            at = At::new(start, (start + written.len()).max(start));
        }
        let source = &self.text[at.start as usize..at.end as usize];
        let string = || Scalar::String {
            text: text.into(),
            plain: style == ScalarStyle::Plain,
        };
        let scalar = match tag {
            None if style == ScalarStyle::Plain => self.resolve(text, at),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => string(),
            Some(tag) if tag.is_yaml_core_schema() => {
                let resolved = self.resolve(text, at);
                let fits = match (tag.suffix.as_str(), &resolved) {
                    ("null", Scalar::Null)
                    | ("bool", Scalar::Bool(_))
                    | ("int", Scalar::Int(_))
                    | ("float", Scalar::Double(_)) => Some(resolved),
                    ("float", Scalar::Int(n)) => Some(Scalar::Double(*n as f64)),
                    _ => None,
                };
                fits.unwrap_or_else(|| {
                    let message = format!("`{text}` is not what the tag `!!{}` says", tag.suffix);
                    self.say("E0101", at, message, TAGS);
                    string()
                })
            }
            // Quoted, or with `!` alone: a text, whatever it looks like.
            _ => string(),
        };
        let simple = style == ScalarStyle::Plain
            && source == text
            && (scalar_is_text(&scalar) || scalar.to_string() == text);
        let origin = (!simple && !absent).then(|| {
            let runs = scalar::runs(style, source, at.start as usize, text);
            Arc::new(Origin {
                raw: text.into(),
                runs,
                ..Origin::default()
            })
        });
        Node {
            value: Value::Scalar(scalar),
            at,
            origin,
        }
    }

    fn resolve(&mut self, text: &str, at: At) -> Scalar {
        let Ok(scalar) = scalar::resolve(text) else {
            self.say(
                "E0105",
                at,
                format!("the number {text} does not fit 64 bits"),
                "if it is a text, put it into quotes",
            );
            return Scalar::Int(0);
        };
        let digits = text.trim_start_matches(['-', '+']);
        if let Scalar::Int(n) = scalar
            && digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            let help = format!(
                "for an octal number write 0o{}, for a text '{text}', else {n}",
                digits.trim_start_matches('0')
            );
            self.say("W0101", at, format!("YAML 1.2 reads {text} as {n}"), &help);
        }
        scalar
    }

    /// Is it a tag of YAML's own, or `!` alone? Says so if not.
    fn is_core(&mut self, tag: &Tag, start: usize, end: usize) -> bool {
        let core = tag.is_yaml_core_schema() || (tag.handle.is_empty() && tag.suffix == "!");
        if !core {
            let d = swallowed::tag(self.text, &tag.to_string(), At::new(start, end));
            // What is left of the value is no use to anybody.
            self.diagnostics.suspect(d.at, d.clone());
            self.diagnostics.push(d);
        }
        core
    }

    fn syntax(&mut self, error: &ScanError, at: usize) {
        let opened = self.stack.iter().rev().find(|o| o.flow).map(|o| o.start);
        let d = syntax::syntax(self.text, error.info(), at, opened);
        self.diagnostics.push(d);
    }
}

fn scalar_is_text(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::String { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let source = Source {
            name: "x.yaml".into(),
            text: text.into(),
        };
        let mut diagnostics = Diagnostics::default();
        let node = read(&source, &mut diagnostics);
        (node, diagnostics.sorted())
    }

    fn good(text: &str) -> Node {
        let (node, said) = tree(text);
        assert!(said.is_empty(), "{text}: {said:?}");
        node.expect("a tree")
    }

    fn codes(text: &str) -> Vec<&'static str> {
        tree(text).1.iter().map(|d| d.code).collect()
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let text = |t: &str| Scalar::String {
            text: t.into(),
            plain: true,
        };
        for (written, scalar) in [
            ("yes", text("yes")),
            ("10:30", text("10:30")),
            ("0o17", Scalar::Int(15)),
            ("0x1F", Scalar::Int(31)),
            ("-7", Scalar::Int(-7)),
            ("+7", Scalar::Int(7)),
            ("1_000", text("1_000")),
            ("1.", Scalar::Double(1.0)),
            (".5", Scalar::Double(0.5)),
            ("1e3", Scalar::Double(1000.0)),
            ("-.inf", Scalar::Double(f64::NEG_INFINITY)),
            (".", text(".")),
            ("e3", text("e3")),
            ("True", Scalar::Bool(true)),
            ("tRUE", text("tRUE")),
            ("~", Scalar::Null),
            ("!!str 5", text("5")),
        ] {
            let node = good(&format!("a: {written}"));
            assert_eq!(
                node.get("a").map(|n| &n.value),
                Some(&Value::Scalar(scalar)),
                "{written}"
            );
        }
        assert_eq!(codes("a: 017"), ["W0101"]);
        assert_eq!(codes("a: 9223372036854775808"), ["E0105"]);
    }

    #[test]
    fn every_byte_of_a_text_knows_its_place_in_the_file() {
        // Each text holds the word `here`, which stands once in the file, however it is written.
        for file in [
            "a: x here y",
            "é: 'it''s here'",
            "a: \"\\t\\u00e9 here\"",
            "a: \"one\\\n    here\"",
            "a: x\n  y\n\n  é here",
            "a: |\n  one\n   two here\n  three\n",
            "a: >-\n\n   one\n   two\n\n    here\n",
            "a: &x !!str here",
            "a: 'one\n\n   here'",
        ] {
            let node = good(file);
            let (_, value) = &node.as_map().expect("a mapping")[0];
            let text = value.expression().expect("a text");
            let start = text.text.find("here").expect("the word");
            let at = text.place(start..start + 4);
            assert_eq!(
                &file[at.start as usize..at.end as usize],
                "here",
                "{file:?}"
            );
        }
    }

    #[test]
    fn aliases_and_merges_are_resolved_and_own_keys_win() {
        let node = good("x: &a {p: 1, q: 2}\ny: &b {q: 3, r: 4}\nz: {p: 9, <<: [*a, *b], s: *b}\n");
        let z: Vec<String> = node
            .get("z")
            .and_then(Node::as_map)
            .expect("z")
            .iter()
            .map(|(k, v)| format!("{} {}", k.text, v.describe()))
            .collect();
        assert_eq!(
            z,
            [
                "p the number 9",
                "q the number 2",
                "r the number 4",
                "s a mapping"
            ]
        );
        assert_eq!(codes("a: &x [*x]"), ["E0101"]);
        assert_eq!(codes("a: {<<: 3}"), ["E0105"]);
    }

    #[test]
    fn several_mistakes_are_said_in_one_pass() {
        assert_eq!(
            codes("a: 1\na: 2\nb: !x y\nc: {d: 1, d: 2}\n"),
            ["E0102", "E0108", "E0102"]
        );
    }

    #[test]
    fn a_second_document_is_refused() {
        assert_eq!(codes("a: 1\n---\nb: 2\n"), ["E0101"]);
        assert_eq!(codes("---\na: 1\n...\n"), Vec::<&str>::new());
    }

    #[test]
    fn what_grows_beyond_its_budget_is_refused_at_once() {
        let many = |n: usize, line: &dyn Fn(usize) -> String| {
            (1..n).map(line).collect::<Vec<_>>().concat()
        };
        let bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_string()
            + &many(25, &|i| {
                format!("a{i}: &a{i} [{}]\n", format!("*a{},", i - 1).repeat(9))
            });
        let long = format!(
            "a: &a {}\nb: [{}]",
            "x".repeat(500_000),
            "*a, ".repeat(5000)
        );
        let chain =
            "a: &a0 []\n".to_string() + &many(200, &|i| format!("b{i}: &a{i} [*a{}]\n", i - 1));
        let aliases = format!("a: &a 1\nb: [{}]", "*a, ".repeat(10_001));
        let merges = "x0: &x0 {k: 1}\n".to_string()
            + &many(1000, &|i| {
                format!("x{i}: &x{i} {{k{i}: 1, <<: *x{}}}\n", i - 1)
            });
        for text in [
            &bomb,
            &long,
            &chain,
            &aliases,
            &merges,
            &"[".repeat(300_000),
            &"{a: ".repeat(200_000),
            &"- ".repeat(500_000),
            &"? ".repeat(500_000),
            &"a: &a [".repeat(100_000),
            &format!("a: {}", "x".repeat(MAX_BYTES)),
            &"- 1\n".repeat(100_001),
        ] {
            assert_eq!(codes(text), ["E0107"], "{}", &text[..20]);
        }
    }

    #[test]
    fn what_yaml_cannot_read_is_mended_with_quotes() {
        for (line, mended) in [
            ("filter: a ? b : c", "filter: \"a ? b : c\""),
            ("map: {a: x ? 1 : 2, b: y}", "map: {a: \"x ? 1 : 2\", b: y}"),
            (
                "print: {path} is done # so",
                "print: \"{path} is done\" # so",
            ),
            (
                "map: {a: x[0], b: y, c: 'd'}",
                "map: {a: \"x[0]\", b: y, c: 'd'}",
            ),
            ("exec: [cp, {path}/x, b]", "exec: [cp, \"{path}/x\", b]"),
            ("filter: *x > 5", "filter: \"*x > 5\""),
            ("filter: \"x\" == y", "filter: '\"x\" == y'"),
            ("each: [1, 2].map(x, x)", "each: \"[1, 2].map(x, x)\""),
            ("filter: > 5", "filter: \"> 5\""),
            ("filter: !done && x", "filter: \"!done && x\""),
            ("map: {a: !f(x, y), b: z}", "map: {a: \"!f(x, y)\", b: z}"),
            ("print: {{x}} y", "print: \"{{x}} y\""),
            ("parse: {regex: \"\\d+\"}", "parse: {regex: '\\d+'}"),
            ("print: total: {n}", "print: \"total: {n}\""),
        ] {
            let (_, said) = tree(&format!("a:\n  - {line}\nb: 1\n"));
            assert_eq!(said.len(), 1, "{line}: {said:?}");
            assert_eq!(said[0].code, "E0108", "{line}: {said:?}");
            assert!(
                said[0].help[0].ends_with(&format!("write `- {mended}`")),
                "{line}: {:?}",
                said[0].help
            );
        }
    }

    #[test]
    fn what_yaml_swallowed_is_told_only_where_somebody_takes_offence() {
        for (line, at, mended) in [
            ("exec: [cp, {path}]", "{path}", "exec: [cp, \"{path}\"]"),
            (
                "map: {a: join(x, y), b: z}",
                "join(x, y)",
                "map: {a: \"join(x, y)\", b: z}",
            ),
            ("by: [f(a, b), c]", "f(a, b)", "by: [\"f(a, b)\", c]"),
            ("by: [total: 5]", "total: 5", "by: [\"total: 5\"]"),
        ] {
            let source = Source {
                name: "x.yaml".into(),
                text: line.into(),
            };
            let mut diagnostics = Diagnostics::default();
            assert!(read(&source, &mut diagnostics).is_some());
            assert!(diagnostics.is_empty(), "{line}");
            let start = line.find(at).expect("the place");
            diagnostics.push(Diagnostic::new(
                "E0105",
                At::new(start, start + 2),
                "must be a text",
            ));
            diagnostics.push(Diagnostic::new(
                "E0103",
                At::new(start + at.len() - 1, start + at.len()),
                "no such key",
            ));
            let said = diagnostics.sorted();
            assert_eq!(said.len(), 1, "{line}: {said:?}");
            assert!(
                said[0].help[0].contains(mended),
                "{line}: {:?}",
                said[0].help
            );
        }
    }
}
