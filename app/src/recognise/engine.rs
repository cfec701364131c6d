//! Whisper tiny.en: one loaded model, one state, and Oratype's own decoder (`decode`) on top of whisper.cpp's encoder
//! and decoder steps.
//!
//! What to decode with (context, retries) is decided in [`super::policy`]; here one attempt is made as asked.

mod abort;
mod decode;

use std::time::{Duration, Instant};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState,
    WhisperTokenId,
};

use abort::Abort;

use super::bias::{Bias, Tokens};
use super::mel::MelSpectrogram;
use super::sampler::TokenKinds;

/// Samples per second of everything the model hears.
pub const SAMPLE_RATE_HZ: usize = 16_000;
/// Samples that one encoder position covers (two hops of 160; whisper.cpp `HOP_LENGTH`, stride 2 of conv2).
pub const SAMPLES_PER_POSITION: usize = 320;
/// Encoder positions of the full context, 30 s.
pub const AUDIO_CTX_FULL: usize = 1500;
/// How the recogniser runs.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Threads; at most the cores that are really free, because ggml's threads spin while they wait.
    pub threads: usize,
}

/// What went wrong in whisper.cpp.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model file was not accepted.
    #[error("whisper.cpp does not accept the model: {0}")]
    Load(WhisperError),
    /// The model file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// A step failed. The state is still usable.
    #[error("whisper.cpp failed: {0}")]
    Step(#[from] WhisperError),
}

/// What is to be recognised.
#[derive(Clone, Copy)]
pub struct Sound<'a> {
    /// 16 kHz mono in [-1, 1].
    pub samples: &'a [f32],
    /// Where the last word in it ends, samples.
    pub speech_end: usize,
    /// Tokens of the text before it, in which it goes on.
    pub prompt: &'a [WhisperTokenId],
    /// Asked at each step, many times in an encoder run: whether nobody needs the text any more.
    pub is_withdrawn: &'a dyn Fn() -> bool,
}

/// How one attempt decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Encoder positions, up to [`AUDIO_CTX_FULL`].
    pub audio_ctx: usize,
    /// Decode time stamps too: with a short context the closing one is what tells the decoder to stop.
    pub timestamps: bool,
    /// How often to look again where another word was nearly as likely.
    pub second_looks: usize,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model said that the text is over.
    EndOfText,
    /// The text repeated itself; it was cut after the first time round.
    Loop,
    /// More tokens than anybody can say in that time.
    TooLong,
    /// Nobody needs it any more.
    Withdrawn,
}

/// What one attempt gave.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Text tokens, without time stamps.
    pub tokens: Vec<WhisperTokenId>,
    /// How it ended.
    pub ending: Ending,
    /// Speech behind the last closing time stamp, encoder positions; 0 when none were decoded.
    pub unheard: usize,
    /// Mean natural log-probability of the text tokens, and of the end of text if it was one; 0 without any.
    pub mean_logprob: f32,
    /// Probability of "no speech" at the start of the transcript.
    pub no_speech_prob: f32,
    /// Mel spectrogram and encoder.
    pub encode: Duration,
    /// Decoder.
    pub decode: Duration,
}

impl Decoded {
    /// Nobody waited for anything.
    const WITHDRAWN: Self = Self {
        tokens: Vec::new(),
        ending: Ending::Withdrawn,
        unheard: 0,
        mean_logprob: 0.0,
        no_speech_prob: 0.0,
        encode: Duration::ZERO,
        decode: Duration::ZERO,
    };
}

/// The model, ready to recognise.
pub struct Engine {
    // The state is dropped before the context it came from.
    state: WhisperState,
    context: WhisperContext,
    // Outlives the state, which may ask it.
    abort: Abort,
    mel: MelSpectrogram,
    threads: usize,
    kinds: TokenKinds,
    bias: Bias,
    /// The audio context that whisper.cpp was told last; 0 for none.
    audio_ctx: usize,
}

impl Engine {
    /// Load the model and make the state. Everything that recognition needs is allocated here.
    ///
    /// `phrases` are favoured: words and names that the speaker uses.
    pub fn load(
        model: &std::path::Path,
        options: EngineOptions,
        phrases: &[String],
    ) -> Result<Self, EngineError> {
        whisper_rs::install_logging_hooks();
        let mut parameters = WhisperContextParameters::default();
        // Fused attention works on blocks of 256 positions and masks none of what it adds to a context: rows that an
        // earlier segment left there would be heard. It is dearer at short contexts too.
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(model, parameters).map_err(EngineError::Load)?;
        let state = context.create_state().map_err(EngineError::Load)?;
        let blank = context.tokenize(" ", 4).ok().and_then(|t| t.first().map(|&id| id as usize));
        let kinds = TokenKinds {
            end_of_text: context.token_eot() as usize,
            start_of_transcript: context.token_sot(),
            no_timestamps: context.token_not(),
            no_speech: context.token_nosp() as usize,
            first_timestamp: context.token_beg() as usize,
            blank,
        };
        let mel = MelSpectrogram::for_model(model)?;
        let bias = bias(&context, kinds, phrases);
        let abort = Abort::new();
        Ok(Self { state, context, abort, mel, threads: options.threads, kinds, bias, audio_ctx: 0 })
    }

