//! Speech through bad microphones and bad wires: what was said is typed, and nothing else.

use std::f32::consts::TAU;

use oratype_tests::needs::{Dictation, folder_for_test};
use oratype_tests::oratype::run;
use oratype_tests::sound::{Encoding, Sound};
use oratype_tests::words::assert_said;

const RATE_HZ: u32 = 16_000;
/// Recordings that the model makes no mistake in.
const CLEAR: [&str; 3] = ["conf-placeintoconf", "auth-incorrect", "conf-onlyperson"];

/// The sound with each sample changed, given its time in seconds.
fn changed(sound: &Sound, change: impl Fn(f32, f32) -> f32) -> Sound {
    let at = |(i, &sample): (usize, &f32)| change(i as f32 / RATE_HZ as f32, sample);
    Sound { rate_hz: sound.rate_hz, samples: sound.samples.iter().enumerate().map(at).collect() }
}

fn peak(sound: &Sound) -> f32 {
    sound.samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
}

/// Silence for so long, once in every period.
fn dropouts(sound: &Sound, seconds: f32, period_s: f32) -> Sound {
    changed(sound, |t, sample| if t % period_s < seconds { 0.0 } else { sample })
}

#[test]
fn speech_is_understood() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    // How the sound is damaged, and how many words of the three sentences may be wrong then.
    type Damage = fn(&Sound) -> Sound;
    let damages: [(&str, usize, Damage); 9] = [
        ("clipped", 2, |sound| {
            let gain = 6.0 / peak(sound);
            changed(sound, |_, sample| (gain * sample).clamp(-1.0, 1.0))
        }),
        ("offset", 1, |sound| changed(sound, |_, sample| sample + 0.2)),
        ("hum", 1, |sound| {
            let hum =
                |t: f32| (1..6).map(|k| 0.03 / k as f32 * (60.0 * k as f32 * TAU * t).sin()).sum::<f32>();
            changed(sound, |t, sample| sample + hum(t))
        }),
        ("quiet", 1, |sound| {
            let gain = 0.01 / peak(sound);
            changed(sound, |_, sample| gain * sample)
        }),
        ("hiss", 1, |sound| {
            let noise = Sound::noise(RATE_HZ, 60.0, 0.01).samples;
            changed(sound, |t, sample| sample + noise[(t * RATE_HZ as f32) as usize])
        }),
        ("dropouts of 10 ms", 1, |sound| dropouts(sound, 0.010, 0.37)),
        ("dropouts of 30 ms", 2, |sound| dropouts(sound, 0.030, 0.67)),
        ("dropouts of 100 ms", 3, |sound| dropouts(sound, 0.100, 1.27)),
        ("inverted", 1, |sound| changed(sound, |_, sample| -sample)),
    ];
    let said = CLEAR.map(|id| dictation.utterance(id));
    let recordings: Vec<_> = damages
        .iter()
        .enumerate()
        .flat_map(|(number, (_, _, damage))| said.iter().map(move |utterance| (number, damage, utterance)))
        .map(|(number, damage, utterance)| {
            let path = folder.path().join(format!("{number}-{}.wav", utterance.id));
            damage(&Sound::read(&utterance.path)).write(path, Encoding::Int(16), 1)
        })
        .collect();
    let typed = run(dictation.run_args(&["--pace", "fast"], &recordings)).success();
    let lines: Vec<_> = typed.split_terminator('\n').collect();
    assert_eq!(lines.len(), recordings.len(), "{typed}");
    let reference = said.map(|utterance| utterance.reference.as_str()).join(" ");
    for ((name, edits_max, _), lines) in damages.iter().zip(lines.chunks(said.len())) {
        let typed = lines.join(" ");
        eprintln!("{name}: {typed}");
        assert_said(&reference, &typed, *edits_max);
    }
}
