//! One request from its first hop to its last: each hop may be refused, and the whole has its time.

use std::error::Error;
use std::time::Instant;

use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue,
    LOCATION, PROXY_AUTHORIZATION,
};
use reqwest::{Client, Method, Response};
use url::Url;

use super::address::{IsPrivate, refuse_literal, refuse_name};
use super::clients::Way;
use super::{Answer, Manner, Request, Shared, Trouble, TroubleKind, robots};

/// How this program calls itself.
pub(super) const AGENT: &str = concat!("millstream/", env!("CARGO_PKG_VERSION"));
/// Of a robots.txt at most so much is read.
const ROBOTS_MOST: u64 = 512 << 10;
/// What a POST becomes when it is sent elsewhere, but for 307 and 308.
const SEE_OTHER: [u16; 3] = [301, 302, 303];

/// One hop.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    trusted: bool,
}

/// Sends a request and follows where it leads.
pub(super) async fn fetch(
    request: Request,
    manner: &Manner,
    shared: &Shared,
) -> Result<Answer, Trouble> {
    let url = shown(&request.url);
    match tokio::time::timeout(manner.total, follow(request, manner, shared)).await {
        Ok(result) => result,
        Err(_) => Err(Trouble::new(
            TroubleKind::Timeout,
            format!("{url}: no answer within {:?}", manner.total),
        )),
    }
}

async fn follow(request: Request, manner: &Manner, shared: &Shared) -> Result<Answer, Trouble> {
    let began = Instant::now();
    let first = request.url.clone();
    let mut hop = Hop::first(request)?;
    let agent = hop.agent();
    for left in (0..=manner.redirects).rev() {
        if manner.robots {
            let site = shared.robots.site(&hop.url, &agent);
            let read = || read_robots(&hop, manner, shared);
            site.allow(&hop.url, &agent, read).await?;
        }
        let response = send(&hop, manner, shared).await?;
        let Some(to) = hop.target(&response) else {
            return answer(hop.url, response, manner, began).await;
        };
        if left == 0 {
            break;
        }
        hop.turn(to, response.status().as_u16());
    }
    let most = manner.redirects;
    let message = format!("{} leads to more than {most} others", shown(&first));
    Err(Trouble {
        for_good: true,
        ..Trouble::new(TroubleKind::Io, message)
    })
}

impl Hop {
    fn first(request: Request) -> Result<Hop, Trouble> {
        let wrong = |what: String| Trouble {
            for_good: true,
            ..Trouble::new(TroubleKind::Io, what)
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            // A value may be a secret: only the name is shown.
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| wrong(format!("{name:?} cannot be the name of a header")))?;
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| wrong(format!("the value of the header `{name}` is not one line")))?;
            headers.append(header, value);
        }
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| wrong(format!("{:?} cannot be a method", request.method)))?;
        Ok(Hop {
            method,
            url: request.url,
            headers,
            body: request.body,
            trusted: request.trusted,
        })
    }

    /// How it calls itself, for robots.txt.
    fn agent(&self) -> String {
        let own = self.headers.get(reqwest::header::USER_AGENT);
        let name = own.and_then(|v| v.to_str().ok()).unwrap_or(AGENT);
        let end = name.find(['/', ' ']).unwrap_or(name.len());
        name[..end].to_owned()
    }

    /// Where an answer leads.
    fn target(&self, response: &Response) -> Option<Url> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let to = response.headers().get(LOCATION)?;
        let mut to = self
            .url
            .join(std::str::from_utf8(to.as_bytes()).ok()?)
            .ok()?;
        if to.fragment().is_none() {
            to.set_fragment(self.url.fragment());
        }
        Some(to)
    }

    fn turn(&mut self, to: Url, status: u16) {
        if to.origin() != self.url.origin() {
            // What was meant for one host is not told another.
            for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                self.headers.remove(name);
            }
        }
        self.trusted &= to.host() == self.url.host();
        if SEE_OTHER.contains(&status) && self.method != Method::GET && self.method != Method::HEAD
        {
            self.method = Method::GET;
            self.body = None;
            self.headers.remove(CONTENT_TYPE);
            self.headers.remove(CONTENT_LENGTH);
        }
        self.url = to;
    }
}

