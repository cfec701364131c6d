//! Characters to key strokes: the US layout.
//!
//! A character that the layout does not have is folded to plain ones or transliterated; `?` stands for what
//! nothing is known for. None is dropped.

use std::str::Chars;

use oratype_hal::hid::usage;

/// What Caps Lock of the host does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapsLock {
    /// Nothing.
    Ignored,
    /// The same as Shift, and Shift undoes it.
    LikeShift,
}

/// One key to press, and the modifiers to hold meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// Usage ID of the key.
    pub usage: u8,
    /// Modifier byte of the boot report.
    pub modifiers: u8,
    /// How Caps Lock acts on it.
    pub caps: CapsLock,
    /// Every modifier goes up right after this stroke: it ends an entry by code.
    pub lift_after: bool,
}

impl Stroke {
    /// A key without modifiers that no lock acts on.
    pub const fn plain(usage: u8) -> Self {
        Self { usage, modifiers: 0, caps: CapsLock::Ignored, lift_after: false }
    }

    const fn shifted(usage: u8) -> Self {
        Self { modifiers: usage::LEFT_SHIFT, ..Self::plain(usage) }
    }
}

/// What to press for which character.
#[derive(Clone, Copy, Debug)]
pub struct Keymap(());

impl Keymap {
    /// The US layout.
    pub const US: Self = Self(());

    /// The strokes that type `c`, or what stands for it. At least one; nothing is allocated.
    pub fn strokes(&self, c: char) -> impl Iterator<Item = Stroke> + use<> {
        let (one, rest) = match stroke(c) {
            Some(stroke) => (Some(stroke), "".chars()),
            None => (None, stand_in(c)),
        };
        one.into_iter().chain(rest.filter_map(stroke))
    }

    /// How many characters the host shows for `c`, and so how many times Backspace takes it back. What stands for one
    /// character may be several.
    pub fn shown(&self, c: char) -> usize {
        // No dead keys and no entry by code: every stroke is a character.
        self.strokes(c).count()
    }
}

/// What is typed for a character that has no key.
fn stand_in(c: char) -> Chars<'static> {
    let text = match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' => "'",
        '\u{201c}' | '\u{201d}' | '\u{201e}' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
        '\u{2026}' => "...",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        _ => deunicode::deunicode_char(c).unwrap_or_default(),
    };
    if text.chars().any(|c| stroke(c).is_some()) { text.chars() } else { "?".chars() }
}

/// The one stroke of a character on a key cap of the US layout.
const fn stroke(c: char) -> Option<Stroke> {
    if !c.is_ascii() {
        return None;
    }
    let byte = c as u8;
    Some(match byte {
        b'a'..=b'z' => Stroke { caps: CapsLock::LikeShift, ..Stroke::plain(usage::A + (byte - b'a')) },
        b'A'..=b'Z' => Stroke { caps: CapsLock::LikeShift, ..Stroke::shifted(usage::A + (byte - b'A')) },
        b'1'..=b'9' => Stroke::plain(usage::DIGIT_1 + (byte - b'1')),
        b'0' => Stroke::plain(usage::DIGIT_0),
        b'\n' => Stroke::plain(usage::ENTER),
        b'\t' => Stroke::plain(usage::TAB),
        b' ' => Stroke::plain(usage::SPACE),
        b'-' => Stroke::plain(usage::MINUS),
        b'=' => Stroke::plain(usage::EQUAL),
        b'[' => Stroke::plain(usage::LEFT_BRACKET),
        b']' => Stroke::plain(usage::RIGHT_BRACKET),
        b'\\' => Stroke::plain(usage::BACKSLASH),
        b';' => Stroke::plain(usage::SEMICOLON),
        b'\'' => Stroke::plain(usage::APOSTROPHE),
        b'`' => Stroke::plain(usage::GRAVE),
        b',' => Stroke::plain(usage::COMMA),
        b'.' => Stroke::plain(usage::PERIOD),
        b'/' => Stroke::plain(usage::SLASH),
        b'_' => Stroke::shifted(usage::MINUS),
        b'+' => Stroke::shifted(usage::EQUAL),
        b'{' => Stroke::shifted(usage::LEFT_BRACKET),
        b'}' => Stroke::shifted(usage::RIGHT_BRACKET),
        b'|' => Stroke::shifted(usage::BACKSLASH),
        b':' => Stroke::shifted(usage::SEMICOLON),
        b'"' => Stroke::shifted(usage::APOSTROPHE),
        b'~' => Stroke::shifted(usage::GRAVE),
        b'<' => Stroke::shifted(usage::COMMA),
        b'>' => Stroke::shifted(usage::PERIOD),
        b'?' => Stroke::shifted(usage::SLASH),
        b'!' => Stroke::shifted(usage::DIGIT_1),
        b'@' => Stroke::shifted(usage::DIGIT_1 + 1),
        b'#' => Stroke::shifted(usage::DIGIT_1 + 2),
        b'$' => Stroke::shifted(usage::DIGIT_1 + 3),
        b'%' => Stroke::shifted(usage::DIGIT_1 + 4),
        b'^' => Stroke::shifted(usage::DIGIT_1 + 5),
        b'&' => Stroke::shifted(usage::DIGIT_1 + 6),
        b'*' => Stroke::shifted(usage::DIGIT_1 + 7),
        b'(' => Stroke::shifted(usage::DIGIT_1 + 8),
        b')' => Stroke::shifted(usage::DIGIT_0),
        _ => return None,
    })
}
