//! Recognise recordings with fixed audio contexts, without guards' retries: what scripts/adapter measures with.
//!
//! `margins MODEL LIST MARGINS`: LIST has the path of a raw file (16 kHz mono S16), a tab and the reference a line;
//! MARGINS are encoder positions behind the recording, with commas, `full` for 1500. Prints tab-separated: path,
//! margin, ending, tokens, word errors, words of the reference, milliseconds of processor time, text.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use oratype::bench::{normalise::normalise, wer::WordEdits};
use oratype::metrics::process_cpu;
use oratype::recognise::engine::{
    AUDIO_CTX_FULL, Attempt, Engine, EngineOptions, SAMPLES_PER_POSITION, Sound,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, list, margins] = &arguments[..] else {
        return Err("usage: margins MODEL LIST MARGINS".into());
    };
    let options = EngineOptions { threads: 1 };
    let mut engine = Engine::load(Path::new(model), options, &[])?;
    let mut out = std::io::stdout().lock();
    for margin in margins.split(',') {
        for line in std::fs::read_to_string(list)?.lines() {
            let (path, reference) = line.split_once('\t').ok_or("a line of the list has no tab")?;
            let samples = read(Path::new(path))?;
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
            let text = String::from_utf8_lossy(&engine.text(&decoded.tokens)).replace(['\t', '\n'], " ");
            let edits = WordEdits::between(&normalise(reference), &normalise(&text));
            writeln!(
                out,
                "{path}\t{margin}\t{:?}\t{}\t{}\t{}\t{:.1}\t{}",
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

/// Raw 16 kHz mono S16, little endian.
fn read(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.as_chunks().0.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32768.0).collect())
}
