//! What is typed for which character. That the keys type it is proved by round trip in `tests/layouts`.

use proptest::prelude::*;

use super::*;

fn keymap(layout: &str, entry: UnicodeEntry) -> Keymap {
    Keymap::new(layout.parse().unwrap(), entry, true)
}

/// What appears for a text.
fn typed(keymap: &Keymap, text: &str) -> String {
    keymap.prepare(text).chars().flat_map(|c| keymap.typed(c)).collect()
}

#[test]
fn what_is_not_on_the_layout_gets_the_documented_stand_in() {
    let us = keymap("us", UnicodeEntry::None);
    let cases = [
        // Line ends, tab.
        ("a\r\nb\rc\u{2028}d\te", "a\nb\nc\nd\te"),
        // Typographic characters.
        ("“It’s” – well…\u{a0}10", "\"It's\" - well... 10"),
        // Letters with accents, also in two code points; letters, signs, other scripts.
        ("Café e\u{301} x\u{302} ß Łódź € ½", "Cafe e x ss Lodz EUR 1/2"),
        ("Привет", "Privet"),
        // Control characters, bidi controls, private use, noncharacters, a mark in the text.
        ("a\u{7}b\u{202e}c\u{e000}d\u{ffff}e\u{feff}", "a?b?c?d?e?"),
        // Emoji by their names, each with a space; what joins and colours them has none.
        ("👍\u{fe0f}", "+1 "),
        ("👩\u{200d}💻", "woman computer "),
        // A mark without anything to change.
        ("\u{301}a\n\u{301}b", "?a\n?b"),
    ];
    for (text, expected) in cases {
        assert_eq!(typed(&us, text), expected, "{text:?}");
    }
}

/// Windows has nothing of XKB's on AltGr and the semicolon of "gb", and an acute accent on the quotation mark of "us:intl".
#[test]
fn what_windows_may_have_elsewhere_is_typed_another_way() {
    let strokes = |layout, entry, c| keymap(layout, entry).strokes(c).collect::<std::vec::Vec<_>>();
    for c in ['é', '½', '©'] {
        let entered = strokes("us", UnicodeEntry::Windows, c);
        assert_eq!(strokes("gb", UnicodeEntry::Windows, c), entered, "{c}");
        assert!(strokes("gb", UnicodeEntry::None, c) != entered, "{c}");
    }
    for (c, dead) in [('\'', '\''), ('"', '"'), ('`', '`'), ('~', '~'), ('^', '^')] {
        let plain = strokes("us", UnicodeEntry::None, dead)[0];
        let typed = strokes("us:intl", UnicodeEntry::Windows, c);
        assert_eq!(
            typed.iter().map(|stroke| stroke.usage).collect::<std::vec::Vec<_>>(),
            [plain.usage, usage::SPACE],
            "{c}"
        );
        assert_eq!(typed[0].modifiers, plain.modifiers, "{c}");
    }
}

#[test]
fn a_layout_types_its_own_characters() {
    let cases = [
        ("de", "Grüße: äöü ÄÖÜ ß € @ é à ô", "Grüße: äöü ÄÖÜ ß € @ é à ô"),
        ("fr", "où ça? 1 € ê Ç", "où ça? 1 € ê C"),
        ("us:intl", "ça \"é\" 'ñ' ć", "ça \"é\" 'ñ' c"),
        ("gr", "Ελλάδα ϊ", "Ελλάδα ϊ"),
        ("cz", "Žluťoučký kůň ć", "Žluťoučký kůň ć"),
        ("vn", "Tiếng Việt", "Tiê\u{301}ng Viê\u{323}t"),
        ("ru", "Привет, мир?", "Привет, мир?"),
        ("de:neo", "Wie? {ja}", "Wie? {ja}"),
        ("fr:bepo", "Où ça ? «oui»", "Où ça ? «oui»"),
        ("jp", "\\ | _ ^", "\\ | _ ^"),
        ("us:mac", "é ü ñ", "é ü ñ"),
    ];
    for (layout, text, expected) in cases {
        assert_eq!(typed(&keymap(layout, UnicodeEntry::None), text), expected, "{layout}");
    }
}

#[test]
fn typographic_characters_stay_where_the_settings_say_so() {
    let de = "de".parse().unwrap();
    assert_eq!(typed(&Keymap::new(de, UnicodeEntry::None, false), "„so“ …"), "„so“ …");
    assert_eq!(typed(&Keymap::new(de, UnicodeEntry::None, true), "„so“ …"), "\"so\" ...");
    // No key and no entry: plain after all.
    assert_eq!(typed(&Keymap::new(us(), UnicodeEntry::None, false), "“so”"), "\"so\"");
    assert_eq!(typed(&Keymap::new(us(), UnicodeEntry::Linux, false), "“so”"), "“so”");
}

