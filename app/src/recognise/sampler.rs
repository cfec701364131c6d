//! The choice of the next token: greedy, under Whisper's rules for time stamps.

use super::bias::Bonus;
use super::softmax::sum_exp;

/// The latest first time stamp, in positions: speech is taken to begin in the first second (as whisper.cpp's
/// `max_initial_ts`).
const FIRST_TIMESTAMP_MAX: usize = 50;

/// Where the kinds of tokens lie.
#[derive(Clone, Copy)]
pub(super) struct TokenKinds {
    pub(super) end_of_text: usize,
    pub(super) start_of_transcript: i32,
    pub(super) no_timestamps: i32,
    pub(super) no_speech: usize,
    pub(super) first_timestamp: usize,
    pub(super) blank: Option<usize>,
}

/// A token.
pub(super) struct Choice {
    pub(super) token: usize,
    /// Its natural log-probability, without bonus; of a time stamp that of all time stamps, as only that one is due counts.
    pub(super) score: f32,
    /// What would have been chosen without bonuses,
    pub(super) plain: usize,
    /// and its score.
    pub(super) plain_score: f32,
    /// It is another.
    pub(super) favoured: bool,
    /// If it is the likeliest word: the next likeliest, and by how much it is less likely, as natural logarithm.
    pub(super) runner_up: Option<(usize, f32)>,
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
        let (mut first, mut second) =
            ((v.end_of_text, f32::NEG_INFINITY), (v.end_of_text, f32::NEG_INFINITY));
        let words = if text_allowed { &logits[..v.end_of_text] } else { &[] };
        for (token, &logit) in words.iter().enumerate() {
            if logit > second.1 && !(initial && Some(token) == v.blank) {
                second = (token, logit);
                if logit > first.1 {
                    std::mem::swap(&mut first, &mut second);
                }
            }
        }
        let (mut text_token, mut best_text) = first;
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
        let stamps_sum = sum_exp(stamps, maximum);
        // All time stamps together against the best word: the rule that makes the model use them at all.
        let stamps_win = |text: f32| stamps_sum > 0.0 && stamps_sum.ln() + maximum > text;
        let plain = if stamps_win(best_text) { stamp_token } else { text_token };
        let favourite = bonuses
            .filter(|&(token, _)| text_allowed && token < v.end_of_text)
            .map(|(token, bonus)| (token, logits[token] + bonus))
            .filter(|&(_, score)| score > best_text && !stamps_win(score))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let token = favourite.map_or(plain, |(token, _)| token);
        let end = if !initial { &logits[v.end_of_text..=v.end_of_text] } else { &[] };
        let text_sum = sum_exp(words, maximum) + sum_exp(end, maximum);
        let all = (text_sum + stamps_sum).ln();
        let score_of = |token| {
            let logit = if token >= v.first_timestamp { stamps_sum.ln() } else { logits[token] - maximum };
            logit - all
        };

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
        let favoured = token != plain;
        let runner_up = (token == first.0 && !favoured).then_some((second.0, first.1 - second.1));
        Choice { token, score: score_of(token), plain, plain_score: score_of(plain), favoured, runner_up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: TokenKinds = TokenKinds {
        end_of_text: 5,
        start_of_transcript: 6,
        no_timestamps: 7,
        no_speech: 8,
        first_timestamp: 10,
        blank: Some(0),
    };

    #[test]
    fn what_a_bonus_chose_is_known_with_what_it_was_chosen_before() {
        let logits = [0.0, 1.0, 4.0, 2.0, 3.5, 8.0];
        let choose =
            |bonus: Option<Bonus>| Sampler::new(KINDS, false, 100).choose(&logits, bonus.into_iter());
        let (plain, favoured) = (choose(None), choose(Some((3, 10.0))));
        assert_eq!((plain.token, plain.favoured, plain.plain_score), (2, false, plain.score));
        assert_eq!((favoured.token, favoured.favoured, favoured.plain_score), (3, true, plain.score));
        assert!((plain.score - favoured.score - 2.0).abs() < 1e-5, "{} {}", plain.score, favoured.score);
    }

    /// The tokens that are chosen from these logits one after the other, and the runners-up.
    fn chosen(logits: &[[f32; 6]], bonus: Option<Bonus>) -> Vec<(usize, Option<(usize, f32)>)> {
        let mut sampler = Sampler::new(KINDS, false, 100);
        logits
            .iter()
            .map(|logits| sampler.choose(logits, bonus.into_iter()))
            .map(|c| (c.token, c.runner_up))
            .collect()
    }

    #[test]
    fn the_next_likeliest_word_is_known() {
        let logits = [
            // A blank may not be the first.
            [9.0, 1.0, 4.0, 2.0, 3.5, 8.0],
            [9.0, 1.0, 4.0, 2.0, 3.5, 8.0],
            [1.0, 2.0, 3.0, 4.0, 4.0, 5.0],
        ];
        let expected = [(2, Some((4, 0.5))), (0, Some((2, 5.0))), (5, None)];
        assert_eq!(chosen(&logits, None), expected);
        let favoured = chosen(&logits, Some((3, 10.0)));
        assert_eq!(favoured, [(3, None); 3], "what only the bonus chose has no runner-up");
    }
}
