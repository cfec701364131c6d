//! Sends text as reports, paced, and waits for a host that is away without losing its place.

use std::sync::Arc;
use std::time::Duration;

use oratype_hal::hid::{Keyboard, KeyboardError, Report, usage};
use oratype_hal::time::{Clock, Timestamp};

use super::{CapsLock, Keymap, press, release};

/// How often a report is offered to a host that is away: quick for a person, nothing for the processor.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// How the typing of a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypingOutcome {
    /// All of it was typed and every key is up.
    Done {
        /// When the first key went down; none for an empty text.
        first_key_at: Option<Timestamp>,
        /// When the last key went down; none for an empty text.
        last_key_at: Option<Timestamp>,
    },
    /// Stopped on request.
    Stopped {
        /// Characters at the end of the text that were not typed. One that takes several strokes counts as typed
        /// after its last.
        remaining: usize,
    },
    /// The keyboard failed.
    Failed {
        /// Why.
        error: KeyboardError,
        /// As for `Stopped`.
        remaining: usize,
    },
}

/// Why a report was not sent.
enum Interrupted {
    /// Between two characters.
    Stopped,
    /// While the host was away. The report that was refused may still be on its way.
    StoppedAway,
    Failed(KeyboardError),
}

/// Types text on one keyboard.
///
/// Every report is sent until it is taken, exactly once and in order, so that a host that goes away in the middle
/// of a word finds the rest of it when it is back. Each key is followed by its release at once; where a host falls
/// asleep between the two, the release is what waits, so that the key cannot repeat for long when it wakes. After a
/// stop, type the characters that remain before anything else: the first of them may still be on its way.
pub struct Typist<K> {
    keyboard: K,
    clock: Arc<dyn Clock>,
    report_interval: Duration,
    keymap: Keymap,
    /// The last report that was taken: what the host believes to be down.
    held: Report,
    /// A stop could not release what was held. That goes on before anything else, because what a host has refused
    /// may still be on its way.
    letting_go: bool,
    next_report_at: Timestamp,
    /// The host took no report, or was not met, when last asked.
    away: bool,
}

impl<K: Keyboard> Typist<K> {
    /// Type on `keyboard`, reports at least `report_interval` apart by `clock`.
    pub fn new(keyboard: K, clock: Arc<dyn Clock>, report_interval: Duration) -> Self {
        Self {
            keyboard,
            clock,
            report_interval,
            keymap: Keymap::default(),
            held: Report::RELEASED,
            letting_go: false,
            next_report_at: Timestamp::ZERO,
            away: false,
        }
    }

    /// For a host with another keymap than the default one.
    #[must_use]
    pub fn with_keymap(self, keymap: Keymap) -> Self {
        Self { keymap, ..self }
    }

    /// Look for the host while there is nothing to type; whether it is there. See [`Keyboard::meet_host`].
    pub fn meet_host(&mut self) -> bool {
        let is_there = self.keyboard.meet_host();
        self.away = !is_there;
        is_there
    }

    /// Type `text`. Blocks until it is typed, `stop` answers true, or the keyboard fails.
    ///
    /// `stop` is asked before each character, and at least every 50 ms while the host is away. `host_away` is told
    /// true when the host turns out to be away, and false when it has taken a report again.
    pub fn type_text(
        &mut self,
        text: &str,
        stop: impl Fn() -> bool,
        mut host_away: impl FnMut(bool),
    ) -> TypingOutcome {
        let (mut first_key_at, mut last_key_at) = (None, None);
        let mut chars = text.chars();
        let mut remaining = text.chars().count();
        let ended = loop {
            if self.letting_go {
                let released = self.send_all(release(self.held), &stop, &mut host_away, |_| {});
                if released.is_err() {
                    break released;
                }
                self.letting_go = false;
            }
            let Some(c) = chars.next() else {
                break self.send_all(release(self.held), &stop, &mut host_away, |_| {});
            };
            if stop() {
                break Err(Interrupted::Stopped);
            }
            let mut strokes = self.keymap.strokes(c).peekable();
            let mut result = Ok(());
            while let Some(mut stroke) = strokes.next() {
                if stroke.caps == CapsLock::Shifts && self.keyboard.host_leds().is_some_and(|l| l.caps_lock) {
                    stroke.modifiers ^= usage::LEFT_SHIFT;
                }
                let last_of_char = strokes.peek().is_none();
                result = self.send_all(press(self.held, stroke), &stop, &mut host_away, |at| {
                    first_key_at.get_or_insert(at);
                    last_key_at = Some(at);
                    remaining -= usize::from(last_of_char);
                });
                if result.is_err() {
                    break;
                }
            }
            if result.is_err() {
                break result;
            }
        };
        match ended {
            Ok(()) => TypingOutcome::Done { first_key_at, last_key_at },
            Err(Interrupted::Stopped) => {
                self.let_go();
                TypingOutcome::Stopped { remaining }
            }
            // Another report now would let the one that was refused slip in unseen. What is down is released
            // before the next text, because `held` still says so.
            Err(Interrupted::StoppedAway) => TypingOutcome::Stopped { remaining },
            Err(Interrupted::Failed(error)) => TypingOutcome::Failed { error, remaining },
        }
    }

    /// Send reports in turn; `key_down` hears when one with a key in it was taken.
    fn send_all(
        &mut self,
        reports: impl Iterator<Item = Report>,
        stop: &impl Fn() -> bool,
        host_away: &mut impl FnMut(bool),
        mut key_down: impl FnMut(Timestamp),
    ) -> Result<(), Interrupted> {
        for report in reports {
            self.send(report, stop, host_away)?;
            if report.keys[0] != usage::NONE {
                key_down(self.clock.now());
            }
        }
        Ok(())
    }

    /// Send one report, however long the host is away.
    fn send(
        &mut self,
        report: Report,
        stop: &impl Fn() -> bool,
        host_away: &mut impl FnMut(bool),
    ) -> Result<(), Interrupted> {
        self.clock.sleep_until(self.next_report_at);
        let result = loop {
            let tried_at = self.clock.now();
            match self.keyboard.send(report) {
                Ok(()) => break Ok(()),
                Err(KeyboardError::HostAway) if stop() => break Err(Interrupted::StoppedAway),
                Err(KeyboardError::HostAway) => {
                    if !self.away {
                        host_away(true);
                        self.away = true;
                    }
                    // Returns at once where the keyboard itself has waited as long.
                    self.clock.sleep_until(tried_at + RETRY_INTERVAL);
                }
                Err(error) => break Err(Interrupted::Failed(error)),
            }
        };
        if result.is_ok() {
            if self.away {
                host_away(false);
                self.away = false;
            }
            self.held = report;
            self.next_report_at = self.clock.now() + self.report_interval;
        }
        result
    }

    /// Release what is down, with one attempt for each report: after a stop nobody waits. What does not succeed
    /// is made good before the next text.
    fn let_go(&mut self) {
        self.letting_go = true;
        for report in release(self.held) {
            self.clock.sleep_until(self.next_report_at);
            if self.keyboard.send(report).is_err() {
                return;
            }
            self.held = report;
            self.next_report_at = self.clock.now() + self.report_interval;
        }
        self.letting_go = false;
    }
}
