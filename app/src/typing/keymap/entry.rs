//! Entering a character by its code: what Linux, Windows and macOS have for characters of no key.
//!
//! | method | host | what it needs |
//! |---|---|---|
//! | `linux` | Ctrl+Shift+U, the code in hex, then Space | a program with GTK or IBus |
//! | `windows` | Alt and 0 and the decimal code on the keypad | nothing; reaches what Windows-1252 has |
//! | `windows-hex` | Alt and + and the code in hex | `EnableHexNumpad` in the registry; reaches U+FFFF |
//! | `macos` | Option and the hex code, a surrogate pair above U+FFFF | the input source Unicode Hex Input |

use heapless::Vec;
use oratype_hal::hid::usage;
use oratype_hal::hid::usage::LEFT_ALT;
use oratype_layouts::{CapsLock, KeyPress, Layout};

use super::{STROKES_MAX, Stroke, Strokes};

/// `+` of the keypad (HID Usage Tables, page 0x07).
const KEYPAD_PLUS: u8 = 0x57;

/// What Windows-1252 has from 0x80 to 0x9f; the five it leaves undefined are U+FFFD. From 0xa0 on it is Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}',
    '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
];

/// How a host takes a character by its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnicodeEntry {
    /// Not at all.
    #[default]
    None,
    /// Ctrl+Shift+U of GTK and IBus.
    Linux,
    /// Alt and a decimal code of Windows-1252.
    Windows,
    /// Alt and a hex code, where the registry allows it.
    WindowsHex,
    /// Option and a hex code, with Unicode Hex Input.
    Macos,
}

impl UnicodeEntry {
    /// Their names in the settings.
    pub const NAMES: &[&str] = &["none", "linux", "windows", "windows-hex", "macos"];

    /// The method of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        const METHODS: [UnicodeEntry; 5] = [
            UnicodeEntry::None,
            UnicodeEntry::Linux,
            UnicodeEntry::Windows,
            UnicodeEntry::WindowsHex,
            UnicodeEntry::Macos,
        ];
        let index = Self::NAMES.iter().position(|known| *known == name)?;
        METHODS.get(index).copied()
    }

    /// Whether the host is Windows.
    pub(super) const fn is_of_windows(self) -> bool {
        matches!(self, Self::Windows | Self::WindowsHex)
    }

    /// Whether it reaches `c` on that layout.
    pub(super) fn enters(self, c: char, layout: Layout) -> bool {
        self.strokes(c, layout).is_some()
    }

    /// The strokes that enter `c`. None for control characters, which a host may obey, and for noncharacters.
    pub(super) fn strokes(self, c: char, layout: Layout) -> Option<Strokes> {
        let code = u32::from(c);
        if c.is_control() || code & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c) {
            return None;
        }
        match self {
            Self::None => None,
            Self::Linux => linux(code, layout),
            Self::Windows => windows(c),
            Self::WindowsHex => windows_hex(code, layout),
            Self::Macos => Some(macos(c)),
        }
    }
}

/// Whether it is a key of the keypad that entries are made of. The `+` counts too: once an entry has begun it is too late
/// to switch Num Lock.
pub(super) fn is_of_keypad(usage: u8) -> bool {
    usage == KEYPAD_PLUS || (usage::KEYPAD_1..=usage::KEYPAD_0).contains(&usage)
}

/// The hex digits of a code, at least `len_min`, the highest first.
fn hex_digits(code: u32, len_min: u32) -> impl Iterator<Item = u8> {
    let len = (u32::BITS - code.leading_zeros()).div_ceil(4).max(len_min);
    (0..len).rev().map(move |place| (code >> (4 * place) & 0xf) as u8)
}

/// Ctrl+Shift+U and the digits by the layout's own keys: GTK and IBus look at what the keys type.
///
/// They take a Shift that comes up for the end of the code. Where digits need no Shift, the code ends with a space, which
/// harms nothing in a program that knows no such entry. Where they do (French), Shift stays down from the U to the
/// last digit, and its release is the end. Caps Lock must be off, because it makes a small u of the U.
fn linux(code: u32, layout: Layout) -> Option<Strokes> {
    let key = |c: char, modifiers: u8| {
        let mut presses = layout.presses(c);
        let only = presses.next().filter(|_| presses.next().is_none())?;
        let KeyPress { usage, hold, .. } = only;
        (only.modifiers == modifiers && hold == usage::NONE).then_some(Stroke {
            usage,
            modifiers,
            hold,
            caps: CapsLock::Disturbs,
            lift_after: false,
        })
    };
    let all = |digits: &[u8; 16], modifiers| {
        hex_digits(code, 1)
            .map(|digit| key(digits[usize::from(digit)].into(), modifiers))
            .collect::<Option<Strokes>>()
    };
    let start = key('U', usage::LEFT_SHIFT)?;
    let start = Stroke { modifiers: usage::LEFT_CTRL | usage::LEFT_SHIFT, ..start };
    let mut strokes = Strokes::new();
    if let Some(digits) = all(b"0123456789abcdef", 0) {
        strokes.push(Stroke { lift_after: true, ..start }).ok()?;
        strokes.extend_from_slice(&digits).ok()?;
        strokes.push(key(' ', 0)?).ok()?;
    } else {
        strokes.push(start).ok()?;
        strokes.extend_from_slice(&all(b"0123456789ABCDEF", usage::LEFT_SHIFT)?).ok()?;
        strokes.last_mut()?.lift_after = true;
    }
    Some(strokes)
}

