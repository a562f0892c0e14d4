//! millstream beside hand-written programs for the same jobs, and beside mawk, jq and Miller where they are
//! installed:
//!
//! ```sh
//! cargo bench --bench compare                      # everything, a few minutes
//! cargo bench --bench compare -- access-log        # these workloads only
//! cargo bench --bench compare -- --quick           # a tenth of the data, three rounds
//! ```
//!
//! What is compared is the wall time of whole processes, from start to exit, their output in a file. They run
//! in turn (A B A B ...), at least seven rounds, so that a machine that is busy now and then is busy for all of
//! them; what is printed is the median, how far the rounds lie apart, and the machine's load. Before that the
//! outputs of millstream and of the hand-written program must be the same, byte for byte.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints what it found"
)]

mod data;
mod guards;
mod hand;
#[path = "../../examples/make-log/log.rs"]
mod log;
mod measure;
mod spill;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use data::Data;
use measure::Taken;

/// One job and who does it.
struct Workload {
    name: &'static str,
    title: &'static str,
    data: Data,
    /// Lines, rows or items.
    items: u64,
    /// At most so many times the hand-written program's time.
    target: f64,
    /// Other programs for the same job: the program that must be installed, and a command for `sh` in which
    /// `$1` is the file.
    others: &'static [(&'static str, &'static str)],
    /// Other hand-written programs, beside the one that counts.
    also: &'static [&'static str],
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "access-log",
        title: "access log: parse, status >= 500, hits and bytes by path, top 20",
        data: Data::Log,
        items: 2_000_000,
        target: 2.0,
        others: &[
            (
                "mawk",
                "mawk '$9 >= 500 { sub(/\\?.*/, \"\", $7); hits[$7]++; bytes[$7] += $10 } \
                 END { for (path in hits) print hits[path], path, bytes[path] }' \"$1\" | sort -rn | head -20",
            ),
            (
                "gawk",
                "gawk '$9 >= 500 { sub(/\\?.*/, \"\", $7); hits[$7]++; bytes[$7] += $10 } \
                 END { for (path in hits) print hits[path], path, bytes[path] }' \"$1\" | sort -rn | head -20",
            ),
        ],
        also: &[],
    },
    Workload {
        name: "json-lines",
        title: "JSON lines of 10 fields: filter, add a field, drop two, write",
        data: Data::Json,
        items: 2_000_000,
        target: 2.0,
        others: &[
            (
                "jq",
                "jq -c 'select(.status == \"paid\" and .price >= 10) | .total = .price * .quantity | del(.email, .note)' \"$1\"",
            ),
            (
                "mlr",
                "mlr --ijsonl --ojsonl filter '$status == \"paid\" && $price >= 10' \
                 then put '$total = $price * $quantity' then cut -x -f email,note \"$1\"",
            ),
        ],
        also: &[],
    },
    Workload {
        name: "idle-stages",
        title: "short lines through 4 stages that do nothing",
        data: Data::Short,
        items: 5_000_000,
        target: 1.5,
        others: &[],
        also: &["reused"],
    },
    Workload {
        name: "priority-queue",
        title: "priority queue, 2 writers, 2 readers",
        data: Data::None,
        items: 1_000_000,
        target: 2.0,
        others: &[],
        also: &[],
    },
    Workload {
        name: "csv-rows",
        title: "CSV rows in, filter, CSV rows out",
        data: Data::Csv,
        items: 2_000_000,
        target: 2.0,
        others: &[(
            "mlr",
            "mlr --csv filter '$country == \"DE\" && $quantity >= 5' \"$1\"",
        )],
        also: &[],
    },
];

