//! Who waits for what nobody brings, or for who waits for him.

use super::counts::Count;
use super::facts::{Facts, Reading, Solve, Stuck, changes, meets, notifies, sets};
use super::points::{Act, First, Held, Point};
use super::{World, waiting};
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::steps::GuardKind;

/// How much work doubts may be: a file with thousands of places to wait at is not written by hand.
const MOST: usize = 50_000_000;

pub(super) fn check(world: &World<'_, '_>, counts: &[Count], out: &mut Diagnostics) {
    let all = &world.points.all;
    let each = all.len() + world.wiring.stages.len() + world.wiring.conns.len();
    let mut work = 0;
    let mut chained = Vec::new();
    for (number, point) in all.iter().enumerate() {
        if !point.waits() || matches!(point.act, Act::Gather) {
            continue;
        }
        // What seems to be missing may stand where something is wrong.
        if world.points.gaps {
            return;
        }
        let place = Place {
            world,
            number,
            point,
        };
        if place.error(counts, out) {
            continue;
        }
        work += each * each;
        if work < MOST && place.is_doubtful() && !place.doubt(out) && !place.goes_on(true, true) {
            chained.push(place);
        }
    }
    // Where one place is said, the others that hang on it need not be.
    let said = |code: &str| matches!(code, "W0504" | "W0505" | "W0506" | "W0507" | "W0508");
    if !out.has(said) {
        out.extend(chained.iter().filter_map(Place::chain));
    }
    leftovers(world, counts, out);
}

/// What is sure of a place.
enum Sure {
    Not,
    /// It is not reached, since somebody stands still before it.
    Elsewhere,
    Waits(Box<Diagnostic>),
}

impl Sure {
    fn waits(d: Diagnostic) -> Sure {
        Sure::Waits(Box::new(d))
    }
}

/// A place where somebody waits.
#[derive(Clone, Copy)]
struct Place<'a, 'f> {
    world: &'a World<'a, 'f>,
    number: usize,
    point: &'a Point,
}

impl Place<'_, '_> {
    /// What is sure to be impossible, once it waits here. `items`: without items that must have come by first.
    fn proof(&self, items: bool) -> Facts {
        let stuck = Stuck {
            point: self.number,
            held: &[],
            reading: Reading::Proof,
            items,
            chains: false,
        };
        Solve::run(self.world, stuck)
    }

    /// Is it sure to go on, holding what it holds, or as if it held nothing?
    fn goes_on(&self, holding: bool, chains: bool) -> bool {
        let held = if holding { &self.point.held[..] } else { &[] };
        let stuck = Stuck {
            point: self.number,
            held,
            reading: Reading::Doubt,
            items: true,
            chains,
        };
        Solve::run(self.world, stuck).passes[self.number]
    }

    /// What the place waits for, in words: `the event `go` is set`.
    fn until(&self) -> String {
        match &self.point.act {
            Act::WaitEvent(event) => format!("{} is set", self.world.guard(*event)),
            Act::Until { .. } => "this holds".into(),
            Act::Meet(barrier) => format!("enough have come to {}", self.world.guard(*barrier)),
            Act::Take(held) => format!("it gets {}", self.world.guard(held.guard)),
            Act::Put(conn) | Act::Ask(conn) => format!(
                "there is room in {}",
                self.world.wiring.conns[*conn].describe()
            ),
            _ => String::new(),
        }
    }

    /// Does this end the wait?
    fn is_end(&self, act: &Act) -> bool {
        match &self.point.act {
            Act::WaitEvent(event) => sets(act, *event),
            Act::Until {
                conditions,
                watches,
                first,
            } => changes(act, watches) || (*first == First::Depends && notifies(act, conditions)),
            Act::Meet(barrier) => meets(act, *barrier),
            _ => false,
        }
    }

    fn ends(&self) -> impl Iterator<Item = &Point> {
        let is_end = |p: &&Point| self.is_end(&p.act) && p.at != self.point.at;
        self.world.points.all.iter().filter(is_end)
    }

    /// Says that the place waits for ever, where that is sure. `true`: nothing more is to be said of it.
    fn error(&self, counts: &[Count], out: &mut Diagnostics) -> bool {
        let d = match &self.point.act {
            Act::WaitEvent(event) => self.event(*event),
            Act::Until { first, .. } => self.condition(*first),
            Act::Meet(barrier) => self.barrier(*barrier, counts),
            _ => Sure::Not,
        };
        match d {
            Sure::Not => false,
            Sure::Elsewhere => true,
            Sure::Waits(d) => {
                out.push(waiting(*d, self.point.timeout));
                true
            }
        }
    }

