//! The appliance in an emulated machine: booted, spoken to, its button pressed, its light seen, its keyboard read.
//!
//! What an image ships is not changed: the kernel command line and an archive behind the initramfs bring the agent
//! (crate `oratype-vm-agent`), the emulator's kernel modules, settings and recordings.

pub mod appliance;
mod qtest;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use oratype_board::{Board, Gpio};
use oratype_image::sd::cpio::Tree;
use oratype_image::sd::modules::Module;
use oratype_vm_agent::{Command as Asked, FOLDER, MODULES, Message, PORT, Process, REMOVE, Request};
use tempfile::TempDir;

use self::qtest::{Qtest, device_path};

/// How long to wait for anything before it counts as not happening: no measure of speed, many times what it takes
/// on two busy cores, where the emulator recognises a short sentence in tens of seconds.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Between two looks at what has no event to wait for, such as a file of the machine.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Of console and log, when something went wrong.
const TAIL_LINES: usize = 60;

/// An emulated machine takes all the cores it gets, and must keep up with sound: nothing else may run beside it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Wait until no other test has a machine, or prepares one. To be kept until the test is over.
pub fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Permissions of what tests bring along.
const EXECUTABLE: u32 = 0o755;

/// Which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// QEMU's own arm64 machine.
    Virt,
    /// A Raspberry Pi 3, which has the Zero 2 W's processor.
    Raspi3b,
}

impl Machine {
    /// What Oratype takes it for.
    pub fn board(self) -> Board {
        match self {
            Self::Virt => oratype_board::virt::board(),
            Self::Raspi3b => oratype_board::zero2w::board(),
        }
    }
}

/// How to start a machine.
pub struct Boot<'a> {
    /// Which.
    pub machine: Machine,
    /// Memory; a Raspberry Pi has what it has.
    pub memory_mib: u32,
    /// The image's kernel.
    pub kernel: PathBuf,
    /// The image's initramfs.
    pub initrd: PathBuf,
    /// The image's device tree; QEMU makes that of [`Machine::Virt`].
    pub device_tree: Option<PathBuf>,
    /// The card in its slot.
    pub card: Option<PathBuf>,
    /// Modules of this kernel to load before the image's init, in this order.
    pub modules: &'a [Module],
    /// The agent.
    pub agent: &'a Path,
    /// Files to add or replace: path without leading slash, contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files of the image to do without.
    pub remove: Vec<&'a str>,
    /// The image's kernel command line.
    pub command_line: String,
    /// What the kernel hands to init after `--`.
    pub program_args: &'a [&'a str],
}

/// Something that happened.
#[derive(Debug)]
enum Event {
    Console(String),
    Agent(Message),
    Light(bool),
    Connected(Channel, UnixStream),
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Agent,
    Qtest,
    Qmp,
}