/// The most that a run may have resident, in MiB.
const PEAK: u64 = 64;
/// The most that a pipeline of one item may take.
const ONE_ITEM: Duration = Duration::from_millis(15);
/// Other programs are slower, some much: they run until they have had so long together.
const OTHERS: Duration = Duration::from_secs(12);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let done = match args.first().map(String::as_str) {
        Some("--measure") => return measure::small_parent(&args[1..]),
        Some("--hand") => hand::run(&args[1], &args[2]).map(|()| true),
        _ => compare(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("compare: {e}");
            ExitCode::from(74)
        }
    }
}

/// What was asked for.
struct Wish {
    rounds: usize,
    /// The data is divided by this.
    part: u64,
    names: Vec<String>,
}

impl Wish {
    fn read(args: &[String]) -> io::Result<Wish> {
        let mut wish = Wish {
            rounds: 7,
            part: 1,
            names: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => (wish.rounds, wish.part) = (3, 10),
                "--rounds" => {
                    let n = args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    wish.rounds = n.ok_or_else(|| io::Error::other("--rounds takes a number"))?;
                }
                name if WORKLOADS.iter().any(|w| w.name == name)
                    || ["one-item", "chain", "spill", "guards"].contains(&name) =>
                {
                    wish.names.push(name.to_owned());
                }
                other => {
                    let names: Vec<_> = WORKLOADS.iter().map(|w| w.name).collect();
                    let names = names.join(" ");
                    return Err(io::Error::other(format!(
                        "`{other}` is none of --quick, --rounds N, {names} one-item chain spill guards"
                    )));
                }
            }
        }
        Ok(wish)
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| n == name)
    }
}

fn compare(args: &[String]) -> io::Result<bool> {
    let wish = Wish::read(args)?;
    fs::create_dir_all(data::folder())?;
    let cores = std::thread::available_parallelism()?;
    println!(
        "{cores} cores, {} rounds in turn, medians of wall time (least to most)",
        wish.rounds
    );
    let mut well = true;
    for workload in WORKLOADS.iter().filter(|w| wish.wants(w.name)) {
        well &= one(workload, &wish)?;
    }
    if wish.wants("one-item") {
        one_item(&wish)?;
    }
    if wish.wants("chain") {
        chain(&wish)?;
    }
    if wish.wants("spill") {
        well &= spill::spill(&wish)?;
    }
    if wish.wants("guards") {
        well &= guards::guards(&wish)?;
    }
    Ok(well)
}

/// One who takes part: a name, a command, and what its rounds took.
struct Runner {
    name: String,
    command: Vec<String>,
    taken: Vec<Taken>,
}

impl Runner {
    fn new(name: &str, command: Vec<String>) -> Runner {
        Runner {
            name: name.to_owned(),
            command,
            taken: Vec::new(),
        }
    }

    fn out(&self) -> PathBuf {
        data::folder().join(format!("{}.out", self.name))
    }

    fn errors(&self) -> PathBuf {
        data::folder().join(format!("{}.err", self.name))
    }

    fn once(&self) -> io::Result<Taken> {
        measure::run(&self.command, &self.out(), &self.errors())
    }

    fn median(&self) -> Duration {
        let mut walls: Vec<_> = self.taken.iter().map(|t| t.wall).collect();
        walls.sort();
        walls[walls.len() / 2]
    }

    /// Processor time.
    fn cpu(&self) -> Duration {
        let mut all: Vec<_> = self.taken.iter().map(|t| t.cpu).collect();
        all.sort();
        all[all.len() / 2]
    }

    fn peak_mib(&self) -> u64 {
        self.taken
            .iter()
            .map(|t| t.peak_kib)
            .max()
            .unwrap_or(0)
            .div_ceil(1024)
    }

    fn total(&self) -> Duration {
        self.taken.iter().map(|t| t.wall).sum()
    }

