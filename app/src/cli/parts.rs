//! From names on the command line to drivers: which board, which files, which keyboard.

use std::io::stdout;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use oratype::models;
use oratype::recognise::cores;
use oratype::recognise::engine::EngineOptions;
use oratype::recognise::supervisor::{OWN_PROGRAM, SupervisorOptions};
use oratype::recognise::worker::WorkerOptions;
use oratype::settings::Settings;
use oratype::speech::SileroVad;
use oratype_board::{Board, desk};
use oratype_hal::gpio::ScriptedButton;
use oratype_hal::hid::{Backspace, Echo, Keyboard, PrintKeyboard, ReportStream, UinputKeyboard};
use oratype_hal::pcm::wav::{self, WavOptions, WavSource};
use oratype_hal::sched;
use oratype_hal::time::MonotonicClock;

use super::{BoardName, Common, Pace, Refusal};

/// Where the keys go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypeTo {
    /// Decoded, to standard output.
    Print,
    /// Into this computer.
    Uinput,
    /// Raw 8-byte reports, into a file, a pipe or a `/dev/hidgN`.
    Path(PathBuf),
}

impl FromStr for TypeTo {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "print" => Self::Print,
            "uinput" => Self::Uinput,
            path => Self::Path(path.into()),
        })
    }
}

/// The board of that name.
pub(super) fn board(name: BoardName) -> Board {
    match name {
        BoardName::Desk => {
            let cores = sched::available_cores().unwrap_or_else(|error| {
                log::warn!("{error}");
                Vec::new()
            });
            desk::board(&cores)
        }
    }
}

/// The settings; what is wrong in the file is reported, and the defaults stand for it.
pub(super) fn settings(common: &Common) -> Result<Settings, Refusal> {
    let Some(file) = &common.settings else { return Ok(Settings::default()) };
    let (settings, problems) = Settings::load(file)?;
    for problem in &problems {
        eprintln!("{}; the default is used", problem.in_file(file));
    }
    Ok(settings)
}

/// How to start the recogniser. The model itself is checked by the recogniser, which has to read it anyway.
pub(super) fn recogniser(
    common: &Common,
    board: &Board,
    settings: &Settings,
) -> Result<SupervisorOptions, Refusal> {
    let cores = board.recogniser_cores.clone();
    // On a PC other programs have work for these cores too.
    let partition = cores::set_aside(&cores, None);
    let threads = match settings.recogniser.threads as usize {
        0 => cores.len().max(1),
        // ggml's threads spin while they wait: more threads than cores are many times slower, not faster.
        asked => asked.min(cores.len().max(1)),
    };
    Ok(SupervisorOptions {
        program: OWN_PROGRAM.into(),
        worker: WorkerOptions {
            model: common.models.join(models::WHISPER.name),
            cores,
            engine: EngineOptions { threads, flash_attention: board.flash_attention },
        },
        timeout: settings.recogniser.timeout,
        partition,
    })
}

/// The speech detector, its weights checked.
pub(super) fn vad(common: &Common) -> Result<SileroVad, Refusal> {
    let path = common.models.join(models::SILERO.name);
    models::verify(&path, &models::SILERO)?;
    Ok(SileroVad::load(&path)?)
}

/// Recordings as a microphone, and a button that is held while each one plays.
///
/// They follow each other like dictations do: with the tail of one, and silence, before the next.
pub(super) fn recordings<P: AsRef<Path>>(
    files: &[P],
    pace: Pace,
    settings: &Settings,
    turnstile: bool,
) -> Result<(WavSource, ScriptedButton), Refusal> {
    /// After the tail, so that no dictation ends in the beginning of the next.
    const AFTER_TAIL: Duration = Duration::from_millis(500);
    let pace = match pace {
        Pace::Realtime => wav::Pace::RealTime(Arc::new(MonotonicClock)),
        Pace::Fast => wav::Pace::Fast,
    };
    // A very short recording is a hold all the same, not a tap.
    let held_min = settings.button.tap + settings.button.debounce;
    let gap = held_min + settings.button.debounce + settings.audio.tail + AFTER_TAIL;
    let source = WavSource::open(files, pace, WavOptions { lead: Duration::ZERO, gap, turnstile })?;
    let schedule = source.schedule();
    let held = schedule.iter().map(|played| (played.start, played.end.max(played.start + held_min)));
    Ok((source, ScriptedButton::held(held)))
}

/// The keyboard. With `echo`, what goes elsewhere is printed too.
pub(super) fn keyboard(to: &TypeTo, echo: bool) -> Result<Box<dyn Keyboard>, Refusal> {
    let backspace = Backspace::on(&stdout());
    let echoed = |keyboard: Box<dyn Keyboard>| -> Box<dyn Keyboard> {
        if echo { Box::new(Echo::new(keyboard, stdout(), backspace)) } else { keyboard }
    };
    Ok(match to {
        TypeTo::Print => Box::new(PrintKeyboard::new(stdout(), backspace)),
        TypeTo::Uinput => echoed(Box::new(UinputKeyboard::open()?)),
        TypeTo::Path(path) => echoed(Box::new(ReportStream::open(path)?)),
    })
}
