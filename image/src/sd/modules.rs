//! Which kernel modules the image has, and the order they are loaded in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use liblzma::read::XzDecoder;

use super::elf;
use super::error::Error;

/// A kernel module, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Path below `/usr/lib/modules/VERSION`, without the compression's extension.
    pub path: String,
    /// The ELF file with its signature.
    pub data: Vec<u8>,
}

/// What a kernel package has: where its modules are, and what is built in.
pub struct Kernel {
    /// Such as `6.12.107+deb13-arm64`.
    pub version: String,
    folder: PathBuf,
    /// Name with underscores → path below the folder.
    modules: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

impl Kernel {
    /// Look at an unpacked kernel package.
    pub fn open(package: &Path) -> Result<Self, Error> {
        let all = package.join("usr/lib/modules");
        let mut versions = fs::read_dir(&all).map_err(Error::file(&all))?.flatten();
        let version = versions.next().ok_or_else(|| Error::invalid(all.display(), "no kernel modules"))?;
        let folder = version.path();
        let mut modules = BTreeMap::new();
        collect(&folder, &folder, &mut modules)?;
        let list = folder.join("modules.builtin");
        let builtin = fs::read_to_string(&list).map_err(Error::file(&list))?;
        let builtin = builtin.lines().map(|line| name_of(Path::new(line))).collect();
        Ok(Self { version: version.file_name().to_string_lossy().into_owned(), folder, modules, builtin })
    }

    /// The modules of `wanted` and all they depend on, in an order in which they can be loaded.
    pub fn select(&self, wanted: &[&str]) -> Result<Vec<Module>, Error> {
        let mut seen = BTreeSet::new();
        let mut order = vec![];
        for name in wanted {
            self.visit(&normalised(name), &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn visit(&self, name: &str, seen: &mut BTreeSet<String>, order: &mut Vec<Module>) -> Result<(), Error> {
        if self.builtin.contains(name) || !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.modules.get(name).ok_or_else(|| {
            let reason = format!("kernel {} has no such module; see board/boot/modules.txt", self.version);
            Error::invalid(name, reason)
        })?;
        let data = decompress(&self.folder.join(path))?;
        let info = elf::modinfo(&data).map_err(|error| Error::invalid(path.display(), error))?;
        for dependency in info.iter().flat_map(|(key, value)| dependencies(key, value)) {
            self.visit(&dependency, seen, order)?;
        }
        let path = path.to_string_lossy();
        order.push(Module { path: path.strip_suffix(".xz").unwrap_or(&path).to_owned(), data });
        Ok(())
    }
}

/// Names of the modules that a pair of `.modinfo` wants loaded before. Soft dependencies (`softdep=pre: a b`) are
/// wishes of modprobe; the list of modules names those that matter.
fn dependencies(key: &str, value: &str) -> Vec<String> {
    if key != "depends" {
        return vec![];
    }
    value.split(',').filter(|name| !name.is_empty()).map(normalised).collect()
}

/// The names in a list of modules: one a line, `#` begins a comment.
pub fn parse_list(text: &str) -> Vec<&str> {
    let names = text.lines().map(|line| line.split_once('#').map_or(line, |(name, _)| name).trim());
    names.filter(|name| !name.is_empty()).collect()
}

/// The kernel takes `-` and `_` in names of modules for the same.
fn normalised(name: &str) -> String {
    name.replace('-', "_")
}

/// Name of the module in a file such as `kernel/fs/fat/vfat.ko.xz`.
fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    normalised(file.split_once(".ko").map_or(&*file, |(name, _)| name))
}

fn collect(root: &Path, folder: &Path, modules: &mut BTreeMap<String, PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        if path.is_dir() {
            collect(root, &path, modules)?;
        } else if path.to_string_lossy().contains(".ko") {
            let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
            modules.insert(name_of(&below), below);
        }
    }
    Ok(())
}

fn decompress(path: &Path) -> Result<Vec<u8>, Error> {
    let file = fs::read(path).map_err(Error::file(path))?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(file);
    }
    let mut data = vec![];
    XzDecoder::new(&file[..]).read_to_end(&mut data).map_err(Error::file(path))?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_comments_and_names() {
        assert_eq!(parse_list("# Clocks\nfat\n\n vfat # file system\n"), ["fat", "vfat"]);
    }

    #[test]
    fn names_are_those_of_the_kernel() {
        assert_eq!(name_of(Path::new("kernel/drivers/snd-soc-core.ko.xz")), "snd_soc_core");
        assert_eq!(name_of(Path::new("kernel/fs/fat/fat.ko")), "fat");
        assert_eq!(dependencies("depends", "snd-pcm,snd"), ["snd_pcm", "snd"]);
        assert_eq!(dependencies("depends", ""), [""; 0]);
        assert_eq!(dependencies("license", "GPL"), [""; 0]);
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        let kernel = Kernel {
            version: "6.12".into(),
            folder: "/nowhere".into(),
            modules: BTreeMap::new(),
            builtin: BTreeSet::from(["mmc_block".to_owned()]),
        };
        assert_eq!(kernel.select(&["mmc-block"]).unwrap(), []);
        let error = kernel.select(&["dwc9"]).unwrap_err().to_string();
        assert!(error.contains("dwc9") && error.contains("6.12"), "{error}");
    }
}
