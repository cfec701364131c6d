//! From the bytes of a settings file to [`Settings`] and the [`Problem`]s found on the way.
//!
//! A file that is sound TOML is read as such. One that is not is read again line by line, each line
//! under the last section header, so that a damaged line costs its own key and no other. The price:
//! in a damaged file a value that runs over several lines is reported line by line.

use std::collections::HashSet;
use std::time::Duration;

use oratype_layouts::{Layout, UnknownLayout};
use toml::de::{DeTable, DeValue};

use super::Problem;
use super::lists::snippet;
use super::profiles::{self, Profile};
use super::table::{Key, Kind, Section, Settings, TABLE};

/// How alike (0 to 1, Jaro-Winkler) an unknown name must be to a known one to be taken for a slip of it:
/// slips such as `gain`, `preroll`, `tread`, `audoi` have 0.91 and more, two keys of the table that are
/// no slip of each other up to 0.75.
const SUGGEST_LIKENESS_MIN: f64 = 0.8;

/// Put what a file sets into `settings`. Returns what could not be used.
pub(super) fn read(settings: &mut Settings, bytes: &[u8]) -> Vec<Problem> {
    let mut reader = Reader { settings, problems: Vec::new(), seen: HashSet::new(), profile_line: 0 };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        reader.problem(1, "", "the file is UTF-16, none of it is used", "a file saved as UTF-8");
        return reader.problems;
    }
    // Editors on Windows begin a file with this mark; it means nothing in UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);

    match str::from_utf8(bytes).map(|text| (text, DeTable::parse(text))) {
        Ok((text, Ok(table))) => reader.table(table.get_ref(), &|offset| line_at(text, offset)),
        _ => reader.lines(bytes),
    }
    reader.check_profile();
    reader.problems.sort_by_key(|problem| problem.line);
    reader.problems
}

/// The line, counted from 1, that has the byte at `offset`.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

struct Reader<'a> {
    settings: &'a mut Settings,
    problems: Vec<Problem>,
    /// The keys that have a value already, and in which profile; none for those outside any. The first one counts.
    seen: HashSet<(Option<String>, &'static str, &'static str)>,
    /// Where the profile to begin with was named.
    profile_line: usize,
}

