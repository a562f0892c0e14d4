//! Timers, rehearsed: the command `test` runs on a virtual clock, which begins at 2000-01-01T00:00:00Z and moves
//! when everybody waits, so that times are exact and nothing waits for them.

use crate::case::{Case, millstream};

/// Every test in the file passes.
#[track_caller]
fn rehearsed(pipeline: &str) {
    let done = Case::new(pipeline).command("test");
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
}

#[test]
fn a_timer_makes_an_item_at_each_tick() {
    rehearsed(
        "
        stages:
          beat: {timer: {every: 90s, delay: 1s, times: 3}, do: [{map: {tick: tick, at: at, now: now()}}]}
        tests:
          - name: three ticks
            given: {}
            expect:
              beat:
                - {tick: 1, at: '2000-01-01T00:00:01Z', now: '2000-01-01T00:00:01Z'}
                - {tick: 2, at: '2000-01-01T00:01:31Z', now: '2000-01-01T00:01:31Z'}
                - {tick: 3, at: '2000-01-01T00:03:01Z', now: '2000-01-01T00:03:01Z'}
        ",
    );
}

#[test]
fn a_tick_that_comes_while_the_last_is_at_work_is_left_out_unless_in_a_burst() {
    rehearsed(
        "
        stages:
          slow: {timer: {every: 10s, times: 3}, do: [{sleep: 15s}, {map: {tick: tick, at: at}}]}
          burst: {timer: {every: 10s, times: 3, missed: burst}, do: [{sleep: 15s}, {map: {tick: tick, at: at, now: now()}}]}
        tests:
          - name: skipped and not numbered, or late
            given: {}
            expect:
              slow:
                - {tick: 1, at: '2000-01-01T00:00:00Z'}
                - {tick: 2, at: '2000-01-01T00:00:20Z'}
                - {tick: 3, at: '2000-01-01T00:00:40Z'}
              burst:
                - {tick: 1, at: '2000-01-01T00:00:00Z', now: '2000-01-01T00:00:15Z'}
                - {tick: 2, at: '2000-01-01T00:00:10Z', now: '2000-01-01T00:00:30Z'}
                - {tick: 3, at: '2000-01-01T00:00:20Z', now: '2000-01-01T00:00:45Z'}
        ",
    );
}

#[test]
fn an_item_that_waits_for_its_next_attempt_is_at_work() {
    rehearsed(
        "
        stages:
          beat:
            timer: {every: 10s, times: 2}
            retry: {times: 1, wait: 15s}
            on_error: drop
            do: [{map: {tick: tick, at: at, none: 1 / (tick - tick)}}]
        tests:
          - name: the second comes when the first has failed for good
            given: {}
            expect: {beat: []}
            errors:
              - {item: '\"at\":\"2000-01-01T00:00:00Z\"'}
              - {item: '\"at\":\"2000-01-01T00:00:20Z\"'}
        ",
    );
}

#[test]
fn until_a_length_of_time_a_point_in_time_or_a_condition() {
    rehearsed(
        "
        values: {ticks: int}
        stages:
          long: {timer: {every: 10s, until: 25s}, do: [{map: tick}]}
          at: {timer: {every: 10s, until: 2000-01-01T00:00:20Z}, do: [{map: tick}]}
          when: {timer: {every: 10s, until: values.ticks >= 4}, do: [{add: {ticks: 1}}, {map: tick}]}
        tests:
          - given: {}
            expect: {long: [1, 2, 3], at: [1, 2], when: [1, 2, 3, 4]}
        ",
    );
}

#[test]
fn a_calendar_has_its_time_zone_and_its_changes_of_clocks() {
    // Clocks in Bern went from 02:00 to 03:00 on 26 March 2000; the run begins on 1 January.
    rehearsed(
        "
        stages:
          night:
            timer: {cron: '30 2 25-27 3 *', timezone: Europe/Zurich, times: 3}
            do: [{map: at}]
        tests:
          - name: the hour that is missing
            given: {}
            expect: {night: ['2000-03-25T01:30:00Z', '2000-03-26T01:00:00Z', '2000-03-27T00:30:00Z']}
        ",
    );
}

