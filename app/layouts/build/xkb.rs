//! What each layout types: its keys, one after the other, with everything that can be held meanwhile.
//!
//! Layouts are compiled as a Linux desktop does it for a plain keyboard: rules `evdev`, model `pc105`, no options.

use std::collections::BTreeMap;

use kbvm::lookup::LookupTable;
use kbvm::state_machine::{Direction, StateMachine};
use kbvm::xkb::Context;
use kbvm::xkb::compose::ComposeTable;
use kbvm::xkb::diagnostic::{Diagnostic, DiagnosticKind, Severity};
use kbvm::xkb::rmlvo::Group;
use kbvm::{Components, GroupIndex, Keycode, Keysym, ModifierMask, syms};

use crate::{case, dead, keys};

/// What is held while a key is pressed: bits of the modifier byte, and a further key, as usage and key code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) modifiers: u8,
    pub(crate) key: Option<(u8, u16)>,
}

const fn modifiers(modifiers: u8) -> Held {
    Held { modifiers, key: None }
}

const fn with(modifiers: u8, key: (u8, u16)) -> Held {
    Held { modifiers, key: Some(key) }
}

/// What may be held, the preferred first. Which of these leads to which level is the layout's affair. The keys behind
/// the modifiers are for the layouts of the Neo family, which reach their third level with Backslash and Caps Lock;
/// Caps Lock comes last, because a host that is set to another layout would lock it.
pub(crate) const HELD: &[Held] = &{
    use keys::{ALT_GR, BACKSLASH, CAPS_LOCK, LEFT_ALT, LESS, RIGHT_CTRL, SHIFT};
    [
        modifiers(0),
        modifiers(SHIFT),
        modifiers(ALT_GR),
        modifiers(SHIFT | ALT_GR),
        modifiers(RIGHT_CTRL),
        modifiers(SHIFT | RIGHT_CTRL),
        modifiers(ALT_GR | RIGHT_CTRL),
        modifiers(SHIFT | ALT_GR | RIGHT_CTRL),
        modifiers(LEFT_ALT),
        modifiers(SHIFT | LEFT_ALT),
        with(0, BACKSLASH),
        with(SHIFT, BACKSLASH),
        with(ALT_GR, BACKSLASH),
        with(SHIFT | ALT_GR, BACKSLASH),
        with(0, LESS),
        with(SHIFT, LESS),
        with(ALT_GR, LESS),
        with(SHIFT | ALT_GR, LESS),
        with(0, CAPS_LOCK),
        with(SHIFT, CAPS_LOCK),
        with(ALT_GR, CAPS_LOCK),
        with(SHIFT | ALT_GR, CAPS_LOCK),
    ]
};

/// How Caps Lock acts on a stroke, as the tables number it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CapsLock {
    Ignored = 0,
    Shifts = 1,
    Disturbs = 2,
}

/// A key press of the tables: the key's usage, the index of what is held in [`HELD`], and what Caps Lock does to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Press {
    pub(crate) usage: u8,
    pub(crate) held: usize,
    pub(crate) caps_lock: CapsLock,
}

/// One layout, or one variant of one.
pub(crate) struct Layout {
    /// `layout` or `layout:variant`.
    pub(crate) name: String,
    /// What xkeyboard-config calls it.
    pub(crate) description: String,
    /// The press for each character, and for each dead key under its stand-in.
    pub(crate) presses: BTreeMap<char, Press>,
    /// The Caps Lock key is that. It may be something else: a modifier, Tab, Ctrl.
    pub(crate) has_caps_lock: bool,
}

/// A name kept for a layout that a person makes.
const CUSTOM: &str = "custom";

/// Names and descriptions of all layouts and variants the registry lists, the exotic ones too.
pub(crate) fn registry(context: &Context) -> BTreeMap<String, String> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    let registry = context.registry(&mut problems, "evdev");
    assert!(problems.is_empty(), "{}", problems[0]);
    let mut layouts = BTreeMap::new();
    for layout in registry.layouts.into_iter().filter(|layout| layout.name != CUSTOM) {
        for variant in layout.variants {
            let description = variant.description.unwrap_or_default();
            layouts.insert(format!("{}:{}", layout.name, variant.name), description);
        }
        // Listed once more by the extras, with nothing but further variants.
        if let Some(description) = layout.description {
            layouts.entry(layout.name).or_insert(description);
        }
    }
    layouts
}

/// Slips in xkeyboard-config that cost at most the key they are about: keys that only Sun's keyboards have, and names with
/// a stray backslash.
const SLIPS: [DiagnosticKind; 3] =
    [DiagnosticKind::UnknownKey, DiagnosticKind::UnknownKeycode, DiagnosticKind::UnknownEscapeSequence];

