//! The image that scripts/build-image made, taken apart: nothing is in it that must not be, and nothing is missing.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use oratype_image::sd::cpio::Node;
use oratype_image::sd::disk::PARTITION_START_BYTES;
use oratype_image::sd::{Contents, contents, elf, hex, publish};
use sha2::{Digest, Sha256};

/// Say that a test could not run; where everything is required it has failed.
fn not_run(reason: &str) {
    assert!(env::var_os("ORATYPE_REQUIRE_ALL").is_none(), "NOT RUN: {reason}");
    // Written past the test harness, which would show it for failed tests only.
    let _ = std::io::stderr().write_all(format!("NOT RUN: {reason}\n").as_bytes());
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// `$ORATYPE_IMAGE`, or what scripts/build-image left.
fn image() -> Option<PathBuf> {
    let default = format!(".cache/image/out/oratype-{}.img", env!("CARGO_PKG_VERSION"));
    let path = env::var_os("ORATYPE_IMAGE").map_or_else(|| workspace().join(default), PathBuf::from);
    if !path.exists() {
        not_run(&format!("{} is missing; scripts/build-image makes it", path.display()));
        return None;
    }
    Some(path)
}

fn opened() -> Option<Contents> {
    Some(contents(&image()?).unwrap())
}

/// Path and contents of every file of the root file system.
fn root_files(contents: &Contents) -> BTreeMap<&str, &[u8]> {
    let mut files = BTreeMap::new();
    for (path, node) in &contents.root.0 {
        if let Node::File(_, data) = node {
            files.insert(path.as_str(), &data[..]);
        }
    }
    files
}

#[test]
fn no_way_in() {
    let Some(contents) = opened() else { return };
    let files = root_files(&contents);
    let modules: Vec<_> = files.keys().filter(|path| path.ends_with(".ko")).collect();
    for module in &modules {
        let (_, below) = module.split_once("/kernel/").unwrap();
        for folder in ["drivers/net/", "drivers/bluetooth/", "net/"] {
            assert!(!below.starts_with(folder), "{module}");
        }
    }
    // Two programs, and libraries of four packages.
    let is_elf = |data: &[u8]| data.starts_with(b"\x7fELF");
    let programs = files.iter().filter(|(path, data)| is_elf(data) && !path.starts_with("usr/lib/"));
    let programs: Vec<_> = programs.map(|(path, _)| *path).collect();
    assert_eq!(programs, ["init", "usr/bin/oratype"]);
    for (path, data) in &files {
        assert!(!data.starts_with(b"#!"), "{path} is a script");
        let name = path.rsplit('/').next().unwrap();
        assert!(!["sh", "busybox", "getty", "login", "passwd", "shadow"].contains(&name), "{path}");
    }
    eprintln!("programs: {programs:?}\nmodules: {modules:#?}");
}

#[test]
fn every_library_is_there() {
    let Some(contents) = opened() else { return };
    let files = root_files(&contents);
    let names: BTreeSet<_> = files.keys().map(|path| path.rsplit('/').next().unwrap()).collect();
    for (path, data) in
        files.iter().filter(|(path, data)| data.starts_with(b"\x7fELF") && !path.ends_with(".ko"))
    {
        for library in elf::needed(data).unwrap() {
            assert!(names.contains(library.as_str()), "{path} needs {library}");
        }
    }
    assert!(files.contains_key("usr/lib/ld-linux-aarch64.so.1"));
    assert_eq!(contents.root.0["lib"], Node::Link("usr/lib".into()));
}

#[test]
fn modules_are_loaded_after_those_they_need() {
    let Some(contents) = opened() else { return };
    let files = root_files(&contents);
    let name_of = |path: &str| path.rsplit('/').next().unwrap().trim_end_matches(".ko").replace('-', "_");
    let list = std::str::from_utf8(files["etc/oratype/modules"]).unwrap();
    let mut loaded = BTreeSet::new();
    for path in list.lines() {
        let module = files[path.trim_start_matches('/')];
        for (key, value) in elf::modinfo(module).unwrap() {
            // Built into the kernel or loaded before.
            let needed = value.split(',').map(|name| name.replace('-', "_")).filter(|name| !name.is_empty());
            for name in needed.filter(|_| key == "depends") {
                let is_module = files.keys().any(|path| path.ends_with(".ko") && name_of(path) == name);
                assert!(is_module && loaded.contains(&name), "{path} needs {name}");
            }
        }
        loaded.insert(name_of(path));
    }
    let modules = files.keys().filter(|path| path.ends_with(".ko")).count();
    assert_eq!(loaded.len(), modules);
    assert!(loaded.contains("dwc2") && loaded.contains("snd_soc_bcm2835_i2s"), "{loaded:?}");
}

#[test]
fn what_the_firmware_reads_is_there() {
    let Some(contents) = opened() else { return };
    let config = String::from_utf8(contents.files["config.txt"].clone()).unwrap();
    for line in config.lines() {
        if let Some(name) = line.strip_prefix("kernel=").or_else(|| line.strip_prefix("initramfs ")) {
            let name = name.split(' ').next().unwrap();
            assert!(contents.files.contains_key(name), "{name}");
        }
    }
    for name in
        ["bootcode.bin", "start_cd.elf", "fixup_cd.dat", "start4cd.elf", "fixup4cd.dat", "licences.txt"]
    {
        assert!(contents.files[name].len() > 1000, "{name}");
    }
    // An arm64 Image: Documentation/arch/arm64/booting.rst, magic number at 56.
    assert_eq!(&contents.files["vmlinuz"][56..60], b"ARM\x64");
    assert_eq!(contents.files["oratype.toml"], fs::read(workspace().join("app/oratype.toml")).unwrap());
}

#[test]
fn device_trees_have_the_microphone_and_the_usb_device() {
    let Some(contents) = opened() else { return };
    if Command::new("fdtget").arg("--version").output().is_err() {
        return not_run("fdtget is missing; it is in the package device-tree-compiler");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for (name, tree) in contents.files.iter().filter(|(name, _)| name.ends_with(".dtb")) {
        let path = folder.path().join(name);
        fs::write(&path, tree).unwrap();
        let get = |node: &str, property: &str| {
            let output = Command::new("fdtget").arg(&path).args([node, property]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(get("/soc/usb@7e980000", "dr_mode"), "peripheral", "{name}");
        assert_eq!(get("/soc/i2s@7e203000", "status"), "okay", "{name}");
        assert_eq!(get("/sound", "compatible"), "simple-audio-card", "{name}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen} device trees");
}

#[test]
fn the_file_system_is_sound() {
    let Some(image) = image() else { return };
    if Command::new("fsck.vfat").arg("--help").output().is_err() {
        return not_run("fsck.vfat is missing; it is in the package dosfstools");
    }
    let folder = tempfile::tempdir().unwrap();
    let partition = folder.path().join("partition");
    fs::write(&partition, &fs::read(image).unwrap()[PARTITION_START_BYTES..]).unwrap();
    let output = Command::new("fsck.vfat").arg("-n").arg(&partition).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn checksums_are_those_of_the_files() {
    let Some(image) = image() else { return };
    let sums = image.with_extension("sha256");
    let Ok(sums) = fs::read_to_string(&sums) else {
        return not_run(&format!(
            "{} is missing; scripts/build-image without --image-only makes it",
            sums.display()
        ));
    };
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let contents = fs::read(image.with_file_name(name)).unwrap();
        assert_eq!(sum, hex(&Sha256::digest(&contents)), "{name}");
        assert!(!name.ends_with(".xz") || contents.len() <= publish::COMPRESSED_BYTES_MAX);
    }
}
