//! Tests of the settings.

use std::time::Duration;

use proptest::prelude::*;

use oratype_layouts::Layout;

use super::*;

/// A file with every key set to something other than its default.
const OTHER: &str = r#"
[audio]
device = "plughw:1,0"
gain_db = -3.5
pre_roll_ms = 100
tail_ms = 200
[button]
gpio = 17
debounce_ms = 5
tap_ms = 250
double_tap = "enter"
triple_tap = "none"
quadruple_tap = "retype"
[light]
gpio = 27
[dictation]
end_after_silence_s = 0
typed = "at-release"
space_between = false
profile = "notes"
[text]
commands = "alone"
sentences = "fragment"
full_stop_hold_ms = 0
drop_fillers = true
drop_repeats = true
written_forms = true
snippets = "mine.txt"
[recogniser]
threads = 2
quality = "best"
early = false
vocabulary = "names.txt"
timeout_s = 7
[usb]
udc = "dummy_udc.0"
[typing]
layout = "fr:bepo"
unicode = "linux"
plain_punctuation = false
pacing = "remote"
characters_per_second = 25
enter = "always"
undo_within_s = 5
[snippets]
"my  name" = "Jo\nDoe"
[profile.notes]
text.commands = "off"
recogniser.quality = "fast"
"#;

/// The settings of a file and its problems as they are shown.
fn read(text: &str) -> (Settings, Vec<String>) {
    let (settings, problems) = Settings::from_toml(text);
    let file = Path::new("oratype.toml");
    (settings, problems.iter().map(|problem| problem.in_file(file).to_string()).collect())
}

#[track_caller]
fn check_problem(text: &str, expected: &str) {
    let (settings, problems) = read(text);
    assert_eq!(problems, [expected]);
    assert_eq!(settings, Settings::default());
}

#[test]
fn example_file_is_the_table() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/oratype.toml"));
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        std::fs::write(path, example()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        example(),
        "regenerate with: UPDATE_EXAMPLE=1 cargo test -p oratype settings"
    );
}

#[test]
fn example_sets_every_key_to_its_default() {
    let text = example();
    let (settings, problems) = read(&text);
    assert_eq!((settings, problems), (Settings::default(), vec![]));
    let table: toml::Table = text.parse().unwrap();
    for section in TABLE {
        for key in section.keys {
            assert!(table[section.name].get(key.name).is_some(), "{}.{}", section.name, key.name);
        }
    }
}

#[test]
fn every_key_reaches_its_field() {
    let (settings, problems) = read(OTHER);
    assert!(problems.is_empty(), "{problems:?}");
    let ms = Duration::from_millis;
    let expected = Settings {
        audio: Audio { device: "plughw:1,0".into(), gain_db: -3.5, pre_roll: ms(100), tail: ms(200) },
        button: Button {
            gpio: 17,
            debounce: ms(5),
            tap: ms(250),
            double_tap: "enter".into(),
            triple_tap: "none".into(),
            quadruple_tap: "retype".into(),
        },
        light: Light { gpio: 27 },
        usb: Usb { udc: "dummy_udc.0".into() },
        dictation: Dictation {
            end_after_silence: Duration::ZERO,
            typed: "at-release".into(),
            space_between: false,
            profile: "notes".into(),
        },
        text: Text {
            commands: "alone".into(),
            sentences: "fragment".into(),
            full_stop_hold: Duration::ZERO,
            drop_fillers: true,
            drop_repeats: true,
            written_forms: true,
            snippets: "mine.txt".into(),
        },
        recogniser: Recogniser {
            threads: 2,
            quality: "best".into(),
            early: false,
            vocabulary: "names.txt".into(),
            timeout: Duration::from_secs(7),
        },
        typing: Typing {
            layout: "fr:bepo".into(),
            unicode: "linux".into(),
            plain_punctuation: false,
            pacing: "remote".into(),
            characters_per_second: 25,
            enter: "always".into(),
            undo_within: Duration::from_secs(5),
        },
        snippets: vec![Snippet { spoken: "my  name".into(), text: "Jo\nDoe".into() }],
        vocabulary: Vec::new(),
        profiles: settings.profiles.clone(),
    };
    assert_eq!(settings, expected);
    let in_profile = settings.in_profile("notes");
    assert_eq!((in_profile.text.commands.as_str(), in_profile.recogniser.quality.as_str()), ("off", "fast"));
    assert_eq!(
        (in_profile.text.sentences.as_str(), in_profile.typing),
        ("fragment", settings.typing.clone())
    );
    assert_eq!(settings.in_profile("no such"), settings);
}

