//! Which addresses are of the public network, and what a name leads to.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use super::{Trouble, TroubleKind};

/// Is it an address of the public network: neither loopback nor private, link-local, shared, reserved or of a
/// group? As the registries of special addresses list them (RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => is_public_4(a),
        IpAddr::V6(a) => is_public_6(a),
    }
}

fn is_public_4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_4(inner);
    }
    let parts = address.segments();
    match parts {
        // NAT64, and 6to4: an address of version 4 in it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_4(Ipv4Addr::new(a, b, c, d))
        }
        // What is given out as global unicast, without documentation and the block of protocols.
        [0x2001, 0xdb8 | 0..=0x1ff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Names that were looked up.
#[derive(Default)]
pub(super) struct Names {
    known: Mutex<HashMap<String, (Instant, Vec<String>)>>,
}

/// How long what was found for a name counts.
const FRESH: Duration = Duration::from_mins(1);
/// How many names are remembered.
const MOST: usize = 10_000;

impl Names {
    pub(super) fn get(&self, host: &str) -> Option<Vec<String>> {
        let known = self.known.lock();
        let (at, found) = known.get(host)?;
        (at.elapsed() < FRESH).then(|| found.clone())
    }

    /// The addresses of a name, sorted.
    pub(super) async fn look_up(&self, host: &str) -> Result<Vec<String>, Trouble> {
        let found = lookup(host)
            .await
            .map_err(|e| Trouble::new(TroubleKind::Io, format!("{host} is not found: {e}")))?;
        let mut texts: Vec<String> = found.iter().map(IpAddr::to_string).collect();
        texts.sort();
        texts.dedup();
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(host.to_owned(), (Instant::now(), texts.clone()));
        Ok(texts)
    }
}

/// The address that a host is.
pub(super) fn literal(host: &str) -> Option<Vec<String>> {
    match Host::parse(host).ok()? {
        Host::Ipv4(a) => Some(vec![a.to_string()]),
        Host::Ipv6(a) => Some(vec![a.to_string()]),
        Host::Domain(_) => None,
    }
}

async fn lookup(host: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host, 0))
        .await?
        .map(|a| a.ip())
        .collect())
}

/// A host that leads to a private address.
#[derive(Debug)]
pub(super) struct IsPrivate {
    pub host: String,
    pub address: IpAddr,
}

impl fmt::Display for IsPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IsPrivate { host, address } = self;
        if *host == address.to_string() {
            write!(f, "{address} is a private address")?;
        } else {
            write!(f, "{host} leads to {address}, a private address")?;
        }
        f.write_str(", and this host comes from data; where that is meant, write `private: allow`")
    }
}

impl Error for IsPrivate {}

/// Says why, where a host is an address, and a private one.
pub(super) fn refuse_literal(host: &Host<&str>) -> Option<IsPrivate> {
    let address = match host {
        Host::Ipv4(a) => IpAddr::V4(*a),
        Host::Ipv6(a) => IpAddr::V6(*a),
        Host::Domain(_) => return None,
    };
    (!is_public(address)).then(|| IsPrivate {
        host: address.to_string(),
        address,
    })
}

/// Says why, where one of the addresses of a host is private. A host that is not found is nobody's.
pub(super) async fn refuse_name(host: &str) -> Option<IsPrivate> {
    let found = lookup(host).await.ok()?;
    let address = found.into_iter().find(|a| !is_public(*a))?;
    Some(IsPrivate {
        host: host.to_owned(),
        address,
    })
}

/// Finds addresses, and refuses hosts of which one is private: what is connected to is what was looked at.
pub(super) struct Guarded {
    /// The proxies of the environment: whoever set them meant them.
    pub proxies: Arc<HashSet<String>>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let proxies = self.proxies.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = lookup(host).await?;
            if !proxies.contains(host)
                && let Some(address) = found.iter().find(|a| !is_public(**a))
            {
                return Err(Box::new(IsPrivate {
                    host: host.to_owned(),
                    address: *address,
                })
                .into());
            }
            let addresses: Vec<SocketAddr> =
                found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_network_are_public() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.7",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.63.0.1",
            "8.8.8.8",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
