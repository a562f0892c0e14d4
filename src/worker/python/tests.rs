//! The program in a real interpreter, at the other end of a socket, with a real broker.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::*;
use crate::sync::{Barrier, Commons, Condition, Event, Guard, Permits, Values};
use crate::wait::{RealClock, Who};
use crate::worker::broker::{Broker, Desk, May, Names, Ports};
use crate::worker::protocol::{self, Heard, Made};
use crate::worker::{Calls as _, SOCKET};

/// One Python process.
struct Python {
    child: Child,
    to: Arc<Mutex<UnixStream>>,
    from: BufReader<UnixStream>,
    desk: Desk,
    broker: Arc<Broker>,
}

fn guards() -> (Vec<Guard>, HashMap<String, (u32, &'static str)>) {
    let mut list = Vec::new();
    let mut names = HashMap::new();
    let mut add = |name: String, kind, make: &dyn Fn(u32) -> Guard| {
        let number = u32::try_from(list.len()).unwrap();
        names.insert(name, (number, kind));
        list.push(make(number));
    };
    for i in 0..40 {
        add(format!("lock{i}"), "lock", &|n| {
            Guard::Permits(Permits::lock(n))
        });
        add(format!("rlock{i}"), "rlock", &|n| {
            Guard::Permits(Permits::rlock(n))
        });
        add(format!("event{i}"), "event", &|n| {
            Guard::Event(Event::new(n, false))
        });
        add(format!("condition{i}"), "condition", &|n| {
            Guard::Condition(Condition::new(n))
        });
        for permits in [1, 2, 4, 7] {
            add(format!("semaphore{permits}_{i}"), "semaphore", &move |n| {
                Guard::Permits(Permits::semaphore(n, permits))
            });
        }
        for parties in [1, 3, 5] {
            add(format!("barrier{parties}_{i}"), "barrier", &move |n| {
                Guard::Barrier(Barrier::new(n, parties))
            });
        }
    }
    (list, names)
}

impl Python {
    fn start(call: &str) -> Python {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let settings = json!({"call": call, "folder": folder});
        let child = Command::new("python3")
            .arg("-c")
            .arg(program(&settings))
            .env(SOCKET, theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(theirs);
        let (list, names) = guards();
        let mut kinds = Map::new();
        for (name, (_, kind)) in &names {
            kinds.insert(name.clone(), (*kind).into());
        }
        let sets = (0..u32::try_from(list.len()).unwrap()).collect();
        let may = May {
            sets,
            puts: Vec::new(),
        };
        let broker = Broker::new(Ports {
            commons: Arc::new(Commons {
                guards: list.into(),
                values: Values::new(&[], &[]),
                ..Commons::default()
            }),
            conns: Arc::from([]),
            clock: Arc::new(RealClock::default()),
            registry: Arc::default(),
            names: Names {
                guards: names,
                ..Names::default()
            },
            warn: Arc::new(|_| {}),
            types: Box::new([]),
            stages: Box::new([("work".into(), may)]),
        });
        let serving = broker.clone();
        std::thread::spawn(move || serving.serve());
        let to = Arc::new(Mutex::new(ours.try_clone().unwrap()));
        let reply = to.clone();
        let desk = Desk::new(
            broker.clone(),
            Who {
                stage: 0,
                worker: 0,
            },
            0,
            Arc::new(move |line| {
                // A process that is gone needs no answer.
                let _gone = reply.lock().write_all(&line);
            }),
        );
        let mut python = Python {
            child,
            to,
            from: BufReader::new(ours),
            desk,
            broker,
        };
        let hello = python.line();
        assert!(hello.contains("\"version\": 1"), "{hello}");
        python.say(&json!({"hello": {"version": 1, "run": "r", "stage": "work", "worker": 0, "guards": kinds}}));
        python
    }

    fn say(&self, message: &Value) {
        let mut line = message.to_string();
        line.push('\n');
        self.to.lock().write_all(line.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line
    }

    /// What becomes of an item.
    fn item(&mut self, item: &Value) -> Result<Value, String> {
        self.say(&json!({"id": 1, "item": item}));
        loop {
            let line = self.line();
            match protocol::read(line.trim_end().as_bytes()) {
                Ok(Heard::Call(call)) => self.desk.call(call, &line),
                Ok(Heard::Answers(answers)) => {
                    self.desk.done(1);
                    return match &answers[0].made {
                        Made::One(text) | Made::Many(text) => {
                            Ok(serde_json::from_str(text).unwrap())
                        }
                        Made::Error(said) => Err(format!("{said:?}")),
                    };
                }
                other => panic!("{other:?}: {line}"),
            }
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.desk.gone();
        self.broker.end();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_program_fits_an_argument() {
    // Linux takes at most 128 KiB in one.
    let program = program(&Value::from("settings"));
    assert!(program.len() < 120 * 1024, "{}", program.len());
    assert!(program.ends_with("}, \"\\\"settings\\\"\")\n"), "{program}");
}

#[test]
fn python_s_own_tests_of_its_locks_pass() {
    let mut python = Python::start("lock_cases.py:run");
    let result = python.item(&Value::Null).unwrap();
    if result["there"] == false {
        // Some systems pack the tests of Python apart.
        return;
    }
    let mut failed = String::new();
    for case in result["failed"].as_array().unwrap() {
        let _ = writeln!(failed, "{}\n{}", case[0], case[1].as_str().unwrap());
    }
    assert_eq!(failed, "");
    // As many as the oldest Python that we serve has; newer ones have more.
    assert!(result["passed"].as_u64().unwrap() >= 55, "{result}");
}
