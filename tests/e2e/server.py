"""A small web site for the tests: it prints its port, and ends when its standard input does.

Every path says what it does; `/stats` tells what the site has seen."""

import gzip
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOCK = threading.Lock()
SEEN = {"connections": 0, "at_once": 0, "most_at_once": 0, "starts": {}, "paths": {}}
# "hello", packed by hand.
PACKED = {
    "gzip": gzip.compress(b"hello"),
    "br": bytes.fromhex("0b028068656c6c6f03"),
    "zstd": bytes.fromhex("28b52ffd2005290000") + b"hello",
}


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: with two, each answer would wait for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        with LOCK:
            SEEN["connections"] += 1

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        headers.setdefault("Content_Type", "text/html; charset=utf-8")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def handle_any(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        host = self.headers.get("Host", "").partition(":")[0]
        with LOCK:
            SEEN["paths"][url.path] = SEEN["paths"].get(url.path, 0) + 1
            times = SEEN["paths"][url.path]
            if url.path != "/stats":
                SEEN["at_once"] += 1
                SEEN["most_at_once"] = max(SEEN["most_at_once"], SEEN["at_once"])
                SEEN["starts"].setdefault(query.get("key", host), []).append(time.monotonic())
        try:
            self.serve(url.path, query, body, times)
        finally:
            if url.path != "/stats":
                with LOCK:
                    SEEN["at_once"] -= 1

    do_GET = do_POST = do_PUT = do_HEAD = handle_any

    def serve(self, path, query, body, times):
        first, _, rest = path.strip("/").partition("/")
        if first == "stats":
            with LOCK:
                self.answer(json.dumps(SEEN), Content_Type="application/json")
        elif first == "echo":
            said = {name.lower(): value for name, value in self.headers.items()}
            told = {"method": self.command, "path": self.path, "body": body.decode(), "headers": said}
            self.answer(json.dumps(told), Content_Type="application/json")
        elif first == "status":
            self.answer("as you wish", int(rest))
        elif first == "busy":
            # So many times too busy, then not.
            if times <= int(rest):
                self.answer("busy", 429, Retry_After=query.get("after", "0"))
            else:
                self.answer(f"attempt {times}")
        elif first == "breaks":
            # So many times the connection breaks, then it holds.
            if times <= int(rest):
                self.close_connection = True
                self.connection.close()
            else:
                self.answer(f"attempt {times}")
        elif first == "to":
            self.answer("", int(query.get("status", 302)), Location=query["url"])
        elif first == "packed":
            self.answer(PACKED[rest], Content_Encoding=rest)
        elif first == "latin":
            self.answer("café".encode("latin-1"), Content_Type="text/plain; charset=ISO-8859-1")
        elif first == "slow":
            time.sleep(float(rest))
            self.answer("at last")
        elif first == "big":
            self.answer(b"x" * int(rest))
        elif first == "cookie":
            self.answer("kept", Set_Cookie=f"{rest}; Path=/")
        elif first == "robots.txt":
            rules = "User-agent: *\nDisallow: /private/\n"
            self.answer(rules + os.environ.get("ROBOTS", ""), Content_Type="text/plain")
        elif first == "page" or path == "/":
            self.page(rest)
        elif first in ("hello", "private"):
            self.answer(f"hello from {path}")
        else:
            self.answer("there is nothing here", 404)

    def page(self, number):
        """A site of so many pages: each leads to the next two, to itself, and one of ten to nowhere."""
        pages = int(os.environ.get("PAGES", "50"))
        n = int(number or 0)
        links = [f'<a href="{n}">self</a>'] if number else []
        links += [f'<a href="/page/{m}">{m}</a>' for m in (2 * n + 1, 2 * n + 2) if m < pages]
        if n % 10 == 3:
            links.append(f'<a href="/gone/{n}">gone</a>')
        self.answer(f"<html><head><title>Page {n}</title></head><body>{' '.join(links)}</body></html>")


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    ThreadingHTTPServer.request_queue_size = 512
    server = ThreadingHTTPServer((address, 0), Site)
    server.daemon_threads = True
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


main()
