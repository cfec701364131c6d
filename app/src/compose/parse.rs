//! From words to what is to be done: which phrases are commands, which are snippets, and which are just words.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use super::phrases::Phrases;
use super::rules::Commands;
use super::table::{Command, Does, Guard, MISHEARD, MISHEARD_AS_WORDS, Near, commands};
use super::tokens::{self, Token, phrase_key};
use super::{spell, words};

/// Where it stands in a snippet's text, the words come that are said behind the phrase.
const WORDS: &str = "{words}";

/// One thing to do, in the order of the words.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item<'s> {
    /// Type the word of this number.
    Word(usize),
    /// Type this in the place of these words.
    Snippet { text: Cow<'s, str>, at: Range<usize> },
    /// Type these letters in the place of these words.
    Spelled { letters: String, at: Range<usize> },
    /// Do this.
    Command { does: Does, at: Range<usize> },
    /// Dictate with the profile of this number.
    Profile { number: usize, at: Range<usize> },
}

impl Item<'_> {
    /// The words it is made of.
    pub(super) fn at(&self) -> Range<usize> {
        match self {
            Self::Word(index) => *index..*index + 1,
            Self::Snippet { at, .. }
            | Self::Spelled { at, .. }
            | Self::Command { at, .. }
            | Self::Profile { at, .. } => at.clone(),
        }
    }
}

/// What phrases are known, besides the commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'s> {
    pub snippets: &'s Phrases<Box<str>>,
    /// Names of profiles, by number.
    pub profiles: &'s Phrases<usize>,
    /// Capitals only are being typed.
    pub all_caps: bool,
}

/// A phrase for a command.
#[derive(Debug, Clone, Copy)]
struct Spoken {
    command: &'static Command,
    /// It may as well be what the words say.
    is_words: bool,
}

/// The commands by what is said.
static SPOKEN: LazyLock<Phrases<Spoken>> = LazyLock::new(|| {
    let forms = |command: &'static Command| {
        let heard = move |list: &'static [(&str, &str)]| {
            list.iter().filter(|(_, said)| command.spoken.contains(said)).map(|(heard, _)| heard)
        };
        let sure = command.spoken.iter().chain(heard(&MISHEARD)).map(|spoken| (spoken, false));
        let spoken = sure.chain(heard(&MISHEARD_AS_WORDS).map(|spoken| (spoken, true)));
        spoken.map(move |(spoken, is_words)| (phrase_key(spoken).into(), Spoken { command, is_words }))
    };
    Phrases::new(commands().flat_map(forms))
});

/// Make the list of commands now, so that the first transcript does not wait for it.
pub(super) fn load() {
    LazyLock::force(&SPOKEN);
}

/// Tell commands from words.
pub(super) fn parse<'s>(tokens: &[Token<'_>], mode: Commands, known: Known<'s>) -> Vec<Item<'s>> {
    let parser = Parser { tokens, known };
    match mode {
        Commands::Off => parser.items(|_| None),
        Commands::Alone => parser.only_commands().unwrap_or_else(|| parser.items(|_| None)),
        Commands::On => parser.only_commands().unwrap_or_else(|| {
            let mut items = parser.items(|at| parser.command(at, true));
            without_nonsense(&mut items);
            items
        }),
    }
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'t>],
    known: Known<'s>,
}

