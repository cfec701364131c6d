//! From names on the command line to drivers: which board, which files, which keyboard.

use std::io::stdout;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use oratype::listen::frontend::FrontEnd;
use oratype::models;
use oratype::recognise::cores;
use oratype::recognise::engine::{EngineOptions, SAMPLE_RATE_HZ};
use oratype::recognise::policy::Decoding;
use oratype::recognise::supervisor::{OWN_PROGRAM, SupervisorOptions};
use oratype::recognise::worker::WorkerOptions;
use oratype::settings::{self, ReadList, Settings};
use oratype::speech::{SileroVad, SpeechDetector};
use oratype::typing::{Keymap, LayoutDecoder};
use oratype_board::Board;
use oratype_hal::gpio::ScriptedButton;
use oratype_hal::hid::{self, Backspace, Echo, Keyboard, PrintKeyboard, UinputKeyboard};
use oratype_hal::pcm::alsa::{AlsaCapture, OpenError};
use oratype_hal::pcm::wav::{self, WavOptions, WavSource};
use oratype_hal::pcm::{Capture, Captured};
use oratype_hal::time::MonotonicClock;
use oratype_hal::{cpuset, sched};

use super::{Common, Pace, Refusal};

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

/// The board of that name, or else the one this machine is; and what its maker calls it.
pub(super) fn board(name: Option<&str>) -> Result<(Board, String), Refusal> {
    let cores = sched::available_cores().unwrap_or_else(|error| {
        log::warn!("{error}");
        Vec::new()
    });
    let detected = match name {
        Some(_) => None,
        None => oratype_board::detect_here().unwrap_or_else(|error| {
            log::warn!("{error}");
            None
        }),
    };
    if let Some((board, model)) = detected {
        return Ok((on_cores(board, &cores), model.name.into()));
    }
    let name = name.unwrap_or("desk");
    let board = oratype_board::by_name(name, &cores).ok_or_else(|| format!("there is no board {name}"))?;
    let model = board.models.first().map_or(board.name, |model| model.name).into();
    Ok((on_cores(board, &cores), model))
}

/// A board with no more cores than there are.
fn on_cores(mut board: Board, available: &[usize]) -> Board {
    // An appliance may use them all. It would not know by asking: a partition that a killed predecessor left behind
    // keeps this process off the recogniser's cores.
    let online = if is_appliance(&board) { sched::online_cores().ok() } else { None };
    let available = online.as_deref().unwrap_or(available);
    board.recogniser_cores.retain(|core| available.contains(core));
    if board.recogniser_cores.is_empty() {
        board.recogniser_cores.extend(available.last());
    }
    board
}

/// The settings; what is wrong in a file is reported, and the defaults stand for it.
pub(super) fn settings(files: &[PathBuf]) -> Result<Settings, Refusal> {
    let mut settings = Settings::default();
    for file in files {
        for problem in settings.apply_file(file)? {
            eprintln!("{}; the default is used", problem.in_file(file));
        }
    }
    for list in lists(&mut settings, files) {
        let (list, problems) = list?;
        for problem in problems {
            eprintln!("{}; the line is not used", problem.in_file(&list));
        }
    }
    Ok(settings)
}

/// Add the lists that the settings name. They lie beside the last settings file.
fn lists(settings: &mut Settings, files: &[PathBuf]) -> Vec<ReadList> {
    files.last().map_or(Vec::new(), |beside| settings.load_lists(beside))
}

