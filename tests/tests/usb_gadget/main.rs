//! The USB gadget and its keyboard against a real kernel: dummy_hcd is the wire, the same kernel's host side has
//! an ordinary USB keyboard, and what is typed on it is read from the console.
//!
//! Runs as root where `ORATYPE_UDC` names a controller of dummy_hcd (`dummy_udc.0`) and the modules libcomposite,
//! usb_f_hid, usb_f_acm, usbhid, hid-generic and evdev are loaded: in a virtual machine made for it, because the
//! console is taken. One test at a time: there is one controller.

mod layouts;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios;
use oratype::typing::{Keymap, Pacing, Preset, TypingOutcome, Typist};
use oratype_hal::hid::{GadgetKeyboard, Keyboard};
use oratype_hal::time::MonotonicClock;
use oratype_tests::needs::run_elsewhere;

/// As the host composes it: manufacturer and product.
const NAME: &str = "Oratype Oratype dictation keyboard";
const CONFIGFS: &str = "/sys/kernel/config/usb_gadget";
/// Only ends a test that failed.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

const TEXT: &str = "Pack my box with five dozen Liquor Jugs, then type 0123456789 and AaBbCcDdEe. ";

/// The controller, for one test at a time; or why the test cannot run.
fn controller() -> Option<(String, MutexGuard<'static, ()>)> {
    static ONE: Mutex<()> = Mutex::new(());
    let Ok(udc) = std::env::var("ORATYPE_UDC") else {
        run_elsewhere("no USB device controller for tests (ORATYPE_UDC)");
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

/// Reads what is typed on the host's console: the kernel's own keyboard driver and US layout make it text at once,
/// where a reader of events would lose what is unread when the device goes away.
struct Reader {
    console: File,
    text: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start() -> Self {
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let console =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty1").unwrap();
        let mut raw = termios::tcgetattr(&console).unwrap();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&console, termios::SetArg::TCSAFLUSH, &raw).unwrap();
        let (text, stop) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
        let shared = (console.try_clone().unwrap(), Arc::clone(&text), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let (mut console, text, stop) = shared;
            let mut bytes = [0; 256];
            while !stop.load(Ordering::Relaxed) {
                let _ = poll(&mut [PollFd::new(console.as_fd(), PollFlags::POLLIN)], 10_u8);
                if let Ok(length) = console.read(&mut bytes) {
                    text.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
                }
            }
        });
        Self { console, text, stop, thread: Some(thread) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Set Caps Lock of the console, and with it the lights of its keyboards.
    fn set_caps_lock(&self, on: bool) {
        nix::ioctl_write_int_bad!(kdskbled, 0x4b65);
        // SAFETY: the request (KDSKBLED of linux/kd.h) takes flags by value; bit 2 is Caps Lock.
        unsafe { kdskbled(self.console.as_raw_fd(), if on { 4 } else { 0 }) }.unwrap();
    }

    /// Wait until so many characters are there, and check that they are the text and that no key is down.
    fn expect(&self, text: &str) {
        let start = Instant::now();
        while self.text().len() < text.len() && start.elapsed() < PATIENCE {
            thread::sleep(POLL);
        }
        assert_same(&self.text(), text);
        until("all keys up", || {
            let keys = evdev::Device::open(event_node()?).ok()?.get_key_state().ok()?;
            keys.iter().next().is_none().then_some(())
        });
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

/// That a text arrived as it was typed; where not, what is around the first difference.
#[track_caller]
fn assert_same(arrived: &str, typed: &str) {
    let around =
        |text: &str, at: usize| text.chars().skip(at.saturating_sub(20)).take(40).collect::<String>();
    let same = arrived.chars().zip(typed.chars()).take_while(|(a, b)| a == b).count();
    let lengths = (arrived.chars().count(), typed.chars().count());
    assert!(
        arrived == typed,
        "{} characters instead of {}; around the one number {same}: {:?} instead of {:?}",
        lengths.0,
        lengths.1,
        around(arrived, same),
        around(typed, same)
    );
}

/// Let no key repeat: an emulator may well take longer for a report than the 250 ms after which one does.
fn without_repeats() -> Option<()> {
    let mut device = evdev::Device::open(event_node()?).ok()?;
    device.update_auto_repeat(&evdev::AutoRepeat { delay: 60_000, period: 60_000 }).ok()
}

fn keyboard(udc: &str) -> GadgetKeyboard {
    GadgetKeyboard::create(udc, Duration::from_secs(10)).unwrap()
}

fn typist<K: Keyboard>(keyboard: K) -> Typist<K> {
    typist_paced(keyboard, Preset::Safe)
}

fn typist_paced<K: Keyboard>(keyboard: K, preset: Preset) -> Typist<K> {
    Typist::new(keyboard, Arc::new(MonotonicClock), Keymap::default(), Pacing::new(preset, 0))
}

fn type_all<K: Keyboard>(typist: &mut Typist<K>, text: &str) {
    let outcome = typist.type_text(text, |_| false, |_| {});
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
            let count = reader.text().len();
            let next = (count + 5 + number % 7).min(text.len());
            until("more characters", || {
                // The device may be a new one.
                let _ = without_repeats();
                (reader.text().len() >= next || done.load(Ordering::Relaxed)).then_some(())
            });
            if reader.text().len() < text.len() {
                disturb(number);
                number += 1;
            }
        }
        number
    });
    reader.expect(&text);
    println!("{disturbances} disturbances");
    assert!(disturbances > 0);
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
    // At high speed an interval counts in powers of two: 1 is 125 µs, 4 is 1 ms.
    let asked = entries(&format!("{CONFIGFS}/oratype/functions")).iter().any(|f| f.join("interval").exists());
    let endpoint = entries(&device.join(format!("{folder}:1.0")).to_string_lossy())
        .into_iter()
        .find(|entry| entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ep_")));
    let interval = endpoint.map(|endpoint| read(&endpoint.join("bInterval")));
    println!("the kernel lets the poll interval be set: {asked}; bInterval {interval:?}");
    assert_eq!(interval.as_deref(), Some(if asked { "01" } else { "04" }));
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

/// A long text, at every preset: nothing is lost, doubled or exchanged.
#[test]
fn text_arrives_at_every_pace() {
    let Some((udc, _one)) = controller() else { return };
    for (preset, characters) in [(Preset::Fast, 50_000), (Preset::Safe, 2000), (Preset::Remote, 2000)] {
        let reader = Reader::start();
        let text = scrambled(characters);
        let mut typist = typist_paced(keyboard(&udc), preset);
        until("the host", || typist.meet_host().then_some(()));
        until("the device", without_repeats);
        let start = Instant::now();
        type_all(&mut typist, &text);
        let per_second = characters as f64 / start.elapsed().as_secs_f64();
        println!("{preset:?}: {characters} characters, {per_second:.0} a second");
        reader.expect(&text);
    }
}

/// Characters of the US layout in no order, so that nothing hides behind a pattern.
fn scrambled(characters: usize) -> String {
    let mut state = 1_u32;
    let next = || {
        // Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + ((state >> 24) % 95) as u8)
    };
    std::iter::repeat_with(next).take(characters).collect()
}

/// Backspaces are keys like others: as many arrive as were asked for.
#[test]
fn what_was_typed_is_taken_back() {
    let Some((udc, _one)) = controller() else { return };
    let reader = Reader::start();
    let mut typist = typist_paced(keyboard(&udc), Preset::Fast);
    type_all(&mut typist, TEXT);
    let outcome = typist.erase(TEXT.len(), |_| false, |_| {});
    assert!(matches!(outcome, TypingOutcome::Done { .. }), "{outcome:?}");
    // In raw mode the console hands on what the key makes.
    reader.expect(&(TEXT.to_owned() + &"\x7f".repeat(TEXT.len())));
}

#[test]
fn caps_lock_of_the_host_is_heeded() {
    let Some((udc, _one)) = controller() else { return };
    let reader = Reader::start();
    let mut keyboard = keyboard(&udc);
    until("the keyboard on the host", event_node);
    reader.set_caps_lock(true);
    until("Caps Lock", || keyboard.host_leds().filter(|leds| leds.caps_lock));
    let mut typist = typist(keyboard);
    type_all(&mut typist, TEXT);
    reader.expect(TEXT);
    reader.set_caps_lock(false);
    // The typist reads the lights itself; on the host's side this is how long the report takes.
    thread::sleep(50 * POLL);
    type_all(&mut typist, TEXT);
    reader.expect(&TEXT.repeat(2));
}

#[test]
fn nothing_is_lost_or_doubled_when_the_host_takes_the_device_away() {
    let Some((udc, _one)) = controller() else { return };
    types_through(&udc, 2, |number| {
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
    let mut first = true;
    types_through(&udc, 2, |_| {
        if std::mem::take(&mut first) {
            // A reset leaves the host's input device, and a key that was down is down until the next report.
            until("the device", without_repeats);
        }
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
    types_through(&udc, 2, |number| {
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
    // dummy_hcd does not carry a wake-up through a root hub that sleeps as well.
    fs::write(power.join("../../power/control"), "on").unwrap();
    // As with any host, its wake lasts for longer than the 50 ms after which the typist tries again.
    fs::write(power.join("autosuspend_delay_ms"), "500").unwrap();
    for times in 2..=4 {
        fs::write(power.join("control"), "on").unwrap();
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
