//! A virtual keyboard of this computer, made through `/dev/uinput`.
//!
//! The kernel's own table from usage IDs to key codes is `hid_keyboard` in drivers/hid/hid-input.c.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, EventType, InputEvent, KeyCode};
use nix::errno::Errno;

use super::{HostLeds, Keyboard, KeyboardError, OpenError, Report, errno_of};

const DEVICE: &str = "/dev/uinput";

/// How long to wait for udev to announce the new keyboard. It takes some tens of milliseconds; a computer that
/// needs longer than this has no udev that works.
const READY_WAIT: Duration = Duration::from_secs(2);
const READY_POLL: Duration = Duration::from_millis(10);

/// Key codes of the modifier bits, bit 0 first.
const MODIFIERS: [KeyCode; 8] = [
    KeyCode::KEY_LEFTCTRL,
    KeyCode::KEY_LEFTSHIFT,
    KeyCode::KEY_LEFTALT,
    KeyCode::KEY_LEFTMETA,
    KeyCode::KEY_RIGHTCTRL,
    KeyCode::KEY_RIGHTSHIFT,
    KeyCode::KEY_RIGHTALT,
    KeyCode::KEY_RIGHTMETA,
];

/// Key codes of usages 0x04 (`a`) to 0x52 (up arrow).
#[rustfmt::skip]
const KEYS: [KeyCode; 79] = [
    KeyCode::KEY_A, KeyCode::KEY_B, KeyCode::KEY_C, KeyCode::KEY_D, KeyCode::KEY_E, KeyCode::KEY_F,
    KeyCode::KEY_G, KeyCode::KEY_H, KeyCode::KEY_I, KeyCode::KEY_J, KeyCode::KEY_K, KeyCode::KEY_L,
    KeyCode::KEY_M, KeyCode::KEY_N, KeyCode::KEY_O, KeyCode::KEY_P, KeyCode::KEY_Q, KeyCode::KEY_R,
    KeyCode::KEY_S, KeyCode::KEY_T, KeyCode::KEY_U, KeyCode::KEY_V, KeyCode::KEY_W, KeyCode::KEY_X,
    KeyCode::KEY_Y, KeyCode::KEY_Z,
    KeyCode::KEY_1, KeyCode::KEY_2, KeyCode::KEY_3, KeyCode::KEY_4, KeyCode::KEY_5, KeyCode::KEY_6,
    KeyCode::KEY_7, KeyCode::KEY_8, KeyCode::KEY_9, KeyCode::KEY_0,
    KeyCode::KEY_ENTER, KeyCode::KEY_ESC, KeyCode::KEY_BACKSPACE, KeyCode::KEY_TAB, KeyCode::KEY_SPACE,
    KeyCode::KEY_MINUS, KeyCode::KEY_EQUAL, KeyCode::KEY_LEFTBRACE, KeyCode::KEY_RIGHTBRACE,
    KeyCode::KEY_BACKSLASH, KeyCode::KEY_BACKSLASH, KeyCode::KEY_SEMICOLON, KeyCode::KEY_APOSTROPHE,
    KeyCode::KEY_GRAVE, KeyCode::KEY_COMMA, KeyCode::KEY_DOT, KeyCode::KEY_SLASH, KeyCode::KEY_CAPSLOCK,
    KeyCode::KEY_F1, KeyCode::KEY_F2, KeyCode::KEY_F3, KeyCode::KEY_F4, KeyCode::KEY_F5, KeyCode::KEY_F6,
    KeyCode::KEY_F7, KeyCode::KEY_F8, KeyCode::KEY_F9, KeyCode::KEY_F10, KeyCode::KEY_F11, KeyCode::KEY_F12,
    KeyCode::KEY_SYSRQ, KeyCode::KEY_SCROLLLOCK, KeyCode::KEY_PAUSE, KeyCode::KEY_INSERT, KeyCode::KEY_HOME,
    KeyCode::KEY_PAGEUP, KeyCode::KEY_DELETE, KeyCode::KEY_END, KeyCode::KEY_PAGEDOWN, KeyCode::KEY_RIGHT,
    KeyCode::KEY_LEFT, KeyCode::KEY_DOWN, KeyCode::KEY_UP,
];