/// A running machine; switched off on drop.
pub struct Guest {
    qemu: Child,
    machine: Machine,
    events: Receiver<Event>,
    agent: UnixStream,
    qtest: Qtest,
    /// How [`Qtest`] moves the button: the controller's path, or a pin.
    controller: Option<String>,
    gpio: Gpio,
    started: Instant,
    next_request: u64,
    replies: Vec<(u64, Result<String, String>)>,
    /// What the machine shows on its console: before the agent is up, and when the kernel has died.
    console: Vec<String>,
    /// The kernel's log.
    log: Vec<String>,
    /// Messages of the agent, for whoever reads why a test failed.
    heard: VecDeque<String>,
    /// What the machine's keyboard typed since it was last asked for.
    typed: String,
    /// Since the start: repeats, keys down now, keyboards plugged and unplugged.
    repeats: u32,
    down: usize,
    plugged: u32,
    unplugged: u32,
    light_changes: Vec<(Duration, bool)>,
    _folder: TempDir,
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending(u64);

impl Guest {
    /// Switch a machine on, when it is the test's [`turn`].
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(boot: &Boot<'_>) -> Self {
        let gpio = boot.machine.board().gpio.expect("the boards that are emulated have a button and a light");
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let initrd = folder.path().join("initrd");
        fs::write(&initrd, boot.initrd().expect("the initramfs")).expect("room for temporary files");
        let (sender, events) = channel();
        let mut command = boot.command(&initrd);
        for (channel, name, options) in [
            (Channel::Agent, "agent", &["-chardev", "socket,id=agent,path="][..]),
            (Channel::Qtest, "qtest", &["-qtest", "unix:"]),
            (Channel::Qmp, "qmp", &["-qmp", "unix:"]),
        ] {
            let path = folder.path().join(name);
            let listener = UnixListener::bind(&path).expect("a socket");
            command.args([options[0].to_owned(), format!("{}{}", options[1], path.display())]);
            let sender = sender.clone();
            thread::spawn(move || {
                if let Ok((socket, _)) = listener.accept() {
                    // Without a receiver the test is over.
                    let _ = sender.send(Event::Connected(channel, socket));
                }
            });
        }
        let mut qemu = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let started = Instant::now();
        read_console(qemu.stdout.take().expect("it is piped"), sender.clone());
        read_console(qemu.stderr.take().expect("it is piped"), sender.clone());

        let mut sockets = [Channel::Agent, Channel::Qtest, Channel::Qmp].map(|channel| (channel, None));
        let mut console = Vec::new();
        while sockets.iter().any(|(_, socket)| socket.is_none()) {
            match events.recv_timeout(LIMIT) {
                Ok(Event::Connected(channel, socket)) => {
                    sockets.iter_mut().filter(|(wanted, _)| *wanted == channel).for_each(|(_, s)| {
                        *s = socket.try_clone().ok();
                    });
                }
                Ok(Event::Console(line)) => console.push(line),
                other => panic!("QEMU did not start: {other:?}\n{}", console.join("\n")),
            }
        }
        let [agent, qtest, qmp] = sockets.map(|(_, socket)| socket.expect("it is connected"));
        read_agent(agent.try_clone().expect("a socket can be cloned"), sender.clone());
        let mut guest = Self {
            qemu,
            machine: boot.machine,
            events,
            agent,
            qtest: Qtest::new(qtest, gpio.pins.light, sender).expect("QEMU's test socket"),
            controller: None,
            gpio,
            started,
            next_request: 0,
            replies: Vec::new(),
            console,
            log: Vec::new(),
            heard: VecDeque::new(),
            typed: String::new(),
            repeats: 0,
            down: 0,
            plugged: 0,
            unplugged: 0,
            light_changes: Vec::new(),
            _folder: folder,
        };
        if boot.machine == Machine::Virt {
            let path = device_path(qmp, "pl061").expect("the GPIO controller of the machine");
            guest.qtest.command(&format!("irq_intercept_out {path}")).expect("QEMU's test socket");
            guest.controller = Some(path);
        }
        // Released: the emulator has no pull-up resistor.
        guest.press(false);
        guest
    }

    /// Wait until the agent inside answers.
    #[track_caller]
    pub fn wait_for_agent(&mut self) {
        self.wait("the test agent", |guest| guest.heard.iter().any(|line| line == "Ready").then_some(()));
    }

    /// Press the button, or let it go.
    ///
    /// # Panics
    /// If QEMU is gone.
    pub fn press(&mut self, pressed: bool) {
        let high = pressed != self.gpio.button_active_low;
        let line = self.gpio.pins.button;
        match &self.controller {
            Some(path) => {
                let command = format!("set_irq_in {path} unnamed-gpio-in {line} {}", u8::from(high));
                self.qtest.command(&command).map(drop)
            }
            None => self.qtest.set_pin(line, high),
        }
        .expect("QEMU's test socket");
    }

    /// Wait until `seen` finds what it looks for; it is asked again after every event and now and then.
    ///
    /// # Panics
    /// If the machine ends before, or [`LIMIT`] passes.
    #[track_caller]
    pub fn wait<T>(&mut self, what: &str, mut seen: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = seen(self) {
                return found;
            }
            match self.events.recv_timeout(LOOK_INTERVAL) {
                Ok(event) => self.take(event, what),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("QEMU ended before {what}\n{}", self.so_far()),
            }
            if Instant::now() > deadline {
                panic!("no sign of {what} after {} s\n{}", LIMIT.as_secs(), self.so_far());
            }
        }
    }

