//! Sends text as reports, paced, and waits for a host that is away without losing its place.

use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use oratype_hal::hid::{HostLeds, Keyboard, KeyboardError, Report, usage};
use oratype_hal::time::{Clock, Timestamp};

use super::keymap::{CapsLock, Keymap, Stroke};
use super::{Pacing, press, release};

/// How often a report is offered to a host that is away: quick for a person, nothing for the processor.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// When somebody is asked whether to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before each character: what was typed so far is exactly known.
    BetweenCharacters,
    /// Time and again while the host is away, perhaps in the middle of a character.
    HostAway,
    /// Before each report, so that it is known that the typing goes on; nothing is stopped.
    BeforeReport,
}

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

/// How long the host's lights are not asked after one of its locks was switched: they follow within milliseconds, and
/// nobody else switches the same lock at the same time.
const LIGHTS_LAG: Duration = Duration::from_millis(500);

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
/// of a word finds the rest of it when it is back. Each key is followed by its release or by the next key at once;
/// where a host falls asleep between the two, that is what waits, so that the key cannot repeat for long when it
/// wakes. After a stop while the host was away, type the characters that remain before anything else: the first of
/// them may still be on its way.
pub struct Typist<K> {
    keymap: Keymap,
    keys: Keys<K>,
}

impl<K: Keyboard> Typist<K> {
    /// Type on `keyboard`, for a host with the layout of `keymap`, paced by `clock`.
    pub fn new(keyboard: K, clock: Arc<dyn Clock>, keymap: Keymap, pacing: Pacing) -> Self {
        let keys = Keys {
            has_caps_lock: keymap.layout().has_caps_lock(),
            keyboard,
            clock,
            pacing,
            held: Report::RELEASED,
            letting_go: false,
            next_report_at: Timestamp::ZERO,
            next_key_at: Timestamp::ZERO,
            away: false,
            locks: None,
            locks_known_until: Timestamp::ZERO,
            switched: Switched::default(),
        };
        Self { keymap, keys }
    }

    /// How characters become strokes.
    pub fn keymap(&self) -> &Keymap {
        &self.keymap
    }

    /// Type at this pace from here on.
    pub fn set_pacing(&mut self, pacing: Pacing) {
        self.keys.pacing = pacing;
    }

    /// Look for the host while there is nothing to type; whether it is there. See [`Keyboard::meet_host`].
    pub fn meet_host(&mut self) -> bool {
        let is_there = self.keys.keyboard.meet_host();
        self.keys.away = !is_there;
        is_there
    }

    /// Type `text`. Blocks until it is typed, `stop` answers true, or the keyboard fails.
    ///
    /// `stop` is asked at each [`Moment`], at least every 50 ms while the host is away. `host_away` is told true when
    /// the host turns out to be away, and false when it has taken a report again.
    pub fn type_text(
        &mut self,
        text: &str,
        stop: impl Fn(Moment) -> bool,
        host_away: impl FnMut(bool),
    ) -> TypingOutcome {
        let Self { keymap, keys } = self;
        let strokes = text.chars().map(|c| keymap.strokes(c));
        keys.type_all(strokes, text.chars().count(), &stop, host_away)
    }

    /// Press Backspace so many times; otherwise as [`type_text`](Self::type_text).
    pub fn erase(
        &mut self,
        count: usize,
        stop: impl Fn(Moment) -> bool,
        host_away: impl FnMut(bool),
    ) -> TypingOutcome {
        const BACKSPACE: Stroke = Stroke::plain(usage::BACKSPACE);
        self.keys.type_all((0..count).map(|_| once(BACKSPACE)), count, &stop, host_away)
    }
}

#[cfg(test)]
impl<K: Keyboard> Typist<K> {
    /// Type a character for each of these strokes.
    pub(super) fn type_strokes(&mut self, strokes: impl IntoIterator<Item = Stroke>) -> TypingOutcome {
        let strokes: Vec<_> = strokes.into_iter().map(once).collect();
        let count = strokes.len();
        self.keys.type_all(strokes.into_iter(), count, &|_| false, |_| {})
    }
}

