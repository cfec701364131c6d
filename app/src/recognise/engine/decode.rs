//! The decoder: greedy, with a way back out of a listed phrase, and a second look where it hesitated.
//!
//! Whisper's own beam search follows several texts at once, each with a cache of its own. Here the likeliest token is
//! taken at each step; where another word was nearly as likely, the text is decoded once more from there with that
//! word, and kept if the whole became likelier. The cache up to that place is still valid, so a second look costs the
//! steps behind it, and a text without doubt costs nothing. Later places are looked at before earlier ones, so that it
//! stays so.

use std::time::Duration;

use whisper_rs::{WhisperError, WhisperTokenId};

use super::{Attempt, Decoded, Ending, Engine, SAMPLES_PER_POSITION, Sound};
use crate::recognise::bias::Place;
use crate::recognise::guard;
use crate::recognise::sampler::Sampler;
use crate::recognise::softmax::sum_exp;

/// Tokens one attempt may produce: half the decoder's text context, as in the reference implementation.
const TOKENS_MAX: usize = 224;
/// A word that is at most so much less likely than the one that was taken, as natural logarithm, is looked at too. See
/// ARCHITECTURE.md for the measurements.
const HESITATION_MAX: f32 = 1.0;
/// A second look ends when its text is so much less likely than the first was after as many tokens, as natural
/// logarithm. See there too.
const BEHIND_MAX: f32 = 2.0;
/// More than any logit: a token with this bonus is taken.
const CERTAIN: f32 = 1000.0;

/// When to stop, whatever the model says.
struct Bounds<'a> {
    tokens_max: usize,
    is_withdrawn: &'a dyn Fn() -> bool,
    /// The scores of another text's tokens. A text that falls too far behind it is of no use.
    rival: &'a [f32],
}

impl Bounds<'_> {
    /// Whether there is no hope that this text will be likelier than its rival: it is less likely already, or is far
    /// behind what the rival was after as many tokens.
    fn is_beaten(&self, path: &Path) -> bool {
        let rival_so_far = self.rival.iter().take(path.scores.len()).sum::<f32>();
        !self.rival.is_empty() && path.score() < self.rival.iter().sum::<f32>().max(rival_so_far - BEHIND_MAX)
    }
}

impl Engine {
    /// Decode what was encoded.
    pub(super) fn decode(&mut self, segment: Sound, attempt: Attempt) -> Result<Decoded, WhisperError> {
        let speech_end = segment.speech_end / SAMPLES_PER_POSITION;
        let tokens_max = guard::token_cap(segment.samples.len()).min(TOKENS_MAX);
        let mut past = 0;
        if !segment.prompt.is_empty() {
            let before: Vec<_> =
                std::iter::once(self.context.token_prev()).chain(segment.prompt.iter().copied()).collect();
            self.state.decode(&before, past, self.threads)?;
            past += before.len();
        }
        self.step(self.kinds.start_of_transcript, &mut past)?;
        let no_speech_prob = probability(self.state.get_logits()?, self.kinds.no_speech);
        if !attempt.timestamps {
            self.step(self.kinds.no_timestamps, &mut past)?;
        }
        let path = Path::new(Sampler::new(self.kinds, attempt.timestamps, speech_end), past, tokens_max);
        let bounds = Bounds { tokens_max, is_withdrawn: segment.is_withdrawn, rival: &[] };
        let mut doubts = Doubts::new(attempt.second_looks);
        let (mut path, mut ending) = self.follow(path, &bounds, &mut doubts)?;
        let looks = if ending == Ending::EndOfText { attempt.second_looks } else { 0 };
        for _ in 0..looks {
            let Some(turn) = doubts.take_last() else { break };
            let (at, mut later) = (turn.before.past, Doubts::new(attempt.second_looks));
            let bounds = Bounds { rival: &path.scores, ..bounds };
            let (other, other_ending) = self.take_turn(turn, &bounds, &mut later)?;
            if (segment.is_withdrawn)() {
                ending = Ending::Withdrawn;
                break;
            }
            if other_ending == Ending::EndOfText && other.score() > path.score() {
                path = other;
                doubts.replace_from(at, later);
            }
        }
        let logprob = path.logprobs.iter().sum::<f32>();
        Ok(Decoded {
            ending,
            unheard: if attempt.timestamps { speech_end.saturating_sub(path.sampler.closed_at) } else { 0 },
            mean_logprob: logprob / path.logprobs.len().max(1) as f32,
            tokens: path.tokens,
            no_speech_prob,
            encode: Duration::ZERO,
            decode: Duration::ZERO,
        })
    }

