//! The SD card image: Debian's kernel and libraries, the Raspberry Pi's firmware, our programs, and nothing else.
//!
//! [`build`] makes it of the packages that `image/packages.lock` names, byte for byte. Equal inputs give an equal
//! image; nothing here looks at the clock, at names of this machine, or at the order of a folder.

pub mod apt;
pub mod bom;
pub mod cpio;
pub mod devicetree;
pub mod disk;
pub mod elf;
pub mod error;
pub mod lock;
pub mod modules;
pub mod publish;
pub mod rootfs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use oratype_board::raspberry::{CMDLINE_TXT, CONFIG_TXT, MODULES_TXT};
use sha2::{Digest, Sha256};

use apt::Apt;
use cpio::Tree;
use error::Error;
use lock::Locked;
use modules::Kernel;

/// The Debian packages that the image takes something from, the kernel by its metapackage. gcc-14-base has the licence
/// of libgcc-s1 and libstdc++6.
const PACKAGES: [&str; 8] = [
    apt::KERNEL,
    "gcc-14-base",
    "raspi-firmware",
    "libasound2-data",
    "libasound2t64",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
];
/// Zero 2 W and 3A+: first stage, then the small firmware, which `gpu_mem=16` selects; 4B, 400, CM4 have the first
/// stage in their EEPROM.
const FIRMWARE: [&str; 5] = ["bootcode.bin", "start_cd.elf", "fixup_cd.dat", "start4cd.elf", "fixup4cd.dat"];
/// Level of zstd. Higher ones take much longer and gain little: the models hardly shrink.
const ZSTD_LEVEL: i32 = 15;
/// What a cheap SD card reads in a second.
const CARD_BYTES_PER_S: f64 = 10e6;

/// What [`build`] is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workspace: licences, overlays, the example settings.
    pub root: PathBuf,
    /// apt.conf of the private apt.
    pub apt_config: PathBuf,
    /// The lock file.
    pub lock: PathBuf,
    /// Build with current versions where locked ones are gone.
    pub allow_newer: bool,
    /// The cross-built `oratype`.
    pub program: PathBuf,
    /// The cross-built `oratype-init`.
    pub init: PathBuf,
    /// What the programs were built with, name and version each, `; ` between: part of what an image can be repeated
    /// from.
    pub built_with: String,
    /// Where the packages among that are unpacked.
    pub sysroot: PathBuf,
    /// Folder of the model files.
    pub models: PathBuf,
    /// Where packages are kept between builds.
    pub cache: PathBuf,
    /// Folder of the results.
    pub out: PathBuf,
    /// The commit that is built, for `/etc/oratype/version`.
    pub commit: String,
    /// Its time in seconds since 1970: the time stamp of every file.
    pub time_s: u32,
    /// Leave out the compressed image and the manifest that names it, which take longest.
    pub image_only: bool,
    /// Where the compressed image will be published, ending with `/`.
    pub download_url: String,
}

/// Build the image and the files beside it into `options.out`.
pub fn build(options: &Options) -> Result<(), Error> {
    let version = env!("CARGO_PKG_VERSION");
    let mut apt = Apt::new(&options.apt_config, &options.cache)?;
    let (packages, folders) = fetch(&mut apt, options)?;
    let folder_of = |wanted: &dyn Fn(&str) -> bool| {
        let found = packages.iter().position(|package| wanted(&package.package));
        let missing = || Error::invalid(options.lock.display(), "a package is missing; --refresh-lock");
        Ok(folders[found.ok_or_else(missing)?].clone())
    };
    let kernel_folder = folder_of(&apt::is_kernel)?;
    let firmware_folder = folder_of(&|name| name == "raspi-firmware")?;
    let kernel = Kernel::open(&kernel_folder)?;

    eprintln!("initramfs: Linux {}", kernel.version);
    let modules = kernel.select(&modules::parse_list(MODULES_TXT))?;
    let root = rootfs::tree(&rootfs::Parts {
        program: &options.program,
        init: &options.init,
        models: &options.models,
        packages: &folders,
        kernel: &kernel,
        modules: &modules,
        version: &format!("{version} ({})", options.commit),
    })?;
    let archive = root.to_cpio(options.time_s);
    let initrd = zstd::bulk::compress(&archive, ZSTD_LEVEL).map_err(Error::file(Path::new("initrd.img")))?;

    let mut components = bom::packages(&packages, &folders)?;
    components.extend(bom::crates(&options.root)?);
    components.extend(bom::others(&options.built_with, &options.sysroot)?);

    let mut files = disk::Files::new();
    files.insert("config.txt".into(), CONFIG_TXT.into());
    files.insert("cmdline.txt".into(), CMDLINE_TXT.into());
    let settings = options.root.join("app/oratype.toml");
    files.insert("oratype.toml".into(), read(&settings)?);
    files.insert("vmlinuz".into(), read(&kernel_folder.join(format!("boot/vmlinuz-{}", kernel.version)))?);
    files.insert("initrd.img".into(), initrd);
    let linux_trees = kernel_folder.join(format!("usr/lib/linux-image-{}/broadcom", kernel.version));
    files.extend(devicetree::merged(&linux_trees, &options.root.join("board/overlays"))?);
    for name in FIRMWARE {
        files.insert(name.into(), read(&firmware_folder.join("usr/lib/raspi-firmware").join(name))?);
    }
    files.insert("licences.txt".into(), bom::licences(&components).into());

    eprintln!("card: one FAT partition");
    // The same for the same commit, and as good as random.
    let id = Sha256::digest(format!("oratype {version} {}", options.commit));
    let id = u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
    let image = disk::image(&files, options.time_s, id)?;
    if disk::files(&image)? != files {
        return Err(Error::invalid("FAT partition", "what was read back is not what was written"));
    }

    publish(options, &image, &components)?;
    report(&files, &root, archive.len());
    Ok(())
}

