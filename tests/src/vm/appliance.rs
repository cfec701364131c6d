//! The image under test, taken apart for the emulator, and a person who dictates to it.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use oratype_image::sd::cpio::Tree;
use oratype_image::sd::modules::{Kernel, Module};
use oratype_image::sd::{self, Contents};
use oratype_vm_agent::{Command as Asked, Process};
use tempfile::TempDir;

use super::{Boot, Guest, Machine};
use crate::needs::{folder_for_test, not_run, workspace, write};

/// What scripts/lib/vm.sh makes: the image, and a folder with what the tests run inside.
const IMAGE: &str = "ORATYPE_IMAGE";
const PROGRAMS: &str = "ORATYPE_VM_PROGRAMS";
/// Unpacked packages of the image.
const PACKAGES: &str = ".cache/image/unpacked";

/// Modules the emulator needs: microphone, USB controller, the host's side of a USB keyboard, a keyboard without a
/// USB controller, the virtual machine's disk and its watchdog.
const MODULES: [&str; 8] =
    ["snd-aloop", "dummy_hcd", "usbhid", "hid-generic", "evdev", "uinput", "virtio_blk", "i6300esb"];

/// An image, and what the tests add to it.
pub struct Appliance {
    /// The image.
    pub image: PathBuf,
    /// The files of its FAT partition.
    pub contents: Contents,
    modules: Vec<Module>,
    agent: PathBuf,
    /// For the emulator: the kernel and what else it wants as files.
    folder: TempDir,
}

impl Appliance {
    /// `None`, and said, if something is missing.
    ///
    /// # Panics
    /// If what is there cannot be used.
    pub fn needs() -> Option<Self> {
        let [Some(image), Some(programs)] = [IMAGE, PROGRAMS].map(env::var_os) else {
            not_run(&format!("{IMAGE} and {PROGRAMS} are not set; scripts/test makes what they name"));
            return None;
        };
        let (image, programs) = (PathBuf::from(image), PathBuf::from(programs));
        let contents = sd::contents(&image).unwrap_or_else(|error| panic!("{}: {error}", image.display()));
        let kernel = kernel_of(&contents.root);
        let modules = kernel.select(&MODULES).unwrap_or_else(|error| panic!("{error}"));
        let folder = folder_for_test();
        for (name, file) in &contents.files {
            write(folder.path(), name, file);
        }
        let agent = programs.join("vm-agent");
        Some(Self { image, contents, modules, agent, folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Start it on a machine without changing it; `settings` are read after its own.
    pub fn boot(&self, machine: Machine, settings: &str) -> Boot<'_> {
        let raspberry = machine == Machine::Raspi3b;
        let device_tree = machine.board().models[0].device_tree;
        Boot {
            machine,
            memory_mib: 512,
            kernel: self.file("vmlinuz"),
            initrd: self.file("initrd.img"),
            device_tree: device_tree.map(|name| self.file(name)),
            card: raspberry.then(|| self.image.clone()),
            modules: &self.modules,
            agent: &self.agent,
            files: vec![("test/settings.toml".to_owned(), settings.as_bytes().to_vec())],
            remove: Vec::new(),
            command_line: String::from_utf8_lossy(&self.contents.files["cmdline.txt"]).trim().to_owned(),
            program_args: &["--settings", "/test/settings.toml", "-v"],
        }
    }
}

/// The kernel package that the image was made from: its modules are of this very kernel.
fn kernel_of(root: &Tree) -> Kernel {
    const BELOW: &str = "usr/lib/modules/";
    let version = root.0.keys().find_map(|path| path.strip_prefix(BELOW)?.split('/').next());
    let version = version.expect("the image has kernel modules");
    let packages = workspace().join(PACKAGES);
    let has_it = |package: &PathBuf| package.join(BELOW).join(version).is_dir();
    let package = fs::read_dir(&packages)
        .unwrap_or_else(|error| panic!("{}: {error}", packages.display()))
        .flatten()
        .map(|entry| entry.path())
        .find(has_it)
        .unwrap_or_else(|| {
            panic!("{}: no kernel {version}; scripts/build-image fetches it", packages.display())
        });
    Kernel::open(&package).unwrap_or_else(|error| panic!("{error}"))
}

impl Boot<'_> {
    /// Bring a file along; in the machine it lies in the test's folder.
    #[must_use]
    pub fn with(mut self, name: &str, contents: Vec<u8>) -> Self {
        self.files.push((format!("test/{name}"), contents));
        self
    }

    /// Bring a recording along.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn with_recording(self, name: &str, path: &Path) -> Self {
        self.with(name, fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }
}

/// The states that the program writes to its log when the light changes.
const READY: &str = "] ready";
const LISTENING: &str = "] listening";

impl Guest {
    /// Wait until it can be dictated to.
    #[track_caller]
    pub fn wait_until_ready(&mut self) {
        self.wait_until_ready_from(0);
    }

