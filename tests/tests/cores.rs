//! The recogniser's threads run on its cores and on nobody else's, and the program's other threads keep off them.
//!
//! A partition, which keeps off the rest of the system too, needs a cgroup v2 to itself: see the appliance's tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use oratype::models;
use oratype::recognise::audio::Pool;
use oratype::recognise::engine::EngineOptions;
use oratype::recognise::supervisor::{Supervisor, SupervisorOptions};
use oratype::recognise::worker::WorkerOptions;
use oratype_hal::sched;
use oratype_tests::cores::{RECOGNISER, Watch, processes, threads_of};
use oratype_tests::needs::{self, Dictation, not_run};
use oratype_tests::oratype::{Program, command, program};

const SAID: [&str; 2] = ["auth-incorrect", "conf-invalid"];

/// During dictation. The board `desk` keeps the first core for everything else.
#[test]
fn recogniser_and_everything_else_keep_off_each_others_cores() {
    let Some(dictation) = Dictation::needs() else { return };
    let [_, own @ ..] = &sched::available_cores().unwrap()[..] else { return };
    if own.is_empty() {
        return not_run("the recogniser has cores of its own: there is one core");
    }
    let own: BTreeSet<usize> = own.iter().copied().take(4).collect();
    let recordings = SAID.map(|id| &dictation.utterance(id).path);
    let mut program = Program::start(command(dictation.run_args(&["-v"], &recordings)));
    program.wait_until("readiness", |program| program.stderr().contains("recogniser ready"));
    let mut watch = Watch::new(own.iter().copied());
    program.wait_until("the first text", |program| {
        if let Some(recogniser) = program.recogniser() {
            watch.look(recogniser.pid(), &[program.pid()]);
        }
        program.stdout().contains('\n')
    });
    let verdict = watch.verdict();
    eprintln!("{verdict}");
    assert!(!verdict.used.is_empty(), "the recogniser was not seen to run");
    assert!(verdict.strays.is_empty() && verdict.intruders.is_empty(), "{verdict}");
    assert!(program.finish().success().contains('\n'));
}

/// While it warms up, which is a recognition like any other. Two cores are enough for this.
#[test]
fn recogniser_threads_run_on_different_cores() {
    let Some(models) = needs::models() else { return };
    let cores = sched::available_cores().unwrap();
    if cores.len() < 2 {
        return not_run("recogniser threads run on different cores: there is one core");
    }
    let options = SupervisorOptions {
        program: program(),
        worker: WorkerOptions {
            model: models.join(models::WHISPER.name),
            any_model: false,
            phrases: Vec::new(),
            engine: EngineOptions { threads: cores.len() },
            cores: cores.clone(),
        },
        timeout: Duration::from_secs(60),
        partition: None,
    };
    let (end, ended) = channel::<()>();
    let enough = Arc::new(AtomicBool::new(false));
    let seen_enough = Arc::clone(&enough);
    let starting = thread::spawn(move || {
        let _end = end;
        let pool = Pool::new().unwrap();
        // Again and again: the warm-up is short, and on a busy machine the cores may be taken.
        for _ in (0..20).take_while(|_| !seen_enough.load(Ordering::Relaxed)) {
            Supervisor::start(options.clone(), pool.memory()).unwrap();
        }
    });
    let mut watch = Watch::new(cores.iter().copied());
    let all = cores.iter().copied().collect::<BTreeSet<_>>();
    while ended.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        enough.store(
            watch.verdict().at_once_max == all.len() && watch.verdict().used == all,
            Ordering::Relaxed,
        );
        let is_recogniser =
            |pid: &&u32| threads_of(**pid).first().is_some_and(|thread| thread.name == RECOGNISER);
        if let Some(&recogniser) = processes().iter().find(is_recogniser) {
            watch.look(recogniser, &[]);
        }
    }
    let verdict = watch.verdict().clone();
    eprintln!("{verdict}");
    starting.join().unwrap();
    assert_eq!(verdict.used, all, "cores that no recogniser thread ran on");
    assert_eq!(verdict.at_once_max, all.len(), "never on all of them at once");
}
