//! What people mean who come from Python, JavaScript, SQL or a shell: remedies for the traps of CEL.

use super::Problem;
use super::scan::{Kind, Token};

/// Sharpens the parser's complaint where the text shows what was meant.
pub(super) fn syntax(text: &str, tokens: &[Token], p: &mut Problem) {
    if let Some((token, message, help)) = meant(text, tokens, p.range.start) {
        p.range = token.range.clone();
        p.message = message;
        p.help = Some(help);
    }
}

fn meant<'t>(text: &str, tokens: &'t [Token], at: usize) -> Option<(&'t Token, String, String)> {
    if let Some(i) = tokens.iter().position(|t| t.of(text) == "${") {
        return Some(parameter(text, tokens, i));
    }
    if let Some(t) = tokens.iter().find(|t| t.kind == Kind::Open) {
        let message = "a text begins here and has no end";
        return Some((
            t,
            message.into(),
            format!("close it with {}", quote(t.of(text))),
        ));
    }
    if let Some((t, escape)) = tokens.iter().find_map(|t| Some((t, bad_escape(text, t)?))) {
        let help = format!(
            "write \\\\ for a backslash, or r{} (raw: as for regular expressions)",
            t.of(text)
        );
        return Some((t, format!("`{escape}` is no escape in a text"), help));
    }
    // The sign or word at fault is the one at the place of the complaint, or just before it.
    let here = tokens
        .iter()
        .position(|t| t.range.end > at)
        .unwrap_or(tokens.len());
    let near = here.saturating_sub(1)..(here + 2).min(tokens.len());
    for i in near {
        let t = &tokens[i];
        let before = i.checked_sub(1).map_or("", |j| tokens[j].of(text));
        let after = tokens.get(i + 1).map_or("", |n| n.of(text));
        if let Some((message, help)) = sign(t.of(text), before, after) {
            return Some((t, message, help));
        }
    }
    None
}

/// What is wrong with a word or sign that CEL does not know, and what to write.
fn sign(word: &str, before: &str, after: &str) -> Option<(String, String)> {
    let (what, write) = match word {
        "=" if before == "==" => (
            "`===` is no operator",
            "write == (it never converts one kind into another)",
        ),
        "=" => ("`=` is no comparison", "write == to compare"),
        "<>" => ("`<>` is no operator", "write !="),
        "and" | "AND" => ("`and` is no operator", "write &&"),
        "or" | "OR" => ("`or` is no operator", "write ||"),
        "not" | "NOT" if after == "in" => ("`not in` is no operator", "write !(x in list)"),
        "not" | "NOT" => (
            "`not` is no operator",
            "write !x, with brackets around more than one word",
        ),
        "is" => ("`is` is no operator", "write == or !="),
        "like" | "LIKE" => (
            "`like` is no operator",
            "write text.contains(\"..\"), .startsWith, .endsWith or .matches",
        ),
        "between" | "BETWEEN" => ("`between` is no operator", "write low <= x && x <= high"),
        "if" => ("`if` is no operator", "write condition ? value : other"),
        "else" => ("`else` is no operator", "write condition ? value : other"),
        "for" => (
            "there is no `for`",
            "write list.map(x, ...) or list.filter(x, ...)",
        ),
        "lambda" | "->" | "=>" => (
            "there are no functions of your own here",
            "write list.map(x, x + 1)",
        ),
        "??" | "?:" => ("there is no such operator", "write x != null ? x : other"),
        "**" => ("there is no operator for powers", "write x * x"),
        "^" => ("`^` is no operator", "write math.bitXor(a, b)"),
        "&" => (
            "`&` is no operator",
            "write && for both, math.bitAnd(a, b) for bits",
        ),
        "|" => (
            "`|` is no operator",
            "write || for either, math.bitOr(a, b) for bits",
        ),
        "~" => (
            "`~` is no operator",
            "write text.matches(r\"...\") or math.bitNot(x)",
        ),
        "<" if before == "<" => ("`<<` is no operator", "write math.bitShiftLeft(x, n)"),
        ">" if before == ">" => ("`>>` is no operator", "write math.bitShiftRight(x, n)"),
        "++" => ("`++` is no operator", "write x + 1"),
        ";" => ("one expression is wanted", "leave the ; out"),
        "$" => (
            "`$` begins no name",
            "write the name alone, or params.name for a parameter",
        ),
        "@" | "#" => (
            "this sign means nothing here",
            "write the name of a field alone",
        ),
        "“" | "”" | "„" | "‘" | "’" => {
            ("a typographic quote is no quote", "write \" or '")
        }
        "\\" => ("a backslash stands only in texts", "leave it out"),
        "f" if after.starts_with(['"', '\'']) => {
            ("there are no f-strings", "write \"..\" + string(x)")
        }
        "in" if before == "not" => return None,
        "as" | "break" | "const" | "continue" | "function" | "import" | "let" | "loop"
        | "package" | "namespace" | "return" | "var" | "void" | "while" => {
            let help = format!("write item.{word} for the field");
            return Some((format!("`{word}` is a reserved word"), help));
        }
        _ => return None,
    };
    Some((what.into(), write.into()))
}

