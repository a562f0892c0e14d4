//! Limits: how many at once, how often, and how far apart, over all and for each key.
//!
//! What is counted together is a *slot*: one for a limit as a whole, one for each key of each of its entries. A
//! *need* names a slot; an item begins when all slots of all its needs are open at one moment, so that it never
//! holds one while it waits for another. What cannot begin gets a *ticket* and waits at the first slot that is
//! closed; when that opens, by a give or by time, the ticket is *ready*: whoever is free at its *desk* (a stage)
//! looks again ([`Limits::pick`]), and the slot counts only then. So no slot is taken for somebody who is not
//! there, and a key that is slow holds up no other.
//!
//! Pitfall: an open slot with tickets waiting must always have one of them among those that are ready, or
//! nobody would look again: whatever closes or leaves a slot calls [`State::reopen`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::wait::primitive::Mutex;
use crate::wait::{Agent, AgentId};

/// What holds for each slot of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// At once.
    pub concurrent: Option<u32>,
    pub rate: Option<Rate>,
    /// Between two starts, times a random factor within ± `jitter`.
    pub delay: Duration,
    pub jitter: f64,
    pub adaptive: Option<Adaptive>,
}

/// So often: evenly spaced, but for so many that may come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub every: Duration,
    pub burst: u32,
}

/// The delay follows the time that items take, so that about `target` are on their way at once (Scrapy's
/// `AutoThrottle`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    pub target: f64,
    pub start: Duration,
    pub max: Duration,
}

/// A slot that an item needs: of a limit, by the number of the guard, its entry (0: the limit as a whole), and
/// the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Need {
    pub guard: u32,
    pub entry: u32,
    pub key: Box<str>,
}

/// An item that waits for its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Rung when somebody at a desk should look again.
pub trait Bell: Send + Sync {
    fn ring(&self);
}

/// How an agent took up an item that had waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Its slots are taken.
    Begun,
    /// Its time for waiting was over.
    Expired,
}

/// How a limit was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitCounts {
    pub begun: u64,
    /// Items that had to wait.
    pub waited: u64,
    /// At once, now.
    pub running: u32,
    /// Waiting, now.
    pub waiting: u32,
}

/// All limits of a run.
pub struct Limits {
    /// For each guard that is a limit, its paces: the whole, then its entries.
    paces: HashMap<u32, Vec<Pace>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    free: Vec<usize>,
    by_need: HashMap<Need, usize>,
    tickets: HashMap<Ticket, Waiting>,
    /// By desk.
    ready: BTreeMap<u32, BTreeSet<Ticket>>,
    timers: BTreeSet<(Duration, usize)>,
    held: HashMap<AgentId, Held>,
    claimed: HashMap<AgentId, Claimed>,
    counts: HashMap<u32, LimitCounts>,
    bells: HashMap<u32, Arc<dyn Bell>>,
    /// Those who cannot set their item aside: they look again after every give.
    watchers: Vec<Arc<Agent>>,
    next: u64,
    random: u64,
}

struct Slot {
    need: Need,
    pace: Pace,
    /// Items and tickets that name it; at 0 it goes as soon as its times are over.
    named: u32,
    running: u32,
    /// The last start, and the factor of the delay that follows it.
    last: Option<(Duration, f64)>,
    delay: Duration,
    /// When the next start of an evenly spaced row would be due (the "theoretical arrival time" of GCRA).
    due: Duration,
    waiting: BTreeSet<Ticket>,
    timer: Option<Duration>,
}

struct Waiting {
    desk: u32,
    slots: Vec<usize>,
    /// The slot it waits at; `None`: it is ready.
    at: Option<usize>,
}

struct Held {
    slots: Vec<usize>,
    since: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Until(Duration),
    Full,
}

/// Who is told, once the lock is given back.
#[derive(Default)]
struct News {
    bells: Vec<Arc<dyn Bell>>,
    agents: Vec<Arc<Agent>>,
}

impl Drop for News {
    fn drop(&mut self) {
        self.bells.drain(..).for_each(|bell| bell.ring());
        self.agents.drain(..).for_each(|agent| agent.wake());
    }
}

/// How long an adaptive slot is remembered though nobody needs it.
const REMEMBER: Duration = Duration::from_mins(10);

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("paces", &self.paces)
            .finish_non_exhaustive()
    }
}

