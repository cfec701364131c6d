//! Whatever is spoken and whenever a gesture comes: the host has what the composer believes it has.

use super::*;
use crate::settings::{Settings, Snippet};
use crate::typing::Stopped;

/// A job of the property tests: `Text` with a number that makes it unique.
#[derive(Clone, Debug)]
enum Step {
    Text,
    Finished,
    Undo,
    Erase(usize),
    Retype,
    Enter,
    Own,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Text),
        4 => Just(Step::Finished),
        2 => Just(Step::Undo),
        1 => (0..12_usize).prop_map(Step::Erase),
        1 => Just(Step::Retype),
        1 => Just(Step::Enter),
        1 => Just(Step::Own),
    ];
    prop::collection::vec(step, 0..40)
}

/// The jobs, and what should stand on the host after them, worked out on whole texts.
fn jobs_and_text(steps: &[Step]) -> (Vec<Job>, String) {
    let (mut jobs, mut number) = (Vec::new(), 0);
    // What stands for good; what can be taken back, by dictation; the one that goes on; all it said; the last one.
    let (mut settled, mut dictations, mut open) = (String::new(), Vec::<String>::new(), String::new());
    let (mut said, mut last) = (String::new(), String::new());
    for (n, step) in steps.iter().enumerate() {
        let word = format!(" {n}\u{e9}");
        match step {
            Step::Text => {
                jobs.push(text(&word));
                open += &word;
                said += &word;
            }
            Step::Finished => {
                jobs.push(finished(number));
                number += 1;
                dictations.push(std::mem::take(&mut open));
                if !said.is_empty() {
                    last = std::mem::take(&mut said);
                }
            }
            Step::Undo => {
                jobs.push(Job::Undo { newer: 0 });
                dictations.retain(|text| !text.is_empty());
                if open.is_empty() {
                    dictations.pop();
                } else {
                    open.clear();
                    said.clear();
                }
            }
            Step::Erase(count) => {
                jobs.push(Job::Erase { chars: *count });
                dictations.push(std::mem::take(&mut open));
                for _ in 0..*count {
                    dictations.retain(|text| !text.is_empty());
                    if let Some(text) = dictations.last_mut() {
                        text.pop();
                    }
                    said.pop();
                }
                // The model forgets where the dictation began: end it there.
                jobs.push(finished(number));
                number += 1;
                if !said.is_empty() {
                    last = std::mem::take(&mut said);
                }
            }
            Step::Retype | Step::Enter | Step::Own => {
                // Between dictations only.
                jobs.push(finished(number));
                number += 1;
                dictations.push(std::mem::take(&mut open));
                if !said.is_empty() {
                    last = std::mem::take(&mut said);
                }
                match step {
                    Step::Retype => {
                        jobs.push(Job::Retype);
                        dictations.push(last.clone());
                    }
                    Step::Own => {
                        jobs.push(Job::OwnWords(word.clone()));
                        dictations.push(word);
                    }
                    _ => {
                        jobs.push(Job::Enter);
                        settled += &dictations.concat();
                        settled.push('\n');
                        dictations.clear();
                    }
                }
            }
        }
    }
    (jobs, (settled + &dictations.concat() + &open).replace('\u{e9}', "e"))
}

proptest! {
    #[test]
    fn jobs_are_done_in_order_however_often_the_host_leaves(
        steps in steps(),
        absences in prop::collection::vec(any::<bool>(), 0..300),
    ) {
        let (jobs, expected) = jobs_and_text(&steps);
        let mut bench = Bench { host: ScriptedKeyboard::with_absences(absences), ..Bench::default() };
        bench.run(jobs).unwrap();
        prop_assert_eq!(bench.host.typed(), expected);
    }

    /// Whatever a gesture meets, what the composer believes to stand on the host stands there.
    #[test]
    fn the_composer_knows_the_host_after_a_gesture_at_any_moment(
        said in prop::collection::vec(prop::sample::select(SAID.to_vec()), 1..9),
        at in any::<prop::sample::Index>(),
        spoken in any::<prop::sample::Index>(),
        gestures in 1_usize..4,
    ) {
        // All gestures come one after the other, when so many were spoken, which may be more than were typed.
        let spoken = 1 + spoken.index(said.len());
        let last = spoken as u64 - 1;
        // What they name, if they come after so many reports: done without the undo, the jobs are the same up to there.
        let mut talk = Talk::default();
        said[..spoken].iter().for_each(|said| talk.say(said));
        let reports = {
            let mut bench = Bench::default();
            bench.run(talk.clone_jobs()).unwrap();
            bench.host.reports().len()
        };
        let at = at.index(reports + 1);
        let named = Arc::new(std::sync::Mutex::new(Vec::new()));
        let gesture = |bench: &mut Bench| {
            let (interrupt, named) = (Arc::clone(&bench.interrupt), Arc::clone(&named));
            let undo = move || {
                *named.lock().unwrap() = (0..gestures).map(|_| interrupt.undo(Some(last))).collect();
            };
            if at == 0 { undo() } else { bench.events.push((at, Box::new(undo))) }
        };
        let mut bench = Bench::default();
        gesture(&mut bench);
        bench.run(talk.clone_jobs()).unwrap();
        let names = std::mem::take(&mut *named.lock().unwrap());
        for &name in &names {
            let actions = talk.composer.undone(name);
            talk.act(actions);
        }
        said[spoken..].iter().for_each(|said| talk.say(said));
        let actions = talk.composer.time_is_up();
        talk.act(actions);
        let mut bench = Bench::default();
        gesture(&mut bench);
        bench.run(talk.clone_jobs()).unwrap();
        prop_assert_eq!(&*named.lock().unwrap(), &names);
        prop_assert_eq!(bench.host.typed(), talk.composer.text(), "{:?} named {:?}", said, names);
    }
}

