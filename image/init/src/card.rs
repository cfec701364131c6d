//! The settings file on the card's FAT partition, and the lists beside it, copied into RAM. The partition is mounted
//! read-only, for the moment this takes.
//!
//! Whatever is wrong with the card, the program gets a settings file: an empty one, which means the defaults.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::kmsg::stage;

/// Where the program finds the settings.
pub(crate) const SETTINGS: &str = "/run/oratype/oratype.toml";

/// The settings on the partition.
const FILE: &str = "oratype.toml";
const MOUNT_POINT: &str = "/boot";
/// So much of the settings is copied: a byte more than the program takes, which then says so.
const FILE_BYTES_MAX: u64 = (256 << 10) + 1;
/// Lists of the user's own words: text files, but for those that the firmware reads.
const LIST_EXTENSION: &str = ".txt";
const FIRMWARE_FILES: [&str; 2] = ["config.txt", "cmdline.txt"];
/// All lists together: what one may have for the program, which takes a larger one for a mistake.
const LISTS_BYTES_MAX: u64 = 16 << 20;
/// A card that has not appeared by then will not: cards answer within 1 s of power (SD Physical Layer 4.2.3).
const CARD_WAIT_MAX: Duration = Duration::from_secs(5);
/// Then the card is given up too if it has appeared but does not let itself be read.
const READ_WAIT_MAX: Duration = Duration::from_secs(15);

/// What is copied of a card.
#[derive(Debug, Default, PartialEq)]
struct Files {
    settings: Vec<u8>,
    /// Name and contents.
    lists: Vec<(String, Vec<u8>)>,
}

/// Put the card's settings and lists where the program looks for them, or an empty settings file.
pub(crate) fn provide_settings() {
    let files = match read_with_a_bound() {
        Ok(files) => {
            stage("card read");
            files
        }
        Err(error) => {
            log::warn!("settings: {error}; going on with the defaults");
            Files::default()
        }
    };
    let folder = Path::new(SETTINGS).parent().unwrap_or(Path::new("/"));
    let write = |path: &Path, contents: &[u8]| {
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(path, contents)) {
            log::error!("{}: {error}", path.display());
        }
    };
    write(Path::new(SETTINGS), &files.settings);
    for (name, contents) in &files.lists {
        write(&folder.join(name), contents);
    }
}

/// Read the files in a thread of its own, which a broken card may hold up for as long as it likes.
fn read_with_a_bound() -> io::Result<Files> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("card".into()).spawn(move || sender.send(read_card()))?;
    receiver.recv_timeout(READ_WAIT_MAX).unwrap_or_else(|_| Err(io::Error::other("the card does not answer")))
}

fn read_card() -> io::Result<Files> {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC)?;
    watch.add_watch("/dev", AddWatchFlags::IN_CREATE)?;
    let has_slot = has_card_slot(Path::new("/proc/device-tree"));
    let wait = if has_slot { CARD_WAIT_MAX } else { Duration::ZERO };
    let deadline = Instant::now().checked_add(wait).unwrap_or_else(Instant::now);
    loop {
        let volumes = volumes(Path::new("/sys/block"), Path::new("/dev"));
        if !volumes.is_empty() {
            return first_with_settings(&volumes);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no card"));
        }
        let mut fds = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))? > 0 {
            // What was made is of no interest: look again.
            watch.read_events()?;
        }
    }
}

/// Read the files of the first volume that has settings.
fn first_with_settings(volumes: &[PathBuf]) -> io::Result<Files> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no volume");
    for volume in volumes {
        match read_from(volume) {
            Ok(files) => return Ok(files),
            Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", volume.display())),
        }
    }
    Err(last)
}

fn read_from(volume: &Path) -> io::Result<Files> {
    fs::create_dir_all(MOUNT_POINT)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(volume), MOUNT_POINT, Some("vfat"), flags, None::<&str>)?;
    let files = read_files(Path::new(MOUNT_POINT));
    // Lazily, if need be: nothing is open any more.
    umount2(MOUNT_POINT, MntFlags::MNT_DETACH)?;
    files
}

/// The settings, and the lists as far as there is room for them; a list that cannot be read is left out.
fn read_files(folder: &Path) -> io::Result<Files> {
    let mut files = Files { settings: read_file(&folder.join(FILE))?, lists: vec![] };
    let mut room = LISTS_BYTES_MAX;
    for name in names(folder) {
        let lower = name.to_lowercase();
        if !lower.ends_with(LIST_EXTENSION) || FIRMWARE_FILES.contains(&lower.as_str()) {
            continue;
        }
        let mut contents = vec![];
        let read = File::open(folder.join(&name))
            .and_then(|file| file.take(room.saturating_add(1)).read_to_end(&mut contents));
        match read {
            Err(error) => log::warn!("{name}: {error}; it is left out"),
            Ok(read) => match room.checked_sub(read as u64) {
                Some(left) => {
                    room = left;
                    // The case of letters does not count on a card; in RAM it does.
                    files.lists.push((lower, contents));
                }
                None => log::warn!("{name}: no room for it beside the other lists; it is left out"),
            },
        }
    }
    Ok(files)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut settings = vec![];
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut settings)?;
    Ok(settings)
}

