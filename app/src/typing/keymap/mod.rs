//! Characters to key strokes: the host's layout, its Unicode entry, and what stands for the rest.
//!
//! | a character | is typed |
//! |---|---|
//! | typographic quotes, dashes, ellipses, spaces | as the plain one, unless the settings say otherwise |
//! | of the layout | by its keys, a dead key before its letter |
//! | made of characters of the layout | as these, one after the other (Vietnamese: letter and accent) |
//! | any other | by the host's Unicode entry where the settings name one |
//! | without one | transliterated, if the layout has what comes out |
//! | without a transliteration, and control characters | as `?`, or what the layout has instead |
//!
//! Enter is a key of every layout, Tab of nearly every one; every line end is Enter. Architecture invariant: at least
//! one stroke for every character.

mod entry;
mod plain;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use heapless::Vec;
use oratype_hal::hid::usage;
pub use oratype_layouts::CapsLock;
use oratype_layouts::{KeyPress, Layout};
use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

pub(super) use entry::Code;
pub use entry::UnicodeEntry;

use crate::settings::Typing;

/// The layout where nothing else is known.
const DEFAULT_LAYOUT: &str = "us";

/// Strokes of one character at most: a surrogate pair in hex has 8 (macOS), a code point in hex 8 (Linux).
const STROKES_MAX: usize = 8;

/// Characters a canonical decomposition has at most (UAX #15).
const DECOMPOSED_MAX: usize = 4;

/// What is typed for a character that nothing else stands for: the first of these that the layout has.
const REPLACEMENTS: [char; 5] = ['?', '\u{61f}', '.', '-', ' '];

/// One key to press, and what to hold meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// Usage ID of the key.
    pub usage: u8,
    /// Modifier byte of the boot report.
    pub modifiers: u8,
    /// Usage ID of a further key that is down before this one and up after it; [`usage::NONE`] for none. Layouts such
    /// as "de:neo" use an ordinary key as a modifier.
    pub hold: u8,
    /// How Caps Lock acts on this key.
    pub caps: CapsLock,
    /// Every modifier goes up right after this stroke: that ends an entry of a code.
    pub lift_after: bool,
}

impl Stroke {
    /// A key without modifiers that no lock acts on.
    #[must_use]
    pub const fn plain(usage: u8) -> Self {
        Self { usage, modifiers: 0, hold: usage::NONE, caps: CapsLock::Ignored, lift_after: false }
    }

    /// Whether it is a key of the keypad, which is typed only with Num Lock on.
    #[must_use]
    pub fn needs_num_lock(self) -> bool {
        entry::is_of_keypad(self.usage)
    }
}

impl From<KeyPress> for Stroke {
    fn from(press: KeyPress) -> Self {
        let KeyPress { usage, modifiers, hold, caps_lock } = press;
        Self { usage, modifiers, hold, caps: caps_lock, lift_after: false }
    }
}

type Strokes = Vec<Stroke, STROKES_MAX>;

/// How text becomes key strokes on one host. Cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keymap {
    layout: Layout,
    entry: UnicodeEntry,
    plain: bool,
}

impl Default for Keymap {
    /// The US layout, no Unicode entry, typographic characters as plain ones.
    fn default() -> Self {
        Self::new(us(), UnicodeEntry::None, true)
    }
}

fn us() -> Layout {
    Layout::named(DEFAULT_LAYOUT).unwrap_or_else(|| unreachable!("xkeyboard-config has a US layout"))
}

impl Keymap {
    /// For a host with that layout and that way to enter Unicode. With `plain`, typographic quotes, dashes, ellipses and
    /// spaces are typed as plain ones.
    ///
    /// On macOS, Unicode Hex Input is a layout itself, with the keys of the US layout: `layout` does not count then.
    #[must_use]
    pub fn new(layout: Layout, entry: UnicodeEntry, plain: bool) -> Self {
        let layout = if entry == UnicodeEntry::Macos { us() } else { layout };
        Self { layout, entry, plain }
    }

    /// As the settings say. An unknown layout was reported when they were read; the US layout serves instead.
    #[must_use]
    pub fn from_settings(settings: &Typing) -> Self {
        let layout = Layout::named(&settings.layout).unwrap_or_else(us);
        Self::new(
            layout,
            UnicodeEntry::named(&settings.unicode).unwrap_or_default(),
            settings.plain_punctuation,
        )
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How the host takes characters that the layout lacks.
    pub(super) fn entry(&self) -> UnicodeEntry {
        self.entry
    }

    /// The text as its characters are to be typed: composed (NFC), each line end `\n`. What only changes the look of the
    /// character before it and cannot be typed is left out: accents that compose with nothing, variation selectors,
    /// joiners of emoji. Prepared once more, it stays as it is.
    #[must_use]
    pub fn prepare<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let composed = is_nfc_quick(text.chars()) == IsNormalized::Yes;
        if composed && !text.contains(|c| plain::line_end(c).is_some() || changes_look(c)) {
            return text.into();
        }
        let mut prepared = String::with_capacity(text.len());
        let mut characters = text.nfc().peekable();
        while let Some(c) = characters.next() {
            let line_end = c == '\r' && characters.peek() == Some(&'\n');
            let follows = prepared.ends_with(|before: char| !before.is_control());
            let bare = changes_look(c) && follows && !self.has(c) && !self.entry.enters(c, self.layout);
            if !line_end && !bare {
                prepared.push(plain::line_end(c).unwrap_or(c));
            }
        }
        // Without what was left out, others may compose.
        if is_nfc_quick(prepared.chars()) == IsNormalized::Yes {
            prepared.into()
        } else {
            prepared.nfc().collect()
        }
    }

