//! How fast reports follow each other.

use std::time::Duration;

use crate::settings;

/// Characters a second of the preset `safe`. Each takes two reports of 2.5 ms at least; a host that polls every
/// millisecond fetches them every 3 ms, which makes some 150 characters of prose a second.
const SAFE_PER_SECOND: u32 = 200;

/// Characters a second of the preset `remote`: a report stands for 16 ms. Remote desktops and virtual machines look at
/// the keyboard once a frame, 60 times a second, and lose what has come and gone in between.
const REMOTE_PER_SECOND: u32 = 30;

/// No key stays down for longer, however slow the typing: hosts begin to repeat a key after 150 ms or more.
const KEY_DOWN_MAX: Duration = Duration::from_millis(20);

/// What the setting `typing.pacing` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// As fast as the host fetches, one report for most characters.
    Fast,
    /// Press and release in reports of their own, with some air between them.
    Safe,
    /// For hosts that look at the keyboard rarely.
    Remote,
}

impl Preset {
    /// Their names in the settings.
    pub const NAMES: &[&str] = &["fast", "safe", "remote"];

    /// By its name; an unknown one is `safe`, as in the settings.
    pub fn by_name(name: &str) -> Self {
        match name {
            "fast" => Self::Fast,
            "remote" => Self::Remote,
            _ => Self::Safe,
        }
    }
}

/// How far apart reports and keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Shortest time from one report to the next.
    pub report_interval: Duration,
    /// Shortest time from one key press to the next.
    pub key_interval: Duration,
    /// A key may come up in the report in which the next one goes down.
    pub rolls_over: bool,
}

impl Pacing {
    /// As fast as the host takes reports.
    pub const UNPACED: Self =
        Self { report_interval: Duration::ZERO, key_interval: Duration::ZERO, rolls_over: true };

    /// A preset, at its own speed or at so many characters a second at most; 0 for its own.
    pub fn new(preset: Preset, characters_per_second: u32) -> Self {
        let own = match preset {
            Preset::Fast => u32::MAX,
            Preset::Safe => SAFE_PER_SECOND,
            Preset::Remote => REMOTE_PER_SECOND,
        };
        let per_second = match characters_per_second {
            0 if preset == Preset::Fast => return Self::UNPACED,
            0 => own,
            asked => asked.min(own),
        };
        let key_interval = Duration::from_secs(1) / per_second;
        let rolls_over = preset == Preset::Fast && key_interval <= KEY_DOWN_MAX;
        let report_interval = if rolls_over { key_interval } else { (key_interval / 2).min(KEY_DOWN_MAX) };
        Self { report_interval, key_interval, rolls_over }
    }
}

impl From<&settings::Typing> for Pacing {
    fn from(settings: &settings::Typing) -> Self {
        Self::new(Preset::by_name(&settings.pacing), settings.characters_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_speeds() {
        let us = Duration::from_micros;
        let cases = [
            (Preset::Fast, 0, 0, 0, true),
            (Preset::Safe, 0, 2500, 5000, false),
            (Preset::Remote, 0, 16_666, 33_333, false),
            (Preset::Fast, 400, 2500, 2500, true),
            (Preset::Safe, 100, 5000, 10_000, false),
            // A slow key is released soon all the same.
            (Preset::Fast, 10, 20_000, 100_000, false),
            (Preset::Safe, 1, 20_000, 1_000_000, false),
        ];
        for (preset, per_second, report_us, key_us, rolls_over) in cases {
            let pacing = Pacing::new(preset, per_second);
            let rounded = |d: Duration| us(d.as_micros() as u64);
            assert_eq!(
                (rounded(pacing.report_interval), rounded(pacing.key_interval), pacing.rolls_over),
                (us(report_us), us(key_us), rolls_over),
                "{preset:?} {per_second}"
            );
        }
    }

    #[test]
    fn every_name_is_a_preset() {
        let presets = Preset::NAMES.iter().map(|name| Preset::by_name(name));
        assert!(presets.eq([Preset::Fast, Preset::Safe, Preset::Remote]));
    }
}
