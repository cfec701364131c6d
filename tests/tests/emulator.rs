//! The appliance in emulated machines, from the image that people flash: boots, hears speech, sees its button, types
//! over USB; and what happens when something fails.
//!
//! Machines emulate ARM on the processor at hand: they are slow, and all waits are for events.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use nix::sys::signal::Signal;
use oratype::bench::normalise::normalise;
use oratype::models;
use oratype_image::sd;
use oratype_image::sd::cpio::Node;
use oratype_tests::needs::{Dictation, folder_for_test, write};
use oratype_tests::oratype::run;
use oratype_tests::sound::{Encoding, Sound};
use oratype_tests::vm::appliance::Appliance;
use oratype_tests::vm::{Boot, Guest, Machine, turn};
use oratype_tests::words::assert_said;
use oratype_vm_agent::Command as Asked;

/// Short, so that an emulator recognises it in reasonable time, and heard without a mistake.
const SAID: &str = "all-circuits-busy-now";
/// In the machine.
const RECORDING: &str = "speech.wav";

/// An emulator recognises many times slower than the slowest board; the recogniser is not to count as hanging.
const SETTINGS: &str = "[recogniser]\ntimeout_s = 600\n";

/// QEMU's Raspberry Pi has a USB controller that is a host only, and an I2S block that hangs: the same stand-ins as on
/// the other machine.
const STAND_INS: &str = "[audio]\ndevice = \"hw:Loopback,1\"\n[usb]\nudc = \"dummy_udc.0\"\n";

const MIB: u64 = 1 << 20;
/// Requirements: resident memory of the program in normal use, and at worst; memory left on a board with 512 MB.
const RSS_MAX_BYTES: u64 = 130 * 1_000_000;
const RSS_WORST_BYTES: u64 = 200 * 1_000_000;
const FREE_MIN_BYTES: u64 = 200 * 1_000_000;

/// What all these tests need.
struct Needs {
    _turn: MutexGuard<'static, ()>,
    appliance: Appliance,
    dictation: Dictation,
    folder: tempfile::TempDir,
}

impl Needs {
    fn all() -> Option<Self> {
        Some(Self {
            _turn: turn(),
            appliance: Appliance::needs()?,
            dictation: Dictation::needs()?,
            folder: folder_for_test(),
        })
    }

    /// The recording, at the rate of the boards' microphones: a loopback card does not convert.
    fn recording(&self) -> PathBuf {
        self.recording_of(0.0)
    }

    /// The recording as a microphone hears it that needs so much gain.
    fn recording_of(&self, gain_db: f32) -> PathBuf {
        let mut sound = Sound::read(&self.dictation.utterance(SAID).path).resampled(48_000);
        let factor = 10_f32.powf(-gain_db / 20.0);
        sound.samples.iter_mut().for_each(|sample| *sample *= factor);
        // The last word is over well before the button is let go.
        let sound = sound.then(&Sound::silence(48_000, 0.5));
        sound.write(self.folder.path().join(format!("{gain_db}.wav")), Encoding::Int(16), 1)
    }

    /// What the desk types for a recording.
    fn desk_types(&self, recording: &Path) -> String {
        run(self.dictation.run_args(&["--pace", "fast"], &[recording])).success()
    }

    /// What was said, and heard without a mistake by the desk.
    fn expected(&self, recording: &Path) -> String {
        let typed = self.desk_types(recording);
        assert_said(&self.dictation.utterance(SAID).reference, &typed, 0);
        normalise(&typed)
    }
}

/// The value of a line `name:   number kB`, as in /proc/meminfo.
fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix("kB"));
    number.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse::<u64>().unwrap() * 1024
}

/// What people see while it starts: lines of the kernel's log that tell a stage, with the time since its start.
fn print_stages(guest: &Guest) {
    eprintln!("stages from the start of the kernel, as its log has them:");
    let stage = |line: &&String| {
        ["Booting Linux", "as init process", "oratype", "] ready"].iter().any(|mark| line.contains(mark))
    };
    for line in guest.log().iter().filter(stage) {
        eprintln!("  {line}");
    }
}

/// It has no way out but USB, and does not write to its card.
fn assert_sealed(guest: &mut Guest) {
    let interfaces = guest.read("/proc/net/dev");
    let names: Vec<_> = interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    assert_eq!(names, ["lo"], "{interfaces}");
    let mounts = guest.read("/proc/1/mounts");
    assert!(!mounts.lines().any(|line| line.starts_with("/dev/")), "the card is still mounted: {mounts}");
}

