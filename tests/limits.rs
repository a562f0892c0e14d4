//! Limits in whole runs, under a clock that moves only when everybody waits: when each item began and ended is
//! exact.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::Pipeline;
use millstream::engine::{Options, run};
use millstream::notice::Exit;
use millstream::steps::Output;
use millstream::wait::{Clock, VirtualClock};

struct Nothing;

impl Output for Nothing {
    fn stdout(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn stderr(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn log(&self, _: &str) {}
}

/// When items began (`true`) and ended, with their keys, in the order of time; in milliseconds.
type Seen = Vec<(u64, String, bool)>;

/// Runs a pipeline whose steps `call: begin` and `call: end` note the `key` of their item.
fn seen(pipeline: &str) -> Seen {
    let clock = Arc::new(VirtualClock::new());
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let note = |begins: bool| {
        let (clock, seen) = (clock.clone(), seen.clone());
        move |item: serde_json::Value| {
            let key = item["key"].as_str().unwrap_or_default().to_owned();
            let now = clock.now().as_millis() as u64;
            seen.lock().unwrap().push((now, key, begins));
            Ok(item)
        }
    };
    let (plan, _) = Pipeline::from_text(pipeline)
        .function("begin", note(true))
        .function("end", note(false))
        .plan()
        .unwrap_or_else(|e| panic!("{e}"));
    let (notices, told) = crossbeam_channel::unbounded();
    let mut options = Options::new(&plan, Arc::new(Nothing), notices);
    options.clock = clock;
    let (send, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(run(&plan, options).0);
    });
    let ended = done
        .recv_timeout(Duration::from_mins(1))
        .expect("the run ends");
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(ended.exit, Exit::Done, "{:?} {told:?}", ended.why);
    Arc::try_unwrap(seen).map_or_else(|s| s.lock().unwrap().clone(), |s| s.into_inner().unwrap())
}

/// The most at once, and the smallest distance between two starts, of all and of each key.
fn most_and_nearest(seen: &Seen, key: Option<&str>) -> (i32, u64) {
    let (mut now, mut most, mut nearest, mut last) = (0, 0, u64::MAX, None);
    for (at, k, begins) in seen {
        if key.is_some_and(|key| key != k) {
            continue;
        }
        now += if *begins { 1 } else { -1 };
        most = most.max(now);
        if *begins {
            nearest = nearest.min(last.replace(*at).map_or(u64::MAX, |last: u64| at - last));
        }
    }
    (most, nearest)
}

fn last_end(seen: &Seen, key: &str) -> u64 {
    let ends = seen.iter().filter(|(_, k, begins)| k == key && !begins);
    ends.map(|(at, ..)| *at).max().unwrap_or_default()
}

const EXECUTORS: [&str; 3] = ["threads: 1", "threads: 4", "tasks: 100"];

/// `work` on items with keys, `limits` around 100 ms of work.
fn work(executor: &str, limits: &str, items: u64, key: &str) -> String {
    format!(
        "
limits: {{web: {limits}}}
stages:
  a: {{do: [{{range: {items}}}, {{map: {{n: item, key: '{key}'}}}}]}}
  b:
    from: a
    {executor}
    do:
      - with: web
        do:
          - call: begin
          - sleep: 100ms
          - call: end
"
    )
}

#[test]
fn never_more_at_once_than_allowed_and_the_allowed_number_is_reached() {
    for (executor, reached) in EXECUTORS.into_iter().zip([1, 3, 3]) {
        let seen = seen(&work(executor, "{concurrent: 3}", 30, "\"k\""));
        assert_eq!(seen.len(), 60);
        assert_eq!(most_and_nearest(&seen, None).0, reached, "{executor}");
        assert_eq!(last_end(&seen, "k"), 3000 / reached as u64, "{executor}");
    }
}

#[test]
fn starts_of_one_key_keep_their_distance_and_a_slow_key_holds_up_no_other() {
    for executor in EXECUTORS {
        // 10 slow ones need 9 x 1 s; 30 fast ones 100 ms each, as many at once as there are workers.
        let pipeline = work(
            executor,
            "{keys: [{per: key, delay: 'DELAY'}]}",
            40,
            "item % 4 == 0 ? \"slow\" : \"fast\" + string(item)",
        )
        .replace("'DELAY'", "1s");
        let seen = seen(&pipeline);
        let (most, nearest) = most_and_nearest(&seen, Some("slow"));
        assert_eq!((most, nearest), (1, 1000), "{executor}");
        assert_eq!(last_end(&seen, "slow"), 9100, "{executor}");
        let fast = seen.iter().filter(|(_, k, _)| k != "slow");
        let fast = fast.map(|(at, ..)| *at).max().unwrap();
        // One worker does 30 of 100 ms, and between them the slow ones that are due.
        assert!(
            fast <= 3500,
            "{executor}: the fast ones waited until {fast}"
        );
    }
}

#[test]
fn all_entries_hold_at_once() {
    for executor in ["threads: 8", "tasks: 100"] {
        let seen = seen(&work(
            executor,
            "{concurrent: 4, keys: [{per: key, concurrent: 2}, {per: n % 2, delay: 30ms}]}",
            60,
            "\"k\" + string(item % 3)",
        ));
        assert_eq!(seen.len(), 120);
        assert_eq!(most_and_nearest(&seen, None).0, 4, "{executor}");
        for key in ["k0", "k1", "k2"] {
            assert_eq!(most_and_nearest(&seen, Some(key)).0, 2, "{executor} {key}");
        }
        let mut starts: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, _, begins) in &seen {
            *starts.entry(*at).or_default() += usize::from(*begins);
        }
        assert!(
            starts.values().all(|n| *n <= 2),
            "{executor}: two remainders, 30 ms each"
        );
    }
}

