//! What was typed last, dictation by dictation, so that it can be taken back.

use std::collections::VecDeque;

use crate::sizes::UNDO_DICTATIONS_MAX;

/// What one dictation has typed, as far as it can be taken back.
#[derive(Debug)]
struct Entry {
    text: String,
    /// A gesture has it back already: it is not on the host, but its undo has not come in its order yet.
    is_gone: bool,
}

/// What is taken back: from the end of the host's text this much, and then this is typed again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TakeBack {
    /// What is to be erased.
    pub erased: String,
    /// What stood behind what is unwanted.
    pub again: String,
    /// How many characters are forgotten, on the host or not.
    pub forgotten: usize,
}

/// The dictations that stand right before the cursor, as far as is known.
///
/// Everything before a key such as Enter, which does more than to make text, is forgotten. What was typed long ago is
/// not: whether it is too old to be taken back is for those to say who ask for it.
#[derive(Debug)]
pub(super) struct History {
    /// The oldest first.
    entries: VecDeque<Entry>,
    /// The last entry is still growing.
    open: bool,
}

impl History {
    /// Nothing was typed.
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::with_capacity(UNDO_DICTATIONS_MAX), open: false }
    }

    /// This was typed just now, for the dictation that goes on. `forgets` tells the characters that do more than to
    /// make text.
    pub(super) fn typed(&mut self, text: &str, forgets: impl Fn(char) -> bool) {
        let kept = match text.char_indices().rfind(|&(_, c)| forgets(c)) {
            Some((at, c)) => {
                self.entries.clear();
                self.open = false;
                &text[at + c.len_utf8()..]
            }
            None => text,
        };
        if kept.is_empty() {
            return;
        }
        if !self.open {
            if self.entries.len() == UNDO_DICTATIONS_MAX {
                self.entries.pop_front();
            }
            self.entries.push_back(Entry { text: String::new(), is_gone: false });
            self.open = true;
        }
        if let Some(entry) = self.entries.back_mut() {
            entry.text.push_str(kept);
        }
    }

    /// The dictation is over; what comes belongs to another one.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// A gesture takes back what the dictation that goes on has typed; this is it. The jobs that wait still count on it,
    /// so that it is remembered until one of them takes it back too.
    pub(super) fn take_open(&mut self) -> String {
        match self.entries.back_mut().filter(|entry| self.open && !entry.is_gone) {
            Some(entry) => {
                entry.is_gone = true;
                entry.text.clone()
            }
            None => String::new(),
        }
    }

    /// This would have been typed for the dictation that goes on, but for a gesture.
    pub(super) fn not_typed(&mut self, text: &str, forgets: impl Fn(char) -> bool) {
        self.typed(text, forgets);
        if let Some(entry) = self.entries.back_mut().filter(|_| self.open) {
            entry.is_gone = true;
        }
    }

    /// The dictation that `newer` others have followed is taken back.
    pub(super) fn undo(&mut self, newer: usize) -> TakeBack {
        let Some(at) = self.entries.len().checked_sub(newer + 1) else { return TakeBack::default() };
        self.open &= newer > 0;
        let Some(undone) = self.entries.remove(at) else { return TakeBack::default() };
        let forgotten = undone.text.chars().count();
        if undone.is_gone {
            return TakeBack { forgotten, ..TakeBack::default() };
        }
        let behind = self.entries.range(at..).filter(|entry| !entry.is_gone);
        let again: String = behind.map(|entry| entry.text.as_str()).collect();
        TakeBack { erased: undone.text + &again, again, forgotten }
    }

    /// The last `count` characters are taken back, or as many as are known.
    pub(super) fn erase(&mut self, count: usize) -> TakeBack {
        let mut erased = String::new();
        let mut left = count;
        while let Some(entry) = self.entries.back_mut().filter(|_| left > 0) {
            let at = entry.text.char_indices().rev().nth(left - 1).map_or(0, |(at, _)| at);
            let tail = entry.text.split_off(at);
            left -= tail.chars().count();
            if !entry.is_gone {
                erased.insert_str(0, &tail);
            }
            if entry.text.is_empty() {
                self.entries.pop_back();
                self.open = false;
            }
        }
        TakeBack { erased, forgotten: count - left, ..TakeBack::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn undo(history: &mut History) -> String {
        history.undo(0).erased
    }

    /// A history of dictations of one text each.
    fn history(texts: &[&str]) -> History {
        let mut history = History::new();
        for text in texts {
            history.typed(text, |c| c == '\n');
            history.close();
        }
        history
    }

    #[test]
    fn several_undos_take_back_earlier_dictations() {
        let mut history = history(&["One.", " Two.", "", " Three."]);
        let undone: Vec<_> = (0..5).map(|_| undo(&mut history)).collect();
        assert_eq!(undone, [" Three.", " Two.", "One.", "", ""]);
    }

    #[test]
    fn a_dictation_is_all_that_was_typed_until_it_was_over() {
        let mut history = history(&["One."]);
        history.typed(" Two,", |_| false);
        history.typed(" three.", |_| false);
        assert_eq!(history.take_open(), " Two, three.");
        assert_eq!(history.take_open(), "", "once");
        let consumed = TakeBack { forgotten: 12, ..TakeBack::default() };
        assert_eq!(history.undo(0), consumed, "the host has it no more");
        assert_eq!(undo(&mut history), "One.");
    }

    #[test]
    fn enter_forgets_everything_before_it() {
        let mut some = history(&["One.", " Two.\nThree.", " Four."]);
        let undone: Vec<_> = (0..3).map(|_| undo(&mut some)).collect();
        assert_eq!(undone, [" Four.", "Three.", ""]);
        assert_eq!(undo(&mut history(&["One.", "\n"])), "");
        assert_eq!(history(&["One.\n"]).erase(3).erased, "");
    }

    #[test]
    fn characters_are_erased_across_dictations() {
        let mut some = history(&["One.", " Zw\u{f6}lf."]);
        assert_eq!(some.erase(0).erased, "");
        assert_eq!(some.erase(4).erased, "\u{f6}lf.");
        assert_eq!(some.erase(5).erased, "e. Zw");
        assert_eq!(some.erase(100).erased, "On");
        assert_eq!(some.erase(100).erased, "");
    }

    #[test]
    fn an_older_dictation_is_taken_back_from_under_the_newer_ones() {
        let mut some = history(&["One.", " Two.", " Three."]);
        let expected = TakeBack { erased: " Two. Three.".into(), again: " Three.".into(), forgotten: 5 };
        assert_eq!(some.undo(1), expected);
        assert_eq!(some.undo(2), TakeBack::default());
        assert_eq!(undo(&mut some), " Three.");
    }

    #[test]
    fn what_a_gesture_has_back_is_erased_without_backspaces() {
        let mut some = history(&["One."]);
        some.not_typed(" Two.", |_| false);
        assert_eq!(some.erase(3), TakeBack { forgotten: 3, ..TakeBack::default() });
        let expected = TakeBack { erased: "e.".into(), forgotten: 4, ..TakeBack::default() };
        assert_eq!(some.erase(4), expected);
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_many() {
        let texts: Vec<_> = (0..UNDO_DICTATIONS_MAX + 3).map(|n| n.to_string()).collect();
        let mut some = History::new();
        for text in &texts {
            some.typed(text, |_| false);
            some.close();
        }
        let undone: Vec<_> =
            std::iter::repeat_with(|| undo(&mut some)).take_while(|text| !text.is_empty()).collect();
        assert!(undone.iter().eq(texts[3..].iter().rev()));
    }

    proptest! {
        /// Whatever is done, what is taken back is the end of what stands on the host, never more.
        #[test]
        fn what_is_taken_back_is_the_end_of_the_text(
            steps in prop::collection::vec((0..5_u8, "[a-z\u{e9}\n]{0,6}", 0..9_usize), 0..60)
        ) {
            let mut history = History::new();
            let mut host = String::new();
            for (step, text, count) in steps {
                let taken = match step {
                    0 | 1 => {
                        history.typed(&text, |c| c == '\n');
                        host.push_str(&text);
                        String::new()
                    }
                    2 => { history.close(); String::new() }
                    3 => undo(&mut history),
                    _ => history.erase(count).erased,
                };
                prop_assert!(host.ends_with(&taken), "{taken:?} is not the end of {host:?}");
                prop_assert!(!taken.contains('\n'));
                host.truncate(host.len() - taken.len());
            }
        }
    }
}
