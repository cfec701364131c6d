//! The file systems that the kernel provides, and where they belong.

use std::fs;

use nix::mount::{MsFlags, mount};

/// File system, mount point, options.
type Mount = (&'static str, &'static str, &'static str);

/// What everything else needs.
pub(crate) const FIRST: [Mount; 4] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    // Debian's kernel does not mount it by itself (DEVTMPFS_MOUNT).
    ("devtmpfs", "/dev", "mode=0755"),
    ("tmpfs", "/run", "mode=0755"),
];

/// What modules provide or the program needs: the USB gadget's configuration, and sets of cores.
pub(crate) const AFTER_MODULES: [Mount; 2] =
    [("configfs", "/sys/kernel/config", ""), ("cgroup2", "/sys/fs/cgroup", "")];

/// Mount these, those that are mounted already left out: another init may have run before.
pub(crate) fn mount_all(mounts: &[Mount]) {
    for &(kind, target, options) in mounts {
        if is_mounted(&fs::read_to_string("/proc/self/mounts").unwrap_or_default(), target) {
            continue;
        }
        // In sysfs the folder is there or cannot be made.
        let _ = fs::create_dir_all(target);
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        if let Err(error) = mount(Some(kind), target, Some(kind), flags, Some(options)) {
            log::error!("{target}: cannot mount {kind}: {error}");
        }
    }
}

/// Whether `mounts`, of the format of fstab(5), has something at `target`.
fn is_mounted(mounts: &str, target: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(target))
}

#[cfg(test)]
mod tests {
    #[test]
    fn mounts_are_found_by_their_place() {
        let mounts = "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\n";
        assert!(super::is_mounted(mounts, "/proc"));
        assert!(!super::is_mounted(mounts, "/pro") && !super::is_mounted("", "/proc"));
    }
}
