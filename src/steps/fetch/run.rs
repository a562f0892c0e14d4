//! `fetch` at run time: the request goes off, the worker waits, and the answer becomes the item.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use url::form_urlencoded;

use super::super::{BatchStep, Cx, Flow, ItemError, ItemErrorKind};
use super::address::UrlCode;
use crate::expr::{Code, TemplateCode};
use crate::net::{Answer, Call, Manner, Request, Trouble, TroubleKind, to_text};
use crate::value::{Batch, Blocks, Cell, Name, Row, Shape};
use crate::wait::{Wait, What};

/// What every worker's [`Run`] does.
pub(super) struct Recipe {
    pub url: UrlCode,
    pub method: String,
    pub headers: Vec<(String, TemplateCode)>,
    pub body: Body,
    pub ok: Vec<RangeInclusive<u16>>,
    pub bytes: bool,
    /// What leaves, and which of its fields are wanted.
    pub shape: Arc<Shape>,
    pub fields: Vec<Name>,
    pub manner: Arc<Manner>,
}

pub(super) enum Body {
    None,
    Text(TemplateCode),
    Json(Vec<(String, Code)>),
    JsonOf(Code),
    Form(Vec<(String, Code)>),
}

pub(super) struct Run {
    recipe: Arc<Recipe>,
    /// The request that the item in hand waits for.
    call: Option<Call<Answer>>,
}

impl Run {
    pub(super) fn new(recipe: Arc<Recipe>) -> Run {
        Run { recipe, call: None }
    }
}

impl Recipe {
    fn request(&self, row: Row<'_>, cx: &Cx<'_>) -> Result<Request, ItemError> {
        let (url, trusted) = self.url.render(row, cx.scope)?;
        let mut headers = Vec::new();
        for (name, code) in &self.headers {
            let mut value = Vec::new();
            code.render(row, cx.scope, &mut value)?;
            headers.push((name.clone(), String::from_utf8_lossy(&value).into_owned()));
        }
        let (body, kind) = self.body.render(row, cx)?;
        let typed = headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case("content-type"));
        if let Some(kind) = kind.filter(|_| !typed) {
            headers.push(("content-type".into(), kind.into()));
        }
        Ok(Request {
            method: self.method.clone(),
            url,
            headers,
            body,
            trusted,
        })
    }

    /// The answer as an item, or why it is none.
    fn item(
        &self,
        answer: Answer,
        out: &mut Blocks,
        wall: SystemTime,
    ) -> Result<Vec<Cell>, ItemError> {
        if !self.ok.iter().any(|range| range.contains(&answer.status)) {
            return Err(self.not_ok(&answer, wall));
        }
        let header = |name: &str| {
            let found = answer.headers.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone())
        };
        let kind = header("content-type");
        let mut body = Some(answer.body);
        let cells = self.fields.iter().map(|field| match &**field {
            "url" => out.text(answer.url.as_str()),
            "status" => Cell::Int(i64::from(answer.status)),
            "headers" => {
                let entries = answer.headers.iter();
                Cell::map(entries.map(|(n, v)| (Cell::str(n), Cell::str(v))).collect())
            }
            "body" if self.bytes => out.bin(&body.take().unwrap_or_default()),
            "body" => out.text(&to_text(body.take().unwrap_or_default(), kind.as_deref())),
            "ms" => Cell::Int(i64::try_from(answer.took.as_millis()).unwrap_or(i64::MAX)),
            other => unreachable!("BUG: an answer has no {other}"),
        });
        Ok(cells.collect())
    }

    fn not_ok(&self, answer: &Answer, wall: SystemTime) -> ItemError {
        let status = answer.status;
        let words = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|s| s.canonical_reason());
        let words = words.map_or_else(String::new, |w| format!(" {w}"));
        let message = format!("{} {}: {status}{words}", self.method, answer.url);
        let after = answer.headers.iter().find(|(n, _)| n == "retry-after");
        ItemError {
            code: Cell::Int(i64::from(status)),
            after: after.and_then(|(_, value)| retry_after(value, wall)),
            // Another time it may be otherwise: too early, too often, a time-out, or the server's own trouble.
            for_good: !matches!(status, 408 | 421 | 423 | 425 | 429 | 500..=599),
            ..ItemError::new(ItemErrorKind::Http, message)
        }
    }
}

