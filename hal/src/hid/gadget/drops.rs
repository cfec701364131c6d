//! What the kernel's log says of reports that were dropped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{EPIPE, O_NONBLOCK};

/// Each read gives one record.
const KMSG: &str = "/dev/kmsg";

/// Beginning of what f_hid logs before it completes a report that the controller gave back with an error
/// (f_hidg_req_complete in drivers/usb/gadget/function/f_hid.c, unchanged since the driver's first version).
const DROPPED: &[u8] = b"End Point Request ERROR";

/// No record is longer (PRINTKRB_RECORD_MAX and the prefix, kernel/printk).
const RECORD_BYTES_MAX: usize = 2048;

/// The kernel's log from now on. Needs root where the log is not for everybody.
pub(super) struct DropLog(Option<File>);

impl DropLog {
    pub(super) fn open() -> Self {
        Self::from_end_of(Path::new(KMSG))
    }

    fn from_end_of(path: &Path) -> Self {
        let end = || -> std::io::Result<File> {
            let mut log = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
            log.seek(SeekFrom::End(0))?;
            Ok(log)
        };
        Self(end().inspect_err(|e| log::debug!("{}: {e}", path.display())).ok())
    }

    /// Whether a report was dropped since the last call; `None` if that is not to be learned.
    pub(super) fn was_dropped(&mut self) -> Option<bool> {
        let log = self.0.as_mut()?;
        let mut record = [0; RECORD_BYTES_MAX];
        let mut dropped = false;
        loop {
            match log.read(&mut record) {
                Ok(0) => return Some(dropped),
                Ok(length) => dropped |= record[..length].windows(DROPPED.len()).any(|part| part == DROPPED),
                // Records were overwritten before they were read; the next read gives the oldest that is left.
                Err(e) if e.raw_os_error() == Some(EPIPE) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Some(dropped),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_new_drops_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        let line = "3,1,2,-;configfs-gadget.oratype gadget.0: End Point Request ERROR: -108\n";
        std::fs::write(&path, line).unwrap();
        let mut log = DropLog::from_end_of(&path);
        assert_eq!(log.was_dropped(), Some(false));
        let mut kernel = OpenOptions::new().append(true).open(&path).unwrap();
        kernel.write_all(b"6,2,3,-;usb 1-1: new high-speed USB device\n").unwrap();
        assert_eq!(log.was_dropped(), Some(false));
        kernel.write_all(line.as_bytes()).unwrap();
        assert_eq!(log.was_dropped(), Some(true));
        assert_eq!(log.was_dropped(), Some(false));
    }

    #[test]
    fn without_a_log_nothing_is_known() {
        assert_eq!(DropLog::from_end_of(Path::new("/dev/no-such-log")).was_dropped(), None);
    }
}
