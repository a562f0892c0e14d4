//! The table of every rule that a file is held to: code, title, and what `explain CODE` prints.
//!
//! E01 the file and its forms · E02 names · E03 types and expressions · E04 wiring · E05 guards and waiting ·
//! E06 executors · E07 files and commands; a W with the same number is a warning of that family.

/// One rule.
#[derive(Debug)]
pub struct Rule {
    pub code: &'static str,
    /// A line: what is wrong where this rule speaks.
    pub title: &'static str,
    /// What `explain` prints: why, an example, the remedy.
    pub explain: &'static str,
}

pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.code.eq_ignore_ascii_case(code))
}

pub static RULES: &[Rule] = &[
    Rule {
        code: "E0101",
        title: "the file is not valid YAML",
        explain: "",
    },
    Rule {
        code: "E0102",
        title: "a key stands twice in one mapping",
        explain: "",
    },
    Rule {
        code: "E0103",
        title: "an unknown key",
        explain: "",
    },
    Rule {
        code: "E0104",
        title: "part of the language, but not built yet",
        explain: "",
    },
    Rule {
        code: "E0105",
        title: "a value of the wrong form",
        explain: "",
    },
    Rule {
        code: "E0106",
        title: "a required key is missing",
        explain: "",
    },
    Rule {
        code: "E0107",
        title: "the file is too large, too deep, or expands too far",
        explain: "",
    },
    Rule {
        code: "E0108",
        title: "YAML read an expression or a template as something else",
        explain: "",
    },
    Rule {
        code: "E0201",
        title: "an unknown name",
        explain: "",
    },
    Rule {
        code: "E0202",
        title: "a name that is taken",
        explain: "",
    },
    Rule {
        code: "E0203",
        title: "an unknown step",
        explain: "",
    },
    Rule {
        code: "E0204",
        title: "a parameter without a value",
        explain: "",
    },
    Rule {
        code: "W0201",
        title: "a default that is the name of a type",
        explain: "",
    },
    Rule {
        code: "E0301",
        title: "an expression that cannot be read",
        explain: "",
    },
    Rule {
        code: "E0302",
        title: "an unknown field",
        explain: "",
    },
    Rule {
        code: "E0303",
        title: "an expression of the wrong type",
        explain: "",
    },
    Rule {
        code: "E0304",
        title: "an item of the wrong type",
        explain: "",
    },
    Rule {
        code: "E0305",
        title: "an unknown function",
        explain: "",
    },
    Rule {
        code: "E0306",
        title: "a type that contains itself",
        explain: "",
    },
    Rule {
        code: "E0401",
        title: "a pipe with two ends on one side",
        explain: "",
    },
    Rule {
        code: "E0402",
        title: "a connection that is written and never read",
        explain: "",
    },
    Rule {
        code: "E0403",
        title: "a connection that is read and never written",
        explain: "",
    },
    Rule {
        code: "E0404",
        title: "a stage without a source",
        explain: "",
    },
    Rule {
        code: "E0405",
        title: "a loop without a feedback queue",
        explain: "",
    },
    Rule {
        code: "E0406",
        title: "two stages write the same file",
        explain: "",
    },
    Rule {
        code: "E0407",
        title: "a step in a place where it cannot stand",
        explain: "",
    },
    Rule {
        code: "E0408",
        title: "a connection that one stage names twice",
        explain: "",
    },
    Rule {
        code: "W0401",
        title: "an output that nobody reads",
        explain: "",
    },
    Rule {
        code: "W0402",
        title: "something that is declared and not used",
        explain: "",
    },
];