    /// The same, looking at the log from a line on. Says where the next line begins.
    #[track_caller]
    pub fn wait_until_ready_from(&mut self, line: usize) -> usize {
        self.wait_for_line(READY, line)
    }

    /// Hold the button, say a recording of the test's folder, let go.
    #[track_caller]
    pub fn speak(&mut self, recording: &str) {
        let line = self.log().len();
        self.press(true);
        self.wait_for_line(LISTENING, line);
        self.done(Asked::Play(format!("/test/{recording}")));
        self.press(false);
    }

    /// The same, and the text when it is typed.
    #[track_caller]
    pub fn dictate(&mut self, recording: &str) -> String {
        let line = self.log().len();
        self.speak(recording);
        self.wait_until_ready_from(line);
        self.typed_whole()
    }

    /// What was typed, when every key is up.
    #[track_caller]
    pub fn typed_whole(&mut self) -> String {
        self.wait("all keys to be up", |guest| (guest.keys_down() == 0).then_some(()));
        self.take_typed()
    }

    /// The program's own processes: the one that listens and types, the recogniser.
    #[track_caller]
    pub fn program(&mut self) -> (Process, Process) {
        let processes = self.processes();
        let find = |command: &str| {
            let program = |process: &&Process| process.command.split_whitespace().nth(1) == Some(command);
            processes.iter().find(program).cloned()
        };
        match (find("run"), find("recogniser")) {
            (Some(program), Some(recogniser)) => (program, recogniser),
            _ => panic!("the program does not run: {processes:#?}\n{}", self.so_far()),
        }
    }
}

/// Between two flashes of an error code it is dark for less, between two codes for longer: a third of a second and
/// over a second, as the light is made.
const CODE_PAUSE: Duration = Duration::from_millis(700);

/// The error codes that a light has shown since `from`: how often it flashed between two pauses.
fn codes(changes: &[(Duration, bool)], from: Duration) -> Vec<usize> {
    let mut flashes: Option<usize> = None;
    let mut codes = Vec::new();
    let changes: Vec<_> = changes.iter().filter(|(at, _)| *at >= from).collect();
    for pair in changes.windows(2) {
        let (&(at, lit), &(until, _)) = (pair[0], pair[1]);
        match (lit, until - at >= CODE_PAUSE) {
            // Lit for long: no code.
            (true, true) => flashes = None,
            (true, false) => flashes = flashes.map(|count| count + 1),
            (false, true) => {
                codes.extend(flashes);
                flashes = Some(0);
            }
            (false, false) => {}
        }
    }
    codes
}

impl Guest {
    /// Wait until the light shows this error code from now on, one whole round of it.
    #[track_caller]
    pub fn wait_for_code(&mut self, code: usize) {
        let from = self.uptime();
        self.wait(&format!("{code} flashes of the light"), |guest| {
            codes(guest.light_changes(), from).contains(&code).then_some(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flashes_are_counted_between_pauses() {
        let ms = Duration::from_millis;
        let mut at = ms(0);
        let mut changes = Vec::new();
        // Ready, an error code of three, a code of two that goes on.
        for (lit_ms, dark_ms) in [(100, 2900), (200, 150), (200, 150), (200, 1350), (200, 150), (200, 150)] {
            changes.extend([(at, true), (at + ms(lit_ms), false)]);
            at += ms(lit_ms + dark_ms);
        }
        assert_eq!(codes(&changes, ms(0)), [3]);
        changes.extend([(at + ms(1200), true), (at + ms(1400), false)]);
        assert_eq!(codes(&changes, ms(0)), [3, 2]);
        assert_eq!(codes(&changes, ms(3100)), [2]);
    }
}
