//! Usage IDs of the keyboard page and modifier bits (HID Usage Tables 1.5, section 10, page 0x07).
//!
//! Only the ones Oratype names. The letters follow [`A`] in their order, the digits [`DIGIT_1`] up to 9.

/// No key.
pub const NONE: u8 = 0x00;
/// In every slot: more keys are down than the report can say.
pub const ERROR_ROLL_OVER: u8 = 0x01;
/// `a` and `A`.
pub const A: u8 = 0x04;
/// `1` and `!` in the main row.
pub const DIGIT_1: u8 = 0x1e;
/// `0` and `)` in the main row, right of 9.
pub const DIGIT_0: u8 = 0x27;
/// Return.
pub const ENTER: u8 = 0x28;
/// Backspace.
pub const BACKSPACE: u8 = 0x2a;
/// Tab.
pub const TAB: u8 = 0x2b;
/// Space bar.
pub const SPACE: u8 = 0x2c;
/// `-` and `_`.
pub const MINUS: u8 = 0x2d;
/// `=` and `+`.
pub const EQUAL: u8 = 0x2e;
/// `[` and `{`.
pub const LEFT_BRACKET: u8 = 0x2f;
/// `]` and `}`.
pub const RIGHT_BRACKET: u8 = 0x30;
/// `\` and `|`.
pub const BACKSLASH: u8 = 0x31;
/// `;` and `:`.
pub const SEMICOLON: u8 = 0x33;
/// `'` and `"`.
pub const APOSTROPHE: u8 = 0x34;
/// Grave accent and `~`.
pub const GRAVE: u8 = 0x35;
/// `,` and `<`.
pub const COMMA: u8 = 0x36;
/// `.` and `>`.
pub const PERIOD: u8 = 0x37;
/// `/` and `?`.
pub const SLASH: u8 = 0x38;
/// Caps Lock.
pub const CAPS_LOCK: u8 = 0x39;
/// Num Lock.
pub const NUM_LOCK: u8 = 0x53;
/// `/` of the keypad; `*`, `-`, `+`, Enter, the digits 1 to 9, 0 and `.` follow.
pub const KEYPAD_SLASH: u8 = 0x54;
/// `1` of the keypad.
pub const KEYPAD_1: u8 = 0x59;
/// `0` of the keypad, after 9.
pub const KEYPAD_0: u8 = 0x62;

/// Left Ctrl, in the modifier byte.
pub const LEFT_CTRL: u8 = 1 << 0;
/// Left Shift, in the modifier byte.
pub const LEFT_SHIFT: u8 = 1 << 1;
/// Left Alt, Option on a Mac, in the modifier byte.
pub const LEFT_ALT: u8 = 1 << 2;
/// Right Shift, in the modifier byte.
pub const RIGHT_SHIFT: u8 = 1 << 5;
