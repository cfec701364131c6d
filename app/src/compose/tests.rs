//! Tests of the text rules: the rows of `cases.tsv`, the examples of the table, and what holds for any text.

use proptest::prelude::*;

use super::*;
use crate::settings::Snippet;
use crate::typing::{Stopped, Typing};

/// The snippets that the rows speak of.
const SNIPPETS: [(&str, &str); 10] = [
    ("my address", "1 High Street\nSmalltown"),
    ("my mail", "jo@example.com"),
    ("brb", "be right back"),
    ("comma comma", "twice"),
    ("my food", "πρωτεΐνη"),
    ("my regards", "Best regards, Jo."),
    ("my company", "Foo Inc."),
    ("my order", "Order No.\u{a0}12\u{a0}€."),
    ("letter to", "Dear {words},\n"),
    ("tag", "<{words}>{words}</{words}>"),
];

fn settings_with_snippets() -> Settings {
    let snippet = |(spoken, text): (&str, &str)| Snippet { spoken: spoken.into(), text: text.into() };
    Settings { snippets: SNIPPETS.map(snippet).into(), ..Settings::default() }
}

/// The settings of a row's first column.
fn settings_of(column: &str) -> Settings {
    let mut settings = settings_with_snippets();
    for pair in column.split_whitespace().filter(|pair| *pair != "-") {
        let (key, value) = pair.split_once('=').unwrap();
        let quoted = if matches!(value, "true" | "false") { value.to_owned() } else { format!("{value:?}") };
        let section = match key {
            "profile" | "space_between" => "dictation",
            "enter" => "typing",
            _ => "text",
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings");
        std::fs::write(&file, format!("[{section}]\n{key} = {quoted}\n")).unwrap();
        assert_eq!(settings.apply_file(&file).unwrap(), [], "{pair}");
    }
    settings
}

/// What the text field holds after these dictations, each of some segments.
fn typed(settings: &Settings, dictations: &[Vec<&str>]) -> String {
    let mut composer = Composer::new(settings);
    let mut field = Field::default();
    for segments in dictations {
        for segment in segments {
            composer.compose(segment).iter().for_each(|action| field.apply(action));
        }
        composer.finished().iter().for_each(|action| field.apply(action));
    }
    composer.time_is_up().iter().for_each(|action| field.apply(action));
    field.text().to_owned()
}

fn typed_once(transcript: &str) -> String {
    typed(&settings_with_snippets(), &[vec![transcript]])
}

#[test]
fn every_row_becomes_what_it_says() {
    let rows = include_str!("cases.tsv").lines().enumerate().filter(|(_, row)| !row.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for (number, row) in rows {
        let [settings, transcripts, expected] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("row {} has not three columns", number + 1);
        };
        let expected = expected.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
        let dictations: Vec<Vec<&str>> =
            transcripts.split(" | ").map(|dictation| dictation.split(" + ").collect()).collect();
        let typed = typed(&settings_of(settings), &dictations);
        if typed != expected {
            wrong.push(format!("row {}: {transcripts:?}: {typed:?}, not {expected:?}", number + 1));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 300, "{count}");
}

#[test]
fn every_example_of_the_table_is_right() {
    for command in table::commands() {
        let (transcript, expected) = command.example;
        assert_eq!(typed_once(transcript), expected, "{transcript}");
    }
}

/// A transcript in which the command is obeyed, for every form of every command.
#[test]
fn every_form_of_a_command_does_the_same() {
    for command in table::commands() {
        let (transcript, expected) = command.example;
        let shown = command.spoken[0];
        let Some(at) = transcript.to_lowercase().find(shown) else {
            panic!("{transcript} does not show {shown}");
        };
        for spoken in &command.spoken[1..] {
            let other = format!("{}{spoken}{}", &transcript[..at], &transcript[at + shown.len()..]);
            assert_eq!(typed_once(&other), expected, "{other}");
        }
    }
}

#[test]
fn no_phrase_stands_twice_in_the_table() {
    let mut spoken: Vec<_> = table::commands().flat_map(|command| command.spoken).collect();
    let count = spoken.len();
    spoken.sort_unstable();
    spoken.dedup();
    assert_eq!(spoken.len(), count);
}

#[test]
fn the_readme_has_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    assert!(readme.contains(&table::readme_table()), "put this into README.md:\n\n{}", table::readme_table());
}

#[test]
fn a_full_stop_waits_for_the_next_words() {
    let text = |actions: Vec<Action>| {
        let shown = |action| match action {
            Action::Type(text) => text.as_str().to_owned(),
            other => format!("{other:?}"),
        };
        actions.into_iter().map(shown).collect::<Vec<_>>()
    };
    let mut composer = Composer::new(&Settings::default());
    assert_eq!(text(composer.compose("We are at home.")), ["We are at home"]);
    assert_eq!(composer.waits(), None, "the dictation is not over");
    assert_eq!(text(composer.compose("And we are well.")), [" and we are well"]);
    assert!(text(composer.finished()).is_empty());
    assert_eq!(composer.waits(), Some(Settings::default().text.full_stop_hold));
    assert_eq!(text(composer.time_is_up()), [".", "Finish"]);
    assert_eq!(composer.waits(), None);
    assert!(composer.time_is_up().is_empty());

    assert_eq!(text(composer.compose("It is late already.")), [" It is late already"]);
    composer.finished();
    assert_eq!(text(composer.compose("So we go to bed.")), [".", "Finish", " So we go to bed"]);
    composer.finished();
    assert_eq!(text(composer.undone(Stopped::default())), ["Finish", "Undo { newer: 0 }"]);
    assert_eq!(text(composer.finished()), ["Finish"], "a press without words");
    assert_eq!(text(composer.compose("And the light is out.")), [" And the light is out"]);
}

#[test]
fn a_long_text_is_typed_in_pieces() {
    let long = "ü".repeat(3000);
    let mut settings = Settings::default();
    settings.snippets.push(Snippet { spoken: "the poem".into(), text: long.clone() });
    let mut composer = Composer::new(&settings);
    let actions = composer.compose("The poem.");
    assert_eq!(actions.len(), 3);
    let mut field = Field::default();
    actions.iter().for_each(|action| field.apply(action));
    assert_eq!(field.text(), long);
}

#[test]
fn each_dictation_is_too_old_to_be_taken_back_by_itself() {
    let mut composer = Composer::new(&Settings::default());
    for said in ["We are at home.", "It is late already."] {
        composer.compose(said);
        composer.finished();
        composer.time_is_up();
    }
    composer.forget_old(|what| what == Typing::Dictation(0));
    assert_eq!(composer.undone(Stopped::default()), [Action::Undo { newer: 0 }]);
    assert_eq!(composer.undone(Stopped::default()), [], "too old");
    assert_eq!(composer.text(), "We are at home.");
}

/// The type thread remembers no more either.
#[test]
fn as_many_dictations_can_be_taken_back_as_the_type_thread_remembers() {
    let mut settings = Settings::default();
    settings.text.full_stop_hold = Duration::ZERO;
    let (mut composer, mut field) = (Composer::new(&settings), Field::default());
    let mut apply = |actions: Vec<Action>| actions.iter().for_each(|action| field.apply(action));
    for number in 0..20 {
        apply(composer.compose(&format!("This is number {number}.")));
        apply(composer.finished());
    }
    let undone = (0..30).map(|_| composer.undone(Stopped::default())).filter(|actions| {
        apply(actions.clone());
        !actions.is_empty()
    });
    assert_eq!(undone.count(), crate::sizes::UNDO_DICTATIONS_MAX);
    let left = "This is number 0. This is number 1. This is number 2. This is number 3.";
    assert_eq!([composer.text(), field.text()], [left; 2]);
}

/// Otherwise more would be erased than meant.
#[test]
fn a_snippet_has_as_many_characters_as_the_type_thread_types() {
    let mut settings = Settings::default();
    let text = "cafe\u{301}\u{2028}ole\u{301}".to_owned();
    settings.snippets.push(Snippet { spoken: "my coffee".into(), text });
    let mut composer = Composer::new(&settings);
    composer.compose("My coffee.");
    assert_eq!(composer.text(), "caf\u{e9}\nol\u{e9}");
    assert_eq!(composer.compose("Scratch that."), [Action::Erase(3)]);
}

#[test]
fn a_gesture_goes_through_the_profiles() {
    let mut composer = Composer::new(&Settings::default());
    let numbers: Vec<_> = (0..4).map(|_| composer.next_profile()).collect();
    assert_eq!(numbers, [1, 2, 0, 1].map(|number| vec![Action::Profile(number)]));
    composer.compose("The weather is fine.");
    assert_eq!(composer.text(), "the weather is fine", "in the profile code");

    let settings = Settings { profiles: Vec::new(), ..Settings::default() };
    assert_eq!(Composer::new(&settings).next_profile(), [], "there are none");
}

/// A full stop that waits belongs to the dictation and the profile before.
#[test]
fn a_gesture_for_the_next_profile_ends_a_sentence() {
    let mut composer = Composer::new(&Settings::default());
    composer.compose("We are at home.");
    composer.finished();
    let actions = composer.next_profile();
    assert_eq!(composer.text(), "We are at home.");
    assert_eq!(actions[1..], [Action::Finish, Action::Profile(1)]);
}

#[test]
fn own_words_are_set_apart_from_dictations() {
    let mut composer = Composer::new(&Settings::default());
    let words = |text: &str| vec![Action::OwnWords(text.into())];
    assert_eq!(composer.own_words("All is well."), words("All is well."));
    composer.compose("One is here.");
    composer.finished();
    let actions = composer.own_words("All is well.");
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert_eq!(actions[2..], words(" All is well."));
}

/// What people say, and what Whisper writes.
fn any_transcript() -> impl Strategy<Value = String> {
    let spoken: Vec<&str> = table::commands().flat_map(|command| command.spoken).copied().collect();
    let word = prop_oneof![
        3 => "[a-zA-Z']{1,8}[.,?!]?",
        2 => proptest::sample::select(spoken).prop_map(String::from),
        1 => proptest::sample::select(SNIPPETS.map(|snippet| snippet.0).to_vec()).prop_map(String::from),
        1 => "[ -~]{1,6}",
        1 => "\\PC{0,4}",
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

/// As a Mac's Option and Space type it, or a web page has it.
#[test]
fn a_snippet_may_have_spaces_of_more_than_a_byte() {
    let mut composer = Composer::new(&settings_with_snippets());
    composer.compose("I paid my order.");
    assert_eq!(composer.text(), "I paid Order No.\u{a0}12\u{a0}€.");
    composer.compose("Scratch last word.");
    assert_eq!(composer.text(), "I paid Order No.\u{a0}12\u{a0}");
    composer.compose("Scratch last sentence.");
    assert_eq!(composer.text(), "I paid Order No.\u{a0}");
}

fn any_settings() -> impl Strategy<Value = Settings> {
    (any::<[bool; 6]>(), 0..3_usize, 0..3_usize).prop_map(|(on, commands, sentences)| {
        let mut settings = settings_with_snippets();
        settings.text.commands = ["on", "alone", "off"][commands].into();
        settings.text.sentences = ["auto", "sentence", "fragment"][sentences].into();
        settings.text.drop_fillers = on[0];
        settings.text.drop_repeats = on[1];
        settings.text.written_forms = on[2];
        settings.typing.enter = if on[3] { "always" } else { "never" }.into();
        settings.dictation.space_between = on[4];
        if on[5] {
            settings.text.full_stop_hold = Duration::ZERO;
        }
        settings
    })
}

/// What happens to a composer.
#[derive(Clone, Debug)]
enum Event {
    Segment(String),
    Finished,
    TimeIsUp,
    Undone(Stopped),
    NextProfile,
    Retyped,
    Entered,
    TooLate,
    OwnWords,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any_transcript().prop_map(Event::Segment),
        3 => Just(Event::Finished),
        1 => Just(Event::TimeIsUp),
        1 => Just(Event::Undone(Stopped::default())),
        // All of it was typed.
        1 => prop_oneof![(0..4_u64).prop_map(Typing::Dictation), (0..2_u64).prop_map(Typing::Own)]
            .prop_map(|what| Event::Undone(Stopped { what, keys: u32::MAX })),
        1 => Just(Event::NextProfile),
        1 => Just(Event::Retyped),
        1 => Just(Event::Entered),
        1 => Just(Event::TooLate),
        1 => Just(Event::OwnWords),
    ]
}

/// Words of numbers, times, money and addresses, some of them with a pause behind them.
const WRITTEN: [&str; 30] = [
    "the", "we", "um", "twenty", "five", "one", "hundred", "thousand", "and", "point", "oh", "nineteen",
    "eighty", "first", "third", "of", "May", "January", "percent", "dollars", "euros", "cents", "pm", "a.m.",
    "o'clock", "Jo", "at", "example", "dot", "com,",
];

proptest! {
    /// What the composer believes to be there is what is there: so it never erases what it does not know.
    #[test]
    fn the_composer_knows_the_text_field(
        settings in any_settings(),
        events in proptest::collection::vec(any_event(), 0..24),
    ) {
        let mut composer = Composer::new(&settings);
        let mut field = Field::default();
        let mut open_ends = 0;
        for event in events {
            // A gesture does not come within a dictation's text, nor does the device speak there.
            let actions = match event {
                Event::Segment(transcript) => composer.compose(&transcript),
                Event::Finished => { open_ends += 1; composer.finished() }
                Event::TimeIsUp => composer.time_is_up(),
                _ if composer.dictating => continue,
                // A dictation whose full stop waits is not over, and what is not over is not old.
                Event::TooLate if composer.waits => continue,
                Event::TooLate => {
                    composer.forget_old(|_| true);
                    field.too_late_to_undo();
                    vec![]
                }
                Event::Undone(named) => composer.undone(named),
                Event::NextProfile => composer.next_profile(),
                Event::Retyped => composer.retyped(),
                Event::Entered => composer.entered(),
                Event::OwnWords => composer.own_words("Fine."),
            };
            for action in &actions {
                open_ends -= i32::from(*action == Action::Finish);
                let before = field.text().chars().count();
                field.apply(action);
                if matches!(action, Action::Type(_)) {
                    // As the type thread would have it.
                    prop_assert_eq!(&composer.keymap.prepare(field.text()), field.text());
                }
                if let Action::Erase(chars) = action {
                    prop_assert_eq!(field.text().chars().count() + chars, before, "{:?}", actions);
                }
            }
            prop_assert!((0..=1).contains(&open_ends), "every end is told once");
            prop_assert_eq!(open_ends == 1, composer.waits);
            prop_assert!(field.text().ends_with(composer.writer.text()), "{:?} {:?}", field.text(), composer.writer.text());
        }
    }

    /// Text without commands goes through unchanged, however often.
    #[test]
    fn plain_text_stays_as_it_is(words in proptest::collection::vec("[b-z]{3,12}", 4..60)) {
        let known: Vec<String> = table::commands().flat_map(|c| c.spoken).flat_map(|s| s.split(' ')).map(String::from).collect();
        let words: Vec<String> = words.into_iter().filter(|word| !known.contains(word) && word != "brb").collect();
        let text = format!("X{}.", words.join(" "));
        let settings = Settings::default();
        let once = typed(&settings, &[vec![text.as_str()]]);
        prop_assert_eq!(once.trim_end_matches('.'), text.trim_end_matches('.'));
        prop_assert_eq!(typed(&settings, &[vec![once.as_str()]]), once);
    }

    /// Whatever the recogniser writes, and whatever the settings are, nothing panics, and what is typed can be.
    #[test]
    fn any_text_is_taken(
        settings in any_settings(),
        transcripts in proptest::collection::vec(any::<String>(), 0..4),
    ) {
        let transcripts = transcripts.iter().map(String::as_str).collect();
        let text = typed(&settings, &[transcripts]);
        prop_assert!(!text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']), "{:?}", text);
    }

    /// Text that was cleaned and put into written form stays as it is when it comes again.
    #[test]
    fn written_forms_are_final(words in proptest::collection::vec(proptest::sample::select(WRITTEN.to_vec()), 0..12)) {
        let mut settings = Settings::default();
        (settings.text.written_forms, settings.text.drop_fillers) = (true, true);
        settings.text.commands = "off".into();
        let once = typed(&settings, &[vec![words.join(" ").as_str()]]);
        prop_assert_eq!(typed(&settings, &[vec![once.as_str()]]), once);
    }

    /// No word is lost where nothing is a command.
    #[test]
    fn no_word_is_lost(transcript in "[a-zA-Z.,?! ]{0,200}") {
        let mut settings = Settings::default();
        settings.text.commands = "off".into();
        let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
        prop_assert_eq!(letters(&typed(&settings, &[vec![transcript.as_str()]])), letters(&transcript));
    }
}
