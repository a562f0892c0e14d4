//! The types of `types:`, and how two types differ, in words.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::plan::components;
use crate::spec::{Key, Node};
use crate::steps::Functions;
use crate::steps::{Types, built_in, names_in, read_type};
use crate::value::Type;

/// A type that is written out in more parts than this is refused: twenty names that each name the last one
/// twice are a million parts.
const MOST_PARTS: usize = 10_000;

/// The named types.
#[derive(Debug)]
pub(super) struct TypeTable<'f> {
    known: HashMap<&'f str, Type>,
    declared: &'f [(Key, Node)],
    used: RefCell<HashSet<String>>,
    functions: &'f Functions,
    rehearse: bool,
}

impl Types for TypeTable<'_> {
    fn named(&self, name: &str) -> Option<Type> {
        let found = self.known.get(name).cloned();
        if found.is_some() {
            self.used.borrow_mut().insert(name.to_owned());
        }
        found
    }

    fn names(&self) -> Vec<&str> {
        self.declared.iter().map(|(k, _)| k.text.as_str()).collect()
    }

    fn functions(&self) -> &Functions {
        self.functions
    }

    fn rehearses(&self) -> bool {
        self.rehearse
    }
}

impl<'f> TypeTable<'f> {
    /// Reads the declared types, those that others are written with first.
    pub fn read(
        declared: &'f [(Key, Node)],
        functions: &'f Functions,
        rehearse: bool,
        out: &mut Diagnostics,
    ) -> TypeTable<'f> {
        let mut table = TypeTable {
            known: HashMap::new(),
            declared,
            used: RefCell::default(),
            functions,
            rehearse,
        };
        let mut number: HashMap<&str, usize> = HashMap::new();
        for (i, (key, _)) in declared.iter().enumerate() {
            if built_in(&key.text).is_some() {
                out.push(
                    Diagnostic::new("E0202", key.at, format!("`{}` is a type of the language", key.text))
                        .help("give yours another name; it is a habit to begin them with a capital letter"),
                );
            }
            number.insert(&key.text, i);
        }
        let edges = declared.iter().enumerate().flat_map(|(i, (_, node))| {
            let number = &number;
            names_in(node)
                .into_iter()
                .filter_map(move |(name, _)| number.get(name).map(|j| (*j, i)))
        });
        for circle in components(declared.len(), edges) {
            let first = circle.iter().copied().min().unwrap_or_default();
            if let Some(place) = itself(&circle, declared, &number) {
                let key = &declared[first].0;
                out.push(
                    Diagnostic::new("E0306", key.at, format!("the type `{}` contains itself", key.text))
                        .also(place, "here")
                        .help("write `any` where it repeats; what is in there is then looked at when it runs"),
                );
                for i in circle {
                    table.known.insert(&declared[i].0.text, Type::Any);
                }
                continue;
            }
            let (key, node) = &declared[first];
            let mut ty = read_type(node, &table, out);
            if parts(&ty) > MOST_PARTS {
                let message = format!(
                    "the type `{}` has more than {MOST_PARTS} parts when it is written out",
                    key.text
                );
                out.push(
                    Diagnostic::new("E0107", key.at, message)
                        .help("write `any` for the parts that need no checking"),
                );
                ty = Type::Any;
            }
            table.known.insert(&key.text, ty);
        }
        table.used.borrow_mut().clear();
        table
    }

    /// Warns of declared types that nothing names. Types that only such types name are left to the next time.
    pub fn unused(&self, out: &mut Diagnostics) {
        let used = self.used.borrow();
        let inner: HashSet<&str> = self
            .declared
            .iter()
            .flat_map(|(_, n)| names_in(n))
            .map(|(n, _)| n)
            .collect();
        for (key, _) in self.declared {
            if !used.contains(&key.text) && !inner.contains(key.text.as_str()) {
                out.push(
                    Diagnostic::new(
                        "W0402",
                        key.at,
                        format!("nothing uses the type `{}`", key.text),
                    )
                    .help("name it in an `of` or an `as`, or take it out"),
                );
            }
        }
    }
}