impl Reader<'_> {
    fn problem(
        &mut self,
        line: usize,
        key: impl Into<String>,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        // A quoted key may hold anything, a line end too; a message is one line.
        let key = key.into().escape_debug().to_string();
        let (what, allowed) = (what.into(), allowed.into());
        self.problems.push(Problem { line, key, what, allowed });
    }

    /// Takes a damaged file one line at a time.
    fn lines(&mut self, bytes: &[u8]) {
        // The header of the section the lines belong to; none while it is not known.
        let mut header = Some("");
        for (index, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = index + 1;
            let Ok(text) = str::from_utf8(bytes) else {
                self.problem(line, "", "not UTF-8, the line is not used", "a file saved as UTF-8");
                continue;
            };
            let text = text.trim();
            let problems_before = self.problems.len();
            if text.starts_with('[') {
                self.line(line, "", text);
                header = (self.problems.len() == problems_before).then_some(text);
            } else if let Some(header) = header {
                self.line(line, header, text);
            }
        }
    }

    /// Takes one line of a damaged file, under the header of its section.
    fn line(&mut self, line: usize, header: &str, text: &str) {
        match DeTable::parse(&format!("{header}\n{text}")) {
            Ok(table) => self.table(table.get_ref(), &|_| line),
            Err(error) => {
                let name = text.split('=').next().unwrap_or_default().trim();
                let key = TABLE.iter().flat_map(|section| section.keys).find(|key| key.name == name);
                let what = error.message();
                match key {
                    Some(key) => self.problem(line, key.name, what, key.kind.allowed()),
                    None if text.starts_with('[') => {
                        self.problem(line, "", format!("{what}; the keys under it are not used"), sections())
                    }
                    None => self.problem(line, "", what, "KEY = VALUE, [SECTION] or # comment"),
                }
            }
        }
    }

    fn table(&mut self, table: &DeTable<'_>, line_of: &dyn Fn(usize) -> usize) {
        for (name, value) in table {
            let line = line_of(name.span().start);
            let name = name.get_ref().as_ref();
            match (TABLE.iter().find(|section| section.name == name), value.get_ref()) {
                (Some(section), DeValue::Table(keys)) => self.section(None, section, keys, line_of),
                (None, DeValue::Table(snippets)) if name == "snippets" => self.snippets(snippets, line_of),
                (None, DeValue::Table(profiles)) if name == "profile" => self.profiles(profiles, line_of),
                (Some(_), _) => self.problem(line, name, "is a section, not a key", format!("[{name}]")),
                (None, DeValue::Table(_)) => {
                    let names = TABLE.iter().map(|section| section.name).chain(["snippets", "profile"]);
                    let what = unknown("section", name, names);
                    self.problem(line, name, format!("{what}; the keys under it are not used"), sections());
                }
                (None, _) => {
                    let home = TABLE.iter().find(|section| section.keys.iter().any(|key| key.name == name));
                    let allowed = home.map_or_else(sections, |section| format!("under [{}]", section.name));
                    self.problem(line, name, "stands outside its section", allowed);
                }
            }
        }
    }

    /// Keys of a section, of a profile if one is named.
    fn section(
        &mut self,
        profile: Option<&str>,
        section: &'static Section,
        keys: &DeTable<'_>,
        line_of: &dyn Fn(usize) -> usize,
    ) {
        let within = profile.map(|name| format!("profile.{name}.")).unwrap_or_default();
        for (name, value) in keys {
            let line = line_of(name.span().start);
            let name = name.get_ref().as_ref();
            let path = format!("{within}{}.{name}", section.name);
            let Some(key) = section.keys.iter().find(|key| key.name == name) else {
                let names = section.keys.iter().map(|key| key.name);
                let allowed = names.clone().collect::<Vec<_>>().join(", ");
                self.problem(line, path, unknown("key", name, names), allowed);
                continue;
            };
            if profile.is_some() && !profiles::may_set(section.name, key.name) {
                let what = "belongs to the device or the computer, so it cannot change with the profile";
                self.problem(line, path, what, profiles::allowed());
            } else if !self.seen.insert((profile.map(Into::into), section.name, key.name)) {
                self.problem(line, path, "is set above already", "each key once");
            } else if let Err(what) = self.set(profile, section, key, value.get_ref()) {
                self.problem(line, path, what, key.kind.allowed());
            } else if path == "dictation.profile" {
                self.profile_line = line;
            }
        }
    }

    /// Puts a value into the settings, or into a profile.
    fn set(
        &mut self,
        profile: Option<&str>,
        section: &'static Section,
        key: &'static Key,
        value: &DeValue<'_>,
    ) -> Result<(), String> {
        let Some(name) = profile else {
            return set(self.settings, key, value);
        };
        let mut tried = Settings::without_profiles();
        set(&mut tried, key, value)?;
        let sets = (section.name, key.name, key.kind.written(&tried));
        if let Some(profile) = self.settings.profiles.iter_mut().find(|profile| profile.name == name) {
            profile.sets.push(sets);
        }
        Ok(())
    }

    /// The profile to begin with may be defined anywhere in the file, so this is asked at the end.
    fn check_profile(&mut self) {
        let names: Vec<_> = self.settings.profiles.iter().map(|profile| profile.name.clone()).collect();
        let name = &self.settings.dictation.profile;
        if self.profile_line > 0 && !names.contains(name) {
            let what = format!("there is no profile {name:?}");
            self.problem(self.profile_line, "dictation.profile", what, names.join(", "));
            self.settings.dictation.profile = Settings::without_profiles().dictation.profile;
        }
    }

    /// `[profile.NAME]`.
    fn profiles(&mut self, profiles: &DeTable<'_>, line_of: &dyn Fn(usize) -> usize) {
        // Their order counts: it is that of the numbers that the light tells.
        let mut profiles: Vec<_> = profiles.iter().collect();
        profiles.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in profiles {
            let line = line_of(name.span().start);
            let name = name.get_ref().as_ref();
            let path = format!("profile.{name}");
            let DeValue::Table(sections) = value.get_ref() else {
                self.problem(line, path, "is a section, not a key", "[profile.NAME]");
                continue;
            };
            if !profiles::is_speakable(name) {
                self.problems.push(profiles::unspeakable(line, name));
                continue;
            }
            if !self.settings.profiles.iter().any(|profile| profile.name == name) {
                self.settings.profiles.push(Profile { name: name.into(), sets: Vec::new() });
            }
            for (section_name, keys) in sections {
                let line = line_of(section_name.span().start);
                let section_name = section_name.get_ref().as_ref();
                let section = TABLE.iter().find(|section| section.name == section_name);
                match (section, keys.get_ref()) {
                    (Some(section), DeValue::Table(keys)) => self.section(Some(name), section, keys, line_of),
                    _ => {
                        let path = format!("{path}.{section_name}");
                        self.problem(line, path, "is no key of a profile", profiles::allowed());
                    }
                }
            }
        }
    }

    /// `[snippets]`.
    fn snippets(&mut self, snippets: &DeTable<'_>, line_of: &dyn Fn(usize) -> usize) {
        for (spoken, text) in snippets {
            let line = line_of(spoken.span().start);
            let spoken = spoken.get_ref().as_ref();
            let path = format!("snippets.{spoken:?}");
            match text.get_ref() {
                DeValue::String(text) => match snippet(spoken, text) {
                    Ok(snippet) => self.settings.snippets.push(snippet),
                    Err((what, allowed)) => self.problem(line, path, what, allowed),
                },
                other => self.problem(line, path, format!("is {}", described(other)), "text in quotes"),
            }
        }
    }
}

