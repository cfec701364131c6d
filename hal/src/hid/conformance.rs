//! What every [`Keyboard`] must do, as checks that run on any of them, and a keyboard for tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Decoder, HostLeds, Keyboard, KeyboardError, Report, usage};

/// A keyboard under test together with its host.
pub trait Fixture {
    /// The keyboard.
    fn keyboard(&mut self) -> &mut dyn Keyboard;
    /// All text that has arrived at the host since the beginning.
    fn typed(&mut self) -> String;
    /// Take the host away or bring it back. False where that cannot happen; such checks are then left out.
    fn set_host_present(&mut self, _present: bool) -> bool {
        false
    }
}

/// Run every check, each on a fresh fixture.
///
/// # Panics
/// When a check fails.
pub fn run<F: Fixture>(fresh: impl Fn() -> F) {
    starts_silent(&mut fresh());
    keeps_order(&mut fresh());
    repeats_only_after_a_release(&mut fresh());
    takes_six_keys_at_once(&mut fresh());
    loses_nothing_while_the_host_is_away(&mut fresh());
}

const fn report(modifiers: u8, key: u8) -> Report {
    Report { modifiers, keys: [key, 0, 0, 0, 0, 0] }
}

fn send<F: Fixture>(f: &mut F, reports: &[Report]) {
    for &r in reports {
        assert_eq!(f.keyboard().send(r), Ok(()), "{r:?} was refused");
    }
}

fn starts_silent<F: Fixture>(f: &mut F) {
    assert_eq!(f.typed(), "", "text before the first report");
    send(f, &[Report::RELEASED]);
    f.keyboard().host_leds();
    assert_eq!(f.typed(), "", "a released report types nothing");
}

fn keeps_order<F: Fixture>(f: &mut F) {
    let shift = usage::LEFT_SHIFT;
    send(f, &[report(shift, 0), report(shift, 0x0b), report(shift, 0), Report::RELEASED]);
    for key in [0x08, 0x0f, 0x0f, 0x12, usage::SPACE, 0x1e] {
        send(f, &[report(0, key), Report::RELEASED]);
    }
    assert_eq!(f.typed(), "Hello 1");
}

fn repeats_only_after_a_release<F: Fixture>(f: &mut F) {
    send(f, &[report(0, 0x04), report(0, 0x04), Report::RELEASED, report(0, 0x04), Report::RELEASED]);
    assert_eq!(f.typed(), "aa");
}

fn takes_six_keys_at_once<F: Fixture>(f: &mut F) {
    send(f, &[Report { modifiers: 0, keys: [4, 5, 6, 7, 8, 9] }, Report::RELEASED]);
    assert_eq!(f.typed(), "abcdef");
}

fn loses_nothing_while_the_host_is_away<F: Fixture>(f: &mut F) {
    send(f, &[report(0, 0x04), Report::RELEASED]);
    if !f.set_host_present(false) {
        return;
    }
    for _ in 0..3 {
        assert_eq!(f.keyboard().send(report(0, 0x05)), Err(KeyboardError::HostAway));
    }
    f.keyboard().host_leds();
    assert!(f.set_host_present(true));
    assert_eq!(f.typed(), "a", "a refused report was delivered");
    send(f, &[report(0, 0x05), Report::RELEASED]);
    assert_eq!(f.typed(), "ab", "the report sent again must arrive exactly once");
}

/// A keyboard with a host in memory. Clones share it.
#[derive(Clone, Default)]
pub struct ScriptedKeyboard(Arc<Mutex<Host>>);

struct Host {
    present: bool,
    failure: Option<nix::errno::Errno>,
    /// For each coming `send`, whether the host is away for it; when used up, `present` decides.
    absences: Vec<bool>,
    reports: Vec<Report>,
    decoder: Decoder,
    text: String,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            present: true,
            failure: None,
            absences: Vec::new(),
            reports: Vec::new(),
            // The strictest host: what is right for it is right for all.
            decoder: Decoder::with_late_modifiers(),
            text: String::new(),
        }
    }
}

impl ScriptedKeyboard {
    /// A host that is away at the `i`-th coming `send` where `absences[i]`.
    pub fn with_absences(mut absences: Vec<bool>) -> Self {
        absences.reverse();
        let keyboard = Self::default();
        keyboard.host().absences = absences;
        keyboard
    }

    /// Take the host away or bring it back.
    pub fn set_host_present(&self, present: bool) {
        self.host().present = present;
    }

    /// Fail from now on.
    pub fn fail(&self, errno: nix::errno::Errno) {
        self.host().failure = Some(errno);
    }

    /// Another keyboard switched Caps Lock.
    pub fn set_caps_lock(&self, on: bool) {
        self.host().decoder.set_caps_lock(on);
    }

    /// Another keyboard switched Num Lock.
    pub fn set_num_lock(&self, on: bool) {
        self.host().decoder.set_num_lock(on);
    }

    /// The lock lights.
    pub fn leds(&self) -> HostLeds {
        self.host().decoder.leds()
    }

    /// The text on the host.
    pub fn typed(&self) -> String {
        self.host().text.clone()
    }

    /// Every report that was accepted.
    pub fn reports(&self) -> Vec<Report> {
        self.host().reports.clone()
    }

    fn host(&self) -> MutexGuard<'_, Host> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keyboard for ScriptedKeyboard {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        let mut guard = self.host();
        let host = &mut *guard;
        if let Some(errno) = host.failure {
            return Err(KeyboardError::Failed(errno));
        }
        if host.absences.pop().unwrap_or(!host.present) {
            return Err(KeyboardError::HostAway);
        }
        host.reports.push(report);
        host.decoder.decode(report).for_each(|typed| typed.apply(&mut host.text));
        Ok(())
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        Some(self.leds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Fixture for ScriptedKeyboard {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            self
        }
        fn typed(&mut self) -> String {
            Self::typed(self)
        }
        fn set_host_present(&mut self, present: bool) -> bool {
            Self::set_host_present(self, present);
            true
        }
    }

    #[test]
    fn the_scripted_keyboard_conforms() {
        run(ScriptedKeyboard::default);
    }

    /// The suite must be able to fail: a keyboard that delivers what it refused.
    #[test]
    #[should_panic(expected = "a refused report was delivered")]
    fn a_keyboard_that_delivers_twice_is_caught() {
        struct Doubling(ScriptedKeyboard);
        impl Keyboard for Doubling {
            fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
                let result = self.0.send(report);
                if result.is_err() {
                    let mut host = self.0.host();
                    host.text.push('b');
                }
                result
            }
            fn host_leds(&mut self) -> Option<HostLeds> {
                None
            }
        }
        impl Fixture for Doubling {
            fn keyboard(&mut self) -> &mut dyn Keyboard {
                self
            }
            fn typed(&mut self) -> String {
                self.0.typed()
            }
            fn set_host_present(&mut self, present: bool) -> bool {
                self.0.set_host_present(present);
                true
            }
        }
        run(|| Doubling(ScriptedKeyboard::default()));
    }
}
