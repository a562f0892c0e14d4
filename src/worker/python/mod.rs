//! The program that the step `python` gives to the interpreter: a small package `millstream`, which is also what
//! the user's functions import. It is text within us; nothing is written to disk, nothing is installed.

use std::fmt::Write as _;

/// The modules of the package, by their names.
const MODULES: &[(&str, &str)] = &[
    ("millstream", include_str!("api.py")),
    ("millstream._channel", include_str!("channel.py")),
    ("millstream._codec", include_str!("codec.py")),
    ("millstream._guards", include_str!("guards.py")),
    ("millstream._load", include_str!("load.py")),
    ("millstream._main", include_str!("main.py")),
    ("millstream._queues", include_str!("queues.py")),
    ("millstream._serve", include_str!("serve.py")),
    ("millstream._shared", include_str!("shared.py")),
];

/// What stands behind `python3 -c`: the program, and its settings (JSON).
pub fn program(settings: &serde_json::Value) -> String {
    let mut text = include_str!("boot.py").to_owned();
    text.push_str("\n_begin({");
    for (name, source) in MODULES {
        // A JSON text of ASCII is a Python text.
        let _ = write!(text, "{name:?}: {},\n", ascii(source));
    }
    let _ = write!(text, "}}, {})\n", ascii(&settings.to_string()));
    text
}