/// Usages, with modifiers and the end of an entry.
fn keys(keymap: &Keymap, c: char) -> std::vec::Vec<(u8, u8, bool)> {
    keymap.strokes(c).map(|stroke| (stroke.modifiers, stroke.usage, stroke.lift_after)).collect()
}

#[test]
fn each_host_has_its_own_entry() {
    let (alt, shift, ctrl_shift) = (4, 2, 3);
    // Ctrl+Shift+U, e, 9, space.
    let us = keys(&keymap("us", UnicodeEntry::Linux), 'é');
    assert_eq!(us, [(ctrl_shift, 0x18, true), (0, 0x08, false), (0, 0x26, false), (0, 0x2c, false)]);
    // On a French keyboard digits need Shift: it stays down to the last.
    let fr = keys(&keymap("fr", UnicodeEntry::Linux), '한');
    let digits = [(shift, 0x07, false), (shift, 0x22, false), (shift, 0x22, false), (shift, 0x06, true)];
    assert_eq!(fr, [&[(ctrl_shift, 0x18, false)][..], &digits].concat());
    // A Cyrillic layout has no hex digits.
    assert_eq!(typed(&keymap("ru", UnicodeEntry::Linux), "é"), "?");
    // Alt+0233, and what Windows-1252 lacks.
    let windows = keymap("us", UnicodeEntry::Windows);
    assert_eq!(
        keys(&windows, 'é'),
        [(alt, 0x62, false), (alt, 0x5a, false), (alt, 0x5b, false), (alt, 0x5b, true)]
    );
    assert_eq!(typed(&windows, "€ ł"), "€ l");
    // Alt and + and 00e9; up to U+FFFF.
    let hex = keymap("us", UnicodeEntry::WindowsHex);
    let expected =
        [(alt, 0x57, false), (alt, 0x62, false), (alt, 0x62, false), (alt, 0x08, false), (alt, 0x61, true)];
    assert_eq!(keys(&hex, 'é'), expected);
    assert_eq!(typed(&hex, "한 👍"), "한 +1 ");
    // Option and a surrogate pair.
    let mac = keymap("de", UnicodeEntry::Macos);
    assert_eq!(mac, Keymap::new(super::us(), UnicodeEntry::Macos, true));
    assert_eq!(keys(&mac, '👍').len(), 8);
    assert_eq!(typed(&mac, "é 👩\u{200d}💻"), "é 👩\u{200d}💻");
}

#[test]
fn digits_of_the_keypad_need_num_lock() {
    let needs = |entry| keymap("us", entry).strokes('é').any(Stroke::needs_num_lock);
    assert!(needs(UnicodeEntry::Windows) && needs(UnicodeEntry::WindowsHex));
    assert!(!needs(UnicodeEntry::Linux) && !needs(UnicodeEntry::Macos) && !needs(UnicodeEntry::None));
}

#[test]
fn a_long_text_is_typed_whole() {
    let text = "Zoë said: “naïve café” – 10\u{a0}€\r\n".repeat(3000);
    assert!(text.len() > 100_000);
    let expected = "Zoe said: \"naive cafe\" - 10 EUR\n".repeat(3000);
    assert_eq!(typed(&Keymap::default(), &text), expected);
}

/// The same where the host takes codes: what has no key is entered, but for what a host might obey.
#[test]
fn what_is_not_on_the_layout_is_entered_by_its_code() {
    let us = Keymap::new(us(), UnicodeEntry::Linux, false);
    let cases = [
        ("a\r\nb\rc\u{2028}d\te", "a\nb\nc\nd\te"),
        ("“It’s” – well…\u{a0}10", "“It’s” – well…\u{a0}10"),
        ("Cafe\u{301} x\u{302} ß Łódź € ½", "Café x\u{302} ß Łódź € ½"),
        ("Привет 한글", "Привет 한글"),
        ("a\u{7}b\u{202e}c\u{e000}d\u{ffff}e\u{feff}\u{200b}", "a?b\u{202e}c\u{e000}d?e\u{feff}\u{200b}"),
        ("👍\u{fe0f} 👩\u{200d}💻", "👍\u{fe0f} 👩\u{200d}💻"),
        ("\u{301}a", "\u{301}a"),
    ];
    for (text, expected) in cases {
        assert_eq!(typed(&us, text), expected, "{text:?}");
    }
    // Plain ones stay plain.
    assert_eq!(typed(&keymap("us", UnicodeEntry::Linux), "“It’s” – well…"), "\"It's\" - well...");
}

