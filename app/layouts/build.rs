//! Makes the tables of `src/tables.rs` from xkeyboard-config and libX11's Compose data (Debian: xkb-data, libx11-data).
//!
//! `ORATYPE_X11_DATA` names a folder with `xkb` and `locale` other than `/usr/share/X11`. Nothing else of the machine
//! gets into the tables: neither a person's own XKB files nor the locale.

#[path = "build/case.rs"]
mod case;
#[path = "build/dead.rs"]
mod dead;
#[path = "build/keys.rs"]
mod keys;
#[path = "build/pack.rs"]
mod pack;
#[path = "build/xkb.rs"]
mod xkb;

use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use kbvm::xkb::Context;
use kbvm::xkb::compose::ComposeTable;
use kbvm::xkb::diagnostic::WriteToStderr;

fn main() {
    let root = PathBuf::from(env::var_os("ORATYPE_X11_DATA").unwrap_or_else(|| "/usr/share/X11".into()));
    let (rules, compose) = (root.join("xkb"), root.join("locale/en_US.UTF-8/Compose"));
    // Beside the data, where every distribution's package puts it.
    let package = root.join("../pkgconfig/xkeyboard-config.pc");
    println!("cargo::rerun-if-env-changed=ORATYPE_X11_DATA");
    for path in [&rules, &compose, &package] {
        println!("cargo::rerun-if-changed={}", path.display());
        assert!(path.exists(), "{} is missing: install xkb-data and libx11-data", path.display());
    }

    let compose = {
        let context = context(&rules);
        let mut builder = context.compose_table_builder();
        builder.file(&compose);
        builder.build(WriteToStderr).expect("a Compose file")
    };
    let layouts = layouts(&rules, &compose);
    let source = pack::source(&layouts, &dead::compositions(&compose), &version(&package));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("tables.rs");
    fs::write(&out, source).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

/// A context that knows these rules and nothing of the machine.
fn context(rules: &Path) -> Context {
    let mut builder = Context::builder();
    builder.clear();
    builder.enable_environment(false);
    builder.load_extra_rules(true);
    builder.append_path(rules);
    builder.build()
}

/// All layouts, by name. On every core: compiling them takes some time.
fn layouts(rules: &Path, compose: &ComposeTable) -> Vec<xkb::Layout> {
    let names: Vec<_> = xkb::registry(&context(rules)).into_iter().collect();
    assert!(!names.is_empty(), "{} lists no layouts", rules.display());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = names
            .chunks(names.len().div_ceil(threads))
            .map(|names| {
                scope.spawn(|| {
                    let context = context(rules);
                    let compile = |(name, description): &(String, String)| {
                        xkb::layout(&context, compose, name.clone(), description.clone())
                            .unwrap_or_else(|problem| panic!("xkeyboard-config: {problem}"))
                    };
                    names.iter().map(compile).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a layout compiles")).collect()
    })
}

/// The version of xkeyboard-config, as its pkg-config file tells.
fn version(package: &Path) -> String {
    let text = fs::read_to_string(package).unwrap_or_else(|error| panic!("{}: {error}", package.display()));
    let version = text.lines().find_map(|line| line.strip_prefix("Version:"));
    version.unwrap_or_else(|| panic!("{}: no version", package.display())).trim().to_owned()
}
