//! The root file system in RAM: what is in it, and what must not be.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::pinned::{SILERO_VAD, WHISPER_SHORT_Q8_0};

use super::cpio::{Node, Tree};
use super::elf;
use super::error::Error;
use super::modules::{Kernel, Module};

/// Where the program's models are.
const MODELS: &str = "usr/share/oratype/models";
/// Where Debian's loader looks for libraries without being told.
const LIBRARIES: &str = "usr/lib/aarch64-linux-gnu";
/// Folders that init mounts something on, and `tmp`.
const MOUNT_POINTS: [&str; 6] = ["proc", "sys", "dev", "run", "boot", "tmp"];
/// Of alsa-lib's data, what `hw:` and `plughw:` need: the definitions of those names.
const ALSA_FILES: [&str; 1] = ["usr/share/alsa/alsa.conf"];

/// What goes into the root file system.
pub struct Parts<'a> {
    /// The cross-built `oratype`.
    pub program: &'a Path,
    /// The cross-built `oratype-init`.
    pub init: &'a Path,
    /// Folder of the model files.
    pub models: &'a Path,
    /// Unpacked packages, in which libraries are looked for.
    pub packages: &'a [PathBuf],
    /// The kernel the modules are of.
    pub kernel: &'a Kernel,
    /// Modules in the order of loading.
    pub modules: &'a [Module],
    /// Version of the image, for `/etc/oratype/version`.
    pub version: &'a str,
}

/// Put the tree together.
pub fn tree(parts: &Parts<'_>) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    for folder in MOUNT_POINTS {
        tree.put(folder, Node::Folder(0o755));
    }
    tree.put("lib", Node::Link("usr/lib".into()));
    let programs = [("init", read(parts.init)?), ("usr/bin/oratype", read(parts.program)?)];
    for (path, program) in programs {
        add_libraries(&mut tree, parts.packages, path, &program)?;
        tree.file(path, 0o755, program);
    }
    for file in ALSA_FILES {
        tree.file(file, 0o644, find(parts.packages, file)?);
    }
    for model in [WHISPER_SHORT_Q8_0, SILERO_VAD] {
        let path = parts.models.join(model.name);
        let data = read(&path)?;
        if <[u8; 32]>::from(Sha256::digest(&data)) != model.sha256 {
            return Err(Error::invalid(
                path.display(),
                "not the model; `oratype-image model` fetches it again",
            ));
        }
        tree.file(&format!("{MODELS}/{}", model.name), 0o644, data);
    }
    let mut order = String::new();
    for module in parts.modules {
        let path = format!("usr/lib/modules/{}/{}", parts.kernel.version, module.path);
        order.push_str(&format!("/{path}\n"));
        tree.file(&path, 0o644, module.data.clone());
    }
    tree.file("etc/oratype/modules", 0o644, order.into_bytes());
    tree.file("etc/oratype/version", 0o644, format!("{}\n", parts.version).into_bytes());
    check(&tree)?;
    Ok(tree)
}

/// Add the libraries `program` needs, and those that they need.
fn add_libraries(tree: &mut Tree, packages: &[PathBuf], name: &str, program: &[u8]) -> Result<(), Error> {
    for library in elf::needed(program).map_err(|error| Error::invalid(name, error))? {
        // The loader is the one library that programs name by its path, /lib/ld-linux-aarch64.so.1.
        let is_loader = library.starts_with("ld-linux");
        let path = if is_loader { format!("usr/lib/{library}") } else { format!("{LIBRARIES}/{library}") };
        if tree.0.contains_key(&path) {
            continue;
        }
        let data = find(packages, &format!("{LIBRARIES}/{library}"))?;
        tree.file(&path, 0o755, data.clone());
        add_libraries(tree, packages, &library, &data)?;
    }
    Ok(())
}

