//! What the appliance is doing: one set of flags that every thread may set, and what of it the light shows.

mod light;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use oratype_hal::time::Timestamp;

use self::light::PAUSE;
pub use self::light::{Cause, Lamp, Light, Row, TABLE, readme_table};
use crate::listen::ListenError;
use crate::listen::meter::Levels;
use crate::pipeline::{BuildError, Fault};
use crate::recognise::supervisor::RecogniseError;

/// How often the settings' error code is shown at the start: the first time somebody looks up, the second time they
/// count, the third time they are sure.
const SETTINGS_ROUNDS: u32 = 3;

impl From<&BuildError> for Cause {
    fn from(error: &BuildError) -> Self {
        match error {
            BuildError::Capture(_) => Self::Microphone,
            BuildError::Recogniser(error) => error.into(),
            BuildError::System(_) => Self::Other,
        }
    }
}

impl From<&RecogniseError> for Cause {
    fn from(error: &RecogniseError) -> Self {
        match error {
            RecogniseError::Model(_) => Self::Model,
            RecogniseError::NotStarted(_) | RecogniseError::Segment(_) | RecogniseError::Failed => {
                Self::Recogniser
            }
        }
    }
}

impl From<&Fault> for Cause {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Listen(ListenError::Button(_)) => Self::Other,
            Fault::Listen(_) => Self::Microphone,
            Fault::Keyboard(..) => Self::Usb,
            Fault::Untyped(_) => Self::TextLost,
            Fault::Lost(_) => Self::Recogniser,
            Fault::Panicked(_) => Self::Other,
        }
    }
}

