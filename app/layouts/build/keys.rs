//! The keys that type: which HID usage is which of the kernel's key codes.
//!
//! Left: HID Usage Tables 1.5, section 10, page 0x07. Right: `KEY_…` of linux/input-event-codes.h, assigned by
//! `hid_keyboard` in drivers/hid/hid-input.c; XKB's key codes are these plus 8. The keypad is left out but for
//! its Enter: what it types depends on Num Lock.

/// A key that every keyboard has.
pub(crate) const ANSI: &[(u8, u16)] = &[
    // a to z
    (0x04, 30),
    (0x05, 48),
    (0x06, 46),
    (0x07, 32),
    (0x08, 18),
    (0x09, 33),
    (0x0a, 34),
    (0x0b, 35),
    (0x0c, 23),
    (0x0d, 36),
    (0x0e, 37),
    (0x0f, 38),
    (0x10, 50),
    (0x11, 49),
    (0x12, 24),
    (0x13, 25),
    (0x14, 16),
    (0x15, 19),
    (0x16, 31),
    (0x17, 20),
    (0x18, 22),
    (0x19, 47),
    (0x1a, 17),
    (0x1b, 45),
    (0x1c, 21),
    (0x1d, 44),
    // 1 to 9, 0
    (0x1e, 2),
    (0x1f, 3),
    (0x20, 4),
    (0x21, 5),
    (0x22, 6),
    (0x23, 7),
    (0x24, 8),
    (0x25, 9),
    (0x26, 10),
    (0x27, 11),
    // space, minus, equal, brackets
    (0x2c, 57),
    (0x2d, 12),
    (0x2e, 13),
    (0x2f, 26),
    (0x30, 27),
    // Backslash. Its twin 0x32, beside Enter on ISO keyboards, has the same key code and the same scan code on
    // Windows, so that one of them is enough.
    (0x31, 43),
    // semicolon, apostrophe, grave, comma, period, slash
    (0x33, 39),
    (0x34, 40),
    (0x35, 41),
    (0x36, 51),
    (0x37, 52),
    (0x38, 53),
];

/// The key between left Shift and Z of ISO keyboards.
pub(crate) const ISO: &[(u8, u16)] = &[(0x64, 86)];

/// Keys of Japanese, Brazilian and Korean keyboards: Ro, Yen, Katakana Hiragana, Henkan, Muhenkan, keypad comma,
/// Hangul, Hanja.
pub(crate) const REGIONAL: &[(u8, u16)] =
    &[(0x87, 89), (0x89, 124), (0x88, 93), (0x8a, 92), (0x8b, 94), (0x85, 121), (0x90, 122), (0x91, 123)];

/// Enter, Tab and the keypad's Enter, for the layouts whose Enter is something else.
pub(crate) const CONTROL: &[(u8, u16)] = &[(0x28, 28), (0x2b, 15), (0x58, 96)];

/// The key codes of the bits of the modifier byte: left Ctrl, Shift, Alt, GUI, then the right ones.
pub(crate) const MODIFIERS: [u16; 8] = [29, 42, 56, 125, 97, 54, 100, 126];

/// Bit of left Shift in the modifier byte.
pub(crate) const SHIFT: u8 = 1 << 1;
/// Bit of left Alt.
pub(crate) const LEFT_ALT: u8 = 1 << 2;
/// Bit of right Ctrl.
pub(crate) const RIGHT_CTRL: u8 = 1 << 4;
/// Bit of right Alt, which is AltGr.
pub(crate) const ALT_GR: u8 = 1 << 6;

/// Caps Lock, as a key to hold, or of its own where a layout has moved Tab there.
pub(crate) const CAPS_LOCK: (u8, u16) = (0x39, 58);
/// Backslash, as a key to hold.
pub(crate) const BACKSLASH: (u8, u16) = (0x31, 43);
/// The key of [`ISO`], as a key to hold.
pub(crate) const LESS: (u8, u16) = (0x64, 86);