    /// It waits for ever, where it cannot go on by the facts.
    fn judge(&self, facts: &Facts) -> Sure {
        if facts.passes[self.number] {
            Sure::Not
        } else if facts.reached {
            Sure::waits(self.circle(facts))
        } else {
            Sure::Elsewhere
        }
    }

    fn event(&self, event: usize) -> Sure {
        let guards = &self.world.room.guards;
        let set = guards.kind(event) == GuardKind::Event { set: true };
        let name = &guards.name(event).text;
        let found = self.ends().next().is_some();
        if !found && !set {
            return Sure::waits(
                Diagnostic::new(
                    "E0505",
                    self.point.at,
                    format!(
                        "stage `{}` waits for the event `{name}`, and nothing sets it",
                        self.world.stage(self.point.stage)
                    ),
                )
                .also(guards.name(event).at, "it is clear at first")
                .help(format!(
                    "let a stage set it with the step `set_event: {name}`, or let it be set at first: `events: {{{name}: {{initial: set}}}}`"
                )),
            );
        }
        if set {
            return Sure::Not;
        }
        self.judge(&self.proof(false))
    }

    fn condition(&self, first: First) -> Sure {
        if first != First::False {
            return Sure::Not;
        }
        if self.ends().next().is_some() {
            return self.judge(&self.proof(false));
        }
        let Act::Until {
            conditions,
            watches,
            ..
        } = &self.point.act
        else {
            return Sure::Not;
        };
        let stage = self.world.stage(self.point.stage);
        let condition = conditions.first().map(|c| self.world.room.guards.name(*c));
        let notified = self
            .world
            .points
            .doing(|a| notifies(a, conditions))
            .next()
            .map(|p| p.at);
        let why = match (watches.is_empty(), notified) {
            (true, _) => "names nothing that could change it",
            (false, Some(_)) => "does not hold at first, and nothing changes a value that it names",
            (false, None) => {
                "does not hold at first, and nothing changes a value that it names or notifies"
            }
        };
        let d = Diagnostic::new(
            "E0505",
            self.point.at,
            format!("stage `{stage}` waits until this holds; it {why}"),
        );
        let d = match (notified, condition) {
            (Some(at), _) => d.also(at, "who is notified looks again, and finds it as it was"),
            (None, Some(key)) => d.also(key.at, "declared here, and never notified"),
            (None, None) => d,
        };
        Sure::waits(d.help("let a stage change a value that it names, with `add` or `store`"))
    }

    /// How many workers can stand at a barrier at once.
    fn most_at(&self, barrier: usize, counts: &[Count]) -> (usize, Vec<(usize, At)>) {
        let world = self.world;
        let mut of: Vec<(usize, usize, At)> = Vec::new();
        for point in world.points.doing(|a| meets(a, barrier)) {
            let mut most = world.workers(point.stage);
            if let Some(items) = counts[point.stage].most {
                most = most.min(usize::try_from(items).unwrap_or(most));
            }
            let mut n = most;
            // Who stands there with a lock is there alone.
            for held in &point.held {
                let at_once = match world.room.guards.kind(held.guard) {
                    GuardKind::Semaphore { permits } => permits / held.n.max(1),
                    GuardKind::RwLock if held.n == 1 => u32::MAX,
                    _ if world.room.guards.is_limit(held.guard) => u32::MAX,
                    _ => 1,
                };
                n = n.min(usize::try_from(at_once).unwrap_or(n));
            }
            match of.iter_mut().find(|(stage, ..)| *stage == point.stage) {
                Some(known) => known.1 = (known.1 + n).min(most),
                None => of.push((point.stage, n, point.at)),
            }
        }
        // Of two stages of which one starts when the other has ended, not both.
        let before: Vec<Vec<bool>> = of
            .iter()
            .map(|(stage, ..)| world.ways.ended_before(*stage, world.wiring))
            .collect();
        let most = (0..of.len()).map(|i| {
            let beside = |j: &usize| !before[i][of[*j].0] && !before[*j][of[i].0];
            let others = (0..of.len()).filter(|j| *j != i).filter(beside);
            of[i].1 + others.map(|j| of[j].1).sum::<usize>()
        });
        (
            most.max().unwrap_or(0),
            of.iter().map(|(_, n, at)| (*n, *at)).collect(),
        )
    }

