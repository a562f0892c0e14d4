//! TOOLBOX: what we tell the author of a file: a rule, a place, what is wrong, how to mend it.
//!
//! Knows nothing of YAML, of stages or of terminals: `report` draws it, [`crate::rules`] lists the rules.

use std::fmt;

/// A stretch of the source file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct At {
    pub start: u32,
    pub end: u32,
}

impl At {
    pub fn new(start: usize, end: usize) -> At {
        At {
            start: start as u32,
            end: end as u32,
        }
    }
}

/// A place as people count it: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A file's name and text.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// As the user named it.
    pub name: String,
    pub text: String,
}

impl Source {
    pub fn place(&self, at: At) -> Place {
        let start = (at.start as usize).min(self.text.len());
        let before = &self.text[..self.text.floor_char_boundary(start)];
        let line = before.bytes().filter(|b| *b == b'\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
        Place { line, column }
    }

    /// The text of the line (from 1), without its end.
    pub fn line(&self, line: u32) -> &str {
        self.text
            .lines()
            .nth(line.saturating_sub(1) as usize)
            .unwrap_or("")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
}

/// One mistake, or one possibility of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `E0123` or `W0123`: a row of [`crate::rules::RULES`].
    pub code: &'static str,
    pub at: At,
    /// What is wrong: one sentence that begins in lower case and has no full stop.
    pub message: String,
    /// What to say beside the place, where the message is not enough.
    pub label: String,
    /// Other places that belong to it (`first here`).
    pub also: Vec<(At, String)>,
    /// How to mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn new(code: &'static str, at: At, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            at,
            message: message.into(),
            label: String::new(),
            also: Vec::new(),
            help: Vec::new(),
        }
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(help.into());
        self
    }

    #[must_use]
    pub fn also(mut self, at: At, label: impl Into<String>) -> Diagnostic {
        self.also.push((at, label.into()));
        self
    }

    pub fn severity(&self) -> Severity {
        if self.code.starts_with('E') {
            Severity::Error
        } else {
            Severity::Warning
        }
    }
}

/// More than this is not worth reading, and a file made by a machine could make any number.
const MOST: usize = 1000;

/// All that was found, in the order of finding; never the same thing twice, and at most a thousand.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    suspicions: Vec<Suspicion>,
}

/// What may lie behind an error.
#[derive(Debug)]
struct Suspicion {
    within: At,
    instead: Diagnostic,
    /// Also behind an error in an expression, not only in a form.
    expressions: bool,
}

impl Diagnostics {
    pub fn push(&mut self, d: Diagnostic) {
        if self.list.len() < MOST && !self.list.contains(&d) {
            self.list.push(d);
        }
    }

    /// What lies behind an error of form within a stretch of the file, should there be one: it is then told
    /// instead.
    pub fn suspect(&mut self, within: At, instead: Diagnostic) {
        self.suspicions.push(Suspicion {
            within,
            instead,
            expressions: false,
        });
    }

    /// As [`Diagnostics::suspect`], for what lies behind an error of form or in an expression: it was cut in two.
    pub fn suspect_cut(&mut self, within: At, instead: Diagnostic) {
        self.suspicions.push(Suspicion {
            within,
            instead,
            expressions: true,
        });
    }

    /// Is there one with such a code?
    pub fn has(&self, is: impl Fn(&str) -> bool) -> bool {
        self.list.iter().any(|d| is(d.code))
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity() == Severity::Error)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// In the order of the file.
    pub fn sorted(self) -> Vec<Diagnostic> {
        let mut told = Diagnostics::default();
        for d in self.list {
            let form = matches!(d.code, "E0103" | "E0105" | "E0106");
            let expression = matches!(d.code, "E0301" | "E0302" | "E0303" | "E0305");
            let behind = self.suspicions.iter().find(|s| {
                (form || expression && s.expressions)
                    && s.within.start <= d.at.start
                    && d.at.end <= s.within.end
            });
            told.push(behind.map_or(d, |s| s.instead.clone()));
        }
        told.list.sort_by_key(|d| (d.at, d.severity()));
        told.list
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, iter: T) {
        iter.into_iter().for_each(|d| self.push(d));
    }
}

/// The known name nearest to a mistyped one, if one is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match wrong.chars().count() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|k| {
            (
                strsim::damerau_levenshtein(&wrong.to_lowercase(), &k.to_lowercase()),
                k,
            )
        })
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}
