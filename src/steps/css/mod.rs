//! `css`: texts, attributes and links of a page, by CSS selectors.
//!
//! A page is parsed once, whatever is looked for. The step works out `in` by itself, because it needs the item
//! beside the text: links are relative to its `url`.

mod select;

use std::sync::Arc;

use scraper::Html;

use self::select::{Query, base};
use super::words::{a, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, ExprText, Flow, Group, Infer, ItemError, ItemErrorKind, Op,
    Opt, Reader, Step, StepDef,
};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::{self, Code, Env, Expr, Use, Uses};
use crate::spec::Node;
use crate::value::{Batch, Cell, Name, Shape, Type};

pub(super) static CSS: StepDef = StepDef {
    name: "css",
    group: Group::Shape,
    summary: "Takes parts of a page by CSS selectors with `::text` and `::attr(name)`; a list takes all that match.",
    main: None,
    options: &[Opt {
        name: "NAME",
        form: "list of string",
        help: "A selector, whose first match the field takes; a list of them, and it takes all matches.",
        required: false,
    }],
    names: true,
    example: "- items: ['<h1>News</h1><a href=/1>One</a><a href=/2>Two</a>']\n\
              - css: {title: 'h1::text', links: ['a::attr(href)']}\n\
              - print: '{title}: {links}'\n",
    read,
};

/// A field, and what it is to have.
#[derive(Clone, Debug)]
struct Field {
    name: Name,
    text: String,
    query: Query,
    /// All that match, and not the first.
    list: bool,
}

#[derive(Debug)]
struct Css {
    fields: Vec<Field>,
    /// `in`.
    input: Option<ExprText>,
    at: At,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let Some(map) = node.as_map().filter(|map| !map.is_empty()) else {
        let message = format!(
            "`css` must be a mapping of names to selectors, not {}",
            node.describe()
        );
        reader.diagnostics.push(
            Diagnostic::new("E0105", node.at, message)
                .help("write `css: {title: 'h1::text', links: ['a::attr(href)']}`"),
        );
        return None;
    };
    let fields: Vec<Option<Field>> = map
        .iter()
        .map(|(key, node)| {
            let what = format!("`{}`", key.text);
            let texts = node.one_or_more().iter();
            let texts: Option<Vec<&str>> = texts.map(|n| reader.text(n, &what)).collect();
            let texts = texts?;
            if texts.is_empty() {
                reader.error("E0105", node.at, format!("{what} names no selector"));
                return None;
            }
            let text = texts.join(", ");
            match Query::read(&text) {
                Ok(query) => Some(Field {
                    name: Name::from(key.text.as_str()),
                    text,
                    query,
                    list: node.as_list().is_some(),
                }),
                Err(message) => {
                    reader.error("E0105", node.at, message);
                    None
                }
            }
        })
        .collect();
    Some(Box::new(Css {
        fields: fields.into_iter().collect::<Option<_>>()?,
        input: None,
        at: reader.at,
    }))
}

impl Css {
    fn makes(&self) -> Type {
        Type::record(self.fields.iter().map(|f| {
            let ty = if f.list {
                Type::list(Type::String)
            } else {
                Type::String.optional()
            };
            (f.name.clone(), ty)
        }))
    }

    /// The page: what `in` says, or the item.
    fn page(&self, item: &Type, env: &Env) -> Option<Expr> {
        match &self.input {
            Some(input) => input.expr(Some(item), env).ok(),
            None => expr::check("item", &of(item, env)).ok(),
        }
    }

    /// What links are relative to: the `url` beside the page's `body`, which is where a redirect has led, or the
    /// item's.
    fn url(&self, item: &Type, env: &Env) -> Option<Expr> {
        let beside = self.input.as_ref().and_then(|input| {
            let record = input.text().trim().strip_suffix(".body")?;
            Some(format!("({record}).url"))
        });
        let own = || matches!(item, Type::Record(_)).then(|| "item.url".to_owned());
        let texts = beside.into_iter().chain(own());
        texts
            .filter_map(|text| expr::check(&text, &of(item, env)).ok())
            .find(|e| matches!(e.ty().required(), Type::String | Type::Any))
    }
}

fn of(item: &Type, env: &Env) -> Env {
    Env {
        item: Some(item.clone()),
        ..env.clone()
    }
}

