//! The program: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream::cli::main(std::env::args_os())
}
