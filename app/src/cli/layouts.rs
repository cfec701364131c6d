//! `oratype layouts`: the keyboard layouts the program knows.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use oratype_layouts::{Layout, UnknownLayout, fingerprint, xkb_version};

use super::Refusal;
use super::check::say;

#[derive(Args)]
pub(super) struct LayoutsArgs {
    /// Only those with all these words in their names and descriptions
    filter: Vec<String>,
}

/// `oratype layouts …`
pub(super) fn layouts(args: &LayoutsArgs) -> Result<ExitCode, Refusal> {
    let filter: Vec<_> = args.filter.iter().map(|word| word.to_lowercase()).collect();
    let wanted = |layout: &Layout| {
        let text = format!("{} {}", layout.name(), layout.description()).to_lowercase();
        filter.iter().all(|word| text.contains(word))
    };
    let layouts: Vec<_> = Layout::all().filter(wanted).collect();
    if layouts.is_empty() {
        let unknown: Result<Layout, UnknownLayout> = filter.join(" ").parse();
        return Err(unknown.err().map_or_else(|| "no layouts".into(), Into::into));
    }
    let width = layouts.iter().map(|layout| layout.name().len()).max().unwrap_or_default();
    let mut list = String::new();
    for layout in &layouts {
        let (name, description, characters) =
            (layout.name(), layout.description(), layout.characters().count());
        let _ = writeln!(list, "{name:width$}  {characters:4} characters  {description}");
    }
    let _ = writeln!(
        list,
        "\n{} of {} layouts, from xkeyboard-config {}, tables {:016x}",
        layouts.len(),
        Layout::all().len(),
        xkb_version(),
        fingerprint()
    );
    say(&list)
}
