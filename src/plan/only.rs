//! A part of a plan: some of its stages, as if the others ran elsewhere.

use super::{Plan, StageId};

impl Plan {
    /// Leaves only some stages, in the order of the file. A connection that has lost its writers is closed from the
    /// beginning; one that has lost its readers lets go what comes and counts it. What comes `after` a stage that
    /// is not there starts at once. Connections keep their numbers: steps that put know them by those.
    pub fn only(&mut self, keep: impl Fn(&str) -> bool) {
        let mut numbers = vec![None; self.stages.len()];
        let mut kept = 0;
        for (stage, number) in self.stages.iter().zip(&mut numbers) {
            if keep(&stage.name) {
                *number = Some(StageId(kept));
                kept += 1;
            }
        }
        let renumber = |ids: &mut Vec<StageId>| {
            *ids = ids.iter().filter_map(|id| numbers[id.index()]).collect();
        };
        self.stages
            .retain(|stage| numbers[stage.id.index()].is_some());
        for (stage, id) in self.stages.iter_mut().zip(0..) {
            stage.id = StageId(id);
            renumber(&mut stage.after);
        }
        for conn in &mut self.conns {
            renumber(&mut conn.writers);
            renumber(&mut conn.readers);
        }
    }
}