#[test]
fn a_later_file_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut settings = Settings::default();
    settings.apply_file(&file("first", "[audio]\ngain_db = 3\n[light]\ngpio = 27\n")).unwrap();
    let problems =
        settings.apply_file(&file("second", "[audio]\ngain_db = 5\n[light]\ngpio = 99\n")).unwrap();
    assert_eq!((settings.audio.gain_db, settings.light.gpio), (5.0, 27));
    assert_eq!(problems.len(), 1);
    assert!(settings.apply_file(&folder.path().join("absent")).is_err());
    assert_eq!(settings.audio.gain_db, 5.0);
}

#[test]
fn written_values_read_back() {
    let (settings, _) = read(OTHER);
    let mut text = String::new();
    for section in TABLE {
        text += &format!("[{}]\n", section.name);
        for key in section.keys {
            text += &format!("{} = {}\n", key.name, key.kind.written(&settings));
        }
    }
    // Snippets and profiles are no keys.
    let (_, lists) = OTHER.split_at(OTHER.find("[snippets]").unwrap());
    assert_eq!(read(&(text + lists)), (settings, vec![]));
}

/// The light tells them by number.
#[test]
fn profiles_are_numbered_in_the_order_of_the_file() {
    let file = "[profile.zebra]\ntyping.pacing = \"remote\"\n[dictation]\nprofile = \"zebra\"\n\
                [profile.apple]\ntyping.characters_per_second = 20\n[profile.code]\n";
    // A damaged file is read line by line.
    for (file, problem_count) in [(file.to_owned(), 0), (file.to_owned() + "x = = 1", 1)] {
        let (settings, problems) = read(&file);
        assert_eq!(problems.len(), problem_count, "{problems:?}");
        let names: Vec<_> = settings.by_profile().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["prose", "code", "chat", "zebra", "apple", ""]);
        assert_eq!(settings.first_profile(), 3);
        let typing: Vec<_> = settings.by_profile().map(|(_, settings)| settings.typing).collect();
        let pace = |number: usize| (typing[number].pacing.as_str(), typing[number].characters_per_second);
        assert_eq!([0, 3, 4].map(pace), [("safe", 0), ("remote", 0), ("safe", 20)]);
    }
}

#[test]
fn a_profile_that_sets_the_pacing_types_at_its_speed() {
    let (mut settings, problems) = read(
        "[typing]\npacing = \"remote\"\ncharacters_per_second = 20\n[profile.a]\ntyping.pacing = \"fast\"\n\
         [profile.b]\ntyping.characters_per_second = 10\ntyping.pacing = \"safe\"\n",
    );
    assert_eq!(problems, [] as [String; 0]);
    let paces = |settings: &Settings| {
        ["prose", "a", "b"].map(|name| {
            let Typing { pacing, characters_per_second, .. } = settings.in_profile(name).typing;
            (pacing, characters_per_second)
        })
    };
    let written = |paces: [(&str, u32); 3]| paces.map(|(pacing, speed)| (pacing.to_owned(), speed));
    assert_eq!(paces(&settings), written([("remote", 20), ("fast", 0), ("safe", 10)]));
    settings.ignore_the_pacing();
    assert_eq!(paces(&settings), written([("fast", 0); 3]));
}

