//! The computer that is typed to: reads the keyboard from evdev, as a desktop does, however often it is plugged in.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, thread};

use evdev::raw_stream::RawDevice;
use evdev::{EventType, InputEvent, LedCode};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use oratype_hal::hid::{Decoder, Report, Typed};
use oratype_vm_agent::Message;

use crate::Failure;
use crate::port::Port;

/// Where event nodes appear.
const NODES: &str = "/dev/input";
/// In the name of the keyboard to read.
const NAME: &str = "Oratype";

/// Key codes of usages 0x04 (`a`) to 0x38 (`/`): `hid_keyboard` in drivers/hid/hid-input.c.
#[rustfmt::skip]
const KEYS: [u16; 53] = [
    30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44,
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52, 53,
];
/// Key codes of the modifier bits, bit 0 first.
const MODIFIERS: [u16; 8] = [29, 42, 56, 125, 97, 54, 100, 126];

/// Values of a key event, as linux/input.h has them.
const UP: i32 = 0;
const REPEATED: i32 = 2;

/// Tell of every keyboard that comes, what it types, and that it goes. Never ends.
pub(crate) fn watch(port: &Port) -> Result<(), Failure> {
    fs::create_dir_all(NODES)?;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(NODES, AddWatchFlags::IN_CREATE)?;
    let read = Arc::new(Mutex::new(HashSet::new()));
    loop {
        for entry in fs::read_dir(NODES)?.flatten() {
            let path = entry.path();
            let event = entry.file_name().as_encoded_bytes().starts_with(b"event");
            if event && read.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
                let (read, port) = (Arc::clone(&read), port.clone());
                thread::spawn(move || {
                    if let Err(error) = follow(&path, &port) {
                        eprintln!("vm-agent: {}: {error}", path.display());
                    }
                    read.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
                });
            }
        }
        inotify.read_events()?;
    }
}

/// Read a keyboard until it is unplugged, if it is Oratype's.
fn follow(path: &Path, port: &Port) -> Result<(), Failure> {
    let mut device = RawDevice::open(path)?;
    let keyboard = device.name().unwrap_or_default().to_owned();
    let keys = device.supported_keys().is_some_and(|keys| keys.iter().any(|key| key.0 == KEYS[0]));
    if !keyboard.contains(NAME) || !keys {
        return Ok(());
    }
    // The machine's own terminal is not to get what the test types.
    device.grab()?;
    // What a desktop does with a new keyboard; the keyboard may take it as the sign that somebody listens.
    if device.supported_leds().is_some_and(|leds| leds.contains(LedCode::LED_NUML)) {
        device.send_events(&[InputEvent::new(EventType::LED.0, LedCode::LED_NUML.0, 1)])?;
    }
    port.send(&Message::Plugged(keyboard.clone()))?;
    let mut host = Host::default();
    while let Ok(events) = device.fetch_events() {
        let typed = host.take(events);
        if let Some((text, repeats, down)) = typed {
            port.send(&Message::Typed { keyboard: keyboard.clone(), text, repeats, down })?;
        }
    }
    port.send(&Message::Unplugged(keyboard))?;
    Ok(())
}

/// Key events to text, with the US layout.
#[derive(Default)]
struct Host {
    report: Report,
    decoder: Decoder,
}

impl Host {
    /// Text, repeats, and keys that are down now; `None` if no key moved.
    fn take(&mut self, events: impl Iterator<Item = InputEvent>) -> Option<(String, u32, usize)> {
        let (mut text, mut repeats, mut moved) = (String::new(), 0, false);
        for event in events.filter(|event| event.event_type() == EventType::KEY) {
            moved = true;
            if event.value() == REPEATED {
                repeats += 1;
                continue;
            }
            self.turn(event.code(), event.value() != UP);
            text.extend(self.decoder.decode(self.report).filter_map(|typed| match typed {
                Typed::Char(character) => Some(character),
                Typed::Backspace => Some('\u{8}'),
                Typed::Key { .. } => None,
            }));
        }
        let down = self.report.keys.iter().filter(|&&key| key != 0).count()
            + self.report.modifiers.count_ones() as usize;
        moved.then_some((text, repeats, down))
    }

    fn turn(&mut self, code: u16, down: bool) {
        if let Some(bit) = MODIFIERS.iter().position(|&modifier| modifier == code) {
            self.report.modifiers = self.report.modifiers & !(1 << bit) | u8::from(down) << bit;
            return;
        }
        // Usage 0x31, the backslash, comes before its twin 0x32.
        let Some(usage) = KEYS.iter().position(|&key| key == code).map(|index| index as u8 + 4) else {
            return;
        };
        let (from, to) = if down { (0, usage) } else { (usage, 0) };
        if let Some(slot) = self.report.keys.iter_mut().find(|slot| **slot == from) {
            *slot = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from linux/input-event-codes.h.
    #[test]
    fn events_become_text() {
        let key = |code, value| InputEvent::new(EventType::KEY.0, code, value);
        let mut host = Host::default();
        let shift_h_i = [key(42, 1), key(35, 1), key(35, 0), key(42, 0), key(23, 1), key(23, 2)];
        assert_eq!(host.take(shift_h_i.into_iter()), Some(("Hi".into(), 1, 1)));
        assert_eq!(host.take([key(23, 0), key(14, 1), key(14, 0)].into_iter()), Some(("\u{8}".into(), 0, 0)));
        assert_eq!(host.take([InputEvent::new(EventType::LED.0, 0, 1)].into_iter()), None);
    }
}
