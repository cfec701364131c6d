//! Whether what was typed is what was said, and the keys that typed it.

use oratype::bench::normalise::normalise;
use oratype::bench::wer::WordEdits;
use oratype_hal::hid::{Decoder, Report};

/// Word edits between what was said and what was typed, both normalised as for word error rates.
pub fn edits(said: &str, typed: &str) -> WordEdits {
    WordEdits::between(&normalise(said), &normalise(typed))
}

/// Assert that at most `edits_max` words differ.
///
/// # Panics
/// If more do.
#[track_caller]
pub fn assert_said(said: &str, typed: &str, edits_max: usize) {
    let edits = edits(said, typed);
    assert!(edits.edits() <= edits_max, "{edits:?}\nsaid:  {said}\ntyped: {typed}");
}

/// The text that raw 8-byte boot reports type, with the whole of the last report.
///
/// # Panics
/// If the last report is not whole.
pub fn decode(bytes: &[u8]) -> (String, Option<Report>) {
    let (reports, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty(), "{} bytes of a report at the end", rest.len());
    let (mut decoder, mut text) = (Decoder::new(), String::new());
    for &report in reports {
        decoder.decode(Report::from_bytes(report)).for_each(|typed| typed.apply(&mut text));
    }
    (text, reports.last().map(|&report| Report::from_bytes(report)))
}
