//! The generated tables. `build/pack.rs` says how they are laid out.

/// A layout: its pages are `INDEX[first..first + pages]`.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) first: u32,
    pub(crate) pages: u16,
    /// The Caps Lock key is that, and nothing else.
    pub(crate) has_caps_lock: bool,
}

/// A character that a dead key and another key type together.
pub(crate) struct Composition {
    pub(crate) character: char,
    /// The dead key's stand-in.
    pub(crate) dead: char,
    pub(crate) base: char,
    /// Only on layouts with a key for one of these letters; on all where none are named.
    pub(crate) among: &'static str,
}

/// Characters of a page.
pub(crate) const PAGE: u32 = 32;

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
