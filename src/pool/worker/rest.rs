//! How a task rests while another looks for work, and comes back.

use super::super::segment::HeadEnd;
use super::Worker;

impl Worker {
    /// It looks for nothing for now, and need not be woken. `false`: it is the last in one of its segments, and
    /// must see to its end.
    pub fn rest(&mut self) -> bool {
        let segments = &self.stage.segments;
        let stays =
            |(own, segment): (&super::Own, &super::Segment)| own.left || segment.has_others();
        if !self.segments.iter().zip(segments).all(stays) {
            return false;
        }
        for at in 0..self.segments.len() {
            self.stage.segments[at].rest(&self.agent);
            if !self.segments[at].left {
                self.merge(at);
                self.stage.segments[at].part();
                (self.segments[at].left, self.segments[at].rests) = (true, true);
            }
        }
        self.stage.aside.busy(&self.agent);
        true
    }

    /// It looks for work again, where there is still some.
    pub fn come_back(&mut self) {
        for (own, segment) in self.segments.iter_mut().zip(&self.stage.segments) {
            if std::mem::take(&mut own.rests) {
                own.left = !segment.join();
                own.part = match &segment.head_end {
                    HeadEnd::Part(make) if !own.left => Some(make()),
                    HeadEnd::Part(_) | HeadEnd::On => None,
                };
            }
        }
    }
}