/// The key left of Z on European keyboards.
const NON_US_BACKSLASH: u8 = 0x64;

/// Key code of a usage ID, if this keyboard has such a key.
fn key_code(usage: u8) -> Option<KeyCode> {
    if usage == NON_US_BACKSLASH {
        return Some(KeyCode::KEY_102ND);
    }
    usage.checked_sub(0x04).and_then(|i| KEYS.get(usize::from(i))).copied()
}

/// What changes between two reports, in the order in which the kernel's HID driver tells it: modifiers, keys that
/// went up, keys that went down.
fn events(from: Report, to: Report) -> impl Iterator<Item = InputEvent> {
    let changed = from.modifiers ^ to.modifiers;
    let modifiers = (0..8)
        .filter(move |bit| changed >> bit & 1 != 0)
        .map(move |bit| (MODIFIERS[bit], i32::from(to.modifiers >> bit & 1)));
    let up = from.keys.into_iter().filter(move |k| !to.keys.contains(k));
    let down = to.keys.into_iter().filter(move |k| !from.keys.contains(k));
    let keys = up.map(|k| (k, 0)).chain(down.map(|k| (k, 1)));
    modifiers
        .chain(keys.filter_map(|(k, value)| Some((key_code(k)?, value))))
        .map(|(code, value)| InputEvent::new(EventType::KEY.0, code.0, value))
}

/// A keyboard plugged into this computer as far as its programs can tell; unplugged on drop.
///
/// Types into whatever window has the focus, with the layout that is set for it. The lock lights cannot be read.
pub struct UinputKeyboard {
    device: VirtualDevice,
    last: Report,
}

impl UinputKeyboard {
    /// Plug it in, and wait until udev has announced it (at most 2 s), because keys before that reach nobody.
    ///
    /// # Errors
    /// When `/dev/uinput` is missing or this user must not write to it.
    pub fn open() -> Result<Self, OpenError> {
        let plugged = || -> std::io::Result<VirtualDevice> {
            let keys: AttributeSet<KeyCode> =
                KEYS.into_iter().chain(MODIFIERS).chain([KeyCode::KEY_102ND]).collect();
            VirtualDevice::builder()?.name("Oratype keyboard").with_keys(&keys)?.build()
        };
        let mut device = plugged().map_err(|e| {
            let errno = errno_of(&e);
            OpenError::new(Path::new(DEVICE), errno, remedy(errno))
        })?;
        wait_for_udev(&mut device);
        Ok(Self { device, last: Report::RELEASED })
    }
}

const fn remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT | Errno::ENODEV => "load the kernel module: sudo modprobe uinput",
        Errno::EACCES | Errno::EPERM => {
            "run as root, or put `KERNEL==\"uinput\", GROUP=\"input\", MODE=\"0660\"` into \
             /etc/udev/rules.d/60-uinput.rules and this user into the group input"
        }
        _ => "check that the kernel supports uinput (CONFIG_INPUT_UINPUT)",
    }
}

/// udev writes its record of the event node when its rules are through; then desktops open it.
fn wait_for_udev(device: &mut VirtualDevice) {
    let records = Path::new("/run/udev/data");
    if !records.is_dir() {
        return;
    }
    let Some(number) = device_number(device) else { return };
    let record = records.join(format!("c{number}"));
    let deadline = Instant::now() + READY_WAIT;
    while !record.exists() {
        if Instant::now() >= deadline {
            log::warn!("udev did not announce the virtual keyboard: its first keys may be lost");
            return;
        }
        thread::sleep(READY_POLL);
    }
}

/// `major:minor` of the device's event node, as sysfs has it.
fn device_number(device: &mut VirtualDevice) -> Option<String> {
    let folder = device.get_syspath().ok()?;
    let event = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"event"))?;
    Some(std::fs::read_to_string(event.path().join("dev")).ok()?.trim().to_owned())
}

