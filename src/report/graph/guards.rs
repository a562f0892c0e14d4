//! What a drawing says of the named guards: what each is, and which stages do what with it.

use crate::plan::{Guard, Plan, Stage};

/// What a stage does with a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Sets,
    Notifies,
    Clears,
    Holds,
    Waits,
    Meets,
}

impl Use {
    const ALL: [Use; 6] = [
        Use::Sets,
        Use::Notifies,
        Use::Clears,
        Use::Holds,
        Use::Waits,
        Use::Meets,
    ];

    /// On an arrow from the stage to the guard.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Use::Sets => "sets",
            Use::Notifies => "notifies",
            Use::Clears => "clears",
            Use::Holds => "holds",
            Use::Waits => "waits",
            Use::Meets => "meets",
        }
    }

    /// Before the names of the stages.
    fn done_by(self) -> &'static str {
        match self {
            Use::Sets => "set by",
            Use::Notifies => "notified by",
            Use::Clears => "cleared by",
            Use::Holds => "held by",
            Use::Waits => "waited for by",
            Use::Meets => "met by",
        }
    }
}

/// What a stage does with the guards, by their numbers; each once, in the order of the file.
pub(super) fn uses(stage: &Stage) -> Vec<(u32, Use)> {
    let touches = &stage.touches;
    let mut all: Vec<(u32, Use)> = stage.holds().map(|g| (g, Use::Holds)).collect();
    for (list, does) in [
        (&touches.sets, Use::Sets),
        (&touches.notifies, Use::Notifies),
        (&touches.clears, Use::Clears),
        (&touches.waits, Use::Waits),
        (&touches.meets, Use::Meets),
    ] {
        all.extend(list.iter().map(|g| (*g, does)));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A line for each guard: its name, what it is, who does what with it.
pub(super) fn lines(plan: &Plan) -> Vec<[String; 3]> {
    let uses: Vec<(&str, Vec<(u32, Use)>)> =
        plan.stages.iter().map(|s| (&*s.name, uses(s))).collect();
    let line = |(guard, id): (&Guard, u32)| {
        let mut words = Vec::new();
        for does in Use::ALL {
            let who = uses.iter().filter(|(_, all)| all.contains(&(id, does)));
            let who: Vec<&str> = who.map(|(name, _)| *name).collect();
            if !who.is_empty() {
                words.push(format!("{} {}", does.done_by(), who.join(", ")));
            }
        }
        [guard.name.to_string(), guard.describe(), words.join("; ")]
    };
    let shown = plan.guards.iter().zip(0..).filter(|(g, _)| !g.hidden);
    shown.map(line).collect()
}
