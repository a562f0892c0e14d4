//! The shipped crawler on the shipped site.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::case::{millstream, repository};

/// The site of examples/site, ended with the test.
struct Site {
    child: Child,
    url: String,
}

impl Site {
    fn start() -> Site {
        let mut child = Command::new("python3")
            .arg(repository().join("examples/site/serve.py"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("its URL");
        Site {
            child,
            url: line.trim().to_owned(),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it leaves in its two files, `SITE` in the place of the site's URL.
fn crawled(depth: &str) -> [String; 2] {
    let site = Site::start();
    let out = tempfile::tempdir().expect("a folder");
    let (code, _, stderr) = millstream(&[
        "run",
        "pipelines/crawl.yaml",
        "--progress",
        "none",
        "--set",
        &format!("start={}", site.url),
        "--set",
        &format!("depth={depth}"),
        "--set",
        &format!("out={}", out.path().display()),
    ]);
    assert_eq!(code, 0, "{stderr}");
    ["pages.jsonl", "dead-links.csv"].map(|name| {
        let text = fs::read_to_string(out.path().join(name)).expect("a file");
        let place = site.url.trim_start_matches("http://").trim_end_matches('/');
        text.replace(&site.url, "SITE/").replace(place, "SITE")
    })
}

#[test]
fn the_shipped_crawler_finds_every_page_once_and_the_dead_links() {
    let [pages, dead] = crawled("9");
    let wanted = [
        ("SITE/", 0, "Start", 5),
        ("SITE/a/", 1, "A", 5),
        ("SITE/a/1.html", 2, "A one", 3),
        ("SITE/a/2.html", 2, "A two", 2),
        ("SITE/a/deep/3.html", 3, "A three", 1),
        ("SITE/a/deep/4.html", 4, "A four", 1),
        ("SITE/b.html", 1, "B", 4),
        ("SITE/b.html?again", 2, "B again", 1),
        ("SITE/new/", 3, "New", 1),
        ("SITE/new/page.html", 4, "New page", 1),
    ];
    let wanted = wanted.map(|(url, depth, title, links)| {
        format!("{{\"url\":\"{url}\",\"depth\":{depth},\"title\":\"{title}\",\"links\":{links}}}\n")
    });
    assert_eq!(pages, wanted.concat());
    assert_eq!(
        dead,
        "url,from,why\n\
         SITE/gone.html,SITE/a/deep/4.html,GET SITE/gone.html: 404 Not Found\n\
         SITE/missing.html,SITE/,GET SITE/missing.html: 404 Not Found\n\
         SITE/private/secret.html,SITE/a/,robots.txt of SITE forbids SITE/private/secret.html\n"
    );
}

#[test]
fn the_shipped_crawler_goes_no_deeper_than_it_is_told() {
    let [pages, dead] = crawled("1");
    let deepest = pages.lines().filter(|l| l.contains("\"depth\":1")).count();
    assert_eq!((pages.lines().count(), deepest), (3, 2), "{pages}");
    assert_eq!(dead.lines().count(), 2, "{dead}");
}
