//! `fetch` and `tasks` against a real server.

use crate::case::Case;
use crate::server::Server;

/// What each of these URLs (`SITE/...`) becomes in `fetch` with these options: a line for each, sorted, its
/// dead letters among them.
fn fetched(server: &Server, executor: &str, options: &str, paths: &[&str]) -> Vec<String> {
    let urls: Vec<String> = paths
        .iter()
        .map(|p| format!("\"http://SITE/{p}\""))
        .collect();
    let urls = urls.join(", ");
    let pipeline = format!(
        "
         queues: [dead]
         stages:
           get:
             {executor}
             on_error: {{to: dead}}
             retry: {{times: 2, wait: 1ms}}
             do:
               - items: [{urls}]
               - fetch: {{url: '{{item}}'{options}}}
               - print: '{{status}} {{url}} {{body}}'
           letters:
             from: dead
             do:
               - print: '{{error.kind}} {{error.code}} after {{attempts}}: {{error.message}}'"
    );
    let done = Case::new(&server.put_into(&pipeline)).run().exits(0);
    let site = format!("http://127.0.0.1:{}", server.port);
    let mut lines: Vec<String> = done.stdout.lines().map(|l| l.replace(&site, "")).collect();
    lines.sort();
    lines
}

#[test]
fn an_answer_is_unpacked_decoded_and_followed_wherever_it_runs() {
    let server = Server::start();
    for executor in ["tasks: 100", "threads: 2"] {
        let lines = fetched(
            &server,
            executor,
            ", private: allow",
            &[
                "hello",
                "latin",
                "packed/gzip",
                "packed/br",
                "packed/zstd",
                "to?url=/hello",
            ],
        );
        let expected = [
            "200 /hello hello from /hello",
            "200 /hello hello from /hello",
            "200 /latin café",
            "200 /packed/br hello",
            "200 /packed/gzip hello",
            "200 /packed/zstd hello",
        ];
        assert_eq!(lines, expected);
    }
}

#[test]
fn what_may_be_otherwise_another_time_is_tried_again_and_nothing_else() {
    let server = Server::start();
    let lines = fetched(
        &server,
        "tasks: 10",
        ", private: allow, max_size: 1kB",
        &["busy/2", "breaks/1", "status/404", "status/503", "big/2000"],
    );
    let expected = [
        "200 /breaks/1 attempt 2",
        "200 /busy/2 attempt 3",
        "http 404 after 1: GET /status/404: 404 Not Found",
        "http 503 after 3: GET /status/503: 503 Service Unavailable",
        "io null after 1: /big/2000 is larger than 1000 bytes (`max_size`)",
    ];
    assert_eq!(lines, expected);
    let seen = server.stats();
    assert_eq!(seen["paths"]["/status/404"], 1);
    assert_eq!(seen["paths"]["/status/503"], 3);
}

#[test]
fn a_host_that_comes_from_data_leads_to_no_private_address() {
    let server = Server::start();
    let lines = fetched(&server, "tasks: 10", "", &["hello"]);
    assert!(
        lines[0].starts_with(
            "io null after 1: 127.0.0.1 is a private address, and this host comes from data"
        ),
        "{lines:?}"
    );
    // The host is the file's, but it leads to others: an address, and a name.
    let to = |host: &str| format!("to?url=http://{host}:{}/hello", server.port);
    let pipeline = format!(
        "
         stages:
           get:
             on_error: drop
             do:
               - items: ['{}', '{}', '{}', hello]
               - fetch: 'http://SITE/to?url={{item}}'
               - print: '{{body}}'",
        to("127.0.0.2"),
        to("localhost"),
        to("[::ffff:127.0.0.1]"),
    );
    let pipeline = pipeline.replace("to?url=http", "http");
    let done = Case::new(&server.put_into(&pipeline)).run().exits(0);
    assert_eq!(done.stdout, "hello from /hello\n");
    for said in [
        "127.0.0.2 is a private address",
        "localhost leads to 127.0.0.1, a private address",
        "::ffff:127.0.0.1 is a private address",
    ] {
        assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
    }
    assert_eq!(server.stats()["paths"]["/hello"], 1);
}

