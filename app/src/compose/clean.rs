//! What was said and is not meant to be written: sounds of hesitation, and words begun twice.

use super::casing::upper;
use super::rules::Rules;
use super::tokens::Token;
use super::written::ends_in_number;

/// Sounds of hesitation, as Whisper writes them. "Like", "well" and "you know" are words.
const FILLERS: [&str; 12] = ["um", "umm", "uh", "uhh", "uhm", "erm", "er", "ehm", "hmm", "hm", "mm", "mmm"];

/// Words that are said twice on purpose, or by grammar.
const TWICE: [&str; 24] = [
    "that", "had", "is", "very", "so", "really", "no", "yes", "yeah", "bye", "ha", "na", "la", "blah",
    "knock", "hear", "there", "now", "well", "many", "much", "far", "long", "dot",
];

/// Leave out what the rules do not want.
pub(super) fn clean(tokens: &mut Vec<Token<'_>>, rules: &Rules) {
    if rules.drop_fillers {
        drop_where(tokens, is_filler);
    }
    if rules.drop_repeats {
        drop_where(tokens, is_begun_again);
    }
}

/// Whether this is a sound of hesitation: not "the ER", nor "10 mm".
fn is_filler(tokens: &[Token<'_>], at: usize) -> bool {
    let this = &tokens[at];
    let is_unit = || this.key == "mm" && at > 0 && ends_in_number(&tokens[at - 1].key);
    FILLERS.contains(&this.key.as_str()) && !this.word.chars().all(char::is_uppercase) && !is_unit()
}

/// Whether the next word is the same, or begins like this piece of one: `the the`, `w- what`.
fn is_begun_again(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(next) = tokens.get(at + 1) else { return false };
    let (this, next) = (&tokens[at], &next.key);
    let torn = matches!(this.closing.as_ref(), "-" | "–" | "—");
    if torn {
        return next.starts_with(&this.key);
    }
    // Figures and letters are spelled out.
    let is_word =
        this.key.chars().all(|c| c.is_alphabetic() || c == '\'') && (this.key.len() > 1 || this.key == "i");
    let goes_on = matches!(this.closing.as_ref(), "" | ",");
    this.key == *next && is_word && goes_on && !TWICE.contains(&this.key.as_str()) && !is_name(tokens, at)
}

/// Whether a name begins here that says the same twice: "Bora Bora".
fn is_name(tokens: &[Token<'_>], at: usize) -> bool {
    let is_large = |token: &Token<'_>| token.key != "i" && token.word.starts_with(char::is_uppercase);
    let within_sentence = at > 0 && !tokens[at - 1].ends_sentence();
    within_sentence && tokens[at].closing.is_empty() && tokens[at..].iter().take(2).all(is_large)
}

/// Drop words, and with each the commas around it. A sentence keeps its beginning and its end.
fn drop_where(tokens: &mut Vec<Token<'_>>, dropped: impl Fn(&[Token<'_>], usize) -> bool) {
    let mut at = 0;
    while at < tokens.len() {
        if !dropped(tokens, at) {
            at += 1;
            continue;
        }
        let gone = tokens.remove(at);
        if let Some(before) = at.checked_sub(1).map(|before| &mut tokens[before]) {
            if gone.ends_sentence() && !before.ends_sentence() {
                before.closing = gone.closing.clone();
            } else if before.closing == "," && gone.closing == "," {
                before.closing = "".into();
            }
        }
        // It may have had the capital of the sentence, as the next word now has.
        let large = gone.word.chars().next().is_some_and(char::is_uppercase);
        if let Some(next) = tokens.get_mut(at).filter(|_| large) {
            let second = next.word.char_indices().nth(1).map_or(next.word.len(), |(at, _)| at);
            let (first, rest) = next.word.split_at(second);
            if first.starts_with(char::is_lowercase) {
                let word = upper(first) + rest;
                next.rewrite(word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Commands, Sentences};
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn hesitation_and_stammer_are_left_out_on_demand() {
        let mut rules = Rules {
            commands: Commands::On,
            sentences: Sentences::Auto,
            hold: std::time::Duration::ZERO,
            enter_after: false,
            space_between: true,
            drop_fillers: false,
            drop_repeats: false,
            written_forms: false,
        };
        let cleaned = |text: &str, rules: &Rules| {
            let mut tokens = tokens(text);
            clean(&mut tokens, rules);
            let shown: Vec<_> =
                tokens.iter().map(|t| format!("{}{}{}", t.opening, t.word, t.closing)).collect();
            shown.join(" ")
        };
        assert_eq!(cleaned("Um, the the house.", &rules), "Um, the the house.");
        (rules.drop_fillers, rules.drop_repeats) = (true, true);
        let cases = [
            ("Um, the house.", "The house."),
            ("The, uh, house.", "The house."),
            ("The house, um.", "The house."),
            ("I went, um, home, uh, and slept.", "I went home and slept."),
            ("Um.", ""),
            ("The gap is 10 mm wide, mm, or ten mm.", "The gap is 10 mm wide or ten mm."),
            ("He was taken to the ER, er, today.", "He was taken to the ER today."),
            ("We went to Bora Bora, and and to to Rome.", "We went to Bora Bora, and to Rome."),
            ("Bora Bora is far. I saw I I saw it.", "Bora is far. I saw I saw it."),
            ("The the house", "The house"),
            ("I, I, I think", "I think"),
            ("W- what is it?", "What is it?"),
            ("He had had it that that way", "He had had it that that way"),
            ("Very very good. Good. Good.", "Very very good. Good. Good."),
            ("1 1 2, a a", "1 1 2, a a"),
        ];
        for (text, expected) in cases {
            assert_eq!(cleaned(text, &rules), expected, "{text}");
        }
    }
}
