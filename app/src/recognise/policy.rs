//! How a segment is recognised: the context to try, and what makes a result doubtful enough to try again.

use super::engine::{
    AUDIO_CTX_FULL, Attempt, Decoded, Ending, Engine, EngineError, SAMPLES_PER_POSITION, Sound,
};
use super::guard;
use super::protocol::{Text, Transcript};
use crate::sizes::SEGMENT_SAMPLES_MAX;

/// Silence that the decoder gets to see behind the segment, in encoder positions, at least. See ARCHITECTURE.md for
/// the measurements.
const MARGIN_POSITIONS: usize = 64;
/// Contexts are multiples of this. whisper.cpp's fused attention works on blocks of so many positions and masks none
/// of them: what is left of a block holds whatever an earlier segment put there, and would be heard.
const BLOCK_POSITIONS: usize = 256;
/// The widest context, 25.6 s: of the model's 1500 positions, the whole blocks.
const AUDIO_CTX_WIDEST: usize = AUDIO_CTX_FULL / BLOCK_POSITIONS * BLOCK_POSITIONS;
const _: () = assert!(
    SEGMENT_SAMPLES_MAX <= (AUDIO_CTX_WIDEST - MARGIN_POSITIONS) * SAMPLES_PER_POSITION,
    "room for all"
);
/// Mean log-probability under which a short context's transcript is not believed. OpenAI's `transcribe.py` takes
/// −1.0 for the full context; clear speech is above −0.4, and most of what a short context spoils lies between.
const MEAN_LOGPROB_MIN: f32 = -0.6;

/// Speech that the text may leave out at its end, in encoder positions: 0.6 s. Time stamps are often half a second
/// off; a phrase that the decoder dropped is longer.
const UNHEARD_POSITIONS_MAX: usize = 30;

/// The shortened context for a segment of so many samples.
pub fn trimmed_audio_ctx(samples: usize) -> usize {
    let needed = samples.div_ceil(SAMPLES_PER_POSITION) + MARGIN_POSITIONS;
    needed.next_multiple_of(BLOCK_POSITIONS).min(AUDIO_CTX_WIDEST)
}

fn doubtful(decoded: &Decoded, text: &str) -> bool {
    decoded.ending != Ending::EndOfText
        || decoded.mean_logprob < MEAN_LOGPROB_MIN
        || decoded.unheard > UNHEARD_POSITIONS_MAX
        || guard::ends_twice(text)
}

/// Oratype's way: a short context with time stamps, and the widest one without when the result is doubtful.
pub fn product(engine: &mut Engine, segment: Sound) -> Result<Transcript, EngineError> {
    let trimmed = Attempt { audio_ctx: trimmed_audio_ctx(segment.samples.len()), timestamps: true };
    let widest = Attempt { audio_ctx: AUDIO_CTX_WIDEST, timestamps: false };
    let mut transcript = Transcript::default();
    for attempt in [trimmed, widest] {
        // A long segment has the widest context at once.
        let decoded = if transcript.audio_ctx as usize == attempt.audio_ctx {
            engine.decode_again(segment, attempt)?
        } else {
            engine.attempt(segment, attempt)?
        };
        fill(&mut transcript, engine, &decoded, attempt.audio_ctx);
        transcript.withdrawn = decoded.ending == Ending::Withdrawn;
        if transcript.withdrawn {
            break;
        }
        transcript.suspect = doubtful(&decoded, &transcript.text);
        if !transcript.suspect {
            break;
        }
        transcript.retries += u32::from(attempt != widest);
    }
    Ok(transcript)
}

/// Recognise a moment of silence, so that every weight has been touched before the first word.
pub fn warm_up(engine: &mut Engine) -> Result<(), EngineError> {
    let silence = Sound { samples: &[], speech_end: 0, is_withdrawn: &|| false };
    engine.attempt(silence, Attempt { audio_ctx: BLOCK_POSITIONS, timestamps: true }).map(drop)
}

/// The full context, as whisper.cpp does it by itself.
pub fn full_context(engine: &mut Engine, segment: Sound) -> Result<Transcript, EngineError> {
    let decoded = engine.whisper_cpp(segment)?;
    let mut transcript = Transcript::default();
    fill(&mut transcript, engine, &decoded, AUDIO_CTX_FULL);
    Ok(transcript)
}

fn fill(transcript: &mut Transcript, engine: &Engine, decoded: &Decoded, audio_ctx: usize) {
    transcript.text = bounded(&String::from_utf8_lossy(&engine.text(&decoded.tokens)));
    transcript.mean_logprob = decoded.mean_logprob;
    transcript.no_speech_prob = decoded.no_speech_prob;
    transcript.audio_ctx = audio_ctx as u32;
    transcript.encode += decoded.encode;
    transcript.decode += decoded.decode;
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