#[test]
fn robots_txt_is_read_once_and_obeyed() {
    let server = Server::start();
    let lines = fetched(
        &server,
        "tasks: 10",
        ", private: allow, robots: true",
        &["hello", "private/x", "hello?again"],
    );
    let expected = [
        "200 /hello hello from /hello".to_owned(),
        "200 /hello?again hello from /hello".to_owned(),
        format!(
            "robots null after 1: robots.txt of 127.0.0.1:{} forbids /private/x",
            server.port
        ),
    ];
    assert_eq!(lines, expected);
    assert_eq!(server.stats()["paths"]["/robots.txt"], 1);
}

#[test]
fn a_request_says_what_the_step_says_and_values_stay_in_their_place() {
    let server = Server::start();
    let done = Case::new(&server.put_into(
        "
         params: {token: {type: string, secret: true}}
         stages:
           get:
             do:
               - items: [{q: 'a/b&c=d é', n: 3}]
               - fetch:
                   url: 'http://SITE/echo/{q}?q={q}'
                   headers: {X-Token: '${token}', X-Twice: '{n * 2}'}
                   json: {twice: n * 2, q: q}
                 into: answer
               - in: answer.body
                 into: said
                 parse: json
               - print: '{said.method} {said.path} {said.body} {said.headers[\"x-twice\"]} {said.headers[\"content-type\"]} {size(said.headers[\"x-token\"])}'
               - fetch: {url: 'http://SITE/echo', form: {q: q, n: '[n, n + 1]'}}
                 into: answer
               - in: answer.body
                 into: said
                 parse: json
               - print: '{said.method} {said.body}'
               - fetch: {url: 'http://SITE/status/500', headers: {X-Token: '${token}'}}",
    ))
    .set("token", "open-sesame")
    .run()
    .exits(1)
    .prints(
        "POST /echo/a%2Fb%26c%3Dd%20%C3%A9?q=a%2Fb%26c%3Dd%20%C3%A9 {\"twice\":6,\"q\":\"a/b&c=d é\"} 6 application/json 11\n\
         POST q=a%2Fb%26c%3Dd+%C3%A9&n=3&n=4\n",
    );
    assert!(!done.stderr.contains("open-sesame"), "{}", done.stderr);
}

#[test]
fn connections_are_used_again_and_tasks_wait_together() {
    let server = Server::start();
    Case::new(&server.put_into(
        "
         stages:
           get:
             tasks: 20
             do:
               - range: 200
               - fetch: 'http://SITE/slow/0.01?{item}'
           count: {from: get, do: [{group: {n: count()}}, {print: '{n}'}]}",
    ))
    .run()
    .exits(0)
    .prints("200\n");
    let seen = server.stats();
    assert!(seen["connections"].as_i64() <= Some(25), "{seen}");
    assert!(seen["most_at_once"].as_i64() > Some(10), "{seen}");
}

#[test]
fn a_time_that_is_over_ends_the_request_at_once() {
    let server = Server::start();
    let done = Case::new(&server.put_into(
        "
         stages:
           get:
             tasks: 5
             on_error: drop
             do:
               - items: [20, 0]
               - fetch: 'http://SITE/slow/{item}'
                 timeout: 300ms
               - print: '{body}'",
    ))
    .run()
    .exits(0);
    assert_eq!(done.stdout, "at last\n");
    assert!(
        done.stderr.contains("not done within 300ms"),
        "{}",
        done.stderr
    );
}

#[test]
fn cookies_are_kept_for_the_run_where_the_step_says_so() {
    let server = Server::start();
    for (cookies, said) in [("true", "a=1\n"), ("false", "null\n")] {
        let pipeline = format!(
            "
             stages:
               get:
                 do:
                   - items: [1]
                   - fetch: {{url: 'http://SITE/cookie/a=1', cookies: {cookies}}}
                   - fetch: {{url: 'http://SITE/echo', cookies: {cookies}}}
                   - in: body
                     parse: json
                   - print: '{{has(item.headers.cookie) ? item.headers.cookie : null}}'"
        );
        Case::new(&server.put_into(&pipeline))
            .run()
            .exits(0)
            .prints(said);
    }
}
