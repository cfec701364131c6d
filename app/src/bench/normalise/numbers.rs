//! Numbers spelled out become figures, so that `twenty five` and `25` are the same word.
//!
//! Runs of number words are one number (`one hundred and five` is `105`), digits one after the other are
//! joined (`one oh one` is `101`), ordinals, signs, currencies and per cent go with their number
//! (`minus twenty first dollars`). A lone 1 stays the word `one`, which is no number most of the time.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use super::pattern;

const ONES: [&str; 19] = [
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
const ORDINAL_ONES: [&str; 19] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// 100, and then 1000 to the power of the place.
const MULTIPLIERS: [&str; 12] = [
    "hundred",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
];

/// What a word means among numbers.
#[derive(Clone, Copy, PartialEq)]
enum Word<'a> {
    Zero,
    /// 1 to 19, with the ending of an ordinal or a plural.
    Ones(u128, &'static str),
    /// 20 to 90, with the ending.
    Tens(u128, &'static str),
    /// 100 to 10³³, with the ending.
    Multiplier(u128, &'static str),
    /// A number in figures, and the sign before it.
    Figures(Option<char>, &'a str),
    /// Plus or minus.
    Sign(char),
    Currency(char),
    Percent,
    /// The first half of "per cent".
    Per,
    And,
    Point,
    /// "double" or "triple".
    Repeat(usize),
    Other,
}

impl<'a> Word<'a> {
    fn of(word: &'a str) -> Self {
        Self::named(word).unwrap_or_else(|| {
            let sign = word.chars().next().filter(|sign| "+-£€$¢".contains(*sign));
            let figures = sign.map_or(word, |sign| &word[sign.len_utf8()..]);
            if is_decimal(figures) { Self::Figures(sign, figures) } else { Self::Other }
        })
    }

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "o" | "oh" | "zero" => Self::Zero,
            // Nobody counts below one in multiples or ranks, so the ending is all that is left.
            "zeroth" => Self::Ones(0, "th"),
            "minus" | "negative" => Self::Sign('-'),
            "plus" | "positive" => Self::Sign('+'),
            "pound" | "pounds" => Self::Currency('£'),
            "euro" | "euros" => Self::Currency('€'),
            "dollar" | "dollars" => Self::Currency('$'),
            "cent" | "cents" => Self::Currency('¢'),
            "percent" => Self::Percent,
            "per" => Self::Per,
            "and" => Self::And,
            "point" => Self::Point,
            "double" => Self::Repeat(2),
            "triple" => Self::Repeat(3),
            "sixes" => Self::Ones(6, "s"),
            _ => return Self::counted(word),
        })
    }

    fn counted(word: &str) -> Option<Self> {
        let place = |words: &[&str], word: &str| words.iter().position(|have| *have == word);
        let ones = |index: usize| index as u128 + 1;
        let tens = |index: usize| 10 * (index as u128 + 2);
        let power = |index: usize| if index == 0 { 100 } else { 1000u128.pow(index as u32) };
        if let Some(index) = place(&ORDINAL_ONES, word) {
            let ending = ["st", "nd", "rd"].get(index).unwrap_or(&"th");
            return Some(Self::Ones(ones(index), ending));
        }
        for (ending, stem) in
            [("", Some(word)), ("s", word.strip_suffix('s')), ("th", word.strip_suffix("th"))]
        {
            let Some(stem) = stem else { continue };
            if let Some(index) = place(&ONES, stem).filter(|_| ending != "th") {
                return Some(Self::Ones(ones(index), ending));
            }
            if let Some(index) = place(&MULTIPLIERS, stem) {
                return Some(Self::Multiplier(power(index), ending));
            }
        }
        for (ending, stem) in
            [("", word.strip_suffix('y')), ("s", word.strip_suffix("ies")), ("th", word.strip_suffix("ieth"))]
        {
            let Some(stem) = stem else { continue };
            if let Some(index) = TENS.iter().position(|tens| tens.strip_suffix('y') == Some(stem)) {
                return Some(Self::Tens(tens(index), ending));
            }
        }
        None
    }

    /// Whether a number may go on with this word.
    fn is_numeric(self) -> bool {
        !matches!(self, Self::Other | Self::Figures(Some(_), _))
    }

    /// Whether this may follow a decimal point.
    fn is_decimal(self) -> bool {
        matches!(self, Self::Zero | Self::Ones(1.., "") | Self::Tens(_, "") | Self::Figures(None, _))
    }
}

/// Whether a word is figures, with or without decimals.
fn is_decimal(word: &str) -> bool {
    let figures = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    word.split_once('.').map_or(figures(word), |(whole, decimals)| figures(whole) && figures(decimals))
}

/// The number said so far.
enum Value {
    /// A whole number that tens and hundreds add to.
    Whole(u128),
    /// Figures that further ones are written behind.
    Written(String),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Written(figures) => figures.clone(),
        }
    }

    /// The value times a power of ten, if that is a whole number.
    fn times(&self, multiplier: u128) -> Option<u128> {
        match self {
            Self::Whole(number) => {
                // "two million five hundred": only what follows the last thousand is multiplied.
                let residual = number % 1000;
                (number - residual).checked_add(residual.checked_mul(multiplier)?)
            }
            Self::Written(figures) => {
                let (whole, decimals) = figures.split_once('.').unwrap_or((figures, ""));
                let scale = 10u128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
                let product = format!("{whole}{decimals}").parse::<u128>().ok()?.checked_mul(multiplier)?;
                product.is_multiple_of(scale).then_some(product / scale)
            }
        }
    }
}

