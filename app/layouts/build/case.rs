//! Which letters Caps Lock turns into which, as far as all hosts agree.
//!
//! What Caps Lock does follows from tables of upper and lower case, and those differ: between versions of libxkbcommon
//! (Georgian, ß), and about the Turkish i. Where they do, Caps Lock is said to disturb: the letter is right with Caps
//! Lock off only.

use std::ops::RangeInclusive;

/// The letters of living languages in Latin, Greek, Cyrillic and Armenian, and Latin with two accents: their cases have
/// not changed for long.
const AGREED: [RangeInclusive<char>; 6] = [
    'A'..='\u{17e}',
    '\u{386}'..='\u{3ce}',
    '\u{400}'..='\u{481}',
    '\u{490}'..='\u{4bf}',
    '\u{531}'..='\u{586}',
    '\u{1e00}'..='\u{1ef9}',
];

/// Whether `c` has an upper or lower case.
pub(crate) fn has_case(c: char) -> bool {
    !c.to_uppercase().eq([c]) || !c.to_lowercase().eq([c])
}

/// Whether two characters are upper and lower case of each other on every host.
pub(crate) fn is_agreed_pair(a: char, b: char) -> bool {
    let cases =
        |lower: char, upper: char| lower.to_uppercase().eq([upper]) && upper.to_lowercase().eq([lower]);
    [a, b].iter().all(|c| AGREED.iter().any(|range| range.contains(c))) && (cases(a, b) || cases(b, a))
}
