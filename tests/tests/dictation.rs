//! Recorded speech to typed text: every word, in order, whatever the pace, the format or the length.

use std::fs::{self, File};
use std::io::Read;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use oratype::bench::normalise::normalise;
use oratype_hal::hid::Report;
use oratype_tests::needs::{Dictation, folder_for_test, write};
use oratype_tests::oratype::{Program, command, run};
use oratype_tests::sound::{Encoding, Sound};
use oratype_tests::words::{assert_said, decode};

/// Recordings of the asterisk set that the model makes no or one mistake in.
const CLEAR: [&str; 4] = ["conf-placeintoconf", "auth-incorrect", "conf-invalid", "vm-whichbox"];

#[test]
fn each_recording_becomes_a_line_of_its_own() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = CLEAR.map(|id| dictation.utterance(id));
    let typed = run(dictation.run_args(&["--pace", "fast"], &said.map(|u| &u.path))).success();
    let lines: Vec<_> = typed.split_terminator('\n').collect();
    assert_eq!(lines.len(), said.len(), "{typed}");
    for (utterance, line) in said.iter().zip(lines) {
        assert_said(&utterance.reference, line, 1);
    }
}

#[test]
fn standard_output_is_the_same_at_either_pace() {
    let Some(dictation) = Dictation::needs() else { return };
    let recordings = ["conf-placeintoconf", "vm-whichbox"].map(|id| &dictation.utterance(id).path);
    let [fast, real_time] =
        ["fast", "realtime"].map(|pace| run(dictation.run_args(&["--pace", pace], &recordings)).success());
    assert_eq!(fast, real_time);
    assert_eq!(fast.lines().count(), 2);
}

/// What was heard before leaves nothing behind in the recogniser. (The recording is one whose text is so uncertain that
/// it did change while contexts were not whole blocks of whisper.cpp's attention.)
#[test]
fn a_text_does_not_depend_on_the_dictation_before() {
    let Some(dictation) = Dictation::needs() else { return };
    let after = |before: &str| {
        let recordings = [before, "spy-misdn"].map(|id| &dictation.utterance(id).path);
        let typed = run(dictation.run_args(&["--pace", "fast"], &recordings)).success();
        typed.lines().nth(1).map(str::to_owned)
    };
    let after_a_long_one = after("conf-adminmenu-18");
    assert!(after_a_long_one.as_ref().is_some_and(|text| !text.is_empty()));
    assert_eq!(after_a_long_one, after("vm-whichbox"));
}

/// Words that are taken wrongly at first ("prepen", "start", "conference is"), while the right ones are nearly as likely
/// there and make the likelier sentence. How near depends on the processor's arithmetic, so one may be missed.
#[test]
fn words_of_doubt_are_looked_at_again() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = ["vm-forwardoptions", "vm-star-cancel", "conf-noempty"].map(|id| dictation.utterance(id));
    let typed = run(dictation.run_args(&["--pace", "fast"], &said.map(|u| &u.path))).success();
    let right = said.iter().zip(typed.lines()).filter(|(u, line)| normalise(&u.reference) == normalise(line));
    assert!(right.count() >= 2, "{typed}");
}

/// Words that are misheard ("color", "whole time", "black list", "password") are typed right once they are listed. How much
/// that takes depends on the processor's arithmetic, so one may be missed.
#[test]
fn listed_words_are_recognised_more_readily() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let listed = ["caller", "hold time", "blacklist", "passwords"];
    let said = ["queue-thereare", "queue-holdtime", "entr-num-rmv-blklist", "vm-mismatch"];
    let recordings = said.map(|id| &dictation.utterance(id).path);
    let settings = write(folder.path(), "oratype.toml", "[recogniser]\nvocabulary = \"words.txt\"\n");
    write(folder.path(), "words.txt", format!("# Telephone words\n{}\n", listed.join("\n")));
    let right = |options: &[&str]| {
        let typed = run(dictation.run_args(options, &recordings)).success();
        eprintln!("{typed}");
        listed.iter().zip(typed.lines()).filter(|(words, line)| line.contains(*words)).count()
    };
    let without = right(&["--pace", "fast"]);
    let with = right(&["--pace", "fast", "--settings", settings.to_str().unwrap()]);
    assert!(without <= 1 && with >= 3, "{without} of {} without a list, {with} with one", listed.len());
    // Who said "hold time is" did not say this.
    write(folder.path(), "words.txt", format!("{}\nhold time isthmus\n", listed.join("\n")));
    assert_eq!(right(&["--pace", "fast", "--settings", settings.to_str().unwrap()]), with);
}

/// The model takes some words for names.
#[test]
fn a_listed_phrase_is_written_as_it_was_listed() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let listed = ["agent number", "echo test"];
    let recordings = ["agent-user", "demo-echodone"].map(|id| &dictation.utterance(id).path);
    let settings = write(folder.path(), "oratype.toml", "[recogniser]\nvocabulary = \"words.txt\"\n");
    write(folder.path(), "words.txt", listed.join("\n"));
    let typed = |options: &[&str]| run(dictation.run_args(options, &recordings)).success();
    let without = typed(&["--pace", "fast"]);
    let with = typed(&["--pace", "fast", "--settings", settings.to_str().unwrap()]);
    for phrase in listed {
        assert!(with.contains(phrase), "{with}");
        assert!(!without.contains(phrase) && without.to_lowercase().contains(phrase), "{without}");
    }
    assert_eq!(with.to_lowercase(), without.to_lowercase());
}