/// Texts that are typed as fewer characters than they are written with are counted as they are typed.
#[test]
fn emoji_and_accents_are_taken_back_exactly() {
    let snippet = |(spoken, text): (&str, &str)| Snippet { spoken: spoken.into(), text: text.into() };
    let snippets = [
        ("my job", "I am a \u{1f469}\u{200d}\u{1f4bb}"),
        ("my thumb", "Fine \u{1f44d}\u{fe0f}"),
        ("my place", "the Cafe\u{301} Zoe\u{308}"),
        ("my sign", "x\u{302}\u{301}y x\u{302}\u{301}y"),
        ("my mark", "\u{301}z a"),
    ];
    let settings = Settings { snippets: snippets.map(snippet).into(), ..Default::default() };
    for said in snippets.map(|(spoken, _)| spoken).into_iter().chain(["Nai\u{308}ve Zoe\u{308} here."]) {
        for taken_back in [1, 2] {
            let mut talk = Talk::new(&settings);
            talk.say("We are at home.");
            talk.say(said);
            (0..taken_back).for_each(|_| talk.say("Delete last word."));
            let mut bench = Bench::default();
            bench.run(talk.clone_jobs()).unwrap();
            let keymap = Keymap::default();
            let believed: String = talk.composer.text().chars().flat_map(|c| keymap.typed(c)).collect();
            assert_eq!(bench.host.typed(), believed, "{said}");
            assert!(believed.starts_with("We are at home"), "{believed}");
        }
    }
}

/// What a gesture stops after so many reports of these dictations, if there are as many; and what stands on the host
/// when others were spoken after it, which is what the composer believes.
fn after_gesture(said: &[&str], reports: usize, then: &[&str]) -> Option<(Stopped, String)> {
    let stopped = Arc::new(std::sync::Mutex::new(None));
    let host_after = |talk: &Talk| {
        let (mut bench, stopped) = (Bench::default(), Arc::clone(&stopped));
        let (interrupt, last) = (Arc::clone(&bench.interrupt), said.len() as u64 - 1);
        let gesture = move || *stopped.lock().unwrap() = Some(interrupt.undo(Some(last)));
        bench.events.push((reports, Box::new(gesture)));
        bench.run(talk.clone_jobs()).unwrap();
        bench.host.typed()
    };
    let mut talk = Talk::default();
    said.iter().for_each(|said| talk.say(said));
    host_after(&talk);
    let stopped = (*stopped.lock().unwrap())?;
    let actions = talk.composer.undone(stopped);
    talk.act(actions);
    then.iter().for_each(|said| talk.say(said));
    let actions = talk.composer.time_is_up();
    talk.act(actions);
    let host = host_after(&talk);
    assert_eq!(host, talk.composer.text(), "{stopped:?}");
    Some((stopped, host))
}

