//! Key strokes to input reports.
//!
//! A modifier goes down in a report of its own before its key and up in one after it: some hosts take Shift that
//! comes with its key too late. A key always comes up before it goes down again, so that repeated letters count.

use oratype_hal::hid::{Report, usage};

use super::keymap::Stroke;

/// The reports that press and release one key on a keyboard whose last report was `held`. Modifiers stay down.
///
/// With `rolls_over` the key stays down, and where neither it nor a modifier changes, the key before it comes up in
/// the same report: one report for each stroke, as from a fast typist. Further reports must follow, the last of them
/// from [`release`].
pub fn press(held: Report, stroke: Stroke, rolls_over: bool) -> impl Iterator<Item = Report> {
    let modifiers = Report { modifiers: stroke.modifiers, ..Report::RELEASED };
    let down = Report { modifiers: stroke.modifiers, keys: [stroke.usage, 0, 0, 0, 0, 0] };
    let keys_up = held.without_keys();
    let replaces = rolls_over && keys_up == modifiers && held.keys[0] != stroke.usage;
    let lift = (held != keys_up && !replaces).then_some(keys_up);
    let shift = (keys_up != modifiers).then_some(modifiers);
    let up = (!rolls_over || stroke.lift_after).then_some(modifiers);
    let rest = (stroke.lift_after && modifiers != Report::RELEASED).then_some(Report::RELEASED);
    lift.into_iter().chain(shift).chain([down]).chain(up).chain(rest)
}

/// The reports that let go of everything: keys, then modifiers.
pub fn release(held: Report) -> impl Iterator<Item = Report> {
    let keys_up = held.without_keys();
    let lift = (held.keys[0] != usage::NONE).then_some(keys_up);
    let rest = (keys_up != Report::RELEASED).then_some(Report::RELEASED);
    lift.into_iter().chain(rest)
}
