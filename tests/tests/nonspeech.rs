//! Nothing is typed when nobody spoke: silence, noise, tones, music, keys, machines, at levels up to that of speech.

use std::path::PathBuf;

use oratype_tests::needs::{folder_for_test, models, speech_set};
use oratype_tests::oratype::run;
use oratype_tests::sound::{Encoding, Sound};

const RATE_HZ: u32 = 16_000;

/// Dictate `recordings`, and assert that not one of them typed anything.
#[track_caller]
fn assert_nothing_typed(recordings: &[PathBuf]) {
    let Some(models) = models() else { return };
    let mut args = ["run", "--pace", "fast", "--models"].map(str::to_owned).to_vec();
    args.extend([models.display().to_string(), "--wav".into()]);
    args.extend(recordings.iter().map(|path| path.display().to_string()));
    let typed = run(args).success();
    let lines: Vec<_> = typed.split_terminator('\n').collect();
    assert_eq!(lines.len(), recordings.len(), "{typed}");
    let wrong: Vec<_> = recordings
        .iter()
        .zip(lines)
        .filter(|(_, line)| !line.is_empty())
        .map(|(path, line)| format!("{}: {line:?}", path.file_stem().unwrap_or_default().display()))
        .collect();
    assert!(wrong.is_empty(), "typed for {} of {}:\n{}", wrong.len(), recordings.len(), wrong.join("\n"));
}

#[test]
fn nothing_is_typed_for_generated_sound() {
    let folder = folder_for_test();
    let clicks = |level: f32| {
        Sound::of(RATE_HZ, 4.0, |t| {
            // Five keys a second, each a burst that decays in some milliseconds.
            let since = t % 0.2;
            level * (-since * 400.0).exp() * (since * 3000.0 * 6.3).sin()
        })
    };
    let hum =
        Sound::of(RATE_HZ, 4.0, |t| (1..8).map(|k| 0.1 / k as f32 * (314.16 * k as f32 * t).sin()).sum());
    let sounds = [
        ("silence", Sound::silence(RATE_HZ, 5.0)),
        ("offset", Sound::of(RATE_HZ, 3.0, |_| 0.2)),
        ("noise-quiet", Sound::noise(RATE_HZ, 4.0, 0.003)),
        ("noise", Sound::noise(RATE_HZ, 4.0, 0.03)),
        ("noise-loud", Sound::noise(RATE_HZ, 4.0, 0.3)),
        ("tone-quiet", Sound::tone(RATE_HZ, 3.0, 440.0, 0.003)),
        ("tone", Sound::tone(RATE_HZ, 3.0, 440.0, 0.03)),
        ("tone-loud", Sound::tone(RATE_HZ, 3.0, 440.0, 0.3)),
        ("tone-low", Sound::tone(RATE_HZ, 3.0, 120.0, 0.3)),
        ("tone-high", Sound::tone(RATE_HZ, 3.0, 3000.0, 0.3)),
        ("clipped", Sound::tone(RATE_HZ, 3.0, 200.0, 5.0)),
        ("hum", hum),
        ("clicks-quiet", clicks(0.03)),
        ("clicks", clicks(0.3)),
        ("one-sample", Sound { rate_hz: RATE_HZ, samples: vec![1.0] }),
    ];
    let recordings = sounds
        .map(|(name, sound)| sound.write(folder.path().join(format!("{name}.wav")), Encoding::Int(16), 1));
    assert_nothing_typed(&recordings);
}

#[test]
fn nothing_is_typed_for_recorded_sound() {
    let Some(set) = speech_set("nonspeech") else { return };
    let recordings: Vec<_> = set.into_iter().map(|clip| clip.path).collect();
    assert!(recordings.len() >= 30, "only {} clips", recordings.len());
    assert_nothing_typed(&recordings);
}
