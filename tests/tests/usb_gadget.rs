//! The USB gadget and its keyboard against a real kernel: dummy_hcd is the wire, the same kernel's host side reads
//! the keys as events of an ordinary USB keyboard.
//!
//! Runs as root where `ORATYPE_UDC` names a controller of dummy_hcd (`dummy_udc.0`) and the modules libcomposite,
//! usb_f_hid, usb_f_acm, usbhid, hid-generic and evdev are loaded: in a virtual machine made for it, because what is
//! typed reaches that kernel's own console. One test at a time: there is one controller.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use evdev::{EventSummary, KeyCode, LedCode, LedEvent};
use oratype::typing::{TypingOutcome, Typist};
use oratype_hal::hid::{GadgetKeyboard, Keyboard};
use oratype_hal::time::MonotonicClock;
use oratype_tests::needs::not_run;

/// As the host composes it: manufacturer and product.
const NAME: &str = "Oratype Oratype dictation keyboard";
const CONFIGFS: &str = "/sys/kernel/config/usb_gadget";
const REPORT_INTERVAL: Duration = Duration::from_millis(1);
/// Only ends a test that failed.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

const TEXT: &str = "Pack my box with five dozen Liquor Jugs, then type 0123456789 and AaBbCcDdEe. ";

/// The controller, for one test at a time; or why the test cannot run.
fn controller() -> Option<(String, MutexGuard<'static, ()>)> {
    static ONE: Mutex<()> = Mutex::new(());
    let Ok(udc) = std::env::var("ORATYPE_UDC") else {
        not_run("no USB device controller for tests (ORATYPE_UDC)");
        return None;
    };
    Some((udc, ONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(POLL);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn entries(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The keyboard as a USB device of the host.
fn usb_device() -> Option<PathBuf> {
    entries("/sys/bus/usb/devices")
        .into_iter()
        .find(|device| NAME.ends_with(&read(&device.join("product"))) && device.join("product").exists())
}

/// The keyboard's event node.
fn event_node() -> Option<PathBuf> {
    let device = entries("/sys/class/input").into_iter().find(|device| {
        device.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"event"))
            && read(&device.join("device/name")) == NAME
    })?;
    Some(Path::new("/dev/input").join(device.file_name()?))
}

/// What the host has read.
#[derive(Default)]
struct Seen {
    text: String,
    down: BTreeSet<u16>,
    caps_lock: bool,
    repeats: usize,
    devices: usize,
}

impl Seen {
    fn event(&mut self, event: EventSummary) {
        match event {
            EventSummary::Led(_, LedCode::LED_CAPSL, value) => self.caps_lock = value != 0,
            EventSummary::Key(_, _, 2) => self.repeats += 1,
            EventSummary::Key(_, key, 0) => {
                self.down.remove(&key.0);
            }
            EventSummary::Key(_, key, _) => {
                self.down.insert(key.0);
                let shift = self.down.contains(&KeyCode::KEY_LEFTSHIFT.0);
                if let Some(c) = character(key, shift, self.caps_lock) {
                    self.text.push(c);
                }
            }
            _ => {}
        }
    }
}

/// The US layout of the keys that the tests type, by the numbers of linux/input-event-codes.h.
fn character(key: KeyCode, shift: bool, caps_lock: bool) -> Option<char> {
    let rows = [(2, "1234567890"), (16, "qwertyuiop"), (30, "asdfghjkl"), (44, "zxcvbnm,."), (57, " ")];
    let (first, row) = rows.into_iter().rfind(|&(first, _)| first <= key.0)?;
    let c = row.chars().nth(usize::from(key.0 - first))?;
    let upper = c.is_ascii_alphabetic() && shift != caps_lock;
    Some(if upper { c.to_ascii_uppercase() } else { c })
}

/// Reads the keyboard's events, whichever node it has now.
struct Reader {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start() -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let shared = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let (seen, stop) = shared;
            while !stop.load(Ordering::Relaxed) {
                let Some(mut device) = event_node().and_then(|node| evdev::Device::open(node).ok()) else {
                    thread::sleep(POLL);
                    continue;
                };
                device.set_nonblocking(true).unwrap();
                {
                    let mut seen = seen.lock().unwrap();
                    seen.devices += 1;
                    seen.down.clear();
                    let leds = device.get_led_state().unwrap();
                    seen.caps_lock = leds.contains(LedCode::LED_CAPSL);
                }
                while !stop.load(Ordering::Relaxed) {
                    match device.fetch_events() {
                        Ok(events) => {
                            let mut seen = seen.lock().unwrap();
                            events.for_each(|event| seen.event(event.destructure()));
                        }
                        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => thread::sleep(POLL),
                        // The device is gone.
                        Err(_) => break,
                    }
                }
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Wait until so many characters are there, and check that they are the text.
    fn expect(&self, text: &str) {
        until(&format!("{} characters of {text:?}", text.len()), || {
            (self.seen().text.len() >= text.len() && self.seen().down.is_empty()).then_some(())
        });
        assert_eq!(self.seen().text, text);
        assert_eq!(self.seen().repeats, 0, "a key stayed down");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keyboard(udc: &str) -> GadgetKeyboard {
    GadgetKeyboard::create(udc, Duration::from_secs(10)).unwrap()
}

fn typist<K: Keyboard>(keyboard: K) -> Typist<K> {
    Typist::new(keyboard, Arc::new(MonotonicClock), REPORT_INTERVAL)
}

fn type_all<K: Keyboard>(typist: &mut Typist<K>, text: &str) {
    let outcome = typist.type_text(text, || false, |_| {});
    assert!(matches!(outcome, TypingOutcome::Done { .. }), "{outcome:?}");
}

/// Type the text `times` times over while something is done to the host again and again.
fn types_through(udc: &str, times: usize, mut disturb: impl FnMut(usize)) {
    let reader = Reader::start();
    let text = TEXT.repeat(times);
    let mut typist = typist(keyboard(udc));
    until("the keyboard on the host", event_node);
    let done = AtomicBool::new(false);
    let disturbances = thread::scope(|scope| {
        scope.spawn(|| {
            type_all(&mut typist, &text);
            done.store(true, Ordering::Relaxed);
        });
        let mut number = 0;
        while !done.load(Ordering::Relaxed) {
            // In the midst of typing: after some characters more.
            let count = reader.seen().text.len();
            let next = (count + 5 + number % 7).min(text.len());
            until("more characters", || {
                (reader.seen().text.len() >= next || done.load(Ordering::Relaxed)).then_some(())
            });
            if reader.seen().text.len() < text.len() {
                disturb(number);
                number += 1;
            }
        }
        number
    });
    println!("{disturbances} disturbances, {} devices", reader.seen().devices);
    assert!(disturbances > 0);
    reader.expect(&text);
}

#[test]
fn a_host_sees_a_boot_keyboard_and_a_serial_port() {
    let Some((udc, _one)) = controller() else { return };
    let _keyboard = keyboard(&udc);
    until("an event node", event_node);
    let device = until("a USB device", usb_device);
    let attribute = |name: &str| read(&device.join(name));
    assert_eq!(attribute("idVendor") + ":" + &attribute("idProduct"), "1d6b:0104");
    assert_eq!(attribute("manufacturer") + " " + &attribute("product"), NAME);
    assert!(!attribute("serial").is_empty());
    assert_eq!(attribute("bMaxPower"), "500mA");
    assert_eq!(attribute("bmAttributes"), "a0");
    let folder = device.file_name().unwrap().to_str().unwrap().to_owned();
    let interface = |n: u8| {
        let at = device.join(format!("{folder}:1.{n}"));
        ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol", "bNumEndpoints"]
            .map(|name| read(&at.join(name)))
    };
    assert_eq!(interface(0), ["03", "01", "01", "01"], "a boot keyboard without OUT endpoint");
    assert_eq!(interface(1)[..3], ["02", "02", "01"], "CDC-ACM");
    assert_eq!(interface(2)[..2], ["0a", "00"], "its data");
}

#[test]
fn text_arrives() {
    let Some((udc, _one)) = controller() else { return };
    let reader = Reader::start();
    let mut typist = typist(keyboard(&udc));
    // The host need not be there yet.
    let start = Instant::now();
    type_all(&mut typist, TEXT);
    println!("first text after {:?}", start.elapsed());
    let start = Instant::now();
    type_all(&mut typist, TEXT);
    println!("{} characters in {:?}", TEXT.len(), start.elapsed());
    reader.expect(&TEXT.repeat(2));
}

#[test]
fn caps_lock_of_the_host_is_heeded() {
    let Some((udc, _one)) = controller() else { return };
    let reader = Reader::start();
    let mut keyboard = keyboard(&udc);
    let mut host = until("the keyboard on the host", || evdev::Device::open(event_node()?).ok());
    host.send_events(&[*LedEvent::new(LedCode::LED_CAPSL, 1)]).unwrap();
    until("a report of the lock lights", || keyboard.host_leds().filter(|leds| leds.caps_lock));
    until("Caps Lock on the host", || reader.seen().caps_lock.then_some(()));
    let mut typist = typist(keyboard);
    type_all(&mut typist, TEXT);
    reader.expect(TEXT);
    host.send_events(&[*LedEvent::new(LedCode::LED_CAPSL, 0)]).unwrap();
    until("Caps Lock off", || (!reader.seen().caps_lock).then_some(()));
    // The typist reads the lights itself; on the host's side this is how long the report takes.
    thread::sleep(10 * POLL);
    type_all(&mut typist, TEXT);
    reader.expect(&TEXT.repeat(2));
}

#[test]
fn nothing_is_lost_or_doubled_when_the_host_takes_the_device_away() {
    let Some((udc, _one)) = controller() else { return };
    types_through(&udc, 4, |number| {
        let authorized = until("the device", usb_device).join("authorized");
        fs::write(&authorized, "0").unwrap();
        thread::sleep(Duration::from_millis(number as u64 % 5 * 30));
        fs::write(&authorized, "1").unwrap();
    });
}

#[test]
fn nothing_is_lost_or_doubled_when_the_bus_is_reset() {
    let Some((udc, _one)) = controller() else { return };
    nix::ioctl_none!(usbdevfs_reset, b'U', 20);
    types_through(&udc, 4, |_| {
        let device = until("the device", usb_device);
        let number = |name: &str| read(&device.join(name)).parse::<u32>();
        if let (Ok(bus), Ok(device)) = (number("busnum"), number("devnum")) {
            let node = format!("/dev/bus/usb/{bus:03}/{device:03}");
            let node = OpenOptions::new().write(true).custom_flags(nix::libc::O_CLOEXEC).open(node).unwrap();
            // SAFETY: the request takes no argument and the descriptor is open.
            let _ = unsafe { usbdevfs_reset(node.as_raw_fd()) };
        }
    });
}

#[test]
fn nothing_is_lost_or_doubled_when_the_gadget_is_unbound() {
    let Some((udc, _one)) = controller() else { return };
    let attribute = Path::new(CONFIGFS).join("oratype/UDC");
    types_through(&udc, 4, |number| {
        fs::write(&attribute, "\n").unwrap();
        thread::sleep(Duration::from_millis(number as u64 % 4 * 50));
        fs::write(&attribute, &udc).unwrap();
    });
}

#[test]
fn a_gadget_that_stays_unbound_is_bound_again() {
    let Some((udc, _one)) = controller() else { return };
    let reader = Reader::start();
    let mut typist = typist(keyboard(&udc));
    type_all(&mut typist, TEXT);
    fs::write(Path::new(CONFIGFS).join("oratype/UDC"), "\n").unwrap();
    type_all(&mut typist, TEXT);
    reader.expect(&TEXT.repeat(2));
}

#[test]
fn a_sleeping_host_is_woken() {
    let Some((udc, _one)) = controller() else { return };
    let reader = Reader::start();
    let mut typist = typist(keyboard(&udc));
    type_all(&mut typist, TEXT);
    let power = until("the device", usb_device).join("power");
    fs::write(power.join("wakeup"), "enabled").unwrap();
    fs::write(power.join("autosuspend_delay_ms"), "0").unwrap();
    for times in 2..=4 {
        fs::write(power.join("control"), "auto").unwrap();
        until("the device asleep", || (read(&power.join("runtime_status")) == "suspended").then_some(()));
        type_all(&mut typist, TEXT);
        reader.expect(&TEXT.repeat(times));
    }
}

/// A process that was killed cannot clean up; another's gadget is none of our business.
#[test]
fn a_stale_gadget_is_replaced_and_others_are_left_alone() {
    let Some((udc, _one)) = controller() else { return };
    let other = Path::new(CONFIGFS).join("other");
    let _ = fs::create_dir(&other);
    let own = Path::new(CONFIGFS).join("oratype");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_a_gadget", "--ignored"])
        .env("ORATYPE_UDC", &udc)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the child's gadget", || (read(&own.join("UDC")) == udc).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(own.exists(), "nobody has removed it");

    let reader = Reader::start();
    {
        let mut typist = typist(keyboard(&udc));
        type_all(&mut typist, TEXT);
        reader.expect(TEXT);
    }
    assert!(!own.exists(), "removed on drop");
    assert!(other.exists());
    fs::remove_dir(other).unwrap();
}

/// The process that the test above kills.
#[test]
#[ignore = "only ends when it is killed"]
fn holds_a_gadget() {
    let Some((udc, _one)) = controller() else { return };
    let _keyboard = keyboard(&udc);
    loop {
        thread::park();
    }
}
