//! Debian packages through apt, which checks the archive's signature; the hashes of the lock are checked here too.
//!
//! apt is a private one: its configuration file names the archive, the lists and the architecture
//! (`scripts/lib/apt.sh` makes it). Packages are only downloaded and unpacked, never installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::error::Error;
use super::lock::Locked;

/// A private apt and the folder its packages are kept in.
pub struct Apt {
    config: PathBuf,
    cache: PathBuf,
    /// Whether the package lists were fetched in this run.
    updated: bool,
}

/// The fields of one package in the archive's list.
type Stanza = BTreeMap<String, String>;

impl Apt {
    /// `config` is an apt.conf; what is downloaded is kept below `cache`, by its hash.
    pub fn new(config: &Path, cache: &Path) -> Result<Self, Error> {
        if !config.is_file() {
            return Err(Error::invalid(config.display(), "no such apt.conf; start scripts/build-image"));
        }
        // apt is started in other folders.
        let config = config.canonicalize().map_err(Error::file(config))?;
        Ok(Self { config, cache: cache.into(), updated: false })
    }

    /// Fetch the package lists, once in a run.
    pub fn update(&mut self) -> Result<(), Error> {
        if !self.updated {
            eprintln!("package lists: fetching");
            self.run("apt-get", &["update", "-qq", "-o", "APT::Update::Error-Mode=any"], Path::new("."))?;
            self.updated = true;
        }
        Ok(())
    }

    /// What the archive offers of each root package now, the kernel's metapackage replaced by the kernel.
    pub fn resolve(&self, roots: &[&str]) -> Result<Vec<Locked>, Error> {
        roots.iter().map(|root| self.candidate(root)).collect()
    }

    /// The version of `package` that apt would take. A metapackage of the kernel gives the kernel itself.
    pub fn candidate(&self, package: &str) -> Result<Locked, Error> {
        let missing = || Error::invalid(package, "the archive has no such package");
        let stanza = self.show(&["--no-all-versions", package])?.ok_or_else(missing)?;
        if package == KERNEL {
            let depends = stanza.get("Depends").ok_or_else(missing)?;
            let kernel = depends.split([',', ' ']).find(|word| is_kernel(word)).ok_or_else(missing)?;
            return self.candidate(kernel);
        }
        locked(&stanza).ok_or_else(missing)
    }

    /// The folder with the package's files, downloaded and unpacked where they are not there yet.
    pub fn unpacked(&mut self, package: &Locked) -> Result<PathBuf, Error> {
        let folder = self.cache.join("unpacked").join(&package.sha256);
        if folder.is_dir() {
            return Ok(folder);
        }
        let deb = self.downloaded(package)?;
        let part = self.cache.join("unpacked").join(format!("{}.part", package.sha256));
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part).map_err(Error::file(&part))?;
        self.run("dpkg-deb", &["--extract", &path_text(&deb)?, &path_text(&part)?], Path::new("."))?;
        fs::rename(&part, &folder).map_err(Error::file(&folder))?;
        Ok(folder)
    }

    /// The package's .deb file, its hash checked.
    fn downloaded(&mut self, package: &Locked) -> Result<PathBuf, Error> {
        let folder = self.cache.join("packages");
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let kept = folder.join(format!("{}.deb", package.sha256));
        if kept.is_file() {
            check(package, &kept)?;
            return Ok(kept);
        }
        eprintln!(
            "{} {}: downloading {:.1} MB",
            package.package,
            package.version,
            package.bytes as f64 / 1e6
        );
        let wanted = format!("{}={}", package.package, package.version);
        // The lists may be older than the archive.
        if self.show(&[&wanted])?.is_none() {
            self.update()?;
        }
        let gone = || Error::Gone { package: package.package.clone(), version: package.version.clone() };
        self.show(&[&wanted])?.ok_or_else(gone)?;
        let scratch = tempfile::tempdir_in(&folder).map_err(Error::file(&folder))?;
        let download = |apt: &Self| apt.run("apt-get", &["download", "-qq", &wanted], scratch.path());
        if download(self).is_err() {
            self.update()?;
            self.show(&[&wanted])?.ok_or_else(gone)?;
            download(self)?;
        }
        let entries = fs::read_dir(scratch.path()).map_err(Error::file(scratch.path()))?.flatten();
        let mut debs =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "deb"));
        let deb = debs.next().ok_or_else(|| Error::invalid(&wanted, "apt-get download left no file"))?;
        check(package, &deb)?;
        fs::rename(&deb, &kept).map_err(Error::file(&kept))?;
        Ok(kept)
    }

    /// The first stanza of `apt-cache show`; nothing where apt does not know the package or version.
    fn show(&self, arguments: &[&str]) -> Result<Option<Stanza>, Error> {
        let mut command = Command::new("apt-cache");
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C").arg("show").args(arguments);
        let output = command.output().map_err(|error| Error::Program {
            program: "apt-cache show".into(),
            reason: format!("{error}; images are built on Debian"),
        })?;
        let stanza = parse_stanza(&String::from_utf8_lossy(&output.stdout));
        Ok(Some(stanza).filter(|stanza| output.status.success() && !stanza.is_empty()))
    }

    fn run(&self, program: &str, arguments: &[&str], folder: &Path) -> Result<(), Error> {
        let failed = |reason: String| Error::Program {
            program: format!("{program} {}", arguments.join(" ")),
            reason: reason.trim().to_owned(),
        };
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C").args(arguments).current_dir(folder);
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(())
    }
}

