//! What happens when something fails in the middle: a recogniser that crashes or hangs, a host that is away, a
//! person who has had enough.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use oratype_hal::hid::Report;
use oratype_tests::needs::{Dictation, folder_for_test, write};
use oratype_tests::oratype::{Program, command};
use oratype_tests::words::{assert_said, decode};

const SAID: [&str; 2] = ["auth-incorrect", "conf-invalid"];

/// Assert that the program ends well and has typed what was said in `SAID`, by more than one recogniser.
#[track_caller]
fn assert_recovers(dictation: &Dictation, program: Program) {
    let outcome = program.finish();
    assert_eq!(outcome.stderr.matches("recogniser ready").count(), 2, "{outcome:#?}");
    let typed = outcome.success();
    assert_eq!(typed.lines().count(), SAID.len(), "{typed}");
    for (id, line) in SAID.iter().zip(typed.lines()) {
        assert_said(&dictation.utterance(id).reference, line, 1);
    }
}

#[test]
fn a_crash_of_the_recogniser_loses_nothing() {
    let Some(dictation) = Dictation::needs() else { return };
    let recordings = SAID.map(|id| &dictation.utterance(id).path);
    let mut program = Program::start(command(dictation.run_args(&["-v"], &recordings)));
    program.wait_until("readiness", |program| program.stderr().contains("recogniser ready"));
    let first = program.wait_until_recognising();
    first.signal(Signal::SIGKILL);
    program.wait_until("another recogniser", |program| program.recogniser().is_some_and(|r| r != first));
    assert_recovers(&dictation, program);
}

/// An update puts another program where this one was. The recogniser is started from what runs.
#[test]
fn a_program_replaced_while_it_runs_starts_its_own_recogniser() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let path = folder.path().join("oratype");
    std::fs::copy(oratype_tests::oratype::program(), &path).unwrap();
    let mut command = Command::new(&path);
    command.args(dictation.run_args(&["-v"], &SAID.map(|id| &dictation.utterance(id).path)));
    let mut program = Program::start(command);
    program.wait_until("readiness", |program| program.stderr().contains("recogniser ready"));
    let update = write(folder.path(), "update", "no program");
    std::fs::rename(update, &path).unwrap();
    let first = program.wait_until_recognising();
    first.signal(Signal::SIGKILL);
    assert_recovers(&dictation, program);
}

#[test]
fn a_hang_of_the_recogniser_loses_nothing() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    // Short, but more than a loaded machine takes for a sentence.
    let settings = write(folder.path(), "oratype.toml", "[recogniser]\ntimeout_s = 10\n");
    let options = ["-v", "--settings", settings.to_str().unwrap()];
    let recordings = SAID.map(|id| &dictation.utterance(id).path);
    let mut program = Program::start(command(dictation.run_args(&options, &recordings)));
    program.wait_until("readiness", |program| program.stderr().contains("recogniser ready"));
    program.wait_until_recognising().signal(Signal::SIGSTOP);
    assert_recovers(&dictation, program);
}

#[test]
fn an_interrupt_ends_it_in_order() {
    let Some(dictation) = Dictation::needs() else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let recordings = ["conf-placeintoconf"; 20].map(|id| &dictation.utterance(id).path);
        let mut program = Program::start(command(dictation.run_args(&[], &recordings)));
        program.wait_until("the first line", |program| program.stdout().contains('\n'));
        program.signal(signal);
        let outcome = program.finish();
        assert_eq!(outcome.status.code(), Some(130), "{outcome:#?}");
        let lines = outcome.stdout.lines().count();
        assert!((1..20).contains(&lines), "{outcome:#?}");
        let expected = format!("oratype: interrupted in recording {lines} of 20\n");
        assert_eq!(outcome.stderr, expected);
        assert_said(
            &dictation.utterance("conf-placeintoconf").reference,
            outcome.stdout.lines().next().unwrap(),
            1,
        );
    }
}

/// A host that reads reports from a pipe: `count` of them, or all there will be.
fn host(pipe: PathBuf, count: Option<usize>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let pipe = File::open(pipe).unwrap();
        let mut reports = Vec::new();
        pipe.take(count.map_or(u64::MAX, |count| 8 * count as u64)).read_to_end(&mut reports).unwrap();
        reports
    })
}

/// The second dictation is begun and recognised while the text of the first still waits.
#[test]
fn text_waits_for_a_host_that_is_away() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let said = SAID.map(|id| dictation.utterance(id));
    let options = ["-vv", "--pace", "fast", "--type", pipe.to_str().unwrap()];
    let mut program = Program::start(command(dictation.run_args(&options, &said.map(|u| &u.path))));
    program.wait_until("both transcripts", |program| {
        let log = program.stderr();
        log.contains("the host is away") && log.matches("Transcript {").count() == said.len()
    });
    assert_eq!(program.stdout(), "", "it says it typed what no host took");

    // The first host leaves in the middle of a word.
    let first = host(pipe.clone(), Some(21)).join().unwrap();
    let rest = host(pipe, None);
    let shown = program.finish().success();
    let reports = [first, rest.join().unwrap()].concat();
    let (typed, last) = decode(&reports);
    assert_eq!(typed, shown.replace('\n', ""));
    assert_eq!(last, Some(Report::RELEASED), "a key is left down");
    for (utterance, line) in said.iter().zip(shown.lines()) {
        assert_said(&utterance.reference, line, 1);
    }
}

#[test]
fn an_interrupt_does_not_wait_for_a_host_that_is_away() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let options = ["-v", "--pace", "fast", "--type", pipe.to_str().unwrap()];
    let recordings = [&dictation.utterance("conf-placeintoconf").path];
    let mut program = Program::start(command(dictation.run_args(&options, &recordings)));
    program.wait_until("text that waits", |program| program.stderr().contains("the host is away"));
    program.signal(Signal::SIGINT);
    let outcome = program.finish();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    let last = outcome.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("oratype: the host is away; ") && last.ends_with("characters were not typed"),
        "{last}"
    );
}
