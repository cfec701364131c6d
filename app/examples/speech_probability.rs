//! Prints, for each raw file (16 kHz mono f32), the probability of speech of every frame, and the CPU time used.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use oratype::speech::{FRAME_SAMPLES, SileroVad};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("usage: speech_probability MODEL [FILE...]")?;
    let mut vad = SileroVad::load(Path::new(&model))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut samples_total, mut elapsed_s) = (0, 0.0);
    for name in arguments {
        let samples: Vec<f32> =
            std::fs::read(&name)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        vad.reset();
        write!(out, "{name}")?;
        let start = Instant::now();
        let probabilities: Vec<f32> =
            samples.as_chunks::<FRAME_SAMPLES>().0.iter().map(|frame| vad.push(frame)).collect();
        elapsed_s += start.elapsed().as_secs_f64();
        samples_total += samples.len();
        for probability in probabilities {
            write!(out, "\t{probability:.6}")?;
        }
        writeln!(out)?;
    }
    let audio_s = samples_total as f64 / 16_000.0;
    eprintln!("{audio_s:.1} s of sound in {elapsed_s:.3} s: {:.3} % of a core", elapsed_s / audio_s * 100.0);
    Ok(())
}
