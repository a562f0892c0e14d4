//! The aggregates as they are written, `hits: count()`, and what each makes of which type.

use super::super::keyer::Get;
use super::super::words::a;
use super::super::{ExprText, Infer, Reader};
use super::column::{Column, Totals};
use super::totals::{
    Average, Count, CountIf, Deviation, DoubleSum, Doubles, DurationSum, Durations, Extreme,
    IntSum, Ints, NumberPercentile, NumberSum, Percentile,
};
use super::values::{Distinct, End, KeyExtreme, List};
use crate::diagnostic::{Diagnostic, nearest};
use crate::spec::{Key, Node};
use crate::value::{Name, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Count,
    Sum,
    Min,
    Max,
    Mean,
    Stddev,
    Percentile(u8),
    First,
    Last,
    List,
    Distinct,
}

const NAMES: &[(&str, Function)] = &[
    ("count", Function::Count),
    ("sum", Function::Sum),
    ("min", Function::Min),
    ("max", Function::Max),
    ("mean", Function::Mean),
    ("stddev", Function::Stddev),
    ("p50", Function::Percentile(50)),
    ("p90", Function::Percentile(90)),
    ("p95", Function::Percentile(95)),
    ("p99", Function::Percentile(99)),
    ("first", Function::First),
    ("last", Function::Last),
    ("list", Function::List),
    ("distinct", Function::Distinct),
];

/// What other languages call them.
const FOREIGN: &[(&str, &str)] = &[
    ("avg", "mean"),
    ("average", "mean"),
    ("median", "p50"),
    ("std", "stddev"),
    ("stdev", "stddev"),
    ("sd", "stddev"),
    ("len", "count"),
    ("size", "count"),
    ("total", "sum"),
    ("minimum", "min"),
    ("maximum", "max"),
    ("any", "first"),
    ("collect", "list"),
    ("array_agg", "list"),
    ("unique", "distinct"),
    ("nunique", "distinct"),
    ("count_distinct", "distinct"),
];

impl Function {
    fn named(name: &str) -> Option<Function> {
        if let Some((_, function)) = NAMES.iter().find(|(n, _)| *n == name) {
            return Some(*function);
        }
        let percent: u8 = name.strip_prefix('p')?.parse().ok()?;
        (1..=99)
            .contains(&percent)
            .then_some(Function::Percentile(percent))
    }

    fn name(self) -> String {
        match self {
            Function::Percentile(p) => format!("p{p}"),
            other => NAMES
                .iter()
                .find(|(_, f)| *f == other)
                .map_or_else(String::new, |(n, _)| (*n).to_owned()),
        }
    }

    /// The type of the result for values of this type, or what is needed instead.
    fn result(self, of: &Type) -> Result<Type, &'static str> {
        use Function as F;
        let numeric = matches!(of.required(), Type::Int | Type::Double | Type::Any);
        let duration = *of.required() == Type::Duration;
        Ok(match self {
            F::Count | F::Distinct => Type::Int,
            F::Sum | F::Percentile(_) if numeric || duration => of.required().clone(),
            F::Mean if numeric => Type::Double,
            F::Mean if duration => Type::Duration,
            F::Sum | F::Percentile(_) | F::Mean => return Err("an int, a double or a duration"),
            F::Stddev if numeric => Type::Double.optional(),
            F::Stddev => return Err("an int or a double"),
            F::Min | F::Max => match of.required() {
                Type::Null => return Err("a value"),
                other => other.clone(),
            },
            F::First | F::Last => of.clone(),
            F::List => Type::list(of.clone()),
        })
    }

    /// Must every item have a value for it?
    fn needs_value(self) -> bool {
        !matches!(
            self,
            Function::First | Function::Last | Function::List | Function::Distinct
        )
    }

    /// Is there a result where there was no item?
    pub(super) fn has_zero(self) -> bool {
        matches!(
            self,
            Function::Count | Function::Sum | Function::List | Function::Distinct
        )
    }
}

/// `hits: count()`.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub name: Key,
    pub function: Function,
    pub argument: Option<ExprText>,
    /// As it was written.
    pub text: String,
}

/// Where the parenthesis that opens at `open` closes; quotes are looked past.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    let mut chars = text[open..].char_indices();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(open + i);
                }
            }
            _ => {}
        }
    }
    None
}

