//! How a test outside talks to the agent inside an emulated machine: one JSON value a line over a serial port, from
//! the test [`Request`]s, from the agent [`Message`]s.

use serde::{Deserialize, Serialize};

/// Where the agent and what the tests bring along lie in the machine.
pub const FOLDER: &str = "/test";
/// In [`FOLDER`]: kernel modules to load before the machine's own init, one a line: path, then parameters.
pub const MODULES: &str = "modules";
/// In [`FOLDER`]: files of the image to delete before the machine's own init, one path a line.
pub const REMOVE: &str = "remove";
/// Kernel command line: `vm_agent=/dev/...` names the serial port. The kernel makes it an environment variable.
pub const PORT: &str = "vm_agent";

/// Something to do.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Request {
    /// Comes back with the reply.
    pub id: u64,
    /// What to do.
    pub command: Command,
}

/// What the agent can do. Requests are carried out side by side.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Command {
    /// The contents of a file.
    Read(String),
    /// The names in a folder, one a line.
    List(String),
    /// Write a file that exists, such as one of sysfs.
    Write {
        /// Its path.
        path: String,
        /// What to write, in one go.
        text: String,
    },
    /// The processes that run, those of the kernel left out: a JSON list of [`Process`].
    Processes,
    /// Send a signal.
    Signal {
        /// To which process.
        pid: i32,
        /// As the kernel numbers it.
        signal: i32,
    },
    /// Play a WAV file into the loopback sound card; done when its last sample was played.
    Play(String),
    /// Run a program to its end, its output the reply. Fails with its output if it does.
    Run(Vec<String>),
    /// Load a kernel module of [`FOLDER`]/[`MODULES`] with everything it needs.
    LoadModule(String),
    /// Unload a kernel module.
    RemoveModule(String),
    /// As the host: suspend the USB port the keyboard hangs on, or resume it.
    SuspendPort(bool),
}

/// What the agent says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Message {
    /// The agent listens.
    Ready,
    /// A line of the kernel's log, where init writes what the program says too: `[seconds] text`.
    Log(String),
    /// A request is done.
    Reply {
        /// The request's.
        id: u64,
        /// The answer, or why it failed.
        result: Result<String, String>,
    },
    /// A keyboard of this name appeared, and is read from now on.
    Plugged(String),
    /// It is gone.
    Unplugged(String),
    /// It typed something.
    Typed {
        /// Which keyboard.
        keyboard: String,
        /// What; U+0008 takes the character before it away.
        text: String,
        /// How often a key was held so long that the computer repeated it.
        repeats: u32,
        /// How many keys are down now, modifiers included.
        down: usize,
    },
}

/// A process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Command line, with spaces between.
    pub command: String,
    /// Resident set.
    pub rss_bytes: u64,
    /// The largest it ever was.
    pub peak_rss_bytes: u64,
    /// Memory that cannot be swapped out.
    pub locked_bytes: u64,
    /// Its threads.
    pub threads: Vec<Thread>,
}

/// A thread.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Thread {
    /// Its number.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// Where it ran last.
    pub core: usize,
    /// Where it may run, as the kernel lists it: `1-3`.
    pub allowed: String,
    /// 0 for SCHED_OTHER, 1 for SCHED_FIFO.
    pub policy: u32,
    /// Of SCHED_FIFO, 1 to 99.
    pub priority: u32,
    /// Processor time so far.
    pub cpu_ticks: u64,
}
