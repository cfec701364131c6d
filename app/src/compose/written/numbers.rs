//! Numbers among words: cardinals, ordinals, years and digits.

use super::super::tokens::Token;

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
pub(super) const POWERS: [(&str, u64); 4] =
    [("hundred", 100), ("thousand", 1000), ("million", 1_000_000), ("billion", 1_000_000_000)];
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

/// A number at the beginning of some words.
pub(super) struct Number {
    pub(super) words: usize,
    pub(super) text: String,
    /// If it is a whole one.
    pub(super) value: Option<u64>,
    /// It was written in figures already.
    pub(super) in_figures: bool,
}

pub(super) fn number(tokens: &[Token<'_>]) -> Option<Number> {
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
pub(super) fn parts<'t>(tokens: &'t [Token<'_>]) -> Vec<&'t str> {
    /// No number that is spoken has more words.
    const PARTS_MAX: usize = 24;
    let end = tokens.iter().position(|token| !token.closing.is_empty()).map_or(tokens.len(), |end| end + 1);
    tokens[..end].iter().flat_map(|token| token.key.split(' ')).take(PARTS_MAX).collect()
}

/// How many words have so many parts; none if the last one has more.
pub(super) fn words_of(tokens: &[Token<'_>], parts: usize) -> Option<usize> {
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
pub(in super::super) fn ends_in_number(key: &str) -> bool {
    let last = key.rsplit(' ').next().unwrap_or_default();
    last.ends_with(|c: char| c.is_ascii_digit()) || unit(last).or_else(|| tens(last)).is_some()
}

pub(super) fn unit(key: &str) -> Option<u64> {
    UNITS.iter().position(|unit| *unit == key).map(|value| value as u64)
}

fn tens(key: &str) -> Option<u64> {
    TENS.iter().position(|tens| *tens == key).map(|value| (value as u64 + 2) * 10)
}

/// Up to 99.
pub(super) fn small(keys: &[&str]) -> Option<(usize, u64)> {
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
pub(super) fn digits(keys: &[&str]) -> Option<(usize, String, Option<u64>)> {
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
pub(super) fn ordinal(tokens: &[Token<'_>]) -> Option<(usize, u64)> {
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

pub(super) fn with_ending(value: u64) -> String {
    let ending = match (value % 100, value % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{value}{ending}")
}