#[test]
fn the_layout_belongs_to_the_computer() {
    let (_, problems) = read("[profile.code]\ntyping.layout = \"de\"\n");
    assert!(
        problems[0].starts_with(
            "oratype.toml:2: profile.code.typing.layout: belongs to the device or the computer, so it cannot \
             change with the profile; allowed: "
        ),
        "{problems:?}"
    );
}

#[test]
fn profiles_set_what_may_change_while_dictating() {
    let (settings, problems) = read(
        "[profile.code]\ntext.sentences = \"auto\"\nusb.udc = \"x\"\ntext.commands = \"maybe\"\nname = 1\n\
         [profile.\"a:b\"]\n[profile]\nx = 1\n[dictation]\nprofile = \"cod\"\n",
    );
    let place = |problem: &String| problem.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ");
    assert_eq!(
        problems.iter().map(place).collect::<Vec<_>>(),
        [
            "oratype.toml:3: profile.code.usb.udc",
            "oratype.toml:4: profile.code.text.commands",
            "oratype.toml:5: profile.code.name",
            "oratype.toml:6: profile.a:b",
            "oratype.toml:8: profile.x",
            "oratype.toml:10: dictation.profile",
        ]
    );
    assert_eq!(settings.dictation.profile, "prose");
    let code = settings.in_profile("code");
    assert_eq!(code.text.sentences, "auto");
    assert!(code.text.written_forms, "of the profile that is always there");
}

#[test]
fn snippets_are_phrases_with_texts() {
    let (settings, problems) =
        read("[snippets]\n\"sig\" = \"a\\nb\"\n\"...\" = \"x\"\nempty = \"\"\nnumber = 1\n");
    assert_eq!(settings.snippets, [Snippet { spoken: "sig".into(), text: "a\nb".into() }]);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("oratype.toml:3: snippets."), "{problems:?}");
}

#[test]
fn empty_or_partial_files_keep_the_defaults() {
    for text in ["", "\n\n", "# nothing\n", "[audio]\n", "\u{feff}", "[audio]\r\ngain_db = 0\r\n"] {
        assert_eq!(read(text), (Settings::default(), vec![]), "{text:?}");
    }
}

