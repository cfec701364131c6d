//! What the appliance lacks at the moment, for the light: set while it lasts, cleared when it is over.
//!
//! Unlike a fault of [`crate::status::Status`], which one dictation leaves behind and the next clears, a trouble stands
//! until its cause is gone.

use std::sync::atomic::{AtomicBool, Ordering};

/// Something that dictating needs and that is not there. The first is shown first: what cannot come back by itself
/// before what a person may have unplugged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A model file is missing or altered: flash the card again.
    Model,
    /// The recogniser process cannot be started.
    Recogniser,
    /// No microphone.
    Microphone,
    /// No button.
    Button,
    /// No keyboard: the USB gadget could not be made.
    Keyboard,
}

impl Trouble {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 5] =
        [Self::Model, Self::Recogniser, Self::Microphone, Self::Button, Self::Keyboard];

    /// One word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Recogniser => "recogniser",
            Self::Microphone => "microphone",
            Self::Button => "button",
            Self::Keyboard => "keyboard",
        }
    }
}

/// The troubles there are; every thread may set and look.
#[derive(Debug, Default)]
pub struct Health {
    troubles: [AtomicBool; Trouble::ALL.len()],
}

impl Health {
    /// It is there, or no longer.
    pub fn set(&self, trouble: Trouble, there: bool) {
        self.troubles[trouble as usize].store(there, Ordering::Relaxed);
    }

    /// The trouble to be shown.
    pub fn worst(&self) -> Option<Trouble> {
        Trouble::ALL.into_iter().find(|&trouble| self.troubles[trouble as usize].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_shown_until_it_is_over() {
        let health = Health::default();
        assert_eq!(health.worst(), None);
        for trouble in Trouble::ALL.into_iter().rev() {
            health.set(trouble, true);
            assert_eq!(health.worst(), Some(trouble));
        }
        for (i, trouble) in Trouble::ALL.into_iter().enumerate() {
            health.set(trouble, false);
            assert_eq!(health.worst(), Trouble::ALL.get(i + 1).copied());
        }
    }
}
