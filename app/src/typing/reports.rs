//! Key strokes to input reports.
//!
//! A modifier goes down in a report of its own before its key and up in one after it: some hosts take Shift that
//! comes with its key too late. A key always comes up before the next goes down, so that repeated letters count.

use oratype_hal::hid::{Report, usage};

use super::keymap::Stroke;

/// The reports that press and release one key on a keyboard whose last report was `held`. Modifiers stay down, but for
/// those of a stroke that ends an entry; a key that serves as a modifier comes up.
pub fn press(held: Report, stroke: Stroke) -> impl Iterator<Item = Report> {
    let modifiers = Report { modifiers: stroke.modifiers, ..Report::RELEASED };
    let hold = (stroke.hold != usage::NONE)
        .then_some(Report { modifiers: stroke.modifiers, keys: [stroke.hold, 0, 0, 0, 0, 0] });
    let base = hold.unwrap_or(modifiers);
    let mut down = base;
    down.keys[usize::from(hold.is_some())] = stroke.usage;
    let keys_up = held.without_keys();
    let lift = (held != keys_up).then_some(keys_up);
    // A modifier that goes down beside another that comes up is a third level on some layouts ("de:T3").
    let kept = Report { modifiers: held.modifiers & stroke.modifiers, ..Report::RELEASED };
    let unshift = (keys_up != kept).then_some(kept);
    let shift = (kept != modifiers).then_some(modifiers);
    let unhold = hold.is_some().then_some(modifiers);
    let end = (stroke.lift_after && stroke.modifiers != 0).then_some(Report::RELEASED);
    lift.into_iter().chain(unshift).chain(shift).chain(hold).chain([down, base]).chain(unhold).chain(end)
}

/// The reports that let go of everything: keys, then modifiers.
pub fn release(held: Report) -> impl Iterator<Item = Report> {
    let keys_up = Report { modifiers: held.modifiers, ..Report::RELEASED };
    let lift = (held != keys_up).then_some(keys_up);
    let rest = (keys_up != Report::RELEASED).then_some(Report::RELEASED);
    lift.into_iter().chain(rest)
}
