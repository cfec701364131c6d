//! Numbers, times, money and addresses that came out as words, in figures and signs.
//!
//! Whisper writes most of these in figures by itself; what is left is what it leaves as words. Numbers below ten stay
//! words unless something that is counted or measured follows, as style guides have it.

use super::casing::lower;
use super::tokens::Token;
use super::words;

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const POWERS: [(&str, u64); 4] =
    [("hundred", 100), ("thousand", 1000), ("million", 1_000_000), ("billion", 1_000_000_000)];
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];
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
/// Ends of host names that people say.
const DOMAINS: [&str; 16] =
    ["com", "org", "net", "edu", "gov", "io", "dev", "info", "eu", "uk", "de", "fr", "ca", "au", "us", "co"];
/// Smaller numbers are written as words where nothing is measured.
const FIGURES_FROM: u64 = 10;

/// Put written forms in the place of words.
pub(super) fn rewrite(tokens: &mut Vec<Token<'_>>) {
    addresses(tokens);
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

/// A number at the beginning of some words.
struct Number {
    words: usize,
    text: String,
    /// If it is a whole one.
    value: Option<u64>,
    /// It was written in figures already.
    in_figures: bool,
}

fn number(tokens: &[Token<'_>]) -> Option<Number> {
    let first = &tokens[0];
    if first.word.starts_with(|c: char| c.is_ascii_digit()) {
        let figures = first.word.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
        let value = first.word.replace(',', "").parse().ok();
        return figures.then(|| Number { words: 1, text: first.word.to_string(), value, in_figures: true });
    }
    let keys: Vec<&str> = parts(tokens);
    let (parts_taken, mut text, value) = digits(&keys).or_else(|| year(&keys)).or_else(|| {
        let (taken, value) = cardinal(&keys)?;
        Some((taken, value.to_string(), Some(value)))
    })?;
    let mut taken = parts_taken;
    let mut whole = value;
    if keys.get(taken) == Some(&"point") {
        let decimals: String = keys[taken + 1..]
            .iter()
            .map_while(|key| unit(key).filter(|n| *n < 10))
            .map(|n| n.to_string())
            .collect();
        if !decimals.is_empty() {
            taken += 1 + decimals.len();
            text = format!("{text}.{decimals}");
            whole = None;
        }
    }
    Some(Number { words: words_of(tokens, taken)?, text, value: whole, in_figures: false })
}

/// The words up to the next punctuation; "twenty-five" is two.
fn parts<'t>(tokens: &'t [Token<'_>]) -> Vec<&'t str> {
    /// No number that is spoken has more words.
    const PARTS_MAX: usize = 24;
    let end = tokens.iter().position(|token| !token.closing.is_empty()).map_or(tokens.len(), |end| end + 1);
    tokens[..end].iter().flat_map(|token| token.key.split(' ')).take(PARTS_MAX).collect()
}

/// How many words have so many parts; none if the last one has more.
fn words_of(tokens: &[Token<'_>], parts: usize) -> Option<usize> {
    let mut left = parts;
    for (index, token) in tokens.iter().enumerate() {
        if left == 0 {
            return Some(index);
        }
        left = left.checked_sub(token.key.split(' ').count())?;
    }
    (left == 0).then_some(tokens.len())
}

/// Whether this word is a number, in figures or not, or ends in one: "twenty-five", "9:30".
pub(super) fn ends_in_number(key: &str) -> bool {
    let last = key.rsplit(' ').next().unwrap_or_default();
    last.ends_with(|c: char| c.is_ascii_digit()) || unit(last).or_else(|| tens(last)).is_some()
}

fn unit(key: &str) -> Option<u64> {
    UNITS.iter().position(|unit| *unit == key).map(|value| value as u64)
}

fn tens(key: &str) -> Option<u64> {
    TENS.iter().position(|tens| *tens == key).map(|value| (value as u64 + 2) * 10)
}

/// Up to 99.
fn small(keys: &[&str]) -> Option<(usize, u64)> {
    let first = keys.first()?;
    match (unit(first), tens(first)) {
        (Some(value), _) => Some((1, value)),
        (None, Some(value)) => {
            Some(match keys.get(1).and_then(|key| unit(key)).filter(|n| (1..10).contains(n)) {
                Some(ones) => (2, value + ones),
                None => (1, value),
            })
        }
        (None, None) => None,
    }
}

/// "two thousand and five".
fn cardinal(keys: &[&str]) -> Option<(usize, u64)> {
    let (mut taken, mut group) = small(keys)?;
    let mut total: u64 = 0;
    let mut below = u64::MAX;
    while let Some(key) = keys.get(taken) {
        if let Some((_, power)) = POWERS.iter().find(|(name, _)| name == key) {
            if *power == 100 && group < 100 {
                group = group.checked_mul(100)?;
            } else if *power > 100 && *power < below {
                total = total.checked_add(group.checked_mul(*power)?)?;
                (group, below) = (0, *power);
            } else {
                break;
            }
            taken += 1;
            continue;
        }
        let skipped = usize::from(*key == "and");
        match small(&keys[taken + skipped..]) {
            Some((more, value))
                if group % 100 == 0 && (group > 0 || total > 0) && (skipped == 0 || taken > 0) =>
            {
                taken += skipped + more;
                group += value;
            }
            _ => break,
        }
    }
    Some((taken, total.checked_add(group)?))
}

/// Digits one after the other: "five five five one two". "Oh" is one among them.
fn digits(keys: &[&str]) -> Option<(usize, String, Option<u64>)> {
    const DIGITS_MIN: usize = 3;
    let digit = |key: &&str| unit(key).filter(|n| *n < 10).or((*key == "oh").then_some(0));
    let digits: String = keys.iter().map_while(digit).map(|n| n.to_string()).collect();
    (digits.len() >= DIGITS_MIN && keys[0] != "oh").then_some((digits.len(), digits, None))
}

/// "nineteen eighty four", "twenty oh five".
fn year(keys: &[&str]) -> Option<(usize, String, Option<u64>)> {
    let (first, century) = small(keys).filter(|(_, value)| (11..=20).contains(value))?;
    let rest = &keys[first..];
    let (more, year) = match rest.first() {
        Some(&"oh") => {
            small(&rest[1..]).filter(|(_, year)| *year < 10).map(|(more, year)| (more + 1, year))?
        }
        _ => small(rest).filter(|(_, year)| *year >= 10)?,
    };
    Some((first + more, format!("{century}{year:02}"), None))
}

/// "twenty first".
fn ordinal(tokens: &[Token<'_>]) -> Option<(usize, u64)> {
    let keys = parts(tokens);
    let place = |key: &&str| ORDINALS.iter().position(|ordinal| ordinal == key).map(|at| at as u64 + 1);
    let (taken, value) = match (keys.first().and_then(|key| tens(key)), keys.get(1).and_then(place)) {
        (Some(tens), Some(ones)) if ones < 10 => (2, tens + ones),
        _ => (
            1,
            keys.first().and_then(place).or_else(|| {
                let key = keys.first()?;
                let teen = key.strip_suffix("th").and_then(unit).filter(|n| (13..20).contains(n));
                teen.or_else(|| key.strip_suffix("ieth").and_then(|stem| tens(&format!("{stem}y"))))
            })?,
        ),
    };
    Some((words_of(tokens, taken)?, value))
}

fn with_ending(value: u64) -> String {
    let ending = match (value % 100, value % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{value}{ending}")
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

/// "jo at example dot com", "example dot org".
fn addresses(tokens: &mut Vec<Token<'_>>) {
    let mut at = 0;
    while at < tokens.len() {
        // The host: words with "dot" between them, the last one an end of host names.
        let mut end = at;
        let mut host = String::from(tokens[at].word.as_ref());
        while end + 2 < tokens.len()
            && tokens[end + 1].key == "dot"
            && joined(tokens, end + 1)
            && joined(tokens, end + 2)
        {
            end += 2;
            host = format!("{host}.{}", tokens[end].word);
        }
        let domain = host.rsplit_once('.').map(|(_, domain)| lower(domain));
        if !domain.is_some_and(|domain| DOMAINS.contains(&domain.as_str())) {
            at += 1;
            continue;
        }
        // What was written as one word, such as "ASP.NET", may be a name.
        if end > at {
            replace(tokens, at, end - at + 1, lower(&host));
        }
        // Somebody at it. "Look at example.com" is none.
        let named = at >= 2 && joined(tokens, at) && joined(tokens, at - 1) && tokens[at - 1].key == "at";
        if named && !words::is_common(&tokens[at - 2].key) {
            let mut start = at - 2;
            while start >= 2
                && tokens[start - 1].key == "dot"
                && joined(tokens, start)
                && joined(tokens, start - 1)
            {
                start -= 2;
            }
            let name: Vec<_> =
                tokens[start..at - 1].iter().map(|t| if t.key == "dot" { "." } else { &t.word }).collect();
            let address = lower(&format!("{}@{host}", name.concat()));
            replace(tokens, start, at - start + 1, address);
            at = start;
        }
        at += 1;
    }
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
