//! Tests of the WAV driver.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::pcm::{SampleFormat, StreamFormat, conformance};
use crate::time::SimulatedClock;

/// A WAV file with a plain header; `data` as it lies in the file.
fn wav(format_tag: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame_bytes = channels * (bits / 8);
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(format_tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * u32::from(frame_bytes)).to_le_bytes());
    bytes.extend(frame_bytes.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// `frames` frames of 16 kHz S16 mono, numbered from 1.
fn numbered(frames: i16) -> Vec<u8> {
    wav(1, 1, 16_000, 16, &(1..=frames).flat_map(i16::to_le_bytes).collect::<Vec<_>>())
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn open_fast(path: &Path) -> Result<WavSource, WavError> {
    WavSource::open(&[path], Pace::Fast, WavOptions::default())
}

/// All periods of a source, and their bytes in a row.
fn play(source: &mut WavSource) -> (Vec<Period>, Vec<u8>) {
    let mut buffer = vec![0; source.period_bytes_max()];
    let (mut periods, mut bytes) = (Vec::new(), Vec::new());
    loop {
        match source.read_period(&mut buffer).unwrap() {
            Captured::Period(p) => {
                bytes.extend(&buffer[..p.frames as usize * p.format.frame_bytes()]);
                periods.push(p);
            }
            Captured::Pending => panic!("nothing holds it back"),
            Captured::End => return (periods, bytes),
        }
    }
}

/// Plays one frame and returns it as samples of the format it came in.
fn one_frame(format_tag: u16, channels: u16, bits: u16, frame: &[u8]) -> (SampleFormat, Vec<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, "x.wav", &wav(format_tag, channels, 8000, bits, frame));
    let (periods, bytes) = play(&mut open_fast(&path).unwrap());
    let sample = periods[0].format.sample;
    let samples = match sample {
        SampleFormat::S16 => bytes.as_chunks().0.iter().map(|&b| i32::from(i16::from_le_bytes(b))).collect(),
        SampleFormat::S32 => bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b)).collect(),
    };
    (sample, samples)
}

#[test]
fn every_sample_format_is_delivered_at_full_scale() {
    use SampleFormat::{S16, S32};
    assert_eq!(one_frame(1, 2, 8, &[0, 128]), (S16, vec![-32768, 0]));
    assert_eq!(one_frame(1, 1, 8, &[255]), (S16, vec![127 << 8]));
    assert_eq!(one_frame(1, 2, 16, &[0x34, 0x12, 0xFF, 0xFF]), (S16, vec![0x1234, -1]));
    assert_eq!(one_frame(1, 2, 24, &[0x56, 0x34, 0x12, 0, 0, 0x80]), (S32, vec![0x1234_5600, i32::MIN]));
    assert_eq!(one_frame(1, 1, 32, &(-5i32).to_le_bytes()), (S32, vec![-5]));
    for (float, expected) in [
        (0.5, 1 << 30),
        (-1.0, i32::MIN),
        (1.0, i32::MAX),
        (7.0, i32::MAX),
        (f32::NEG_INFINITY, i32::MIN),
        (f32::NAN, 0),
    ] {
        assert_eq!(one_frame(3, 1, 32, &f32::to_le_bytes(float)), (S32, vec![expected]), "{float}");
    }
}