    /// Decode to the end from a turn, with the token that was not taken there.
    fn take_turn(
        &mut self,
        Turn { before: mut path, logits, token }: Turn,
        bounds: &Bounds<'_>,
        doubts: &mut Doubts,
    ) -> Result<(Path, Ending), WhisperError> {
        let choice = path.sampler.choose(&logits, std::iter::once((token, CERTAIN)));
        match self.take(&mut path, token, choice.score, bounds)? {
            Some(ending) => Ok((path, ending)),
            None => self.follow(path, bounds, doubts),
        }
    }

    /// Decode from here to the end.
    fn follow(
        &mut self,
        mut path: Path,
        bounds: &Bounds<'_>,
        doubts: &mut Doubts,
    ) -> Result<(Path, Ending), WhisperError> {
        let mut detour: Option<Detour> = None;
        // Where decoding went back to: what the model said there.
        let mut gone_back: Option<Vec<f32>> = None;
        loop {
            let logits = gone_back.as_deref().map_or_else(|| self.state.get_logits(), Ok)?;
            let place = detour.as_ref().map_or(Place::START, |detour| detour.place);
            let is_whole = self.bias.ends(place);
            // Where a phrase may end, another may begin. One that was tried here and given up is not tried again.
            let next_phrase = is_whole.then_some(Place::START);
            let places = [Some(place), next_phrase].into_iter().flatten();
            let bonuses = places.flat_map(|place| self.bias.bonuses(place)).filter(|_| gone_back.is_none());
            let sampler = path.sampler.clone();
            let choice = path.sampler.choose(logits, bonuses);
            let turn = |token| {
                let before = Path { sampler: sampler.clone(), ..path.clone() };
                Turn { before, logits: logits.to_vec(), token }
            };
            log::trace!("token {} ({:.2})", choice.token, choice.score);
            if let Some((token, behind)) = choice.runner_up
                && behind <= HESITATION_MAX
                && doubts.max > 0
                && !detour.as_ref().is_some_and(|on| on.favoured && !(is_whole && self.begins_word(token)))
                && self.is_another_word(choice.token, token)
            {
                doubts.add(Doubt { behind, turn: turn(token) });
            }
            match (detour.take(), self.bias.step(place, choice.token)) {
                (Some(on), Some(place)) => {
                    let favoured = on.favoured || choice.favoured;
                    // Of two phrases one may be the beginning of the other.
                    let shorter = is_whole && self.begins_word(choice.plain);
                    let way_back = if shorter { turn(choice.plain) } else { on.way_back };
                    detour = Some(Detour { place, favoured, way_back });
                }
                (Some(on), None) if on.favoured && !(is_whole && self.begins_word(choice.token)) => {
                    path = on.way_back.before;
                    doubts.forget_from(path.past);
                    gone_back = Some(on.way_back.logits);
                    continue;
                }
                _ if gone_back.is_none() => {
                    let place = self.bias.step(Place::START, choice.token);
                    let begin =
                        |place| Detour { place, favoured: choice.favoured, way_back: turn(choice.plain) };
                    detour = place.map(begin);
                }
                _ => {}
            }
            gone_back = None;
            // What a bonus chose is less likely by itself: a second look, or a retry, would only take it back. So it counts
            // as likely as what it was chosen before.
            if let Some(ending) = self.take(&mut path, choice.token, choice.plain_score, bounds)? {
                return Ok((path, ending));
            }
        }
    }

