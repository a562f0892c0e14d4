use crate::case::Case;

/// Every ordered pipeline must print this, whatever the number of workers.
fn parsed(threads: usize, max: usize) -> String {
    let pipeline = format!(
        "
         pipes: {{lines: {{of: string, max: {max}}}}}
         stages:
           read: {{do: [read: in.txt], to: lines}}
           work:
             from: lines
             threads: {threads}
             on_error: drop
             do:
               - parse: {{regex: '(?P<n>[0-9]+)'}}
               - filter: n.endsWith('7') || n.endsWith('3')
               - assign: {{twice: n + n}}
           out: {{from: work, do: [{{write: {{to: stdout, format: json}}}}]}}"
    );
    let lines: String = (0..5000)
        .map(|n| {
            if n % 100 == 3 {
                "odd\n".to_owned()
            } else {
                format!("{n}\n")
            }
        })
        .collect();
    Case::new(&pipeline)
        .file("in.txt", lines)
        .run()
        .exits(0)
        .stdout
}

#[test]
fn an_ordered_pool_gives_the_same_output_with_any_number_of_workers() {
    let alone = parsed(1, 1024);
    assert_eq!(alone.lines().count(), 950);
    assert!(
        alone.starts_with("{\"n\":\"7\",\"twice\":\"77\"}\n{\"n\":\"13\""),
        "{alone}"
    );
    for threads in [2, 3, 8, 32] {
        assert_eq!(parsed(threads, 1024), alone, "{threads} workers");
    }
}

#[test]
fn the_bound_of_a_connection_changes_no_result() {
    let wide = parsed(3, 1024);
    for max in [1, 2, 3, 7, 100] {
        assert_eq!(parsed(3, max), wide, "max {max}");
    }
}
