//! A host that reads keys as a Linux desktop does: libxkbcommon and libX11's Compose data, neither of which made the
//! keymaps; and the Unicode entry of GTK and IBus, Windows and macOS.

use std::path::PathBuf;

use oratype::typing::UnicodeEntry;
use oratype_layouts::Layout;
use xkbcommon::xkb;
use xkbcommon::xkb::compose;
use xkbcommon::xkb::keysyms;

/// Where a key press went wrong: it was a shortcut, or composed with nothing.
pub(crate) const WRONG: char = '\u{fffd}';

/// Key codes of the modifiers: left Ctrl, Shift, Alt, GUI, then the right ones.
const MODIFIER_CODES: [u8; 8] = [29, 42, 56, 125, 97, 54, 100, 126];
const LEFT_ALT: u8 = 56;

/// What XKB adds to the kernel's key codes.
const XKB_OFFSET: u32 = 8;

/// Windows-1252 from 0x80 to 0x9f, `·` where it has nothing.
const WINDOWS_1252: &str = "€·‚ƒ„…†‡ˆ‰Š‹Œ·Ž··‘’“”•–—˜™š›œ·žŸ";

/// The data the keymaps were made from, as libxkbcommon reads it.
pub(crate) struct Data {
    context: xkb::Context,
    compose: compose::Table,
}

impl Data {
    /// From where the build took it.
    pub(crate) fn load() -> Self {
        let root =
            PathBuf::from(std::env::var_os("ORATYPE_X11_DATA").unwrap_or_else(|| "/usr/share/X11".into()));
        let flags = xkb::CONTEXT_NO_DEFAULT_INCLUDES | xkb::CONTEXT_NO_ENVIRONMENT_NAMES;
        let mut context = xkb::Context::new(flags);
        // It has much to say about slips in xkeyboard-config.
        context.set_log_level(xkb::LogLevel::Critical);
        assert!(context.include_path_append(&root.join("xkb")));
        let path = root.join("locale/en_US.UTF-8/Compose");
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let compose = compose::Table::new_from_buffer(
            &context,
            text,
            "en_US.UTF-8",
            compose::FORMAT_TEXT_V1,
            compose::COMPILE_NO_FLAGS,
        );
        Self { context, compose: compose.expect("a Compose file") }
    }

    /// What a desktop is set to with that layout.
    pub(crate) fn keymap(&self, layout: Layout) -> xkb::Keymap {
        let (name, variant) = layout.name().split_once(':').unwrap_or((layout.name(), ""));
        let flags = xkb::KEYMAP_COMPILE_NO_FLAGS;
        xkb::Keymap::new_from_names(&self.context, "evdev", "pc105", name, variant, None, flags)
            .unwrap_or_else(|| panic!("libxkbcommon does not know {}", layout.name()))
    }
}

/// A Unicode entry that goes on.
enum Entry {
    None,
    /// GTK and IBus: the digits, and whether Ctrl or Shift came up before the first.
    Linux {
        digits: String,
        dropped: bool,
    },
    /// Windows: the digits, with a + before them for hex.
    Alt(String),
}

/// One host, set to one layout.
pub(crate) struct Host {
    state: xkb::State,
    compose: compose::State,
    method: UnicodeEntry,
    entry: Entry,
    /// Modifiers that are down, as bits of the modifier byte.
    held: u8,
    text: String,
}

impl Host {
    /// With that keymap and that way to enter Unicode, Caps Lock on or off.
    pub(crate) fn new(data: &Data, keymap: &xkb::Keymap, method: UnicodeEntry, caps_lock: bool) -> Self {
        let mut state = xkb::State::new(keymap);
        if caps_lock {
            let lock = keymap.mod_get_index(xkb::MOD_NAME_CAPS);
            state.update_mask(0, 0, 1 << lock, 0, 0, 0);
        }
        let compose = compose::State::new(&data.compose, compose::STATE_NO_FLAGS);
        Self { state, compose, method, entry: Entry::None, held: 0, text: String::new() }
    }

