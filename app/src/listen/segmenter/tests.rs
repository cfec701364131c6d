//! Tests of the segmenter, with a detector that takes loud for speech and samples that say where they belong.

use proptest::prelude::*;

use super::*;
use crate::sizes::SEGMENT_SLOTS;
use crate::speech::{FRAME_SAMPLES, Vad};

/// Everything that is loud is speech; what is half as loud may be.
struct Loudness;

/// Samples of speech are at least this; where in the stream a sample lies is added in steps of [`STEP`].
const LOUD: f32 = 0.25;
/// Half as loud.
const MURMUR: f32 = 0.125;
/// Four times the resolution of `f32` below 0.5: two million samples can be told apart.
const STEP: f64 = 1.2e-7;

impl Vad for Loudness {
    fn push(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
        let is_mostly = |level: f32| frame.iter().filter(|&&s| s >= level).count() * 2 > FRAME_SAMPLES;
        if is_mostly(LOUD) {
            0.9
        } else if is_mostly(MURMUR) {
            0.45
        } else {
            0.05
        }
    }

    fn reset(&mut self) {}
}

fn options() -> SegmenterOptions {
    SegmenterOptions {
        pre_roll: Duration::from_millis(300),
        tail: Duration::from_millis(500),
        end_after_silence: Duration::from_secs(10),
        early: true,
    }
}

/// A microphone, a speaker and a finger.
struct Bench {
    segmenter: Segmenter,
    latched: bool,
    delivered: Delivered,
}

/// What the segmenter handed on.
#[derive(Default)]
struct Delivered {
    /// Where the speech in each segment lies in the stream, sample by sample.
    segments: Vec<Vec<u64>>,
    /// All samples of each segment, and where its last word ends.
    sounds: Vec<(Vec<f32>, usize)>,
    /// What was handed on early and not yet decided.
    early: Option<Segment>,
    confirmed: usize,
    withdrawn: usize,
    finished: usize,
    /// Work that waits for a recogniser which is far behind.
    waiting: Option<Vec<Work>>,
    /// A recogniser that gives no slot back.
    hoard: Option<Vec<Segment>>,
}

impl Delivered {
    fn take(&mut self, work: Work) {
        match &mut self.waiting {
            Some(waiting) => waiting.push(work),
            None => self.work(work),
        }
    }

    fn catch_up(&mut self) {
        for work in self.waiting.take().into_iter().flatten() {
            self.work(work);
        }
    }

    fn work(&mut self, work: Work) {
        match work {
            Work::Segment(segment) => {
                assert!(self.early.is_none() && segment.ticket.is_none());
                self.note(segment);
            }
            Work::Early(segment) => {
                assert!(self.early.is_none());
                self.early = Some(segment);
            }
            Work::Confirm(evidence, _) => {
                let early = self.early.take().unwrap();
                assert!(evidence.span == early.evidence.span && !early.is_withdrawn());
                self.confirmed += 1;
                self.note(early);
            }
            Work::Withdraw => {
                assert!(self.early.take().unwrap().is_withdrawn());
                self.withdrawn += 1;
            }
            Work::Finished(_) => self.finished += 1,
            Work::Report | Work::Undo(_) | Work::Retype | Work::Enter | Work::NextProfile => {
                panic!("no part of the segmenter asks for that")
            }
        }
    }

