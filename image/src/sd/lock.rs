//! The lock file, `image/packages.lock`: every Debian package of the image with its version and SHA-256.
//!
//! ```text
//! package  version  architecture  size in bytes  SHA-256  file
//! ```
//! separated by tabs, sorted by package; `#` begins a comment. One comment names the compilers and the layout
//! data: with others the programs, and so the image, have other bytes.

use std::fmt::Write as _;

use super::error::Error;

/// First lines of the file.
const HEAD: &str = "\
# Debian packages of the SD card image, exactly. `scripts/build-image --refresh-lock` writes this file.
# package\tversion\tarchitecture\tbytes\tSHA-256\tfile
";

/// Begins the comment that names what the programs were built with.
const BUILT_WITH: &str = "# built with: ";

/// A package, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// `arm64` or `all`.
    pub architecture: String,
    /// Size of the .deb file.
    pub bytes: u64,
    /// SHA-256 of the .deb file, in hexadecimal.
    pub sha256: String,
    /// File name of the .deb.
    pub file: String,
}

/// Read a lock; `name` is for messages.
pub fn parse(name: &str, text: &str) -> Result<Vec<Locked>, Error> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let packages = lines.map(|(index, line)| {
        let invalid = || Error::invalid(format!("{name}:{}", index + 1), "not a line of a lock file");
        let [package, version, architecture, bytes, sha256, file] =
            line.split('\t').collect::<Vec<_>>().try_into().map_err(|_| invalid())?;
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        // It becomes a path.
        if !is_hash || file.contains('/') {
            return Err(invalid());
        }
        Ok(Locked {
            package: package.into(),
            version: version.into(),
            architecture: architecture.into(),
            bytes: bytes.parse().map_err(|_| invalid())?,
            sha256: sha256.into(),
            file: file.into(),
        })
    });
    packages.collect()
}

/// What programs were built with when the lock was made.
pub fn built_with(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix(BUILT_WITH))
}

/// The text of a lock.
pub fn format(packages: &[Locked], built_with: &str) -> String {
    let mut sorted: Vec<_> = packages.iter().collect();
    sorted.sort();
    sorted.into_iter().fold(format!("{HEAD}{BUILT_WITH}{built_with}\n"), |mut text, p| {
        let Locked { package, version, architecture, bytes, sha256, file } = p;
        let _ = writeln!(text, "{package}\t{version}\t{architecture}\t{bytes}\t{sha256}\t{file}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn locked()(
            package in "[a-z0-9][a-z0-9+.-]{1,20}",
            version in "[0-9][0-9a-z.+~:-]{0,20}",
            architecture in "arm64|all",
            bytes: u64,
            sha256 in "[0-9a-f]{64}",
            file in "[a-z0-9_.+%-]{1,40}\\.deb",
        ) -> Locked {
            Locked { package, version, architecture, bytes, sha256, file }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mut packages in prop::collection::vec(locked(), 0..5)) {
            packages.sort();
            prop_assert_eq!(parse("lock", &format(&packages, "rustc 1; g++ 2")).unwrap(), packages);
        }

        #[test]
        fn anything_is_read_without_panic(text in "[\\PC\t\n]{0,200}") {
            let _ = parse("lock", &text);
        }
    }

    #[test]
    fn what_it_was_built_with_is_found_again() {
        assert_eq!(built_with(&format(&[], "rustc 1; g++ 2")), Some("rustc 1; g++ 2"));
        assert_eq!(built_with(""), None);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let text = format!("# head\nlibc6\t2.41\tarm64\t10\t{}\t../libc6.deb\n", "0".repeat(64));
        let error = parse("packages.lock", &text).unwrap_err().to_string();
        assert!(error.starts_with("packages.lock:2: "), "{error}");
    }
}
