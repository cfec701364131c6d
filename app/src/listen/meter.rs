//! How loud it is: for the status report, by which a microphone can be checked without a console.
//!
//! Measured at 16 kHz, behind the high-pass and the gain of the settings: what the recogniser gets.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::recognise::engine::SAMPLE_RATE_HZ;

/// Samples of a window, 100 ms: about a syllable, so that the loudest window of a dictation is the level of speech
/// and not of the pauses in it.
const WINDOW_SAMPLES: u32 = SAMPLE_RATE_HZ as u32 / 10;
/// Windows in a second.
const WINDOWS: usize = 10;
/// Windows that a dictation must have for its level to count: longer than any press of the gesture that asks for the
/// report, with its tail.
const DICTATION_WINDOWS_MIN: u32 = 15;
/// Below this nothing comes from a microphone: the noise of one that is wired lies higher (INMP441: -87 dBFS, and at
/// least -20 dB of gain), and a data line without one gives zeros.
pub const SILENT_DBFS: f32 = -120.0;
/// What digital silence is said to be, dBFS: below the quietest step of 24 bits.
const SILENCE_DBFS: f32 = -150.0;

/// A level and a peak, dB relative to a full-scale sine wave's peak (dBFS).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square.
    pub rms_dbfs: f32,
    /// Largest sample.
    pub peak_dbfs: f32,
}

/// The latest levels, for any thread to read.
#[derive(Debug)]
pub struct Levels {
    last_second: Published,
    last_dictation: Published,
}

impl Default for Levels {
    fn default() -> Self {
        Self { last_second: Published::new(), last_dictation: Published::new() }
    }
}

impl Levels {
    /// Over the last second; `None` before the first one has passed.
    pub fn last_second(&self) -> Option<Level> {
        self.last_second.get()
    }

    /// Of the last dictation of 1.5 s or more: its loudest tenth of a second, and its peak. `None` before the first
    /// one.
    pub fn last_dictation(&self) -> Option<Level> {
        self.last_dictation.get()
    }
}

/// Two numbers that may be read while they are written; each is whole, and that is enough.
#[derive(Debug)]
struct Published {
    rms_dbfs: AtomicU32,
    peak_dbfs: AtomicU32,
}

impl Published {
    fn new() -> Self {
        let unknown = || AtomicU32::new(f32::NAN.to_bits());
        Self { rms_dbfs: unknown(), peak_dbfs: unknown() }
    }

    fn set(&self, level: Level) {
        self.rms_dbfs.store(level.rms_dbfs.to_bits(), Ordering::Relaxed);
        self.peak_dbfs.store(level.peak_dbfs.to_bits(), Ordering::Relaxed);
    }

    fn get(&self) -> Option<Level> {
        let value = |bits: &AtomicU32| f32::from_bits(bits.load(Ordering::Relaxed));
        let level = Level { rms_dbfs: value(&self.rms_dbfs), peak_dbfs: value(&self.peak_dbfs) };
        (!level.rms_dbfs.is_nan() && !level.peak_dbfs.is_nan()).then_some(level)
    }
}

/// A stretch of sound.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    energy: f32,
    peak: f32,
}

impl Window {
    fn level(self, samples: u32) -> Level {
        Level {
            rms_dbfs: 10.0 * ratio_log10(self.energy / samples as f32),
            peak_dbfs: 20.0 * ratio_log10(self.peak),
        }
    }
}

fn ratio_log10(ratio: f32) -> f32 {
    ratio.log10().max(SILENCE_DBFS / 10.0)
}

/// Measures; the listen thread's own.
#[derive(Debug, Default)]
pub struct Meter {
    current: Window,
    current_samples: u32,
    second: [Window; WINDOWS],
    /// Windows ever filled.
    filled: usize,
    /// While a dictation goes on: its windows so far, the loudest energy and the largest peak of any.
    dictation: Option<(u32, Window)>,
}

impl Meter {
    /// Take samples of full scale 1.
    pub fn push(&mut self, samples: &[f32], levels: &Levels) {
        for &sample in samples {
            self.current.energy += sample * sample;
            self.current.peak = self.current.peak.max(sample.abs());
            self.current_samples += 1;
            if self.current_samples == WINDOW_SAMPLES {
                self.close(levels);
            }
        }
    }