impl Keyboard for UinputKeyboard {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        if report.keys.into_iter().any(|k| k != 0 && key_code(k).is_none()) {
            return Err(KeyboardError::Failed(Errno::EINVAL));
        }
        // 8 modifiers, 6 keys up, 6 down.
        let mut batch = [InputEvent::new(0, 0, 0); 20];
        let mut len = 0;
        for (slot, event) in batch.iter_mut().zip(events(self.last, report)) {
            *slot = event;
            len += 1;
        }
        if len > 0 {
            self.device.emit(&batch[..len]).map_err(|e| KeyboardError::Failed(errno_of(&e)))?;
        }
        self.last = report;
        Ok(())
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(from: Report, to: Report) -> Vec<(u16, i32)> {
        events(from, to).map(|e| (e.code(), e.value())).collect()
    }

    fn report(modifiers: u8, keys: &[u8]) -> Report {
        let mut r = Report { modifiers, keys: [0; 6] };
        r.keys[..keys.len()].copy_from_slice(keys);
        r
    }

    /// Numbers from linux/input-event-codes.h and the kernel's `hid_keyboard`, not from the constants above.
    #[test]
    fn usages_map_as_in_the_kernel() {
        #[rustfmt::skip]
        let hid_keyboard: [u16; 79] = [
            30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44,
            2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52, 53, 58,
            59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88, 99, 70, 119, 110, 102, 104, 111, 107, 109, 106, 105,
            108, 103,
        ];
        for (usage, code) in (0x04..).zip(hid_keyboard) {
            assert_eq!(key_code(usage).map(|k| k.0), Some(code), "usage {usage:#x}");
        }
        assert_eq!(key_code(0x64).map(|k| k.0), Some(86));
        assert_eq!([0, 1, 3, 0x53, 0xff].map(key_code), [None; 5]);
        assert_eq!(MODIFIERS.map(|k| k.0), [29, 42, 56, 125, 97, 54, 100, 126]);
    }

    #[test]
    fn modifiers_then_releases_then_presses() {
        assert_eq!(codes(report(0, &[4]), report(2, &[5])), [(42, 1), (30, 0), (48, 1)]);
        assert_eq!(codes(report(2, &[5]), Report::RELEASED), [(42, 0), (48, 0)]);
    }

    #[test]
    fn a_key_that_changes_its_slot_stays_down() {
        assert_eq!(codes(report(0, &[4, 5]), report(0, &[5])), [(30, 0)]);
        assert_eq!(codes(report(0, &[5]), report(0, &[5])), []);
    }

    /// Say so past the test harness, which would show it for failed tests only.
    fn not_run(reason: &str) {
        use std::io::Write;
        let _ = std::io::stderr().write_all(format!("NOT RUN: {reason}\n").as_bytes());
    }

    /// Needs a kernel with uinput. Makes a keyboard, types into it and reads the events back.
    #[test]
    fn types_through_the_kernel() {
        if !Path::new(DEVICE).exists() {
            return not_run(&format!("no {DEVICE}"));
        }
        let mut keyboard = match UinputKeyboard::open() {
            Ok(keyboard) => keyboard,
            Err(e) => return not_run(&e.to_string()),
        };
        let node = keyboard.device.enumerate_dev_nodes_blocking().unwrap().find_map(Result::ok);
        let Some(mut reader) = node.and_then(|n| evdev::Device::open(n).ok()) else {
            return not_run("the event node cannot be opened");
        };
        // Nothing else may receive what the test types.
        reader.grab().unwrap();
        keyboard.send(report(2, &[])).unwrap();
        keyboard.send(report(2, &[4])).unwrap();
        keyboard.send(Report::RELEASED).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 4 {
            let keys = reader.fetch_events().unwrap().filter(|e| e.event_type() == EventType::KEY);
            seen.extend(keys.map(|e| (e.code(), e.value())));
        }
        assert_eq!(seen, [(42, 1), (30, 1), (42, 0), (30, 0)]);
    }

    #[test]
    fn a_missing_device_is_named_with_its_remedy() {
        if Path::new(DEVICE).exists() {
            return not_run(&format!("this computer has {DEVICE}"));
        }
        let message = UinputKeyboard::open().err().unwrap().to_string();
        assert!(message.contains(DEVICE) && message.contains("modprobe uinput"), "{message}");
    }
}
