//! `parse: combined` and `parse: common`: the access log of Apache (`mod_log_config`) and nginx.
//!
//! `host ident user [time] "method target protocol" status bytes "referer" "agent"`. Quotes within quotes are
//! written `\"`; texts are given out as they stand, with their escapes. The whole shape is checked in one pass;
//! only the fields that are used become cells.

use memchr::{memchr, memrchr};

use super::rows::{self, Parser, Slots, op};
use super::{Format, Op};
use crate::expr::Uses;
use crate::value::scan::near;
use crate::value::{Cell, Type};

#[derive(Debug)]
pub(super) struct Apache {
    pub combined: bool,
}

const IP: usize = 0;
const IDENT: usize = 1;
const USER: usize = 2;
const TIME: usize = 3;
const METHOD: usize = 4;
const PATH: usize = 5;
const QUERY: usize = 6;
const PROTOCOL: usize = 7;
const STATUS: usize = 8;
const BYTES: usize = 9;
const REFERER: usize = 10;
const AGENT: usize = 11;

const NAMES: [&str; 12] = [
    "ip", "ident", "user", "time", "method", "path", "query", "protocol", "status", "bytes",
    "referer", "agent",
];

fn type_of(field: usize) -> Type {
    match field {
        IDENT | USER | QUERY | REFERER | AGENT => Type::String.optional(),
        TIME => Type::Timestamp,
        STATUS | BYTES => Type::Int,
        _ => Type::String,
    }
}

impl Format for Apache {
    fn makes(&self, _: Option<&Type>) -> Type {
        let fields = if self.combined { 12 } else { 10 };
        Type::record((0..fields).map(|i| (NAMES[i].into(), type_of(i))))
    }

    fn op(&self, _: &Type, out: &Type, _: &Uses, strict: bool) -> Op {
        let record = out.as_record().map(|r| &**r);
        let wanted = record.into_iter().flat_map(|r| &r.fields);
        let wanted = wanted.filter_map(|f| NAMES.iter().position(|name| **name == *f.name));
        let parser = ApacheParser {
            combined: self.combined,
            wanted: wanted.collect(),
            strict,
            line: Line::default(),
            last: ([0; TIME_LEN], Cell::Null),
        };
        op(parser, out)
    }
}

#[derive(Clone)]
struct ApacheParser {
    combined: bool,
    /// The numbers of the fields that become cells, in order.
    wanted: Vec<usize>,
    strict: bool,
    line: Line,
    /// The last time that was converted: a log has many lines of one second.
    last: ([u8; TIME_LEN], Cell),
}

/// `10/Oct/2000:13:55:36 -0700`
const TIME_LEN: usize = 26;

/// A stretch of the line.
type Part = (usize, usize);

/// Where the fields of a line stand, and the numbers among them. It is filled in place: handed from function to
/// function by value, it would be copied at each hand-over, and wait each time for what was just written.
#[derive(Clone, Debug, Default)]
struct Line {
    /// By the number of the field; that of the time has only a beginning.
    parts: [Part; 12],
    has_query: bool,
    /// The place of the quote that closes the request.
    request_end: usize,
    status: i64,
    bytes: i64,
}

impl Parser for ApacheParser {
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), rows::Wrong> {
        let bytes = text.as_bytes();
        let inside_agent = self.strict || self.wanted.last() == Some(&AGENT);
        cut(bytes, self.combined, inside_agent, &mut self.line)
            .map_err(|wrong| wrong.explain(self.combined, bytes))?;
        if self.strict {
            self.time(bytes)?;
        }
        for i in 0..self.wanted.len() {
            let field = self.wanted[i];
            let (from, to) = self.line.parts[field];
            match field {
                STATUS => out.push(Cell::Int(self.line.status)),
                BYTES => out.push(Cell::Int(self.line.bytes)),
                TIME => out.push(self.time(bytes)?),
                QUERY if !self.line.has_query => out.push(Cell::Null),
                // `-` is how a missing value is written.
                IDENT | USER | REFERER | AGENT if bytes[from..to] == *b"-" => out.push(Cell::Null),
                _ => out.text(text, from, to),
            }
        }
        Ok(())
    }
}