/// Sets a key of the table to a value as [`Kind::written`] gave it.
pub(super) fn set_written(settings: &mut Settings, section: &str, key: &str, value: &str) {
    let section = TABLE.iter().find(|known| known.name == section);
    let key = section.and_then(|section| section.keys.iter().find(|known| known.name == key));
    if let (Some(key), Ok(table)) = (key, DeTable::parse(&format!("value = {value}"))) {
        for value in table.get_ref().values() {
            // It was allowed when it was read.
            let set = set(settings, key, value.get_ref());
            debug_assert_eq!(set, Ok(()), "{}", key.name);
        }
    }
}

fn sections() -> String {
    let names = TABLE.iter().map(|section| section.name).chain(["snippets", "profile.NAME"]);
    names.map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ")
}

/// Says that a name is unknown, and the known one that was probably meant.
fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let nearest = known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= SUGGEST_LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, known)) => format!("unknown {what}, did you mean {known}?"),
        None => format!("unknown {what}"),
    }
}

/// Puts a value into its field, or says what it is instead of what is allowed.
fn set(settings: &mut Settings, key: &Key, value: &DeValue<'_>) -> Result<(), String> {
    let wrong = || Err(format!("is {}", described(value)));
    match &key.kind {
        Kind::Text(field) => match value {
            DeValue::String(text) if !text.contains(char::is_control) => *field(settings) = text.to_string(),
            _ => return wrong(),
        },
        Kind::OneOf(words, field) => match value {
            DeValue::String(text) if words.contains(&text.as_ref()) => *field(settings) = text.to_string(),
            _ => return wrong(),
        },
        Kind::Layout(field) => match value {
            DeValue::String(name) => {
                let layout: Layout = name.parse().map_err(|unknown: UnknownLayout| unknown.to_string())?;
                *field(settings) = layout.name().into();
            }
            _ => return wrong(),
        },
        Kind::Switch(field) => match value {
            DeValue::Boolean(on) => *field(settings) = *on,
            _ => return wrong(),
        },
        Kind::Decimal(range, field) => match number(value) {
            Some(number) if range.contains(&number) => *field(settings) = number,
            _ => return wrong(),
        },
        Kind::Count(range, field) => match whole(value) {
            Some(number) if range.contains(&number) => *field(settings) = number,
            _ => return wrong(),
        },
        Kind::Milliseconds(range, field) => match whole(value) {
            Some(number) if range.contains(&number) => {
                *field(settings) = Duration::from_millis(number.into());
            }
            _ => return wrong(),
        },
        Kind::Seconds(range, field) => match whole(value) {
            Some(number) if range.contains(&number) => *field(settings) = Duration::from_secs(number.into()),
            _ => return wrong(),
        },
    }
    Ok(())
}

fn whole(value: &DeValue<'_>) -> Option<u32> {
    match value {
        DeValue::Integer(digits) => u32::from_str_radix(digits.as_str(), digits.radix()).ok(),
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<f32> {
    match value {
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        DeValue::Integer(digits) => {
            i32::from_str_radix(digits.as_str(), digits.radix()).ok().map(|whole| whole as f32)
        }
        _ => None,
    }
}

/// A value as a message names it.
fn described(value: &DeValue<'_>) -> String {
    /// A longer text is cut: the message must stay one line.
    const SHOWN_CHARS_MAX: usize = 40;
    match value {
        DeValue::String(text) => {
            let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            let dots = if shown.len() < text.len() { "…" } else { "" };
            format!("the text {shown:?}{dots}")
        }
        DeValue::Integer(digits) => digits.to_string(),
        DeValue::Float(digits) => digits.as_str().into(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
