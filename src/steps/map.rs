//! `map`: a new item, one expression or a record of them.

use std::sync::Arc;

use super::build::{Build, Part, is_safe, passed_on, spread};
use super::words::{Named, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, ExprText, Flow, Group, Infer, Op, Reader, Step, StepDef,
};
use crate::expr::{Code, Env, Expr, Use, Uses};
use crate::spec::Node;
use crate::value::{Batch, Cell, Name, Shape, Type};

pub(super) static MAP: StepDef = StepDef {
    name: "map",
    group: Group::Shape,
    summary: "Puts a new item in the place of the old one: the value of an expression, or a record of several.",
    main: Some("item"),
    options: &[],
    names: true,
    example: "- range: 3\n- map: {n: item, square: item * item}\n- map: square - n\n",
    read,
};

#[derive(Debug)]
enum MapStep {
    Value(ExprText),
    Record(Vec<Named>),
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(if node.as_map().is_some() {
        MapStep::Record(Named::read(node, "`map`", reader)?)
    } else {
        MapStep::Value(ExprText::read(node, "`map`", reader)?)
    }))
}

/// What the checked step makes.
enum Makes {
    Fields(Vec<(Name, Expr)>),
    Value(Expr),
}

impl MapStep {
    fn makes(&self, expr_of: impl Fn(&ExprText) -> Option<Expr>) -> Option<Makes> {
        match self {
            MapStep::Record(named) => named
                .iter()
                .map(|n| Some((n.name(), expr_of(&n.expr)?)))
                .collect::<Option<_>>()
                .map(Makes::Fields),
            MapStep::Value(text) => {
                let expr = expr_of(text)?;
                Some(expr.record().map_or(Makes::Value(expr), Makes::Fields))
            }
        }
    }
}

impl Step for MapStep {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if input.is_none() {
            cx.diagnostics.push(no_item("map", cx.at));
            return Type::Any;
        }
        match self {
            MapStep::Value(text) => text.check(input, cx).map_or(Type::Any, |e| e.ty().clone()),
            MapStep::Record(named) => Type::record(named.iter().map(|n| {
                let ty = n
                    .expr
                    .check(input, cx)
                    .map_or(Type::Any, |e| e.ty().clone());
                (n.name(), ty)
            })),
        }
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        match self.makes(|text| text.expr(Some(input), env).ok()) {
            None => return Uses::all(Use::Look),
            Some(Makes::Value(expr)) => uses.merge(expr.uses()),
            Some(Makes::Fields(fields)) => {
                for (name, expr) in fields {
                    passed_on(&expr, after.of(&name), &mut uses);
                }
            }
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let makes = self
            .makes(|text| Some(text.checked(input, cx)))
            .expect("BUG: a checked map makes something");
        let whole = input.cloned().unwrap_or(Type::Any);
        let mut build = Build {
            step: "map",
            out: Type::Any,
            parts: Vec::new(),
            checks: Vec::new(),
        };
        match makes {
            Makes::Fields(fields) => {
                let mut kept = Vec::new();
                for (name, expr) in fields {
                    if after.of(&name).is_some() {
                        build.parts.push(Part::of(&expr, input));
                        kept.push((name, expr.ty().clone()));
                    } else if !is_safe(&expr) {
                        build.checks.push(expr.compile(input));
                    }
                }
                build.out = Type::record(kept);
            }
            Makes::Value(expr) if expr.ty().as_record().is_some() => {
                let out = after.narrow(expr.ty());
                let run = Spread {
                    shape: Shape::of(&out),
                    code: expr.compile(input),
                    cells: Vec::new(),
                };
                return Compiled {
                    out,
                    op: Op::Each(Arc::new(move || Box::new(run.clone()))),
                };
            }
            Makes::Value(expr) => {
                build.parts.push(Part::of(&expr, input));
                build.out = expr.ty().clone();
            }
        }
        Compiled {
            out: build.out.clone(),
            op: build.op(&whole),
        }
    }

