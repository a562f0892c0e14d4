//! Selectors as parsel writes them: CSS with `::text` and `::attr(name)` at the end.
//!
//! `::text` gives the texts that stand directly in an element, `::attr(name)` the attribute where there is one,
//! and neither the element itself as HTML.

use scraper::node::Node;
use scraper::{ElementRef, Html, Selector};
use url::Url;

/// What of an element is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Take {
    Html,
    Text,
    Attribute(String),
}

/// Attributes that hold a link.
const LINKS: &[&str] = &[
    "href",
    "src",
    "action",
    "formaction",
    "poster",
    "cite",
    "background",
    "data",
];

/// What is looked for, or several things, divided by commas.
#[derive(Clone, Debug)]
pub(super) struct Query {
    parts: Vec<(Selector, Take)>,
}

impl Query {
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(text: &str) -> Result<Query, String> {
        let parts = commas(text).into_iter().map(|part| {
            let (css, take) = take(part.trim())?;
            let css = if css.is_empty() { "*" } else { css };
            let selector =
                Selector::parse(css).map_err(|_| format!("`{css}` is no CSS selector"))?;
            Ok((selector, take))
        });
        let parts = parts.collect::<Result<Vec<_>, String>>()?;
        Ok(Query { parts })
    }

    /// Are links among what it takes?
    pub(super) fn takes_links(&self) -> bool {
        self.parts.iter().any(|(_, take)| is_link(take))
    }

    /// Everything that is found, in the order of the page.
    pub(super) fn all(&self, page: &Html, base: Option<&Url>) -> Vec<String> {
        let mut found = Vec::new();
        self.each(page, base, &mut |text| {
            found.push(text);
            true
        });
        found
    }

    pub(super) fn first(&self, page: &Html, base: Option<&Url>) -> Option<String> {
        let mut found = None;
        self.each(page, base, &mut |text| {
            found = Some(text);
            false
        });
        found
    }

    /// `found` answers whether it wants more.
    fn each(&self, page: &Html, base: Option<&Url>, found: &mut dyn FnMut(String) -> bool) {
        if let [(selector, take)] = &self.parts[..] {
            for element in page.select(selector) {
                if !give(element, take, base, found) {
                    return;
                }
            }
            return;
        }
        for element in page.root_element().descendent_elements() {
            for (selector, take) in &self.parts {
                if selector.matches(&element) && !give(element, take, base, found) {
                    return;
                }
            }
        }
    }
}

fn is_link(take: &Take) -> bool {
    matches!(take, Take::Attribute(name) if LINKS.contains(&name.as_str()))
}

/// What an element gives; `false`: no more is wanted.
fn give(
    element: ElementRef<'_>,
    take: &Take,
    base: Option<&Url>,
    found: &mut dyn FnMut(String) -> bool,
) -> bool {
    match take {
        Take::Html => found(element.html()),
        Take::Attribute(name) => match element.value().attr(name) {
            None => true,
            Some(value) if is_link(take) => found(absolute(value, base)),
            Some(value) => found(value.to_owned()),
        },
        Take::Text => element.children().all(|child| match child.value() {
            Node::Text(text) => found(text.to_string()),
            _ => true,
        }),
    }
}

/// A link as it stands on the page, made absolute; one that cannot be is given as it is.
fn absolute(link: &str, base: Option<&Url>) -> String {
    let link = link.trim();
    match base.map(|base| base.join(link)) {
        Some(Ok(url)) => url.into(),
        _ => link.to_owned(),
    }
}

/// What the links of a page are relative to: its own address, or what its `<base>` says of it.
pub(super) fn base(page: &Html, url: &str) -> Option<Url> {
    let own = Url::parse(url).ok()?;
    let said = Selector::parse("base[href]").ok().and_then(|selector| {
        let element = page.select(&selector).next()?;
        own.join(element.value().attr("href")?.trim()).ok()
    });
    Some(said.unwrap_or(own))
}

