//! Results as the XML that build servers read.

use super::Done;

/// One `testsuite` a file.
pub(super) fn xml(files: &[(String, Vec<Done>)]) -> String {
    let mut lines = vec![
        r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_string(),
        "<testsuites>".into(),
    ];
    for (file, tests) in files {
        let failed = tests.iter().filter(|t| !t.problems.is_empty()).count();
        let time: f64 = tests.iter().map(|t| t.took.as_secs_f64()).sum();
        lines.push(format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{time:.3}\">",
            escaped(file),
            tests.len()
        ));
        for test in tests {
            let head = format!(
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
                escaped(test.stage.as_deref().unwrap_or("pipeline")),
                escaped(&test.name),
                escaped(file),
                test.line,
                test.took.as_secs_f64()
            );
            match test.problems.first() {
                None => lines.push(head + "/>"),
                Some(first) => {
                    lines.push(head + ">");
                    lines.push(format!(
                        "      <failure message=\"{}\">{}</failure>",
                        escaped(first),
                        escaped(&test.problems.join("\n"))
                    ));
                    lines.push("    </testcase>".into());
                }
            }
        }
        lines.push("  </testsuite>".into());
    }
    lines.push("</testsuites>\n".into());
    lines.join("\n")
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            // XML 1.0 has no way to write these.
            c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
