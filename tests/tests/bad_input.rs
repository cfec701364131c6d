//! What cannot be used is refused with one line that names it and the remedy; what is merely unusual works.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use oratype::models;
use oratype_tests::needs::{Dictation, folder_for_test, models, workspace, write};
use oratype_tests::oratype::run;
use oratype_tests::sound::{Encoding, Sound};
use oratype_tests::words::assert_said;

/// Assert that `line` has each of `parts` in it.
#[track_caller]
fn assert_says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "no {part:?} in: {line}");
    }
}

/// `oratype run` on one recording, as fast as it can.
fn dictate(models: &Path, recording: &Path, more: &[&str]) -> Vec<String> {
    let mut args = ["run", "--pace", "fast", "--models"].map(str::to_owned).to_vec();
    args.push(models.display().to_string());
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    args.extend(["--wav".into(), recording.display().to_string()]);
    args
}

/// A second of sound that anything can be tried on.
fn second(folder: &Path) -> PathBuf {
    Sound::tone(16_000, 1.0, 440.0, 0.1).write(folder.join("second.wav"), Encoding::Int(16), 1)
}

/// A WAV header of a mono 16-bit file with so many frames behind it.
fn header(rate_hz: u32, frames: u32) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + 2 * frames).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend([16, 0, 0, 0, 1, 0, 1, 0]);
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((2 * rate_hz).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend((2 * frames).to_le_bytes());
    bytes
}

#[test]
fn recordings_that_cannot_be_played_are_refused() {
    let Some(models) = models() else { return };
    let folder = folder_for_test();
    let good = second(folder.path());
    let whole = fs::read(&good).unwrap();
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let cases: [(PathBuf, &[&str]); 9] = [
        (pipe, &["not a regular file", "give the path of a WAV file"]),
        ("/dev/zero".into(), &["not a regular file", "give the path of a WAV file"]),
        (folder.path().join("missing.wav"), &["No such file", "give the path of a WAV file"]),
        (folder.path().into(), &["give the path of a WAV file"]),
        (write(folder.path(), "nothing.wav", ""), &["empty", "record it again"]),
        (write(folder.path(), "no-frames.wav", header(16_000, 0)), &["empty", "record it again"]),
        (
            write(folder.path(), "short.wav", &whole[..whole.len() / 2]),
            &["truncated", "copy or record it again"],
        ),
        (write(folder.path(), "header.wav", &whole[..20]), &["truncated", "copy or record it again"]),
        (
            write(folder.path(), "text.wav", "this is a letter, not a recording. ".repeat(9)),
            &["not a WAV", "convert"],
        ),
    ];
    for (path, says) in cases {
        // Behind a good one: nothing of that may be typed as if it were everything.
        let mut args = dictate(&models, &good, &[]);
        args.push(path.display().to_string());
        let line = run(args).refusal();
        assert_says(&line, &[path.to_str().unwrap()]);
        assert_says(&line, says);
    }
}

#[test]
fn unusual_recordings_are_understood() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let utterance = dictation.utterance("conf-invalid");
    let speech = Sound::read(&utterance.path);
    let recordings = [
        ("8-bit", Encoding::Int(8), 1, 16_000),
        ("24-bit", Encoding::Int(24), 1, 16_000),
        ("float", Encoding::Float, 1, 16_000),
        ("stereo", Encoding::Int(16), 2, 16_000),
        ("44.1-khz", Encoding::Int(16), 1, 44_100),
    ]
    .map(|(name, encoding, channels, rate_hz)| {
        speech.resampled(rate_hz).write(folder.path().join(format!("{name}.wav")), encoding, channels)
    });
    let outcome = run(dictation.run_args(&["--pace", "fast"], &recordings));
    assert_eq!(outcome.stderr, "");
    let typed = outcome.success();
    assert_eq!(typed.lines().count(), recordings.len(), "{typed}");
    for line in typed.lines() {
        assert_said(&utterance.reference, line, 1);
    }
}

