//! `new NAME`: a folder with a commented pipeline that runs, and a little data for it.

use std::path::{Path, PathBuf};

use super::{print, screen};
use crate::notice::{Exit, Level};
use crate::report::paint::Color;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to make
    name: PathBuf,
    /// What to begin with: `log` counts in an access log, `csv` joins two tables, `dag` has stages side by side
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Kind {
    #[default]
    Log,
    Csv,
    Dag,
}

/// The name and the text of a file.
type File = (&'static str, &'static str);

impl Kind {
    /// The pipeline, and its data.
    fn files(self) -> (&'static str, &'static [File]) {
        match self {
            Kind::Log => (
                include_str!("starters/log.yaml"),
                &[("access.log", include_str!("starters/access.log"))],
            ),
            Kind::Csv => (
                include_str!("starters/csv.yaml"),
                &[
                    ("orders.csv", include_str!("starters/orders.csv")),
                    ("customers.csv", include_str!("starters/customers.csv")),
                ],
            ),
            Kind::Dag => (
                include_str!("starters/dag.yaml"),
                &[("events.jsonl", include_str!("starters/events.jsonl"))],
            ),
        }
    }
}

pub(super) fn run(args: &Args, color: Color) -> Exit {
    let screen = match screen(color) {
        Ok(screen) => screen,
        Err(exit) => return exit,
    };
    match make(&args.name, args.kind) {
        Ok(pipeline) => {
            let path = pipeline.display();
            screen.raw(&format!("{} {path}; now try", screen.paint.good("made")));
            print(
                &screen,
                &format!(
                    "  millstream graph {path}\n  millstream test {path}\n  millstream run {path}\n"
                ),
            )
        }
        Err(why) => {
            screen.say(Level::Error, &why);
            Exit::Invalid
        }
    }
}

/// Makes the folder and its files; the pipeline's path. Nothing that is there is touched.
fn make(folder: &Path, kind: Kind) -> Result<PathBuf, String> {
    let name = folder
        .file_name()
        .and_then(|n| n.to_str())
        .ok_or_else(|| format!("{} is no name for a folder", folder.display()))?;
    let (pipeline, data) = kind.files();
    // In quotes, as JSON: that is YAML too, whatever the name is.
    let name = serde_json::Value::from(name).to_string();
    let pipeline = pipeline
        .replace("SCHEMA", "schema.json")
        .replace("name: NAME", &format!("name: {name}"));
    let path = folder.join("pipeline.yaml");
    let schema = crate::schema::text();
    let mut files = vec![
        (path.clone(), &*pipeline),
        (folder.join("schema.json"), &schema),
    ];
    files.extend(data.iter().map(|(name, text)| (folder.join(name), *text)));
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|e| format!("cannot make {}: {e}", parent.display()))?;
    }
    std::fs::create_dir(folder).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{} is there already; choose another name", folder.display())
        }
        _ => format!("cannot make {}: {e}", folder.display()),
    })?;
    for (path, text) in &files {
        std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(path)
}
