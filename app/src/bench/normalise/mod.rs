//! English text as word error rates compare it: `Dr. Smith's got $5` and `doctor smith has got five
//! dollars` are the same words.
//!
//! The rules are those of appendix C of "Robust Speech Recognition via Large-Scale Weak Supervision"
//! (Radford et al., 2022), which published word error rates of Whisper use. What differs from its authors'
//! own program: the typographic apostrophe counts as one; a full stop at the end is no word; "point" is
//! kept where no decimals follow; "ninth" is 9th; of British spellings only common ones are known
//! (spelling.rs).

mod numbers;
mod spelling;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::{NoExpand, Regex};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What is done to lower-case text before its symbols go, in this order.
const REPLACEMENTS: &[(&str, &str)] = &[
    // Notes such as [laughs], <unk> and (coughs), and sounds of hesitation.
    (r"[<\[][^>\]]*[>\]]", ""),
    (r"\([^)]+\)", ""),
    (r"\b(?:hmm|mm|mhm|mmm|uh|um)\b", ""),
    (r"\s+'", "'"),
    // Words run together.
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"\blet's\b", "let us"),
    (r"\bain't\b", "aint"),
    (r"\by'all\b", "you all"),
    (r"\bwanna\b", "want to"),
    (r"\bkinda\b", "kind of"),
    (r"\bsorta\b", "sort of"),
    (r"\bdunno\b", "do not know"),
    (r"\bgotta\b", "got to"),
    (r"\bgonna\b", "going to"),
    (r"\b(?:i'ma|imma)\b", "i am going to"),
    (r"\bwoulda\b", "would have"),
    (r"\bcoulda\b", "could have"),
    (r"\bshoulda\b", "should have"),
    (r"\bcause\b", "because"),
    (r"\bma'am\b", "madam"),
    // Titles. A full stop that follows goes with the other symbols.
    (r"\bmr\b", "mister"),
    (r"\bmrs\b", "missus"),
    (r"\bst\b", "saint"),
    (r"\bdr\b", "doctor"),
    (r"\bprof\b", "professor"),
    (r"\bcapt\b", "captain"),
    (r"\bgov\b", "governor"),
    (r"\bald\b", "alderman"),
    (r"\bgen\b", "general"),
    (r"\bsen\b", "senator"),
    (r"\brep\b", "representative"),
    (r"\bpres\b", "president"),
    (r"\brev\b", "reverend"),
    (r"\bhon\b", "honorable"),
    (r"\basst\b", "assistant"),
    (r"\bassoc\b", "associate"),
    (r"\blt\b", "lieutenant"),
    (r"\bcol\b", "colonel"),
    (r"\bjr\b", "junior"),
    (r"\bsr\b", "senior"),
    (r"\besq\b", "esquire"),
    // 'd and 's before a participle are had and has, otherwise would and is.
    (r"'d (been|gone|done)\b", " had $1"),
    (r"'s (been|gone|got)\b", " has $1"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'s\b", " is"),
    (r"'d\b", " would"),
    (r"'ll\b", " will"),
    (r"'t\b", " not"),
    (r"'ve\b", " have"),
    (r"'m\b", " am"),
    // 1,000 is one number; a full stop is no decimal point.
    (r"(\d),(\d)", "$1$2"),
    (r"\.([^0-9]|$)", " $1"),
];

/// Signs that mean something beside a number; they go last.
const NUMBER_SIGNS: &str = ".%$¢€£";

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| rules(REPLACEMENTS));
/// Number signs that no number follows or, for per cent, precedes.
static STRAY_SIGNS: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| rules(&[(r"[.$¢€£]([^0-9]|$)", " $1"), (r"(^|[^0-9])%", "$1 ")]));

fn rules(table: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    table.iter().map(|(from, to)| (pattern(from), *to)).collect()
}

/// A pattern of this module; they are all constants, and the tests compile every one.
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern compiles")
}

fn apply(rules: &[(Regex, &str)], text: &mut String) {
    for (pattern, by) in rules {
        let replaced = match by.contains('$') {
            true => pattern.replace_all(text, *by),
            false => pattern.replace_all(text, NoExpand(by)),
        };
        if let Cow::Owned(replaced) = replaced {
            *text = replaced;
        }
    }
}