/// Two hours in one hold: streamed, not read at once.
#[test]
fn two_hours_of_silence_type_nothing_in_little_memory() {
    /// Two and a half times what dictating a sentence takes; two hours of 8 kHz samples alone are 115 MB.
    const PEAK_RSS_MAX: u64 = 50_000_000;
    let Some(models) = models() else { return };
    let folder = folder_for_test();
    let frames = 2 * 3600 * 8000;
    let long = write(folder.path(), "long.wav", header(8000, frames));
    File::options().write(true).open(&long).unwrap().set_len(44 + 2 * u64::from(frames)).unwrap();
    let outcome = run(dictate(&models, &long, &[]));
    let peak = outcome.peak_rss_bytes;
    assert_eq!(outcome.success(), "\n");
    assert!((1_000_000..PEAK_RSS_MAX).contains(&peak), "{peak} bytes");
}

#[test]
fn models_that_are_not_the_model_are_refused() {
    let Some(good) = models() else { return };
    let folder = folder_for_test();
    let recording = second(folder.path());
    for model in models::ALL {
        let bytes = fs::read(good.join(model.name)).unwrap();
        let mut altered = bytes.clone();
        altered[bytes.len() / 2] ^= 1;
        let cases: [(Option<&[u8]>, &str); 4] = [
            (None, "No such file"),
            (Some(&[]), "0 bytes instead of"),
            (Some(&bytes[..bytes.len() - 1]), "incomplete"),
            (Some(&altered), "altered"),
        ];
        for (content, says) in cases {
            let models = folder_for_test();
            for other in models::ALL {
                std::os::unix::fs::symlink(good.join(other.name), models.path().join(other.name)).unwrap();
            }
            let path = models.path().join(model.name);
            fs::remove_file(&path).unwrap();
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
                let line = run(["model", "verify", path.to_str().unwrap()]).refusal();
                assert_says(&line, &[path.to_str().unwrap(), "fetch it again with `cargo run"]);
            }
            let line = run(dictate(models.path(), &recording, &[])).refusal();
            assert_says(&line, &[path.to_str().unwrap(), says, "fetch it again with `cargo run"]);
        }
    }
}

#[test]
fn an_unknown_microphone_is_refused() {
    let Some(models) = models() else { return };
    let line = run(["run", "--models", models.to_str().unwrap(), "--mic", "no_such_pcm"]).refusal();
    assert_says(&line, &["\"no_such_pcm\"", "`arecord -L` lists"]);
}

#[test]
fn a_place_that_cannot_be_typed_to_is_refused() {
    let Some(models) = models() else { return };
    let folder = folder_for_test();
    let recording = second(folder.path());
    let in_a_file = recording.join("x");
    for (path, says) in [
        (Path::new("/nonexistent/x"), "give a path in a folder that exists"),
        (Path::new("/dev/hidg99"), "set up the USB HID gadget"),
        (folder.path(), "give a file, a named pipe or a HID gadget device"),
        (&in_a_file, "give a path in a folder that exists"),
    ] {
        let line = run(dictate(&models, &recording, &["--type", path.to_str().unwrap()])).refusal();
        assert_says(&line, &[path.to_str().unwrap(), says]);
    }
}