impl Limits {
    /// For each guard that is a limit, its paces: the whole, then its entries.
    pub fn new(paces: HashMap<u32, Vec<Pace>>) -> Limits {
        Limits {
            paces,
            state: Mutex::new(State {
                random: RandomState::new().hash_one(1) | 1,
                ..State::default()
            }),
        }
    }

    /// Whom to tell when there is something for a desk.
    pub fn open(&self, desk: u32, bell: Arc<dyn Bell>) {
        self.state.lock().bells.insert(desk, bell);
    }

    /// An item begins, if all its slots are open now.
    pub fn take(&self, agent: &Arc<Agent>, needs: &[Need], now: Duration) -> bool {
        let mut news = News::default();
        let mut state = self.state.lock();
        state.pass(now, &mut news);
        let slots = state.name(needs, &self.paces);
        let begins = state.closed(&slots, now).is_none();
        if begins {
            state.begin(agent.id, slots, now, &mut news);
        } else {
            state.unname(&slots, now);
        }
        drop(state);
        begins
    }

    /// An item waits at a desk.
    pub fn queue(&self, desk: u32, needs: &[Need], now: Duration) -> Ticket {
        let mut news = News::default();
        let mut state = self.state.lock();
        let slots = state.name(needs, &self.paces);
        state.next += 1;
        let ticket = Ticket(state.next);
        for slot in &slots {
            let guard = state.slots[*slot].need.guard;
            if state.slots[*slot].need.entry == 0 {
                let counts = state.counts.entry(guard).or_default();
                counts.waited += 1;
                counts.waiting += 1;
            }
        }
        let waiting = Waiting {
            desk,
            slots,
            at: None,
        };
        state.tickets.insert(ticket, waiting);
        state.ready.entry(desk).or_default().insert(ticket);
        // Looked at once, it goes to the slot that it waits for.
        state.look(ticket, now, &mut news);
        drop(state);
        ticket
    }

    /// The next item of a desk that can begin begins, in this agent's hands.
    pub fn pick(&self, desk: u32, agent: &Arc<Agent>, now: Duration) -> Option<Ticket> {
        let mut news = News::default();
        let mut state = self.state.lock();
        state.pass(now, &mut news);
        while let Some(ticket) = state.ready.get(&desk).and_then(|all| all.first().copied()) {
            if !state.look(ticket, now, &mut news) {
                continue;
            }
            let waiting = state.remove(ticket);
            state.begin(agent.id, waiting.slots, now, &mut news);
            state.claimed.insert(agent.id, Claimed::Begun);
            return Some(ticket);
        }
        None
    }

    /// How the item was taken up that this agent has in hand; once.
    pub fn claim(&self, agent: AgentId) -> Option<Claimed> {
        self.state.lock().claimed.remove(&agent)
    }

    /// An item waits no more: it goes to this agent, who will find that its time was over.
    pub fn expire(&self, ticket: Ticket, agent: AgentId, now: Duration) {
        self.forget(ticket, now);
        self.state.lock().claimed.insert(agent, Claimed::Expired);
    }

    /// An item waits no more.
    pub fn forget(&self, ticket: Ticket, now: Duration) {
        let mut news = News::default();
        let mut state = self.state.lock();
        if state.tickets.contains_key(&ticket) {
            let waiting = state.remove(ticket);
            for slot in &waiting.slots {
                state.reopen(*slot, now, &mut news);
            }
            state.unname(&waiting.slots, now);
        }
    }

    /// The item in this agent's hands has passed. `well`: as it should (a slow failure is no reason to ask
    /// faster). Did it hold anything?
    pub fn give(&self, agent: AgentId, well: bool, now: Duration) -> bool {
        let mut news = News::default();
        let mut state = self.state.lock();
        state.claimed.remove(&agent);
        let Some(held) = state.held.remove(&agent) else {
            return false;
        };
        let took = now.saturating_sub(held.since);
        for slot in &held.slots {
            let slot = &mut state.slots[*slot];
            slot.running -= 1;
            slot.adapt(took, well);
            let (guard, entry) = (slot.need.guard, slot.need.entry);
            if entry == 0 {
                state.counts.entry(guard).or_default().running -= 1;
            }
        }
        for slot in &held.slots {
            state.reopen(*slot, now, &mut news);
        }
        state.unname(&held.slots, now);
        news.agents.append(&mut state.watchers);
        true
    }