/// Memory, before the first dictation and after it.
fn assert_memory(guest: &mut Guest, when: &str) {
    let memory = guest.read("/proc/meminfo");
    let (program, recogniser) = guest.program();
    let [free, available] = ["MemFree", "MemAvailable"].map(|name| kilobytes(&memory, name));
    let rss = program.rss_bytes + recogniser.rss_bytes;
    eprintln!(
        "{when}: resident {} MiB (program {}, recogniser {}); free {} MiB, available {} MiB",
        rss / MIB,
        program.rss_bytes / MIB,
        recogniser.rss_bytes / MIB,
        free / MIB,
        available / MIB
    );
    assert!(rss <= RSS_MAX_BYTES, "{when}: {program:?} {recogniser:?}");
    assert!(free >= FREE_MIN_BYTES, "{when}: {memory}");
}

/// Capture is real-time and its memory locked; each thread of whisper.cpp has a core, and the core nobody else.
fn assert_real_time(guest: &mut Guest) {
    /// sched(7).
    const SCHED_FIFO: u32 = 1;
    let (program, recogniser) = guest.program();
    let capture = program.threads.iter().find(|thread| thread.name == "capture").unwrap();
    assert!(capture.policy == SCHED_FIFO && capture.priority > 0, "{capture:?}");
    assert!(program.locked_bytes > 0, "{program:?}");
    let set_aside: BTreeSet<_> = oratype_board::virt::board().recogniser_cores.into_iter().collect();
    for process in guest.processes().iter().filter(|process| process.pid != recogniser.pid) {
        for thread in &process.threads {
            assert!(
                !set_aside.contains(&thread.core),
                "{} on core {}: {thread:?}",
                process.command,
                thread.core
            );
        }
    }
}

/// While it recognises: as many of the recogniser's threads work as there are cores for them, each on its own.
fn assert_parallel(guest: &mut Guest) {
    let cores = oratype_board::virt::board().recogniser_cores;
    let seen = guest.wait("the recogniser on all its cores", |guest| {
        let (_, recogniser) = guest.program();
        let workers = recogniser.threads.iter().filter(|thread| thread.cpu_ticks > 0);
        let on: BTreeSet<_> = workers.map(|thread| thread.core).collect();
        (on.len() == cores.len()).then_some(on)
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), cores);
}

/// Proof a: speech played to the microphone comes out of the keyboard as the text the desk types.
#[test]
fn speech_is_typed_over_usb() {
    let Some(needs) = Needs::all() else { return };
    let recording = needs.recording();
    let expected = needs.expected(&recording);
    let boot = needs.appliance.boot(Machine::Virt, SETTINGS).with_recording(RECORDING, &recording);
    let mut guest = Guest::start(&boot);
    guest.wait_until_ready();
    eprintln!("ready after {:.1} s in the emulator", guest.uptime().as_secs_f32());
    print_stages(&guest);
    assert_sealed(&mut guest);
    assert_memory(&mut guest, "ready");
    assert_real_time(&mut guest);

    let line = guest.log().len();
    guest.speak(RECORDING);
    assert_parallel(&mut guest);
    guest.wait_until_ready_from(line);
    let typed = guest.typed_whole();
    assert_eq!(normalise(&typed), expected, "{typed:?}\n{}", guest.so_far());
    eprintln!("typed {typed:?} after {:.1} s", guest.uptime().as_secs_f32());
    assert_memory(&mut guest, "after a dictation");
    let lit = guest.light_changes().iter().any(|&(_, lit)| lit);
    assert!(lit, "the light was never lit\n{}", guest.so_far());
}

/// A text that says the same twice is doubted, and at this quality recognised again until the context is the widest.
#[test]
#[ignore = "takes minutes, and depends only on the recogniser's memory"]
fn memory_at_worst() {
    let Some(needs) = Needs::all() else { return };
    let once = Sound::read(&needs.recording());
    let twice = once.clone().then(&once).write(needs.folder.path().join("twice.wav"), Encoding::Int(16), 1);
    let boot = needs.appliance.boot(Machine::Virt, &format!("{SETTINGS}quality = \"best\"\n"));
    let mut guest = Guest::start(&boot.with_recording(RECORDING, &twice));
    guest.wait_until_ready();
    let peak_bytes = |guest: &mut Guest| {
        let (program, recogniser) = guest.program();
        program.peak_rss_bytes + recogniser.peak_rss_bytes
    };
    let before = peak_bytes(&mut guest);
    let typed = guest.dictate(RECORDING);
    let worst = peak_bytes(&mut guest);
    eprintln!("typed {typed:?}; resident at most {} MiB, {} before", worst / MIB, before / MIB);
    assert!(worst > before + 10 * MIB, "it was not recognised again: this proves nothing");
    assert!(worst <= RSS_WORST_BYTES);
}

