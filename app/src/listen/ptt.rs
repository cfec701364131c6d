//! Push to talk: from the bouncing contacts of one button to what the speaker wants.
//!
//! | gesture | meaning |
//! |---|---|
//! | hold | dictate while the button is down |
//! | tap, shorter than [`PttOptions::tap`] | dictate until the next tap |
//! | two, three or four quick taps | a [`Command`], as the settings have it |
//! | five quick taps, or more | tell how the device is, once |
//!
//! Taps are quick when each edge comes sooner than [`PttOptions::tap`] after the one before. A dictation begins with
//! every press at once, and only afterwards it shows that there was no speech in it: it is discarded when the second
//! tap is over. How many taps there are is known when no further one came in time. The tap that ends a latched
//! dictation ends it at once, and counts as the first of those that may follow.
//!
//! A state machine without a clock of its own: time is what the caller says it is, so that recordings give the
//! same result however fast they are played.

use std::fmt;
use std::time::Duration;

use oratype_hal::gpio::Edge;
use oratype_hal::time::Timestamp;

use crate::settings;

/// Something to do with what was typed, or with what will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take back the last dictation.
    Undo,
    /// Type the last dictation once more.
    Retype,
    /// Press Enter.
    Enter,
    /// Go on to the next profile.
    NextProfile,
}

impl Command {
    /// Their names in the settings, and the one for no command.
    pub const NAMES: &[&str] = &["undo", "retype", "enter", "next-profile", "none"];

    /// By its name in the settings.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Undo, Self::Retype, Self::Enter, Self::NextProfile]
            .into_iter()
            .find(|command| command.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Retype => "retype",
            Self::Enter => "enter",
            Self::NextProfile => "next-profile",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the button is judged by.
#[derive(Clone, Copy, Debug)]
pub struct PttOptions {
    /// A level counts once it has held for this long.
    pub debounce: Duration,
    /// A press shorter than this is a tap, a pause shorter than this joins two taps.
    pub tap: Duration,
    /// What two quick taps mean.
    pub double_tap: Option<Command>,
    /// What three quick taps mean.
    pub triple_tap: Option<Command>,
    /// What four quick taps mean.
    pub quadruple_tap: Option<Command>,
}

impl From<&settings::Button> for PttOptions {
    fn from(settings: &settings::Button) -> Self {
        Self {
            debounce: settings.debounce,
            tap: settings.tap,
            double_tap: Command::by_name(&settings.double_tap),
            triple_tap: Command::by_name(&settings.triple_tap),
            quadruple_tap: Command::by_name(&settings.quadruple_tap),
        }
    }
}

/// What the speaker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// Dictate from here on.
    Start(Timestamp),
    /// The dictation goes on until the next tap.
    Latch,
    /// Dictate up to here.
    Stop(Timestamp),
    /// The dictation was none: the button means something else.
    Discard,
    /// Do this.
    Command(Command),
    /// The dictation, if one goes on, was none. Tell how the device is.
    Report,
}

/// Taps that ask for a report: more than anybody makes by mistake.
const REPORT_TAPS: u32 = 5;

/// The button's state machine.
#[derive(Debug)]
pub struct Ptt {
    options: PttOptions,
    /// The level that counts.
    pressed: bool,
    /// An edge that has yet to prove itself.
    unproven: Option<Edge>,
    /// The last edge that did.
    last_edge: Timestamp,
    /// A dictation goes on, as far as the button is concerned.
    dictating: bool,
    /// Quick taps so far; zero once it is known that no further one follows.
    taps: u32,
}

impl Ptt {
    /// A button that is up.
    pub fn new(options: PttOptions) -> Self {
        Self {
            options,
            pressed: false,
            unproven: None,
            last_edge: Timestamp::ZERO,
            dictating: false,
            taps: 0,
        }
    }

    /// Take an edge, in order of time, once [`advance`](Self::advance) has told everything before it.
    pub fn edge(&mut self, edge: Edge) {
        self.unproven = match self.unproven {
            // Two edges of the same kind in a row: one between them was missed. The older one counts.
            Some(unproven) if unproven.pressed == edge.pressed => Some(unproven),
            _ if edge.pressed == self.pressed => None,
            _ => Some(edge),
        };
    }

    /// Let time pass, to `now`: what has been meant by then and was not told yet. To be called until there is nothing
    /// more.
    pub fn advance(&mut self, now: Timestamp) -> Option<Gesture> {
        loop {
            // An edge that has yet to prove itself may be one more tap.
            let without_edge_until = self.unproven.map_or(now, |edge| edge.at.min(now));
            if let Some(command) = self.end_of_taps(without_edge_until) {
                return Some(Gesture::Command(command));
            }
            let edge = self.unproven.take_if(|edge| now >= edge.at + self.options.debounce)?;
            if let Some(gesture) = self.proven(edge) {
                return Some(gesture);
            }
        }
    }

    /// The taps are over when the button has not moved for long enough. What they meant, if anything.
    fn end_of_taps(&mut self, now: Timestamp) -> Option<Command> {
        if now.saturating_sub(self.last_edge) < self.options.tap {
            return None;
        }
        match std::mem::take(&mut self.taps) {
            2 => self.options.double_tap,
            3 => self.options.triple_tap,
            4 => self.options.quadruple_tap,
            _ => None,
        }
    }

    fn proven(&mut self, edge: Edge) -> Option<Gesture> {
        let soon = edge.at.saturating_sub(self.last_edge) < self.options.tap;
        self.last_edge = edge.at;
        self.pressed = edge.pressed;
        if edge.pressed {
            return self.press(edge.at);
        }
        if !soon {
            return std::mem::take(&mut self.dictating).then_some(Gesture::Stop(edge.at));
        }
        self.taps += 1;
        match self.taps {
            REPORT_TAPS => {
                self.dictating = false;
                Some(Gesture::Report)
            }
            1 => self.dictating.then_some(Gesture::Latch),
            _ => std::mem::take(&mut self.dictating).then_some(Gesture::Discard),
        }
    }

    fn press(&mut self, at: Timestamp) -> Option<Gesture> {
        match (self.dictating, self.taps) {
            (false, _) => {
                self.dictating = true;
                Some(Gesture::Start(at))
            }
            // It is latched, and not since a moment ago.
            (true, 0) => {
                self.dictating = false;
                Some(Gesture::Stop(at))
            }
            // Another tap, which discards it, or a hold, which goes on with it.
            (true, _) => None,
        }
    }

    /// Whether the dictation goes on with the button up.
    pub fn is_latched(&self) -> bool {
        self.dictating && !self.pressed
    }

    /// The dictation ended for another reason than the button.
    pub fn ended(&mut self) {
        self.dictating = false;
    }
}

#[cfg(test)]
mod tests;