#[test]
fn every_layout_has_enter_and_something_for_everything() {
    // Dyalog's APL has commands of its own on these keys.
    for c in [' ', '\t'] {
        let lack: std::vec::Vec<_> =
            Layout::all().filter(|layout| !layout.types(c)).map(Layout::name).collect();
        assert_eq!(lack, ["apl:dyalog"], "{c:?}");
    }
    for layout in Layout::all() {
        assert!(layout.types('\n'), "{layout:?} has no Enter");
        let keymap = Keymap::new(layout, UnicodeEntry::None, true);
        assert!(REPLACEMENTS.into_iter().any(|c| keymap.has(c)), "{layout:?}");
    }
}

#[test]
fn settings_choose_the_keymap() {
    let settings = Typing {
        layout: "de".into(),
        unicode: "linux".into(),
        plain_punctuation: false,
        ..Typing::default()
    };
    let expected = Keymap::new("de".parse().unwrap(), UnicodeEntry::Linux, false);
    assert_eq!(Keymap::from_settings(&settings), expected);
    assert_eq!(Keymap::from_settings(&Typing::default()), Keymap::default());
}

/// What comes next changes nothing of the text before its open end.
#[test]
fn the_open_end_is_what_may_still_change() {
    let cases = [
        ("", 0),
        ("abc", 2),
        ("ab\n", 3),
        ("ab\r", 3),
        ("abe\u{301}", 2),
        ("a\u{1f469}\u{200d}", 1),
        ("a\u{1f44d}\u{fe0f}", 1),
        // Two jamo that become one syllable.
        ("a\u{1112}\u{1161}", 1),
        ("\u{301}", 0),
        ("\n\u{301}", 1),
    ];
    for (text, expected) in cases {
        assert_eq!(open_end(text), expected, "{text:?}");
    }
}

/// Texts of characters that change, or are changed by, those beside them.
fn hard_text() -> impl Strategy<Value = String> {
    let hard: Vec32 = "eao \n\r\t\u{301}\u{323}\u{302}\u{200d}\u{fe0f}\u{1f469}\u{1112}\u{1161}\u{11ab}\u{feff}\u{3b9}\u{344}\u{212b}"
        .chars()
        .collect();
    let character = prop_oneof![8 => prop::sample::select(hard), 1 => any::<char>()];
    prop::collection::vec(character, 0..12).prop_map(String::from_iter)
}

type Vec32 = std::vec::Vec<char>;

proptest! {
    /// Whatever a text is cut into, its pieces become what the whole becomes.
    #[test]
    fn texts_are_prepared_alike_before_and_after_their_open_end(
        start in hard_text(),
        end in hard_text(),
        layout in prop::sample::select(vec!["us", "de", "vn", "kr", "gr"]),
        entry in prop::sample::select(UnicodeEntry::NAMES),
    ) {
        let keymap = keymap(layout, UnicodeEntry::named(entry).unwrap());
        let cut = open_end(&start);
        let (done, open) = start.split_at(cut);
        let rest = open.to_owned() + &end;
        // Half a line end is not of this function's business.
        prop_assume!(!rest.starts_with('\n'));
        let whole = start.clone() + &end;
        prop_assert_eq!(
            typed(&keymap, done) + &typed(&keymap, &rest),
            typed(&keymap, &whole),
            "{:?} | {:?}", done, rest
        );
    }

    #[test]
    fn what_is_prepared_stays_as_it_is(
        text in hard_text(),
        layout in prop::sample::select(vec!["us", "de", "vn", "kr", "gr"]),
        entry in prop::sample::select(UnicodeEntry::NAMES),
    ) {
        let keymap = keymap(layout, UnicodeEntry::named(entry).unwrap());
        let prepared = keymap.prepare(&text).into_owned();
        prop_assert_eq!(keymap.prepare(&prepared), &*prepared);
    }

    #[test]
    fn no_character_of_any_keymap_is_dropped(
        index in 0..Layout::all().len(),
        entry in prop::sample::select(UnicodeEntry::NAMES),
        plain: bool,
        text: String,
    ) {
        let layout = Layout::all().nth(index).unwrap();
        let keymap = Keymap::new(layout, UnicodeEntry::named(entry).unwrap(), plain);
        for c in keymap.prepare(&text).chars() {
            prop_assert!(keymap.typed(c).count() >= 1);
            prop_assert!(keymap.strokes(c).count() >= 1);
            prop_assert!(keymap.strokes(c).all(|stroke| stroke.usage != usage::NONE));
        }
    }
}
