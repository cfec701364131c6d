//! What tests need besides the program: models, speech sets. What is missing is said, never passed over in silence.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use oratype::bench::manifest::{self, Utterance};
use oratype::models;

/// Say that a test could not run. It then counts as failed where everything is required.
///
/// # Panics
/// If `ORATYPE_REQUIRE_ALL` is set.
pub fn not_run(reason: &str) {
    assert!(env::var_os("ORATYPE_REQUIRE_ALL").is_none(), "NOT RUN: {reason}");
    run_elsewhere(reason);
}

/// Say that a test cannot run here. `scripts/test` runs it elsewhere, in a machine made for it.
pub fn run_elsewhere(reason: &str) {
    // Written past the test harness, which would show it for failed tests only.
    let _ = std::io::stderr().write_all(format!("NOT RUN: {reason}\n").as_bytes());
}

/// The repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

fn folder(variable: &str, default: &str) -> PathBuf {
    let folder = env::var_os(variable).map_or_else(|| workspace().join(default), PathBuf::from);
    std::path::absolute(&folder).unwrap_or(folder)
}

/// The folder with the models; `None`, and said, if one is missing.
pub fn models() -> Option<PathBuf> {
    let folder = folder("ORATYPE_MODELS", ".cache/models");
    for model in models::ALL {
        let path = folder.join(model.name);
        if !path.exists() {
            not_run(&format!(
                "{} is missing; `cargo run --release -p oratype-image -- model` fetches it",
                path.display()
            ));
            return None;
        }
    }
    Some(folder)
}

/// A speech set: `asterisk` or `nonspeech`; `None`, and said, if it is missing.
pub fn speech_set(name: &str) -> Option<Vec<Utterance>> {
    let path = folder("ORATYPE_SPEECH", ".cache/speech").join(name).join("manifest.tsv");
    match manifest::load(&path) {
        Ok(set) => Some(set),
        Err(error) => {
            not_run(&format!("{error}; scripts/test fetches it"));
            None
        }
    }
}

/// What the tests of dictation need, all of it.
pub struct Dictation {
    models: PathBuf,
    set: Vec<Utterance>,
}

impl Dictation {
    /// `None`, and said, if something is missing.
    pub fn needs() -> Option<Self> {
        Some(Self { models: models()?, set: speech_set("asterisk")? })
    }

    /// The folder with the models.
    pub fn models(&self) -> &Path {
        &self.models
    }

    /// A recording of the asterisk set, without the prefix of the set's ids.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn utterance(&self, id: &str) -> &Utterance {
        let id = format!("ast-{id}");
        self.set.iter().find(|utterance| utterance.id == id).unwrap_or_else(|| panic!("no utterance {id}"))
    }

    /// The command line `oratype run` with these options, then the recordings.
    pub fn run_args<P: AsRef<Path>>(&self, options: &[&str], recordings: &[P]) -> Vec<String> {
        let mut args = vec!["run".to_owned(), "--models".into(), self.models.display().to_string()];
        args.extend(options.iter().map(|&option| option.to_owned()));
        args.push("--wav".into());
        args.extend(recordings.iter().map(|path| path.as_ref().display().to_string()));
        args
    }
}

/// A folder of its own for a test, with nothing in it.
///
/// # Panics
/// If there is no room for temporary files.
pub fn folder_for_test() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}

/// Write `bytes` as `name` in `folder`.
///
/// # Panics
/// If that is not possible.
pub fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a temporary file");
    path
}
