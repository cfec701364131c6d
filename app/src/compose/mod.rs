//! What the words become: the transcripts of successive dictations as one text, with spoken commands obeyed.
//!
//! ```text
//! transcript ─ tokens ─► clean ─► written ─► parse ─► writer ─► actions
//! ```
//!
//! Rules only, no model: what is said is looked up in the one [`table`] of commands and in the user's snippets; how it
//! joins what was typed before follows from that text. Nothing here waits, or asks for the
//! time.
//!
//! Architecture invariant: text that was typed is taken back only because the speaker asked for it.

mod casing;
mod clean;
mod field;
mod listed;
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
use crate::typing::{Keymap, Stopped, Typing};
use listed::Listed;
use parse::{Item, Known, parse};
use phrases::Phrases;
use rules::Rules;
use table::Does;
use tokens::Token;
pub(crate) use tokens::phrase_key;
use writer::{Change, Undone, Writer};

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
    /// Take back a dictation that has typed something.
    Undo {
        /// How many that have typed something came after it.
        newer: usize,
    },
    /// Type the last dictation again.
    Retype,
    /// Press Enter, for no dictation.
    Enter,
    /// Type this, which belongs to no dictation.
    OwnWords(String),
    /// Go on with the settings of the profile of this number, from 0.
    Profile(usize),
    /// The oldest dictation that is over, and whose end was not told yet, has nothing more to come.
    Finish,
}

/// Makes one text of transcripts. Remembers the end of what was typed.
#[derive(Clone, Debug)]
pub struct Composer {
    /// In their order; behind them the rules outside any.
    profiles: Vec<Rules>,
    profile: usize,
    names: Arc<Phrases<usize>>,
    snippets: Arc<Phrases<Box<str>>>,
    listed: Arc<Listed>,
    /// What is typed is counted as the keymap has it.
    keymap: Keymap,
    writer: Writer,
    /// A dictation has begun.
    dictating: bool,
    /// Dictations that are over, and texts that belong to none.
    finished: u64,
    own: u64,
    /// What it has said, and what the last one has that said anything.
    said: String,
    last: String,
    /// The last dictation is over but for its full stop, which waits.
    waits: bool,
}

impl Composer {
    /// Nothing typed yet.
    pub fn new(settings: &Settings) -> Self {
        parse::load();
        words::load();
        let profiles = settings.by_profile().map(|(_, settings)| Rules::from(&settings)).collect();
        let names = || settings.profiles.iter().map(|profile| profile.name.as_str());
        let keymap = Keymap::from_settings(&settings.typing);
        let snippets = settings.snippets.iter().map(|s| {
            // Prepared as it is in the middle of a text.
            let text = keymap.prepare(&format!(" {}", s.text))[1..].into();
            (phrase_key(&s.spoken).into(), text)
        });
        Self {
            profile: settings.first_profile(),
            profiles,
            names: Arc::new(Phrases::new(
                names().enumerate().map(|(at, name)| (phrase_key(&name.replace('_', " ")).into(), at)),
            )),
            snippets: Arc::new(Phrases::new(snippets)),
            listed: Arc::new(Listed::new(&settings.vocabulary)),
            keymap,
            writer: Writer::default(),
            dictating: false,
            finished: 0,
            own: 0,
            said: String::new(),
            last: String::new(),
            waits: false,
        }
    }

    /// What to do for a transcript of the present dictation, which begins with it if none is under way.
    pub fn compose(&mut self, transcript: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        // Prepared as it is in the middle of a text.
        let transcript = format!(" {transcript}");
        let transcript = self.keymap.prepare(&transcript);
        let mut left = Some(0);
        while let Some(from) = left {
            let tokens = tokens::tokens(&transcript).split_off(from);
            left = self.compose_words(tokens, &mut actions);
        }
        actions
    }

    /// Where a profile is named among the words, those behind it are left for its rules: the number of the first.
    fn compose_words(&mut self, mut tokens: Vec<Token<'_>>, actions: &mut Vec<Action>) -> Option<usize> {
        let rules = self.rules();
        clean::clean(&mut tokens, &rules);
        self.listed.write(&mut tokens);
        if rules.written_forms {
            written::rewrite(&mut tokens);
        }
        // The items borrow the snippets' texts, and what follows changes the rest of the composer.
        let (snippets, profiles) = (Arc::clone(&self.snippets), Arc::clone(&self.names));
        let known = Known { snippets: &snippets, profiles: &profiles, all_caps: self.writer.is_all_caps() };
        let mut items = parse(&tokens, rules.commands, known);
        // Who says where the quotation marks are says so of all: Whisper's own would be the same ones again.
        if tokens.iter().any(Token::is_quoted) {
            let unquoted: Vec<_> = tokens.iter().map(Token::unquoted).collect();
            let commanded = parse(&unquoted, rules.commands, known);
            if commanded.iter().any(is_quotation) {
                (tokens, items) = (unquoted, commanded);
            }
        }
        let first = items.first()?;

        let held = self.writer.holds_stop();
        let settled = held && !carries_on(first, &tokens);
        let waited = std::mem::take(&mut self.waits);
        if waited {
            self.writer.settle(settled);
            self.flush(actions);
            self.finish(actions);
        }
        if !std::mem::replace(&mut self.dictating, true) {
            self.begin(held && !(waited && settled), !rules.space_between);
        }
        // One that an undo has left there: the dictation before was told to be over, so it belongs to this one.
        if !waited {
            self.writer.settle(settled);
        }
        let left = self.write(&items, &tokens, actions);
        self.flush(actions);
        self.writer.trim();
        left
    }

