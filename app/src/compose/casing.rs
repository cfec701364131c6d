//! Large and small letters. The type thread composes accents and leaves out those that compose with nothing, so none
//! may come apart from its letter here: the composer would count what is never typed.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::is_nfc;

/// The text in capitals. A letter whose capital Unicode writes as a letter and accents, such as "ΐ", stays small.
pub(super) fn upper(text: &str) -> String {
    cased(text, |c| c.to_uppercase().collect())
}

/// The text in small letters; the same holds for these.
pub(super) fn lower(text: &str) -> String {
    cased(text, |c| c.to_lowercase().collect())
}

fn cased(text: &str, change: impl Fn(char) -> String) -> String {
    let one = |c: char| {
        let changed = change(c);
        if changed.contains(is_combining_mark) { c.to_string() } else { changed }
    };
    let changed: String = text.chars().map(one).collect();
    // An accent that is by itself may compose with the other letter only.
    if is_nfc(&changed) { changed } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_its_accents() {
        assert_eq!(upper("straße, œuvre, ﬁn"), "STRASSE, ŒUVRE, FIN");
        assert_eq!(upper("πρωτεΐνη ΰ ǰ"), "ΠΡΩΤΕΐΝΗ ΰ ǰ");
        assert_eq!(lower("İzmir ÉTÉ"), "İzmir été");
        // A dotless i, as a capital, takes the dot.
        assert_eq!(upper("ı\u{307}x"), "ı\u{307}x");
    }
}
