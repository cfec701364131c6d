//! What the words become: the transcripts of successive dictations as one text, with spoken commands obeyed.
//!
//! ```text
//! transcript ─ tokens ─► clean ─► parse ─► writer ─► actions
//! ```
//!
//! Rules only, no model: what is said is looked up in the one [`table`] of commands and in the user's snippets; how it
//! joins what was typed before follows from that text. Nothing here waits or knows the time.
//!
//! Architecture invariant: text that was typed is taken back only because the speaker asked for it.

mod clean;
mod field;
mod parse;
mod phrases;
mod rules;
mod spell;
pub mod table;
mod tokens;
mod words;
mod writer;
mod written;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use field::Field;

use crate::recognise::protocol::TEXT_BYTES_MAX;
use crate::settings::Settings;
use parse::{Item, Known, parse};
use phrases::Phrases;
use rules::Rules;
use table::Does;
use tokens::Token;
pub(crate) use tokens::phrase_key;
use writer::{Change, Writer};

/// A piece of text to type: a transcript, and the space before it. Longer text is several pieces.
pub type Composed = heapless::String<{ TEXT_BYTES_MAX + 1 }>;

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every action is a text, and few are stored")]
pub enum Action {
    /// Type this.
    Type(Composed),
    /// Take back that many characters of what was typed last.
    Erase(usize),
    /// Take back the last dictation that has typed something.
    Undo,
    /// Type the last dictation again.
    Retype,
    /// Press Enter, for no dictation.
    Enter,
    /// Type this, which belongs to no dictation.
    OwnWords(String),
    /// Go on with the settings of this profile.
    Profile(String),
    /// The oldest dictation that is over, and whose end was not told yet, has nothing more to come.
    Finish,
}

/// Makes one text of transcripts. Remembers the end of what was typed.
#[derive(Clone, Debug)]
pub struct Composer {
    /// Each with its name.
    profiles: Vec<(String, Rules)>,
    profile: usize,
    names: Arc<Phrases<usize>>,
    snippets: Arc<Phrases<Box<str>>>,
    writer: Writer,
    /// A dictation has begun.
    dictating: bool,
    /// What it has said, and what the last one has that said anything.
    said: String,
    last: String,
    /// The last dictation is over but for its full stop, which waits.
    waits: bool,
}

impl Composer {
    /// Nothing typed yet.
    pub fn new(settings: &Settings) -> Self {
        let names: Vec<String> = settings.profiles.iter().map(|profile| profile.name.clone()).collect();
        let profiles: Vec<_> = names
            .iter()
            .map(|name| (name.clone(), Rules::from(&settings.in_profile(name))))
            .chain([(String::new(), Rules::from(settings))])
            .collect();
        // A name that is unknown is the settings as they are.
        let profile = names.iter().position(|name| *name == settings.dictation.profile);
        Self {
            profile: profile.unwrap_or(names.len()),
            profiles,
            names: Arc::new(Phrases::new(
                names.iter().enumerate().map(|(at, name)| (phrase_key(name).into(), at)),
            )),
            snippets: Arc::new(Phrases::new(
                settings.snippets.iter().map(|s| (phrase_key(&s.spoken).into(), s.text.as_str().into())),
            )),
            writer: Writer::default(),
            dictating: false,
            said: String::new(),
            last: String::new(),
            waits: false,
        }
    }

    /// What to do for a transcript of the present dictation, which begins with it if none is under way.
    pub fn compose(&mut self, transcript: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        let rules = self.rules();
        let mut tokens = tokens::tokens(transcript);
        clean::clean(&mut tokens, &rules);
        if rules.written_forms {
            written::rewrite(&mut tokens);
        }
        // The items borrow the snippets' texts, and what follows changes the rest of the composer.
        let (snippets, profiles) = (Arc::clone(&self.snippets), Arc::clone(&self.names));
        let known = Known { snippets: &snippets, profiles: &profiles, all_caps: self.writer.is_all_caps() };
        let items = parse(&tokens, rules.commands, known);
        let Some(first) = items.first() else { return actions };

        let held = self.writer.holds_stop();
        let settled = held && !carries_on(first, &tokens);
        self.writer.settle(settled);
        if std::mem::take(&mut self.waits) {
            self.flush(&mut actions);
            self.finish(&mut actions);
        }
        if !std::mem::replace(&mut self.dictating, true) {
            self.writer.begin(held && !settled, !rules.space_between);
        }
        self.write(&items, &tokens, &mut actions);
        self.flush(&mut actions);
        self.writer.trim();
        actions
    }

