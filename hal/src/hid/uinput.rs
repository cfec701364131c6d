//! A virtual keyboard of this computer, made through `/dev/uinput`.
//!
//! The kernel's own table from usage IDs to key codes is `hid_keyboard` in drivers/hid/hid-input.c.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use input_linux::sys::BUS_VIRTUAL;
use input_linux::{
    EventKind, EventRef, EventTime, InputEvent, InputId, Key, KeyEvent, KeyState, LedKind, SynchronizeEvent,
    UInputHandle,
};
use nix::errno::Errno;
use nix::libc::O_NONBLOCK;

use super::{HostLeds, Keyboard, KeyboardError, OpenError, Report, errno_of};

const DEVICE: &str = "/dev/uinput";
const NAME: &[u8] = b"Oratype keyboard";

/// How long to wait for udev to announce the new keyboard. It takes some tens of milliseconds; a computer that
/// needs longer than this has no udev that works.
const READY_WAIT: Duration = Duration::from_secs(2);
const READY_POLL: Duration = Duration::from_millis(10);

/// Events of the lock lights that are read at once: the kernel keeps no more (UINPUT_BUFFER_SIZE of linux/uinput.h).
const LED_EVENTS_MAX: usize = 16;

/// Key codes of the modifier bits, bit 0 first.
const MODIFIERS: [Key; 8] = [
    Key::LeftCtrl,
    Key::LeftShift,
    Key::LeftAlt,
    Key::LeftMeta,
    Key::RightCtrl,
    Key::RightShift,
    Key::RightAlt,
    Key::RightMeta,
];

/// Key codes of usages 0x04 (`a`) to 0x64 (the key left of Z on European keyboards), the keypad among them.
#[rustfmt::skip]
const KEYS: [Key; 97] = [
    Key::A, Key::B, Key::C, Key::D, Key::E, Key::F, Key::G, Key::H, Key::I, Key::J, Key::K, Key::L, Key::M,
    Key::N, Key::O, Key::P, Key::Q, Key::R, Key::S, Key::T, Key::U, Key::V, Key::W, Key::X, Key::Y, Key::Z,
    Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9, Key::Num0,
    Key::Enter, Key::Esc, Key::Backspace, Key::Tab, Key::Space, Key::Minus, Key::Equal, Key::LeftBrace,
    Key::RightBrace, Key::Backslash, Key::Backslash, Key::Semicolon, Key::Apostrophe, Key::Grave, Key::Comma,
    Key::Dot, Key::Slash, Key::CapsLock,
    Key::F1, Key::F2, Key::F3, Key::F4, Key::F5, Key::F6, Key::F7, Key::F8, Key::F9, Key::F10, Key::F11, Key::F12,
    Key::Sysrq, Key::ScrollLock, Key::Pause, Key::Insert, Key::Home, Key::PageUp, Key::Delete, Key::End,
    Key::PageDown, Key::Right, Key::Left, Key::Down, Key::Up,
    Key::NumLock, Key::KpSlash, Key::KpAsterisk, Key::KpMinus, Key::KpPlus, Key::KpEnter, Key::Kp1, Key::Kp2,
    Key::Kp3, Key::Kp4, Key::Kp5, Key::Kp6, Key::Kp7, Key::Kp8, Key::Kp9, Key::Kp0, Key::KpDot,
    Key::NonUsBackslashAndPipe,
];
const FIRST: u8 = 0x04;

/// The same for keys of Brazilian, Japanese and Korean keyboards.
const REGIONAL: [(u8, Key); 8] = [
    (0x85, Key::KpComma),
    (0x87, Key::Ro),
    (0x88, Key::KatakanaHiragana),
    (0x89, Key::Yen),
    (0x8a, Key::Henkan),
    (0x8b, Key::Muhenkan),
    (0x90, Key::Hangul),
    (0x91, Key::Hanja),
];

/// Key code of a usage ID, if this keyboard has such a key.
fn key_code(usage: u8) -> Option<Key> {
    let own = usage.checked_sub(FIRST).and_then(|i| KEYS.get(usize::from(i)));
    own.copied().or_else(|| REGIONAL.iter().find(|(regional, _)| *regional == usage).map(|(_, key)| *key))
}