    fn note(&mut self, segment: Segment) {
        let position = |s: f32| ((f64::from(s) - f64::from(LOUD)) / STEP).round() as u64;
        let samples = segment.slot.samples();
        self.segments.push(samples.iter().filter(|&&s| s >= LOUD).map(|&s| position(s)).collect());
        self.sounds.push((samples.to_vec(), segment.speech_end));
        if let Some(hoard) = &mut self.hoard {
            hoard.push(segment);
        }
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(options: SegmenterOptions) -> Self {
        let pool = Pool::new().unwrap();
        let segmenter = Segmenter::new(options, pool, SpeechDetector::new(Loudness), false);
        Self { segmenter, latched: false, delivered: Delivered::default() }
    }

    /// Let `ms` pass, with or without speech, in periods of 10 ms. Whether the dictation ended by itself.
    fn hear(&mut self, ms: u64, speech: bool) -> bool {
        self.hear_sound(ms, |at| if speech { (f64::from(LOUD) + at as f64 * STEP) as f32 } else { 0.0 })
    }

    /// The same with the sample of each position in the stream.
    fn hear_sound(&mut self, ms: u64, sample: impl Fn(u64) -> f32) -> bool {
        let mut ended = false;
        for _ in 0..ms / 10 {
            let at = self.segmenter.position();
            let period: Vec<f32> = (0..160).map(|i| sample(at + i)).collect();
            let delivered = &mut self.delivered;
            ended |= self.segmenter.push(&period, self.latched, &mut |work| delivered.take(work)).unwrap();
        }
        ended
    }

    fn press(&mut self) -> Result<(), NoRoom> {
        let (position, delivered) = (self.segmenter.position(), &mut self.delivered);
        self.segmenter.start(position, &mut |work| delivered.take(work))
    }

    fn discard(&mut self) -> bool {
        let delivered = &mut self.delivered;
        self.segmenter.discard(&mut |work| delivered.take(work))
    }

    fn release(&mut self) {
        let release = Release { at: Instant::now(), capture: Duration::ZERO };
        self.segmenter.stop(self.segmenter.position(), release);
    }
}

/// Sample positions of a stretch given in milliseconds.
fn span(from_ms: u64, to_ms: u64) -> Vec<u64> {
    (from_ms * 16..to_ms * 16).collect()
}

#[test]
fn a_word_begun_before_the_press_and_ended_after_the_release_is_whole() {
    let mut bench = Bench::new();
    bench.hear(1000, false);
    bench.hear(200, true);
    bench.press().unwrap();
    bench.hear(400, true);
    bench.release();
    bench.hear(300, true);
    bench.hear(1000, false);
    assert_eq!(bench.delivered.segments, [span(1000, 1900)]);
    assert_eq!(bench.delivered.finished, 1);
}

#[test]
fn a_discarded_dictation_leaves_nothing_behind() {
    let mut bench = Bench::new();
    assert_eq!(bench.segmenter.last_spoken(), None);
    bench.press().unwrap();
    bench.hear(500, true);
    assert_eq!(bench.segmenter.last_spoken(), None, "it goes on");
    bench.release();
    assert_eq!(bench.segmenter.last_spoken(), Some(0));
    bench.hear(1000, false);
    bench.press().unwrap();
    bench.hear(200, true);
    assert!(bench.discard());
    assert_eq!(bench.segmenter.last_spoken(), Some(0));
    bench.hear(1000, false);
    assert_eq!((bench.delivered.segments.len(), bench.delivered.finished), (1, 1));
    // What was said meanwhile is still there for the next one, which has the number of the discarded one.
    bench.hear(200, true);
    bench.press().unwrap();
    bench.hear(500, true);
    bench.release();
    assert!(!bench.discard(), "a dictation in its tail is none that a gesture began");
    bench.hear(1000, false);
    assert_eq!(bench.segmenter.last_spoken(), Some(1));
    assert_eq!(bench.delivered.segments[1], span(2700, 3400));
    // Every slot came back.
    for _ in 0..2 * SEGMENT_SLOTS {
        bench.press().unwrap();
        bench.discard();
    }
}

#[test]
fn what_is_discarded_is_not_recognised_early_either() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(500, true);
    bench.hear(1000, false);
    assert!(bench.delivered.early.is_some());
    assert!(bench.discard());
    assert_eq!((bench.delivered.early.is_none(), bench.delivered.withdrawn), (true, 1));
}

#[test]
fn the_tail_ends_with_certain_silence_and_at_the_latest_after_its_time() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(1000, true);
    bench.hear(300, false);
    bench.release();
    assert!(bench.hear(10, false), "silence was certain before the release");

    bench.press().unwrap();
    bench.hear(1000, true);
    bench.release();
    assert!(!bench.hear(490, true));
    assert!(bench.hear(20, true), "the speaker does not stop, the tail does");
}

/// The detector needs some frames to hear that somebody speaks again.
#[test]
fn a_word_that_begins_as_the_button_is_released_is_whole() {
    for begun_ms in [10, 20, 30, 60] {
        let mut bench = Bench::new();
        bench.press().unwrap();
        bench.hear(1000, true);
        bench.hear(200, false);
        bench.hear(begun_ms, true);
        bench.release();
        assert!(!bench.hear(200, true), "{begun_ms} ms");
        bench.hear(1000, false);
        assert_eq!(bench.delivered.segments, [[span(0, 1000), span(1200, 1400 + begun_ms)].concat()]);
    }
}

#[test]
fn a_press_in_the_tail_begins_where_the_last_dictation_ends() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(1000, true);
    bench.release();
    bench.hear(200, true);
    bench.press().unwrap();
    bench.hear(1000, true);
    bench.release();
    bench.hear(1000, false);
    assert_eq!(bench.delivered.segments, [span(0, 1200), span(1200, 2200)]);
    assert_eq!(bench.delivered.finished, 2);
}

#[test]
fn a_long_dictation_is_cut_at_a_pause() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(13_000, true);
    bench.hear(700, false);
    assert_eq!(
        bench.delivered.segments,
        [span(0, 13_000)],
        "its text is being made while the speaker goes on"
    );
    bench.hear(2000, true);
    bench.release();
    bench.hear(1000, false);
    assert_eq!(bench.delivered.segments, [span(0, 13_000), span(13_700, 15_700)]);
    assert_eq!(bench.delivered.finished, 1);
}

