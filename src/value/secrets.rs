//! Secrets are shown as `***`, whatever says them.

use std::borrow::Cow;

/// The values that nobody is to see.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// As they are, and as JSON and URLs write them; the longest first, so that none hides a part of another.
    forms: Vec<String>,
}

impl Secrets {
    pub fn new(values: impl IntoIterator<Item = String>) -> Secrets {
        let mut forms: Vec<String> = values
            .into_iter()
            .filter(|v| !v.is_empty())
            .flat_map(|v| {
                let json = serde_json::Value::from(v.as_str()).to_string();
                [json[1..json.len() - 1].to_string(), percent(&v), v]
            })
            .collect();
        forms.sort_by_key(|f| (std::cmp::Reverse(f.len()), f.clone()));
        forms.dedup();
        Secrets { forms }
    }

    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for form in &self.forms {
            if text.contains(form.as_str()) {
                text = Cow::Owned(text.replace(form.as_str(), "***"));
            }
        }
        text
    }
}

/// As a part of a URL: RFC 3986, section 2.1.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[half as usize]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_each_of_its_forms() {
        let secrets = Secrets::new(["p\"w d".to_string(), "p".into(), String::new()]);
        let cases = [
            (r#"say p"w d now"#, "say *** now"),
            (r#"{"token":"p\"w d"}"#, r#"{"token":"***"}"#),
            ("http://x/?t=p%22w%20d", "htt***://x/?t=***"),
            ("nothing", "nothing"),
        ];
        for (text, hidden) in cases {
            assert_eq!(secrets.hide(text), hidden);
        }
    }
}
