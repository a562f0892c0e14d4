//! What user code asks for, read from its message.

use std::time::Duration;

use serde_json::Value;

use crate::sync::{ALL, Target};

/// One call.
#[derive(Debug)]
pub(super) struct Request {
    /// Which thread or task of the process calls.
    pub by: i64,
    /// The item that it works on.
    pub item: Option<u64>,
    /// How long it would wait; `None`: for ever.
    pub timeout: Option<Duration>,
    pub op: Op,
}

#[derive(Debug)]
pub(super) enum Op {
    Acquire {
        guard: u32,
        n: u32,
    },
    Release {
        guard: u32,
        n: u32,
    },
    Locked {
        guard: u32,
    },
    /// Under a condition: gives it back, waits for a notification, takes it again.
    Wait {
        guard: u32,
    },
    Notify {
        guard: u32,
        n: u64,
    },
    NotifyAll {
        guard: u32,
    },
    IsSet {
        guard: u32,
    },
    Set {
        guard: u32,
    },
    Clear {
        guard: u32,
    },
    WaitEvent {
        guard: u32,
    },
    WaitBarrier {
        guard: u32,
    },
    Barrier {
        guard: u32,
    },
    Reset {
        guard: u32,
    },
    Abort {
        guard: u32,
    },
    Get(Target),
    Add(Target, Value),
    Store(Target, Value),
    /// A value (an array: `true`) was changed in the shared memory.
    Changed(bool, u32),
    Put {
        queue: u32,
        item: Value,
    },
    Queue {
        queue: u32,
    },
    /// Another call is given up.
    Cancel {
        of: u64,
    },
}

/// Why a call is refused: the name of a Python exception, and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub &'static str, pub String);

impl Refusal {
    fn unknown(what: &str, name: &str) -> Refusal {
        Refusal(
            "LookupError",
            format!("the pipeline file declares no {what} `{name}`"),
        )
    }

    fn odd(why: impl Into<String>) -> Refusal {
        Refusal("ValueError", why.into())
    }
}

impl Request {
    pub(super) fn read(message: &Value, names: &super::Names) -> Result<Request, Refusal> {
        let timeout = match message.get("timeout").and_then(Value::as_f64) {
            None => None,
            Some(seconds) => Some(
                Duration::try_from_secs_f64(seconds)
                    .map_err(|_| Refusal::odd("a timeout is a number of seconds, 0 or more"))?,
            ),
        };
        Ok(Request {
            by: message.get("by").and_then(Value::as_i64).unwrap_or(0),
            item: message.get("for").and_then(Value::as_u64),
            timeout,
            op: Op::read(message, names)?,
        })
    }
}

impl Op {
    fn read(message: &Value, names: &super::Names) -> Result<Op, Refusal> {
        let word = |name: &str| message.get(name).and_then(Value::as_str);
        let op = word("op").ok_or_else(|| Refusal::odd("a call needs an `op`"))?;
        let guard = |kinds: &[&str]| {
            let name = word("guard").unwrap_or_default();
            let (number, kind) = *names
                .guards
                .get(name)
                .ok_or_else(|| Refusal::unknown("guard", name))?;
            if kinds.contains(&kind) {
                Ok(number)
            } else {
                let why = format!("`{name}` is a {kind}: it has no `{op}`");
                Err(Refusal("TypeError", why))
            }
        };
        let held = || guard(&["lock", "rlock", "rwlock", "semaphore", "condition"]);
        let n = match word("mode") {
            Some("write") => ALL,
            _ => 1,
        };
        let queue = || {
            let name = word("queue").unwrap_or_default();
            let found = names.queues.get(name).copied();
            found.ok_or_else(|| Refusal::unknown("queue", name))
        };
        let place = || match (word("value"), word("array")) {
            (Some(name), _) => {
                let value = names.values.get(name).copied();
                Ok((false, value.ok_or_else(|| Refusal::unknown("value", name))?))
            }
            (None, Some(name)) => {
                let array = names.arrays.get(name).copied();
                Ok((true, array.ok_or_else(|| Refusal::unknown("array", name))?))
            }
            (None, None) => Err(Refusal::odd(format!(
                "`{op}` needs a `value` or an `array`"
            ))),
        };
        let target = || {
            Ok(match place()? {
                (false, value) => Target::Value(value),
                (true, array) => {
                    let index = message.get("index").and_then(Value::as_u64);
                    let index = index.and_then(|i| usize::try_from(i).ok());
                    let why = || Refusal("IndexError", "an array needs an `index` from 0".into());
                    Target::Element(array, index.ok_or_else(why)?)
                }
            })
        };
        let what = |name: &str| {
            let given = message.get(name).cloned();
            given.ok_or_else(|| Refusal::odd(format!("`{op}` needs `{name}`")))
        };
        const EVENT: &[&str] = &["event"];
        const BARRIER: &[&str] = &["barrier"];
        const CONDITION: &[&str] = &["condition"];
        Ok(match op {
            "acquire" => Op::Acquire { guard: held()?, n },
            "release" => Op::Release { guard: held()?, n },
            "locked" => Op::Locked { guard: held()? },
            "wait" => Op::Wait {
                guard: guard(CONDITION)?,
            },
            "notify" => Op::Notify {
                guard: guard(CONDITION)?,
                n: message.get("n").and_then(Value::as_u64).unwrap_or(1),
            },
            "notify_all" => Op::NotifyAll {
                guard: guard(CONDITION)?,
            },
            "is_set" => Op::IsSet {
                guard: guard(EVENT)?,
            },
            "set" => Op::Set {
                guard: guard(EVENT)?,
            },
            "clear" => Op::Clear {
                guard: guard(EVENT)?,
            },
            "wait_event" => Op::WaitEvent {
                guard: guard(EVENT)?,
            },
            "wait_barrier" => Op::WaitBarrier {
                guard: guard(BARRIER)?,
            },
            "barrier" => Op::Barrier {
                guard: guard(BARRIER)?,
            },
            "reset" => Op::Reset {
                guard: guard(BARRIER)?,
            },
            "abort" => Op::Abort {
                guard: guard(BARRIER)?,
            },
            "get" => Op::Get(target()?),
            "add" => Op::Add(target()?, what("by")?),
            "store" => Op::Store(target()?, what("to")?),
            "changed" => {
                let (array, at) = place()?;
                Op::Changed(array, at)
            }
            "put" => Op::Put {
                queue: queue()?,
                item: what("item")?,
            },
            "queue" => Op::Queue { queue: queue()? },
            "cancel" => Op::Cancel {
                of: message.get("of").and_then(Value::as_u64).unwrap_or(0),
            },
            other => return Err(Refusal::odd(format!("there is no operation `{other}`"))),
        })
    }
}