#[test]
fn windows_files_are_read() {
    let text = format!("\u{feff}{}", OTHER.replace('\n', "\r\n"));
    assert_eq!(read(&text), read(OTHER));
    // Also by the line, when a line is damaged.
    let (settings, problems) = read(&text.replace("tap_ms = 250", "tap_ms 250"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(settings.audio, read(OTHER).0.audio);
    assert_eq!(settings.typing, read(OTHER).0.typing);
}

#[test]
fn unusable_values_are_named_with_what_is_allowed() {
    check_problem(
        "[audio]\ngain_db = 61",
        "oratype.toml:2: audio.gain_db: is 61; allowed: a number from -20 to 60",
    );
    check_problem(
        "[audio]\ngain_db = nan",
        "oratype.toml:2: audio.gain_db: is nan; allowed: a number from -20 to 60",
    );
    check_problem(
        "[audio]\n# why\ntail_ms = \"500\"",
        "oratype.toml:3: audio.tail_ms: is the text \"500\"; allowed: a whole number from 0 to 1500",
    );
    check_problem(
        "[audio]\ntail_ms = -1",
        "oratype.toml:2: audio.tail_ms: is -1; allowed: a whole number from 0 to 1500",
    );
    check_problem(
        "[audio]\ntail_ms = 99999999999999999999",
        "oratype.toml:2: audio.tail_ms: is 99999999999999999999; allowed: a whole number from 0 to 1500",
    );
    check_problem(
        "[dictation]\nspace_between = 1",
        "oratype.toml:2: dictation.space_between: is 1; allowed: true or false",
    );
    check_problem(
        "[typing]\nlayout = \"german\"",
        "oratype.toml:2: typing.layout: no layout is called \"german\", closest are de, at, ch; allowed: a layout of \
         \"oratype layouts\"",
    );
    check_problem(
        "[audio]\ndevice = \"a\\u0000b\"",
        "oratype.toml:2: audio.device: is the text \"a\\0b\"; allowed: text in quotes, without control characters",
    );
    check_problem(
        "[button]\ntap_ms = [1]",
        "oratype.toml:2: button.tap_ms: is a list; allowed: a whole number from 50 to 1000",
    );
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    check_problem(
        "[button]\ndebounce = 5",
        "oratype.toml:2: button.debounce: unknown key, did you mean debounce_ms?; \
         allowed: gpio, debounce_ms, \
         tap_ms, double_tap, triple_tap, quadruple_tap",
    );
    check_problem(
        "[button]\ncolour = 5",
        "oratype.toml:2: button.colour: unknown key; allowed: gpio, debounce_ms, \
         tap_ms, double_tap, triple_tap, quadruple_tap",
    );
    check_problem(
        "[buton]\ntap_ms = 5\ndebounce_ms = 5",
        "oratype.toml:1: buton: unknown section, did you mean button?; the keys under it are not used; \
         allowed: [audio], [button], [light], [dictation], [text], [recogniser], [usb], [typing], [snippets], [profile.NAME]",
    );
    check_problem(
        "tap_ms = 100",
        "oratype.toml:1: tap_ms: stands outside its section; allowed: under [button]",
    );
    check_problem(
        "[button]\n\"a\\nb\" = 1",
        "oratype.toml:2: button.a\\nb: unknown key; allowed: gpio, debounce_ms, \
         tap_ms, double_tap, triple_tap, quadruple_tap",
    );
    check_problem("audio = 3", "oratype.toml:1: audio: is a section, not a key; allowed: [audio]");
}

#[test]
fn a_damaged_line_costs_its_own_key_only() {
    let (settings, problems) = read("[audio]\ngain_db = = 3\ntail_ms = 100\n[button]\ntap_ms = 99");
    assert_eq!(settings.audio.gain_db, 0.0);
    assert_eq!(settings.audio.tail, Duration::from_millis(100));
    assert_eq!(settings.button.tap, Duration::from_millis(99));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("oratype.toml:2: gain_db: "), "{problems:?}");
    assert!(problems[0].ends_with("; allowed: a number from -20 to 60"), "{problems:?}");
}

#[test]
fn a_damaged_header_costs_its_section_only() {
    let (settings, problems) = read("[audio\ntail_ms = 100\n[button]\ntap_ms = 99");
    assert_eq!(settings.audio, Audio::default());
    assert_eq!(settings.button.tap, Duration::from_millis(99));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("oratype.toml:1: "), "{problems:?}");
}

#[test]
fn a_key_given_twice_keeps_its_first_value() {
    let (settings, problems) = read("[button]\ntap_ms = 99\ntap_ms = 98");
    assert_eq!(settings.button.tap, Duration::from_millis(99));
    assert_eq!(problems, ["oratype.toml:3: button.tap_ms: is set above already; allowed: each key once"]);
}

#[test]
fn other_encodings_are_named() {
    let (settings, problems) =
        Settings::from_bytes(b"# caf\xe9\n[audio]\ntail_ms = 100\ndevice = \"\xff\"\ngain_db = 1\n");
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 4]);
    assert_eq!(settings.audio.tail, Duration::from_millis(100));
    assert_eq!(settings.audio.gain_db, 1.0);
    assert_eq!(settings.audio.device, "");

    let utf16: Vec<u8> = "\u{feff}[audio]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (settings, problems) = Settings::from_bytes(&utf16);
    assert_eq!(settings, Settings::default());
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("UTF-16"));
}