    /// Add a token to the text. The text may end there; if not, the decoder goes on to the next token.
    fn take(
        &mut self,
        path: &mut Path,
        token: usize,
        score: f32,
        bounds: &Bounds<'_>,
    ) -> Result<Option<Ending>, WhisperError> {
        path.scores.push(score);
        if token <= self.kinds.end_of_text {
            path.logprobs.push(score);
        }
        if token == self.kinds.end_of_text || path.sampler.past_the_end() {
            return Ok(Some(Ending::EndOfText));
        }
        if token < self.kinds.end_of_text {
            path.tokens.push(token as WhisperTokenId);
            if let Some(first_round) = guard::repetition(&path.tokens) {
                path.tokens.truncate(first_round);
                path.logprobs.truncate(first_round);
                return Ok(Some(Ending::Loop));
            }
        }
        if path.tokens.len() >= bounds.tokens_max || path.past >= 2 * TOKENS_MAX {
            return Ok(Some(Ending::TooLong));
        }
        // Nobody needs a text that is beaten either; `decode` asks which of the two it was.
        if (bounds.is_withdrawn)() || bounds.is_beaten(path) {
            return Ok(Some(Ending::Withdrawn));
        }
        self.step(token as WhisperTokenId, &mut path.past)?;
        Ok(None)
    }

    /// Whether a token begins a word, or ends one: it is not the rest of the word before it.
    fn begins_word(&self, token: usize) -> bool {
        token >= self.kinds.end_of_text
            || self
                .context
                .token_to_bytes(token as WhisperTokenId)
                .is_ok_and(|bytes| bytes.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
    }

    /// Whether two tokens differ by more than case and punctuation.
    fn is_another_word(&self, one: usize, other: usize) -> bool {
        let letters = |token| {
            let bytes = self.context.token_to_bytes(token as WhisperTokenId).unwrap_or_default();
            bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
        };
        letters(one).next().is_some() && letters(other).next().is_some() && !letters(one).eq(letters(other))
    }

    /// One decoder step. Tokens whose logits are wanted are fed one by one: whisper-rs shows those of a batch's first
    /// token only.
    fn step(&mut self, token: WhisperTokenId, past: &mut usize) -> Result<(), WhisperError> {
        self.state.decode(&[token], *past, self.threads)?;
        *past += 1;
        Ok(())
    }
}

/// What was decoded so far.
#[derive(Clone)]
struct Path {
    sampler: Sampler,
    /// Text tokens.
    tokens: Vec<WhisperTokenId>,
    /// Of these, and of the end of text.
    logprobs: Vec<f32>,
    /// Of every token, time stamps too.
    scores: Vec<f32>,
    /// Tokens that the decoder was fed.
    past: usize,
}

impl Path {
    fn new(sampler: Sampler, past: usize, tokens_max: usize) -> Self {
        Self {
            sampler,
            tokens: Vec::with_capacity(tokens_max),
            logprobs: Vec::with_capacity(tokens_max + 1),
            scores: Vec::with_capacity(tokens_max + 1),
            past,
        }
    }

    /// How likely all of it is, as natural logarithm.
    fn score(&self) -> f32 {
        self.scores.iter().sum()
    }
}

/// A place that decoding can go back to.
struct Turn {
    before: Path,
    /// What the model said there.
    logits: Vec<f32>,
    /// What may be taken there.
    token: usize,
}

/// A place where another word was nearly as likely.
struct Doubt {
    turn: Turn,
    /// By how much it was less likely, as natural logarithm.
    behind: f32,
}

/// The places of the greatest doubt.
struct Doubts {
    /// The greatest first.
    places: Vec<Doubt>,
    /// Places kept at most: no more are looked at again.
    max: usize,
}

impl Doubts {
    const fn new(max: usize) -> Self {
        Self { places: Vec::new(), max }
    }

    fn add(&mut self, doubt: Doubt) {
        let at = self.places.partition_point(|greater| greater.behind <= doubt.behind);
        self.places.insert(at, doubt);
        self.places.truncate(self.max);
    }

