//! Kernel modules, loaded in the order of a list that the image's builder made from their dependencies.

use std::fs::{self, File};
use std::io;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

/// One path a line, in the order of loading.
pub(crate) const LIST: &str = "/etc/oratype/modules";

/// Load every module of the list. One that does not load is logged and left out: it may be that of a device which
/// this board has not, and the program tells better what is missing.
pub(crate) fn load_all(list: &str) {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) => return log::error!("{list}: {error}; no modules loaded"),
    };
    for path in parse(&text) {
        if let Err(error) = load(path) {
            log::warn!("{path}: {error}");
        }
    }
}

fn load(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    match finit_module(file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The paths in a list; empty lines and comments are left out.
fn parse(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_list_is_kept() {
        let list = "/usr/lib/modules/6/b.ko\n\n# comment\n /usr/lib/modules/6/a.ko\n";
        assert_eq!(parse(list).collect::<Vec<_>>(), ["/usr/lib/modules/6/b.ko", "/usr/lib/modules/6/a.ko"]);
    }

    #[test]
    fn what_is_missing_is_survived() {
        load_all("/nowhere/modules");
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("modules");
        fs::write(&list, "/nowhere/a.ko\n").unwrap();
        load_all(list.to_str().unwrap());
    }
}
