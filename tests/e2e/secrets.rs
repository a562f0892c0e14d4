//! Secret values and parameters are shown as `***`; what steps write as data is not touched.

use crate::case::Case;

#[test]
fn nothing_that_is_shown_says_a_secret() {
    let pipeline = "
        params: {key: {type: string, secret: true, default: hush-hush}}
        values: {token: {of: string, secret: true, initial: first-token}}
        queues: [dead]
        stages:
          a:
            on_error: {to: dead}
            do:
              - items: [one, two]
              - log: 'before {values.token} {params.key}'
              - {if: item == \"two\", store: {token: '\"second-token\"'}}
              - map: int(values.token) + int(params.key)
              - print: '{}'
          b:
            after: a
            on_error: drop
            do:
              - items: [second-token]
              - map: int(item)
              - print: '{}'
          letters: {from: dead, do: [{map: {said: error.message, item: input}}, {write: {to: dead.jsonl}}]}
          data: {after: a, do: [{items: [x]}, {write: {to: data.txt}, in: params.key}]}
        ";
    for face in ["plain", "json", "none"] {
        let done = Case::new(pipeline)
            .arg("--progress")
            .arg(face)
            .arg("-v")
            .run()
            .exits(0);
        for secret in ["hush-hush", "first-token", "second-token"] {
            let told = [&done.stdout, &done.stderr].map(|t| t.contains(secret));
            assert_eq!(
                told,
                [false, false],
                "{face}: {}{}",
                done.stdout,
                done.stderr
            );
            let letters = std::fs::read_to_string(done.path("dead.jsonl")).expect("a file");
            assert!(!letters.contains(secret), "{letters}");
        }
        assert!(done.stderr.contains("before *** ***"), "{}", done.stderr);
        assert_eq!(
            std::fs::read_to_string(done.path("data.txt")).expect("a file"),
            "hush-hush\n"
        );
    }
}
