//! The choice of the next token: greedy, under Whisper's rules for time stamps.

use whisper_rs::WhisperTokenId;

use super::bias::Bonus;

/// The latest first time stamp, in positions: speech is taken to begin in the first second (as whisper.cpp's
/// `max_initial_ts`).
const FIRST_TIMESTAMP_MAX: usize = 50;

/// Where the kinds of tokens lie.
#[derive(Clone, Copy)]
pub(super) struct TokenKinds {
    pub(super) end_of_text: usize,
    pub(super) start_of_transcript: WhisperTokenId,
    pub(super) no_timestamps: WhisperTokenId,
    pub(super) no_speech: usize,
    pub(super) first_timestamp: usize,
    pub(super) blank: Option<usize>,
}

/// A token.
pub(super) struct Choice {
    pub(super) token: usize,
    /// Its natural log-probability, without bonus.
    pub(super) logprob: f32,
    /// Without bonuses it would have been another.
    pub(super) favoured: bool,
}

/// Greedy choice under Whisper's rules for time stamps (OpenAI `decoding.py`, `ApplyTimestampRules`).
#[derive(Clone)]
pub(super) struct Sampler {
    kinds: TokenKinds,
    timestamps: bool,
    /// Kinds of the last two tokens: were they time stamps?
    last_two: [bool; 2],
    produced: usize,
    /// Time stamps may not go back: the earliest allowed, in positions.
    earliest: usize,
    /// Where the last word ends, in positions.
    speech_end: usize,
    /// The last closing time stamp, in positions.
    pub(super) closed_at: usize,
}

impl Sampler {
    pub(super) fn new(kinds: TokenKinds, timestamps: bool, speech_end: usize) -> Self {
        Self { kinds, timestamps, last_two: [true, true], produced: 0, earliest: 0, speech_end, closed_at: 0 }
    }

    /// The text is closed and nobody speaks any more: what would follow is made up.
    pub(super) fn past_the_end(&self) -> bool {
        self.closed_at > 0 && self.closed_at >= self.speech_end
    }

    /// The next token. `logits` are those of all tokens; `bonuses` are added to some.
    pub(super) fn choose(&mut self, logits: &[f32], bonuses: impl Iterator<Item = Bonus>) -> Choice {
        let v = self.kinds;
        let initial = self.produced == 0;
        let [before_last, last] = self.last_two;
        let first_timestamp = v.first_timestamp.min(logits.len());

        // Where a time stamp is possible at all, and where text is.
        let (text_allowed, stamp_allowed) = match (self.timestamps, initial, before_last, last) {
            (false, ..) => (true, false),
            (true, true, ..) => (false, true),
            (true, false, true, true) => (true, false),
            (true, false, false, true) => (false, true),
            (true, false, _, false) => (true, true),
        };
        let (mut text_token, mut best_text) = (v.end_of_text, f32::NEG_INFINITY);
        if text_allowed {
            for (token, &logit) in logits[..v.end_of_text].iter().enumerate() {
                if logit > best_text && !(initial && Some(token) == v.blank) {
                    (text_token, best_text) = (token, logit);
                }
            }
        }
        if !initial && logits[v.end_of_text] > best_text {
            (text_token, best_text) = (v.end_of_text, logits[v.end_of_text]);
        }
        let (from, to) = if initial {
            (first_timestamp, (first_timestamp + FIRST_TIMESTAMP_MAX + 1).min(logits.len()))
        } else {
            (first_timestamp + self.earliest, logits.len())
        };
        let stamps = if stamp_allowed && from < to { &logits[from..to] } else { &[] };
        let (mut best_stamp, mut stamp_token) = (f32::NEG_INFINITY, from);
        for (offset, &logit) in stamps.iter().enumerate() {
            if logit > best_stamp {
                best_stamp = logit;
                stamp_token = from + offset;
            }
        }
        let maximum = best_text.max(best_stamp);
        let stamps_sum: f32 = stamps.iter().map(|&logit| (logit - maximum).exp()).sum();
        // All time stamps together against the best word: the rule that makes the model use them at all.
        let stamps_win = |text: f32| stamps_sum > 0.0 && stamps_sum.ln() + maximum > text;
        let plain = if stamps_win(best_text) { stamp_token } else { text_token };
        let favourite = bonuses
            .filter(|&(token, _)| text_allowed && token < v.end_of_text)
            .map(|(token, bonus)| (token, logits[token] + bonus))
            .filter(|&(_, score)| score > best_text && !stamps_win(score))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let token = favourite.map_or(plain, |(token, _)| token);
        let words = if text_allowed { &logits[..v.end_of_text] } else { &[] };
        let end = if !initial { &logits[v.end_of_text..=v.end_of_text] } else { &[] };
        let text_sum: f32 = words.iter().chain(end).map(|&logit| (logit - maximum).exp()).sum();
        let logprob = (logits[token] - maximum) - (text_sum + stamps_sum).ln();

        let is_stamp = token >= v.first_timestamp;
        if is_stamp {
            let position = token - first_timestamp;
            // The closing time stamp may equal the opening one of the next stretch, not the other way round.
            self.earliest = position + usize::from(last);
            if !initial && !last {
                self.closed_at = position;
            }
        }
        self.last_two = [last, is_stamp];
        self.produced += 1;
        Choice { token, logprob, favoured: token != plain }
    }
}
