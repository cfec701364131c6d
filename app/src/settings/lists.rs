//! Lists of the user's own words, from text files beside the settings.
//!
//! UTF-8, an entry on each line; empty lines and lines that begin with `#` are skipped. A line that cannot be used is
//! reported and costs no other.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Problem, Settings};

/// The largest list that is read, bytes: a hundred thousand phrases. A board has memory for it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// More problems than these are only counted: a file of another kind has one on each line.
const PROBLEMS_MAX: usize = 20;
/// The longest phrase, words: nobody speaks a longer one the same way twice.
const PHRASE_WORDS_MAX: usize = 16;
/// The longest text of a snippet, bytes: three pages. It takes half a minute to type.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// The longest phrase of a vocabulary, bytes: a name and a title.
const VOCABULARY_PHRASE_BYTES_MAX: usize = 64;
/// The longest vocabulary: each phrase is one more for which an ordinary word may be mistaken. All of them together fit
/// the one argument by which the recogniser is told of them (128 KiB; execve(2)).
const VOCABULARY_PHRASES_MAX: usize = 1000;

/// A spoken phrase and the text that is typed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// What is said.
    pub spoken: String,
    /// What is typed.
    pub text: String,
}

/// Why a list could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file could not be opened or read.
    #[error("{}: {source}; name an existing file, or none", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is too large.
    #[error("{}: larger than {} MiB, so no list of phrases; name another", path.display(), FILE_BYTES_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// A list that was read, and what is wrong in it; or why it could not be read.
pub type ReadList = Result<(PathBuf, Vec<Problem>), ListError>;

impl Settings {
    /// Read the lists that these settings name, behind what they hold. `settings_file`: where they were read from; the
    /// lists lie beside it. A file of the default name need not exist. One that cannot be read costs no other.
    pub fn load_lists(&mut self, settings_file: &Path) -> Vec<ReadList> {
        let defaults = Self::default();
        let snippets = list(settings_file, &self.text.snippets, &defaults.text.snippets).map(|read| {
            let (path, bytes) = read?;
            let (snippets, problems) = read_snippets(&bytes);
            self.snippets.extend(snippets);
            Ok((path, problems))
        });
        let default = &defaults.recogniser.vocabulary;
        let vocabulary = list(settings_file, &self.recogniser.vocabulary, default).map(|read| {
            let (path, bytes) = read?;
            let (phrases, problems) = read_vocabulary(&bytes);
            self.vocabulary.extend(phrases);
            Ok((path, problems))
        });
        [snippets, vocabulary].into_iter().flatten().collect()
    }
}

/// The list called `name` beside the settings, and its contents. None if there is no name, or no file of the default
/// name. The case of letters does not count where the name has none, as on a card.
fn list(settings_file: &Path, name: &str, default: &str) -> Option<Result<(PathBuf, Vec<u8>), ListError>> {
    if name.is_empty() {
        return None;
    }
    let folder = settings_file.parent().unwrap_or(Path::new(""));
    let mut path = folder.join(name);
    let mut opened = File::open(&path);
    if opened.is_err() && folder.join(name.to_lowercase()).exists() {
        path = folder.join(name.to_lowercase());
        opened = File::open(&path);
    }
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound && name == default => return None,
        Err(source) => return Some(Err(ListError::Io { path, source })),
        Ok(file) => file,
    };
    let mut bytes = Vec::new();
    Some(match file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes) {
        Err(source) => Err(ListError::Io { path, source }),
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => Err(ListError::TooLarge { path }),
        Ok(_) => Ok((path, bytes)),
    })
}

/// The phrases of a vocabulary, one on each line, and the lines that cannot be used.
#[must_use]
pub fn read_vocabulary(bytes: &[u8]) -> (Vec<String>, Vec<Problem>) {
    let mut list = Lines::default();
    let mut phrases = Vec::new();
    list.read(bytes, |line| {
        let phrase = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if phrase.len() > VOCABULARY_PHRASE_BYTES_MAX {
            return Err((format!("the phrase has {} bytes", phrase.len()), "at most 64"));
        }
        if phrase.contains(char::is_control) {
            return Err(("the phrase has a control character".into(), "words"));
        }
        if phrases.len() == VOCABULARY_PHRASES_MAX {
            return Err(("one phrase too many".into(), "at most 1000"));
        }
        phrases.push(phrase);
        Ok(())
    });
    (phrases, list.problems())
}