    /// For those who cannot set their item aside: woken after the next give. When time opens something.
    pub fn watch(&self, agent: &Arc<Agent>, needs: &[Need], now: Duration) -> Option<Duration> {
        let mut state = self.state.lock();
        if !state.watchers.iter().any(|a| Arc::ptr_eq(a, agent)) {
            state.watchers.push(agent.clone());
        }
        let slots = state.name(needs, &self.paces);
        let until = slots
            .iter()
            .filter_map(|s| match state.slots[*s].gate(now) {
                Gate::Until(at) => Some(at),
                Gate::Open | Gate::Full => None,
            });
        let until = until.max();
        state.unname(&slots, now);
        until
    }

    /// When time may open a slot that somebody waits at.
    pub fn next(&self) -> Option<Duration> {
        self.state.lock().timers.first().map(|(at, _)| *at)
    }

    /// When an item of a desk may begin, as early as possible.
    pub fn opens(&self, desk: u32, now: Duration) -> Option<Duration> {
        let mut news = News::default();
        let mut state = self.state.lock();
        state.pass(now, &mut news);
        let ready = state.ready.get(&desk).is_some_and(|all| !all.is_empty());
        if ready {
            Some(now)
        } else {
            state.timers.first().map(|(at, _)| *at)
        }
    }

    /// Who has an item begun under a limit, and how many: one each.
    pub fn holders(&self, guard: u32) -> Vec<(AgentId, u32)> {
        let state = self.state.lock();
        let has = |held: &Held| {
            let mut slots = held.slots.iter();
            slots.any(|s| state.slots[*s].need.guard == guard)
        };
        let all = state.held.iter().filter(|(_, held)| has(held));
        all.map(|(agent, _)| (*agent, 1)).collect()
    }

    pub fn counts(&self, guard: u32) -> LimitCounts {
        let state = self.state.lock();
        state.counts.get(&guard).copied().unwrap_or_default()
    }

    /// Slots that are remembered now.
    pub fn slots(&self) -> usize {
        self.state.lock().by_need.len()
    }
}

impl Slot {
    fn gate(&self, now: Duration) -> Gate {
        if self
            .pace
            .concurrent
            .is_some_and(|most| self.running >= most)
        {
            return Gate::Full;
        }
        match self.opens() {
            at if at > now => Gate::Until(at),
            _ => Gate::Open,
        }
    }

    /// When its times are over.
    fn opens(&self) -> Duration {
        let spaced = self.last.map_or(Duration::ZERO, |(at, factor)| {
            at.saturating_add(self.delay.mul_f64(factor))
        });
        let rated = self.pace.rate.map_or(Duration::ZERO, |rate| {
            self.due
                .saturating_sub(rate.every.saturating_mul(rate.burst.saturating_sub(1)))
        });
        spaced.max(rated)
    }

    fn begin(&mut self, now: Duration, factor: f64) {
        self.running += 1;
        self.last = Some((now, factor));
        if let Some(rate) = self.pace.rate {
            self.due = self.due.max(now).saturating_add(rate.every);
        }
    }

    /// As `AutoThrottle` does: half way to the time that the item took, for each that may be on its way at once,
    /// but never below that; and never faster after a failure.
    fn adapt(&mut self, took: Duration, well: bool) {
        let Some(adaptive) = self.pace.adaptive else {
            return;
        };
        let wanted = took.div_f64(adaptive.target);
        let delay = wanted.max((self.delay + wanted) / 2);
        let delay = delay.max(self.pace.delay).min(adaptive.max);
        if well || delay > self.delay {
            self.delay = delay;
        }
    }
}

impl State {
    /// The slots of needs; each is named once more.
    fn name(&mut self, needs: &[Need], paces: &HashMap<u32, Vec<Pace>>) -> Vec<usize> {
        let mut slots = Vec::with_capacity(needs.len());
        for need in needs {
            let at = match self.by_need.get(need) {
                Some(at) => *at,
                None => self.make(need, &paces[&need.guard][need.entry as usize]),
            };
            self.slots[at].named += 1;
            slots.push(at);
        }
        slots
    }

