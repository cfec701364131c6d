//! The folder of finished files: nothing gets its final name before its hash was checked.
//!
//! Work in progress lives in `.scratch` inside the same folder (so that a rename is enough to
//! publish it), which is emptied at the start and at the end of every run.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::Error;
use super::pinned::{Pinned, Sha256Digest, hex};

/// Read in pieces of this size while hashing; large enough that system calls cost nothing.
const READ_BYTES: usize = 64 * 1024;

/// The output folder, locked against a second run for as long as this lives.
pub struct Store {
    dir: PathBuf,
    scratch: PathBuf,
    _lock: File,
}

impl Store {
    /// Makes the folder if need be and waits until no other run uses it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::disk(dir))?;
        let lock_path = dir.join(".lock");
        let lock = File::create(&lock_path).map_err(Error::disk(&lock_path))?;
        lock.lock().map_err(Error::disk(&lock_path))?;

        let store = Self { dir: dir.to_owned(), scratch: dir.join(".scratch"), _lock: lock };
        store.clean_scratch().map_err(Error::disk(&store.scratch))?;
        fs::create_dir(&store.scratch).map_err(Error::disk(&store.scratch))?;
        Ok(store)
    }

    /// Where the finished file `name` lives.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What has arrived of an unfinished download of `file`; kept between runs.
    pub fn part_path(&self, file: &Pinned) -> PathBuf {
        self.path(&format!("{}.part", file.name))
    }

    /// Folder for unfinished files, on the same file system as the finished ones.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Writes `file` through `write` and gives it its name if, and only if, the contents are the
    /// pinned ones.
    pub fn put(
        &self,
        file: &Pinned,
        write: impl FnOnce(&mut HashingWriter<io::BufWriter<File>>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let temporary = self.scratch.join(file.name);
        let out = File::create(&temporary).map_err(Error::disk(&temporary))?;
        let mut out = HashingWriter::new(io::BufWriter::new(out));
        write(&mut out).and_then(|()| out.flush()).map_err(Error::disk(&temporary))?;
        check(file, file.name, out.written_bytes, &out.digest())?;
        self.publish(&temporary, file)
    }

    /// Gives the checked file at `from` its final name. It is on the disk when this returns: after
    /// a power cut there is the old file or the whole new one.
    pub(crate) fn publish(&self, from: &Path, file: &Pinned) -> Result<(), Error> {
        let to = self.path(file.name);
        File::open(from).and_then(|f| f.sync_all()).map_err(Error::disk(from))?;
        fs::rename(from, &to).map_err(Error::disk(&to))?;
        // An earlier run may have begun a download that is now not needed.
        let part = self.part_path(file);
        ignore_missing(fs::remove_file(&part)).map_err(Error::disk(&part))?;
        File::open(&self.dir).and_then(|d| d.sync_all()).map_err(Error::disk(&self.dir))
    }

    fn clean_scratch(&self) -> io::Result<()> {
        ignore_missing(fs::remove_dir_all(&self.scratch))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Failure is harmless: the next run empties the folder again.
        let _ = self.clean_scratch();
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Whether `path` is there with the pinned contents of `file`.
pub fn is_intact(path: &Path, file: &Pinned) -> Result<bool, Error> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == file.size_bytes => Ok(hash_file(path)? == file.sha256),
        Ok(_) => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::disk(path)(e)),
    }
}

/// SHA-256 of the file at `path`.
pub fn hash_file(path: &Path) -> Result<Sha256Digest, Error> {
    let mut file = File::open(path).map_err(Error::disk(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer).map_err(Error::disk(path))? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Compares contents that are in memory with the pinned ones.
pub fn check_bytes(file: &Pinned, bytes: &[u8]) -> Result<(), Error> {
    check(file, file.name, bytes.len() as u64, &Sha256::digest(bytes).into())
}

/// Compares size and digest with the pinned ones. `name` is what an error calls the file.
pub(crate) fn check(file: &Pinned, name: &str, size_bytes: u64, sha256: &Sha256Digest) -> Result<(), Error> {
    let wrong = |found, expected| Error::WrongContents { name: name.to_owned(), found, expected };
    if size_bytes != file.size_bytes {
        return Err(wrong(format!("{size_bytes} bytes"), format!("{} bytes", file.size_bytes)));
    }
    if *sha256 != file.sha256 {
        return Err(wrong(format!("SHA-256 {}", hex(sha256)), format!("SHA-256 {}", hex(&file.sha256))));
    }
    Ok(())
}

/// Passes everything on to `inner` and keeps the digest of it.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    written_bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Starts with an empty digest.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), written_bytes: 0 }
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// SHA-256 of everything written so far.
    pub fn digest(&self) -> Sha256Digest {
        self.hasher.clone().finalize().into()
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.written_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(contents: &[u8]) -> Pinned {
        Pinned {
            name: "file.bin",
            size_bytes: contents.len() as u64,
            sha256: Sha256::digest(contents).into(),
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn right_contents_get_their_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = pinned(b"right");
        let store = Store::open(dir.path()).unwrap();
        assert!(!is_intact(&store.path(file.name), &file).unwrap());
        store.put(&file, |out| out.write_all(b"right")).unwrap();
        assert!(is_intact(&store.path(file.name), &file).unwrap());
        drop(store);
        assert_eq!(names(dir.path()), [".lock", "file.bin"]);
    }

    #[test]
    fn wrong_contents_leave_nothing_and_keep_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file.bin"), b"old").unwrap();
        let store = Store::open(dir.path()).unwrap();
        for wrong in [&b"wrong"[..], b"too long", b""] {
            let result = store.put(&pinned(b"right"), |out| out.write_all(wrong));
            assert!(matches!(result, Err(Error::WrongContents { .. })), "{result:?}");
        }
        drop(store);
        assert_eq!(fs::read(dir.path().join("file.bin")).unwrap(), b"old");
        assert_eq!(names(dir.path()), [".lock", "file.bin"]);
    }

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".scratch/deep")).unwrap();
        fs::write(dir.path().join(".scratch/deep/half"), b"half").unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(names(store.scratch()), [""; 0]);
    }

    #[test]
    fn a_file_of_the_right_size_with_one_wrong_bit_is_not_intact() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.bin");
        fs::write(&path, b"rigit").unwrap();
        assert!(!is_intact(&path, &pinned(b"right")).unwrap());
    }

    #[test]
    fn an_unusable_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a file");
        fs::write(&file, b"").unwrap();
        let error = Store::open(&file.join("models")).err().unwrap().to_string();
        assert!(error.contains("a file"), "{error}");
    }
}