    fn close(&mut self, levels: &Levels) {
        let window = std::mem::take(&mut self.current);
        self.current_samples = 0;
        self.second[self.filled % WINDOWS] = window;
        self.filled += 1;
        if self.filled >= WINDOWS {
            let sum = self.second.iter().fold(Window::default(), |sum, window| Window {
                energy: sum.energy + window.energy,
                peak: sum.peak.max(window.peak),
            });
            levels.last_second.set(sum.level(WINDOW_SAMPLES * WINDOWS as u32));
        }
        if let Some((windows, loudest)) = &mut self.dictation {
            *windows += 1;
            loudest.energy = loudest.energy.max(window.energy);
            loudest.peak = loudest.peak.max(window.peak);
            if *windows >= DICTATION_WINDOWS_MIN {
                levels.last_dictation.set(loudest.level(WINDOW_SAMPLES));
            }
        }
    }

    /// A dictation begins, perhaps in the tail of another.
    pub fn start_dictation(&mut self) {
        self.dictation = Some((0, Window::default()));
    }

    /// It is over. Its level, if it was long enough to have one.
    pub fn end_dictation(&mut self) -> Option<Level> {
        let (windows, loudest) = self.dictation.take()?;
        (windows >= DICTATION_WINDOWS_MIN).then(|| loudest.level(WINDOW_SAMPLES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| amplitude * (i as f32 * 0.1 * std::f32::consts::PI).sin()).collect()
    }

    fn assert_level(level: Option<Level>, rms_dbfs: f32, peak_dbfs: f32) {
        let level = level.unwrap();
        let near = |a: f32, b: f32| (a - b).abs() < 0.05;
        assert!(near(level.rms_dbfs, rms_dbfs) && near(level.peak_dbfs, peak_dbfs), "{level:?}");
    }

    #[test]
    fn a_sine_has_the_level_it_should() {
        let (mut meter, levels) = (Meter::default(), Levels::default());
        // Odd pieces, as periods that were converted are.
        for piece in sine(0.1, SAMPLE_RATE_HZ).chunks(161) {
            meter.push(piece, &levels);
        }
        assert_level(levels.last_second(), -23.01, -20.0);
        assert_eq!(levels.last_dictation(), None);
    }

    #[test]
    fn nothing_is_said_of_a_second_that_is_not_over() {
        let (mut meter, levels) = (Meter::default(), Levels::default());
        meter.push(&sine(0.5, SAMPLE_RATE_HZ - 1), &levels);
        assert_eq!(levels.last_second(), None);
    }

    #[test]
    fn silence_is_a_number_too() {
        let (mut meter, levels) = (Meter::default(), Levels::default());
        meter.push(&vec![0.0; SAMPLE_RATE_HZ], &levels);
        let level = levels.last_second().unwrap();
        assert!(level.rms_dbfs <= SILENCE_DBFS && level.rms_dbfs.is_finite() && level.peak_dbfs.is_finite());
    }

    #[test]
    fn a_dictation_has_the_level_of_its_speech_not_of_its_pauses() {
        let (mut meter, levels) = (Meter::default(), Levels::default());
        meter.push(&sine(0.9, SAMPLE_RATE_HZ), &levels);
        meter.start_dictation();
        meter.push(&vec![0.0; SAMPLE_RATE_HZ], &levels);
        assert_eq!(levels.last_dictation(), None);
        meter.push(&sine(0.1, SAMPLE_RATE_HZ / 2), &levels);
        meter.push(&vec![0.0; SAMPLE_RATE_HZ], &levels);
        assert_level(meter.end_dictation(), -23.01, -20.0);
        meter.push(&sine(0.9, SAMPLE_RATE_HZ), &levels);
        assert_level(levels.last_dictation(), -23.01, -20.0);
        assert_level(levels.last_second(), -3.93, -0.92);
    }

    #[test]
    fn the_taps_that_ask_for_a_report_do_not_hide_the_dictation_before() {
        let (mut meter, levels) = (Meter::default(), Levels::default());
        meter.start_dictation();
        meter.push(&sine(0.1, 2 * SAMPLE_RATE_HZ), &levels);
        for _ in 0..3 {
            meter.start_dictation();
            meter.push(&sine(0.001, SAMPLE_RATE_HZ), &levels);
        }
        assert_eq!(meter.end_dictation(), None);
        assert_level(levels.last_dictation(), -23.01, -20.0);
    }
}