#[test]
fn extensible_headers_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    // hound writes an extensible header for 24 bits.
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for sample in [1, -1] {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    let (periods, bytes) = play(&mut open_fast(&path).unwrap());
    assert_eq!(periods[0].format, StreamFormat { rate_hz: 44_100, channels: 2, sample: SampleFormat::S32 });
    assert_eq!(bytes, [0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn what_cannot_be_played_is_refused_by_name_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let good = numbered(100);
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("nothing.wav", vec![], "empty"),
        ("noframes.wav", wav(1, 1, 16_000, 16, &[]), "empty"),
        ("text.wav", b"this is not sound, it is text, forty-four bytes or more".to_vec(), "not a WAV"),
        ("header.wav", good[..30].to_vec(), "truncated"),
        ("short.wav", good[..good.len() - 2].to_vec(), "truncated"),
        ("zero.wav", wav(1, 0, 16_000, 16, &[0; 4]), "not a WAV"),
        ("three.wav", wav(1, 3, 16_000, 16, &[0; 6]), "3 channels"),
        ("slow.wav", wav(1, 1, 3_999, 16, &[0; 4]), "3999 frames per second"),
        ("fast.wav", wav(1, 1, 384_001, 16, &[0; 4]), "384001 frames per second"),
        ("double.wav", wav(3, 1, 16_000, 64, &[0; 8]), "not a WAV"),
        ("adpcm.wav", wav(2, 1, 16_000, 16, &[0; 4]), "unsupported"),
        ("alaw.wav", wav(6, 1, 16_000, 8, &[0; 4]), "unsupported"),
    ];
    for (name, bytes, expected) in cases {
        let path = write(&dir, name, &bytes);
        let message = open_fast(&path).err().unwrap_or_else(|| panic!("{name} was played")).to_string();
        assert!(message.contains(path.to_str().unwrap()) && message.contains(expected), "{name}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let missing = dir.path().join("missing.wav");
    assert!(matches!(open_fast(&missing), Err(WavError::Unreadable { path, .. }) if path == missing));
    assert!(matches!(open_fast(dir.path()), Err(WavError::Unreadable { .. })));
    assert!(matches!(
        WavSource::open::<&Path>(&[], Pace::Fast, WavOptions::default()),
        Err(WavError::NoFiles)
    ));
}

#[test]
fn a_bad_file_anywhere_in_the_list_stops_it_before_anything_plays() {
    let dir = tempfile::tempdir().unwrap();
    let good = write(&dir, "good.wav", &numbered(100));
    let bad = write(&dir, "bad.wav", b"RIFF");
    let error = WavSource::open(&[good, bad], Pace::Fast, WavOptions::default()).err().unwrap();
    assert!(error.to_string().contains("bad.wav"));
}

#[test]
fn the_schedule_says_where_the_recordings_lie() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(&dir, "first.wav", &numbered(250));
    let second = write(&dir, "second.wav", &wav(1, 2, 44_100, 16, &[7; 4 * 441]));
    let options = WavOptions {
        lead: Duration::from_millis(15),
        gap: Duration::from_millis(30),
        ..WavOptions::default()
    };
    let mut source = WavSource::open(&[first, second], Pace::Fast, options).unwrap();
    let schedule = source.schedule();
    let (periods, bytes) = play(&mut source);

    // 240 of lead, 250 of sound, 480 of gap at 16 kHz: 60.625 ms.
    assert_eq!(schedule[0].start, Duration::from_millis(15));
    assert_eq!(schedule[0].end, Duration::from_nanos(30_625_000));
    let samples: Vec<i16> = bytes[..970 * 2].as_chunks().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
    let expected = std::iter::repeat_n(0, 240).chain(1..=250).chain(std::iter::repeat_n(0, 480));
    assert!(samples.into_iter().eq(expected));

    // 661 of lead (15 ms is 661.5), 441 of sound, 1323 of gap at 44.1 kHz.
    let base = Duration::from_nanos(60_625_000);
    assert_eq!(schedule[1].start, base + frames_to_duration(661, 44_100));
    assert_eq!(schedule[1].end, base + frames_to_duration(661 + 441, 44_100));
    let second: &[[u8; 4]] = bytes[970 * 2..].as_chunks().0;
    assert_eq!(second.len(), 661 + 441 + 1323);
    assert!(second.iter().enumerate().all(|(i, &f)| f == [if (661..1102).contains(&i) { 7 } else { 0 }; 4]));

    assert_eq!(periods.last().unwrap().end, base + frames_to_duration(661 + 441 + 1323, 44_100));
    assert_eq!(periods[0].end, Duration::from_millis(10));
}

#[test]
fn both_paces_give_the_same_stream_and_real_time_takes_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, "x.wav", &numbered(8000));
    let clock = Arc::new(SimulatedClock::new());
    let mut paced = WavSource::open(&[&path], Pace::RealTime(clock.clone()), WavOptions::default()).unwrap();
    assert!(play(&mut paced) == play(&mut open_fast(&path).unwrap()));
    assert_eq!(clock.now(), Duration::from_millis(500));
}

