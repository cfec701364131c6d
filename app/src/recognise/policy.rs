//! How a segment is recognised: the context to try, and what makes a result doubtful enough to try again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::{
    AUDIO_CTX_FULL, Attempt, Decoded, Ending, Engine, EngineError, SAMPLES_PER_POSITION, Sound,
};
use super::guard;
use super::protocol::{PROMPT_TOKENS_MAX, Prompt, Text, Transcript};
use crate::sizes::SEGMENT_SAMPLES_MAX;

/// Contexts are multiples of this: a few sizes instead of a thousand, and whole vectors for the matrix kernels.
const STEP_POSITIONS: usize = 16;
/// The widest context, 20.5 s. The full one is 1500; what lies between is only ever silence, because segments are
/// shorter, and the widest context used decides how much memory is taken.
const AUDIO_CTX_WIDEST: usize = 1024;
const _: () = assert!(AUDIO_CTX_WIDEST <= AUDIO_CTX_FULL && AUDIO_CTX_WIDEST.is_multiple_of(STEP_POSITIONS));
const _: () = assert!(
    SEGMENT_SAMPLES_MAX
        <= (AUDIO_CTX_WIDEST - Decoding::STANDARD.margin_positions as usize) * SAMPLES_PER_POSITION,
    "room for all"
);
/// What the first retry adds: over five seconds.
const RETRY_MARGIN_POSITIONS: usize = 256;
/// A context for warming up: that of three seconds.
const WARM_UP_POSITIONS: usize = 208;
/// Mean log-probability under which a short context's transcript is not believed. OpenAI's `transcribe.py` takes
/// −1.0 for the full context; clear speech is above −0.4, and most of what a short context spoils lies between.
const MEAN_LOGPROB_MIN: f32 = -0.6;

/// Speech that the text may leave out at its end, in encoder positions: 0.6 s. Time stamps are often half a second
/// off; a phrase that the decoder dropped is longer.
const UNHEARD_POSITIONS_MAX: usize = 30;

/// What the decoding of a segment can be told, so that each part of it can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoding {
    /// Silence that the decoder gets to see behind the segment, in encoder positions, at least.
    pub margin_positions: u16,
    /// Encoder positions that retries of one segment may cost; 0 for none.
    pub retry_positions: u16,
    /// How often an attempt may look again where another word was nearly as likely.
    pub second_looks: u8,
    /// Tell the decoder how the text before the segment ends.
    pub prompt: bool,
    /// What makes a result doubtful.
    pub guards: Guards,
}

/// The guards, each of which may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    /// No more tokens than anybody can say in the time; and loops are cut after their first round.
    pub endless: bool,
    /// The last time stamp lies well before the last word.
    pub unheard: bool,
    /// The model itself doubts its words.
    pub doubt: bool,
    /// The text ends with the same words twice.
    pub twice: bool,
}

impl Decoding {
    /// What the product does. See ARCHITECTURE.md for the measurements.
    pub const STANDARD: Self = Self {
        margin_positions: 32,
        retry_positions: AUDIO_CTX_WIDEST as u16,
        second_looks: 2,
        prompt: false,
        guards: Guards::ALL,
    };

    /// The same at another quality, one of the settings' words: "fast" never recognises again, "best" as often as it
    /// takes, whatever the board's budget.
    #[must_use]
    pub fn at_quality(self, quality: &str) -> Self {
        match quality {
            "fast" => Self { retry_positions: 0, ..self },
            "best" => Self { retry_positions: 2 * AUDIO_CTX_FULL as u16, ..self },
            _ => self,
        }
    }

    /// The shortened context for a segment of so many samples.
    fn trimmed_audio_ctx(&self, samples: usize) -> usize {
        let needed = samples.div_ceil(SAMPLES_PER_POSITION) + usize::from(self.margin_positions);
        needed.next_multiple_of(STEP_POSITIONS).min(AUDIO_CTX_WIDEST)
    }
}

impl Default for Decoding {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl Guards {
    /// Every one of them.
    pub const ALL: Self = Self { endless: true, unheard: true, doubt: true, twice: true };