/// Proof b: the image's own kernel, device tree, initial file system and settings on a Raspberry Pi.
#[test]
fn the_image_types_on_a_raspberry_pi() {
    let Some(needs) = Needs::all() else { return };
    let recording = needs.recording();
    let expected = needs.expected(&recording);
    let settings = format!("{SETTINGS}{STAND_INS}");
    // The board amplifies its own microphone.
    let heard = needs.recording_of(Machine::Raspi3b.board().microphone_gain_db);
    let boot = needs.appliance.boot(Machine::Raspi3b, &settings).with_recording(RECORDING, &heard);
    let mut guest = Guest::start(&boot);
    guest.wait_until_ready();
    eprintln!("ready after {:.1} s in the emulator", guest.uptime().as_secs_f32());
    print_stages(&guest);
    // Its own settings file, off the card.
    assert!(
        guest.read("/proc/1/root/run/oratype/oratype.toml").contains("[recogniser]"),
        "{}",
        guest.so_far()
    );
    assert_sealed(&mut guest);
    let typed = guest.dictate(RECORDING);
    assert_eq!(normalise(&typed), expected, "{typed:?}\n{}", guest.so_far());
    eprintln!("typed {typed:?} after {:.1} s", guest.uptime().as_secs_f32());
}

/// The root hub of the emulated host, and the keyboard that hangs on it.
const HUB: &str = "1-0:1.0";
const HUB_DRIVER: &str = "/sys/bus/usb/drivers/hub";
const DEVICE_AUTHORIZED: &str = "/sys/bus/usb/devices/1-1/authorized";
/// The host's controller: without it the host is gone, and the keyboard, with a supply of its own, is not.
const HOST: &str = "dummy_hcd.0";
const HOST_DRIVER: &str = "/sys/bus/platform/drivers/dummy_hcd";
/// The loopback card.
const CARD: &str = "snd_aloop.0";
const CARD_DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";
/// What the gadget is bound to.
const GADGET_UDC: &str = "/proc/1/root/sys/kernel/config/usb_gadget/oratype/UDC";

/// Pacing, so that there is time for something to happen in the middle.
const SLOWLY: &str = "[typing]\ncharacters_per_second = 10\n";

/// Error codes of the light.
const MICROPHONE: usize = 3;
const MODEL: usize = 7;

/// Wait until more than `characters` were typed.
#[track_caller]
fn wait_for_typed(guest: &mut Guest, characters: usize) {
    guest
        .wait(&format!("{characters} characters"), |guest| (guest.typed().len() >= characters).then_some(()));
}

/// Take the keyboard away from the host with one write and bring it back with another.
#[track_caller]
fn replug(guest: &mut Guest, (path, text): (&str, &str), (path_back, text_back): (&str, &str)) {
    let (plugged, unplugged) = guest.plugs();
    guest.write(path, text);
    guest.wait("the keyboard to be unplugged", |guest| (guest.plugs().1 > unplugged).then_some(()));
    guest.write(path_back, text_back);
    guest.wait("the keyboard to be plugged in", |guest| (guest.plugs().0 > plugged).then_some(()));
}