/// What was not pressed is not counted on.
#[test]
fn what_stands_before_an_enter_that_was_pressed_stays() {
    let said = ["One is here.", "Milk. New line. Eggs and bread."];
    let mut seen = [0, 0];
    for reports in 1.. {
        let Some((stopped, once)) = after_gesture(&said, reports, &["Two is there."]) else { break };
        let twice = after_gesture(&said, reports, &["Two is there.", "Scratch that."]).map(|(_, host)| host);
        let expected = match stopped {
            Stopped { what: Typing::Dictation(1), keys: 0 } => ["One is here. Two is there.", "One is here."],
            Stopped { what: Typing::Dictation(1), keys: 1 } => {
                ["One is here. Milk\nTwo is there.", "One is here. Milk\n"]
            }
            _ => continue,
        };
        assert_eq!([once, twice.unwrap_or_default()], expected, "after {reports} reports");
        seen[stopped.keys as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
}

/// Each of two gestures stops what it is about, even if nothing of either was typed yet.
#[test]
fn a_gesture_does_not_undo_the_one_before() {
    let (mut talk, mut bench) = (Talk::default(), Bench::default());
    talk.say("One is here.");
    for (number, said) in [(1, "Milk. New line. Eggs and bread."), (2, "Two is there.")] {
        talk.say(said);
        let stopped = bench.interrupt.undo(Some(number));
        assert_eq!(stopped, Stopped { what: Typing::Dictation(number), keys: 0 });
        let actions = talk.composer.undone(stopped);
        talk.act(actions);
    }
    bench.run(talk.clone_jobs()).unwrap();
    assert_eq!([&*bench.host.typed(), talk.composer.text()], ["One is here."; 2]);
}

/// Two gestures at once are about the last two, and neither reaches the host: not even an Enter.
#[test]
fn a_second_gesture_keeps_the_dictation_before_from_being_typed() {
    let (mut talk, mut bench) = (Talk::default(), Bench::default());
    for said in ["One is here.", "See you at eight. Press enter.", "Two is there."] {
        talk.say(said);
    }
    for expected in [Typing::Dictation(2), Typing::Dictation(1)] {
        let stopped = bench.interrupt.undo(Some(2));
        assert_eq!(stopped, Stopped { what: expected, keys: 0 });
        let actions = talk.composer.undone(stopped);
        talk.act(actions);
    }
    bench.run(talk.clone_jobs()).unwrap();
    assert_eq!([&*bench.host.typed(), talk.composer.text()], ["One is here."; 2]);
}

/// The time runs from when the host has got it.
#[test]
fn text_that_waited_can_be_taken_back_for_as_long_as_any_other() {
    const MINUTE: Duration = Duration::from_secs(60);
    // Some 50 ms each: the host is away for three minutes.
    let absences = || vec![true; 3600];
    for (minutes_later, expected) in [(0, ""), (2, "We are at home.")] {
        let mut talk = Talk::default();
        talk.say("We are at home.");
        let actions = talk.composer.time_is_up();
        talk.act(actions);
        let mut bench = Bench { host: ScriptedKeyboard::with_absences(absences()), ..Bench::default() };
        bench.run(talk.clone_jobs()).unwrap();
        assert!(bench.clock.now() > 2 * MINUTE);
        let then = bench.clock.now() + minutes_later * MINUTE - MINUTE;
        talk.composer.forget_old(|what| bench.interrupt.was_typed_before(what, then));
        talk.say("Scratch that.");
        let mut bench = Bench { host: ScriptedKeyboard::with_absences(absences()), ..Bench::default() };
        bench.run(talk.clone_jobs()).unwrap();
        assert_eq!([&*bench.host.typed(), talk.composer.text()], [expected; 2]);
    }
}

/// Dictations of one transcript each; one has no words.
const SAID: [&str; 13] = [
    "We are at home.",
    "Milk. New line. Eggs and bread.",
    "We are here. New paragraph.",
    "Name. Tab. Town. Tab. Street.",
    "See you at eight. Press enter.",
    "New line.",
    "And we are well today.",
    "It is late already, and so we go.",
    "Scratch that.",
    "Delete last word.",
    "Scratch that. It was a mistake.",
    "Type that again.",
    "",
];

/// A composer that makes jobs.
struct Talk {
    composer: Composer,
    jobs: Vec<Action>,
}

impl Default for Talk {
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

impl Talk {
    fn new(settings: &Settings) -> Self {
        Self { composer: Composer::new(settings), jobs: Vec::new() }
    }

    fn say(&mut self, said: &str) {
        let actions = self.composer.compose(said);
        self.act(actions);
        let actions = self.composer.finished();
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        self.jobs.extend(actions);
    }

    fn clone_jobs(&self) -> Vec<Job> {
        let mut ended = 0;
        let job = |action: &Action| match action.clone() {
            Action::Type(text) => Some(Job::Text(text)),
            Action::OwnWords(words) => Some(Job::OwnWords(words)),
            Action::Erase(chars) => Some(Job::Erase { chars }),
            Action::Undo { newer } => Some(Job::Undo { newer }),
            Action::Retype => Some(Job::Retype),
            Action::Enter => Some(Job::Enter),
            Action::Finish => {
                ended += 1;
                Some(finished(ended - 1))
            }
            Action::Profile(_) => Some(Job::Pacing(Pacing::UNPACED)),
        };
        self.jobs.iter().filter_map(job).collect()
    }
}
