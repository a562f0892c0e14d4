//! Signatures as the table of functions writes them (`string.contains(string) -> bool`), and whether
//! arguments fit.

use std::sync::Arc;

use super::super::ty::Ty;

/// A type with variables in it.
#[derive(Clone, Debug, PartialEq)]
enum Pattern {
    Is(Ty),
    /// `T`, `U`: the same type everywhere in one signature.
    Var(u8),
    List(Arc<Pattern>),
    Map(Arc<Pattern>, Arc<Pattern>),
    Optional(Arc<Pattern>),
}

#[derive(Clone, Debug)]
pub(in crate::expr) struct Signature {
    pub text: &'static str,
    pub receiver: bool,
    params: Vec<Pattern>,
    /// The last parameter may come any number of times, but at least once.
    repeats: bool,
    result: Pattern,
}

/// How a call fits a signature.
pub(in crate::expr) struct Fit {
    pub result: Ty,
    /// Arguments that may be null although a value is needed.
    pub nullable: Vec<usize>,
}

impl Signature {
    /// # Panics
    /// Where the text is no signature: a mistake in the table.
    pub fn parse(name: &str, text: &'static str) -> Signature {
        let call = format!("{name}(");
        let (before, rest) = text
            .split_once(&call)
            .unwrap_or_else(|| panic!("BUG: {text:?} is not of {name}"));
        let (params, result) = rest
            .rsplit_once(") -> ")
            .unwrap_or_else(|| panic!("BUG: {text:?} has no result"));
        let mut all: Vec<&str> = before.strip_suffix('.').into_iter().collect();
        all.extend(split(params));
        let repeats = all.last().is_some_and(|p| p.ends_with("..."));
        Signature {
            text,
            receiver: !before.is_empty(),
            params: all
                .iter()
                .map(|p| pattern(p.trim_end_matches("...")))
                .collect(),
            repeats,
            result: pattern(result),
        }
    }

    pub fn takes(&self, arguments: usize) -> bool {
        arguments == self.params.len() || self.repeats && arguments >= self.params.len()
    }

    /// Do these arguments (the receiver first) fit?
    pub fn fit(&self, arguments: &[&Ty]) -> Option<Fit> {
        if !self.takes(arguments.len()) {
            return None;
        }
        let mut bound = [Ty::Never, Ty::Never];
        let mut nullable = Vec::new();
        for (i, ty) in arguments.iter().enumerate() {
            let pattern = &self.params[i.min(self.params.len() - 1)];
            let inner = match (ty, pattern) {
                (Ty::Nullable(_), Pattern::Var(_) | Pattern::Is(Ty::Any)) => *ty,
                (Ty::Nullable(inner), _) => {
                    nullable.push(i);
                    &**inner
                }
                _ => *ty,
            };
            if !pattern.takes(inner, &mut bound) {
                return None;
            }
        }
        Some(Fit {
            result: self.result.filled(&bound),
            nullable,
        })
    }
}