/// The snippets of a file's content, and the lines that cannot be used.
#[must_use]
pub fn read_snippets(bytes: &[u8]) -> (Vec<Snippet>, Vec<Problem>) {
    const FORM: &str = "SPOKEN PHRASE = TEXT";
    let mut list = Lines::default();
    let mut seen = std::collections::HashSet::new();
    let mut snippets = Vec::new();
    list.read(bytes, |line| {
        let (spoken, text) = line.split_once('=').ok_or(("has no =".to_owned(), FORM))?;
        let spoken = spoken.trim().trim_matches('"');
        let snippet = snippet(spoken, &unescaped(text.trim())?)?;
        if !seen.insert(crate::compose::phrase_key(spoken)) {
            return Err((format!("{spoken:?} stands above already"), "each phrase once"));
        }
        snippets.push(snippet);
        Ok(())
    });
    (snippets, list.problems())
}

/// A snippet that can be spoken and typed, or what is wrong with it and what is allowed.
pub(super) fn snippet(spoken: &str, text: &str) -> Result<Snippet, (String, &'static str)> {
    let words = crate::compose::phrase_key(spoken).split_whitespace().count();
    if words == 0 {
        return Err(("the phrase has no words".into(), "words to be spoken"));
    }
    if words > PHRASE_WORDS_MAX {
        return Err((format!("the phrase has {words} words"), "at most 16"));
    }
    if text.is_empty() {
        return Err(("there is no text".into(), "text to be typed"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err((format!("the text has {} bytes", text.len()), "at most 8192"));
    }
    if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err((format!("the text has the control character {c:?}"), "text, \\n and \\t"));
    }
    Ok(Snippet { spoken: spoken.into(), text: text.into() })
}

/// `\n`, `\t` and `\\` stand for a line end, a tab and a backslash.
fn unescaped(text: &str) -> Result<String, (String, &'static str)> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') => '\\',
                other => {
                    let what =
                        other.map_or("ends with a \\".into(), |c| format!("has \\{}", c.escape_debug()));
                    return Err((what, "\\n for a line end, \\t for a tab, \\\\ for \\"));
                }
            },
            c => c,
        });
    }
    Ok(plain)
}

/// The lines of a list, and what is wrong with them.
#[derive(Default)]
struct Lines {
    problems: Vec<Problem>,
    more: usize,
    last_line: usize,
}