#[test]
fn without_a_pause_it_is_cut_in_time_and_nothing_is_lost() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(65_000, true);
    bench.release();
    bench.hear(1000, false);
    let segments = bench.delivered.segments;
    assert!(segments.len() > 2 && segments.iter().all(|s| s.len() <= CUT_AT_SAMPLES + 160));
    assert_eq!(segments.concat(), span(0, 65_000));
}

/// The quietest place may lie behind the last word, in the middle of a long pause.
#[test]
fn what_is_cut_in_a_pause_ends_with_its_last_word() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(8000, true);
    bench.hear_sound(700, |_| 0.01);
    bench.hear(600, false);
    bench.hear_sound(700, |_| 0.01);
    bench.hear(6000, true);
    bench.release();
    bench.hear(1000, false);
    assert_eq!(bench.delivered.segments, [span(0, 8000), span(10_000, 16_000)]);
    let (sound, speech_end) = &bench.delivered.sounds[0];
    assert!(speech_end.abs_diff(8 * SAMPLE_RATE_HZ) <= FRAME_SAMPLES, "{speech_end}");
    assert_eq!(sound.len(), speech_end + EDGE_AFTER_SAMPLES);
}

#[test]
fn a_pause_is_recognised_early_and_given_up_when_the_speaker_goes_on() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(1000, true);
    bench.hear(240, false);
    assert!(bench.delivered.early.is_none(), "not all of the silence that is kept was there");
    bench.hear(20, false);
    assert!(bench.delivered.early.is_some());
    bench.hear(500, true);
    assert_eq!((bench.delivered.early.is_none(), bench.delivered.withdrawn), (true, 1));
    bench.hear(2000, false);
    assert!(bench.delivered.early.is_some() && bench.delivered.segments.is_empty(), "nothing is decided yet");
    bench.release();
    bench.hear(10, false);
    let Delivered { segments, confirmed, withdrawn, finished, .. } = bench.delivered;
    let speech = [span(0, 1000), span(1260, 1760)].concat();
    assert_eq!((segments, confirmed, withdrawn, finished), (vec![speech], 1, 1, 1));
}

#[test]
fn a_pause_that_ends_a_segment_confirms_it() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(13_000, true);
    bench.hear(700, false);
    assert_eq!((bench.delivered.segments.len(), bench.delivered.confirmed), (1, 1));
}

#[test]
fn what_was_confirmed_is_not_withdrawn_by_what_comes_after_it() {
    let mut bench = Bench::new();
    bench.delivered.waiting = Some(Vec::new());
    bench.press().unwrap();
    for speech_ms in [13_000, 1000, 500] {
        bench.hear(speech_ms, true);
        bench.hear(600, false);
    }
    bench.release();
    bench.hear(1000, false);
    bench.delivered.catch_up();
    assert_eq!((bench.delivered.confirmed, bench.delivered.withdrawn), (1, 0));
    let second = [span(13_600, 14_600), span(15_200, 15_700)].concat();
    assert_eq!(bench.delivered.segments, [span(0, 13_000), second]);
}

#[test]
fn recognising_early_takes_no_slot_from_what_was_said() {
    let mut bench = Bench::new();
    let slot = bench.segmenter.pool.take();
    bench.press().unwrap();
    bench.hear(1000, true);
    bench.hear(500, false);
    assert!(bench.delivered.early.is_none());
    drop(slot);
    bench.hear(10, false);
    assert!(bench.delivered.early.is_some());
    // One that was withdrawn is with the recogniser until that has looked at it.
    bench.delivered.waiting = Some(Vec::new());
    bench.hear(500, true);
    bench.hear(500, false);
    bench.hear(500, true);
    bench.hear(500, false);
    assert_eq!(bench.delivered.waiting.as_ref().map(Vec::len), Some(1), "withdrawn, and nothing more");
}

#[test]
fn only_a_latched_dictation_ends_by_silence() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(1000, true);
    assert!(!bench.hear(30_000, false), "the button is held");
    bench.latched = true;
    assert!(bench.hear(10_000, false));
    assert_eq!((bench.delivered.segments, bench.delivered.finished), (vec![span(0, 1000)], 1));
}

/// Also where a segment is cut in that silence.
#[test]
fn a_latched_dictation_ends_in_time_however_long_it_was() {
    for spoken_ms in (1000..=15_000).step_by(1000) {
        let mut bench = Bench::new();
        bench.latched = true;
        bench.press().unwrap();
        bench.hear(spoken_ms, true);
        assert!(!bench.hear(9_700, false), "{spoken_ms} ms");
        assert!(bench.hear(600, false), "{spoken_ms} ms");
        let heard: Vec<u64> = bench.delivered.segments.concat();
        assert_eq!((heard, bench.delivered.finished), (span(0, spoken_ms), 1), "{spoken_ms} ms");
    }
}

