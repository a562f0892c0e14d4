//! The small web site of `server.py`, started for one test and ended with it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub(crate) struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with(&[], &[])
    }

    /// With these arguments (an address, a certificate) and this environment.
    pub(crate) fn with(args: &[&str], env: &[(&str, &str)]) -> Server {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(args)
            .envs(env.iter().copied().collect::<HashMap<_, _>>())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a port");
        let port = line.trim().parse().expect("a port");
        Server { child, port }
    }

    /// A pipeline in which `SITE` stands for this site.
    pub(crate) fn put_into(&self, pipeline: &str) -> String {
        pipeline.replace("SITE", &format!("127.0.0.1:{}", self.port))
    }

    /// What the site has seen so far.
    pub(crate) fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the site");
        stream
            .write_all(b"GET /stats HTTP/1.0\r\n\r\n")
            .expect("the site");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (_, body) = text.split_once("\r\n\r\n").expect("an answer");
        serde_json::from_str(body).expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its standard input; that it is gone is waited for.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