/// Seconds, or a date (RFC 9110).
fn retry_after(value: &str, wall: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?;
    let since = u64::try_from(at.timestamp().as_second()).ok()?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(since);
    Some(at.duration_since(wall).unwrap_or_default())
}

impl Body {
    /// What is sent, and what kind of content it is.
    fn render(
        &self,
        row: Row<'_>,
        cx: &Cx<'_>,
    ) -> Result<(Option<Vec<u8>>, Option<&'static str>), ItemError> {
        let none = Blocks::new();
        Ok(match self {
            Body::None => (None, None),
            Body::Text(code) => {
                let mut out = Vec::new();
                code.render(row, cx.scope, &mut out)?;
                (Some(out), None)
            }
            Body::Json(fields) => {
                let mut entries = Vec::new();
                for (name, code) in fields {
                    entries.push((Cell::str(name), code.detached(row, cx.scope)?));
                }
                let mut out = Vec::new();
                Cell::map(entries).write_json(&none, &mut out);
                (Some(out), Some("application/json"))
            }
            Body::JsonOf(code) => {
                let mut out = Vec::new();
                code.detached(row, cx.scope)?.write_json(&none, &mut out);
                (Some(out), Some("application/json"))
            }
            Body::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, code) in fields {
                    let cell = code.detached(row, cx.scope)?;
                    // A list is a field for each of its elements, as a form with boxes to tick sends it.
                    let one = std::slice::from_ref(&cell);
                    for cell in cell.as_list().unwrap_or(one) {
                        let mut value = Vec::new();
                        crate::expr::render(cell, &none, &mut value);
                        if !cell.is_null() {
                            form.append_pair(name, &String::from_utf8_lossy(&value));
                        }
                    }
                }
                let out = form.finish().into_bytes();
                (Some(out), Some("application/x-www-form-urlencoded"))
            }
        })
    }
}

impl From<Trouble> for ItemError {
    fn from(trouble: Trouble) -> ItemError {
        let kind = match trouble.kind {
            TroubleKind::Io | TroubleKind::Private => ItemErrorKind::Io,
            TroubleKind::Timeout => ItemErrorKind::Timeout,
            TroubleKind::Robots => ItemErrorKind::Robots,
        };
        ItemError {
            for_good: trouble.for_good,
            ..ItemError::new(kind, trouble.message)
        }
    }
}

impl BatchStep for Run {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let recipe = self.recipe.clone();
        let answer = match &self.call {
            Some(call) => call.take(),
            None => {
                // One row: a step that waits gets them one by one.
                let sent = recipe
                    .request(batch.row(0), cx)
                    .and_then(|request| Ok(cx.net.send(request, &recipe.manner, cx.agent)?));
                match sent {
                    Ok(call) => {
                        self.call = Some(call);
                        None
                    }
                    Err(error) => return fail(batch, error, cx),
                }
            }
        };
        let Some(answer) = answer else {
            return Flow::Wait(batch, Wait::for_(What::Outside("the network")));
        };
        self.call = None;
        let mut out = batch.derive(recipe.shape.clone());
        let made = answer
            .map_err(ItemError::from)
            .and_then(|answer| recipe.item(answer, out.blocks_mut(), cx.clock.wall()));
        match made {
            Ok(cells) => {
                out.push_from(&batch, 0, cells);
                batch.clear();
                Flow::Next(out)
            }
            Err(error) => fail(batch, error, cx),
        }
    }

    fn cancel(&mut self, _: &mut Cx<'_>) {
        self.call = None;
    }

    fn abandon(&mut self) {
        self.call = None;
    }
}

fn fail(mut batch: Batch, error: ItemError, cx: &mut Cx<'_>) -> Flow {
    cx.fail(batch.origin(0), batch.row(0), error);
    batch.clear();
    Flow::Next(batch)
}
