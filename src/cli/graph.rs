//! `graph`: draws a pipeline without running it.

use std::path::PathBuf;

use super::{input, print, screen};
use crate::notice::{Exit, Level};
use crate::report::paint::{Color, Paint};
use crate::report::{graph, output, terminal};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file; `-` is standard input
    file: PathBuf,
    /// `text` for the terminal, `dot` for Graphviz, `mermaid` for Markdown pages, `svg` for browsers
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Writes the drawing to this file
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: input::Settings,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Dot,
    Mermaid,
    Svg,
}

/// The width of a text drawing that goes to a file or a pipe.
const PAGE: usize = 100;

pub(super) fn run(args: &Args, color: Color) -> Exit {
    draw(args, color).unwrap_or_else(|exit| exit)
}

fn draw(args: &Args, color: Color) -> Result<Exit, Exit> {
    let screen = screen(color)?;
    let (plan, checked) = input::plan(&args.file, &args.settings, false, &screen)?;
    let on_screen = args.output.is_none() && output::stdout_is_terminal();
    let text = match args.format {
        Format::Dot => graph::dot(&plan),
        Format::Mermaid => graph::mermaid(&plan),
        Format::Svg => graph::svg(&plan),
        Format::Text => {
            let columns = if on_screen { terminal::size().0 } else { PAGE };
            let on = if args.output.is_some() {
                color == Color::Always
            } else {
                color.on(on_screen)
            };
            graph::text(&plan, columns, Paint { on })
        }
    };
    let text = checked.secrets().hide(&text).into_owned();
    match &args.output {
        None => Ok(print(&screen, &text)),
        Some(file) => std::fs::write(file, text)
            .map(|()| Exit::Done)
            .map_err(|e| {
                screen.say(
                    Level::Error,
                    &format!("cannot write {}: {e}", file.display()),
                );
                Exit::Io
            }),
    }
}
