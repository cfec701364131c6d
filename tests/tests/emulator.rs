//! The appliance in emulated machines, from the image that people flash: boots, hears speech, sees its button, types
//! over USB; and what happens when something fails.
//!
//! Machines emulate ARM on the processor at hand: they are slow, and all waits are for events.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use oratype::bench::normalise::normalise;
use oratype_tests::needs::{Dictation, folder_for_test};
use oratype_tests::oratype::run;
use oratype_tests::sound::{Encoding, Sound};
use oratype_tests::vm::appliance::Appliance;
use oratype_tests::vm::{Guest, Machine};
use oratype_tests::words::assert_said;
use oratype_vm_agent::Command as Asked;

/// Short, so that an emulator recognises it in reasonable time, and heard without a mistake.
const SAID: &str = "all-circuits-busy-now";
/// In the machine.
const RECORDING: &str = "speech.wav";

/// An emulator recognises many times slower than the slowest board; the recogniser is not to count as hanging.
const SETTINGS: &str = "[recogniser]\ntimeout_s = 600\n";

const MIB: u64 = 1 << 20;
/// Requirements: resident memory of the program in normal use, memory left on a board with 512 MB.
const RSS_MAX_BYTES: u64 = 130 * 1_000_000;
const FREE_MIN_BYTES: u64 = 200 * 1_000_000;

/// What all these tests need.
struct Needs {
    appliance: Appliance,
    dictation: Dictation,
    folder: tempfile::TempDir,
}

impl Needs {
    fn all() -> Option<Self> {
        Some(Self {
            appliance: Appliance::needs()?,
            dictation: Dictation::needs()?,
            folder: folder_for_test(),
        })
    }

    /// The recording, at the rate of the boards' microphones: a loopback card does not convert.
    fn recording(&self) -> PathBuf {
        let sound = Sound::read(&self.dictation.utterance(SAID).path).resampled(48_000);
        // The last word is over well before the button is let go.
        let sound = sound.then(&Sound::silence(48_000, 0.5));
        sound.write(self.folder.path().join(RECORDING), Encoding::Int(16), 1)
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

/// Proof b: the image's own kernel, device tree, initial file system and settings on a Raspberry Pi.
#[test]
fn the_image_types_on_a_raspberry_pi() {
    /// QEMU's USB controller is a host only, and its I2S block hangs: the same stand-ins as on the other machine.
    const STAND_INS: &str = "[audio]\ndevice = \"hw:Loopback,1\"\n[usb]\nudc = \"dummy_udc.0\"\n";
    let Some(needs) = Needs::all() else { return };
    let recording = needs.recording();
    let expected = needs.expected(&recording);
    let settings = format!("{SETTINGS}{STAND_INS}");
    let boot = needs.appliance.boot(Machine::Raspi3b, &settings).with_recording(RECORDING, &recording);
    let mut guest = Guest::start(&boot);
    guest.wait_until_ready();
    eprintln!("ready after {:.1} s in the emulator", guest.uptime().as_secs_f32());
    print_stages(&guest);
    // Its own settings file, off the card.
    assert!(guest.read("/run/oratype/oratype.toml").contains("[recogniser]"), "{}", guest.so_far());
    assert_sealed(&mut guest);
    let typed = guest.dictate(RECORDING);
    assert_eq!(normalise(&typed), expected, "{typed:?}\n{}", guest.so_far());
    eprintln!("typed {typed:?} after {:.1} s", guest.uptime().as_secs_f32());
}
