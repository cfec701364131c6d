//! What goes wrong with a real ALSA PCM, through alsa-lib: overruns, suspends, unplugging, wrong names and formats.
//! The PCMs are software (see `oratype_tests::paced`), so no sound card is needed.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows one only by the standard harness")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oratype::capture::{self, Next};
use oratype::liveness::{Liveness, Role};
use oratype_hal::pcm::alsa::{AlsaCapture, OpenError, Timing};
use oratype_hal::pcm::{Capture, CaptureError, Captured, Period, SampleFormat, StreamFormat, conformance};
use oratype_tests::paced::{self, PacedPcm};
use oratype_tests::soak::{self, Report};

/// Ten times real time: a period is 1 ms, so that tests are short and a busy machine is still in time mostly.
const SPEED: u32 = 10;

const PCMS: [PacedPcm; 5] = [
    PacedPcm { speed: SPEED, ..PacedPcm::new("steady") },
    PacedPcm { speed: SPEED, xrun_every: 48_000, ..PacedPcm::new("overruns") },
    PacedPcm { speed: SPEED, suspend_every: 48_000, ..PacedPcm::new("suspends") },
    PacedPcm { speed: SPEED, suspend_every: 48_000, resumes: false, ..PacedPcm::new("suspends_for_good") },
    PacedPcm { speed: SPEED, disconnect_at: 48_000, ..PacedPcm::new("unplugged") },
];

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("recording.raw");
    let more = format!(
        "pcm.recording {{ type file slave.pcm null file /dev/null infile \"{}\" format raw }}\n\
         pcm.converted {{ type plug slave.pcm steady }}\n",
        recording.display()
    );
    // SAFETY: the first thing main does; there are no threads yet.
    unsafe { paced::configure(dir.path(), &PCMS, &more) }.unwrap();

    let run = |name: &str, test: &dyn Fn()| {
        test();
        eprintln!("test {name} ... ok");
    };
    run("conforms", &conforms);
    run("takes_the_format_there_is", &takes_the_format_there_is);
    run("converts_when_asked_to", &converts_when_asked_to);
    run("survives_overruns", &|| survives("overruns"));
    run("survives_suspends", &|| survives("suspends"));
    run("survives_suspends_without_resume", &|| survives("suspends_for_good"));
    run("a_late_reader_overruns_and_sees_it", &a_late_reader_overruns_and_sees_it);
    run("unplugging_is_told_and_remembered", &unplugging_is_told_and_remembered);
    run("unplugging_reaches_the_listener_after_the_sound_before_it", &unplugging_reaches_the_listener);
    run("unknown_names_are_refused_with_a_remedy", &unknown_names_are_refused_with_a_remedy);
    run("a_recording_comes_through_alsa", &|| a_recording_comes_through_alsa(&recording));
}

fn open(name: &str) -> AlsaCapture {
    AlsaCapture::open(name, paced::FORMAT, Timing::default()).unwrap()
}

/// The next period.
fn period(source: &mut AlsaCapture, buffer: &mut [u8]) -> Period {
    for _ in 0..100 {
        match source.read_period(buffer).unwrap() {
            Captured::Period(period) => return period,
            Captured::Pending => {}
            Captured::End => panic!("a microphone ended"),
        }
    }
    panic!("nothing came for ten seconds");
}

fn conforms() {
    assert!(conformance::check(&mut open("steady"), 500).unwrap() > 0);
    assert!(conformance::check(&mut open("overruns"), 500).unwrap() > 0);
    conformance::check_disconnected(&mut open("unplugged"));
}

/// Neither the rate, nor the channels, nor the sample format asked for is there.
fn takes_the_format_there_is() {
    let wanted = StreamFormat { rate_hz: 16_000, channels: 1, sample: SampleFormat::S16 };
    let source = AlsaCapture::open("steady", wanted, Timing::default()).unwrap();
    assert_eq!(source.format(), paced::FORMAT);
    assert_eq!(source.period_bytes_max(), 480 * 8);
}

