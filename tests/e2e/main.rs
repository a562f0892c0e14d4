//! The built program, run as people run it: a pipeline file, its data, and what comes out. A module is a
//! concern; a test is data through one helper, [`case::Case`].

mod case;
mod server;

/// The pipelines that the repository ships do what they say.
mod shipped;

/// Stages connected in every way: pipes, fan-out, fan-in, queues.
mod wiring;

/// Ways that divide: routes, dead letters, what is put, writers that differ.
mod branches;

/// Queues that keep on disk what does not fit, and loops of stages.
mod loops;

/// What stands beside a step: `if`, `in`, `into`, `as`.
mod modifiers;

/// Locks, semaphores, conditions, events, barriers, values and arrays.
mod guards;

/// When guards are held, when they are given back, and who looks again.
mod holding;

/// What is proven of guards before a run, and said.
mod proofs;

/// What is secret is not shown.
mod secrets;

/// The shipped crawler.
mod crawl;

/// Guards that other runs on the machine share.
mod machine;

/// Timers, on a virtual clock.
mod timers;

/// The number of workers, the size of a connection and the form of a file never change a result.
mod sameness;

/// How runs end: exit codes, what is said, and what is left on the disk.
mod endings;

/// What came before the item that ends a run has gone its way.
mod before_the_end;
/// `fetch`, `tasks` and limits, with a small web site.
mod net;

/// Programs for each item, and what becomes of them.
mod programs;

/// Long-lived programs, and how they die.
mod workers;

/// Signals, a reader that goes away, a disk that is full.
mod stopping;

/// What the language has and this version has not.
mod refusals;

/// Hundreds of random pipelines, which must all end.
mod soak;

/// Functions of the user's in Python.
mod python;
