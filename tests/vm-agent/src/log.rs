//! The kernel's log, which the console does not show reliably: one read of `/dev/kmsg` is one record
//! (Documentation/ABI/testing/dev-kmsg).

use std::fs::File;
use std::io::{ErrorKind, Read};

use oratype_vm_agent::Message;

use crate::Failure;
use crate::port::Port;

/// No record is longer.
const RECORD_BYTES_MAX: usize = 8192;

/// Send it, from its beginning. Never ends.
pub(crate) fn follow(port: &Port) -> Result<(), Failure> {
    let mut log = File::open("/dev/kmsg")?;
    let mut record = [0; RECORD_BYTES_MAX];
    loop {
        match log.read(&mut record) {
            Ok(length) => port.send(&Message::Log(line(&String::from_utf8_lossy(&record[..length]))))?,
            // Records were overwritten before they were read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(format!("/dev/kmsg: {error}").into()),
        }
    }
}

/// `6,339,5140900,-;text\n KEY=value\n` as `[    5.140900] text`.
fn line(record: &str) -> String {
    let (prefix, text) = record.split_once(';').unwrap_or(("", record));
    let time_us: u64 = prefix.split(',').nth(2).and_then(|time| time.parse().ok()).unwrap_or(0);
    let text = text.lines().next().unwrap_or_default();
    format!("[{:5}.{:06}] {text}", time_us / 1_000_000, time_us % 1_000_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn records_become_lines() {
        let record = "6,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n";
        assert_eq!(super::line(record), "[    5.140900] NET: Registered");
    }
}