/// What changes between two reports, in the order in which the kernel's HID driver tells it: modifiers, keys that
/// went up, keys that went down.
fn changes(from: Report, to: Report) -> impl Iterator<Item = (Key, KeyState)> {
    let changed = from.modifiers ^ to.modifiers;
    let modifiers = (0..8)
        .filter(move |bit| changed >> bit & 1 != 0)
        .map(move |bit| (MODIFIERS[bit], KeyState::pressed(to.modifiers >> bit & 1 != 0)));
    let up = from.keys.into_iter().filter(move |k| !to.keys.contains(k));
    let down = to.keys.into_iter().filter(move |k| !from.keys.contains(k));
    let keys = up.map(|k| (k, KeyState::RELEASED)).chain(down.map(|k| (k, KeyState::PRESSED)));
    modifiers.chain(keys.filter_map(|(k, state)| Some((key_code(k)?, state))))
}

/// A keyboard plugged into this computer as far as its programs can tell; unplugged on drop.
///
/// Types into whatever window has the focus, with the layout that is set for it. Its lock lights are known once the
/// desktop, or the console, has switched one on.
pub struct UinputKeyboard {
    device: UInputHandle<File>,
    last: Report,
    leds: Option<HostLeds>,
}

impl UinputKeyboard {
    /// Plug it in, and wait until udev has announced it (at most 2 s), because keys before that reach nobody.
    ///
    /// # Errors
    /// When `/dev/uinput` is missing or this user must not write to it.
    pub fn open() -> Result<Self, OpenError> {
        let device = plug_in().map_err(|e| {
            let errno = errno_of(&e);
            OpenError::new(Path::new(DEVICE), errno, remedy(errno))
        })?;
        wait_for_udev(&device);
        Ok(Self { device, last: Report::RELEASED, leds: None })
    }

    /// Take up what the host has told of its lights. The kernel forgets all of it when too much is left unread.
    fn read_leds(&mut self) {
        let mut events =
            [InputEvent::from(SynchronizeEvent::report(EventTime::default())).into_raw(); LED_EVENTS_MAX];
        // EAGAIN: nothing new. Any other error shows at the next key.
        let read = self.device.read(&mut events).unwrap_or(0);
        for event in &events[..read] {
            let Ok(EventRef::Led(light)) = InputEvent::from_raw(event).and_then(EventRef::new) else {
                continue;
            };
            let leds = self.leds.get_or_insert_default();
            match light.led {
                LedKind::NumLock => leds.num_lock = light.value != 0,
                LedKind::CapsLock => leds.caps_lock = light.value != 0,
                _ => {}
            }
        }
    }
}

