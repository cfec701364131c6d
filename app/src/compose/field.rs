//! The host's text field, as it is after all that was typed, erased and taken back.

use super::Action;

/// An empty field with the cursor at its end, where nobody types but Oratype.
#[derive(Clone, Debug, Default)]
pub struct Field {
    text: String,
    /// How much of its end each dictation has typed, characters; the last one is not over.
    dictations: Vec<usize>,
    /// What the last dictation with text has typed, for typing it again.
    last: String,
}

impl Field {
    /// What it holds.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Do as the typing level does.
    pub fn apply(&mut self, action: &Action) {
        match action {
            Action::Type(text) => self.push(text),
            Action::OwnWords(text) => {
                self.dictations.clear();
                self.text += text;
            }
            Action::Erase(chars) => self.erase(*chars),
            Action::Undo => {
                let last = self.dictations.iter().rposition(|chars| *chars > 0);
                if let Some(last) = last {
                    let chars = self.dictations[last];
                    self.erase(chars);
                }
            }
            Action::Retype => {
                let last = std::mem::take(&mut self.last);
                self.push(&last);
                self.last = last;
            }
            Action::Finish => {
                let chars = self.dictations.last().copied().unwrap_or_default();
                if chars > 0 {
                    let start = self.text.char_indices().rev().nth(chars - 1).map_or(0, |(at, _)| at);
                    self.last = self.text[start..].to_owned();
                }
                self.dictations.push(0);
            }
            Action::Profile(_) => {}
        }
    }

    fn push(&mut self, text: &str) {
        self.text += text;
        if self.dictations.is_empty() {
            self.dictations.push(0);
        }
        if let Some(chars) = self.dictations.last_mut() {
            *chars += text.chars().count();
        }
    }

    fn erase(&mut self, chars: usize) {
        let mut left = chars;
        for typed in self.dictations.iter_mut().rev() {
            let taken = left.min(*typed);
            *typed -= taken;
            left -= taken;
        }
        for _ in 0..chars {
            self.text.pop();
        }
    }
}
