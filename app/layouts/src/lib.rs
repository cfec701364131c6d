//! Every keyboard layout of xkeyboard-config: which keys type which character.
//!
//! Made at build time from xkeyboard-config and libX11's Compose data; looking a character up allocates nothing.
//!
//! Architecture invariant: says what a layout can type, and no more. What to do about other characters is up to the
//! program.

mod closest;
mod tables;

use std::fmt;
use std::str::FromStr;

pub use closest::UnknownLayout;
use tables::{COMPOSITIONS, Composition, HELD, INDEX, LAYOUTS, PAGE, PAGES};

/// The version of xkeyboard-config the layouts are from.
#[must_use]
pub fn xkb_version() -> &'static str {
    tables::VERSION
}

/// A number that changes when anything in the tables does, for telling two builds apart (64-bit FNV-1a).
#[must_use]
pub fn fingerprint() -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = OFFSET_BASIS;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for layout in Layout::all() {
        add(layout.name().as_bytes());
        add(&[layout.has_caps_lock().into()]);
        for (c, entry) in layout.entries() {
            add(&u32::from(c).to_le_bytes());
            add(&entry.to_le_bytes());
        }
    }
    for Composition { character, dead, base, .. } in COMPOSITIONS {
        for c in [character, dead, base] {
            add(&u32::from(*c).to_le_bytes());
        }
    }
    hash
}

/// How Caps Lock acts on a key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapsLock {
    /// Not at all.
    Ignored,
    /// Like Shift: with Caps Lock on, the character comes with Shift where it has none, and without it where it has.
    Shifts,
    /// Otherwise: while Caps Lock is on, the key types another character, with Shift and without.
    Disturbs,
}

/// One key to press, and what to hold meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    /// Usage ID of the key (HID Usage Tables, page 0x07).
    pub usage: u8,
    /// Modifier byte of a boot report.
    pub modifiers: u8,
    /// Usage ID of a further key to hold, 0 for none. A few layouts use an ordinary key as a modifier.
    pub hold: u8,
    /// How Caps Lock acts on it.
    pub caps_lock: CapsLock,
}

impl KeyPress {
    /// Whether another key than Shift is to be held.
    #[must_use]
    pub const fn holds_more_than_shift(self) -> bool {
        const SHIFT: u8 = 0x22;
        self.modifiers & !SHIFT != 0 || self.hold != 0
    }

    /// From an entry of a page.
    fn unpacked(entry: u16) -> Option<Self> {
        let (usage, held) = ((entry & 0xff) as u8, usize::from(entry >> 8 & 0x3f));
        let caps_lock = match entry >> 14 {
            0 => CapsLock::Ignored,
            1 => CapsLock::Shifts,
            _ => CapsLock::Disturbs,
        };
        let (modifiers, hold) = *HELD.get(held)?;
        (usage != 0).then_some(Self { usage, modifiers, hold, caps_lock })
    }
}

/// A keyboard layout, or a variant of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layout(u16);