/// The parts between commas that stand in no brackets and no quotes.
fn commas(text: &str) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(q), c) => quote = quote.filter(|_| q != c),
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The selector, and what its end says is to be taken.
fn take(part: &str) -> Result<(&str, Take), String> {
    let Some((css, pseudo)) = part.rsplit_once("::") else {
        return Ok((part, Take::Html));
    };
    if let Some(name) = pseudo
        .strip_prefix("attr(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("`::{pseudo}` names no attribute"));
        }
        return Ok((css.trim_end(), Take::Attribute(name)));
    }
    if pseudo == "text" {
        return Ok((css.trim_end(), Take::Text));
    }
    Err(format!(
        "there is no `::{pseudo}`; what can stand at the end are `::text` and `::attr(name)`"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = r#"<html><head><title> A page </title></head><body>
        <h1>One <b>bold</b> word</h1><h1 class="x">Two</h1>
        <p id="intro" lang="en">Text, <a href="/a">first</a> and <a href="b?c#d">second</a><a name="none">third</a></p>
        <img src=pic.png><ul><li>1<li>2</ul></body></html>"#;

    fn all(query: &str) -> Vec<String> {
        let page = Html::parse_document(PAGE);
        let base = base(&page, "https://example.org/docs/page.html");
        Query::read(query).unwrap().all(&page, base.as_ref())
    }

    #[test]
    fn it_gives_what_parsel_gives() {
        // What parsel 1.9 answers to `Selector(PAGE).css(..).getall()`, but for links, which are as they stand there.
        assert_eq!(all("title::text"), [" A page "]);
        assert_eq!(all("h1::text"), ["One ", " word", "Two"]);
        assert_eq!(all("h1 *::text"), ["bold"]);
        assert_eq!(all("h1.x::text"), ["Two"]);
        assert_eq!(all("li::text"), ["1", "2"]);
        assert_eq!(all("p#intro::attr(lang)"), ["en"]);
        assert_eq!(all("p > a:first-of-type"), [r#"<a href="/a">first</a>"#]);
        assert_eq!(all("a[name]::text, h1.x::text"), ["Two", "third"]);
        assert_eq!(all("a:not([href], [id=\"x,y\"])::text"), ["third"]);
        assert_eq!(all("h2::text"), Vec::<String>::new());
    }

    #[test]
    fn links_are_absolute_and_other_attributes_as_they_are() {
        assert_eq!(
            all("a::attr(href)"),
            ["https://example.org/a", "https://example.org/docs/b?c#d"]
        );
        assert_eq!(all("img::attr(SRC)"), ["https://example.org/docs/pic.png"]);
        assert_eq!(all("a::attr(name)"), ["none"]);
        let page =
            Html::parse_document("<base href='/deep/er/'><a href=x>y</a><a href='http://['>z</a>");
        let base = base(&page, "http://a.org/b");
        let links = Query::read("a::attr(href)").unwrap();
        assert_eq!(
            links.all(&page, base.as_ref()),
            ["http://a.org/deep/er/x", "http://["]
        );
        assert_eq!(links.first(&page, None), Some("x".into()));
    }

    #[test]
    fn what_is_no_selector_says_so() {
        for (query, part) in [
            ("a::href", "no `::href`"),
            ("a::attr()", "names no attribute"),
            ("a[", "no CSS selector"),
            ("a, ,b::text", ""),
            ("p:hovering", "no CSS selector"),
        ] {
            let said = Query::read(query).err();
            assert!(
                part.is_empty() || said.as_ref().is_some_and(|s| s.contains(part)),
                "{query}: {said:?}"
            );
        }
    }

    #[test]
    fn a_page_may_be_as_deep_as_it_likes() {
        let deep = "<div>".repeat(5_000) + "<a href=x>y</a>";
        let page = Html::parse_document(&deep);
        assert_eq!(Query::read("a::text").unwrap().all(&page, None), ["y"]);
        assert!(Query::read("a").unwrap().first(&page, None).is_some());
    }

    proptest! {
        #[test]
        fn no_page_and_no_selector_is_too_strange(
            page in "(<[/a-z!]{0,4}[ =\"'a-z]{0,8}>?|&[a-z#0-9]{0,4};?|[ -~]|é|\u{0}){0,60}",
            query in "([a-z*.#:>~+, \\[\\]()=\"'^$|-]|::text|::attr\\(href\\)){0,14}",
        ) {
            let parsed = Html::parse_document(&page);
            if let Ok(query) = Query::read(&query) {
                let all = query.all(&parsed, base(&parsed, "http://a.b/c").as_ref());
                prop_assert_eq!(all.first().cloned(), query.first(&parsed, base(&parsed, "http://a.b/c").as_ref()));
            }
        }
    }
}
