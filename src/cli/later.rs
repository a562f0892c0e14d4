//! Options of the language that are not built yet: known, and refused.

use std::path::PathBuf;

/// What `run` will take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Not built yet")]
pub(super) struct Later {
    /// Runs only these stages
    #[arg(long, value_name = "STAGES")]
    only: Vec<String>,
    /// Keeps a journal in this folder
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Goes on with the run whose journal is in `--state`
    #[arg(long)]
    resume: bool,
    /// Shares queues and guards with other machines
    #[arg(long, value_name = "URL")]
    cluster: Option<String>,
    /// Shows the run as a page at this address
    #[arg(long, value_name = "ADDR")]
    ui: Option<String>,
    /// Writes a report of the run as a page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes what every worker did and when
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl Later {
    /// The first of them that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let Later {
            only,
            state,
            resume,
            cluster,
            ui,
            report,
            trace,
        } = self;
        let all = [
            ("--only", !only.is_empty()),
            ("--state", state.is_some()),
            ("--resume", *resume),
            ("--cluster", cluster.is_some()),
            ("--ui", ui.is_some()),
            ("--report", report.is_some()),
            ("--trace", trace.is_some()),
        ];
        all.iter().find(|(_, given)| *given).map(|(name, _)| *name)
    }
}
