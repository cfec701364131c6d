//! The sound of the last seconds, kept whether anybody dictates or not.

use crate::recognise::audio::Slot;
use crate::sizes::HISTORY_SAMPLES;

/// The most recent sound, for the pre-roll.
pub(super) struct History {
    ring: Box<[f32; HISTORY_SAMPLES]>,
    next: usize,
    /// Samples ever pushed.
    pushed: u64,
}

impl History {
    /// Nothing heard yet.
    pub(super) fn new() -> Self {
        Self { ring: Box::new([0.0; HISTORY_SAMPLES]), next: 0, pushed: 0 }
    }

    /// Remember the next samples.
    pub(super) fn push(&mut self, samples: &[f32]) {
        self.pushed += samples.len() as u64;
        let recent = &samples[samples.len().saturating_sub(HISTORY_SAMPLES)..];
        let (to_end, around) = recent.split_at(recent.len().min(HISTORY_SAMPLES - self.next));
        self.ring[self.next..self.next + to_end.len()].copy_from_slice(to_end);
        self.ring[..around.len()].copy_from_slice(around);
        self.next = (self.next + recent.len()) % HISTORY_SAMPLES;
    }

    /// Copy positions `from..to` to `slot`, as far back as is remembered. Returns the first position copied.
    pub(super) fn copy_from(&self, from: u64, to: u64, slot: &mut Slot) -> u64 {
        let oldest = self.pushed.saturating_sub(HISTORY_SAMPLES as u64);
        let from = from.clamp(oldest, to);
        let count = (to - from) as usize;
        let begin = (self.next + HISTORY_SAMPLES - count) % HISTORY_SAMPLES;
        let (older, newer) = (&self.ring[begin..], &self.ring[..begin]);
        let older = &older[..older.len().min(count)];
        slot.append(older);
        slot.append(&newer[..count - older.len()]);
        from
    }
}
