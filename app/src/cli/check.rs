//! `oratype model` and `oratype settings`: look at files, run nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use oratype::models;
use oratype::settings::{Settings, example};

use super::Refusal;

#[derive(Subcommand)]
pub(super) enum ModelCommand {
    /// Check that a file is a model this program runs on, byte for byte
    Verify {
        /// The model file
        file: PathBuf,
    },
}

#[derive(Subcommand)]
pub(super) enum SettingsCommand {
    /// Check a settings file, and the lists it names; what is wrong is named with its line
    Check {
        /// The settings file
        file: PathBuf,
    },
    /// Print a settings file with every key, its default and its meaning
    Example,
}

/// `oratype model …`
pub(super) fn model(command: &ModelCommand) -> Result<ExitCode, Refusal> {
    let ModelCommand::Verify { file } = command;
    let model = models::identify(file)?;
    say(&format!("{}: {}, {} bytes, SHA-256 {}\n", file.display(), model.name, model.bytes, model.sha256))
}

/// `oratype settings …`
pub(super) fn settings(command: &SettingsCommand) -> Result<ExitCode, Refusal> {
    let file = match command {
        SettingsCommand::Check { file } => file,
        SettingsCommand::Example => return say(&example()),
    };
    let (mut settings, problems) = Settings::load(file)?;
    for problem in &problems {
        eprintln!("{}", problem.in_file(file));
    }
    let mut is_good = problems.is_empty();
    for list in settings.load_lists(file) {
        let (list, problems) = list?;
        is_good &= problems.is_empty();
        for problem in &problems {
            eprintln!("{}", problem.in_file(&list));
        }
    }
    if is_good { say(&format!("{}: no problems\n", file.display())) } else { Ok(ExitCode::FAILURE) }
}

/// Print a result. A reader that went away has seen enough.
pub(super) fn say(text: &str) -> Result<ExitCode, Refusal> {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
