//! The few facts that are read from ELF files: which libraries a program needs, what a kernel module says of itself.

use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _};
use object::{Endianness, Object as _, ObjectSection as _};

/// File names of the shared libraries (`DT_NEEDED`) of a program or library, 64 bits.
pub fn needed(file: &[u8]) -> Result<Vec<String>, object::Error> {
    let header = FileHeader64::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let Some((dynamic, link)) = sections.dynamic(endian, file)? else { return Ok(vec![]) };
    let strings = sections.strings(endian, file, link)?;
    let needed = dynamic.iter().filter(|entry| entry.tag(endian) == DT_NEEDED);
    needed.map(|entry| Ok(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned())).collect()
}

/// The `key=value` pairs of a kernel module (section `.modinfo`).
pub fn modinfo(module: &[u8]) -> Result<Vec<(String, String)>, object::Error> {
    let file = object::File::parse(module)?;
    let Some(section) = file.section_by_name(".modinfo") else { return Ok(vec![]) };
    let pairs = section.data()?.split(|&byte| byte == 0);
    let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_program_needs_the_c_library() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = super::needed(&program).unwrap();
        assert!(needed.iter().any(|name| name == "libc.so.6"), "{needed:?}");
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        assert!(super::needed(b"#!/bin/sh\n").is_err());
        assert!(super::modinfo(b"").is_err());
    }
}
