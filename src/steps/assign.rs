//! `assign`: adds or replaces fields.

use std::sync::Arc;

use super::build::{Build, Part, is_safe, passed_on};
use super::words::{Named, record_of};
use super::{CompileCx, Compiled, Group, Infer, Reader, Step, StepDef};
use crate::expr::{Env, Expr, Use, Uses};
use crate::spec::Node;
use crate::value::{Field, Name, RecordType, Type};

pub(super) static ASSIGN: StepDef = StepDef {
    name: "assign",
    group: Group::Shape,
    summary: "Adds fields to a record, or replaces them; all expressions see the item as it came in.",
    main: None,
    options: &[],
    names: true,
    example: "- items: [{a: 1, b: 2}]\n- assign: {a: b, b: a, sum: a + b}\n",
    read,
};

#[derive(Debug)]
struct Assign {
    fields: Vec<Named>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let fields = Named::read(node, "`assign`", reader)?;
    Some(Box::new(Assign { fields }))
}

impl Assign {
    fn sets(&self, name: &str) -> bool {
        self.fields.iter().any(|f| f.name.text == name)
    }

    /// The record that comes out: replaced fields keep their place, new ones stand behind.
    fn out(&self, input: &RecordType, types: &[Type]) -> RecordType {
        let mut out = input.clone();
        for (named, ty) in self.fields.iter().zip(types) {
            match out.fields.iter_mut().find(|f| *f.name == *named.name.text) {
                Some(field) => field.ty = ty.clone(),
                None => out.fields.push(Field {
                    name: named.name(),
                    ty: ty.clone(),
                }),
            }
        }
        out
    }
}

impl Step for Assign {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let record = record_of(input, "assign", cx);
        if input.is_none() {
            return Type::Any;
        }
        let types: Vec<Type> = self
            .fields
            .iter()
            .map(|f| {
                f.expr
                    .check(input, cx)
                    .map_or(Type::Any, |e| e.ty().clone())
            })
            .collect();
        record.map_or(Type::Any, |record| {
            Type::Record(Arc::new(self.out(&record, &types)))
        })
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        match input {
            Type::Record(record) => {
                for field in &record.fields {
                    if !self.sets(&field.name)
                        && let Some(how) = after.of(&field.name)
                    {
                        uses.field(&field.name, how);
                    }
                }
                uses.rest = after.rest.filter(|_| record.rest.is_some());
                if record.rest.is_some() {
                    for (name, how) in after.fields.iter().filter(|(name, _)| !self.sets(name)) {
                        uses.field(name, *how);
                    }
                }
            }
            _ => uses = Uses::all(Use::Look),
        }
        for field in &self.fields {
            match field.expr.expr(Some(input), env) {
                Ok(expr) => passed_on(&expr, after.of(&field.name.text), &mut uses),
                Err(_) => return Uses::all(Use::Look),
            }
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let whole = input.cloned().unwrap_or(Type::Any);
        let record = match &whole {
            Type::Record(record) => RecordType::clone(record),
            _ => RecordType {
                fields: Vec::new(),
                rest: Some(Type::Any),
            },
        };
        let exprs: Vec<Expr> = self
            .fields
            .iter()
            .map(|f| f.expr.checked(input, cx))
            .collect();
        let types: Vec<Type> = exprs.iter().map(|e| e.ty().clone()).collect();
        let mut out = self.out(&record, &types);
        // In an open record nobody can say of a field that it is not used.
        if out.rest.is_none() {
            out.fields.retain(|f| after.of(&f.name).is_some());
        }
        let mut parts: Vec<Part> = Vec::new();
        for field in &out.fields {
            let assigned = self.fields.iter().position(|f| *f.name.text == *field.name);
            parts.push(match (assigned, record.slot(&field.name)) {
                (Some(i), _) => Part::of(&exprs[i], input),
                (None, Some(slot)) => Part::Slot(slot),
                (None, None) => unreachable!("BUG: a field from nowhere"),
            });
        }
        if out.rest.is_some() {
            let without: Arc<[Name]> = self.fields.iter().map(Named::name).collect();
            parts.push(Part::Others { without });
        }
        let unused = exprs
            .iter()
            .zip(&self.fields)
            .filter(|(_, f)| out.slot(&f.name.text).is_none());
        let checks = unused
            .filter(|(e, _)| !is_safe(e))
            .map(|(e, _)| e.compile(input))
            .collect();
        let out = Type::Record(Arc::new(out));
        let build = Build {
            step: "assign",
            out: out.clone(),
            parts,
            checks,
        };
        Compiled {
            out,
            op: build.op(&whole),
        }
    }

