//! Lists of English words that the rules ask for. All in lower case.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::written;

/// A noun must follow these, so the phrase behind one is no command.
const DETERMINERS: [&str; 14] = [
    "a", "an", "the", "every", "each", "my", "your", "his", "our", "their", "its", "whose", "another",
    "which",
];

/// Behind these a phrase is spoken about, not used.
const NAMING: [&str; 19] = [
    "word",
    "words",
    "called",
    "named",
    "key",
    "character",
    "symbol",
    "sign",
    "press",
    "pressing",
    "type",
    "typing",
    "insert",
    "inserting",
    "use",
    "using",
    "literal",
    "phrase",
    "command",
];

/// Before these, too.
const SPOKEN_ABOUT: [&str; 29] = [
    "key",
    "keys",
    "character",
    "characters",
    "symbol",
    "symbols",
    "sign",
    "signs",
    "separated",
    "delimited",
    "is",
    "was",
    "are",
    "were",
    "has",
    "had",
    "should",
    "must",
    "may",
    "will",
    "would",
    "can",
    "could",
    "means",
    "marks",
    "does",
    "command",
    "button",
    "feature",
];

/// A sentence that begins with one of these tells when something is to be done; it does not ask for it.
const CONDITIONS: [&str; 10] =
    ["if", "when", "whenever", "once", "after", "before", "until", "unless", "while", "to"];

/// Between a number and these a hyphen makes an adjective: `a five-day period`.
const TIMES: [&str; 7] = ["second", "minute", "hour", "day", "week", "month", "year"];

/// Words that a sentence cannot end with: what ends with one is not finished.
const UNFINISHED: [&str; 41] = [
    "a", "an", "the", "and", "or", "nor", "but", "because", "of", "my", "your", "our", "their", "every",
    "if", "than", "whose", "into", "from", "as", "unless", "until", "although", "though", "whether", "am",
    "i'm", "we're", "you're", "they're", "he's", "she's", "it's", "i've", "i'll", "we'll", "you'll", "i'd",
    "per", "via", "with",
];

/// Words that carry a sentence on after a pause, and seldom begin one.
const CONTINUING: [&str; 10] = ["and", "or", "nor", "but", "because", "which", "whose", "whom", "than", "of"];

/// Two or three words with one of these among them are a sentence, without one a heading, a name, an item.
const CLAUSE: [&str; 64] = [
    "i", "you", "he", "she", "it", "we", "they", "this", "that", "there", "here", "who", "i'm", "i'll",
    "i've", "i'd", "you're", "he's", "she's", "it's", "we're", "they're", "that's", "there's", "here's",
    "what's", "let's", "let", "is", "are", "was", "were", "am", "be", "do", "does", "did", "don't",
    "doesn't", "didn't", "can", "can't", "could", "will", "won't", "would", "should", "must", "may", "might",
    "has", "have", "had", "isn't", "aren't", "wasn't", "please", "thank", "thanks", "sorry", "go", "come",
    "stop", "me",
];

/// Words that are written small within a sentence.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_words.txt").lines().collect());

/// Read the list of common words now, so that the first transcript does not wait for it.
pub(super) fn load() {
    LazyLock::force(&COMMON);
}

/// Whether a phrase behind this word is ordinary.
pub(super) fn names_what_follows(key: &str) -> bool {
    DETERMINERS.contains(&key) || NAMING.contains(&key) || is_span(key)
}

/// `five-day`, as it is looked up.
fn is_span(key: &str) -> bool {
    key.rsplit_once(' ').is_some_and(|(_, last)| TIMES.contains(&last))
}

/// Whether a phrase before this word is ordinary.
pub(super) fn speaks_about_what_precedes(key: &str) -> bool {
    SPOKEN_ABOUT.contains(&key)
}

/// Whether a sentence that begins with this word only tells when to do something.
pub(super) fn is_condition(key: &str) -> bool {
    CONDITIONS.contains(&key)
}

/// Whether a noun must follow.
pub(super) fn is_determiner(key: &str) -> bool {
    DETERMINERS.contains(&key)
}

/// Whether a sentence cannot end with this word, which stands behind that one.
pub(super) fn is_unfinished(before: Option<&str>, key: &str) -> bool {
    // "9 am" is a time.
    let is_time = || key == "am" && before.is_some_and(written::ends_in_number);
    UNFINISHED.contains(&key) && !is_time()
}

/// Whether this word carries a sentence on.
pub(super) fn is_continuing(key: &str) -> bool {
    CONTINUING.contains(&key)
}

/// Whether this word makes a sentence of two or three.
pub(super) fn makes_a_clause(key: &str) -> bool {
    CLAUSE.contains(&key)
}

/// Whether this word is no name.
pub(super) fn is_common(key: &str) -> bool {
    // "they're" is as common as "they"; "I" and what is made of it stays large.
    let stem = key.split('\'').next().unwrap_or(key);
    stem != "i" && COMMON.contains(stem)
}