impl ApacheParser {
    fn time(&mut self, line: &[u8]) -> Result<Cell, String> {
        let (at, _) = self.line.parts[TIME];
        let text = &line[at..at + TIME_LEN];
        if self.last.0 != text {
            let Some(cell) = time(text) else {
                return Err(Wrong::Time(at).explain(self.combined, line));
            };
            self.last.0.copy_from_slice(text);
            self.last.1 = cell;
        }
        Ok(self.last.1.clone())
    }
}

/// Why a line is not one of an access log; with the place where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Empty,
    Head,
    Time(usize),
    NoRequest(usize),
    Unclosed(usize),
    Request(usize, usize),
    Status(usize),
    Bytes(usize),
    NoReferer,
    Quote(usize),
    Rest(usize),
}

impl Wrong {
    fn explain(self, combined: bool, line: &[u8]) -> String {
        let name = if combined { "combined" } else { "common" };
        let shown = |from: usize, to: usize| {
            let part = &line[from.min(line.len())..to.min(line.len())];
            let mut text = String::from_utf8_lossy(part)
                .escape_debug()
                .take(60)
                .collect::<String>();
            if part.len() > 60 {
                text.push_str("...");
            }
            text
        };
        let rest = |from: usize| shown(from, line.len());
        let what = match self {
            Wrong::Empty => "the line is empty".into(),
            Wrong::Head => format!(
                "it does not begin with host, ident, user and [time]: `{}`",
                rest(0)
            ),
            Wrong::Time(at) => {
                format!(
                    "the time is not like 10/Oct/2000:13:55:36 +0000: `{}`",
                    shown(at, at + TIME_LEN)
                )
            }
            Wrong::NoRequest(at) => format!(
                "after the time a quoted request should follow, not `{}`",
                rest(at)
            ),
            Wrong::Unclosed(at) => format!("a quote is not closed: `{}`", rest(at)),
            Wrong::Request(from, to) if from == to || &line[from..to] == b"-" => {
                "the request is empty".into()
            }
            Wrong::Request(from, to) => {
                format!(
                    "the request is not `METHOD target PROTOCOL`: `{}`",
                    shown(from, to)
                )
            }
            Wrong::Status(at) => {
                format!("the status is not a number of three digits: `{}`", rest(at))
            }
            Wrong::Bytes(at) => format!(
                "the number of bytes is neither a number nor `-`: `{}`",
                rest(at)
            ),
            Wrong::NoReferer => {
                return "not a line of the combined log format: it ends before the referer \
                        (the format without referer and agent is `common`)"
                    .into();
            }
            Wrong::Quote(at) => format!("a quoted text should follow, not `{}`", rest(at)),
            Wrong::Rest(at) => format!("the line should end before `{}`", rest(at)),
        };
        format!("not a line of the {name} log format: {what}")
    }
}

/// Finds the fields: what most lines look like is found by looking at fixed places, everything else by looking
/// for it.
#[inline]
fn cut(line: &[u8], combined: bool, inside_agent: bool, found: &mut Line) -> Result<(), Wrong> {
    if !usual_front(line, found) {
        front(line, found)?;
    }
    let at = found.request_end + 1;
    let Some(
        [
            b' ',
            a @ b'0'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            b' ',
        ],
    ) = line.get(at..at + 5)
    else {
        return Err(Wrong::Status(at));
    };
    found.status = i64::from(a - b'0') * 100 + i64::from(b - b'0') * 10 + i64::from(c - b'0');
    let at = at + 4;
    let end = bytes(line, at, &mut found.bytes).ok_or(Wrong::Bytes(at))?;
    if !combined {
        return if end == line.len() {
            Ok(())
        } else {
            Err(Wrong::Rest(end))
        };
    }
    if end == line.len() {
        return Err(Wrong::NoReferer);
    }
    let at = quoted(line, end).ok_or_else(|| wrong_quote(line, end))?;
    found.parts[REFERER] = (end + 2, at);
    let end = at + 1;
    let last = if inside_agent {
        None
    } else {
        quoted_to_the_end(line, end)
    };
    let at = last
        .or_else(|| quoted(line, end))
        .ok_or_else(|| wrong_quote(line, end))?;
    found.parts[AGENT] = (end + 2, at);
    if at + 1 == line.len() {
        Ok(())
    } else {
        Err(Wrong::Rest(at + 1))
    }
}