fn find(packages: &[PathBuf], path: &str) -> Result<Vec<u8>, Error> {
    let found = packages.iter().map(|package| package.join(path)).find(|path| path.is_file());
    let found =
        found.ok_or_else(|| Error::invalid(path, "in none of the packages of image/packages.lock"))?;
    read(&found)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file(path))
}

/// Programs by which someone could get in, and name parts of modules that reach a network.
const FORBIDDEN_PROGRAMS: [&str; 16] = [
    "ash", "bash", "busybox", "dash", "dropbear", "getty", "agetty", "login", "sh", "sshd", "su", "sudo",
    "sulogin", "telnetd", "toybox", "udevd",
];
const FORBIDDEN_MODULES: [&str; 7] = [
    "drivers/net/",
    "net/",
    "drivers/bluetooth/",
    "/wireless/",
    "drivers/infiniband/",
    "cfg80211",
    "usb/gadget/function/usb_f_ecm",
];

/// What must not be in the image, if anything is: a shell, a login, a driver of a network.
pub fn check(tree: &Tree) -> Result<(), Error> {
    for (path, node) in tree.0.iter().filter(|(_, node)| !matches!(node, Node::Folder(_))) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let module = path.split_once("/kernel/").map(|(_, module)| module);
        let is_network = module.is_some_and(|module| {
            FORBIDDEN_MODULES.iter().any(|&part| {
                // `net/` is a folder at the top: the protocols.
                if part == "net/" { module.starts_with(part) } else { module.contains(part) }
            })
        });
        let is_script = matches!(node, Node::File(_, data) if data.starts_with(b"#!"));
        let is_etc_login = ["etc/passwd", "etc/shadow", "etc/inittab"].contains(&path.as_str());
        if FORBIDDEN_PROGRAMS.contains(&name) || is_network || is_script || is_etc_login {
            return Err(Error::invalid(path, "must not be in the image: no network, no shell, no login"));
        }
    }
    // Any program but the two is one too many.
    let programs = tree.0.iter().filter(|(path, node)| {
        let executable = matches!(node, Node::File(mode, _) if mode & 0o111 != 0);
        executable && !path.starts_with("usr/lib/")
    });
    let programs: Vec<_> = programs.map(|(path, _)| path.as_str()).collect();
    if programs != ["init", "usr/bin/oratype"] {
        return Err(Error::invalid(
            "initramfs",
            format!("its programs must be init and oratype, not {programs:?}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Tree {
        let mut tree = Tree::default();
        tree.file("init", 0o755, vec![]);
        tree.file("usr/bin/oratype", 0o755, vec![]);
        tree.file("usr/lib/ld-linux-aarch64.so.1", 0o755, vec![]);
        tree.file("usr/lib/modules/6.12/kernel/fs/fat/fat.ko", 0o644, vec![]);
        tree
    }

    #[test]
    fn the_image_may_have_what_it_needs() {
        check(&good()).unwrap();
    }

    #[test]
    fn ways_in_are_refused() {
        for path in [
            "bin/sh",
            "usr/bin/busybox",
            "sbin/getty",
            "etc/passwd",
            "usr/lib/modules/6.12/kernel/drivers/net/usb/smsc95xx.ko",
            "usr/lib/modules/6.12/kernel/net/bluetooth/bluetooth.ko",
            "usr/lib/modules/6.12/kernel/net/wireless/cfg80211.ko",
            "usr/lib/modules/6.12/kernel/drivers/bluetooth/hci_uart.ko",
        ] {
            let mut tree = good();
            tree.file(path, 0o644, vec![]);
            let error = check(&tree).unwrap_err().to_string();
            assert!(error.contains(path), "{error}");
        }
        for (path, data) in [("usr/bin/other", &b"\x7fELF"[..]), ("etc/run", b"#!/bin/x")] {
            let mut tree = good();
            tree.file(path, 0o755, data.to_vec());
            assert!(check(&tree).is_err(), "{path}");
        }
    }
}