    /// The characters that appear on the host for `c`: itself, or what stands for it. At least one. As many as it
    /// takes backspaces to undo it.
    pub fn typed(&self, c: char) -> impl Iterator<Item = char> + use<> {
        let (own, text) = self.resolve(c);
        own.into_iter().chain(text.chars())
    }

    /// The strokes that type `c`, or what stands for it. At least one; nothing is allocated.
    pub fn strokes(&self, c: char) -> impl Iterator<Item = Stroke> + use<> {
        let keymap = *self;
        self.typed(c).flat_map(move |c| keymap.keys(c))
    }

    /// What appears for `c`: some characters, and then a text.
    fn resolve(&self, c: char) -> (Vec<char, DECOMPOSED_MAX>, &'static str) {
        let itself = |c| (Vec::from_iter([c]), "");
        let c = plain::line_end(c).unwrap_or(c);
        let plain = plain::plain(c).filter(|text| self.has_all(text));
        if let Some(text) = plain.filter(|_| self.plain) {
            return (Vec::new(), text);
        }
        if self.has(c) {
            return itself(c);
        }
        if let Some(parts) = self.parts(c) {
            return (parts, "");
        }
        if self.entry.enters(c, self.layout) {
            return itself(c);
        }
        let transliterated =
            deunicode::deunicode_char(c).filter(|text| !c.is_control() && self.has_all(text));
        match plain.or(transliterated) {
            Some(text) => (Vec::new(), text),
            None => itself(REPLACEMENTS.into_iter().find(|c| self.has(*c)).unwrap_or(' ')),
        }
    }

    /// Characters of the layout that are canonically the same as `c`: as much of it as the layout has, then accents.
    fn parts(&self, c: char) -> Option<Vec<char, DECOMPOSED_MAX>> {
        let mut parts: Vec<char, DECOMPOSED_MAX> = Vec::new();
        decompose_canonical(c, |part| {
            let base = parts.first_mut();
            let composed = base.as_deref().and_then(|base| compose(*base, part)).filter(|c| self.has(*c));
            match base.zip(composed) {
                Some((base, composed)) => *base = composed,
                // Never full: see `DECOMPOSED_MAX`.
                None => drop(parts.push(part)),
            }
        });
        let typed = parts.len() > 1 && parts.iter().all(|part| self.has(*part));
        (typed && parts.iter().copied().nfc().eq([c])).then_some(parts)
    }

    /// Whether keys of the layout type `c`.
    fn has(&self, c: char) -> bool {
        self.layout.types(c)
    }

    /// Whether keys of the layout type all of `text`, and it is not empty.
    fn has_all(&self, text: &str) -> bool {
        !text.is_empty() && text.chars().all(|c| self.has(c))
    }

    /// The strokes of one character that appears.
    fn keys(&self, c: char) -> Strokes {
        let presses = || self.layout.presses(c);
        let mut strokes: Strokes = presses().map(Stroke::from).collect();
        // XKB has more on AltGr than Windows, which may have something else there.
        let is_doubtful =
            self.entry.is_of_windows() && !c.is_ascii() && presses().any(KeyPress::holds_more_than_shift);
        if strokes.is_empty() || is_doubtful {
            strokes = self.entry.strokes(c, self.layout).unwrap_or(strokes);
        }
        if strokes.is_empty() {
            // The key that every layout has.
            strokes.extend([Stroke::plain(usage::SPACE)]);
        }
        strokes
    }
}

/// Where the last character of a text begins that what comes later may still change: by an accent, a joiner, a
/// variation selector. At the end if that is none of it.
#[must_use]
pub fn open_end(text: &str) -> usize {
    let is_whole = |c: char| !changes_look(c) && is_nfc_quick([c].into_iter()) == IsNormalized::Yes;
    match text.char_indices().rfind(|(_, c)| is_whole(*c)) {
        Some((at, c)) if !c.is_control() => at,
        Some((at, c)) => at + c.len_utf8(),
        None => 0,
    }
}

/// Whether `c` has no place of its own, but changes how the character before it looks.
fn changes_look(c: char) -> bool {
    const ZERO_WIDTH_JOINER: char = '\u{200d}';
    const VARIATION_SELECTORS: [std::ops::RangeInclusive<char>; 2] =
        ['\u{fe00}'..='\u{fe0f}', '\u{e0100}'..='\u{e01ef}'];
    c == ZERO_WIDTH_JOINER
        || VARIATION_SELECTORS.iter().any(|range| range.contains(&c))
        || canonical_combining_class(c) != 0
}
