//! Everything there is to say about a file: by who reads it, by the rules, by the schema.

use super::{Cx, check};
use crate::diagnostic::{Diagnostics, Source};
use crate::plan::Plan;
use crate::schema;
use crate::spec::{self, File, Given};

/// A file, read and checked.
#[derive(Debug)]
pub struct Whole {
    /// What could be read of it.
    pub file: Option<File>,
    /// What it means, where it has no errors.
    pub plan: Option<Plan>,
    pub found: Diagnostics,
}

/// Reads and checks a file.
pub fn whole(source: &Source, given: &Given, cx: &Cx) -> Whole {
    let mut found = Diagnostics::default();
    let mut plan = None;
    let file = spec::load(source, given, &mut found);
    if let Some(file) = &file {
        let (meant, more) = check(file, source, cx);
        found.extend(more);
        schema::check(&file.root, &mut found);
        // What could not be read is missing from what was checked: that plan is one of another file.
        plan = meant.filter(|_| !found.has_errors());
    }
    Whole { file, plan, found }
}