/// Every partition of every disk, and a disk without partitions itself.
fn volumes(sys_block: &Path, dev: &Path) -> Vec<PathBuf> {
    let mut volumes = vec![];
    for disk in names(sys_block) {
        // Opening a disk waits until its partitions have been looked for.
        if disk.starts_with("loop") || disk.starts_with("ram") || File::open(dev.join(&disk)).is_err() {
            continue;
        }
        let is_partition = |name: &String| sys_block.join(&disk).join(name).join("partition").exists();
        let partitions: Vec<_> = names(&sys_block.join(&disk)).into_iter().filter(is_partition).collect();
        let names = if partitions.is_empty() { vec![disk] } else { partitions };
        volumes.extend(names.into_iter().map(|name| dev.join(name)));
    }
    volumes
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whether the device tree has an SD controller that is not switched off: then a card may still appear.
fn has_card_slot(folder: &Path) -> bool {
    // Nodes are folders and properties files; a node without a status is on (Devicetree Specification 2.3.4).
    let is_on = |node: &Path| fs::read(node.join("status")).map_or(true, |status| status.starts_with(b"ok"));
    names(folder).iter().any(|name| {
        let node = folder.join(name);
        // No symbolic links, which sysfs has too: a tree has no loops.
        let is_node = node.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        is_node && (name.starts_with("mmc") && name.contains('@') && is_on(&node) || has_card_slot(&node))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_before_disks_without_any() {
        let folder = tempfile::tempdir().unwrap();
        let [sys, dev] = ["sys", "dev"].map(|name| folder.path().join(name));
        for path in ["mmcblk0/mmcblk0p1", "mmcblk0/mmcblk0p2", "mmcblk0/queue", "loop0", "sda", "gone"] {
            fs::create_dir_all(sys.join(path)).unwrap();
        }
        for partition in ["mmcblk0p1", "mmcblk0p2"] {
            fs::write(sys.join("mmcblk0").join(partition).join("partition"), "1").unwrap();
        }
        fs::create_dir(&dev).unwrap();
        assert_eq!(volumes(&sys, &dev), [""; 0].map(PathBuf::from));
        for disk in ["mmcblk0", "loop0", "sda"] {
            fs::write(dev.join(disk), "").unwrap();
        }
        assert_eq!(volumes(&sys, &dev), ["mmcblk0p1", "mmcblk0p2", "sda"].map(|name| dev.join(name)));
    }

    #[test]
    fn a_card_is_waited_for_where_the_board_has_a_slot() {
        let tree = tempfile::tempdir().unwrap();
        assert!(!has_card_slot(tree.path()));
        let node = tree.path().join("soc/mmc@7e202000");
        fs::create_dir_all(&node).unwrap();
        assert!(has_card_slot(tree.path()));
        fs::write(node.join("status"), b"disabled\0").unwrap();
        assert!(!has_card_slot(tree.path()));
        fs::write(node.join("status"), b"okay\0").unwrap();
        assert!(has_card_slot(tree.path()));
    }

    #[test]
    fn lists_come_along_and_the_firmwares_files_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: usize| fs::write(folder.path().join(name), vec![b'x'; bytes]).unwrap();
        write("names.txt", 5);
        assert!(read_files(folder.path()).is_err(), "without settings it is some other volume");
        for name in [FILE, "config.txt", "cmdline.txt", "kernel8.img"] {
            write(name, 3);
        }
        write("Large.TXT", LISTS_BYTES_MAX as usize);
        fs::create_dir(folder.path().join("folder.txt")).unwrap();
        let files = read_files(folder.path()).unwrap();
        assert_eq!(files.settings, b"xxx");
        let lists: Vec<_> =
            files.lists.iter().map(|(name, list)| (name.as_str(), list.len() as u64)).collect();
        assert_eq!(lists, [("large.txt", LISTS_BYTES_MAX)], "and then there is no room for five bytes more");
    }

    #[test]
    fn what_is_no_settings_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert!(read_file(&path).is_err());
        fs::write(&path, vec![b'#'; FILE_BYTES_MAX as usize]).unwrap();
        assert_eq!(read_file(&path).unwrap().len() as u64, FILE_BYTES_MAX);
        fs::write(&path, vec![b'#'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert_eq!(read_file(&path).unwrap().len() as u64, FILE_BYTES_MAX);
        assert!(read_file(folder.path()).is_err());
    }
}
