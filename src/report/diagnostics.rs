//! What we tell the author of a file, as text for people and as JSON for programs.
//!
//! One [`Report`] a file. A mistake without a place of its own (`--set` of an unknown name) has the empty
//! place at the beginning of the file; it is shown without a line.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{At, Diagnostic, Diagnostics, Severity, Source};

/// All that was found in one file, in the order of the file.
#[derive(Debug)]
pub struct Report<'a> {
    source: &'a Source,
    list: Vec<Diagnostic>,
    /// Values that are shown as `***`.
    secrets: Vec<String>,
    /// `--strict`: warnings count as errors.
    strict: bool,
}

impl<'a> Report<'a> {
    pub fn new(source: &'a Source, found: Diagnostics, strict: bool) -> Report<'a> {
        Report {
            source,
            list: found.sorted(),
            secrets: Vec::new(),
            strict,
        }
    }

    /// Masks these values in messages, labels and help (`spec::Params::secrets`).
    #[must_use]
    pub fn hiding(mut self, secrets: Vec<String>) -> Report<'a> {
        self.secrets = secrets;
        self
    }

    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| self.is_error(d)).count()
    }

    pub fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }

    fn is_error(&self, d: &Diagnostic) -> bool {
        self.strict || d.severity() == Severity::Error
    }

    fn mask(&self, text: &str) -> String {
        self.secrets
            .iter()
            .filter(|s| !s.is_empty())
            .fold(text.to_string(), |text, secret| {
                text.replace(secret.as_str(), "***")
            })
    }

    /// For people: each with its line of the file, an empty line after it. Columns beyond `width` are cut.
    pub fn text(&self, color: bool, width: usize) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(width);
        let mut out = String::new();
        for d in &self.list {
            out.push_str(&renderer.render(&[self.group(d)]));
            out.push_str("\n\n");
        }
        out
    }

    fn group(&self, d: &Diagnostic) -> Group<'_> {
        let level = if self.is_error(d) {
            Level::ERROR
        } else {
            Level::WARNING
        };
        let mut group = level
            .primary_title(self.mask(&d.message))
            .id(d.code)
            .elements(Vec::<Origin<'_>>::new());
        if d.at == At::default() {
            group = group.element(Origin::path(self.source.name.as_str()));
        } else {
            group = group.element(self.snippet(d));
        }
        for help in &d.help {
            group = group.element(Level::HELP.message(self.mask(help)));
        }
        group
    }

    /// The lines of the file that the places stand in. What spans several lines is marked in its first.
    fn snippet(&self, d: &Diagnostic) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        let text = self.source.text.as_str();
        let line_start = |byte: usize| text[..byte].rfind('\n').map_or(0, |i| i + 1);
        let line_end = |byte: usize| text[byte..].find('\n').map_or(text.len(), |i| byte + i);
        let clip = |at: At| {
            let start = text.floor_char_boundary((at.start as usize).min(text.len()));
            let line = text[..line_end(start)].trim_end_matches('\r').len();
            let end = text.ceil_char_boundary((at.end as usize).clamp(start, line.max(start)));
            (start, end)
        };
        let mut marks = vec![(clip(d.at), &d.label, AnnotationKind::Primary)];
        marks.extend(
            d.also
                .iter()
                .map(|(at, label)| (clip(*at), label, AnnotationKind::Context)),
        );
        let from = line_start(marks.iter().map(|(m, ..)| m.0).min().unwrap_or(0));
        let to = line_end(marks.iter().map(|(m, ..)| m.1).max().unwrap_or(0));
        // A carriage return would be drawn; a blank keeps the places.
        let line = text[..from].bytes().filter(|b| *b == b'\n').count() + 1;
        let mut snippet = Snippet::source(text[from..to].trim_end_matches('\r').replace('\r', " "))
            .line_start(line)
            .path(self.source.name.as_str());
        for ((start, end), label, kind) in marks {
            let label = (!label.is_empty()).then(|| self.mask(label));
            snippet = snippet.annotation(kind.span(start - from..end - from).label(label));
        }
        snippet
    }

    /// For programs: `{code, severity, message, file, line, column, help}` each.
    pub fn json_entries(&self) -> Vec<serde_json::Value> {
        let entry = |d: &Diagnostic| {
            let place = self.source.place(d.at);
            serde_json::json!({
                "code": d.code,
                "severity": if self.is_error(d) { "error" } else { "warning" },
                "message": self.mask(&d.message),
                "file": self.source.name,
                "line": place.line,
                "column": place.column,
                "help": self.mask(&d.help.join("\n")),
            })
        };
        self.list.iter().map(entry).collect()
    }
}

/// For programs: one list for all files, `{code, severity, message, file, line, column, help}` each; lines and
/// columns from 1, columns in characters; `help` is empty where there is none.
pub fn json(reports: &[Report<'_>]) -> String {
    let all: Vec<_> = reports.iter().flat_map(Report::json_entries).collect();
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    text
}

/// `2 errors, 1 warning`; `None` where there is nothing to say.
pub fn summary(reports: &[Report<'_>]) -> Option<String> {
    let count = |n: usize, what: &str| {
        (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }))
    };
    let errors = reports.iter().map(Report::errors).sum();
    let warnings = reports.iter().map(Report::warnings).sum();
    let parts: Vec<String> = [count(errors, "error"), count(warnings, "warning")]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "a.yaml".into(),
            text: text.into(),
        }
    }

    fn said(list: Vec<Diagnostic>) -> Diagnostics {
        let mut d = Diagnostics::default();
        d.extend(list);
        d
    }

    #[test]
    fn a_place_is_shown_with_its_line_and_its_help() {
        let source = source("a: 1\né: [x,\n  y]\na: 2\r\n");
        let found = said(vec![
            Diagnostic::new("E0102", At::new(18, 19), "the key `a` stands twice")
                .label("again here")
                .also(At::new(0, 1), "first here")
                .help("remove one"),
            Diagnostic::new("W0401", At::new(9, 17), "nobody reads abc"),
            Diagnostic::new("E0201", At::default(), "no such parameter"),
        ]);
        let report = Report::new(&source, found, false).hiding(vec!["abc".into()]);
        let expected = "\
error[E0201]: no such parameter
--> a.yaml

warning[W0401]: nobody reads ***
 --> a.yaml:2:4
  |
2 | é: [x,
  |    ^^^

error[E0102]: the key `a` stands twice
 --> a.yaml:4:1
  |
1 | a: 1
  | - first here
...
4 | a: 2
  | ^ again here
  |
  = help: remove one

";
        assert_eq!(report.text(false, 100), expected);
        assert_eq!(summary(&[report]).as_deref(), Some("2 errors, 1 warning"));
    }

    #[test]
    fn json_counts_columns_in_characters_and_strict_makes_warnings_errors() {
        let source = source("é: [x]\n");
        let found = said(vec![
            Diagnostic::new("W0401", At::new(4, 7), "nobody reads it")
                .help("a")
                .help("b"),
        ]);
        let json: serde_json::Value =
            serde_json::from_str(&json(&[Report::new(&source, found, true)])).expect("json");
        let expected = serde_json::json!([{
            "code": "W0401", "severity": "error", "message": "nobody reads it", "file": "a.yaml",
            "line": 1, "column": 4, "help": "a\nb",
        }]);
        assert_eq!(json, expected);
    }
}
