//! Numbers, times, money and addresses that came out as words, in figures and signs.
//!
//! Whisper writes most of these in figures by itself; what is left is what it leaves as words. Numbers below ten stay
//! words unless something that is counted or measured follows, as style guides have it.

mod addresses;
mod numbers;

use super::tokens::Token;
pub(super) use numbers::ends_in_number;
use numbers::{Number, POWERS, digits, number, ordinal, parts, small, unit, with_ending, words_of};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Smaller numbers are written as words where nothing is measured.
const FIGURES_FROM: u64 = 10;

/// Put written forms in the place of words.
pub(super) fn rewrite(tokens: &mut Vec<Token<'_>>) {
    addresses::rewrite(tokens);
    let mut at = 0;
    while at < tokens.len() {
        if let Some(words) = kept_words(tokens, at) {
            at += words;
            continue;
        }
        if let Some((length, written)) = form(tokens, at) {
            replace(tokens, at, length, written);
        }
        at += 1;
    }
}

/// Put `written` in the place of these words.
fn replace(tokens: &mut Vec<Token<'_>>, at: usize, length: usize, written: String) {
    let closing = tokens[at + length - 1].closing.clone();
    tokens[at].rewrite(written);
    tokens[at].closing = closing;
    tokens[at].number = tokens[at + length - 1].number;
    tokens.drain(at + 1..at + length);
}

/// How many words from here on are numbers that stay words, because what they belong to does or because they may mean
/// several things: "two or [three hundred]", "a hundred and [five]", "ten thirty", which may be a time.
fn kept_words(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let before =
        |words: usize| at.checked_sub(words).map(|index| &tokens[index]).filter(|_| joined(tokens, at));
    let is_word = |token: &Token<'_>| !token.word.contains(|c: char| c.is_ascii_digit());
    let goes_on = before(1).zip(before(2)).is_some_and(|(link, number)| {
        let is_range = matches!(link.key.as_str(), "or" | "to") && ends_in_number(&number.key);
        let is_part = link.key == "and" && POWERS.iter().any(|(power, _)| *power == number.key);
        (is_range || is_part) && is_word(number) && number.closing.is_empty()
    });
    let rest = &tokens[at..];
    if goes_on && is_word(&rest[0]) {
        return Some(number(rest)?.words);
    }
    let keys = parts(rest);
    let (taken, hour, minute) = spoken_time(&keys).filter(|_| digits(&keys).is_none())?;
    let has_unit = keys.get(taken).is_some_and(|key| is_half(key));
    let may_be_time = minute.is_some() && is_hour(hour) && !has_unit;
    may_be_time.then(|| words_of(rest, taken)).flatten()
}

