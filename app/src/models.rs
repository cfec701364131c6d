//! The model files Oratype runs on: what they are called, and the proof that their bytes are the right ones.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A model file, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Its name in the models folder.
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'static str,
}

/// Whisper tiny.en, q8_0, adapted to short audio contexts (`scripts/adapter`).
pub const WHISPER: ModelFile = ModelFile {
    name: "ggml-tiny.en-short-q8_0.bin",
    bytes: 43_550_795,
    sha256: "90d8336da8d97b9665154ea20f0d313c5cac2a2ae723e0349f09fba4d42ddaa8",
};

/// Silero VAD 6.2.1, the 16 kHz weights.
pub const SILERO: ModelFile = ModelFile {
    name: "silero_vad_16k.safetensors",
    bytes: 1_239_748,
    sha256: "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
};

/// Every model file there is.
pub const ALL: [&ModelFile; 2] = [&WHISPER, &SILERO];

/// Why a model file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It cannot be read.
    #[error("{}: {error}; {REMEDY}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is shorter or longer than the model.
    #[error("{}: {found} bytes instead of {expected}: incomplete or another file; {REMEDY}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The model's.
        expected: u64,
    },
    /// Its content is not the model's.
    #[error("{}: its SHA-256 is {found}, not the model's: damaged or altered; {REMEDY}", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// What it hashes to.
        found: String,
    },
}

const REMEDY: &str = "fetch it again with `cargo run --release -p oratype-image -- model`";

/// Check that the file at `path` is `expected`, all of it.
pub fn verify(path: &Path, expected: &ModelFile) -> Result<(), ModelError> {
    let unreadable = |error| ModelError::Unreadable { path: path.into(), error };
    let mut file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?.len();
    if found != expected.bytes {
        return Err(ModelError::Size { path: path.into(), found, expected: expected.bytes });
    }
    let found = sha256(&mut file).map_err(unreadable)?;
    if found != expected.sha256 {
        return Err(ModelError::Hash { path: path.into(), found });
    }
    Ok(())
}

/// Which model the file at `path` is, told by its size; its hash is checked.
pub fn identify(path: &Path) -> Result<&'static ModelFile, ModelError> {
    let unreadable = |error| ModelError::Unreadable { path: path.into(), error };
    let found = std::fs::metadata(path).map_err(unreadable)?.len();
    let model = ALL.into_iter().find(|model| model.bytes == found).ok_or(ModelError::Size {
        path: path.into(),
        found,
        expected: WHISPER.bytes,
    })?;
    verify(path, model).map(|()| model)
}

fn sha256(file: &mut File) -> io::Result<String> {
    // Read in pieces: the page cache holds the model already, the process should not hold it twice.
    let mut piece = vec![0; 1 << 18];
    let mut hash = Sha256::new();
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => hash.update(&piece[..length]),
        }
    }
    Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: ModelFile = ModelFile {
        name: "abc",
        bytes: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    #[test]
    fn only_the_right_bytes_pass() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        assert!(matches!(verify(&path, &ABC), Err(ModelError::Unreadable { .. })));
        std::fs::write(&path, "ab").unwrap();
        assert!(matches!(verify(&path, &ABC), Err(ModelError::Size { found: 2, .. })));
        std::fs::write(&path, "abd").unwrap();
        assert!(matches!(verify(&path, &ABC), Err(ModelError::Hash { .. })));
        std::fs::write(&path, "abc").unwrap();
        verify(&path, &ABC).unwrap();
    }

    #[test]
    fn a_folder_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        assert!(identify(folder.path()).is_err());
    }
}
