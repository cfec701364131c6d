//! From a stream of 16 kHz samples and the speaker's gestures to segments worth recognising.
//!
//! Works in sample positions only, never in wall time: what is cut where depends on the sound alone.
//!
//! ```text
//!        press             pause            release   silence certain
//!  ────────┼─────────────────┼─────────────────┼─────────┼──────
//!   pre-roll├─ segment 1 ────┼─ segment 2 ─────┼── tail ─┤
//! ```
//!
//! As soon as the speaker falls silent, what would be the segment if it ended here is handed on as [`Work::Early`]. If
//! nothing more is said it is confirmed, else withdrawn. Both are the same samples, so the text does not depend on it.

mod history;
mod loudness;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use history::History;
use loudness::{QUIET_SEARCH_SAMPLES, quietest, word_may_begin};

use crate::recognise::audio::{Pool, Slot, Ticket};
use crate::recognise::engine::SAMPLE_RATE_HZ;
use crate::sizes::{SEGMENT_SAMPLES_MAX, SEGMENT_SLOTS};
use crate::speech::{FRAME_SAMPLES, SpeechDetector, SpeechEvidence};
use crate::typing::Stopped;

/// From this length on a segment ends at the next pause, so that its text is being made while the speaker goes on.
/// Shorter pieces would be recognised worse, for want of context.
const CUT_FROM_SAMPLES: usize = 12 * SAMPLE_RATE_HZ;
/// A silence this long is a pause between sentences or clauses, not one between words.
const PAUSE_SAMPLES: u64 = (SAMPLE_RATE_HZ / 2) as u64;
/// Speech without a pause is cut here. It must fit a slot, with room for a tail, or for what comes before another slot is
/// free.
const CUT_AT_SAMPLES: usize = 15 * SAMPLE_RATE_HZ;
/// Silence kept before the speech of a segment. A word that the detector hears late is within it.
const EDGE_BEFORE_SAMPLES: usize = SAMPLE_RATE_HZ / 2;
/// Silence kept behind it: a quarter of a second, in which a word dies away. Half a pause at most, so that as much is left
/// before the next word.
const EDGE_AFTER_SAMPLES: usize = SAMPLE_RATE_HZ / 4;
/// After so much silence the open segment is recognised early: when all of it that would be kept is there.
const EARLY_SILENCE_SAMPLES: u64 = EDGE_AFTER_SAMPLES as u64;
/// While nobody has spoken yet, this much is kept and the rest forgotten.
const UNSPOKEN_KEPT_SAMPLES: usize = SAMPLE_RATE_HZ;
/// Sound that was no speech by itself, such as the button's click, is forgotten after so much silence: the decoder takes
/// speech to begin in the first second.
const UNSPOKEN_SILENCE_SAMPLES: u64 = 2 * SAMPLE_RATE_HZ as u64;
/// After the release, silence is certain when it has lasted this long (150 ms: longer than the closure of a stop
/// consonant within a word).
const CERTAIN_SILENCE_SAMPLES: u64 = (SAMPLE_RATE_HZ * 15 / 100) as u64;
/// What seems to be one gets so much time from the release on, three of the detector's frames, to be known as speech.
const ONSET_WAIT_SAMPLES: u64 = 3 * FRAME_SAMPLES as u64;

const _: () =
    assert!(CUT_AT_SAMPLES + SAMPLE_RATE_HZ <= SEGMENT_SAMPLES_MAX, "room for the periods of a second");
const _: () = assert!(QUIET_SEARCH_SAMPLES < CUT_AT_SAMPLES);
const _: () = assert!(2 * EDGE_AFTER_SAMPLES as u64 <= PAUSE_SAMPLES);

/// Times that dictations are judged by.
#[derive(Clone, Copy, Debug)]
pub struct SegmenterOptions {
    /// Sound kept from before the press.
    pub pre_roll: Duration,
    /// Longest listening after the release.
    pub tail: Duration,
    /// A latched dictation ends after this much silence; zero for never.
    pub end_after_silence: Duration,
    /// Hand on the open segment early.
    pub early: bool,
}

