//! JSON lines of ten fields: keeps the paid ones of ten and more, adds the total, leaves two fields out.

use std::borrow::Cow;
use std::io;

use memchr::{Memchr, memrchr};
use serde::{Deserialize, Serialize};

/// The fields that are needed; the two that are left out are skipped, not read.
#[derive(Deserialize)]
struct Order<'a> {
    id: u64,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    country: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    price: f64,
    quantity: i64,
    #[serde(borrow)]
    referrer: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Paid<'a> {
    id: u64,
    at: &'a str,
    user: &'a str,
    country: &'a str,
    status: &'a str,
    price: f64,
    quantity: i64,
    referrer: Option<&'a str>,
    total: f64,
}

pub(super) fn run(path: &str) -> io::Result<()> {
    super::in_order(
        path,
        |block| memrchr(b'\n', block).map_or(0, |i| i + 1),
        work,
    )
}

fn work(block: &[u8], made: &mut Vec<u8>) -> io::Result<()> {
    let mut start = 0;
    for end in Memchr::new(b'\n', block).chain((!block.ends_with(b"\n")).then_some(block.len())) {
        let order: Order<'_> = serde_json::from_slice(&block[start..end])?;
        start = end + 1;
        if order.status == "paid" && order.price >= 10.0 {
            let paid = Paid {
                id: order.id,
                at: &order.at,
                user: &order.user,
                country: &order.country,
                status: &order.status,
                price: order.price,
                quantity: order.quantity,
                referrer: order.referrer.as_deref(),
                total: order.price * order.quantity as f64,
            };
            serde_json::to_writer(&mut *made, &paid)?;
            made.push(b'\n');
        }
    }
    Ok(())
}