/// The key of the keypad for a digit from 0 to 9.
fn keypad(digit: u8) -> u8 {
    if digit == 0 { usage::KEYPAD_0 } else { usage::KEYPAD_1 + digit - 1 }
}

/// These keys with Alt down, which comes up after the last.
fn with_alt(keys: impl Iterator<Item = u8>) -> Strokes {
    let mut strokes: Strokes =
        keys.map(|usage| Stroke { modifiers: LEFT_ALT, ..Stroke::plain(usage) }).collect();
    if let Some(last) = strokes.last_mut() {
        last.lift_after = true;
    }
    strokes
}

/// Alt and 0 and three decimal digits.
fn windows(c: char) -> Option<Strokes> {
    let code = match u32::from(c) {
        code @ (0x20..=0x7e | 0xa0..=0xff) => code as u8,
        _ => 0x80 + WINDOWS_1252.iter().position(|known| *known == c && c != '\u{fffd}')? as u8,
    };
    Some(with_alt([0, code / 100, code / 10 % 10, code % 10].into_iter().map(keypad)))
}

/// Alt and + and hex digits: 0 to 9 on the keypad, A to F where the layout has its letters. Windows goes by virtual key
/// codes, and a layout without Latin letters has those of the US layout.
fn windows_hex(code: u32, layout: Layout) -> Option<Strokes> {
    if code > 0xffff {
        return None;
    }
    let digits = hex_digits(code, 4).map(|digit| windows_digit(digit, layout));
    Some(with_alt([KEYPAD_PLUS].into_iter().chain(digits)))
}

/// The key for a hex digit under Alt on Windows.
fn windows_digit(digit: u8, layout: Layout) -> u8 {
    const LETTERS: &[u8; 6] = b"abcdef";
    let Some(n) = digit.checked_sub(10) else { return keypad(digit) };
    match layout.presses(LETTERS[usize::from(n)].into()).next() {
        Some(KeyPress { usage, modifiers: 0, hold: usage::NONE, .. }) => usage,
        _ => usage::A + n,
    }
}

/// Option and four hex digits for each UTF-16 unit, where the US layout has them.
fn macos(c: char) -> Strokes {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    let digits = units.iter().flat_map(|unit| hex_digits(u32::from(*unit), 4));
    with_alt(digits.map(us_digit))
}

/// The key for a hex digit on the US layout.
fn us_digit(digit: u8) -> u8 {
    match digit {
        0 => usage::DIGIT_0,
        1..=9 => usage::DIGIT_1 + digit - 1,
        _ => usage::A + digit - 10,
    }
}

/// A code that is being entered on a host: the digits so far.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Code {
    digits: Vec<u8, STROKES_MAX>,
    /// Something came that is no digit, or too much.
    is_wrong: bool,
}

/// In the place of a digit: the `+` that comes before those of Windows.
const PLUS: u8 = 16;

impl Code {
    /// Nothing was entered yet.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.digits.is_empty() && !self.is_wrong
    }

    /// A key was pressed, which types `c` by itself.
    pub(in super::super) fn push(&mut self, method: UnicodeEntry, key: u8, c: Option<char>, layout: Layout) {
        let digit = match method {
            UnicodeEntry::None => None,
            UnicodeEntry::Linux => c.and_then(|c| c.to_digit(16)).map(|digit| digit as u8),
            UnicodeEntry::Windows | UnicodeEntry::WindowsHex if key == KEYPAD_PLUS => Some(PLUS),
            UnicodeEntry::Windows => (0..10).find(|digit| keypad(*digit) == key),
            UnicodeEntry::WindowsHex => (0..16).find(|digit| windows_digit(*digit, layout) == key),
            UnicodeEntry::Macos => (0..16).find(|digit| us_digit(*digit) == key),
        };
        self.is_wrong |= digit.is_none_or(|digit| self.digits.push(digit).is_err());
    }

    /// The character it stands for.
    pub(in super::super) fn character(&self, method: UnicodeEntry) -> Option<char> {
        let number =
            |digits: &[u8], base| digits.iter().fold(0, |code, digit| code * base + u32::from(*digit));
        match (method, &self.digits[..]) {
            _ if self.is_wrong => None,
            (UnicodeEntry::Linux, digits) => char::from_u32(number(digits, 16)),
            (UnicodeEntry::Windows, [0, digits @ ..]) => match u8::try_from(number(digits, 10)).ok()? {
                code @ 0x80..=0x9f => Some(WINDOWS_1252[usize::from(code - 0x80)]),
                code => Some(code.into()),
            },
            (UnicodeEntry::WindowsHex, [PLUS, digits @ ..]) => char::from_u32(number(digits, 16)),
            (UnicodeEntry::Macos, digits) => {
                let units = digits.chunks(4).map(|unit| number(unit, 16) as u16);
                char::decode_utf16(units).next()?.ok()
            }
            _ => None,
        }
    }
}
