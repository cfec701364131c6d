//! The tables as a whole.

use std::collections::BTreeSet;

use oratype_layouts::{Layout, fingerprint, xkb_version};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

#[test]
fn all_layouts_and_variants_are_there() {
    eprintln!(
        "xkeyboard-config {}, {} layouts, tables {:016x}",
        xkb_version(),
        Layout::all().len(),
        fingerprint()
    );
    // xkeyboard-config 2.35 has 711 with the exotic ones; no version has lost many.
    assert!(Layout::all().len() > 600);
    for name in
        ["us", "us:dvorak", "us:mac", "de", "de:mac", "de:neo", "fr:bepo", "gb", "gr", "jp", "br", "ch:fr"]
    {
        let layout: Layout = name.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(layout.name(), name);
        assert!(!layout.description().is_empty());
    }
    let names: Vec<_> = Layout::all().map(Layout::name).collect();
    assert!(names.is_sorted(), "looked up by binary search");
}

#[test]
fn what_a_layout_lists_it_types_once() {
    for layout in Layout::all() {
        let mut seen = BTreeSet::new();
        for c in layout.characters() {
            assert!(layout.types(c), "{layout:?} {c:?}");
            assert!(seen.insert(c), "{layout:?} lists {c:?} twice");
            let presses = layout.presses(c).count();
            assert!(presses == 1 || presses == 2, "{layout:?} {c:?}");
        }
    }
}

/// What a dead key and a letter type is the letter with a mark, by Unicode itself; or the mark alone.
#[test]
fn dead_keys_put_their_accent_on_the_letter() {
    let mut composed = BTreeSet::new();
    for layout in Layout::all() {
        composed.extend(layout.characters().filter(|c| layout.presses(*c).count() == 2));
    }
    assert!(composed.len() > 80, "{composed:?}");
    for c in composed {
        let parts: Vec<_> = [c].into_iter().nfd().collect();
        let accented = parts.len() == 2 && parts[0].is_alphabetic() && is_combining_mark(parts[1]);
        assert!(accented || "`'^~\"".contains(c), "{c:?}");
    }
}

#[test]
fn an_unknown_name_gets_the_closest_ones() {
    let cases = [
        ("german", "de"),
        ("German", "de"),
        ("uk", "gb"),
        ("us(dvorak)", "us:dvorak"),
        ("us-dvorak", "us:dvorak"),
        ("DE", "de"),
        ("bepo", "fr:bepo"),
        ("french", "fr"),
    ];
    for (name, expected) in cases {
        let unknown = name.parse::<Layout>().unwrap_err();
        assert!(unknown.closest().contains(&expected), "{name}: {unknown}");
    }
    assert_eq!(
        "\u{7}\u{7}".parse::<Layout>().unwrap_err().to_string(),
        r#"no layout is called "\u{7}\u{7}""#
    );
    let long = "x".repeat(100_000).parse::<Layout>().unwrap_err().to_string();
    assert!(long.len() < 200, "{long}");
}

proptest! {
    #[test]
    fn any_name_is_known_or_refused_in_one_line(name in ".*|[a-z]{2}(:[a-z_]{0,9})?") {
        match name.parse::<Layout>() {
            Ok(layout) => prop_assert_eq!(layout.name(), name),
            Err(unknown) => {
                prop_assert!(!unknown.to_string().contains('\n'));
                for closest in unknown.closest() {
                    prop_assert!(Layout::named(closest).is_some());
                }
            }
        }
    }

    #[test]
    fn any_character_has_keys_or_none(index in 0..Layout::all().len(), c: char) {
        let layout = Layout::all().nth(index).unwrap();
        prop_assert_eq!(layout.types(c), layout.characters().any(|own| own == c));
    }
}
