//! Key strokes to input reports.
//!
//! A modifier goes down in a report of its own before its key and up in one after it: some hosts take Shift that
//! comes with its key too late. A key always comes up before the next goes down, so that repeated letters count.

use oratype_hal::hid::Report;

use super::keymap::Stroke;

/// The reports that press and release one key on a keyboard whose last report was `held`. Modifiers stay down.
pub fn press(held: Report, stroke: Stroke) -> impl Iterator<Item = Report> {
    let modifiers = Report { modifiers: stroke.modifiers, ..Report::RELEASED };
    let down = Report { modifiers: stroke.modifiers, keys: [stroke.usage, 0, 0, 0, 0, 0] };
    let keys_up = Report { modifiers: held.modifiers, ..Report::RELEASED };
    let lift = (held != keys_up).then_some(keys_up);
    let shift = (keys_up != modifiers).then_some(modifiers);
    lift.into_iter().chain(shift).chain([down, modifiers])
}

/// The reports that let go of everything: keys, then modifiers.
pub fn release(held: Report) -> impl Iterator<Item = Report> {
    let keys_up = Report { modifiers: held.modifiers, ..Report::RELEASED };
    let lift = (held != keys_up).then_some(keys_up);
    let rest = (keys_up != Report::RELEASED).then_some(Report::RELEASED);
    lift.into_iter().chain(rest)
}
