//! The appliance's first process. It mounts what the program needs, loads the kernel modules, reads the settings off
//! the card, and keeps `oratype run` running.
//!
//! Architecture invariant: PID 1 must not end, because the kernel panics when it does. Every error is logged and
//! survived, nothing here panics, and nothing waits without a bound.

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod backoff;
mod card;
mod kmsg;
mod lines;
mod modules;
mod mounts;
mod supervise;

use std::process::{ExitCode, id};

use kmsg::stage;

/// The program that init is there for.
const PROGRAM: &str = "/usr/bin/oratype";
/// Its models.
const MODELS: &str = "/usr/share/oratype/models";

fn main() -> ExitCode {
    // Elsewhere it would mount and load things on somebody's PC.
    if id() != 1 {
        eprintln!("oratype-init: only the kernel starts this program, as the first process of the appliance");
        return ExitCode::FAILURE;
    }
    mounts::mount_all(&mounts::FIRST);
    kmsg::start();
    stage("init started");
    modules::load_all(modules::LIST);
    stage("modules loaded");
    // configfs is a module.
    mounts::mount_all(&mounts::AFTER_MODULES);
    card::provide_settings();
    let arguments = arguments(std::env::args_os().skip(1).filter_map(|word| word.into_string().ok()));
    supervise::forever(PROGRAM, &arguments)
}

/// Arguments of the program: its own, and then what follows `--` on the kernel's command line. The kernel hands
/// words it does not know to init too, before those; they are no options and are left out.
fn arguments(own: impl Iterator<Item = String>) -> Vec<String> {
    let given = own.skip_while(|word| !word.starts_with('-'));
    ["run", "--models", MODELS, "--settings", card::SETTINGS]
        .map(Into::into)
        .into_iter()
        .chain(given)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Vec<String> {
        arguments(words.iter().map(|&word| word.to_owned())).split_off(5)
    }

    #[test]
    fn what_follows_the_dashes_reaches_the_program() {
        assert_eq!(given(&[]), [""; 0]);
        assert_eq!(given(&["--settings", "/test/settings.toml"]), ["--settings", "/test/settings.toml"]);
    }

    #[test]
    fn words_unknown_to_the_kernel_do_not() {
        assert_eq!(given(&["splash", "-v", "x"]), ["-v", "x"]);
        assert_eq!(given(&["splash"]), [""; 0]);
    }
}
