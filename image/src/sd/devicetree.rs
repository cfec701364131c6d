//! Linux' device trees of the boards with Oratype's overlays merged, by the tools of the device-tree-compiler package.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::error::Error;

/// File name → merged device tree, for every board that has an overlay. `linux` is the kernel package's folder of
/// device trees, `overlays` the one with the sources of the overlays.
pub fn merged(linux: &Path, overlays: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let scratch = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
    let mut trees = BTreeMap::new();
    for board in oratype_board::appliances() {
        let Some(overlay) = board.overlay else { continue };
        let compiled = scratch.path().join(overlay).with_extension("dtbo");
        // The overlays leave the unit addresses of nodes they extend to Linux' tree, which is no fault.
        run(Command::new("dtc")
            .args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"])
            .arg(&compiled)
            .arg(overlays.join(overlay)))?;
        for name in board.models.iter().filter_map(|model| model.device_tree) {
            let out = scratch.path().join(name);
            let base = linux.join(name);
            run(Command::new("fdtoverlay").arg("-i").arg(&base).arg("-o").arg(&out).arg(&compiled))?;
            trees.insert(name.to_owned(), fs::read(&out).map_err(Error::file(&out))?);
        }
    }
    Ok(trees)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let program = format!("{command:?}");
    let failed = |reason: String| Error::Program { program, reason };
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) => Err(failed(format!("{error}; install the package device-tree-compiler"))),
    }
}