/// `host - - [time] "METHOD target HTTP/x.y"`, without blanks and quotes where there are usually none; `false`: it
/// begins in another way.
#[inline]
fn usual_front(line: &[u8], found: &mut Line) -> bool {
    let Some(ip) = near([b' '], line).filter(|at| *at > 0) else {
        return false;
    };
    let time = ip + 6;
    let request = time + TIME_LEN + 3;
    if line.get(ip..time) != Some(b" - - [") || line.get(request - 3..request) != Some(b"] \"") {
        return false;
    }
    let Some(blank) = near([b' ', b'"'], &line[request..]).map(|i| request + i) else {
        return false;
    };
    if line[blank] != b' '
        || blank == request
        || !line[request..blank].iter().all(|b| is_method(*b))
    {
        return false;
    }
    let target = blank + 1;
    let Some(mut end) = near([b' ', b'"', b'?'], &line[target..]).map(|i| target + i) else {
        return false;
    };
    found.parts[PATH] = (target, end);
    found.has_query = line[end] == b'?';
    if found.has_query {
        let from = end + 1;
        let Some(next) = near([b' ', b'"'], &line[from..]) else {
            return false;
        };
        end = from + next;
        found.parts[QUERY] = (from, end);
    }
    let quote = end + 9;
    let Some(protocol) = line.get(end..=quote) else {
        return false;
    };
    if protocol[..6] != *b" HTTP/" || protocol[9] != b'"' || end == target {
        return false;
    }
    if protocol[6..9]
        .iter()
        .any(|b| matches!(b, b' ' | b'"' | b'\\'))
    {
        return false;
    }
    found.parts[IP] = (0, ip);
    found.parts[IDENT] = (ip + 1, ip + 2);
    found.parts[USER] = (ip + 3, ip + 4);
    found.parts[TIME].0 = time;
    found.parts[METHOD] = (request, blank);
    found.parts[PROTOCOL] = (end + 1, quote);
    found.request_end = quote;
    true
}

fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_'
}

/// Any other beginning of a line.
#[inline(never)]
fn front(line: &[u8], found: &mut Line) -> Result<(), Wrong> {
    let (head, time, request) = match memchr(b'"', line) {
        // `[`, the time, `] ` right before the first quote.
        Some(quote)
            if quote > TIME_LEN + 4
                && line[quote - 2..quote] == *b"] "
                && line[quote - TIME_LEN - 4..quote - TIME_LEN - 2] == *b" [" =>
        {
            (quote - TIME_LEN - 4, quote - TIME_LEN - 2, quote + 1)
        }
        _ => find_time(line)?,
    };
    (found.parts[IP], found.parts[IDENT], found.parts[USER]) = cut_head(&line[..head])?;
    found.parts[TIME].0 = time;
    let end = closing(line, request).ok_or(Wrong::Unclosed(request))?;
    let (method, target, protocol) =
        cut_request(line, request, end).ok_or(Wrong::Request(request, end))?;
    (found.parts[METHOD], found.parts[PROTOCOL]) = (method, protocol);
    let query = memchr(b'?', &line[target.0..target.1]).map(|i| target.0 + i);
    found.has_query = query.is_some();
    found.parts[PATH] = (target.0, query.unwrap_or(target.1));
    found.parts[QUERY] = (query.map_or(target.1, |at| at + 1), target.1);
    found.request_end = end;
    Ok(())
}