    /// The dictation is over. Without [`Action::Finish`] at the end of what is to be done, more may come: see
    /// [`waits`](Self::waits).
    pub fn finished(&mut self) -> Vec<Action> {
        let mut actions = self.time_is_up();
        let rules = self.rules();
        let mut had_text = false;
        if std::mem::take(&mut self.dictating) {
            had_text = !self.writer.dictation().is_empty();
            self.writer.end(&rules);
        }
        self.waits = had_text && self.writer.holds_stop() && !rules.hold.is_zero();
        if had_text && !self.waits {
            self.writer.settle(true);
        }
        self.flush(&mut actions);
        if !self.waits {
            self.finish(&mut actions);
        }
        actions
    }

    /// How long after the end of a dictation to wait for the next one before [`time_is_up`](Self::time_is_up). None:
    /// nothing waits.
    pub fn waits(&self) -> Option<Duration> {
        self.waits.then(|| self.rules().hold)
    }

    /// Nobody went on speaking: a full stop that waits is one.
    pub fn time_is_up(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if std::mem::take(&mut self.waits) {
            self.writer.settle(true);
            self.flush(&mut actions);
            self.finish(&mut actions);
        }
        actions
    }

    /// The speaker takes back the last dictation by a gesture.
    pub fn undone(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if std::mem::take(&mut self.waits) {
            self.writer.settle(false);
            self.finish(&mut actions);
        }
        self.undo(&mut actions);
        if self.dictating {
            self.writer.begin(self.writer.holds_stop(), false);
        }
        actions
    }

    /// The speaker has the last dictation typed again by a gesture.
    pub fn retyped(&mut self) -> Vec<Action> {
        let mut actions = self.time_is_up();
        self.writer.settle(false);
        self.retype(&mut actions);
        actions
    }

    /// The speaker presses Enter by a gesture.
    pub fn entered(&mut self) -> Vec<Action> {
        let mut actions = self.time_is_up();
        self.writer.settle(false);
        self.writer.append("\n");
        self.writer.forget_changes();
        actions.push(Action::Enter);
        actions
    }

    /// What was typed so far was typed so long ago that it is not taken back any more. What the present dictation has
    /// typed is not.
    pub fn too_late_to_undo(&mut self) {
        if !self.dictating {
            self.writer.fix_all();
        }
    }

    /// A text of the device's own, between two dictations.
    pub fn own_words(&mut self, text: &str) -> Vec<Action> {
        let mut actions = self.time_is_up();
        self.writer.settle(false);
        self.writer.begin(false, false);
        self.writer.own_words(text);
        let Change { text, .. } = self.writer.take_change();
        actions.push(Action::OwnWords(text));
        self.writer.trim();
        actions
    }

    /// Name of the profile whose settings count; empty for those outside any.
    pub fn profile(&self) -> &str {
        &self.profiles[self.profile].0
    }

    fn rules(&self) -> Rules {
        self.profiles[self.profile].1
    }

    fn flush(&mut self, actions: &mut Vec<Action>) {
        let Change { erase_chars, text } = self.writer.take_change();
        if erase_chars > 0 {
            actions.push(Action::Erase(erase_chars));
            forget_last(&mut self.said, erase_chars);
        }
        self.said += &text;
        actions.extend(pieces(&text).map(Action::Type));
    }

    fn finish(&mut self, actions: &mut Vec<Action>) {
        if !self.said.is_empty() {
            self.last = std::mem::take(&mut self.said);
        }
        actions.push(Action::Finish);
    }

    /// The last dictation is gone, or what was typed last in its place.
    fn undo(&mut self, actions: &mut Vec<Action>) {
        let chars = self.writer.undo();
        self.writer.forget_changes();
        forget_last(&mut self.said, chars);
        actions.push(Action::Undo);
    }

    fn retype(&mut self, actions: &mut Vec<Action>) {
        if self.last.is_empty() {
            return;
        }
        self.writer.begin(false, false);
        self.writer.append(&self.last);
        self.writer.forget_changes();
        actions.push(Action::Retype);
    }

