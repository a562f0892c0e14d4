//! A body as text: in the charset of its header, else of the page itself, else UTF-8.

use encoding_rs::{Encoding, UTF_8};

/// How much of a page is looked through for its charset.
const HEAD: usize = 1024;

/// The text; what is not valid in its charset becomes U+FFFD, as browsers show it.
pub fn to_text(body: Vec<u8>, content_type: Option<&str>) -> String {
    let labelled = content_type.and_then(charset);
    let found = labelled.or_else(|| in_page(&body));
    let encoding = found
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        .unwrap_or(UTF_8);
    if encoding == UTF_8 && !body.starts_with(b"\xef\xbb\xbf") {
        return match String::from_utf8(body) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
    }
    encoding.decode(&body).0.into_owned()
}

/// `text/html; charset="utf-8"`.
fn charset(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|p| {
        let (name, value) = p.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("charset")).then_some(value)
    })?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// `<meta charset=latin1>`, or the same in the long form.
fn in_page(body: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&body[..body.len().min(HEAD)]).to_ascii_lowercase();
    let meta = &head[head.find("<meta")?..];
    let at = meta.find("charset=")? + "charset=".len();
    let value = meta[at..].trim_start_matches(['"', '\'', ' ']);
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
    Some(value[..end.unwrap_or(value.len())].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_in_the_charset_that_it_says() {
        let latin = || b"caf\xe9".to_vec();
        assert_eq!(
            to_text(latin(), Some("text/plain; charset=ISO-8859-1")),
            "café"
        );
        assert_eq!(to_text(latin(), Some("text/plain")), "caf\u{fffd}");
        let page = b"<html><meta http-equiv=x content='text/html; charset=latin1'>\xe9".to_vec();
        assert!(to_text(page, None).ends_with('é'));
        assert_eq!(
            to_text("café".into(), Some("text/html; Charset=\"UTF-8\"")),
            "café"
        );
        assert_eq!(to_text(b"\xef\xbb\xbfx".to_vec(), None), "x");
    }
}
