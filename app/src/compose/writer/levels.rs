//! Which dictation is where in the text, and which can still be taken back.

use std::time::Duration;

use oratype_hal::time::Timestamp;

use super::{Level, Undone, Writer};
use crate::typing::Typing;

impl Writer {
    /// What is named is gone, wherever it stands; or if nothing is, what was typed last. `None` if there is no such
    /// text.
    pub(in crate::compose) fn undo(&mut self, what: Typing) -> Option<Undone> {
        let (at, newer) = self.find(what)?;
        let (level, end) = (self.levels[at], self.end_of(at));
        let chars = self.text[level.start..end].chars().count();
        if newer == 0 {
            self.trail.clear();
            self.levels.truncate(at);
            self.back_to(level);
        } else {
            self.text.drain(level.start..end);
            self.kept -= end - level.start;
            self.levels.remove(at);
            for later in self.levels.range_mut(at..) {
                later.start -= end - level.start;
            }
            // The one behind it has joined it.
            if let Some(next) = self.levels.get_mut(at) {
                *next = Level { start: next.start, what: next.what, typed_at: next.typed_at, ..level };
            }
        }
        Some(Undone { newer, chars })
    }

    /// How many dictations with text came after what [`Self::undo`] would take back.
    pub(in crate::compose) fn newer_than(&self, what: Typing) -> Option<usize> {
        self.find(what).map(|(_, newer)| newer)
    }

    /// The level that is meant, and how many with text came after it.
    pub(super) fn find(&self, what: Typing) -> Option<(usize, usize)> {
        // One without text does not count.
        let has_text = |&at: &usize| self.end_of(at) > self.levels[at].start;
        let is_meant = |at: &usize| what == Typing::Nothing || self.levels[*at].what == what;
        let at = (0..self.levels.len()).rev().filter(has_text).find(is_meant)?;
        Some((at, (at + 1..self.levels.len()).filter(has_text).count()))
    }

    pub(super) fn end_of(&self, level: usize) -> usize {
        self.levels.get(level + 1).map_or(self.text.len(), |next| next.start)
    }

    /// Forget the changes so far: the typing level makes them itself.
    pub(in crate::compose) fn forget_changes(&mut self) {
        if let Some(at) = self.text[self.kept..].rfind(['\n', '\t']) {
            self.fix(self.kept + at + 1);
        }
        if let Some(level) = self.levels.back_mut().filter(|_| self.kept < self.text.len()) {
            level.typed_at = self.now;
        }
        (self.kept, self.erase_chars) = (self.text.len(), 0);
    }

    /// Nothing before this can be taken back.
    pub(super) fn fix(&mut self, at: usize) {
        self.fixed = at;
        // The dictation that goes on begins anew behind it; those before it are out of reach.
        let last = self.levels.back().copied();
        self.levels.retain(|level| level.start >= at);
        if let Some(last) = last.filter(|_| self.levels.is_empty()) {
            self.levels.push_back(Level { start: at.max(last.start), held_stop: false, ..last });
        }
    }

    /// It is this time now.
    pub(in crate::compose) fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// What was typed longer ago is not taken back. `dictating`: the last dictation goes on.
    pub(in crate::compose) fn forget_old(&mut self, keep: Duration, dictating: bool) {
        let is_old = |level: &&Level| self.now.saturating_sub(level.typed_at) > keep;
        let Some(last_old) = self.levels.iter().take_while(is_old).count().checked_sub(1) else { return };
        let end = self.end_of(last_old);
        if dictating {
            self.fix(end);
        } else {
            self.fixed = end;
            self.levels.drain(..=last_old);
        }
    }
}
