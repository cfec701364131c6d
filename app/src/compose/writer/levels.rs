//! Which dictation is where in the text, and which can still be taken back.

use super::Writer;
use crate::sizes::UNDO_DICTATIONS_MAX;
use crate::typing::{Stopped, Typing};

/// Characters of the host's text that are remembered, bytes: a few pages, more than anybody takes back by voice.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Dictations that are remembered: those that the type thread can take back, and the one that goes on.
const LEVELS_MAX: usize = UNDO_DICTATIONS_MAX + 1;
/// These are keys that do more than to make text: what stands before one stays.
const KEYS: [char; 2] = ['\n', '\t'];

/// A place in the text, and what was to be known there of what comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Bytes from the start of the text.
    pub at: usize,
    /// See [`Writer`].
    pub held_stop: bool,
    pub glue: bool,
    pub open_end: bool,
}

/// A dictation, or what stands in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    what: Typing,
    /// Where it began.
    begun: Place,
    /// Behind the last key in it: where what can be taken back begins.
    pub start: Place,
}

/// What an undo takes back.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::compose) struct Undone {
    /// Dictations with text behind it.
    pub newer: usize,
    pub chars: usize,
}

impl Writer {
    /// A dictation begins, or what stands in its place. `held_stop`: the one before it would have ended in a full
    /// stop; `tight`: no space is due between the two.
    pub(in crate::compose) fn begin(&mut self, what: Typing, held_stop: bool, tight: bool) {
        (self.tight, self.replaces_capital) = (tight, false);
        let begun = Place { at: self.text.len(), held_stop, glue: self.glue, open_end: self.open_end };
        self.levels.push_back(Level { what, begun, start: begun });
        if self.levels.len() > LEVELS_MAX {
            self.levels.pop_front();
        }
    }

    /// Whether text would belong to this.
    pub(in crate::compose) fn is_within(&self, what: Typing) -> bool {
        self.levels.back().is_some_and(|level| level.what == what)
    }

    /// Forget a dictation that has typed nothing.
    pub(super) fn end_level(&mut self) {
        if self.levels.back().is_some_and(|level| level.begun.at == self.text.len()) {
            self.levels.pop_back();
        }
    }

    /// What the present dictation, or else the last one, has put into the text, as far as it can be taken back.
    pub(in crate::compose) fn dictation(&self) -> &str {
        self.levels.back().map_or("", |level| &self.text[level.start.at..])
    }

    /// Take back what this dictation has said so far. False if that is nothing.
    pub(in crate::compose) fn scratch_dictation(&mut self) -> bool {
        self.trail.clear();
        let Some(level) = self.levels.back().copied() else { return false };
        if level.start.at == self.text.len() {
            return false;
        }
        let begins_large = self.dictation().trim_start().starts_with(char::is_uppercase);
        self.truncate(level.start.at);
        self.go_on_as(level.start);
        self.replaces_capital = begins_large;
        true
    }

    fn go_on_as(&mut self, place: Place) {
        (self.held_stop, self.glue, self.open_end) = (place.held_stop, place.glue, place.open_end);
    }

    /// What is named is gone, wherever it stands; or if nothing is, what was typed last. Where a gesture has stopped it,
    /// so is what was not typed, back to the last key that was pressed. `None` if the type thread has nothing more to
    /// take back.
    pub(in crate::compose) fn undo(&mut self, stopped: Stopped) -> Option<Undone> {
        let found = self.find(stopped.what);
        let of_name = || self.levels.iter().rposition(|level| level.what == stopped.what);
        let at = found.map(|(at, _)| at).or_else(of_name)?;
        let (start, end) = (self.levels[at].start.at, self.end_of(at));
        let chars = self.text[start..end].chars().count();
        let from = self.stopped_at(at, stopped);
        self.cut(from.at, end);
        self.levels[at].start = from;
        if from.at == self.text.len() {
            self.trail.clear();
            self.levels.truncate(at + 1);
            self.go_on_as(from);
        }
        // The one behind it has joined what stays.
        if let Some(next) = self.levels.get_mut(at + 1) {
            if next.start.at == next.begun.at {
                next.start = from;
            }
            next.begun = from;
        }
        if self.levels[at].begun.at == from.at {
            self.levels.remove(at);
        }
        found.map(|(_, newer)| Undone { newer, chars })
    }

