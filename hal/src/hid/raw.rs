//! Raw 8-byte reports to a path: a regular file, a named pipe, or a character device that takes bytes.
//!
//! A node of a USB gadget needs more than bytes: see [`GadgetKeyboard`](super::GadgetKeyboard).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

use super::{HostLeds, Keyboard, KeyboardError, OpenError, Report, errno_of};

/// The longest a `send` waits for the host: the limit the trait sets.
const WAIT_MS: u8 = 50;

/// Reports as bytes, one `write` each and none kept back. A reader that leaves a pipe is noticed by EPIPE, so SIGPIPE
/// must stay ignored, as it is in every Rust program.
#[derive(Debug)]
pub struct ReportStream {
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    File(File),
    /// `None` until somebody reads: opening for writing is refused before that (ENXIO). Once open it stays open,
    /// so that reports in the pipe survive a change of readers. While nobody reads, a write gives EPIPE.
    Fifo {
        path: PathBuf,
        pipe: Option<File>,
    },
    Device(File),
}

impl ReportStream {
    /// Open a character device or a named pipe; anything else is created or emptied as a regular file.
    ///
    /// # Errors
    /// When the path cannot be written, or is a directory, a disk or a socket.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let sink = match fs::metadata(path).map(|m| m.file_type()) {
            Ok(kind) if kind.is_char_device() => Sink::Device(
                OpenOptions::new()
                    .write(true)
                    .custom_flags(O_NONBLOCK)
                    .open(path)
                    .map_err(|e| OpenError::new(path, errno_of(&e), device_remedy(&e)))?,
            ),
            Ok(kind) if kind.is_fifo() => {
                let pipe = open_fifo(path)
                    .map_err(|e| OpenError::new(path, e, "make the pipe writable for this user"))?;
                Sink::Fifo { path: path.to_owned(), pipe }
            }
            Ok(kind) if !kind.is_file() => {
                return Err(OpenError::new(
                    path,
                    Errno::EINVAL,
                    "give a file, a named pipe or a HID gadget device such as /dev/hidg0",
                ));
            }
            // Creating a regular file among the devices would swallow every report unseen.
            Err(e) if e.kind() == io::ErrorKind::NotFound && path.parent() == Some(Path::new("/dev")) => {
                return Err(OpenError::new(
                    path,
                    Errno::ENOENT,
                    "set up the USB HID gadget first (configfs, modules libcomposite and usb_f_hid)",
                ));
            }
            _ => Sink::File(File::create(path).map_err(|e| {
                OpenError::new(path, errno_of(&e), "give a path in a folder that exists and can be written")
            })?),
        };
        Ok(Self { sink })
    }
}

fn device_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root, or allow this user by a udev rule",
        _ => "check that the device is there and nothing else has it open",
    }
}

/// Open for writing without waiting for a reader; `None` while there is none.
fn open_fifo(path: &Path) -> Result<Option<File>, Errno> {
    match OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(path) {
        Ok(pipe) => Ok(Some(pipe)),
        Err(e) => match errno_of(&e) {
            Errno::ENXIO => Ok(None),
            errno => Err(errno),
        },
    }
}

impl Keyboard for ReportStream {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        let file: &File = match &mut self.sink {
            Sink::File(file) | Sink::Device(file) => file,
            Sink::Fifo { path, pipe } => {
                if pipe.is_none() {
                    *pipe = open_fifo(path).map_err(KeyboardError::Failed)?;
                }
                pipe.as_ref().ok_or(KeyboardError::HostAway)?
            }
        };
        write_report(file, &report.to_bytes())
    }

    /// A path has none.
    fn host_leds(&mut self) -> Option<HostLeds> {
        None
    }
}