/// Make the device.
fn plug_in() -> io::Result<UInputHandle<File>> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(DEVICE)?;
    let device = UInputHandle::new(file);
    for kind in [EventKind::Key, EventKind::Led] {
        device.set_evbit(kind)?;
    }
    for key in KEYS.into_iter().chain(MODIFIERS).chain(REGIONAL.map(|(_, key)| key)) {
        device.set_keybit(key)?;
    }
    for light in [LedKind::NumLock, LedKind::CapsLock] {
        device.set_ledbit(light)?;
    }
    device.create(&InputId { bustype: BUS_VIRTUAL, ..InputId::default() }, NAME, 0, &[])?;
    Ok(device)
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
fn wait_for_udev(device: &UInputHandle<File>) {
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
fn device_number(device: &UInputHandle<File>) -> Option<String> {
    let event = device.sys_path().ok()?.join(device.evdev_name().ok()?);
    Some(std::fs::read_to_string(event.join("dev")).ok()?.trim().to_owned())
}

impl Keyboard for UinputKeyboard {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        if report.keys.into_iter().any(|k| k != 0 && key_code(k).is_none()) {
            return Err(KeyboardError::Failed(Errno::EINVAL));
        }
        let time = EventTime::default();
        let end = InputEvent::from(SynchronizeEvent::report(time)).into_raw();
        // 8 modifiers, 6 keys up, 6 down, and the end.
        let mut batch = [end; 21];
        let mut len = 0;
        for (slot, (key, state)) in batch.iter_mut().zip(changes(self.last, report)) {
            *slot = InputEvent::from(KeyEvent::new(time, key, state)).into_raw();
            len += 1;
        }
        if len > 0 {
            self.device.write(&batch[..=len]).map_err(|e| KeyboardError::Failed(errno_of(&e)))?;
        }
        self.last = report;
        Ok(())
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        self.read_leds();
        self.leds
    }

    fn meet_host(&mut self) -> bool {
        self.read_leds();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(from: Report, to: Report) -> Vec<(u16, bool)> {
        changes(from, to).map(|(key, state)| (key as u16, state.is_pressed())).collect()
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
        let hid_keyboard: [u16; 97] = [
            30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44,
            2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52, 53, 58,
            59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88, 99, 70, 119, 110, 102, 104, 111, 107, 109, 106, 105,
            108, 103, 69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76, 77, 71, 72, 73, 82, 83, 86,
        ];
        let regional = [
            (0x85, 121),
            (0x87, 89),
            (0x88, 93),
            (0x89, 124),
            (0x8a, 92),
            (0x8b, 94),
            (0x90, 122),
            (0x91, 123),
        ];
        for (usage, code) in (0x04..).zip(hid_keyboard).chain(regional) {
            assert_eq!(key_code(usage).map(|k| k as u16), Some(code), "usage {usage:#x}");
        }
        assert_eq!([0, 1, 3, 0x65, 0x86, 0x8c, 0xff].map(key_code), [None; 7]);
        assert_eq!(MODIFIERS.map(|k| k as u16), [29, 42, 56, 125, 97, 54, 100, 126]);
    }

    #[test]
    fn modifiers_then_releases_then_presses() {
        assert_eq!(codes(report(0, &[4]), report(2, &[5])), [(42, true), (30, false), (48, true)]);
        assert_eq!(codes(report(2, &[5]), Report::RELEASED), [(42, false), (48, false)]);
    }

    #[test]
    fn a_key_that_changes_its_slot_stays_down() {
        assert_eq!(codes(report(0, &[4, 5]), report(0, &[5])), [(30, false)]);
        assert_eq!(codes(report(0, &[5]), report(0, &[5])), []);
    }

    /// Say so past the test harness, which would show it for failed tests only.
    fn not_run(reason: &str) {
        use std::io::Write;
        let _ = std::io::stderr().write_all(format!("NOT RUN: {reason}\n").as_bytes());
    }

    /// A keyboard and its event node, which nothing else can read; or why there is none.
    fn plugged_in() -> Option<(UinputKeyboard, evdev::Device)> {
        if !Path::new(DEVICE).exists() {
            not_run(&format!("no {DEVICE}"));
            return None;
        }
        let keyboard = UinputKeyboard::open().inspect_err(|e| not_run(&e.to_string())).ok()?;
        let node = keyboard.device.evdev_path().unwrap();
        // udev, or the kernel's devtmpfs, makes the node a moment after the device.
        let mut host =
            evdev::Device::open(node).inspect_err(|e| not_run(&format!("the event node: {e}"))).ok()?;
        host.grab().unwrap();
        Some((keyboard, host))
    }

    fn key_events(host: &mut evdev::Device, count: usize) -> Vec<(u16, i32)> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let keys = host.fetch_events().unwrap().filter(|e| e.event_type() == evdev::EventType::KEY);
            seen.extend(keys.map(|e| (e.code(), e.value())));
        }
        seen
    }

    /// Needs a kernel with uinput. Types on every key and reads the events back.
    #[test]
    fn types_through_the_kernel() {
        let Some((mut keyboard, mut host)) = plugged_in() else { return };
        keyboard.send(report(2, &[])).unwrap();
        keyboard.send(report(2, &[4])).unwrap();
        keyboard.send(Report::RELEASED).unwrap();
        assert_eq!(key_events(&mut host, 4), [(42, 1), (30, 1), (42, 0), (30, 0)]);
        for usage in (0x04..=0x64).chain(REGIONAL.map(|(usage, _)| usage)) {
            keyboard.send(report(0, &[usage])).unwrap();
            keyboard.send(Report::RELEASED).unwrap();
            let code = key_code(usage).unwrap() as u16;
            assert_eq!(key_events(&mut host, 2), [(code, 1), (code, 0)], "usage {usage:#x}");
        }
    }

    /// Needs a kernel with uinput. Any program that has opened the keyboard sets its lights, as a desktop does.
    #[test]
    fn the_hosts_lights_are_known() {
        let Some((mut keyboard, mut host)) = plugged_in() else { return };
        let mut switch = |light: evdev::LedCode, on: bool| {
            host.send_events(&[evdev::InputEvent::new(evdev::EventType::LED.0, light.0, on.into())]).unwrap();
        };
        let leds = |num_lock, caps_lock| Some(HostLeds { num_lock, caps_lock });
        switch(evdev::LedCode::LED_CAPSL, true);
        assert_eq!(keyboard.host_leds(), leds(false, true));
        switch(evdev::LedCode::LED_NUML, true);
        assert_eq!(keyboard.host_leds(), leds(true, true));
        // Not asked for a long time: looking for the host keeps the kernel's queue empty.
        for on in [false, true].repeat(20) {
            switch(evdev::LedCode::LED_CAPSL, on);
            assert!(keyboard.meet_host());
        }
        switch(evdev::LedCode::LED_CAPSL, false);
        assert_eq!(keyboard.host_leds(), leds(true, false));
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
