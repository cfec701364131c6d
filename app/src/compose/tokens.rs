//! A transcript as words, each with the punctuation that Whisper put around it.

use std::borrow::Cow;

/// What may stand before a word without being part of it.
const OPENING: &[char] = &['"', '“', '„', '‘', '\'', '(', '[', '{', '«', '¿', '¡', '*'];
/// What may stand behind a word without being part of it.
const CLOSING: &[char] =
    &['.', ',', ';', ':', '!', '?', '…', '"', '”', '’', '\'', ')', ']', '}', '»', '*', '-', '–', '—'];

/// What of these belongs to what was opened, and not to the clause.
const BRACKETS_AND_QUOTES: &[char] = &['"', '”', '’', '\'', ')', ']', '}', '»', '*'];

const QUOTES: &[char] = &['"', '“', '”', '„', '«', '»'];

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Punctuation before it.
    pub opening: &'a str,
    /// The word itself, as it was written; never empty.
    pub word: Cow<'a, str>,
    /// Punctuation behind it.
    pub closing: Cow<'a, str>,
    /// The word as it is looked up: lower case, plain apostrophes, a space for each hyphen.
    pub key: String,
    /// Which one it is in the transcript, counted from 0; the last one if it was made of several.
    pub number: usize,
    /// The speaker has listed it with a small letter.
    pub is_listed_small: bool,
}

impl<'a> Token<'a> {
    fn new(opening: &'a str, word: &'a str, closing: &'a str, number: usize) -> Self {
        let key = key(word);
        Self { opening, word: word.into(), closing: closing.into(), key, number, is_listed_small: false }
    }

    /// Put other words in the place of this one.
    pub(super) fn rewrite(&mut self, word: String) {
        self.key = key(&word);
        self.word = Cow::Owned(word);
    }

    /// Whether Whisper put quotation marks around it. Inches are none.
    pub(super) fn is_quoted(&self) -> bool {
        let is_size = self.opening.is_empty() && self.word.ends_with(|c: char| c.is_ascii_digit());
        self.opening.contains(QUOTES) || !is_size && self.closing.contains(QUOTES)
    }

    /// The same without them.
    pub(super) fn unquoted(&self) -> Self {
        let mut token = self.clone();
        if self.is_quoted() {
            token.opening = self.opening.trim_matches(QUOTES);
            token.closing = self.closing.replace(QUOTES, "").into();
        }
        token
    }

    /// Whether Whisper ended a sentence behind it.
    pub(super) fn ends_sentence(&self) -> bool {
        self.closing.contains(['.', '?', '!', '…']) && !is_abbreviation(&self.word)
    }

    /// Whether Whisper put any pause behind it.
    pub(super) fn ends_clause(&self) -> bool {
        self.closing.contains(['.', '?', '!', '…', ',', ';', ':', '-', '–', '—'])
    }
}

/// How a word is looked up.
pub(super) fn key(word: &str) -> String {
    word.chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            '’' | '‘' => '\'',
            '-' | '‐' | '‑' => ' ',
            c => c,
        })
        .collect()
}

/// A phrase as it is looked up: its words, one space between two, without punctuation at their edges.
pub(crate) fn phrase_key(phrase: &str) -> String {
    let mut key = String::new();
    for token in tokens(phrase) {
        if !key.is_empty() {
            key.push(' ');
        }
        key += &token.key;
    }
    key
}

/// Words as they were written, without the marks that end a clause behind the last one.
pub(super) fn text(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    let mut closing = "";
    for token in tokens {
        if !text.is_empty() {
            text += closing;
            text.push(' ');
        }
        text += token.opening;
        text += &token.word;
        closing = &token.closing;
    }
    // This one is part of the word.
    if closing.starts_with('.') && tokens.last().is_some_and(|last| is_abbreviation(&last.word)) {
        text.push('.');
    }
    text.extend(closing.chars().filter(|c| BRACKETS_AND_QUOTES.contains(c)));
    text
}