/// The keys themselves: strokes in, reports out.
struct Keys<K> {
    /// Where the host's Caps Lock key is another one, pressing it would not switch the lock, but type something.
    has_caps_lock: bool,
    keyboard: K,
    clock: Arc<dyn Clock>,
    pacing: Pacing,
    /// The last report that was taken: what the host believes to be down.
    held: Report,
    /// A stop could not release what was held. That goes on before anything else, because what a host has refused
    /// may still be on its way.
    letting_go: bool,
    next_report_at: Timestamp,
    next_key_at: Timestamp,
    /// The host took no report, or was not met, when last asked.
    away: bool,
    /// The host's locks, as far as they are known.
    locks: Option<HostLeds>,
    /// Until then its lights may not show them yet.
    locks_known_until: Timestamp,
    switched: Switched,
}

/// Locks that were seen to for a character: the entry of a code is not interrupted once it has begun, whatever the
/// lights say by then.
#[derive(Clone, Copy, Debug, Default)]
struct SeenTo {
    caps_lock: bool,
    num_lock: bool,
}

/// Locks that were switched for the text, and are to be switched back after it.
#[derive(Clone, Copy, Debug, Default)]
struct Switched {
    caps_lock: bool,
    num_lock: bool,
}

impl<K: Keyboard> Keys<K> {
    /// Press what types each of `count` characters.
    fn type_all<S: Iterator<Item = Stroke>>(
        &mut self,
        mut characters: impl Iterator<Item = S>,
        count: usize,
        stop: &impl Fn(Moment) -> bool,
        mut host_away: impl FnMut(bool),
    ) -> TypingOutcome {
        let (mut first_key_at, mut last_key_at) = (None, None);
        let mut remaining = count;
        let mut ended = 'typing: loop {
            if self.letting_go {
                let released = self.send_all(release(self.held), stop, &mut host_away);
                if released.is_err() {
                    break released;
                }
                self.letting_go = false;
            }
            let Some(strokes) = characters.next() else { break Ok(()) };
            if stop(Moment::BetweenCharacters) {
                break Err(Interrupted::Stopped);
            }
            let mut strokes = strokes.peekable();
            let mut seen_to = SeenTo::default();
            while let Some(stroke) = strokes.next() {
                let pressed = self.press(stroke, &mut seen_to, stop, &mut host_away, |at| {
                    first_key_at.get_or_insert(at);
                    last_key_at = Some(at);
                    remaining -= usize::from(strokes.peek().is_none());
                });
                if pressed.is_err() {
                    break 'typing pressed;
                }
            }
        };
        if matches!(ended, Ok(()) | Err(Interrupted::Stopped)) {
            let restored = self.restore_locks(stop, &mut host_away);
            ended = ended.and(restored);
        }
        if ended.is_ok() {
            ended = self.send_all(release(self.held), stop, &mut host_away);
        }
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

    /// Press a key, whatever the host's locks are; `key_down` hears when it went down. `seen_to` is that of the
    /// character.
    ///
    /// A Shift makes up for Caps Lock where that is all it does. Otherwise a lock that disturbs is switched, and back
    /// after the text. Where a host's lights are not known, its locks are taken to be as they should.
    fn press(
        &mut self,
        mut stroke: Stroke,
        seen_to: &mut SeenTo,
        stop: &impl Fn(Moment) -> bool,
        host_away: &mut impl FnMut(bool),
        mut key_down: impl FnMut(Timestamp),
    ) -> Result<(), Interrupted> {
        let disturbs = stroke.caps == CapsLock::Disturbs && !seen_to.caps_lock;
        let needs_num_lock = stroke.needs_num_lock() && !seen_to.num_lock;
        seen_to.caps_lock |= disturbs;
        seen_to.num_lock |= needs_num_lock;
        if stroke.caps == CapsLock::Shifts || disturbs || needs_num_lock {
            self.read_locks();
        }
        let caps_lock = self.locks.is_some_and(|locks| locks.caps_lock);
        match stroke.caps {
            CapsLock::Shifts if caps_lock => stroke.modifiers ^= usage::LEFT_SHIFT,
            CapsLock::Disturbs if disturbs && caps_lock && self.has_caps_lock => {
                self.switch_lock(usage::CAPS_LOCK, stop, host_away)?;
            }
            _ => {}
        }
        if needs_num_lock && self.locks.is_some_and(|locks| !locks.num_lock) {
            self.switch_lock(usage::NUM_LOCK, stop, host_away)?;
        }
        for report in press(self.held, stroke, self.pacing.rolls_over) {
            let goes_down = !self.held.keys.contains(&stroke.usage) && report.keys.contains(&stroke.usage);
            self.send(report, stop, host_away)?;
            if goes_down {
                key_down(self.clock.now());
            }
        }
        Ok(())
    }