/// alsa-lib's plug changes samples and channels, but the rate stays the hardware's.
fn converts_when_asked_to() {
    let wanted = StreamFormat { rate_hz: 16_000, channels: 1, sample: SampleFormat::S16 };
    let mut source = AlsaCapture::open("converted", wanted, Timing::default()).unwrap();
    assert_eq!(source.format(), StreamFormat { rate_hz: 48_000, ..wanted });
    assert!(conformance::check(&mut source, 100).unwrap() > 0);
}

/// Sound goes on after each fault, and no frame is missing but where the driver says so.
fn survives(name: &str) {
    let mut source = open(name);
    let mut buffer = vec![0; source.period_bytes_max()];
    let (mut faults, mut expected, mut periods) = (0, None, 0);
    while faults < 5 {
        let period = period(&mut source, &mut buffer);
        if period.discontinuity {
            faults += 1;
            expected = None;
        }
        let mut report = Report::default();
        soak::check(&buffer[..period.frames as usize * 8], &mut expected, &mut report);
        assert_eq!((report.frames_lost, report.frames_wrong), (0, 0), "{name}: a loss that was not told");
        periods += 1;
        assert!(periods < 10_000, "{name}: {faults} faults only");
    }
}

fn a_late_reader_overruns_and_sees_it() {
    let mut source = open("steady");
    let mut buffer = vec![0; source.period_bytes_max()];
    assert!(!period(&mut source, &mut buffer).discontinuity);
    // Longer than the device's buffer; time must really pass here, as it does for a microphone.
    std::thread::sleep(Timing::default().buffer / SPEED * 2);
    assert!(period(&mut source, &mut buffer).discontinuity);
}

fn unplugging_is_told_and_remembered() {
    let mut source = open("unplugged");
    let mut buffer = vec![0; source.period_bytes_max()];
    let mut frames = 0;
    let error = loop {
        match source.read_period(&mut buffer) {
            Ok(Captured::Period(period)) => frames += period.frames,
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert_eq!(error, CaptureError::Disconnected);
    assert!(0 < frames && frames <= 48_000, "{frames} frames before it was unplugged");
    assert_eq!(source.read_period(&mut buffer), Err(CaptureError::Disconnected));
}

fn unplugging_reaches_the_listener() {
    let alive = Arc::<Liveness>::default().enter(Role::Capture);
    let (_capture, mut ring) = capture::start(Box::new(open("unplugged")), alive).unwrap();
    let mut records = 0;
    loop {
        match ring.next(Duration::from_secs(10)) {
            Next::Record(_) => records += 1,
            Next::Failed(CaptureError::Disconnected) => break,
            Next::Failed(e) => panic!("{e}"),
            Next::Timeout | Next::End => panic!("it was not told"),
        }
    }
    assert!(records > 0);
}

fn unknown_names_are_refused_with_a_remedy() {
    for name in ["nosuch", "hw:7", "plughw:CARD=Nosuch,DEV=0", "with\0nul", ""] {
        let error = AlsaCapture::open(name, paced::FORMAT, Timing::default()).err().unwrap();
        assert!(matches!(error, OpenError::Unknown { .. }), "{name}: {error:?}");
        let message = error.to_string();
        assert!(message.contains("arecord -L") && message.contains(name), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

/// alsa-lib's file plugin over its null plugin, which is as fast as it is read.
fn a_recording_comes_through_alsa(path: &Path) {
    let samples: Vec<i16> = (0..4800).collect();
    fs::write(path, samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let wanted = StreamFormat { rate_hz: 16_000, channels: 1, sample: SampleFormat::S16 };
    let mut source = AlsaCapture::open("recording", wanted, Timing::default()).unwrap();
    assert_eq!(source.format(), wanted);
    let mut buffer = vec![0; source.period_bytes_max()];
    let mut heard = Vec::new();
    while heard.len() < samples.len() {
        let period = period(&mut source, &mut buffer);
        let bytes = &buffer[..period.frames as usize * 2];
        heard.extend(bytes.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b)));
    }
    assert_eq!(heard[..samples.len()], samples);
    assert!(conformance::check(&mut source, 100).unwrap() > 0);
}
