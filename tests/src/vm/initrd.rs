//! What the tests add to the image's own initial file system: an archive that the kernel unpacks over it.
//!
//! The format is "newc": Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Regular file, executable by all; directory.
const FILE: u32 = 0o100_755;
const FOLDER: u32 = 0o040_755;

/// An archive being written.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    /// Folders that are in it.
    folders: Vec<PathBuf>,
}

impl Archive {
    /// Add a file, with the folders it lies in. A path that the image has replaces the image's file.
    pub fn file(&mut self, path: impl AsRef<Path>, contents: &[u8]) {
        let path = path.as_ref();
        let mut above: Vec<_> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        above.reverse();
        for folder in above {
            if !self.folders.iter().any(|known| known == folder) {
                self.folders.push(folder.to_owned());
                self.entry(&folder.to_string_lossy(), FOLDER, &[]);
            }
        }
        self.entry(&path.to_string_lossy(), FILE, contents);
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        let links = 1;
        // inode, mode, uid, gid, links, mtime, size, device of the file (2), device it is (2), name, checksum
        let name_size = path.len() as u32 + 1;
        let fields = [0, mode, 0, 0, links, 0, contents.len() as u32, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.map(|field| format!("{field:08X}")).concat().bytes());
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The archive, behind `first`.
    pub fn after(mut self, mut first: Vec<u8>) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        // The kernel looks for the next archive at a multiple of four, past zeros.
        first.resize(first.len().next_multiple_of(4), 0);
        first.extend(self.bytes);
        first
    }
}

/// Kernel modules in load order: each after those it needs.
///
/// # Errors
/// When one is not there or cannot be unpacked.
pub fn modules(folder: &Path, wanted: &[&str]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = BTreeMap::new();
    find(folder, &mut files)?;
    let mut modules = Vec::new();
    for name in wanted {
        add(&files, name, &mut modules)?;
    }
    Ok(modules)
}

/// As the kernel names modules.
fn kernel_name(name: &str) -> String {
    name.replace('-', "_")
}

fn find(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if let Some((name, _)) = path.file_name().and_then(|name| name.to_str()?.split_once(".ko")) {
            files.insert(kernel_name(name), path);
        }
    }
    Ok(())
}

fn add(files: &BTreeMap<String, PathBuf>, name: &str, modules: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let name = kernel_name(name);
    if modules.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    let path = files.get(&name).ok_or_else(|| io::Error::other(format!("no kernel module {name}")))?;
    let module = if path.extension().is_some_and(|extension| extension == "xz") {
        Command::new("xz").arg("-dc").arg(path).output()?.stdout
    } else {
        fs::read(path)?
    };
    // The section .modinfo holds strings, each with a zero behind it.
    for entry in module.split(|&byte| byte == 0) {
        if let Some(needs) = entry.strip_prefix(b"depends=") {
            for need in String::from_utf8_lossy(needs).split(',').filter(|need| !need.is_empty()) {
                add(files, need, modules)?;
            }
        }
    }
    modules.push((name, module));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_first_and_once() {
        let mut archive = Archive::default();
        archive.file("test/m/a", b"12345");
        archive.file("test/b", b"");
        let bytes = archive.after(vec![1; 5]);
        let text = String::from_utf8_lossy(&bytes[8..]);
        let places = ["test\0", "test/m\0", "test/m/a\0", "12345", "test/b\0", "TRAILER!!!\0"].map(|s| text.find(s));
        assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
        assert_eq!(text.matches("test\0").count(), 1);
        assert_eq!(text.matches("070701").count(), 5);
        assert_eq!(bytes.len() % 4, 0);
    }
}
