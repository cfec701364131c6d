//! Cores for one process alone: a partition of cgroup v2's cpuset.
//!
//! The kernel takes the partition's cores away from every other process, the kernel's own unbound threads included,
//! and goes on balancing the threads within. See "Cpuset Interface Files" in the kernel's
//! Documentation/admin-guide/cgroup-v2.rst. `isolcpus` on the kernel command line would take the cores out of
//! balancing, and threads that merely inherit a mask of several such cores all stay on one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the appliance mounts cgroup v2.
pub const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Why there is no partition. Keep threads off the cores by their affinity instead.
#[derive(Debug, thiserror::Error)]
pub enum CpusetError {
    /// No cgroup v2 with a cpuset is mounted there, or this user may not change it.
    #[error(
        "{}: {error}: needs cgroup v2 with its cpuset controller (CONFIG_CPUSETS), and root", file.display()
    )]
    Refused {
        /// The file that was written.
        file: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The kernel does not give these cores away.
    #[error("{}: the kernel says \"{state}\": ask for fewer cores, or for others", file.display())]
    Invalid {
        /// `cpuset.cpus.partition`.
        file: PathBuf,
        /// What is in it.
        state: String,
    },
}

/// Cores that belong to the processes admitted to it, and to nobody else.
///
/// Dropping it gives the cores back, once the processes have ended.
#[derive(Debug)]
pub struct Partition {
    folder: PathBuf,
}

impl Partition {
    /// Set `cores` aside under the cgroup v2 mounted at `root`. `name` is the cgroup's; one of that name that an
    /// earlier run left behind is taken over.
    pub fn create(root: &Path, name: &str, cores: &[usize]) -> Result<Self, CpusetError> {
        write(root.join("cgroup.subtree_control"), "+cpuset")?;
        let folder = root.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CpusetError::Refused { file: folder, error });
            }
            _ => {}
        }
        // From here on dropping it undoes what was done.
        let partition = Self { folder };
        let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        write(partition.folder.join("cpuset.cpus"), &list)?;
        let state_file = partition.folder.join("cpuset.cpus.partition");
        write(state_file.clone(), "root")?;
        // A write that succeeds may leave an invalid partition all the same; the file then says why.
        match fs::read_to_string(&state_file) {
            Ok(state) if is_valid(&state) => Ok(partition),
            Ok(state) => Err(CpusetError::Invalid { file: state_file, state: state.trim().into() }),
            Err(error) => Err(CpusetError::Refused { file: state_file, error }),
        }
    }

    /// Let the process `pid` run on these cores, and on no others. Its threads must not be made yet, or must have
    /// inherited no narrower affinity.
    pub fn admit(&self, pid: u32) -> Result<(), CpusetError> {
        write(self.folder.join("cgroup.procs"), &pid.to_string())
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // Fails while a process is in it; the next run takes it over.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// `root`, or `root invalid (the reason)`.
fn is_valid(state: &str) -> bool {
    state.trim() == "root"
}

fn write(file: PathBuf, text: &str) -> Result<(), CpusetError> {
    // Not created: on any other file system the write must fail.
    let written = OpenOptions::new().write(true).open(&file).and_then(|mut f| f.write_all(text.as_bytes()));
    written.map_err(|error| CpusetError::Refused { file, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a cgroup in which a partition was left behind.
    fn cgroup() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("left")).unwrap();
        for file in
            ["cgroup.subtree_control", "left/cpuset.cpus", "left/cpuset.cpus.partition", "left/cgroup.procs"]
        {
            fs::write(root.path().join(file), "").unwrap();
        }
        root
    }

    #[test]
    fn cores_are_set_aside_and_processes_admitted() {
        let root = cgroup();
        let read = |file| fs::read_to_string(root.path().join(file)).unwrap();
        let partition = Partition::create(root.path(), "left", &[1, 3]).unwrap();
        partition.admit(4711).unwrap();
        assert_eq!(read("cgroup.subtree_control"), "+cpuset");
        assert_eq!(read("left/cpuset.cpus"), "1,3");
        assert_eq!(read("left/cpuset.cpus.partition"), "root");
        assert_eq!(read("left/cgroup.procs"), "4711");
    }

    #[test]
    fn a_folder_that_is_no_cgroup_is_refused_by_name_and_left_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let error = Partition::create(root.path(), "new", &[1]).unwrap_err();
        assert!(error.to_string().contains("cgroup.subtree_control"), "{error}");
        fs::write(root.path().join("cgroup.subtree_control"), "").unwrap();
        let error = Partition::create(root.path(), "new", &[1]).unwrap_err();
        assert!(error.to_string().contains("new/cpuset.cpus"), "{error}");
        assert!(!root.path().join("new").exists());
    }

    #[test]
    fn an_invalid_partition_is_known_by_its_state() {
        assert!(is_valid("root\n"));
        for state in ["member\n", "root invalid (Cpu list in cpuset.cpus not exclusive)\n", "", "isolated\n"]
        {
            assert!(!is_valid(state), "{state}");
        }
    }
}
