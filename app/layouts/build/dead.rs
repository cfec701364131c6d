//! Dead keys, and what may follow them.

use std::ops::RangeInclusive;

use kbvm::xkb::compose::{ComposeTable, FeedResult};
use kbvm::{Keysym, syms};

/// A dead key, and what may follow it on which layouts.
pub(crate) struct DeadKey {
    pub(crate) keysym: Keysym,
    pub(crate) follow: &'static [Follow],
}

/// What may follow a dead key on layouts with a key for one of these letters; on all layouts where none are named.
#[derive(Clone, Copy)]
pub(crate) struct Follow {
    bases: &'static str,
    among: &'static str,
}

const fn anywhere(bases: &'static str) -> Follow {
    Follow { bases, among: "" }
}

const fn greek(bases: &'static str) -> Follow {
    Follow { bases, among: "α" }
}

const fn central_european(bases: &'static str) -> Follow {
    Follow { bases, among: "čłž" }
}

const fn dead(keysym: Keysym, follow: &'static [Follow]) -> DeadKey {
    DeadKey { keysym, follow }
}

/// libX11's Compose file lets nearly every dead key combine with nearly every letter. Windows and macOS have a short
/// list for each layout, and type the accent and the letter one after the other where the pair is not on it. What is
/// listed here composes to the same character on all three wherever the dead key exists; the rest is left to the
/// host's Unicode entry. The acute accent with c is the one that matters: ć in Central Europe and with Linux's Compose
/// file, ç on Windows with "US international", nothing on Spanish layouts.
///
/// A space after a dead key types the accent itself, where ASCII has it.
pub(crate) const DEAD_KEYS: [DeadKey; 13] = [
    dead(syms::dead_grave, &[anywhere("aeiouAEIOU ")]),
    dead(
        syms::dead_acute,
        &[anywhere("aeiouyAEIOUY "), greek("αεηιουωΑΕΗΙΟΥΩ"), central_european("clnrszCLNRSZ")],
    ),
    dead(syms::dead_circumflex, &[anywhere("aeiouAEIOU ")]),
    dead(syms::dead_tilde, &[anywhere("anoANO ")]),
    dead(syms::dead_diaeresis, &[anywhere("aeiouyAEIOUY "), greek("ιυΙΥ")]),
    dead(syms::dead_cedilla, &[anywhere("cC")]),
    dead(syms::dead_abovering, &[anywhere("auAU")]),
    dead(syms::dead_caron, &[anywhere("cdelnrstzCDELNRSTZ")]),
    dead(syms::dead_ogonek, &[anywhere("aeiuAEIU")]),
    dead(syms::dead_doubleacute, &[anywhere("ouOU")]),
    dead(syms::dead_abovedot, &[anywhere("zegZEG")]),
    dead(syms::dead_breve, &[anywhere("aguAGU")]),
    dead(syms::dead_macron, &[anywhere("aeiouAEIOU")]),
];

/// The characters that dead keys go by in the tables: noncharacters, which Unicode keeps for a program's own use.
pub(crate) const STAND_INS: RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// The character a dead key goes by.
pub(crate) fn stand_in(keysym: Keysym) -> Option<char> {
    let n = DEAD_KEYS.iter().position(|dead| dead.keysym == keysym)?;
    STAND_INS.clone().nth(n)
}

/// A character that a dead key and another key type together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Composition {
    /// What is typed.
    pub(crate) character: char,
    /// The dead key's stand-in.
    pub(crate) dead: char,
    /// What follows it.
    pub(crate) base: char,
    /// Only on layouts with a key for one of these letters; on all where none are named.
    pub(crate) among: &'static str,
}

/// What [`DEAD_KEYS`] type according to a Compose file, sorted by character.
pub(crate) fn compositions(table: &ComposeTable) -> Vec<Composition> {
    let mut found = Vec::new();
    for dead in &DEAD_KEYS {
        let stand_in = stand_in(dead.keysym).expect("a dead key of the list");
        for Follow { bases, among } in dead.follow {
            for base in bases.chars() {
                let character = compose(table, [dead.keysym, Keysym::from_char(base)])
                    .unwrap_or_else(|| panic!("the Compose file lacks {:?} {base}", dead.keysym));
                found.push(Composition { character, dead: stand_in, base, among });
            }
        }
    }
    found.sort();
    found
}

/// The one character that two keysyms compose.
fn compose(table: &ComposeTable, symbols: [Keysym; 2]) -> Option<char> {
    let mut state = table.create_state();
    table.feed(&mut state, symbols[0])?;
    let Some(FeedResult::Composed { string: Some(text), .. }) = table.feed(&mut state, symbols[1]) else {
        return None;
    };
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// Whether a keysym types something else than itself, or waits for what follows.
pub(crate) fn is_composed(table: &ComposeTable, symbol: Keysym) -> bool {
    table.feed(&mut table.create_state(), symbol).is_some()
}
