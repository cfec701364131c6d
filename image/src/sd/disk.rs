//! The card's contents: a partition table and one FAT partition.
//!
//! ```text
//!       0  master boot record: one partition, type 0x0c
//!   4 MiB  FAT32, label ORATYPE: firmware, kernel, initramfs, device trees, oratype.toml
//! 128 MiB  end
//! ```

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

use super::error::Error;

/// Size of an image. A power of two, which emulated SD cards must have; the limit that was set for the image.
pub const IMAGE_BYTES: usize = 128 << 20;
/// Where the partition begins: a multiple of the erase blocks of SD cards, 4 MiB on most.
pub const PARTITION_START_BYTES: usize = 4 << 20;
/// Sector of the master boot record and of FAT.
const SECTOR_BYTES: usize = 512;
/// The largest clusters with which the partition has the 65,525 that make it FAT32, the type 0x0c stands for.
const CLUSTER_BYTES: u32 = 1024;
/// FAT32 with LBA. The Raspberry Pi's boot ROM looks for it.
const PARTITION_TYPE: u8 = 0x0c;

const _: () = assert!(IMAGE_BYTES.is_power_of_two());
const _: () = assert!((IMAGE_BYTES - PARTITION_START_BYTES) / CLUSTER_BYTES as usize > 65_525 * 3 / 2);

/// Names and contents of the partition's files. There are no folders.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The whole image with these files. `mtime_s` (seconds since 1970) stamps every file, `id` the disk and the volume.
pub fn image(files: &Files, mtime_s: u32, id: u32) -> Result<Vec<u8>, Error> {
    let mut image = vec![0; IMAGE_BYTES];
    let (head, partition) = image.split_at_mut(PARTITION_START_BYTES);
    head[..SECTOR_BYTES].copy_from_slice(&master_boot_record(id));
    let total: usize = files.values().map(Vec::len).sum();
    format(partition, files, mtime_s, id).map_err(|error| {
        let reason =
            format!("{error}; {total} bytes of files, {} of room", IMAGE_BYTES - PARTITION_START_BYTES);
        Error::invalid("FAT partition", reason)
    })?;
    Ok(image)
}

/// The files of an image made by [`image`].
pub fn files(image: &[u8]) -> Result<Files, Error> {
    let broken =
        |error: &dyn ToString| Error::invalid("image", format!("no Oratype image: {}", error.to_string()));
    if image.get(510..512) != Some(&[0x55, 0xaa]) || image.get(450) != Some(&PARTITION_TYPE) {
        return Err(broken(&"it does not begin with its partition table"));
    }
    let partition = image.get(PARTITION_START_BYTES..).ok_or_else(|| broken(&"it is too short"))?;
    let volume =
        FileSystem::new(Cursor::new(partition.to_vec()), FsOptions::new()).map_err(|e| broken(&e))?;
    let mut files = Files::new();
    for entry in volume.root_dir().iter() {
        let entry = entry.map_err(|e| broken(&e))?;
        if entry.is_file() {
            let mut contents = vec![];
            entry.to_file().read_to_end(&mut contents).map_err(|e| broken(&e))?;
            files.insert(entry.file_name(), contents);
        }
    }
    Ok(files)
}

/// The bytes from the image's beginning that a card must have: behind them is free space only.
pub fn used_bytes(image: &[u8]) -> usize {
    let last = image.chunks(SECTOR_BYTES).rposition(|sector| sector.iter().any(|&byte| byte != 0));
    last.map_or(0, |last| (last + 1) * SECTOR_BYTES)
}

fn master_boot_record(id: u32) -> [u8; SECTOR_BYTES] {
    let start = (PARTITION_START_BYTES / SECTOR_BYTES) as u32;
    let sectors = ((IMAGE_BYTES - PARTITION_START_BYTES) / SECTOR_BYTES) as u32;
    let mut record = [0; SECTOR_BYTES];
    record[440..444].copy_from_slice(&id.to_le_bytes());
    let entry = &mut record[446..462];
    // Cylinder, head and sector cannot name what is beyond: all ones, as for every disk of today.
    entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[4] = PARTITION_TYPE;
    entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&start.to_le_bytes());
    entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    record
}

fn format(partition: &mut [u8], files: &Files, mtime_s: u32, id: u32) -> std::io::Result<()> {
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(CLUSTER_BYTES)
        .volume_id(id)
        .volume_label(*b"ORATYPE    ");
    fatfs::format_volume(Cursor::new(&mut *partition), options)?;
    // The boot sector and its copy say how far the partition is from the card's beginning.
    let hidden = ((PARTITION_START_BYTES / SECTOR_BYTES) as u32).to_le_bytes();
    for sector in [0, 6] {
        partition[sector * SECTOR_BYTES + 28..][..4].copy_from_slice(&hidden);
    }
    // The library asks for a clock that lives forever; one of these is made for each image.
    let clock: &'static FixedTime = Box::leak(Box::new(FixedTime(mtime_s)));
    let options = FsOptions::new().update_accessed_date(false).time_provider(clock);
    let volume = FileSystem::new(Cursor::new(&mut *partition), options)?;
    for (name, contents) in files {
        let mut file = volume.root_dir().create_file(name)?;
        file.write_all(contents)?;
        file.flush()?;
    }
    // Counts the free clusters, so that the number is there for those who trust it.
    volume.stats()?;
    volume.unmount()
}

/// A clock that stands still, in seconds since 1970.
#[derive(Debug)]
struct FixedTime(u32);

impl TimeProvider for FixedTime {
    fn get_current_date(&self) -> Date {
        let (year, month, day) = super::date(self.0);
        // FAT begins in 1980.
        if year < 1980 { Date { year: 1980, month: 1, day: 1 } } else { Date { year, month, day } }
    }

    fn get_current_date_time(&self) -> DateTime {
        let second = (self.0 % 86_400) as u16;
        let time = Time { hour: second / 3600, min: second / 60 % 60, sec: second % 60, millis: 0 };
        DateTime { date: self.get_current_date(), time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_files() -> Files {
        let mut files = Files::new();
        files.insert("bootcode.bin".into(), vec![1; 3000]);
        files.insert("a long name.txt".into(), b"text".to_vec());
        files.insert("oratype.toml".into(), vec![]);
        files
    }

    #[test]
    fn what_is_written_is_read_and_the_same_each_time() {
        let image = image(&some_files(), 1_700_000_000, 0x1234_5678).unwrap();
        assert_eq!(image.len(), IMAGE_BYTES);
        assert_eq!(files(&image).unwrap(), some_files());
        assert!(image == super::image(&some_files(), 1_700_000_000, 0x1234_5678).unwrap());
        // Metadata, two tables and a handful of clusters.
        assert!(used_bytes(&image) < PARTITION_START_BYTES + (2 << 20));
    }

    #[test]
    fn too_much_is_an_error() {
        let files = Files::from([("vmlinuz".to_owned(), vec![7; IMAGE_BYTES])]);
        let error = image(&files, 0, 0).unwrap_err().to_string();
        assert!(error.contains("bytes of files"), "{error}");
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(files(b"").is_err());
        assert!(files(&vec![0; IMAGE_BYTES]).is_err());
    }
}