/// Write the image and what belongs to it, and say what was written.
fn publish(options: &Options, image: &[u8], components: &[bom::Component]) -> Result<(), Error> {
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("oratype-{version}.img");
    let xz = format!("{name}.xz");
    let sha256 = hex(&Sha256::digest(image));
    let mut sums = format!("{sha256}  {name}\n");
    let mut results = vec![
        (name, image.to_vec()),
        (format!("oratype-{version}.bmap"), publish::bmap(image, disk::used_bytes(image)).into()),
        (
            format!("oratype-{version}.spdx.json"),
            bom::spdx(version, options.time_s, &sha256, components).into(),
        ),
    ];
    let manifest = format!("oratype-{version}.os_list.json");
    if options.image_only {
        // Those of an earlier build would not fit this image.
        for name in [xz, manifest] {
            let _ = fs::remove_file(options.out.join(name));
        }
    } else {
        eprintln!("compressing");
        let compressed = publish::xz(image)?;
        sums.push_str(&format!("{}  {xz}\n", hex(&Sha256::digest(&compressed))));
        let url = format!("{}{xz}", options.download_url);
        let list = publish::os_list(version, &url, options.time_s, image, &compressed);
        results.extend([(xz, compressed), (manifest, list.into())]);
    }
    results.push((format!("oratype-{version}.sha256"), sums.into()));
    fs::create_dir_all(&options.out).map_err(Error::file(&options.out))?;
    for (name, contents) in results {
        let path = write(options, &name, &contents)?;
        eprintln!("{} {:.1} MB", path.display(), contents.len() as f64 / 1e6);
    }
    Ok(())
}

/// The locked packages, unpacked; in the order of the lock.
fn fetch(apt: &mut Apt, options: &Options) -> Result<(Vec<Locked>, Vec<PathBuf>), Error> {
    let text = fs::read_to_string(&options.lock).map_err(Error::file(&options.lock))?;
    if lock::built_with(&text).is_some_and(|built_with| built_with != options.built_with) {
        eprintln!(
            "WARNING: the lock was made with {}; {} gives other bytes",
            lock::built_with(&text).unwrap_or_default(),
            options.built_with
        );
    }
    let mut packages = lock::parse(&options.lock.display().to_string(), &text)?;
    let mut folders = vec![];
    for package in &mut packages {
        let folder = match apt.unpacked(package) {
            Err(Error::Gone { version, .. }) if options.allow_newer => {
                let name = if apt::is_kernel(&package.package) { apt::KERNEL } else { &package.package };
                let newer = apt.candidate(name)?;
                eprintln!(
                    "WARNING: {} {version} is gone, building with {} {}: not the image of the lock",
                    package.package, newer.package, newer.version
                );
                *package = newer;
                apt.unpacked(package)?
            }
            result => result?,
        };
        folders.push(folder);
    }
    Ok((packages, folders))
}

/// Write the lock with what the archive offers now, and say what changed.
pub fn refresh_lock(apt_config: &Path, cache: &Path, lock: &Path, built_with: &str) -> Result<(), Error> {
    let mut apt = Apt::new(apt_config, cache)?;
    apt.update()?;
    let packages = apt.resolve(&PACKAGES)?;
    let old = fs::read_to_string(lock).unwrap_or_default();
    let old = lock::parse(&lock.display().to_string(), &old).unwrap_or_default();
    for package in packages.iter().filter(|package| !old.contains(package)) {
        eprintln!("{} {}", package.package, package.version);
    }
    fs::write(lock, lock::format(&packages, built_with)).map_err(Error::file(lock))?;
    eprintln!("{}: {} packages", lock.display(), packages.len());
    Ok(())
}