/// Puts words together to numbers.
#[derive(Default)]
struct Numbers {
    words: Vec<String>,
    value: Option<Value>,
    prefix: Option<char>,
}

impl Numbers {
    /// Ends the number said so far, if there is one.
    fn end(&mut self, suffix: &str) {
        if let Some(value) = self.value.take() {
            let prefix = self.prefix.take().map(String::from).unwrap_or_default();
            self.words.push(format!("{prefix}{}{suffix}", value.text()));
        }
    }

    /// Passes a word on that belongs to no number.
    fn pass(&mut self, word: &str) {
        self.end("");
        let prefix = self.prefix.take().map(String::from).unwrap_or_default();
        self.words.push(prefix + word);
    }

    /// Writes figures behind the number said so far.
    fn write(&mut self, figures: &str) {
        let before = match self.value.take() {
            None | Some(Value::Whole(0)) => String::new(),
            Some(value) => value.text(),
        };
        self.value = Some(Value::Written(before + figures));
    }

    /// Adds `number` if the value so far ends in the zeros of `room`, else writes it behind.
    fn add(&mut self, number: u128, room: u128) {
        match self.value {
            None => self.value = Some(Value::Whole(number)),
            Some(Value::Whole(value)) if value.is_multiple_of(room) => {
                self.value = value.checked_add(number).map(Value::Whole);
            }
            Some(_) => self.write(&number.to_string()),
        }
    }

    fn ones(&mut self, number: u128, before: Word<'_>) {
        match (&mut self.value, before) {
            // "one twenty five" is 125: the five takes the place of the last zero.
            (Some(Value::Written(figures)), Word::Tens(_, "")) if number < 10 && figures.ends_with('0') => {
                figures.pop();
                figures.push_str(&number.to_string());
            }
            // "one two" is 12.
            (Some(_), Word::Ones(1.., "")) => self.write(&number.to_string()),
            _ => self.add(number, if number < 10 { 10 } else { 100 }),
        }
    }

    fn multiply(&mut self, multiplier: u128) {
        let product = match &self.value {
            None => Some(multiplier),
            Some(value) => value.times(multiplier),
        };
        if product.is_none() {
            self.end("");
        }
        self.value = Some(Value::Whole(product.unwrap_or(multiplier)));
    }

    fn figures(&mut self, sign: Option<char>, figures: &str) {
        match &mut self.value {
            Some(Value::Written(before)) if before.ends_with('.') && sign.is_none() => {
                before.push_str(figures);
            }
            _ => {
                self.end("");
                self.prefix = sign.or(self.prefix);
                let whole = figures.parse().ok().map(Value::Whole);
                // 3.0 is 3, as three is.
                let point_zero =
                    figures.split_once('.').filter(|(_, decimals)| decimals.bytes().all(|byte| byte == b'0'));
                let rounded = point_zero.and_then(|(whole, _)| whole.parse().ok()).map(Value::Whole);
                self.value = whole.or(rounded).or_else(|| Some(Value::Written(figures.into())));
            }
        }
    }
}

