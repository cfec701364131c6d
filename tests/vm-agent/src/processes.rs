//! What runs in the machine, out of /proc: proc_pid_stat(5), proc_pid_status(5).

use std::path::Path;
use std::{fs, io};

use oratype_vm_agent::{Process, Thread};

/// All processes but those of the kernel.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    // One that ended meanwhile is not there.
    Ok(numbers(Path::new("/proc"))?.into_iter().filter_map(process).collect())
}

/// The entries of a folder whose names are numbers.
fn numbers(folder: &Path) -> io::Result<Vec<i32>> {
    Ok(fs::read_dir(folder)?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn process(pid: i32) -> Option<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let command = fs::read(folder.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    // The kernel's threads have no command line.
    if command.is_empty() {
        return None;
    }
    let status = Status(fs::read_to_string(folder.join("status")).ok()?);
    let threads = numbers(&folder.join("task")).ok()?;
    Some(Process {
        pid,
        parent: status.field("PPid")?.parse().ok()?,
        command,
        rss_bytes: status.bytes("VmRSS")?,
        peak_rss_bytes: status.bytes("VmHWM")?,
        locked_bytes: status.bytes("VmLck")?,
        threads: threads
            .into_iter()
            .filter_map(|tid| thread(&folder.join("task").join(tid.to_string()), tid))
            .collect(),
    })
}

fn thread(folder: &Path, tid: i32) -> Option<Thread> {
    let status = Status(fs::read_to_string(folder.join("status")).ok()?);
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // Fields from the third on; the second, the name, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Thread {
        tid,
        name: status.field("Name")?.to_owned(),
        core: field(39)? as usize,
        allowed: status.field("Cpus_allowed_list")?.to_owned(),
        policy: field(41)? as u32,
        priority: field(40)? as u32,
        cpu_ticks: field(14)? + field(15)?,
    })
}

/// A file of `Name:\tvalue` lines.
struct Status(String);

impl Status {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        Some(self.field(name)?.strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }
}
