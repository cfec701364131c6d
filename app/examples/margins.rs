//! Recognise recordings with fixed audio contexts, without guards' retries: what scripts/adapter measures with.
//!
//! `margins MODEL MANIFEST MARGINS`: MANIFEST lists the recordings (16 kHz, mono, 16 bits) as for `oratype bench`;
//! MARGINS are encoder positions behind the recording, with commas, `full` for 1500. Prints tab-separated: id,
//! margin, ending, tokens, word errors, words of the reference, milliseconds of processor time, text.

#[path = "common/wav.rs"]
mod wav;

use std::error::Error;
use std::io::Write;
use std::path::Path;

use oratype::bench::{manifest, normalise::normalise, wer::WordEdits};
use oratype::metrics::process_cpu;
use oratype::recognise::engine::{
    AUDIO_CTX_FULL, Attempt, Engine, EngineOptions, SAMPLES_PER_POSITION, Sound,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, set, margins] = &arguments[..] else {
        return Err("usage: margins MODEL MANIFEST MARGINS".into());
    };
    let utterances = manifest::load(Path::new(set))?;
    let options = EngineOptions { threads: 1 };
    let mut engine = Engine::load(Path::new(model), options, &[])?;
    let mut out = std::io::stdout().lock();
    for margin in margins.split(',') {
        for utterance in &utterances {
            let samples = wav::read(&utterance.path)?;
            let positions = samples.len().div_ceil(SAMPLES_PER_POSITION);
            let audio_ctx = match margin {
                "full" => AUDIO_CTX_FULL,
                margin => (positions + margin.parse::<usize>()?).min(AUDIO_CTX_FULL),
            };
            // No speech detector: the end of the recording stands for the end of the last word.
            let segment =
                Sound { samples: &samples, speech_end: samples.len(), prompt: &[], is_withdrawn: &|| false };
            let before = process_cpu();
            let decoded =
                engine.attempt(segment, Attempt { audio_ctx, timestamps: true, second_looks: 0 })?;
            let cpu = process_cpu().saturating_sub(before);
            let text = String::from_utf8_lossy(&engine.text(&decoded.tokens)).replace(char::is_control, " ");
            let edits = WordEdits::between(&normalise(&utterance.reference), &normalise(&text));
            writeln!(
                out,
                "{}\t{margin}\t{:?}\t{}\t{}\t{}\t{:.1}\t{}",
                utterance.id,
                decoded.ending,
                decoded.tokens.len(),
                edits.edits(),
                edits.reference_words,
                cpu.as_secs_f64() * 1e3,
                text.trim()
            )?;
        }
    }
    Ok(())
}