/// Replaces the numbers in a lower-case text without punctuation by figures.
pub(super) fn in_figures(text: &str) -> String {
    let text = boundaries(text);
    let spelled: Vec<_> = text.split_whitespace().collect();
    let meanings: Vec<_> = spelled.iter().map(|word| Word::of(word)).collect();
    let mut numbers = Numbers::default();
    let mut index = 0;
    while index < spelled.len() {
        let word = spelled[index];
        let before = if index == 0 { Word::Other } else { meanings[index - 1] };
        let after = meanings.get(index + 1).copied().unwrap_or(Word::Other);
        index += 1;
        match meanings[index - 1] {
            Word::Figures(sign, figures) => numbers.figures(sign, figures),
            Word::Zero => numbers.write("0"),
            Word::Ones(number, ending) => {
                numbers.ones(number, before);
                if !ending.is_empty() {
                    numbers.end(ending);
                }
            }
            Word::Tens(number, ending) => {
                numbers.add(number, 100);
                if !ending.is_empty() {
                    numbers.end(ending);
                }
            }
            Word::Multiplier(number, ending) => {
                numbers.multiply(number);
                if !ending.is_empty() {
                    numbers.end(ending);
                }
            }
            Word::Sign(sign) if after.is_numeric() => {
                numbers.end("");
                numbers.prefix = Some(sign);
            }
            Word::Currency(sign) if numbers.value.is_some() => {
                numbers.prefix = Some(sign);
                numbers.end("");
            }
            Word::Percent if numbers.value.is_some() => numbers.end("%"),
            Word::Per if numbers.value.is_some() && spelled.get(index) == Some(&"cent") => {
                numbers.end("%");
                index += 1;
            }
            // "one hundred and five"
            Word::And if after.is_numeric() && matches!(before, Word::Multiplier(_, "")) => {}
            Word::Point if after.is_decimal() => numbers.write("."),
            Word::Repeat(times) => match after {
                Word::Zero => {
                    numbers.write(&"0".repeat(times));
                    index += 1;
                }
                Word::Ones(number @ 1.., "") => {
                    numbers.write(&number.to_string().repeat(times));
                    index += 1;
                }
                _ => numbers.pass(word),
            },
            _ => numbers.pass(word),
        }
    }
    numbers.end("");
    cents(&numbers.words.join(" "))
}

static LETTER_FIGURE: LazyLock<Regex> = LazyLock::new(|| pattern(r"([a-z])([0-9])"));
static FIGURE_LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"([0-9])([a-z])"));
static ENDING_APART: LazyLock<Regex> = LazyLock::new(|| pattern(r"([0-9])\s+(st|nd|rd|th|s)\b"));
static AND_A_HALF: LazyLock<Regex> = LazyLock::new(|| pattern(r"([a-z]+)\s+and\s+a\s+half\b"));
static WITH_CENTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b"));
static ONLY_CENTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[€£$]0\.0?([0-9]{1,2})\b"));
static LONE_ONE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b1(s?)\b"));

/// Parts letters from figures, but not an ending from its number, and says halves in decimals.
fn boundaries(text: &str) -> String {
    let text = AND_A_HALF.replace_all(text, |found: &Captures<'_>| match Word::of(&found[1]) {
        Word::Zero | Word::Ones(1.., "") | Word::Tens(_, "") | Word::Multiplier(_, "") => {
            format!("{} point five", &found[1])
        }
        _ => found[0].into(),
    });
    let text = LETTER_FIGURE.replace_all(&text, "$1 $2");
    let text = FIGURE_LETTER.replace_all(&text, "$1 $2");
    ENDING_APART.replace_all(&text, "$1$2").into_owned()
}

/// Joins cents to their dollars, and writes a lone 1 as a word.
fn cents(text: &str) -> String {
    let text = WITH_CENTS
        .replace_all(text, |found: &Captures<'_>| format!("{}{}.{:0>2}", &found[1], &found[2], &found[3]));
    let text = ONLY_CENTS.replace_all(&text, "¢$1");
    LONE_ONE.replace_all(&text, "one$1").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_figures() {
        for (text, expected) in [
            ("twenty five", "25"),
            ("one", "one"),
            ("1", "one"),
            ("one hundred and five", "105"),
            ("one hundred thousand", "100000"),
            ("two thousand five hundred and twelve", "2512"),
            ("one million five hundred thousand", "1500000"),
            ("a thousand", "a 1000"),
            ("nineteen eighty four", "1984"),
            ("one oh one", "101"),
            ("one two three four", "1234"),
            ("one twenty five", "125"),
            ("double oh seven", "007"),
            ("triple five", "555"),
            ("double trouble", "double trouble"),
            ("three point one four", "3.14"),
            ("point five", ".5"),
            ("the point is", "the point is"),
            ("28.8 million", "28800000"),
            ("two and a half", "2.5"),
            ("two and a half million", "2500000"),
            ("week and a half", "week and a half"),
            ("first", "1st"),
            ("twenty first", "21st"),
            ("the ninth and the twelfth", "the 9th and the 12th"),
            ("hundredth", "100th"),
            ("nineteen sixties", "1960s"),
            ("1960s 3rd 3 rd", "1960s 3rd 3rd"),
            ("minus five", "-5"),
            ("minus the rest", "minus the rest"),
            ("five dollars and ten cents", "$5.10"),
            ("two pounds", "£2"),
            ("press the pound key", "press the pound key"),
            ("zero dollars and seven cents", "¢7"),
            ("fifty percent", "50%"),
            ("fifty per cent", "50%"),
            ("five per day", "5 per day"),
            ("one and two", "one and 2"),
            ("ip 10 point 0 point 0 point 2", "ip 10.0.0.2"),
            ("3d mp3", "3 d mp 3"),
        ] {
            assert_eq!(in_figures(text), expected, "{text:?}");
        }
    }
}