/// A host that goes away in the middle of a text, again and again, gets all of it, once, in order.
#[track_caller]
fn host_comes_and_goes(guest: &mut Guest, expected: &str) {
    let line = guest.log().len();
    guest.speak(RECORDING);
    wait_for_typed(guest, 3);
    // The host does not want the device, then enumerates it again.
    replug(guest, (DEVICE_AUTHORIZED, "0"), (DEVICE_AUTHORIZED, "1"));
    wait_for_typed(guest, 8);
    // The hub between them is reset.
    replug(guest, (&format!("{HUB_DRIVER}/unbind"), HUB), (&format!("{HUB_DRIVER}/bind"), HUB));
    wait_for_typed(guest, 13);
    // The host loses its power; the keyboard has its own.
    replug(guest, (&format!("{HOST_DRIVER}/unbind"), HOST), (&format!("{HOST_DRIVER}/bind"), HOST));
    wait_for_typed(guest, 18);
    // The host falls asleep, perhaps with a key down. Its port does, that is: all else of it goes on, and repeats
    // the key, where Linux lets go of all keys before it sleeps (input_dev_suspend in drivers/input/input.c).
    assert_eq!(guest.repeats(), 0, "a key was held while the host was away\n{}", guest.so_far());
    guest.done(Asked::SuspendPort(true));
    let asleep = guest.log().len();
    guest.wait_for_line("] host away", asleep);
    let typed = guest.typed().len();
    assert!(normalise(guest.typed()).len() < expected.len(), "it slept too late: {:?}", guest.typed());
    guest.done(Asked::SuspendPort(false));
    wait_for_typed(guest, typed + 1);
    guest.wait_until_ready_from(line);
    guest.wait("the rest", |guest| (normalise(guest.typed()) == expected).then_some(()));
    let typed = guest.typed_whole();
    eprintln!("a host that came and went was typed {typed:?}; {} repeats", guest.repeats());
    assert_eq!(normalise(&typed), expected, "{typed:?}\n{}", guest.so_far());
}

/// A recogniser that crashes in the middle loses nothing.
#[track_caller]
fn recogniser_killed(guest: &mut Guest, expected: &str) {
    let line = guest.log().len();
    let (_, recogniser) = guest.program();
    guest.speak(RECORDING);
    guest.wait_for_line("] working", line);
    guest.done(Asked::Signal { pid: recogniser.pid, signal: Signal::SIGKILL as i32 });
    guest.wait_for_line("recogniser ready", line);
    guest.wait_until_ready_from(line);
    let typed = guest.typed_whole();
    assert_eq!(normalise(&typed), expected, "{typed:?}\n{}", guest.so_far());
}

/// Without a microphone the light says so; with it, it is ready again.
#[track_caller]
fn microphone_removed(guest: &mut Guest) {
    let line = guest.log().len();
    let gone = guest.ask(Asked::Write { path: format!("{CARD_DRIVER}/unbind"), text: CARD.into() });
    guest.wait_for_code(MICROPHONE);
    guest.wait("the card to be gone", |guest| guest.answer(gone)).expect("the card can be taken away");
    guest.write(&format!("{CARD_DRIVER}/bind"), CARD);
    guest.wait_until_ready_from(line);
}

/// A gadget that somebody unbinds is bound again.
#[track_caller]
fn gadget_unbound(guest: &mut Guest) {
    let (plugged, unplugged) = guest.plugs();
    guest.write(GADGET_UDC, "\n");
    guest.wait("the keyboard to be gone", |guest| (guest.plugs().1 > unplugged).then_some(()));
    guest.wait("the keyboard to be back", |guest| (guest.plugs().0 > plugged).then_some(()));
}

/// A program that ends comes back by itself.
#[track_caller]
fn program_killed(guest: &mut Guest) {
    let line = guest.log().len();
    let (program, _) = guest.program();
    guest.done(Asked::Signal { pid: program.pid, signal: Signal::SIGKILL as i32 });
    guest.wait_for_line("program started", line);
    guest.wait_until_ready_from(line);
    // The partition that the dead program left behind does not keep the next one off its cores.
    guest.wait("a recogniser with all its cores", |guest| {
        let processes = guest.processes();
        let mut commands = processes.iter().map(|process| process.command.as_str());
        commands.any(|command| command.contains("--threads 3 --cores 1,2,3")).then_some(())
    });
}

/// A program that hangs as a whole is ended by the watchdog, with the machine. It was fed until then: this comes last.
#[track_caller]
fn program_hangs(mut guest: Guest) {
    let unwatched = guest.log().iter().any(|line| line.contains("a hang will not reboot this machine"));
    assert!(!unwatched, "the watchdog is not in use\n{}", guest.so_far());
    let (program, _) = guest.program();
    guest.done(Asked::Signal { pid: program.pid, signal: Signal::SIGSTOP as i32 });
    guest.wait_for_end();
}

