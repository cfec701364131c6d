//! Live dictation through alsa-lib: a microphone made of software that hears recorded speech, Enter as the button.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use oratype_tests::needs::{Dictation, folder_for_test, write};
use oratype_tests::oratype::{Program, command};
use oratype_tests::paced::{self, FORMAT, PacedPcm};
use oratype_tests::sound::Sound;
use oratype_tests::words::assert_said;
use tempfile::TempDir;

/// A microphone that hears a recording, then silence for minutes.
struct Microphone {
    folder: TempDir,
    conf: PathBuf,
    recording: PathBuf,
}

impl Microphone {
    /// The PCM is named `speech`.
    fn hearing(sound: &Sound, pcm: PacedPcm) -> Self {
        let folder = folder_for_test();
        let recording = write(folder.path(), "speech.raw", sound.resampled(FORMAT.rate_hz).to_s32_stereo());
        let length = recording.metadata().unwrap().len() + bytes(300.0);
        File::options().write(true).open(&recording).unwrap().set_len(length).unwrap();
        let speech = format!(
            "pcm.speech {{ type file slave.pcm {} file /dev/null infile \"{}\" format raw }}\n",
            pcm.name,
            recording.display()
        );
        let conf = paced::conf(folder.path(), &[pcm], &speech).unwrap();
        Self { folder, conf, recording }
    }

    /// Dictate from it, beginning with the first period: Enter is pressed before anyone listens.
    fn dictate(&self, models: &Path, settings: &str) -> Program {
        let settings = write(self.folder.path(), "oratype.toml", settings);
        let arguments = ["run", "--mic", "speech", "--models", models.to_str().unwrap()];
        let mut command = command(arguments);
        command.arg("--settings").arg(settings).env("ALSA_CONFIG_PATH", &self.conf);
        let mut program = Program::start(command);
        program.press_enter();
        program
    }

    /// Wait until `seconds` of the recording were heard.
    #[track_caller]
    fn wait_until_heard(&self, program: &mut Program, seconds: f32) {
        program.wait_until("the sound", |program| {
            program.bytes_read(&self.recording).is_some_and(|position| position >= bytes(seconds))
        });
    }
}

/// Bytes of so many seconds of sound.
fn bytes(seconds: f32) -> u64 {
    FORMAT.frame_bytes() as u64 * (seconds * FORMAT.rate_hz as f32) as u64
}

fn seconds(sound: &Sound) -> f32 {
    sound.samples.len() as f32 / sound.rate_hz as f32
}

fn silence(duration_s: f32) -> Sound {
    Sound::silence(16_000, duration_s)
}

#[test]
fn enter_begins_and_ends_dictations() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = ["conf-invalid", "vm-whichbox"].map(|id| dictation.utterance(id));
    let [first, second] = said.map(|utterance| Sound::read(&utterance.path));
    // Long enough to press Enter in, twice, on a machine that is busy.
    let until_first = silence(0.6).then(&first);
    let until_second = until_first.clone().then(&silence(4.0)).then(&second);
    let microphone = Microphone::hearing(&until_second, PacedPcm::new("paced"));

    let mut program = microphone.dictate(dictation.models(), "");
    microphone.wait_until_heard(&mut program, seconds(&until_first));
    program.press_enter();
    microphone.wait_until_heard(&mut program, seconds(&until_first) + 0.5);
    program.press_enter();
    microphone.wait_until_heard(&mut program, seconds(&until_second));
    program.press_enter();
    let reference = said.map(|utterance| utterance.reference.as_str()).join(" ");
    program.wait_until("the text", |program| program.stdout().to_lowercase().contains("mailbox number"));
    program.signal(Signal::SIGINT);
    let outcome = program.finish();
    assert!(outcome.stderr.contains("Press Enter, speak, press Enter again"), "{outcome:#?}");
    let typed = outcome.success();
    assert!(!typed.contains('\n') && !typed.starts_with(' '), "{typed:?}");
    assert_said(&reference, &typed, 2);
}

#[test]
fn five_taps_type_a_status_report() {
    let Some(dictation) = Dictation::needs() else { return };
    let utterance = dictation.utterance("conf-invalid");
    let sound = silence(0.6).then(&Sound::read(&utterance.path));
    let microphone = Microphone::hearing(&sound, PacedPcm::new("paced"));

    let mut program = microphone.dictate(dictation.models(), "");
    microphone.wait_until_heard(&mut program, seconds(&sound) + 0.2);
    program.press_enter();
    // Long enough for the five to be a gesture of their own.
    microphone.wait_until_heard(&mut program, seconds(&sound) + 1.5);
    for _ in 0..5 {
        program.press_enter();
    }
    program.wait_until("the report", |program| program.stdout().contains("Last error: none."));
    program.signal(Signal::SIGINT);
    let typed = program.finish().success();
    let (said, report) = typed.split_once(" Oratype ").unwrap();
    assert_said(&utterance.reference, said, 1);
    assert!(report.contains("dBFS in the last dictation, good. Sound lost: never."), "{report:?}");
    assert!(
        report.ends_with("Last error: none.") && !report.contains('\n'),
        "the taps typed more: {report:?}"
    );
}

#[test]
fn silence_ends_a_dictation_too() {
    let Some(dictation) = Dictation::needs() else { return };
    let utterance = dictation.utterance("conf-invalid");
    let microphone =
        Microphone::hearing(&silence(0.6).then(&Sound::read(&utterance.path)), PacedPcm::new("paced"));
    let mut program = microphone.dictate(dictation.models(), "[dictation]\nend_after_silence_s = 2\n");
    program.wait_until("the text", |program| program.stdout().to_lowercase().contains("try again"));
    program.signal(Signal::SIGTERM);
    assert_said(&utterance.reference, &program.finish().success(), 1);
}

#[test]
fn what_was_heard_before_the_microphone_went_is_typed() {
    let Some(dictation) = Dictation::needs() else { return };
    let utterance = dictation.utterance("vm-whichbox");
    let gone_after_s = 12;
    let pcm =
        PacedPcm { disconnect_at: gone_after_s * u64::from(FORMAT.rate_hz), ..PacedPcm::new("unplugged") };
    let microphone = Microphone::hearing(&silence(0.6).then(&Sound::read(&utterance.path)), pcm);
    let outcome = microphone.dictate(dictation.models(), "[dictation]\nend_after_silence_s = 0\n").finish();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    assert_said(&utterance.reference, &outcome.stdout, 1);
    // Besides how to dictate.
    let complaints: Vec<_> = outcome.stderr.lines().filter(|line| !line.starts_with("Ready.")).collect();
    assert_eq!(complaints.len(), 1, "{outcome:#?}");
    assert!(complaints[0].contains("check the microphone"), "{outcome:#?}");
}