    fn barrier(&self, barrier: usize, counts: &[Count]) -> Sure {
        let guards = &self.world.room.guards;
        let GuardKind::Barrier { parties } = guards.kind(barrier) else {
            return Sure::Not;
        };
        let declared = guards.name(barrier);
        let (most, of) = self.most_at(barrier, counts);
        // How many come from the user's code cannot be counted.
        let counted = !self.world.points.any(|a| *a == Act::Declared(barrier));
        if counted && most < parties as usize {
            let d = Diagnostic::new(
                "E0506",
                self.point.at,
                format!(
                    "the barrier `{}` opens when {parties} have come, and at most {most} can wait there at once",
                    declared.text
                ),
            )
            .also(declared.at, format!("it takes {parties}"));
            let d = of
                .iter()
                .filter(|(_, at)| *at != self.point.at)
                .fold(d, |d, (n, at)| {
                    d.also(*at, format!("{n} can come from here"))
                });
            return Sure::waits(d.help(
                "lower the number, or let more come: as many workers (`threads`), and as many items",
            ));
        }
        self.judge(&self.proof(true))
    }

    /// It waits for what can only come when it has gone on.
    fn circle(&self, facts: &Facts) -> Diagnostic {
        let stage = self.world.stage(self.point.stage);
        let d = Diagnostic::new(
            "E0507",
            self.point.at,
            format!(
                "stage `{stage}` waits here until {}, and that can only come when it has gone on",
                self.until()
            ),
        );
        let mut reasons = Vec::new();
        self.why(facts, &mut vec![self.number], &mut reasons);
        reasons
            .into_iter()
            .fold(d, |d, (at, why)| d.also(at, why))
            .help("let what it waits for come from a stage that waits for nothing of this, or take one of the waits out")
    }

    /// The chain of what keeps it from coming, place by place.
    fn why(&self, facts: &Facts, seen: &mut Vec<usize>, reasons: &mut Vec<(At, String)>) {
        let world = self.world;
        let all = &world.points.all;
        let helper = (0..all.len()).find(|i| {
            self.is_end(&all[*i].act)
                && *i != self.number
                && !matches!(all[*i].act, Act::Declared(_))
        });
        let Some(helper) = helper else { return };
        let other = &all[helper];
        let name = world.stage(other.stage);
        if other.stage != self.point.stage || helper < self.number || seen.len() > 1 {
            reasons.push((other.at, format!("stage `{name}` could let it go on here")));
        } else {
            reasons.push((
                other.at,
                "it would let itself go on here, behind its own wait".into(),
            ));
            return;
        }
        if !facts.starts[other.stage] {
            let ends = &world.room.file.stages[other.stage].after;
            if let Some(after) = ends.first() {
                reasons.push((
                    after.at,
                    format!("but `{name}` starts only when `{}` has ended", after.text),
                ));
            }
            return;
        }
        // Its own waits before that.
        let blocked = world.points.of_stage(other.stage).find(|i| {
            *i < helper && all[*i].waits() && all[*i].is_before(other) && !facts.passes[*i]
        });
        match blocked {
            Some(next) if seen.contains(&next) => {}
            Some(next) => {
                seen.push(next);
                let place = Place {
                    world,
                    number: next,
                    point: &all[next],
                };
                reasons.push((
                    place.point.at,
                    format!("but before that, `{name}` waits until {}", place.until()),
                ));
                place.why(facts, seen, reasons);
            }
            None => {
                let from = world.room.file.stages[other.stage].from.first();
                if let Some(from) = from {
                    reasons.push((from.at, format!("but nothing comes to `{name}` before")));
                }
            }
        }
    }

    /// May it wait for others at all? (Locks that are taken again, and their order, are judged elsewhere.)
    fn is_doubtful(&self) -> bool {
        match &self.point.act {
            Act::Put(_) | Act::Ask(_) => !self.point.held.is_empty(),
            Act::Take(taken) => {
                let again = |h: &Held| h.guard == taken.guard;
                !self.point.held.is_empty() && !self.point.held.iter().any(again)
            }
            _ => true,
        }
    }

    /// Says when the place may wait for ever. Is there such a case?
    fn doubt(&self, out: &mut Diagnostics) -> bool {
        let first = match &self.point.act {
            Act::Until { first, .. } => *first,
            _ => First::False,
        };
        let nobody = first == First::Depends && self.ends().next().is_none();
        let d = if !self.goes_on(false, false) || nobody {
            self.late()
        } else if !self.goes_on(true, false) {
            self.holding()
        } else {
            return false;
        };
        let Some(d) = d else { return false };
        out.push(match self.point.timeout {
            Some(at) => d.also(at, "then only this ends the wait"),
            None => d,
        });
        true
    }