impl<'s> Parser<'_, 's> {
    /// The items, when `command` tells which commands there are.
    fn items(&self, command: impl Fn(usize) -> Option<Vec<Item<'s>>>) -> Vec<Item<'s>> {
        let mut items = Vec::with_capacity(self.tokens.len());
        let mut at = 0;
        while at < self.tokens.len() {
            let snippet = self.snippet(at, |at| command(at).is_some());
            let found = command(at).filter(|items| {
                // The user's own phrase goes before a command that is no longer.
                let end = items.last().map_or(at, |item| item.at().end);
                snippet.as_ref().is_none_or(|(phrase_end, _)| *phrase_end < end)
            });
            match (found, snippet) {
                (Some(found), _) => items.extend(found),
                (None, Some((_, snippet))) => items.push(snippet),
                (None, None) => items.push(Item::Word(at)),
            }
            at = items.last().map_or(at + 1, |item| item.at().end);
        }
        items
    }

    /// The snippet whose phrase begins at this word, if there is one, and where the phrase ends. One with a place for
    /// words takes those behind the phrase, up to the end of their sentence or to a command; without any it is not
    /// meant.
    fn snippet(&self, start: usize, is_command: impl Fn(usize) -> bool) -> Option<(usize, Item<'s>)> {
        let (length, text) = self.known.snippets.longest(&self.tokens[start..])?;
        let phrase_end = start + length;
        if !text.contains(WORDS) {
            return Some((phrase_end, Item::Snippet { text: (&**text).into(), at: start..phrase_end }));
        }
        // It may be over with the phrase.
        let sentence = self.tokens[phrase_end - 1..].iter().position(Token::ends_sentence);
        let sentence_end = sentence.map_or(self.tokens.len(), |last| phrase_end + last);
        let end = (phrase_end..sentence_end).find(|at| is_command(*at)).unwrap_or(sentence_end);
        let words = tokens::text(&self.tokens[phrase_end..end]);
        let filled = || Item::Snippet { text: text.replace(WORDS, &words).into(), at: start..end };
        (!words.is_empty()).then(|| (phrase_end, filled()))
    }

    /// The items if they are nothing but commands, wherever these may stand.
    fn only_commands(&self) -> Option<Vec<Item<'s>>> {
        let mut items = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            items.extend(self.command(at, false)?);
            at = items.last().map_or(at + 1, |item| item.at().end);
        }
        let commands = items.len();
        without_nonsense(&mut items);
        (items.len() == commands).then_some(items)
    }

    /// The command that begins at this word, if there is one; with `guarded` only if it is not meant as words.
    fn command(&self, start: usize, guarded: bool) -> Option<Vec<Item<'s>>> {
        let (length, spoken) = SPOKEN.longest(&self.tokens[start..])?;
        let (end, command) = (start + length, spoken.command);
        if guarded && !self.is_meant(*spoken, start..end) {
            return None;
        }
        let rest = &self.tokens[end..];
        let one = |does| Some(vec![Item::Command { does, at: start..end }]);
        match command.does {
            Does::Capital | Does::AllCaps => {
                // Whisper may put a full stop where there was only a pause, but then on both sides.
                let ended = self.tokens[end - 1].ends_sentence();
                let begun = start.checked_sub(1).is_none_or(|before| self.tokens[before].ends_clause());
                if rest.is_empty() || ended && !begun { None } else { one(command.does) }
            }
            Does::Open(_) if matches!(command.guard, Guard::Followed(_)) => {
                let closed = self.is_said(end..self.tokens.len(), |does| does == Does::Close("\""));
                if closed { one(command.does) } else { None }
            }
            Does::EndCaps => {
                let begun = self.known.all_caps || self.is_said(0..start, |does| does == Does::AllCaps);
                if begun { one(command.does) } else { None }
            }
            Does::Spell => {
                let (words, letters) = spell::letters(rest)?;
                Some(vec![Item::Spelled { letters, at: start..end + words }])
            }
            Does::Literal => {
                let named = SPOKEN.longest(rest).map(|found| found.0);
                let words = named.max(self.known.snippets.longest(rest).map(|found| found.0))?;
                let literal = Item::Command { does: Does::Literal, at: start..end };
                Some([literal].into_iter().chain((end..end + words).map(Item::Word)).collect())
            }
            Does::Profile => {
                let (words, number) = self.known.profiles.longest(rest)?;
                let at = start..end + words;
                let alone = at.end == self.tokens.len() || self.tokens[at.end - 1].ends_clause();
                alone.then(|| vec![Item::Profile { number: *number, at }])
            }
            does => one(does),
        }
    }

    /// Whether the sentence that this word is in tells when to do something.
    fn is_conditional(&self, at: usize) -> bool {
        let begin = self.tokens[..at].iter().rposition(Token::ends_sentence).map_or(0, |end| end + 1);
        begin < at && words::is_condition(&self.tokens[begin].key)
    }

    /// Whether one of these words begins a command that does this.
    fn is_said(&self, at: Range<usize>, does: impl Fn(Does) -> bool) -> bool {
        at.into_iter()
            .any(|at| SPOKEN.longest(&self.tokens[at..]).is_some_and(|(_, spoken)| does(spoken.command.does)))
    }

    /// Whether these words are said as a command.
    fn is_meant(&self, Spoken { command, is_words }: Spoken, at: Range<usize>) -> bool {
        let before = at.start.checked_sub(1).map(|index| &self.tokens[index]);
        let after = self.tokens.get(at.end);
        let last = &self.tokens[at.end - 1];
        let pause_before = before.is_none_or(Token::ends_clause);
        let pause_after = after.is_none() || last.ends_clause();
        // No mark can stand behind "the" or "and".
        let is_mark = matches!(command.does, Does::Mark(_));
        let unfinished = || {
            let further = at.start.checked_sub(2).map(|index| self.tokens[index].key.as_str());
            before.is_some_and(|token| words::is_unfinished(further, &token.key))
        };
        if is_mark && !pause_before && unfinished() {
            return false;
        }
        // What was opened is closed.
        if matches!(command.does, Does::Close(_) | Does::EndCaps)
            && self.is_said(0..at.start, |does| matches!(does, Does::Open(_) | Does::AllCaps))
        {
            return true;
        }
        if is_words && !(pause_before && pause_after) {
            return false;
        }
        let beside = |near: &Near, shared: bool| {
            let named = |token: &Token<'_>| {
                let key = token.key.as_str();
                near.after.contains(&key) || shared && words::names_what_follows(key)
            };
            let spoken_about = |token: &Token<'_>| {
                let key = token.key.as_str();
                near.before.contains(&key) || shared && words::speaks_about_what_precedes(key)
            };
            !pause_before && before.is_some_and(named) || !pause_after && after.is_some_and(spoken_about)
        };
        match &command.guard {
            Guard::Flow(near) => !beside(near, true),
            Guard::Free(near) => !beside(near, false),
            Guard::Followed(near) => !beside(near, !matches!(command.does, Does::Literal)),
            Guard::Clause => pause_before && pause_after,
            Guard::Sentence => {
                let begins = before.is_none_or(Token::ends_sentence);
                // What needs more words looks for the pause behind them.
                begins && (pause_after || matches!(command.does, Does::Profile))
            }
            Guard::Edit => {
                let certain = pause_before || command.does != Does::ScratchThat;
                certain && pause_after && !self.is_conditional(at.start)
            }
            Guard::End(near) => after.is_none() && !beside(near, true) && !self.is_conditional(at.start),
        }
    }
}

/// Two of the marks that end a clause never follow each other in a text: somebody speaks about them all.
fn without_nonsense(items: &mut Vec<Item<'_>>) {
    let is_mark =
        |item: &Item<'_>| matches!(item, Item::Command { does: Does::Mark("," | "." | ":" | ";"), .. });
    if !items.windows(2).any(|two| is_mark(&two[0]) && is_mark(&two[1])) {
        return;
    }
    *items = std::mem::take(items)
        .into_iter()
        .flat_map(|item| if is_mark(&item) { item.at().map(Item::Word).collect() } else { vec![item] })
        .collect();
}
