//! Signs that a decoding went wrong: it repeats itself, or says more than fits the time.

use super::engine::SAMPLE_RATE_HZ;

/// Text tokens a second of sound can hold. Fast speech has some 5; spelled letters and digits, one token each,
/// reach 8.
const TOKENS_PER_SECOND_MAX: usize = 10;
/// Tokens allowed beyond that, so that very short segments are not cut.
const TOKENS_FREE: usize = 8;

/// Most text tokens a segment of so many samples may give.
pub fn token_cap(samples: usize) -> usize {
    TOKENS_FREE + samples * TOKENS_PER_SECOND_MAX / SAMPLE_RATE_HZ
}

/// Whether `tokens` end in a repetition, as a decoder does that missed its end. Returns how many tokens there are
/// up to the end of the first round.
///
/// People repeat themselves too ("no, no, no"): it takes three rounds and at least twelve tokens in all.
pub fn repetition<T: PartialEq>(tokens: &[T]) -> Option<usize> {
    const ROUNDS_MIN: usize = 3;
    const REPEATED_MIN: usize = 12;
    let n = tokens.len();
    for period in 1..=n / ROUNDS_MIN {
        let repeated = (period..n).rev().take_while(|&i| tokens[i] == tokens[i - period]).count() + period;
        if repeated >= REPEATED_MIN.max(ROUNDS_MIN * period) {
            return Some(n - repeated + period);
        }
    }
    None
}

/// Whether `text` ends with the same words twice, as from a decoder that missed its end once. People do so too: a
/// reason to recognise again, not to cut.
pub fn ends_twice(text: &str) -> bool {
    /// Less is a figure of speech: "again and again", "bye bye".
    const WORDS_MIN: usize = 3;
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let words: Vec<String> = text.split_whitespace().map(bare).collect();
    let n = words.len();
    (WORDS_MIN..=n / 2).any(|period| words[n - period..] == words[n - 2 * period..n - period])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_found_and_speech_is_not() {
        let words = |s: &str| s.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let cases: [(&str, Option<usize>); 6] = [
            ("no no no no", None),
            ("a b c a b c", None),
            ("it was the best of times it was the worst of times", None),
            ("so we go we go we go we go we go we go we go", Some(3)),
            ("x x x x x x x x x x x x", Some(1)),
            ("say one two three four one two three four one two three four", Some(5)),
        ];
        for (text, expected) in cases {
            assert_eq!(repetition(&words(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_text_said_twice_is_noticed() {
        let cases = [
            ("We are now open. We are now open.", true),
            ("So you're having problems. You're having problems.", true),
            ("We are now open. We are now closed.", false),
            ("Bye bye, bye bye.", false),
            ("Again and again.", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(ends_twice(text), expected, "{text}");
        }
    }

    #[test]
    fn the_cap_grows_with_time() {
        assert_eq!(token_cap(0), 8);
        assert_eq!(token_cap(16_000), 18);
    }
}
