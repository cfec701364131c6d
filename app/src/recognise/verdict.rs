//! Whether a transcript is believed: the model always writes something, also for a cough.
//!
//! The speech gate has already passed the sound. What is refused here had weak evidence of speech in it and a
//! transcript that the model itself doubts, or one of the phrases it is known to make up.

use super::protocol::Transcript;
use crate::speech::SpeechEvidence;

/// Above this the model thinks that nobody speaks (OpenAI `transcribe.py`, `no_speech_threshold`).
const NO_SPEECH_PROB_MAX: f32 = 0.6;
/// Mean log-probability that redeems it all the same (same source, `logprob_threshold`).
const MEAN_LOGPROB_MIN: f32 = -1.0;
/// Speech frames (32 ms each) from which on the detector alone is believed: a third of a second, a short word.
const SURE_SPEECH_FRAMES: u32 = 10;

/// The detector is sure when one frame at least reaches this: of single words four in five do with white noise 5 dB
/// below them, of whole sentences at −50 dBFS 97 in a hundred.
const SURE_PROBABILITY: f32 = 0.99;
/// Where it is not, a suspect transcript needs better words than this to be believed. Of 268 clear recordings one
/// has worse ones, and there the detector is sure.
const DOUBTED_LOGPROB: f32 = -0.9;

/// What tiny.en writes for noise, in lower case without punctuation. Each is also something people say, so it is
/// refused only when there is hardly any speech to say it in.
const MADE_UP: [&str; 10] = [
    "you",
    "thank you",
    "thanks for watching",
    "thank you for watching",
    "bye",
    "bye bye",
    "okay",
    "oh",
    "so",
    "the end",
];

/// Why a transcript is not typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The model says that nobody speaks, and is unsure of the words.
    NoSpeech,
    /// A phrase known to be made up, on little evidence.
    MadeUp,
    /// Little evidence of speech, and the words were doubtful at every try.
    Suspect,
}

/// Judge a transcript; `None` means that it is believed.
pub fn refusal(transcript: &Transcript, evidence: &SpeechEvidence) -> Option<Refusal> {
    let doubted = transcript.mean_logprob < MEAN_LOGPROB_MIN;
    if transcript.no_speech_prob > NO_SPEECH_PROB_MAX && doubted {
        return Some(Refusal::NoSpeech);
    }
    let faint = evidence.speech_frames < SURE_SPEECH_FRAMES;
    let unsure = evidence.probability_max < SURE_PROBABILITY && transcript.mean_logprob < DOUBTED_LOGPROB;
    if transcript.suspect && (faint || unsure) {
        return Some(Refusal::Suspect);
    }
    if !faint {
        return None;
    }
    let words: Vec<&str> =
        transcript.text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()).collect();
    let phrase = words.join(" ").to_lowercase();
    MADE_UP.contains(&phrase.as_str()).then_some(Refusal::MadeUp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(text: &str, mean_logprob: f32, no_speech_prob: f32) -> Transcript {
        Transcript { text: text.try_into().unwrap(), mean_logprob, no_speech_prob, ..Transcript::default() }
    }

    #[test]
    fn doubt_needs_weak_evidence() {
        let evidence = |speech_frames, probability_max| SpeechEvidence {
            speech_frames,
            probability_max,
            ..SpeechEvidence::default()
        };
        let (weak, strong, unsure) = (evidence(4, 0.999), evidence(30, 0.999), evidence(30, 0.9));
        let cases = [
            (transcript("Thank you.", -0.4, 0.1), weak, Some(Refusal::MadeUp)),
            (transcript("Thank you.", -0.4, 0.1), strong, None),
            (transcript("Open the door.", -0.4, 0.1), weak, None),
            (transcript("Open the door.", -1.4, 0.9), strong, Some(Refusal::NoSpeech)),
            (transcript("Open the door.", -0.4, 0.9), strong, None),
            (Transcript { suspect: true, ..transcript("la la la", -0.4, 0.1) }, weak, Some(Refusal::Suspect)),
            (Transcript { suspect: true, ..transcript("la la la", -0.4, 0.1) }, strong, None),
            (
                Transcript { suspect: true, ..transcript("Sonata!", -0.94, 0.3) },
                unsure,
                Some(Refusal::Suspect),
            ),
            (Transcript { suspect: true, ..transcript("Sonata!", -0.94, 0.3) }, strong, None),
            (Transcript { suspect: true, ..transcript("Sonata!", -0.7, 0.3) }, unsure, None),
        ];
        for (transcript, evidence, expected) in cases {
            assert_eq!(refusal(&transcript, &evidence), expected, "{}", transcript.text);
        }
    }
}
