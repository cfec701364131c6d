//! The tables as Rust source: pages of characters that the layouts share.
//!
//! A layout is a list of pages, each 32 characters long; equal pages are kept once. An entry is the usage in bits 0 to 7,
//! what is held in bits 8 to 13, what Caps Lock does in bits 14 and 15, and 0 where the layout has no key.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::dead::Composition;
use crate::xkb::{HELD, Layout, Press};

/// Characters of a page, as a power of two.
const PAGE_BITS: u32 = 5;

type Page = [u16; 1 << PAGE_BITS];

fn packed(press: Press) -> u16 {
    assert!(press.held < 1 << 6, "what is held has six bits");
    u16::from(press.usage) | (press.held as u16) << 8 | (press.caps_lock as u16) << 14
}

/// The source that `src/tables.rs` includes.
pub(crate) fn source(layouts: &[Layout], compositions: &[Composition], version: &str) -> String {
    let mut pages: Vec<Page> = Vec::new();
    let mut page_of: BTreeMap<Page, usize> = BTreeMap::new();
    let (mut rows, mut index) = (String::new(), String::new());
    let mut index_len = 0;
    for layout in layouts {
        let mut own: BTreeMap<u32, Page> = BTreeMap::new();
        for (c, press) in &layout.presses {
            let (number, place) = (u32::from(*c) >> PAGE_BITS, u32::from(*c) % (1 << PAGE_BITS));
            own.entry(number).or_default()[place as usize] = packed(*press);
        }
        let (name, description, len) = (&layout.name, &layout.description, own.len());
        let has_caps_lock = layout.has_caps_lock;
        let _ = writeln!(
            rows,
            "Row {{ name: {name:?}, description: {description:?}, first: {index_len}, pages: {len}, \
             has_caps_lock: {has_caps_lock} }},"
        );
        index_len += len;
        for (number, page) in own {
            let place = *page_of.entry(page).or_insert_with(|| {
                pages.push(page);
                pages.len() - 1
            });
            let number = u16::try_from(number).expect("0x10ffff / 32 has 16 bits");
            let place = u16::try_from(place).expect("fewer than 65536 pages");
            let _ = writeln!(index, "({number}, {place}),");
        }
    }
    let mut source = format!("pub(crate) static VERSION: &str = {version:?};\n");
    let mut list = |name: &str, kind: &str, items: &str| {
        let _ = writeln!(source, "pub(crate) static {name}: &[{kind}] = &[\n{items}];");
    };
    list("LAYOUTS", "Row", &rows);
    list("INDEX", "(u16, u16)", &index);
    list("PAGES", "[u16; 32]", &pages.iter().map(|page| format!("{page:?},\n")).collect::<String>());
    let held = HELD
        .iter()
        .map(|held| format!("({:#04x}, {:#04x}),\n", held.modifiers, held.key.map_or(0, |(usage, _)| usage)));
    list("HELD", "(u8, u8)", &held.collect::<String>());
    let compositions = compositions.iter().map(|composition| {
        let Composition { character, dead, base, among } = composition;
        format!(
            "Composition {{ character: {character:?}, dead: {dead:?}, base: {base:?}, among: {among:?} }},\n"
        )
    });
    list("COMPOSITIONS", "Composition", &compositions.collect::<String>());
    source
}
