//! What sysfs knows of a block device, and whether it can be the SD card that is meant.

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::sd::error::Error;

/// Larger than any SD card of today that somebody would put this on, smaller than most disks.
const CARD_BYTES_MAX: u64 = 256_000_000_000;
/// sysfs counts in these, whatever the device's own sectors are.
const SECTOR_BYTES: u64 = 512;

/// A block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// As it was given.
    pub path: PathBuf,
    /// Its name in the kernel, such as `sdb`.
    pub name: String,
    /// Whether it is a whole device, not a partition.
    pub is_whole: bool,
    /// Whether its medium can be taken out, or the device itself can be unplugged.
    pub is_removable: bool,
    /// Whether it is write-protected.
    pub is_read_only: bool,
    /// Its size.
    pub bytes: u64,
    /// What its maker calls it.
    pub model: String,
    /// What is mounted, swapped on or stacked on it or its partitions.
    pub users: Vec<String>,
}

impl Device {
    /// What the kernel says of the block device at `path`; `sys` is where sysfs is mounted.
    pub fn look(path: &Path, sys: &Path) -> Result<Self, Error> {
        let path = path.canonicalize().map_err(Error::file(path))?;
        let metadata = path.metadata().map_err(Error::file(&path))?;
        if !metadata.file_type().is_block_device() {
            return Err(Error::invalid(path.display(), "not a block device; lsblk lists them"));
        }
        let number = metadata.rdev();
        let number = format!("{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let folder = sys.join("dev/block").join(number);
        let folder = folder.canonicalize().map_err(Error::file(&folder))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        Ok(Self { path, ..Self::from_sysfs(&folder, &mounts, &swaps) })
    }

    /// `folder` is the device's in sysfs; `mounts` is /proc/self/mountinfo, `swaps` /proc/swaps.
    fn from_sysfs(folder: &Path, mounts: &str, swaps: &str) -> Self {
        let text = |path: &str| fs::read_to_string(folder.join(path)).unwrap_or_default().trim().to_owned();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The device and its partitions, with what is stacked on them, as encryption and RAID are.
        let children = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let partitions = children.filter(|child| child.join("partition").exists());
        let volumes: Vec<_> = std::iter::once(folder.to_owned()).chain(partitions).collect();
        let users = volumes.iter().flat_map(|volume| users(volume, mounts, swaps)).collect();
        // A USB card reader and a card in an MMC slot say 0 in `removable` at times. What is soldered in says "MMC".
        let hangs_on = folder.to_string_lossy();
        let is_card = hangs_on.contains("/mmc_host/") && text("device/type") == "SD";
        let can_be_unplugged = hangs_on.contains("/usb") || is_card;
        Self {
            path: PathBuf::new(),
            is_whole: !folder.join("partition").exists(),
            is_removable: text("removable") == "1" || can_be_unplugged,
            is_read_only: text("ro") == "1",
            bytes: text("size").parse::<u64>().unwrap_or(0).saturating_mul(SECTOR_BYTES),
            model: [text("device/vendor"), text("device/model"), text("device/name")]
                .join(" ")
                .trim()
                .to_owned(),
            users,
            name,
        }
    }

    /// Refuse what cannot be an SD card to write `image_bytes` on.
    pub fn check(&self, image_bytes: u64) -> Result<(), Error> {
        let reason = if !self.is_whole {
            "a partition; name the whole device"
        } else if !self.is_removable {
            "not removable: this is no SD card"
        } else if !self.users.is_empty() {
            return Err(Error::invalid(
                self.path.display(),
                format!("in use ({}); unmount it first", self.users.join(", ")),
            ));
        } else if self.is_read_only {
            "write-protected; see the switch on the card or its adapter"
        } else if self.bytes == 0 {
            "there is no card in it"
        } else if self.bytes < image_bytes {
            "too small for the image"
        } else if self.bytes > CARD_BYTES_MAX {
            "too large for an SD card: is it a disk? Cards up to 256 GB are taken"
        } else {
            return Ok(());
        };
        Err(Error::invalid(self.path.display(), reason))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size_gb = self.bytes as f64 / 1e9;
        write!(
            f,
            "{}: {size_gb:.1} GB, {}",
            self.path.display(),
            if self.model.is_empty() { "?" } else { &self.model }
        )
    }
}

/// Who uses one device or partition.
fn users(folder: &Path, mounts: &str, swaps: &str) -> Vec<String> {
    let number = fs::read_to_string(folder.join("dev")).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // mountinfo(5): the third field is major:minor, the fifth the mount point.
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(2);
        (fields.next()? == number.trim())
            .then(|| fields.nth(1))
            .flatten()
            .map(|at| format!("mounted at {at}"))
    });
    let swap = swaps.lines().any(|line| line.split_whitespace().next() == Some(&format!("/dev/{name}")));
    let holders = fs::read_dir(folder.join("holders")).into_iter().flatten().flatten();
    let holders = holders.map(|holder| format!("part of {}", holder.file_name().to_string_lossy()));
    mounted.chain(swap.then(|| "swap".to_owned())).chain(holders).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;
    const IMAGE_BYTES: u64 = 128 << 20;

    fn card() -> Device {
        Device { name: "sdx".into(), is_whole: true, is_removable: true, bytes: 16 * GB, ..Device::default() }
    }

    #[test]
    fn a_card_is_taken_and_what_is_none_refused() {
        card().check(IMAGE_BYTES).unwrap();
        for (device, part) in [
            (Device { is_whole: false, ..card() }, "partition"),
            (Device { is_removable: false, ..card() }, "not removable"),
            (Device { users: vec!["mounted at /".into()], ..card() }, "mounted at /"),
            (Device { is_read_only: true, ..card() }, "write-protected"),
            (Device { bytes: 0, ..card() }, "no card"),
            (Device { bytes: IMAGE_BYTES - 1, ..card() }, "too small"),
            (Device { bytes: 500 * GB, ..card() }, "too large"),
        ] {
            let error = device.check(IMAGE_BYTES).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    /// A folder of sysfs for the device `sdx` with one partition, below `above`.
    fn sysfs(root: &Path, above: &str, removable: &str) -> PathBuf {
        let folder = root.join(above).join("block/sdx");
        fs::create_dir_all(folder.join("sdx1/holders")).unwrap();
        fs::create_dir_all(folder.join("device")).unwrap();
        for (file, text) in [
            ("removable", removable),
            ("ro", "0\n"),
            ("size", "31116288\n"),
            ("dev", "8:16\n"),
            ("device/model", "Card Reader \n"),
            ("sdx1/partition", "1\n"),
            ("sdx1/dev", "8:17\n"),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_device_is_read_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let folder = sysfs(root.path(), "devices/pci/usb1", "0\n");
        let device = Device::from_sysfs(&folder, "", "");
        let expected =
            Device { bytes: 31_116_288 * 512, model: "Card Reader".into(), users: vec![], ..card() };
        assert_eq!(device, expected);
        assert!(!Device::from_sysfs(&folder.join("sdx1"), "", "").is_whole);
        let disk = sysfs(root.path(), "devices/pci/ata1", "0\n");
        assert!(!Device::from_sysfs(&disk, "", "").is_removable);
        // In a slot for cards, or soldered in.
        for (kind, is_card) in [("SD\n", true), ("MMC\n", false)] {
            let slot = sysfs(root.path(), "devices/platform/mmc_host/mmc0", "0\n");
            fs::write(slot.join("device/type"), kind).unwrap();
            assert_eq!(Device::from_sysfs(&slot, "", "").is_removable, is_card, "{kind}");
        }
    }

    #[test]
    fn whoever_uses_a_partition_uses_the_device() {
        let root = tempfile::tempdir().unwrap();
        let folder = sysfs(root.path(), "devices/usb1", "1\n");
        let mounts =
            "36 35 8:17 / /media/card rw - vfat /dev/sdx1 rw\n37 35 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(Device::from_sysfs(&folder, mounts, "").users, ["mounted at /media/card"]);
        let swaps = "Filename Type Size\n/dev/sdx1 partition 100\n";
        assert_eq!(Device::from_sysfs(&folder, "", swaps).users, ["swap"]);
        fs::write(folder.join("sdx1/holders/dm-0"), "").unwrap();
        assert_eq!(Device::from_sysfs(&folder, "", "").users, ["part of dm-0"]);
    }

    #[test]
    fn a_file_is_no_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Device::look(file.path(), Path::new("/sys")).unwrap_err().to_string();
        assert!(error.contains("not a block device"), "{error}");
    }
}
