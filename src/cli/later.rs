//! Options of the language that are not built yet: known, and refused.

use std::path::PathBuf;

/// What `run` will take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Not built yet")]
pub(super) struct Later {
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
}

impl Later {
    /// The first of them that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let Later {
            state,
            resume,
            cluster,
            ui,
        } = self;
        let all = [
            ("--state", state.is_some()),
            ("--resume", *resume),
            ("--cluster", cluster.is_some()),
            ("--ui", ui.is_some()),
        ];
        all.iter().find(|(_, given)| *given).map(|(name, _)| *name)
    }
}
