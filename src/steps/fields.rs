//! `keep`, `remove` and `rename`: which fields a record has, and what they are called.

use std::sync::Arc;

use super::build::{Build, Part};
use super::words::{Args, field_names, record_of, unknown_field};
use super::{CompileCx, Compiled, Group, Infer, Opt, Reader, Step, StepDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Env, Use, Uses};
use crate::spec::{Key, Node};
use crate::value::{Field, Name, RecordType, Type};

pub(super) static KEEP: StepDef = StepDef {
    name: "keep",
    group: Group::Shape,
    summary: "Keeps only these fields of a record, in this order.",
    main: Some("fields"),
    options: &[Opt {
        name: "fields",
        form: "list of string",
        help: "The names of the fields.",
        required: true,
    }],
    names: false,
    example: "- items: [{a: 1, b: 2, c: 3}]\n- keep: [c, a]\n",
    read: |node, reader| {
        let names = read_names(&KEEP, node, reader)?;
        Some(Box::new(Fields {
            step: "keep",
            change: Change::Keep(names),
        }))
    },
};

pub(super) static REMOVE: StepDef = StepDef {
    name: "remove",
    group: Group::Shape,
    summary: "Removes these fields from a record.",
    main: Some("fields"),
    options: &[Opt {
        name: "fields",
        form: "list of string",
        help: "The names of the fields.",
        required: true,
    }],
    names: false,
    example: "- items: [{a: 1, b: 2, c: 3}]\n- remove: b\n",
    read: |node, reader| {
        let names = read_names(&REMOVE, node, reader)?;
        Some(Box::new(Fields {
            step: "remove",
            change: Change::Remove(names),
        }))
    },
};

pub(super) static RENAME: StepDef = StepDef {
    name: "rename",
    group: Group::Shape,
    summary: "Gives fields of a record other names; they keep their places.",
    main: None,
    options: &[],
    names: true,
    example: "- items: [{a: 1, b: 2}]\n- rename: {a: x, b: a}\n",
    read: read_rename,
};

