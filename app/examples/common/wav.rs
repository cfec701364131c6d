//! What the examples read.

use std::error::Error;
use std::path::Path;

use oratype::recognise::engine::SAMPLE_RATE_HZ;

/// The samples of a WAV file, 16 kHz, mono, 16 bits, from −1 to 1.
pub(crate) fn read(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = hound::WavReader::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let spec = reader.spec();
    if (spec.sample_rate as usize, spec.channels, spec.bits_per_sample) != (SAMPLE_RATE_HZ, 1, 16) {
        return Err(format!("{}: not 16 kHz, mono, 16 bits", path.display()).into());
    }
    Ok(reader.samples::<i16>().map(|s| s.map(|s| f32::from(s) / 32768.0)).collect::<Result<_, _>>()?)
}