    /// The dictation is over. Without [`Action::Finish`] at the end of what is to be done, more may come: see
    /// [`waits`](Self::waits).
    pub fn finished(&mut self) -> Vec<Action> {
        let mut actions = self.time_is_up();
        self.finished += 1;
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

    /// The speaker takes back a dictation by a gesture: what it has stopped, or else the last one that stands.
    pub fn undone(&mut self, stopped: Stopped) -> Vec<Action> {
        let mut actions = Vec::new();
        match self.writer.newer_than(stopped.what) {
            Some(0) if std::mem::take(&mut self.waits) => {
                self.writer.settle(false);
                self.finish(&mut actions);
            }
            Some(0) | None => {}
            Some(_) => actions = self.time_is_up(),
        }
        self.undo(stopped, &mut actions);
        if self.dictating && !self.writer.is_within(self.present()) {
            self.begin(self.writer.holds_stop(), false);
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

    /// What the type thread has typed too long ago is not taken back.
    pub fn forget_old(&mut self, is_old: impl Fn(Typing) -> bool) {
        self.writer.forget_old(is_old);
    }

    /// The speaker goes on to the next profile by a gesture; the first one follows the last.
    pub fn next_profile(&mut self) -> Vec<Action> {
        let mut actions = self.time_is_up();
        let named = self.profiles.len() - 1;
        if named > 0 {
            let next = self.profile + 1;
            self.change_profile(if next < named { next } else { 0 }, &mut actions);
        }
        actions
    }

    /// A text of the device's own, between two dictations.
    pub fn own_words(&mut self, text: &str) -> Vec<Action> {
        let mut actions = self.time_is_up();
        self.writer.settle(false);
        self.begin_own();
        self.writer.own_words(text);
        let Change { text, .. } = self.writer.take_change();
        actions.push(Action::OwnWords(text));
        self.writer.trim();
        actions
    }

    /// The end of the host's text, as far as it is remembered.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        self.writer.text()
    }

    /// Number of the profile whose settings count, in the order of the settings; behind them all for those outside any.
    pub fn profile(&self) -> usize {
        self.profile
    }

    fn rules(&self) -> Rules {
        self.profiles[self.profile]
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

    /// A dictation is gone, or what was typed in its place.
    fn undo(&mut self, stopped: Stopped, actions: &mut Vec<Action>) {
        let undone = self.writer.undo(stopped);
        self.writer.forget_changes();
        if let Some(Undone { newer, chars }) = undone {
            if newer == 0 {
                forget_last(&mut self.said, chars);
            }
            actions.push(Action::Undo { newer });
        }
    }

    fn change_profile(&mut self, number: usize, actions: &mut Vec<Action>) {
        self.profile = number;
        actions.push(Action::Profile(number));
    }

    /// The dictation that goes on, or the next one.
    fn present(&self) -> Typing {
        Typing::Dictation(self.finished)
    }

    fn begin(&mut self, held_stop: bool, tight: bool) {
        self.writer.begin(self.present(), held_stop, tight);
    }

    fn begin_own(&mut self) {
        self.writer.begin(Typing::Own(self.own), false, false);
        self.own += 1;
    }

    fn retype(&mut self, actions: &mut Vec<Action>) {
        if self.last.is_empty() {
            return;
        }
        self.begin_own();
        self.writer.append(&self.last);
        self.writer.forget_changes();
        actions.push(Action::Retype);
    }

    /// Up to the name of a profile: then the number of the word behind it.
    fn write(
        &mut self,
        items: &[Item<'_>],
        tokens: &[Token<'_>],
        actions: &mut Vec<Action>,
    ) -> Option<usize> {
        let rules = self.rules();
        for (number, item) in items.iter().enumerate() {
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
                    self.writer.phrase(text, closing, &rules);
                }
                Item::Spelled { letters, .. } => {
                    let closing = if items.len() == 1 { "" } else { closing };
                    self.writer.letters(letters, closing);
                }
                Item::Profile { number, .. } => {
                    self.writer.end_segment(&rules);
                    self.writer.settle(true);
                    self.flush(actions);
                    self.change_profile(*number, actions);
                    return Some(tokens[at.end - 1].number + 1);
                }
                Item::Command { does, .. } => {
                    self.obey(*does, if is_last { closing } else { "" }, &rules, actions);
                }
            }
        }
        self.writer.end_segment(&rules);
        None
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
                    self.begin(false, !rules.space_between);
                }
            }
            // The parser has made of these what they stand for.
            Does::Spell | Does::Literal | Does::Profile => {}
        }
    }

    /// Take back the dictation before this one, which has said nothing yet.
    fn take_back(&mut self, rules: &Rules, actions: &mut Vec<Action>) {
        self.flush(actions);
        self.undo(Stopped::default(), actions);
        self.begin(self.writer.holds_stop(), !rules.space_between);
    }
}

/// Whether the speaker says where a quotation begins or ends.
fn is_quotation(item: &Item<'_>) -> bool {
    matches!(item, Item::Command { does: Does::Open("\"") | Does::Close("\""), .. })
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
