//! A name that no layout has, and the ones that were probably meant.

use std::fmt;

use crate::Layout;

/// How many layouts are suggested.
const SUGGESTIONS: usize = 3;

/// How alike (0 to 1) a suggestion must be: slips such as `dee`, `us-dvorak`, `US` have 0.8 and more.
const LIKENESS_MIN: f64 = 0.7;

/// The likeness of a layout whose description is the name, or has it as a word, such as `German` or `UK`: before
/// anything that is merely alike.
const DESCRIBED: [f64; 2] = [1.0, 0.99];

/// What a message shows of a name at most, and what is compared: the longest name of a layout has half as many.
const NAME_CHARS_MAX: usize = 40;

/// No layout has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLayout {
    name: String,
    closest: Vec<&'static str>,
}

impl UnknownLayout {
    pub(crate) fn new(name: &str) -> Self {
        let mut shown: String = name.chars().take(NAME_CHARS_MAX).collect();
        let wanted = shown.trim().to_lowercase().replace(['(', ' ', ',', ';'], ":");
        let wanted = wanted.trim_end_matches(')');
        let mut layouts: Vec<_> = Layout::all()
            .map(|layout| (likeness(wanted, layout), layout.name()))
            .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
            .collect();
        // The shorter name first: the layout before its variants.
        layouts.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.len().cmp(&b.1.len())));
        if shown.len() < name.len() {
            shown.push('…');
        }
        let closest = layouts.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect();
        Self { name: shown, closest }
    }

    /// The names that were probably meant, the likeliest first; may be empty.
    #[must_use]
    pub fn closest(&self) -> &[&'static str] {
        &self.closest
    }
}

/// How much a layout is what was asked for, from 0 to 1.
fn likeness(wanted: &str, layout: Layout) -> f64 {
    let alike = strsim::jaro_winkler(wanted, &layout.name().to_lowercase());
    let description = layout.description().to_lowercase();
    let described = if description == wanted {
        DESCRIBED[0]
    } else if description.split(|c: char| !c.is_alphanumeric()).any(|word| word == wanted) {
        DESCRIBED[1]
    } else {
        0.0
    };
    alike.max(described)
}

impl fmt::Display for UnknownLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no layout is called {:?}", self.name)?;
        match self.closest.split_first() {
            Some((first, rest)) => {
                write!(f, ", closest are {first}")?;
                rest.iter().try_for_each(|name| write!(f, ", {name}"))
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownLayout {}