#[test]
fn a_tail_that_does_not_fit_ends_the_dictation_and_no_more() {
    let tail = Duration::from_millis(1500);
    let mut bench = Bench::with(SegmenterOptions { tail, ..options() });
    bench.press().unwrap();
    bench.hear(14_900, true);
    bench.release();
    assert!(bench.hear(1500, true));
    assert_eq!((bench.delivered.segments.len(), bench.delivered.finished), (1, 1));
    assert!(bench.delivered.segments[0].starts_with(&span(0, 15_900)));
}

#[test]
fn five_minutes_without_a_word_make_no_segment() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(300_000, false);
    bench.release();
    bench.hear(1000, false);
    assert_eq!((bench.delivered.segments.len(), bench.delivered.finished), (0, 1));
}

#[test]
fn a_click_long_before_the_first_word_is_no_part_of_its_segment() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    bench.hear(50, true);
    bench.hear(8000, false);
    bench.hear(2000, true);
    bench.release();
    bench.hear(1000, false);
    assert_eq!(bench.delivered.segments, [span(8050, 10_050)]);
    let (sound, _) = &bench.delivered.sounds[0];
    assert!(sound.len() < 3 * SAMPLE_RATE_HZ, "{} samples", sound.len());
}

/// A television, and then a click: neither of them is speech, nor are they together.
#[test]
fn what_seemed_to_be_speech_is_forgotten_with_its_sound() {
    let mut bench = Bench::new();
    bench.press().unwrap();
    for _ in 0..5 {
        bench.hear_sound(500, |_| MURMUR);
        bench.hear(5000, false);
    }
    bench.hear(50, true);
    bench.hear(3000, false);
    bench.release();
    bench.hear(1000, false);
    assert_eq!((bench.delivered.segments.len(), bench.delivered.finished), (0, 1));
}

#[test]
fn a_hundred_short_presses_leave_every_slot_free() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.press().unwrap();
        bench.hear(30, false);
        bench.release();
        bench.hear(40, false);
    }
    bench.hear(1000, false);
    assert_eq!((bench.delivered.segments.len(), bench.delivered.finished), (0, 100));
    let free: Vec<_> = std::iter::from_fn(|| bench.segmenter.pool.take()).collect();
    assert_eq!(free.len(), SEGMENT_SLOTS);
}

#[test]
fn without_a_free_slot_a_dictation_is_refused_and_the_next_may_begin() {
    let mut bench = Bench::new();
    bench.delivered.hoard = Some(Vec::new());
    for _ in 0..SEGMENT_SLOTS {
        bench.press().unwrap();
        bench.hear(1000, true);
        bench.release();
        bench.hear(500, false);
    }
    assert_eq!(bench.press(), Err(NoRoom));
    bench.delivered.hoard = None;
    bench.press().unwrap();
}

proptest! {
    /// What is recognised is the same to the sample whether it is recognised early or not.
    #[test]
    fn early_changes_nothing_but_the_time(
        steps in proptest::collection::vec((1..120_u64, any::<bool>(), 0..4_u8), 1..40),
    ) {
        let run = |early| {
            let mut bench = Bench::with(SegmenterOptions { early, ..options() });
            for &(hundredths, speech, finger) in &steps {
                match finger {
                    0 => bench.press().unwrap(),
                    1 => bench.release(),
                    _ => {}
                }
                bench.hear(hundredths * 20, speech);
            }
            bench.release();
            bench.hear(2000, false);
            (bench.delivered.sounds, bench.delivered.finished)
        };
        prop_assert!(run(true) == run(false));
    }

    /// Whatever is said and pressed: no sample of speech between a press and its release is missing, and none is
    /// in two segments.
    #[test]
    fn no_speech_is_lost_or_doubled(
        steps in proptest::collection::vec((1..120_u64, any::<bool>(), 0..4_u8), 1..40),
    ) {
        let mut bench = Bench::new();
        let (mut held, mut said) = (false, Vec::new());
        for (hundredths, speech, finger) in steps {
            if finger == 0 && !held && bench.press().is_ok() {
                held = true;
            } else if finger == 1 && held {
                bench.release();
                held = false;
            }
            let ms = hundredths * 100;
            let from = bench.segmenter.position();
            // Stretches shorter than a frame and a half of speech may be taken for noise.
            bench.hear(ms, speech);
            if held && speech && ms >= 200 {
                said.extend(from..bench.segmenter.position());
            }
        }
        bench.release();
        bench.hear(2000, false);
        let heard = bench.delivered.segments.concat();
        prop_assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "something is there twice");
        let missing = said.iter().filter(|position| heard.binary_search(position).is_err()).count();
        prop_assert_eq!(missing, 0);
    }
}