async fn send(hop: &Hop, manner: &Manner, shared: &Shared) -> Result<Response, Trouble> {
    let client = client(hop, manner, shared).await?;
    let mut request = client
        .request(hop.method.clone(), hop.url.clone())
        .headers(hop.headers.clone());
    if let Some(body) = &hop.body {
        request = request.body(body.clone());
    }
    request.send().await.map_err(|e| trouble(&hop.url, &e))
}

/// The client for a hop, where it may go there.
async fn client(hop: &Hop, manner: &Manner, shared: &Shared) -> Result<Client, Trouble> {
    let url = &hop.url;
    let (Some(host), "http" | "https") = (url.host(), url.scheme()) else {
        return Err(Trouble {
            for_good: true,
            ..Trouble::new(
                TroubleKind::Io,
                format!("{} is no URL of the web", shown(url)),
            )
        });
    };
    let guarded = !manner.private && !hop.trusted;
    if guarded {
        let mut refused = refuse_literal(&host);
        if let (None, true, url::Host::Domain(name)) =
            (&refused, shared.clients.has_proxies(), &host)
        {
            // Behind a proxy nobody here looks the name up on the way.
            refused = refuse_name(name).await;
        }
        if let Some(refused) = refused {
            return Err(Trouble::new(TroubleKind::Private, refused.to_string()));
        }
    }
    shared.clients.get(&Way {
        connect: manner.connect,
        cookies: manner.cookies,
        guarded,
    })
}

async fn answer(
    url: Url,
    mut response: Response,
    manner: &Manner,
    began: Instant,
) -> Result<Answer, Trouble> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.iter_mut().find(|(n, _)| n == name.as_str()) {
            Some((_, all)) => {
                all.push_str(", ");
                all.push_str(&value);
            }
            None => headers.push((name.as_str().to_owned(), value.into_owned())),
        }
    }
    let status = response.status().as_u16();
    let body = body(&url, &mut response, manner.most).await?;
    Ok(Answer {
        url,
        status,
        headers,
        body,
        took: began.elapsed(),
    })
}

async fn body(url: &Url, response: &mut Response, most: u64) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| trouble(url, &e))? {
        if (body.len() + chunk.len()) as u64 > most {
            let message = format!("{} is larger than {most} bytes (`max_size`)", shown(url));
            return Err(Trouble {
                for_good: true,
                ..Trouble::new(TroubleKind::Io, message)
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The status and the text of the robots.txt beside a page.
async fn read_robots(
    page: &Hop,
    manner: &Manner,
    shared: &Shared,
) -> Result<(u16, Vec<u8>), Trouble> {
    let mut hop = Hop {
        method: Method::GET,
        url: robots::place(&page.url),
        headers: page.headers.clone(),
        body: None,
        trusted: page.trusted,
    };
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        hop.headers.remove(name);
    }
    for _ in 0..=5 {
        let mut response = send(&hop, manner, shared).await?;
        let status = response.status().as_u16();
        match hop.target(&response) {
            Some(to) => hop.turn(to, status),
            None => {
                // A longer one ends there: the rules so far count.
                let text = body(&hop.url, &mut response, ROBOTS_MOST).await;
                return Ok((status, text.unwrap_or_default()));
            }
        }
    }
    // It leads on and on: as if there were none.
    Ok((404, Vec::new()))
}

/// Without the name and password that may stand before the host.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Fails only for URLs without a host, which have no password.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

/// What went wrong on the way.
fn trouble(url: &Url, error: &reqwest::Error) -> Trouble {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut last = None;
    while let Some(e) = cause {
        if let Some(private) = e.downcast_ref::<IsPrivate>() {
            return Trouble::new(TroubleKind::Private, private.to_string());
        }
        last = Some(e.to_string());
        cause = e.source();
    }
    let kind = if error.is_timeout() {
        TroubleKind::Timeout
    } else {
        TroubleKind::Io
    };
    let what = if error.is_connect() {
        "cannot be reached"
    } else if error.is_timeout() {
        "no answer in time"
    } else if error.is_decode() || error.is_body() {
        "the answer breaks off"
    } else {
        "no answer"
    };
    let message = match last {
        Some(last) => format!("{}: {what}: {last}", shown(url)),
        None => format!("{}: {what}", shown(url)),
    };
    Trouble::new(kind, message)
}
