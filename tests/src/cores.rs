//! On which cores threads really run, sampled from /proc: whether the recogniser has its cores for itself, and uses
//! them all. Needs nothing but /proc, so it can run in a guest too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

/// `PF_KTHREAD` and `PF_NO_SETAFFINITY` of the kernel's include/linux/sched.h.
const KERNEL_THREAD: u64 = 0x0020_0000;
const NO_SETAFFINITY: u64 = 0x0400_0000;

/// The name of the recogniser's process and threads.
pub const RECOGNISER: &str = "recogniser";

/// A thread, at the moment it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub pid: u32,
    /// Its own number.
    pub tid: u32,
    /// As the kernel has it, 15 bytes at most.
    pub name: String,
    /// Running, or ready to.
    pub runnable: bool,
    /// One of the kernel's, bound to its cores by the kernel.
    pub bound: bool,
    /// Where it ran last.
    pub core: usize,
    /// How often it was given a core so far.
    pub slices: u64,
}

impl Thread {
    /// From the text of `stat` (proc_pid_stat(5)) and `schedstat` (the kernel's Documentation/scheduler/sched-stats).
    fn parse(pid: u32, stat: &str, schedstat: &str) -> Option<Self> {
        let (tid, rest) = stat.split_once(" (")?;
        // The name may hold anything, parentheses too.
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Fields are counted from 1 there, and the third is the first here.
        let field = |number: usize| fields.get(number - 3).copied();
        let flags: u64 = field(9)?.parse().ok()?;
        Some(Self {
            pid,
            tid: tid.parse().ok()?,
            name: name.to_owned(),
            runnable: field(3)? == "R",
            bound: flags & KERNEL_THREAD != 0 && flags & NO_SETAFFINITY != 0,
            core: field(39)?.parse().ok()?,
            slices: schedstat.split_whitespace().nth(2)?.parse().ok()?,
        })
    }
}

/// The threads of a process; none when it is gone.
pub fn threads_of(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = |folder: &Path| {
        let [stat, schedstat] = ["stat", "schedstat"].map(|file| fs::read_to_string(folder.join(file)));
        Thread::parse(pid, &stat.ok()?, &schedstat.ok()?)
    };
    tasks.filter_map(|task| read(&task.path())).collect()
}

/// Every process there is.
pub fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Looks again and again at a recogniser and at those that should keep off its cores.
#[derive(Debug)]
pub struct Watch {
    cores: BTreeSet<usize>,
    /// Slices that a thread had had when it was looked at last, by its number.
    slices: BTreeMap<u32, u64>,
    verdict: Verdict,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Looks taken.
    pub looks: u64,
    /// Cores on which recogniser threads ran.
    pub used: BTreeSet<usize>,
    /// The most of its cores on which recogniser threads ran at the same moment.
    pub at_once_max: usize,
    /// Others that ran on the recogniser's cores: names with the cores.
    pub intruders: BTreeSet<(String, usize)>,
    /// Recogniser threads that ran elsewhere.
    pub strays: BTreeSet<(String, usize)>,
}

impl Watch {
    /// On these cores the recogniser should run, and nobody else.
    pub fn new(cores: impl IntoIterator<Item = usize>) -> Self {
        Self { cores: cores.into_iter().collect(), slices: BTreeMap::new(), verdict: Verdict::default() }
    }

    /// Take a look at the threads of `recogniser` and of `others`, which may contain it. Only those count that ran
    /// since the last look: the core of a thread that sleeps is of no meaning, and none counts at the first look.
    pub fn look(&mut self, recogniser: u32, others: &[u32]) {
        self.verdict.looks += 1;
        let threads = threads_of(recogniser);
        let running = threads.iter().filter(|thread| thread.runnable && self.cores.contains(&thread.core));
        let at_once = running.map(|thread| thread.core).collect::<BTreeSet<_>>().len();
        self.verdict.at_once_max = self.verdict.at_once_max.max(at_once);
        for thread in threads {
            if self.has_run(&thread) {
                self.verdict.used.insert(thread.core);
                if !self.cores.contains(&thread.core) {
                    self.verdict.strays.insert((thread.name, thread.core));
                }
            }
        }
        for &pid in others.iter().filter(|&&pid| pid != recogniser) {
            for thread in threads_of(pid) {
                if self.has_run(&thread) && !thread.bound && self.cores.contains(&thread.core) {
                    self.verdict.intruders.insert((thread.name, thread.core));
                }
            }
        }
    }

    /// What was seen so far.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether it ran since the last look. ggml's threads live for one graph: one that was not there before did.
    fn has_run(&mut self, thread: &Thread) -> bool {
        match self.slices.insert(thread.tid, thread.slices) {
            Some(before) => thread.slices > before,
            None => self.verdict.looks > 1 && thread.slices > 0,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { looks, used, at_once_max, intruders, strays } = self;
        writeln!(f, "looks {looks}, recogniser on cores {used:?}, on {at_once_max} of its own at once")?;
        writeln!(f, "recogniser elsewhere: {strays:?}")?;
        write!(f, "others on its cores: {intruders:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_read_whatever_its_name() {
        let stat = "4711 (a) R (b) R 1 1 1 0 -1 4194304 1 0 0 0 5 6 0 0 20 0 4 0 77 1 1 18446744073709551615 \
                    1 1 1 1 1 0 0 4096 17642 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let thread = Thread::parse(4711, stat, "123 45 67\n").unwrap();
        assert_eq!((thread.tid, thread.name.as_str(), thread.core), (4711, "a) R (b", 3));
        assert!(thread.runnable && !thread.bound);
        assert_eq!(thread.slices, 67);
        assert_eq!(Thread::parse(1, "nonsense", ""), None);
    }

    #[test]
    fn own_threads_are_found_and_a_spinning_one_is_seen_to_run() {
        let own = std::process::id();
        assert!(processes().contains(&own));
        let every_core = 0..1024;
        let mut as_recogniser = Watch::new(every_core.clone());
        let mut as_intruder = Watch::new(every_core);
        let mut as_stray = Watch::new([]);
        // Reading /proc is work enough to be given the core again and again.
        while as_recogniser.verdict().used.is_empty()
            || as_intruder.verdict().intruders.is_empty()
            || as_stray.verdict().strays.is_empty()
        {
            as_recogniser.look(own, &[]);
            as_intruder.look(u32::MAX, &[own]);
            as_stray.look(own, &[own]);
            std::thread::yield_now();
        }
        assert!(as_recogniser.verdict().strays.is_empty() && as_stray.verdict().intruders.is_empty());
    }
}