    fn judge(self, decoded: &Decoded, text: &str) -> Doubt {
        if self.endless && decoded.ending != Ending::EndOfText
            || self.unheard && decoded.unheard > UNHEARD_POSITIONS_MAX
            || self.twice && guard::ends_twice(text)
        {
            Doubt::Spoilt
        } else if self.doubt && decoded.mean_logprob < MEAN_LOGPROB_MIN {
            Doubt::Unsure
        } else {
            Doubt::None
        }
    }
}

/// How much an attempt is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    /// Not at all.
    None,
    /// The words may be others.
    Unsure,
    /// Words are missing, or are there that nobody said; the model may well be sure of them.
    Spoilt,
}

/// The contexts to try for a segment of so many samples, narrowest first: the trimmed one, one with silence enough for
/// nearly any decoder to stop in, and the widest; as far as the budget for retries goes.
fn contexts(samples: usize, decoding: &Decoding) -> impl Iterator<Item = usize> {
    let first = decoding.trimmed_audio_ctx(samples);
    let wider = (first + RETRY_MARGIN_POSITIONS).min(AUDIO_CTX_WIDEST);
    let mut budget = usize::from(decoding.retry_positions);
    let retries = [wider, AUDIO_CTX_WIDEST].into_iter().scan(first, move |last, context| {
        let fits = context > *last && context <= budget;
        if fits {
            (*last, budget) = (context, budget - context);
        }
        Some(fits.then_some(context))
    });
    std::iter::once(first).chain(retries.flatten())
}

/// Oratype's way: a short context with time stamps, and a wider one when the result is doubtful. If all are, one that is
/// not spoilt, and of those the one that the model believes in most.
pub fn product(engine: &mut Engine, segment: Sound, decoding: &Decoding) -> Result<Transcript, EngineError> {
    let segment = Sound { prompt: if decoding.prompt { segment.prompt } else { &[] }, ..segment };
    let mut best: Option<(Doubt, Transcript)> = None;
    let (mut encode, mut decode, mut tries) = (Duration::ZERO, Duration::ZERO, 0);
    for audio_ctx in contexts(segment.samples.len(), decoding) {
        let second_looks = decoding.second_looks.into();
        let decoded = engine.attempt(segment, Attempt { audio_ctx, timestamps: true, second_looks })?;
        (encode, decode, tries) = (encode + decoded.encode, decode + decoded.decode, tries + 1);
        let mut transcript = transcript(engine, &decoded, audio_ctx);
        transcript.withdrawn = decoded.ending == Ending::Withdrawn;
        let doubt = decoding.guards.judge(&decoded, &transcript.text);
        transcript.suspect = doubt > Doubt::None;
        let done = transcript.withdrawn || !transcript.suspect;
        if done || best.as_ref().is_none_or(|(least, best)| is_better((doubt, &transcript), (*least, best))) {
            best = Some((doubt, transcript));
        }
        if done {
            break;
        }
    }
    let best = best.map(|(_, best)| best).unwrap_or_default();
    Ok(Transcript { encode, decode, retries: tries - 1, ..best })
}

/// Whether one attempt is to be taken rather than another.
fn is_better((doubt, one): (Doubt, &Transcript), (other_doubt, other): (Doubt, &Transcript)) -> bool {
    doubt < other_doubt || doubt == other_doubt && one.mean_logprob > other.mean_logprob
}

/// Recognise a moment of silence, so that every weight has been touched before the first word.
pub fn warm_up(engine: &mut Engine) -> Result<(), EngineError> {
    let silence = Sound { samples: &[], speech_end: 0, prompt: &[], is_withdrawn: &|| false };
    let attempt = Attempt { audio_ctx: WARM_UP_POSITIONS, timestamps: true, second_looks: 0 };
    engine.attempt(silence, attempt).map(drop)
}

/// The full context, as whisper.cpp does it by itself.
pub fn full_context(engine: &mut Engine, segment: Sound) -> Result<Transcript, EngineError> {
    let decoded = engine.whisper_cpp(segment)?;
    Ok(transcript(engine, &decoded, AUDIO_CTX_FULL))
}

