//! The log itself: visitors, crawlers, scripts and scanners of one made-up shop, over one day, with the odd
//! line that a real log has: a TLS greeting on the plain port, a request that never came, escaped quotes.

use std::io::{self, Write};

/// The seed of the log that the repository ships.
pub(crate) const SEED: u64 = 20_250_314;

/// A small generator of pseudo-random numbers: splitmix64 (Steele, Lea and Flood 2014), which needs no state
/// but a counter and gives the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`, and small numbers much more often: a few pages of a site have most of its visits.
    pub(crate) fn skewed(&mut self, n: u64) -> u64 {
        self.below(n).min(self.below(n)).min(self.below(n))
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len() as u64) as usize]
    }
}

const PAGES: &[&str] = &[
    "/",
    "/index.html",
    "/products",
    "/products/lamps",
    "/products/chairs",
    "/products/caf%C3%A9-tables",
    "/search",
    "/cart",
    "/reports/monthly",
    "/checkout",
    "/checkout/payment",
    "/checkout/confirm",
    "/account",
    "/account/orders",
    "/login",
    "/logout",
    "/about",
    "/contact",
    "/help/returns",
    "/help/%E9%80%81%E6%96%99",
    "/blog",
    "/blog/2025/03/new-in-spring",
    "/blog/2024/11/made-of-oak",
    "/feed.xml",
    "/sitemap.xml",
    "/robots.txt",
    "/export/orders.csv",
    "/downloads/catalogue-2025.pdf",
];

const ASSETS: &[&str] = &[
    "/static/app.7f3a9c.js",
    "/static/app.7f3a9c.css",
    "/static/vendor.1b22e0.js",
    "/static/fonts/inter.woff2",
    "/static/img/logo.svg",
    "/static/img/hero@2x.jpg",
    "/favicon.ico",
    "/images/oak-chair.webp",
    "/images/brass-lamp.webp",
    "/images/na%C3%AFve-vase.webp",
];

/// An address below which numbered things are, how many there are, and how many of a thousand requests fail.
const APIS: &[(&str, u64, u64)] = &[
    ("/api/v2/products/", 60, 12),
    ("/api/v2/stock/", 25, 90),
    ("/api/v2/orders/", 900, 35),
    ("/api/v2/users/", 400, 8),
    ("/api/v2/prices/", 8, 140),
    ("/api/v1/legacy/", 4, 260),
];

const SCANS: &[&str] = &[
    "/wp-login.php",
    "/xmlrpc.php",
    "/.env",
    "/.git/config",
    "/phpmyadmin/",
    "/admin.php",
    "/cgi-bin/luci/;stok=/locale",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
];

const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Mobile Safari/537.36",
];

const PROGRAMS: &[&str] = &[
    "curl/8.12.1",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "ShopApp/5.2 (Android 15; Köln)",
    "ShopApp/5.2 (iOS 18.3; \\xe6\\x9d\\xb1\\xe4\\xba\\xac)",
    "monitor \\\"eu-west\\\" 1.4",
    "-",
];

const CRAWLERS: &[&str] = &[
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
];

const QUERIES: &[&str] = &[
    "",
    "",
    "",
    "?page=2",
    "?q=oak+chair",
    "?q=caf%C3%A9&sort=price",
    "?utm_source=mail&utm_id=31",
    "?ref=",
];

const USERS: &[&str] = &["anna", "bert.m", "chloé", "d%20smith", "eve@example.com"];

/// Writes so many lines.
///
/// # Errors
/// As the writer.
pub(crate) fn write(out: &mut dyn Write, lines: u64, seed: u64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let mut line = Vec::with_capacity(512);
    for n in 0..lines {
        line.clear();
        // One day, whatever the number of lines; requests are logged when they end, so not quite in order.
        let second = (n * 86_400 / lines.max(1)).saturating_sub(random.skewed(4));
        one(&mut line, &mut random, second)?;
        out.write_all(&line)?;
    }
    Ok(())
}

fn one(line: &mut Vec<u8>, random: &mut Random, second: u64) -> io::Result<()> {
    address(line, random)?;
    let user = if random.below(40) == 0 {
        random.of(USERS)
    } else {
        "-"
    };
    write!(
        line,
        " - {user} [14/Mar/2025:{:02}:{:02}:{:02} +0100] \"",
        second / 3600,
        second / 60 % 60,
        second % 60
    )?;
    match random.below(1000) {
        0..=2 => odd(line, random),
        3..=17 => scan(line, random),
        18..=87 => visit(line, random, CRAWLERS, PAGES),
        88..=427 => api(line, random),
        428..=727 => asset(line, random),
        _ => visit(line, random, BROWSERS, PAGES),
    }
}

