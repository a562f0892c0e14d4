"""A small site for the pipeline crawl.yaml, on a port of 127.0.0.1 that is printed.

    python3 examples/site/serve.py [--port 8000]

Pages form a tree with links back, to each other, to a folder, to a page that redirects, to pages that are not there,
and to another host, which a crawler that stays on the site leaves alone. What robots.txt forbids is there as well.
"""

import argparse
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: path: (title, links)
PAGES = {
    "/": ("Start", ["/a/", "b.html", "/missing.html", "https://example.com/elsewhere", "mailto:me@example.com"]),
    "/a/": ("A", ["1.html", "2.html", "../b.html", "/", "/private/secret.html"]),
    "/a/1.html": ("A one", ["2.html", "#top", "/old"]),
    "/a/2.html": ("A two", ["/a/1.html", "deep/3.html"]),
    "/a/deep/3.html": ("A three", ["4.html"]),
    "/a/deep/4.html": ("A four", ["/gone.html"]),
    "/b.html": ("B", ["/", "a/", "b.html?again", "/missing.html"]),
    "/b.html?again": ("B again", ["/b.html"]),
    "/new/": ("New", ["page.html"]),
    "/new/page.html": ("New page", ["/"]),
    "/private/secret.html": ("Secret", ["/"]),
}
MOVED = {"/old": "/new/"}
ROBOTS = "User-agent: *\nDisallow: /private/\n"


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/robots.txt":
            self.answer(200, "text/plain", ROBOTS)
        elif self.path in MOVED:
            self.answer(301, "text/plain", "", {"Location": MOVED[self.path]})
        elif self.path in PAGES:
            title, links = PAGES[self.path]
            items = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
            page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><ul>{items}</ul></body></html>"
            self.answer(200, "text/html; charset=utf-8", page)
        else:
            self.answer(404, "text/plain", "not here")

    def answer(self, status, kind, text, headers=None):
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description="A small site to crawl.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Site)
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