/// Whether the full stop behind a word, or the last of some, is one of an abbreviation.
pub(super) fn is_abbreviation(word: &str) -> bool {
    const ABBREVIATIONS: [&str; 15] =
        ["mr", "mrs", "ms", "dr", "st", "vs", "etc", "e.g", "i.e", "prof", "sr", "jr", "inc", "a.m", "p.m"];
    word.rsplit(' ').next().is_some_and(|word| ABBREVIATIONS.contains(&key(word).as_str()))
}

/// The words of a transcript, without its notes.
pub(super) fn tokens(transcript: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    for written in outside_notes(transcript).flat_map(str::split_whitespace) {
        let inner = written.trim_start_matches(OPENING);
        let opening = &written[..written.len() - inner.len()];
        let word = inner.trim_end_matches(CLOSING);
        let closing = &inner[word.len()..];
        if word.contains(char::is_alphanumeric) {
            tokens.push(Token::new(opening, word, closing, tokens.len()));
        } else if word.is_empty() {
            // Punctuation by itself belongs to the word before it; a dash is kept apart, others are not.
            if let Some(last) = tokens.last_mut() {
                let space = if written.starts_with(['-', '–', '—']) { " " } else { "" };
                last.closing = format!("{}{space}{written}", last.closing).into();
            }
        } else if word.chars().any(|c| c.is_ascii_punctuation() || "€£°§©".contains(c)) {
            tokens.push(Token::new(opening, word, closing, tokens.len()));
        }
    }
    tokens
}

/// The pieces of a transcript around its notes. Nobody speaks square brackets, so `[Music]` is one wherever it stands,
/// often behind the words; `(coughing)`, `*sighs*` only where nothing else is said.
fn outside_notes(transcript: &str) -> impl Iterator<Item = &str> {
    let mut rest = if is_sound_tag(transcript) { "" } else { transcript };
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let note = rest.find('[').and_then(|open| Some((open, open + rest[open..].find(']')?)));
        let piece;
        (piece, rest) = note.map_or((rest, ""), |(open, close)| (&rest[..open], &rest[close + 1..]));
        Some(piece)
    })
}

/// Whether all of it is a note such as `(coughing)`.
fn is_sound_tag(transcript: &str) -> bool {
    let text = transcript.trim();
    let inner = |open: char, close: char| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inner| !inner.contains([open, close]))
    };
    inner('(', ')') || inner('*', '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(transcript: &str) -> Vec<String> {
        tokens(transcript).iter().map(|t| format!("{}|{}|{}", t.opening, t.word, t.closing)).collect()
    }

    #[test]
    fn punctuation_is_told_from_words() {
        let cases: [(&str, &[&str]); 10] = [
            (" Hello there. ", &["|Hello|", "|there|."]),
            ("\"Yes,\" (he) said…", &["\"|Yes|,\"", "(|he|)", "|said|…"]),
            ("It's $25.50, 50% off.", &["|It's|", "|$25.50|,", "|50%|", "|off|."]),
            ("C++ and -5 at a@b.com.", &["|C++|", "|and|", "|-5|", "|at|", "|a@b.com|."]),
            ("one - two", &["|one| -", "|two|"]),
            ("and ... then", &["|and|...", "|then|"]),
            ("[Music] One. [no audio]", &["|One|."]),
            ("a[b]c [d", &["|a|", "|c|", "[|d|"]),
            ("♪♪", &[]),
            ("(coughing)", &[]),
        ];
        for (transcript, expected) in cases {
            assert_eq!(shown(transcript), expected, "{transcript}");
        }
    }

    #[test]
    fn a_word_is_looked_up_without_case_and_hyphens() {
        assert_eq!(key("Full-Stop"), "full stop");
        assert_eq!(key("It’s"), "it's");
        assert_eq!(phrase_key(" My  Address, "), "my address");
    }
}