/// The ends of the head, the beginnings of time and request, where the first quote does not follow the time.
fn find_time(line: &[u8]) -> Result<(usize, usize, usize), Wrong> {
    if line.is_empty() {
        return Err(Wrong::Empty);
    }
    let open = memchr::memmem::find(line, b" [").ok_or(Wrong::Head)?;
    let time = open + 2;
    let close = time + TIME_LEN;
    if line.get(close) != Some(&b']') {
        return Err(Wrong::Time(time));
    }
    if line.get(close + 1..close + 3) != Some(b" \"") {
        return Err(Wrong::NoRequest(close + 1));
    }
    Ok((open, time, close + 3))
}

/// `host ident user`; only a user may have blanks in it.
fn cut_head(head: &[u8]) -> Result<(Part, Part, Part), Wrong> {
    let first = memchr(b' ', head).filter(|at| *at > 0).ok_or(Wrong::Head)?;
    let rest = &head[first + 1..];
    let second = match rest {
        b"- -" => 1,
        _ => memchr(b' ', rest)
            .filter(|at| *at > 0 && at + 1 < rest.len())
            .ok_or(Wrong::Head)?,
    };
    let ident = first + 1;
    Ok((
        (0, first),
        (ident, ident + second),
        (ident + second + 1, head.len()),
    ))
}

/// The place of the quote that closes what begins at `from`.
#[inline]
fn closing(line: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let quote = at + near([b'"'], &line[at..])?;
        if line[quote - 1] != b'\\' || !is_escaped(&line[from..quote]) {
            return Some(quote);
        }
        at = quote + 1;
    }
}

/// Does the text end in an odd number of backslashes?
#[cold]
fn is_escaped(text: &[u8]) -> bool {
    text.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// ` "text"` from `at`: the place of the closing quote.
#[inline]
fn quoted(line: &[u8], at: usize) -> Option<usize> {
    if line.get(at..at + 2)? != b" \"" {
        return None;
    }
    closing(line, at + 2)
}

fn wrong_quote(line: &[u8], at: usize) -> Wrong {
    if line.get(at..at + 2) == Some(b" \"") {
        Wrong::Unclosed(at + 2)
    } else {
        Wrong::Quote(at)
    }
}

/// The same for the last text of a line whose inside nobody looks at: whether a quote stands in the midst of it
/// is not looked for.
#[inline]
fn quoted_to_the_end(line: &[u8], at: usize) -> Option<usize> {
    let end = line.len().checked_sub(1)?;
    let whole = end > at + 1 && line[end] == b'"' && line[end - 1] != b'\\';
    (whole && line[at..at + 2] == *b" \"").then_some(end)
}

/// Method, target and protocol.
fn cut_request(line: &[u8], from: usize, to: usize) -> Option<(Part, Part, Part)> {
    let request = &line[from..to];
    let first = request.iter().position(|b| !is_method(*b))?;
    if first == 0 || request[first] != b' ' {
        return None;
    }
    let last = match request.len().checked_sub(9) {
        Some(at) if request[at..at + 6] == *b" HTTP/" && request[at + 7] == b'.' => at,
        _ => {
            let last = memrchr(b' ', request)?;
            let protocol = &request[last + 1..];
            let name = memchr(b'/', protocol)?;
            if name == 0 || !protocol[..name].iter().all(u8::is_ascii_alphanumeric) {
                return None;
            }
            last
        }
    };
    (last > first + 1).then_some((
        (from, from + first),
        (from + first + 1, from + last),
        (from + last + 1, to),
    ))
}

/// ` 1234` or ` -`: the place after it.
#[inline]
fn bytes(line: &[u8], at: usize, found: &mut i64) -> Option<usize> {
    let from = at + 1;
    let rest = line.get(from..)?;
    let (mut value, mut len) = (0_i64, 0);
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
        len += 1;
    }
    if len == 0 && rest.first() == Some(&b'-') {
        len = 1;
    }
    *found = value;
    match rest.get(len) {
        None | Some(b' ') if len > 0 => Some(from + len),
        _ => None,
    }
}