/// What one attempt says, and what it cost.
fn transcript(engine: &Engine, decoded: &Decoded, audio_ctx: usize) -> Transcript {
    Transcript {
        prompt: last_tokens(&decoded.tokens),
        text: bounded(&String::from_utf8_lossy(&engine.text(&decoded.tokens))),
        mean_logprob: decoded.mean_logprob,
        no_speech_prob: decoded.no_speech_prob,
        audio_ctx: audio_ctx as u32,
        encode: decoded.encode,
        decode: decoded.decode,
        ..Transcript::default()
    }
}

/// What a segment after this one is told.
fn last_tokens(tokens: &[i32]) -> Prompt {
    tokens[tokens.len().saturating_sub(PROMPT_TOKENS_MAX)..].iter().copied().collect()
}

/// As much of `text` as fits, whole characters.
fn bounded(text: &str) -> Text {
    let mut bounded = Text::new();
    for c in text.chars() {
        if bounded.push(c).is_err() {
            log::error!("a transcript of {} bytes was cut to {}", text.len(), bounded.len());
            break;
        }
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quality_allows_its_number_of_retries() {
        let tries = |samples, quality| contexts(samples, &Decoding::STANDARD.at_quality(quality)).count();
        for samples in (0..=SEGMENT_SAMPLES_MAX).step_by(SAMPLES_PER_POSITION) {
            assert_eq!(tries(samples, "fast"), 1, "{samples} samples");
            assert_eq!(tries(samples, "balanced"), 2, "{samples} samples");
            assert!((2..=3).contains(&tries(samples, "best")), "{samples} samples");
        }
        assert_eq!(tries(5 * SAMPLES_PER_POSITION * 50, "best"), 3);
    }

    /// A loop is something that the model is sure of, and so is a sentence without its end.
    #[test]
    fn of_doubtful_attempts_one_that_lost_its_end_is_the_last_to_be_taken() {
        let decoded = Decoded {
            tokens: Vec::new(),
            ending: Ending::EndOfText,
            unheard: 0,
            mean_logprob: -0.2,
            no_speech_prob: 0.0,
            encode: Duration::ZERO,
            decode: Duration::ZERO,
        };
        let judge = |decoded: &Decoded, text| Guards::ALL.judge(decoded, text);
        let loops = Decoded { ending: Ending::Loop, ..decoded.clone() };
        let lost = Decoded { unheard: UNHEARD_POSITIONS_MAX + 1, mean_logprob: -0.8, ..decoded.clone() };
        let unsure = Decoded { mean_logprob: -0.8, ..decoded.clone() };
        assert_eq!(judge(&decoded, "Go on."), Doubt::None);
        assert_eq!(judge(&unsure, "Go on."), Doubt::Unsure);
        for spoilt in [judge(&loops, "so"), judge(&lost, "so"), judge(&decoded, "We go on. We go on.")] {
            assert_eq!(spoilt, Doubt::Spoilt);
        }
        let of = |mean_logprob| Transcript { mean_logprob, ..Transcript::default() };
        assert!(is_better((Doubt::Unsure, &of(-0.9)), (Doubt::Spoilt, &of(-0.1))));
        assert!(!is_better((Doubt::Spoilt, &of(-0.1)), (Doubt::Unsure, &of(-0.9))));
        assert!(is_better((Doubt::Unsure, &of(-0.7)), (Doubt::Unsure, &of(-0.9))));
        assert!(!is_better((Doubt::Spoilt, &of(-0.9)), (Doubt::Spoilt, &of(-0.7))));
    }

    #[test]
    fn contexts_cover_the_segment_and_grow() {
        for samples in (0..=SEGMENT_SAMPLES_MAX).step_by(SAMPLES_PER_POSITION) {
            let tried: Vec<_> = contexts(samples, &Decoding::STANDARD.at_quality("best")).collect();
            let margin = usize::from(Decoding::STANDARD.margin_positions);
            assert!(tried[0] >= samples.div_ceil(SAMPLES_PER_POSITION) + margin, "{tried:?}");
            assert!(tried.is_sorted_by(|a, b| a < b), "{tried:?}");
            assert!(tried.iter().all(|ctx| ctx.is_multiple_of(STEP_POSITIONS) && *ctx <= AUDIO_CTX_WIDEST));
        }
    }
}
