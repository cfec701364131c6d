//! What was typed so far, and how the next piece joins it: spaces, capitals, full stops.
//!
//! The writer edits its copy of the end of the host's text. What is to be done to the host's follows from the
//! difference: characters to erase, then text to type.

mod levels;

use std::collections::VecDeque;

use levels::Level;
pub(super) use levels::Undone;
use unicode_normalization::char::is_combining_mark;

use super::casing::{lower, upper};
use super::rules::{Rules, Sentences};
use super::tokens::{self, Token};
use super::words;

/// Nobody dictates a longer sentence, bytes: so much of the text is looked through for where one begins.
const SENTENCE_BYTES_MAX: usize = 1024;
/// A text of more words is a sentence, whatever they are.
const FRAGMENT_WORDS_MAX: usize = 3;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    /// The end of the host's text.
    text: String,
    /// Bytes at its front that the host has for certain.
    kept: usize,
    /// Characters after them that are to be erased.
    erase_chars: usize,
    /// Bytes at its front that cannot be taken back: a key such as Enter or Tab has done more than to make text.
    fixed: usize,
    /// The dictations in it, the present one included once it has begun.
    levels: VecDeque<Level>,
    /// Punctuation behind the last word that has not been typed: what follows may replace it.
    trail: String,
    /// A full stop that waits for what follows.
    held_stop: bool,
    /// No space is due, whatever is before: the next word is part of this one, or is in brackets with it.
    glue: bool,
    /// No space is due.
    tight: bool,
    /// What was said last is complete, or is not: it was no sentence.
    open_end: bool,
    all_caps: bool,
    capital_next: bool,
    /// What was taken back just now began with a capital.
    replaces_capital: bool,
}

/// Whether the next word begins a sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    Yes,
    No,
    /// As the recogniser has written it.
    Unknown,
}

/// What is to be done to the host's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub erase_chars: usize,
    pub text: String,
}

impl Writer {
    /// The dictation is over. Without text of its own there is nothing to take back.
    pub(super) fn end(&mut self, rules: &Rules) {
        if !self.dictation().is_empty() {
            let bare = self.text.ends_with(char::is_alphanumeric);
            self.held_stop |= bare && rules.sentences == Sentences::Sentence;
            if rules.enter_after {
                self.settle(true);
                self.append("\n");
            }
        }
        self.all_caps = false;
        self.capital_next = false;
        self.end_level();
    }

    /// What is remembered of the host's text.
    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What has changed since the last time.
    pub(super) fn take_change(&mut self) -> Change {
        let change = Change { erase_chars: self.erase_chars, text: self.text[self.kept..].to_owned() };
        self.forget_changes();
        change
    }

    fn truncate(&mut self, length: usize) {
        let length = length.max(self.fixed).min(self.text.len());
        if length < self.kept {
            self.erase_chars += self.text[length..self.kept].chars().count();
            self.kept = length;
        }
        self.text.truncate(length);
        self.glue = false;
        self.cut_levels(length);
    }

    /// A full stop waits.
    pub(super) fn holds_stop(&self) -> bool {
        self.held_stop
    }

    /// Type the full stop that waits, or drop it.
    pub(super) fn settle(&mut self, typed: bool) {
        if std::mem::take(&mut self.held_stop) && typed {
            self.text.push('.');
        }
    }

    /// A word. `fresh`: its capital, if it has one, may be only there because a sentence seemed to begin.
    pub(super) fn word(&mut self, token: &Token<'_>, fresh: bool, rules: &Rules) {
        self.flush_trail();
        let begins = self.begins(rules);
        self.space();
        self.text += token.opening;
        let after_opening = !token.opening.is_empty();
        let may_be_small = token.is_listed_small || words::is_common(&token.key);
        self.cased(&token.word, begins, fresh && !after_opening && may_be_small);
        self.trail = token.closing.clone().into_owned();
        if self.trail.starts_with('.') && tokens::is_abbreviation(&token.word) {
            // This one is part of the word.
            self.text.push('.');
            self.trail.remove(0);
        }
    }