impl Step for Css {
    fn works_on(&mut self, input: &ExprText) -> bool {
        self.input = Some(input.clone());
        true
    }

    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(item) = input else {
            cx.diagnostics.push(no_item("css", cx.at));
            return self.makes();
        };
        let (ty, at) = match &self.input {
            Some(text) => match text.check(input, cx) {
                Some(expr) => (expr.ty().clone(), text.at()),
                None => return self.makes(),
            },
            None => (item.clone(), self.at),
        };
        if !matches!(ty.required(), Type::String | Type::Any) {
            let d = Diagnostic::new(
                "E0303",
                at,
                format!("`css` works on a text, but this is {}", a(&ty)),
            );
            let body = ty.as_record().is_some_and(|r| r.field("body").is_some());
            cx.diagnostics.push(match (body, &self.input) {
                (true, None) => d.help("say which text with `in: body` beside it"),
                (true, Some(text)) => d.help(format!("write `in: {}.body`", text.text())),
                _ => d.help("say which text with `in:` beside it"),
            });
        }
        self.makes()
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = match self.page(input, env) {
            Some(page) => page.uses().clone(),
            None => return Uses::all(Use::Look),
        };
        let links = |f: &Field| f.query.takes_links() && after.of(&f.name).is_some();
        if self.fields.iter().any(links)
            && let Some(url) = self.url(input, env)
        {
            uses.merge(url.uses());
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let item = input.cloned().unwrap_or(Type::Any);
        let wanted = self.fields.iter().filter(|f| after.of(&f.name).is_some());
        let wanted: Vec<Field> = wanted.cloned().collect();
        let out = after.narrow(&self.makes());
        let page = self
            .page(&item, cx.env)
            .expect("BUG: a checked page is no expression");
        let links = wanted.iter().any(|f| f.query.takes_links());
        let url = links.then(|| self.url(&item, cx.env)).flatten();
        let run = Run {
            page: page.compile(input),
            url: url.map(|url| url.compile(input)),
            fields: wanted,
            shape: Shape::of(&out),
        };
        Compiled {
            out,
            op: Op::Each(Arc::new(move || Box::new(run.clone()))),
        }
    }

    fn describe(&self) -> String {
        let each = self.fields.iter().map(|f| {
            if f.list {
                format!("{}: [{}]", f.name, f.text)
            } else {
                format!("{}: {}", f.name, f.text)
            }
        });
        let each: Vec<String> = each.collect();
        let of = self.input.as_ref().map(|i| format!(" in {}", i.text()));
        format!("css {{{}}}{}", each.join(", "), of.unwrap_or_default())
    }
}

#[derive(Clone)]
struct Run {
    page: Code,
    url: Option<Code>,
    fields: Vec<Field>,
    shape: Arc<Shape>,
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let page = match self.page.str(row, cx.scope) {
                Ok(page) => Html::parse_document(&page),
                Err(error) => {
                    let message = format!("`css` needs a text: {}", error.message);
                    let error = ItemError::new(ItemErrorKind::Expression, message);
                    cx.fail(batch.origin(i), row, error);
                    continue;
                }
            };
            // An item of open type may have none: then links stay as they are.
            let url = self.url.as_ref().and_then(|u| u.str(row, cx.scope).ok());
            let base = url.and_then(|url| base(&page, &url));
            let cells: Vec<Cell> = self
                .fields
                .iter()
                .map(|field| {
                    if field.list {
                        let all = field.query.all(&page, base.as_ref());
                        Cell::list(all.iter().map(|t| Cell::str(t)).collect())
                    } else {
                        let first = field.query.first(&page, base.as_ref());
                        first.map_or(Cell::Null, |t| Cell::str(&t))
                    }
                })
                .collect();
            out.push_from(&batch, i, cells);
        }
        batch.clear();
        Flow::Next(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;

    const PAGE: &str = "<h1>News</h1><a href=/1>One</a><a href=/2>Two</a>";

    #[test]
    fn a_text_takes_the_first_match_and_a_list_all() {
        let ran = run(
            "css: {title: 'h1::text', none: 'h2::text', links: ['a::attr(href)'], both: ['h1::text', 'a::text']}",
            &Type::String,
            &[json!(PAGE), json!("")],
            &How::default(),
        );
        assert_eq!(
            ran.out,
            [
                json!({"title": "News", "none": null, "links": ["/1", "/2"], "both": ["News", "One", "Two"]}),
                json!({"title": null, "none": null, "links": [], "both": []}),
            ]
        );
    }

    #[test]
    fn only_what_somebody_uses_is_looked_for() {
        let how = How {
            after: only(&["title"]),
            ..How::default()
        };
        let css = "css: {title: 'h1::text', links: ['a::attr(href)']}";
        let ran = run(css, &Type::String, &[json!(PAGE)], &how);
        assert_eq!(ran.out, [json!({"title": "News"})]);
    }

    #[test]
    fn what_is_no_text_is_an_error_before_the_run_or_of_the_item() {
        let css = "css: {title: 'h1::text'}";
        let page = record(&[("url", Type::String), ("body", Type::String)]);
        assert!(mistakes(css, &page)[0].contains("works on a text"));
        let ran = run(
            css,
            &Type::Any,
            &[json!(1), json!("<h1>x")],
            &How::default(),
        );
        assert_eq!(ran.out, [json!({"title": "x"})]);
        assert_eq!(ran.errors.len(), 1);
        assert!(mistakes("css: {title: 'h1::txt'}", &Type::String)[0].contains("no `::txt`"));
        assert!(mistakes("css: 'h1::text'", &Type::String)[0].contains("a mapping"));
    }
}