    fn describe(&self) -> String {
        match self {
            MapStep::Value(text) => format!("map {}", text.text()),
            MapStep::Record(named) => format!("map {}", Named::list(named)),
        }
    }
}

/// An expression that gives a record as one value, taken apart.
#[derive(Clone)]
struct Spread {
    shape: Arc<Shape>,
    code: Code,
    cells: Vec<Cell>,
}

impl BatchStep for Spread {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            self.cells.clear();
            let spread = self
                .code
                .cell(row, cx.scope, out.blocks_mut())
                .and_then(|item| {
                    let item = item.detach(out.blocks());
                    spread(&item, &self.shape, &mut self.cells)
                });
            match spread {
                Ok(()) => out.push_from(&batch, i, self.cells.drain(..)),
                Err(error) => cx.fail(batch.origin(i), row, error),
            }
        }
        batch.clear();
        Flow::Next(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{How, mistakes, only, record, run};
    use super::*;
    use serde_json::json;

    fn point() -> Type {
        record(&[("x", Type::Int), ("y", Type::Int), ("label", Type::String)])
    }

    #[test]
    fn a_mapping_makes_a_record_of_its_expressions() {
        let items = [
            json!({"x": 1, "y": 2, "label": "a"}),
            json!({"x": 3, "y": 4, "label": "b"}),
        ];
        let ran = run(
            "map: {label: label, sum: x + y, seven: 7}",
            &point(),
            &items,
            &How::default(),
        );
        assert_eq!(
            ran.json(),
            r#"[{"label":"a","sum":3,"seven":7},{"label":"b","sum":7,"seven":7}]"#
        );
        assert_eq!(
            ran.ty.unwrap(),
            record(&[
                ("label", Type::String),
                ("sum", Type::Int),
                ("seven", Type::Int)
            ])
        );
    }

    #[test]
    fn an_expression_makes_a_value_and_a_map_literal_a_record() {
        let items = [json!({"x": 1, "y": 2, "label": "a"})];
        assert_eq!(
            run("map: x * 10", &point(), &items, &How::default()).json(),
            "[10]"
        );
        let ran = run(
            "map: '{\"a\": x, \"b\": label}'",
            &point(),
            &items,
            &How::default(),
        );
        assert_eq!(ran.json(), r#"[{"a":1,"b":"a"}]"#);
    }

    #[test]
    fn a_record_that_is_one_value_becomes_the_item() {
        let ty = record(&[
            ("user", record(&[("id", Type::Int), ("name", Type::String)])),
            ("n", Type::Int),
        ]);
        let items = [json!({"user": {"id": 1, "name": "ann"}, "n": 5})];
        assert_eq!(
            run("map: user", &ty, &items, &How::default()).json(),
            r#"[{"id":1,"name":"ann"}]"#
        );
        let how = How {
            after: only(&["name"]),
            ..How::default()
        };
        assert_eq!(
            run("map: user", &ty, &items, &how).json(),
            r#"[{"name":"ann"}]"#
        );
    }

    #[test]
    fn an_error_in_a_field_that_nobody_uses_is_noticed_all_the_same() {
        let items = [
            json!({"x": 1, "y": 0, "label": "a"}),
            json!({"x": 1, "y": 1, "label": "b"}),
        ];
        let how = How {
            after: only(&["label"]),
            sizes: vec![1],
            ..How::default()
        };
        let ran = run("map: {label: label, q: x / y}", &point(), &items, &how);
        assert_eq!(
            (ran.out, ran.errors.len()),
            (vec![json!({"label": "b"})], 1)
        );
    }

    #[test]
    fn every_wrong_expression_of_a_mapping_is_said() {
        let said = mistakes("map: {a: labell, b: x + label}", &point());
        assert_eq!(said.len(), 2);
        assert!(
            said[0].contains("did you mean `label`?")
                || said[0].contains("did you mean \"label\"?"),
            "{said:?}"
        );
    }
}
