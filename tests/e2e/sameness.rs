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

#[test]
fn steps_with_a_memory_see_all_items_of_a_pool_in_order() {
    let run = |threads: usize| {
        let pipeline = format!(
            "stages:
               read: {{do: [{{range: 3000}}]}}
               work:
                 from: read
                 threads: {threads}
                 do:
                   - map: {{n: item, key: item % 7, tenth: double(item) * 0.1}}
                   - group: {{by: key, n: count(), least: min(n), sum: sum(tenth), first: first(n), last: last(n)}}
                   - write: {{to: stdout, format: json}}
               some:
                 from: read
                 threads: {threads}
                 do:
                   - filter: item % 3 == 0
                   - take: 10
                   - write: some.txt
               best:
                 from: read
                 threads: {threads}
                 do:
                   - top: {{n: 5, by: item % 10}}
                   - write: best.txt"
        );
        let done = Case::new(&pipeline)
            .run()
            .exits(0)
            .leaves("some.txt", "0\n3\n6\n9\n12\n15\n18\n21\n24\n27\n")
            .leaves("best.txt", "9\n19\n29\n39\n49\n");
        done.stdout
    };
    let alone = run(1);
    assert_eq!(alone.lines().count(), 7);
    for threads in [2, 5, 16] {
        assert_eq!(run(threads), alone, "{threads} workers");
    }
}

#[test]
fn an_unordered_pool_gives_the_same_items() {
    let done = Case::new(
        "stages:
           read: {do: [{range: 2000}]}
           work: {from: read, threads: 4, ordered: false, do: [{map: item * 2}]}
           out: {from: work, do: [{write: stdout}]}",
    )
    .run()
    .exits(0);
    let mut found: Vec<u32> = done
        .stdout
        .lines()
        .map(|l| l.parse().expect("a number"))
        .collect();
    found.sort_unstable();
    assert_eq!(found, (0..2000).map(|n| n * 2).collect::<Vec<_>>());
}

/// What a step has left at the end comes last for the step behind it too.
#[test]
fn a_last_short_batch_is_the_last_among_equals() {
    Case::new(
        "stages:
           a:
             do:
               - range: 7
               - batch: 3
               - map: '{\"n\": size(item), \"k\": 1}'
               - sort: k
               - print: '{n}'",
    )
    .run()
    .exits(0)
    .prints("3\n3\n1\n");
}