/// The words of an English text in the one form that is compared, with one space between them.
#[must_use]
pub fn normalise(text: &str) -> String {
    let mut text = text.to_lowercase().replace(['\u{2018}', '\u{2019}'], "'");
    apply(&RULES, &mut text);
    let text = numbers::in_figures(&without_symbols(&text));
    let mut text = text.split(' ').map(spelling::american).collect::<Vec<_>>().join(" ");
    apply(&STRAY_SIGNS, &mut text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Letters without their marks and figures; a space for any other sign but [`NUMBER_SIGNS`].
fn without_symbols(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfkd() {
        match letter {
            'œ' => plain.push_str("oe"),
            'æ' => plain.push_str("ae"),
            'ß' => plain.push_str("ss"),
            'þ' => plain.push_str("th"),
            'ø' => plain.push('o'),
            'đ' | 'ð' => plain.push('d'),
            'ł' => plain.push('l'),
            _ if NUMBER_SIGNS.contains(letter) || letter.is_alphanumeric() => plain.push(letter),
            _ if is_combining_mark(letter) => {}
            _ => plain.push(' '),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_words_have_one_form() {
        for (text, expected) in [
            ("", ""),
            ("  Hello,   WORLD!  ", "hello world"),
            ("re-enter the pre-paid; then: \"go\"", "re enter the pre paid then go"),
            ("Um, I, uh, mm think hmm so", "i think so"),
            ("[laughs] well (coughs) then <unk>", "well then"),
            (
                "I won't, can't, don't; you'll, we're, they've, I'm",
                "i will not can not do not you will we are they have i am",
            ),
            ("it\u{2019}s Waldo's", "it is waldo is"),
            ("she'd been, he's gone, it's got, I'd go", "she had been he has gone it has got i would go"),
            ("do n't worry, it 's fine", "do not worry it is fine"),
            ("Let's, y'all gonna wanna", "let us you all going to want to"),
            ("Mr. and Mrs. Smith, Dr. Jones Jr.", "mister and missus smith doctor jones junior"),
            ("Café naïve Łódź Straße", "cafe naive lodz strasse"),
            ("www.asterisk.org", "www asterisk org"),
            ("The colour of the organisation's centre", "the color of the organization is center"),
            ("3D audio, 7 key for Q", "3 d audio 7 key for q"),
            ("a 28.8 kilobit modem.", "a 28.8 kilobit modem"),
            ("press one ... or 1", "press one or one"),
            ("50% off, 50 percent, fifty per cent", "50% off 50% 50%"),
            ("% $ . alone", "alone"),
            ("$1,000 or a thousand dollars", "$1000 or a $1000"),
        ] {
            assert_eq!(normalise(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_plain_words(text in "\\PC{0,60}") {
            let words = normalise(&text);
            prop_assert!(words.split(' ').all(|word| !word.is_empty() || words.is_empty()), "{:?}", words);
            prop_assert!(
                words.chars().all(|c| c == ' ' || c.is_alphanumeric() || NUMBER_SIGNS.contains(c) || "+-".contains(c)),
                "{:?}", words
            );
        }

        #[test]
        fn any_number_words_are_read(words in proptest::collection::vec(
            prop_oneof![
                "one|nine|twelve|twenty|ninetieth|hundred|thousands|decillion|decillionth|zero|oh|first|sixes",
                "and|point|double|triple|minus|plus|per|cent|percent|pound|cents|and a half|a",
                "[0-9]{1,45}", "[$£-]?[0-9]{1,3}(\\.[0-9]{1,3})?(st|th|s|%)?",
            ], 0..12))
        {
            let _ = normalise(&words.join(" "));
        }

        #[test]
        fn case_and_punctuation_do_not_count(words in proptest::collection::vec("[a-z]{1,8}|[0-9]{1,4}", 1..8)) {
            let plain = normalise(&words.join(" "));
            prop_assert_eq!(normalise(&(words.join(", ").to_uppercase() + ".")), plain);
        }
    }
}
