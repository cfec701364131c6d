//! Options, counters and the report.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What runs before the first phase.
const START: &str = "start";
/// Code of no known function.
const ELSEWHERE: &str = "elsewhere";

/// What the plugin was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Where the report goes.
    pub out: PathBuf,
    /// Functions that begin a phase.
    pub phases: Vec<String>,
}

impl Options {
    /// From `key=value` arguments; the error says what is wrong with one.
    pub(crate) fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let (mut out, mut phases) = (None, vec![]);
        for argument in arguments {
            match argument.split_once('=') {
                Some(("out", path)) if !path.is_empty() => out = Some(PathBuf::from(path)),
                Some(("phase", name)) if !name.is_empty() => phases.push(name.to_owned()),
                _ => return Err(format!("{argument}: not one of out=FILE, phase=FUNCTION")),
            }
        }
        Ok(Self { out: out.ok_or("out=FILE is missing")?, phases })
    }
}

/// The counters. QEMU adds to `total` and those of functions from the code it makes, and not atomically: the
/// program may have one thread only.
pub(crate) struct Counts {
    options: Options,
    total: AtomicU64,
    /// By function.
    functions: BTreeMap<String, &'static AtomicU64>,
    /// `start`, then one for each phase.
    phases: Vec<AtomicU64>,
    /// The phase of now, and the total at its begin.
    phase: AtomicUsize,
    phase_begin: AtomicU64,
}

impl Counts {
    pub(crate) fn new(options: Options) -> Self {
        let phases = (0..=options.phases.len()).map(|_| AtomicU64::new(0)).collect();
        Self {
            options,
            total: AtomicU64::new(0),
            functions: BTreeMap::new(),
            phases,
            phase: AtomicUsize::new(0),
            phase_begin: AtomicU64::new(0),
        }
    }

    pub(crate) fn total(&self) -> &AtomicU64 {
        &self.total
    }

    /// The counter of a function.
    pub(crate) fn function(&mut self, name: Option<&str>) -> &'static AtomicU64 {
        let name = name.filter(|name| !name.is_empty()).unwrap_or(ELSEWHERE);
        match self.functions.get(name) {
            Some(counter) => counter,
            None => {
                // QEMU keeps the address in translated code, as long as it runs.
                let counter = Box::leak(Box::new(AtomicU64::new(0)));
                self.functions.insert(name.to_owned(), counter);
                counter
            }
        }
    }

    /// The phase that the function begins.
    pub(crate) fn phase_of(&self, function: &str) -> Option<usize> {
        Some(1 + self.options.phases.iter().position(|name| name == function)?)
    }

    /// A phase begins, or goes on.
    pub(crate) fn enter(&self, phase: usize) {
        let now = self.total.load(Ordering::Relaxed);
        let begin = self.phase_begin.swap(now, Ordering::Relaxed);
        let left = self.phase.swap(phase, Ordering::Relaxed);
        self.phases[left].fetch_add(now - begin, Ordering::Relaxed);
    }

    /// Write the report, the functions with the most instructions first.
    pub(crate) fn report(&self) -> String {
        self.enter(self.phase.load(Ordering::Relaxed));
        let mut text = format!("total\t\t{}\n", self.total.load(Ordering::Relaxed));
        let names = std::iter::once(START).chain(self.options.phases.iter().map(String::as_str));
        for (name, count) in names.zip(&self.phases) {
            let _ = writeln!(text, "phase\t{name}\t{}", count.load(Ordering::Relaxed));
        }
        let mut functions: Vec<_> =
            self.functions.iter().map(|(name, count)| (count.load(Ordering::Relaxed), name)).collect();
        functions.sort_unstable_by(|a, b| b.cmp(a));
        for (count, name) in functions {
            let _ = writeln!(text, "function\t{name}\t{count}");
        }
        text
    }

    /// Write the report to its file.
    pub(crate) fn save(&self) -> Result<(), String> {
        let out = &self.options.out;
        std::fs::write(out, self.report()).map_err(|error| format!("{}: {error}", out.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().copied())
    }

    #[test]
    fn options_are_read() {
        let expected = Options { out: "a=b".into(), phases: vec!["encode".into(), "decode".into()] };
        assert_eq!(options(&["phase=encode", "out=a=b", "phase=decode"]), Ok(expected));
    }

    #[test]
    fn what_is_no_option_is_named() {
        for arguments in [&["out=x", "phase"][..], &["out=x", "phase="], &["out="], &["out=x", "top=3"]] {
            let error = options(arguments).unwrap_err();
            assert!(error.starts_with(arguments[arguments.len() - 1]), "{error}");
        }
        assert!(options(&["phase=x"]).unwrap_err().contains("out=FILE"));
    }

    #[test]
    fn phases_share_out_the_total() {
        let mut counts = Counts::new(options(&["out=x", "phase=encode", "phase=decode"]).unwrap());
        let run = |counts: &mut Counts, function, instructions| {
            if let Some(phase) = counts.phase_of(function) {
                counts.enter(phase);
            }
            counts.total().fetch_add(instructions, Ordering::Relaxed);
            counts.function(Some(function)).fetch_add(instructions, Ordering::Relaxed);
        };
        for (function, instructions) in [
            ("main", 5),
            ("encode", 1),
            ("multiply", 100),
            ("decode", 2),
            ("multiply", 10),
            ("decode", 2),
            ("", 3),
        ] {
            run(&mut counts, function, instructions);
        }
        let expected = "total\t\t123\nphase\tstart\t5\nphase\tencode\t101\nphase\tdecode\t17\n\
            function\tmultiply\t110\nfunction\tmain\t5\nfunction\tdecode\t4\nfunction\telsewhere\t3\n\
            function\tencode\t1\n";
        assert_eq!(counts.report(), expected);
        assert_eq!(counts.report(), expected, "a report changes nothing");
    }
}
