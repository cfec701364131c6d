//! A recognition that nobody waits for any more: the speaker went on.

use std::cell::Cell;

use oratype::models::WHISPER;
use oratype::recognise::engine::{self, Attempt, Ending, Engine, EngineOptions};
use oratype_tests::needs::Dictation;
use oratype_tests::sound::Sound;

#[test]
fn stops_within_an_encoder_run_and_leaves_nothing_behind() {
    /// Operations that whisper.cpp gets done.
    const STEPS: usize = 40;
    let Some(dictation) = Dictation::needs() else { return };
    let model = dictation.models().join(WHISPER.name);
    let mut engine = Engine::load(&model, EngineOptions { threads: 1 }, &[]).unwrap();
    let Sound { samples, .. } = Sound::read(&dictation.utterance("vm-whichbox").path);
    let mut attempt = |is_withdrawn: &dyn Fn() -> bool| {
        let sound = engine::Sound { samples: &samples, speech_end: samples.len(), prompt: &[], is_withdrawn };
        engine.attempt(sound, Attempt { audio_ctx: 512, timestamps: true, second_looks: 0 }).unwrap()
    };
    let asked = Cell::new(0);
    let is_after = |steps| {
        asked.set(asked.get() + 1);
        asked.get() > steps
    };

    let whole = attempt(&|| is_after(usize::MAX));
    assert_eq!(whole.ending, Ending::EndOfText);
    assert!(asked.take() > 2 * STEPS, "the encoder does not ask");

    let withdrawn = attempt(&|| is_after(STEPS));
    assert_eq!((withdrawn.ending, withdrawn.tokens.len()), (Ending::Withdrawn, 0));
    assert!(asked.take() <= STEPS + 3, "it goes on");

    assert_eq!(attempt(&|| false).tokens, whole.tokens);
}