/// Compiles one layout and looks at all its keys.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn layout(
    context: &Context,
    compose: &ComposeTable,
    name: String,
    description: String,
) -> Result<Layout, String> {
    let (layout, variant) = name.split_once(':').unwrap_or((&name, ""));
    let mut problems: Vec<Diagnostic> = Vec::new();
    let keymap = context.keymap_from_names(
        (&mut problems, Severity::Error),
        Some("evdev"),
        Some("pc105"),
        Some(&[Group { layout, variant }]),
        Some(&[]),
    );
    if let Some(problem) = problems.iter().find(|problem| !SLIPS.contains(&problem.kind())) {
        return Err(format!("{name}: {}", problem.with_code()));
    }
    let builder = keymap.to_builder();
    let (machine, table) = (builder.build_state_machine(), builder.build_lookup_table());
    let states: Vec<_> = HELD.iter().map(|held| state(&machine, &table, *held)).collect();

    let mut presses = BTreeMap::new();
    for (held, usage, code) in by_preference() {
        let Some(state) = states[held] else { continue };
        let Some(symbol) = symbol(&table, state, code) else { continue };
        let Some(character) = character(symbol) else { continue };
        if dead::stand_in(symbol).is_none() && dead::is_composed(compose, symbol) {
            // Lam-alef of Arabic: one keysym that types two characters.
            continue;
        }
        presses.entry(character).or_insert_with(|| {
            let locked = |state: State| State { modifiers: state.modifiers | ModifierMask::LOCK, ..state };
            let shifted = Held { modifiers: HELD[held].modifiers ^ keys::SHIFT, ..HELD[held] };
            let shifted = HELD.iter().position(|held| *held == shifted).and_then(|held| states[held]);
            let types_it = |state| self::symbol(&table, locked(state), code) == Some(symbol);
            let caps_lock = match shifted {
                _ if types_it(state) && !case::has_case(character) => CapsLock::Ignored,
                Some(shifted) if types_it(shifted) => {
                    let typed = |state| self::symbol(&table, state, code).and_then(Keysym::char);
                    // XKB takes the type of a key from its first two levels.
                    let first = states[0].and_then(typed).zip(states[1].and_then(typed));
                    let agreed = typed(shifted).is_some_and(|other| case::is_agreed_pair(character, other))
                        && first.is_none_or(|(a, b)| {
                            !case::has_case(a) && !case::has_case(b) || case::is_agreed_pair(a, b)
                        });
                    if agreed { CapsLock::Shifts } else { CapsLock::Disturbs }
                }
                _ => CapsLock::Disturbs,
            };
            Press { usage, held, caps_lock }
        });
    }
    let has_caps_lock = states[0]
        .is_some_and(|state| self::symbol(&table, state, keys::CAPS_LOCK.1) == Some(syms::Caps_Lock));
    Ok(Layout { name, description, presses, has_caps_lock })
}

/// Every way to press a key, as index in [`HELD`], usage and key code; the preferred first. What a key cap shows comes
/// before AltGr, and a key that every keyboard has before one that only some have. Caps Lock comes last, for what nothing
/// else types: it is Tab on "us:3l".
fn by_preference() -> impl Iterator<Item = (usize, u8, u16)> {
    let groups = [keys::CONTROL, keys::ANSI, keys::ISO, keys::REGIONAL];
    let (caps, levels) = (0..2, 2..HELD.len());
    let own = [caps, levels].into_iter().flat_map(move |range| {
        groups.into_iter().flat_map(move |group| {
            range.clone().flat_map(move |held| group.iter().map(move |(usage, code)| (held, *usage, *code)))
        })
    });
    let (usage, code) = keys::CAPS_LOCK;
    own.chain([(0, usage, code)])
}

/// Effective modifiers and group.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    modifiers: ModifierMask,
    group: GroupIndex,
}

/// What holding that leads to; `None` where it would type something, lock something, or make a shortcut of what
/// follows, or where it matters in which order the keys go down.
fn state(machine: &StateMachine, table: &LookupTable, held: Held) -> Option<State> {
    let codes = (0..8).filter(|bit| held.modifiers & (1 << bit) != 0).map(|bit| keys::MODIFIERS[bit]);
    let codes: Vec<u16> = codes.chain(held.key.map(|(_, code)| code)).collect();
    let forwards = hold(machine, table, codes.iter().copied())?;
    let backwards = hold(machine, table, codes.iter().rev().copied())?;
    (forwards == backwards).then_some(forwards)
}

/// The state after these keys went down in turn.
fn hold(machine: &StateMachine, table: &LookupTable, codes: impl Iterator<Item = u16>) -> Option<State> {
    const SHORTCUTS: [ModifierMask; 3] = [ModifierMask::CONTROL, ModifierMask::MOD1, ModifierMask::MOD4];
    let (mut keyboard, mut now) = (machine.create_state(), Components::default());
    for code in codes {
        let before = State { modifiers: now.mods, group: now.group };
        if !symbol(table, before, code).is_some_and(Keysym::is_modifier) {
            return None;
        }
        let mut events = Vec::new();
        machine.handle_key(&mut keyboard, &mut events, Keycode::from_evdev(code.into()), Direction::Down);
        for event in events {
            now.apply_event(event);
        }
    }
    let locked = now.mods_latched != ModifierMask::NONE || now.mods_locked != ModifierMask::NONE;
    let shortcut = SHORTCUTS.into_iter().any(|modifier| now.mods.contains(modifier));
    (!locked && !shortcut && now.group_locked == GroupIndex::ZERO)
        .then_some(State { modifiers: now.mods, group: now.group })
}

/// The one keysym of a key in a state.
fn symbol(table: &LookupTable, state: State, code: u16) -> Option<Keysym> {
    let mut symbols =
        table.lookup(state.group, state.modifiers, Keycode::from_evdev(code.into())).into_iter();
    match (symbols.next(), symbols.next()) {
        (Some(symbol), None) => Some(symbol.keysym()),
        _ => None,
    }
}

/// The character a keysym types, or the stand-in of a dead key.
fn character(symbol: Keysym) -> Option<char> {
    match symbol {
        syms::Return | syms::KP_Enter => return Some('\n'),
        syms::Tab => return Some('\t'),
        _ => {}
    }
    // "fr:bepo_afnor" has noncharacters for dead keys that XKB lacks.
    let is_text =
        |c: &char| !c.is_control() && !dead::STAND_INS.contains(c) && u32::from(*c) & 0xfffe != 0xfffe;
    dead::stand_in(symbol).or_else(|| symbol.char().filter(is_text))
}