    /// The last place in the text: whatever comes of it, the decoder's cache up to the others stays that of the text.
    fn take_last(&mut self) -> Option<Turn> {
        let last = (0..self.places.len()).max_by_key(|&at| self.places[at].turn.before.past)?;
        Some(self.places.remove(last).turn)
    }

    /// Decoding has gone back to where so many tokens had been fed, and decides anew there.
    fn forget_from(&mut self, past: usize) {
        self.places.retain(|doubt| doubt.turn.before.past < past);
    }

    /// From this token on the text has become another, with doubts of its own.
    fn replace_from(&mut self, past: usize, later: Self) {
        self.forget_from(past);
        later.places.into_iter().for_each(|doubt| self.add(doubt));
    }
}

/// A listed phrase that is being followed.
struct Detour {
    /// How far.
    place: Place,
    /// Without the bonus some other token would have been chosen.
    favoured: bool,
    /// Where to decide anew if it comes to nothing: where it began, or behind a shorter listed phrase that it begins with.
    way_back: Turn,
}

/// Softmax probability of one token.
fn probability(logits: &[f32], token: usize) -> f32 {
    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (logits[token] - maximum).exp() / sum_exp(logits, maximum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::sampler::TokenKinds;

    /// A doubt of this size at this place.
    fn doubt(behind: f32, past: usize) -> Doubt {
        let kinds = TokenKinds {
            end_of_text: 0,
            start_of_transcript: 0,
            no_timestamps: 0,
            no_speech: 0,
            first_timestamp: 0,
            blank: None,
        };
        let before = Path::new(Sampler::new(kinds, false, 0), past, 0);
        Doubt { behind, turn: Turn { before, logits: Vec::new(), token: 0 } }
    }

    fn places(mut doubts: Doubts) -> Vec<usize> {
        std::iter::from_fn(|| doubts.take_last()).map(|turn| turn.before.past).collect()
    }

    fn doubts(all: impl IntoIterator<Item = (f32, usize)>) -> Doubts {
        let mut doubts = Doubts::new(2);
        all.into_iter().for_each(|(behind, past)| doubts.add(doubt(behind, past)));
        doubts
    }

    #[test]
    fn the_greatest_doubts_are_kept_and_the_last_in_the_text_comes_first() {
        let many = [(0.5, 1), (0.1, 2), (0.4, 3), (0.2, 4), (0.3, 5)];
        assert_eq!(places(doubts(many)), [4, 2]);
        assert_eq!(places(doubts(many.into_iter().rev())), [4, 2]);
    }

    #[test]
    fn a_second_look_ends_when_there_is_no_hope() {
        let is_beaten = |rival: &[f32], scores: &[f32]| {
            let mut path = doubt(0.0, 0).turn.before;
            path.scores.extend(scores);
            Bounds { tokens_max: 9, is_withdrawn: &|| false, rival }.is_beaten(&path)
        };
        let rival = [-0.5, -0.1, -4.0, -0.1];
        assert!(!is_beaten(&[], &[-9.0]), "there is no rival");
        assert!(!is_beaten(&rival, &[-1.4]));
        assert!(is_beaten(&rival, &[-1.4, -0.1, -3.3]), "less likely than the whole");
        assert!(!is_beaten(&rival, &[-2.4]));
        assert!(is_beaten(&rival, &[-2.6]), "far behind");
        assert!(!is_beaten(&rival, &[-1.4, -0.1, -0.1, -0.1, -0.1]), "longer, and likelier");
    }

    #[test]
    fn doubts_of_a_text_that_was_replaced_are_forgotten() {
        let mut known = doubts([(0.1, 30), (0.2, 10)]);
        known.replace_from(20, doubts([(0.3, 25)]));
        assert_eq!(places(known), [25, 10]);
        let mut known = doubts([(0.1, 30), (0.2, 10)]);
        known.forget_from(30);
        assert_eq!(places(known), [10]);
    }
}