/// What a file or a pipe gets is what standard output shows, but for the newline after each recording.
#[test]
fn raw_reports_type_what_standard_output_shows() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let said = ["vm-whichbox", "conf-invalid"].map(|id| dictation.utterance(id));
    let type_to = |path: &str| {
        dictation.run_args(&["--pace", "fast", "--type", path], &said.map(|utterance| &utterance.path))
    };

    let file = folder.path().join("reports");
    let shown = run(type_to(file.to_str().unwrap())).success();
    let (typed, last) = decode(&fs::read(&file).unwrap());
    assert_eq!(typed, shown.replace('\n', ""));
    assert_eq!(last, Some(Report::RELEASED), "a key is left down");
    assert_said(&said.map(|utterance| utterance.reference.as_str()).join(" "), &typed, 2);

    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let program = Program::start(command(type_to(pipe.to_str().unwrap())));
    let host = thread::spawn(move || {
        let mut reports = Vec::new();
        File::open(pipe).unwrap().read_to_end(&mut reports).unwrap();
        reports
    });
    assert_eq!(program.finish().success(), shown);
    assert_eq!(decode(&host.join().unwrap()), (typed, Some(Report::RELEASED)));
}

/// Over a minute without a release: cut at pauses and recognised meanwhile, with nothing lost or doubled.
#[test]
fn more_than_a_minute_of_speech_is_typed_whole() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let said = [
        "auth-incorrect",
        "conf-invalid",
        "vm-whichbox",
        "agent-alreadyon",
        "conf-placeintoconf",
        "agent-incorrect",
        "conf-getconfno",
        "conf-onlyperson",
        "cannot-complete-as-dialed",
        "agent-pass",
        "conf-waitforleader",
        "conf-getchannel",
        "agent-user",
        "conf-now-recording",
        "conf-onlyone",
        "conf-getpin",
        "conf-extended",
        "conf-kicked",
    ]
    .map(|id| dictation.utterance(id));
    // The recordings begin and end with a short silence of their own: 250 ms more make the pause of a speaker who
    // goes on with the next sentence.
    let speech = said.iter().fold(Sound::silence(16_000, 0.1), |speech, utterance| {
        speech.then(&Sound::read(&utterance.path)).then(&Sound::silence(16_000, 0.25))
    });
    assert!(speech.samples.len() > 60 * 16_000, "{} s", speech.samples.len() / 16_000);
    let long = speech.write(folder.path().join("long.wav"), Encoding::Int(16), 1);

    let typed = run(dictation.run_args(&["--pace", "fast"], std::slice::from_ref(&long))).success();
    assert_eq!(typed.lines().count(), 1);
    let reference = said.map(|utterance| utterance.reference.as_str()).join(" ");
    let words = reference.split_whitespace().count();
    assert_said(&reference, &typed, words / 10);

    // Typed at the end, it is the same.
    let settings = folder.path().join("oratype.toml");
    fs::write(&settings, "[dictation]\ntyped = \"at-release\"\n").unwrap();
    let options = ["--pace", "fast", "--settings", settings.to_str().unwrap()];
    assert_eq!(run(dictation.run_args(&options, &[long])).success(), typed);
}

#[test]
fn every_rate_width_and_channel_count_is_understood() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let utterance = dictation.utterance("vm-whichbox");
    let speech = Sound::read(&utterance.path);
    let formats = [
        (48_000, Encoding::Int(32), 2),
        (44_100, Encoding::Int(24), 2),
        (44_100, Encoding::Float, 1),
        (16_000, Encoding::Int(8), 1),
        (8_000, Encoding::Int(16), 1),
    ];
    let recordings: Vec<_> = formats
        .iter()
        .enumerate()
        .map(|(i, &(rate_hz, encoding, channels))| {
            let path = folder.path().join(format!("{i}.wav"));
            speech.resampled(rate_hz).write(path, encoding, channels)
        })
        .collect();
    let typed = run(dictation.run_args(&["--pace", "fast"], &recordings)).success();
    assert_eq!(typed.lines().count(), formats.len());
    for (format, line) in formats.iter().zip(typed.lines()) {
        eprintln!("{format:?}: {line}");
        assert_said(&utterance.reference, line, 1);
    }
}

/// The first word begins with the press and the last one ends with the release.
#[test]
fn words_at_the_very_edges_are_kept() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let said = ["conf-placeintoconf", "auth-incorrect", "conf-onlyperson"].map(|id| dictation.utterance(id));
    let recordings = said.map(|utterance| {
        // 2 % of full scale: the level at which these recordings' words begin and end.
        let speech = Sound::read(&utterance.path).without_margins(0.02);
        speech.write(folder.path().join(format!("{}.wav", utterance.id)), Encoding::Int(16), 1)
    });
    let typed = run(dictation.run_args(&["--pace", "fast"], &recordings)).success();
    for (utterance, line) in said.iter().zip(typed.lines()) {
        eprintln!("{line}");
        let word = |text: &str, last: bool| {
            let text = text.to_lowercase();
            let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            if last { words.next_back() } else { words.next() }.unwrap_or_default().to_owned()
        };
        for last in [false, true] {
            assert_eq!(word(line, last), word(&utterance.reference, last), "{line}");
        }
        assert_said(&utterance.reference, line, 1);
    }
}