    /// A line of the table; `beside` is the hand-written program.
    fn line(&self, beside: &Runner, items: u64) -> String {
        let seconds = |d: Duration| d.as_secs_f64();
        let median = seconds(self.median());
        let least = self
            .taken
            .iter()
            .map(|t| seconds(t.wall))
            .fold(f64::INFINITY, f64::min);
        let most = self
            .taken
            .iter()
            .map(|t| seconds(t.wall))
            .fold(0.0, f64::max);
        let times = median / seconds(beside.median());
        let cpu = seconds(self.cpu());
        let work = cpu / seconds(beside.cpu()).max(1e-9);
        let rate = items as f64 / median / 1e6;
        format!(
            "  {:<13}{times:>7.2} x{median:>9.3} s  ({least:.3} to {most:.3}, {} rounds){rate:>8.2} M/s  cpu {cpu:.3} s {work:.2} x  peak {:>4} MiB",
            self.name,
            self.taken.len(),
            self.peak_mib()
        )
    }
}

fn millstream(pipeline: &Path, file: &Path) -> Vec<String> {
    let mut command = vec![
        env!("CARGO_BIN_EXE_millstream").to_owned(),
        "run".to_owned(),
    ];
    command.push(pipeline.display().to_string());
    command.extend(["--progress".to_owned(), "none".to_owned()]);
    if file != Path::new("/dev/null") {
        command.extend(["--set".to_owned(), format!("file={}", file.display())]);
    }
    command
}