    /// It holds what others need who hold what is needed to end this wait.
    fn chain(&self) -> Option<Diagnostic> {
        let world = self.world;
        let (stage, held) = (world.stage(self.point.stage), self.point.held.last());
        let message = format!(
            "stage `{stage}` waits here until {}; whoever could bring that may wait for a guard which others keep while they, too, wait",
            self.until()
        );
        let d = Diagnostic::new("W0505", self.point.at, message);
        let other = world.points.all.iter().find(|p| {
            p.at != self.point.at
                && p.waits()
                && !p.held.is_empty()
                && !matches!(p.act, Act::Take(_))
        })?;
        Some(
            match held {
                Some(held) => d.also(held.at, "held from here on"),
                None => d,
            }
            .also(
                other.at,
                format!(
                    "`{}`, too, waits here with a guard in hand",
                    world.stage(other.stage)
                ),
            )
            .help("wait outside of blocks that hold guards"),
        )
    }

    /// It holds what those need for whom it waits.
    fn holding(&self) -> Option<Diagnostic> {
        let world = self.world;
        let workers = world.workers(self.point.stage);
        let needs = |p: &&Point, h: &Held| match p.act {
            Act::Take(wanted) => {
                wanted.guard == h.guard && wanted.at != h.at && world.conflicts(*h, wanted, workers)
            }
            _ => false,
        };
        let find = |other: bool| {
            self.point.held.iter().find_map(|h| {
                let stage = |p: &&Point| (p.stage != self.point.stage) == other;
                let mut all = world.points.all.iter().filter(stage);
                Some((*h, all.find(|p| needs(p, h))?))
            })
        };
        let (held, other) = find(true).or_else(|| find(false))?;
        let (stage, what) = (world.stage(self.point.stage), world.guard(held.guard));
        let does = match &self.point.act {
            Act::Put(conn) => format!("puts into {}", world.wiring.conns[*conn].describe()),
            Act::Ask(conn) => format!("asks {}", world.wiring.conns[*conn].describe()),
            _ => format!("waits until {}", self.until()),
        };
        let when = match &self.point.act {
            Act::Put(conn) => format!(
                "if it is full ({} items), ",
                world.settings.conns[*conn].max
            ),
            _ => String::new(),
        };
        let message = format!(
            "stage `{stage}` {does} while it holds {what}; {when}stage `{}`, which must go on for that, may have to wait for it, and neither goes on",
            world.stage(other.stage)
        );
        Some(
            Diagnostic::new("W0505", self.point.at, message)
                .also(held.at, "held from here on")
                .also(other.at, format!("`{}` needs it here", world.stage(other.stage)))
                .help("put, and wait, outside of the block that holds the guard; or let the queue hold what comes (`max`, `full: spill`)"),
        )
    }

    fn late(&self) -> Option<Diagnostic> {
        let world = self.world;
        let stage = world.stage(self.point.stage);
        let until = self.until();
        let behind = world.ways.downstream(self.point.stage);
        let ends: Vec<&Point> = self.ends().collect();
        let (what, at) = (&self.point.act, self.point.at);
        let Some(first) = ends.first() else {
            return match what {
                Act::WaitEvent(event) => {
                    let clears = |a: &Act| *a == Act::Clear(*event);
                    let clear = world.points.doing(clears).next()?;
                    Some(
                        Diagnostic::new("W0506", at, format!("stage `{stage}` waits here for ever once {} has been cleared: nothing sets it again", world.guard(*event)))
                            .also(clear.at, "it is cleared here")
                            .help("let a stage set it again with `set_event`"),
                    )
                }
                Act::Until { conditions, .. } => {
                    let d = Diagnostic::new(
                        "W0507",
                        at,
                        format!(
                            "stage `{stage}` goes on here only if this holds at once: nothing notifies, and nothing changes a value that it names"
                        ),
                    );
                    let key = conditions.first().map(|c| world.room.guards.name(*c));
                    Some(
                        match key {
                            Some(key) => d.also(key.at, "never notified"),
                            None => d,
                        }
                        .help("notify where it becomes true (`notify_all`), or let it name a value that is changed by `add` or `store`; to let items go that do not fit, write `filter`"),
                    )
                }
                _ => None,
            };
        };
        let is_behind =
            |p: &&Point| behind[p.stage] || (p.stage == self.point.stage && p.at > self.point.at);
        if !matches!(what, Act::Meet(_)) && ends.iter().all(is_behind) {
            let message = format!(
                "stage `{stage}` waits here until {until}, and that comes only from what it has let through itself"
            );
            return Some(
                Diagnostic::new("W0506", at, message)
                    .also(first.at, "only behind it")
                    .help("if the first that comes waits, nothing ever comes further; let another stage end the wait, or let it be ended from the start"),
            );
        }
        let message = format!(
            "stage `{stage}` waits here until {until}, and holds up those who write for it: if what they write no longer finds room, what would end the wait may itself never come"
        );
        Some(
            Diagnostic::new("W0508", at, message)
                .also(first.at, format!("stage `{}` would end it here", world.stage(first.stage)))
                .help("give the connection in front of it a `max` that takes everything, or let the wait be ended by a stage that hangs on none of the same writers"),
        )
    }
}