fn parameter<'t>(text: &str, tokens: &'t [Token], i: usize) -> (&'t Token, String, String) {
    let name = tokens.get(i + 1).map_or("NAME", |t| t.of(text));
    let help = match name {
        "env" => "write env(\"NAME\")".into(),
        name => format!("write params.{name}"),
    };
    (
        &tokens[i],
        "${} is put into texts, not into expressions".into(),
        help,
    )
}

fn quote(text: &str) -> &str {
    let start = text.find(['"', '\'']).unwrap_or(0);
    let triple = text[start..].starts_with("\"\"\"") || text[start..].starts_with("'''");
    &text[start..start + if triple { 3 } else { 1 }]
}

/// The first escape of a text that means nothing, such as the `\d` of a regular expression.
fn bad_escape(text: &str, token: &Token) -> Option<String> {
    let literal = token.of(text);
    let start = literal.find(['"', '\''])?;
    if token.kind != Kind::Text || literal[..start].contains(['r', 'R']) {
        return None;
    }
    let mut chars = literal[start..].chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            let next = chars.next()?;
            if !"\\/\"'`abfnrtv?xXuU0123".contains(next) {
                return Some(format!("\\{next}"));
            }
        }
    }
    None
}

/// What to write for a name that other languages know.
pub(super) fn name(word: &str) -> Option<&'static str> {
    Some(match word {
        "None" | "nil" | "NULL" | "Null" | "undefined" => "write null",
        "NaN" | "nan" => "write double(\"NaN\"); to ask for it: math.isNaN(x)",
        "True" | "TRUE" => "write true",
        "False" | "FALSE" => "write false",
        "this" | "self" | "it" | "_" | "record" | "row" => "write item for the whole item",
        "param" => "write params.NAME",
        "env" | "environ" => "write env(\"NAME\")",
        "and" => "write &&",
        "or" => "write ||",
        "not" => "write !",
        _ => return None,
    })
}

/// What to write for a function that other languages know.
pub(super) fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "length" | "count" => "write size(x)",
        "str" | "toString" | "to_string" => "write string(x)",
        "float" | "Number" | "number" => "write double(x)",
        "integer" | "parseInt" | "toInt" | "to_int" => "write int(x)",
        "boolean" => "write bool(x)",
        "lower" | "toLowerCase" | "toLower" | "downcase" | "lcase" => "write text.lowerAscii()",
        "upper" | "toUpperCase" | "toUpper" | "upcase" | "ucase" => "write text.upperAscii()",
        "strip" | "trimSpace" | "lstrip" | "rstrip" => "write text.trim()",
        "includes" | "has_substring" => "write text.contains(\"..\")",
        "startswith" | "starts_with" | "hasPrefix" => "write text.startsWith(\"..\")",
        "endswith" | "ends_with" | "hasSuffix" => "write text.endsWith(\"..\")",
        "match" | "regex" | "test" | "search" | "re_match" => "write text.matches(r\"..\")",
        "find" | "index" | "position" => "write text.indexOf(\"..\")",
        "slice" | "substr" => "write text.substring(from, to)",
        "sub" | "gsub" | "replaceAll" => "write text.replace(\"old\", \"new\")",
        "abs" | "ceil" | "floor" | "round" | "trunc" | "sqrt" | "sign" | "isNaN" | "isInf"
        | "isFinite" => "it is in `math`: write math.NAME(x); for times: time.floor(\"1m\")",
        "max" | "greatest" => "write math.greatest(a, b); over all items: the step `group`",
        "min" | "least" => "write math.least(a, b); over all items: the step `group`",
        "sum" | "avg" | "mean" | "median" => "over all items: the step `group`",
        "any" | "some" => "write list.exists(x, condition)",
        "every" => "write list.all(x, condition)",
        "exists_one" | "existsOne" => "write list.exists_one(x, condition)",
        "concat" => "write a + b",
        "coalesce" | "ifnull" | "default" | "get" => "write x != null ? x : other",
        "if" | "iif" | "cond" => "write condition ? value : other",
        "md5" | "sha1" | "sha256" | "crc32" => "write hash(x)",
        "basename" => "write name(path)",
        "dirname" | "parent" => "write dir(path)",
        "suffix" | "extension" => "write ext(path)",
        "dumps" | "to_json" | "toJson" | "stringify" => "write json(x)",
        "loads" | "parse_json" | "fromJson" => "use the step `parse: json`",
        "print" | "log" => "use the step of that name",
        "strftime" | "date_format" => "write time.strftime(\"%F\")",
        "strptime" | "parse_date" | "to_timestamp" => "write text.strptime(\"%F\")",
        "date" | "datetime" => "write timestamp(\"2000-01-01T00:00:00Z\") or text.strptime(\"%F\")",
        "now_utc" | "today" | "utcnow" => "write now()",
        "getenv" => "write env(\"NAME\")",
        "hostname" | "netloc" => "write host(url)",
        "sorted" | "sort" | "reversed" => "use the step `sort`",
        "unique" | "distinct" | "set" => "use the step `unique`",
        "range" => "use the step `range`",
        _ => return None,
    })
}