    /// Letters of a word, just as they are.
    pub(super) fn letters(&mut self, letters: &str, closing: &str) {
        self.flush_trail();
        self.space();
        if self.capital_next {
            self.cased(letters, Begins::Yes, false);
        } else {
            self.verbatim(letters);
        }
        self.trail = closing.to_owned();
    }

    /// Text that stands like a word; small letters at its front become large where a sentence begins only if it is
    /// made of plain words.
    pub(super) fn phrase(&mut self, text: &str, closing: &str, rules: &Rules) {
        self.flush_trail();
        let begins = self.begins(rules);
        self.space();
        let plain = text.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '\'' | '’'));
        if plain && text.chars().all(|c| !c.is_uppercase()) {
            self.cased(text, begins, false);
        } else {
            self.verbatim(text);
        }
        // A text that ends by itself needs no punctuation of the recogniser's; an abbreviation no second full stop.
        let ended =
            text.ends_with(['.', ',', ';', ':', '!', '?', '…']) || text.ends_with(char::is_whitespace);
        self.trail = if ends_in_abbreviation(text) {
            closing.strip_prefix('.').unwrap_or(closing).to_owned()
        } else if ended {
            String::new()
        } else {
            closing.to_owned()
        };
    }

    /// `may_lose_capital`: it has one only because a sentence seemed to begin.
    fn cased(&mut self, word: &str, begins: Begins, may_lose_capital: bool) {
        // What the recogniser has written as the middle of a sentence may have become its beginning.
        let replaces = std::mem::take(&mut self.replaces_capital) && begins == Begins::Unknown;
        let capital = std::mem::take(&mut self.capital_next) || begins == Begins::Yes || replaces;
        if self.all_caps {
            self.text += &upper(word);
        } else if capital {
            self.push_with_first(word, upper);
        } else if begins == Begins::No && may_lose_capital {
            self.push_with_first(word, lower);
        } else {
            self.text += word;
        }
        self.glue = false;
    }

    fn push_with_first(&mut self, word: &str, change: impl Fn(&str) -> String) {
        // With the accents behind it.
        let rest = word.char_indices().skip(1).find(|(_, c)| !is_combining_mark(*c));
        let (first, rest) = word.split_at(rest.map_or(word.len(), |(at, _)| at));
        // A word such as "iPhone" has a capital of its own already.
        if rest.contains(char::is_uppercase) {
            self.text += first
        } else {
            self.text += &change(first)
        }
        self.text += rest;
    }

    fn verbatim(&mut self, text: &str) {
        if self.all_caps {
            self.text += &upper(text)
        } else {
            self.text += text
        }
        self.capital_next = false;
        self.glue = false;
    }

    /// A mark close behind what is before, in the place of the recogniser's own.
    pub(super) fn mark(&mut self, mark: &str) {
        self.absorb(&['.', ',', ';', ':', '!', '?', '…', '-', '–', '—', ' ']);
        self.text += mark;
        self.glue = false;
    }

    /// An opening sign, close to what follows.
    pub(super) fn open(&mut self, sign: &str) {
        // A quotation may be introduced by a comma, a bracket is not.
        if sign == "\"" {
            self.flush_trail()
        } else {
            self.absorb(&[',', ';', ':'])
        }
        self.space();
        self.text += sign;
        self.glue = true;
    }

    /// A closing sign; `closing` is the recogniser's punctuation behind it if nothing follows.
    pub(super) fn close(&mut self, sign: &str, closing: &str) {
        self.absorb(&['.', ',', ';', ':', '…', ' ', '-']);
        // What is quoted has ended the sentence.
        let ended = sign == "\"" && self.text.ends_with(['?', '!']);
        self.text += sign;
        self.glue = false;
        self.trail = if ended && closing == "." { String::new() } else { closing.to_owned() };
    }

    /// A sign without spaces.
    pub(super) fn join(&mut self, sign: &str) {
        self.absorb(&['.', ',', ';', ':', '…', ' ', '-']);
        self.text += sign;
        self.glue = true;
    }

    /// A sign with spaces.
    pub(super) fn sign(&mut self, sign: &str) {
        self.absorb(&['.', ',', ';', ':', '…', ' ', '-']);
        self.space();
        self.text += sign;
        self.glue = false;
    }

    /// Line ends, or a tab.
    pub(super) fn layout(&mut self, layout: &str, rules: &Rules) {
        if layout == "\n\n" && self.trail == "," {
            // Whisper writes a pause as a comma, but no paragraph ends with one.
            self.trail = ".".into();
        }
        if self.ends_in_stop(rules) {
            self.text.push('.');
        }
        self.absorb(&['.', ',', ';', '…', ' ', '-']);
        self.text += layout;
        self.glue = false;
    }

    /// The next word joins without a space.
    pub(super) fn no_space(&mut self) {
        self.absorb(&['.', ',', ';', ':', '…', ' ', '-']);
        self.glue = true;
    }

    /// The next word gets a capital.
    pub(super) fn capital(&mut self) {
        self.absorb(&[',']);
        self.capital_next = true;
    }

    /// From here on, or from here no longer, capitals only.
    pub(super) fn all_caps(&mut self, on: bool) {
        self.absorb(&[',']);
        self.all_caps = on;
    }

    /// Capitals only are being typed.
    pub(super) fn is_all_caps(&self) -> bool {
        self.all_caps
    }

    /// Take back the last word, and what is attached to it.
    pub(super) fn scratch_word(&mut self) {
        self.drop_trail();
        let text = self.text.trim_end();
        let start = text.trim_end_matches(|c: char| !c.is_whitespace()).len();
        let start = self.text[..start].trim_end_matches(' ').len();
        self.truncate(start);
    }

    /// Take back the last sentence, or line.
    pub(super) fn scratch_sentence(&mut self) {
        self.drop_trail();
        let start = sentence_start(self.text.trim_end());
        let start = self.text[..start].trim_end_matches(' ').len();
        self.truncate(start);
    }

    /// Text that comes from elsewhere.
    pub(super) fn append(&mut self, text: &str) {
        self.flush_trail();
        self.text += text;
        self.glue = false;
    }

    /// Text of the device's own, set apart from what is before it.
    pub(super) fn own_words(&mut self, text: &str) {
        self.space();
        self.append(text);
    }

    /// The segment is over: what of the recogniser's last punctuation is typed, and what waits.
    pub(super) fn end_segment(&mut self, rules: &Rules) {
        if self.trail == "." {
            self.held_stop = self.ends_in_stop(rules);
            self.open_end = !self.held_stop && !is_unfinished(&self.text);
        }
        if rules.sentences != Sentences::Sentence
            && (self.trail.ends_with("...") || self.trail.ends_with('…'))
        {
            // The recogniser's way to say that there is more to come.
            self.trail.clear();
        }
        if self.trail == "." || matches!(self.trail.trim(), "-" | "–" | "—") {
            self.trail.clear();
        }
        self.flush_trail();
        // Only the recogniser knows whether the full stop of "a.m." was that of a sentence too.
        self.open_end |= ends_in_abbreviation(&self.text);
    }

    /// Whether the full stop that was not typed yet belongs there.
    fn ends_in_stop(&self, rules: &Rules) -> bool {
        if self.trail != "." {
            return false;
        }
        match rules.sentences {
            Sentences::Sentence => true,
            Sentences::Fragment => false,
            Sentences::Auto => {
                let start = sentence_start(&self.text);
                let words: Vec<&str> = self.text[start..].split_whitespace().collect();
                // After another sentence, also a short one is a sentence.
                let level = self.levels.back().map_or(0, |level| level.start.at);
                // The full stop of the dictation before may stand in front of it.
                let before = self.text.get(level..start).unwrap_or_default();
                let alone = before.chars().all(|c| c == '.' || c.is_whitespace())
                    || self.text[..start].ends_with('\n');
                let short = alone && words.len() <= FRAGMENT_WORDS_MAX;
                let keys = || words.iter().map(|word| tokens::phrase_key(word));
                // "Close the door" has a verb before its noun.
                let clause = || {
                    words.len() > 1 && keys().any(|key| words::makes_a_clause(&key))
                        || keys().skip(1).any(|key| words::is_determiner(&key))
                };
                !is_unfinished(&self.text) && (!short || clause())
            }
        }
    }

    /// Drop what was not typed yet.
    fn drop_trail(&mut self) {
        self.trail.clear();
        self.held_stop = false;
    }

    fn flush_trail(&mut self) {
        self.text += &std::mem::take(&mut self.trail);
    }

    /// Type what is left of the trail without these.
    fn absorb(&mut self, marks: &[char]) {
        self.trail.retain(|c| !marks.contains(&c));
        self.flush_trail();
        self.open_end = false;
    }

    /// The space before the next word, if one is due.
    fn space(&mut self) {
        let last = self.text.chars().next_back();
        let due = last.is_some_and(|c| !c.is_whitespace() && !"([{".contains(c));
        let tight = std::mem::take(&mut self.tight);
        self.open_end = false;
        if due && !self.glue && !tight {
            self.text.push(' ');
        }
    }

    fn begins(&self, rules: &Rules) -> Begins {
        let first = match rules.sentences {
            Sentences::Sentence => Begins::Yes,
            Sentences::Fragment => Begins::No,
            Sentences::Auto => Begins::Unknown,
        };
        if self.text.is_empty() {
            return first;
        }
        if self.open_end && rules.sentences != Sentences::Fragment {
            return Begins::Unknown;
        }
        if self.glue && !self.text.ends_with('"') {
            return Begins::No;
        }
        let text = self.text.trim_end_matches([' ', '\t']);
        if text.ends_with('\n') {
            return if rules.sentences == Sentences::Fragment { Begins::No } else { Begins::Yes };
        }
        let inner = text.trim_end_matches(['"', '\'', '”', '’', ')', ']', '}']);
        if inner.ends_with("...") || self.text.ends_with('\t') {
            return Begins::Unknown;
        }
        match inner.chars().next_back() {
            Some('.') if ends_in_abbreviation(inner) => Begins::No,
            Some('.' | '?' | '!') => Begins::Yes,
            // A quotation begins; whether with a sentence, the recogniser has heard.
            _ if self.glue => Begins::Unknown,
            _ => Begins::No,
        }
    }
}

/// Whether a sentence cannot end with the last word of a text.
fn is_unfinished(text: &str) -> bool {
    let mut words = text.split_whitespace().rev().map(tokens::phrase_key);
    let last = words.next().unwrap_or_default();
    words::is_unfinished(words.next().as_deref(), &last)
}

/// Whether a text ends in the full stop of an abbreviation.
fn ends_in_abbreviation(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    word.ends_with('.') && tokens::is_abbreviation(word.trim_end_matches('.'))
}

/// Where the last sentence, or line, of a text begins.
fn sentence_start(text: &str) -> usize {
    let from = text.floor_char_boundary(text.len().saturating_sub(SENTENCE_BYTES_MAX));
    let mut start = from;
    let mut ended = false;
    for (at, c) in text[from..].char_indices().map(|(at, c)| (from + at, c)) {
        match c {
            '\n' => (start, ended) = (at + 1, false),
            '.' | '?' | '!' => ended = true,
            '"' | '\'' | ')' | '”' | '’' | ']' => {}
            c if c.is_whitespace() => {
                let word = text[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
                if ended && !tokens::is_abbreviation(word.trim_end_matches('.')) {
                    start = at + c.len_utf8();
                }
                ended = false;
            }
            _ => ended = false,
        }
    }
    start
}
