//! For the tests of the faces: plans of which only what can be seen is there, and a terminal that remembers.

use std::fmt::Debug;
use std::io::{self, Write};
use std::num::{NonZero, NonZeroUsize};
use std::sync::Arc;

use indicatif::TermLike;
use parking_lot::Mutex;

use crate::diagnostic::Place;
use crate::plan::{
    Conn, ConnId, ConnKind, Executor, OnError, Ordered, Outlet, Plan, Program, Stage, StageId, Step,
};
use crate::steps::Op;
use crate::value::Type;

/// A stage of a fake plan: its name, the stages it reads from, its threads, its steps as text.
pub(crate) type Sketch<'a> = (&'a str, &'a [&'a str], usize, &'a [&'a str]);

/// Stages, each reading the one before.
pub(crate) fn chain(names: &[&str]) -> Plan {
    let from: Vec<Vec<&str>> = (0..names.len())
        .map(|i| i.checked_sub(1).map(|p| names[p]).into_iter().collect())
        .collect();
    plan(
        &names
            .iter()
            .zip(&from)
            .map(|(n, f)| (*n, f.as_slice(), 2, &["filter status >= 500"][..]))
            .collect::<Vec<_>>(),
    )
}

/// A plan whose stages are joined by unnamed pipes of strings.
pub(crate) fn plan(stages: &[Sketch<'_>]) -> Plan {
    let mut conns = Vec::new();
    let mut built: Vec<Stage> = stages
        .iter()
        .enumerate()
        .map(|(i, (name, _, workers, steps))| {
            let steps = steps.iter().map(|text| step(text)).collect();
            let id = StageId(i as u32);
            let mut stage = Stage::bare(id, name, Type::String, Program { steps });
            let workers = NonZeroUsize::new(*workers).expect("a stage has a worker");
            stage.executor = Executor::Threads(workers);
            stage.ordered = Ordered::No;
            stage
        })
        .collect();
    for (reader, (_, from, ..)) in stages.iter().enumerate() {
        for name in *from {
            let writer = stages
                .iter()
                .position(|(n, ..)| n == name)
                .expect("a stage reads from a stage of the plan");
            let id = ConnId(conns.len() as u32);
            conns.push(Conn {
                id,
                name: (*name).into(),
                kind: ConnKind::Unnamed,
                of: Type::String,
                max: NonZeroUsize::new(1024).expect("not zero"),
                max_bytes: NonZeroUsize::new(64 << 20).expect("not zero"),
                order: crate::plan::Order::Fifo,
                full: crate::plan::Full::Block,
                feedback: false,
                writers: vec![StageId(writer as u32)],
                readers: vec![StageId(reader as u32)],
            });
            built[writer].outputs.push(Outlet {
                conn: id,
                convert: None,
            });
            built[reader].inputs.push(id);
        }
    }
    Plan {
        name: "fake".into(),
        description: None,
        folder: ".".into(),
        stages: built,
        conns,
        guards: Vec::new(),
        values: Vec::new(),
        arrays: Vec::new(),
        env: crate::expr::Env::default(),
        scope: crate::expr::Scope::default(),
        deadline: None,
        drain: crate::plan::DRAIN,
        safe: false,
    }
}

fn step(text: &str) -> Step {
    Step {
        label: text.split(' ').next().unwrap_or_default().into(),
        text: text.into(),
        place: Place { line: 1, column: 1 },
        op: Op::Source(Arc::new(|| unreachable!("a fake plan does not run"))),
        waits: false,
        meets: false,
        policy: crate::plan::Policy {
            retry: None,
            timeout: None,
            on_error: OnError::Fail,
        },
    }
}

/// A terminal that remembers what it shows, one for both streams.
#[derive(Clone)]
pub(crate) struct Terminal(Arc<Mutex<vt100::Parser>>);

impl Terminal {
    pub(crate) fn new(rows: u16, columns: u16) -> Terminal {
        let (rows, columns) = (
            NonZero::new(rows).expect("a row"),
            NonZero::new(columns).expect("a column"),
        );
        Terminal(Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0))))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "all that a terminal does may fail"
    )]
    fn feed(&self, text: &str) -> io::Result<()> {
        self.0.lock().process(text.replace('\n', "\r\n").as_bytes());
        Ok(())
    }

    pub(crate) fn shows(&self) -> String {
        // Row by row: indicatif fills its lines up to the edge, which a terminal takes for one long line.
        let parser = self.0.lock();
        let rows: Vec<String> = parser
            .screen()
            .rows(0, parser.screen().size().1.get())
            .map(|row| row.trim_end().to_string())
            .collect();
        rows.join("\n").trim_end().to_string()
    }
}

impl Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shows())
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.feed(&String::from_utf8_lossy(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.0.lock().screen().size().1.get()
    }
    fn height(&self) -> u16 {
        self.0.lock().screen().size().0.get()
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n > 0 {
            self.feed(&format!("\x1b[{n}A"))
        } else {
            Ok(())
        }
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n > 0 {
            self.feed(&format!("\x1b[{n}B"))
        } else {
            Ok(())
        }
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n > 0 {
            self.feed(&format!("\x1b[{n}C"))
        } else {
            Ok(())
        }
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n > 0 {
            self.feed(&format!("\x1b[{n}D"))
        } else {
            Ok(())
        }
    }
    fn write_line(&self, s: &str) -> io::Result<()> {
        self.feed(&format!("{s}\n"))
    }
    fn write_str(&self, s: &str) -> io::Result<()> {
        self.feed(s)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.feed("\r\x1b[2K")
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
