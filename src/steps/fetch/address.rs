//! A URL out of a template: what an item puts into it stays in the part of the URL that it is put into.

use url::Url;

use super::super::{ItemError, ItemErrorKind};
use crate::expr::{CodePart, Scope, TemplateCode};
use crate::value::Row;

/// A template for URLs.
#[derive(Clone, Debug)]
pub(super) struct UrlCode {
    code: TemplateCode,
    /// For each part of the template: does it come from the file or its parameters, not from items?
    independent: Vec<bool>,
}

impl UrlCode {
    pub(super) fn new(code: TemplateCode, independent: Vec<bool>) -> UrlCode {
        UrlCode { code, independent }
    }

    /// The URL for this row, and whether its host was written by the author of the file.
    ///
    /// A value with which the template begins is a URL itself, and stays as it is; any other is
    /// percent-encoded but for letters, digits and `-._~` (RFC 3986).
    pub(super) fn render(&self, row: Row<'_>, scope: &Scope) -> Result<(Url, bool), ItemError> {
        let mut out = Vec::new();
        let mut trusted = None;
        for (part, independent) in self.code.parts().iter().zip(&self.independent) {
            if !independent && trusted.is_none() {
                trusted = Some(has_host(&out));
            }
            match part {
                CodePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                CodePart::Expr(code) if out.is_empty() => code.render(row, scope, &mut out)?,
                CodePart::Expr(code) => {
                    let mut value = Vec::new();
                    code.render(row, scope, &mut value)?;
                    encode(&value, &mut out);
                }
            }
        }
        let text = String::from_utf8_lossy(&out);
        match Url::parse(text.trim()) {
            Ok(url) => Ok((url, trusted.unwrap_or(true))),
            Err(error) => {
                let shown: String = text.chars().take(200).collect();
                let mut wrong =
                    ItemError::new(ItemErrorKind::Http, format!("{shown:?} is no URL: {error}"));
                wrong.for_good = true;
                Err(wrong)
            }
        }
    }
}

/// Is the host of this beginning of a URL complete?
fn has_host(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.trim_start()
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains(['/', '?', '#', '\\']))
}

fn encode(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            let [high, low] = [byte >> 4, byte & 15].map(|n| HEX[usize::from(n)]);
            out.extend([b'%', high, low]);
        }
    }
}