/// Debian's metapackage that depends on the current kernel.
pub const KERNEL: &str = "linux-image-arm64";

/// Whether `name` is a kernel rather than a metapackage, which has no version in its name.
pub fn is_kernel(name: &str) -> bool {
    name.strip_prefix("linux-image-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn path_text(path: &Path) -> Result<String, Error> {
    path.to_str().map(Into::into).ok_or_else(|| Error::invalid(path.display(), "not a name in UTF-8"))
}

fn check(package: &Locked, deb: &Path) -> Result<(), Error> {
    let bytes = fs::read(deb).map_err(Error::file(deb))?;
    let found = super::hex(&Sha256::digest(&bytes));
    if found != package.sha256 {
        let expected = package.sha256.clone();
        return Err(Error::WrongHash { package: package.package.clone(), found, expected });
    }
    Ok(())
}

fn locked(stanza: &Stanza) -> Option<Locked> {
    Some(Locked {
        package: stanza.get("Package")?.clone(),
        version: stanza.get("Version")?.clone(),
        architecture: stanza.get("Architecture")?.clone(),
        bytes: stanza.get("Size")?.parse().ok()?,
        sha256: stanza.get("SHA256")?.clone(),
        file: stanza.get("Filename")?.rsplit('/').next()?.to_owned(),
    })
}

/// The first stanza of a package list (deb-control(5)): `Field: value`, continued by indented lines.
fn parse_stanza(text: &str) -> Stanza {
    let mut stanza = Stanza::new();
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some((field, value)) = line.split_once(':') {
            stanza.insert(field.to_owned(), value.trim().to_owned());
        }
    }
    stanza
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_becomes_a_locked_package() {
        let hash = "a".repeat(64);
        let text = format!(
            "Package: libx\nVersion: 1:2-3\nArchitecture: arm64\nDescription: one\n more: words\nSize: 12\n\
             SHA256: {hash}\nFilename: pool/main/libx/libx_2-3_arm64.deb\n\nPackage: other\n"
        );
        let expected = Locked {
            package: "libx".into(),
            version: "1:2-3".into(),
            architecture: "arm64".into(),
            bytes: 12,
            sha256: hash,
            file: "libx_2-3_arm64.deb".into(),
        };
        assert_eq!(locked(&parse_stanza(&text)), Some(expected));
        assert_eq!(locked(&parse_stanza("Package: virtual\n")), None);
    }

    #[test]
    fn a_kernel_has_a_version_in_its_name() {
        assert!(is_kernel("linux-image-6.12.107+deb13-arm64"));
        assert!(!is_kernel(KERNEL));
        assert!(!is_kernel("raspi-firmware"));
    }
}
