//! What the appliance is doing, for the light: one set of flags that every thread may set.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// What the light shows, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// Something does not work; see the log.
    Error,
    /// Speech is being recorded.
    Listening,
    /// Text waits for a host that is away.
    HostAway,
    /// Speech is being recognised, or text typed.
    Working,
    /// Waiting for the button.
    Ready,
    /// Not ready yet.
    Booting,
}

impl Light {
    /// Whether the lamp is lit at a time. Each state can be told from the others by looking for two seconds:
    /// booting blinks slowly, ready is dark, listening is steady, working flickers, a host away is shown by short
    /// double flashes, an error by fast blinking.
    pub fn is_lit(self, time: Duration) -> bool {
        let ms = time.as_millis();
        match self {
            Self::Booting => ms % 1000 < 500,
            Self::Ready => false,
            Self::Listening => true,
            Self::Working => ms % 200 < 100,
            Self::HostAway => matches!(ms % 2000, 0..100 | 200..300),
            Self::Error => ms % 500 < 250,
        }
    }

    /// One word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Listening => "listening",
            Self::HostAway => "host away",
            Self::Working => "working",
            Self::Ready => "ready",
            Self::Booting => "booting",
        }
    }
}

/// The flags.
#[derive(Debug, Default)]
pub struct Status {
    ready: AtomicBool,
    listening: AtomicBool,
    host_away: AtomicBool,
    fault: AtomicBool,
    unfinished: AtomicU32,
}

impl Status {
    /// Everything is up.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Speech is, or is not, being recorded. A new dictation clears a fault of the one before.
    pub fn set_listening(&self, listening: bool) {
        if listening {
            self.fault.store(false, Ordering::Relaxed);
        }
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// The host does, or does not, take keys.
    pub fn set_host_away(&self, away: bool) {
        self.host_away.store(away, Ordering::Relaxed);
    }

    /// Something failed that the speaker should know of.
    pub fn set_fault(&self) {
        self.fault.store(true, Ordering::Relaxed);
    }

    /// A segment is to be recognised and typed.
    pub fn begin_work(&self) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// It has been.
    pub fn end_work(&self) {
        self.unfinished.fetch_sub(1, Ordering::Relaxed);
    }

    /// What to show.
    pub fn light(&self) -> Light {
        let flag = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if flag(&self.fault) {
            Light::Error
        } else if flag(&self.listening) {
            Light::Listening
        } else if flag(&self.host_away) {
            Light::HostAway
        } else if self.unfinished.load(Ordering::Relaxed) > 0 {
            Light::Working
        } else if flag(&self.ready) {
            Light::Ready
        } else {
            Light::Booting
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_state_is_shown() {
        let status = Status::default();
        assert_eq!(status.light(), Light::Booting);
        status.set_ready();
        assert_eq!(status.light(), Light::Ready);
        status.begin_work();
        assert_eq!(status.light(), Light::Working);
        status.set_host_away(true);
        assert_eq!(status.light(), Light::HostAway);
        status.set_listening(true);
        assert_eq!(status.light(), Light::Listening);
        status.set_fault();
        assert_eq!(status.light(), Light::Error);
        status.set_listening(true);
        assert_eq!(status.light(), Light::Listening);
        status.set_listening(false);
        status.set_host_away(false);
        status.end_work();
        assert_eq!(status.light(), Light::Ready);
    }

    #[test]
    fn every_state_looks_different() {
        use Light::{Booting, Error, HostAway, Listening, Ready, Working};
        let looks =
            |light: Light| (0..40).map(|i| light.is_lit(Duration::from_millis(50 * i))).collect::<Vec<_>>();
        let all = [Booting, Error, HostAway, Listening, Ready, Working];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(looks(*a), looks(*b), "{} and {}", a.name(), b.name());
            }
        }
    }
}
