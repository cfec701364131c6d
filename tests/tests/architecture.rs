//! The rules of the house that a compiler does not check: who may know whom, and where things are.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oratype_tests::needs::workspace;
use serde_json::Value;

/// The top level of the repository, and what a crate of each folder may depend on besides its own tests.
const FOLDERS: [(&str, &[&str]); 5] = [
    ("hal", &[]),
    ("board", &["hal"]),
    ("app", &["app", "hal", "board"]),
    ("image", &["board"]),
    ("tests", &["hal", "board", "app", "image", "tests"]),
];

/// Longer files hold more than one thing.
const LINES_MAX: usize = 600;

fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every Rust file of the repository, by its path in it.
fn sources() -> BTreeMap<PathBuf, String> {
    fn collect(folder: &Path, sources: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.insert(path.strip_prefix(workspace()).unwrap().into(), text);
            }
        }
    }
    let mut sources = BTreeMap::new();
    for (folder, _) in FOLDERS {
        collect(&workspace().join(folder), &mut sources);
    }
    assert!(sources.len() > 50, "only {} Rust files found", sources.len());
    sources
}

/// The files that contain `text` outside of comments, but for those in `tests/`.
fn files_with(text: &str) -> BTreeSet<String> {
    let has_it =
        |source: &str| source.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(text));
    sources()
        .into_iter()
        .filter(|(path, source)| !path.starts_with("tests") && has_it(source))
        .map(|(path, _)| path.display().to_string())
        .collect()
}

#[test]
fn the_top_level_is_as_agreed() {
    for name in ["Cargo.toml", "Cargo.lock", "app", "hal", "board", "image", "scripts", "tests"] {
        assert!(workspace().join(name).exists(), "{name} is missing");
    }
}

#[test]
fn dependencies_point_one_way() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let folder_of = |path: &str| {
        let path = Path::new(path).strip_prefix(workspace()).unwrap();
        path.iter().next().unwrap().to_str().unwrap().to_owned()
    };
    for package in packages {
        let folder = folder_of(package["manifest_path"].as_str().unwrap());
        let (_, allowed) =
            FOLDERS.iter().find(|(name, _)| *name == folder).unwrap_or_else(|| panic!("{folder}"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(path) = dependency["path"].as_str() else { continue };
            let target = folder_of(path);
            assert!(allowed.contains(&target.as_str()), "{folder} must not know {target}");
        }
    }
    assert_eq!(packages.iter().filter(|package| package["name"] == "oratype").count(), 1);
}

#[test]
fn only_the_command_line_and_the_image_name_a_board() {
    let files = files_with("oratype_board");
    assert!(!files.is_empty());
    let allowed = ["app/src/main.rs", "app/src/cli/", "image/src/sd/"];
    for file in files {
        assert!(allowed.iter().any(|allowed| file.starts_with(allowed)), "{file} names a board");
    }
}

#[test]
fn only_the_engine_knows_whisper() {
    let expected = [
        "app/src/recognise/engine.rs",
        "app/src/recognise/engine/abort.rs",
        "app/src/recognise/engine/decode.rs",
    ];
    // The command line names the crate once more, to quieten its log.
    let files: Vec<_> = files_with("whisper_rs::").into_iter().collect();
    assert_eq!(files, expected);
}

#[test]
fn the_program_has_no_network_code() {
    let tree = cargo(&[
        "tree",
        "--package",
        "oratype",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{lib}",
    ]);
    let crates: BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(crates.contains("whisper_rs"), "{crates:?}");
    let network = [
        "async_std",
        "curl",
        "h2",
        "hyper",
        "mio",
        "native_tls",
        "openssl",
        "quinn",
        "reqwest",
        "rustls",
        "smol",
        "socket2",
        "tokio",
        "tungstenite",
        "ureq",
        "zbus",
    ];
    for name in network {
        assert!(!crates.contains(name), "{name} is in the program");
    }
    for file in files_with("std::net") {
        assert!(
            !["app", "hal", "board"].iter().any(|folder| file.starts_with(folder)),
            "{file} uses the network"
        );
    }
}

#[test]
fn every_file_says_what_lives_there_and_is_not_long() {
    for (path, source) in sources() {
        let path = path.display();
        assert!(source.starts_with("//! "), "{path} does not begin with what lives there");
        let lines = source.lines().count();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines");
    }
}

/// Tests wait for events or for a simulated clock.
#[test]
fn no_test_sleeps() {
    /// In real time: a sound card is read too late, on purpose; and a real kernel's sysfs, which has no events, is looked
    /// at while a host comes and goes.
    const IN_REAL_TIME: [&str; 2] = ["tests/tests/capture_faults.rs", "tests/tests/usb_gadget/main.rs"];
    let sleep = concat!("thread::", "sleep");
    for (path, source) in sources() {
        if IN_REAL_TIME.iter().any(|file| path == Path::new(file)) {
            continue;
        }
        let is_test = path.starts_with("tests")
            || path.iter().any(|part| part == "tests")
            || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
        let tests =
            if is_test { Some(source.as_str()) } else { source.split_once("#[cfg(test)]").map(|(_, t)| t) };
        assert!(!tests.is_some_and(|tests| tests.contains(sleep)), "a test in {} sleeps", path.display());
    }
}