/// The settings of a device that has nobody to refuse them to: also a file that cannot be read is only a problem.
pub(super) fn settings_at_any_rate(common: &Common) -> (Settings, Vec<String>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    for file in &common.settings {
        match settings.apply_file(file) {
            Ok(found) => problems.extend(found.iter().map(|problem| format!("line {problem}"))),
            Err(error) => problems.push(error.to_string()),
        }
    }
    for list in lists(&mut settings, &common.settings) {
        match list {
            Ok((list, found)) => {
                let list = list.file_name().unwrap_or_default().display().to_string();
                problems.extend(found.iter().map(|problem| format!("{list} line {problem}")));
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    (settings, problems)
}

/// How to start the recogniser. The model itself is checked by the recogniser, which has to read it anyway. To be
/// called before other threads are started.
pub(super) fn recogniser(common: &Common, board: &Board, settings: &Settings) -> SupervisorOptions {
    let cores = board.recogniser_cores.clone();
    // On a PC other programs have work for these cores too.
    let cgroup_root = is_appliance(board).then_some(Path::new(cpuset::CGROUP_ROOT));
    let partition = cores::set_aside(&cores, cgroup_root);
    let threads = match settings.recogniser.threads as usize {
        0 => cores.len().max(1),
        // ggml's threads spin while they wait: more threads than cores are many times slower, not faster.
        asked => asked.min(cores.len().max(1)),
    };
    SupervisorOptions {
        program: OWN_PROGRAM.into(),
        worker: WorkerOptions {
            model: common.models.join(models::WHISPER.name),
            any_model: false,
            phrases: settings.vocabulary.clone(),
            cores,
            engine: EngineOptions { threads },
        },
        timeout: settings.recogniser.timeout,
        partition,
    }
}

const _: () =
    assert!(oratype_board::ONE_RETRY_POSITIONS == Decoding::STANDARD.retry_positions, "one retry, no more");

/// How segments are recognised on this board.
pub(super) fn decoding(board: &Board) -> Decoding {
    Decoding { retry_positions: board.retry_positions, ..Decoding::STANDARD }
}

/// Whether the board dictates by itself: it has a button, a light, and a USB port to type through.
pub(super) fn is_appliance(board: &Board) -> bool {
    board.gpio.is_some() && board.udc.is_some()
}

/// The microphone of that name, else the settings', else the board's.
pub(super) fn microphone(
    name: Option<&str>,
    board: &Board,
    settings: &Settings,
) -> Result<AlsaCapture, OpenError> {
    let own = Some(settings.audio.device.as_str()).filter(|device| !device.is_empty());
    AlsaCapture::open(name.or(own).unwrap_or(board.microphone), board.format, board.timing)
}

/// The speech detector, its weights checked.
pub(super) fn vad(common: &Common) -> Result<SileroVad, Refusal> {
    let path = common.models.join(models::SILERO.name);
    models::verify(&path, &models::SILERO)?;
    Ok(SileroVad::load(&path)?)
}

/// The longest that a button may come up after the last word of a recording.
pub(super) const RELEASED_AFTER_MAX: Duration = Duration::from_secs(2);

/// Where the speech in a recording ends, from its beginning, as the speech detector hears it; the recording's own end
/// if there is none.
pub(super) fn speech_end(file: &Path, detector: &mut SpeechDetector) -> Result<Duration, Refusal> {
    let options = WavOptions { lead: Duration::ZERO, gap: Duration::ZERO, turnstile: false };
    let mut source = WavSource::open(&[file], wav::Pace::Fast, options)?;
    let mut period = vec![0; source.period_bytes_max()];
    let mut front_end = None;
    detector.reset();
    while let Captured::Period(heard) = source.read_period(&mut period)? {
        let front_end = match &mut front_end {
            Some(present) => present,
            none => none.insert(FrontEnd::new(heard.format, 0.0)?),
        };
        let bytes = heard.frames as usize * heard.format.frame_bytes();
        front_end.process(&period[..bytes], |samples| detector.push(samples));
    }
    let samples = detector.evidence().span.map_or(detector.position(), |(_, end)| end);
    Ok(Duration::from_micros(samples * 1_000_000 / SAMPLE_RATE_HZ as u64))
}

/// Recordings as a microphone, and a button that is held while each one plays.
///
/// They follow each other like dictations do: with the tail of one, and silence, before the next. `releases` says for
/// each how long after its beginning the button comes up; without it, that is when it ends.
pub(super) fn recordings<P: AsRef<Path>>(
    files: &[P],
    pace: Pace,
    settings: &Settings,
    turnstile: bool,
    releases: Option<&[Duration]>,
) -> Result<(WavSource, ScriptedButton), Refusal> {
    /// After the tail, so that no dictation ends in the beginning of the next.
    const AFTER_TAIL: Duration = Duration::from_millis(500);
    let pace = match pace {
        Pace::Realtime => wav::Pace::RealTime(Arc::new(MonotonicClock)),
        Pace::Fast => wav::Pace::Fast,
    };
    // A very short recording is a hold all the same, not a tap.
    let held_min = settings.button.tap + settings.button.debounce;
    // Nobody releases later than this after the last word in a benchmark.
    let gap = held_min + RELEASED_AFTER_MAX + settings.button.debounce + settings.audio.tail + AFTER_TAIL;
    let source = WavSource::open(files, pace, WavOptions { lead: Duration::ZERO, gap, turnstile })?;
    let schedule = source.schedule();
    let held = schedule.iter().enumerate().map(|(index, played)| {
        let end = releases.map_or(played.end, |releases| played.start + releases[index]);
        (played.start, end.max(played.start + held_min))
    });
    Ok((source, ScriptedButton::held(held)))
}

/// The keyboard. What is printed is what a host of these settings shows. With `echo`, what goes elsewhere is printed too.
pub(super) fn keyboard(
    to: &TypeTo,
    echo: bool,
    settings: &settings::Typing,
) -> Result<Box<dyn Keyboard>, Refusal> {
    let print = || {
        let decoder = LayoutDecoder::new(Keymap::from_settings(settings));
        PrintKeyboard::new(stdout(), Backspace::on(&stdout()), decoder)
    };
    let echoed = |keyboard: Box<dyn Keyboard>| -> Box<dyn Keyboard> {
        if echo { Box::new(Echo::new(keyboard, print())) } else { keyboard }
    };
    Ok(match to {
        TypeTo::Print => Box::new(print()),
        TypeTo::Uinput => echoed(Box::new(UinputKeyboard::open()?)),
        TypeTo::Path(path) => echoed(hid::open(path)?),
    })
}
