//! Other layouts through a real USB stack: what the kernel's evdev tells of each key goes to libxkbcommon, set to the
//! layout, and comes out as the text.

#[path = "../../../app/tests/layouts/host.rs"]
mod host;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use evdev::raw_stream::RawDevice;
use evdev::{EventSummary, InputEvent, LedCode, SynchronizationCode};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use oratype::typing::{Keymap, Pacing, Preset, Typist, UnicodeEntry};
use oratype_hal::hid::Keyboard;
use oratype_hal::sched;
use oratype_hal::time::MonotonicClock;
use oratype_layouts::Layout;

use self::host::{Data, Host};
use super::{PATIENCE, assert_same, controller, event_node, keyboard, type_all, until};

/// Layouts with dead keys, AltGr, other scripts, keys that only some keyboards have, an ordinary key as a modifier; and
/// hosts with each Unicode entry. The text comes after all that the layout's own keys type.
const HOSTS: [(&str, UnicodeEntry, &str); 15] = [
    ("us", UnicodeEntry::None, "The quick brown fox."),
    ("gb", UnicodeEntry::None, "£5 @ \"home\" #1 ~ \\ |"),
    ("de", UnicodeEntry::None, "Grüße aus Köln: é à ô {ß} € @ \\"),
    ("fr", UnicodeEntry::None, "Où ça ? Là-bas, à Noël : ê ï 10 € #1"),
    ("es", UnicodeEntry::None, "¿Qué? ¡Mañana! pingüino, ç [x]"),
    ("cz", UnicodeEntry::None, "Příliš žluťoučký kůň"),
    ("br", UnicodeEntry::None, "Não há razão: às três, à ação? /"),
    ("us:dvorak", UnicodeEntry::None, "Hello, \"Dvorak\"!"),
    ("us:intl", UnicodeEntry::None, "Café 'ñ' \"ü\" ^"),
    ("ru", UnicodeEntry::None, "Съешь ещё этих мягких булок, №1"),
    ("jp", UnicodeEntry::None, "\\ | _ ^ @ [a]"),
    ("de:neo", UnicodeEntry::None, "Wie? {ja} \\ α"),
    ("fr", UnicodeEntry::Linux, "łódź 한 „так“ 👩\u{200d}💻"),
    ("us", UnicodeEntry::Windows, "Grüße “à la carte” 10 €"),
    ("us", UnicodeEntry::WindowsHex, "łódź 한 „так“"),
];

/// The other side of the cable: a desktop.
struct Desktop {
    device: RawDevice,
    host: Host,
    /// The lights of Caps Lock and Num Lock.
    lit: (bool, bool),
}

impl Desktop {
    /// Takes the keyboard for itself, with that state of Caps Lock.
    fn start(data: &Data, keymap: &Keymap, method: UnicodeEntry, caps_lock: bool) -> Self {
        let mut device = until("the device", || RawDevice::open(event_node()?).ok());
        device.grab().unwrap();
        fcntl(device.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let host = Host::new(data, &data.keymap(keymap.layout()), method, caps_lock);
        let mut desktop = Self { device, host, lit: (!caps_lock, true) };
        desktop.light();
        desktop
    }

    /// Shows the locks, where that is news.
    fn light(&mut self) {
        let lit = self.host.locks();
        if std::mem::replace(&mut self.lit, lit) != lit {
            let light = |code: LedCode, on: bool| InputEvent::new(evdev::EventType::LED.0, code.0, on.into());
            let lights = [light(LedCode::LED_CAPSL, lit.0), light(LedCode::LED_NUML, lit.1)];
            self.device.send_events(&lights).unwrap();
        }
    }

    /// Reads until all of `expected` is there, every key is up and nothing is typed any more; or nothing comes.
    fn read(&mut self, expected: &str, typing: &AtomicBool) -> String {
        let mut text = String::new();
        let mut last = Instant::now();
        let mut down = 0_usize;
        let goes_on =
            |text: &str, down| text.len() < expected.len() || down > 0 || typing.load(Ordering::Relaxed);
        while goes_on(&text, down) && last.elapsed() < PATIENCE {
            let _ = poll(&mut [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)], 10_u8);
            let Ok(events) = self.device.fetch_events() else { continue };
            for event in events {
                match event.destructure() {
                    EventSummary::Key(_, key, value @ 0..=1) => {
                        let code = u8::try_from(key.0).expect("a key of a keyboard");
                        self.host.key(code, value == 1);
                        down = if value == 1 { down + 1 } else { down.saturating_sub(1) };
                        last = Instant::now();
                    }
                    EventSummary::Synchronization(_, SynchronizationCode::SYN_DROPPED, _) => {
                        panic!("the test read too slowly: the kernel dropped events");
                    }
                    _ => {}
                }
            }
            text += &self.host.typed();
            self.light();
        }
        text
    }
}

/// Types a text on a keyboard of its own, and reads it as such a host does.
fn round_trip(udc: &str, data: &Data, (name, method): (&str, UnicodeEntry), caps_lock: bool, text: &str) {
    let keymap = Keymap::new(name.parse().unwrap(), method, false);
    let text = keymap.prepare(text);
    let expected: String = text.chars().flat_map(|c| keymap.typed(c)).collect();
    let mut keyboard = keyboard(udc);
    until("the keyboard on the host", event_node);
    let mut desktop = Desktop::start(data, &keymap, method, caps_lock);
    until("the light", || (!caps_lock || keyboard.host_leds()?.caps_lock).then_some(()));
    let pacing = Pacing::new(Preset::Safe, 0);
    let mut typist = Typist::new(keyboard, Arc::new(MonotonicClock), keymap, pacing);
    let typing = AtomicBool::new(true);
    let typed = thread::scope(|scope| {
        scope.spawn(|| {
            type_all(&mut typist, &text);
            typing.store(false, Ordering::Relaxed);
        });
        // The kernel keeps some ten characters; the emulator has few cores.
        sched::set_realtime(10).unwrap();
        desktop.read(&expected, &typing)
    });
    assert_same(&typed, &expected);
    assert_eq!(desktop.host.locks().0, caps_lock, "{name}: Caps Lock is as it was");
    println!("{name} {method:?}, Caps Lock {caps_lock}: {} characters", expected.chars().count());
}

#[test]
fn text_arrives_on_other_layouts() {
    let Some((udc, _one)) = controller() else { return };
    let data = Data::load();
    for (name, method, text) in HOSTS {
        let layout: Layout = name.parse().unwrap();
        let own: String = layout.characters().collect();
        let all = if method == UnicodeEntry::None { own + text } else { text.to_owned() };
        round_trip(&udc, &data, (name, method), false, &all);
    }
    // With Caps Lock on: some letters by Shift, others by switching the lock, and its light, for a while.
    for (name, method, text) in [
        ("de", UnicodeEntry::None, "Grüße aus Köln, ÄÖÜ ß 1"),
        ("fr", UnicodeEntry::None, "Où ça ? Là-bas, AZERTY 1"),
        ("us", UnicodeEntry::Linux, "Café"),
    ] {
        round_trip(&udc, &data, (name, method), true, text);
    }
}