    fn make(&mut self, need: &Need, pace: &Pace) -> usize {
        let slot = Slot {
            need: need.clone(),
            pace: pace.clone(),
            named: 0,
            running: 0,
            last: None,
            delay: pace
                .adaptive
                .map_or(pace.delay, |a| a.start.max(pace.delay)),
            due: Duration::ZERO,
            waiting: BTreeSet::new(),
            timer: None,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.by_need.insert(need.clone(), at);
        at
    }

    /// Each is named once less; what nobody names goes when its times are over.
    fn unname(&mut self, slots: &[usize], now: Duration) {
        for at in slots {
            let slot = &mut self.slots[*at];
            slot.named -= 1;
            if slot.named > 0 {
                continue;
            }
            // A burst that was begun is remembered, too.
            let mut until = slot.opens().max(slot.due);
            if let (Some(_), Some((last, _))) = (slot.pace.adaptive, slot.last) {
                until = until.max(last + REMEMBER);
            }
            if until <= now {
                self.drop_slot(*at);
            } else {
                self.set_timer(*at, until);
            }
        }
    }

    fn drop_slot(&mut self, at: usize) {
        if let Some(timer) = self.slots[at].timer.take() {
            self.timers.remove(&(timer, at));
        }
        self.by_need.remove(&self.slots[at].need);
        self.free.push(at);
    }

    fn set_timer(&mut self, at: usize, until: Duration) {
        if let Some(old) = self.slots[at].timer.replace(until) {
            self.timers.remove(&(old, at));
        }
        self.timers.insert((until, at));
    }

    /// Time has passed: slots open.
    fn pass(&mut self, now: Duration, news: &mut News) {
        while let Some((at, slot)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            self.slots[slot].timer = None;
            if self.slots[slot].named == 0 {
                self.drop_slot(slot);
            } else {
                self.reopen(slot, now, news);
            }
        }
    }

    /// The first slot that is closed.
    fn closed(&self, slots: &[usize], now: Duration) -> Option<usize> {
        slots
            .iter()
            .copied()
            .find(|s| self.slots[*s].gate(now) != Gate::Open)
    }

    /// Looks at a ticket that is ready: can it begin? If not, it waits at the first slot that is closed.
    fn look(&mut self, ticket: Ticket, now: Duration, news: &mut News) -> bool {
        let waiting = &self.tickets[&ticket];
        let (desk, slots) = (waiting.desk, waiting.slots.clone());
        let Some(closed) = self.closed(&slots, now) else {
            self.ring(desk, news);
            return true;
        };
        if let Some(ready) = self.ready.get_mut(&desk) {
            ready.remove(&ticket);
        }
        if let Some(waiting) = self.tickets.get_mut(&ticket) {
            waiting.at = Some(closed);
        }
        self.slots[closed].waiting.insert(ticket);
        // It may have stood for those behind it at another slot.
        for slot in slots {
            self.reopen(slot, now, news);
        }
        false
    }

    /// If the slot is open, the first that waits there is ready; if time will open it, there is a timer.
    fn reopen(&mut self, at: usize, now: Duration, news: &mut News) {
        let slot = &mut self.slots[at];
        let Some(first) = slot.waiting.first().copied() else {
            return;
        };
        let desk = self.tickets[&first].desk;
        match slot.gate(now) {
            Gate::Full => return,
            Gate::Until(until) => {
                if slot.timer == Some(until) {
                    return;
                }
                self.set_timer(at, until);
            }
            Gate::Open => {
                slot.waiting.remove(&first);
                if let Some(waiting) = self.tickets.get_mut(&first) {
                    waiting.at = None;
                }
                self.ready.entry(desk).or_default().insert(first);
            }
        }
        self.ring(desk, news);
    }

    fn ring(&self, desk: u32, news: &mut News) {
        news.bells.extend(self.bells.get(&desk).cloned());
    }

    fn remove(&mut self, ticket: Ticket) -> Waiting {
        let waiting = self
            .tickets
            .remove(&ticket)
            .expect("BUG: a ticket that nobody has");
        match waiting.at {
            Some(at) => {
                self.slots[at].waiting.remove(&ticket);
            }
            None => {
                if let Some(ready) = self.ready.get_mut(&waiting.desk) {
                    ready.remove(&ticket);
                }
            }
        }
        for slot in &waiting.slots {
            let need = &self.slots[*slot].need;
            if need.entry == 0 {
                self.counts.entry(need.guard).or_default().waiting -= 1;
            }
        }
        waiting
    }

    /// All slots are open, and are taken. They stay named until they are given back.
    fn begin(&mut self, agent: AgentId, slots: Vec<usize>, now: Duration, news: &mut News) {
        for at in &slots {
            let random = self.random();
            let slot = &mut self.slots[*at];
            let factor = (1.0 + slot.pace.jitter * (2.0 * random - 1.0)).max(0.0);
            slot.begin(now, factor);
            let need = &slot.need;
            if need.entry == 0 {
                let counts = self.counts.entry(need.guard).or_default();
                counts.begun += 1;
                counts.running += 1;
            }
        }
        for at in &slots {
            self.reopen(*at, now, news);
        }
        let held = Held { slots, since: now };
        let before = self.held.insert(agent, held);
        assert!(
            before.is_none(),
            "BUG: {agent:?} begins two items under limits"
        );
    }

    /// From 0 to 1 (xorshift64*).
    fn random(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Registry;
    use proptest::prelude::*;

    fn need(entry: u32, key: &str) -> Need {
        Need {
            guard: 0,
            entry,
            key: key.into(),
        }
    }

    fn limits(all: Pace, keys: Pace) -> Limits {
        Limits::new(HashMap::from([(0, vec![all, keys])]))
    }

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_slow_key_holds_up_no_other_and_starts_keep_their_distance() {
        let registry = Registry::default();
        let agents: Vec<_> = (0..4).map(|_| registry.enter()).collect();
        let delay = Pace {
            delay: s(1),
            ..Pace::default()
        };
        let limits = limits(Pace::default(), delay);
        let (slow, fast) = (
            [need(1, "slow"), need(0, "")],
            [need(1, "fast"), need(0, "")],
        );
        assert!(limits.take(&agents[0], &slow, s(0)));
        assert!(!limits.take(&agents[1], &slow, s(0)));
        let first = limits.queue(7, &slow, s(0));
        let second = limits.queue(7, &slow, s(0));
        assert!(limits.take(&agents[1], &fast, s(0)));
        assert_eq!(limits.pick(7, &agents[2], s(0)), None);
        assert_eq!(limits.next(), Some(s(1)));
        assert_eq!(limits.pick(7, &agents[2], s(1)), Some(first));
        assert_eq!(limits.claim(agents[2].id), Some(Claimed::Begun));
        assert_eq!(limits.pick(7, &agents[3], s(1)), None);
        assert_eq!(limits.next(), Some(s(2)));
        assert_eq!(limits.pick(7, &agents[3], s(2)), Some(second));
        for agent in &agents {
            assert!(limits.give(agent.id, true, s(2)));
        }
        // What nobody needs is forgotten when its time is over.
        assert!(limits.take(&agents[0], &fast, s(3)));
        limits.give(agents[0].id, true, s(3));
        assert!(limits.take(&agents[0], &[need(0, "")], s(9)));
        limits.give(agents[0].id, true, s(9));
        assert_eq!(limits.slots(), 0);
    }

    #[test]
    fn a_rate_is_evenly_spaced_but_for_its_burst() {
        let agent = Registry::default().enter();
        let evenly = [true, false, false, true, true];
        let in_pairs = [true, true, false, true, true];
        for (burst, begun) in [(1, evenly), (2, in_pairs)] {
            let rate = Rate { every: s(2), burst };
            let all = Pace {
                rate: Some(rate),
                ..Pace::default()
            };
            let limits = limits(all, Pace::default());
            let take = |now| {
                let begins = limits.take(&agent, &[need(0, "")], now);
                limits.give(agent.id, true, now);
                begins
            };
            assert_eq!([0, 0, 1, 2, 4].map(|t| take(s(t))), begun, "burst {burst}");
        }
    }

    #[test]
    fn an_adaptive_delay_follows_the_time_that_items_take_and_is_not_shortened_by_failures() {
        let agent = Registry::default().enter();
        let pace = Pace {
            adaptive: Some(Adaptive {
                target: 2.0,
                start: s(5),
                max: s(60),
            }),
            ..Pace::default()
        };
        let limits = limits(Pace::default(), pace);
        let needs = [need(1, "a")];
        assert!(limits.take(&agent, &needs, s(0)));
        limits.give(agent.id, true, s(2));
        // Half way from 5 s to 1 s (2 s for each of two at once).
        assert!(!limits.take(&agent, &needs, Duration::from_millis(2900)));
        assert!(limits.take(&agent, &needs, s(3)));
        limits.give(agent.id, false, s(4));
        assert!(!limits.take(&agent, &needs, Duration::from_millis(5900)));
        assert!(limits.take(&agent, &needs, s(6)));
        limits.give(agent.id, true, s(106));
        assert!(limits.take(&agent, &needs, s(106)), "50 s are over");
    }

    /// What a naive observer saw of a slot.
    #[derive(Default)]
    struct Observed {
        running: u32,
        last: Option<Duration>,
    }

    #[derive(Clone, Debug)]
    enum Act {
        /// An item with these keys comes.
        Come(Vec<u8>),
        /// The n-th of those at work is done.
        Give(usize),
        Pass(u64),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            3 => prop::collection::vec(0u8..4, 1..3).prop_map(Act::Come),
            2 => (0usize..8).prop_map(Act::Give),
            2 => (0u64..700).prop_map(Act::Pass),
        ];
        prop::collection::vec(act, 1..120)
    }

    proptest! {
        #[test]
        fn never_more_than_allowed_never_too_soon_and_never_idle_without_need(
            acts in acts(),
            most_of_all in 1u32..5,
            most_of_key in 1u32..3,
            delay in 0u64..500,
        ) {
            let registry = Registry::default();
            let delay = Duration::from_millis(delay);
            let limits = limits(
                Pace { concurrent: Some(most_of_all), ..Pace::default() },
                Pace { concurrent: Some(most_of_key), delay, ..Pace::default() },
            );
            let mut now = Duration::ZERO;
            let mut seen: HashMap<u8, Observed> = HashMap::new();
            let mut at_work: Vec<(Arc<Agent>, Vec<u8>)> = Vec::new();
            let mut waiting: BTreeMap<Ticket, Vec<u8>> = BTreeMap::new();
            let needs = |keys: &[u8]| {
                let mut all: Vec<Need> = keys.iter().map(|k| need(1, &k.to_string())).collect();
                all.push(need(0, ""));
                all
            };
            for act in acts {
                let mut begun = Vec::new();
                match act {
                    Act::Come(mut keys) => {
                        keys.sort_unstable();
                        keys.dedup();
                        let agent = registry.enter();
                        if limits.take(&agent, &needs(&keys), now) {
                            begun.push((agent, keys));
                        } else {
                            waiting.insert(limits.queue(1, &needs(&keys), now), keys);
                        }
                    }
                    Act::Give(n) if n < at_work.len() => {
                        let (agent, keys) = at_work.remove(n);
                        prop_assert!(limits.give(agent.id, true, now));
                        for key in keys {
                            seen.get_mut(&key).unwrap().running -= 1;
                        }
                    }
                    Act::Give(_) => {}
                    Act::Pass(millis) => now += Duration::from_millis(millis),
                }
                loop {
                    let agent = registry.enter();
                    let Some(ticket) = limits.pick(1, &agent, now) else { break };
                    prop_assert_eq!(limits.claim(agent.id), Some(Claimed::Begun));
                    begun.push((agent, waiting.remove(&ticket).unwrap()));
                }
                for (agent, keys) in begun {
                    for key in &keys {
                        let slot = seen.entry(*key).or_default();
                        slot.running += 1;
                        prop_assert!(slot.running <= most_of_key, "too many at once");
                        let gap = slot.last.replace(now).map(|last| now.saturating_sub(last));
                        prop_assert!(gap.is_none_or(|gap| gap >= delay), "too soon");
                    }
                    at_work.push((agent, keys));
                }
                prop_assert!(at_work.len() <= most_of_all as usize);
                // Whoever still waits has a reason.
                for keys in waiting.values() {
                    let has_reason = at_work.len() == most_of_all as usize
                        || keys.iter().any(|k| seen.get(k).is_some_and(|slot| {
                            slot.running == most_of_key || slot.last.is_some_and(|last| now < last + delay)
                        }));
                    prop_assert!(has_reason, "{keys:?} waits without need");
                }
                let by_time = waiting.values().any(|keys| {
                    let free = |k: &u8| seen.get(k).is_none_or(|slot| slot.running < most_of_key);
                    at_work.len() < most_of_all as usize && keys.iter().all(free)
                });
                prop_assert!(!by_time || limits.next().is_some_and(|at| at > now), "nobody would look again");
            }
        }
    }
}
