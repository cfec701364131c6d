//! Words letter by letter: `spell oscar romeo alpha`.

use super::tokens::Token;

/// Fewer letters are no spelling: "spell a word".
const LETTERS_MIN: usize = 2;

/// The alphabet of the ICAO ("NATO"), in the spellings that Whisper uses, and English names of letters that are no
/// other word.
const NAMES: [(&str, char); 45] = [
    ("alpha", 'a'),
    ("alfa", 'a'),
    ("bravo", 'b'),
    ("charlie", 'c'),
    ("delta", 'd'),
    ("echo", 'e'),
    ("foxtrot", 'f'),
    ("golf", 'g'),
    ("hotel", 'h'),
    ("india", 'i'),
    ("juliet", 'j'),
    ("juliett", 'j'),
    ("kilo", 'k'),
    ("lima", 'l'),
    ("mike", 'm'),
    ("november", 'n'),
    ("oscar", 'o'),
    ("papa", 'p'),
    ("quebec", 'q'),
    ("romeo", 'r'),
    ("sierra", 's'),
    ("tango", 't'),
    ("uniform", 'u'),
    ("victor", 'v'),
    ("whiskey", 'w'),
    ("whisky", 'w'),
    ("x ray", 'x'),
    ("xray", 'x'),
    ("yankee", 'y'),
    ("zulu", 'z'),
    ("zee", 'z'),
    ("zed", 'z'),
    ("zero", '0'),
    ("one", '1'),
    ("two", '2'),
    ("three", '3'),
    ("four", '4'),
    ("five", '5'),
    ("six", '6'),
    ("seven", '7'),
    ("eight", '8'),
    ("nine", '9'),
    ("hyphen", '-'),
    ("underscore", '_'),
    ("dot", '.'),
];

/// The letters at the beginning of these words, and how many words they take; none if too few to be meant so.
pub(super) fn letters(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    let mut letters = String::new();
    let mut at = 0;
    // "We had a dry spell 10 days ago."
    let is_number = |token: &Token<'_>| token.key.len() > 1 && token.key.bytes().all(|c| c.is_ascii_digit());
    if tokens.first().is_some_and(is_number) {
        return None;
    }
    while let Some((words, more)) = next(&tokens[at..]) {
        // A letter behind a full stop may be the word "I" or "a" that begins the next sentence.
        let before = at.checked_sub(1).map(|index| &tokens[index]);
        if before.is_some_and(Token::ends_sentence) && matches!(tokens[at].word.as_ref(), "I" | "A") {
            break;
        }
        letters += &more;
        at += words;
    }
    (letters.chars().count() >= LETTERS_MIN).then_some((at, letters))
}

/// The letter, or run of letters, that comes next, and how many words it takes.
fn next(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    let first = tokens.first()?;
    if matches!(first.key.as_str(), "capital" | "cap") {
        let (words, letters) = next(&tokens[1..])?;
        // Of letters that were written as one word only the first is meant.
        let mut letters = letters.chars();
        let first = letters.next()?.to_uppercase();
        return Some((words + 1, first.chain(letters).collect()));
    }
    // Written as two words, as the alphabet has it.
    if first.key == "x" && tokens.get(1).is_some_and(|token| token.key == "ray") {
        return Some((2, "x".into()));
    }
    of_word(first).map(|letters| (1, letters))
}

fn of_word(token: &Token<'_>) -> Option<String> {
    let key = token.key.as_str();
    if let Some((_, letter)) = NAMES.iter().find(|(name, _)| *name == key) {
        return Some((*letter).into());
    }
    let single = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(char::is_alphanumeric) && chars.next().is_none()
    };
    // "A", "O-R-A", "7".
    if key.split([' ', '.']).all(single) {
        return Some(key.replace([' ', '.'], ""));
    }
    // "ORA", "42".
    let capitals = token.word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    capitals.then(|| key.into())
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn letters_are_read_in_every_form() {
        let cases = [
            ("a b c", Some((3, "abc"))),
            ("A, B, C.", Some((3, "abc"))),
            ("O-R-A type", Some((1, "ora"))),
            ("ORA type", Some((1, "ora"))),
            ("O.R.A.", Some((1, "ora"))),
            ("Oscar, Romeo, alpha. Then", Some((3, "ora"))),
            ("X-ray x ray", Some((3, "xx"))),
            ("capital o romeo cap alpha", Some((5, "OrA"))),
            ("capital O-R-A", Some((2, "Ora"))),
            ("alpha two seven hyphen b", Some((5, "a27-b"))),
            ("a b. I am", Some((2, "ab"))),
            ("a word", None),
            ("10 days", None),
            ("A 10", Some((2, "a10"))),
            ("it out", None),
            ("capital", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(words, letters): (usize, &str)| (words, letters.to_owned()));
            assert_eq!(letters(&tokens(text)), expected, "{text}");
        }
    }
}
