//! `schema`: prints the JSON Schema of pipeline files.

use super::{print, screen};
use crate::notice::Exit;
use crate::report::paint::Color;

pub(super) fn run(color: Color) -> Exit {
    screen(color).map_or_else(|exit| exit, |screen| print(&screen, &crate::schema::text()))
}