impl Aggregate {
    pub(super) fn read(name: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<Aggregate> {
        let what = format!("the aggregate `{}`", name.text);
        let whole = ExprText::read(node, &what, reader)?;
        let text = whole.text();
        let open = text.find('(');
        let called = text[..open.unwrap_or(text.len())].trim();
        let is_name = !called.is_empty()
            && called
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_');
        let close = open.and_then(|open| closing(text, open));
        let is_call = is_name && close.is_some_and(|close| text[close + 1..].trim().is_empty());
        let (Some(open), Some(close), true) = (open, close, is_call) else {
            let message =
                format!("{what} must be one call such as `count()` or `sum(bytes)`, not `{text}`");
            let mut d = Diagnostic::new("E0105", node.at, message);
            d = match Function::named(called) {
                Some(Function::Count) if open.is_none() => d.help("write `count()`"),
                Some(function) if open.is_none() => {
                    d.help(format!("write `{}(..)`", function.name()))
                }
                _ if is_name && open.is_none() => d.help(format!(
                    "to take `{called}` along, name it in `by`, or write `first({called})`"
                )),
                _ => d.help(
                    "calculate with results in a step behind it: `assign: {ratio: errors / hits}`",
                ),
            };
            reader.diagnostics.push(d);
            return None;
        };
        let start = text.find(called).unwrap_or(0);
        let Some(function) = Function::named(called) else {
            let at = whole.place(start..start + called.len());
            let foreign = FOREIGN
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(called))
                .map(|(_, ours)| *ours);
            let known: Vec<&str> = NAMES.iter().map(|(n, _)| *n).collect();
            let d = Diagnostic::new("E0305", at, format!("there is no aggregate `{called}`"));
            reader.diagnostics.push(
                match foreign.or_else(|| nearest(called, known.iter().copied())) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help(format!("there are {} and p1 to p99", known.join(", "))),
                },
            );
            return None;
        };
        let inside = &text[open + 1..close];
        let trimmed = inside.trim();
        let argument = if trimmed.is_empty() || (trimmed == "*" && function == Function::Count) {
            None
        } else {
            let from = open + 1 + (inside.len() - inside.trim_start().len());
            Some(whole.part(from..from + trimmed.len()))
        };
        if argument.is_none() && function != Function::Count {
            let name = function.name();
            reader.error(
                "E0105",
                node.at,
                format!("`{name}` needs to know of what: `{name}(..)`"),
            );
            return None;
        }
        Some(Aggregate {
            name: name.clone(),
            function,
            argument,
            text: text.to_owned(),
        })
    }

    pub(super) fn name(&self) -> Name {
        Name::from(self.name.text.as_str())
    }

    /// The type of the result.
    pub(super) fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(argument) = &self.argument else {
            return Type::Int;
        };
        if self.function == Function::Count {
            argument.check_condition(input, "`count`", cx);
            return Type::Int;
        }
        let Some(expr) = argument.check(input, cx) else {
            return Type::Any;
        };
        let name = self.function.name();
        match self.function.result(expr.ty()) {
            Ok(ty) => {
                if self.function.needs_value() && matches!(expr.ty(), Type::Optional(_)) {
                    let text = argument.text();
                    let message =
                        format!("`{text}` may be null, which is an error of the item in `{name}`");
                    let d = Diagnostic::new("W0301", argument.at(), message);
                    cx.diagnostics.push(d.help(format!(
                        "say what counts then: `{text} != null ? {text} : ..`"
                    )));
                }
                ty
            }
            Err(wanted) => {
                let message = format!(
                    "`{name}` needs {wanted}, but `{}` is {}",
                    argument.text(),
                    a(expr.ty())
                );
                let mut d = Diagnostic::new("E0303", argument.at(), message);
                if *expr.ty() == Type::String {
                    d = d.help(format!("convert it: `{name}(double({}))`", argument.text()));
                }
                cx.diagnostics.push(d);
                Type::Any
            }
        }
    }

    /// The type of the result, of a checked aggregate whose argument has this type.
    pub(super) fn result(&self, argument: &Type) -> Type {
        self.function
            .result(argument)
            .expect("BUG: a checked aggregate has a type")
    }

    /// The column that calculates it.
    pub(super) fn column(&self, from: Option<Get>, ty: &Type) -> Box<dyn Column> {
        use Function as F;
        let Some(from) = from else {
            return Totals::<Count>::boxed(Get::Slot(0));
        };
        match (self.function, ty.required()) {
            (F::Count, _) => Totals::<CountIf>::boxed(from),
            (F::Sum, Type::Int) => Totals::<IntSum>::boxed(from),
            (F::Sum, Type::Double) => Totals::<DoubleSum>::boxed(from),
            (F::Sum, Type::Duration) => Totals::<DurationSum>::boxed(from),
            (F::Sum, _) => Totals::<NumberSum>::boxed(from),
            (F::Mean, Type::Int) => Totals::<Average<IntSum>>::boxed(from),
            (F::Mean, Type::Double) => Totals::<Average<DoubleSum>>::boxed(from),
            (F::Mean, Type::Duration) => Totals::<Average<DurationSum>>::boxed(from),
            (F::Mean, _) => Totals::<Average<NumberSum>>::boxed(from),
            (F::Stddev, _) => Totals::<Deviation>::boxed(from),
            (F::Percentile(_), Type::Int) => Totals::<Percentile<Ints>>::boxed(from),
            (F::Percentile(_), Type::Double) => Totals::<Percentile<Doubles>>::boxed(from),
            (F::Percentile(_), Type::Duration) => Totals::<Percentile<Durations>>::boxed(from),
            (F::Percentile(_), _) => Totals::<NumberPercentile>::boxed(from),
            (F::Min, Type::Int) => Totals::<Extreme<Ints, false>>::boxed(from),
            (F::Max, Type::Int) => Totals::<Extreme<Ints, true>>::boxed(from),
            (F::Min, Type::Double) => Totals::<Extreme<Doubles, false>>::boxed(from),
            (F::Max, Type::Double) => Totals::<Extreme<Doubles, true>>::boxed(from),
            (F::Min | F::Max, other) => KeyExtreme::boxed(from, other, self.function == F::Max),
            (F::First | F::Last, _) => End::boxed(from, self.function == F::Last),
            (F::List, _) => List::boxed(from),
            (F::Distinct, _) => Distinct::boxed(from),
        }
    }
}

impl Function {
    /// Functions that can share a column of the same argument.
    pub(super) fn shares(self, other: Function) -> bool {
        matches!(
            (self, other),
            (Function::Percentile(_), Function::Percentile(_))
        ) || self == other
    }

    pub(super) fn percent(self) -> u8 {
        match self {
            Function::Percentile(p) => p,
            _ => 0,
        }
    }
}
