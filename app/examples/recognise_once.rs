//! Recognises a recording (WAV, 16 kHz, mono, 16 bits) once, with the given audio context and no second try, and
//! prints the text. What it costs is the recogniser's cost and no other's: `scripts/bench --arm` counts it.

#[path = "common/wav.rs"]
mod wav;

use std::path::Path;

use oratype::recognise::engine::{Attempt, Engine, EngineOptions, SAMPLE_RATE_HZ, Sound};

const USAGE: &str = "usage: recognise_once MODEL FILE AUDIO_CTX [THREADS]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file, audio_ctx, threads @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    let threads = threads.first().map_or(Ok(1), |threads| threads.parse())?;

    let samples = wav::read(Path::new(file))?;
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