fn address(line: &mut Vec<u8>, random: &mut Random) -> io::Result<()> {
    // Visitors come back: a few thousand addresses, from the ranges kept for documentation and tests.
    let visitor = random.skewed(6000);
    if visitor.is_multiple_of(7) {
        write!(
            line,
            "2001:db8:{:x}:{:x}::{:x}",
            visitor % 19,
            visitor * 31 % 4096,
            visitor
        )
    } else {
        write!(
            line,
            "198.{}.{}.{}",
            18 + visitor % 2,
            visitor * 13 % 256,
            visitor * 7 % 256
        )
    }
}

/// What stands in a real log and is no request.
fn odd(line: &mut Vec<u8>, random: &mut Random) -> io::Result<()> {
    line.write_all(match random.below(5) {
        // Nothing came in time.
        0 | 1 => &b"-\" 408 0 \"-\" \"-\"\n"[..],
        // A TLS greeting on the plain port, as Apache writes bytes that it cannot print.
        2 => b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03\\xd7\\x0f\" 400 484 \"-\" \"-\"\n",
        3 => b"\\x16\\x03\\x01\" 400 226 \"-\" \"-\"\n",
        // The line was cut off when the disk was full.
        _ => b"GET /products/la\n",
    })
}

fn scan(line: &mut Vec<u8>, random: &mut Random) -> io::Result<()> {
    let path = random.of(SCANS);
    let method = if random.below(4) == 0 { "POST" } else { "GET" };
    let status = if random.below(6) == 0 { 403 } else { 404 };
    writeln!(
        line,
        "{method} {path} HTTP/1.1\" {status} {} \"-\" \"{}\"",
        196,
        random.of(PROGRAMS)
    )
}

fn asset(line: &mut Vec<u8>, random: &mut Random) -> io::Result<()> {
    let path = random.of(ASSETS);
    write!(line, "GET {path} HTTP/2.0\" ")?;
    match random.below(100) {
        // Not modified has no body, so no bytes.
        0..=29 => write!(line, "304 -")?,
        30 => write!(line, "503 {}", 190 + random.below(20))?,
        31..=33 => write!(line, "404 196")?,
        _ => write!(line, "200 {}", 900 + random.below(180_000))?,
    }
    writeln!(
        line,
        " \"https://shop.example{}\" \"{}\"",
        random.of(PAGES),
        random.of(BROWSERS)
    )
}

fn visit(
    line: &mut Vec<u8>,
    random: &mut Random,
    agents: &[&'static str],
    pages: &[&'static str],
) -> io::Result<()> {
    let path = pages[random.skewed(pages.len() as u64) as usize];
    let query = random.of(QUERIES);
    let posts = path.starts_with("/checkout") || path == "/login";
    let method = if posts && random.below(2) == 0 {
        "POST"
    } else {
        "GET"
    };
    write!(
        line,
        "{method} {path}{query} HTTP/{}\" ",
        if random.below(3) == 0 { "1.1" } else { "2.0" }
    )?;
    // Paying and the reports break more often than the rest.
    let breaks = match path {
        "/checkout/payment" => 120,
        "/reports/monthly" => 300,
        "/search" => 30,
        _ => 6,
    };
    match random.below(1000) {
        n if n < breaks => write!(
            line,
            "{} {}",
            if n % 3 == 0 { 502 } else { 500 },
            520 + random.below(80)
        )?,
        n if n < breaks + 40 => write!(line, "302 -")?,
        n if n < breaks + 60 => write!(line, "304 -")?,
        _ => write!(line, "200 {}", 4000 + random.below(60_000))?,
    }
    let from = match random.below(4) {
        0 => "-",
        1 => "https://www.example.org/search?q=%22oak+chair%22",
        2 => "https://shop.example/",
        _ => "https://shop.example/products",
    };
    writeln!(line, " \"{from}\" \"{}\"", random.of(agents))
}

fn api(line: &mut Vec<u8>, random: &mut Random) -> io::Result<()> {
    let (path, things, breaks) = APIS[random.skewed(APIS.len() as u64) as usize];
    let thing = 1 + random.skewed(things);
    let method = random.of(&["GET", "GET", "GET", "GET", "PUT", "POST", "DELETE"]);
    write!(line, "{method} {path}{thing} HTTP/1.1\" ")?;
    match random.below(1000) {
        n if n < breaks => write!(
            line,
            "{} {}",
            [500, 502, 503, 504][(n % 4) as usize],
            60 + random.below(400)
        )?,
        n if n < breaks + 30 => write!(line, "404 48")?,
        n if n < breaks + 40 => write!(line, "429 31")?,
        _ if method == "DELETE" => write!(line, "204 -")?,
        _ => write!(line, "200 {}", 80 + random.below(3000))?,
    }
    writeln!(line, " \"-\" \"{}\"", random.of(PROGRAMS))
}