#[test]
fn a_rate_is_kept_over_stages_and_an_item_that_cannot_be_had_in_time_fails() {
    let pipeline = "
limits: {api: {rate: 10/s}}
queues: [dead]
stages:
  a: {do: [{range: 20}, {map: {key: '\"k\"'}}]}
  b: {from: a, threads: 2, do: [{with: api, call: begin}]}
  c: {from: a, tasks: 5, on_error: {to: dead}, do: [{with: api, timeout: 1s, call: begin}]}
  d: {from: dead, do: [{map: {key: error.kind}}, {call: end}]}
";
    let seen = seen(pipeline);
    let starts: Vec<u64> = seen.iter().filter(|s| s.2).map(|s| s.0).collect();
    assert!(starts.windows(2).all(|w| w[1] - w[0] >= 100), "{starts:?}");
    let late: Vec<_> = seen.iter().filter(|s| !s.2).collect();
    assert_eq!(starts.len() + late.len(), 40);
    assert!(
        !late.is_empty() && late.iter().all(|(_, kind, _)| kind == "timeout"),
        "{late:?}"
    );
}

#[test]
fn a_limit_and_a_lock_are_one_set_and_retries_take_it_anew() {
    for executor in EXECUTORS {
        let pipeline = format!(
            "
limits: {{web: {{concurrent: 5}}}}
locks: [one]
stages:
  a: {{do: [{{range: 10}}, {{map: {{key: '\"k\"', zero: item * 0}}}}]}}
  b:
    from: a
    {executor}
    on_error: drop
    retry: {{times: 2, wait: 10ms, factor: 1}}
    do:
      - with: [one, web]
        do:
          - call: begin
          - sleep: 10ms
          - call: end
          - map: 1 / item.zero
"
        );
        let seen = seen(&pipeline);
        assert_eq!(seen.len(), 60, "{executor}: ten items, three attempts each");
        assert_eq!(most_and_nearest(&seen, None).0, 1, "{executor}");
    }
}

#[test]
fn too_many_that_wait_aside_keep_the_stage_from_taking_more() {
    let pipeline = work(
        "tasks: 50",
        "{max_waiting: 5, keys: [{per: key, delay: 1s}]}",
        30,
        "\"k\"",
    );
    let seen = seen(&pipeline);
    assert_eq!(most_and_nearest(&seen, None), (1, 1000));
    assert_eq!(last_end(&seen, "k"), 29_100);
}
