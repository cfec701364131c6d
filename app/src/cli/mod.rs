//! The command line.

mod appliance;
mod bench;
mod check;
mod parts;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use oratype::recognise::engine::EngineOptions;
use oratype::recognise::worker::{self, WorkerOptions};

/// Offline dictation keyboard: hold the button, speak, release, and the words are typed.
///
/// Nothing leaves the machine: there is no network code in this program.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more: once for the pipeline's steps, twice for every segment
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Dictate, from recordings or a microphone
    Run(run::RunArgs),
    /// Measure accuracy and speed on a set of recordings
    Bench(bench::BenchArgs),
    /// Look at model files
    #[command(subcommand)]
    Model(check::ModelCommand),
    /// Look at settings files
    #[command(subcommand)]
    Settings(check::SettingsCommand),
    /// The process that whisper.cpp runs in; started by the others
    #[command(hide = true)]
    Recogniser(RecogniserArgs),
}

/// What every command that recognises speech needs.
#[derive(Args, Clone)]
struct Common {
    /// Settings file; every key is optional, the defaults serve without one. Given again, the later file counts
    #[arg(long, value_name = "FILE")]
    settings: Vec<PathBuf>,
    /// Folder with the model files
    #[arg(long, value_name = "FOLDER", env = "ORATYPE_MODELS", default_value = ".cache/models")]
    models: PathBuf,
    /// The board this runs on. Without it the device tree says; a machine without one is a desk
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(oratype_board::NAMES))]
    board: Option<String>,
}

/// How fast recordings are played.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pace {
    /// As fast as they were spoken
    Realtime,
    /// As fast as the machine can; the same text comes out
    Fast,
}

#[derive(Args)]
struct RecogniserArgs {
    #[arg(long)]
    model: PathBuf,
    #[arg(long)]
    any_model: bool,
    #[arg(long)]
    threads: usize,
    #[arg(long, value_delimiter = '\n')]
    phrases: Vec<String>,
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
}

/// A reason to stop, in one line, for people.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    /// Do what was asked.
    pub(crate) fn run(self) -> ExitCode {
        start_log(self.verbose);
        let result = match self.command {
            Command::Run(args) => run::run(&args),
            Command::Bench(args) => bench::bench(&args),
            Command::Model(command) => check::model(&command),
            Command::Settings(command) => check::settings(&command),
            Command::Recogniser(args) => recogniser(args),
        };
        match result {
            Ok(code) => code,
            Err(error) => {
                eprintln!("oratype: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

fn start_log(verbose: u8) {
    let own = match verbose {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    let mut builder = env_logger::Builder::new();
    // whisper.cpp reports its every step as information.
    builder.filter_level(own).filter_module("whisper_rs", log::LevelFilter::Error);
    builder.parse_env(env_logger::Env::new().filter("ORATYPE_LOG"));
    builder.format_target(false).init();
}

fn recogniser(args: RecogniserArgs) -> Result<ExitCode, Refusal> {
    worker::run(&WorkerOptions {
        model: args.model,
        any_model: args.any_model,
        phrases: args.phrases,
        cores: args.cores,
        engine: EngineOptions { threads: args.threads },
    })?;
    Ok(ExitCode::SUCCESS)
}