/// A stretch of sound to be recognised.
pub struct Segment {
    /// Where it lies.
    pub slot: Slot,
    /// Where in it the last speech ends, samples from its start.
    pub speech_end: usize,
    /// What the speech detector thinks of it.
    pub evidence: SpeechEvidence,
    /// When it was complete.
    pub closed: Instant,
    /// Where it was recognised early, the mark by which it may be withdrawn.
    pub ticket: Option<Ticket>,
}

impl Segment {
    /// Nobody needs its text any more.
    pub fn is_withdrawn(&self) -> bool {
        self.ticket.is_some_and(|ticket| self.slot.is_withdrawn(ticket))
    }
}

/// The end of a dictation: all its segments have been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Dictations since the start, from 0.
    pub number: u64,
    /// When the button was released, as far as it can be told on the wall clock.
    pub released: Instant,
    /// Capture of the period with the release until it was worked on.
    pub capture: Duration,
    /// When the last segment was complete.
    pub closed: Instant,
}

/// What the listen thread hands on. For each dictation, in this order: any number of segments, then its end.
pub enum Work {
    /// Recognise this.
    Segment(Segment),
    /// Recognise this, which may become a segment. Hold the text back until it is confirmed or withdrawn.
    Early(Segment),
    /// The early segment is one. What the speech detector thinks of it by now, and when it was complete.
    Confirm(SpeechEvidence, Instant),
    /// The early segment is none: the speaker went on.
    Withdraw,
    /// The dictation is over.
    Finished(Finished),
    /// Tell how the device is.
    Report,
    /// Take back what a gesture has stopped.
    Undo(Stopped),
    /// Type the last dictation once more.
    Retype,
    /// Press Enter.
    Enter,
    /// Go on to the next profile.
    NextProfile,
}

impl Work {
    /// Whether it belongs to a dictation that is not over with it.
    pub fn is_within_dictation(&self) -> bool {
        match self {
            Self::Segment(_) | Self::Early(_) | Self::Confirm(..) | Self::Withdraw => true,
            Self::Finished(_) | Self::Report => false,
            Self::Undo(_) | Self::Retype | Self::Enter | Self::NextProfile => false,
        }
    }

    /// Whether the light tells of it as a piece of work.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Segment(_) | Self::Confirm(..) | Self::Report => true,
            Self::Undo(_) | Self::Retype | Self::Enter | Self::NextProfile => true,
            Self::Early(_) | Self::Withdraw | Self::Finished(_) => false,
        }
    }
}

/// A release, seen from the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// When it happened.
    pub at: Instant,
    /// How long the sound of that moment waited to be worked on.
    pub capture: Duration,
}

/// There was no free slot to record into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recogniser is too far behind: no room for more speech")]
pub struct NoRoom;

/// See the module.
pub struct Segmenter {
    options: SegmenterOptions,
    pool: Pool,
    /// Whether to wait for a free slot, as a recording can and a microphone cannot.
    wait_for_room: bool,
    detector: SpeechDetector,
    history: History,
    /// Samples pushed so far.
    position: u64,
    /// Up to here the sound belongs to a dictation already, and is not pre-roll of the next.
    used_until: u64,
    dictation: Option<Dictation>,
    started: u64,
    /// The last one given out.
    ticket: Ticket,
}

struct Dictation {
    number: u64,
    slot: Slot,
    /// Position of the slot's first sample.
    slot_start: u64,
    /// Position at which the detector was reset; its own positions count from there.
    detector_start: u64,
    /// The release, once it came.
    release: Option<Released>,
    /// What was handed on early and is neither confirmed nor withdrawn.
    early: Option<Early>,
}

