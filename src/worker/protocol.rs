//! The messages of `docs/protocol.md`: one JSON object a line.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The version of the protocol that a worker's hello must name.
pub const VERSION: u64 = 1;

/// What a worker has said in one line. The values are JSON texts within the line.
#[derive(Debug)]
pub enum Heard<'a> {
    Hello(Hello),
    /// It begins with this item.
    Begin(u64),
    /// What became of items.
    Answers(Vec<Answer<'a>>),
    /// It asks for something that the file declares: the whole message.
    Call(u64),
    /// A line for the log.
    Log(String),
}

/// What a worker can do beyond answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    pub batch: bool,
    pub begin: bool,
    pub guards: bool,
}

/// What became of one item.
#[derive(Debug)]
pub struct Answer<'a> {
    pub id: u64,
    pub made: Made<'a>,
}

#[derive(Debug)]
pub enum Made<'a> {
    One(&'a str),
    /// None or many: a JSON list.
    Many(&'a str),
    Error(Said),
}

/// Why a worker could not do an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The name of an exception.
    pub kind: Option<String>,
    pub message: String,
    pub output: Option<String>,
}

/// Reads one line of a worker.
///
/// # Errors
/// Why it is no message.
pub fn read(line: &[u8]) -> Result<Heard<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let Message(heard) = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(heard)
}

struct Message<'a>(Heard<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Message<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut heard, mut id, mut made) = (None, None, None);
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    match &*name {
                        "id" => id = Some(map.next_value()?),
                        "result" => made = Some(Made::One(map.next_value::<&RawValue>()?.get())),
                        "results" => made = Some(many(map.next_value()?)?),
                        "error" => made = Some(Made::Error(said(map.next_value()?))),
                        "batch" => {
                            let list: Vec<Message<'de>> = map.next_value()?;
                            heard =
                                Some(Heard::Answers(list.into_iter().flat_map(answers).collect()));
                        }
                        "begin" => heard = Some(Heard::Begin(map.next_value()?)),
                        "call" => heard = Some(Heard::Call(map.next_value()?)),
                        "log" => heard = Some(Heard::Log(map.next_value()?)),
                        "hello" => heard = Some(Heard::Hello(hello(map.next_value()?)?)),
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                match (heard, id, made) {
                    (Some(heard), ..) => Ok(Message(heard)),
                    (None, Some(id), Some(made)) => {
                        Ok(Message(Heard::Answers(vec![Answer { id, made }])))
                    }
                    _ => Err(A::Error::custom(
                        "it has neither `id` and `result` nor anything else of the protocol",
                    )),
                }
            }
        }
        d.deserialize_map(Members)
    }
}

fn answers(message: Message<'_>) -> Vec<Answer<'_>> {
    match message.0 {
        Heard::Answers(list) => list,
        _ => Vec::new(),
    }
}

fn many<E: serde::de::Error>(list: &RawValue) -> Result<Made<'_>, E> {
    if list.get().starts_with('[') {
        Ok(Made::Many(list.get()))
    } else {
        Err(E::custom("`results` must be a list"))
    }
}

fn said(value: serde_json::Value) -> Said {
    let text = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match &value {
        serde_json::Value::Object(members) => Said {
            kind: members.get("type").map(text),
            message: members.get("message").map(text).unwrap_or_default(),
            output: members.get("output").map(text),
        },
        other => Said {
            message: text(other),
            ..Said::default()
        },
    }
}

fn hello<E: serde::de::Error>(value: serde_json::Value) -> Result<Hello, E> {
    let can = |name: &str| value.get(name).and_then(serde_json::Value::as_bool) == Some(true);
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(VERSION) => Ok(Hello {
            batch: can("batch"),
            begin: can("begin"),
            guards: can("guards"),
        }),
        _ => Err(E::custom(format!(
            "its hello does not say `\"version\": {VERSION}`"
        ))),
    }
}

/// The elements of a JSON list, each as its text.
///
/// # Errors
/// It is no list.
pub fn elements(list: &str) -> Result<Vec<&str>, String> {
    let all: Vec<&RawValue> = serde_json::from_str(list).map_err(|e| e.to_string())?;
    Ok(all.into_iter().map(RawValue::get).collect())
}

/// Appends `{"id":7,"item":...}`, without an end of line. `item` is JSON on one line.
pub fn write_item(id: u64, item: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    out.extend_from_slice(b",\"item\":");
    out.extend_from_slice(item);
    out.push(b'}');
}

/// The answer to a call, with its end of line. `result` is JSON on one line.
pub fn call_result(call: u64, result: &serde_json::Value) -> Vec<u8> {
    let mut line = serde_json::json!({"call": call, "result": result}).to_string();
    line.push('\n');
    line.into_bytes()
}

/// The refusal of a call, with its end of line: the type is the name of a Python exception.
pub fn call_error(call: u64, kind: &str, message: &str) -> Vec<u8> {
    let error = serde_json::json!({"type": kind, "message": message});
    let mut line = serde_json::json!({"call": call, "error": error}).to_string();
    line.push('\n');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_protocol_is_understood() {
        let said = |line: &str| format!("{:?}", read(line.as_bytes()).unwrap());
        assert_eq!(
            said(r#"{"id": 7, "result": {"a": [1]}}"#),
            r#"Answers([Answer { id: 7, made: One("{\"a\": [1]}") }])"#
        );
        assert_eq!(
            said(r#"{"results":[1, 2],"id":8}"#),
            r#"Answers([Answer { id: 8, made: Many("[1, 2]") }])"#
        );
        assert!(said(r#"{"id":1,"error":"no"}"#).contains(r#"message: "no""#));
        let error = said(r#"{"id":1,"error":{"type":"ValueError","message":"m","output":"o"}}"#);
        assert!(error.contains(r#"kind: Some("ValueError"), message: "m", output: Some("o")"#));
        assert_eq!(said(r#"{"begin":3}"#), "Begin(3)");
        assert_eq!(said(r#"{"call":3,"op":"acquire","guard":"g"}"#), "Call(3)");
        assert_eq!(said(r#"{"log":"hm"}"#), r#"Log("hm")"#);
        assert_eq!(
            said(r#"{"hello":{"version":1,"batch":true,"new":1}}"#),
            "Hello(Hello { batch: true, begin: false, guards: false })"
        );
        let batch = said(r#"{"batch":[{"id":1,"result":1},{"id":2,"error":"x"}]}"#);
        assert!(batch.contains("id: 1") && batch.contains("id: 2"));
    }

    #[test]
    fn what_is_no_message_is_said() {
        for (line, why) in [
            ("7", "expected an object"),
            ("hello world", "expected value"),
            ("{\"id\":1}", "neither"),
            ("{\"id\":1,\"result\":", "EOF"),
            ("{\"id\":1,\"results\":3}", "must be a list"),
            ("{\"id\":-1,\"result\":3}", "invalid value"),
            ("{\"hello\":{\"version\":2}}", "version"),
            ("[1]", "expected an object"),
        ] {
            let said = read(line.as_bytes()).expect_err(line);
            assert!(said.contains(why), "{line}: {said}");
        }
        assert!(read(b"\xff").expect_err("bytes").contains("UTF-8"));
    }

    #[test]
    fn an_item_is_one_line_with_its_number() {
        let mut out = Vec::new();
        write_item(7, b"\"a\"", &mut out);
        assert_eq!(out, b"{\"id\":7,\"item\":\"a\"}");
        assert_eq!(elements("[1, {\"a\": 2}]").unwrap(), ["1", "{\"a\": 2}"]);
    }
}
