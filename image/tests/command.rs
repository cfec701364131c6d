//! The command as a person runs it, with a pip that is missing or misbehaves, and the files of a
//! model folder that is already there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use oratype_image::model::pinned::{SILERO_VAD, WHISPER_SHORT_Q8_0, WHISPER_WHEEL};
use oratype_image::model::store::is_intact;

/// Runs `oratype-image model --out OUT ARGS` with only the programs in `path`.
fn run_model(out: &Path, path: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oratype-image"))
        .args(["model", "--out"])
        .arg(out)
        .args(args)
        .env("PATH", path)
        .output()
        .expect("the command starts")
}

/// The run failed, said `expected`, and left nothing behind but its lock file.
fn assert_refused(output: &Output, out: &Path, expected: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(expected), "{stderr:?} does not say {expected:?}");
    assert!(output.stdout.is_empty());
    let left = fs::read_dir(out).expect("the folder was made").flatten();
    assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), [".lock"]);
}

/// A folder whose only program is a `pip` for tests. The scripts are in the repository: one written
/// here could be busy (ETXTBSY) while another test starts a process.
fn fake_pip(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_pip").join(name)
}

#[test]
fn a_missing_pip_is_named_with_the_remedy() {
    let (out, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output = run_model(out.path(), empty.path(), &["--source", "convert"]);
    assert_refused(&output, out.path(), "apt-get install python3-pip");
}

#[test]
fn a_failing_pip_is_reported() {
    let out = tempfile::tempdir().unwrap();
    let output = run_model(out.path(), &fake_pip("fails"), &["--source", "convert"]);
    assert_refused(&output, out.path(), "pip could not fetch");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no network"));
}

#[test]
fn a_wheel_with_other_contents_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let pip = fake_pip("writes_other_contents");
    let output = run_model(out.path(), &pip, &["--source", "convert"]);
    assert_refused(&output, out.path(), "the contents are wrong");
}

#[test]
fn an_offline_cache_without_the_wheel_is_named() {
    let (out, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache_arg = cache.path().to_str().unwrap();
    let output = run_model(out.path(), cache.path(), &["--offline-cache", cache_arg]);
    assert_refused(&output, out.path(), &format!("{cache_arg}/{}", WHISPER_WHEEL.file.name));
}

#[test]
fn files_that_are_there_are_intact_and_kept() {
    let dir = std::env::var_os("ORATYPE_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/models"), PathBuf::from);
    let files = [WHISPER_SHORT_Q8_0, SILERO_VAD];
    if let Some(file) = files.iter().find(|file| !dir.join(file.name).exists()) {
        // Not eprintln: the test harness would hide it.
        writeln!(io::stderr(), "NOT RUN: {} is not in {}", file.name, dir.display()).unwrap();
        return;
    }
    for file in &files {
        assert!(is_intact(&dir.join(file.name), file).unwrap(), "{} is damaged", file.name);
    }

    let nothing = tempfile::tempdir().unwrap();
    let output = run_model(&dir, nothing.path(), &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("already there").count(), 2, "{stderr}");
}