    fn read_locks(&mut self) {
        if self.clock.now() >= self.locks_known_until {
            self.locks = self.keyboard.host_leds();
        }
    }

    /// Switch a lock. What it was is noted, so that it can be switched back.
    fn switch_lock(
        &mut self,
        lock: u8,
        stop: &impl Fn(Moment) -> bool,
        host_away: &mut impl FnMut(bool),
    ) -> Result<(), Interrupted> {
        // Pressed and released by itself, without any modifier.
        self.send_all(release(self.held), stop, host_away)?;
        self.send_all([Report::key(0, lock), Report::RELEASED].into_iter(), stop, host_away)?;
        self.locks_known_until = self.clock.now() + LIGHTS_LAG;
        let mut locks = self.locks.unwrap_or_default();
        match lock {
            usage::NUM_LOCK => {
                locks.num_lock = !locks.num_lock;
                self.switched.num_lock = !self.switched.num_lock;
            }
            _ => {
                locks.caps_lock = !locks.caps_lock;
                self.switched.caps_lock = !self.switched.caps_lock;
            }
        }
        self.locks = Some(locks);
        Ok(())
    }

    /// Leave the host's locks as they were found.
    fn restore_locks(
        &mut self,
        stop: &impl Fn(Moment) -> bool,
        host_away: &mut impl FnMut(bool),
    ) -> Result<(), Interrupted> {
        if self.switched.caps_lock || self.switched.num_lock {
            self.read_locks();
        }
        // Unless they are already: it may be another host by now, or somebody pressed the key.
        if let Some(now) = self.locks {
            self.switched.caps_lock &= !now.caps_lock;
            self.switched.num_lock &= now.num_lock;
        }
        if self.switched.caps_lock {
            self.switch_lock(usage::CAPS_LOCK, stop, host_away)?;
        }
        if self.switched.num_lock {
            self.switch_lock(usage::NUM_LOCK, stop, host_away)?;
        }
        Ok(())
    }

    /// Send reports in turn.
    fn send_all(
        &mut self,
        reports: impl Iterator<Item = Report>,
        stop: &impl Fn(Moment) -> bool,
        host_away: &mut impl FnMut(bool),
    ) -> Result<(), Interrupted> {
        for report in reports {
            self.send(report, stop, host_away)?;
        }
        Ok(())
    }

    /// When a report may go.
    fn due(&self, report: Report) -> Timestamp {
        if report.presses_after(self.held) {
            self.next_report_at.max(self.next_key_at)
        } else {
            self.next_report_at
        }
    }

    /// A report was taken.
    fn sent(&mut self, report: Report) {
        let now = self.clock.now();
        if report.presses_after(self.held) {
            self.next_key_at = now + self.pacing.key_interval;
        }
        self.held = report;
        self.next_report_at = now + self.pacing.report_interval;
    }

    /// Send one report, however long the host is away.
    fn send(
        &mut self,
        report: Report,
        stop: &impl Fn(Moment) -> bool,
        host_away: &mut impl FnMut(bool),
    ) -> Result<(), Interrupted> {
        stop(Moment::BeforeReport);
        self.clock.sleep_until(self.due(report));
        loop {
            let tried_at = self.clock.now();
            match self.keyboard.send(report) {
                Ok(()) => break,
                Err(KeyboardError::HostAway) if stop(Moment::HostAway) => {
                    return Err(Interrupted::StoppedAway);
                }
                Err(KeyboardError::HostAway) => {
                    if !self.away {
                        host_away(true);
                        self.away = true;
                    }
                    // Returns at once where the keyboard itself has waited as long.
                    self.clock.sleep_until(tried_at + RETRY_INTERVAL);
                }
                Err(error) => return Err(Interrupted::Failed(error)),
            }
        }
        if self.away {
            host_away(false);
            self.away = false;
        }
        self.sent(report);
        Ok(())
    }

    /// Release what is down, with one attempt for each report: after a stop nobody waits. What does not succeed
    /// is made good before the next text.
    fn let_go(&mut self) {
        self.letting_go = true;
        for report in release(self.held) {
            self.clock.sleep_until(self.due(report));
            if self.keyboard.send(report).is_err() {
                return;
            }
            self.sent(report);
        }
        self.letting_go = false;
    }
}
