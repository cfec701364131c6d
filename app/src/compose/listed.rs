//! Words that the speaker has listed, written as they are listed.
//!
//! The recogniser takes some for names ("your Agent Number") and writes others as it likes ("Github"). A small letter at
//! the front, and capitals behind it, are as they were listed; a word listed with a capital in front is left as it is,
//! since "Mark" is a name and "mark" a verb. So are words all in capitals, and ordinary words listed by themselves.

use super::phrases::Phrases;
use super::tokens::{Token, phrase_key, tokens};
use super::words;

/// Phrases of a vocabulary.
#[derive(Clone, Debug)]
pub(super) struct Listed(Phrases<Box<[Box<str>]>>);

impl Listed {
    pub(super) fn new(vocabulary: &[String]) -> Self {
        let words = |phrase: &str| tokens(phrase).into_iter().map(|token| token.word.into()).collect();
        let phrases = vocabulary.iter().map(|phrase| (phrase_key(phrase).into(), words(phrase)));
        Self(Phrases::new(
            phrases.filter(|(key, _): &(Box<str>, _)| !key.is_empty() && !words::is_common(key)),
        ))
    }

    /// Write the phrases among these words as they were listed.
    pub(super) fn write(&self, tokens: &mut [Token<'_>]) {
        let mut at = 0;
        while at < tokens.len() {
            let Some((length, listed)) = self.0.longest(&tokens[at..]) else {
                at += 1;
                continue;
            };
            // "E mail" is two words where "e-mail" is one.
            for (offset, listed) in listed.iter().enumerate().filter(|_| listed.len() == length) {
                let begins_sentence = at + offset == 0 || tokens[at + offset - 1].ends_sentence();
                write(&mut tokens[at + offset], listed, begins_sentence);
            }
            at += length;
        }
    }
}

/// `begins_sentence`: as far as the recogniser knows. What is true is the writer's business.
fn write(token: &mut Token<'_>, listed: &str, begins_sentence: bool) {
    let is_small = listed.starts_with(char::is_lowercase);
    let has_inner_capital =
        listed.contains(char::is_lowercase) && listed.chars().skip(1).any(char::is_uppercase);
    token.is_listed_small = is_small;
    if has_inner_capital || is_small && !begins_sentence {
        token.word = listed.to_owned().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_written_as_they_were_listed() {
        let vocabulary = [
            "agent number",
            "touchtone",
            "GitHub",
            "iPhone",
            "Mark",
            "will",
            "US",
            "PIN",
            "New York",
            "e-mail",
            "",
        ];
        let listed = Listed::new(&vocabulary.map(String::from));
        let cases = [
            ("Enter your Agent Number, and mark it.", "Enter your agent number, and mark it."),
            ("Touchtone on my Touchtone. Touchtone", "Touchtone on my touchtone. Touchtone"),
            ("Github and github. Github!", "GitHub and GitHub. GitHub!"),
            ("My Iphone. Iphone.", "My iPhone. iPhone."),
            ("Tell us the pin of Will in new york", "Tell us the pin of Will in new york"),
            ("My E-mail, the e mail", "My e-mail, the e mail"),
            ("Agent. Number agents", "Agent. Number agents"),
        ];
        for (text, expected) in cases {
            let mut words = tokens(text);
            listed.write(&mut words);
            let shown: Vec<_> =
                words.iter().map(|t| format!("{}{}{}", t.opening, t.word, t.closing)).collect();
            assert_eq!(shown.join(" "), expected);
        }
    }
}