fn read_names(def: &StepDef, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Key>> {
    let args = Args::of(node, def, reader);
    field_names(
        args.need("fields", reader)?,
        &format!("what `{}` names", def.name),
        reader,
    )
}

fn read_rename(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let Some(map) = node.as_map().filter(|m| !m.is_empty()) else {
        let message = format!(
            "`rename` must be a mapping `{{old: new}}`, not {}",
            node.describe()
        );
        reader.error("E0105", node.at, message);
        return None;
    };
    let mut pairs: Vec<(Key, Key)> = Vec::new();
    let mut right = true;
    for (old, new) in map {
        let Some(text) = reader.text(new, &format!("the new name of `{}`", old.text)) else {
            right = false;
            continue;
        };
        if let Some((_, first)) = pairs.iter().find(|(_, n)| n.text == text) {
            let d = Diagnostic::new(
                "E0202",
                new.at,
                format!("two fields would be called `{text}`"),
            );
            reader.diagnostics.push(d.also(first.at, "the other"));
            right = false;
        }
        pairs.push((
            old.clone(),
            Key {
                text: text.to_owned(),
                at: new.at,
            },
        ));
    }
    right.then(|| {
        Box::new(Fields {
            step: "rename",
            change: Change::Rename(pairs),
        }) as Box<dyn Step>
    })
}

#[derive(Debug)]
struct Fields {
    step: &'static str,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Keep(Vec<Key>),
    Remove(Vec<Key>),
    /// Old and new names.
    Rename(Vec<(Key, Key)>),
}

/// A field that comes out: its name, its type, and what it was called.
struct Kept {
    name: Name,
    ty: Type,
    old: Name,
}

impl Fields {
    /// The fields that come out of a record with these fields. A name that the record does not have, but may have
    /// (it is open), is optional.
    fn out(&self, record: &RecordType) -> Vec<Kept> {
        let kept = |name: &str, old: &str| {
            let ty = match record.slot(old) {
                Some(slot) => record.fields[slot].ty.clone(),
                None => record.rest.clone().unwrap_or(Type::Any).optional(),
            };
            Kept {
                name: name.into(),
                ty,
                old: old.into(),
            }
        };
        match &self.change {
            Change::Keep(names) => names.iter().map(|n| kept(&n.text, &n.text)).collect(),
            Change::Remove(names) => record
                .fields
                .iter()
                .filter(|f| names.iter().all(|n| *n.text != *f.name))
                .map(|f| kept(&f.name, &f.name))
                .collect(),
            Change::Rename(pairs) => {
                let new_name = |old: &str| {
                    pairs
                        .iter()
                        .find(|(o, _)| o.text == old)
                        .map(|(_, n)| n.text.clone())
                };
                let is_new = |name: &str| pairs.iter().any(|(_, n)| n.text == name);
                let declared = record
                    .fields
                    .iter()
                    .filter_map(|f| match new_name(&f.name) {
                        Some(new) => Some(kept(&new, &f.name)),
                        // Another field takes this one's name.
                        None if is_new(&f.name) => None,
                        None => Some(kept(&f.name, &f.name)),
                    });
                let others = pairs.iter().filter(|(o, _)| record.slot(&o.text).is_none());
                declared
                    .chain(others.map(|(o, n)| kept(&n.text, &o.text)))
                    .collect()
            }
        }
    }

    /// Names that are no longer among the others of an open record.
    fn taken(&self) -> Arc<[Name]> {
        let name = |k: &Key| Name::from(k.text.as_str());
        match &self.change {
            Change::Keep(names) | Change::Remove(names) => names.iter().map(name).collect(),
            Change::Rename(pairs) => pairs.iter().flat_map(|(o, n)| [name(o), name(n)]).collect(),
        }
    }

    fn keeps_others(&self) -> bool {
        !matches!(self.change, Change::Keep(_))
    }

    fn out_type(&self, record: &RecordType, kept: &[Kept]) -> Type {
        Type::Record(Arc::new(RecordType {
            fields: kept
                .iter()
                .map(|k| Field {
                    name: k.name.clone(),
                    ty: k.ty.clone(),
                })
                .collect(),
            rest: record.rest.clone().filter(|_| self.keeps_others()),
        }))
    }
}

fn open() -> RecordType {
    RecordType {
        fields: Vec::new(),
        rest: Some(Type::Any),
    }
}

impl Step for Fields {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(record) = record_of(input, self.step, cx) else {
            return Type::Any;
        };
        let named: Vec<&Key> = match &self.change {
            Change::Keep(names) | Change::Remove(names) => names.iter().collect(),
            Change::Rename(pairs) => pairs.iter().map(|(old, _)| old).collect(),
        };
        let mut right = true;
        for key in named {
            if record.field(&key.text).is_none() {
                cx.diagnostics
                    .push(unknown_field(&key.text, key.at, &record));
                right = false;
            }
        }
        if let Change::Rename(pairs) = &self.change {
            for (_, new) in pairs {
                let stays = record.slot(&new.text).is_some()
                    && pairs.iter().all(|(old, _)| old.text != new.text);
                if stays {
                    let message = format!("the item has a field `{}` already", new.text);
                    let d = Diagnostic::new("E0202", new.at, message);
                    cx.diagnostics
                        .push(d.help(format!("remove it first: `remove: {}`", new.text)));
                    right = false;
                }
            }
        }
        if !right && !matches!(self.change, Change::Remove(_)) {
            // A guess that knows the new names too, so that what follows is not blamed.
            let mut guess = RecordType::clone(&record);
            guess.rest = Some(Type::Any);
            return Type::Record(Arc::new(guess));
        }
        self.out_type(&record, &self.out(&record))
    }

    fn uses(&self, input: &Type, after: &Uses, _: &Env) -> Uses {
        let Type::Record(record) = input else {
            return Uses::all(Use::Look);
        };
        let mut uses = Uses::nothing();
        for kept in self.out(record) {
            if let Some(how) = after.of(&kept.name) {
                uses.field(&kept.old, how);
            }
        }
        if record.rest.is_some() && self.keeps_others() {
            uses.rest = after.rest;
            for (name, how) in &after.fields {
                uses.field(name, *how);
            }
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, _: &CompileCx<'_>) -> Compiled {
        let whole = input.cloned().unwrap_or(Type::Any);
        let record = whole
            .as_record()
            .map_or_else(open, |r| RecordType::clone(r));
        let mut kept = self.out(&record);
        let stays_open = record.rest.is_some() && self.keeps_others();
        if !stays_open {
            kept.retain(|k| after.of(&k.name).is_some());
        }
        let mut parts: Vec<Part> = kept
            .iter()
            .map(|k| {
                record
                    .slot(&k.old)
                    .map_or_else(|| Part::Other(k.old.clone()), Part::Slot)
            })
            .collect();
        if stays_open {
            parts.push(Part::Others {
                without: self.taken(),
            });
        }
        let out = self.out_type(&record, &kept);
        let build = Build {
            step: self.step,
            out: out.clone(),
            parts,
            checks: Vec::new(),
        };
        Compiled {
            out,
            op: build.op(&whole),
        }
    }

    fn describe(&self) -> String {
        let list: Vec<String> = match &self.change {
            Change::Keep(names) | Change::Remove(names) => {
                names.iter().map(|n| n.text.clone()).collect()
            }
            Change::Rename(pairs) => pairs
                .iter()
                .map(|(o, n)| format!("{}: {}", o.text, n.text))
                .collect(),
        };
        format!("{} {}", self.step, list.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;
    use serde_json::{Value as Json, json};

    fn abc() -> Type {
        record(&[("a", Type::Int), ("b", Type::String), ("c", Type::Bool)])
    }

    fn items() -> [Json; 2] {
        [
            json!({"a": 1, "b": "x", "c": true}),
            json!({"a": 2, "b": "y", "c": false}),
        ]
    }

    #[test]
    fn keep_gives_the_fields_in_the_order_in_which_they_are_listed() {
        let ran = run("keep: [c, a]", &abc(), &items(), &How::default());
        assert_eq!(ran.json(), r#"[{"c":true,"a":1},{"c":false,"a":2}]"#);
        assert_eq!(
            run("keep: b", &abc(), &items(), &How::default()).json(),
            r#"[{"b":"x"},{"b":"y"}]"#
        );
    }

    #[test]
    fn remove_leaves_the_others_in_their_order() {
        let ran = run("remove: {fields: [b]}", &abc(), &items(), &How::default());
        assert_eq!(ran.json(), r#"[{"a":1,"c":true},{"a":2,"c":false}]"#);
    }

    #[test]
    fn rename_keeps_places_and_can_swap() {
        let ran = run("rename: {a: b, b: a}", &abc(), &items(), &How::default());
        assert_eq!(
            ran.json(),
            r#"[{"b":1,"a":"x","c":true},{"b":2,"a":"y","c":false}]"#
        );
        let how = How {
            after: only(&["x"]),
            ..How::default()
        };
        assert_eq!(
            run("rename: {a: x}", &abc(), &items(), &how).json(),
            r#"[{"x":1},{"x":2}]"#
        );
    }

    #[test]
    fn items_of_any_type_are_looked_at_when_they_come() {
        let items = [
            json!({"a": 1, "b": 2}),
            json!({"b": 3, "z": null}),
            json!("text"),
        ];
        let ran = run("keep: [a, b]", &Type::Any, &items, &How::default());
        assert_eq!(
            ran.out,
            [json!({"a": 1, "b": 2}), json!({"a": null, "b": 3})]
        );
        assert_eq!(
            ran.errors,
            ["`keep` needs a record, but the item is a string"]
        );
        let ran = run("remove: b", &Type::Any, &items[..2], &How::default());
        assert_eq!(ran.json(), r#"[{"a":1},{"z":null}]"#);
        let ran = run("rename: {b: c}", &Type::Any, &items[..2], &How::default());
        assert_eq!(
            ran.out,
            [json!({"c": 2, "a": 1}), json!({"c": 3, "z": null})]
        );
    }

    #[test]
    fn unknown_fields_are_named_with_the_nearest_known_one() {
        let ty = record(&[("status", Type::Int), ("path", Type::String)]);
        assert_eq!(
            mistakes("keep: [pth, stats]", &ty),
            [
                "E0302 the item has no field `pth`; did you mean `path`?",
                "E0302 the item has no field `stats`; did you mean `status`?"
            ]
        );
        assert_eq!(
            mistakes("rename: {zzzzzzzzz: a}", &ty),
            ["E0302 the item has no field `zzzzzzzzz`; its fields are status, path"]
        );
        assert_eq!(
            mistakes("rename: {path: status}", &ty),
            ["E0202 the item has a field `status` already; remove it first: `remove: status`"]
        );
    }

    #[test]
    fn a_field_named_twice_is_a_mistake() {
        assert_eq!(
            mistakes("keep: [a, a]", &abc()),
            ["E0202 the field `a` stands here twice; "]
        );
        assert_eq!(
            mistakes("rename: {a: x, b: x}", &abc()),
            ["E0202 two fields would be called `x`; "]
        );
        assert_eq!(
            mistakes("keep: []", &abc()),
            ["E0105 what `keep` names must be names of fields, not an empty list; "]
        );
    }
}