    fn describe(&self) -> String {
        format!("assign {}", Named::list(&self.fields))
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;
    use serde_json::json;

    fn pair() -> Type {
        record(&[("a", Type::Int), ("b", Type::Int)])
    }

    #[test]
    fn all_expressions_see_the_item_as_it_came_in() {
        let items = [json!({"a": 1, "b": 2})];
        let ran = run(
            "assign: {a: b, b: a, sum: a + b}",
            &pair(),
            &items,
            &How::default(),
        );
        assert_eq!(ran.json(), r#"[{"a":2,"b":1,"sum":3}]"#);
    }

    #[test]
    fn a_field_may_change_its_type() {
        let ran = run(
            "assign: {a: string(a)}",
            &pair(),
            &[json!({"a": 1, "b": 2})],
            &How::default(),
        );
        assert_eq!(ran.json(), r#"[{"a":"1","b":2}]"#);
        assert_eq!(
            ran.ty.unwrap(),
            record(&[("a", Type::String), ("b", Type::Int)])
        );
    }

    #[test]
    fn an_item_of_any_type_must_be_a_record_when_it_comes() {
        let items = [
            json!({"a": 1, "c": [true]}),
            json!(5),
            json!({"x": 9, "a": 2}),
        ];
        let ran = run("assign: {x: 1}", &Type::Any, &items, &How::default());
        assert_eq!(
            ran.out,
            [
                json!({"x": 1, "a": 1, "c": [true]}),
                json!({"x": 1, "a": 2})
            ]
        );
        assert_eq!(
            ran.errors,
            ["`assign` needs a record, but the item is a number"]
        );
    }

    #[test]
    fn an_open_record_keeps_its_other_fields() {
        let open = Type::Record(Arc::new(RecordType {
            rest: Some(Type::Any),
            ..RecordType::clone(pair().as_record().unwrap())
        }));
        let items = [json!({"a": 1, "b": 2, "c": 3, "d": 4})];
        let ran = run("assign: {c: a + b}", &open, &items, &How::default());
        assert_eq!(ran.out, [json!({"a": 1, "b": 2, "c": 3, "d": 4})]);
        let how = How {
            after: only(&["c", "d"]),
            ..How::default()
        };
        assert_eq!(
            run("assign: {c: a * 100}", &open, &items, &how).out[0]["c"],
            json!(100)
        );
    }

    #[test]
    fn only_what_is_used_is_built() {
        let how = How {
            after: only(&["a", "sum"]),
            sizes: vec![1, 2],
            ..How::default()
        };
        let items = [
            json!({"a": 1, "b": 2}),
            json!({"a": 3, "b": 4}),
            json!({"a": 5, "b": 6}),
        ];
        let ran = run(
            "assign: {sum: a + b, b: a, c: 'b / 0'}",
            &pair(),
            &items,
            &how,
        );
        // A field that nobody uses may not hide an error.
        assert_eq!((ran.out.len(), ran.errors.len()), (0, 3));
        let ran = run("assign: {sum: a + b, c: b}", &pair(), &items, &how);
        assert_eq!(
            ran.ty.clone().unwrap(),
            record(&[("a", Type::Int), ("sum", Type::Int)])
        );
        assert_eq!(
            ran.json(),
            r#"[{"a":1,"sum":3},{"a":3,"sum":7},{"a":5,"sum":11}]"#
        );
    }

    #[test]
    fn a_scalar_has_no_fields_to_assign() {
        let said = mistakes("assign: {x: 1}", &Type::String);
        assert_eq!(
            said,
            [
                "E0304 `assign` needs a record, but the item is a string; make a record of it first: `map: {text: item}`"
            ]
        );
    }
}