    /// Where the text of a level ends that stays.
    fn stopped_at(&self, at: usize, stopped: Stopped) -> Place {
        let Level { begun, start, .. } = self.levels[at];
        if stopped.what == Typing::Nothing {
            return start;
        }
        let keys = |level: usize| {
            let text = &self.text[self.levels[level].begun.at..self.end_of(level)];
            text.match_indices(KEYS).map(|(at, _)| at)
        };
        // Own words may have come between two parts of a dictation.
        let before = (0..at).filter(|&level| self.levels[level].what == stopped.what);
        let before: usize = before.map(|level| keys(level).count()).sum();
        match (stopped.keys as usize).saturating_sub(before).checked_sub(1) {
            None => begun,
            Some(last) => {
                keys(at).nth(last).map_or(start, |key| Place { at: begun.at + key + 1, ..Place::default() })
            }
        }
    }

    /// How many dictations with text came after what [`Self::undo`] would take back.
    pub(in crate::compose) fn newer_than(&self, what: Typing) -> Option<usize> {
        self.find(what).map(|(_, newer)| newer)
    }

    /// The level that is meant, and how many with text came after it. One without text does not count.
    fn find(&self, what: Typing) -> Option<(usize, usize)> {
        let is_meant = |at: &usize| what == Typing::Nothing || self.levels[*at].what == what;
        let at = self.with_text().rfind(is_meant)?;
        Some((at, self.with_text().filter(|later| *later > at).count()))
    }

    fn with_text(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.levels.len()).filter(|&at| self.end_of(at) > self.levels[at].start.at)
    }

    fn end_of(&self, level: usize) -> usize {
        self.levels.get(level + 1).map_or(self.text.len(), |next| next.begun.at)
    }

    /// Forget the changes so far: the typing level makes them itself.
    pub(in crate::compose) fn forget_changes(&mut self) {
        if let Some(at) = self.text[self.kept..].rfind(KEYS) {
            self.fix(self.kept + at + 1);
        }
        (self.kept, self.erase_chars) = (self.text.len(), 0);
        // The type thread forgets the oldest too.
        let too_old = self.with_text().rev().nth(UNDO_DICTATIONS_MAX);
        if let Some(too_old) = too_old {
            self.fix(self.end_of(too_old));
        }
    }

    /// What can be taken back is behind this.
    fn fix(&mut self, at: usize) {
        self.fixed = at;
        for number in 0..self.levels.len() {
            let end = self.end_of(number);
            let start = &mut self.levels[number].start;
            if start.at < at {
                *start = Place { at: at.min(end), ..Place::default() };
            }
        }
    }

    /// What was typed too long ago is not taken back.
    pub(in crate::compose) fn forget_old(&mut self, is_old: impl Fn(Typing) -> bool) {
        let old = self.levels.iter().take_while(|level| is_old(level.what)).count();
        if let Some(last) = old.checked_sub(1) {
            self.fix(self.end_of(last).max(self.fixed));
        }
    }

    /// Remember no more than the last pages.
    pub(in crate::compose) fn trim(&mut self) {
        if self.text.len() <= TEXT_BYTES_MAX {
            return;
        }
        let cut = self.text.ceil_char_boundary(self.text.len() - TEXT_BYTES_MAX / 2);
        while self.levels.len() > 1 && self.levels.pop_front_if(|level| level.start.at < cut).is_some() {}
        self.cut(0, cut);
    }

    /// Take these bytes out of the text, with what is known of their places.
    fn cut(&mut self, from: usize, to: usize) {
        self.text.drain(from..to);
        let moved = |at: usize| if at >= to { at - (to - from) } else { at.min(from) };
        (self.kept, self.fixed) = (moved(self.kept), moved(self.fixed));
        for level in &mut self.levels {
            (level.begun.at, level.start.at) = (moved(level.begun.at), moved(level.start.at));
        }
    }

    /// The text ends here now.
    pub(super) fn cut_levels(&mut self, length: usize) {
        for level in &mut self.levels {
            level.begun.at = level.begun.at.min(length);
            level.start.at = level.start.at.min(length);
        }
    }
}