    /// Takes a key, by the kernel's code for it.
    pub(crate) fn key(&mut self, code: u8, down: bool) {
        let bit = MODIFIER_CODES.iter().position(|modifier| *modifier == code).map_or(0, |bit| 1 << bit);
        if down {
            self.held |= bit;
            self.press(code);
        } else {
            self.held &= !bit;
            self.release(code);
        }
    }

    /// What was typed since the last call.
    pub(crate) fn typed(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Whether Caps Lock and Num Lock are on.
    pub(crate) fn locks(&self) -> (bool, bool) {
        (self.is_down(xkb::MOD_NAME_CAPS), self.is_down(xkb::MOD_NAME_NUM))
    }

    fn is_down(&self, name: &str) -> bool {
        self.state.mod_name_is_active(name, xkb::STATE_MODS_EFFECTIVE)
    }

    fn press(&mut self, code: u8) {
        let key = xkb::Keycode::new(u32::from(code) + XKB_OFFSET);
        let symbol = self.state.key_get_one_sym(key);
        // Under Alt, Windows and macOS look at the key alone.
        let is_modifier = MODIFIER_CODES.contains(&code) || symbol.is_modifier_key() && !self.is_alt_alone();
        if !is_modifier {
            if self.enter(code, symbol) {
                return;
            }
            let shortcut = [xkb::MOD_NAME_CTRL, xkb::MOD_NAME_ALT, xkb::MOD_NAME_LOGO];
            if shortcut.iter().any(|name| self.is_down(name)) {
                self.text.push(WRONG);
            } else {
                self.compose(key, symbol);
            }
        }
        self.state.update_key(key, xkb::KeyDirection::Down);
    }

    fn release(&mut self, code: u8) {
        let key = xkb::Keycode::new(u32::from(code) + XKB_OFFSET);
        let is_ctrl_or_shift = [29, 97, 42, 54].contains(&code);
        match &mut self.entry {
            Entry::Linux { digits, dropped } if is_ctrl_or_shift && digits.is_empty() => *dropped = true,
            Entry::Linux { .. } if is_ctrl_or_shift => self.commit(),
            Entry::Alt(_) if code == LEFT_ALT => self.commit(),
            _ => {}
        }
        self.state.update_key(key, xkb::KeyDirection::Up);
    }

    fn compose(&mut self, key: xkb::Keycode, symbol: xkb::Keysym) {
        self.compose.feed(symbol);
        match self.compose.status() {
            compose::Status::Nothing => match symbol.raw() {
                keysyms::KEY_Return | keysyms::KEY_KP_Enter => self.text.push('\n'),
                _ => self.text.push_str(&self.state.key_get_utf8(key)),
            },
            compose::Status::Composing => {}
            compose::Status::Composed => {
                self.text.push_str(&self.compose.utf8().unwrap_or_default());
                self.compose.reset();
            }
            compose::Status::Cancelled => {
                self.text.push(WRONG);
                self.compose.reset();
            }
        }
    }

    /// Whether the key belongs to a Unicode entry.
    fn enter(&mut self, code: u8, symbol: xkb::Keysym) -> bool {
        match self.method {
            UnicodeEntry::None => false,
            UnicodeEntry::Linux => self.enter_linux(symbol),
            // Alt with another meaning is none of Alt.
            _ if !self.is_alt_alone() => false,
            UnicodeEntry::Windows | UnicodeEntry::WindowsHex => {
                // Windows looks at the key alone, not at what Alt makes of it.
                let key = xkb::Keycode::new(u32::from(code) + XKB_OFFSET);
                let keymap = self.state.get_keymap();
                let plain =
                    keymap.key_get_syms_by_level(key, 0, 0).first().and_then(|symbol| symbol.key_char());
                let letter = plain.filter(char::is_ascii_hexdigit).or(us_digit(code));
                let digit = keypad_digit(code).or(letter.filter(char::is_ascii_alphabetic));
                self.add_digit(digit)
            }
            UnicodeEntry::Macos => self.add_digit(us_digit(code)),
        }
    }

    fn is_alt_alone(&self) -> bool {
        self.held == 1 << 2
    }

    fn add_digit(&mut self, digit: Option<char>) -> bool {
        if !matches!(self.entry, Entry::Alt(_)) {
            self.entry = Entry::Alt(String::new());
        }
        if let Entry::Alt(digits) = &mut self.entry {
            digits.push(digit.unwrap_or(WRONG));
        }
        true
    }

    /// As gtkimcontextsimple and ibusenginesimple do.
    fn enter_linux(&mut self, symbol: xkb::Keysym) -> bool {
        let mods = self.is_down(xkb::MOD_NAME_CTRL) && self.is_down(xkb::MOD_NAME_SHIFT);
        let c = symbol.key_char();
        match &mut self.entry {
            Entry::Linux { digits, dropped } => {
                match c {
                    Some(' ') if !digits.is_empty() => self.commit(),
                    Some(c) if c.is_ascii_hexdigit() && (*dropped || mods) => digits.push(c),
                    _ => digits.push(WRONG),
                }
                true
            }
            _ if mods && symbol.raw() == keysyms::KEY_U => {
                self.entry = Entry::Linux { digits: String::new(), dropped: false };
                true
            }
            _ => false,
        }
    }

    /// The entry is complete.
    fn commit(&mut self) {
        let wrong = || WRONG.to_string();
        let hex = |digits: &str| {
            u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map_or_else(wrong, Into::into)
        };
        let text = match (std::mem::replace(&mut self.entry, Entry::None), self.method) {
            (Entry::Linux { digits, .. }, _) => hex(&digits),
            (Entry::Alt(digits), UnicodeEntry::Windows) => {
                windows_1252(&digits).map_or_else(wrong, Into::into)
            }
            (Entry::Alt(digits), UnicodeEntry::WindowsHex) => {
                digits.strip_prefix('+').map_or_else(wrong, hex)
            }
            (Entry::Alt(digits), _) => utf16(&digits).unwrap_or_else(wrong),
            (Entry::None, _) => String::new(),
        };
        self.text.push_str(&text);
    }
}

/// Alt and 0 and a decimal code.
fn windows_1252(digits: &str) -> Option<char> {
    let code: u8 = digits.strip_prefix('0').filter(|code| code.len() == 3)?.parse().ok()?;
    match code {
        0x80..=0x9f => WINDOWS_1252.chars().nth(usize::from(code - 0x80)).filter(|c| *c != '·'),
        _ => Some(code.into()),
    }
}

/// Four digits for each unit.
fn utf16(digits: &str) -> Option<String> {
    let digits: Vec<_> = digits.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let units = digits.chunks(4).map(|unit| unit.iter().fold(0, |code, digit| code << 4 | digit) as u16);
    if digits.len() % 4 == 0 { char::decode_utf16(units).collect::<Result<_, _>>().ok() } else { None }
}

/// What a key of the keypad types into an entry.
fn keypad_digit(code: u8) -> Option<char> {
    let keys =
        [(82, '0'), (79, '1'), (80, '2'), (81, '3'), (75, '4'), (76, '5'), (77, '6'), (71, '7'), (72, '8')];
    let more = [(73, '9'), (78, '+')];
    keys.iter().chain(&more).find(|(key, _)| *key == code).map(|(_, c)| *c)
}

/// The hex digit of a key on a US keyboard.
fn us_digit(code: u8) -> Option<char> {
    let letters = [(30, 'a'), (48, 'b'), (46, 'c'), (32, 'd'), (18, 'e'), (33, 'f'), (11, '0')];
    match code {
        2..=10 => char::from_digit(u32::from(code) - 1, 10),
        _ => letters.iter().find(|(key, _)| *key == code).map(|(_, c)| *c),
    }
}
