//! Kernel modules that the emulated machine needs beside those of the image.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};
use oratype_vm_agent::{FOLDER, MODULES};

use crate::Failure;

/// Load all that the list names, in its order.
pub(crate) fn load_all() -> Result<(), Failure> {
    load_until(|_| false)
}

/// Load one of the list again, after what stands before it.
pub(crate) fn load(name: &str) -> Result<(), Failure> {
    load_until(|path| Path::new(path).file_stem().is_some_and(|stem| stem == name))
}

fn load_until(last: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let list = Path::new(FOLDER).join(MODULES);
    let list = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    for line in list.lines() {
        let (path, parameters) = line.split_once(' ').unwrap_or((line, ""));
        let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
        match finit_module(&file, &CString::new(parameters)?, ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(format!("{path}: {errno}").into()),
        }
        if last(path) {
            break;
        }
    }
    Ok(())
}

/// Unload one.
pub(crate) fn remove(name: &str) -> Result<(), Failure> {
    let name = CString::new(name)?;
    delete_module(&name, DeleteModuleFlags::O_NONBLOCK).map_err(|errno| format!("{name:?}: {errno}").into())
}
