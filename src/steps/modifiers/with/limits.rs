//! The limits of a set: which slots an item needs, found out before anything is taken.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::super::super::{Ask, Cx, ItemError, ItemErrorKind};
use crate::expr::Code;
use crate::net::Call;
use crate::sync::{Claimed, Need};
use crate::value::{Batch, Blocks};
use crate::wait::{Wait, What};

/// A slot that each item needs.
pub(super) struct Wanted {
    pub guard: u32,
    pub entry: u32,
    /// `None`: the limit as a whole.
    pub key: Option<Key>,
}

pub(super) struct Key {
    pub code: Code,
    /// The addresses of the URL or host that it gives.
    pub address: bool,
}

/// What there is to do before the limits are had.
pub(super) enum Not {
    /// Nothing.
    Yet(Wait),
    Aside(Ask),
    Failed(ItemError),
}

/// A worker's own part.
pub(super) struct Limited {
    wanted: Arc<[Wanted]>,
    begun: bool,
    /// The addresses of a host are being looked up.
    call: Option<Call<Vec<String>>>,
}

impl Limited {
    pub(super) fn new(wanted: Arc<[Wanted]>) -> Limited {
        Limited {
            wanted,
            begun: false,
            call: None,
        }
    }

    /// Takes all of them at once, or says what to do first.
    pub(super) fn take(
        &mut self,
        batch: &Batch,
        timeout: Option<Duration>,
        cx: &Cx<'_>,
    ) -> Result<(), Not> {
        if self.begun || self.wanted.is_empty() {
            return Ok(());
        }
        let limits = &cx.commons.limits;
        match limits.claim(cx.agent.id) {
            Some(Claimed::Begun) => {
                self.begun = true;
                return Ok(());
            }
            Some(Claimed::Expired) => {
                let timeout = timeout.unwrap_or_default();
                let message = format!("the limits were not to be had within {timeout:?}");
                return Err(Not::Failed(ItemError::new(ItemErrorKind::Timeout, message)));
            }
            None => {}
        }
        let needs = self.needs(batch, cx)?;
        let now = cx.clock.now();
        if limits.take(cx.agent, &needs, now) {
            self.begun = true;
            return Ok(());
        }
        let until = timeout.map(|t| now + t);
        Err(Not::Aside(Ask { needs, until }))
    }

    fn needs(&mut self, batch: &Batch, cx: &Cx<'_>) -> Result<Vec<Need>, Not> {
        let wanted = self.wanted.clone();
        let mut needs = Vec::with_capacity(wanted.len());
        for wanted in &*wanted {
            let mut push = |key: &str| {
                let need = Need {
                    guard: wanted.guard,
                    entry: wanted.entry,
                    key: key.into(),
                };
                // One that leads to an address twice needs it once.
                if !needs.contains(&need) {
                    needs.push(need);
                }
            };
            match &wanted.key {
                None => push(""),
                Some(key) => {
                    let value = key.code.detached(batch.row(0), cx.scope);
                    let value = value.map_err(|e| Not::Failed(e.into()))?;
                    let mut text = Vec::new();
                    crate::expr::render(&value, &Blocks::new(), &mut text);
                    let text = String::from_utf8_lossy(&text);
                    if key.address {
                        for address in self.addresses(&text, cx)? {
                            push(&address);
                        }
                    } else {
                        push(&text);
                    }
                }
            }
        }
        Ok(needs)
    }

    /// The addresses that a URL or host leads to.
    fn addresses(&mut self, text: &str, cx: &Cx<'_>) -> Result<Vec<String>, Not> {
        let url = Url::parse(text).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or(text);
        let failed = |error: ItemError| Not::Failed(error);
        if let Some(known) = cx.net.known(host) {
            return Ok(known);
        }
        let call = match self.call.take() {
            Some(call) => call,
            None => cx
                .net
                .resolve(host, cx.agent)
                .map_err(|e| failed(e.into()))?,
        };
        match call.take() {
            Some(found) => found.map_err(|e| failed(e.into())),
            None => {
                self.call = Some(call);
                Err(Not::Yet(Wait::for_(What::Outside(
                    "the addresses of a host",
                ))))
            }
        }
    }

    /// The item has passed, or is given up.
    pub(super) fn give(&mut self, well: bool, cx: &Cx<'_>) {
        self.call = None;
        if std::mem::take(&mut self.begun) {
            cx.commons.limits.give(cx.agent.id, well, cx.clock.now());
        }
    }
}