impl Layout {
    /// All of them, by name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..LAYOUTS.len() as u16).map(Self)
    }

    /// The layout of that name: `de`, or `us:dvorak` for a variant.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        LAYOUTS.binary_search_by(|row| row.name.cmp(name)).ok().map(|index| Self(index as u16))
    }

    /// Its name: the layout's in XKB, and after a colon the variant's.
    #[must_use]
    pub fn name(self) -> &'static str {
        LAYOUTS[usize::from(self.0)].name
    }

    /// What xkeyboard-config calls it.
    #[must_use]
    pub fn description(self) -> &'static str {
        LAYOUTS[usize::from(self.0)].description
    }

    /// Whether its Caps Lock key switches Caps Lock. On some layouts that key is a modifier or Tab.
    #[must_use]
    pub fn has_caps_lock(self) -> bool {
        LAYOUTS[usize::from(self.0)].has_caps_lock
    }

    /// The keys that type `c`, one after the other: none where the layout cannot, two where the first is a dead key.
    pub fn presses(self, c: char) -> impl Iterator<Item = KeyPress> + use<> {
        let own = self.press(c).filter(|_| !is_dead_key(c));
        let is_plain = |press: KeyPress| !press.holds_more_than_shift();
        // On AltGr, other hosts than XKB's may have something else (Windows, on `us:intl`), but not on a dead key.
        let composed = match own {
            Some(press) if is_plain(press) || !c.is_ascii() => None,
            Some(_) => self.composed(c).filter(|(dead, base)| is_plain(*dead) && is_plain(*base)),
            None => self.composed(c),
        };
        let (first, second) = composed.map_or((own, None), |(dead, base)| (Some(dead), Some(base)));
        first.into_iter().chain(second)
    }

    /// Whether some keys type `c`.
    #[must_use]
    pub fn types(self, c: char) -> bool {
        self.presses(c).next().is_some()
    }

    /// Every character it types, those with dead keys last.
    pub fn characters(self) -> impl Iterator<Item = char> {
        let direct = self.entries().map(|(c, _)| c).filter(|c| !is_dead_key(*c));
        let mut last = None;
        let composed = COMPOSITIONS.iter().map(|composition| composition.character).filter(move |c| {
            let again = last.replace(*c) == Some(*c);
            !again && self.press(*c).is_none() && self.composed(*c).is_some()
        });
        direct.chain(composed)
    }

    /// A dead key and what follows it.
    fn composed(self, c: char) -> Option<(KeyPress, KeyPress)> {
        let first = COMPOSITIONS.partition_point(|composition| composition.character < c);
        COMPOSITIONS[first..]
            .iter()
            .take_while(|composition| composition.character == c)
            .filter(|composition| composition.among.is_empty() || self.has_one_of(composition.among))
            .find_map(|composition| self.press(composition.dead).zip(self.press(composition.base)))
    }

    /// Whether a key of its own types one of these letters.
    fn has_one_of(self, letters: &str) -> bool {
        letters.chars().any(|c| self.press(c).is_some())
    }

    /// The press of a character's own key, or of a dead key by its stand-in.
    fn press(self, c: char) -> Option<KeyPress> {
        let (number, place) = (u32::from(c) / PAGE, u32::from(c) % PAGE);
        let index = self.index();
        let page = index.binary_search_by_key(&number, |(number, _)| u32::from(*number)).ok()?;
        KeyPress::unpacked(PAGES[usize::from(index[page].1)][place as usize])
    }

    /// Numbers and places of its pages.
    fn index(self) -> &'static [(u16, u16)] {
        let row = &LAYOUTS[usize::from(self.0)];
        &INDEX[row.first as usize..][..usize::from(row.pages)]
    }

    /// Every entry of its pages that has a key.
    fn entries(self) -> impl Iterator<Item = (char, u16)> {
        self.index().iter().flat_map(|(number, page)| {
            PAGES[usize::from(*page)].iter().enumerate().filter(|(_, entry)| **entry != 0).filter_map(
                move |(place, entry)| {
                    let c = char::from_u32(u32::from(*number) * PAGE + place as u32)?;
                    Some((c, *entry))
                },
            )
        })
    }
}

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(name: &str) -> Result<Self, UnknownLayout> {
        Self::named(name).ok_or_else(|| UnknownLayout::new(name))
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layout").field(&self.name()).finish()
    }
}

/// Whether this stands for a dead key: a noncharacter, which no text has.
fn is_dead_key(c: char) -> bool {
    ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The image has a megabyte for keymaps.
    #[test]
    fn the_tables_are_small() {
        const BYTES_MAX: usize = 1 << 20;
        let names: usize = Layout::all().map(|layout| layout.name().len() + layout.description().len()).sum();
        let tables =
            size_of_val(LAYOUTS) + size_of_val(INDEX) + size_of_val(PAGES) + size_of_val(COMPOSITIONS);
        eprintln!("keymaps take {} bytes", tables + names);
        assert!(tables + names < BYTES_MAX);
    }
}
