//! The functions that an expression may call, in tables that the checker, the documentation and its tests read.

mod args;
mod convert;
mod format;
mod link;
mod math;
mod other;
mod path;
mod signature;
mod text;
mod time;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use convert::{to_double, to_int, to_string};
pub(super) use signature::Signature;
pub(super) use text::{chars, regex};
pub(super) use time::length;

use super::Scope;
use super::run::{R, Val};

/// One function of the language; of several signatures where it takes several kinds of arguments.
#[derive(Debug)]
pub struct Function {
    /// With its namespace, where it has one: `math.abs`.
    pub name: &'static str,
    /// As people write them: `string.contains(string) -> bool`.
    pub signatures: &'static [&'static str],
    /// One sentence without a full stop.
    pub about: &'static str,
    /// Expressions, and expressions that give the same value.
    pub examples: &'static [(&'static str, &'static str)],
    /// The same arguments always give the same result.
    pub pure: bool,
    /// The receiver is the first argument. Arguments of wrong kinds (`any` lets them through) are errors.
    pub(super) run: for<'a> fn(&[Val<'a>], &Scope) -> R<Val<'a>>,
}

/// A heading of the documentation, and its functions.
pub struct Chapter {
    pub title: &'static str,
    pub functions: &'static [Function],
}

pub static CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "Texts",
        functions: text::FUNCTIONS,
    },
    Chapter {
        title: "Numbers",
        functions: math::FUNCTIONS,
    },
    Chapter {
        title: "Times",
        functions: time::FUNCTIONS,
    },
    Chapter {
        title: "Conversions",
        functions: convert::FUNCTIONS,
    },
    Chapter {
        title: "Paths and links",
        functions: path::FUNCTIONS,
    },
    Chapter {
        title: "Other",
        functions: other::FUNCTIONS,
    },
];

/// Part of the language, but not built yet: the name, and what it will be.
pub(super) const NOT_BUILT: &[(&str, &str)] =
    &[("ip", "the address of a URL's host, in a limit's `per`")];

/// All functions of one name, with their signatures read.
#[derive(Debug)]
pub(super) struct Known {
    pub function: &'static Function,
    pub signatures: Vec<Signature>,
}

pub(super) fn find(name: &str) -> Option<&'static Known> {
    static KNOWN: LazyLock<HashMap<&'static str, Known>> = LazyLock::new(|| {
        let all = CHAPTERS.iter().flat_map(|c| c.functions);
        all.map(|function| {
            let signatures = function
                .signatures
                .iter()
                .map(|s| Signature::parse(function.name, s))
                .collect();
            (
                function.name,
                Known {
                    function,
                    signatures,
                },
            )
        })
        .collect()
    });
    KNOWN.get(name)
}

/// Can a function of this name read such a text? For constants, before anything runs.
pub(super) fn reads(name: &str, text: &str) -> R<()> {
    use super::run::Text;
    let text = Val::Str(Text::Ref(text));
    let epoch = Val::Time { secs: 0, nanos: 0 };
    let args = if matches!(name, "floor" | "strftime") {
        vec![epoch, text]
    } else {
        vec![text]
    };
    match find(name) {
        Some(known) => (known.function.run)(&args, &Scope::default()).map(drop),
        None => Ok(()),
    }
}

/// The names of all functions and macros, for "did you mean".
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let functions = CHAPTERS.iter().flat_map(|c| c.functions).map(|f| f.name);
    functions
        .chain(super::check::MACROS.iter().copied())
        .chain(NOT_BUILT.iter().map(|(n, _)| *n))
}
