//! Nothing is typed when nobody spoke: silence, noise, tones, music, keys, machines, at levels up to that of speech.

use std::f32::consts::TAU;
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

/// Duller: a first-order low-pass.
fn low_passed(sound: &Sound, cutoff_hz: f32) -> Sound {
    let keep = (-TAU * cutoff_hz / sound.rate_hz as f32).exp();
    let mut state = 0.0;
    let samples = sound.samples.iter().map(|&sample| {
        state = keep * state + (1.0 - keep) * sample;
        state
    });
    Sound { rate_hz: sound.rate_hz, samples: samples.collect() }
}

/// With a level that changes with the time in seconds.
fn shaped(sound: &Sound, level: impl Fn(f32) -> f32) -> Sound {
    let at = |(i, &sample): (usize, &f32)| level(i as f32 / sound.rate_hz as f32) * sample;
    Sound { rate_hz: sound.rate_hz, samples: sound.samples.iter().enumerate().map(at).collect() }
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
    // Air through an open mouth, in and out every three seconds; and through a fan of five blades.
    let breath = |level: f32| {
        let air = low_passed(&Sound::noise(RATE_HZ, 9.0, 1.0), 1800.0);
        shaped(&air, |t| level * (TAU * t / 1.5).sin().max(0.0).powi(2))
    };
    let fan = |level: f32| {
        let air = low_passed(&low_passed(&Sound::noise(RATE_HZ, 6.0, 1.0), 400.0), 400.0);
        let air = shaped(&air, |t| level * (1.0 + 0.2 * (TAU * 110.0 * t).sin()));
        Sound::of(RATE_HZ, 6.0, |t| {
            air.samples[(t * RATE_HZ as f32) as usize] + 0.1 * level * (TAU * 110.0 * t).sin()
        })
    };
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
        ("breath-quiet", breath(0.03)),
        ("breath", breath(0.3)),
        ("fan-quiet", fan(0.1)),
        ("fan", fan(1.0)),
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

/// People talk, but in a television behind a wall: dull, with echoes, and ten times weaker than the quietest dictation
/// that is to be understood.
#[test]
fn nothing_is_typed_for_a_television_far_away() {
    let Some(set) = speech_set("asterisk") else { return };
    let folder = folder_for_test();
    let recordings: Vec<_> = set
        .iter()
        .step_by(24)
        .map(|utterance| {
            let speech = Sound::read(&utterance.path);
            let echoes = [(0, 0.3), (700, 0.3), (1900, 0.2), (3700, 0.15), (6100, 0.1)];
            let sample = |i: usize| {
                echoes
                    .iter()
                    .filter_map(|&(late, gain)| Some(gain * speech.samples.get(i.checked_sub(late)?)?))
                    .sum()
            };
            let heard =
                Sound { rate_hz: speech.rate_hz, samples: (0..speech.samples.len()).map(sample).collect() };
            let heard = low_passed(&heard, 2000.0);
            let rms = (heard.samples.iter().map(|s| s * s).sum::<f32>() / heard.samples.len() as f32).sqrt();
            // -62 dB of full scale.
            let heard = shaped(&heard, |_| 0.0008 / rms);
            heard.write(folder.path().join(format!("{}.wav", utterance.id)), Encoding::Int(16), 1)
        })
        .collect();
    assert!(recordings.len() >= 10);
    assert_nothing_typed(&recordings);
}