/// What the words from here on are written as, and how many they are.
fn form(tokens: &[Token<'_>], at: usize) -> Option<(usize, String)> {
    let before = at.checked_sub(1).map(|index| tokens[index].key.as_str());
    let tokens = &tokens[at..];
    if let Some(time) = time(tokens) {
        return Some(time);
    }
    if is_month(&tokens[0]) && joined(tokens, 1) {
        let (length, day) = ordinal(&tokens[1..])?;
        return (day <= 31).then(|| (1 + length, format!("{} {}", tokens[0].word, with_ending(day))));
    }
    // In "a thirty second delay" it is a time.
    let is_second = |value: u64| value % 10 == 2 && matches!(before, Some("a" | "an" | "one"));
    if let Some((length, value)) = ordinal(tokens).filter(|(_, value)| !is_second(*value)) {
        let of_month = tokens.get(length + 1).is_some_and(|month| is_month(month))
            && tokens[length].key == "of"
            && joined(tokens, length)
            && joined(tokens, length + 1);
        return (value >= FIGURES_FROM || of_month).then(|| (length, with_ending(value)));
    }
    let number = number(tokens)?;
    let next = |offset: usize| {
        let index = number.words + offset;
        let token = tokens.get(index).filter(|_| joined(tokens, index))?;
        Some(token.key.as_str())
    };
    match next(0) {
        // "percent sign" is a command.
        _ if next(1) == Some("sign") => {}
        Some("am") if next(1) == Some("i") => {}
        Some("percent") => return Some((number.words + 1, format!("{}%", number.text))),
        Some("per") if next(1) == Some("cent") => {
            return Some((number.words + 2, format!("{}%", number.text)));
        }
        Some("dollar" | "dollars") => return Some(money(tokens, &number, '$')),
        Some("euro" | "euros") => return Some(money(tokens, &number, '€')),
        // As a time in figures is written: "five hundred pm".
        Some(half) => {
            let time = time_in_figures(&[number.text.as_str(), half])
                .filter(|(taken, hour, _)| *taken == 1 && is_hour(*hour) && is_half(half));
            if let Some((_, hour, Some(minute))) = time {
                return Some((number.words + 1, format!("{hour}:{minute:02} {half}")));
            }
        }
        None => {}
    }
    let kept =
        number.in_figures || number.value.is_some_and(|value| value < FIGURES_FROM && number.words == 1);
    (!kept).then_some((number.words, number.text))
}

/// Also "May", but not "may".
fn is_month(token: &Token<'_>) -> bool {
    MONTHS.contains(&token.key.as_str()) && token.word.starts_with(char::is_uppercase)
}

/// Whether no punctuation stands before the word of this number.
fn joined(tokens: &[Token<'_>], index: usize) -> bool {
    index < tokens.len() && tokens[index - 1].closing.is_empty() && tokens[index].opening.is_empty()
}

/// "five dollars and fifty cents".
fn money(tokens: &[Token<'_>], number: &Number, sign: char) -> (usize, String) {
    let amount = (number.words + 1, format!("{sign}{}", number.text));
    let rest = &tokens[amount.0..];
    let cents = || {
        if !joined(tokens, amount.0) || rest.first()?.key != "and" {
            return None;
        }
        let keys = parts(rest);
        let (taken, cents) = small(&keys[1..])?;
        let said = matches!(keys.get(1 + taken), Some(&"cent" | &"cents"));
        Some((words_of(rest, taken + 2).filter(|_| said)?, cents))
    };
    match cents() {
        Some((more, cents)) if number.value.is_some() => {
            (amount.0 + more, format!("{}.{cents:02}", amount.1))
        }
        _ => amount,
    }
}

/// "three thirty pm", "three o'clock". Whisper also writes "3 30 p.m.", "330 pm" and "3.30 pm".
fn time(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    let keys = parts(tokens);
    let first = keys.first()?;
    if unit(first).is_some_and(is_hour) && keys.get(1) == Some(&"o'clock") {
        return Some((words_of(tokens, 2)?, format!("{} o'clock", unit(first)?)));
    }
    // In "Room 1130 am I there?" it is a verb.
    let is_verb = |taken: usize| keys.get(taken..).is_some_and(|keys| keys.starts_with(&["am", "i"]));
    let (taken, hour, minute) = spoken_time(&keys)
        .filter(|(taken, _, minute)| minute.is_some() || !is_verb(*taken))
        .or_else(|| time_in_figures(&keys).filter(|(taken, ..)| !is_verb(*taken)))
        .filter(|(_, hour, _)| is_hour(*hour))?;
    // The last full stop of "p.m." is punctuation behind the word.
    let half = keys.get(taken).filter(|half| is_half(half))?;
    let minute = minute.map_or(String::new(), |minute| format!(":{minute:02}"));
    Some((words_of(tokens, taken + 1)?, format!("{hour}{minute} {half}")))
}

fn is_half(key: &str) -> bool {
    matches!(key, "am" | "a.m" | "pm" | "p.m")
}

fn is_hour(hour: u64) -> bool {
    (1..=12).contains(&hour)
}

/// How many words, the hour, and the minute if there is one.
type Time = (usize, u64, Option<u64>);

/// "three", "three thirty", "three oh five".
fn spoken_time(keys: &[&str]) -> Option<Time> {
    let hour = unit(keys.first()?)?;
    let oh = usize::from(keys.get(1) == Some(&"oh"));
    let minutes = if oh == 1 { 1..10 } else { 10..60 };
    let minute = keys.get(1 + oh..).and_then(small).filter(|(_, minute)| minutes.contains(minute));
    Some(minute.map_or((1, hour, None), |(more, minute)| (1 + oh + more, hour, Some(minute))))
}

/// "3 30", "330", "3.30".
fn time_in_figures(keys: &[&str]) -> Option<Time> {
    let first = keys.first()?;
    let figures = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute, taken) = match (first.split_once('.'), first.len()) {
        (Some((hour, minute)), _) => (hour, minute, 1),
        (None, 3..=4) if figures(first) => {
            let (hour, minute) = first.split_at(first.len() - 2);
            (hour, minute, 1)
        }
        _ => (*first, *keys.get(1)?, 2),
    };
    let fits = figures(hour) && figures(minute) && minute.len() == 2;
    let minute = minute.parse().ok().filter(|minute| fits && *minute < 60)?;
    Some((taken, hour.parse().ok()?, Some(minute)))
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn words_become_figures_and_signs() {
        let cases = [
            ("twenty five people", "25 people"),
            ("Twenty-five people.", "25 people."),
            ("five people", "five people"),
            ("one of them", "one of them"),
            ("ten of them", "10 of them"),
            ("one hundred and five pages", "105 pages"),
            ("two thousand and twelve, or so", "2012, or so"),
            ("three million two hundred thousand and one", "3200001"),
            ("nineteen eighty four", "1984"),
            ("twenty twenty five", "2025"),
            ("twenty oh five", "2005"),
            ("three point one four", "3.14"),
            ("the point is clear", "the point is clear"),
            ("call five five five one two oh nine", "call 5551209"),
            ("one two", "one two"),
            ("two or three hundred and fifty people", "two or three hundred and fifty people"),
            ("twenty to thirty five people", "20 to 35 people"),
            ("a hundred and twenty five people", "a hundred and twenty five people"),
            ("let's meet at ten thirty, or eleven fifteen", "let's meet at ten thirty, or eleven fifteen"),
            ("a thirty second delay, and the thirty second", "a 30 second delay, and the 32nd"),
            ("Which one am I", "Which one am I"),
            ("ASP.NET and jo at Example.com", "ASP.NET and jo@example.com"),
            ("five percent", "5%"),
            ("25 percent and 30 per cent.", "25% and 30%."),
            ("five dollars", "$5"),
            ("twenty five dollars and fifty cents each", "$25.50 each"),
            ("five dollars and more", "$5 and more"),
            ("10 euros.", "€10."),
            ("three thirty pm", "3:30 pm"),
            ("at three p.m. today", "at 3 p.m. today"),
            ("at three thirty p.m.", "at 3:30 p.m."),
            ("at 3 30 p.m. on Sunday", "at 3:30 p.m. on Sunday"),
            ("at 1045 a.m., and 330 pm", "at 10:45 a.m., and 3:30 pm"),
            ("at 10.30 am", "at 10:30 am"),
            ("at 3 p.m. or 3:30 pm", "at 3 p.m. or 3:30 pm"),
            ("at 13 30 pm, 375 pm, 1.5 pm, 3 5 pm", "at 13 30 pm, 375 pm, 1.5 pm, 3 5 pm"),
            ("I am 30", "I am 30"),
            ("Room 1130 am I there", "Room 1130 am I there"),
            ("room five hundred am I there", "room 500 am I there"),
            ("at 1130 am, I think", "at 11:30 am, I think"),
            ("at nine thirty am I think", "at 9:30 am I think"),
            ("at five hundred pm", "at 5:00 pm"),
            ("twelve oh five am", "12:05 am"),
            ("five o'clock", "5 o'clock"),
            ("the twenty first of May", "the 21st of May"),
            ("January fifth", "January 5th"),
            ("the fifth of May", "the 5th of May"),
            ("the first of many", "the first of many"),
            ("the first of, May", "the first of, May"),
            ("the second of may be", "the second of may be"),
            ("the first one", "the first one"),
            ("the eleventh hour", "the 11th hour"),
            ("the thirtieth and the twelfth", "the 30th and the 12th"),
            ("you may second that", "you may second that"),
            ("example dot com", "example.com"),
            ("www dot example dot co dot uk", "www.example.co.uk"),
            ("jo at example dot com", "jo@example.com"),
            ("Jane dot doe at example.com, please", "jane.doe@example.com, please"),
            ("look at example.com", "look at example.com"),
            ("a dot product", "a dot product"),
            ("nine billion billion billion billion", "9000000000 billion billion billion"),
            ("and twenty, and five", "and 20, and five"),
            ("", ""),
        ];
        for (text, expected) in cases {
            let mut words = tokens(text);
            rewrite(&mut words);
            let shown: Vec<_> =
                words.iter().map(|t| format!("{}{}{}", t.opening, t.word, t.closing)).collect();
            assert_eq!(shown.join(" "), expected, "{text}");
        }
    }
}
