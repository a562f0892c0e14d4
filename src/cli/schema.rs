//! `schema`: prints the JSON Schema of pipeline files.

use super::screen;
use crate::notice::{Exit, Level};
use crate::report::paint::Color;

pub(super) fn run(color: Color) -> Exit {
    let Ok(screen) = screen(color) else {
        return Exit::Io;
    };
    screen.say(Level::Error, "`schema` is not built yet");
    Exit::Invalid
}