    /// Recognise a segment once.
    pub fn attempt(&mut self, segment: Sound, attempt: Attempt) -> Result<Decoded, EngineError> {
        let start = Instant::now();
        self.listen(segment, attempt.audio_ctx)?;
        let encoded = self.abort.when(segment.is_withdrawn, || self.state.encode(0, self.threads));
        let encode = start.elapsed();
        let mut decoded = match encoded {
            Err(_) if (segment.is_withdrawn)() => Decoded::WITHDRAWN,
            encoded => encoded.and_then(|()| self.decode(segment, attempt))?,
        };
        decoded.encode = encode;
        decoded.decode = start.elapsed() - encode;
        Ok(decoded)
    }

    /// Give whisper.cpp the segment's spectrogram and the audio context to encode it with.
    fn listen(&mut self, segment: Sound, audio_ctx: usize) -> Result<(), WhisperError> {
        if self.audio_ctx != audio_ctx {
            self.set_audio_ctx(audio_ctx)?;
            self.audio_ctx = audio_ctx;
        }
        // Two frames to an encoder position.
        self.state.set_mel(&self.mel.compute(segment.samples, 2 * audio_ctx))
    }

    /// whisper.cpp offers no call of its own for the audio context: `whisper_full` stores it, and whom to ask. Asked for 100 ms of
    /// sound, the least it takes, it does so and returns before the first encoder run.
    fn set_audio_ctx(&mut self, audio_ctx: usize) -> Result<(), WhisperError> {
        let mut parameters = self.parameters(SamplingStrategy::Greedy { best_of: 1 });
        parameters.set_audio_ctx(audio_ctx as i32);
        parameters.set_duration_ms(100);
        self.state.full(parameters, &[0.0; SAMPLE_RATE_HZ / 5])
    }

    fn parameters(&self, strategy: SamplingStrategy) -> FullParams<'static, 'static> {
        let mut parameters = FullParams::new(strategy);
        parameters.set_n_threads(self.threads as i32);
        parameters.set_print_progress(false);
        self.abort.register(&mut parameters);
        parameters
    }

    /// The bytes of text tokens; not always whole UTF-8 characters.
    pub fn text(&self, tokens: &[WhisperTokenId]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &token in tokens {
            bytes.extend_from_slice(self.context.token_to_bytes(token).unwrap_or_default());
        }
        bytes
    }

    /// whisper.cpp's own decoding of the padded 30 s window, the measure of things: beam search, as its command line
    /// does by default, but without its random second tries.
    pub fn whisper_cpp(&mut self, segment: Sound) -> Result<Decoded, EngineError> {
        const BEAM_SEARCH: SamplingStrategy = SamplingStrategy::BeamSearch { beam_size: 5, patience: -1.0 };
        let start = Instant::now();
        let mut parameters = self.parameters(BEAM_SEARCH);
        parameters.set_no_context(true);
        parameters.set_no_timestamps(true);
        parameters.set_temperature_inc(0.0);
        // It reads half a frame without looking how much there is.
        if segment.samples.len() < SAMPLE_RATE_HZ / 10 {
            return Err(WhisperError::NoSamples.into());
        }
        self.audio_ctx = 0;
        self.state.full(parameters, segment.samples)?;
        let mut tokens = Vec::new();
        let (mut logprob_sum, mut count, mut no_speech_prob) = (0.0, 0, 0.0_f32);
        for segment in self.state.as_iter() {
            no_speech_prob = no_speech_prob.max(segment.no_speech_probability());
            for index in 0..segment.n_tokens() {
                let Some(token) = segment.get_token(index) else { continue };
                logprob_sum += token.token_data().plog;
                count += 1;
                if (token.token_id() as usize) < self.kinds.end_of_text {
                    tokens.push(token.token_id());
                }
            }
        }
        Ok(Decoded {
            tokens,
            ending: Ending::EndOfText,
            unheard: 0,
            mean_logprob: logprob_sum / count.max(1) as f32,
            no_speech_prob,
            // whisper_full does not say where encoding ends.
            encode: start.elapsed(),
            decode: Duration::ZERO,
        })
    }
}

fn bias(context: &WhisperContext, kinds: TokenKinds, phrases: &[String]) -> Bias {
    if phrases.is_empty() {
        return Bias::default();
    }
    let bytes = |token| context.token_to_bytes(token as WhisperTokenId).unwrap_or_default().to_vec();
    let tokens = Tokens::new((0..kinds.end_of_text).map(bytes));
    Bias::new(phrases.iter().flat_map(|phrase| tokens.spellings(phrase)))
}