/// Proof c: what fails is got over, and loses no word.
#[test]
fn faults_lose_no_word() {
    let Some(needs) = Needs::all() else { return };
    let recording = needs.recording();
    let expected = needs.expected(&recording);
    let boot = needs.appliance.boot(Machine::Virt, &format!("{SETTINGS}{SLOWLY}"));
    let mut guest = Guest::start(&boot.with_recording(RECORDING, &recording));
    guest.wait_until_ready();
    let begun = guest.uptime();
    let say = |what: &str, guest: &Guest| {
        eprintln!("{what}: {:.1} s", (guest.uptime() - begun).as_secs_f32());
    };
    host_comes_and_goes(&mut guest, &expected);
    say("host gone and asleep", &guest);
    recogniser_killed(&mut guest, &expected);
    say("recogniser killed", &guest);
    microphone_removed(&mut guest);
    say("microphone removed", &guest);
    gadget_unbound(&mut guest);
    say("gadget unbound", &guest);
    program_killed(&mut guest);
    say("program killed", &guest);
    let typed = guest.dictate(RECORDING);
    assert_eq!(normalise(&typed), expected, "{typed:?}\n{}", guest.so_far());
    say("dictation after all that", &guest);
    let hung = guest.uptime();
    program_hangs(guest);
    eprintln!("reset by the watchdog: {:.1} s after the start", hung.as_secs_f32());
}

/// What the card of a machine has instead of the image's.
fn boot_with_card<'a>(needs: &'a Needs, card: &[u8]) -> Boot<'a> {
    let mut boot = needs.appliance.boot(Machine::Raspi3b, &format!("{SETTINGS}{STAND_INS}"));
    boot.card = Some(write(needs.folder.path(), "card.img", card));
    boot
}

/// The image with another settings file.
fn card_with_settings(needs: &Needs, settings: &[u8]) -> Vec<u8> {
    let mut files = needs.appliance.contents.files.clone();
    files.insert("oratype.toml".into(), settings.to_vec());
    sd::disk::image(&files, 0, 1).unwrap()
}

/// A settings file that is damaged does not keep the device from dictating.
#[test]
fn a_damaged_settings_file_is_got_over() {
    let Some(needs) = Needs::all() else { return };
    let mut settings = needs.appliance.contents.files["oratype.toml"].clone();
    // A write that was torn, and bytes that are no text.
    let middle = settings.len() / 2;
    settings[middle..middle + 64].fill(0xff);
    settings.extend(b"\n[typing\nlayout = 7\n");
    let mut guest = Guest::start(&boot_with_card(&needs, &card_with_settings(&needs, &settings)));
    guest.wait_until_ready();
    assert!(guest.log().iter().any(|line| line.contains("settings: ")), "{}", guest.so_far());
}

/// Nor does a card whose partition is gone.
#[test]
fn a_card_without_a_partition_is_got_over() {
    let Some(needs) = Needs::all() else { return };
    let mut card = fs::read(&needs.appliance.image).unwrap();
    card[..sd::disk::PARTITION_START_BYTES + (1 << 20)].fill(0);
    let mut guest = Guest::start(&boot_with_card(&needs, &card));
    guest.wait_until_ready();
    assert!(guest.log().iter().any(|line| line.contains("going on with the defaults")), "{}", guest.so_far());
}

/// A model that is not what was shipped is shown by the light; the machine does not reboot, the program goes on.
#[test]
fn a_damaged_model_is_shown() {
    let whisper = &format!("usr/share/oratype/models/{}", models::WHISPER.name);
    let Some(needs) = Needs::all() else { return };
    let Some(Node::File(_, mut model)) = needs.appliance.contents.root.0.get(whisper).cloned() else {
        panic!("no {whisper} in the image");
    };
    let middle = model.len() / 2;
    model[middle] ^= 1;
    let mut altered = needs.appliance.boot(Machine::Virt, SETTINGS);
    altered.files.push((whisper.clone(), model));
    assert_model_error(&altered);
    let path = format!("/{whisper}");
    let mut missing = needs.appliance.boot(Machine::Virt, SETTINGS);
    missing.remove.push(&path);
    assert_model_error(&missing);
}

#[track_caller]
fn assert_model_error(boot: &Boot<'_>) {
    let mut guest = Guest::start(boot);
    // Two rounds, and the program has not been started again meanwhile; QEMU would end with the machine.
    guest.wait_for_code(MODEL);
    guest.wait_for_code(MODEL);
    let starts = guest.log().iter().filter(|line| line.contains("program started")).count();
    assert_eq!(starts, 1, "{}", guest.so_far());
}
