//! Watches on which cores the recogniser runs, and who else runs there, until its standard input ends: to be started
//! beside a running `oratype`, in a guest or on a board.

use std::io::Read;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use clap::Parser;
use oratype_tests::cores::{RECOGNISER, Watch, processes, threads_of};

/// A recognition takes many times as long.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Exit status 1 when the recogniser did not use all its cores, ran elsewhere, or others ran on its cores.
#[derive(Parser)]
struct Args {
    /// The cores that are the recogniser's own, e.g. 1,2,3
    #[arg(value_delimiter = ',', required = true)]
    cores: Vec<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (end, ended) = channel::<()>();
    thread::spawn(move || {
        let _end = end;
        // An error is an end too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    });
    let mut watch = Watch::new(args.cores.iter().copied());
    while ended.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let everyone = processes();
        let is_recogniser =
            |pid: &&u32| threads_of(**pid).first().is_some_and(|thread| thread.name == RECOGNISER);
        if let Some(&recogniser) = everyone.iter().find(is_recogniser) {
            watch.look(recogniser, &everyone);
        }
    }
    let verdict = watch.verdict();
    eprintln!("{verdict}");
    let alone = verdict.strays.is_empty() && verdict.intruders.is_empty();
    if alone && verdict.at_once_max == args.cores.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