/// A dictation's release.
#[derive(Clone, Copy)]
struct Released {
    position: u64,
    /// Silence is not certain before.
    certain_from: u64,
    release: Release,
}

/// A segment that was handed on early.
#[derive(Clone, Copy)]
struct Early {
    stretch: Stretch,
    slot: u32,
    ticket: Ticket,
}

/// Where in the stream a segment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    start: u64,
    end: u64,
    /// End of its last word.
    speech_end: u64,
}

impl Dictation {
    /// The speech in the slot so far, with a little silence around it; `None` if there is none.
    fn speech(&self, evidence: &SpeechEvidence) -> Option<Stretch> {
        let (first, last) = evidence.span.filter(|_| evidence.is_speech())?;
        let (first, last) = (self.detector_start + first, self.detector_start + last);
        let slot_end = self.slot_start + self.slot.samples().len() as u64;
        let start = first.saturating_sub(EDGE_BEFORE_SAMPLES as u64).clamp(self.slot_start, slot_end);
        let end = (last + EDGE_AFTER_SAMPLES as u64).min(slot_end).max(start);
        Some(Stretch { start, end, speech_end: last.clamp(start, end) })
    }

    /// The place of a stretch in the slot.
    fn in_slot(&self, stretch: Stretch) -> std::ops::Range<usize> {
        (stretch.start - self.slot_start) as usize..(stretch.end - self.slot_start) as usize
    }
}

impl Segmenter {
    /// Nothing dictated yet.
    pub fn new(options: SegmenterOptions, pool: Pool, detector: SpeechDetector, wait_for_room: bool) -> Self {
        Self {
            options,
            pool,
            wait_for_room,
            detector,
            history: History::new(),
            position: 0,
            used_until: 0,
            dictation: None,
            started: 0,
            ticket: Ticket::default(),
        }
    }

    /// Samples pushed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether a dictation is going on, its tail included.
    pub fn is_dictating(&self) -> bool {
        self.dictation.is_some()
    }

    /// Begin a dictation that was asked for at `position`. One that is still in its tail ends there.
    pub fn start(&mut self, position: u64, sink: &mut impl FnMut(Work)) -> Result<(), NoRoom> {
        if let Some(dictation) = &mut self.dictation {
            let until = position.clamp(dictation.slot_start, self.position);
            dictation.slot.truncate((until - dictation.slot_start) as usize);
            self.used_until = until;
            self.finish(sink);
        }
        let mut slot = self.take_slot()?;
        let wanted = position.saturating_sub(samples(self.options.pre_roll)).max(self.used_until);
        let slot_start = self.history.copy_from(wanted, self.position, &mut slot);
        self.detector.reset();
        self.detector.push(slot.samples());
        let number = self.started;
        self.started += 1;
        self.dictation = Some(Dictation {
            number,
            slot,
            slot_start,
            detector_start: slot_start,
            release: None,
            early: None,
        });
        Ok(())
    }

    /// The button was released at `position`: only the tail is still listened to.
    pub fn stop(&mut self, position: u64, release: Release) {
        let Some(dictation) = &mut self.dictation else { return };
        let silence = self.detector.silence_samples() as usize;
        let begins = dictation.release.is_none() && word_may_begin(dictation.slot.samples(), silence);
        let certain_from = position + if begins { ONSET_WAIT_SAMPLES } else { 0 };
        dictation.release.get_or_insert(Released { position, certain_from, release });
    }

    /// Forget the dictation that was begun last, unless it is in its tail: the button meant something else. Whether
    /// there was one.
    pub fn discard(&mut self, sink: &mut impl FnMut(Work)) -> bool {
        let Some(discarded) = self.dictation.take_if(|dictation| dictation.release.is_none()) else {
            return false;
        };
        self.started -= 1;
        if let Some(early) = discarded.early {
            self.pool.withdraw(early.slot, early.ticket);
            sink(Work::Withdraw);
        }
        true
    }

