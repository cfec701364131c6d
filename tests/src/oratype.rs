//! The program under test: started, watched, fed and signalled as a person or a shell would.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oratype::metrics::peak_rss_bytes;

/// How long a program may take before it counts as hanging: no measure of speed, many times what a loaded machine
/// needs for what the tests ask.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Between two looks at what has no event to wait for, such as the processor time of another process.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Recognition uses every core it gets; two at a time would only disturb each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The program cargo built, beside the tests.
///
/// # Panics
/// If it is not there.
pub fn program() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own file");
    // target/PROFILE/deps/TEST
    let profile = test.parent().and_then(Path::parent).expect("cargo puts tests in target/PROFILE/deps");
    let program = profile.join("oratype");
    let flag = if profile.ends_with("release") { " --release" } else { "" };
    assert!(program.exists(), "{} is missing: run cargo build{flag} first", program.display());
    program
}

/// A command line of the program, in `args`.
pub fn command<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program());
    command.args(args).env_remove("ORATYPE_LOG").env_remove("ORATYPE_MODELS").env_remove("RUST_BACKTRACE");
    command
}

/// Run a command line to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Outcome {
    Program::start(command(args)).finish()
}

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    /// What the system says.
    pub status: ExitStatus,
    /// Standard output, all of it.
    pub stdout: String,
    /// Standard error, all of it.
    pub stderr: String,
    /// Its largest resident set, the recogniser's not included; short of what it took in its last moment.
    pub peak_rss_bytes: u64,
}

impl Outcome {
    /// The standard output of a program that succeeded.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.status.success(), "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        self.stdout
    }

    /// The one line on standard error with which a program refused.
    #[track_caller]
    pub fn refusal(self) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self.stderr
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

/// A running program. It is killed, and its test fails, when it exceeds [`LIMIT`].
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Kept open: a program that hears from a terminal may not see its end.
    stdin: Option<ChildStdin>,
    output: Receiver<(Stream, Vec<u8>)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    peak_rss_bytes: u64,
    deadline: Instant,
    _turn: MutexGuard<'static, ()>,
}

impl Program {
    /// Start `command` with its standard streams connected here.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, output) = channel();
        let pass_on = |stream, mut pipe: Box<dyn Read + Send>| {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                    // Without a receiver the test is over.
                    let _ = sender.send((stream, bytes[..count].to_vec()));
                }
            });
        };
        pass_on(Stream::Stdout, Box::new(child.stdout.take().expect("it is piped")));
        pass_on(Stream::Stderr, Box::new(child.stderr.take().expect("it is piped")));
        Self {
            stdin: child.stdin.take(),
            child,
            output,
            stdout: Vec::new(),
            stderr: Vec::new(),
            peak_rss_bytes: 0,
            deadline: Instant::now() + LIMIT,
            _turn: turn,
        }
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Take in output until `enough` says so. Looks again now and then, so it may ask about other things too.
    ///
    /// # Panics
    /// If the program ends before, or takes too long.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut enough: impl FnMut(&Self) -> bool) {
        while !enough(self) {
            if !self.take_output(what) {
                panic!("it ended before {what}\n{}", self.so_far());
            }
        }
    }

    /// Wait for its end.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        while self.take_output("the end") {}
        let status = self.child.wait().expect("it is our child");
        Outcome { status, stdout: self.stdout(), stderr: self.stderr(), peak_rss_bytes: self.peak_rss_bytes }
    }

    /// False when both streams are closed.
    #[track_caller]
    fn take_output(&mut self, what: &str) -> bool {
        if Instant::now() > self.deadline {
            let _ = self.child.kill();
            panic!("no sign of {what} after {} s\n{}", LIMIT.as_secs(), self.so_far());
        }
        match self.output.recv_timeout(LOOK_INTERVAL) {
            Ok((Stream::Stdout, bytes)) => self.stdout.extend(bytes),
            Ok((Stream::Stderr, bytes)) => self.stderr.extend(bytes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        self.peak_rss_bytes = peak_rss_bytes(self.child.id()).unwrap_or(0).max(self.peak_rss_bytes);
        true
    }

    fn so_far(&self) -> String {
        format!("stdout: {}\nstderr: {}", self.stdout(), self.stderr())
    }

    /// Press Enter.
    pub fn press_enter(&mut self) {
        let stdin = self.stdin.as_mut().expect("it is not closed");
        stdin.write_all(b"\n").expect("the program reads its standard input");
    }

    /// Send it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it is our child");
    }

    /// How many bytes it has read of a file that it has open.
    pub fn bytes_read(&self, file: &Path) -> Option<u64> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let fds = fs::read_dir(process.join("fd")).ok()?;
        let open = fds.flatten().find(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == file))?;
        let info = fs::read_to_string(process.join("fdinfo").join(open.file_name())).ok()?;
        info.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its recogniser process.
    pub fn recogniser(&self) -> Option<Recogniser> {
        let parent = self.child.id().to_string();
        let processes = fs::read_dir("/proc").expect("there is a /proc");
        processes.flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let recogniser = Recogniser(Pid::from_raw(pid));
            (recogniser.stat()?.get(1)? == &parent).then_some(recogniser)
        })
    }

    /// Wait until the recogniser is at work, not merely loading or waiting.
    ///
    /// # Panics
    /// If that does not happen.
    #[track_caller]
    pub fn wait_until_recognising(&mut self) -> Recogniser {
        /// Processor time, in ticks of 10 ms, that a recogniser does not take for waiting.
        const WORK_TICKS: u64 = 5;
        let recogniser = self.recogniser().expect("there is a recogniser");
        let before = recogniser.cpu_ticks().expect("it runs");
        self.wait_until("recognition", |_| {
            recogniser.cpu_ticks().is_some_and(|ticks| ticks >= before + WORK_TICKS)
        });
        recogniser
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process that whisper.cpp runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recogniser(Pid);

impl Recogniser {
    /// Its process number.
    pub fn pid(self) -> u32 {
        self.0.as_raw().unsigned_abs()
    }

    /// Send it a signal.
    pub fn signal(self, signal: Signal) {
        kill(self.0, signal).expect("the recogniser runs");
    }

    /// Fields of /proc/PID/stat from the third on (proc_pid_stat(5)); the second may hold anything.
    fn stat(self) -> Option<Vec<String>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        Some(fields.split_whitespace().map(str::to_owned).collect())
    }

    /// utime and stime, fields 14 and 15.
    fn cpu_ticks(self) -> Option<u64> {
        let stat = self.stat()?;
        Some(stat.get(11)?.parse::<u64>().ok()? + stat.get(12)?.parse::<u64>().ok()?)
    }
}
