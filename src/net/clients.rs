//! The clients of a run: one for each way of connecting, so that connections are used again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::cookie::Jar;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use url::Url;

use super::address::Guarded;
use super::{Trouble, TroubleKind};

/// What makes one client differ from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub connect: Duration,
    pub cookies: bool,
    /// Hosts that lead to private addresses are refused.
    pub guarded: bool,
}

pub(super) struct Clients {
    made: Mutex<HashMap<Way, Client>>,
    /// One for the run.
    cookies: Arc<Jar>,
    proxies: Arc<HashSet<String>>,
}

impl Clients {
    pub(super) fn new() -> Clients {
        // Fails only where one was chosen already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        Clients {
            made: Mutex::default(),
            cookies: Arc::default(),
            proxies: Arc::new(proxies(|name| std::env::var(name).ok())),
        }
    }

    /// Are there proxies, so that not everything that is connected to is the host itself?
    pub(super) fn has_proxies(&self) -> bool {
        !self.proxies.is_empty()
    }

    pub(super) fn get(&self, way: &Way) -> Result<Client, Trouble> {
        let mut made = self.made.lock();
        if let Some(client) = made.get(way) {
            return Ok(client.clone());
        }
        let client = self
            .builder(way)
            .build()
            .or_else(|_| {
                // A system without roots of its own: those that came with this program.
                let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
                let roots = roots.filter_map(|der| Certificate::from_der(der).ok());
                self.builder(way).tls_certs_only(roots).build()
            })
            .map_err(|e| Trouble::new(TroubleKind::Io, format!("no client: {e}")))?;
        made.insert(way.clone(), client.clone());
        Ok(client)
    }

    fn builder(&self, way: &Way) -> ClientBuilder {
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(way.connect)
            .user_agent(super::client::AGENT);
        if way.cookies {
            builder = builder.cookie_provider(self.cookies.clone());
        }
        if way.guarded {
            let proxies = self.proxies.clone();
            builder = builder.dns_resolver(Arc::new(Guarded { proxies }));
        }
        builder
    }
}

/// The hosts of the environment's proxies.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> HashSet<String> {
    let names = ["http_proxy", "https_proxy", "all_proxy"];
    let set = names
        .iter()
        .flat_map(|n| [variable(n), variable(&n.to_uppercase())])
        .flatten();
    set.filter_map(|text| {
        let url = Url::parse(&text).ok().filter(Url::has_host);
        let url = url.or_else(|| Url::parse(&format!("http://{text}")).ok())?;
        Some(url.host_str()?.to_owned())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_or_a_host_with_its_port() {
        let found = proxies(|name| match name {
            "HTTP_PROXY" => Some("http://proxy.example:3128".into()),
            "https_proxy" => Some("other:8080".into()),
            _ => None,
        });
        assert_eq!(
            found,
            HashSet::from(["proxy.example".into(), "other".into()])
        );
    }
}
