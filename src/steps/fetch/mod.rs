//! `fetch`: asks a server for what a URL names, and gives on its answer.
//!
//! This file is what is read and checked; `run` is what waits for the answer, `address` makes a URL of a
//! template.

mod address;
mod run;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::template_text::TemplateText;
use super::words::{Args, Named, no_item};
use super::{CompileCx, Compiled, ExprText, Group, Infer, Op, Opt, Reader, Step, StepDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Env, Uses};
use crate::net::Manner;
use crate::spec::{Key, Node, Scalar, Value};
use crate::value::{Field, RecordType, Shape, Type};
use address::UrlCode;
use run::{Body, Recipe, Run};

const fn opt(name: &'static str, form: &'static str, help: &'static str) -> Opt {
    Opt {
        name,
        form,
        help,
        required: false,
    }
}

pub(super) static FETCH: StepDef = StepDef {
    name: "fetch",
    group: Group::Act,
    summary: "Asks a server for what a URL names; its answer, with status, headers and body, is the new item.",
    main: Some("url"),
    options: &[
        Opt {
            name: "url",
            form: "template",
            help: "The address. What an expression puts into a part of it is percent-encoded, `/` too.",
            required: true,
        },
        opt("method", "string", "GET by default, POST with a body."),
        opt(
            "headers",
            "mapping of template",
            "What is said beside the request; never shown.",
        ),
        opt("body", "template", "What is sent."),
        opt(
            "json",
            "any",
            "What is sent, as JSON: an expression, or a mapping of them.",
        ),
        opt(
            "form",
            "mapping of expression",
            "What is sent, as the fields of a form.",
        ),
        opt(
            "ok",
            "any",
            "The statuses that are no errors: `[200..299]` by default; numbers and ranges.",
        ),
        opt(
            "bytes",
            "bool",
            "The body as bytes; by default as text, in the charset of the answer.",
        ),
        opt(
            "robots",
            "bool",
            "Obeys robots.txt, with the delay that it asks for; a refusal is an item error.",
        ),
        opt(
            "private",
            "allow|refuse",
            "May a host that comes from data lead to a private address? `refuse` by default.",
        ),
        opt("cookies", "bool", "Keeps cookies, for the whole run."),
        opt("redirects", "int", "How many are followed; 20 by default."),
        opt(
            "connect_timeout",
            "duration",
            "How long a connection may take to be made; 10s by default.",
        ),
        opt(
            "max_time",
            "duration",
            "How long all of it may take, each attempt; 180s by default.",
        ),
        opt(
            "max_size",
            "size",
            "The largest body, unpacked; 64MiB by default.",
        ),
    ],
    names: false,
    example: "- items: ['http://127.0.0.1:9/']\n- fetch: '{item}'\n  on_error: drop\n- map: status\n",
    read,
};

/// What a step sends.
#[derive(Debug)]
enum Sends {
    Text(TemplateText),
    Json(Vec<Named>),
    JsonOf(ExprText),
    Form(Vec<Named>),
}

#[derive(Debug)]
struct Fetch {
    url: TemplateText,
    method: String,
    headers: Vec<(Key, TemplateText)>,
    sends: Option<Sends>,
    ok: Vec<RangeInclusive<u16>>,
    bytes: bool,
    manner: Manner,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &FETCH, reader);
    let url = TemplateText::read(args.need("url", reader)?, "`fetch`", reader)?;
    let sends = sends(&args, reader);
    let method = match args.get("method") {
        Some(node) => reader.text(node, "`method`")?.trim().to_uppercase(),
        None if sends.is_some() => "POST".into(),
        None => "GET".into(),
    };
    let headers = args
        .get("headers")
        .map_or_else(Vec::new, |node| headers(node, reader));
    let ok = match args.get("ok") {
        Some(node) => statuses(node, reader),
        None => vec![200..=299],
    };
    let flag = |name: &str, reader: &mut Reader<'_>| {
        let node = args.get(name)?;
        reader.flag(node, &format!("`{name}`"))
    };
    let time = |name: &str, default: u64, reader: &mut Reader<'_>| {
        let read = args
            .get(name)
            .and_then(|node| reader.duration(node, &format!("`{name}`")));
        read.unwrap_or(Duration::from_secs(default))
    };
    let private = args
        .get("private")
        .and_then(|node| reader.choice(node, "`private`", &["allow", "refuse"]));
    let manner = Manner {
        connect: time("connect_timeout", 10, reader),
        total: time("max_time", 180, reader),
        most: args
            .get("max_size")
            .and_then(|node| reader.size(node, "`max_size`"))
            .unwrap_or(64 << 20),
        redirects: args
            .get("redirects")
            .and_then(|node| reader.count(node, "`redirects`", 0))
            .map_or(20, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        cookies: flag("cookies", reader).unwrap_or(false),
        robots: flag("robots", reader).unwrap_or(false),
        private: private == Some("allow"),
    };
    Some(Box::new(Fetch {
        url,
        method,
        headers,
        sends,
        ok,
        bytes: flag("bytes", reader).unwrap_or(false),
        manner,
    }))
}