#[test]
fn files_are_loaded_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let error = Settings::load(&missing).unwrap_err().to_string();
    assert!(error.contains("missing.toml") && error.contains("defaults"), "{error}");
    assert!(Settings::load(folder.path()).is_err(), "a folder is no settings file");

    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; FILE_BYTES_MAX as usize + 1]).unwrap();
    assert!(matches!(Settings::load(&large), Err(LoadError::TooLarge { .. })));

    let good = folder.path().join("good.toml");
    std::fs::write(&good, OTHER).unwrap();
    assert_eq!(Settings::load(&good).unwrap().0, read(OTHER).0);
}

/// Every value in range, whatever the file said.
fn assert_usable(settings: &Settings) {
    for key in TABLE.iter().flat_map(|section| section.keys) {
        let mut settings = settings.clone();
        match &key.kind {
            Kind::Text(field) => assert!(!field(&mut settings).contains(char::is_control)),
            Kind::OneOf(words, field) => assert!(words.contains(&field(&mut settings).as_str())),
            Kind::Layout(field) => assert!(Layout::named(field(&mut settings)).is_some()),
            Kind::Switch(_) => {}
            Kind::Count(range, field) => assert!(range.contains(field(&mut settings))),
            Kind::Decimal(range, field) => assert!(range.contains(field(&mut settings))),
            Kind::Milliseconds(range, field) => {
                assert!(range.contains(&(field(&mut settings).as_millis() as u32)));
            }
            Kind::Seconds(range, field) => assert!(range.contains(&(field(&mut settings).as_secs() as u32))),
        }
    }
}

#[test]
fn one_changed_byte_costs_one_key_or_with_a_header_or_line_end_a_section() {
    let keys = || TABLE.iter().flat_map(|section| section.keys);
    let largest_section = TABLE.iter().map(|section| section.keys.len()).max().unwrap();
    let written = |settings: &Settings| {
        // What is compared is the keys of the table; each is read through a copy.
        let bare = Settings { snippets: Vec::new(), profiles: Vec::new(), ..settings.clone() };
        keys().map(|key| key.kind.written(&bare)).collect::<Vec<_>>()
    };
    let whole = written(&read(OTHER).0);
    for at in 0..OTHER.len() {
        let line_start = OTHER[..at].rfind('\n').map_or(0, |end| end + 1);
        let in_header = OTHER[line_start..].starts_with('[');
        // A line end that goes joins two lines: a header's costs the section, and the line before it.
        let ends_line = OTHER.as_bytes()[at] == b'\n';
        for byte in 0..=255u8 {
            let mut bytes = OTHER.as_bytes().to_vec();
            bytes[at] = byte;
            let (settings, _) = Settings::from_bytes(&bytes);
            assert_usable(&settings);
            let lost = written(&settings).iter().zip(&whole).filter(|(value, whole)| value != whole).count();
            // An opening bracket may begin a header in the middle of a section.
            let allowed = if in_header || ends_line || byte == b'[' { largest_section + 1 } else { 1 };
            assert!(lost <= allowed, "{lost} keys lost with byte {byte} at {at}");
        }
    }
}

/// Each message stays one line, whatever the file holds.
fn assert_readable(bytes: &[u8]) {
    let (settings, problems) = Settings::from_bytes(bytes);
    assert_usable(&settings);
    for problem in problems {
        assert!(!problem.to_string().contains(char::is_control), "{problem:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        assert_readable(&bytes);
    }

    #[test]
    fn any_lines_are_read(lines in proptest::collection::vec(
        prop_oneof!["\\[{0,2}(audio|button|x)\\]{0,2}", "(tap_ms|tail_ms|device|[a-z.\"]{1,9}) ?=? ?[-0-9a-z\"'{}\\[\\],=.#]{0,12}"],
        0..20,
    )) {
        assert_readable(lines.join("\n").as_bytes());
    }

    #[test]
    fn any_damage_to_the_example_is_read(
        at in 0..example().len(),
        cut in 0usize..60,
        put in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = example().into_bytes();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        assert_readable(&bytes);
    }
}