/// Where a type of this component is written with one of the same, if it is.
fn itself(
    component: &[usize],
    declared: &[(Key, Node)],
    number: &HashMap<&str, usize>,
) -> Option<At> {
    let members: HashSet<usize> = component.iter().copied().collect();
    let inside = |name: &str| number.get(name).is_some_and(|j| members.contains(j));
    let names = component.iter().flat_map(|i| names_in(&declared[*i].1));
    names
        .filter(|(name, _)| inside(name))
        .map(|(_, at)| at)
        .min()
}

/// How many types a type is made of, counted up to a little beyond [`MOST_PARTS`].
fn parts(ty: &Type) -> usize {
    let mut n = 0;
    let mut todo = vec![ty];
    while let Some(ty) = todo.pop() {
        n += 1;
        if n > MOST_PARTS {
            break;
        }
        match ty {
            Type::Optional(of) | Type::List(of) => todo.push(of),
            Type::Record(r) => todo.extend(r.fields.iter().map(|f| &f.ty).chain(&r.rest)),
            _ => {}
        }
    }
    n
}

/// Why `want` does not accept `got`: the first difference, in words.
pub(super) fn difference(want: &Type, got: &Type) -> String {
    inner_difference(want, got, "")
}

fn inner_difference(want: &Type, got: &Type, path: &str) -> String {
    let here = |text: String| {
        if path.is_empty() {
            text
        } else {
            format!("in `{path}`: {text}")
        }
    };
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match (want.required(), got) {
        (_, Type::Any) => here("nothing is known of what comes (`any`)".into()),
        (_, Type::Null | Type::Optional(_)) if !want.nullable() => {
            here(format!("{got} may be null, {want} may not"))
        }
        (Type::List(a), Type::List(b)) => inner_difference(a, b, &format!("{path}[]")),
        (Type::Record(a), Type::Record(b)) => {
            for field in &a.fields {
                match b.field(&field.name) {
                    Some(ty) if !field.ty.accepts(ty) => {
                        return inner_difference(&field.ty, ty, &below(&field.name));
                    }
                    None if !field.ty.nullable() => {
                        return here(format!("the field `{}` is missing", field.name));
                    }
                    _ => {}
                }
            }
            match b
                .fields
                .iter()
                .find(|f| !a.field(&f.name).is_some_and(|t| t.accepts(&f.ty)))
            {
                Some(f) => here(format!("the field `{}` is not part of {want}", f.name)),
                None => here(format!("{got} may have further fields, {want} may not")),
            }
        }
        (_, Type::Optional(got)) => inner_difference(want.required(), got, path),
        _ => here(format!("{got} is no {want}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_field_that_does_not_fit() {
        let record = |fields: &[(&str, Type)]| {
            Type::record(fields.iter().map(|(n, t)| ((*n).into(), t.clone())))
        };
        let hit = record(&[("ip", Type::String), ("status", Type::Int)]);
        for (got, words) in [
            (
                record(&[("ip", Type::String)]),
                "the field `status` is missing",
            ),
            (
                record(&[("ip", Type::String), ("status", Type::String)]),
                "in `status`: string is no int",
            ),
            (
                record(&[("ip", Type::String), ("status", Type::Int.optional())]),
                "in `status`: int? may be null, int may not",
            ),
            (
                record(&[
                    ("ip", Type::String),
                    ("status", Type::Int),
                    ("x", Type::Int),
                ]),
                "the field `x` is not part of {ip: string, status: int}",
            ),
            (Type::Any, "nothing is known of what comes (`any`)"),
            (Type::Int, "int is no {ip: string, status: int}"),
        ] {
            assert!(!hit.accepts(&got));
            assert_eq!(difference(&hit, &got), words);
        }
        assert_eq!(
            difference(
                &Type::list(Type::Int.optional()),
                &Type::list(Type::String.optional())
            ),
            "in `[]`: string is no int"
        );
    }
}
