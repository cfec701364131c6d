//! Writing an image onto an SD card: which devices are taken, the question before, writing and verifying.
//!
//! Invariant: nothing is opened for writing before every check has passed and the device's name was typed.

pub mod device;

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc::O_EXCL;
use sha2::{Digest, Sha256};

use crate::model::progress::Progress;
use crate::sd::error::Error;
use device::Device;

/// Written and read at once.
const PIECE_BYTES: usize = 4 << 20;

nix::ioctl_none!(
    /// BLKFLSBUF of linux/fs.h: drop what is cached of a block device, so that reading reads the card.
    drop_cache,
    0x12,
    97
);

/// Write `image` onto the device at `device`, after the question on `output` was answered on `input`.
pub fn flash(
    image: &Path,
    device: &Path,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<(), Error> {
    // What is written should at least be one of ours.
    let contents = std::fs::read(image).map_err(Error::file(image))?;
    crate::sd::disk::files(&contents).map_err(|error| Error::invalid(image.display(), error))?;
    let device = Device::look(device, Path::new("/sys"))?;
    device.check(contents.len() as u64)?;
    ask(&device, input, output).map_err(Error::file(Path::new("standard input")))?;
    // With O_EXCL the kernel refuses a block device that anything else uses.
    let card = File::options().read(true).write(true).custom_flags(O_EXCL).open(&device.path);
    let mut card = card.map_err(Error::file(&device.path))?;
    write_and_verify(&contents, &mut card, &device)
}

/// Show the device, and go on only if its name is typed.
fn ask(device: &Device, input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    writeln!(output, "{device}\nEVERYTHING ON IT WILL BE LOST. To go on, type its name ({}):", device.name)?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    if answer.trim() == device.name {
        return Ok(());
    }
    Err(io::Error::other("another answer than the device's name: nothing was written"))
}

fn write_and_verify(contents: &[u8], card: &mut File, device: &Device) -> Result<(), Error> {
    let failed = |error| Error::file(&device.path)(error);
    let mut progress = Progress::new("writing", contents.len() as u64);
    let mut done = 0;
    for piece in contents.chunks(PIECE_BYTES) {
        card.write_all(piece).map_err(failed)?;
        // Else the progress would be that of writing into RAM.
        card.sync_data().map_err(failed)?;
        done += piece.len() as u64;
        progress.set(done);
    }
    drop(progress);
    // Else what is read back would come from RAM.
    // SAFETY: BLKFLSBUF takes no argument, and the descriptor is open.
    match unsafe { drop_cache(card.as_raw_fd()) } {
        // A file has no such cache; tests write to files.
        Ok(_) | Err(nix::errno::Errno::ENOTTY) => {}
        Err(errno) => return Err(failed(io::Error::from(errno))),
    }
    let mut card = File::open(&device.path).map_err(failed)?;
    let mut progress = Progress::new("verifying", contents.len() as u64);
    let mut read = vec![0; PIECE_BYTES];
    done = 0;
    for piece in contents.chunks(PIECE_BYTES) {
        let read = &mut read[..piece.len()];
        card.read_exact(read).map_err(failed)?;
        if Sha256::digest(&*read) != Sha256::digest(piece) {
            let reason = format!("what was read back at {done} is not what was written: the card is bad");
            return Err(Error::invalid(device.path.display(), reason));
        }
        done += piece.len() as u64;
        progress.set(done);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_devices_name_goes_on() {
        let device = Device { name: "sdx".into(), ..Device::default() };
        for (answer, is_yes) in
            [("sdx\n", true), (" sdx", true), ("y\n", false), ("", false), ("sdxx\n", false)]
        {
            let mut shown = vec![];
            assert_eq!(ask(&device, &mut answer.as_bytes(), &mut shown).is_ok(), is_yes, "{answer:?}");
            assert!(String::from_utf8(shown).unwrap().contains("(sdx)"));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let contents: Vec<u8> = (0..PIECE_BYTES + 1000).map(|i| (i % 251) as u8).collect();
        let mut card = tempfile::NamedTempFile::new().unwrap();
        let device = Device { path: card.path().into(), ..Device::default() };
        write_and_verify(&contents, card.as_file_mut(), &device).unwrap();
        assert!(std::fs::read(card.path()).unwrap() == contents);
    }

    #[test]
    fn a_card_that_keeps_something_else_is_found_out() {
        let contents = vec![1; PIECE_BYTES + 1000];
        let mut altered = contents.clone();
        altered[PIECE_BYTES + 500] = 2;
        // Written to one file, read back from the other.
        let mut written = tempfile::tempfile().unwrap();
        let read = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(read.path(), &altered).unwrap();
        let device = Device { path: read.path().into(), ..Device::default() };
        let error = write_and_verify(&contents, &mut written, &device).unwrap_err().to_string();
        assert!(error.contains(&format!("at {PIECE_BYTES}")), "{error}");
        std::fs::write(read.path(), &contents[..100]).unwrap();
        assert!(write_and_verify(&contents, &mut written, &device).is_err());
    }

    #[test]
    fn what_is_no_image_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, b"something else").unwrap();
        let result = flash(&image, Path::new("/dev/null"), &mut &b""[..], &mut io::sink());
        assert!(result.unwrap_err().to_string().contains("no Oratype image"));
    }
}
