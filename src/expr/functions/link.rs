//! URLs as far as expressions need them: the host, and links made absolute.
//!
//! Source: RFC 3986, sections 3 (syntax, by the pattern of appendix B) and 5.2 (reference resolution), not in
//! strict mode of schemes: like Python's `urljoin`, a link with a scheme is absolute.

/// The five parts of a reference; an empty part and a missing one differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn parts(text: &str) -> Parts<'_> {
    let (text, fragment) = cut(text, '#');
    let (text, query) = cut(text, '?');
    let (scheme, text) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, text),
    };
    let (authority, path) = match text.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, text),
    };
    Parts {
        scheme,
        authority,
        path,
        query,
        fragment,
    }
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// The host of a URL in lower case, without user, port and the brackets of IPv6; `None` where it has none.
pub(super) fn host(url: &str) -> Option<String> {
    let authority = parts(url.trim()).authority?;
    let place = authority
        .rsplit_once('@')
        .map_or(authority, |(_, place)| place);
    let host = match place.strip_prefix('[') {
        Some(six) => six.split_once(']')?.0,
        None => place.split_once(':').map_or(place, |(host, _)| host),
    };
    // A name that ends with a dot is the same name.
    let host = host.strip_suffix('.').unwrap_or(host);
    (!host.is_empty()).then(|| host.to_lowercase())
}

/// The part of a host that somebody has registered: a public suffix, and the label before it.
pub(super) fn registered(host: &str) -> Option<&str> {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    psl::domain_str(host)
}

/// A link as it stands on the page `base`, made absolute.
pub(super) fn join(base: &str, link: &str) -> String {
    let (base, link) = (parts(base.trim()), parts(link.trim()));
    let (scheme, authority, path, query) = if link.scheme.is_some() {
        (
            link.scheme,
            link.authority,
            without_dots(link.path),
            link.query,
        )
    } else if link.authority.is_some() {
        (
            base.scheme,
            link.authority,
            without_dots(link.path),
            link.query,
        )
    } else if link.path.is_empty() {
        (
            base.scheme,
            base.authority,
            base.path.to_string(),
            link.query.or(base.query),
        )
    } else if link.path.starts_with('/') {
        (
            base.scheme,
            base.authority,
            without_dots(link.path),
            link.query,
        )
    } else {
        let folder = base.path.rfind('/').map_or("", |i| &base.path[..=i]);
        let folder = if base.authority.is_some() && base.path.is_empty() {
            "/"
        } else {
            folder
        };
        (
            base.scheme,
            base.authority,
            without_dots(&format!("{folder}{}", link.path)),
            link.query,
        )
    };
    let mut out = String::new();
    if let Some(scheme) = scheme {
        out.push_str(scheme);
        out.push(':');
    }
    if let Some(authority) = authority {
        out.push_str("//");
        out.push_str(authority);
    }
    out.push_str(&path);
    for (sign, part) in [('?', query), ('#', link.fragment)] {
        if let Some(part) = part {
            out.push(sign);
            out.push_str(part);
        }
    }
    out
}

/// Section 5.2.4: `.` and `..` taken away.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').collect();
    let rooted = path.starts_with('/');
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." && kept.len() > usize::from(rooted) {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    if rooted && !joined.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_as_in_rfc_3986() {
        // Sections 5.4.1 and 5.4.2.
        let base = "http://a/b/c/d;p?q";
        for (link, whole) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g#s/./x"),
            ("g#s/../x", "http://a/b/c/g#s/../x"),
            ("http:g", "http:g"),
        ] {
            assert_eq!(join(base, link), whole, "{link}");
        }
        assert_eq!(join("http://a", "g"), "http://a/g");
        assert_eq!(join("http://a?x", "g"), "http://a/g");
    }

    #[test]
    fn what_is_registered_follows_the_public_suffix_list() {
        for (host, expected) in [
            ("www.example.com", Some("example.com")),
            ("example.com", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("me.github.io", Some("me.github.io")),
            ("com", None),
            ("localhost", None),
            ("127.0.0.1", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(registered(host), expected, "{host}");
        }
    }

    #[test]
    fn a_host_has_no_user_no_port_and_small_letters() {
        for (url, expected) in [
            (
                "https://User:p%40w@Example.COM:8443/x?y#z",
                Some("example.com"),
            ),
            ("http://[2001:DB8::1]:80/", Some("2001:db8::1")),
            ("//a.b/c", Some("a.b")),
            ("http://a.b.", Some("a.b")),
            ("mailto:x@y", None),
            ("/path", None),
            ("http:///x", None),
            ("", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }
}