/// At the commas outside of brackets.
fn split(params: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (i, c) in params.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(params[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(params[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

fn pattern(text: &str) -> Pattern {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return Pattern::List(Arc::new(pattern(inner)));
    }
    if let Some(inner) = text
        .strip_prefix("optional(")
        .and_then(|t| t.strip_suffix(')'))
    {
        return Pattern::Optional(Arc::new(pattern(inner)));
    }
    if let Some(inner) = text.strip_prefix("map(").and_then(|t| t.strip_suffix(')'))
        && let [key, value] = split(inner)[..]
    {
        return Pattern::Map(Arc::new(pattern(key)), Arc::new(pattern(value)));
    }
    Pattern::Is(match text {
        "T" => return Pattern::Var(0),
        "U" => return Pattern::Var(1),
        "int" => Ty::Int,
        "uint" => Ty::Uint,
        "double" => Ty::Double,
        "bool" => Ty::Bool,
        "string" => Ty::String,
        "bytes" => Ty::Bytes,
        "timestamp" => Ty::Time,
        "duration" => Ty::Duration,
        "type" => Ty::Type,
        "any" => Ty::Any,
        other => panic!("BUG: no type {other:?} in a signature"),
    })
}

impl Pattern {
    fn takes(&self, ty: &Ty, bound: &mut [Ty; 2]) -> bool {
        match (self, ty) {
            (Pattern::Var(n), ty) => {
                let slot = &mut bound[usize::from(*n)];
                *slot = slot.join(ty);
                true
            }
            (Pattern::Is(Ty::Any), _) | (_, Ty::Never) => true,
            (pattern, Ty::Any) => {
                pattern.loosen(bound);
                true
            }
            (Pattern::Is(wanted), ty) => wanted == ty,
            (Pattern::List(p), Ty::List(t)) | (Pattern::Optional(p), Ty::Optional(t)) => {
                p.takes_nullable(t, bound)
            }
            (Pattern::Map(k, v), Ty::Map(l, w)) => {
                k.takes_nullable(l, bound) && v.takes_nullable(w, bound)
            }
            (Pattern::Map(k, v), Ty::Record(r)) => {
                k.takes(&Ty::String, bound) && v.takes_nullable(&r.values(), bound)
            }
            _ => false,
        }
    }

    /// Within a list a null is found when it runs.
    fn takes_nullable(&self, ty: &Ty, bound: &mut [Ty; 2]) -> bool {
        match self {
            Pattern::Var(_) => self.takes(ty, bound),
            _ => self.takes(ty.required(), bound),
        }
    }

    /// An `any` stands here: what it would bind may be anything.
    fn loosen(&self, bound: &mut [Ty; 2]) {
        match self {
            Pattern::Is(_) => {}
            Pattern::Var(n) => bound[usize::from(*n)] = Ty::Any,
            Pattern::List(p) | Pattern::Optional(p) => p.loosen(bound),
            Pattern::Map(k, v) => {
                k.loosen(bound);
                v.loosen(bound);
            }
        }
    }

    fn filled(&self, bound: &[Ty; 2]) -> Ty {
        match self {
            Pattern::Is(ty) => ty.clone(),
            Pattern::Var(n) => bound[usize::from(*n)].clone(),
            Pattern::List(p) => Ty::list(p.filled(bound)),
            Pattern::Optional(p) => Ty::optional(p.filled(bound)),
            Pattern::Map(k, v) => Ty::map(k.filled(bound), v.filled(bound)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(name: &str, text: &'static str, arguments: &[&Ty]) -> Option<Ty> {
        Signature::parse(name, text)
            .fit(arguments)
            .map(|f| f.result)
    }

    #[test]
    fn a_variable_takes_what_all_its_arguments_have_in_common() {
        let text = "optional(T).orValue(T) -> T";
        let some = Ty::optional(Ty::Never);
        assert_eq!(result("orValue", text, &[&some, &Ty::Int]), Some(Ty::Int));
        assert_eq!(
            result(
                "orValue",
                text,
                &[&Ty::optional(Ty::Int), &Ty::Int.nullable()]
            ),
            Some(Ty::Int.nullable())
        );
        assert_eq!(
            result("orValue", text, &[&Ty::Any, &Ty::Int]),
            Some(Ty::Any)
        );
        assert_eq!(result("orValue", text, &[&Ty::Int, &Ty::Int]), None);
    }

    #[test]
    fn a_null_where_a_value_is_needed_is_noted() {
        let s = Signature::parse("contains", "string.contains(string) -> bool");
        let fit = s.fit(&[&Ty::String.nullable(), &Ty::String]).unwrap();
        assert_eq!((fit.result, fit.nullable), (Ty::Bool, vec![0]));
        assert!(s.fit(&[&Ty::Null, &Ty::String]).is_none());
    }

    #[test]
    fn the_last_parameter_may_repeat() {
        let s = Signature::parse("math.least", "math.least(T, T...) -> T");
        assert!(s.fit(&[&Ty::Int]).is_none());
        assert_eq!(
            s.fit(&[&Ty::Int, &Ty::Int, &Ty::Int]).unwrap().result,
            Ty::Int
        );
    }
}