fn pipeline(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/pipelines")
        .join(format!("{name}.yaml"))
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn one(workload: &Workload, wish: &Wish) -> io::Result<bool> {
    let items = workload.items
        / if workload.data == Data::None {
            1
        } else {
            wish.part
        };
    let file = data::file(workload.data, items)?;
    println!("\n{}: {} ({items} items)", workload.name, workload.title);
    let this = std::env::current_exe()?.display().to_string();
    let by_hand = |name: &str| {
        vec![
            this.clone(),
            "--hand".to_owned(),
            name.to_owned(),
            file.display().to_string(),
        ]
    };
    let mut hand = Runner::new("hand-written", by_hand(workload.name));
    let mut mill = Runner::new("millstream", millstream(&pipeline(workload.name), &file));

    // Once without a clock: everything is in the page cache then, and the outputs can be compared.
    for runner in [&hand, &mill] {
        let taken = runner.once()?;
        if taken.code != 0 {
            println!(
                "  {} ended with {}: {}",
                runner.name,
                taken.code,
                first_lines(&runner.errors())
            );
            return Ok(false);
        }
    }
    let (expected, found) = (fs::read(hand.out())?, fs::read(mill.out())?);
    if expected != found {
        println!(
            "  NOT THE SAME OUTPUT: compare {} and {}",
            hand.out().display(),
            mill.out().display()
        );
        return Ok(false);
    }

    let before = load();
    let mut others: Vec<Runner> = workload
        .also
        .iter()
        .map(|name| Runner::new(name, by_hand(name)))
        .collect();
    for (program, command) in workload.others {
        if installed(program) {
            let command = ["sh", "-c", command, "sh"].map(str::to_owned).into_iter();
            others.push(Runner::new(
                program,
                command.chain([file.display().to_string()]).collect(),
            ));
        } else {
            println!("  {program} is not installed");
        }
    }
    for _ in 0..wish.rounds {
        for runner in [&mut hand, &mut mill] {
            runner.taken.push(runner.once()?);
        }
        for other in others.iter_mut().filter(|o| o.total() < OTHERS) {
            other.taken.push(other.once()?);
        }
    }
    println!("{}", hand.line(&hand, items));
    let times = mill.median().as_secs_f64() / hand.median().as_secs_f64();
    let verdict = if times <= workload.target {
        "reached"
    } else {
        "MISSED"
    };
    println!(
        "{}  target {:.1}: {verdict}",
        mill.line(&hand, items),
        workload.target
    );
    for other in &others {
        println!("{}", other.line(&hand, items));
    }
    println!("  load before {before}, after {}", load());
    if workload.data == Data::None {
        return Ok(true);
    }
    let file = data::file(workload.data, items * 4)?;
    let more = Runner::new("millstream", millstream(&pipeline(workload.name), &file));
    let peak = more.once()?.peak_kib.div_ceil(1024);
    let verdict = if peak.max(mill.peak_mib()) <= PEAK {
        "reached"
    } else {
        "MISSED"
    };
    println!(
        "  peak {} MiB, with four times the input {peak} MiB; target {PEAK} MiB: {verdict}",
        mill.peak_mib()
    );
    Ok(true)
}

fn first_lines(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().take(6).collect::<Vec<_>>().join("\n    ")
}

/// How long the smallest pipeline takes from start to finish, beside a program that does nothing.
fn one_item(wish: &Wish) -> io::Result<()> {
    println!("\none-item: a pipeline of one item, from start to finish");
    let mut nothing = Runner::new("true", vec!["true".to_owned()]);
    let mut mill = Runner::new(
        "millstream",
        millstream(&pipeline("one-item"), Path::new("/dev/null")),
    );
    for _ in 0..wish.rounds * 3 {
        nothing.taken.push(nothing.once()?);
        mill.taken.push(mill.once()?);
    }
    if mill.taken.iter().any(|t| t.code != 0) {
        println!("  millstream failed: {}", first_lines(&mill.errors()));
        return Ok(());
    }
    let verdict = if mill.median() <= ONE_ITEM {
        "reached"
    } else {
        "MISSED"
    };
    println!(
        "  {:.1} ms ({:.1} ms for a program that does nothing), peak {} MiB; target {} ms: {verdict}",
        mill.median().as_secs_f64() * 1e3,
        nothing.median().as_secs_f64() * 1e3,
        mill.peak_mib(),
        ONE_ITEM.as_millis()
    );
    Ok(())
}

/// What a stage more costs: a chain of 4 beside one of 40.
fn chain(wish: &Wish) -> io::Result<()> {
    const SHORT: u32 = 4;
    const LONG: u32 = 40;
    let items = 2_000_000 / wish.part;
    println!("\nchain: {items} items through {SHORT} stages and through {LONG}");
    let mut chains = Vec::new();
    for stages in [SHORT, LONG] {
        let path = data::folder().join(format!("chain-{stages}.yaml"));
        fs::write(&path, chain_of(stages, items))?;
        chains.push(Runner::new(
            &format!("chain-{stages}"),
            millstream(&path, Path::new("/dev/null")),
        ));
    }
    for _ in 0..wish.rounds {
        for runner in &mut chains {
            let taken = runner.once()?;
            if taken.code != 0 {
                println!(
                    "  {} failed: {}",
                    runner.name,
                    first_lines(&runner.errors())
                );
                return Ok(());
            }
            runner.taken.push(taken);
        }
    }
    let [short, long] = [
        chains[0].median().as_secs_f64(),
        chains[1].median().as_secs_f64(),
    ];
    let each = |seconds: f64, stages: u32| seconds / f64::from(stages) / items as f64 * 1e9;
    let verdict = if long <= 10.0 * short {
        "reached"
    } else {
        "MISSED"
    };
    println!(
        "  {short:.3} s and {long:.3} s: {:.1} and {:.1} ns an item and stage; ten times the stages cost {:.1} times, target 10: {verdict}",
        each(short, SHORT),
        each(long, LONG),
        long / short
    );
    Ok(())
}

/// A source, stages that let everything pass, and one that counts; so many together.
fn chain_of(stages: u32, items: u64) -> String {
    let mut text = format!("stages:\n  s1: {{do: [{{range: {items}}}]}}\n");
    for n in 2..stages {
        let _ = writeln!(text, "  s{n}: {{from: s{}, do: [{{filter: true}}]}}", n - 1);
    }
    let _ = writeln!(
        text,
        "  s{stages}: {{from: s{}, do: [{{group: {{n: count()}}}}, {{write: {{to: stdout, format: json}}}}]}}",
        stages - 1
    );
    text
}