/// `10/Oct/2000:13:55:36 -0700`
fn time(text: &[u8]) -> Option<Cell> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    if text.len() != TIME_LEN || [2, 6, 11, 14, 17, 20].map(|i| text[i]) != *b"//::: " {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_i16, |n, b| {
            b.is_ascii_digit().then(|| n * 10 + i16::from(b - b'0'))
        })
    };
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let month = MONTHS.iter().position(|m| **m == text[3..6])?;
    let civil = jiff::civil::DateTime::new(
        number(7, 11)?,
        i8::try_from(month + 1).ok()?,
        small(0)?,
        small(12)?,
        small(15)?,
        // A leap second is the last of its minute.
        small(18).map(|s| if s == 60 { 59 } else { s })?,
        0,
    )
    .ok()?;
    let (hours, minutes) = (i32::from(number(22, 24)?), i32::from(number(24, 26)?));
    let seconds = (hours * 60 + minutes) * 60;
    let offset = match text[21] {
        b'+' => seconds,
        b'-' => -seconds,
        _ => return None,
    };
    let at = jiff::tz::Offset::from_seconds(offset)
        .ok()?
        .to_timestamp(civil)
        .ok()?;
    Some(Cell::Time {
        secs: at.as_second(),
        nanos: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse_as;
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = r#"10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a/b?c=d HTTP/1.1" 200 2326 "-" "Mozilla/5.0 (X11)""#;

    fn parse(text: &str, combined: bool, fields: &[&str]) -> Result<String, String> {
        let format = Apache { combined };
        parse_as(
            &format,
            &Uses {
                fields: fields
                    .iter()
                    .map(|f| ((*f).into(), crate::expr::Use::Look))
                    .collect(),
                rest: None,
            },
            text,
        )
    }

    #[test]
    fn a_line_has_its_twelve_fields() {
        let all = parse(LINE, true, &NAMES).unwrap();
        assert_eq!(
            all,
            r#"{"ip":"10.0.0.1","ident":null,"user":null,"time":"2000-10-10T20:55:36Z","method":"GET","path":"/a/b","query":"c=d","protocol":"HTTP/1.1","status":200,"bytes":2326,"referer":null,"agent":"Mozilla/5.0 (X11)"}"#
        );
    }

    #[test]
    fn only_the_fields_that_are_used_become_cells() {
        assert_eq!(
            parse(LINE, true, &["status", "path"]).unwrap(),
            r#"{"path":"/a/b","status":200}"#
        );
        assert_eq!(parse(LINE, true, &[]).unwrap(), "{}");
    }

    #[test]
    fn the_common_format_ends_after_the_bytes() {
        let line = r#"::1 - frank [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 304 -"#;
        assert_eq!(
            parse(line, false, &["user", "bytes", "query"]).unwrap(),
            r#"{"user":"frank","query":null,"bytes":0}"#
        );
        assert!(parse(line, true, &[]).unwrap_err().contains("`common`"));
        assert!(
            parse(LINE, false, &[])
                .unwrap_err()
                .contains("should end before")
        );
    }

    #[test]
    fn unusual_lines_are_still_lines() {
        for (line, fields, want) in [
            (
                r#"h - two words [10/Oct/2000:13:55:36 +0000] "GET / HTTP/2" 200 1 "" "a \"quoted\" agent\\""#,
                &["user", "protocol", "referer", "agent"][..],
                r#"{"user":"two words","protocol":"HTTP/2","referer":"","agent":"a \\\"quoted\\\" agent\\\\"}"#,
            ),
            (
                r#"h "odd" u [10/Oct/2000:13:55:36 +0000] "M-SEARCH /a b c?d e RTSP/1.0" 200 1 "x" "-""#,
                &["ident", "method", "path", "query", "protocol"][..],
                r#"{"ident":"\"odd\"","method":"M-SEARCH","path":"/a b c","query":"d e","protocol":"RTSP/1.0"}"#,
            ),
        ] {
            assert_eq!(parse(line, true, fields).unwrap(), want);
        }
    }

    #[test]
    fn what_is_no_request_is_an_error_that_says_so() {
        let with = |request: &str| {
            let line = format!(r#"h - - [10/Oct/2000:13:55:36 +0000] "{request}" 400 0 "-" "-""#);
            parse(&line, true, &[]).unwrap_err()
        };
        assert!(with("-").ends_with("the request is empty"));
        assert!(with("").ends_with("the request is empty"));
        assert!(
            with(r"\x16\x03\x01\x02 \x01")
                .contains(r"the request is not `METHOD target PROTOCOL`: `\\x16")
        );
        assert!(with("GET /").contains("METHOD target PROTOCOL"));
        assert!(with("GET  HTTP/1.1").contains("METHOD target PROTOCOL"));
    }

    #[test]
    fn a_broken_line_says_what_is_missing() {
        let wrong = |line: &str| parse(line, true, &[]).unwrap_err();
        assert!(wrong("").ends_with("the line is empty"));
        assert!(wrong("hello").contains("it does not begin with host"));
        assert!(wrong("a b c [yesterday] \"").contains("the time is not like"));
        assert!(
            wrong("a b c [10/Oct/2000:13:55:36 +0000] GET")
                .contains("a quoted request should follow")
        );
        assert!(
            wrong("a b c [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.1").contains("not closed")
        );
        let head = r#"a b c [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" "#;
        assert!(wrong(&format!("{head}20 1")).contains("three digits"));
        assert!(wrong(&format!("{head}200 x")).contains("neither a number nor"));
        assert!(
            wrong(&format!("{head}200 99999999999999999999 \"\" \"\""))
                .contains("neither a number nor")
        );
        assert!(wrong(&format!("{head}200 1 referer")).contains("a quoted text should follow"));
        assert!(wrong(&format!("{head}200 1 \"-\" \"-\" 7")).contains("should end before ` 7`"));
    }

    #[test]
    fn a_wrong_time_is_found_only_where_it_is_used() {
        let line = LINE.replace("Oct", "Okt");
        assert!(parse(&line, true, &["status"]).is_ok());
        assert!(
            parse(&line, true, &["time"])
                .unwrap_err()
                .contains("`10/Okt/2000:13:55:36 -0700`")
        );
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(cut in 0..LINE.len(), text in ".*", tail in 0..LINE.len()) {
            let line = format!("{}{text}{}", &LINE[..cut], &LINE[tail..]);
            let _ = parse(&line, true, &NAMES);
            let _ = parse(&line, false, &NAMES);
        }

        #[test]
        fn fields_come_back_as_they_were_written(
            user in "[a-z]([a-z ]{0,5}[a-z])?", path in "/[!#-,./0-9:;=@A-Z\\[\\]a-z{|}~é]*", query in proptest::option::of("[!#-Z\\[\\]a-z]*"),
            status in 100..999i64, bytes in 0..i64::MAX, agent in "[^\"\\\\-][^\"\\\\]*",
        ) {
            let target = query.as_ref().map_or(path.clone(), |q| format!("{path}?{q}"));
            let line = format!(r#"h - {user} [10/Oct/2000:13:55:36 +0000] "PUT {target} HTTP/1.1" {status} {bytes} "r" "{agent}""#);
            let read = parse(&line, true, &["user", "path", "query", "status", "bytes", "agent"]).unwrap();
            let want = serde_json::json!({"user": user, "path": path, "query": query, "status": status, "bytes": bytes, "agent": agent});
            prop_assert_eq!(read, want.to_string());
        }
    }
}
