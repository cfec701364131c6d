//! What the words become: the transcripts of successive dictations as one text.

use crate::recognise::protocol::{TEXT_BYTES_MAX, Text};

/// A transcript with the space before it.
pub type Composed = heapless::String<{ TEXT_BYTES_MAX + 1 }>;

/// Joins transcripts. Remembers what was typed last.
#[derive(Debug)]
pub struct Composer {
    space_between: bool,
    anything_typed: bool,
}

impl Composer {
    /// Nothing typed yet. `space_between`: put a space between dictations.
    pub fn new(space_between: bool) -> Self {
        Self { space_between, anything_typed: false }
    }

    /// What to type for a transcript that `continues` a dictation or begins one; empty if there are no words in it.
    pub fn compose(&mut self, transcript: &Text, continues: bool) -> Composed {
        let mut composed = Composed::new();
        if is_sound_tag(transcript) || !outside_notes(transcript).any(has_words) {
            return composed;
        }
        let mut space_due = self.anything_typed && (continues || self.space_between);
        for word in outside_notes(transcript).flat_map(str::split_whitespace) {
            // A space takes the place of at least one byte of white space, or is the one byte extra.
            let fits = (!space_due || composed.push(' ').is_ok()) && composed.push_str(word).is_ok();
            debug_assert!(fits, "the text is never longer than the transcript and one space");
            space_due = true;
            self.anything_typed = true;
        }
        composed
    }

    /// What to type for a text of the device's own, between two dictations.
    pub fn own_words(&mut self, text: &str) -> String {
        let space = if std::mem::replace(&mut self.anything_typed, true) { " " } else { "" };
        format!("{space}{text}")
    }
}

/// Whisper's way to say what it hears besides words: `(coughing)`, `*sighs*`.
fn is_sound_tag(transcript: &str) -> bool {
    let text = transcript.trim();
    let inner = |open: char, close: char| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inner| !inner.contains([open, close]))
    };
    inner('(', ')') || inner('*', '*')
}

/// The pieces of a transcript around notes such as `[Music]` and `[no audio]`. Nobody speaks square brackets, so
/// these are notes wherever they stand, often behind the words.
fn outside_notes(transcript: &str) -> impl Iterator<Item = &str> {
    let mut rest = transcript;
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

/// Not only punctuation, or `♪`.
fn has_words(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compose_all(transcripts: &[&str]) -> Vec<String> {
        let mut composer = Composer::new(true);
        let text = |t: &&str| composer.compose(&Text::try_from(*t).unwrap(), false).as_str().to_owned();
        transcripts.iter().map(text).collect()
    }

    #[test]
    fn transcripts_are_trimmed_and_joined() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&[" Hello there. "], &["Hello there."]),
            (&[" One.", " Two."], &["One.", " Two."]),
            (&["a  b\n c"], &["a b c"]),
            (&["One.", " ", "Two."], &["One.", "", " Two."]),
            (
                &[" [Music]", "(coughing)", "*sighs*", "♪♪", "...", "Yes (really)."],
                &["", "", "", "", "", "Yes (really)."],
            ),
            (&["One. [no audio]", "[Music].", "a[b]c [d", "[x] ["], &["One.", "", " a c [d", ""]),
        ];
        for (transcripts, expected) in cases {
            assert_eq!(compose_all(transcripts), expected);
        }
    }

    #[test]
    fn the_space_between_dictations_is_a_setting_that_between_segments_is_not() {
        let mut composer = Composer::new(false);
        let mut compose =
            |t: &str, continues| composer.compose(&Text::try_from(t).unwrap(), continues).as_str().to_owned();
        assert_eq!(compose("One", false), "One");
        assert_eq!(compose("two", true), " two");
        assert_eq!(compose("Three", false), "Three");
    }

    #[test]
    fn own_words_are_set_apart_from_dictations() {
        let mut composer = Composer::new(true);
        assert_eq!(composer.own_words("All is well."), "All is well.");
        assert_eq!(composer.compose(&Text::try_from("One.").unwrap(), false).as_str(), " One.");
        assert_eq!(composer.own_words("All is well."), " All is well.");
    }

    proptest! {
        #[test]
        fn no_word_is_lost(words in proptest::collection::vec("[a-z]{1,12}", 0..150)) {
            let transcript = Text::try_from(words.join(" ").as_str()).unwrap();
            let mut composer = Composer::new(true);
            let composed = composer.compose(&transcript, false);
            prop_assert_eq!(composed.split_whitespace().collect::<Vec<_>>(), words);
        }

        #[test]
        fn any_transcript_is_taken(transcript in ".{0,500}") {
            let mut composer = Composer::new(true);
            let text = Text::try_from(transcript.as_str()).unwrap_or_default();
            composer.compose(&text, false);
            composer.compose(&text, true);
        }
    }
}