    fn write(&mut self, items: &[Item<'_>], tokens: &[Token<'_>], actions: &mut Vec<Action>) {
        for (number, item) in items.iter().enumerate() {
            let rules = self.rules();
            let at = item.at();
            let closing: &str = &tokens[at.end - 1].closing;
            let is_last = number + 1 == items.len();
            let behind_command =
                number.checked_sub(1).is_none_or(|before| !matches!(items[before], Item::Word(_)));
            let fresh = behind_command || tokens[at.start - 1].ends_sentence();
            match item {
                Item::Word(index) => self.writer.word(&tokens[*index], fresh, &rules),
                Item::Snippet { text, .. } => {
                    // A snippet by itself is just its text.
                    let closing = if items.len() == 1 { "" } else { closing };
                    self.writer.phrase(text, fresh, closing, &rules);
                }
                Item::Spelled { letters, .. } => {
                    let closing = if items.len() == 1 { "" } else { closing };
                    self.writer.letters(letters, closing);
                }
                Item::Profile { number, .. } => {
                    self.writer.end_segment(&rules);
                    self.flush(actions);
                    self.profile = *number;
                    actions.push(Action::Profile(self.profile().to_owned()));
                }
                Item::Command { does, .. } => {
                    self.obey(*does, if is_last { closing } else { "" }, &rules, actions);
                }
            }
        }
        self.writer.end_segment(&self.rules());
    }

    /// `closing`: what the recogniser has put behind it, if nothing follows.
    fn obey(&mut self, does: Does, closing: &str, rules: &Rules, actions: &mut Vec<Action>) {
        let writer = &mut self.writer;
        match does {
            Does::Mark(mark) => writer.mark(mark),
            Does::Open(sign) => writer.open(sign),
            Does::Close(sign) => writer.close(sign, closing),
            Does::Join(sign) => writer.join(sign),
            Does::Sign(sign) => writer.sign(sign),
            Does::Layout(layout) => writer.layout(layout, rules),
            Does::Enter => writer.layout("\n", rules),
            Does::Capital => writer.capital(),
            Does::AllCaps => writer.all_caps(true),
            Does::EndCaps => writer.all_caps(false),
            Does::NoSpace => writer.no_space(),
            Does::ScratchWord => writer.scratch_word(),
            Does::ScratchSentence => writer.scratch_sentence(),
            Does::ScratchThat => {
                if !writer.scratch_dictation() {
                    self.take_back(rules, actions);
                }
            }
            Does::Retype => {
                // In the middle of a dictation nobody could tell which one is meant.
                if writer.dictation().is_empty() {
                    self.flush(actions);
                    self.retype(actions);
                    self.writer.begin(false, !rules.space_between);
                }
            }
            // The parser has made of these what they stand for.
            Does::Spell | Does::Literal | Does::Profile => {}
        }
    }

    /// Take back the dictation before this one, which has said nothing yet.
    fn take_back(&mut self, rules: &Rules, actions: &mut Vec<Action>) {
        self.flush(actions);
        self.undo(actions);
        self.writer.begin(self.writer.holds_stop(), !rules.space_between);
    }
}

/// Whether a sentence that seemed to be over goes on with this.
fn carries_on(first: &Item<'_>, tokens: &[Token<'_>]) -> bool {
    match first {
        Item::Word(index) => {
            let token = &tokens[*index];
            let small = token.word.chars().next().is_some_and(char::is_lowercase);
            let asks = || {
                let end = tokens[*index..].iter().find(|token| token.ends_sentence());
                end.is_some_and(|token| token.closing.contains('?'))
            };
            small && !token.word.contains(char::is_uppercase) || words::is_continuing(&token.key) && !asks()
        }
        Item::Command { does, .. } => matches!(
            does,
            Does::Mark(_)
                | Does::Close(_)
                | Does::Join(_)
                | Does::Sign("-" | "—")
                | Does::NoSpace
                | Does::ScratchThat
                | Does::ScratchWord
                | Does::ScratchSentence
        ),
        Item::Snippet { .. } | Item::Spelled { .. } | Item::Profile { .. } => false,
    }
}

/// Drop the last characters, or all if there are fewer.
fn forget_last(text: &mut String, count: usize) {
    for _ in 0..count {
        text.pop();
    }
}

/// A text in as many pieces as it takes.
fn pieces(text: &str) -> impl Iterator<Item = Composed> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.floor_char_boundary(TEXT_BYTES_MAX + 1);
        let (piece, after) = rest.split_at(end);
        rest = after;
        // Cut so that it fits.
        (!piece.is_empty()).then(|| Composed::try_from(piece).unwrap_or_default())
    })
}