/// A barrier at which some that come last may find no others.
fn leftovers(world: &World<'_, '_>, counts: &[Count], out: &mut Diagnostics) {
    if out.has(|code| matches!(code, "E0506" | "E0507")) {
        return;
    }
    for guard in 0..world.room.file.guards.len() {
        let GuardKind::Barrier { parties } = world.room.guards.kind(guard) else {
            continue;
        };
        let points: Vec<&Point> = world.points.doing(|a| meets(a, guard)).collect();
        // Who stands there with a guard may keep others from coming.
        let keeps = |p: &&Point, h: &Held| {
            points.iter().any(|q| {
                let other = q.at != p.at || world.workers(p.stage) > 1;
                let mut same = q.held.iter().filter(|o| o.guard == h.guard);
                other && same.any(|o| world.conflicts(*h, *o, 1))
            })
        };
        let holding = points.iter().any(|p| p.held.iter().any(|h| keeps(p, h)));
        let mut each = points.iter().map(|p| {
            let known = matches!(p.act, Act::Meet(_)) && p.ifs.is_empty() && p.timeout.is_none();
            Some((p.stage, counts[p.stage].exact.filter(|_| known)?))
        });
        let (Some(comes), Some(first)) = (
            each.try_fold(Vec::new(), |mut all, p| {
                all.push(p?);
                Some(all)
            }),
            points.first(),
        ) else {
            continue;
        };
        if !holding && comes_out_even(world, &comes, parties as usize) {
            continue;
        }
        let declared = world.room.guards.name(guard);
        let total: u64 = comes.iter().map(|(_, n)| n).sum();
        let left = total % u64::from(parties);
        let message = if left > 0 {
            format!(
                "{total} items come to the barrier `{}`, which lets {parties} through at a time: {left} may wait there for ever at the end",
                declared.text
            )
        } else {
            format!(
                "{total} items come to the barrier `{}`, which lets {parties} through at a time, from several places: should too many meet that come from one, those of another may wait there for ever",
                declared.text
            )
        };
        let d = Diagnostic::new("W0509", first.at, message)
            .also(declared.at, format!("it takes {parties}"));
        let d = points[1..]
            .iter()
            .fold(d, |d, p| d.also(p.at, "others come from here"));
        out.push(d.help(
            "each item waits there: let a number of them come that it divides, and each worker as often; or only the first (`if: ...`)",
        ));
    }
}

/// Do all that come find enough others, whoever comes first? `comes`: for each place, its stage, and how many items
/// come there.
fn comes_out_even(world: &World<'_, '_>, comes: &[(usize, u64)], parties: usize) -> bool {
    if let [(_, n)] = comes {
        // Any of its workers will do.
        return n.is_multiple_of(parties as u64);
    }
    // Otherwise all workers of all of them come each time, so that each must come as often.
    let mut stages: Vec<usize> = comes.iter().map(|(stage, _)| *stage).collect();
    stages.sort_unstable();
    stages.dedup();
    let often = |stage: usize| {
        let places = comes.iter().filter(|(s, _)| *s == stage);
        let items = places.clone().next().map_or(0, |(_, n)| *n);
        let workers = world.workers(stage) as u64;
        (items % workers == 0).then(|| items / workers * places.count() as u64)
    };
    let workers: usize = stages.iter().map(|s| world.workers(*s)).sum();
    let first = often(stages[0]);
    workers == parties && first.is_some() && stages.iter().all(|s| often(*s) == first)
}