#[test]
fn a_timer_with_from_lets_one_item_through_a_tick() {
    rehearsed(
        "
        stages:
          urls: {do: [{range: 3}]}
          paced: {from: urls, timer: 5s, do: [{map: {n: item, at: now()}}]}
          two: {from: urls, timer: {every: 1s, times: 2}, do: [{map: {n: item, at: now()}}]}
        tests:
          - given: {urls: [0, 1, 2]}
            expect:
              urls: [0, 1, 2]
              paced:
                - {n: 0, at: '2000-01-01T00:00:00Z'}
                - {n: 1, at: '2000-01-01T00:00:05Z'}
                - {n: 2, at: '2000-01-01T00:00:10Z'}
              two:
                - {n: 0, at: '2000-01-01T00:00:00Z'}
                - {n: 1, at: '2000-01-01T00:00:01Z'}
        ",
    );
}

#[test]
fn a_timer_with_from_and_delay_runs_each_item_so_long_after_it_came() {
    // The work of 15 s on the first does not hold up the clock of the others: each is due 60 s after it came.
    rehearsed(
        "
        stages:
          come: {timer: {every: 10s, times: 4}, do: [{map: tick}]}
          later:
            from: come
            timer: {delay: 60s}
            do:
              - map: {n: item, at: now()}
              - {if: n == 1, sleep: 15s}
        tests:
          - given: {}
            expect:
              come: [1, 2, 3, 4]
              later:
                - {n: 1, at: '2000-01-01T00:01:00Z'}
                - {n: 2, at: '2000-01-01T00:01:15Z'}
                - {n: 3, at: '2000-01-01T00:01:20Z'}
                - {n: 4, at: '2000-01-01T00:01:30Z'}
        ",
    );
}

#[test]
fn a_timer_without_an_end_ends_with_everything_that_does_not_come_from_it() {
    rehearsed(
        "
        queues: {log: string}
        stages:
          beat: {timer: 10s, do: [{map: '\"beat \" + string(tick)'}], to: log}
          batch: {timer: {every: 12s, times: 3}, do: [{map: '\"batch \" + string(tick)'}], to: log}
          show: {from: log, do: [{sort: item}]}
          last: {after: show, do: [{items: [over]}]}
        tests:
          - name: the batch ends at 24 s, and the heartbeat with it
            given: {last: [over]}
            expect:
              beat: [beat 1, beat 2, beat 3]
              batch: [batch 1, batch 2, batch 3]
              show: [batch 1, batch 2, batch 3, beat 1, beat 2, beat 3]
              last: [over]
        ",
    );
}

#[test]
fn a_timer_for_ever_wants_its_ticks_given_in_a_test() {
    let file = |given: &str| {
        format!(
            "stages: {{beat: {{timer: 10s, do: [{{map: tick}}]}}}}\ntests: [{{given: {given}, expect: {{beat: [7]}}}}]"
        )
    };
    let done = Case::new(&file("{}")).command("test");
    assert_eq!(done.code, 1);
    assert!(
        done.stdout.contains("goes on until it is stopped"),
        "{}",
        done.stdout
    );
    rehearsed(&file("{beat: [{tick: 7, at: '2026-01-01T00:00:00Z'}]}"));
}

#[test]
fn a_timer_for_ever_runs_until_it_is_stopped() {
    let mut live = Case::new("stages: {beat: {timer: 1h, do: [{print: 'tick {tick}'}]}}").start();
    assert_eq!(live.line(), "tick 1");
    live.signal(nix::sys::signal::Signal::SIGINT);
    let done = live.end();
    assert_eq!(done.code, 130, "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[test]
fn the_shipped_heartbeat_passes_its_own_test() {
    let (code, stdout, stderr) = millstream(&["test", "pipelines/heartbeat.yaml"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
}
