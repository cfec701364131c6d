//! The settings file `oratype.toml`: what it may say, and how it is read.
//!
//! Architecture invariant: reading never fails because of what a file contains. A line that makes no
//! sense is reported as a [`Problem`] and the default stands for its key, because the device has no
//! screen and must still dictate with a file that a stray edit or a torn write has damaged.

mod lists;
mod profiles;
mod read;
mod table;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use lists::{ListError, ReadList, Snippet, read_snippets, read_vocabulary};
pub use profiles::Profile;
pub use table::{
    Audio, Button, Dictation, Key, Kind, Light, Recogniser, Section, Settings, TABLE, Text, Typing, Usb,
    example,
};

/// The largest settings file that is read, in bytes. The commented example has about 7 KiB; anything
/// far above is another file, or a device node that never ends.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// One thing in a settings file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it stands on, counted from 1.
    pub line: usize,
    /// `section.key`, or as much of it as could be made out; may be empty.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What may stand there instead.
    pub allowed: String,
}

impl Problem {
    /// The problem with the file's name before it: `FILE:LINE: key: what; allowed: …`.
    pub fn in_file<'a>(&'a self, file: &'a Path) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| write!(f, "{}:{self}", file.display()))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, what, allowed } = self;
        match key.as_str() {
            "" => write!(f, "{line}: {what}; allowed: {allowed}"),
            key => write!(f, "{line}: {key}: {what}; allowed: {allowed}"),
        }
    }
}

/// Why a settings file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be opened or read.
    #[error(
        "{}: {source}; name an existing settings file, or none at all to use the defaults", path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has more than 256 KiB.
    #[error("{}: larger than {} KiB, so not a settings file; name another", path.display(), FILE_BYTES_MAX / 1024)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl Settings {
    /// Reads the text of a settings file.
    #[must_use]
    pub fn from_toml(text: &str) -> (Self, Vec<Problem>) {
        Self::from_bytes(text.as_bytes())
    }

    /// Reads the content of a settings file, whatever it is.
    ///
    /// A byte order mark and Windows line ends are accepted. Problems come in the order of their lines.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> (Self, Vec<Problem>) {
        let mut settings = Self::default();
        let problems = read::read(&mut settings, bytes);
        (settings, problems)
    }

    /// Reads the text of a settings file on top of these settings: what it does not name stays as it is.
    pub fn apply(&mut self, text: &str) -> Vec<Problem> {
        read::read(self, text.as_bytes())
    }

    /// Reads a settings file that must be there.
    ///
    /// # Errors
    /// When the file is missing, unreadable or far too large; never because of what it says.
    pub fn load(path: &Path) -> Result<(Self, Vec<Problem>), LoadError> {
        let mut settings = Self::default();
        let problems = settings.apply_file(path)?;
        Ok((settings, problems))
    }

    /// Reads a settings file on top of these settings: what it does not name stays as it is.
    ///
    /// # Errors
    /// As [`load`](Self::load); the settings are unchanged then.
    pub fn apply_file(&mut self, path: &Path) -> Result<Vec<Problem>, LoadError> {
        let io_error = |source| LoadError::Io { path: path.into(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io_error)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_error)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(LoadError::TooLarge { path: path.into() });
        }
        Ok(read::read(self, &bytes))
    }
}

#[cfg(test)]
mod tests;
