//! Recognises a recording (WAV, 16 kHz, mono, 16 bits) once, with the given audio context and no second try, and
//! prints the text. What it costs is the recogniser's cost and no other's: `scripts/bench --arm` counts it.

use std::path::Path;

use oratype::recognise::engine::{Attempt, Engine, EngineOptions, SAMPLE_RATE_HZ, Sound};

const USAGE: &str = "usage: recognise_once MODEL FILE AUDIO_CTX [THREADS]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file, audio_ctx, threads @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    let threads = threads.first().map_or(Ok(1), |threads| threads.parse())?;

    let mut reader = hound::WavReader::open(file)?;
    let spec = reader.spec();
    if (spec.sample_rate as usize, spec.channels, spec.bits_per_sample) != (SAMPLE_RATE_HZ, 1, 16) {
        return Err(format!("{file}: not 16 kHz, mono, 16 bits").into());
    }
    let samples: Vec<f32> =
        reader.samples::<i16>().map(|s| s.map(|s| f32::from(s) / 32768.0)).collect::<Result<_, _>>()?;

    let mut engine = Engine::load(Path::new(model), EngineOptions { threads }, &[])?;
    let sound = Sound { samples: &samples, speech_end: samples.len(), prompt: &[], is_withdrawn: &|| false };
    let decoded = engine
        .attempt(sound, Attempt { audio_ctx: audio_ctx.parse()?, timestamps: true, second_looks: 0 })?;
    let text = String::from_utf8_lossy(&engine.text(&decoded.tokens)).trim().to_owned();
    eprintln!(
        "{:.1} s of sound: encoder {:.3} s, decoder {:.3} s, {} tokens, mean log-probability {:.3}",
        samples.len() as f64 / SAMPLE_RATE_HZ as f64,
        decoded.encode.as_secs_f64(),
        decoded.decode.as_secs_f64(),
        decoded.tokens.len(),
        decoded.mean_logprob,
    );
    std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes())?;
    Ok(())
}