    /// Wait until the machine has ended: a reset ends it, because it is started with `-no-reboot`.
    ///
    /// # Panics
    /// If [`LIMIT`] passes.
    #[track_caller]
    pub fn wait_for_end(&mut self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(event) => self.take(event, "the end"),
                Err(RecvTimeoutError::Timeout) => panic!("it goes on\n{}", self.so_far()),
            }
        }
    }

    #[track_caller]
    fn take(&mut self, event: Event, what: &str) {
        match event {
            Event::Console(line) => self.console.push(line),
            Event::Light(lit) => self.light_changes.push((self.started.elapsed(), lit)),
            Event::Agent(message) => {
                match &message {
                    Message::Reply { id, result } => self.replies.push((*id, result.clone())),
                    Message::Typed { text, repeats, down, .. } => {
                        self.typed += text;
                        self.repeats += repeats;
                        self.down = *down;
                    }
                    Message::Plugged(_) => self.plugged += 1,
                    Message::Unplugged(_) => self.unplugged += 1,
                    Message::Log(line) => {
                        self.log.push(line.clone());
                        return;
                    }
                    Message::Ready => {}
                }
                self.heard.push_back(format!("{message:?}"));
            }
            Event::Ended => panic!("QEMU ended before {what}\n{}", self.so_far()),
            Event::Connected(..) => {}
        }
    }

    /// Ask the agent for something, and go on.
    ///
    /// # Panics
    /// If QEMU is gone.
    pub fn ask(&mut self, command: Asked) -> Pending {
        self.next_request += 1;
        let request = Request { id: self.next_request, command };
        let mut line = serde_json::to_vec(&request).expect("requests can be written");
        line.push(b'\n');
        self.agent.write_all(&line).expect("QEMU takes what the agent is to read");
        Pending(request.id)
    }

    /// The answer, if it is there.
    pub fn answer(&mut self, Pending(id): Pending) -> Option<Result<String, String>> {
        let place = self.replies.iter().position(|(reply, _)| *reply == id)?;
        Some(self.replies.swap_remove(place).1)
    }

    /// Ask, and wait for the answer.
    #[track_caller]
    pub fn try_do(&mut self, command: Asked) -> Result<String, String> {
        let what = format!("{command:?}");
        let pending = self.ask(command);
        self.wait(&what, |guest| guest.answer(pending))
    }

    /// Ask, and wait until it is done.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn done(&mut self, command: Asked) -> String {
        let what = format!("{command:?}");
        match self.try_do(command) {
            Ok(answer) => answer,
            Err(error) => panic!("{what}: {error}\n{}", self.so_far()),
        }
    }

    /// A file of the machine.
    #[track_caller]
    pub fn read(&mut self, path: &str) -> String {
        self.done(Asked::Read(path.to_owned()))
    }

    /// Write a file of the machine, such as one of sysfs.
    #[track_caller]
    pub fn write(&mut self, path: &str, text: &str) {
        self.done(Asked::Write { path: path.to_owned(), text: text.to_owned() });
    }

    /// What runs in the machine.
    #[track_caller]
    pub fn processes(&mut self) -> Vec<Process> {
        let answer = self.done(Asked::Processes);
        serde_json::from_str(&answer).expect("a list of processes")
    }

    /// Wait for a line of the log with `text` in it, from line `from` on. Says where the next one begins.
    #[track_caller]
    pub fn wait_for_line(&mut self, text: &str, from: usize) -> usize {
        self.wait(&format!("{text:?} in the log"), |guest| {
            let found = guest.log.get(from..)?.iter().position(|line| line.contains(text))?;
            Some(from + found + 1)
        })
    }

    /// Lines of the log so far.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// What was typed since this was asked last, backspaces applied.
    pub fn take_typed(&mut self) -> String {
        std::mem::take(&mut self.typed)
    }

    /// What was typed since [`take_typed`](Self::take_typed).
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// Keys that are down.
    pub fn keys_down(&self) -> usize {
        self.down
    }

    /// How often a key was held until the computer repeated it, since the start.
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// How often the keyboard was plugged in, and unplugged.
    pub fn plugs(&self) -> (u32, u32) {
        (self.plugged, self.unplugged)
    }

    /// Since QEMU was started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When the light changed, counted from the start, and to what.
    pub fn light_changes(&mut self) -> &[(Duration, bool)] {
        if self.machine == Machine::Raspi3b
            && let Ok(lit) = self.qtest.pin(self.gpio.pins.light)
            && self.light_changes.last().is_none_or(|&(_, last)| last != lit)
        {
            self.light_changes.push((self.started.elapsed(), lit));
        }
        &self.light_changes
    }

    /// For whoever reads why a test failed.
    pub fn so_far(&self) -> String {
        let mut text = String::new();
        for (name, lines) in [("console", &self.console), ("log", &self.log)] {
            let _ = writeln!(text, "{name}:");
            for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
                let _ = writeln!(text, "  {line}");
            }
        }
        let _ = writeln!(text, "agent:");
        for line in self.heard.iter().rev().take(TAIL_LINES / 3).rev() {
            let _ = writeln!(text, "  {line:.300}");
        }
        let _ = writeln!(text, "typed: {:?}, {} keys down", self.typed, self.down);
        text
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Boot<'_> {
    /// The image's initramfs with what the test adds.
    fn initrd(&self) -> io::Result<Vec<u8>> {
        let folder = FOLDER.trim_start_matches('/');
        let mut tree = Tree::default();
        let mut file = |path: String, contents: &[u8]| tree.file(&path, EXECUTABLE, contents.to_vec());
        file(format!("{folder}/init"), &fs::read(self.agent)?);
        let mut list = String::new();
        for module in self.modules {
            let path = format!("{folder}/{}", module.path);
            let _ = writeln!(list, "/{path}");
            file(path, &module.data);
        }
        file(format!("{folder}/{MODULES}"), list.as_bytes());
        file(format!("{folder}/{REMOVE}"), self.remove.join("\n").as_bytes());
        for (path, contents) in &self.files {
            file(path.clone(), contents);
        }
        // The kernel unpacks one archive after another. It looks for the next at a multiple of four, past zeros.
        let mut initrd = fs::read(&self.initrd)?;
        initrd.resize(initrd.len().next_multiple_of(4), 0);
        initrd.extend(tree.to_cpio(0));
        Ok(initrd)
    }

    fn command(&self, initrd: &Path) -> Command {
        let mut command = Command::new("qemu-system-aarch64");
        command.args(["-accel", "tcg,thread=multi", "-nodefaults", "-display", "none", "-no-reboot"]);
        let (console, port) = match self.machine {
            Machine::Virt => {
                command.args(["-M", "virt,gic-version=3", "-cpu", "cortex-a53", "-smp", "4"]);
                command.args(["-m", &self.memory_mib.to_string(), "-serial", "stdio"]);
                command.args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent"]);
                command.args(["-device", "i6300esb", "-action", "watchdog=reset"]);
                ("ttyAMA0", "/dev/vport0p1")
            }
            Machine::Raspi3b => {
                command.args(["-M", "raspi3b", "-serial", "chardev:agent", "-serial", "stdio"]);
                ("ttyS1,115200", "/dev/ttyAMA0")
            }
        };
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(initrd);
        if let Some(device_tree) = &self.device_tree {
            command.arg("-dtb").arg(device_tree);
        }
        if let Some(card) = &self.card {
            let kind = match self.machine {
                Machine::Virt => "virtio",
                Machine::Raspi3b => "sd",
            };
            // What the machine writes is not kept.
            command.args(["-drive", &format!("if={kind},format=raw,snapshot=on,file={}", card.display())]);
        }
        let mut line =
            format!("{} console={console} loglevel=5 rdinit={FOLDER}/init {PORT}={port}", self.command_line);
        if self.machine == Machine::Raspi3b {
            // QEMU resets the machine as soon as the watchdog is started, instead of when it runs out.
            line += " module_blacklist=bcm2835_wdt";
        }
        if !self.program_args.is_empty() {
            let _ = write!(line, " -- {}", self.program_args.join(" "));
        }
        command.args(["-append", &line, "-qtest-log", "none"]);
        command
    }
}

fn read_console(stream: impl io::Read + Send + 'static, events: Sender<Event>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(1..) = reader.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if events.send(Event::Console(text)).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Ended);
    });
}

fn read_agent(socket: UnixStream, events: Sender<Event>) {
    thread::spawn(move || {
        for line in BufReader::new(socket).lines().map_while(Result::ok) {
            let event = match serde_json::from_str(&line) {
                Ok(message) => Event::Agent(message),
                Err(_) => Event::Console(format!("agent: {line}")),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    });
}