impl Lines {
    /// Hand each line with content to `entry`, which says what is wrong with it and what is allowed.
    fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        mut entry: impl FnMut(&'a str) -> Result<(), (String, &'static str)>,
    ) {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            self.problem(1, "the file is UTF-16, none of it is used".into(), "a file saved as UTF-8");
            return;
        }
        // Editors on Windows begin a file with this mark; it means nothing in UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let result = match str::from_utf8(line) {
                Ok(text) if text.trim().is_empty() || text.trim_start().starts_with('#') => Ok(()),
                Ok(text) => entry(text.trim()),
                Err(_) => Err(("not UTF-8".into(), "a file saved as UTF-8")),
            };
            if let Err((what, allowed)) = result {
                self.problem(index + 1, what, allowed);
            }
        }
    }

    fn problem(&mut self, line: usize, what: String, allowed: &str) {
        self.last_line = line;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { line, key: String::new(), what, allowed: allowed.into() });
        } else {
            self.more += 1;
        }
    }

    fn problems(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let what = format!("the last of {} more lines that cannot be used", self.more);
            let allowed = "a list of phrases".into();
            self.problems.push(Problem { line: self.last_line, key: String::new(), what, allowed });
        }
        self.problems
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> (Vec<(String, String)>, Vec<String>) {
        let (snippets, problems) = read_snippets(bytes);
        (
            snippets.into_iter().map(|s| (s.spoken, s.text)).collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn good_lines_count_and_bad_ones_are_named() {
        let (snippets, problems) = shown(
            b"\xef\xbb\xbf# mine\r\nmy address = 1 High Street\\nSmalltown\r\n\n  \"sig\" = a = b \\\\ c\nno text =\n= no phrase\n\
              nothing\nMy  Address = again\ncaf\xe9 = latin\nbad = \\x\nbell = \x07\n... = dots\nlast = one",
        );
        let expected = [("my address", "1 High Street\nSmalltown"), ("sig", "a = b \\ c"), ("last", "one")];
        assert_eq!(snippets, expected.map(|(spoken, text)| (spoken.into(), text.into())));
        assert_eq!(
            problems,
            [
                "5: there is no text; allowed: text to be typed",
                "6: the phrase has no words; allowed: words to be spoken",
                "7: has no =; allowed: SPOKEN PHRASE = TEXT",
                "8: \"My  Address\" stands above already; allowed: each phrase once",
                "9: not UTF-8; allowed: a file saved as UTF-8",
                "10: has \\x; allowed: \\n for a line end, \\t for a tab, \\\\ for \\",
                "11: the text has the control character '\\u{7}'; allowed: text, \\n and \\t",
                "12: the phrase has no words; allowed: words to be spoken",
            ]
        );
    }

    #[test]
    fn a_large_or_alien_file_gives_what_it_can() {
        let mut large: String =
            (0..200_000).map(|n| format!("phrase number {n} = some text that is typed {n}\n")).collect();
        assert!(large.len() > 10_000_000 / 2);
        large += &"no entry at all\n".repeat(100_000);
        let (snippets, problems) = read_snippets(large.as_bytes());
        assert_eq!(snippets.len(), 200_000);
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert_eq!(problems[20].line, 300_000);
        assert!(problems[20].what.contains("99980 more"), "{}", problems[20].what);

        let (snippets, problems) = shown(b"\xff\xfem\0y\0");
        assert_eq!((snippets.len(), problems.len()), (0, 1));
        let long = format!("{} = x\nx = {}", "w ".repeat(17), "y".repeat(TEXT_BYTES_MAX + 1));
        assert_eq!(shown(long.as_bytes()).1.len(), 2);
    }

    #[test]
    fn the_file_lies_beside_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let settings_file = folder.path().join("oratype.toml");
        let mut settings = Settings::default();
        assert!(settings.load_lists(&settings_file).is_empty());
        std::fs::write(folder.path().join("snippets.txt"), "a b = c\nd").unwrap();
        std::fs::write(folder.path().join("vocabulary.txt"), b"# names\n Jo   Doe \n\xc3\xbf\n\xff").unwrap();
        let read: Vec<_> = settings.load_lists(&settings_file).into_iter().map(Result::unwrap).collect();
        let shown: Vec<_> =
            read.iter().map(|(path, problems)| (path.file_name().unwrap(), problems.len())).collect();
        assert_eq!(shown, [("snippets.txt".as_ref(), 1), ("vocabulary.txt".as_ref(), 1)]);
        assert_eq!(settings.snippets, [Snippet { spoken: "a b".into(), text: "c".into() }]);
        assert_eq!(settings.vocabulary, ["Jo Doe", "\u{ff}"]);

        settings.text.snippets = "Other.txt".into();
        let [missing, vocabulary] = <[_; 2]>::try_from(settings.load_lists(&settings_file)).unwrap();
        assert!(missing.unwrap_err().to_string().contains("Other.txt"));
        assert!(vocabulary.is_ok(), "a list that is missing costs no other");
        let file = File::create(folder.path().join("other.txt")).unwrap();
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(matches!(settings.load_lists(&settings_file)[0], Err(ListError::TooLarge { .. })));
        settings.text.snippets.clear();
        settings.recogniser.vocabulary.clear();
        assert!(settings.load_lists(&settings_file).is_empty());
    }

    #[test]
    fn a_vocabulary_is_bounded() {
        let line = |n: usize| format!("phrase {n}\n");
        let mut file: String = (0..VOCABULARY_PHRASES_MAX + 2).map(line).collect();
        file += &"x".repeat(VOCABULARY_PHRASE_BYTES_MAX + 1);
        let (phrases, problems) = read_vocabulary(file.as_bytes());
        assert_eq!((phrases.len(), problems.len()), (VOCABULARY_PHRASES_MAX, 3));
        assert_eq!(problems[0].to_string(), "1001: one phrase too many; allowed: at most 1000");
        let bytes = VOCABULARY_PHRASES_MAX * (VOCABULARY_PHRASE_BYTES_MAX + 1);
        assert!(bytes < 128 << 10, "more than an argument may have");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for problem in read_snippets(&bytes).1.into_iter().chain(read_vocabulary(&bytes).1) {
                prop_assert!(!problem.to_string().contains(char::is_control), "{problem:?}");
            }
        }

        #[test]
        fn any_lines_are_read(lines in proptest::collection::vec("[a-z\"\\\\=# .]{0,20}", 0..20)) {
            let (snippets, problems) = read_snippets(lines.join("\n").as_bytes());
            let content = lines.iter().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')).count();
            prop_assert_eq!(snippets.len() + problems.len(), content);
        }
    }
}
