//! Key strokes to input reports.
//!
//! A modifier goes down in a report of its own before its key and up in one after it: some hosts take Shift that
//! comes with its key too late. A key always comes up before it goes down again, so that repeated letters count.

use oratype_hal::hid::{Report, usage};

use super::keymap::Stroke;

/// The reports that press and release one key on a keyboard whose last report was `held`. Modifiers stay down, but for
/// those of a stroke that ends an entry; a key that serves as a modifier comes up.
///
/// With `rolls_over` the key stays down, and where neither it nor a modifier changes, the key before it comes up in
/// the same report: one report for each stroke, as from a fast typist. Further reports must follow, the last of them
/// from [`release`].
pub fn press(held: Report, stroke: Stroke, rolls_over: bool) -> impl Iterator<Item = Report> {
    let modifiers = Report { modifiers: stroke.modifiers, ..Report::RELEASED };
    let hold = (stroke.hold != usage::NONE).then_some(Report::key(stroke.modifiers, stroke.hold));
    let base = hold.unwrap_or(modifiers);
    let mut down = base;
    down.keys[usize::from(hold.is_some())] = stroke.usage;
    let keys_up = held.without_keys();

    let replaces = rolls_over && hold.is_none() && keys_up == modifiers && !held.keys.contains(&stroke.usage);
    let lift = (held != keys_up && !replaces).then_some(keys_up);
    // A modifier that goes down beside another that comes up is a third level on some layouts ("de:T3").
    let kept = Report { modifiers: held.modifiers & stroke.modifiers, ..Report::RELEASED };
    let unshift = (keys_up != kept).then_some(kept);
    let shift = (kept != modifiers).then_some(modifiers);
    let up = (!rolls_over || hold.is_some() || stroke.lift_after).then_some(base);
    let unhold = hold.is_some().then_some(modifiers);
    let end = (stroke.lift_after && stroke.modifiers != 0).then_some(Report::RELEASED);
    [lift, unshift, shift, hold, Some(down), up, unhold, end].into_iter().flatten()
}

/// The reports that let go of everything: keys, then modifiers.
pub fn release(held: Report) -> impl Iterator<Item = Report> {
    let keys_up = held.without_keys();
    let lift = (held != keys_up).then_some(keys_up);
    let rest = (keys_up != Report::RELEASED).then_some(Report::RELEASED);
    lift.into_iter().chain(rest)
}