    /// Number of the last dictation that the button has ended, discarded ones not counted.
    pub fn last_spoken(&self) -> Option<u64> {
        let goes_on = self.dictation.as_ref().is_some_and(|dictation| dictation.release.is_none());
        self.started.checked_sub(1 + u64::from(goes_on))
    }

    /// Take the next samples. `latched`: the dictation may end by itself. Returns whether it just ended.
    pub fn push(
        &mut self,
        samples: &[f32],
        latched: bool,
        sink: &mut impl FnMut(Work),
    ) -> Result<bool, NoRoom> {
        self.history.push(samples);
        self.position += samples.len() as u64;
        let Some(dictation) = &mut self.dictation else { return Ok(false) };
        if dictation.slot.append(samples) < samples.len() {
            let is_tail = dictation.release.is_some();
            self.finish(sink);
            // What of the tail does not fit is left out. Else no other slot was free when it should have been cut.
            return if is_tail { Ok(true) } else { Err(NoRoom) };
        }
        self.detector.push(samples);
        self.settle(latched, sink)
    }

    /// End what there is to end at this point.
    pub fn settle(&mut self, latched: bool, sink: &mut impl FnMut(Work)) -> Result<bool, NoRoom> {
        let Some(dictation) = &mut self.dictation else { return Ok(false) };
        let silence = self.detector.silence_samples();
        if silence == 0
            && let Some(early) = dictation.early.take()
        {
            self.pool.withdraw(early.slot, early.ticket);
            sink(Work::Withdraw);
        }
        if let Some(released) = dictation.release {
            let tail_end = released.position + samples(self.options.tail);
            let silent = silence >= CERTAIN_SILENCE_SAMPLES && self.position >= released.certain_from;
            if silent || self.position >= tail_end {
                self.finish(sink);
                return Ok(true);
            }
            return Ok(false);
        }
        let end_after = samples(self.options.end_after_silence);
        if latched && end_after > 0 && silence >= end_after {
            self.finish(sink);
            return Ok(true);
        }
        let length = dictation.slot.samples().len();
        let evidence = self.detector.evidence();
        if evidence.span.is_some() && !evidence.is_speech() && silence >= UNSPOKEN_SILENCE_SAMPLES {
            self.detector.take_evidence();
        }
        if self.detector.evidence().span.is_none() && length > 2 * UNSPOKEN_KEPT_SAMPLES {
            let forgotten = length - UNSPOKEN_KEPT_SAMPLES;
            dictation.slot.discard_front(forgotten);
            dictation.slot_start += forgotten as u64;
            // Its evidence goes with it, unless somebody is just beginning.
            if self.detector.evidence().run_frames == 0 {
                self.detector.take_evidence();
            }
        } else if length >= CUT_FROM_SAMPLES && silence >= PAUSE_SAMPLES {
            // What is left of the silence goes on in the next segment, as long as nobody speaks.
            self.cut(length - silence as usize + EDGE_AFTER_SAMPLES, sink)?;
        } else if length >= CUT_AT_SAMPLES {
            let at = quietest(dictation.slot.samples());
            self.cut(at, sink)?;
        } else if self.options.early && silence >= EARLY_SILENCE_SAMPLES {
            self.recognise_early(sink);
        }
        Ok(false)
    }

    /// Hand on the open segment as it would be if nothing more were said, once. Only to a recogniser that has nothing
    /// else to do: what is handed on keeps its slot until then, and a slot is for speech that is certain.
    fn recognise_early(&mut self, sink: &mut impl FnMut(Work)) {
        let Some(dictation) = &mut self.dictation else { return };
        let evidence = *self.detector.evidence();
        if dictation.early.is_some() || self.pool.free() < SEGMENT_SLOTS - 1 {
            return;
        }
        let Some(stretch) = dictation.speech(&evidence) else { return };
        let Some(mut slot) = self.pool.take() else { return };
        slot.append(&dictation.slot.samples()[dictation.in_slot(stretch)]);
        self.ticket = self.ticket.next();
        dictation.early = Some(Early { stretch, slot: slot.index(), ticket: self.ticket });
        sink(Work::Early(segment(slot, stretch, evidence, Instant::now(), Some(self.ticket))));
    }

