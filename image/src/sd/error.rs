//! What can go wrong while an image is built or flashed. Every message names the file or package and a remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder refused.
    #[error("{}: {source}", path.display())]
    File {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program of the host is not there or failed.
    #[error("{program}: {reason}")]
    Program {
        /// The program and what it was to do.
        program: String,
        /// What it said.
        reason: String,
    },
    /// A locked version is not in the archive any more.
    #[error(
        "{package} {version} of image/packages.lock has left the archive; \
         `scripts/build-image --refresh-lock` takes the current versions into the lock, \
         `scripts/build-image --allow-newer` builds with them once"
    )]
    Gone {
        /// The package.
        package: String,
        /// Its locked version.
        version: String,
    },
    /// A package's bytes are not the locked ones.
    #[error("{package}: its SHA-256 is {found}, the lock says {expected}: do not use this archive")]
    WrongHash {
        /// The package.
        package: String,
        /// SHA-256 of what came.
        found: String,
        /// The locked one.
        expected: String,
    },
    /// Something does not contain what is expected of it.
    #[error("{what}: {reason}")]
    Invalid {
        /// File, package or option.
        what: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
}

impl Error {
    /// For `map_err`: an I/O error of this file.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<'_> {
        move |source| Self::File { path: path.into(), source }
    }

    /// Something unusable.
    pub fn invalid(what: impl ToString, reason: impl ToString) -> Self {
        Self::Invalid { what: what.to_string(), reason: reason.to_string() }
    }
}