/// What an image contains, taken out of the image itself.
pub struct Contents {
    /// The files of the FAT partition.
    pub files: disk::Files,
    /// The root file system.
    pub root: Tree,
}

/// Open an image, and check that nothing is in it that must not be.
pub fn contents(image: &Path) -> Result<Contents, Error> {
    let files = disk::files(&read(image)?)?;
    let initrd = files.get("initrd.img").ok_or_else(|| Error::invalid(image.display(), "no initrd.img"))?;
    let archive = zstd::decode_all(&initrd[..]).map_err(Error::file(Path::new("initrd.img")))?;
    let root = Tree::from_cpio(&archive)?;
    rootfs::check(&root)?;
    Ok(Contents { files, root })
}

/// Write the files of an image's FAT partition into a folder.
pub fn extract(image: &Path, out: &Path) -> Result<(), Error> {
    fs::create_dir_all(out).map_err(Error::file(out))?;
    for (name, contents) in contents(image)?.files {
        let path = out.join(name);
        fs::write(&path, contents).map_err(Error::file(&path))?;
    }
    Ok(())
}

/// The size of each part, and how long a slow card takes to read it.
fn report(files: &disk::Files, root: &Tree, unpacked_bytes: usize) {
    let line = |name: &str, bytes: usize, read_at_start: bool| {
        let seconds = bytes as f64 / CARD_BYTES_PER_S;
        let time = if read_at_start { format!("{seconds:7.2} s") } else { String::new() };
        eprintln!("  {name:<44} {:8.2} MB {time}", bytes as f64 / 1e6);
    };
    eprintln!("\nOn the card, with the time to read it at {} MB/s:", CARD_BYTES_PER_S / 1e6);
    let sum = |wanted: &dyn Fn(&str) -> bool| {
        files.iter().filter(|(name, _)| wanted(name)).map(|(_, contents)| contents.len()).sum::<usize>()
    };
    let one_tree = files.iter().filter(|(name, _)| name.ends_with(".dtb")).map(|(_, tree)| tree.len()).max();
    let zero2w = sum(&|name| ["bootcode.bin", "start_cd.elf", "fixup_cd.dat"].contains(&name));
    let pi4 = sum(&|name| ["start4cd.elf", "fixup4cd.dat"].contains(&name));
    let [kernel, initrd] = ["vmlinuz", "initrd.img"].map(|wanted| sum(&|name| name == wanted));
    line("firmware: Zero 2 W, 3A+", zero2w, true);
    line("firmware: 4B, 400, CM4", pi4, true);
    line("kernel", kernel, true);
    line("initramfs", initrd, true);
    line("device tree, the largest", one_tree.unwrap_or(0), true);
    line("licences", sum(&|name| name == "licences.txt"), false);
    line("all that a start reads (Zero 2 W)", zero2w + kernel + initrd + one_tree.unwrap_or(0), true);
    eprintln!("\nIn RAM, unpacked ({:.2} MB as an archive):", unpacked_bytes as f64 / 1e6);
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, node) in &root.0 {
        let cpio::Node::File(_, data) = node else { continue };
        let part = match path.as_str() {
            "init" | "usr/bin/oratype" => path.as_str(),
            path if path.starts_with("usr/share/oratype/models/") => "models",
            path if path.starts_with("usr/lib/modules/") => "kernel modules",
            path if path.starts_with("usr/lib/") => "libraries",
            _ => "configuration",
        };
        *parts.entry(part).or_default() += data.len();
    }
    for (part, bytes) in parts {
        line(part, bytes, false);
    }
    line("all", root.bytes(), false);
    eprintln!();
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file(path))
}

/// Write a result; it gets its name only when it is complete.
fn write(options: &Options, name: &str, contents: &[u8]) -> Result<PathBuf, Error> {
    let path = options.out.join(name);
    let part = options.out.join(format!("{name}.part"));
    fs::write(&part, contents).map_err(Error::file(&part))?;
    fs::rename(&part, &path).map_err(Error::file(&path))?;
    Ok(path)
}

/// A digest in hexadecimal.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Year, month and day of a time in seconds since 1970 (proleptic Gregorian calendar, UTC).
pub fn date(time_s: u32) -> (u16, u16, u16) {
    // Days since 1 March 0000, so that leap days end a year (H. Hinnant, "chrono-compatible low-level date algorithms").
    let days = time_s / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
    (year as u16, month as u16, day as u16)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(951_782_400), (2000, 2, 29));
        assert_eq!(date(1_704_067_199), (2023, 12, 31));
        assert_eq!(date(1_709_164_800), (2024, 2, 29));
        assert_eq!(date(u32::MAX), (2106, 2, 7));
    }
}