/// One report in one `write`, which takes all of it or nothing: a pipe because 8 bytes are fewer than PIPE_BUF, a
/// file because reports never straddle the blocks of a disk that fills up.
fn write_report(file: &File, bytes: &[u8; Report::BYTES]) -> Result<(), KeyboardError> {
    let written = match unistd::write(file, bytes) {
        // Only then wait: a pipe polls as full while its last page still takes reports.
        Err(Errno::EAGAIN) => {
            // Whatever poll says, the next write knows better.
            let _ = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLOUT)], PollTimeout::from(WAIT_MS));
            unistd::write(file, bytes)
        }
        other => other,
    };
    match written {
        Ok(Report::BYTES) => Ok(()),
        Ok(_) => Err(KeyboardError::Failed(Errno::EIO)),
        // EPIPE: nobody reads the named pipe now.
        Err(Errno::EAGAIN | Errno::EPIPE | Errno::EINTR) => Err(KeyboardError::HostAway),
        Err(errno) => Err(KeyboardError::Failed(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use nix::pty::openpty;
    use nix::sys::stat::Mode;
    use nix::sys::termios;

    use super::*;
    use crate::hid::Decoder;
    use crate::hid::conformance::{self, Fixture};

    fn decode(bytes: &[u8]) -> String {
        let (reports, rest) = bytes.as_chunks::<{ Report::BYTES }>();
        assert!(rest.is_empty(), "a split report");
        let (mut decoder, mut text) = (Decoder::new(), String::new());
        for &report in reports {
            decoder.decode(Report::from_bytes(report)).for_each(|typed| typed.apply(&mut text));
        }
        text
    }

    struct InFile {
        folder: tempfile::TempDir,
        stream: ReportStream,
    }

    fn in_file() -> InFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports");
        fs::write(&path, "what was there before").unwrap();
        InFile { stream: ReportStream::open(&path).unwrap(), folder }
    }

    impl Fixture for InFile {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            &mut self.stream
        }
        fn typed(&mut self) -> String {
            decode(&fs::read(self.folder.path().join("reports")).unwrap())
        }
    }

    #[test]
    fn a_file_conforms() {
        conformance::run(in_file);
    }

    struct InFifo {
        path: PathBuf,
        _folder: tempfile::TempDir,
        stream: ReportStream,
        reader: Option<File>,
        bytes: Vec<u8>,
    }

    fn open_reader(path: &Path) -> File {
        OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path).unwrap()
    }

    fn in_fifo() -> InFifo {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let stream = ReportStream::open(&path).unwrap();
        let reader = Some(open_reader(&path));
        InFifo { path, _folder: folder, stream, reader, bytes: Vec::new() }
    }

    impl Fixture for InFifo {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            &mut self.stream
        }
        fn typed(&mut self) -> String {
            // Ends with WouldBlock: the writer still has it open.
            let _ = self.reader.as_mut().unwrap().read_to_end(&mut self.bytes);
            decode(&self.bytes)
        }
        fn set_host_present(&mut self, present: bool) -> bool {
            self.reader = present.then(|| open_reader(&self.path));
            true
        }
    }

    #[test]
    fn a_named_pipe_conforms() {
        conformance::run(in_fifo);
    }

    /// A terminal in raw mode stands for a device. The kernel hands the bytes over in its own time, so the reader
    /// waits for what it knows to be coming.
    struct InDevice {
        stream: ReportStream,
        _device: OwnedFd,
        host: File,
        accepted: usize,
        bytes: Vec<u8>,
    }

    fn in_device() -> InDevice {
        let pty = openpty(None, None).unwrap();
        let mut raw = termios::tcgetattr(&pty.slave).unwrap();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&pty.slave, termios::SetArg::TCSANOW, &raw).unwrap();
        let stream = ReportStream::open(&unistd::ttyname(&pty.slave).unwrap()).unwrap();
        InDevice { stream, _device: pty.slave, host: pty.master.into(), accepted: 0, bytes: Vec::new() }
    }

    impl Keyboard for InDevice {
        fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
            self.stream.send(report)?;
            self.accepted += 1;
            Ok(())
        }
        fn host_leds(&mut self) -> Option<HostLeds> {
            self.stream.host_leds()
        }
    }

    impl Fixture for InDevice {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            self
        }
        fn typed(&mut self) -> String {
            let seen = self.bytes.len();
            self.bytes.resize(self.accepted * Report::BYTES, 0);
            self.host.read_exact(&mut self.bytes[seen..]).unwrap();
            decode(&self.bytes)
        }
    }

    #[test]
    fn a_device_conforms() {
        conformance::run(in_device);
    }

    const A: Report = Report { modifiers: 0, keys: [0x04, 0, 0, 0, 0, 0] };

    #[test]
    fn a_named_pipe_waits_for_its_first_reader() {
        let mut f = in_fifo();
        f.reader = None;
        assert_eq!(f.stream.send(A), Err(KeyboardError::HostAway));
        f.set_host_present(true);
        assert_eq!(f.stream.send(A), Ok(()));
        assert_eq!(f.typed(), "a");
    }

    #[test]
    fn reports_in_the_pipe_survive_a_change_of_readers() {
        let mut f = in_fifo();
        f.stream.send(A).unwrap();
        f.set_host_present(false);
        f.set_host_present(true);
        assert_eq!(f.typed(), "a");
    }

    #[test]
    fn a_full_pipe_is_a_host_that_is_away() {
        let mut f = in_fifo();
        let mut accepted = 0;
        let refused = loop {
            match f.stream.send(Report::RELEASED) {
                Ok(()) => accepted += 1,
                Err(e) => break e,
            }
        };
        assert_eq!(refused, KeyboardError::HostAway);
        f.typed();
        assert_eq!(f.bytes.len(), accepted * Report::BYTES);
        assert_eq!(f.stream.send(A), Ok(()));
        assert_eq!(f.typed(), "a");
    }

    #[test]
    fn the_bytes_are_the_boot_report() {
        let mut f = in_file();
        f.stream.send(Report { modifiers: 0x22, keys: [1, 2, 3, 4, 5, 6] }).unwrap();
        assert_eq!(fs::read(f.folder.path().join("reports")).unwrap(), [0x22, 0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let mut stream = ReportStream::open(Path::new("/dev/full")).unwrap();
        assert_eq!(stream.send(A), Err(KeyboardError::Failed(Errno::ENOSPC)));
    }

    #[test]
    fn refusals_name_path_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            (folder.path().to_owned(), "named pipe"),
            (folder.path().join("none/reports"), "folder that exists"),
            (PathBuf::from("/dev/hidg-none"), "USB HID gadget"),
        ];
        for (path, remedy) in cases {
            let message = ReportStream::open(&path).unwrap_err().to_string();
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            assert!(message.contains(remedy), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
