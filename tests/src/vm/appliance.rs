//! The image under test, taken apart for the emulator, and a person who dictates to it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use oratype_vm_agent::{Command as Asked, Process};

use super::{Boot, Guest, Machine};
use crate::needs::{not_run, workspace};

/// Where scripts/lib/vm.sh leaves what the tests need.
const VARIABLE: &str = "ORATYPE_VM";
const DEFAULT: &str = ".cache/vm";

/// An image, and what the tests add to it.
pub struct Appliance {
    /// The image, of a size that QEMU takes for a card.
    pub card: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    device_tree: PathBuf,
    modules: PathBuf,
    agent: PathBuf,
    /// The unit tests of `hal`, built for the machine.
    pub hal_tests: PathBuf,
}

impl Appliance {
    /// `None`, and said, if something is missing.
    pub fn needs() -> Option<Self> {
        let folder = env::var_os(VARIABLE).map_or_else(|| workspace().join(DEFAULT), PathBuf::from);
        let device_tree = oratype_board::zero2w::board().models[0].device_tree.unwrap_or_default();
        let appliance = Self {
            card: folder.join("card.img"),
            kernel: folder.join("boot/vmlinuz"),
            initrd: folder.join("boot/initrd.img"),
            device_tree: folder.join("boot").join(device_tree),
            modules: folder.join("modules"),
            agent: folder.join("vm-agent"),
            hal_tests: folder.join("hal-tests"),
        };
        let Appliance { card, kernel, initrd, device_tree, modules, agent, hal_tests } = &appliance;
        for path in [card, kernel, initrd, device_tree, modules, agent, hal_tests] {
            if !path.exists() {
                not_run(&format!("{} is missing; scripts/test makes it", path.display()));
                return None;
            }
        }
        Some(appliance)
    }

    /// Start it on a machine without changing it; `settings` are read after its own.
    pub fn boot(&self, machine: Machine, settings: &str) -> Boot<'_> {
        let raspberry = machine == Machine::Raspi3b;
        Boot {
            machine,
            memory_mib: 512,
            kernel: &self.kernel,
            initrd: &self.initrd,
            device_tree: raspberry.then_some(&self.device_tree),
            card: raspberry.then(|| self.card.clone()),
            modules: &self.modules,
            agent: &self.agent,
            files: vec![("test/settings.toml".to_owned(), settings.as_bytes().to_vec())],
            remove: Vec::new(),
            program_args: &["--settings", "/test/settings.toml", "-v"],
        }
    }
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

    /// The same, looking at the console from a line on. Says where the next line begins.
    #[track_caller]
    pub fn wait_until_ready_from(&mut self, line: usize) -> usize {
        self.wait_for_line(READY, line)
    }

    /// Hold the button, say a recording of the test's folder, let go.
    #[track_caller]
    pub fn speak(&mut self, recording: &str) {
        let line = self.console().len();
        self.press(true);
        self.wait_for_line(LISTENING, line);
        self.done(Asked::Play(format!("/test/{recording}")));
        self.press(false);
    }

    /// The same, and the text when it is typed.
    #[track_caller]
    pub fn dictate(&mut self, recording: &str) -> String {
        let line = self.console().len();
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