fn set_bit(bits: &AtomicU16, cause: Cause, set: bool) {
    let bit = 1 << cause as u8;
    if set {
        bits.fetch_or(bit, Ordering::Relaxed);
    } else {
        bits.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// The flags.
#[derive(Debug, Default)]
pub struct Status {
    ready: AtomicBool,
    listening: AtomicBool,
    host_away: AtomicBool,
    /// Number of the cause; 0 for none.
    fault: AtomicU8,
    /// The same, but never cleared.
    last_fault: AtomicU8,
    /// What is not there at the moment: a bit for each cause, by its number.
    lacking: AtomicU16,
    /// What nobody knows of yet whether it is there: the same.
    opening: AtomicU16,
    unfinished: AtomicU32,
    settings_problem: AtomicBool,
    /// When the light began to tell of it.
    settings_shown: OnceLock<Timestamp>,
    /// Number of the profile that is to be shown; 0 for none.
    profile: AtomicU8,
    /// When the light began to show it, in microseconds of the light's clock; 0 while it has not.
    profile_shown_us: AtomicU64,
    /// Places where sound was lost before it could be heard.
    gaps: AtomicU32,
    /// Dictations that found no room, or no more.
    refused: AtomicU32,
    /// How loud it is at the microphone.
    pub levels: Levels,
}

impl Status {
    /// Everything is up.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Speech is, or is not, being recorded. A new dictation clears a fault of the one before.
    pub fn set_listening(&self, listening: bool) {
        if listening {
            self.fault.store(0, Ordering::Relaxed);
        }
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// Whether speech is being recorded.
    pub fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// The host does, or does not, take keys.
    pub fn set_host_away(&self, away: bool) {
        self.host_away.store(away, Ordering::Relaxed);
    }

    /// Something failed that the speaker should know of.
    pub fn set_fault(&self, cause: Cause) {
        self.fault.store(cause as u8, Ordering::Relaxed);
        self.last_fault.store(cause as u8, Ordering::Relaxed);
    }

    /// Something that dictating needs is not there at the moment, or is there again. Unlike a fault, which one dictation
    /// leaves behind and the next clears, this is shown until it is over.
    pub fn set_lacking(&self, cause: Cause, lacking: bool) {
        set_bit(&self.lacking, cause, lacking);
    }

    /// Whether it is there turns out now, for the first time: until then the device is not ready.
    pub fn set_opening(&self, cause: Cause, opening: bool) {
        set_bit(&self.opening, cause, opening);
    }

    /// What is not there; of several things the one that a person is least likely to mend by plugging it in.
    pub fn lacking(&self) -> Option<Cause> {
        let bits = self.lacking.load(Ordering::Relaxed);
        Cause::ALL.into_iter().rev().find(|&cause| bits & (1 << cause as u8) != 0)
    }

    /// What failed last since the start.
    pub fn last_fault(&self) -> Option<Cause> {
        Cause::from_number(self.last_fault.load(Ordering::Relaxed))
    }

    /// The settings file has something in it that cannot be used: shown for a while, once the device is ready.
    pub fn set_settings_problem(&self) {
        self.settings_problem.store(true, Ordering::Relaxed);
    }

    /// From now on the profile of this number is on, counted from 1: shown once, whole, as soon as there is nothing more
    /// urgent.
    pub fn show_profile(&self, number: usize) {
        self.profile_shown_us.store(0, Ordering::Relaxed);
        self.profile.store(u8::try_from(number).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// A segment is to be recognised and typed.
    pub fn begin_work(&self) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// It has been.
    pub fn end_work(&self) {
        self.unfinished.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sound was lost before it could be heard.
    pub fn count_gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no room for a dictation, or for the rest of one.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.set_fault(Cause::TextLost);
    }

    /// How often there was no room since the start.
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How often sound was lost since the start.
    pub fn gaps(&self) -> u32 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// What to show.
    pub fn light(&self, now: Timestamp) -> Light {
        let flag = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if let Some(light) = self.urgent_light() {
            // The flashes of what is left would be those of another profile.
            self.profile_shown_us.store(0, Ordering::Relaxed);
            light
        } else if let Some(light) = self.profile_light(now) {
            light
        } else if !flag(&self.ready) || self.opening.load(Ordering::Relaxed) != 0 {
            Light::Booting
        } else if self.shows_settings_problem(now) {
            Light::Error(Cause::Settings)
        } else {
            Light::Ready
        }
    }

    /// What goes before a change of the profile.
    fn urgent_light(&self) -> Option<Light> {
        let fault = || Cause::from_number(self.fault.load(Ordering::Relaxed));
        if let Some(cause) = self.lacking().or_else(fault) {
            Some(Light::Error(cause))
        } else if self.listening.load(Ordering::Relaxed) {
            Some(Light::Listening)
        } else if self.host_away.load(Ordering::Relaxed) {
            Some(Light::HostAway)
        } else if self.unfinished.load(Ordering::Relaxed) > 0 {
            Some(Light::Working)
        } else {
            None
        }
    }

    fn profile_light(&self, now: Timestamp) -> Option<Light> {
        let number = self.profile.load(Ordering::Relaxed);
        let light = Light::Profile(number);
        if number == 0 {
            return None;
        }
        // 0 means not yet.
        let now_us = (now.as_micros() as u64).max(1);
        let began = self.profile_shown_us.compare_exchange(0, now_us, Ordering::Relaxed, Ordering::Relaxed);
        let shown_us = now_us.saturating_sub(began.err().unwrap_or(now_us));
        if Duration::from_micros(shown_us) < light.period() {
            return Some(light);
        }
        // Unless another one came in between.
        let _ = self.profile.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed);
        None
    }

    fn shows_settings_problem(&self, now: Timestamp) -> bool {
        let light = Light::Error(Cause::Settings);
        // One pause more: the last round ends with darkness, as every round.
        let shown = SETTINGS_ROUNDS * light.period() + PAUSE;
        self.settings_problem.load(Ordering::Relaxed)
            && now < *self.settings_shown.get_or_init(|| now) + shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Timestamp = Timestamp::ZERO;

    #[test]
    fn the_most_urgent_state_is_shown() {
        let status = Status::default();
        assert_eq!(status.light(ZERO), Light::Booting);
        status.set_ready();
        assert_eq!(status.light(ZERO), Light::Ready);
        status.begin_work();
        assert_eq!(status.light(ZERO), Light::Working);
        status.set_host_away(true);
        assert_eq!(status.light(ZERO), Light::HostAway);
        status.set_listening(true);
        assert_eq!(status.light(ZERO), Light::Listening);
        status.set_fault(Cause::TextLost);
        assert_eq!(status.light(ZERO), Light::Error(Cause::TextLost));
        status.set_listening(true);
        assert_eq!(status.light(ZERO), Light::Listening);
        status.set_listening(false);
        status.set_host_away(false);
        status.end_work();
        assert_eq!(status.light(ZERO), Light::Ready);
        assert_eq!(status.last_fault(), Some(Cause::TextLost));
    }

    #[test]
    fn a_profile_is_shown_once_when_there_is_nothing_more_urgent() {
        let (status, ms) = (Status::default(), Duration::from_millis);
        status.set_ready();
        let mut lamp = Lamp::new(ZERO);
        let mut flashes = |status: &Status, from_ms: u64| {
            let (mut flashes, mut was_lit) = (0, false);
            for at in (from_ms..from_ms + 8000).step_by(50).map(ms) {
                let light = status.light(at);
                lamp.show(light, at);
                let lit = lamp.is_lit(at) && matches!(light, Light::Profile(_));
                flashes += u32::from(lit && !was_lit);
                was_lit = lit;
            }
            flashes
        };
        for (from_ms, number) in [(0, 2), (10_000, 3)] {
            status.begin_work();
            status.show_profile(number);
            assert_eq!(status.light(ms(from_ms)), Light::Working);
            status.end_work();
            assert_eq!(flashes(&status, from_ms), number as u32);
            assert_eq!(status.light(ms(from_ms + 8000)), Light::Ready);
        }
        // Dictated into: the first flash is seen, and then all three.
        status.show_profile(3);
        assert_eq!(status.light(ms(20_000)), Light::Profile(3));
        status.set_listening(true);
        assert_eq!(status.light(ms(21_500)), Light::Listening);
        status.set_listening(false);
        assert_eq!(flashes(&status, 22_000), 3);
    }

    #[test]
    fn a_settings_problem_is_shown_three_times_once_ready() {
        let status = Status::default();
        status.set_settings_problem();
        let ms = Duration::from_millis;
        assert_eq!(status.light(ms(9000)), Light::Booting);
        status.set_ready();
        let mut lamp = Lamp::new(ZERO);
        let (mut flashes, mut was_lit) = (0, false);
        for at in (10_000..30_000).step_by(10).map(ms) {
            let light = status.light(at);
            lamp.show(light, at);
            if light == Light::Error(Cause::Settings) {
                flashes += u32::from(lamp.is_lit(at) && !was_lit);
                was_lit = lamp.is_lit(at);
            }
        }
        assert_eq!(flashes, 3 * Cause::Settings as u32);
        assert_eq!(status.light(ms(30_000)), Light::Ready);
    }
}