fn sends(args: &Args<'_>, reader: &mut Reader<'_>) -> Option<Sends> {
    let written: Vec<(&str, &Node)> = ["body", "json", "form"]
        .into_iter()
        .filter_map(|name| Some((name, args.get(name)?)))
        .collect();
    if let [(first, _), (second, node), ..] = &written[..] {
        let message = format!("a request has one body, not `{first}` and `{second}`");
        let d = Diagnostic::new("E0105", node.at, message);
        reader.diagnostics.push(d.help("keep one of them"));
    }
    match *written.first()? {
        ("body", node) => TemplateText::read(node, "`body`", reader).map(Sends::Text),
        ("json", node) if node.as_map().is_some() => {
            Named::read(node, "`json`", reader).map(Sends::Json)
        }
        ("json", node) => ExprText::read(node, "`json`", reader).map(Sends::JsonOf),
        (_, node) => Named::read(node, "`form`", reader).map(Sends::Form),
    }
}

fn headers(node: &Node, reader: &mut Reader<'_>) -> Vec<(Key, TemplateText)> {
    let Some(map) = node.as_map() else {
        let message = format!(
            "`headers` must be a mapping of names to texts, not {}",
            node.describe()
        );
        reader.error("E0105", node.at, message);
        return Vec::new();
    };
    let each = map.iter().filter_map(|(key, node)| {
        let what = format!("the header `{}`", key.text);
        Some((key.clone(), TemplateText::read(node, &what, reader)?))
    });
    each.collect()
}

/// `[200..299, 404]`.
fn statuses(node: &Node, reader: &mut Reader<'_>) -> Vec<RangeInclusive<u16>> {
    let mut all = Vec::new();
    for one in node.one_or_more() {
        let range = match &one.value {
            Value::Scalar(Scalar::Int(n)) => u16::try_from(*n).ok().map(|n| n..=n),
            Value::Scalar(Scalar::String { text, .. }) => {
                text.split_once("..").and_then(|(a, b)| {
                    Some(
                        a.trim().parse().ok()?
                            ..=b.trim_start_matches(['.', '=']).trim().parse().ok()?,
                    )
                })
            }
            _ => None,
        };
        match range {
            Some(range) if !range.is_empty() => all.push(range),
            _ if one.is_broken() => {}
            _ => {
                let message = format!(
                    "`ok` must be statuses, such as `200` or `200..299`, not {}",
                    one.describe()
                );
                reader.error("E0105", one.at, message);
            }
        }
    }
    all
}

impl Fetch {
    /// What leaves it, with all its fields.
    fn gives(&self) -> Type {
        let headers = RecordType {
            fields: Vec::new(),
            rest: Some(Type::String),
        };
        let body = if self.bytes {
            Type::Bytes
        } else {
            Type::String
        };
        let field = |name: &str, ty| Field {
            name: name.into(),
            ty,
        };
        Type::Record(Arc::new(RecordType {
            fields: vec![
                field("url", Type::String),
                field("status", Type::Int),
                field("headers", Type::Record(Arc::new(headers))),
                field("body", body),
                field("ms", Type::Int),
            ],
            rest: None,
        }))
    }

    fn templates(&self) -> impl Iterator<Item = &TemplateText> {
        let body = match &self.sends {
            Some(Sends::Text(text)) => Some(text),
            _ => None,
        };
        let headers = self.headers.iter().map(|(_, text)| text);
        std::iter::once(&self.url).chain(headers).chain(body)
    }

    fn expressions(&self) -> Vec<&ExprText> {
        match &self.sends {
            Some(Sends::Json(named) | Sends::Form(named)) => {
                named.iter().map(|n| &n.expr).collect()
            }
            Some(Sends::JsonOf(expr)) => vec![expr],
            Some(Sends::Text(_)) | None => Vec::new(),
        }
    }
}

impl Step for Fetch {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("fetch", cx.at));
            return self.gives();
        }
        for text in self.templates() {
            text.check(input, cx);
        }
        for expr in self.expressions() {
            expr.check(input, cx);
        }
        self.gives()
    }

    fn uses(&self, input: &Type, _: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        for text in self.templates() {
            uses.merge(&text.uses(input, env));
        }
        for expr in self.expressions() {
            uses.merge(&expr.uses(input, env));
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let out = after.narrow(&self.gives());
        let named = |all: &[Named]| {
            let each = all
                .iter()
                .map(|n| (n.name.text.clone(), n.expr.compile(input, cx)));
            each.collect()
        };
        let body = match &self.sends {
            None => Body::None,
            Some(Sends::Text(text)) => Body::Text(text.compile(input, cx)),
            Some(Sends::Json(all)) => Body::Json(named(all)),
            Some(Sends::JsonOf(expr)) => Body::JsonOf(expr.compile(input, cx)),
            Some(Sends::Form(all)) => Body::Form(named(all)),
        };
        let headers = self.headers.iter();
        let recipe = Arc::new(Recipe {
            url: UrlCode::new(self.url.compile(input, cx), self.url.independent(input, cx)),
            method: self.method.clone(),
            headers: headers
                .map(|(key, text)| (key.text.clone(), text.compile(input, cx)))
                .collect(),
            body,
            ok: self.ok.clone(),
            bytes: self.bytes,
            shape: Shape::of(&out),
            fields: match &out {
                Type::Record(record) => record.fields.iter().map(|f| f.name.clone()).collect(),
                _ => Vec::new(),
            },
            manner: Arc::new(self.manner.clone()),
        });
        Compiled {
            out,
            op: Op::Each(Arc::new(move || Box::new(Run::new(recipe.clone())))),
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        match &*self.method {
            "GET" => format!("fetch {}", self.url.text()),
            method => format!("fetch {method} {}", self.url.text()),
        }
    }
}