    /// End the dictation, whatever state it is in.
    pub fn finish(&mut self, sink: &mut impl FnMut(Work)) {
        let Some(dictation) = self.dictation.take() else { return };
        self.detector.flush();
        let evidence = self.detector.take_evidence();
        self.used_until = self.used_until.max(dictation.slot_start + dictation.slot.samples().len() as u64);
        let closed = Instant::now();
        let ended = Release { at: closed, capture: Duration::ZERO };
        let release = dictation.release.map_or(ended, |released| released.release);
        let (number, released) = (dictation.number, release.at);
        self.close(dictation, evidence, closed, sink);
        sink(Work::Finished(Finished { number, released, capture: release.capture, closed }));
    }

    /// Close the segment at sample `at` of its slot; what follows goes to a new one.
    fn cut(&mut self, at: usize, sink: &mut impl FnMut(Work)) -> Result<(), NoRoom> {
        let mut next = match self.take_slot() {
            Ok(slot) => slot,
            // Not yet: there is room left in this slot, and the recogniser may free another in time.
            Err(NoRoom) => return Ok(()),
        };
        let Some(dictation) = &mut self.dictation else { return Ok(()) };
        next.append(&dictation.slot.samples()[at..]);
        dictation.slot.truncate(at);
        let slot_start = dictation.slot_start + at as u64;
        let rest = Dictation {
            number: dictation.number,
            slot: next,
            slot_start,
            detector_start: slot_start,
            release: dictation.release,
            early: None,
        };
        let closed = std::mem::replace(dictation, rest);
        // The detector begins anew with the next segment, so that its evidence covers all of it.
        let mut evidence = self.detector.take_evidence();
        let end = self.detector.speech_end_before(slot_start - closed.detector_start);
        evidence.span = evidence.span.zip(end).map(|((start, _), end)| (start, end)).filter(|(a, b)| a < b);
        self.detector.reset();
        self.detector.push(dictation.slot.samples());
        self.close(closed, evidence, Instant::now(), sink);
        Ok(())
    }

    /// Hand on the segment in the slot, or confirm that it was.
    fn close(
        &self,
        mut dictation: Dictation,
        evidence: SpeechEvidence,
        closed: Instant,
        sink: &mut impl FnMut(Work),
    ) {
        let stretch = dictation.speech(&evidence);
        match dictation.early {
            Some(early) if Some(early.stretch) == stretch => return sink(Work::Confirm(evidence, closed)),
            Some(early) => {
                self.pool.withdraw(early.slot, early.ticket);
                sink(Work::Withdraw);
            }
            None => {}
        }
        let Some(stretch) = stretch else { return };
        let kept = dictation.in_slot(stretch);
        dictation.slot.truncate(kept.end);
        dictation.slot.discard_front(kept.start);
        sink(Work::Segment(segment(dictation.slot, stretch, evidence, closed, None)));
    }

    fn take_slot(&self) -> Result<Slot, NoRoom> {
        if self.wait_for_room { Ok(self.pool.wait_take()) } else { self.pool.take().ok_or(NoRoom) }
    }
}

fn samples(duration: Duration) -> u64 {
    duration.as_micros() as u64 * SAMPLE_RATE_HZ as u64 / 1_000_000
}

/// What lies in `slot` as a segment; from now on the slot is the recogniser's.
fn segment(
    slot: Slot,
    stretch: Stretch,
    evidence: SpeechEvidence,
    closed: Instant,
    ticket: Option<Ticket>,
) -> Segment {
    slot.hand_over();
    Segment { slot, speech_end: (stretch.speech_end - stretch.start) as usize, evidence, closed, ticket }
}
