//! A PC: sound from a recording or a sound card, keys to the terminal, a file or uinput.

use oratype_hal::pcm::alsa::Timing;
use oratype_hal::pcm::{SampleFormat, StreamFormat};

use crate::{Board, ONE_RETRY_POSITIONS};

/// More threads do not make tiny.en faster: its matrices are small.
const RECOGNISER_CORES_MAX: usize = 4;

/// The PC this runs on, of which this process may use `cores`.
///
/// The first core is left to everything else, capture above all, where there is more than one.
pub fn board(cores: &[usize]) -> Board {
    let spare = if cores.len() > 1 { &cores[1..] } else { cores };
    Board {
        name: "desk",
        models: &[],
        microphone: "default",
        microphone_gain_db: 0.0,
        // What PC sound cards have; a sound server converts where they have not.
        format: StreamFormat { rate_hz: 48_000, channels: 1, sample: SampleFormat::S16 },
        timing: Timing::default(),
        udc: None,
        gpio: None,
        recogniser_cores: spare.iter().copied().take(RECOGNISER_CORES_MAX).collect(),
        other_cores: cores.iter().copied().take(1).collect(),
        retry_positions: ONE_RETRY_POSITIONS,
        watchdog_timeout_max: None,
        overlay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recogniser_never_takes_the_only_free_core() {
        let cases: [(&[usize], &[usize]); 4] = [
            (&[0], &[0]),
            (&[0, 1], &[1]),
            (&[2, 5, 7], &[5, 7]),
            (&[0, 1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 4]),
        ];
        for (available, expected) in cases {
            assert_eq!(board(available).recogniser_cores, expected);
        }
    }
}
