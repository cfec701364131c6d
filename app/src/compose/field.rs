//! The host's text field, as it is after all that was typed, erased and taken back.

use super::{Action, forget_last};
use crate::sizes::UNDO_DICTATIONS_MAX;

/// A field that is empty at first, with the cursor at its end, where nobody types but Oratype. Does as the type
/// thread does, time aside.
#[derive(Clone, Debug, Default)]
pub struct Field {
    text: String,
    /// What can be taken back: what each dictation has typed since the last Enter or Tab.
    entries: Vec<String>,
    /// The last of them is still growing.
    open: bool,
    /// What the dictation that goes on has said, and the last one that said anything.
    said: String,
    last: String,
}

impl Field {
    /// What it holds.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What becomes of it.
    pub fn apply(&mut self, action: &Action) {
        match action {
            Action::Type(text) => {
                self.said += text;
                self.push(text);
            }
            Action::OwnWords(text) => self.push_own(text),
            Action::Enter => self.push_own("\n"),
            Action::Retype => self.push_own(&self.last.clone()),
            Action::Erase(chars) => self.erase(*chars),
            Action::Undo { newer } => self.undo(*newer),
            Action::Finish => {
                self.open = false;
                if !self.said.is_empty() {
                    self.last = std::mem::take(&mut self.said);
                }
            }
            Action::Profile(_) => {}
        }
    }

    #[cfg(test)]
    pub(super) fn too_late_to_undo(&mut self) {
        self.entries.clear();
    }

    fn undo(&mut self, newer: usize) {
        let Some(at) = self.entries.len().checked_sub(newer + 1) else { return };
        let undone = self.entries.remove(at);
        let behind: usize = self.entries[at..].iter().map(String::len).sum();
        let end = self.text.len() - behind;
        self.text.drain(end - undone.len()..end);
        if newer == 0 {
            self.open = false;
            forget_last(&mut self.said, undone.chars().count());
        }
    }

    fn push_own(&mut self, text: &str) {
        self.open = false;
        self.push(text);
        self.open = false;
    }

    fn push(&mut self, text: &str) {
        self.text += text;
        let kept = match text.rfind(['\n', '\t']) {
            Some(at) => {
                self.entries.clear();
                self.open = false;
                &text[at + 1..]
            }
            None => text,
        };
        if kept.is_empty() {
            return;
        }
        if !std::mem::replace(&mut self.open, true) {
            if self.entries.len() == UNDO_DICTATIONS_MAX {
                self.entries.remove(0);
            }
            self.entries.push(String::new());
        }
        if let Some(entry) = self.entries.last_mut() {
            entry.push_str(kept);
        }
    }

    fn erase(&mut self, chars: usize) {
        for _ in 0..chars {
            let Some(entry) = self.entries.last_mut() else { break };
            entry.pop();
            self.text.pop();
            self.said.pop();
            if entry.is_empty() {
                self.entries.pop();
                self.open = false;
            }
        }
    }
}