/// Text that cannot be written is said to be missing.
#[test]
fn a_disk_that_is_full_is_no_success() {
    let Some(dictation) = Dictation::needs() else { return };
    let recording = &dictation.utterance("vm-whichbox").path;
    let outcome = run(dictate(dictation.models(), recording, &["--type", "/dev/full"]));
    assert_eq!((outcome.status.code(), outcome.stdout.as_str()), (Some(1), ""), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert_says(&outcome.stderr, &["No space left", "characters were not typed"]);
}

/// A settings file with mistakes does not stop the appliance; the check of it fails.
#[test]
fn mistakes_in_settings_are_named_and_the_defaults_used() {
    let Some(models) = models() else { return };
    let folder = folder_for_test();
    let recording = second(folder.path());
    let cases: [(&str, &[u8], &[&str]); 5] = [
        (
            "unknown.toml",
            b"[audio]\ngain_db = 3\n\npre_rol_ms = 100\n",
            &[":4: ", "pre_rol_ms", "did you mean pre_roll_ms?"],
        ),
        ("section.toml", b"[sound]\ngain_db = 3\n", &[":1: ", "sound", "[audio]"]),
        ("range.toml", b"# loud\n[audio]\ngain_db = 99\n", &[":3: ", "gain_db", "-20 to 60"]),
        (
            "kind.toml",
            b"[recogniser]\nthreads = \"two\"\n",
            &[":2: ", "threads", "a whole number from 0 to 8"],
        ),
        ("bytes.toml", b"[audio]\ngain_db = 3 # \xff\xfe\n", &[":2: ", "UTF-8"]),
    ];
    for (name, content, says) in cases {
        let path = write(folder.path(), name, content);
        let path = path.to_str().unwrap();
        let line = run(["settings", "check", path]).refusal();
        assert_says(&line, &[path]);
        assert_says(&line, says);

        let outcome = run(dictate(&models, &recording, &["--settings", path]));
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:#?}");
        assert_says(&outcome.stderr, &[path, "the default is used"]);
        assert_says(&outcome.stderr, says);
        assert_eq!(outcome.success(), "\n");
    }
    let missing = folder.path().join("missing.toml");
    let missing = missing.to_str().unwrap();
    assert_says(&run(["settings", "check", missing]).refusal(), &[missing]);
    assert_says(&run(dictate(&models, &recording, &["--settings", missing])).refusal(), &[missing]);
}

#[test]
fn bad_manifests_and_results_are_refused() {
    const HEADER: &str = "id\tpath\tduration_s\tspeaker\treference\n";
    let Some(models) = models() else { return };
    let folder = folder_for_test();
    second(folder.path());
    let models = models.to_str().unwrap();
    let bench_args = ["bench", "--pace", "fast", "--models", models];
    let bench = |args: &[&str]| run(bench_args.iter().chain(args)).refusal();
    let good = format!("{HEADER}a\tsecond.wav\t1\tnobody\t\n");
    let cases: [(&str, String, &str); 6] = [
        ("empty.tsv", String::new(), "the manifest is empty"),
        ("header.tsv", "id\tpath\n".into(), "no column duration_s"),
        ("none.tsv", HEADER.into(), "no utterance follows the header"),
        ("fields.tsv", format!("{HEADER}a\tsecond.wav\t1\n"), "3 fields, but the header names 5"),
        ("missing.tsv", format!("{HEADER}a\tmissing.wav\t1\tnobody\t\n"), "fetch the speech set"),
        ("twice.tsv", format!("{good}a\tsecond.wav\t1\tnobody\t\n"), "not unique"),
    ];
    for (name, content, says) in cases {
        let path = write(folder.path(), name, content);
        assert_says(&bench(&["--set", path.to_str().unwrap()]), &[path.to_str().unwrap(), says]);
    }
    let good = write(folder.path(), "good.tsv", good);
    let good = good.to_str().unwrap();
    let line = bench(&["--set", good, "--out", "/nonexistent/out.jsonl"]);
    assert_says(&line, &["/nonexistent/out.jsonl", "give a path in a folder that exists"]);
    // Here the recordings have played before it shows, so progress is told as well.
    let outcome = run(bench_args.iter().chain(&["--set", good, "--out", "/dev/full"]));
    assert_eq!((outcome.status.code(), outcome.stdout.as_str()), (Some(1), ""), "{}", outcome.stderr);
    assert_says(outcome.stderr.lines().last().unwrap(), &["/dev/full: No space left", "has room"]);
    let bad_recording = write(folder.path(), "second.wav", "no sound");
    assert_says(&bench(&["--set", good]), &[bad_recording.to_str().unwrap()]);
    for (content, says) in [("", "no results"), ("{}\n", ":1: "), ("not json\n", ":1: ")] {
        let path = write(folder.path(), "results.jsonl", content);
        assert_says(
            &bench(&["--score", path.to_str().unwrap()]),
            &[path.to_str().unwrap(), says, "JSON object"],
        );
    }
    // A folder is no manifest.
    assert_says(&bench(&["--set", workspace().to_str().unwrap()]), &["name a tab-separated manifest"]);
}