#[test]
fn the_turnstile_holds_each_recording_back_and_stops_stream_time() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [write(&dir, "a.wav", &numbered(160)), write(&dir, "b.wav", &numbered(160))];
    let clock = Arc::new(SimulatedClock::new());
    let options = WavOptions { turnstile: true, ..WavOptions::default() };
    let mut source = WavSource::open(&paths, Pace::RealTime(clock.clone()), options).unwrap();
    let turnstile = source.turnstile().unwrap();
    let mut buffer = vec![0; source.period_bytes_max()];
    let mut read = || source.read_period(&mut buffer).unwrap();
    let end = |captured| match captured {
        Captured::Period(p) => p.end,
        other => panic!("{other:?}"),
    };

    assert_eq!(read(), Captured::Pending);
    turnstile.release();
    assert_eq!(end(read()), Duration::from_millis(10));
    clock.advance(Duration::from_secs(60));
    assert_eq!(read(), Captured::Pending);
    turnstile.release();
    assert_eq!(end(read()), Duration::from_millis(20), "stream time went on during the pause");
    assert_eq!(clock.now(), Duration::from_millis(60_020), "the pause was made up for");
    assert_eq!(read(), Captured::End);
}

#[test]
fn a_file_that_shrinks_while_it_plays_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, "x.wav", &numbered(1600));
    let mut source = open_fast(&path).unwrap();
    let mut buffer = vec![0; source.period_bytes_max()];
    assert!(matches!(source.read_period(&mut buffer), Ok(Captured::Period(_))));
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(44 + 400).unwrap();
    assert_eq!(source.read_period(&mut buffer), Err(CaptureError::Failed(Errno::ENODATA)));

    let mut deleted = open_fast(&write(&dir, "y.wav", &numbered(1600))).unwrap();
    fs::remove_file(dir.path().join("y.wav")).unwrap();
    assert_eq!(deleted.read_period(&mut buffer), Err(CaptureError::Failed(Errno::ENOENT)));
}

#[test]
fn two_hours_are_streamed() {
    let dir = tempfile::tempdir().unwrap();
    // A sparse file: the header, then a hole.
    let frames: u32 = 2 * 3600 * 48_000;
    let mut header = wav(1, 1, 48_000, 16, &[]);
    header[4..8].copy_from_slice(&(36 + frames * 2).to_le_bytes());
    header[40..44].copy_from_slice(&(frames * 2).to_le_bytes());
    let path = write(&dir, "long.wav", &header);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(44 + u64::from(frames) * 2).unwrap();

    let mut source = open_fast(&path).unwrap();
    assert_eq!(source.schedule()[0].end, Duration::from_secs(2 * 3600));
    assert!(source.raw.len() + source.period_bytes_max() < 4096, "more than a period is held");
    assert_eq!(conformance::check(&mut source, usize::MAX), Ok(u64::from(frames)));
}

#[test]
fn conforms_at_either_pace() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [
        write(&dir, "a.wav", &numbered(1234)),
        write(&dir, "b.wav", &wav(3, 2, 96_000, 32, &[0; 8 * 999])),
        write(&dir, "c.wav", &wav(1, 1, 11_025, 8, &[128])),
    ];
    let clock = Arc::new(SimulatedClock::new());
    for pace in [Pace::Fast, Pace::RealTime(clock)] {
        let mut source = WavSource::open(&paths, pace, WavOptions::default()).unwrap();
        assert_eq!(conformance::check(&mut source, usize::MAX), Ok(1234 + 999 + 1));
    }
}

proptest! {
    /// Any bytes, and any change to a good header, are played to the end or refused.
    #[test]
    fn headers_never_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in 0usize..44,
        byte in any::<u8>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut changed = numbered(50);
        changed[at] = byte;
        for bytes in [noise, changed] {
            if let Ok(mut source) = open_fast(&write(&dir, "x.wav", &bytes)) {
                play(&mut source);
            }
        }
    }
}
