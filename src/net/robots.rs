//! What robots.txt says: read once for each origin and agent, with the delay that it asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use texting_robots::Robot;
use tokio::sync::OnceCell;
use url::Url;

use super::{Trouble, TroubleKind};

/// For each origin and agent.
#[derive(Default)]
pub(super) struct Robots {
    known: Mutex<HashMap<(String, String), Arc<Site>>>,
}

/// One site.
#[derive(Default)]
pub(super) struct Site {
    rules: OnceCell<Option<Robot>>,
    /// When the next request may begin.
    next: Mutex<Option<Instant>>,
}

impl Robots {
    /// The site of a URL.
    pub(super) fn site(&self, url: &Url, agent: &str) -> Arc<Site> {
        let key = (url.origin().ascii_serialization(), agent.to_owned());
        self.known.lock().entry(key).or_default().clone()
    }
}

/// Where the rules of a site stand.
pub(super) fn place(url: &Url) -> Url {
    let mut place = url.clone();
    place.set_path("/robots.txt");
    place.set_query(None);
    place.set_fragment(None);
    place
}

impl Site {
    /// Waits for the time that the site asks for, or says why the page may not be read. `read` gives the status
    /// and the text of robots.txt. A site without one allows everything; one that cannot say so forbids
    /// everything (RFC 9309), and is asked again for the next page.
    pub(super) async fn allow<F>(
        &self,
        url: &Url,
        agent: &str,
        read: impl FnOnce() -> F,
    ) -> Result<(), Trouble>
    where
        F: Future<Output = Result<(u16, Vec<u8>), Trouble>>,
    {
        let rules = self
            .rules
            .get_or_try_init(|| async {
                match read().await? {
                    (200..=299, text) => Ok(Robot::new(agent, &text).ok()),
                    (400..=499, _) => Ok(None),
                    (status, _) => Err(Trouble {
                        kind: TroubleKind::Robots,
                        message: format!("{} answers {status}, so it forbids all", place(url)),
                        for_good: false,
                    }),
                }
            })
            .await?;
        let Some(rules) = rules else { return Ok(()) };
        if !rules.allowed(url.as_str()) {
            let message = format!("robots.txt of {} forbids {url}", url.authority());
            return Err(Trouble::new(TroubleKind::Robots, message));
        }
        let delay = rules.delay.map(Duration::try_from_secs_f32);
        if let Some(Ok(delay)) = delay {
            let begin = self.reserve(delay);
            tokio::time::sleep_until(begin.into()).await;
        }
        Ok(())
    }

    /// The next time at which a request may begin.
    fn reserve(&self, delay: Duration) -> Instant {
        let now = Instant::now();
        let mut next = self.next.lock();
        let begin = next.map_or(now, |n| n.max(now));
        *next = Some(begin + delay);
        begin
    }
}
